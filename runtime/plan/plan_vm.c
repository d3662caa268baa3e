/* plan_vm.c - the planner's part for VMs and their disks */
#include "runtime/plan/plan_build.h"

#include "base/error.h"
#include "base/text.h"
#include "runtime/storage/download.h"
#include "runtime/storage/source.h"

#include <string.h>

static const struct vm_world *
found_vm(const struct planner *planner, guint index)
{
        return world_vm(planner->world, planner->project->vms[index].name);
}

static char *
describe_disk(const struct launch_disk *disk)
{
        g_autofree char *size = text_format_size(disk->disk->size_bytes);
        g_autofree char *title = disk->backing_path ? image_title(disk->backing_path) : NULL;
        g_autofree char *image = title ? g_path_get_basename(title) : NULL;

        return g_strdup_printf("%s%s%s%s%s", disk->disk->size_bytes ? size : "", disk->disk->size_bytes ? " " : "",
                               disk->format, image ? " on " : "", image ? image : "");
}

/* The number of the step that fetches the VM's image: one for all VMs on the same. */
static guint
plan_image(struct planner *planner, guint index)
{
        const struct image_source source = image_source_of(planner->project, &planner->project->vms[index]);
        g_autofree char *key = image_source_key(&source), *title = image_source_title(&source);
        gpointer known = NULL;
        struct plan_step *step;

        if (g_hash_table_lookup_extended(planner->image_steps, key, NULL, &known))
                return GPOINTER_TO_UINT(known);
        step = plan_add(planner, KIND_IMAGE, ACTION_FETCH, title, index);
        step->detail = download_show_url(source.remote.url);
        step->transfer = g_new0(struct transfer, 1);
        g_hash_table_insert(planner->image_steps, g_steal_pointer(&key), GUINT_TO_POINTER(plan_last(planner)));
        return plan_last(planner);
}

/* Is the VM's image to be fetched, since it is not there or since there may be a newer one? */
static gboolean
wants_image(const struct planner *planner, guint index)
{
        const struct resolved_vm *vm = &planner->resolved->vms[index];
        const struct image_source source = image_source_of(planner->project, vm->vm);

        if (!source.remote.url)
                return FALSE;
        if (planner->options->pull == PULL_ALWAYS && !source.remote.sha256 && !source.remote.sha512)
                return TRUE;
        return planner->goals[index] == GOAL_PULL ? !vm->image : vm->fetch;
}

static void
refuse_absent_image(struct planner *planner, guint index)
{
        const struct vm *vm = &planner->project->vms[index];
        const struct image_source source = image_source_of(planner->project, vm);
        g_autofree char *title = image_source_title(&source);
        g_autoptr(GPtrArray) faults = NULL;

        faults_add(&faults, "image-absent", project_place(vm->node, "image"), "'drover pull' fetches it",
                   "vm '%s': image '%s' was not fetched yet, and is not to be now", vm->name, title);
        plan_refuse(planner, faults);
}

/* A step that makes one of the VM's disks, where it is missing; its number goes to @numbers. @image: the step that fetches what
 * is below its root disk */
static void
plan_disk(struct planner *planner, guint index, guint number, guint image, GArray *numbers)
{
        const struct launch *launch = &planner->resolved->vms[index].launch;
        const struct launch_disk *disk = &launch->disks[number];
        g_autofree char *name = NULL;
        struct plan_step *step;
        gpointer known = NULL;
        guint last;

        if (disk_in_place(disk->disk) || g_hash_table_contains(planner->world->files, disk->path))
                return;
        if (g_hash_table_lookup_extended(planner->disk_steps, disk->path, NULL, &known)) {
                last = GPOINTER_TO_UINT(known);
                g_array_append_val(numbers, last);
                return;
        }
        name = disk->disk->named ? g_strdup(disk->disk->named) : g_strdup_printf("%s/%s", launch->vm->name, disk->disk->name);
        step = plan_add(planner, KIND_DISK, ACTION_CREATE, name, index);
        if (disk->disk->is_root)
                plan_step_after(step, image);
        step->disk = number;
        step->path = g_strdup(disk->path);
        step->detail = describe_disk(disk);
        last = plan_last(planner);
        g_hash_table_insert(planner->disk_steps, (gpointer)disk->path, GUINT_TO_POINTER(last));
        g_array_append_val(numbers, last);
}

/* All that are missing; returns the numbers of their steps. */
static GArray *
plan_disks(struct planner *planner, guint index)
{
        GArray *numbers = g_array_new(FALSE, FALSE, sizeof(guint));
        gboolean absent = wants_image(planner, index) && planner->options->pull == PULL_NEVER;
        guint image = wants_image(planner, index) && !absent ? plan_image(planner, index) : G_MAXUINT;

        if (absent)
                refuse_absent_image(planner, index);
        for (guint i = 0; i < planner->resolved->vms[index].launch.disk_count; i++)
                plan_disk(planner, index, i, image, numbers);
        return numbers;
}

/* Those that are plugged in while it runs. */
static GArray *
plan_live_disks(struct planner *planner, guint index, const GPtrArray *changes)
{
        const struct launch *launch = &planner->resolved->vms[index].launch;
        GArray *numbers = g_array_new(FALSE, FALSE, sizeof(guint));

        for (guint i = 0; i < launch->disk_count; i++) {
                g_autofree char *key = g_strconcat("disks.", launch->disks[i].disk->name, NULL);

                for (guint n = 0; n < changes->len; n++) {
                        const struct plan_change *change = g_ptr_array_index(changes, n);

                        if (change->to && strcmp(change->key, key) == 0)
                                plan_disk(planner, index, i, G_MAXUINT, numbers);
                }
        }
        return numbers;
}

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
        disks = plan_disks(planner, index);
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

/* What is changed while it runs: behind the networks and disks that it gets, with rules and DHCP in place. */
static void
add_live_changes(struct planner *planner, guint index, GPtrArray *changes)
{
        const struct vm *vm = planner->resolved->vms[index].vm;
        g_autoptr(GArray) disks = plan_live_disks(planner, index, changes);
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
}

/* The user's own pause ends with `up` as well, but it is no surprise. */
static void
plan_continue(struct planner *planner, guint index)
{
        const struct vm_world *found = found_vm(planner, index);
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

/* A VM that runs, against the file. */
static void
plan_living(struct planner *planner, guint index)
{
        const struct plan_options *options = planner->options;
        const struct vm_world *found = found_vm(planner, index);
        g_autoptr(GPtrArray) changes = plan_vm_changes(planner->world, &planner->resolved->vms[index]);
        g_autoptr(GPtrArray) live = pick_changes(changes, CHANGE_LIVE), restart = pick_changes(changes, CHANGE_RESTART);
        g_autoptr(GPtrArray) recreate = pick_changes(changes, CHANGE_RECREATE);
        gboolean fresh = options->fresh && planner->named[index];
        gboolean now = options->force_recreate || fresh || (options->restart && restart->len && !options->no_recreate);

        if (now) {
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
        const struct vm_world *found = found_vm(planner, index);
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
        const struct vm_world *found = found_vm(planner, index);
        g_autoptr(GArray) disks = NULL;
        struct plan_step *step;

        if (vm_is_alive(found) || (found->spec && found->spec->present))
                return;
        plan_refuse(planner, planner->resolved->vms[index].faults);
        disks = plan_disks(planner, index);
        step = plan_add(planner, KIND_VM, ACTION_CREATE, found->name, index);
        step->idle = TRUE;
        for (guint i = 0; i < disks->len; i++)
                plan_step_after(step, g_array_index(disks, guint, i));
}

static gboolean
plan_present(struct planner *planner, guint index, enum plan_action action, GError **error)
{
        const struct vm_world *found = found_vm(planner, index);

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
        const struct vm_world *found = found_vm(planner, index);
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
                if (wants_image(planner, index))
                        plan_image(planner, index);
                return TRUE;
        case GOAL_UP:
                if (alive)
                        plan_living(planner, index);
                else
                        plan_dead(planner, index);
                return TRUE;
        case GOAL_CREATE:
                plan_create(planner, index);
                return TRUE;
        case GOAL_START:
                return alive && found->status != VM_STARTING ? TRUE
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

static gboolean
goes_down(enum goal goal)
{
        return goal == GOAL_STOP || goal == GOAL_KILL || goal == GOAL_REMOVE;
}

gboolean
plan_vms(struct planner *planner, GError **error)
{
        guint count = planner->project->vm_count;

        for (guint i = 0; i < count; i++) {
                /* What depends on others starts after them and stops before them. */
                guint index = planner->order[goes_down(planner->options->goal) ? count - 1 - i : i];

                if (!plan_vm(planner, index, error))
                        return FALSE;
        }
        return TRUE;
}

static gboolean
is_named(const struct planner *planner, const char *name)
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

static void
plan_orphan(struct planner *planner, const struct vm_world *vm)
{
        const struct plan_options *options = planner->options;
        gboolean here = vm_is_alive(vm) || vm->status == VM_CRASHED || (vm->spec && vm->spec->present);
        const struct vm *unwished = find_unwished(planner, vm);
        enum plan_action action = ACTION_ORPHAN;
        struct plan_step *step;

        if (!here)
                return;
        if (is_named(planner, vm->name) || (!options->vms && goes_down(options->goal) && options->goal != GOAL_REMOVE))
                action = options->goal == GOAL_REMOVE ? ACTION_REMOVE : options->goal == GOAL_KILL ? ACTION_KILL : ACTION_STOP;
        if (options->remove_networks && !options->vms)
                action = ACTION_REMOVE;
        else if (unwished && !unwished->dormant && options->goal == GOAL_UP && (!options->vms || is_named(planner, vm->name)))
                action = ACTION_REMOVE;
        else if (options->remove_orphans && !unwished)
                action = ACTION_REMOVE;
        if ((action == ACTION_STOP || action == ACTION_KILL) && !vm_is_alive(vm))
                return;
        if (action == ACTION_ORPHAN && (!options->networks || unwished))
                return;
        step = plan_add(planner, KIND_VM, action, vm->name, G_MAXUINT);
        if (action == ACTION_ORPHAN)
                step->detail = g_strdup(project_find_declared(planner->project, vm->name)
                                                ? "with 'replicas' it is another VM; --remove-orphans removes this one"
                                                : "no longer in the file; --remove-orphans removes it");
}

void
plan_orphans(struct planner *planner)
{
        for (guint i = 0; i < planner->world->vms->len; i++) {
                const struct vm_world *vm = g_ptr_array_index(planner->world->vms, i);

                if (!vm->in_file)
                        plan_orphan(planner, vm);
        }
}

static gint
compare_paths(gconstpointer a, gconstpointer b)
{
        return text_compare_natural(*(const char *const *)a, *(const char *const *)b);
}

/* "vms/web/root.0.qcow2" -> "web/root", "disks/data.0.qcow2" -> "data". New string */
static char *
disk_name_of(const char *path, gboolean *ret_named, char **ret_vm)
{
        g_autofree char *file = g_path_get_basename(path), *directory = g_path_get_dirname(path);
        g_autofree char *parent = g_path_get_basename(directory);
        char *dot = strchr(file, '.');

        if (dot)
                *dot = '\0';
        *ret_named = strcmp(parent, "disks") == 0;
        *ret_vm = *ret_named ? NULL : g_strdup(parent);
        return *ret_named ? g_strdup(file) : g_strdup_printf("%s/%s", parent, file);
}

/* A disk goes after the VMs that use it: its own VM, or all that name it. */
static void
wait_for_users(struct planner *planner, struct plan_step *step, const char *disk, const char *vm)
{
        const struct vm *own = vm ? project_find_vm(planner->project, vm) : NULL;

        if (own)
                plan_step_after(step, planner->vm_steps[own - planner->project->vms]);
        for (guint i = 0; !own && i < planner->plan->steps->len; i++) {
                const struct plan_step *other = g_ptr_array_index(planner->plan->steps, i);

                if (vm && other->kind == KIND_VM && strcmp(other->name, vm) == 0)
                        plan_step_after(step, i);
        }
        for (guint i = 0; !vm && i < planner->project->vm_count; i++)
                for (guint n = 0; n < planner->project->vms[i].disk_count; n++)
                        if (g_strcmp0(planner->project->vms[i].disks[n].named, disk) == 0)
                                plan_step_after(step, planner->vm_steps[i]);
}

/* Disks that down removes, and those that it leaves. */
void
plan_disks_removed(struct planner *planner)
{
        const struct plan_options *options = planner->options;
        g_autoptr(GPtrArray) paths = g_ptr_array_new();
        GHashTableIter iter;
        gpointer path;

        if (options->goal != GOAL_REMOVE)
                return;
        g_hash_table_iter_init(&iter, planner->world->files);
        while (g_hash_table_iter_next(&iter, &path, NULL))
                g_ptr_array_add(paths, path);
        g_ptr_array_sort(paths, compare_paths);
        for (guint i = 0; i < paths->len; i++) {
                gboolean named, removed;
                g_autofree char *vm = NULL;
                g_autofree char *name = disk_name_of(g_ptr_array_index(paths, i), &named, &vm);
                struct plan_step *step;

                if (options->vms && (named || !is_named(planner, vm)))
                        continue;
                removed = named ? options->volumes : options->volumes || options->fresh;
                step = plan_add(planner, KIND_DISK, removed ? ACTION_REMOVE : ACTION_KEEP, name, G_MAXUINT);
                step->path = g_strdup(g_ptr_array_index(paths, i));
                if (removed)
                        wait_for_users(planner, step, name, vm);
        }
}
