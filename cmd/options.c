/* options.c - options of the command line by table */
#include "cmd/options.h"

#include "base/error.h"
#include "base/text.h"
#include "parser/value/value.h"

#include <string.h>
#include <unistd.h>

enum { DEFAULT_LOCK_TIMEOUT_MS = 10000, PARALLEL_MAX = 256 };

#define ROW(...) OPTION_ROW(struct globals, __VA_ARGS__)

const struct option_row global_options[] = {
        ROW("file", 'f', OPTION_LIST, "FILE", files, "Project file; several are merged, - is standard input"),
        ROW("project-name", 'p', OPTION_TEXT, "NAME", project_name, "Name of the project"),
        ROW("profile", 0, OPTION_LIST, "PROFILE", profiles, "Also the VMs of this profile; repeatable, * is all of them"),
        ROW("env-file", 0, OPTION_LIST, "FILE", env_files, "Variables for the project file; repeatable, later ones win"),
        ROW("parallel", 0, OPTION_NUMBER, "N", parallel, "How many things are done at once"),
        ROW("progress", 0, OPTION_TEXT, "auto|tty|plain|json|quiet", progress_word, "How progress is shown"),
        ROW("color", 0, OPTION_TEXT, "auto|always|never", color_word, "When colours are used"),
        ROW("lock-timeout", 0, OPTION_DURATION, "T", lock_timeout_ms, "How long to wait for another drover"),
        ROW("dry-run", 0, OPTION_FLAG, NULL, dry_run, "Print what would be done, and stop"),
        ROW("verbose", 0, OPTION_FLAG, NULL, verbose, "Say more about each step"),
        ROW("help", 'h', OPTION_FLAG, NULL, help, "Print help and stop"),
        ROW("version", 0, OPTION_FLAG, NULL, version, "Print the version and stop"),
        {NULL},
};

static gboolean
wants_color(const char *word, int fd)
{
        const char *no_color = g_getenv("NO_COLOR");
        const char *terminal = g_getenv("TERM");

        if (word && strcmp(word, "auto") != 0)
                return strcmp(word, "always") == 0;
        return isatty(fd) && !(no_color && *no_color) && g_strcmp0(terminal, "dumb") != 0;
}

void
globals_finish(struct globals *globals)
{
        const char *word = globals->progress_word ? globals->progress_word : "auto";

        if (globals->parallel <= 0)
                globals->parallel = MAX(4, 2 * sysconf(_SC_NPROCESSORS_ONLN));
        globals->parallel = MIN(globals->parallel, PARALLEL_MAX);
        if (globals->lock_timeout_ms < 0)
                globals->lock_timeout_ms = DEFAULT_LOCK_TIMEOUT_MS;
        if (strcmp(word, "auto") == 0)
                word = isatty(STDERR_FILENO) && g_strcmp0(g_getenv("TERM"), "dumb") != 0 ? "tty" : "plain";
        globals->progress = strcmp(word, "tty") == 0     ? PROGRESS_TTY
                            : strcmp(word, "json") == 0  ? PROGRESS_JSON
                            : strcmp(word, "quiet") == 0 ? PROGRESS_QUIET
                                                         : PROGRESS_PLAIN;
        globals->color_out = wants_color(globals->color_word, STDOUT_FILENO);
        globals->color_err = wants_color(globals->color_word, STDERR_FILENO);
}

void
options_init(const struct option_set *set)
{
        for (const struct option_row *row = set->rows; row && row->name; row++)
                if (row->type == OPTION_NUMBER || row->type == OPTION_DURATION)
                        *(gint64 *)G_STRUCT_MEMBER_P(set->target, row->offset) = -1;
}

void
options_clear(const struct option_set *set)
{
        for (const struct option_row *row = set->rows; row && row->name; row++)
                if (row->type == OPTION_LIST)
                        g_clear_pointer(&G_STRUCT_MEMBER(char **, set->target, row->offset), g_free);
}

/* The row for a long name (@letter 0) or a letter, and the set that it belongs to. */
static const struct option_row *
find(const struct option_set *sets, const char *name, size_t length, char letter, const struct option_set **ret_set)
{
        for (; sets->target; sets++)
                for (const struct option_row *row = sets->rows; row && row->name; row++)
                        if (name ? strlen(row->name) == length && !strncmp(row->name, name, length) : row->letter == letter) {
                                *ret_set = sets;
                                return row;
                        }
        return NULL;
}

static gboolean
fail_unknown(const struct option_set *sets, const char *word, size_t length, GError **error)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autofree char *wrong = g_strndup(word, length);
        g_autofree char *shown = text_make_printable(wrong, -1);
        const char *name = wrong + strspn(wrong, "-");
        const char *meant;

        for (; sets->target; sets++)
                for (const struct option_row *row = sets->rows; row && row->name; row++)
                        g_ptr_array_add(names, (char *)row->name);
        g_ptr_array_add(names, NULL);
        error_set(error, DROVER_ERROR_USAGE, "unknown option '%s'", shown);
        meant = strlen(name) > 1 ? text_suggest(name, (const char *const *)names->pdata) : NULL;
        return meant ? error_hint(error, "did you mean '--%s'?", meant) : FALSE;
}

static gboolean
parse_words(const struct option_row *row, const char *value, GError **error)
{
        g_auto(GStrv) words = g_strsplit(row->argument ? row->argument : "", "|", -1);
        g_autofree char *list = NULL, *shown = NULL;

        if (g_strv_length(words) < 2 || g_strv_contains((const char *const *)words, value))
                return TRUE;
        list = g_strjoinv(", ", words);
        shown = text_make_printable(value, -1);
        return error_set(error, DROVER_ERROR_USAGE, "--%s is one of %s, not '%s'", row->name, list, shown);
}

static gboolean
parse_number(const struct option_row *row, const char *value, gint64 *ret_number, GError **error)
{
        guint64 number;

        if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT32, &number, NULL)) {
                g_autofree char *shown = text_make_printable(value, -1);

                return error_set(error, DROVER_ERROR_USAGE, "--%s takes a whole number, not '%s'", row->name, shown);
        }
        *ret_number = (gint64)number;
        return TRUE;
}

static gboolean
parse_duration(const struct option_row *row, const char *value, gint64 *ret_ms, GError **error)
{
        g_auto(value_fault) fault = VALUE_FAULT_INIT;
        guint64 ms;

        if (*value && strspn(value, "0123456789") == strlen(value)) {
                if (!parse_number(row, value, ret_ms, error))
                        return FALSE;
                ms = (guint64)*ret_ms * 1000;
        } else if (!value_parse_duration(value, &ms, &fault)) {
                error_set(error, DROVER_ERROR_USAGE, "--%s: %s", row->name, fault.reason);
                return fault.hint ? error_hint(error, "%s", fault.hint) : FALSE;
        }
        *ret_ms = (gint64)MIN(ms, (guint64)G_MAXINT32);
        return TRUE;
}

static void
append(char ***list, char *value)
{
        guint count = *list ? g_strv_length(*list) : 0;

        *list = g_renew(char *, *list, count + 2);
        (*list)[count] = value;
        (*list)[count + 1] = NULL;
}

static gboolean
takes_value(const struct option_row *row)
{
        return row->type != OPTION_FLAG && row->type != OPTION_FUTURE;
}

/* @value: NULL where it takes none */
static gboolean
store(const struct option_set *set, const struct option_row *row, char *value, GError **error)
{
        void *field = G_STRUCT_MEMBER_P(set->target, row->offset);

        g_assert(value || !takes_value(row));
        switch (row->type) {
        case OPTION_FLAG:
                *(gboolean *)field = TRUE;
                return TRUE;
        case OPTION_TEXT:
                *(char **)field = value;
                return parse_words(row, value, error);
        case OPTION_NUMBER:
                return parse_number(row, value, field, error);
        case OPTION_DURATION:
                return parse_duration(row, value, field, error);
        case OPTION_LIST:
                append(field, value);
                return TRUE;
        case OPTION_FUTURE:
                break;
        }
        return error_set(error, DROVER_ERROR_USAGE, "--%s is not built yet in drover " DROVER_VERSION, row->name);
}

/* "--name", "--name=value", "--name value"; @argv stands on the word. */
static gboolean
parse_long(const struct option_set *sets, char ***argv, GError **error)
{
        char *name = **argv + 2, *value = strchr(name, '=');
        size_t length = value ? (size_t)(value - name) : strlen(name);
        const struct option_set *set;
        const struct option_row *row = find(sets, name, length, 0, &set);

        if (!row)
                return fail_unknown(sets, **argv, length + 2, error);
        if (!row->argument && value)
                return error_set(error, DROVER_ERROR_USAGE, "--%s takes no value", row->name);
        if (row->argument && value)
                value++;
        else if (takes_value(row) && !(value = *++*argv))
                return error_set(error, DROVER_ERROR_USAGE, "--%s needs a value: %s", row->name, row->argument);
        return store(set, row, value, error);
}

/* "-a", "-aq", "-fFILE", "-f FILE" */
static gboolean
parse_letters(const struct option_set *sets, char ***argv, GError **error)
{
        for (char *letter = **argv + 1; *letter; letter++) {
                const struct option_set *set;
                const struct option_row *row = find(sets, NULL, 0, *letter, &set);
                char *value = NULL;

                if (!row)
                        return fail_unknown(sets, **argv, strlen(**argv), error);
                if (!takes_value(row)) {
                        if (!store(set, row, NULL, error))
                                return FALSE;
                        continue;
                }
                value = letter[1] ? letter + 1 : *++*argv;
                if (!value)
                        return error_set(error, DROVER_ERROR_USAGE, "-%c needs a value: %s", row->letter, row->argument);
                return store(set, row, value, error);
        }
        return TRUE;
}

gboolean
options_parse(const struct option_set *sets, gboolean stop, char ***argv, GPtrArray *rest, GError **error)
{
        for (; **argv; ++*argv) {
                char *word = **argv;

                if (word[0] != '-' || !word[1]) {
                        if (stop)
                                return TRUE;
                        g_ptr_array_add(rest, word);
                } else if (strcmp(word, "--") == 0) {
                        ++*argv;
                        for (; !stop && **argv; ++*argv)
                                g_ptr_array_add(rest, **argv);
                        return TRUE;
                } else if (!(word[1] == '-' ? parse_long(sets, argv, error) : parse_letters(sets, argv, error))) {
                        return FALSE;
                }
        }
        return TRUE;
}
