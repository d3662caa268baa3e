/* logs.c - drover logs: serial consoles, with the VM's name before each line */
#include "cmd/events.h"
#include "cmd/log-reader.h"
#include "cmd/print.h"
#include "cmd/select.h"

struct logs_options {
        gboolean follow, qemu, events, no_prefix;
        gint64 tail;
};

/* What happened to the VMs, in the place of what they have said. */
static int
print_journal(const struct paths *paths, GPtrArray *names, const struct logs_options *options)
{
        static char *const everything[] = {NULL};
        struct events_wish wish = {.names = everything, .tail = options->tail, .follow = options->follow};
        g_autoptr(GError) error = NULL;

        if (names) {
                g_ptr_array_add(names, NULL);
                wish.names = (char *const *)names->pdata;
        }
        return events_print(paths, &wish, &error) ? EXIT_DONE : print_error(error);
}

static int
run_logs(struct verb_call *call)
{
        const struct logs_options *options = call->options;
        g_autoptr(paths_t) paths = paths_new(call->project->name);
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) names = select_vms(call->project, paths, call->arguments, &error);
        g_autoptr(log_reader_t) reader = NULL;
        guint found = 0;

        if (!names)
                return print_error(error);
        if (options->events)
                return print_journal(paths, *call->arguments ? names : NULL, options);
        reader = log_reader_new(paths, names, options->qemu ? "qemu.log" : QEMU_CONSOLE_LOG, !options->no_prefix);
        if (!log_reader_print(reader, options->tail, options->follow, &found, &error))
                return print_error(error);
        if (options->follow)
                return log_reader_follow(reader, -1, &error) ? EXIT_DONE : print_error(error);
        if (!found)
                print_note("there is no log yet");
        return EXIT_DONE;
}

#define ROW(...) OPTION_ROW(struct logs_options, __VA_ARGS__)

static const struct option_row rows[] = {
        ROW("follow", 'f', OPTION_FLAG, NULL, follow, "Go on with what comes, until interrupted"),
        ROW("tail", 'n', OPTION_NUMBER, "N", tail, "Only the last lines of each VM"),
        ROW("qemu", 0, OPTION_FLAG, NULL, qemu, "What QEMU itself said instead of the console"),
        ROW("events", 0, OPTION_FLAG, NULL, events, "What happened to the VMs instead of the console, as 'drover events' does"),
        ROW("no-log-prefix", 0, OPTION_FLAG, NULL, no_prefix, "No names before the lines"),
        {"since", 0, OPTION_FUTURE, "TIME", "Only lines after this time", 0},
        {"until", 0, OPTION_FUTURE, "TIME", "Only lines before this time", 0},
        {"timestamps", 't', OPTION_FUTURE, NULL, "The time of each line", 0},
        {NULL},
};

const struct verb verb_logs = {
        .name = "logs",
        VERB_OF_VMS,
        .help = "Print the serial consoles' logs",
        .text = "Escape sequences are left out, and other control characters made visible: a guest cannot reach your terminal.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        VERB_OPTIONS(rows, struct logs_options),
        .run = run_logs,
};
