/* plan_vm.c - the planner's part for VMs: started, changed, stopped */
#include "runtime/plan/plan_build.h"

#include "base/error.h"
#include "base/text.h"

static gboolean
brings_along(enum goal goal)
{
        return goal == GOAL_UP || goal == GOAL_START;
}

static void
wait_for_dependencies(const struct planner *planner, const struct vm *vm, struct plan_step *step)
{
        for (guint i = 0; i < vm->dependency_count; i++) {
                const struct dependency *dependency = &vm->dependencies[i];

                for (guint n = dependency->first; n < dependency->first + dependency->count; n++)
                        if (dependency->required)
                                plan_step_after(step, planner->vm_steps[n]);
                        else if (planner->vm_steps[n] != G_MAXUINT)
                                g_array_append_val(step->behind, planner->vm_steps[n]);
        }
        step->awaits = !planner->options->no_deps && brings_along(planner->options->goal);
}

/* A step after which the VM runs: it waits for its networks, its disks and the VMs that it depends on. The firewall it meets
 * only when QEMU stands and the guest would begin to run (apply.c). */
static void
plan_start(struct planner *planner, guint index, enum plan_action action, GPtrArray *changes)
{
        const struct resolved_vm *resolved = &planner->resolved->vms[index];
        const struct vm *vm = resolved->vm;
        g_autoptr(GArray) disks = NULL;
        struct plan_step *step;

        plan_refuse(planner, resolved->faults);
        disks = plan_vm_disks(planner, index);
        step = plan_add(planner, KIND_VM, action, vm->name, index);
        for (guint i = 0; i < disks->len; i++)
                plan_step_after(step, g_array_index(disks, guint, i));
        for (guint i = 0; i < vm->nic_count; i++)
                plan_step_after(step, planner->network_steps[vm->nics[i].network_index]);
        wait_for_dependencies(planner, vm, step);
        if (changes) {
                g_ptr_array_unref(step->changes);
                step->changes = g_ptr_array_ref(changes);
        }
        if (*vm->qemu_args)
                g_ptr_array_add(
                        planner->plan->notes,
                        g_strdup_printf("vm '%s' has qemu_args: QEMU takes them as they are, drover knows nothing of them",
                                        vm->name));
        step->fresh = planner->options->fresh && planner->named[index];
        if (plan_found_vm(planner, index)->ending)
                step->detail = g_strdup("its stop was cut short");
        planner->vm_steps[index] = plan_last(planner);
        if (action != ACTION_RESTART)
                planner->plan->memory_needed += vm->memory_bytes;
}

static void
add_simple(struct planner *planner, guint index, enum plan_action action)
{
        struct plan_step *step = plan_add(planner, KIND_VM, action, planner->project->vms[index].name, index);

        plan_step_after(step, planner->firewall_step);
        planner->vm_steps[index] = plan_last(planner);
}

static GPtrArray *
pick_changes(GPtrArray *changes, enum change how)
{
        GPtrArray *picked = plan_changes_new();

        for (guint i = 0; i < changes->len; i++) {
                const struct plan_change *change = g_ptr_array_index(changes, i);

                if (change->how != how)
                        continue;
                plan_changes_add(picked, change->key, change->from, change->to, how);
                ((struct plan_change *)g_ptr_array_index(picked, picked->len - 1))->drift = change->drift;
        }
        return picked;
}

static gboolean
is_all_drift(const GPtrArray *changes)
{
        for (guint i = 0; i < changes->len; i++)
                if (!((struct plan_change *)g_ptr_array_index(changes, i))->drift)
                        return FALSE;
        return TRUE;
}

static void
add_changes(struct planner *planner, guint index, enum plan_action action, GPtrArray *changes)
{
        struct plan_step *step;

        if (!changes->len)
                return;
        step = plan_add(planner, KIND_VM, action, planner->project->vms[index].name, index);
        plan_step_after(step, planner->vm_steps[index]); /* which may let it go on: one of them at a time writes its record */
        g_ptr_array_unref(step->changes);
        step->changes = g_ptr_array_ref(changes);
}

/* A guest keeps its address until it renews its lease, which it does at half of its time (RFC 2131, 4.4.5). */
static void
note_renewal(struct planner *planner, const struct vm *vm, const GPtrArray *changes)
{
        for (guint i = 0; i < vm->nic_count; i++) {
                const struct nic *nic = &vm->nics[i];
                const struct network *network = &planner->project->networks[nic->network_index];
                g_autofree char *ip = g_strdup_printf("networks.%s.ip", nic->name), *ip6 = g_strconcat(ip, "6", NULL);
                g_autofree char *time = text_format_duration((guint64)network->dhcp.lease_seconds * 500);
                gboolean address = plan_changes_find(changes, ip) || plan_changes_find(changes, ip6);

                if (network->dhcp.enabled && (address || plan_changes_find(changes, "hostname")))
                        g_ptr_array_add(planner->plan->notes,
                                        g_strdup_printf("vm '%s' takes its new %s on network '%s' when it renews its lease, "
                                                        "within %s",
                                                        vm->name, address ? "address" : "name", network->name, time));
        }
}

/* What is changed while it runs: behind the networks and disks that it gets, with rules and DHCP in place. */
static void
add_live_changes(struct planner *planner, guint index, GPtrArray *changes)
{
        const struct vm *vm = planner->resolved->vms[index].vm;
        g_autoptr(GArray) disks = plan_vm_live_disks(planner, index, changes);
        struct plan_step *step;

        if (!changes->len)
                return;
        add_changes(planner, index, is_all_drift(changes) ? ACTION_REPAIR : ACTION_UPDATE, changes);
        step = g_ptr_array_index(planner->plan->steps, plan_last(planner));
        for (guint i = 0; i < disks->len; i++)
                plan_step_after(step, g_array_index(disks, guint, i));
        for (guint i = 0; i < vm->nic_count; i++)
                plan_step_after(step, planner->network_steps[vm->nics[i].network_index]);
        plan_step_after(step, planner->firewall_step);
        plan_step_after(step, planner->service_step);
        note_renewal(planner, vm, changes);
}

/* The user's own pause ends with `up` as well, but it is no surprise. */
static void
plan_continue(struct planner *planner, guint index)
{
        const struct vm_world *found = plan_found_vm(planner, index);
        struct plan_change *change;
        struct plan_step *step;

        add_simple(planner, index, ACTION_CONTINUE);
        if (found->status != VM_PAUSED || !found->spec || found->spec->paused)
                return;
        step = g_ptr_array_index(planner->plan->steps, plan_last(planner));
        plan_changes_add(step->changes, "state", "paused", "running", CHANGE_LIVE);
        change = g_ptr_array_index(step->changes, 0);
        change->drift = TRUE;
}

/* A VM that runs, against the file. One that was told to end when drover was killed may say that all is well, and ends a moment
 * later: that is gone through with, and then it is started. */
static void
plan_living(struct planner *planner, guint index)
{
        const struct plan_options *options = planner->options;
        const struct vm_world *found = plan_found_vm(planner, index);
        g_autoptr(GPtrArray) changes = plan_vm_changes(planner->world, &planner->resolved->vms[index]);
        g_autoptr(GPtrArray) live = pick_changes(changes, CHANGE_LIVE), restart = pick_changes(changes, CHANGE_RESTART);
        g_autoptr(GPtrArray) recreate = pick_changes(changes, CHANGE_RECREATE);
        gboolean fresh = options->fresh && planner->named[index];
        gboolean now = options->force_recreate || fresh || (options->restart && restart->len && !options->no_recreate);

        if (now || found->ending) {
                plan_start(planner, index, ACTION_RESTART, changes);
                return;
        }
        if ((found->status == VM_STARTING || found->status == VM_PAUSED) && !options->paused)
                plan_continue(planner, index);
        add_live_changes(planner, index, live);
        add_changes(planner, index, ACTION_PENDING, restart);
        add_changes(planner, index, ACTION_FRESH_PENDING, recreate);
        faults_tell(planner->resolved->vms[index].faults, SEVERITY_WARNING, "; it runs on, but its next start would fail",
                    planner->faults);
        if (found->status == VM_UNREACHABLE)
                g_ptr_array_add(planner->plan->notes,
                                g_strdup_printf("vm '%s' runs, but cannot be reached: %s", found->name, found->detail));
}

/* What a stopped VM is started with is the file's wish; only what needs another disk has to wait. */
static void
plan_dead(struct planner *planner, guint index)
{
        const struct vm_world *found = plan_found_vm(planner, index);
        const struct resolved_vm *vm = &planner->resolved->vms[index];
        g_autoptr(GPtrArray) changes = found->spec ? plan_vm_changes(planner->world, vm) : NULL;
        g_autoptr(GPtrArray) recreate = changes ? pick_changes(changes, CHANGE_RECREATE) : plan_changes_new();
        gboolean known = found->spec && found->spec->present;

        plan_start(planner, index, known ? ACTION_START : ACTION_CREATE, known ? changes : NULL);
        if (!(planner->options->fresh && planner->named[index]))
                add_changes(planner, index, ACTION_FRESH_PENDING, recreate);
}

static void
plan_create(struct planner *planner, guint index)
{
        const struct vm_world *found = plan_found_vm(planner, index);
        g_autoptr(GArray) disks = NULL;
        struct plan_step *step;

        if (vm_is_alive(found) || (found->spec && found->spec->present))
                return;
        plan_refuse(planner, planner->resolved->vms[index].faults);
        disks = plan_vm_disks(planner, index);
        step = plan_add(planner, KIND_VM, ACTION_CREATE, found->name, index);
        step->idle = TRUE;
        for (guint i = 0; i < disks->len; i++)
                plan_step_after(step, g_array_index(disks, guint, i));
}

static gboolean
plan_present(struct planner *planner, guint index, enum plan_action action, GError **error)
{
        const struct vm_world *found = plan_found_vm(planner, index);

        if (!found->spec || !found->spec->present) {
                error_set(error, DROVER_ERROR_FAILED, "vm '%s' has not been made yet", found->name);
                return error_hint(error, "run 'drover up %s'", found->name);
        }
        plan_start(planner, index, action == ACTION_RESTART && !vm_is_alive(found) ? ACTION_START : action, NULL);
        return TRUE;
}

/* Stops go in reverse order: a VM waits until those that depend on it are down. They were planned before it. */
static void
plan_stop(struct planner *planner, guint index, enum plan_action action)
{
        const struct vm *vm = &planner->project->vms[index];
        struct plan_step *step = plan_add(planner, KIND_VM, action, vm->name, index);
        guint number = plan_last(planner);

        planner->vm_steps[index] = number;
        if (planner->dependents[index])
                g_array_append_vals(step->after, planner->dependents[index]->data, planner->dependents[index]->len);
        for (guint i = 0, below; (below = vm_dependency(vm, i)) != G_MAXUINT; i++) {
                GArray **dependents = &planner->dependents[below];

                if (!*dependents)
                        *dependents = g_array_new(FALSE, FALSE, sizeof(guint));
                g_array_append_val(*dependents, number);
        }
}

/* Goals that need to know what the VM was last started with, and would write that anew. */
static gboolean
starts(enum goal goal)
{
        return goal == GOAL_UP || goal == GOAL_CREATE || goal == GOAL_START || goal == GOAL_RESTART;
}

/* `restart: true`: something that it depends on is restarted by this plan. */
static gboolean
restarts_along(const struct planner *planner, const struct vm *vm)
{
        for (guint i = 0; i < vm->dependency_count; i++) {
                const struct dependency *dependency = &vm->dependencies[i];

                for (guint n = dependency->first; dependency->restart && n < dependency->first + dependency->count; n++) {
                        guint number = planner->vm_steps[n];
                        const struct plan_step *step =
                                number == G_MAXUINT ? NULL : g_ptr_array_index(planner->plan->steps, number);

                        if (step && step->action == ACTION_RESTART)
                                return TRUE;
                }
        }
        return FALSE;
}

static gboolean
plan_vm(struct planner *planner, guint index, GError **error)
{
        const struct vm_world *found = plan_found_vm(planner, index);
        gboolean alive = vm_is_alive(found), present = found->spec && found->spec->present;

        if (found->error && starts(planner->goals[index])) {
                g_propagate_error(error, g_error_copy(found->error));
                return error_prefix(error, "cannot tell what vm '%s' is", found->name);
        }
        if (alive && !found->spec && starts(planner->goals[index])) {
                error_set(error, DROVER_ERROR_FAILED, "vm '%s' runs, but what it was started with is lost", found->name);
                return error_hint(error, "'drover stop %s' stops it, and 'drover up' starts it anew", found->name);
        }
        if (alive && found->spec && restarts_along(planner, &planner->project->vms[index])) {
                plan_start(planner, index, ACTION_RESTART, NULL);
                return TRUE;
        }
        switch (planner->goals[index]) {
        case GOAL_LEAVE:
                return TRUE;
        case GOAL_PULL:
                if (plan_wants_image(planner, index))
                        plan_image(planner, index);
                return TRUE;
        case GOAL_UP:
                if (alive && planner->options->pull == PULL_ALWAYS && plan_wants_image(planner, index))
                        plan_image(planner, index); /* it keeps its disk: the plan after this one tells whether it is another */
                if (alive)
                        plan_living(planner, index);
                else
                        plan_dead(planner, index);
                return TRUE;
        case GOAL_CREATE:
                plan_create(planner, index);
                return TRUE;
        case GOAL_START:
                return alive && found->ending ? (plan_start(planner, index, ACTION_RESTART, NULL), TRUE)
                       : alive && found->status != VM_STARTING ? TRUE
                       : alive ? (add_simple(planner, index, ACTION_CONTINUE), TRUE)
                               : plan_present(planner, index, ACTION_START, error);
        case GOAL_RESTART:
                return plan_present(planner, index, ACTION_RESTART, error);
        case GOAL_STOP:
        case GOAL_KILL:
                if (alive || (present && !found->spec->stopped))
                        plan_stop(planner, index, planner->goals[index] == GOAL_KILL ? ACTION_KILL : ACTION_STOP);
                return TRUE;
        case GOAL_REMOVE:
                if (alive || present || found->status == VM_CRASHED)
                        plan_stop(planner, index, ACTION_REMOVE);
                return TRUE;
        case GOAL_PAUSE:
        case GOAL_UNPAUSE:
                if (!alive && planner->options->vms)
                        return error_set(error, DROVER_ERROR_FAILED, "vm '%s' is not running", found->name);
                if (found->status == (planner->goals[index] == GOAL_PAUSE ? VM_RUNNING : VM_PAUSED))
                        add_simple(planner, index, planner->goals[index] == GOAL_PAUSE ? ACTION_PAUSE : ACTION_CONTINUE);
                return TRUE;
        }
        return TRUE;
}

gboolean
plan_vms(struct planner *planner, GError **error)
{
        guint count = planner->project->vm_count;

        for (guint i = 0; i < count; i++) {
                /* What depends on others starts after them and stops before them. */
                guint index = planner->order[plan_goes_down(planner->options->goal) ? count - 1 - i : i];

                if (!plan_vm(planner, index, error))
                        return FALSE;
        }
        return TRUE;
}
