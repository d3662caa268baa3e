/* test-arena.c - base/arena: what is taken stays apart from its neighbours, is zeroed and aligned, whatever its size */
#include "base/arena.h"

#include <errno.h>
#include <string.h>

static gboolean
is_zero(const guchar *memory, size_t bytes)
{
        for (size_t i = 0; i < bytes; i++)
                if (memory[i])
                        return FALSE;
        return TRUE;
}

/* Sizes from nothing up to blocks of their own, small and mapped ones; all are looked at again when all are taken. */
static void
test_alloc(void)
{
        static const size_t sizes[] = {0, 1, 8, 9, 48, 472, 20000, 70000, 2 << 20};
        struct arena arena = {NULL};
        guchar *taken[900];

        for (size_t i = 0; i < G_N_ELEMENTS(taken); i++) {
                size_t bytes = sizes[i % 100 ? i % 7 : i / 100];

                taken[i] = arena_alloc(&arena, bytes);
                g_assert_nonnull(taken[i]);
                g_assert_cmpuint((gsize)taken[i] % 8, ==, 0);
                g_assert_true(is_zero(taken[i], bytes));
                memset(taken[i], (int)(i % 251) + 1, bytes);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(taken); i++) {
                size_t bytes = sizes[i % 100 ? i % 7 : i / 100];

                for (size_t j = 0; j < bytes; j++)
                        g_assert_cmpuint(taken[i][j], ==, i % 251 + 1);
        }
        arena_clear(&arena);
        g_assert_null(arena.blocks);
}

/* Texts and the rest share a block; neither runs into the other. */
static void
test_text(void)
{
        g_autofree char *large = g_strnfill(100000, 'x');
        struct arena arena = {NULL};
        const char *texts[5000];
        guint64 *numbers[5000];

        for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_autofree char *text = g_strdup_printf("%u|", i);

                texts[i] = arena_text(&arena, text, strlen(text) - 1);
                numbers[i] = arena_alloc(&arena, sizeof **numbers);
                g_assert_cmpuint(*numbers[i], ==, 0);
                *numbers[i] = G_MAXUINT64 - i;
        }
        g_assert_cmpstr(arena_text(&arena, "", 0), ==, "");
        g_assert_cmpstr(arena_text(&arena, large, 100000), ==, large);
        for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_assert_cmpuint(g_ascii_strtoull(texts[i], NULL, 10), ==, i);
                g_assert_cmpuint(*numbers[i], ==, G_MAXUINT64 - i);
        }
        arena_clear(&arena);
        arena_clear(&arena);
}

/* What is expected lies in one block; what fits no block has one of its own. */
static void
test_expect(void)
{
        struct arena arena = {NULL};
        const char *before;

        arena_expect(&arena, 1 << 20);
        before = arena_alloc(&arena, 8);
        for (guint i = 0; i < 1000; i++) {
                const char *taken = arena_alloc(&arena, 1000);

                g_assert_true(taken == before + (i ? 1000 : 8));
                before = taken;
        }
        arena_expect(&arena, G_MAXSIZE);
        memset(arena_alloc(&arena, 8 << 20), 1, 8 << 20);
        arena_clear(&arena);
}

/* From any address on, also of memory that cannot be had at once; what is there already stays. */
static void
test_populate(void)
{
        enum { BYTES = 1 << 20 };
        g_autofree char *memory = g_malloc(BYTES);

        memset(memory, 'x', BYTES);
        errno = ENOTTY;
        memory_populate(memory + 1, BYTES - 1);
        memory_populate(memory + 4095, 1);
        memory_populate(memory, 0);
        memory_populate(NULL, BYTES);
        g_assert_cmpint(errno, ==, ENOTTY);
        for (size_t i = 0; i < BYTES; i++)
                g_assert_cmpint(memory[i], ==, 'x');
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/arena/alloc", test_alloc);
        g_test_add_func("/arena/text", test_text);
        g_test_add_func("/arena/expect", test_expect);
        g_test_add_func("/arena/populate", test_populate);
        return g_test_run();
}
