/* plan_disk.c - the planner's part for images and disks: fetched, made, removed, kept */
#include "runtime/plan/plan_build.h"

#include "base/text.h"
#include "runtime/storage/download.h"
#include "runtime/storage/source.h"

#include <string.h>

static char *
describe_disk(const struct launch_disk *disk)
{
        g_autofree char *size = text_format_size(disk->disk->size_bytes);
        g_autofree char *title = disk->backing_path ? image_title(disk->backing_path) : NULL;
        g_autofree char *image = title ? g_path_get_basename(title) : NULL;

        return g_strdup_printf("%s%s%s%s%s%s", disk->disk->size_bytes ? size : "", disk->disk->size_bytes ? " " : "",
                               disk->format, disk->key_file ? " encrypted" : "", image ? " on " : "", image ? image : "");
}

guint
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

gboolean
plan_wants_image(const struct planner *planner, guint index)
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
        if (disk->disk->preallocated && disk->disk->preallocation == PREALLOCATION_FULL)
                step->transfer = g_new0(struct transfer, 1);
        last = plan_last(planner);
        g_hash_table_insert(planner->disk_steps, (gpointer)disk->path, GUINT_TO_POINTER(last));
        g_array_append_val(numbers, last);
}

/* A key that others can read protects from few. */
static void
note_exposed_key(struct planner *planner, const struct launch_disk *disk)
{
        const struct probed_key *key = world_key(planner->world, disk->key_file);
        g_autofree char *note = key && key->exposed ? g_strdup_printf("everybody on this host can read the key of disk '%s': "
                                                                      "'chmod 600 %s'",
                                                                      disk->disk->name, disk->key_file)
                                                    : NULL;

        if (note && !g_ptr_array_find_with_equal_func(planner->plan->notes, note, g_str_equal, NULL))
                g_ptr_array_add(planner->plan->notes, g_steal_pointer(&note));
}

GArray *
plan_vm_disks(struct planner *planner, guint index)
{
        GArray *numbers = g_array_new(FALSE, FALSE, sizeof(guint));
        gboolean absent = plan_wants_image(planner, index) && planner->options->pull == PULL_NEVER;
        guint image = plan_wants_image(planner, index) && !absent ? plan_image(planner, index) : G_MAXUINT;

        if (absent)
                refuse_absent_image(planner, index);
        for (guint i = 0; i < planner->resolved->vms[index].launch.disk_count; i++) {
                plan_disk(planner, index, i, image, numbers);
                note_exposed_key(planner, &planner->resolved->vms[index].launch.disks[i]);
        }
        return numbers;
}

GArray *
plan_vm_live_disks(struct planner *planner, guint index, const GPtrArray *changes)
{
        const struct launch *launch = &planner->resolved->vms[index].launch;
        GArray *numbers = g_array_new(FALSE, FALSE, sizeof(guint));

        for (guint i = 0; i < launch->disk_count; i++) {
                g_autofree char *key = g_strconcat("disks.", launch->disks[i].disk->name, NULL);

                for (guint n = 0; n < changes->len; n++) {
                        const struct plan_change *change = g_ptr_array_index(changes, n);

                        if (!change->to || strcmp(change->key, key) != 0)
                                continue;
                        plan_disk(planner, index, i, G_MAXUINT, numbers);
                        note_exposed_key(planner, &launch->disks[i]);
                }
        }
        return numbers;
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

                if (options->vms && (named || !plan_is_named(planner, vm)))
                        continue;
                if (!named && world_vm(planner->world, vm) && world_vm(planner->world, vm)->throwaway)
                        continue; /* goes with its VM */
                removed = named ? options->volumes : options->volumes || options->fresh;
                step = plan_add(planner, KIND_DISK, removed ? ACTION_REMOVE : ACTION_KEEP, name, G_MAXUINT);
                step->path = g_strdup(g_ptr_array_index(paths, i));
                if (removed)
                        wait_for_users(planner, step, name, vm);
        }
}
