/* plan_orphan.c - VMs that are here, but not in the file: kept, removed, probably renamed */
#include "runtime/plan/plan_build.h"

#include <string.h>

enum {
        GUESSES_MOST = 10000,
        LIKE_ENOUGH = 60, /* of a hundred keys */
};

gboolean
plan_is_named(const struct planner *planner, const char *name)
{
        return project_is_named(planner->project, planner->options->vms, name);
}

/* A VM of the file that is not wished now: of a profile that is not asked for, or a replica beyond the last. */
static const struct vm *
find_unwished(const struct planner *planner, const struct vm_world *vm)
{
        const struct vm *declared = project_find_declared(planner->project, vm->name);

        return declared && declared->has_replicas == (strcmp(declared->name, vm->name) != 0) ? declared : NULL;
}

/* ---- probably renamed ---- */

/* struct guesses - VMs of the file of which nothing is here yet: any of them may be one that left the file */
struct guesses {
        GArray *vms;       /* guint: indexes */
        GPtrArray *wishes; /* json_t *: what the file says of each */
};

static void
guesses_clear(struct guesses *guesses)
{
        g_array_unref(guesses->vms);
        g_ptr_array_unref(guesses->wishes);
}
typedef struct guesses guesses_t;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(guesses_t, guesses_clear)

static void
wish_free(gpointer wish)
{
        json_decref(wish);
}

static gboolean
is_orphan(const struct vm_world *vm)
{
        return !vm->in_file && !vm->throwaway;
}

static guint
count_orphans(const struct planner *planner)
{
        guint count = 0;

        for (guint i = 0; i < planner->world->vms->len; i++)
                count += is_orphan(g_ptr_array_index(planner->world->vms, i));
        return count;
}

/* Each is compared with each: of hundreds that come while hundreds go, none is guessed. */
static void
guesses_init(struct guesses *guesses, const struct planner *planner)
{
        guint orphans = count_orphans(planner);

        guesses->vms = g_array_new(FALSE, FALSE, sizeof(guint));
        guesses->wishes = g_ptr_array_new_with_free_func(wish_free);
        for (guint i = 0; orphans && i < planner->project->vm_count; i++)
                if ((planner->goals[i] == GOAL_UP || planner->goals[i] == GOAL_CREATE) && !plan_found_vm(planner, i)->spec)
                        g_array_append_val(guesses->vms, i);
        if ((guint64)orphans * guesses->vms->len > GUESSES_MOST)
                g_array_set_size(guesses->vms, 0);
        for (guint i = 0; i < guesses->vms->len; i++)
                g_ptr_array_add(guesses->wishes,
                                keys_encode(&keys_vm, &planner->project->vms[g_array_index(guesses->vms, guint, i)], FALSE));
}

/* How many in a hundred of the keys that either has are the same. */
static guint
likeness(const json_t *a, const json_t *b)
{
        guint same = 0, all = (guint)json_object_size(b);
        const json_t *value;
        const char *key;

        json_object_foreach((json_t *)a, key, value)
        {
                const json_t *other = json_object_get(b, key);

                same += other && json_equal(value, other);
                all += !other;
        }
        return all ? same * 100 / all : 100;
}

/* `replicas` was added: what was `db` is `db-1` now. */
static gboolean
is_first_replica(const struct planner *planner, const struct vm *vm, const char *name)
{
        const struct vm *group = project_find_declared(planner->project, name);

        return group && group->has_replicas && group->wished_count && strcmp(group->name, name) == 0 &&
               vm == &planner->project->vms[group->wished_first];
}

/* The VM of the file that one which left it probably is; NULL: none, or several alike. */
static const char *
guess_new_name(const struct planner *planner, const struct vm_world *orphan, const struct guesses *guesses)
{
        const char *best = NULL;
        guint most = LIKE_ENOUGH - 1;

        for (guint i = 0; orphan->spec && i < guesses->vms->len; i++) {
                const struct vm *vm = &planner->project->vms[g_array_index(guesses->vms, guint, i)];
                guint like = orphan->spec->set ? likeness(orphan->spec->set, g_ptr_array_index(guesses->wishes, i)) : 0;

                if (is_first_replica(planner, vm, orphan->name))
                        return vm->name;
                if (like == most)
                        best = NULL;
                if (like <= most)
                        continue;
                best = vm->name;
                most = like;
        }
        return best;
}

static char *
describe_orphan(const struct planner *planner, const struct vm_world *vm, const char *renamed_to)
{
        const char *why = project_find_declared(planner->project, vm->name) ? "with 'replicas' it is another VM"
                                                                            : "no longer in the file";

        if (renamed_to)
                return g_strdup_printf("%s, probably renamed to '%s': 'drover rename %s %s' keeps its disks", why, renamed_to,
                                       vm->name, renamed_to);
        return g_strdup_printf("%s; --remove-orphans removes it", why);
}

/*
 * What `drover run` made is removed by it. Where that was killed, by whoever comes next and changes something. TRUE: that is
 * all there is to plan for it
 */
static gboolean
plan_throwaway(struct planner *planner, const struct vm_world *vm)
{
        const struct plan_options *options = planner->options;
        gboolean comes_next = options->goal == GOAL_UP || options->goal == GOAL_CREATE || options->goal == GOAL_START;
        gboolean meant = options->goal == GOAL_REMOVE && (options->vms ? plan_is_named(planner, vm->name) : TRUE);
        struct plan_step *step;

        if (!meant && (!comes_next || vm->awaited))
                return !plan_goes_down(options->goal) || options->goal == GOAL_REMOVE;
        step = plan_add(planner, KIND_VM, ACTION_REMOVE, vm->name, G_MAXUINT);
        step->forget = TRUE;
        if (!vm->awaited)
                step->detail = g_strdup("its 'drover run' has ended");
        return TRUE;
}

enum plan_action
plan_orphan_action(const struct planner *planner, const struct vm_world *vm)
{
        const struct plan_options *options = planner->options;
        const struct vm *unwished = find_unwished(planner, vm);
        enum plan_action action = ACTION_ORPHAN;

        if (plan_is_named(planner, vm->name) ||
            (!options->vms && plan_goes_down(options->goal) && options->goal != GOAL_REMOVE))
                action = options->goal == GOAL_REMOVE ? ACTION_REMOVE : options->goal == GOAL_KILL ? ACTION_KILL : ACTION_STOP;
        if (options->remove_networks && !options->vms)
                action = ACTION_REMOVE;
        else if (unwished && !unwished->dormant && options->goal == GOAL_UP &&
                 (!options->vms || plan_is_named(planner, vm->name)))
                action = ACTION_REMOVE;
        else if (options->remove_orphans && !unwished)
                action = ACTION_REMOVE;
        return action;
}

static void
plan_orphan(struct planner *planner, const struct vm_world *vm, const struct guesses *guesses)
{
        gboolean here = vm->throwaway || vm_is_alive(vm) || vm->status == VM_CRASHED || (vm->spec && vm->spec->present);
        const struct vm *unwished = find_unwished(planner, vm);
        enum plan_action action = plan_orphan_action(planner, vm);
        struct plan_step *step;

        if (!here || (vm->throwaway && plan_throwaway(planner, vm)) ||
            ((action == ACTION_STOP || action == ACTION_KILL) && !vm_is_alive(vm)))
                return;
        if (action == ACTION_ORPHAN && (!planner->options->networks || unwished))
                return;
        step = plan_add(planner, KIND_VM, action, vm->name, G_MAXUINT);
        step->renamed_to = g_strdup(unwished ? NULL : guess_new_name(planner, vm, guesses));
        if (action == ACTION_ORPHAN)
                step->detail = describe_orphan(planner, vm, step->renamed_to);
        if (step->renamed_to && action == ACTION_ORPHAN)
                g_ptr_array_add(planner->plan->notes,
                                g_strdup_printf("vm '%s' is probably vm '%s' renamed: 'drover rename %s %s' before 'drover up' "
                                                "keeps its disks and identity",
                                                step->renamed_to, vm->name, vm->name, step->renamed_to));
}

void
plan_orphans(struct planner *planner)
{
        g_auto(guesses_t) guesses = {0};

        guesses_init(&guesses, planner);
        for (guint i = 0; i < planner->world->vms->len; i++) {
                const struct vm_world *vm = g_ptr_array_index(planner->world->vms, i);

                if (!vm->in_file)
                        plan_orphan(planner, vm, &guesses);
        }
}
