/* arena.c - memory for very many small things that are freed as a whole
 *
 * Blocks grow, so that a small project takes little and a large one few of them. Large blocks come from the kernel with all
 * their pages: one by one, at the first touch of each, they cost more than what is written into them.
 */
#include "base/arena.h"

#include <sys/mman.h>

enum {
        FIRST_BYTES = 64 << 10,
        MAPPED_BYTES = 1 << 19, /* from here on a block is a mapping of its own */
        LAST_BYTES = 1 << 19,   /* blocks grow up to that: of the last one half is wasted */
};

struct arena_block {
        struct arena_block *next;
        size_t bytes; /* with this header */
};

static struct arena_block *
block_new(size_t bytes)
{
        struct arena_block *block;

        if (bytes < MAPPED_BYTES) {
                block = g_malloc0(bytes);
        } else {
                block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
                if (block == MAP_FAILED)
                        g_error("out of memory");
        }
        block->bytes = bytes;
        return block;
}

static void
block_free(struct arena_block *block)
{
        if (block->bytes < MAPPED_BYTES)
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

char *
arena_grow(struct arena *arena, size_t bytes)
{
        size_t usual = MAX(arena->next_bytes, FIRST_BYTES);
        gboolean apart = bytes > usual / 4;
        struct arena_block *block = block_new(apart ? sizeof *block + bytes : usual);

        block->next = arena->blocks;
        arena->blocks = block;
        if (apart)
                return (char *)(block + 1);
        arena->next_bytes = MIN(2 * usual, LAST_BYTES);
        arena->start = (char *)(block + 1);
        arena->end = (char *)block + usual;
        return NULL;
}
