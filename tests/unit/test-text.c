/* test-text.c - base/text: names, suggestions, quoting, sizes */
#include "base/text.h"

#include <string.h>

static void
test_is_name(void)
{
        static const char *const good[] = {"a", "0", "web", "web-1", "a--b", "x", "ax-b",
                                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
        static const char *const bad[] = {"", "-", "-a", "a-", "x-a", "A", "a_b", "a.b", "a b", "a/b", "\xc3\xa4", "a\n",
                                          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
                g_assert_true(text_is_name(good[i]));
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_false(text_is_name(bad[i]));
}

static void
test_make_name(void)
{
        static const char *const pairs[][2] = {
                {"Web", "web"}, {"My Lab (2)", "mylab2"}, {"--a--", "a"}, {"x-x-a", "a"}, {"\xc3\xa4", ""}, {"", ""},
                {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
                {"x-", "x"}, {"x-a", "a"}, {"x--a", "a"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
                g_autofree char *name = text_make_name(pairs[i][0]);

                g_assert_cmpstr(name, ==, pairs[i][1]);
                g_assert_true(!*name || text_is_name(name));
        }
}

static void
test_tail(void)
{
        static const char log[] = "one\r\n\ntwo\0x\nthree \x1b[0m\n\n";
        g_autofree char *two = text_tail(log, sizeof log - 1, 2), *all = text_tail("a\r\nb", -1, 9),
                        *none = text_tail("", 0, 3);

        g_assert_cmpstr(two, ==, "two x\nthree \\x1b[0m");
        g_assert_cmpstr(all, ==, "a\nb");
        g_assert_cmpstr(none, ==, "");
}

#define MIXED_TEXT                                                                                                            \
        "plain text, \xc3\xa4\xc3\xb6 \xe2\x82\xac\xe2\x82\xac\xe2\x82\xac \xf0\x9f\x98\x80\xf0\x9f\x98\x80 and more "       \
        "behind\xc2\xa0it"

/* Against GLib's, from and to each character of a text with all lengths of them. */
static void
test_count_and_skip(void)
{
        static const char text[] = MIXED_TEXT MIXED_TEXT MIXED_TEXT MIXED_TEXT MIXED_TEXT;
        const char *end = text + sizeof text - 1;

        for (const char *from = text; from <= end; from = *from ? g_utf8_next_char(from) : end + 1) {
                size_t count = 0;

                for (const char *to = from; to <= end; to = *to ? g_utf8_next_char(to) : end + 1, count++) {
                        g_assert_cmpuint(text_count(from, (size_t)(to - from)), ==, count);
                        g_assert_true(text_skip(from, end, count) == to);
                        g_assert_true(text_skip(from, to, count + 9) == to);
                }
        }
}

static void
test_suggest(void)
{
        static const char *const keys[] = {"memory", "machine", "mac", "mtu", "networks", NULL};
        g_autofree char *huge = g_strnfill(100000, 'm');

        g_assert_cmpstr(text_suggest("memroy", keys), ==, "memory");
        g_assert_cmpstr(text_suggest("mtuu", keys), ==, "mtu");
        g_assert_cmpstr(text_suggest("network", keys), ==, "networks");
        g_assert_cmpstr(text_suggest("amc", keys), ==, "mac");
        g_assert_null(text_suggest("colour", keys));
        g_assert_null(text_suggest("", keys));
        g_assert_null(text_suggest("z", keys));
        g_assert_null(text_suggest(huge, keys));
}

/* Whatever is quoted comes back from a shell's own rules. */
static void
test_quote_shell(void)
{
        static const char *const arguments[] = {"", "a", "a b", "it's", "$HOME", "`x`", "a\nb", "\"", "\\", "*", "~", "a;b",
                                                "-drive", "file=/x,y=z", "#x", "!"};

        for (size_t i = 0; i < G_N_ELEMENTS(arguments); i++) {
                g_autofree char *quoted = text_quote_shell(arguments[i]);
                g_autofree char *back = g_shell_unquote(quoted, NULL);

                g_assert_cmpstr(back, ==, arguments[i]);
        }
        {
                const char *const argv[] = {"qemu", "-name", "a b", "", NULL};
                g_autofree char *line = text_quote_argv(argv);

                g_assert_cmpstr(line, ==, "qemu -name 'a b' ''");
        }
}

static void
test_printable(void)
{
        static const struct {
                const char *text;
                gssize length;
                const char *printable;
        } cases[] = {
                {"plain", -1, "plain"},         {"\x1b[31m", -1, "\\x1b[31m"}, {"a\tb", -1, "a\tb"},
                {"a\0b", 3, "a\\x00b"},         {"\xff\xfe", -1, "\\xff\\xfe"}, {"\xc3\xa4", -1, "\xc3\xa4"},
                {"\xc3", -1, "\\xc3"},          {"a\nb\r", -1, "a\\x0ab\\x0d"}, {"abc", 1, "a"},
                {"\x7f", -1, "\\x7f"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *printable = text_make_printable(cases[i].text, cases[i].length);

                g_assert_cmpstr(printable, ==, cases[i].printable);
        }
}

/* A control character of two bytes (C1, as U+009B, which some terminals take for an escape) leaves valid UTF-8 behind. */
static void
test_printable_c1(void)
{
        g_autofree char *printable = text_make_printable("a\xc2\x9b" "31m", -1);

        g_assert_true(g_utf8_validate(printable, -1, NULL));
        g_assert_null(strstr(printable, "\xc2\x9b"));
        g_assert_true(g_str_has_suffix(printable, "31m"));
}

static void
test_sizes_and_durations(void)
{
        static const struct {
                guint64 number;
                const char *size, *duration;
        } cases[] = {
                {0, "0", "0s"},        {512, "512", "512ms"},          {1024, "1K", "1s24ms"}, {1536ull << 20, "1536M", NULL},
                {1ull << 30, "1G", NULL}, {1ull << 50, "1P", NULL},    {1ull << 60, "1024P", NULL},
                {5400000, NULL, "1h30m"}, {30000, NULL, "30s"},        {90061001, NULL, "25h1m1s1ms"},
                {G_MAXUINT64, "18446744073709551615", NULL},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *size = text_format_size(cases[i].number);
                g_autofree char *duration = text_format_duration(cases[i].number);

                if (cases[i].size)
                        g_assert_cmpstr(size, ==, cases[i].size);
                if (cases[i].duration)
                        g_assert_cmpstr(duration, ==, cases[i].duration);
        }
}

static int
sign(int number)
{
        return (number > 0) - (number < 0);
}

static void
test_compare_natural(void)
{
        static const char *const order[] = {"", "a", "web", "web-1", "web-2", "web-10", "web-10a", "web-11", "web2", "x"};

        for (size_t i = 0; i < G_N_ELEMENTS(order); i++)
                for (size_t j = 0; j < G_N_ELEMENTS(order); j++)
                        g_assert_cmpint(sign(text_compare_natural(order[i], order[j])), ==, sign((int)i - (int)j));
        g_assert_cmpint(text_compare_natural("99999999999999999999999", "100000000000000000000000"), <, 0);
        g_assert_cmpint(text_compare_natural("a\xc3", "az"), >, 0);
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/text/is-name", test_is_name);
        g_test_add_func("/text/make-name", test_make_name);
        g_test_add_func("/text/tail", test_tail);
        g_test_add_func("/text/count-and-skip", test_count_and_skip);
        g_test_add_func("/text/suggest", test_suggest);
        g_test_add_func("/text/quote-shell", test_quote_shell);
        g_test_add_func("/text/printable", test_printable);
        g_test_add_func("/text/printable/c1", test_printable_c1);
        g_test_add_func("/text/sizes-and-durations", test_sizes_and_durations);
        g_test_add_func("/text/compare-natural", test_compare_natural);
        return g_test_run();
}
