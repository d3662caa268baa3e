/* plan.c - the planner: goals, order, and the parts put together */
#include "runtime/plan/plan_build.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

static const struct {
        const char *name;
        gboolean acts;
} actions[] = {
        [ACTION_NONE] = {"none", FALSE},         [ACTION_CREATE] = {"create", TRUE},
        [ACTION_FETCH] = {"fetch", TRUE},
        [ACTION_START] = {"start", TRUE},        [ACTION_UPDATE] = {"update", TRUE},
        [ACTION_REPAIR] = {"repair", TRUE},      [ACTION_RESTART] = {"restart", TRUE},
        [ACTION_CONTINUE] = {"continue", TRUE},  [ACTION_PAUSE] = {"pause", TRUE},
        [ACTION_STOP] = {"stop", TRUE},          [ACTION_KILL] = {"kill", TRUE},
        [ACTION_REMOVE] = {"remove", TRUE},      [ACTION_PENDING] = {"pending", FALSE},
        [ACTION_FRESH_PENDING] = {"fresh-pending", FALSE}, [ACTION_ORPHAN] = {"orphan", FALSE},
        [ACTION_KEEP] = {"keep", FALSE},
};

static const char *const kinds[] = {
        [KIND_NETWORK] = "network", [KIND_FIREWALL] = "firewall", [KIND_SERVICE] = "service",
        [KIND_UPLINK] = "uplink",
        [KIND_PORTS] = "ports",
        [KIND_IMAGE] = "image",     [KIND_DISK] = "disk",         [KIND_VM] = "vm",
        [KIND_SUPERVISOR] = "supervisor",
};

const char *
plan_action_name(enum plan_action action)
{
        return actions[action].name;
}

gboolean
plan_action_acts(enum plan_action action)
{
        return actions[action].acts;
}

const char *
plan_kind_name(enum plan_kind kind)
{
        return kinds[kind];
}

void
transfer_note(void *data, guint64 done_bytes, guint64 total_bytes)
{
        struct transfer *transfer = data;

        __atomic_store_n(&transfer->total_bytes, total_bytes, __ATOMIC_RELAXED);
        __atomic_store_n(&transfer->done_bytes, done_bytes, __ATOMIC_RELAXED);
}

void
transfer_wait(void *data, int pid)
{
        __atomic_store_n(&((struct transfer *)data)->waits_for, pid, __ATOMIC_RELAXED);
}

static void
step_free(gpointer data)
{
        struct plan_step *step = data;

        g_free(step->name);
        g_free(step->detail);
        g_free(step->path);
        g_free(step->renamed_to);
        g_free(step->transfer);
        g_ptr_array_unref(step->changes);
        g_array_unref(step->after);
        g_array_unref(step->behind);
        g_free(step);
}

void
plan_free(struct plan *plan)
{
        if (!plan)
                return;
        g_ptr_array_unref(plan->steps);
        g_ptr_array_unref(plan->notes);
        g_ptr_array_unref(plan->restarts);
        g_ptr_array_unref(plan->cut_links);
        g_array_unref(plan->forwards);
        g_free(plan);
}

gboolean
plan_acts(const struct plan *plan)
{
        for (guint i = 0; i < plan->steps->len; i++)
                if (plan_action_acts(((struct plan_step *)g_ptr_array_index(plan->steps, i))->action))
                        return TRUE;
        return plan->sweep;
}

gboolean
plan_fetches(const struct plan *plan)
{
        for (guint i = 0; i < plan->steps->len; i++)
                if (((struct plan_step *)g_ptr_array_index(plan->steps, i))->kind == KIND_IMAGE)
                        return TRUE;
        return FALSE;
}

gboolean
plan_starts(const struct plan *plan)
{
        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);

                if ((step->kind == KIND_DISK && step->action == ACTION_CREATE) ||
                    (step->kind == KIND_VM &&
                     (step->action == ACTION_CREATE || step->action == ACTION_START || step->action == ACTION_RESTART)))
                        return TRUE;
        }
        return FALSE;
}

gboolean
plan_is_pending(const struct plan *plan)
{
        for (guint i = 0; i < plan->steps->len; i++) {
                enum plan_action action = ((struct plan_step *)g_ptr_array_index(plan->steps, i))->action;

                if (plan_action_acts(action) || action == ACTION_PENDING || action == ACTION_FRESH_PENDING)
                        return TRUE;
        }
        return FALSE;
}

struct plan_step *
plan_add(struct planner *planner, enum plan_kind kind, enum plan_action action, const char *name, guint index)
{
        struct plan_step *step = g_new0(struct plan_step, 1);

        step->kind = kind;
        step->action = action;
        step->name = g_strdup(name);
        step->index = index;
        step->changes = plan_changes_new();
        step->after = g_array_new(FALSE, FALSE, sizeof(guint));
        step->behind = g_array_new(FALSE, FALSE, sizeof(guint));
        g_ptr_array_add(planner->plan->steps, step);
        return step;
}

guint
plan_last(const struct planner *planner)
{
        return planner->plan->steps->len - 1;
}

void
plan_step_after(struct plan_step *step, guint before)
{
        if (before != G_MAXUINT)
                g_array_append_val(step->after, before);
}

/* Depth first, without recursion: a chain of dependencies may be as long as the file. The parser has refused cycles. */
static void
order_vms(struct planner *planner)
{
        guint count = planner->project->vm_count, placed = 0;
        g_autofree guint *next = g_new0(guint, count), *stack = g_new(guint, count);
        g_autofree gboolean *seen = g_new0(gboolean, count);

        planner->order = g_new(guint, count);
        for (guint root = 0; root < count; root++) {
                guint depth = 0;

                if (seen[root])
                        continue;
                seen[root] = TRUE;
                stack[depth++] = root;
                while (depth > 0) {
                        guint index = stack[depth - 1];
                        const struct vm *vm = &planner->project->vms[index];

                        guint below = vm_dependency(vm, next[index]++);

                        if (below != G_MAXUINT) {
                                if (!seen[below]) {
                                        seen[below] = TRUE;
                                        stack[depth++] = below;
                                }
                        } else {
                                planner->order[placed++] = index;
                                depth--;
                        }
                }
        }
}

static gboolean
fail_unknown(const struct planner *planner, const char *name, GError **error)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        const char *meant;

        for (guint i = 0; i < planner->project->declared_vm_count; i++)
                g_ptr_array_add(names, (gpointer)planner->project->declared_vms[i].name);
        for (guint i = 0; i < planner->world->vms->len; i++)
                g_ptr_array_add(names, ((struct vm_world *)g_ptr_array_index(planner->world->vms, i))->name);
        g_ptr_array_add(names, NULL);
        meant = text_suggest(name, (const char *const *)names->pdata);
        error_set(error, DROVER_ERROR_NOT_FOUND, "there is no vm '%s' in project '%s'", name, planner->project->name);
        if (meant)
                error_hint(error, "did you mean '%s'?", meant);
        return FALSE;
}

/* up and start of some VMs bring what they depend on along: from the end of the order, each VM comes before what it needs. */
static void
include_dependencies(struct planner *planner)
{
        for (guint i = planner->project->vm_count; i-- > 0;) {
                const struct vm *vm = &planner->project->vms[planner->order[i]];

                if (planner->goals[planner->order[i]] == GOAL_LEAVE)
                        continue;
                for (guint n = 0, below; (below = vm_dependency(vm, n)) != G_MAXUINT; n++)
                        planner->goals[below] = planner->options->goal;
        }
}

static void
set_goal(struct planner *planner, guint index)
{
        planner->goals[index] = planner->options->goal;
        planner->named[index] = TRUE;
}

static gboolean
set_goals(struct planner *planner, GError **error)
{
        const struct plan_options *options = planner->options;
        guint count = planner->project->vm_count;
        gboolean brings_dependencies = !options->no_deps && (options->goal == GOAL_UP || options->goal == GOAL_START ||
                                                             options->goal == GOAL_CREATE);

        planner->goals = g_new0(enum goal, count);
        planner->named = g_new0(gboolean, count);
        for (guint i = 0; i < count && !options->vms; i++)
                set_goal(planner, i);
        for (guint i = 0; options->vms && options->vms[i]; i++) {
                const struct vm *vm = project_find_vm(planner->project, options->vms[i]);
                const struct vm *group = vm ? NULL : project_find_declared(planner->project, options->vms[i]);

                if (vm)
                        set_goal(planner, (guint)(vm - planner->project->vms));
                else if (group && group->has_replicas && strcmp(group->name, options->vms[i]) == 0)
                        for (guint n = 0; n < group->wished_count; n++)
                                set_goal(planner, group->wished_first + n);
                else if (!world_vm(planner->world, options->vms[i])) /* else an orphan: plan_orphans() sees to it */
                        return fail_unknown(planner, options->vms[i], error);
        }
        if (brings_dependencies)
                include_dependencies(planner);
        return TRUE;
}

static gboolean
is_anything_alive(const struct world *world)
{
        for (guint i = 0; i < world->vms->len; i++)
                if (vm_is_alive(g_ptr_array_index(world->vms, i)))
                        return TRUE;
        return world->dnsmasq.pid != 0 || world->forwarder.pid != 0;
}

static gboolean
check_isolation(const struct planner *planner, GError **error)
{
        const struct state *state = planner->world->state;
        static const char *const names[] = {[ISOLATION_HOST] = "host", [ISOLATION_PRIVATE] = "private"};

        if (!planner->options->networks || !state->exists || state->isolation == planner->project->isolation ||
            !is_anything_alive(planner->world))
                return TRUE;
        error_set(error, DROVER_ERROR_FAILED, "project '%s' runs with 'isolation: %s', and the file now says '%s'",
                  planner->project->name, names[state->isolation], names[planner->project->isolation]);
        return error_hint(error, "run 'drover down' first: its networks cannot be moved while they are in use");
}

void
plan_refuse(struct planner *planner, const GPtrArray *faults)
{
        faults_tell(faults, SEVERITY_ERROR, NULL, planner->faults);
        planner->blame |= faults_blame(faults);
}

/* What goes down or stops needs no subnet. */
static void
check_networks(struct planner *planner)
{
        enum goal goal = planner->options->goal;
        gboolean starts = goal == GOAL_UP || goal == GOAL_CREATE || goal == GOAL_START || goal == GOAL_RESTART;

        if (planner->options->networks || starts)
                plan_refuse(planner, planner->resolved->faults);
}

static gboolean
check_faults(const struct planner *planner, GError **error)
{
        guint count = planner->faults->error_count;

        diagnostics_sort(planner->faults);
        if (!count)
                return TRUE;
        return error_set(error, planner->blame ? DROVER_ERROR_CONFIG : DROVER_ERROR_BUSY, "%u %s of this host %s in the way",
                         count, count == 1 ? "fault" : "faults", count == 1 ? "stands" : "stand");
}

static gboolean
plan_all(struct planner *planner, GError **error)
{
        const struct plan_options *options = planner->options;
        const struct world *world = planner->world;
        struct plan *plan = planner->plan;

        check_networks(planner);
        plan_networks(planner);
        plan_services(planner);
        if (!plan_vms(planner, error))
                return FALSE;
        plan_orphans(planner);
        plan_handovers(planner);
        plan_networks_removed(planner);
        plan_disks_removed(planner);
        plan_cost(planner);
        plan->pull = options->pull;
        plan->forget = options->goal == GOAL_REMOVE && (options->fresh || options->volumes);
        plan->forget_all = options->remove_networks && options->volumes && !options->vms;
        plan->sweep = options->remove_networks &&
                      ((world->home && world->isolation == ISOLATION_PRIVATE) || world->stray_name ||
                       world->has_run_directory || (plan->forget_all && (world->state->exists || world->has_data)));
        return TRUE;
}

static void
planner_clear(struct planner *planner)
{
        g_free(planner->goals);
        g_free(planner->named);
        g_free(planner->order);
        g_free(planner->vm_steps);
        for (guint i = 0; i < planner->project->vm_count; i++)
                if (planner->dependents[i])
                        g_array_unref(planner->dependents[i]);
        g_free(planner->dependents);
        g_free(planner->network_steps);
        g_hash_table_unref(planner->image_steps);
        g_hash_table_unref(planner->disk_steps);
        plan_free(planner->plan);
}

static void
fill(guint *numbers, guint count)
{
        for (guint i = 0; i < count; i++)
                numbers[i] = G_MAXUINT;
}

struct plan *
plan_make(const struct project *project, const struct world *world, const struct resolved *resolved,
          const struct plan_options *options, struct diagnostics *faults, GError **error)
{
        struct planner planner = {
                project, world, resolved, options, .faults = faults, .firewall_step = G_MAXUINT, .service_step = G_MAXUINT};
        struct plan *plan = NULL;

        planner.plan = g_new0(struct plan, 1);
        planner.plan->steps = g_ptr_array_new_with_free_func(step_free);
        planner.plan->notes = g_ptr_array_new_with_free_func(g_free);
        planner.plan->restarts = g_ptr_array_new_with_free_func(g_free);
        planner.plan->cut_links = g_ptr_array_new_with_free_func(g_free);
        planner.plan->forwards = g_array_new(FALSE, FALSE, sizeof(struct forward));
        planner.vm_steps = g_new(guint, project->vm_count);
        planner.dependents = g_new0(GArray *, project->vm_count);
        planner.network_steps = g_new(guint, project->network_count);
        planner.image_steps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        planner.disk_steps = g_hash_table_new(g_str_hash, g_str_equal);
        fill(planner.vm_steps, project->vm_count);
        fill(planner.network_steps, project->network_count);
        order_vms(&planner);
        if (check_isolation(&planner, error) && set_goals(&planner, error) && plan_all(&planner, error) &&
            check_faults(&planner, error))
                plan = g_steal_pointer(&planner.plan);
        planner_clear(&planner);
        return plan;
}
