/* logs.h - logs that stay within their bound */
#pragma once

#include <glib.h>

enum {
        LOG_BOUND_BYTES = 8 << 20, /* a log that grows beyond this begins anew */
        LOG_KEPT_BYTES = 1 << 20,  /* and the end of what it was is kept beside it, as NAME.1 */
};

/**
 * log_trim() - Bring a log back within its bound
 *
 * The last LOG_KEPT_BYTES go to NAME.1, then it is truncated: whoever appends to it goes on at its new end. Returns FALSE
 * with an error when something failed; a log within its bound is left alone.
 */
gboolean log_trim(int directory_fd, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
