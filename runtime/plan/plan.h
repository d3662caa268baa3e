/* plan.h - what has to be done: a pure function from the project, what was found and what was asked for
 *
 * `drover plan` prints it and stops; `up` and all other verbs that change something hand it to apply.h. They share every
 * line up to there.
 */
#pragma once

#include "parser/keys/keys.h"
#include "runtime/plan/resolve.h"

/** enum goal - What a verb wants of a VM */
enum goal {
        GOAL_LEAVE,   /* nothing */
        GOAL_UP,      /* as the file says, running */
        GOAL_CREATE,  /* as the file says, disks made, not started (up --no-start) */
        GOAL_START,   /* running; what is pending is applied only if it is not running yet */
        GOAL_STOP,
        GOAL_KILL,
        GOAL_RESTART, /* stopped and started with the file's present wish */
        GOAL_PAUSE,
        GOAL_UNPAUSE,
        GOAL_REMOVE,  /* stopped, and out of `ps -a` */
        GOAL_PULL,    /* its image in the cache, nothing else */
};

enum plan_kind {
        KIND_NETWORK,
        KIND_FIREWALL,
        KIND_UPLINK,  /* the way out of a user's namespace */
        KIND_SERVICE, /* dnsmasq */
        KIND_PORTS,   /* published ones */
        KIND_IMAGE,   /* to be fetched */
        KIND_DISK,
        KIND_VM,
        KIND_SUPERVISOR,
};

enum plan_action {
        ACTION_NONE,     /* as it should be: not printed */
        ACTION_CREATE,
        ACTION_FETCH,
        ACTION_START,
        ACTION_UPDATE,   /* changed in place */
        ACTION_REPAIR,   /* changed from outside, put right */
        ACTION_RESTART,
        ACTION_CONTINUE,
        ACTION_PAUSE,
        ACTION_STOP,
        ACTION_KILL,
        ACTION_REMOVE,   /* VM: stopped if need be and forgotten; disk, network: gone */
        ACTION_PENDING,  /* a change that waits for a restart: nothing is done */
        ACTION_FRESH_PENDING, /* a change that waits for `up --fresh` */
        ACTION_ORPHAN,   /* here, but no longer in the file: kept */
        ACTION_KEEP,     /* a disk that stays behind (down says so) */
};

enum pull_policy {
        PULL_MISSING,
        PULL_ALWAYS, /* ask for newer ones of what has no checksum */
        PULL_NEVER,
};

struct plan_change {
        char *key;       /* as in the file: "memory", "networks.lan.ip" */
        char *from, *to; /* NULL: not there */
        enum change how;
        gboolean drift;  /* made from outside: @from is what QEMU has, not what the spec says */
};

/** struct transfer - How far a fetch is, or a disk that is written when it is made; written by its step while others read */
struct transfer {
        guint64 done_bytes, total_bytes; /* total 0: not known */
        int waits_for; /* pid of another drover that fetches the same; 0: none */
};

/** transfer_note(), transfer_wait() - A cache_watch.progress and .waiting; @transfer: the struct transfer */
void transfer_note(void *transfer, guint64 done_bytes, guint64 total_bytes);
void transfer_wait(void *transfer, int pid);

struct plan_step {
        enum plan_kind kind;
        enum plan_action action;
        char *name;          /* of the object; of a disk "VM/DISK" or its own name; empty where there is one a project */
        char *detail;        /* more words for a person, or NULL */
        GPtrArray *changes;  /* struct plan_change */
        guint index;         /* into resolved.lab.networks, resolved.vms; G_MAXUINT: it is not in the file */
        guint disk;          /* KIND_DISK: index into launch.disks */
        char *path;          /* KIND_DISK: the file */
        char *renamed_to;    /* VM that is not in the file: the one there that it probably is; or NULL */
        GArray *after;       /* guint: indexes of steps that have to be done before */
        GArray *behind;      /* guint: likewise, but it does not matter whether they failed */
        gboolean awaits;     /* VM: not started before its dependencies are healthy or done, where the file says so */
        gboolean fresh;      /* VM: with new disks */
        gboolean idle;       /* VM: made, but not started */
        gboolean forget;     /* VM that is removed: with all that is kept of it */
        struct transfer *transfer; /* KIND_IMAGE, and KIND_DISK where all of it is written; else NULL */
};

struct plan {
        GPtrArray *steps;   /* struct plan_step; each stands behind those it waits for, but where a disk changes hands */
        GPtrArray *notes;   /* char *: things worth a word */
        GArray *forwards;   /* struct forward: the published ports as they are to be, where there is a step for them */
        enum pull_policy pull; /* as it was asked for */
        guint64 memory_needed; /* bytes, of the VMs that will be started, and more for those that run */
        guint64 disk_needed;   /* bytes: what new and grown disks may take at most; they are sparse */
        guint64 disk_taken;    /* bytes: what of it is taken when they are made (preallocation) */
        GPtrArray *restarts;   /* char *: VMs that run and will be restarted */
        GPtrArray *cut_links;  /* char *: "VM/NIC" that runs and loses its link, for good or for a moment */
        gboolean remove_namespace; /* nothing of the project stays up: home_remove(), run directory */
        gboolean forget;           /* VMs that are removed lose their identity with their disks */
        gboolean forget_all;       /* down -v: the project's data goes as a whole */
        gboolean sweep;            /* there is a namespace or data to remove, even if no step acts */
};

struct plan_options {
        const char *const *vms;  /* NULL-terminated names that the user gave; NULL: all */
        enum goal goal;          /* of those VMs */
        gboolean networks;       /* make networks, firewall and service as the file says */
        gboolean remove_networks; /* down */
        gboolean restart;        /* up --restart: apply what is pending */
        gboolean fresh;          /* up --fresh, down --fresh: the VMs' own disks anew, or gone */
        gboolean volumes;        /* down -v */
        gboolean no_deps;
        gboolean remove_orphans;
        gboolean force_recreate; /* restart all of them */
        gboolean no_recreate;    /* --no-recreate: changes stay pending even with restart */
        enum pull_policy pull;
        gboolean paused;         /* up --paused: leave new VMs before their first instruction */
        int grace_ms;            /* -t; -1: each VM's own */
};

/**
 * plan_make() - The plan
 * @faults: gets, sorted, what this host cannot give: errors where the plan needs it, warnings where a VM runs on without.
 *          Faults of VMs and networks that the plan is not about are not told
 *
 * Fails with DROVER_ERROR_CONFIG where the file is to blame for an error in @faults, with DROVER_ERROR_BUSY where something
 * else has what it asks for; with DROVER_ERROR_NOT_FOUND for a VM name that neither the file nor the host has (with a
 * suggestion), and with DROVER_ERROR_FAILED for what cannot be done here (isolation changed while up).
 */
struct plan *plan_make(const struct project *project, const struct world *world, const struct resolved *resolved,
                       const struct plan_options *options, struct diagnostics *faults, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
void plan_free(struct plan *plan);
typedef struct plan plan_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(plan_t, plan_free)

/** plan_acts() - Would apply do anything? */
gboolean plan_acts(const struct plan *plan);
/** plan_fetches() - Would apply fetch an image? */
gboolean plan_fetches(const struct plan *plan);
/** plan_starts() - Would apply make a disk or start a QEMU? */
gboolean plan_starts(const struct plan *plan);
/** plan_is_pending() - Does anything differ from the file: something to do, or something that waits? (exit 2) */
gboolean plan_is_pending(const struct plan *plan);

/** plan_action_acts() - Is this action done by apply (or only told)? */
gboolean plan_action_acts(enum plan_action action);

const char *plan_kind_name(enum plan_kind kind);     /* "network", "vm" ... */
const char *plan_action_name(enum plan_action action); /* "create", "restart" ... */

/** plan_vm_changes() - Field by field: what differs between what a VM was last started with, which is known, or what QEMU was
 * found to have, and the file; each with the way in which it reaches this VM. New array of struct plan_change */
GPtrArray *plan_vm_changes(const struct world *world, const struct resolved_vm *vm);

/** plan_take_change() - Once a change was made: the applied wish takes what it is about from the wanted one (take.c) */
void plan_take_change(struct spec *spec, const struct spec *wanted, const char *key);
