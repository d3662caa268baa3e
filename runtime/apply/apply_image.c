/* apply_image.c - the step that fetches an image, and what its VMs learn from it */
#include "runtime/apply/apply.h"

#include "base/error.h"
#include "runtime/storage/image.h"
#include "runtime/storage/source.h"

#include <string.h>

/* What the plan could not know yet: which file the new disk lies on. The disk's step waits for this one. */
static void
give_image(struct resolved_vm *vm, const char *path, const struct image_info *info)
{
        struct kept_disk *kept = spec_disk(vm->spec, "root");
        struct launch_disk *disk = (struct launch_disk *)vm->launch.disks;

        if (!kept)
                return;
        g_free(kept->backing_path);
        kept->backing_path = g_strdup(path);
        kept->backing = *info;
        disk->backing_path = kept->backing_path;
        disk->backing_format = kept->backing.format;
        vm->fetch = FALSE;
}

static gboolean
is_new_disk(const struct session *session, const struct resolved_vm *vm)
{
        return vm->launch.disk_count && vm->launch.disks[0].disk->is_root && !disk_in_place(vm->launch.disks[0].disk) &&
               !g_hash_table_contains(session->world->files, vm->launch.disks[0].path);
}

static gboolean
check_format(const struct image *image, const struct image_info *info, GError **error)
{
        static const char *const names[] = {"qcow2", "raw", "vmdk", "vdi", "vhdx"};

        if (!image || !image->has_format || strcmp(names[image->format], info->format) == 0)
                return TRUE;
        error_set(error, DROVER_ERROR_CONFIG, "it is %s, not %s", info->format, names[image->format]);
        return error_hint(error, "write 'format: %s' in 'images', or leave it out", info->format);
}

gboolean
apply_image(struct apply *apply, const struct plan_step *step, GError **error)
{
        const struct session *session = apply->session;
        const struct project *project = session->project;
        const struct image_source source = image_source_of(project, &project->vms[step->index]);
        const struct cache_watch watch = {
                .progress = transfer_note,
                .waiting = transfer_wait,
                .data = step->transfer,
                .stop = (const int *)apply->options->cancel,
        };
        g_autofree char *key = image_source_key(&source), *path = NULL;
        struct image_info info;

        if (!cache_fetch(session->world->paths->cache, &source.remote, apply->plan->pull == PULL_ALWAYS, &watch, &path, error))
                return FALSE;
        if (!image_probe(path, apply->host.user, NULL, &info, error) ||
            !check_format(vm_named_image(project, &project->vms[step->index]), &info, error))
                return FALSE;
        image_remember(session->world->paths->cache, path, &info);
        for (guint i = 0; i < session->resolved->vm_count; i++) {
                struct resolved_vm *vm = &session->resolved->vms[i];
                const struct image_source other = image_source_of(project, vm->vm);
                g_autofree char *other_key = image_source_key(&other);

                if (g_strcmp0(key, other_key) == 0 && (vm->fetch || apply->plan->pull == PULL_ALWAYS) &&
                    is_new_disk(session, vm))
                        give_image(vm, path, &info);
        }
        return TRUE;
}
