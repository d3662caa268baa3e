/* wait.h - until VMs run, or have stopped */
#pragma once

#include "cmd/print.h"

enum wait_goal { WAIT_HEALTHY, WAIT_RUNNING, WAIT_STOPPED };

/** struct wait - What is waited for */
struct wait {
        struct session *session; /* which has looked */
        GPtrArray *names;        /* char *: of VMs; borrowed */
        enum wait_goal goal;
        gboolean started;        /* they have just been started: one that does not live has ended */
        gint64 timeout_ms;       /* -1: for ever */
};

/**
 * wait_for() - Wait until all of these VMs run, are healthy (those without a healthcheck: run), or are not alive
 *
 * Fails with DROVER_ERROR_TIMEOUT, naming those that are not there yet; with DROVER_ERROR_FAILED where one will not get
 * there: it is unhealthy, has ended with nothing that starts it again, or nobody looks (the supervisor is gone). How far they
 * came and why stands in the hints, for which the session looks anew: what it held before is gone then.
 */
gboolean wait_for(const struct wait *wait, GError **error);
