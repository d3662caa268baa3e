/* session.h - a verb's way through the house: load, lock, observe, resolve, plan, apply
 *
 * cmd/ opens a session, asks for what it needs, and prints.
 */
#pragma once

#include "parser/load.h"
#include "runtime/apply/graph.h"
#include "runtime/plan/plan.h"

struct session {
        struct project *project;         /* parsed; a project without VMs where only -p was given and there is no file */
        struct world *world;             /* after session_observe() */
        struct resolved *resolved;       /* after session_observe() */
        struct diagnostics *faults;      /* after session_plan(): what plan_make() found; NULL before */
        const char *by;                  /* the verb, for the journal; NULL: nobody's */
        gboolean root;
        int lock_fd, cache_fd;           /* -1: not locked */
};

/**
 * session_open() - Take a loaded project (taken over)
 *
 * session_close() frees all of it and unlocks.
 */
struct session *session_open(struct project *project);
void session_close(struct session *session);
typedef struct session session_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(session_t, session_close)

/**
 * session_lock() - Take the project's lock; also checks that the project belongs to this directory, and adopts it where the
 * directory it belonged to is gone (@ret_note: a sentence about that, or NULL)
 *
 * Finishes a rename that was cut short. Fails with DROVER_ERROR_LOCKED after @timeout_ms, with the holder's pid and verb.
 */
gboolean session_lock(struct session *session, int timeout_ms, char **ret_note, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** session_unlock() - Let others work on the project, before this one is closed; more must not be changed then */
void session_unlock(struct session *session);

/**
 * session_keep_images() - Before session_observe(): no image that it finds leaves the cache until session_apply() is over
 *
 * Does nothing for a project whose images are files. Fails with DROVER_ERROR_LOCKED after @timeout_ms.
 */
gboolean session_keep_images(struct session *session, int timeout_ms, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** session_qemu_user() - As root: whom QEMU runs as: DROVER_QEMU_USER, or `drover`. The hint says how to make that user */
gboolean session_qemu_user(struct child_user *ret_user, GError **error) G_GNUC_WARN_UNUSED_RESULT;

struct observe_options {
        gboolean qmp;     /* ask every living QEMU for its state */
        gboolean devices; /* and for its devices and disks: what a plan is compared with */
        const char *const *vms; /* only these (project_is_named()) and who hangs together with them by depends_on; NULL: all */
        gboolean network; /* links, leases */
        gboolean services; /* and whether dnsmasq and firewall are as they should be */
        gboolean images;  /* probe images of new disks */
};

/**
 * session_observe() - Look at the host and resolve
 *
 * Changes nothing, takes no lock and waits for nobody longer than 2 s. Must be called before any thread
 * exists. Fails only where nothing sensible can be said (unreadable state of the project).
 */
gboolean session_observe(struct session *session, const struct observe_options *options, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** session_plan() - plan_make() over what was observed; what is wrong with the file stands in session.faults then */
struct plan *session_plan(struct session *session, const struct plan_options *options, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/**
 * session_prepare() - Before session_apply(), and before any thread exists: what may fail without a trace, then the namespace
 *
 * Fails where what is to be started cannot be: no QEMU, no user for it, no right to the host's network. Makes the namespace
 * when the plan needs one and there is none: so a verb that was refused leaves none behind.
 */
gboolean session_prepare(struct session *session, const struct plan *plan, GError **error) G_GNUC_WARN_UNUSED_RESULT;

enum step_event {
        STEP_STARTED,
        STEP_DONE,
        STEP_FAILED,
        STEP_SKIPPED,
};

/** Called from any thread, never two at once; @error only with STEP_FAILED */
typedef void (*session_progress)(const struct plan_step *step, enum step_event event, const GError *error, gint64 elapsed_us,
                                 void *data);

struct apply_options {
        guint parallel;
        const volatile gint *cancel;
        int cancel_fd;     /* where there is a @cancel: can be read once that is set */
        session_progress progress;
        void *progress_data;
        gboolean paused;   /* as in plan_options */
        int grace_ms;
};

/**
 * session_apply() - Carry a plan out
 * @ret_failed: on success or failure, how many steps failed; may be NULL
 *
 * Every failure was given to the progress function; the error here is a count of them. Whatever happens, state on disk says
 * what was done, and the next run goes on from there.
 */
gboolean session_apply(struct session *session, const struct plan *plan, const struct apply_options *options,
                       guint *ret_failed, GError **error) G_GNUC_WARN_UNUSED_RESULT;
