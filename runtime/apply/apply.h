/* apply.h - shared by the parts of apply*.c, and by nobody else: a plan on its way
 *
 * A step is one blocking, idempotent action. Those for networks and services are in apply_network.c, those for VMs and their
 * disks in apply_vm.c; apply.c makes the graph of them.
 */
#pragma once

#include "runtime/session.h"
#include "runtime/vm/vm.h"

struct apply {
        struct session *session;
        const struct plan *plan;
        const struct apply_options *options;
        struct child_user user;
        struct vm_host host;
        GMutex lab_mutex, guard_mutex, service_mutex; /* of the next; of those who load it */
        struct lab lab;       /* as it is by now: see apply_lab() */
        GPtrArray *kept;      /* lists and names that it has had */
        guint leaving;        /* steps still to come that take something of it along */
        gboolean guard_is_old, hosts_are_old; /* what is started needs them newer, and no step of this plan loads them */
        int *bridges; /* ifindex of each network's bridge; 0: not there yet */
        GMutex firewall_mutex;
        GCond firewall_settled;
        enum { FIREWALL_PENDING = 1, FIREWALL_STANDS, FIREWALL_FAILED } firewall_progress; /* 0: it is no part of this plan */
        gboolean supervise_early; /* a VM that is started is looked after: from its first instruction on */
        struct action *actions;
        struct update **begun; /* by VM: what apply_plug() has begun; NULL: nothing */
};

/** The steps, by kind: each does what its action says. They fail with the reason; apply.c says which step it was */
gboolean apply_network(struct apply *apply, const struct plan_step *step, GError **error);
gboolean apply_firewall(struct apply *apply, const struct plan_step *step, GError **error);
gboolean apply_service(struct apply *apply, const struct plan_step *step, GError **error);
gboolean apply_uplink(struct apply *apply, const struct plan_step *step, GError **error);
gboolean apply_ports(struct apply *apply, const struct plan_step *step, GError **error);
gboolean apply_supervisor(struct apply *apply, const struct plan_step *step, GError **error);
gboolean apply_image(struct apply *apply, const struct plan_step *step, GError **error);
gboolean apply_disk(struct apply *apply, const struct plan_step *step, GError **error);
gboolean apply_vm(struct apply *apply, const struct plan_step *step, GError **error);

/** apply_lab_init(), apply_lab_clear() - The lab as it was resolved; apply_lab(): as it is by now (apply_lab.c) */
void apply_lab_init(struct apply *apply);
void apply_lab_clear(struct apply *apply);
struct lab apply_lab(struct apply *apply);

/** apply_lab_starts() - Before a VM is started: it is served and guarded as it will be */
gboolean apply_lab_starts(struct apply *apply, const struct plan_step *step, GError **error);

/** apply_lab_ended() - A step has ended a VM, or NICs of it, that the file no longer has: nobody serves and guards them */
gboolean apply_lab_ended(struct apply *apply, const struct plan_step *step, GError **error);

/** apply_lab_left() - A network that the file no longer has is gone: nobody keeps its rules */
gboolean apply_lab_left(struct apply *apply, const struct plan_step *step, GError **error);

/** apply_update() - What a VM that runs gets while it runs (apply_live.c) */
gboolean apply_update(struct apply *apply, const struct plan_step *step, GError **error);

/**
 * apply_plugs() - Is it an apply_update() by which a guest gets a NIC? Then apply_plug() may give it beforehand, while the step
 * still waits for rules and DHCP; where it does not, the step does it. apply_plug_clear(): at the end
 */
gboolean apply_plugs(const struct plan_step *step);
void apply_plug(struct apply *apply, const struct plan_step *step);
void apply_plug_clear(struct apply *apply);

/** apply_seed() - The CD-ROM of a VM that cloud-init is told of, as the file has it now; of another VM nothing */
gboolean apply_seed(struct apply *apply, const struct resolved_vm *vm, GError **error);

/** apply_await_dependencies() - Wait until the VMs that this one needs have reached what it waits for (apply_wait.c) */
gboolean apply_await_dependencies(struct apply *apply, const struct plan_step *step, GError **error);

/** apply_before_running() - vm_host.before_running: the supervisor, where it has something to look after, and the firewall */
gboolean apply_before_running(void *data, GError **error);

/** apply_grace_ms() - How long a step may wait for a guest to shut down */
int apply_grace_ms(const struct apply *apply, const struct plan_step *step);
