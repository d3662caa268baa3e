/* operate.h - what up, down, start, stop, restart, pause, unpause, kill and rm share: lock, observe, plan, ask, apply */
#pragma once

#include "cmd/show.h"

struct operation {
        struct plan_options plan;
        gboolean starts;           /* up, start, restart: images are looked at, and all has to be fit to run */
        gboolean yes;              /* do not ask */
        const char *nothing;       /* what to say when there is nothing to do; NULL: show_satisfied() */
        void *data;                /* for the functions below */

        /* What to ask on a terminal before anything is done, or NULL: nothing to ask. New string. May be NULL */
        char *(*question)(const struct plan *plan, const struct session *session);
        /* After the look and before the plan: may change plan.vms; EXIT_DONE goes on. May be NULL */
        int (*choose)(struct operation *operation, const struct session *session);
        /* The last word, when all went well (also when there was nothing to do); returns the exit status. May be NULL */
        int (*finish)(const struct operation *operation, const struct plan *plan, struct session *session,
                      struct verb_call *call);
};

/**
 * operate() - Do it, with progress; returns an exit status and has printed every failure
 *
 * Takes the call's project. With --dry-run the plan is printed instead. Ctrl-C finishes the steps in hand, says what stands
 * and returns EXIT_INTERRUPTED; a second one ends at once.
 */
int operate(struct verb_call *call, struct operation *operation);

/** operate_again() - Another operation on a session that was unlocked meanwhile: lock, look and do it; without --dry-run */
int operate_again(struct verb_call *call, struct operation *operation, struct session *session);

/** operate_open() - Session, lock and look, for a verb that acts without a plan; NULL after a failure that was printed */
struct session *operate_open(struct verb_call *call, const struct observe_options *look, gboolean lock, int *ret_status);

/** operate_look() - The same without a lock; where the network cannot be looked at, a note says why, and the rest is looked at
 */
struct session *operate_look(struct verb_call *call, struct observe_options look, int *ret_status);

/** operate_plan() - session_plan(), with all that is wrong printed; NULL then */
struct plan *operate_plan(struct session *session, const struct plan_options *options, int *ret_status);

/** operate_grace() - An OPTION_DURATION as plan_options.grace_ms */
static inline int
operate_grace(gint64 ms)
{
        return ms < 0 ? -1 : (int)MIN(ms, (gint64)G_MAXINT);
}
