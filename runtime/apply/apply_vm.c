/* apply_vm.c - the steps for VMs and their disks */
#include "runtime/apply/apply.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "parser/value/value.h"
#include "runtime/storage/disk.h"

#include <string.h>

enum { DEFAULT_GRACE_MS = 30000 };

/* ---- disks ---- */

/* What runs is what spec.json says: of a VM that lives only its new disks are recorded now, the rest when it starts anew. */
static gboolean
record_disks(struct apply *apply, const struct resolved_vm *vm, GError **error)
{
        const struct vm_world *found = world_vm(apply->session->world, vm->vm->name);
        g_autoptr(spec_t) spec = vm_is_alive(found) && found->spec ? spec_copy(found->spec) : NULL;

        if (spec) {
                g_ptr_array_unref(spec->disks);
                spec->disks = g_ptr_array_ref(vm->spec->disks);
        }
        return spec_put(apply->session->world->paths, spec ? spec : vm->spec, error);
}

/* Of an image that was there before, the plan has said so. */
static gboolean
fail_small(const struct resolved_vm *vm, const struct launch_disk *disk, const struct kept_disk *kept, GError **error)
{
        g_autofree char *size = text_format_size(disk->disk->size_bytes);
        g_autofree char *least = text_format_size(kept->backing.virtual_size_bytes);

        error_set(error, DROVER_ERROR_CONFIG, "vm '%s': a disk of %s is smaller than its image (%s)", vm->vm->name, size,
                  least);
        return error_hint(error, "write %s or more, or leave the size out", least);
}

static gboolean
create_disk(struct apply *apply, const struct plan_step *step, GError **error)
{
        static const char *const preallocations[] = {"metadata", "falloc", "full"};
        static const char *const compressions[] = {"zlib", "zstd"};
        const struct resolved_vm *vm = &apply->session->resolved->vms[step->index];
        const struct launch_disk *disk = &vm->launch.disks[step->disk];
        const struct kept_disk *kept = spec_disk(vm->spec, disk->disk->name);
        struct disk_wish wish = {
                .path = disk->path,
                .format = disk->format,
                .size_bytes = disk->disk->size_bytes,
                .backing_path = disk->backing_path,
                .backing_format = disk->backing_format,
                .backing_size_bytes = kept ? kept->backing.virtual_size_bytes : 0,
                .owner = apply->host.user,
                .preallocation = disk->disk->preallocated ? preallocations[disk->disk->preallocation] : NULL,
                .cluster_bytes = disk->disk->cluster_bytes,
                .compression_type = disk->disk->has_compression ? compressions[disk->disk->compression] : NULL,
                .key_file = disk->key_file,
                .iter_ms = disk->key_file ? disk->disk->encryption->iter_ms : 0,
                .cache = apply->session->world->paths->cache,
                .progress = step->transfer ? transfer_note : NULL,
                .data = step->transfer,
                .stop = (const int *)apply->options->cancel,
        };

        if (kept && disk->backing_path && wish.size_bytes && wish.size_bytes < wish.backing_size_bytes)
                return fail_small(vm, disk, kept, error);
        if (!disk->disk->named && !paths_ensure_vm_data(apply->session->world->paths, vm->vm->name, error))
                return FALSE;
        /* The image below an overlay is recorded before the overlay exists: a disk is never without its origin. Both last
         * before a guest can write to it: vm_start() settles the record. */
        if (kept && !file_exists(disk->path) && !record_disks(apply, vm, error))
                return FALSE;
        return disk_ensure(&wish, error);
}

gboolean
apply_disk(struct apply *apply, const struct plan_step *step, GError **error)
{
        return step->action == ACTION_REMOVE ? file_remove(step->path, error) : create_disk(apply, step, error);
}

/* Generations of the VM's own disks that a fresh one has replaced. */
static gboolean
remove_old_generations(struct apply *apply, const struct resolved_vm *vm, GError **error)
{
        g_autofree char *directory = paths_vm_data(apply->session->world->paths, vm->vm->name);
        g_autoptr(GPtrArray) names = file_list_directory(directory, error);

        if (!names)
                return FALSE;
        for (guint i = 0; i < names->len; i++) {
                g_auto(GStrv) parts = g_strsplit(g_ptr_array_index(names, i), ".", 3);
                const struct kept_disk *kept = g_strv_length(parts) == 3 ? spec_disk(vm->spec, parts[0]) : NULL;
                g_autofree char *path = g_build_filename(directory, g_ptr_array_index(names, i), NULL);

                if (kept && g_ascii_strtoull(parts[1], NULL, 10) < kept->generation && !file_remove(path, error))
                        return FALSE;
        }
        return TRUE;
}

/* ---- VMs ---- */

/* The spec as it was last applied: that of a VM in the file, or of an orphan. NULL where there is none, or none to be
 * understood: it must be stoppable. One that cannot be read now could be read again, and would say what is no longer so. */
static gboolean
copy_applied(const struct apply *apply, const char *vm, struct spec **ret_spec, GError **error)
{
        g_autoptr(GError) reason = NULL;
        struct spec *spec = spec_load(apply->session->world->paths, vm, &reason);

        if (reason && !g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND) &&
            !g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_CORRUPT)) {
                g_propagate_error(error, g_steal_pointer(&reason));
                return error_prefix(error, "it is done, but not recorded");
        }
        *ret_spec = spec;
        return TRUE;
}

int
apply_grace_ms(const struct apply *apply, const struct plan_step *step)
{
        const struct project *project = apply->session->project;
        const struct vm_world *found = world_vm(apply->session->world, step->name);
        const char *text;
        guint64 ms;

        if (step->action == ACTION_KILL || step->forget || (found && found->status == VM_STARTING))
                return 0; /* nothing of it is kept, or it has not begun to run and cannot hear the button */
        if (apply->options->grace_ms >= 0)
                return apply->options->grace_ms;
        if (step->index != G_MAXUINT)
                return (int)project->vms[step->index].stop_grace_ms;
        text = found && found->spec && found->spec->wish ? json_text(found->spec->wish, "stop_grace_period") : NULL;
        return text && value_parse_duration(text, &ms, NULL) && ms < G_MAXINT ? (int)ms : DEFAULT_GRACE_MS;
}

static gboolean
start_vm(struct apply *apply, const struct plan_step *step, GError **error)
{
        const struct resolved_vm *vm = &apply->session->resolved->vms[step->index];
        const struct world *world = apply->session->world;

        if (!paths_ensure_vm_data(apply->session->world->paths, vm->vm->name, error))
                return FALSE;
        if (step->idle)
                return spec_save(world->paths, vm->spec, error);
        if (vm->launch.firmware_vars && step->fresh && !file_remove(vm->launch.firmware_vars, error))
                return FALSE;
        if (vm->launch.firmware_vars && !disk_ensure_vars(vm->launch.firmware_vars, world->uefi_vars, apply->host.user, error))
                return error_prefix(error, "cannot make its UEFI variables");
        if (!apply_lab_starts(apply, step, error))
                return FALSE;
        if (!apply_seed(apply, vm, error))
                return error_prefix(error, "cannot make its seed for cloud-init");
        if (!vm_start(&apply->host, &vm->launch, vm->spec, apply->options->paused, error))
                return FALSE;
        return !step->fresh || remove_old_generations(apply, vm, error);
}

static gboolean
stop_vm(struct apply *apply, const struct plan_step *step, GError **error)
{
        g_autoptr(spec_t) spec = NULL;

        if (!vm_stop(apply->session->world->paths, step->name, apply_grace_ms(apply, step), NULL, error) ||
            !copy_applied(apply, step->name, &spec, error))
                return FALSE;
        if (!spec || step->action == ACTION_RESTART || apply->plan->forget_all)
                return TRUE;
        spec->stopped = step->action != ACTION_REMOVE;
        spec->present = step->action != ACTION_REMOVE;
        spec->paused = FALSE;
        return spec_save(apply->session->world->paths, spec, error);
}

static gboolean
set_paused(struct apply *apply, const struct plan_step *step, gboolean paused, GError **error)
{
        g_autoptr(spec_t) spec = NULL;

        /* It may be one whose start was killed before its record was settled. */
        if (!paused && !state_settle(apply->session->world->paths, step->name, error))
                return FALSE;
        if (!vm_command(apply->session->world->paths, step->name, paused ? "stop" : "cont", error))
                return FALSE;
        if (!copy_applied(apply, step->name, &spec, error))
                return FALSE;
        if (!spec || spec->paused == paused)
                return TRUE;
        spec->paused = paused;
        return spec_save(apply->session->world->paths, spec, error);
}

gboolean
apply_vm(struct apply *apply, const struct plan_step *step, GError **error)
{
        gboolean ok = TRUE;

        switch (step->action) {
        case ACTION_CREATE:
        case ACTION_START:
                ok = apply_await_dependencies(apply, step, error) && start_vm(apply, step, error);
                return ok ? TRUE : error_prefix(error, "cannot start vm '%s'", step->name);
        case ACTION_RESTART:
                ok = apply_await_dependencies(apply, step, error) && stop_vm(apply, step, error) &&
                     apply_lab_ended(apply, step, error) && start_vm(apply, step, error);
                return ok ? TRUE : error_prefix(error, "cannot restart vm '%s'", step->name);
        case ACTION_STOP:
        case ACTION_KILL:
        case ACTION_REMOVE:
                ok = stop_vm(apply, step, error) && apply_lab_ended(apply, step, error);
                return ok ? TRUE : error_prefix(error, "cannot stop vm '%s'", step->name);
        case ACTION_PAUSE:
        case ACTION_CONTINUE:
                ok = set_paused(apply, step, step->action == ACTION_PAUSE, error);
                return ok ? TRUE : error_prefix(error, "cannot %s vm '%s'", plan_action_name(step->action), step->name);
        case ACTION_UPDATE:
        case ACTION_REPAIR:
                ok = apply_update(apply, step, error);
                return ok ? TRUE : error_prefix(error, "cannot %s vm '%s'", plan_action_name(step->action), step->name);
        default:
                return TRUE;
        }
}
