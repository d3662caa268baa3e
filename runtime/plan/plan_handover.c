/* plan_handover.c - a disk that goes from one VM to another: the one lets go of it before the other takes it
 *
 * When all steps of VMs are planned, those that take a file which another VM of the project has are put behind the step with
 * which that one lets go of it. Where there is none, or where both would wait for each other, the file is in use.
 */
#include "runtime/plan/plan_build.h"

#include <string.h>

/* Steps of VMs by their names: the one that starts, stops or changes it. */
static GHashTable *
index_steps(const struct planner *planner)
{
        GHashTable *steps = g_hash_table_new(g_str_hash, g_str_equal);

        for (guint i = 0; i < planner->plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(planner->plan->steps, i);

                if (step->kind == KIND_VM && plan_action_acts(step->action) && step->action != ACTION_CONTINUE &&
                    step->action != ACTION_PAUSE)
                        g_hash_table_insert(steps, step->name, GUINT_TO_POINTER(i + 1));
        }
        return steps;
}

static struct plan_step *
find_step(const struct planner *planner, GHashTable *steps, const char *vm, guint *ret_number)
{
        guint number = GPOINTER_TO_UINT(g_hash_table_lookup(steps, vm));

        *ret_number = number - 1;
        return number ? g_ptr_array_index(planner->plan->steps, number - 1) : NULL;
}

static gboolean
is_update(const struct plan_step *step)
{
        return step->action == ACTION_UPDATE || step->action == ACTION_REPAIR;
}

/* A disk that is plugged in while the VM runs, or unplugged. */
static gboolean
changes_disk(const struct plan_step *step, const char *disk, gboolean plugs)
{
        g_autofree char *key = g_strconcat("disks.", disk, NULL);
        const struct plan_change *change = plan_changes_find(step->changes, key);

        return change && (change->to != NULL) == plugs;
}

static gboolean
takes(const struct plan_step *step, const char *disk)
{
        if (is_update(step))
                return changes_disk(step, disk, TRUE);
        return (step->action == ACTION_CREATE && !step->idle) || step->action == ACTION_START || step->action == ACTION_RESTART;
}

static gboolean
lets_go(const struct plan_step *step, const char *disk)
{
        if (is_update(step))
                return changes_disk(step, disk, FALSE);
        return step->action == ACTION_RESTART || step->action == ACTION_STOP || step->action == ACTION_KILL ||
               step->action == ACTION_REMOVE;
}

static void
push_all(GArray *stack, const GArray *numbers)
{
        g_array_append_vals(stack, numbers->data, numbers->len);
}

/* Does one step wait for another, if only through others? */
static gboolean
waits_for(const struct planner *planner, guint number, guint other)
{
        g_autoptr(GArray) stack = g_array_new(FALSE, FALSE, sizeof(guint));
        g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

        g_array_append_val(stack, number);
        while (stack->len) {
                guint at = g_array_index(stack, guint, stack->len - 1);
                const struct plan_step *step = g_ptr_array_index(planner->plan->steps, at);

                g_array_set_size(stack, stack->len - 1);
                if (at == other)
                        return TRUE;
                if (!g_hash_table_add(seen, GUINT_TO_POINTER(at)))
                        continue;
                push_all(stack, step->after);
                push_all(stack, step->behind);
        }
        return FALSE;
}

/* Without a step that lets go of it: the other VM is to be restarted as well, where its new wish is without the disk. */
static void
refuse(struct planner *planner, const struct vm *vm, const struct taken *taken, gboolean in_circle)
{
        g_autofree char *hint = NULL;
        g_autoptr(GPtrArray) faults = NULL;

        if (!in_circle && project_find_vm(planner->project, taken->use->vm))
                hint = g_strdup_printf("'drover up --restart %s %s' takes it from the one and gives it to the other",
                                       taken->use->vm, vm->name);
        faults_add_in_use(&faults, vm->name, taken->place, taken->use, planner->project->name, hint);
        plan_refuse(planner, faults);
}

static void
plan_handover(struct planner *planner, GHashTable *steps, const struct vm *vm, const struct taken *taken)
{
        guint number, before;
        struct plan_step *step = find_step(planner, steps, vm->name, &number);
        const struct plan_step *giver = find_step(planner, steps, taken->use->vm, &before);
        gboolean in_circle;

        if (!step || !takes(step, taken->disk))
                return;
        in_circle = giver && waits_for(planner, before, number);
        if (giver && lets_go(giver, taken->disk) && !in_circle)
                plan_step_after(step, before);
        else
                refuse(planner, vm, taken, in_circle);
}

void
plan_handovers(struct planner *planner)
{
        g_autoptr(GHashTable) steps = NULL;

        for (guint i = 0; i < planner->resolved->vm_count; i++) {
                const struct resolved_vm *vm = &planner->resolved->vms[i];

                if (vm->taken && !steps)
                        steps = index_steps(planner);
                for (guint n = 0; vm->taken && n < vm->taken->len; n++)
                        plan_handover(planner, steps, vm->vm, &g_array_index(vm->taken, struct taken, n));
        }
}
