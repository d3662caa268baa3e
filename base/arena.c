/* arena.c - memory for very many small things that are freed as a whole
 *
 * Blocks grow, so that a small project takes little and a large one few of them. Large blocks come from the kernel with all
 * their pages: one by one, at the first touch of each, they cost more than what is written into them.
 */
#include "base/arena.h"

#include <string.h>
#include <sys/mman.h>

enum {
        FIRST_BYTES = 64 << 10,
        MAPPED_BYTES = 1 << 20, /* from here on a block is a mapping of its own */
        LAST_BYTES = 4 << 20,   /* blocks grow up to that */
        ALIGNMENT = 8,
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

/* A new block with room for @bytes. What is large gets one for itself, which is returned; the present one is used on. */
static char *
add_block(struct arena *arena, size_t bytes)
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

void *
arena_alloc(struct arena *arena, size_t bytes)
{
        char *taken = NULL;

        bytes = MAX(bytes + ALIGNMENT - 1, ALIGNMENT) / ALIGNMENT * ALIGNMENT;
        if (bytes > (size_t)(arena->end - arena->start))
                taken = add_block(arena, bytes);
        if (!taken) {
                taken = arena->start;
                arena->start += bytes;
        }
        return taken;
}

char *
arena_text(struct arena *arena, const char *text, size_t length)
{
        char *copy = NULL;

        if (length >= (size_t)(arena->end - arena->start))
                copy = add_block(arena, length + 1);
        if (!copy)
                copy = arena->end -= length + 1;
        if (length)
                memcpy(copy, text, length);
        copy[length] = '\0';
        return copy;
}
