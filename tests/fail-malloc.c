/* fail-malloc.c - preloaded into drover: from the Nth request on there is no memory (tests/e2e/test_memory.py)
 *
 * MALLOC_FAIL_AT=N     which request fails first; MALLOC_FAIL_ONCE: the following ones get memory again
 * MALLOC_COUNT=FILE    write there how many requests there were
 *
 * cmd/main.c asks the C library by these names.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static long requests, fail_at;
static int once;

static void __attribute__((constructor))
begin(void)
{
        const char *at = getenv("MALLOC_FAIL_AT");

        once = getenv("MALLOC_FAIL_ONCE") != NULL;
        fail_at = at ? atol(at) : 0;
        requests = 0;
}

static void __attribute__((destructor))
end(void)
{
        const char *path = getenv("MALLOC_COUNT");
        long count = requests;
        FILE *file = path ? fopen(path, "w") : NULL;

        if (file) {
                fprintf(file, "%ld\n", count);
                fclose(file);
        }
}

static int
fails(void)
{
        long number = __atomic_add_fetch(&requests, 1, __ATOMIC_RELAXED);

        if (!fail_at || (once ? number != fail_at : number < fail_at))
                return 0;
        errno = ENOMEM;
        return 1;
}

/* The real ones, found without asking for memory. */
static void *
next(const char *name)
{
        void *function = dlsym(RTLD_NEXT, name);

        if (!function)
                abort();
        return function;
}

void *
__libc_malloc(size_t size)
{
        static void *(*function)(size_t);

        if (!function)
                *(void **)&function = next("__libc_malloc");
        return fails() ? NULL : function(size);
}

void *
__libc_calloc(size_t count, size_t size)
{
        static void *(*function)(size_t, size_t);

        if (!function)
                *(void **)&function = next("__libc_calloc");
        return fails() ? NULL : function(count, size);
}

void *
__libc_realloc(void *memory, size_t size)
{
        static void *(*function)(void *, size_t);

        if (!function)
                *(void **)&function = next("__libc_realloc");
        return fails() ? NULL : function(memory, size);
}
