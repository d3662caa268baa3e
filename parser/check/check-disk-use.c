/* check-disk-use.c - how disks are used: by one VM alone unless shared, on which bus, under which serial number */
#include "parser/check/check-users.h"

#include <string.h>

enum { MAX_USB = 14 }; /* ports of the controller, less one for the pointer of a display */

static struct place
disk_place(const struct disk *disk, const char *key)
{
        return project_place(disk->node, key);
}

/* ---- who uses it ---- */

/* The first user of something; who asks is noted when there is none. */
static const struct user *
note_disk(const struct users *users, GHashTable *table, const char *what, const struct vm *vm, const struct disk *disk)
{
        const struct user *first = g_hash_table_lookup(table, what);
        struct user *user;

        if (first)
                return first;
        user = store_alloc(users->check->store, sizeof *user);
        *user = (struct user){vm, disk};
        g_hash_table_insert(table, (gpointer)what, user);
        return NULL;
}

static gboolean
are_sharing(const struct user *user, const struct disk *disk)
{
        return user->disk->shared && disk->shared;
}

static void
check_named_use(const struct users *users, const struct vm *vm, const struct disk *disk)
{
        const struct user *other = note_disk(users, users->named, disk->named, vm, disk);

        if (other && other->vm != vm && !are_sharing(other, disk))
                check_fault(users->check, "disk-shared",
                            disk->node->kind == NODE_MAP ? disk_place(disk, "disk") : disk->node->place,
                            "two guests that write to one disk destroy what is on it; give each its own, or, for a file system "
                            "made for this, write 'shared: true' for both",
                            "disks of vm '%s': vm '%s' uses the disk '%s' already", vm->name, other->vm->name, disk->named);
}

/* A file or device that is written in place belongs to one VM alone. */
static void
check_path_use(const struct users *users, const struct vm *vm, const struct disk *disk)
{
        const char *key = disk->file ? "file" : disk->device ? "device" : "url", *path = disk_in_place(disk);
        const struct user *other = g_hash_table_lookup(users->writers, path);
        const struct vm *image = disk->read_only ? NULL : g_hash_table_lookup(users->images, path);
        struct place place = disk_place(disk, key);

        if (!other && !disk->read_only)
                other = g_hash_table_lookup(users->readers, path);
        if (other && !are_sharing(other, disk))
                check_fault(users->check, "file-shared", place,
                            "give each its own, or write 'read_only: true' for all, or 'shared: true' for both",
                            "disk of vm '%s': vm '%s' uses the %s '%s' already", vm->name, other->vm->name, key, path);
        if (image)
                check_fault(users->check, "file-is-image", place, "write 'image' instead of 'file', for an overlay",
                            "disk of vm '%s': '%s' is the image of vm '%s', which breaks when the %s is written to", vm->name,
                            path, image->name, key);
        note_disk(users, disk->read_only ? users->readers : users->writers, path, vm, disk);
}

static void
check_shared(const struct check *check, const struct vm *vm, const struct disk *disk)
{
        if (!disk->shared)
                return;
        if (!disk->named && !disk_in_place(disk))
                check_fault(check, "shared-own", disk_place(disk, "shared"), "name it under 'disks' at the top of the file",
                            "disk of vm '%s': no other VM can use a disk of the VM's own", vm->name);
        else if (disk->format != FORMAT_RAW || disk->format_unknown)
                check_fault(check, "shared-format", disk_place(disk, "shared"),
                            disk->named ? "write 'format: raw' for it, under 'disks' at the top of the file"
                                        : "write 'format: raw' if that is what it is",
                            "disk of vm '%s': only a raw disk can be shared", vm->name);
}

/* ---- bus and serial number ---- */

static gboolean
is_q35(const struct vm *vm)
{
        return strcmp(vm->machine, "q35") == 0 || g_str_has_prefix(vm->machine, "pc-q35-");
}

static void
check_bus(const struct check *check, const struct vm *vm, const struct disk *disk)
{
        if (disk->media == MEDIA_CDROM && (disk->bus == BUS_VIRTIO || disk->bus == BUS_NVME))
                check_fault(check, "cdrom-bus", disk_place(disk, "bus"), "remove it, or write sata, scsi, ide or usb",
                            "disk of vm '%s': there are no CD-ROM drives on this bus", vm->name);
        if (disk->bus == BUS_IDE && is_q35(vm))
                check_fault(check, "bus-machine", disk_place(disk, "bus"), "write 'bus: sata', or 'machine: pc'",
                            "disk of vm '%s': machine '%s' has no IDE", vm->name, vm->machine);
        if (disk->bus == BUS_SATA && !is_q35(vm) && project_is_set(disk->node, "bus"))
                check_fault(check, "bus-sata", disk_place(disk, "bus"), "write 'bus: ide', or 'machine: q35'",
                            "disk of vm '%s': machine '%s' has no SATA", vm->name, vm->machine);
        if ((disk->bus == BUS_SATA || disk->bus == BUS_IDE) && disk->read_only && disk->media != MEDIA_CDROM)
                check_fault(check, "bus-read-only", disk_place(disk, "bus"), "write virtio, scsi, nvme or usb",
                            "disk of vm '%s': a disk on this bus cannot be read-only", vm->name);
}

/* SATA and IDE are on the board, with so many ports: q35 has six, pc two channels of two. */
void
check_drives(const struct check *check, const struct vm *vm)
{
        guint ports = is_q35(vm) ? 6 : 4, count = 0, sticks = 0;

        for (guint i = 0; i <= vm->disk_count; i++) {
                const struct disk *disk = i ? &vm->disks[i - 1] : vm->root;

                if (disk && disk->node && disk->bus == BUS_USB && ++sticks == MAX_USB + 1)
                        check_fault(check, "too-many-usb", disk->node->place, NULL, "vm '%s': USB has room for %d disks",
                                    vm->name, MAX_USB);
                if (disk && disk->node && (disk->bus == BUS_SATA || disk->bus == BUS_IDE) && ++count == ports + 1)
                        check_fault(check, "too-many-drives", disk->node->place,
                                    is_q35(vm) ? NULL : "'machine: q35' has 6",
                                    "vm '%s': machine '%s' has room for %u CD-ROM, SATA and IDE drives", vm->name, vm->machine,
                                    ports);
        }
}

void
check_serials(const struct check *check, const struct vm *vm)
{
        g_autoptr(GHashTable) seen = NULL;

        for (guint i = 0; i <= vm->disk_count; i++) {
                const struct disk *disk = i ? &vm->disks[i - 1] : vm->root;

                if (!disk || !disk->serial)
                        continue;
                if (!seen)
                        seen = g_hash_table_new(g_str_hash, g_str_equal);
                if (strlen(disk->serial) > disk_serial_room(disk->bus))
                        check_fault(check, "serial-room", disk_place(disk, "serial"), NULL,
                                    "disk of vm '%s': on this bus a serial number has %u characters at most, and this one %zu",
                                    vm->name, disk_serial_room(disk->bus), strlen(disk->serial));
                if (!g_hash_table_add(seen, (gpointer)disk->serial))
                        check_fault(check, "serial-twice", disk_place(disk, "serial"), NULL,
                                    "disks of vm '%s': another one has the serial number '%s'", vm->name, disk->serial);
        }
}

void
check_disk_use(const struct users *users, const struct vm *vm, const struct disk *disk)
{
        if (disk->named)
                check_named_use(users, vm, disk);
        else if (disk_in_place(disk))
                check_path_use(users, vm, disk);
        if (!disk->named) {
                check_file(users, (struct wanted_file){disk->file, "file of disk", "vm", vm->name, disk->node, "file"});
                check_device(users, (struct wanted_file){disk->device, "device of disk", "vm", vm->name, disk->node, "device"});
        }
        check_shared(users->check, vm, disk);
        check_bus(users->check, vm, disk);
}
