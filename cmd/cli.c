/* cli.c - from the command line to a verb's handler: options, verb, project file, and the status in the end */
#include "cmd/print.h"
#include "cmd/select.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "parser/variables/interpolate.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

enum { DESCRIPTORS_WANTED = 65536 };

/*
 * A descriptor from 0 to 2 that is closed would be taken by the next file opened, and output would go there. In its place
 * comes one that cannot be written (or, for 0, read), so that the write is the error that it has to be.
 */
static void
guard_standard_streams(void)
{
        for (int fd = 0; fd <= 2; fd++)
                if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
                        (void)!open("/dev/null", (fd == 0 ? O_WRONLY : O_RDONLY) | O_NOFOLLOW);
}

static int
fail_unknown_verb(const char *word)
{
        g_autofree char *shown = text_make_printable(word, -1);
        g_autofree char *meant = verb_suggest(word);
        g_autoptr(GError) error = NULL;

        error_set(&error, DROVER_ERROR_USAGE, "unknown verb '%s'", shown);
        error_hint(&error, "%s", meant ? meant : "'drover help' lists the verbs");
        return print_error(error);
}

static gboolean
check_arguments(const struct verb *verb, char **arguments, GError **error)
{
        int count = (int)g_strv_length(arguments);

        if (count < verb->min_arguments) {
                error_set(error, DROVER_ERROR_USAGE, "'%s' needs %s", verb->name, verb->synopsis);
                return error_hint(error, "usage: drover %s [OPTION...] %s", verb->name, verb->synopsis);
        }
        if (count > verb->max_arguments) {
                g_autofree char *shown = text_make_printable(arguments[verb->max_arguments], -1);

                error_set(error, DROVER_ERROR_USAGE, "unexpected argument '%s'", shown);
                return error_hint(error, "usage: drover %s [OPTION...]%s%s", verb->name, *verb->synopsis ? " " : "",
                                  verb->synopsis);
        }
        return TRUE;
}

/* Was --format json given, wherever the verb keeps it? */
static gboolean
wants_json(const struct verb *verb, const struct verb_call *call)
{
        for (const struct option_row *row = verb->options; row && row->name; row++)
                if (row->type == OPTION_TEXT && strcmp(row->name, "format") == 0)
                        return g_strcmp0(G_STRUCT_MEMBER(const char *, call->options, row->offset), "json") == 0;
        return FALSE;
}

/*
 * What is wrong with the file goes to standard error, for people, and in a document where the verb was to print one: in its
 * place after an error, and as all that it prints where only a look at the file is wanted.
 */
static void
tell(const struct verb *verb, struct verb_call *call, const struct diagnostics *diagnostics, int status, const GError *error)
{
        gboolean only_checks = verb->only_checks && verb->only_checks(call);

        if (wants_json(verb, call) && (status == EXIT_CONFIG || (status == EXIT_DONE && only_checks)))
                print_diagnostics_document(diagnostics, error);
        print_diagnostics(diagnostics, (verb->needs & NEEDS_FILES) != 0);
}

/* Then the files of those that matter are looked at with all else that this host may lack. */
static gboolean
names_vms(const struct verb *verb, const struct verb_call *call)
{
        return (verb->completes_vms && *call->arguments) || (verb->names_one && verb->names_one(call));
}

struct project *
verb_load_with(const struct verb_call *call, struct load_options options, struct diagnostics **ret_diagnostics, GError **error)
{
        g_autofree char *directory = g_get_current_dir();
        g_auto(GStrv) catalogues = paths_catalogues();

        options.catalogues = (const char *const *)catalogues;
        options.files = (const char *const *)call->globals->files;
        options.name = call->globals->project_name;
        options.env_files = (const char *const *)call->globals->env_files;
        options.directory = directory;
        options.root = geteuid() == 0;
        options.profiles = (const char *const *)call->globals->profiles;
        return project_load(&options, ret_diagnostics, error);
}

/* Load the project if the verb needs one; EXIT_DONE when the handler may go on. */
static int
load(const struct verb *verb, struct verb_call *call)
{
        const struct globals *globals = call->globals;
        struct load_options options = {
                .variables = call->variables,
                .no_files = !(verb->needs & NEEDS_FILES) || names_vms(verb, call),
                .vm_names = verb->completes_vms ? select_names(call->arguments) : NULL,
                .scale = verb->scale_offset ? G_STRUCT_MEMBER(const char *const *, call->options, verb->scale_offset) : NULL,
        };
        struct diagnostics *diagnostics = NULL;
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;

        if (!(verb->needs & NEEDS_PROJECT))
                return EXIT_DONE;
        call->project = verb_load_with(call, options, &diagnostics, &error);
        if (call->project && (verb->needs & NEEDS_REFUSALS) && project_refusals(call->project, diagnostics) > 0) {
                diagnostics_sort(diagnostics);
                status = EXIT_CONFIG;
        }
        if (!call->project && g_error_matches(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND) &&
            (verb->needs & NEEDS_NO_FILE_OK) && globals->project_name && !globals->files) {
                g_autoptr(GError) none = NULL;

                call->project = select_empty_project(globals->project_name, geteuid() == 0, &none);
                if (!call->project)
                        status = print_error(none);
        } else if (g_error_matches(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND) && (verb->needs & NEEDS_NONE_IF_NAMED) &&
                   *call->arguments && !globals->files) {
                status = EXIT_DONE;
        } else if (!call->project) {
                gboolean explained = diagnostics && diagnostics->error_count > 0;

                status = exit_status_of(error);
                tell(verb, call, diagnostics, status, error);
                if (!explained)
                        print_error(error);
        } else {
                tell(verb, call, diagnostics, status, NULL);
        }
        diagnostics_free(diagnostics);
        return status;
}

static int
run(const struct verb *verb, struct verb_call *call)
{
        int status;

        if (verb->wants_variables && verb->wants_variables(call))
                call->variables = variable_log_new();
        status = load(verb, call);
        if (status == EXIT_DONE)
                status = verb->run(call);
        else if (verb->failure)
                status = verb->failure;
        project_free(call->project);
        call->project = NULL;
        g_clear_pointer(&call->variables, g_ptr_array_unref);
        return status;
}

static int
help_for(const struct globals *globals, char *name)
{
        char *arguments[] = {name, NULL};
        struct verb_call call = {.globals = globals, .verb = verb_help.name, .arguments = arguments};

        return verb_help.run(&call);
}

/* The verb and what stands behind it. */
static int
parse_and_run(struct globals *globals, char **argv)
{
        const struct verb *verb = verb_find(argv[0]);
        g_autofree void *options = verb ? g_malloc0(MAX(verb->options_size, 1)) : NULL;
        g_autoptr(GPtrArray) rest = g_ptr_array_new();
        struct option_set sets[] = {{verb ? verb->options : NULL, options}, {global_options, globals}, {NULL, NULL}};
        struct verb_call call = {.globals = globals, .verb = verb ? verb->name : NULL, .options = options};
        g_autoptr(GError) error = NULL;
        int status;

        if (!verb)
                return fail_unknown_verb(argv[0]);
        argv++;
        options_init(&sets[0]);
        if (!options_parse(sets, FALSE, &argv, rest, &error)) {
                error_hint(&error, "'drover help %s' lists its options", verb->name);
                status = print_error(error);
                status = verb->failure ? verb->failure : status;
        } else if (globals->help && verb != &verb_help) {
                status = help_for(globals, (char *)verb->name);
        } else {
                globals_finish(globals);
                print_setup(globals);
                g_ptr_array_add(rest, NULL);
                call.arguments = (char **)rest->pdata;
                if (check_arguments(verb, call.arguments, &error))
                        status = run(verb, &call);
                else
                        status = verb->failure ? (print_error(error), verb->failure) : print_error(error);
        }
        options_clear(&sets[0]);
        return status;
}

/* One descriptor for each VM that is asked or watched: the usual limit of 1024 is for programs that use select(2). */
static void
raise_descriptor_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS_WANTED)
                return;
        limit.rlim_cur = MIN(limit.rlim_max, DESCRIPTORS_WANTED);
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                return; /* fewer VMs at once, then */
}

int
cli_run(int argc, char **argv)
{
        struct globals globals = {0};
        struct option_set sets[] = {{global_options, &globals}, {NULL, NULL}};
        g_autoptr(GError) error = NULL;
        int status;

        guard_standard_streams();
        raise_descriptor_limit();
        signal(SIGPIPE, SIG_IGN);
        argv += argc > 0 ? 1 : 0;
        options_init(&sets[0]);
        if (!options_parse(sets, TRUE, &argv, NULL, &error)) {
                globals_finish(&globals);
                print_setup(&globals);
                error_hint(&error, "'drover help' lists options and verbs");
                status = print_error(error);
        } else {
                gboolean nothing = !*argv && !globals.help && !globals.version;
                char *fallback[] = {(char *)(globals.version ? "version" : "help"), NULL};
                struct globals shown = globals;

                globals_finish(&shown);
                print_setup(&shown);
                if (nothing)
                        status = print_usage_error("no verb is given");
                else
                        status = parse_and_run(&globals, *argv && !globals.version ? argv : fallback);
        }
        options_clear(&sets[0]);
        return print_finish(status);
}
