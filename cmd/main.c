/* main.c - where drover begins, and where it ends when there is no memory
 *
 * GLib ends a program that gets no memory, from within, with a core dump; libyaml and jansson answer NULL, and a NULL that
 * somebody overlooked is a key that is silently missing. So all of them ask the functions below, which never return without
 * memory. Being ended at any point is something that drover stands anyway.
 */
#include "cmd/verbs.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void G_GNUC_NORETURN
end(const char *message)
{
        if (write(STDERR_FILENO, "error: ", strlen("error: ")) < 0 || write(STDERR_FILENO, message, strlen(message)) < 0 ||
            write(STDERR_FILENO, "\n", 1) < 0)
                _exit(1);
        _exit(1);
}

/* Of the sanitizers, which bring an allocator of their own, and of other C libraries we stay clear. */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
/* Source: glibc, "Replacing malloc": a program may define these; the C library's own stay under these names. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *
malloc(size_t size)
{
        void *memory = __libc_malloc(size);

        if (!memory)
                end("out of memory");
        return memory;
}

void *
calloc(size_t count, size_t size)
{
        void *memory = __libc_calloc(count, size);

        if (!memory)
                end("out of memory");
        return memory;
}

void *
realloc(void *old, size_t size)
{
        void *memory = __libc_realloc(old, size);

        if (!memory && size)
                end("out of memory");
        return memory;
}
#endif

/* What GLib cannot go on from: no thread, no memory of the kinds above. */
static void
log_message(const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
        if (level & (G_LOG_LEVEL_ERROR | G_LOG_FLAG_FATAL))
                end(message);
        g_log_default_handler(domain, level, message, data);
}

int
main(int argc, char **argv)
{
        g_log_set_default_handler(log_message, NULL);
        return cli_run(argc, argv);
}
