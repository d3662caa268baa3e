/* resolve.c - defaults that need more than their own key: implicit network and NIC, root disk, disk names, references */
#include "parser/check/check.h"

#include "base/text.h"
#include "parser/decode/decode.h"
#include "parser/value/disk-url.h"

#include <string.h>

static const char *const no_texts[] = {NULL};

static gboolean
is_written(const struct node *node, const char *key)
{
        const struct node *value = node_get(node, key);

        return value && !node_is_null(value);
}

/* Does the file say which ones, if only that it has none, or is there a fault in what it says? */
static gboolean
has_nics(const struct vm *vm)
{
        return vm->nics || is_written(vm->node, "networks");
}

/* ---- the implicit network ---- */

static gboolean
has_network(const struct project *project, const char *name)
{
        for (guint i = 0; i < project->network_count; i++)
                if (strcmp(project->networks[i].name, name) == 0)
                        return TRUE;
        return FALSE;
}

static gboolean
needs_default(const struct project *project)
{
        for (guint i = 0; i < project->declared_vm_count; i++) {
                const struct vm *vm = &project->declared_vms[i];

                if (!has_nics(vm))
                        return TRUE;
                for (guint j = 0; j < vm->nic_count; j++)
                        if (strcmp(vm->nics[j].network ? vm->nics[j].network : vm->nics[j].name, "default") == 0)
                                return TRUE;
        }
        return FALSE;
}

static void
add_default_network(struct check *check)
{
        struct decoder decoder = {.store = check->store, .diagnostics = check->diagnostics};
        struct project *project = check->project;

        if (has_network(project, "default") || !needs_default(project))
                return;
        if (!project->networks) /* otherwise decoding left room for one more */
                project->networks = decode_new(&decoder, &keys_network, 1);
        project->networks[project->network_count++].name = "default";
}

/* ---- networks ---- */

static void
resolve_network(struct check *check, struct network *network)
{
        if (network->mode == MODE_BRIDGE) {
                network->subnet_auto = FALSE;
                network->dhcp.enabled = FALSE;
        }
        if (network->host_ip_none && !is_written(network->node, "dhcp"))
                network->dhcp.enabled = FALSE;
        if (!network->reach)
                network->reach = no_texts;
        if (!network->domain)
                network->domain = store_format(check->store, "%s.test", check->project->name);
}

/* ---- disks ---- */

static gboolean
disk_name_taken(const struct vm *vm, guint count, const char *name)
{
        if (strcmp(name, "root") == 0)
                return TRUE;
        for (guint i = 0; i < count; i++)
                if (vm->disks[i].name && strcmp(vm->disks[i].name, name) == 0)
                        return TRUE;
        return FALSE;
}

/* A file or device that is attached without a name is known by that of the file. */
static const char *
name_of_file(struct check *check, const struct vm *vm, guint index)
{
        const struct disk *disk = &vm->disks[index];
        g_autofree char *base = g_path_get_basename(disk_in_place(disk));
        char *dot = strrchr(base, '.');
        g_autofree char *name = NULL;
        const char *unique;

        if (dot && dot != base)
                *dot = '\0';
        name = text_make_name(base);
        unique = store_text(check->store, *name ? name : "file", -1);
        for (guint i = 2; disk_name_taken(vm, vm->disk_count, unique); i++)
                unique = store_format(check->store, "%.30s-%u", *name ? name : "file", i);
        return unique;
}

static void
resolve_format(struct disk *disk)
{
        if (disk->url && disk_url_is_web(disk->url) && !is_written(disk->node, "read_only"))
                disk->read_only = TRUE;
        if (disk->media == MEDIA_CDROM) {
                disk->read_only = TRUE;
                disk->format = FORMAT_RAW;
                if (!is_written(disk->node, "bus"))
                        disk->bus = BUS_SATA;
        } else if ((disk->device || disk->url) && !is_written(disk->node, "format")) {
                disk->format = FORMAT_RAW;
        } else if (disk->file && !is_written(disk->node, "format")) {
                disk->format_unknown = TRUE;
                disk->format = FORMAT_RAW;
        }
}

static void
resolve_named_disk(struct check *check, const struct vm *vm, struct disk *disk)
{
        const struct disk *named = project_find_disk(check->project, disk->named);

        disk->name = disk->named;
        if (named) {
                disk->size_bytes = named->size_bytes;
                disk->format = named->format;
                disk->preallocated = named->preallocated;
                disk->preallocation = named->preallocation;
                disk->cluster_bytes = named->cluster_bytes;
                disk->has_compression = named->has_compression;
                disk->compression = named->compression;
                disk->encryption = named->encryption;
        } else {
                g_autofree char *subject = g_strdup_printf("disks of vm '%s'", vm->name);
                struct place place = disk->node->kind == NODE_SCALAR ? disk->node->place : project_place(disk->node, "disk");

                check_unknown(check, "unknown-disk", place, subject, "disk", disk->named, check->store->disks);
        }
}

static void
resolve_disks(struct check *check, struct vm *vm)
{
        if (vm_has_image(vm) && !vm->root)
                vm->root = store_alloc(check->store, sizeof *vm->root);
        if (vm->root) {
                vm->root->name = "root";
                vm->root->is_root = TRUE;
                resolve_format(vm->root);
        }
        for (guint i = 0; i < vm->disk_count; i++) {
                struct disk *disk = &vm->disks[i];

                if (!disk->node)
                        continue; /* a fault by itself */
                if (disk->named)
                        resolve_named_disk(check, vm, disk);
                else
                        resolve_format(disk);
        }
        for (guint i = 0; i < vm->disk_count; i++) {
                struct disk *disk = &vm->disks[i];

                if (!disk->name && disk_in_place(disk))
                        disk->name = name_of_file(check, vm, i);
                else if (!disk->name)
                        disk->name = "data";
        }
}

/* ---- NICs ---- */

static void
resolve_nic(struct check *check, const struct vm *vm, struct nic *nic)
{
        const struct network *network;

        if (!nic->network)
                nic->network = nic->name;
        if (!nic->aliases)
                nic->aliases = no_texts;
        network = project_find_network(check->project, nic->network);
        nic->network_index = NETWORK_UNKNOWN;
        if (network) {
                nic->network_index = (guint)(network - check->project->networks);
        } else if (text_is_name(nic->network)) { /* of what is no name that was told */
                g_autofree char *subject = g_strdup_printf("networks of vm '%s'", vm->name);
                const struct node *written = node_get(nic->node, "network");
                const struct node *key = written ? written : node_key(node_get(vm->node, "networks"), nic->name);

                check_unknown(check, "unknown-network", key ? key->place : project_place(nic->node, NULL), subject, "network",
                              nic->network, check->store->networks);
        }
}

static void
resolve_nics(struct check *check, struct vm *vm)
{
        if (!has_nics(vm)) {
                struct decoder decoder = {.store = check->store, .diagnostics = check->diagnostics};

                vm->nics = decode_new(&decoder, &keys_nic, 1);
                vm->nics->name = "default";
                vm->nic_count = 1;
        }
        for (guint i = 0; i < vm->nic_count; i++)
                resolve_nic(check, vm, &vm->nics[i]);
}

/* ---- VMs ---- */

static void
resolve_dependencies(struct check *check, const struct vm *vm)
{
        for (guint i = 0; i < vm->dependency_count; i++) {
                struct dependency *dependency = &vm->dependencies[i];
                const struct vm *other = g_hash_table_lookup(check->store->declared, dependency->name);

                dependency->index = other ? (guint)(other - check->project->declared_vms) : G_MAXUINT;
                if (!other && dependency->required && text_is_name(dependency->name)) {
                        g_autofree char *subject = g_strdup_printf("depends_on of vm '%s'", vm->name);

                        check_unknown(check, "unknown-vm", check_dependency_place(vm, dependency), subject, "vm",
                                      dependency->name, check->store->declared);
                }
        }
}

void
resolve_project(struct check *check)
{
        struct project *project = check->project;

        add_default_network(check);
        project_index(project);
        for (guint i = 0; i < project->network_count; i++)
                resolve_network(check, &project->networks[i]);
        for (guint i = 0; i < project->image_count; i++)
                resolve_fetch(check, &project->images[i]);
        for (guint i = 0; i < project->declared_vm_count; i++) {
                struct vm *vm = &project->declared_vms[i];

                if (!vm->hostname)
                        vm->hostname = vm->name;
                if (!vm->qemu_args)
                        vm->qemu_args = no_texts;
                if (!vm->profiles)
                        vm->profiles = no_texts;
                if (vm->image_name)
                        resolve_image(check, vm);
                resolve_disks(check, vm);
                resolve_nics(check, vm);
                resolve_dependencies(check, vm);
        }
}
