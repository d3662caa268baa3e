/* check-vm.c - disks, boot, memory and the files that have to be there */
#include "parser/check.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_DEVICES = 24 };

static const guint64 small_memory_bytes = G_GUINT64_CONSTANT(64) << 20;

struct users {
        const struct check *check;
        GHashTable *files;   /* path -> int: errno of stat(), or -1 for a directory or device; so that each is looked at once */
        GHashTable *images;  /* path -> struct vm * that uses it as image */
        GHashTable *writers; /* path -> struct vm * that may write to it in place */
        GHashTable *readers; /* path -> struct vm * that reads it in place */
        GHashTable *named;   /* name of a project's disk -> struct vm * */
        GHashTable *hostnames;
};

/* ---- files ---- */

static int
look_at(const struct users *users, const char *path)
{
        gpointer known;
        struct stat status;
        int result = 0;

        if (g_hash_table_lookup_extended(users->files, path, NULL, &known))
                return GPOINTER_TO_INT(known);
        if (stat(path, &status) < 0)
                result = errno;
        else if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
                result = -1;
        g_hash_table_insert(users->files, (gpointer)path, GINT_TO_POINTER(result));
        return result;
}

static void
check_file(const struct users *users, const char *path, const char *subject, const struct vm *vm, struct place place)
{
        int result;

        if (!path || users->check->no_files)
                return;
        result = look_at(users, path);
        if (result == ENOENT || result == ENOTDIR)
                check_fault(users->check, "missing-file", place, "a path is relative to the file that it stands in",
                            "%s of vm '%s': there is no file '%s'", subject, vm->name, path);
        else if (result < 0)
                check_fault(users->check, "not-a-file", place, NULL, "%s of vm '%s': '%s' is not a regular file", subject,
                            vm->name, path);
        else if (result)
                check_fault(users->check, "file-unreadable", place, NULL, "%s of vm '%s': cannot look at '%s': %s", subject,
                            vm->name, path, g_strerror(result));
}

/* ---- disks ---- */

static struct place
disk_place(const struct disk *disk, const char *key)
{
        return project_place(disk->node, key);
}

/* One disk is one kind of thing: named, file, or the VM's own. */
static void
check_kind(const struct check *check, const struct vm *vm, const struct disk *disk)
{
        static const char *const not_for_named[] = {"name", "size", "format", "file", "media", NULL};
        const struct node *node = disk->node;

        if (disk->named && node->kind == NODE_MAP) {
                for (const char *const *key = not_for_named; *key; key++)
                        if (project_is_set(node, *key))
                                check_fault(check, "disk-two-kinds", disk_place(disk, *key),
                                            "write it under 'disks' at the top of the file",
                                            "disk '%s' of vm '%s': '%s' is not for a disk of the project", disk->named,
                                            vm->name, *key);
                return;
        }
        if (project_is_set(node, "file") && project_is_set(node, "size"))
                check_fault(check, "file-with-size", disk_place(disk, "size"), "remove 'size', or 'file' for a new disk",
                            "disk of vm '%s': a file that is used in place keeps its size", vm->name);
        if (disk->media == MEDIA_CDROM && !project_is_set(node, "file"))
                check_fault(check, "cdrom-without-file", disk_place(disk, "media"), "write 'file: ./some.iso'",
                            "disk of vm '%s': a cdrom needs a file", vm->name);
        else if (!project_is_set(node, "file") && !project_is_set(node, "size") && !project_is_set(node, "disk") &&
                 !project_is_set(node, "device") && node->kind == NODE_MAP)
                check_fault(check, "disk-without-size", node->place, "write 'size: 10G'",
                            "disk of vm '%s' has neither size nor file", vm->name);
}

static gboolean
is_own(const struct disk *disk)
{
        return disk->node && !disk->named && !disk->file && disk->node->kind == NODE_MAP &&
               !project_is_set(disk->node, "file") && !project_is_set(disk->node, "disk");
}

/* Not so after a fault that leaves open what it was meant to be. */
static gboolean
has_name(const struct disk *disk)
{
        return disk->node && (disk->named || disk->file || is_own(disk));
}

static void
check_disk_names(const struct check *check, const struct vm *vm)
{
        guint own = 0;

        for (guint i = 0; i < vm->disk_count; i++)
                own += is_own(&vm->disks[i]);
        for (guint i = 0; i < vm->disk_count; i++) {
                const struct disk *disk = &vm->disks[i];
                gboolean taken = strcmp(disk->name, "root") == 0;

                if (!has_name(disk))
                        continue;
                if (own > 1 && is_own(disk) && !project_is_set(disk->node, "name")) {
                        check_fault(check, "disk-without-name", disk->node->place,
                                    "write 'name: scratch', say: it is how the disk is known",
                                    "disk of vm '%s': with two or more of its own, each needs a name", vm->name);
                        continue;
                }
                for (guint j = 0; j < i && !taken; j++)
                        taken = has_name(&vm->disks[j]) && strcmp(disk->name, vm->disks[j].name) == 0;
                if (taken)
                        check_fault(check, "disk-name-twice",
                                    disk->node->kind == NODE_MAP ? disk_place(disk, disk->named ? "disk" : "name")
                                                                 : disk->node->place,
                                    strcmp(disk->name, "root") == 0 ? "the root disk, under 'disk', has this name" : NULL,
                                    "disks of vm '%s': it has a disk '%s' already", vm->name, disk->name);
        }
}

static const struct vm *
note_user(GHashTable *table, const char *what, const struct vm *vm)
{
        const struct vm *other = g_hash_table_lookup(table, what);

        if (!other)
                g_hash_table_insert(table, (gpointer)what, (gpointer)vm);
        return other;
}

static void
check_named_use(const struct users *users, const struct vm *vm, const struct disk *disk)
{
        const struct vm *other = note_user(users->named, disk->named, vm);

        if (other && other != vm)
                check_fault(users->check, "disk-shared",
                            disk->node->kind == NODE_MAP ? disk_place(disk, "disk") : disk->node->place,
                            "two guests that write to one disk destroy what is on it; give each its own",
                            "disks of vm '%s': vm '%s' uses the disk '%s' already", vm->name, other->name, disk->named);
}

/* A file that is written in place belongs to one VM alone. */
static void
check_file_use(const struct users *users, const struct vm *vm, const struct disk *disk)
{
        const struct vm *other = g_hash_table_lookup(users->writers, disk->file);
        struct place place = disk_place(disk, "file");

        if (!other && !disk->read_only)
                other = g_hash_table_lookup(users->readers, disk->file);
        if (other)
                check_fault(users->check, "file-shared", place, "give each its own, or write 'read_only: true' for all",
                            "disk of vm '%s': vm '%s' uses the file '%s' already", vm->name, other->name, disk->file);
        other = disk->read_only ? NULL : g_hash_table_lookup(users->images, disk->file);
        if (other)
                check_fault(users->check, "file-is-image", place, "write 'image' instead of 'file', for an overlay",
                            "disk of vm '%s': '%s' is the image of vm '%s', which breaks when the file is written to", vm->name,
                            disk->file, other->name);
        note_user(disk->read_only ? users->readers : users->writers, disk->file, vm);
}

static void
check_root(const struct users *users, const struct vm *vm)
{
        const struct check *check = users->check;
        const struct disk *root = vm->root;

        if (!root || !root->node)
                return;
        if (project_is_set(root->node, "file") && project_is_set(root->node, "size"))
                check_kind(check, vm, root);
        if (project_is_set(vm->node, "image")) {
                if (project_is_set(root->node, "file"))
                        check_fault(check, "image-and-file", disk_place(root, "file"), "remove one of the two",
                                    "disk of vm '%s': with 'file' the image is not used", vm->name);
                else if (root->format == FORMAT_RAW)
                        check_fault(check, "overlay-format", disk_place(root, "format"), "remove it",
                                    "disk of vm '%s': an overlay on an image can only be qcow2", vm->name);
        } else if (root->node->kind == NODE_MAP && !project_is_set(root->node, "file") && !project_is_set(root->node, "size") &&
                   !project_is_set(root->node, "device")) {
                check_fault(check, "root-without-size", project_place(vm->node, "disk"), "write 'disk: 10G', or an image",
                            "disk of vm '%s' has neither size nor file, and the vm has no image", vm->name);
        }
}

static void
check_disks(const struct users *users, const struct vm *vm)
{
        guint total = vm->disk_count + vm->nic_count + (vm->root ? 1 : 0);

        if (total > MAX_DEVICES)
                check_fault(users->check, "too-many-devices", vm->node->place, NULL,
                            "vm '%s' has %u disks and NICs, %d together is the most", vm->name, total, MAX_DEVICES);
        check_root(users, vm);
        if (vm->root && vm->root->file) {
                check_file(users, vm->root->file, "file of disk", vm, disk_place(vm->root, "file"));
                check_file_use(users, vm, vm->root);
        }
        for (guint i = 0; i < vm->disk_count; i++) {
                const struct disk *disk = &vm->disks[i];

                if (!disk->node)
                        continue;
                check_kind(users->check, vm, disk);
                if (disk->named)
                        check_named_use(users, vm, disk);
                else if (disk->file)
                        check_file_use(users, vm, disk);
                check_file(users, disk->named ? NULL : disk->file, "file of disk", vm, disk_place(disk, "file"));
        }
        check_disk_names(users->check, vm);
}

static void
check_named_disks(const struct check *check)
{
        for (guint i = 0; i < check->project->disk_count; i++) {
                const struct disk *disk = &check->project->disks[i];

                if (!disk->node ||
                    (disk->node->kind == NODE_MAP ? !project_is_set(disk->node, "size") : node_is_null(disk->node)))
                        check_fault(check, "named-disk-without-size", check_key_place(check, "disks", i), "write 'size: 10G'",
                                    "disk '%s' has no size", disk->name);
        }
}

/* ---- the rest of a VM ---- */

static void
check_boot(const struct users *users, const struct vm *vm)
{
        static const char *const needs_kernel[] = {"initrd", "cmdline", NULL};
        const struct boot *boot = &vm->boot;

        for (const char *const *key = needs_kernel; *key && !project_is_set(boot->node, "kernel"); key++)
                if (project_is_set(boot->node, *key))
                        check_fault(users->check, "boot-without-kernel", project_place(boot->node, *key),
                                    "write 'kernel' too, or remove it: without, the disk's own boot loader decides",
                                    "%s of boot of vm '%s' has no effect without a kernel", *key, vm->name);
        check_file(users, boot->kernel, "kernel", vm, project_place(boot->node, "kernel"));
        check_file(users, boot->initrd, "initrd", vm, project_place(boot->node, "initrd"));
}

static void
check_memory(const struct check *check, const struct vm *vm)
{
        if (vm->memory_bytes && vm->memory_bytes < small_memory_bytes)
                diagnostics_add(check->diagnostics, SEVERITY_WARNING, "small-memory", project_place(vm->node, "memory"),
                                "a Linux guest needs 96M or more", "memory of vm '%s' is too small for most systems", vm->name);
}

static void
check_hostname(const struct users *users, const struct vm *vm)
{
        const struct vm *other = note_user(users->hostnames, vm->hostname, vm);

        if (other)
                check_fault(users->check, "hostname-twice", project_place(vm->node, "hostname"), NULL,
                            "hostname of vm '%s': vm '%s' is called '%s' too", vm->name, other->name, vm->hostname);
}

void
check_vms(const struct check *check)
{
        g_autoptr(GHashTable) files = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GHashTable) images = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GHashTable) writers = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GHashTable) readers = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GHashTable) named = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GHashTable) hostnames = g_hash_table_new(g_str_hash, g_str_equal);
        struct users users = {check, files, images, writers, readers, named, hostnames};
        const struct project *project = check->project;

        check_named_disks(check);
        for (guint i = 0; i < project->vm_count; i++)
                if (project->vms[i].image)
                        note_user(images, project->vms[i].image, &project->vms[i]);
        for (guint i = 0; i < project->vm_count; i++) {
                const struct vm *vm = &project->vms[i];

                check_file(&users, vm->image, "image", vm, project_place(vm->node, "image"));
                check_disks(&users, vm);
                check_boot(&users, vm);
                check_memory(check, vm);
                check_hostname(&users, vm);
        }
}
