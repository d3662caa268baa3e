/* forwarder.h - the one process that serves a project's published ports: found, started, changed, ended
 *
 * It is this program, started again as `drover forward PROJECT DIRECTORY`, in the project's namespace (with `isolation: host`
 * in the host's), as root with the rights of QEMU's user. Listeners are bound outside, by the drover that publishes them, and
 * handed over through its control socket. It lives while its POSIX lock on data/forwarder is held, which also tells its pid.
 * A clean end removes that file: where it is left and not locked, somebody killed it.
 */
#pragma once

#include "base/child.h"
#include "network/ports/forward.h"
#include "network/home.h"

/** struct forwarder_place - Where a project's forwarder is to be found */
struct forwarder_place {
        const char *project;
        const char *data, *run;        /* the project's directories */
        const struct child_user *user; /* whom it becomes; NULL: nobody else */
};

struct forwarder_state {
        pid_t pid;         /* 0: none runs */
        gboolean was_killed;
        GArray *forwards;  /* struct forward: what it serves; empty where it does not run or does not answer */
};

/** forwarder_find() - Its pid, or 0 */
pid_t forwarder_find(const char *data);

/** forwarder_observe() - Look, change nothing; waits 2 s at most. forwarder_state_clear() it */
void forwarder_observe(const struct forwarder_place *place, struct forwarder_state *ret_state);
void forwarder_state_clear(struct forwarder_state *state);

/**
 * forwarder_ensure() - Make it run and serve just these (struct forward)
 *
 * What it serves already is left alone. Of several ports that cannot be had all others are published, and the error is that of
 * the first: DROVER_ERROR_BUSY where it is taken.
 */
gboolean forwarder_ensure(struct home *home, const struct forwarder_place *place, const GArray *wanted, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** forwarder_stop() - End it; that none runs is success */
gboolean forwarder_stop(const struct forwarder_place *place, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * forwarder_run() - What that process does
 * @user: whom to become, or NULL
 *
 * Descriptor 3 is its lock file, 4 its listening control socket, 5 the namespace to enter.
 */
gboolean forwarder_run(const char *user, GError **error) G_GNUC_WARN_UNUSED_RESULT;
