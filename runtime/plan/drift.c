/* drift.c - where a VM that runs is not what its spec says, and which changes of it can be made while it runs
 *
 * What QEMU has was asked of it (world.h, struct actual). Devices of ours are those whose port the spec keeps: what somebody
 * plugged in with a monitor, or with qemu_args, is not ours and stays.
 */
#include "runtime/plan/plan_build.h"

#include "base/text.h"
#include "parser/value/value.h"

#include <string.h>

static void
add_drift(GPtrArray *changes, const char *key, const char *from, const char *to)
{
        if (plan_changes_find(changes, key))
                return;
        plan_changes_add(changes, key, from, to, CHANGE_LIVE);
        ((struct plan_change *)g_ptr_array_index(changes, changes->len - 1))->drift = TRUE;
}

static char *
disk_key(const struct disk *disk)
{
        return disk->is_root ? g_strdup("disk") : g_strconcat("disks.", disk->name, NULL);
}

/* What it was started with, or given since, and has no longer. */
static void
add_missing(const struct vm_world *found, const struct launch *launch, GPtrArray *changes)
{
        for (guint i = 0; i < launch->nic_count; i++) {
                g_autofree char *id = qemu_nic_id(launch->nics[i].nic->name);
                g_autofree char *key = g_strconcat("networks.", launch->nics[i].nic->name, NULL);

                if (g_hash_table_contains(found->spec->ports, id) && !actual_has(found->actual, id))
                        add_drift(changes, key, NULL, "present");
        }
        for (guint i = 0; i < launch->disk_count; i++) {
                g_autofree char *id = qemu_disk_id(launch->disks[i].disk->name);
                g_autofree char *key = disk_key(launch->disks[i].disk);

                if (g_hash_table_contains(found->spec->ports, id) && !actual_has(found->actual, id))
                        add_drift(changes, key, NULL, "present");
        }
}

/* The ids of all that the file wants and all that the VM is known to have. */
static GHashTable *
known_ids(const struct vm_world *found, const struct launch *launch)
{
        GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        const json_t *item, *disks = json_object_get(found->spec->wish, "disks");
        const char *name;
        size_t n;

        for (guint i = 0; i < launch->nic_count; i++)
                g_hash_table_add(ids, qemu_nic_id(launch->nics[i].nic->name));
        for (guint i = 0; i < launch->disk_count; i++)
                g_hash_table_add(ids, qemu_disk_id(launch->disks[i].disk->name));
        json_object_foreach (json_object_get(found->spec->wish, "networks"), name, item)
                g_hash_table_add(ids, qemu_nic_id(name));
        json_array_foreach (disks, n, item)
                if (plan_item_name(item))
                        g_hash_table_add(ids, qemu_disk_id(plan_item_name(item)));
        g_hash_table_add(ids, qemu_disk_id("root"));
        return ids;
}

/* What a drover that was killed had added, and nobody wants any more. */
static void
add_strays(const struct vm_world *found, const struct launch *launch, GPtrArray *changes)
{
        g_autoptr(GHashTable) known = known_ids(found, launch);
        GHashTableIter iter;
        const char *id;

        g_hash_table_iter_init(&iter, found->spec->ports);
        while (g_hash_table_iter_next(&iter, (gpointer *)&id, NULL)) {
                g_autofree char *key = NULL;

                id = spec_is_port(id) ? id : strchr(id, ':') + 1;
                if (!actual_has(found->actual, id) || g_hash_table_contains(known, id))
                        continue;
                key = g_str_has_prefix(id, "nic-") ? g_strconcat("networks.", id + strlen("nic-"), NULL)
                                                   : g_strconcat("disks.", id + strlen("disk-"), NULL);
                add_drift(changes, key, "present", NULL);
        }
}

static gboolean
has_change_below(const GPtrArray *changes, const char *key)
{
        for (guint i = 0; i < changes->len; i++)
                if (g_str_has_prefix(((struct plan_change *)g_ptr_array_index(changes, i))->key, key))
                        return TRUE;
        return FALSE;
}

static char *
limits_text(guint64 iops, guint64 read_bytes, guint64 write_bytes)
{
        g_autofree char *reads = text_format_size(read_bytes), *writes = text_format_size(write_bytes);

        return iops || read_bytes || write_bytes
                       ? g_strdup_printf("iops %" G_GUINT64_FORMAT ", read %s, write %s", iops, reads, writes)
                       : NULL;
}

/* Limits that were set with a monitor. */
static void
add_limits(const struct vm_world *found, const struct launch *launch, GPtrArray *changes)
{
        static const struct disk_limits none;

        for (guint i = 0; i < launch->disk_count; i++) {
                const struct disk *disk = launch->disks[i].disk;
                const struct disk_limits *wish = disk->limits ? disk->limits : &none;
                g_autofree char *id = qemu_disk_id(disk->name), *whole = disk_key(disk);
                g_autofree char *key = g_strconcat(whole, ".limits", NULL);
                const struct actual_block *has = actual_block(found->actual, id);
                g_autofree char *from = NULL, *to = NULL;

                if (!has || !has->size_bytes || has_change_below(changes, key) ||
                    (has->iops == wish->iops && has->read_bytes == wish->read_bytes && has->write_bytes == wish->write_bytes))
                        continue;
                from = limits_text(has->iops, has->read_bytes, has->write_bytes);
                to = limits_text(wish->iops, wish->read_bytes, wish->write_bytes);
                add_drift(changes, key, from, to);
        }
}

/* Between what the VM was started with and what it is to have the guest is on its way, or has no driver for it. */
static void
add_memory(const struct vm_world *found, const struct vm *vm, GPtrArray *changes)
{
        guint64 has = found->actual->balloon_bytes, most = found->actual->memory_bytes;
        g_autofree char *from = NULL, *to = NULL;

        if (!has || !most || has >= MIN(vm->memory_bytes, most) || has_change_below(changes, "memory"))
                return;
        from = text_format_size(has);
        to = text_format_size(vm->memory_bytes);
        add_drift(changes, "memory", from, to);
}

static void
need_restart(GPtrArray *changes)
{
        ((struct plan_change *)g_ptr_array_index(changes, changes->len - 1))->how = CHANGE_RESTART;
}

/* Those that somebody added stay until its next start: see live_set.c. */
static void
add_cpus(const struct vm_world *found, const struct vm *vm, GPtrArray *changes)
{
        g_autofree char *from = g_strdup_printf("%u", found->actual->cpus), *to = g_strdup_printf("%u", vm->cpus);

        if (!found->actual->cpus || found->actual->cpus == vm->cpus || has_change_below(changes, "cpus"))
                return;
        add_drift(changes, "cpus", from, to);
        if (found->actual->cpus > vm->cpus)
                need_restart(changes);
}

/* Its virtiofsd has ended, which QEMU cannot do without: only a new start gives it another. */
static void
add_lost_mounts(const struct vm_world *found, GPtrArray *changes)
{
        const json_t *item, *mounts = json_object_get(found->spec->wish, "mounts");
        size_t i;

        json_array_foreach (mounts, i, item) {
                g_autofree char *id = g_strdup_printf("mount%zu", i);
                g_autofree char *key = g_strconcat("mounts.", json_text(item, "target"), NULL);

                if (!g_hash_table_contains(found->actual->lost, id) || has_change_below(changes, key))
                        continue;
                add_drift(changes, key, "its virtiofsd has ended", "present");
                need_restart(changes);
        }
}

/* What a disk was started as, or NULL. */
static const json_t *
applied_disk(const struct vm_world *found, const char *name)
{
        const json_t *item, *disks = json_object_get(found->spec->wish, "disks");
        size_t i;

        json_array_foreach (disks, i, item)
                if (g_strcmp0(plan_item_name(item), name) == 0)
                        return item;
        return NULL;
}

static gboolean
was_cdrom(const struct vm_world *found, const char *name)
{
        return g_strcmp0(json_text(applied_disk(found, name), "media"), "cdrom") == 0;
}

/* A disc that was taken out with a monitor, or changed. What the guest ejects is still in its drive, behind an open door. */
static void
add_media(const struct vm_world *found, const struct launch *launch, GPtrArray *changes)
{
        for (guint i = 0; i < launch->disk_count; i++) {
                const struct launch_disk *disk = &launch->disks[i];
                g_autofree char *id = qemu_disk_id(disk->disk->name), *whole = disk_key(disk->disk);
                g_autofree char *key = g_strconcat(whole, ".file", NULL);
                const struct actual_block *has = actual_block(found->actual, id);

                if (has && !has->is_ours && disk->disk->media == MEDIA_CDROM && was_cdrom(found, disk->disk->name) &&
                    !has_change_below(changes, key))
                        add_drift(changes, key, has->size_bytes ? "another disc" : "no disc", disk->path);
        }
}

void
plan_drift(const struct vm_world *found, const struct launch *launch, GPtrArray *changes)
{
        if (!found->actual)
                return;
        add_memory(found, launch->vm, changes);
        add_cpus(found, launch->vm, changes);
        add_limits(found, launch, changes);
        add_media(found, launch, changes);
        add_missing(found, launch, changes);
        add_strays(found, launch, changes);
        add_lost_mounts(found, changes);
}

/* ---- what of it can be done while the VM runs ---- */

static gboolean
is_refused(const struct vm_world *found, const char *id)
{
        return g_ptr_array_find_with_equal_func(found->spec->refused, id, g_str_equal, NULL);
}

/* q35 has the ports that it was started with; the slots of pc's one bus are all there. */
static gboolean
has_port(const struct vm_world *found, guint port)
{
        g_autofree char *id = g_strdup_printf("port%u", port);

        return !found->actual || !found->spec->machine || !qemu_is_pcie(found->spec->machine) || actual_has(found->actual, id);
}

static gboolean
nic_is_live(const struct vm_world *found, const struct launch *launch, const struct plan_change *change, const char *name)
{
        g_autofree char *id = qemu_nic_id(name);

        for (guint i = 0; change->to && i < launch->nic_count; i++)
                if (strcmp(launch->nics[i].nic->name, name) == 0)
                        return has_port(found, launch->nics[i].port);
        return !is_refused(found, id);
}

/* A disk needs a port, or the controller that the VM was started with. */
static gboolean
has_place(const struct vm_world *found, const struct launch_disk *disk)
{
        switch (disk->disk->bus) {
        case BUS_VIRTIO:
        case BUS_NVME:
                return has_port(found, disk->port);
        case BUS_SCSI:
                return found->actual && actual_has(found->actual, "scsi");
        default:
                return FALSE;
        }
}

static gboolean
was_drive(const struct vm_world *found, const char *name)
{
        static const char *const board[] = {"sata", "ide", "usb", NULL};
        const char *bus = json_text(applied_disk(found, name), "bus");

        return was_cdrom(found, name) || (bus && g_strv_contains(board, bus));
}

/* A SATA, IDE or USB drive is there from the start or not at all. */
static gboolean
disk_is_live(const struct vm_world *found, const struct launch *launch, const struct plan_change *change, const char *name)
{
        g_autofree char *id = qemu_disk_id(name);

        for (guint i = 0; change->to && i < launch->disk_count; i++)
                if (strcmp(launch->disks[i].disk->name, name) == 0)
                        return launch->disks[i].disk->media != MEDIA_CDROM && has_place(found, &launch->disks[i]);
        return !was_drive(found, name) && !is_refused(found, id);
}

/* What it was started with: QEMU knows, else the spec. */
static guint64
memory_room(const struct vm_world *found)
{
        const json_t *memory = json_object_get(found->spec->wish, "memory");
        const char *text = json_is_string(memory) ? json_string_value(memory)
                           : json_text(memory, "max") ? json_text(memory, "max")
                                                      : json_text(memory, "size");
        guint64 bytes;

        if (found->actual && found->actual->memory_bytes)
                return found->actual->memory_bytes;
        return text && value_parse_size(text, &bytes, NULL) ? bytes : 0;
}

static gboolean
memory_is_live(const struct vm_world *found, const struct vm *vm, const GPtrArray *changes)
{
        return !plan_changes_find(changes, "memory.max") && vm->memory_bytes <= memory_room(found) &&
               !is_refused(found, "balloon");
}

/* Never down: see live_set.c. */
static gboolean
cpus_are_live(const struct vm_world *found, const struct vm *vm, const GPtrArray *changes)
{
        const json_t *cpus = json_object_get(found->spec->wish, "cpus");
        gint64 has = json_is_integer(cpus) ? json_integer_value(cpus) : json_number(cpus, "count", 0);

        return !plan_changes_find(changes, "cpus.max") && vm->cpus >= has && vm->cpus <= json_number(cpus, "max", has);
}

static gboolean
is_drive(const struct launch *launch, const char *name)
{
        for (guint i = 0; i < launch->disk_count; i++)
                if (strcmp(launch->disks[i].disk->name, name) == 0)
                        return launch->disks[i].disk->media == MEDIA_CDROM;
        return FALSE;
}

/* Another disc in the same drive, unless the guest holds on to the old one. */
static gboolean
media_is_live(const struct vm_world *found, const struct launch *launch, const struct plan_change *change, const char *name)
{
        g_autofree char *id = qemu_disk_id(name);

        return change->from && change->to && was_cdrom(found, name) && is_drive(launch, name) && !is_refused(found, id);
}

/* What cannot be told by its NIC hears it from DHCP, when it next asks. */
static gboolean
hears_mtu_from_dhcp(const struct launch *launch, const char *name)
{
        for (guint i = 0; i < launch->nic_count; i++)
                if (strcmp(launch->nics[i].nic->name, name) == 0)
                        return launch->nics[i].nic->model != NIC_VIRTIO;
        return FALSE;
}

static enum change
settle(const struct vm_world *found, const struct launch *launch, const struct plan_change *change, const GPtrArray *changes)
{
        g_auto(GStrv) parts = g_strsplit(change->key, ".", 3);
        gboolean disk = strcmp(parts[0], "disks") == 0, live = TRUE;

        if (disk && parts[1] && g_strcmp0(parts[2], "file") == 0)
                return media_is_live(found, launch, change, parts[1]) ? CHANGE_LIVE : CHANGE_RESTART;
        if (strcmp(parts[0], "networks") == 0 && g_strcmp0(parts[2], "mtu") == 0 && hears_mtu_from_dhcp(launch, parts[1]))
                return CHANGE_LIVE;
        if (change->how != CHANGE_LIVE)
                return change->how;
        if (strcmp(change->key, "memory") == 0)
                live = memory_is_live(found, launch->vm, changes);
        else if (strcmp(change->key, "cpus") == 0)
                live = cpus_are_live(found, launch->vm, changes);
        else if (strcmp(parts[0], "networks") == 0 && parts[1] && !parts[2])
                live = nic_is_live(found, launch, change, parts[1]);
        else if (strcmp(change->key, "display.password_file") == 0)
                live = change->from && change->to; /* whether it asks for one is settled at its start */
        else if (disk && parts[1] && !parts[2])
                live = disk_is_live(found, launch, change, parts[1]);
        return live ? CHANGE_LIVE : CHANGE_RESTART;
}

void
plan_changes_settle(const struct vm_world *found, const struct launch *launch, GPtrArray *changes)
{
        for (guint i = 0; i < changes->len; i++) {
                struct plan_change *change = g_ptr_array_index(changes, i);

                change->how = settle(found, launch, change, changes);
        }
}
