/* diagnostics.h - what is wrong at places in project files
 *
 * Every diagnostic of a run is collected, sorted by place and printed together by cmd/; nothing here prints.
 */
#pragma once

#include "parser/text/source.h"

enum {
        DIAGNOSTIC_MAX_SHOWN = 100, /* more are only counted */
        ORIGINS_SHOWN = 8,          /* steps on the way of a value */
};

enum severity {
        SEVERITY_ERROR,
        SEVERITY_WARNING,
        SEVERITY_NOTE,
};

struct diagnostic {
        enum severity severity;
        const char *id;   /* stable identifier of the check, e.g. "unknown-key": golden tests are listed by it */
        struct place place;
        char *text;       /* one line, without the place */
        char *hint;       /* what to do, behind the caret; or NULL */
};

/** struct diagnostics - All that was found in a run, in the order in which it was found */
struct diagnostics {
        struct sources *sources;
        GPtrArray *items;  /* struct diagnostic *; at most DIAGNOSTIC_MAX_SHOWN errors are kept, and as many others */
        GHashTable *known; /* a set of them, by place and id */
        guint kept_errors, kept_others;
        guint error_count; /* all errors, also those not kept */
};

/** diagnostics_new() - An empty list that keeps @sources alive, so that places in it outlive the project */
struct diagnostics *diagnostics_new(struct sources *sources);
void diagnostics_free(struct diagnostics *diagnostics);

/**
 * diagnostics_add() - Say that something is wrong at a place
 * @hint: what to do, or NULL; copied
 *
 * Returns FALSE, so that a check can end with it. A second diagnostic with the same place and id is dropped.
 */
gboolean diagnostics_add(struct diagnostics *diagnostics, enum severity severity, const char *id, struct place place,
                         const char *hint, const char *format, ...) G_GNUC_PRINTF(6, 7);

/** diagnostics_only_count() - Are there so many errors that more are not kept? Then nothing need be put into words for them */
static inline gboolean
diagnostics_only_count(const struct diagnostics *diagnostics)
{
        return diagnostics->error_count >= DIAGNOSTIC_MAX_SHOWN;
}

/** diagnostics_sort() - In the order of the files as loaded, then by line and column; stable */
void diagnostics_sort(struct diagnostics *diagnostics);

/**
 * diagnostic_format() - A diagnostic as a person reads it
 *
 *     drover.yaml:14:7: error: unknown key 'memroy' in vm 'web'
 *        14 |       memroy: 1G
 *           |       ^~~~~~ did you mean 'memory'?
 *           = extended from vm 'server' at base.yaml:12
 *
 * The last line is there for each step of the place's origin. Ends with a newline. Tabs of the source line become one blank,
 * control characters \xNN, and a line of more than 160 characters is cut around the caret. Returns a new string.
 */
char *diagnostic_format(const struct diagnostic *diagnostic);

/** origin_format() - One step, "extended from vm 'server' at base.yaml:12". Returns a new string */
char *origin_format(const struct origin *origin);
