/* verbs.h - the table of verbs: name, synopsis, help, options, what each needs; dispatch, help and completion come from it
 *
 * cmd/ is the only room that prints. Data goes to standard output; progress, notes and errors to standard error.
 *
 * Adding a verb: a file cmd/VERB.c with its `verb_VERB`, a row in verbs.c, a section in man/drover.1. tests/unit/test-cmd.c
 * fails where a verb or one of its options lacks help or is not in the manual page.
 */
#pragma once

#include "cmd/options.h"
#include "runtime/session.h"

/** Exit statuses; nothing else is ever returned, but by exec and ssh */
enum {
        EXIT_DONE = 0,
        EXIT_FAILED = 1,
        EXIT_PENDING = 2,
        EXIT_CONFIG = 3,
        EXIT_USAGE = 4,
        EXIT_PERMISSION = 5,
        EXIT_NOT_FOUND = 6,
        EXIT_TIMEOUT = 7,
        EXIT_LOCKED = 8,
        EXIT_INTERRUPTED = 130,
};

enum verb_needs {
        NEEDS_NOTHING = 0,
        NEEDS_PROJECT = 1 << 0,    /* a project file (or -p and kept state) */
        NEEDS_FILES = 1 << 1,      /* images, kernels and disks that the file names have to be there */
        NEEDS_REFUSALS = 1 << 2,   /* stops at keys that are not built yet */
        NEEDS_NONE_IF_NAMED = 1 << 4, /* without a file it goes on without a project, if there are arguments */
        NEEDS_NO_FILE_OK = 1 << 3, /* with -p and no file: goes on with an empty project of that name */
};

enum { ARGUMENTS_MANY = G_MAXINT };

/** struct verb_call - One verb as it was typed */
struct verb_call {
        const struct globals *globals;
        const char *verb;        /* its name */
        struct project *project; /* loaded, for verbs that need one; a handler that opens a session takes it */
        void *options;           /* the verb's own struct, filled by its table */
        char **arguments;        /* what is left, NULL-terminated; never NULL */
        GPtrArray *variables;    /* struct file_variable: what the files name; NULL: the verb does not want them */
};

struct verb {
        const char *name;
        const char *synopsis; /* "[VM...]" */
        const char *help;     /* one line */
        const char *text;     /* a paragraph for `help VERB`, or NULL */
        guint needs;
        int min_arguments, max_arguments;
        int failure; /* exit status of every failure of ours, where others are the guest's; 0: those above */
        const struct option_row *options; /* NULL: none */
        size_t options_size;
        size_t scale_offset;                /* of --scale in the options, a char **; 0: it has none */
        gboolean completes_vms;             /* arguments are VM names */
        gboolean (*names_one)(const struct verb_call *call);       /* an option names the only VM that matters; NULL: never */
        gboolean (*wants_variables)(const struct verb_call *call); /* then one that is not set is no fault; NULL: never */
        gboolean (*only_checks)(const struct verb_call *call);     /* then --format json prints what is wrong; NULL: never */
        int (*run)(struct verb_call *call); /* returns an exit status; has printed its errors */
};

/** VERB_OF_VMS - What verbs have in common whose arguments are names of VMs, or none for all of them */
#define VERB_OF_VMS .synopsis = "[VM...]", .max_arguments = ARGUMENTS_MANY, .completes_vms = TRUE

/** VERB_OPTIONS() - A verb's own table, and the struct that it fills */
#define VERB_OPTIONS(table, target) .options = table, .options_size = sizeof(target)

/** verbs - All of them, in the order of the help; NULL ends the list */
extern const struct verb *const verbs[];

/** verb_find() - By name, or NULL; also finds what is not in the table, since only drover itself types it */
const struct verb *verb_find(const char *name);

/**
 * verb_suggest() - What was probably meant by a word that is no verb
 *
 * Knows what virsh, Vagrant and terraform call things, verbs that are not built yet, and slips of the finger. Returns a
 * sentence to put behind "unknown verb 'x'", e.g. "did you mean 'up'?", or NULL. New string.
 */
char *verb_suggest(const char *word);

/**
 * verb_load_with() - project_load() with what the command line says
 * @options: what is not said by global options
 */
struct project *verb_load_with(const struct verb_call *call, struct load_options options, struct diagnostics **ret_diagnostics,
                               GError **error);

/** cli_run() - The whole of drover: options, verb, project, handler; returns the exit status */
int cli_run(int argc, char **argv);

/* One of these a file cmd/VERB.c (start, stop, restart, pause and unpause share cmd/lifecycle.c) */
extern const struct verb verb_up, verb_down, verb_plan, verb_ps, verb_config, verb_start, verb_stop, verb_restart, verb_kill,
        verb_pause, verb_unpause, verb_logs, verb_console, verb_ip, verb_inspect, verb_wait, verb_ls, verb_rm, verb_doctor,
        verb_ssh, verb_ssh_config, verb_exec, verb_cp, verb_init, verb_explain, verb_schema, verb_completion, verb_version,
        verb_help, verb_pull, verb_run, verb_images, verb_prune, verb_events, verb_port, verb_rename;

/** What the supervisor is started as, and what it starts; not in the table */
extern const struct verb verb_supervise, verb_mend;

/** verb_connect - What ssh starts to get into a private namespace (reach.h); not in the table either */
extern const struct verb verb_connect;

/** verb_share - What share_start() starts; not in the table either */
extern const struct verb verb_share;

/** verb_forward - What forwarder_ensure() starts; not in the table either */
extern const struct verb verb_forward;
