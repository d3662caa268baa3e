/* resolve.c - decide all that the project file leaves open */
#include "runtime/resolve.h"

#include "base/error.h"
#include "base/text.h"
#include "parser/keys.h"
#include "parser/value.h"
#include "runtime/identity.h"

#include <string.h>

struct resolved_store {
        const struct project *project;
        GStringChunk *strings;
        struct network *networks;
        GArray *hosts; /* struct lab_host */
        GPtrArray *lists; /* of names, NULL-terminated */
};

static const char *
keep(struct resolved *resolved, const char *text)
{
        return g_string_chunk_insert(resolved->store->strings, text);
}

/* The line of the file with its caret, as diagnostics show it, without the sentence above. */
static char *
source_lines(struct place place)
{
        struct diagnostic diagnostic = {.place = place, .id = "", .text = (char *)""};
        g_autofree char *shown = diagnostic_format(&diagnostic);
        const char *second = strchr(shown, '\n');

        return second ? g_strchomp(g_strdup(second + 1)) : NULL;
}

/* Only the first fault of a VM is told: the others often follow from it. */
static void G_GNUC_PRINTF(4, 5)
set_fault(struct resolved_vm *vm, const struct node *node, const char *key, const char *format, ...)
{
        struct place place = project_place(node, key);
        g_autofree char *text = NULL;
        va_list args;

        if (vm->error)
                return;
        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        if (!place.line) {
                vm->error = g_strdup_printf("vm '%s': %s", vm->vm->name, text);
                return;
        }
        vm->error = g_strdup_printf("%s:%u:%u: vm '%s': %s", place.source->name, place.line, place.column, vm->vm->name, text);
        vm->error_lines = source_lines(place);
}

static void
resolve_machine(struct resolved_vm *vm, const struct spec *kept, const struct qemu_info *qemu)
{
        const char *wish = vm->vm->machine, *before = kept && kept->wish ? json_text(kept->wish, "machine") : NULL;
        const char *version = NULL;

        if (kept && kept->machine && g_strcmp0(before, wish) == 0)
                return; /* what was chosen is kept, so that a new QEMU changes nothing */
        if (!qemu)
                return;
        if (strcmp(wish, "q35") == 0)
                version = qemu->q35;
        else if (strcmp(wish, "pc") == 0)
                version = qemu->pc;
        else if (g_strv_contains((const char *const *)qemu->machines, wish))
                version = wish;
        if (!version) {
                const char *meant = text_suggest(wish, (const char *const *)qemu->machines);

                set_fault(vm, vm->vm->node, "machine", "this host's QEMU has no machine '%s'%s%s%s", wish,
                          meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
                return;
        }
        g_free(vm->spec->machine);
        vm->spec->machine = g_strdup(version);
}

static void
resolve_accel(struct resolved_vm *vm, const struct qemu_info *qemu)
{
        switch (vm->vm->accel) {
        case ACCEL_AUTO:
                vm->spec->kvm = qemu && qemu->kvm;
                break;
        case ACCEL_KVM:
                vm->spec->kvm = TRUE;
                break;
        case ACCEL_TCG:
                vm->spec->kvm = FALSE;
                break;
        }
}

static guint
resolve_port(struct resolved_vm *vm, const char *id, const struct node *node)
{
        int port = spec_port(vm->spec, id);

        if (port < 0)
                set_fault(vm, node, NULL, "more than %d disks and NICs", QEMU_MAX_PORTS);
        return port < 0 ? 0 : (guint)port;
}

/* Ports of devices that are gone become free before new ones are given out. */
static void
forget_ports(struct resolved_vm *vm)
{
        g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);

        for (guint i = 0; i < vm->vm->nic_count; i++)
                g_ptr_array_add(ids, qemu_nic_id(vm->vm->nics[i].name));
        if (vm->vm->root)
                g_ptr_array_add(ids, qemu_disk_id(vm->vm->root->name));
        for (guint i = 0; i < vm->vm->disk_count; i++)
                if (vm->vm->disks[i].media != MEDIA_CDROM)
                        g_ptr_array_add(ids, qemu_disk_id(vm->vm->disks[i].name));
        spec_keep_ports(vm->spec, ids);
}

/* What a NIC's address is called besides its host name: the aliases, and the VM's own name where the host is called otherwise. */
static const char *const *
further_names(struct resolved *resolved, const struct vm *vm, const struct nic *nic)
{
        g_autoptr(GPtrArray) names = NULL;

        if (strcmp(vm->hostname, vm->name) == 0)
                return nic->aliases;
        names = g_ptr_array_new();
        g_ptr_array_add(names, (gpointer)vm->name);
        for (const char *const *alias = nic->aliases; *alias; alias++)
                g_ptr_array_add(names, (gpointer)*alias);
        g_ptr_array_add(names, NULL);
        g_ptr_array_add(resolved->store->lists, names->pdata);
        return (const char *const *)(gconstpointer)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

static void
resolve_nics(struct resolved *resolved, struct resolved_vm *vm)
{
        const struct project *project = resolved->store->project;
        struct launch_nic *nics = g_new0(struct launch_nic, vm->vm->nic_count);

        for (guint i = 0; i < vm->vm->nic_count; i++) {
                const struct nic *nic = &vm->vm->nics[i];
                const struct network *network = &resolved->lab.networks[nic->network_index];
                const char *kept = g_hash_table_lookup(vm->spec->macs, nic->name);
                g_autofree char *id = qemu_nic_id(nic->name);
                struct lab_host host = {.network = nic->network_index, .ip = nic->ip, .name = vm->vm->hostname,
                                        .aliases = further_names(resolved, vm->vm, nic)};

                nics[i].nic = nic;
                nics[i].port = resolve_port(vm, id, nic->node);
                nics[i].mtu = network->mtu;
                if (nic->has_mac) {
                        nics[i].mac = nic->mac;
                } else if (!kept || !value_parse_mac(kept, &nics[i].mac, NULL)) {
                        g_autofree char *text = NULL;

                        nics[i].mac = identity_mac(project->name, vm->vm->name, nic->name, network->mode == MODE_BRIDGE);
                        text = value_format_mac(&nics[i].mac);
                        g_hash_table_replace(vm->spec->macs, g_strdup(nic->name), g_steal_pointer(&text));
                }
                host.mac = nics[i].mac;
                g_array_append_val(resolved->store->hosts, host);
        }
        vm->launch.nics = nics;
        vm->launch.nic_count = vm->vm->nic_count;
}

/* An overlay that is still to be made: on the image as it was just looked at. */
static void
resolve_new_overlay(struct resolved_vm *vm, const struct disk *disk, struct kept_disk *kept, const struct world *world)
{
        const struct probed_image *image = world_image(world, vm->vm->image);

        g_free(kept->backing_path);
        kept->backing_path = g_strdup(vm->vm->image);
        if (!image)
                return;
        if (image->error) {
                set_fault(vm, vm->vm->node, "image", "%s", image->error->message);
                return;
        }
        kept->backing = image->info;
        if (disk->size_bytes && disk->size_bytes < image->info.virtual_size_bytes) {
                g_autofree char *size = text_format_size(disk->size_bytes);
                g_autofree char *least = text_format_size(image->info.virtual_size_bytes);

                set_fault(vm, vm->vm->node, "disk", "a disk of %s is smaller than its image '%s' (%s)", size, vm->vm->image, least);
        }
}

static void
check_old_overlay(struct resolved_vm *vm, const struct kept_disk *kept, const struct world *world)
{
        struct image_info now;

        if (!world->images || !kept->backing_path)
                return; /* nobody means to start anything */
        if (!image_stat(kept->backing_path, &now))
                set_fault(vm, vm->vm->node, "image", "image '%s' is gone, and disk '%s' stands on it", kept->backing_path,
                          kept->name);
        else if (!image_is_same(&now, &kept->backing))
                set_fault(vm, vm->vm->node, "image", "image '%s' has changed since disk '%s' was made on it: put the old one back, "
                          "or 'drover up --fresh %s' makes a new disk (its data is lost)",
                          kept->backing_path, kept->name, vm->vm->name);
}

/* A disk of the VM's own, in its data directory. */
static void
resolve_own_disk(struct resolved *resolved, struct resolved_vm *vm, struct launch_disk *out, const struct world *world,
                 gboolean fresh)
{
        const struct disk *disk = out->disk;
        const char *format = disk->format == FORMAT_RAW ? "raw" : "qcow2";
        struct kept_disk *kept = spec_disk(vm->spec, disk->name);
        gboolean overlay = disk->is_root && vm->vm->image;
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
        if (anew) {
                if (!kept)
                        kept = spec_keep_disk(vm->spec, disk->name, format);
                if (overlay)
                        resolve_new_overlay(vm, disk, kept, world);
        }
        g_free(path);
        path = paths_vm_disk(world->paths, vm->vm->name, disk->name, kept->generation, kept->format);
        out->path = keep(resolved, path);
        out->format = keep(resolved, kept->format);
        out->backing_path = kept->backing_path ? keep(resolved, kept->backing_path) : NULL;
        out->backing_format = kept->backing_path ? keep(resolved, kept->backing.format) : NULL;
}

static void
resolve_file_disk(struct resolved *resolved, struct resolved_vm *vm, struct launch_disk *out, const struct world *world)
{
        const struct disk *disk = out->disk;
        const struct probed_image *image = world_image(world, disk->file);
        const char *wish = disk->format == FORMAT_RAW ? "raw" : "qcow2";

        out->path = disk->file;
        if (image && image->error)
                set_fault(vm, disk->node, "file", "%s", image->error->message);
        if (disk->media == MEDIA_CDROM)
                out->format = "raw";
        else if (!disk->format_unknown)
                out->format = wish;
        else
                out->format = image && !image->error ? keep(resolved, image->info.format) : "raw";
        if (image && !image->error && disk->media != MEDIA_CDROM && strcmp(out->format, image->info.format) != 0)
                set_fault(vm, disk->node, "format", "'%s' is %s, not %s", disk->file, image->info.format, out->format);
        if (strcmp(out->format, "raw") != 0 && strcmp(out->format, "qcow2") != 0)
                set_fault(vm, disk->node, "file", "a %s file cannot be used in place: convert it with 'qemu-img convert'",
                          out->format);
}

static void
resolve_disk(struct resolved *resolved, struct resolved_vm *vm, const struct disk *disk, struct launch_disk *out,
             const struct world *world, gboolean fresh)
{
        out->disk = disk;
        if (disk->media != MEDIA_CDROM) {
                g_autofree char *id = qemu_disk_id(disk->name);

                out->port = resolve_port(vm, id, disk->node);
        }
        if (disk->file) {
                resolve_file_disk(resolved, vm, out, world);
        } else if (disk->named) {
                gboolean raw = disk->format == FORMAT_RAW;
                const char *format = raw ? "raw" : "qcow2", *other = raw ? "qcow2" : "raw";
                g_autofree char *path = paths_named_disk(world->paths, disk->named, 0, format);
                g_autofree char *old = paths_named_disk(world->paths, disk->named, 0, other);

                if (g_hash_table_contains(world->files, old) && !g_hash_table_contains(world->files, path))
                        set_fault(vm, disk->node, NULL,
                                  "disk '%s' is there as %s: write 'format: %s', or remove '%s' for an empty one", disk->named,
                                  other, other, old);
                out->path = keep(resolved, path);
                out->format = format;
        } else {
                resolve_own_disk(resolved, vm, out, world, fresh);
        }
}

static void
resolve_disks(struct resolved *resolved, struct resolved_vm *vm, const struct world *world, gboolean fresh)
{
        guint count = vm->vm->disk_count + (vm->vm->root ? 1 : 0), n = 0;
        struct launch_disk *disks = vm->launch.disks ? (struct launch_disk *)vm->launch.disks : g_new0(struct launch_disk, count);

        if (vm->vm->root)
                resolve_disk(resolved, vm, vm->vm->root, &disks[n++], world, fresh);
        for (guint i = 0; i < vm->vm->disk_count; i++)
                resolve_disk(resolved, vm, &vm->vm->disks[i], &disks[n++], world, fresh);
        vm->launch.disks = disks;
        vm->launch.disk_count = count;
}

/* A disk grows when its size in the file grows, and is never shrunk. */
static void
check_sizes(struct resolved_vm *vm, const struct world *world)
{
        for (guint i = 0; i < vm->launch.disk_count; i++) {
                const struct launch_disk *disk = &vm->launch.disks[i];
                const guint64 *size = g_hash_table_lookup(world->files, disk->path);

                if (!disk->disk->file && size && disk->disk->size_bytes && disk->disk->size_bytes < *size) {
                        g_autofree char *has = text_format_size(*size), *wish = text_format_size(disk->disk->size_bytes);

                        set_fault(vm, disk->disk->node, "size", "disk '%s' has %s and is never shrunk to %s", disk->disk->name, has,
                                  wish);
                }
        }
}

static void
check_host(struct resolved_vm *vm, const struct world *world)
{
        if (world->memory_total && vm->vm->memory_bytes > world->memory_total) {
                g_autofree char *wish = text_format_size(vm->vm->memory_bytes);

                set_fault(vm, vm->vm->node, "memory", "%s of memory is more than this host has (%.1f GiB)", wish,
                          (double)world->memory_total / (1 << 30));
        }
}

static void
resolve_firmware(struct resolved *resolved, struct resolved_vm *vm, const struct world *world)
{
        g_autofree char *path = NULL;

        if (vm->vm->firmware != FIRMWARE_UEFI)
                return;
        if (!world->uefi_code) {
                set_fault(vm, vm->vm->node, "firmware", "no UEFI firmware is installed: 'apt-get install ovmf'");
                return;
        }
        /* No disk can have this name. */
        path = paths_vm_disk(world->paths, vm->vm->name, "_vars", 0, "qcow2");
        vm->launch.firmware_code = world->uefi_code;
        vm->launch.firmware_vars = keep(resolved, path);
}

void
resolve_wish(struct resolved_vm *vm)
{
        json_decref(vm->spec->wish);
        json_decref(vm->spec->set);
        vm->spec->wish = keys_encode(&keys_vm, vm->vm, TRUE);
        vm->spec->set = keys_encode(&keys_vm, vm->vm, FALSE);
}

static void
resolve_vm(struct resolved *resolved, guint index, const struct world *world)
{
        struct resolved_vm *vm = &resolved->vms[index];
        const struct vm_world *found = world_vm(world, resolved->store->project->vms[index].name);
        const struct spec *kept = found ? found->spec : NULL;
        gpointer port;
        GHashTableIter iter;

        vm->vm = &resolved->store->project->vms[index];
        vm->spec = kept ? spec_copy(kept) : spec_new(resolved->store->project->name, vm->vm->name);
        resolve_machine(vm, kept, world->qemu);
        resolve_accel(vm, world->qemu);
        check_host(vm, world);
        if (kept && kept->wish)
                resolve_wish(vm); /* there is something to compare it with */
        forget_ports(vm);
        resolve_disks(resolved, vm, world, FALSE);
        check_sizes(vm, world);
        resolve_nics(resolved, vm);
        resolve_firmware(resolved, vm, world);
        if (found && found->error)
                set_fault(vm, vm->vm->node, NULL, "%s", found->error->message);
        g_hash_table_iter_init(&iter, vm->spec->ports);
        while (g_hash_table_iter_next(&iter, NULL, &port))
                vm->launch.port_count = MAX(vm->launch.port_count, GPOINTER_TO_UINT(port) + 1);
        vm->launch.project = resolved->store->project->name;
        vm->launch.vm = vm->vm;
        vm->launch.uuid = vm->spec->uuid;
        vm->launch.machine = vm->spec->machine ? vm->spec->machine : vm->vm->machine;
        vm->launch.kvm = vm->spec->kvm;
}

static void
add_reservations(struct resolved *resolved)
{
        for (guint n = 0; n < resolved->lab.network_count; n++) {
                const struct dhcp *dhcp = &resolved->lab.networks[n].dhcp;

                for (guint i = 0; i < dhcp->reservation_count; i++) {
                        struct lab_host host = {.network = n, .mac = dhcp->reservations[i].mac, .ip = dhcp->reservations[i].ip,
                                                .name = dhcp->reservations[i].name};

                        g_array_append_val(resolved->store->hosts, host);
                }
        }
}

struct resolved *
resolve(const struct project *project, const struct world *world)
{
        struct resolved *resolved = g_new0(struct resolved, 1);
        struct resolved_store *store = g_new0(struct resolved_store, 1);
        g_autofree char *directory = g_build_filename(world->paths->data, "dnsmasq", NULL);

        resolved->store = store;
        store->project = project;
        store->strings = g_string_chunk_new(4096);
        store->networks = g_new0(struct network, project->network_count);
        store->lists = g_ptr_array_new_with_free_func(g_free);
        store->hosts = g_array_new(FALSE, TRUE, sizeof(struct lab_host));
        resolve_networks(project, world, store->strings, store->networks, &resolved->error);
        resolved->lab.project = project->name;
        resolved->lab.isolation = project->isolation;
        resolved->lab.directory = keep(resolved, directory);
        resolved->lab.networks = store->networks;
        resolved->lab.network_count = project->network_count;
        resolved->vms = g_new0(struct resolved_vm, project->vm_count);
        resolved->vm_count = project->vm_count;
        for (guint i = 0; i < project->vm_count; i++)
                resolve_vm(resolved, i, world);
        add_reservations(resolved);
        resolved->lab.hosts = (const struct lab_host *)(gpointer)store->hosts->data;
        resolved->lab.host_count = store->hosts->len;
        return resolved;
}

void
resolve_fresh(struct resolved *resolved, guint index, const struct world *world)
{
        struct resolved_vm *vm = &resolved->vms[index];
        const struct vm_world *found = world_vm(world, vm->vm->name);

        g_clear_pointer(&vm->error_lines, g_free);
        g_clear_pointer(&vm->error, g_free); /* the old disks' faults no longer count; all else is looked at again */
        resolve_machine(vm, found ? found->spec : NULL, world->qemu);
        vm->launch.machine = vm->spec->machine ? vm->spec->machine : vm->vm->machine;
        check_host(vm, world);
        resolve_disks(resolved, vm, world, TRUE);
        resolve_firmware(resolved, vm, world);
}

void
resolved_free(struct resolved *resolved)
{
        if (!resolved)
                return;
        for (guint i = 0; i < resolved->vm_count; i++) {
                spec_free(resolved->vms[i].spec);
                g_free((gpointer)resolved->vms[i].launch.disks);
                g_free((gpointer)resolved->vms[i].launch.nics);
                g_free(resolved->vms[i].error);
                g_free(resolved->vms[i].error_lines);
        }
        g_free(resolved->vms);
        g_clear_error(&resolved->error);
        g_string_chunk_free(resolved->store->strings);
        g_array_unref(resolved->store->hosts);
        g_ptr_array_unref(resolved->store->lists);
        g_free(resolved->store->networks);
        g_free(resolved->store);
        g_free(resolved);
}
