/* plan_build.h - shared by the parts of the planner (plan*.c), and by nobody else */
#pragma once

#include "network/ports/dnat.h"
#include "runtime/plan/plan.h"

/** struct planner - A plan in the making */
struct planner {
        const struct project *project;
        const struct world *world;
        const struct resolved *resolved;
        const struct plan_options *options;
        struct plan *plan;
        struct diagnostics *faults;
        gboolean blame;            /* the file is to blame for one of them */
        enum goal *goals;          /* of each VM of the file */
        gboolean *named;           /* asked for by name, or by naming none */
        guint *order;              /* indexes of the VMs, each behind those it depends on */
        guint *vm_steps;           /* the step that ends with the VM as wanted, or G_MAXUINT */
        GArray **dependents;       /* of each VM: steps that stop a VM which depends on it; NULL: none */
        guint *network_steps;      /* as vm_steps, for networks */
        guint firewall_step, service_step;
        GHashTable *image_steps;   /* image_source_key() -> number of the step that fetches it */
        GHashTable *disk_steps;    /* path -> number of the step that makes it: VMs may share a disk */
};

GPtrArray *plan_changes_new(void);
void plan_changes_add(GPtrArray *changes, const char *key, const char *from, const char *to, enum change how);

/** plan_changes_find() - The change of a key, or NULL */
struct plan_change *plan_changes_find(const GPtrArray *changes, const char *key);

/** plan_item_name() - What identifies an item of a VM's list of disks, in a wish: its name, the disk that it refers to, its
 * file */
const char *plan_item_name(const json_t *item);

/** plan_drift() - Add what of the VM is not as its spec says (drift.c) */
void plan_drift(const struct vm_world *found, const struct launch *launch, GPtrArray *changes);

/** plan_changes_settle() - Live changes for which this VM has no room, or of which its guest does not let go, wait (drift.c) */
void plan_changes_settle(const struct vm_world *found, const struct launch *launch, GPtrArray *changes);

/** plan_add() - Add a step; returns it. Its index is plan->steps->len - 1 */
struct plan_step *plan_add(struct planner *planner, enum plan_kind kind, enum plan_action action, const char *name,
                           guint index);

/** plan_step_after() - @step waits for step number @before (G_MAXUINT: for nothing) */
void plan_step_after(struct plan_step *step, guint before);

/** plan_refuse() - These stand in the way of the plan: it will fail, once all are told */
void plan_refuse(struct planner *planner, const GPtrArray *faults);

/** plan_last() - Number of the step that was added last */
guint plan_last(const struct planner *planner);

/** plan_found_vm() - What is here of a VM of the file */
static inline const struct vm_world *
plan_found_vm(const struct planner *planner, guint index)
{
        return world_vm(planner->world, planner->project->vms[index].name);
}

static inline gboolean
plan_goes_down(enum goal goal)
{
        return goal == GOAL_STOP || goal == GOAL_KILL || goal == GOAL_REMOVE;
}

/** plan_orphan_action() - What becomes of a VM that is not in the file; ACTION_ORPHAN: it stays (plan_orphan.c) */
enum plan_action plan_orphan_action(const struct planner *planner, const struct vm_world *vm);

/** plan_is_named() - Was this VM, or the one that it is a replica of, asked for by name? (plan_orphan.c) */
gboolean plan_is_named(const struct planner *planner, const char *name);

/** plan_wants_image() - Is the VM's image to be fetched, since it is not there or there may be a newer one? (plan_disk.c) */
gboolean plan_wants_image(const struct planner *planner, guint index);
/** plan_image() - The number of the step that fetches it: one for all VMs on the same */
guint plan_image(struct planner *planner, guint index);
/** plan_vm_disks() - Steps that make the VM's missing disks; plan_vm_live_disks(): those that @changes plug in while it runs.
 * Their numbers, guint */
GArray *plan_vm_disks(struct planner *planner, guint index);
GArray *plan_vm_live_disks(struct planner *planner, guint index, const GPtrArray *changes);

/**
 * plan_loose_taps() - How many taps of living VMs hang on no bridge, or a wrong one, or are down (plan_taps.c)
 * @ifindex:   the network's bridge, or 0: one that was deleted lets go of its ports
 * @ret_unfit: is raised by those with another MTU or alias than they have to have
 */
guint plan_loose_taps(const struct planner *planner, guint network, int ifindex, guint *ret_unfit);

/** The parts: each adds its steps. Those that may fail say why */
void plan_networks(struct planner *planner);
void plan_services(struct planner *planner);
void plan_ports(struct planner *planner);
gboolean plan_vms(struct planner *planner, GError **error);
void plan_orphans(struct planner *planner);
void plan_handovers(struct planner *planner);
void plan_networks_removed(struct planner *planner);
void plan_disks_removed(struct planner *planner);
/** plan_cost() - The last of them: what all the others cost */
void plan_cost(struct planner *planner);
