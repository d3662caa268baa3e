/* options.h - options of the command line by table: drover's own and those of each verb */
#pragma once

#include <glib.h>

enum option_type {
        OPTION_FLAG,     /* gboolean */
        OPTION_TEXT,     /* char *: points into argv */
        OPTION_NUMBER,   /* gint64, not negative; -1: not given */
        OPTION_DURATION, /* gint64, ms; a bare number is seconds, as in compose; -1: not given */
        OPTION_LIST,     /* char **: repeatable, NULL-terminated; NULL: not given */
        OPTION_FUTURE,   /* known, not built: a usage error that says so */
};

/** struct option_row - One option */
struct option_row {
        const char *name; /* long name, without the dashes; NULL ends the table */
        char letter;      /* 0: none */
        enum option_type type;
        const char *argument; /* "VM", "T", "json|table"; NULL for flags. Words with | are the only values accepted */
        const char *help;     /* one line */
        size_t offset;        /* into the struct of the table */
};

/** OPTION_ROW() - A row that fills @field of @target */
#define OPTION_ROW(target, name, letter, type, argument, field, help)                                                          \
        {                                                                                                                      \
                name, letter, type, argument, help, G_STRUCT_OFFSET(target, field)                                             \
        }

/** struct option_set - A table and the struct that it fills */
struct option_set {
        const struct option_row *rows; /* may be NULL */
        void *target;
};

enum progress_mode {
        PROGRESS_TTY,
        PROGRESS_PLAIN,
        PROGRESS_JSON,
        PROGRESS_QUIET,
};

/** struct globals - The options before (or, where the verb has none of that name, behind) the verb */
struct globals {
        char **files;           /* -f */
        char **env_files;       /* --env-file */
        char *project_name;     /* -p */
        char **profiles;        /* --profile */
        gint64 parallel;        /* after globals_finish() at least 1 */
        char *progress_word;    /* --progress */
        char *color_word;       /* --color */
        gint64 lock_timeout_ms; /* --lock-timeout */
        gboolean dry_run;
        gboolean verbose;
        gboolean help, version;
        enum progress_mode progress; /* after globals_finish() */
        gboolean color_out, color_err;
};

extern const struct option_row global_options[];

/** globals_finish() - Defaults, and what `auto` means for these streams and this environment */
void globals_finish(struct globals *globals);

/** options_init() - Fill a zeroed struct with "not given"; options_clear() frees what lists hold */
void options_init(const struct option_set *set);
void options_clear(const struct option_set *set);

/**
 * options_parse() - Read options from a vector
 * @sets:     NULL-terminated by a set without a target; where two have an option of the same name, the first wins
 * @stop:     stop at the first word that is no option (the verb); else go on, and "--" ends the options
 * @argv:     words; advanced to what was not read when @stop
 * @rest:     gets the words that are no options; not used when @stop
 *
 * Fails with DROVER_ERROR_USAGE: unknown option (with a suggestion), missing or unwanted or wrong value, not built yet.
 */
gboolean options_parse(const struct option_set *sets, gboolean stop, char ***argv, GPtrArray *rest,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
