/* arena.h - memory for very many small things that are freed as a whole */
#pragma once

#include <glib.h>

struct arena_block;

/** struct arena - All zero: nothing was taken yet */
struct arena {
        struct arena_block *blocks;
        char *start, *end; /* of what is left of the present block: all grows from its start, texts from its end */
        size_t next_bytes; /* of the next block */
};

/** arena_clear() - Free all that was taken */
void arena_clear(struct arena *arena);

/** arena_alloc() - Zeroed memory, aligned to 8; never NULL, also for no bytes at all */
void *arena_alloc(struct arena *arena, size_t bytes) G_GNUC_MALLOC G_GNUC_ALLOC_SIZE(2);

/** arena_text() - A copy of @length bytes and a NUL behind them, without a gap to its neighbours */
char *arena_text(struct arena *arena, const char *text, size_t length);
