/* observe.c - look at the host: files, kernel, QEMU, dnsmasq; change nothing */
#include "runtime/observe.h"

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "runtime/vm/share.h"
#include "runtime/vm/vm.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *const status_names[] = {
        [VM_ABSENT] = "absent",   [VM_STOPPED] = "stopped", [VM_CRASHED] = "crashed",   [VM_STARTING] = "starting",
        [VM_RUNNING] = "running", [VM_PAUSED] = "paused",   [VM_PANICKED] = "panicked", [VM_UNREACHABLE] = "unreachable",
};

const char *
vm_status_name(enum vm_status status)
{
        return status_names[status];
}

gboolean
vm_is_alive(const struct vm_world *vm)
{
        return vm && vm->status >= VM_STARTING;
}

gint64
vm_started(const struct vm_world *vm)
{
        return vm->pid ? process_start_time(vm->pid) : 0;
}

gboolean
vm_nic_is_on(const struct vm_world *vm, const struct nic *nic, const char *network)
{
        const json_t *nics = vm->spec ? json_object_get(vm->spec->wish, "networks") : NULL;
        const char *applied = json_text(json_object_get(nics, nic->name), "network");

        if (nics && !json_object_get(nics, nic->name))
                return FALSE; /* its VM gets it behind rules and DHCP */
        return strcmp(applied ? applied : nic->network, network) == 0;
}

const struct vm_world *
world_vm(const struct world *world, const char *name)
{
        return g_hash_table_lookup(world->vms_by_name, name);
}

const struct probed_image *
world_image(const struct world *world, const char *path)
{
        return world->images && path ? g_hash_table_lookup(world->images, path) : NULL;
}

const struct probed_key *
world_key(const struct world *world, const char *path)
{
        return world->keys && path ? g_hash_table_lookup(world->keys, path) : NULL;
}

const char *
world_password_stamp(const struct world *world, const struct vm *vm)
{
        const char *path = vm->display_password_file;

        return world->stamps && path ? g_hash_table_lookup(world->stamps, path) : NULL;
}

static void
vm_world_free(gpointer data)
{
        struct vm_world *vm = data;

        g_free(vm->name);
        spec_free(vm->spec);
        g_free(vm->detail);
        g_clear_pointer(&vm->mtus, g_hash_table_unref);
        actual_free(vm->actual);
        g_clear_error(&vm->error);
        g_free(vm);
}

void
world_free(struct world *world)
{
        if (!world)
                return;
        observe_answers(world);
        uplink_state_clear(&world->uplink);
        netlink_free(world->netlink);
        firewall_look_free(world->firewall_look);
        home_free(world->home);
        links_free(world->links);
        state_free(world->state);
        g_clear_pointer(&world->vms_by_name, g_hash_table_unref);
        g_clear_pointer(&world->vms, g_ptr_array_unref);
        g_clear_pointer(&world->leases, g_array_unref);
        g_clear_pointer(&world->leases6, g_array_unref);
        g_clear_pointer(&world->taken_ports, g_array_unref);
        forwarder_state_clear(&world->forwarder);
        firewall_found_clear(&world->nft);
        g_clear_pointer(&world->fetched, g_hash_table_unref);
        g_clear_pointer(&world->expected, g_hash_table_unref);
        g_clear_pointer(&world->images, g_hash_table_unref);
        g_clear_pointer(&world->plain_files, g_hash_table_unref);
        g_clear_pointer(&world->stamps, g_hash_table_unref);
        g_clear_pointer(&world->keys, g_hash_table_unref);
        g_clear_pointer(&world->uses, g_hash_table_unref);
        g_clear_pointer(&world->files, g_hash_table_unref);
        qemu_info_free(world->qemu);
        g_free(world->virtiofsd);
        paths_free(world->paths);
        g_free(world);
}

/* ---- VMs ---- */

static void
find_root_disk(const struct world *world, struct vm_world *vm)
{
        const struct kept_disk *root = vm->spec ? spec_disk(vm->spec, "root") : NULL;
        g_autofree char *path = NULL;
        struct stat st;

        if (!root)
                return;
        path = paths_vm_disk(world->paths, vm->name, root->name, root->generation, root->format);
        if (stat(path, &st) == 0)
                vm->root_written = (guint64)st.st_mtime;
}

/* A throw-away VM outlives a drover that was killed, not the next one that changes something. */
static void
find_awaiter(const struct world *world, struct vm_world *vm)
{
        g_autofree char *directory = paths_vm_data(world->paths, vm->name);
        g_autofree char *path = g_build_filename(directory, VM_THROWAWAY_FILE, NULL);

        vm->throwaway = file_exists(path);
        vm->awaited = vm->throwaway && file_is_locked(path);
}

static void
add_vm(struct world *world, const char *name, gboolean in_file, gboolean kept)
{
        struct vm_world *vm = g_new0(struct vm_world, 1);

        vm->name = g_strdup(name);
        vm->in_file = in_file;
        g_ptr_array_add(world->vms, vm);
        g_hash_table_insert(world->vms_by_name, vm->name, vm);
        if (!kept)
                return;
        if (!in_file)
                find_awaiter(world, vm);
        vm->spec = spec_load(world->paths, name, &vm->error);
        if (g_error_matches(vm->error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                g_clear_error(&vm->error);
        find_root_disk(world, vm);
        if (vm_is_locked(world->paths, name)) {
                vm->status = VM_UNREACHABLE;
                vm->ending = vm_is_ending(world->paths, name);
                vm->pid = vm->spec ? vm_find_pid(world->paths, name, vm->spec->uuid) : 0;
                vm->detail = g_strdup(vm->pid ? "its monitor was not asked" : "its process is not to be found");
        } else if (vm_crashed(world->paths, name)) {
                vm->status = VM_CRASHED;
        } else if (vm->spec && vm->spec->present) {
                vm->status = VM_STOPPED;
        }
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
        return text_compare_natural(*(const char *const *)a, *(const char *const *)b);
}

/* Whether VMs hang together by depends_on does not matter which way: a restart reaches those above, a start those below. */
static void
include_connected(const struct project *project, gboolean *asked)
{
        gboolean more = TRUE;

        while (more) {
                more = FALSE;
                for (guint i = 0; i < project->vm_count; i++)
                        for (guint n = 0, below; (below = vm_dependency(&project->vms[i], n)) != G_MAXUINT; n++)
                                if (asked[i] != asked[below])
                                        asked[i] = asked[below] = more = TRUE;
        }
}

/* Of those that live; an array of struct vm_world. The project's come first in world->vms, in its order. */
static GPtrArray *
choose_asked(const struct world *world, const struct project *project, const char *const *names)
{
        GPtrArray *chosen = g_ptr_array_new();
        g_autofree gboolean *asked = g_new0(gboolean, world->vms->len);

        for (guint i = 0; i < world->vms->len; i++) {
                const struct vm_world *vm = g_ptr_array_index(world->vms, i);

                asked[i] = !names || project_is_named(project, names, vm->name);
        }
        if (names)
                include_connected(project, asked);
        for (guint i = 0; i < world->vms->len; i++)
                if (asked[i] && vm_is_alive(g_ptr_array_index(world->vms, i)))
                        g_ptr_array_add(chosen, g_ptr_array_index(world->vms, i));
        return chosen;
}

gboolean
observe_vms(struct world *world, const struct project *project, const struct observe_options *options, GError **error)
{
        g_autofree char *directory = g_build_filename(world->paths->data, "vms", NULL);
        g_autoptr(GPtrArray) kept = file_list_directory(directory, error);
        g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GPtrArray) asked = NULL;

        world->vms = g_ptr_array_new_with_free_func(vm_world_free);
        world->vms_by_name = g_hash_table_new(g_str_hash, g_str_equal);
        if (!kept)
                return FALSE; /* VMs that are here must never pass for unknown ones */
        g_ptr_array_sort(kept, compare_names);
        for (guint i = 0; i < kept->len; i++)
                g_hash_table_add(known, g_ptr_array_index(kept, i));
        for (guint i = 0; i < project->vm_count; i++)
                add_vm(world, project->vms[i].name, TRUE, g_hash_table_contains(known, project->vms[i].name));
        for (guint i = 0; i < kept->len; i++)
                if (!world_vm(world, g_ptr_array_index(kept, i)) && text_is_name(g_ptr_array_index(kept, i)))
                        add_vm(world, g_ptr_array_index(kept, i), FALSE, TRUE);
        asked = choose_asked(world, project, options->vms);
        if (options->qmp && asked->len)
                observe_ask(world, project, asked, options->devices);
        return TRUE;
}

GArray *
observe_members(const struct world *world)
{
        GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
        g_autofree char *directory = g_build_filename(world->paths->data, "dnsmasq", NULL);
        pid_t services[] = {dnsmasq_find(directory), forwarder_find(world->paths->data)};

        for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
                if (services[i] > 0)
                        g_array_append_val(pids, services[i]);
        for (guint i = 0; i < world->vms->len; i++) {
                const struct vm_world *vm = g_ptr_array_index(world->vms, i);

                if (vm->pid > 0)
                        g_array_append_val(pids, vm->pid);
        }
        return pids;
}

/* ---- the host ---- */

static guint64
read_meminfo(const char *text, const char *key)
{
        const char *line = strstr(text, key);

        return line ? g_ascii_strtoull(line + strlen(key), NULL, 10) * 1024 : 0;
}

/* Pairs of code and variables as the distributions install them: Debian and Ubuntu, Fedora, Arch, openSUSE. */
static void
find_firmware(struct world *world)
{
        static const char *const pairs[][2] = {
                {"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
                {"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
                {"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
                {"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},
                {"/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(pairs) && !world->uefi_code; i++)
                if (file_exists(pairs[i][0]) && file_exists(pairs[i][1])) {
                        world->uefi_code = pairs[i][0];
                        world->uefi_vars = pairs[i][1];
                }
}

void
observe_host(struct world *world, const struct child_user *user)
{
        g_autofree char *text = NULL;
        struct statvfs fs;

        if (file_read("/proc/meminfo", 65536, &text, NULL, NULL)) {
                world->memory_total = read_meminfo(text, "MemTotal:");
                world->memory_available = read_meminfo(text, "MemAvailable:");
        }
        if (statvfs(world->paths->data_root, &fs) == 0 || statvfs("/", &fs) == 0)
                world->disk_free = (guint64)fs.f_bavail * fs.f_frsize;
        find_firmware(world);
        world->virtiofsd = share_find_program();
        world->qemu = qemu_probe(world->paths->cache, user);
}
