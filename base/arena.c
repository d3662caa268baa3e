/* arena.c - memory for very many small things that are freed as a whole
 *
 * Blocks grow, so that a small project takes little and a large one few of them. The largest are as large as a large page of
 * the kernel, the first of these have one, and all come with their memory: page by page, at the first touch of each, it costs
 * more than what is written into it.
 */
#include "base/arena.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
        MANY_BYTES = 128 << 10, /* from there on a call to the kernel is less than the faults that it saves */
        FIRST_BYTES = 64 << 10,
        LAST_BYTES = 2 << 20,   /* blocks grow up to that; from there on a block is a mapping of its own */
        LARGE_BYTES = 24 << 20, /* behind that pages are small: a host that takes back what its guests do not use, say, has
                                   few large ones at hand, and each that it has to find takes longer than 512 small ones */
};

void
memory_populate(void *start, size_t bytes)
{
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        size_t skipped = -(size_t)start & (page - 1); /* a page that is not ours alone is in use already, most likely */
        int before = errno;

        if (bytes >= MANY_BYTES)
                madvise((char *)start + skipped, (bytes - skipped) / page * page, MADV_POPULATE_WRITE);
        errno = before;
}

struct arena_block {
        struct arena_block *next;
        size_t bytes; /* with this header */
};

static struct arena_block *
block_new(struct arena *arena, size_t bytes)
{
        struct arena_block *block;

        if (bytes < LAST_BYTES) {
                block = g_malloc0(bytes);
        } else {
                bytes = (bytes + LAST_BYTES - 1) / LAST_BYTES * LAST_BYTES; /* a mapping that is no multiple lies anywhere */
                block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (block == MAP_FAILED)
                        g_error("out of memory");
                if (arena->mapped_bytes < LARGE_BYTES)
                        madvise(block, bytes, MADV_HUGEPAGE); /* a kernel that has none takes small ones */
                memory_populate(block, bytes);
                arena->mapped_bytes += bytes;
        }
        block->bytes = bytes;
        return block;
}

static void
block_free(struct arena_block *block)
{
        if (block->bytes < LAST_BYTES)
                g_free(block);
        else
                munmap(block, block->bytes);
}

void
arena_clear(struct arena *arena)
{
        struct arena_block *next;

        for (struct arena_block *block = arena->blocks; block; block = next) {
                next = block->next;
                block_free(block);
        }
        *arena = (struct arena){NULL};
}

void
arena_expect(struct arena *arena, size_t bytes)
{
        arena->next_bytes = MIN(MAX(arena->next_bytes, bytes), LAST_BYTES);
}

char *
arena_grow(struct arena *arena, size_t bytes)
{
        size_t usual = MAX(arena->next_bytes, FIRST_BYTES);
        gboolean apart = bytes > usual / 4;
        struct arena_block *block = block_new(arena, apart ? sizeof *block + bytes : usual);

        block->next = arena->blocks;
        arena->blocks = block;
        if (apart) {
                arena_expect(arena, bytes); /* where there is much at once more of its kind follows */
                return (char *)(block + 1);
        }
        arena->next_bytes = MIN(4 * usual, LAST_BYTES);
        arena->start = (char *)(block + 1);
        arena->end = (char *)block + usual;
        return NULL;
}
