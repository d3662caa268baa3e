/* resolve.c - decide all that the project file leaves open */
#include "runtime/plan/resolve_build.h"

#include "base/error.h"
#include "base/text.h"
#include "parser/keys/keys.h"
#include "parser/value/value.h"
#include "runtime/identity.h"

#include <errno.h>
#include <string.h>

const char *
resolve_keep(struct resolved *resolved, const char *text)
{
        return g_string_chunk_insert(resolved->store->strings, text);
}

void
resolve_missing(struct resolved_vm *vm, const char *subject, const char *path, struct place place, int number)
{
        if (number == ENOENT || number == ENOTDIR)
                faults_add(&vm->faults, "missing-file", place, project_path_hint(&place, path),
                           "%s of vm '%s': there is no file '%s'", subject, vm->vm->name, path);
        else
                faults_add(&vm->faults, "missing-file", place, NULL, "%s of vm '%s': cannot look at '%s': %s", subject,
                           vm->vm->name, path, g_strerror(number));
}

static void
add_unknown_machine(struct resolved_vm *vm, const char *machine, const struct qemu_info *qemu)
{
        const char *meant = text_suggest(machine, (const char *const *)qemu->machines);
        g_autofree char *hint = meant ? g_strdup_printf("did you mean '%s'?", meant) : NULL;

        faults_add(&vm->faults, "unknown-machine", project_place(vm->vm->node, "machine"),
                   hint ? hint : "'q35' is always the newest that it has", "vm '%s': this host's QEMU has no machine '%s'",
                   vm->vm->name, machine);
}

static void
resolve_machine(struct resolved_vm *vm, const struct spec *kept, const struct qemu_info *qemu)
{
        const char *wish = vm->vm->machine, *before = kept && kept->wish ? json_text(kept->wish, "machine") : NULL;
        const char *version = NULL;

        if (!qemu || !qemu->machines[0])
                return; /* nobody asked, or it gave no answer: then its own words will do */
        if (kept && kept->machine && g_strcmp0(before, wish) == 0) {
                /* What was chosen is kept, so that a new QEMU changes nothing. */
                if (!g_strv_contains((const char *const *)qemu->machines, kept->machine))
                        add_unknown_machine(vm, kept->machine, qemu);
                return;
        }
        if (strcmp(wish, "q35") == 0)
                version = qemu->q35;
        else if (strcmp(wish, "pc") == 0)
                version = qemu->pc;
        else if (g_strv_contains((const char *const *)qemu->machines, wish))
                version = wish;
        if (!version) {
                add_unknown_machine(vm, wish, qemu);
                return;
        }
        g_free(vm->spec->machine);
        vm->spec->machine = g_strdup(version);
}

/* Before 9.0 QEMU's TCG had no x2APIC, without which a CPU has one byte for its number. */
enum { XAPIC_CPUS = 255, QEMU_WITH_X2APIC = 9 };

static void
check_cpus(struct resolved_vm *vm, const struct qemu_info *qemu)
{
        const char *machine = vm->spec->machine;
        guint most = qemu && machine ? qemu_max_cpus(qemu, machine) : 0;
        gboolean narrow = most > XAPIC_CPUS && !vm->spec->kvm && qemu->major < QEMU_WITH_X2APIC;
        g_autofree char *hint = NULL;

        if (narrow)
                most = XAPIC_CPUS;
        if (!most || MAX(vm->vm->cpus, vm->vm->cpus_max) <= most)
                return;
        hint = g_strdup_printf("write %u or less", most);
        faults_add(&vm->faults, "too-many-cpus", project_place(vm->vm->node, "cpus"), hint,
                   "vm '%s': %u vCPUs are more than machine '%s' can have%s (%u)", vm->vm->name, vm->vm->cpus, machine,
                   narrow ? " without KVM" : "", most);
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
                if (qemu && qemu->kvm_fault)
                        faults_add(&vm->faults, "no-kvm", project_place(vm->vm->node, "accel"),
                                   "'accel: auto' takes KVM where it works, and TCG here",
                                   "vm '%s': KVM cannot be used here: %s", vm->vm->name, qemu->kvm_fault);
                break;
        case ACCEL_TCG:
                vm->spec->kvm = FALSE;
                break;
        }
}

guint
resolve_port(struct resolved_vm *vm, const char *id, const struct node *node)
{
        int port = spec_port(vm->spec, id);

        if (port < 0)
                faults_add(&vm->faults, "too-many-devices", project_place(node, NULL), NULL,
                           "vm '%s' has more than %d disks and NICs", vm->vm->name, QEMU_MAX_PORTS);
        return port < 0 ? 0 : (guint)port;
}

void
resolve_ports(struct resolved_vm *vm)
{
        g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);

        for (guint i = 0; i < vm->vm->nic_count; i++)
                g_ptr_array_add(ids, qemu_nic_id(vm->vm->nics[i].name));
        if (vm->vm->root)
                g_ptr_array_add(ids, qemu_disk_place_id(vm->vm->root));
        for (guint i = 0; i < vm->vm->disk_count; i++)
                g_ptr_array_add(ids, qemu_disk_place_id(&vm->vm->disks[i]));
        spec_keep_ports(vm->spec, ids);
}

/*
 * What a NIC's address is called besides its host name: the aliases, the VM's name where that is another, and what all replicas
 * are called together. dnsmasq answers with each address of a name.
 */
static const char *const *
further_names(struct resolved *resolved, const struct vm *vm, const struct nic *nic)
{
        g_autoptr(GPtrArray) names = NULL;

        if (strcmp(vm->hostname, vm->name) == 0 && !vm->group)
                return nic->aliases;
        names = g_ptr_array_new();
        if (strcmp(vm->hostname, vm->name) != 0)
                g_ptr_array_add(names, (gpointer)vm->name);
        if (vm->group)
                g_ptr_array_add(names, (gpointer)vm->group);
        for (const char *const *alias = nic->aliases; *alias; alias++)
                g_ptr_array_add(names, (gpointer)*alias);
        g_ptr_array_add(names, NULL);
        g_ptr_array_add(resolved->store->lists, names->pdata);
        return (const char *const *)(gconstpointer)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

/* What the guest that runs was told when its NIC was made; 0: nothing, or not known. */
static guint
told_mtu(const struct world *world, const struct vm *vm, const char *id)
{
        const struct vm_world *found = world_vm(world, vm->name);

        return found && found->mtus ? GPOINTER_TO_UINT(g_hash_table_lookup(found->mtus, id)) : 0;
}

static void
resolve_nics(struct resolved *resolved, struct resolved_vm *vm, const struct world *world)
{
        const struct project *project = resolved->store->project;
        const char *owner = vm->launch.tap_owner ? vm->launch.tap_owner : vm->vm->name;
        struct launch_nic *nics = g_new0(struct launch_nic, vm->vm->nic_count);
        const struct vm_world *found = world_vm(world, vm->vm->name);
        gboolean routed = FALSE;

        vm->first_host = resolved->store->hosts->len;
        for (guint i = 0; i < vm->vm->nic_count; i++) {
                const struct nic *nic = &vm->vm->nics[i];
                const struct network *network = &resolved->lab.networks[nic->network_index];
                const char *kept = g_hash_table_lookup(vm->spec->macs, nic->name);
                g_autofree char *id = qemu_nic_id(nic->name), *tap = lab_tap_name(project->name, owner, nic->name);
                struct lab_host host = {.network = nic->network_index, .ip = nic->ip, .name = vm->vm->hostname,
                                        .aliases = further_names(resolved, vm->vm, nic), .ip6 = nic->ip6,
                                        .tap = resolve_keep(resolved, tap), .spoof_check = nic->spoof_check,
                                        .mtu = nic->mtu == network->mtu ? 0 : nic->mtu};

                host.second = routed;
                routed |= network->mode == MODE_BRIDGE || (network->gateway && network->dhcp.enabled);
                nics[i].nic = nic;
                nics[i].port = resolve_port(vm, id, nic->node);
                nics[i].mtu = nic->mtu ? nic->mtu : network->mtu;
                nics[i].tap_mtu = MAX(nics[i].mtu, told_mtu(world, vm->vm, id));
                if (nic->has_mac) {
                        nics[i].mac = nic->mac;
                } else if (!kept || !value_parse_mac(kept, &nics[i].mac, NULL)) {
                        g_autofree char *text = NULL;

                        nics[i].mac = identity_mac(project->name, vm->vm->name, nic->name, network->mode == MODE_BRIDGE);
                        text = value_format_mac(&nics[i].mac);
                        g_hash_table_replace(vm->spec->macs, g_strdup(nic->name), g_steal_pointer(&text));
                }
                host.mac = nics[i].mac;
                if (vm_is_alive(found) && found->spec)
                        spec_nic_mac(found->spec, nic->name, &host.mac); /* another one comes with its next start */
                g_array_append_val(resolved->store->hosts, host);
        }
        vm->launch.nics = nics;
        vm->launch.nic_count = vm->vm->nic_count;
}

/* The host was looked at where its memory is known: verbs that only look do without. */
static void
check_host(struct resolved_vm *vm, const struct world *world)
{
        if (world->memory_total && vm->vm->memory_bytes > world->memory_total) {
                g_autofree char *wish = text_format_size(vm->vm->memory_bytes);

                faults_add(&vm->faults, "too-much-memory", project_place(vm->vm->node, "memory"), NULL,
                           "vm '%s': %s of memory is more than this host has (%.1f GiB)", vm->vm->name, wish,
                           (double)world->memory_total / (1 << 30));
        }
}

static void
check_file(struct resolved_vm *vm, const char *subject, const char *path, struct place place, const struct world *world)
{
        int number = path && world->plain_files ? GPOINTER_TO_INT(g_hash_table_lookup(world->plain_files, path)) : 0;

        if (number)
                resolve_missing(vm, subject, path, place, number);
}

/* Files that are only read; the parser has looked already where the verb is about all of the file. */
static void
check_files(struct resolved_vm *vm, const struct world *world)
{
        const struct boot *boot = &vm->vm->boot;

        check_file(vm, "kernel", boot->kernel, project_place(boot->node, "kernel"), world);
        check_file(vm, "initrd", boot->initrd, project_place(boot->node, "initrd"), world);
        for (guint i = 0; i < vm->vm->credential_count; i++)
                check_file(vm, "credential", vm->vm->credentials[i].path, project_place(vm->vm->credentials[i].node, "file"),
                           world);
        for (guint i = 0; i < vm->vm->disk_count; i++)
                if (vm->vm->disks[i].media == MEDIA_CDROM)
                        check_file(vm, "file of disk", vm->vm->disks[i].file, project_place(vm->vm->disks[i].node, "file"),
                                   world);
}

static void
check_mounts(struct resolved_vm *vm, const struct world *world)
{
        for (guint i = 0; i < vm->vm->mount_count; i++) {
                const struct mount *mount = &vm->vm->mounts[i];

                check_file(vm, "folder", mount->source, project_place(mount->node, "source"), world);
                if (mount->type == MOUNT_VIRTIOFS && world->memory_total && !world->virtiofsd)
                        faults_add(&vm->faults, "no-virtiofsd", project_place(mount->node, NULL),
                                   "'apt-get install virtiofsd' (Debian 12: qemu-system-common), or 'type: 9p'",
                                   "vm '%s': virtiofsd, which mounts need, is not installed", vm->vm->name);
        }
}

static void
check_requirements(struct resolved_vm *vm, const struct world *world)
{
        check_cpus(vm, world->qemu);
        check_host(vm, world);
        check_files(vm, world);
        check_mounts(vm, world);
}

static void
resolve_firmware(struct resolved *resolved, struct resolved_vm *vm, const struct world *world)
{
        g_autofree char *path = NULL;

        if (vm->vm->firmware != FIRMWARE_UEFI)
                return;
        if (!world->uefi_code) {
                if (world->memory_total)
                        faults_add(&vm->faults, "no-firmware", project_place(vm->vm->node, "firmware"),
                                   "'apt-get install ovmf', or 'firmware: bios'", "vm '%s': no UEFI firmware is installed",
                                   vm->vm->name);
                return;
        }
        /* No disk can have this name. */
        path = paths_vm_disk(world->paths, vm->vm->name, "_vars", 0, "qcow2");
        vm->launch.firmware_code = world->uefi_code;
        vm->launch.firmware_vars = resolve_keep(resolved, path);
}

/* The keys that cloud-init or Ignition is told of, as the file has them now. */
static json_t *
seeded_wish(const json_t *wish)
{
        static const char *const keys[] = {"cloud_init", "packages", "files", "run", "ssh", "ignition"};
        json_t *seeded = json_object();

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
                json_object_set(seeded, keys[i], json_object_get(wish, keys[i]));
        return seeded;
}

void
resolve_wish(struct resolved_vm *vm)
{
        const struct disk *root = vm->vm->root;
        gboolean own = root && !disk_in_place(root);

        json_decref(vm->spec->wish);
        json_decref(vm->spec->set);
        vm->spec->wish = keys_encode(&keys_vm, vm->vm, TRUE);
        vm->spec->set = keys_encode(&keys_vm, vm->vm, FALSE);
        if (own && vm->spec->seeded && !vm->new_root)
                return;
        json_decref(vm->spec->seeded);
        vm->spec->seeded = own ? seeded_wish(vm->spec->wish) : NULL;
}

static void
resolve_vm(struct resolved *resolved, guint index, const struct world *world)
{
        struct resolved_vm *vm = &resolved->vms[index];
        const struct vm_world *found = world_vm(world, resolved->store->project->vms[index].name);
        const struct spec *kept = found ? found->spec : NULL;
        gpointer id, port;
        GHashTableIter iter;

        vm->vm = &resolved->store->project->vms[index];
        vm->spec = kept ? spec_copy(kept) : spec_new(resolved->store->project->name, vm->vm->name);
        resolve_machine(vm, kept, world->qemu);
        resolve_accel(vm, world->qemu);
        check_requirements(vm, world);
        /* Ports of devices that are gone become free before new ones are given out; those of a VM that runs when they are gone.
         */
        if (!vm_is_alive(found))
                resolve_ports(vm);
        resolve_disks(resolved, vm, world, FALSE);
        if (kept && kept->wish)
                resolve_wish(vm); /* there is something to compare it with */
        if (vm_is_alive(found) && vm->spec->started_as)
                vm->launch.tap_owner = resolve_keep(resolved, vm->spec->started_as);
        resolve_nics(resolved, vm, world);
        resolve_firmware(resolved, vm, world);
        g_hash_table_iter_init(&iter, vm->spec->ports);
        while (g_hash_table_iter_next(&iter, &id, &port))
                if (spec_is_port(id))
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
        store->networks = g_new0(struct network, project->network_count + world->state->networks->len);
        store->lists = g_ptr_array_new_with_free_func(g_free);
        store->hosts = g_array_new(FALSE, TRUE, sizeof(struct lab_host));
        resolve_networks(resolved, world);
        resolved->lab.project = project->name;
        resolved->lab.isolation = project->isolation;
        resolved->lab.directory = resolve_keep(resolved, directory);
        resolved->lab.networks = store->networks;
        resolved->lab.network_count = project->network_count;
        resolved->lab.network_count +=
                resolve_left_networks(resolved, world, store->networks + project->network_count);
        resolve_uplink(resolved, world);
        resolved->vms = g_new0(struct resolved_vm, project->vm_count);
        resolved->vm_count = project->vm_count;
        for (guint i = 0; i < project->vm_count; i++)
                resolve_vm(resolved, i, world);
        add_reservations(resolved);
        resolve_running(resolved, world);
        resolve_published(resolved, world);
        resolve_leases(resolved, world);
        resolved->lab.hosts = (const struct lab_host *)(gpointer)store->hosts->data;
        resolved->lab.host_count = store->hosts->len;
        return resolved;
}

void
resolve_in_use(struct resolved *resolved, const struct world *world)
{
        for (guint i = 0; i < resolved->vm_count; i++)
                resolve_uses(&resolved->vms[i], world);
}

void
resolve_fresh(struct resolved *resolved, guint index, const struct world *world)
{
        struct resolved_vm *vm = &resolved->vms[index];
        const struct vm_world *found = world_vm(world, vm->vm->name);

        g_clear_pointer(&vm->faults, g_ptr_array_unref); /* the old disks' no longer count; all else is looked at again */
        resolve_machine(vm, found ? found->spec : NULL, world->qemu);
        resolve_accel(vm, world->qemu);
        vm->launch.machine = vm->spec->machine ? vm->spec->machine : vm->vm->machine;
        check_requirements(vm, world);
        resolve_disks(resolved, vm, world, TRUE);
        resolve_firmware(resolved, vm, world);
        resolve_uses(vm, world);
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
                g_clear_pointer(&resolved->vms[i].faults, g_ptr_array_unref);
                g_clear_pointer(&resolved->vms[i].taken, g_array_unref);
        }
        g_free(resolved->vms);
        g_clear_pointer(&resolved->faults, g_ptr_array_unref);
        g_string_chunk_free(resolved->store->strings);
        g_array_unref(resolved->store->hosts);
        g_array_unref(resolved->published);
        g_ptr_array_unref(resolved->store->lists);
        g_free(resolved->store->networks);
        g_free(resolved->store);
        g_free(resolved);
}
