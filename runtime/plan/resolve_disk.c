/* resolve_disk.c - which file is behind each disk of a VM, and whether it can be used here */
#include "runtime/plan/resolve_build.h"

#include "base/error.h"
#include "base/text.h"
#include "runtime/storage/cache.h"

#include <errno.h>
#include <string.h>

/* What was said of an image or a file that is used in place, as a fault of the file. */
static void
add_image_fault(struct resolved_vm *vm, const char *subject, const char *path, struct place place, const GError *error)
{
        if (g_error_matches(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                resolve_missing(vm, subject, path, place, ENOENT);
        else
                faults_add(&vm->faults, "image-refused", place, NULL, "vm '%s': %s", vm->vm->name, error->message);
}

/* An overlay that is still to be made: on the image as it was just looked at. */
static void
resolve_new_overlay(struct resolved_vm *vm, const struct disk *disk, struct kept_disk *kept, const struct world *world)
{
        const struct probed_image *image = world_image(world, vm->image);

        g_free(kept->backing_path);
        kept->backing_path = g_strdup(vm->image);
        vm->fetch = !vm->image;
        if (!image)
                return;
        if (image->error) {
                add_image_fault(vm, "image", vm->image, project_place(vm->vm->node, "image"), image->error);
                return;
        }
        kept->backing = image->info;
        if (disk->size_bytes && disk->size_bytes < image->info.virtual_size_bytes) {
                g_autofree char *size = text_format_size(disk->size_bytes);
                g_autofree char *least = text_format_size(image->info.virtual_size_bytes);
                g_autofree char *hint = g_strdup_printf("write %s or more, or leave the size out", least);

                faults_add(&vm->faults, "disk-below-image", project_place(disk->node, "size"), hint,
                           "vm '%s': a disk of %s is smaller than its image '%s' (%s)", vm->vm->name, size, vm->image, least);
        }
}

static void
check_old_overlay(struct resolved_vm *vm, const struct kept_disk *kept, const struct world *world)
{
        struct place place = project_place(vm->vm->node, "image");
        gboolean can_fetch = vm->expected && cache_is_same(kept->backing_path, vm->expected);
        g_autofree char *hint = g_strdup_printf(can_fetch ? "'drover pull %s' fetches it again"
                                                          : "put the old one back, or 'drover up --fresh %s' makes a new disk "
                                                            "(its data is lost)",
                                                vm->vm->name);
        struct image_info now;

        if (!world->images || !kept->backing_path)
                return; /* nobody means to start anything */
        if (!image_stat(kept->backing_path, &now))
                faults_add(&vm->faults, "image-gone", place, hint, "vm '%s': image '%s' is gone, and disk '%s' stands on it",
                           vm->vm->name, kept->backing_path, kept->name);
        else if (!image_is_same(&now, &kept->backing) && !cache_is_intact(kept->backing_path))
                faults_add(&vm->faults, "image-changed", place, hint,
                           "vm '%s': image '%s' has changed since disk '%s' was made on it", vm->vm->name, kept->backing_path,
                           kept->name);
}

/* A disk of the VM's own, in its data directory. */
static void
resolve_own_disk(struct resolved *resolved, struct resolved_vm *vm, struct launch_disk *out, const struct world *world,
                 gboolean fresh)
{
        const struct disk *disk = out->disk;
        const char *format = disk->format == FORMAT_RAW ? "raw" : "qcow2";
        struct kept_disk *kept = spec_disk(vm->spec, disk->name);
        gboolean overlay = disk->is_root && vm_has_image(vm->vm);
        g_autofree char *path =
                kept ? paths_vm_disk(world->paths, vm->vm->name, disk->name, kept->generation, kept->format) : NULL;
        /* What a disk was made from counts as long as there is that disk. */
        gboolean anew = fresh || !path || !g_hash_table_contains(world->files, path);

        if (kept && anew) {
                kept->generation += fresh;
                g_free(kept->format);
                kept->format = g_strdup(format);
                g_clear_pointer(&kept->backing_path, g_free);
        } else if (kept) {
                check_old_overlay(vm, kept, world);
        }
        if (disk->is_root)
                vm->new_root = anew;
        if (anew) {
                if (!kept)
                        kept = spec_keep_disk(vm->spec, disk->name, format);
                if (overlay)
                        resolve_new_overlay(vm, disk, kept, world);
        }
        g_free(path);
        path = paths_vm_disk(world->paths, vm->vm->name, disk->name, kept->generation, kept->format);
        out->path = resolve_keep(resolved, path);
        out->format = resolve_keep(resolved, kept->format);
        out->backing_path = kept->backing_path ? resolve_keep(resolved, kept->backing_path) : NULL;
        out->backing_format = kept->backing_path ? resolve_keep(resolved, kept->backing.format) : NULL;
}

/* A file that is used in place is what its content says, and a driver that nobody vouched for gets none. */
static void
check_file_format(struct resolved_vm *vm, const struct launch_disk *disk, const char *found)
{
        const struct node *node = disk->disk->node;

        if (strcmp(disk->format, found) != 0) {
                g_autofree char *hint = g_strdup_printf("write 'format: %s', or leave it out", found);

                faults_add(&vm->faults, "file-format", project_place(node, "format"), hint, "vm '%s': '%s' is %s, not %s",
                           vm->vm->name, disk->path, found, disk->format);
        }
        if (strcmp(disk->format, "raw") != 0 && strcmp(disk->format, "qcow2") != 0)
                faults_add(&vm->faults, "file-format", project_place(node, "file"), "convert it with 'qemu-img convert'",
                           "vm '%s': a %s file cannot be used in place", vm->vm->name, disk->format);
}

static void
resolve_file_disk(struct resolved *resolved, struct resolved_vm *vm, struct launch_disk *out, const struct world *world)
{
        const struct disk *disk = out->disk;
        const struct probed_image *image = world_image(world, disk->file);
        const char *found = image && !image->error ? image->info.format : NULL;
        const char *wish = disk->format == FORMAT_RAW ? "raw" : "qcow2";

        out->path = disk_in_place(disk);
        if (disk->media == MEDIA_CDROM || disk->device || disk->url) {
                out->format = "raw";
                return;
        }
        out->format = !disk->format_unknown ? wish : found ? resolve_keep(resolved, found) : "raw";
        if (found)
                check_file_format(vm, out, found);
        else if (image)
                add_image_fault(vm, "file of disk", disk->file, project_place(disk->node, "file"), image->error);
}

static void
resolve_named_disk(struct resolved *resolved, struct resolved_vm *vm, struct launch_disk *out, const struct world *world)
{
        const struct disk *disk = out->disk, *wish = project_find_disk(resolved->store->project, disk->named);
        gboolean raw = disk->format == FORMAT_RAW;
        const char *format = raw ? "raw" : "qcow2", *other = raw ? "qcow2" : "raw";
        g_autofree char *path = paths_named_disk(world->paths, disk->named, 0, format);
        g_autofree char *old = paths_named_disk(world->paths, disk->named, 0, other);

        if (g_hash_table_contains(world->files, old) && !g_hash_table_contains(world->files, path)) {
                g_autofree char *hint = g_strdup_printf("write 'format: %s', or remove '%s' for an empty one", other, old);

                faults_add(&vm->faults, "disk-format", project_place(wish ? wish->node : disk->node, "format"), hint,
                           "vm '%s': disk '%s' is there as %s, not %s", vm->vm->name, disk->named, other, format);
        }
        out->path = resolve_keep(resolved, path);
        out->format = format;
}

/* A disk grows when its size in the file grows, and is never shrunk. */
static void
check_size(struct resolved *resolved, struct resolved_vm *vm, const struct launch_disk *disk, const struct world *world)
{
        const struct project *project = resolved->store->project;
        const struct disk *wish = disk->disk->named ? project_find_disk(project, disk->disk->named) : disk->disk;
        const struct disk_head *head = g_hash_table_lookup(world->files, disk->path);
        g_autofree char *has = NULL, *wanted = NULL, *hint = NULL;

        if (disk_in_place(disk->disk) || !head || !disk->disk->size_bytes || disk->disk->size_bytes >= head->size_bytes)
                return;
        has = text_format_size(head->size_bytes);
        wanted = text_format_size(disk->disk->size_bytes);
        hint = disk->disk->named
                       ? g_strdup_printf("write %s or more", has)
                       : g_strdup_printf("write %s or more; 'drover up --fresh %s' makes a new disk (its data is lost)", has,
                                         vm->vm->name);
        faults_add(&vm->faults, "disk-shrunk", project_place(wish ? wish->node : NULL, "size"), hint,
                   "vm '%s': disk '%s' has %s and is never shrunk to %s", vm->vm->name, disk->disk->name, has, wanted);
}

static void
check_key(struct resolved_vm *vm, const struct launch_disk *disk, const struct world *world)
{
        const struct probed_key *key = world_key(world, disk->key_file);

        if (key && key->error)
                faults_add(&vm->faults, "disk-key", project_place(disk->disk->encryption->node, "key_file"), NULL,
                           "vm '%s': the key of disk '%s' cannot be used: %s", vm->vm->name, disk->disk->name,
                           key->error->message);
}

/* What is there is opened as it is; what is to be made will be as the file says. */
static void
resolve_encryption(struct resolved *resolved, struct resolved_vm *vm, struct launch_disk *disk, const struct world *world)
{
        const struct disk_head *head = g_hash_table_lookup(world->files, disk->path);
        const struct encryption *wish = disk->disk->encryption;
        const struct disk *named = disk->disk->named ? project_find_disk(resolved->store->project, disk->disk->named) : NULL;
        const struct node *node = named ? named->node : disk->disk->node;
        g_autofree char *hint = NULL;

        if (disk_in_place(disk->disk))
                return;
        disk->key_file = wish && (!head || head->encrypted) ? wish->key_file : NULL;
        check_key(vm, disk, world);
        if (!head || head->encrypted == (wish != NULL) || (wish && !named))
                return;
        hint = named ? g_strdup_printf("%s, or remove '%s' for an empty one",
                                       wish ? "take 'encryption' out" : "write 'encryption: {key_file: ...}'", disk->path)
                     : g_strdup_printf("write 'encryption: {key_file: ...}'; 'drover up --fresh %s' makes a new disk (its data "
                                       "is lost)",
                                       vm->vm->name);
        faults_add(&vm->faults, "disk-encryption", project_place(node, wish ? "encryption" : NULL), hint,
                   wish ? "vm '%s': disk '%s' is there, and is not encrypted"
                        : "vm '%s': disk '%s' is encrypted, and the file names no key",
                   vm->vm->name, disk->disk->name);
}

static void
resolve_place(struct resolved_vm *vm, struct launch_disk *out)
{
        const struct disk *disk = out->disk;
        g_autofree char *id = qemu_disk_place_id(disk);

        out->port = resolve_port(vm, id, disk->node);
        if (out->port >= qemu_disk_places(disk, vm->vm->machine))
                faults_add(&vm->faults, "no-place", project_place(disk->node, NULL),
                           "places of disks that were removed are free once it has stopped",
                           "vm '%s' has no place left for disk '%s' on its bus", vm->vm->name, disk->name);
}

static void
resolve_disk(struct resolved *resolved, struct resolved_vm *vm, const struct disk *disk, struct launch_disk *out,
             const struct world *world, gboolean fresh)
{
        out->disk = disk;
        resolve_place(vm, out);
        if (disk_in_place(disk))
                resolve_file_disk(resolved, vm, out, world);
        else if (disk->named)
                resolve_named_disk(resolved, vm, out, world);
        else
                resolve_own_disk(resolved, vm, out, world, fresh);
        resolve_encryption(resolved, vm, out, world);
        check_size(resolved, vm, out, world);
}

/* What cloud-init reads, a CD-ROM behind all others. It is made before the VM starts. */
static void
resolve_seed(struct resolved *resolved, struct resolved_vm *vm, struct launch_disk *out, const struct world *world)
{
        g_autofree char *path = paths_seed(world->paths, vm->vm->name);
        struct disk *disk = g_new0(struct disk, 1);

        g_ptr_array_add(resolved->store->lists, disk);
        disk->name = QEMU_SEED;
        disk->file = resolve_keep(resolved, path);
        disk->media = MEDIA_CDROM;
        disk->bus = BUS_SCSI; /* what every cloud image has a driver for, where the disks are virtio */
        disk->read_only = TRUE;
        *out = (struct launch_disk){.disk = disk, .port = QEMU_SEED_PLACE, .path = disk->file, .format = "raw"};
}

void
resolve_disks(struct resolved *resolved, struct resolved_vm *vm, const struct world *world, gboolean fresh)
{
        guint count = vm->vm->disk_count + (vm->vm->root ? 1 : 0) + vm_wants_seed(vm->vm), n = 0;
        struct launch_disk *disks = (struct launch_disk *)vm->launch.disks;

        if (!disks)
                disks = g_new0(struct launch_disk, count);
        vm->image = world_image_path(world, resolved->store->project, vm->vm);
        vm->expected = world_image_expected(world, resolved->store->project, vm->vm);
        if (vm->vm->root)
                resolve_disk(resolved, vm, vm->vm->root, &disks[n++], world, fresh);
        for (guint i = 0; i < vm->vm->disk_count; i++)
                resolve_disk(resolved, vm, &vm->vm->disks[i], &disks[n++], world, fresh);
        if (vm_wants_seed(vm->vm))
                resolve_seed(resolved, vm, &disks[n++], world);
        vm->launch.disks = disks;
        vm->launch.disk_count = count;
}

/* ---- files that somebody else has open ---- */

/* Somebody else than the VM itself; NULL: nobody. */
static const struct file_use *
find_use(const struct resolved_vm *vm, const char *path, const struct world *world)
{
        const struct vm_world *found = world_vm(world, vm->vm->name);
        const struct file_use *use = path && world->uses ? g_hash_table_lookup(world->uses, path) : NULL;

        return use && use->pid && found && use->pid == found->pid ? NULL : use;
}

static void
check_use(struct resolved_vm *vm, const char *path, struct place place, const struct world *world)
{
        const struct file_use *use = find_use(vm, path, world);

        if (use)
                faults_add_in_use(&vm->faults, vm->vm->name, place, use, vm->launch.project, NULL);
}

/* A disk of another VM of the project: that one may let go of it before this one needs it, which only the plan knows. */
static void
check_disk_use(struct resolved_vm *vm, const struct launch_disk *disk, const struct world *world)
{
        const struct file_use *use = find_use(vm, disk->path, world);
        const char *key = disk->disk->file ? "file" : disk->disk->device ? "device" : NULL;
        struct taken taken = {use, disk->disk->name, {NULL}};

        if (!use)
                return;
        taken.place = project_place(disk->disk->node, key);
        if (!use->vm || strcmp(use->project, vm->launch.project) != 0) {
                check_use(vm, disk->path, taken.place, world);
                return;
        }
        if (!vm->taken)
                vm->taken = g_array_new(FALSE, FALSE, sizeof(struct taken));
        g_array_append_val(vm->taken, taken);
}

void
resolve_uses(struct resolved_vm *vm, const struct world *world)
{
        g_clear_pointer(&vm->taken, g_array_unref);
        for (guint i = 0; i < vm->launch.disk_count; i++) {
                const struct launch_disk *disk = &vm->launch.disks[i];

                check_disk_use(vm, disk, world);
                check_use(vm, disk->backing_path, project_place(vm->vm->node, "image"), world);
        }
}
