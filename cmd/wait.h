/* wait.h - until VMs run, or have stopped */
#pragma once

#include "cmd/print.h"

enum wait_goal { WAIT_HEALTHY, WAIT_RUNNING, WAIT_STOPPED };

/**
 * wait_for() - Wait until all of these VMs run, are healthy (those without a healthcheck: run), or are not alive
 * @vms:        struct vm_world *, of @world
 * @timeout_ms: -1: for ever
 *
 * The end of a QEMU is an event (pidfd); that one has come up is asked of its monitor five times a second, since who has not
 * been started yet has nobody to listen to. Fails with DROVER_ERROR_TIMEOUT, naming those that are not there yet; with
 * DROVER_ERROR_FAILED where one is unhealthy or nobody looks (the supervisor is gone).
 */
gboolean wait_for(const struct world *world, const GPtrArray *vms, enum wait_goal goal, gint64 timeout_ms, GError **error);
