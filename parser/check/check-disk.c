/* check-disk.c - what a disk is: named, file, device or the VM's own; its size and its name */
#include "parser/check/check-users.h"

#include "parser/keys/keys.h"
#include "parser/value/disk-url.h"

#include <string.h>

enum { MAX_DEVICES = 24 };

static struct place
disk_place(const struct disk *disk, const char *key)
{
        return project_place(disk->node, key);
}

/* What says so: "file", "device", "url"; NULL: it is made here. */
static const char *
in_place_key(const struct node *node)
{
        static const char *const keys[] = {"file", "device", "url"};

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
                if (project_is_set(node, keys[i]))
                        return keys[i];
        return NULL;
}

static gboolean
is_in_place(const struct node *node)
{
        return in_place_key(node) != NULL;
}

/* What to do about a key that does not go with another one: "remove 'size'", or what drops the one below. */
static const char *
hint_of_two(const struct vm *vm, const struct node *node, const char *key, const char *other, const char *hint)
{
        if (!check_is_merged(node, key, node, other))
                return hint;
        return vm->root && node == vm->root->node ? "to drop what it is merged with, write 'disk: !override {...}'"
                                                  : "to drop what it is merged with, write 'disks: !override [...]'";
}

/* A device is there already, as it is. */
static void
check_device_kind(const struct check *check, const struct vm *vm, const struct disk *disk)
{
        const struct node *node = disk->node;

        if (!project_is_set(node, "device"))
                return;
        if (project_is_set(node, "file"))
                check_fault(check, "device-with-file", disk_place(disk, "file"),
                            hint_of_two(vm, node, "file", "device", "remove one of the two"),
                            "disk of vm '%s' is either a file or a device", vm->name);
        if (project_is_set(node, "size"))
                check_fault(check, "device-with-size", disk_place(disk, "size"),
                            hint_of_two(vm, node, "size", "device", "remove 'size'"),
                            "disk of vm '%s': a device that is used in place keeps its size", vm->name);
        if (disk->device && disk->format != FORMAT_RAW)
                check_fault(check, "device-format", disk_place(disk, "format"), "remove 'format'",
                            "disk of vm '%s': a device can only be raw", vm->name);
}

/* So is what is reached by a URL; of its content nobody has seen anything, so that no format is believed. */
static void
check_url_kind(const struct check *check, const struct vm *vm, const struct disk *disk)
{
        const struct node *node = disk->node;
        const char *other = in_place_key(node);

        if (!project_is_set(node, "url"))
                return;
        if (strcmp(other, "url") != 0)
                check_fault(check, "url-with-file", disk_place(disk, "url"),
                            hint_of_two(vm, node, "url", other, "remove one of the two"),
                            "disk of vm '%s' is either a %s or behind a URL", vm->name, other);
        if (project_is_set(node, "size"))
                check_fault(check, "url-with-size", disk_place(disk, "size"),
                            hint_of_two(vm, node, "size", "url", "remove 'size'"),
                            "disk of vm '%s': what is behind a URL keeps its size", vm->name);
        if (disk->url && disk->format != FORMAT_RAW)
                check_fault(check, "url-format", disk_place(disk, "format"),
                            disk_url_is_web(disk->url) ? "fetch it as an 'image'" : "let the server open it: qemu-nbd -f qcow2",
                            "disk of vm '%s': what is behind a URL can only be raw", vm->name);
        if (disk->url && disk_url_is_web(disk->url) && !disk->read_only)
                check_fault(check, "url-read-only", disk_place(disk, "read_only"), "remove it",
                            "disk of vm '%s': nobody can write to what is behind http or https", vm->name);
}

/* One disk is one kind of thing: named, file, device, or the VM's own. */
static void
check_kind(const struct check *check, const struct vm *vm, const struct disk *disk)
{
        static const char *const not_for_named[] = {"name", "size", "format", "preallocation", "cluster_size",
                                                    "compression_type", "encryption", "file", "device", "url", "media",
                                                    NULL};
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
                check_fault(check, "file-with-size", disk_place(disk, "size"),
                            hint_of_two(vm, node, "size", "file", "remove 'size', or 'file' for a new disk"),
                            "disk of vm '%s': a file that is used in place keeps its size", vm->name);
        check_device_kind(check, vm, disk);
        check_url_kind(check, vm, disk);
        if (disk->media == MEDIA_CDROM && !is_in_place(node))
                check_fault(check, "cdrom-without-file", disk_place(disk, "media"), "write 'file: ./some.iso'",
                            "disk of vm '%s': a cdrom needs a file", vm->name);
        else if (!is_in_place(node) && !project_is_set(node, "size") && !project_is_set(node, "disk") &&
                 node->kind == NODE_MAP && !check_has_unknown(node, &keys_vm_disk))
                check_fault(check, "disk-without-size", node->place, "write 'size: 10G'",
                            "disk of vm '%s' has neither size nor file", vm->name);
}

/* What a raw file cannot have. */
static void
check_raw_making(const struct check *check, const struct disk *disk, const char *title)
{
        if (disk->format != FORMAT_RAW)
                return;
        if (disk->preallocated && disk->preallocation == PREALLOCATION_METADATA)
                check_fault(check, "raw-metadata", disk_place(disk, "preallocation"),
                            "write 'falloc' or 'full', or 'format: qcow2'", "%s: a raw file has no metadata", title);
        if (disk->cluster_bytes)
                check_fault(check, "raw-clusters", disk_place(disk, "cluster_size"), "remove it, or write 'format: qcow2'",
                            "%s: a raw file has no clusters", title);
        if (disk->has_compression)
                check_fault(check, "raw-compression", disk_place(disk, "compression_type"),
                            "remove it, or write 'format: qcow2'", "%s: a raw file is never packed", title);
        if (disk->encryption)
                check_fault(check, "raw-encryption", disk_place(disk, "encryption"), "remove it, or write 'format: qcow2'",
                            "%s: only a qcow2 file is encrypted", title);
}

/* How a disk is made. @vm: NULL: one of the project's; @overlay: on an image */
static void
check_making(const struct users *users, const struct vm *vm, const struct disk *disk, gboolean overlay)
{
        static const char *const keys[] = {"preallocation", "cluster_size", "compression_type", "encryption"};
        const struct check *check = users->check;
        g_autofree char *title = NULL;

        if (!disk->preallocated && !disk->cluster_bytes && !disk->has_compression && !disk->encryption)
                return;
        title = vm ? g_strdup_printf("disk '%s' of vm '%s'", disk->name, vm->name) : g_strdup_printf("disk '%s'", disk->name);
        for (size_t i = 0; i < G_N_ELEMENTS(keys) && is_in_place(disk->node); i++)
                if (project_is_set(disk->node, keys[i]))
                        check_fault(check, "making-in-place", disk_place(disk, keys[i]), "remove it",
                                    "%s: '%s' is for a disk that is made here, and this one is used in place", title, keys[i]);
        if (is_in_place(disk->node))
                return;
        if (disk->preallocated && overlay)
                check_fault(check, "overlay-preallocation", disk_place(disk, "preallocation"), "remove it",
                            "%s: an overlay on an image takes room as it is written", title);
        check_raw_making(check, disk, title);
        if (disk->cluster_bytes & (disk->cluster_bytes - 1))
                check_fault(check, "cluster-size", disk_place(disk, "cluster_size"), "write 64K or 128K, say",
                            "%s: the size of a cluster is a power of two", title);
        if (disk->encryption)
                check_file(users, (struct wanted_file){disk->encryption->key_file, "key_file of encryption", "disk", disk->name,
                                                       disk->encryption->node, "key_file"});
}

static gboolean
is_own(const struct disk *disk)
{
        return disk->node && !disk->named && disk->node->kind == NODE_MAP && !is_in_place(disk->node) &&
               !project_is_set(disk->node, "disk");
}

/* Not so after a fault that leaves open what it was meant to be. */
static gboolean
has_name(const struct disk *disk)
{
        return disk->node && (disk->named || disk_in_place(disk) || is_own(disk));
}

static void
check_disk_names(const struct check *check, const struct vm *vm)
{
        gboolean told = FALSE;
        guint own = 0;

        for (guint i = 0; i < vm->disk_count; i++)
                own += is_own(&vm->disks[i]);
        for (guint i = 0; i < vm->disk_count; i++) {
                const struct disk *disk = &vm->disks[i];
                gboolean taken = strcmp(disk->name, "root") == 0;

                if (!has_name(disk))
                        continue;
                if (own > 1 && is_own(disk) && !project_is_set(disk->node, "name")) {
                        if (!told)
                                check_fault(check, "disk-without-name", disk->node->place,
                                            "write 'name: scratch', say: it is how the disk is known",
                                            "disk of vm '%s': with two or more of its own, each needs a name", vm->name);
                        told = TRUE;
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

static void
check_root(const struct check *check, const struct vm *vm)
{
        const struct disk *root = vm->root;

        if (!root || !root->node || (root->node->kind != NODE_MAP && root->format != FORMAT_RAW))
                return;
        if (is_in_place(root->node))
                check_kind(check, vm, root);
        if (project_is_set(vm->node, "image")) {
                const char *in_place = in_place_key(root->node);

                if (in_place)
                        check_fault(check, "image-and-file", disk_place(root, in_place),
                                    check_is_merged(vm->node, "image", root->node, in_place)
                                            ? "write 'image: !reset' to do without the inherited image"
                                            : "remove one of the two",
                                    "disk of vm '%s': with '%s' the image is not used", vm->name, in_place);
                else if (root->format == FORMAT_RAW)
                        check_fault(check, "overlay-format", disk_place(root, "format"), "remove it",
                                    "disk of vm '%s': an overlay on an image can only be qcow2", vm->name);
        } else if (root->node->kind == NODE_MAP && !is_in_place(root->node) && !project_is_set(root->node, "size") &&
                   !check_has_unknown(root->node, &keys_root_disk)) {
                check_fault(check, "root-without-size", project_place(vm->node, "disk"), "write 'disk: 10G', or an image",
                            "disk of vm '%s' has neither size nor file, and the vm has no image", vm->name);
        }
}

void
check_disks(const struct users *users, const struct vm *vm)
{
        guint total = vm->disk_count + vm->nic_count + (vm->root ? 1 : 0);

        if (total > MAX_DEVICES)
                check_fault(users->check, "too-many-devices", vm->node->place, NULL,
                            "vm '%s' has %u disks and NICs, %d together is the most", vm->name, total, MAX_DEVICES);
        check_root(users->check, vm);
        if (vm->root && vm->root->node)
                check_making(users, vm, vm->root, vm_has_image(vm));
        if (vm->root && vm->root->node)
                check_disk_use(users, vm, vm->root);
        for (guint i = 0; i < vm->disk_count; i++) {
                const struct disk *disk = &vm->disks[i];

                if (!disk->node)
                        continue;
                check_kind(users->check, vm, disk);
                check_disk_use(users, vm, disk);
                if (!disk->named)
                        check_making(users, vm, disk, FALSE);
        }
        check_disk_names(users->check, vm);
        check_drives(users->check, vm);
        check_serials(users->check, vm);
}

void
check_named_disks(const struct users *users)
{
        const struct check *check = users->check;

        for (guint i = 0; i < check->project->declared_disk_count; i++) {
                const struct disk *disk = &check->project->declared_disks[i];

                gboolean without = !disk->node || (disk->node->kind == NODE_MAP ? !project_is_set(disk->node, "size")
                                                                                : node_is_null(disk->node));

                if (without && !(disk->node && check_has_unknown(disk->node, &keys_disk)))
                        check_fault(check, "named-disk-without-size", check_key_place(check, "disks", i), "write 'size: 10G'",
                                    "disk '%s' has no size", disk->name);
                if (disk->node)
                        check_making(users, NULL, disk, FALSE);
        }
}
