/* golden.c - what the parser says about the files of this directory, compared to the letter
 *
 * fail-*.yaml has errors or keys that are not built yet: fail-*.err holds what is printed. pass-*.yaml has none: pass-*.json is
 * the file as understood, with all defaults, and pass-*.err, where there is one, the warnings and notes. later-*.yaml has no
 * fault but keys that are not built yet, with both. What a pass or later file is encoded to must decode to the same again.
 * Lastly, each identifier of a diagnostic in the sources must have been seen.
 *
 * multi/NAME is a case of several files: a project, what it needs, `args` (a line each: `-f FILE`, `--env-file FILE`,
 * `--profile P`, `--scale VM=N`, `--vm NAME`, `--catalogue FILE`, `--variables`), `env` (the whole environment, NAME=VALUE
 * lines), `stdin` (what standard input holds), and what comes out: `expect.err` and, where it loads, `expect.json` (and, where
 * there is one, `expect.origin`: where each value comes from; with `--variables`, `expect.variables` alone).
 *
 *     cd tests/config && golden [--accept] [FILE...]
 *
 * --accept writes what came out instead of comparing. Prints TAP.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "parser/keys/keys.h"
#include "parser/load.h"
#include "parser/text/origin.h"
#include "parser/variables/interpolate.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct golden {
        gboolean accept;
        char *directory;
        GHashTable *ids; /* seen */
        guint count, failures;
};

static void
report(struct golden *golden, gboolean ok, const char *what)
{
        printf("%s %u - %s\n", ok ? "ok" : "not ok", ++golden->count, what);
        if (!ok)
                golden->failures++;
}

static void
print_difference(const char *expected, const char *got)
{
        g_auto(GStrv) lines = g_strsplit(expected, "\n", -1), other = g_strsplit(got, "\n", -1);
        guint i = 0;

        while (lines[i] && other[i] && strcmp(lines[i], other[i]) == 0)
                i++;
        printf("# differs in line %u\n#   expected: %s\n#   got:      %s\n", i + 1, lines[i] ? lines[i] : "(end)",
               other[i] ? other[i] : "(end)");
}

/* Compare with the golden file of a case (NULL: its path says which); an empty text is a file that is not there. */
static void
compare(struct golden *golden, const char *name, const char *path, const char *got)
{
        g_autofree char *expected = NULL, *what = name ? g_strconcat(name, " ", path, NULL) : g_strdup(path);
        g_autoptr(GError) error = NULL;

        if (golden->accept && !*got) {
                if (!file_remove(path, &error))
                        g_error("%s", error->message);
                return;
        }
        if (golden->accept && !file_write_if_changed(path, got, strlen(got), 0644, NULL, &error))
                g_error("%s", error->message);
        if (!file_read(path, 64 << 20, &expected, NULL, NULL))
                expected = g_strdup("");
        report(golden, strcmp(expected, got) == 0, what);
        if (strcmp(expected, got) != 0)
                print_difference(expected, got);
}

static char *
with_suffix(const char *path, const char *suffix)
{
        return g_strdup_printf("%.*s%s", (int)(strlen(path) - strlen(".yaml")), path, suffix);
}

/* The directory of the checkout is written as a dot. */
static char *
relative(const struct golden *golden, const char *text)
{
        g_auto(GStrv) parts = g_strsplit(text, golden->directory, -1);

        return g_strjoinv(".", parts);
}

static char *
print_diagnostics(struct golden *golden, struct diagnostics *diagnostics)
{
        GString *text = g_string_new(NULL);
        g_autofree char *all = NULL;

        diagnostics_sort(diagnostics);
        for (guint i = 0; i < diagnostics->items->len; i++) {
                const struct diagnostic *diagnostic = diagnostics->items->pdata[i];
                g_autofree char *one = diagnostic_format(diagnostic);

                g_string_append(text, one);
                g_hash_table_add(golden->ids, g_strdup(diagnostic->id));
        }
        if (diagnostics->error_count > DIAGNOSTIC_MAX_SHOWN)
                g_string_append_printf(text, "%u errors\n", diagnostics->error_count);
        all = g_string_free(text, FALSE);
        return relative(golden, all);
}

static struct load_options
options_for(const struct golden *golden, const char *const *files)
{
        static const char *const nothing[] = {NULL};

        return (struct load_options){.files = files, .directory = golden->directory, .root = TRUE, .environ = nothing};
}

static char *
dump(const struct project *project, gboolean defaults)
{
        g_autoptr(json_t) json = keys_encode(&keys_project, project, defaults);
        g_autofree char *text = json_format(json, JSON_INDENT(2));

        return g_strconcat(text, "\n", NULL);
}

/* Encoded, read again and encoded with all defaults: the same. */
static void
check_round_trip(struct golden *golden, const char *path, const struct project *project, const char *const *catalogues,
                 gboolean defaults)
{
        g_autofree char *text = dump(project, defaults), *expected = dump(project, TRUE), *again = NULL;
        g_autofree char *what = g_strdup_printf("%s read again from %s", path, defaults ? "all values" : "what is written");
        const char *name = project_is_set(project->node, "name") ? NULL : project->name; /* that of its directory */
        struct load_options options = {
                .name = name, .directory = golden->directory, .catalogues = catalogues, .root = TRUE};
        struct diagnostics *diagnostics = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(project_t) second = project_load_text(text, strlen(text), &options, &diagnostics, &error);

        if (second)
                again = dump(second, TRUE);
        else
                again = print_diagnostics(golden, diagnostics);
        report(golden, strcmp(expected, again) == 0, what);
        if (strcmp(expected, again) != 0)
                print_difference(expected, again);
        diagnostics_free(diagnostics);
}

static void
run_file(struct golden *golden, const char *path)
{
        const char *const files[] = {path, NULL};
        struct load_options options = options_for(golden, files);
        struct diagnostics *diagnostics = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(project_t) project = project_load(&options, &diagnostics, &error);
        gboolean later = g_str_has_prefix(path, "later-"), should_pass = g_str_has_prefix(path, "pass-") || later;
        guint refused = 0;
        g_autofree char *err_path = with_suffix(path, ".err"), *json_path = with_suffix(path, ".json"), *text = NULL;

        if (project)
                refused = project_refusals(project, diagnostics);
        text = print_diagnostics(golden, diagnostics);
        if (!*text && error) {
                g_free(text);
                text = g_strconcat(error->message, "\n", NULL);
        }
        if (should_pass != (project && diagnostics->error_count == (later ? refused : 0)) || (later && !refused)) {
                report(golden, FALSE, path);
                printf("# it should %s\n%s", should_pass ? "pass" : "fail", text);
        } else {
                compare(golden, NULL, err_path, text);
        }
        if (project && should_pass) {
                g_autofree char *json = dump(project, TRUE), *json_relative = relative(golden, json);

                compare(golden, NULL, json_path, json_relative);
                check_round_trip(golden, path, project, NULL, TRUE);
                check_round_trip(golden, path, project, NULL, FALSE);
        }
        diagnostics_free(diagnostics);
}

/* The lines of a file that may be missing. */
static char **
read_lines(const char *path)
{
        g_autofree char *text = NULL;

        if (!file_read(path, 1 << 20, &text, NULL, NULL))
                return g_new0(char *, 1);
        g_strchomp(text);
        return g_strsplit(text, "\n", *text ? -1 : 0);
}

/* "-f FILE", "--env-file FILE" */
/* What can be on the command line, each a vector that ends with NULL. */
struct arguments {
        GPtrArray *files, *env_files, *profiles, *scale, *vm_names, *catalogues, *variables;
};

static void
read_arguments(char **lines, struct arguments *arguments)
{
        const struct {
                const char *option;
                GPtrArray **values;
        } options[] = {{"-f ", &arguments->files},
                       {"--env-file ", &arguments->env_files},
                       {"--profile ", &arguments->profiles},
                       {"--scale ", &arguments->scale},
                       {"--vm ", &arguments->vm_names},
                       {"--catalogue ", &arguments->catalogues},
                       {"--variables", &arguments->variables}};

        for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
                *options[i].values = g_ptr_array_new();
        for (; *lines; lines++) {
                size_t i = 0;

                while (i < G_N_ELEMENTS(options) && !g_str_has_prefix(*lines, options[i].option))
                        i++;
                if (i == G_N_ELEMENTS(options))
                        g_error("unknown argument '%s'", *lines);
                g_ptr_array_add(*options[i].values, *lines + strlen(options[i].option));
        }
        for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
                g_ptr_array_add(*options[i].values, NULL);
}

static void
free_arguments(struct arguments *arguments)
{
        g_ptr_array_unref(arguments->files);
        g_ptr_array_unref(arguments->env_files);
        g_ptr_array_unref(arguments->profiles);
        g_ptr_array_unref(arguments->scale);
        g_ptr_array_unref(arguments->vm_names);
        g_ptr_array_unref(arguments->catalogues);
        g_ptr_array_unref(arguments->variables);
}

/* "vms.web.memory: base.yaml:3:5, extended from vm 'server' at drover.yaml:7"; defaults are left out. */
static char *
print_origins(const struct project *project)
{
        g_autoptr(json_t) encoded = keys_encode(&keys_project, project, TRUE);
        g_autoptr(GPtrArray) origins = project_origins(project, encoded);
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < origins->len; i++) {
                const struct value_origin *origin = origins->pdata[i];
                const struct place *place = &origin->place;

                if (!place->line)
                        continue;
                g_string_append_printf(text, "%s: %s:%u:%u", origin->path, place->source->name, place->line, place->column);
                for (const struct origin *via = place->via; via; via = via->next) {
                        g_autofree char *step = origin_format(via);

                        g_string_append_printf(text, ", %s", step);
                }
                g_string_append_c(text, '\n');
        }
        return g_string_free(text, FALSE);
}

static char *
print_variables(const GPtrArray *variables)
{
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < variables->len; i++) {
                const struct file_variable *variable = variables->pdata[i];

                g_string_append_printf(text, "%s%s", variable->name, variable->required ? " required" : "");
                if (variable->fallback)
                        g_string_append_printf(text, " default '%s'", variable->fallback);
                if (variable->alternate)
                        g_string_append_printf(text, " alternate '%s'", variable->alternate);
                g_string_append_c(text, '\n');
        }
        return g_string_free(text, FALSE);
}

static void
open_stdin(void)
{
        int fd = open(access("stdin", F_OK) == 0 ? "stdin" : "/dev/null", O_RDONLY | O_CLOEXEC);

        if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
                g_error("cannot set standard input");
        close(fd);
}

/* In the directory of the case. */
static void
run_case(struct golden *golden, const char *name)
{
        g_auto(GStrv) lines = read_lines("args"), environment = read_lines("env");
        struct arguments arguments;
        g_autofree char *text = NULL, *json = NULL, *json_relative = NULL, *named = NULL;
        g_autoptr(GPtrArray) variables = variable_log_new();
        struct diagnostics *diagnostics = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(project_t) project = NULL;
        struct load_options options;

        read_arguments(lines, &arguments);
        options = options_for(golden, (const char *const *)arguments.files->pdata);
        options.env_files = (const char *const *)arguments.env_files->pdata;
        options.profiles = (const char *const *)arguments.profiles->pdata;
        options.scale = (const char *const *)arguments.scale->pdata;
        options.vm_names = (const char *const *)arguments.vm_names->pdata;
        options.catalogues = (const char *const *)arguments.catalogues->pdata;
        options.environ = (const char *const *)environment;
        options.variables = arguments.variables->pdata[0] ? variables : NULL;
        open_stdin();
        project = project_load(&options, &diagnostics, &error);
        if (project)
                project_refusals(project, diagnostics);
        text = print_diagnostics(golden, diagnostics);
        if (!*text && error) {
                g_free(text);
                text = g_strconcat(error->message, "\n", NULL);
        }
        compare(golden, name, "expect.err", text);
        named = print_variables(variables);
        compare(golden, name, "expect.variables", named);
        if (options.variables)
                g_clear_pointer(&project, project_free); /* there is nothing in it */
        json = project ? dump(project, TRUE) : g_strdup("");
        json_relative = relative(golden, json);
        compare(golden, name, "expect.json", json_relative);
        if (project && access("expect.origin", F_OK) == 0) {
                g_autofree char *origins = print_origins(project);

                compare(golden, name, "expect.origin", origins);
        }
        if (project) {
                check_round_trip(golden, name, project, options.catalogues, TRUE);
                check_round_trip(golden, name, project, options.catalogues, FALSE);
        }
        diagnostics_free(diagnostics);
        free_arguments(&arguments);
}

/* multi/NAME holds a case of several files: `args`, `env`, `expect.err` and `expect.json` may be missing. */
static void
run_directory(struct golden *golden, const char *name)
{
        char *top = golden->directory;

        golden->directory = g_build_filename(top, "multi", name, NULL);
        if (g_chdir(golden->directory) < 0)
                g_error("cannot go to '%s'", golden->directory);
        run_case(golden, name);
        g_free(golden->directory);
        golden->directory = top;
        if (g_chdir(top) < 0)
                g_error("cannot go back to '%s'", top);
}

/* The .c files of a room and its wings, in order. */
static GPtrArray *
list_sources(const char *directory)
{
        g_autoptr(GPtrArray) names = file_list_directory(directory, NULL);
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);

        for (guint i = 0; names && i < names->len; i++) {
                g_autofree char *path = g_build_filename(directory, names->pdata[i], NULL);

                if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
                        g_autoptr(GPtrArray) below = list_sources(path);

                        g_ptr_array_extend_and_steal(paths, g_steal_pointer(&below));
                } else if (g_str_has_suffix(path, ".c")) {
                        g_ptr_array_add(paths, g_steal_pointer(&path));
                }
        }
        return paths;
}

/* Every identifier in the sources of the parser is that of one check alone, and has a file here that shows it. */
static void
check_ids(struct golden *golden)
{
        g_autoptr(GRegex) regex = g_regex_new(
                "(?:check_fault\\(|report\\(problem|decode_fault\\(|check_unknown\\(|value_fail\\(|fault\\(run,|loader_fail\\(|"
                "SEVERITY_[A-Z]+,|ID:)[^\";]*?\"([a-z][a-z0-9]*(?:-[a-z0-9]+)+|[a-z]+)\"",
                G_REGEX_DEFAULT, 0, NULL);
        /* These depend on the directory, or take very large files: tests/unit/test-load.c and test-merge.c show them. */
        static const char *const elsewhere[] = {"no-name",       "merge-too-large", "too-many-files", "too-many-bytes",
                                                "include-depth", NULL};
        g_autoptr(GPtrArray) names = list_sources("../../parser");
        g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        for (guint i = 0; names && i < names->len; i++) {
                const char *path = names->pdata[i];
                g_autofree char *text = NULL, *name = g_path_get_basename(path);
                g_autoptr(GMatchInfo) match = NULL;

                if (!file_read(path, 1 << 20, &text, NULL, NULL))
                        continue;
                for (g_regex_match(regex, text, 0, &match); g_match_info_matches(match); g_match_info_next(match, NULL)) {
                        g_autofree char *id = g_match_info_fetch(match, 1);
                        g_autofree char *what = g_strdup_printf("a file shows '%s' of %s", id, name);

                        if (!g_strv_contains(elsewhere, id))
                                report(golden, g_hash_table_contains(golden->ids, id), what);
                        if (!g_hash_table_add(found, g_steal_pointer(&id)))
                                report(golden, FALSE, "an identifier of one check alone (the one before)");
                }
        }
        report(golden, g_hash_table_size(found) > 150, "identifiers are found in the sources");
}

int
main(int argc, char **argv)
{
        g_autoptr(GHashTable) ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        struct golden golden = {.directory = g_get_current_dir(), .ids = ids};
        g_autoptr(GPtrArray) names = file_list_directory(".", NULL), cases = file_list_directory("multi", NULL);
        gboolean all = TRUE;

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--accept") == 0) {
                        golden.accept = TRUE;
                } else {
                        all = FALSE;
                        if (g_str_has_prefix(argv[i], "multi/"))
                                run_directory(&golden, argv[i] + strlen("multi/"));
                        else
                                run_file(&golden, argv[i]);
                }
        }
        for (guint i = 0; all && names && i < names->len; i++) {
                const char *name = names->pdata[i];

                if (g_regex_match_simple("^(pass|fail|later)-.*\\.yaml$", name, G_REGEX_DEFAULT, 0))
                        run_file(&golden, name);
        }
        for (guint i = 0; all && cases && i < cases->len; i++)
                run_directory(&golden, cases->pdata[i]);
        if (all)
                check_ids(&golden);
        printf("1..%u\n", golden.count);
        g_free(golden.directory);
        return golden.failures ? 1 : 0;
}
