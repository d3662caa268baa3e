/* supervisor.h - one small process per project, as long as any VM of it lives
 *
 * It holds the project's network namespace and keeps the logs of consoles within their bound: QEMU appends for ever, and no
 * drover may run for months. It sleeps until a log grows or a VM comes or goes. Kill it and nothing is lost: the next
 * verb that changes something starts it again. It is alive while its lock on data/supervisor is held.
 */
#pragma once

#include "network/home.h"
#include "runtime/paths.h"

enum {
        LOG_BOUND_BYTES = 8 << 20, /* a log that grows beyond this begins anew */
        LOG_KEPT_BYTES = 1 << 20,  /* and the end of what it was is kept beside it, as NAME.1 */
};

/**
 * supervisor_ensure() - Start it unless it runs
 *
 * It is this program, started again as `drover supervise PROJECT DIRECTORY`; its descriptor 3 is the lock, 4 the namespace.
 */
gboolean supervisor_ensure(const struct paths *paths, const char *project, struct home *home, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** supervisor_is_alive() - Is the lock held? */
gboolean supervisor_is_alive(const struct paths *paths);

/** supervisor_run() - What that process does; returns when no VM lives any more. @data: the project's data directory */
gboolean supervisor_run(const char *data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * log_trim() - Bring a log back within its bound
 *
 * The last LOG_KEPT_BYTES go to NAME.1, then it is truncated: whoever appends to it goes on at its new end. Returns FALSE
 * with an error when something failed; a log within its bound is left alone.
 */
gboolean log_trim(int directory_fd, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
