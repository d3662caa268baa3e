/* arena.h - memory for very many small things that are freed as a whole */
#pragma once

#include <glib.h>
#include <string.h>

struct arena_block;

/** struct arena - All zero: nothing was taken yet */
struct arena {
        struct arena_block *blocks;
        char *start, *end; /* of what is left of the present block: all grows from its start, texts from its end */
        size_t next_bytes;   /* of the next block */
        size_t mapped_bytes; /* of blocks that are mappings */
};

/** arena_expect() - Say that about @bytes will be taken: it need not begin with small blocks */
void arena_expect(struct arena *arena, size_t bytes);

/** arena_clear() - Free all that was taken */
void arena_clear(struct arena *arena);

/** arena_alloc() - Zeroed memory, aligned to 8; never NULL, also for no bytes at all */
static inline void *arena_alloc(struct arena *arena, size_t bytes) G_GNUC_MALLOC G_GNUC_ALLOC_SIZE(2);

/** arena_text() - A copy of @length bytes and a NUL behind them, without a gap to its neighbours */
static inline char *arena_text(struct arena *arena, const char *text, size_t length);

/** arena_grow() - A new block with room for @bytes; what is large gets one for itself, which is returned, else NULL */
char *arena_grow(struct arena *arena, size_t bytes);

/** memory_populate() - Have the pages of much memory that is about to be filled come at once; errno is kept */
void memory_populate(void *start, size_t bytes);

static inline void *
arena_alloc(struct arena *arena, size_t bytes)
{
        char *taken = NULL;

        bytes = MAX((bytes + 7) & ~(size_t)7, 8);
        if (G_UNLIKELY(bytes > (size_t)(arena->end - arena->start)))
                taken = arena_grow(arena, bytes);
        if (G_LIKELY(!taken)) {
                taken = arena->start;
                arena->start += bytes;
        }
        return taken;
}

static inline char *
arena_text(struct arena *arena, const char *text, size_t length)
{
        char *copy = NULL;

        if (G_UNLIKELY(length >= (size_t)(arena->end - arena->start)))
                copy = arena_grow(arena, length + 1);
        if (G_LIKELY(!copy))
                copy = arena->end -= length + 1;
        if (length)
                memcpy(copy, text, length);
        copy[length] = '\0';
        return copy;
}
