/* check-vm.c - boot, memory, host names; and the order in which a VM is looked at */
#include "parser/check/check-users.h"

#include "parser/keys/keys.h"

#include <string.h>

static const guint64 small_memory_bytes = G_GUINT64_CONSTANT(64) << 20;

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
        check_file(users, (struct wanted_file){boot->kernel, "kernel", "vm", vm->name, boot->node, "kernel"});
        check_file(users, (struct wanted_file){boot->initrd, "initrd", "vm", vm->name, boot->node, "initrd"});
}

static void
check_memory(const struct check *check, const struct vm *vm)
{
        if (vm->memory_bytes && vm->memory_bytes < small_memory_bytes)
                diagnostics_add(check->diagnostics, SEVERITY_WARNING, "small-memory", project_place(vm->node, "memory"),
                                "a Linux guest needs 96M or more", "memory of vm '%s' is too small for most systems", vm->name);
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
check_hostname(const struct users *users, const struct vm *vm)
{
        const struct vm *other = note_user(users->hostnames, vm->hostname, vm);

        if (other && strcmp(other->name, vm->name) != 0) /* two of one name were told of when replicas were made */
                check_fault(users->check, "hostname-twice", project_place(vm->node, "hostname"), NULL,
                            "hostname of vm '%s': '%s' is the hostname of vm '%s' too", vm->name, vm->hostname, other->name);
}

/* Every system takes this name for itself. */
static void
check_localhost(const struct check *check, const struct vm *vm)
{
        const struct vm *declared =
                g_str_has_prefix(vm->name, "localhost") ? project_find_declared(check->project, vm->name) : NULL;

        if (declared && strcmp(declared->name, "localhost") == 0)
                check_fault(check, "named-localhost",
                            check_key_place(check, "vms", (guint)(declared - check->project->declared_vms)),
                            "take another name", "vm 'localhost': in each guest this is the guest itself");
        else if (strcmp(vm->hostname, "localhost") == 0)
                check_fault(check, "hostname-localhost", project_place(vm->node, "hostname"), "take another name",
                            "hostname of vm '%s': in each guest 'localhost' is the guest itself", vm->name);
        for (guint i = 0; i < vm->nic_count; i++)
                if (g_strv_contains(vm->nics[i].aliases, "localhost"))
                        check_fault(check, "alias-localhost", project_place(vm->nics[i].node, "aliases"), "take another name",
                                    "aliases of nic '%s' of vm '%s': in each guest 'localhost' is the guest itself",
                                    vm->nics[i].name, vm->name);
}

/* VMs whose host names are their own cannot clash. */
static gboolean
has_hostnames(const struct project *project)
{
        for (guint i = 0; i < project->vm_count; i++)
                if (strcmp(project->vms[i].hostname, project->vms[i].name) != 0)
                        return TRUE;
        return FALSE;
}

/* Before disks are looked at: who writes to a file has to know whose image it is. */
static void
note_images(const struct users *users)
{
        const char *const *words = keys_find_in(&keys_vm, "arch")->words;
        const struct project *project = users->check->project;

        for (guint i = 0; i < project->vm_count; i++) {
                const struct vm *vm = &project->vms[i];
                const struct image *image = vm_named_image(project, vm);
                const char *path = image ? image->file : vm->image;

                if (path)
                        note_user(users->images, path, vm);
                if (image && image->has_arch && image->arch != vm->arch)
                        check_fault(users->check, "image-arch", project_place(vm->node, "image"), NULL,
                                    "vm '%s' is %s, and its image '%s' is for %s", vm->name, words[vm->arch],
                                    image->name, words[image->arch]);
        }
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
        gboolean hostnames_differ = has_hostnames(project);

        check_images(&users);
        check_named_disks(&users);
        note_images(&users);
        for (guint i = 0; i < project->vm_count; i++) {
                const struct vm *vm = &project->vms[i];

                check_file(&users, (struct wanted_file){vm->image, "image", "vm", vm->name, vm->node, "image"});
                check_disks(&users, vm);
                check_boot(&users, vm);
                check_provision(&users, vm);
                if (vm->display_password_file)
                        check_file(&users, (struct wanted_file){vm->display_password_file, "password_file of display", "vm",
                                                                vm->name, node_get(vm->node, "display"), "password_file"});
                check_memory(check, vm);
                if (hostnames_differ)
                        check_hostname(&users, vm);
                check_localhost(check, vm);
        }
}
