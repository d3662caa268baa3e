/* test-cmd.c - the command line: tables, options, manual page, exit statuses, progress lines, YAML, console text */
#include "cmd/guest-text.h"
#include "cmd/progress.h"
#include "cmd/yaml.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#include <string.h>

struct sample {
        gboolean all, quiet;
        char *text, *word;
        gint64 number, duration;
        char **list;
};

#define ROW(name, letter, type, argument, field)                                                                               \
        {                                                                                                                      \
                name, letter, type, argument, "help", G_STRUCT_OFFSET(struct sample, field)                                    \
        }

static const struct option_row sample_rows[] = {
        ROW("all", 'a', OPTION_FLAG, NULL, all),
        ROW("quiet", 'q', OPTION_FLAG, NULL, quiet),
        ROW("text", 't', OPTION_TEXT, "TEXT", text),
        ROW("word", 0, OPTION_TEXT, "one|two", word),
        ROW("number", 'n', OPTION_NUMBER, "N", number),
        ROW("duration", 'd', OPTION_DURATION, "T", duration),
        ROW("list", 'l', OPTION_LIST, "X", list),
        {"later", 'L', OPTION_FUTURE, "X", "help", 0},
        {NULL},
};

/** struct parsed - A command line that was read; the words belong to it */
struct parsed {
        struct sample sample;
        char **words;
        char *rest; /* what is no option, joined with "/"; NULL after a failure */
        GError *error;
};

static struct parsed
parse(const char *line)
{
        struct parsed parsed = {.words = g_strsplit(line, " ", -1)};
        struct option_set sets[] = {{sample_rows, &parsed.sample}, {NULL, NULL}};
        g_autoptr(GPtrArray) rest = g_ptr_array_new();
        char **argv = parsed.words;

        options_init(&sets[0]);
        if (options_parse(sets, FALSE, &argv, rest, &parsed.error)) {
                g_ptr_array_add(rest, NULL);
                parsed.rest = g_strjoinv("/", (char **)rest->pdata);
        }
        return parsed;
}

static void
parsed_clear(struct parsed *parsed)
{
        struct option_set set = {sample_rows, &parsed->sample};

        options_clear(&set);
        g_strfreev(parsed->words);
        g_free(parsed->rest);
        g_clear_error(&parsed->error);
}

static void
test_options_forms(void)
{
        struct parsed parsed = parse("one -aq --text=x --word two -n5 two -d 1m30s --list a -l b -lc -- -q");

        g_assert_no_error(parsed.error);
        g_assert_cmpstr(parsed.rest, ==, "one/two/-q");
        g_assert_true(parsed.sample.all && parsed.sample.quiet);
        g_assert_cmpstr(parsed.sample.text, ==, "x");
        g_assert_cmpstr(parsed.sample.word, ==, "two");
        g_assert_cmpint(parsed.sample.number, ==, 5);
        g_assert_cmpint(parsed.sample.duration, ==, 90000);
        g_assert_cmpuint(g_strv_length(parsed.sample.list), ==, 3);
        g_assert_cmpstr(parsed.sample.list[2], ==, "c");
        parsed_clear(&parsed);
}

static void
test_options_defaults(void)
{
        struct parsed parsed = parse("- -d 10");

        g_assert_cmpstr(parsed.rest, ==, "-");
        g_assert_cmpint(parsed.sample.number, ==, -1);
        g_assert_cmpint(parsed.sample.duration, ==, 10000);
        g_assert_null(parsed.sample.list);
        parsed_clear(&parsed);
}

static void
test_options_refused(void)
{
        static const struct {
                const char *line, *text;
        } cases[] = {
                {"--txet x", "unknown option '--txet'\n  did you mean '--text'?"},
                {"-z", "unknown option '-z'"},
                {"--all=1", "--all takes no value"},
                {"--text", "--text needs a value: TEXT"},
                {"-t", "-t needs a value: TEXT"},
                {"--word three", "--word is one of one, two, not 'three'"},
                {"-n five", "--number takes a whole number, not 'five'"},
                {"-n -1", "--number takes a whole number, not '-1'"},
                {"--later x", "--later is not built yet in drover " DROVER_VERSION},
                {"-L", "--later is not built yet in drover " DROVER_VERSION},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                struct parsed parsed = parse(cases[i].line);

                g_assert_error(parsed.error, DROVER_ERROR, DROVER_ERROR_USAGE);
                g_assert_cmpstr(parsed.error->message, ==, cases[i].text);
                parsed_clear(&parsed);
        }
}

static void
test_options_stop_at_verb(void)
{
        struct globals globals = {0};
        struct option_set sets[] = {{global_options, &globals}, {NULL, NULL}};
        char *words[] = {(char *)"-p", (char *)"lab", (char *)"--lock-timeout=3", (char *)"up", (char *)"-y", NULL};
        char **argv = words;
        GError *error = NULL;

        options_init(&sets[0]);
        g_assert_true(options_parse(sets, TRUE, &argv, NULL, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(argv[0], ==, "up");
        g_assert_cmpstr(globals.project_name, ==, "lab");
        g_assert_cmpint(globals.lock_timeout_ms, ==, 3000);
        globals_finish(&globals);
        g_assert_cmpint(globals.parallel, >=, 4);
        options_clear(&sets[0]);
}

/* Within one table no name and no letter stands twice, and every row says what it is for. */
static void
check_rows(const char *owner, const struct option_row *rows)
{
        for (const struct option_row *row = rows; row && row->name; row++) {
                g_test_message("%s --%s", owner, row->name);
                g_assert_nonnull(row->help);
                g_assert_true(g_ascii_isupper(row->help[0]));
                g_assert_cmpint(row->help[strlen(row->help) - 1], !=, '.');
                if (row->type == OPTION_FLAG)
                        g_assert_null(row->argument);
                else if (row->type != OPTION_FUTURE)
                        g_assert_nonnull(row->argument);
                for (const struct option_row *other = row + 1; other->name; other++) {
                        g_assert_cmpstr(row->name, !=, other->name);
                        g_assert_true(!row->letter || row->letter != other->letter);
                }
        }
}

static void
test_verbs_complete(void)
{
        for (const struct verb *const *verb = verbs; *verb; verb++) {
                g_test_message("%s", (*verb)->name);
                g_assert_true(verb_find((*verb)->name) == *verb);
                g_assert_nonnull((*verb)->synopsis);
                g_assert_nonnull((*verb)->help);
                g_assert_true(g_ascii_isupper((*verb)->help[0]));
                g_assert_cmpint((*verb)->help[strlen((*verb)->help) - 1], !=, '.');
                g_assert_nonnull((*verb)->run);
                g_assert_true(!(*verb)->options || (*verb)->options_size > 0);
                g_assert_cmpint((*verb)->min_arguments, <=, (*verb)->max_arguments);
                g_assert_true((*verb)->max_arguments > 0 || !*(*verb)->synopsis);
                check_rows((*verb)->name, (*verb)->options);
        }
        check_rows("drover", global_options);
}

/* Issue and manual name these; one that is lost from the table is a loss for the user. */
static void
test_verbs_are_all_there(void)
{
        static const char *const names[] = {
                "up",      "down", "plan",       "ps",   "config",  "start", "stop", "restart", "kill",       "pause",
                "unpause", "logs", "console",    "ip",   "inspect", "wait",  "ls",   "rm",      "doctor",     "schema",
                "version", "help", "completion", "init", "explain", "ssh",   "exec", "cp",      "ssh-config",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                g_assert_nonnull(verb_find(names[i]));
        g_assert_null(verb_find("apply"));
}

static void
test_verb_suggestions(void)
{
        static const struct {
                const char *word, *part;
        } cases[] = {
                {"apply", "drover up"},           {"halt", "drover stop"},
                {"shutdown", "drover stop"},      {"destroy", "drover kill"},
                {"destroy", "down -v"},           {"list", "drover ps"},
                {"status", "drover ps"},          {"reload", "drover up --restart"},
                {"validate", "drover config -q"}, {"consle", "did you mean 'console'?"},
                {"clone", "not built yet"},         {"suspend", "'drover pause'"},
                {"suspend", "not built yet"},     {"resume", "'drover unpause'"},
        };
        g_autofree char *none = verb_suggest("xyzzy-plugh");

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *text = verb_suggest(cases[i].word);

                g_assert_nonnull(text);
                g_assert_nonnull(strstr(text, cases[i].part));
        }
        g_assert_null(none);
}

static void
read_manual(char **ret_text)
{
        g_autofree char *path = g_test_build_filename(G_TEST_DIST, "man", "drover.1", NULL);
        const char *file = file_exists("man/drover.1") ? "man/drover.1" : path;
        GError *error = NULL;

        g_assert_true(file_read(file, 1 << 20, ret_text, NULL, &error));
        g_assert_no_error(error);
}

/* The section of one verb: from its own .It to that of the next verb. New string */
static char *
find_section(const char *manual, const char *name)
{
        g_autofree char *begin = g_strdup_printf("\n.It Cm %s", name);
        const char *section = strstr(manual, begin), *end;

        while (section && !strchr(" \n", section[strlen(begin)]))
                section = strstr(section + 1, begin);
        if (!section)
                return NULL;
        for (end = strstr(section + 1, "\n.It Cm "); end; end = strstr(end + 1, "\n.It Cm ")) {
                g_autofree char *word = g_strndup(end + 8, strcspn(end + 8, " \n"));

                if (verb_find(word))
                        break;
        }
        return end ? g_strndup(section, (gsize)(end - section)) : g_strdup(section);
}

static gboolean
has_option(const char *section, const char *name)
{
        g_autofree char *option = g_strdup_printf("-%s", name);

        for (const char *at = strstr(section, option); at; at = strstr(at + 1, option)) {
                char next = at[strlen(option)];

                if (!g_ascii_isalnum(next) && next != '-' && at[-1] == ' ')
                        return TRUE;
        }
        return FALSE;
}

static void
check_manual(const char *owner, const char *section, const struct option_row *rows)
{
        for (; rows && rows->name; rows++) {
                g_autofree char *both = g_strdup_printf(".It Fl %c ", rows->letter);

                g_test_message("%s --%s in the manual", owner, rows->name);
                g_assert_true(has_option(section, rows->name));
                if (rows->letter && rows->type != OPTION_FUTURE)
                        g_assert_nonnull(strstr(section, both));
        }
}

static void
test_manual_is_complete(void)
{
        g_autofree char *manual = NULL, *globals = NULL;
        const char *options, *end;

        read_manual(&manual);
        options = strstr(manual, "\n.Sh OPTIONS");
        g_assert_nonnull(options);
        end = strstr(options, "\n.Sh VERBS");
        g_assert_nonnull(end);
        globals = g_strndup(options, (gsize)(end - options));
        check_manual("drover", globals, global_options);
        for (const struct verb *const *verb = verbs; *verb; verb++) {
                g_autofree char *section = find_section(manual, (*verb)->name);

                g_test_message("%s in the manual", (*verb)->name);
                g_assert_nonnull(section);
                check_manual((*verb)->name, section, (*verb)->options);
        }
}

static void
test_exit_statuses(void)
{
        static const struct {
                enum drover_error code;
                int status;
        } cases[] = {
                {DROVER_ERROR_FAILED, 1},      {DROVER_ERROR_CONFIG, 3},    {DROVER_ERROR_USAGE, 4},
                {DROVER_ERROR_PERMISSION, 5},  {DROVER_ERROR_NOT_FOUND, 6}, {DROVER_ERROR_EXISTS, 1},
                {DROVER_ERROR_BUSY, 1},        {DROVER_ERROR_TIMEOUT, 7},   {DROVER_ERROR_LOCKED, 8},
                {DROVER_ERROR_UNSUPPORTED, 1}, {DROVER_ERROR_CORRUPT, 1},   {DROVER_ERROR_INTERRUPTED, 130},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GError) error = g_error_new(DROVER_ERROR, (int)cases[i].code, "x");

                g_assert_cmpint(exit_status_of(error), ==, cases[i].status);
        }
        g_assert_cmpint(exit_status_of(NULL), ==, 1);
}

static void
test_progress_lines(void)
{
        struct plan_step step = {.kind = KIND_VM, .action = ACTION_START, .name = (char *)"web"};
        struct plan_step network = {.kind = KIND_NETWORK, .action = ACTION_CREATE, .name = (char *)"lan"};
        g_autofree char *doing = progress_line(&step, STEP_STARTED, 0), *done = progress_line(&step, STEP_DONE, 412000);
        g_autofree char *quick = progress_line(&network, STEP_DONE, 3000), *failed = progress_line(&step, STEP_FAILED, 1);
        g_autofree char *skipped = progress_line(&step, STEP_SKIPPED, 0), *cut = progress_cut("vm日本 x", 5);

        g_assert_cmpstr(doing, ==, "vm web starting");
        g_assert_cmpstr(done, ==, "vm web started (0.4s)");
        g_assert_cmpstr(quick, ==, "network lan created");
        g_assert_cmpstr(failed, ==, "vm web not started");
        g_assert_cmpstr(skipped, ==, "vm web skipped");
        g_assert_cmpstr(cut, ==, "vm日");
}

static void
test_changes_in_words(void)
{
        struct plan_change memory = {(char *)"memory", (char *)"1G", (char *)"2G", CHANGE_RESTART};
        struct plan_change image = {(char *)"image", NULL, (char *)"/x", CHANGE_RECREATE};
        g_autoptr(GPtrArray) both = g_ptr_array_new();
        g_autofree char *one = show_change(&memory), *line = NULL;

        g_ptr_array_add(both, &memory);
        g_ptr_array_add(both, &image);
        line = show_changes(both);
        g_assert_cmpstr(one, ==, "memory: 1G → 2G (restart)");
        g_assert_cmpstr(line, ==, "memory: 1G → 2G, image: (none) → /x");
}

/* What YAML 1.1 or 1.2 would read as anything but this text has quotes; the rest has none. */
static void
test_yaml_scalars(void)
{
        static const char *const plain[] = {"web",        "1G",    "10.20.0.0/24", "10.20.0.10", "console=ttyS0 quiet",
                                            "/var/x.img", "500ms", "x-1"};
        static const char *const quoted[] = {"",      "no",   "Yes",  "null",  "12",  "1.5",  "0x1f", "1e5", "2026-05-03",
                                             "1_000", "0o17", "a: b", "52:54", "- a", "#x",   "~",    " x",  "x ",
                                             "*a",    "a\nb", "true", "off",   "y",   "a  b", "{}",   "x\"y",
                                             "a\u2028b"};

        for (size_t i = 0; i < G_N_ELEMENTS(plain); i++) {
                g_autofree char *text = yaml_scalar(plain[i]);

                g_assert_cmpstr(text, ==, plain[i]);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(quoted); i++) {
                g_autofree char *text = yaml_scalar(quoted[i]);

                g_assert_true(text[0] == '"' && text[strlen(text) - 1] == '"');
        }
}

static void
test_yaml_blocks(void)
{
        g_autoptr(json_t) value = json_pack("{s:s, s:{s:i, s:[]}, s:[{s:s, s:{s:b}}, s, [s, s]]}", "name", "lab", "vms", "cpus",
                                            2, "list", "items", "a", "1", "b", "c", 1, "x", "y", "z");
        g_autofree char *text = yaml_format(value);

        g_assert_cmpstr(text, ==,
                        "name: lab\n"
                        "vms:\n"
                        "  cpus: 2\n"
                        "  list: []\n"
                        "items:\n"
                        "  - a: \"1\"\n"
                        "    b:\n"
                        "      c: true\n"
                        "  - x\n"
                        "  - - \"y\"\n"
                        "    - z\n");
}

static void
test_guest_lines(void)
{
        static const struct {
                const char *text, *shown;
        } cases[] = {
                {"plain", "plain"},
                {"end\r\r", "end"},
                {"\033[0;32mOK\033[0m done", "OK done"},
                {"\033]0;title\007x", "x"},
                {"\033]0;title\033\\x", "x"},
                {"\033Pq#0\033\\x", "x"},
                {"a\bb", "a\\x08b"},
                {"\033[", ""},
                {"x\033", "x"},
                {"\xff\xfe", "\\xff\\xfe"},
                {"\xc2\x9b"
                 "31m",
                 "\\xc2\\x9b31m"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *line = guest_line(cases[i].text, strlen(cases[i].text));

                g_assert_cmpstr(line, ==, cases[i].shown);
        }
}

static void
test_guest_tail(void)
{
        const char *text = "one\ntwo\nthree\n";

        g_assert_cmpuint(guest_tail(text, strlen(text), 1), ==, 8);
        g_assert_cmpuint(guest_tail(text, strlen(text), 2), ==, 4);
        g_assert_cmpuint(guest_tail(text, strlen(text), 9), ==, 0);
        g_assert_cmpuint(guest_tail(text, strlen(text), 0), ==, strlen(text));
        g_assert_cmpuint(guest_tail("a\nb", 3, 1), ==, 2);
        g_assert_cmpuint(guest_tail("", 0, 3), ==, 0);
}

static void
test_times(void)
{
        static const struct {
                gint64 seconds;
                const char *text;
        } cases[] = {{0, "0s"}, {59, "59s"}, {60, "1m"}, {3599, "59m"}, {7500, "2h 5m"}, {90000, "1 day"}, {400000, "4 days"}};
        g_autofree char *stamp = when_rfc3339(1777803630);

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *text = when_uptime(cases[i].seconds);

                g_assert_cmpstr(text, ==, cases[i].text);
        }
        g_assert_cmpstr(stamp, ==, "2026-05-03T10:20:30Z");
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cmd/options/forms", test_options_forms);
        g_test_add_func("/cmd/options/defaults", test_options_defaults);
        g_test_add_func("/cmd/options/refused", test_options_refused);
        g_test_add_func("/cmd/options/stop", test_options_stop_at_verb);
        g_test_add_func("/cmd/verbs/complete", test_verbs_complete);
        g_test_add_func("/cmd/verbs/all", test_verbs_are_all_there);
        g_test_add_func("/cmd/verbs/suggestions", test_verb_suggestions);
        g_test_add_func("/cmd/manual", test_manual_is_complete);
        g_test_add_func("/cmd/exit-status", test_exit_statuses);
        g_test_add_func("/cmd/progress", test_progress_lines);
        g_test_add_func("/cmd/changes", test_changes_in_words);
        g_test_add_func("/cmd/yaml/scalars", test_yaml_scalars);
        g_test_add_func("/cmd/yaml/blocks", test_yaml_blocks);
        g_test_add_func("/cmd/guest/lines", test_guest_lines);
        g_test_add_func("/cmd/guest/tail", test_guest_tail);
        g_test_add_func("/cmd/times", test_times);
        return g_test_run();
}
