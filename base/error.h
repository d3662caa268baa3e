/* error.h - the one error contract: a domain, a dozen codes, and failures that are one statement
 *
 * Every function that can fail takes a `GError **` last and returns FALSE, NULL or -1. The code is what a caller or the
 * exit status branches on; everything else is in the text. A text is lower case, without a full stop, the failure first,
 * the subject in single quotes and the system's own reason last. Lines after the first are hints: what to do next.
 */
#pragma once

#include <glib.h>

enum drover_error {
        DROVER_ERROR_FAILED,      /* anything that nobody branches on */
        DROVER_ERROR_CONFIG,      /* the project file is wrong */
        DROVER_ERROR_USAGE,       /* the command line is wrong */
        DROVER_ERROR_PERMISSION,  /* EACCES, EPERM */
        DROVER_ERROR_NOT_FOUND,   /* ENOENT, ESRCH, ENODEV; no project file; no such VM */
        DROVER_ERROR_EXISTS,      /* EEXIST; something that is not ours stands in the way */
        DROVER_ERROR_BUSY,        /* EBUSY, ETXTBSY */
        DROVER_ERROR_TIMEOUT,     /* ETIMEDOUT; the text says what was awaited */
        DROVER_ERROR_LOCKED,      /* another drover holds the lock */
        DROVER_ERROR_UNSUPPORTED, /* known, but not built or not possible here */
        DROVER_ERROR_CORRUPT,     /* a state file or an answer that cannot be understood */
        DROVER_ERROR_INTERRUPTED, /* Ctrl-C */
};

#define DROVER_ERROR (drover_error_quark())
GQuark drover_error_quark(void);

/**
 * error_set() - Fail with a code and a text
 *
 * Returns FALSE, so that `return error_set(error, ...)` is the whole failure. @error may be NULL.
 */
gboolean error_set(GError **error, enum drover_error code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/**
 * error_errno() - Fail with the present errno: its code, and its text after a colon
 *
 * Returns FALSE. Keeps errno.
 */
gboolean error_errno(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** error_from_errno() - The same for a given errno value, e.g. that of a netlink reply or a child */
gboolean error_from_errno(GError **error, int number, const char *format, ...) G_GNUC_PRINTF(3, 4);

/** error_code_of_errno() - The code that an errno value stands for */
enum drover_error error_code_of_errno(int number);

/**
 * error_prefix() - Put "text: " before the text of a failure that a callee reported; the code stays
 *
 * Returns FALSE. Does nothing when @error or *@error is NULL.
 */
gboolean error_prefix(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/**
 * error_hint() - Add a line that says what to do next
 *
 * Returns FALSE. The hint stands on a line of its own, indented by two blanks. Does nothing when @error or *@error is NULL.
 */
gboolean error_hint(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
