/* test-source.c - parser/source: what is text, where its lines are, and how a diagnostic looks */
#include "parser/text/diagnostics.h"

#include "base/error.h"

#include <string.h>
#include <unistd.h>

static const struct source *
add(struct sources *sources, const char *text, size_t length)
{
        GError *error = NULL;
        const struct source *source = sources_add_text(sources, "f.yaml", "/lab", text, length, &error);

        g_assert_no_error(error);
        g_assert_nonnull(source);
        return source;
}

static void
test_lines(void)
{
        struct sources *sources = sources_new();
        const struct source *source = add(sources, "a\nb\r\nc\rd\xc2\x85" "e\xe2\x80\xa8" "f", 15);
        static const guint lines[] = {0, 2, 5, 7, 10, 14};

        g_assert_cmpuint(source->line_count, ==, G_N_ELEMENTS(lines));
        for (size_t i = 0; i < G_N_ELEMENTS(lines) - 1; i++)
                g_assert_cmpuint(source->lines[i], ==, lines[i]);
        g_assert_cmpstr(source->directory, ==, "/lab");
        source = add(sources, "", 0);
        g_assert_cmpuint(source->line_count, ==, 1);
        source = add(sources, "\xef\xbb\xbf" "a: 1\n", 8);
        g_assert_cmpstr(source->text, ==, "a: 1\n");
        g_assert_cmpuint(source->length, ==, 5);
        sources_unref(sources);
}

static void
refuse(const char *text, size_t length, const char *expected)
{
        struct sources *sources = sources_new();
        g_autoptr(GError) error = NULL;

        g_assert_null(sources_add_text(sources, "f.yaml", NULL, text, length, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_CONFIG);
        g_assert_cmpstr(error->message, ==, expected);
        sources_unref(sources);
}

static void
test_refused(void)
{
        g_autofree char *huge = g_strnfill(SOURCE_MAX_BYTES + 1, 'a');

        refuse("a: 1\nb: \0", 9, "f.yaml:2: a NUL byte (0x00)\n  a project file is UTF-8 text");
        refuse("a: 1\r\n\x1b[31m", 11, "f.yaml:2: a control character (0x1b)\n  a project file is UTF-8 text");
        refuse("a: \xff\n", 5, "f.yaml:1: a byte that is not UTF-8 (0xff)\n  a project file is UTF-8 text");
        refuse("a: \xc3", 4, "f.yaml:1: a byte that is not UTF-8 (0xc3)\n  a project file is UTF-8 text");
        for (size_t at = 0; at < 17; at++) { /* many bytes are looked at together: each of them */
                for (const char *bad = "\x01\x1f\x7f\x80"; *bad; bad++) {
                        g_autofree char *text = g_strnfill(20, at % 2 ? '~' : ' ');
                        g_autofree char *expected =
                                g_strdup_printf("f.yaml:1: %s (0x%02x)\n  a project file is UTF-8 text",
                                                *bad & 0x80 ? "a byte that is not UTF-8" : "a control character", (guchar)*bad);

                        text[at] = *bad;
                        refuse(text, 20, expected);
                }
        }
        refuse("\n\na: \xc2\x9b\n", 8, "f.yaml:3: a control character (0xc2)\n  a project file is UTF-8 text");
        refuse("a: \xed\xa0\x80", 6, "f.yaml:1: a byte that is not UTF-8 (0xed)\n  a project file is UTF-8 text");
        refuse("\xff\xfe" "a\0", 4, "f.yaml:1: the text is UTF-16\n  save it as UTF-8");
        refuse(huge, SOURCE_MAX_BYTES + 1, "'f.yaml' is larger than 16777216 bytes");
}

/* A path below it would be lost where it is kept and printed. */
static void
test_directory_in_latin1(void)
{
        struct sources *sources = sources_new();
        g_autoptr(GError) error = NULL;

        g_assert_null(sources_add_text(sources, "f.yaml", "/home/j\xf6rg", "a: 1\n", 5, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_CONFIG);
        g_assert_cmpstr(error->message, ==, "the directory '/home/j\\xf6rg' is not named in UTF-8\n  give it another name");
        sources_unref(sources);
}

static void
test_read(void)
{
        g_autofree char *directory = g_dir_make_tmp("drover-source-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(directory, "drover.yaml", NULL);
        g_autofree char *link = g_build_filename(directory, "link", NULL);
        g_autofree char *through = g_build_filename(link, "drover.yaml", NULL);
        struct sources *sources = sources_new();
        const struct source *source;
        GError *error = NULL;

        g_assert_null(sources_read(sources, path, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_clear_error(&error);
        g_assert_null(sources_read(sources, directory, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_CONFIG);
        g_clear_error(&error);
        g_assert_null(sources_read(sources, "/dev/null", &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_CONFIG);
        g_clear_error(&error);

        g_assert_true(g_file_set_contents(path, "a: 1\n", -1, NULL));
        g_assert_cmpint(symlink(directory, link), ==, 0);
        source = sources_read(sources, through, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(source->name, ==, through);
        g_assert_cmpstr(source->directory, ==, directory);
        g_assert_cmpstr(source->text, ==, "a: 1\n");
        sources_unref(sources);
        unlink(link);
        unlink(path);
        rmdir(directory);
}

/* Formats one diagnostic at a place of @text. */
static void
check_format(const char *text, struct place place, const char *hint, const char *expected)
{
        struct sources *sources = sources_new();
        struct diagnostics *diagnostics = diagnostics_new(sources);
        g_autofree char *formatted = NULL;

        place.source = add(sources, text, strlen(text));
        sources_unref(sources); /* the diagnostics keep it */
        g_assert_false(diagnostics_add(diagnostics, SEVERITY_ERROR, "test", place, hint, "wrong"));
        formatted = diagnostic_format(diagnostics->items->pdata[0]);
        g_assert_cmpstr(formatted, ==, expected);
        diagnostics_free(diagnostics);
}

/* Each step stands on a line of its own, with its place where it has one; a chain of many is cut. */
static void
test_origins(void)
{
        struct sources *sources = sources_new();
        struct diagnostics *diagnostics = diagnostics_new(sources);
        struct place place = {add(sources, "a: 1\nb: 2\n", 10), 2, 4, 1};
        const struct origin *chain = NULL;
        g_autofree char *formatted = NULL;
        g_auto(GStrv) lines = NULL;

        place.via = sources_add_origin(sources, "from variable 'X'", (struct place){0}, NULL);
        place.via = sources_add_origin(sources, "extended\tfrom 'a'", (struct place){place.source, 1, 1, 1}, place.via);
        diagnostics_add(diagnostics, SEVERITY_ERROR, "x", place, NULL, "wrong");
        for (guint i = 0; i < 1000; i++)
                chain = sources_add_origin(sources, "again", (struct place){0}, chain);
        diagnostics_add(diagnostics, SEVERITY_ERROR, "y", (struct place){.via = chain}, NULL, "wrong");
        sources_unref(sources); /* the diagnostics keep them */
        formatted = diagnostic_format(diagnostics->items->pdata[0]);
        g_assert_cmpstr(formatted, ==,
                        "f.yaml:2:4: error: wrong\n"
                        "    2 | b: 2\n"
                        "      |    ^\n"
                        "      = extended from 'a' at f.yaml:1\n"
                        "      = from variable 'X'\n");
        g_free(formatted);
        formatted = diagnostic_format(diagnostics->items->pdata[1]);
        lines = g_strsplit(formatted, "\n", -1);
        g_assert_cmpuint(g_strv_length(lines), ==, 1 + 8 + 1 + 1);
        g_assert_cmpstr(lines[9], ==, "      = ...");
        diagnostics_free(diagnostics);
}

static void
test_format(void)
{
        check_format("vms:\n  memroy: 1G\n", (struct place){NULL, 2, 3, 6}, "did you mean 'memory'?",
                     "f.yaml:2:3: error: wrong\n"
                     "    2 |   memroy: 1G\n"
                     "      |   ^~~~~~ did you mean 'memory'?\n");
        check_format("a:\tb\r\n", (struct place){NULL, 1, 4, 0}, NULL,
                     "f.yaml:1:4: error: wrong\n"
                     "    1 | a: b\n"
                     "      |    ^\n");
        check_format("\xe6\xbc\xa2\xe5\xad\x97: \xc3\xb6l", (struct place){NULL, 1, 5, 2}, NULL,
                     "f.yaml:1:5: error: wrong\n"
                     "    1 | \xe6\xbc\xa2\xe5\xad\x97: \xc3\xb6l\n"
                     "      |       ^~\n");
        check_format("a: b", (struct place){NULL, 1, 5, 0}, NULL,
                     "f.yaml:1:5: error: wrong\n"
                     "    1 | a: b\n"
                     "      |     ^\n");
        check_format("a: b\n", (struct place){NULL, 1, 4, 99}, NULL,
                     "f.yaml:1:4: error: wrong\n"
                     "    1 | a: b\n"
                     "      |    ^\n");
        check_format("a: b\n", (struct place){NULL, 0, 0, 0}, "try", "f.yaml: error: wrong\n  try\n");
}

static void
test_format_long_line(void)
{
        g_autofree char *before = g_strnfill(1000, 'x');
        g_autofree char *behind = g_strnfill(1000, 'y');
        g_autofree char *line = g_strconcat(before, "WRONG", behind, NULL);
        g_autofree char *left = g_strnfill(79, 'x');
        g_autofree char *right = g_strnfill(160 - 79 - 5, 'y');
        g_autofree char *indent = g_strnfill(82, ' ');
        g_autofree char *expected = g_strdup_printf("f.yaml:1:1001: error: wrong\n"
                                                    "    1 | ...%sWRONG%s...\n"
                                                    "      | %s^~~~~ here\n",
                                                    left, right, indent);

        check_format(line, (struct place){NULL, 1, 1001, 5}, "here", expected);
}

static void
test_untrusted_text(void)
{
        struct sources *sources = sources_new();
        struct diagnostics *diagnostics = diagnostics_new(sources);
        g_autofree char *huge = g_strnfill(1 << 20, 'a');
        const struct diagnostic *diagnostic;

        diagnostics_add(diagnostics, SEVERITY_ERROR, "a", (struct place){0}, "not\n\x1b[2J", "key '%s'", "x\x1b[31m\ny");
        diagnostic = diagnostics->items->pdata[0];
        g_assert_cmpstr(diagnostic->text, ==, "key 'x\\x1b[31m\\x0ay'");
        g_assert_cmpstr(diagnostic->hint, ==, "not\\x0a\\x1b[2J");
        diagnostics_add(diagnostics, SEVERITY_ERROR, "b", (struct place){0}, NULL, "key '%s'", huge);
        diagnostic = diagnostics->items->pdata[1];
        g_assert_cmpuint(strlen(diagnostic->text), ==, 400 + 3);
        diagnostics_free(diagnostics);
        sources_unref(sources);
}

static void
test_order_and_limits(void)
{
        struct sources *sources = sources_new();
        struct diagnostics *diagnostics = diagnostics_new(sources);
        const struct source *first = add(sources, "a\nb\n", 4), *second = add(sources, "c\n", 2);
        static const char *const order[] = {"1", "2", "3", "4", "5", "6"};

        diagnostics_add(diagnostics, SEVERITY_ERROR, "x", (struct place){0}, NULL, "6");
        diagnostics_add(diagnostics, SEVERITY_ERROR, "x", (struct place){second, 1, 1, 0}, NULL, "5");
        diagnostics_add(diagnostics, SEVERITY_ERROR, "x", (struct place){first, 2, 2, 0}, NULL, "3");
        diagnostics_add(diagnostics, SEVERITY_NOTE, "y", (struct place){first, 2, 2, 0}, NULL, "4");
        diagnostics_add(diagnostics, SEVERITY_ERROR, "x", (struct place){first, 2, 1, 0}, NULL, "2");
        diagnostics_add(diagnostics, SEVERITY_WARNING, "x", (struct place){first, 1, 1, 0}, NULL, "1");
        diagnostics_add(diagnostics, SEVERITY_ERROR, "x", (struct place){first, 2, 2, 0}, NULL, "the same place and id");
        diagnostics_sort(diagnostics);
        g_assert_cmpuint(diagnostics->items->len, ==, 6);
        g_assert_cmpuint(diagnostics->error_count, ==, 4);
        for (guint i = 0; i < 6; i++)
                g_assert_cmpstr(((struct diagnostic *)diagnostics->items->pdata[i])->text, ==, order[i]);

        for (guint i = 0; i < 1000; i++)
                diagnostics_add(diagnostics, SEVERITY_ERROR, "many", (struct place){first, 1, i + 2, 0}, NULL, "more");
        diagnostics_add(diagnostics, SEVERITY_WARNING, "w", (struct place){first, 1, 1, 0}, NULL, "still room for a warning");
        g_assert_cmpuint(diagnostics->error_count, ==, 1004);
        g_assert_cmpuint(diagnostics->items->len, ==, DIAGNOSTIC_MAX_SHOWN + 3);
        diagnostics_free(diagnostics);
        sources_unref(sources);
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/source/lines", test_lines);
        g_test_add_func("/source/refused", test_refused);
        g_test_add_func("/source/read", test_read);
        g_test_add_func("/source/directory-in-latin1", test_directory_in_latin1);
        g_test_add_func("/diagnostic/format", test_format);
        g_test_add_func("/diagnostic/origins", test_origins);
        g_test_add_func("/diagnostic/format/long-line", test_format_long_line);
        g_test_add_func("/diagnostic/untrusted", test_untrusted_text);
        g_test_add_func("/diagnostic/order", test_order_and_limits);
        return g_test_run();
}
