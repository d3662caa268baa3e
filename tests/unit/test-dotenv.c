/* test-dotenv.c - parser/dotenv and parser/environment: what a file of variables means, whose value counts, what is refused */
#include "base/error.h"
#include "base/file.h"
#include "parser/variables/dotenv.h"
#include "parser/variables/environment.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

struct fixture {
        char *directory, *path;
        struct sources *sources;
        struct diagnostics *diagnostics;
        struct environment *top, *environment;
};

static const char *const block[] = {"OUTER=outer", "HOME=/home/x", "TWICE=first", "TWICE=second",
                                    "NO_EQUALS",   "BYTES=a\xff",  NULL};

static void
set_up(struct fixture *fixture, gconstpointer data)
{
        fixture->directory = g_dir_make_tmp("drover-env-XXXXXX", NULL);
        fixture->path = g_build_filename(fixture->directory, "x.env", NULL);
        fixture->sources = sources_new();
        fixture->diagnostics = diagnostics_new(fixture->sources);
        fixture->top = environment_new(block);
        fixture->environment = environment_new_below(fixture->top);
}

static void
tear_down(struct fixture *fixture, gconstpointer data)
{
        g_assert_true(file_remove_tree(fixture->directory, NULL));
        environment_unref(fixture->environment);
        environment_unref(fixture->top);
        diagnostics_free(fixture->diagnostics);
        sources_unref(fixture->sources);
        g_free(fixture->directory);
        g_free(fixture->path);
}

/* Reads a text into the lower layer. */
static void
read_text(struct fixture *fixture, const char *text)
{
        g_autoptr(GError) error = NULL;

        g_assert_true(g_file_set_contents(fixture->path, text, -1, NULL));
        g_assert_true(
                environment_read_file(fixture->environment, fixture->sources, fixture->path, fixture->diagnostics, &error));
        g_assert_no_error(error);
}

static void
check_value(struct fixture *fixture, const char *name, const char *expected)
{
        const struct variable *variable = environment_get(fixture->environment, name);

        g_assert_cmpstr(variable ? variable->value : NULL, ==, expected);
}

/* One entry, X, means that value. */
static void
check(struct fixture *fixture, const char *text, const char *expected)
{
        environment_unref(fixture->environment);
        fixture->environment = environment_new_below(fixture->top);
        read_text(fixture, text);
        g_assert_cmpuint(fixture->diagnostics->error_count, ==, 0);
        check_value(fixture, "X", expected);
}

static void
test_values(struct fixture *fixture, gconstpointer data)
{
        static const struct {
                const char *text, *value;
        } cases[] = {
                {"X=a", "a"},
                {"X=a\n", "a"},
                {"\xef\xbb\xbfX=a\r\n", "a"},
                {"X=", ""},
                {"X=\nY=1", ""},
                {"  X  =  a b  \n", "a b"},
                {"X: a", "a"},
                {"export X=a", "a"},
                {"export\tX=a", "a"},
                {"exported=1\nX=a", "a"},
                {"X=a # b", "a"},
                {"X=a#b", "a#b"},
                {"X=#b", "#b"},
                {"X= # b", ""},
                {"# X=1\n\n \t\nX=2", "2"},
                {"X=1\nX=2", "2"},
                {"X='a $OUTER \\n # \"' # b", "a $OUTER \\n # \""},
                {"X='it\\'s'", "it's"},
                {"X='a\\\\'", "a\\\\"},
                {"X='a\nb\r\nc'", "a\nb\nc"},
                {"X=''", ""},
                {"X=\"a ${OUTER} # '\"", "a outer # '"},
                {"X=\"a\\nb\\tc\\rd\\\\e\\\"f\\$OUTER\"", "a\nb\tc\rd\\e\"f$OUTER"},
                {"X=\"\\a\\b\\f\\v\\0101\\q\\0\"", "\a\b\f\vA\\q\\0"},
                {"X=\"\\\\n\"", "\\n"},
                {"X=\"a\nb\"", "a\nb"},
                {"X=\"$$OUTER\"", "$OUTER"},
                {"X=$OUTER-${OUTER}", "outer-outer"},
                {"X=$$OUTER", "$OUTER"},
                {"Y=$OUTER\nX=${Y}${NONE:-!}", "outer!"},
                {"OUTER=inner\nX=$OUTER", "outer"},
                {"Y='$OUTER'\nX=$Y", "$OUTER"},
                {"X\nY=1", NULL},
                {"OUTER\nX=$OUTER", "outer"},
                {"X", NULL},
                {"X.Y-Z[0]=1\n\xc3\xa4=2\nX=3", "3"},
                {"X=\xc3\xa4 \xe6\xbc\xa2", "\xc3\xa4 \xe6\xbc\xa2"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_test_message("%s", cases[i].text);
                check(fixture, cases[i].text, cases[i].value);
        }
}

static void
test_order(struct fixture *fixture, gconstpointer data)
{
        struct environment *below = NULL;

        read_text(fixture, "OUTER=file\nA=first\nB=$A\n");
        read_text(fixture, "A=second\nC=$A$B\n");
        check_value(fixture, "OUTER", "outer");
        check_value(fixture, "TWICE", "first");
        check_value(fixture, "A", "second");
        check_value(fixture, "C", "secondfirst");
        below = environment_new_below(fixture->environment);
        environment_unref(fixture->environment);
        fixture->environment = below; /* which keeps the layers above it */
        read_text(fixture, "A=third\nD=$A\n");
        check_value(fixture, "A", "second");
        check_value(fixture, "D", "second");
        g_assert_cmpstr(environment_suggest(fixture->environment, "HOMR"), ==, NULL);
        read_text(fixture, "MEMORY=1\nMEMOIR=2\n");
        g_assert_cmpstr(environment_suggest(fixture->environment, "MEMROY"), ==, "MEMORY");
        read_text(fixture, "PUBLIC.PORT=1\n"); /* to which no '$' leads */
        g_assert_null(environment_suggest(fixture->environment, "PUBLIC_PORT"));
}

/* A variable that has no value is no fault before somebody wants it; then all that is made of it is as bad. */
static void
test_faults_wait(struct fixture *fixture, gconstpointer data)
{
        const struct variable *variable;

        read_text(fixture, "A=1\nX=a$NONE$\nY=\"$X\"\nZ='$X'\n");
        g_assert_cmpuint(fixture->diagnostics->error_count, ==, 0);
        for (const char *name = "X\0Y\0"; *name; name += 2) {
                variable = environment_get(fixture->environment, name);
                g_assert_null(variable->value);
                g_assert_cmpstr(variable->fault.id, ==, "unset-variable");
                g_assert_cmpuint(variable->fault_place.line, ==, 2);
                g_assert_cmpuint(variable->fault_place.column, ==, 4);
                g_assert_cmpuint(variable->fault_place.width, ==, 5);
        }
        check_value(fixture, "Z", "$X");
        g_assert_cmpstr(environment_get(fixture->environment, "BYTES")->fault.id, ==, "variable-not-text");
}

/* A value may be as long as the limit; doubling each line ends there, not in all of the memory. */
static void
test_doubling(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GString) text = g_string_new("A0=0123456789abcdef\n");

        for (guint i = 1; i < 60; i++)
                g_string_append_printf(text, "A%u=$A%u$A%u\n", i, i - 1, i - 1);
        read_text(fixture, text->str);
        g_assert_cmpuint(strlen(environment_get(fixture->environment, "A16")->value), ==, EXPAND_MAX_BYTES);
        g_assert_cmpstr(environment_get(fixture->environment, "A17")->fault.id, ==, "interpolation-large");
        g_assert_cmpstr(environment_get(fixture->environment, "A59")->fault.id, ==, "interpolation-large");
        g_assert_cmpuint(fixture->diagnostics->error_count, ==, 0);
}

static void
check_refused(struct fixture *fixture, enum drover_error code)
{
        g_autoptr(GError) error = NULL;

        g_assert_false(
                environment_read_file(fixture->environment, fixture->sources, fixture->path, fixture->diagnostics, &error));
        g_assert_error(error, DROVER_ERROR, (gint)code);
        g_assert_nonnull(strstr(error->message, "x.env"));
}

/* An escape or a quote that the end of the file cuts off. */
static void
test_cut_off(struct fixture *fixture, gconstpointer data)
{
        static const char *const texts[] = {"X=\"\\0", "X=\"\\01", "X=\"\\", "X='\\", "X=\"", "X='a\n", "X=\"$"};

        for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
                const struct diagnostic *diagnostic;

                read_text(fixture, texts[i]);
                diagnostic = fixture->diagnostics->items->pdata[i];
                g_assert_cmpuint(fixture->diagnostics->error_count, ==, i + 1);
                g_assert_cmpstr(diagnostic->id, ==, "env-quote");
                g_assert_cmpuint(diagnostic->place.column, ==, 3);
        }
}

static void
test_hostile(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *large = g_strnfill(DOTENV_MAX_BYTES + 1, '#');

        check_refused(fixture, DROVER_ERROR_NOT_FOUND);
        g_assert_true(g_file_set_contents(fixture->path, large, -1, NULL));
        check_refused(fixture, DROVER_ERROR_CONFIG);
        g_assert_true(g_file_set_contents(fixture->path, "A=1\0B=2", 7, NULL));
        check_refused(fixture, DROVER_ERROR_CONFIG);
        g_assert_true(g_file_set_contents(fixture->path, "A=\xff\n", 4, NULL));
        check_refused(fixture, DROVER_ERROR_CONFIG);
        g_assert_true(file_remove(fixture->path, NULL));
        g_assert_cmpint(mkfifo(fixture->path, 0600), ==, 0);
        check_refused(fixture, DROVER_ERROR_CONFIG);
        g_assert_true(file_remove(fixture->path, NULL));
        g_assert_cmpint(g_mkdir(fixture->path, 0700), ==, 0);
        check_refused(fixture, DROVER_ERROR_CONFIG);
}

/* Beside a file: taken if it is there; a directory of that name (Python's) is none. */
static void
test_default(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *file = g_build_filename(fixture->directory, "drover.yaml", NULL);
        g_autofree char *path = g_build_filename(fixture->directory, ".env", NULL);
        const struct source *source;
        g_autoptr(GError) error = NULL;

        g_assert_true(g_file_set_contents(file, "name: x\n", -1, NULL));
        source = sources_read(fixture->sources, file, NULL);
        for (int i = 0; i < 3; i++) {
                if (i == 1)
                        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
                else if (i == 2)
                        g_assert_true(g_rmdir(path) == 0 && g_file_set_contents(path, "X=1\n", -1, NULL));
                g_assert_true(
                        environment_read_default(fixture->environment, fixture->sources, source, fixture->diagnostics, &error));
                g_assert_no_error(error);
                check_value(fixture, "X", i == 2 ? "1" : NULL);
        }
        g_assert_cmpstr(environment_get(fixture->environment, "X")->place.source->name, ==, path);
}

int
main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*test)(struct fixture *fixture, gconstpointer data);
        } tests[] = {{"/dotenv/values", test_values},           {"/dotenv/order", test_order},
                     {"/dotenv/faults-wait", test_faults_wait}, {"/dotenv/doubling", test_doubling},
                     {"/dotenv/cut-off", test_cut_off},         {"/dotenv/hostile", test_hostile},
                     {"/dotenv/default", test_default}};

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].name, struct fixture, NULL, set_up, tests[i].test, tear_down);
        return g_test_run();
}
