/* check-provision.c - what sets up a guest: mounts, cloud-init, files, packages, ssh keys; and the files that they name */
#include "parser/check/check-users.h"

#include "parser/keys/keys.h"

#include <string.h>

static struct wanted_file
wanted(const char *path, const char *what, const struct vm *vm, const struct node *node, const char *key)
{
        return (struct wanted_file){path, what, "vm", vm->name, node, key};
}

static void
check_mounts(const struct users *users, const struct vm *vm)
{
        g_autoptr(GHashTable) targets = vm->mount_count ? g_hash_table_new(g_str_hash, g_str_equal) : NULL;

        if (vm->mount_count && (strcmp(vm->machine, "pc") == 0 || g_str_has_prefix(vm->machine, "pc-i440fx")))
                check_fault(users->check, "mount-machine", project_place(vm->node, "machine"),
                            "write 'machine: q35', or leave it out", "mounts of vm '%s': machine '%s' has no place for them",
                            vm->name, vm->machine);
        for (guint i = 0; i < vm->mount_count; i++) {
                const struct mount *mount = &vm->mounts[i];
                struct place place = project_place(mount->node, "target");

                check_folder(users, wanted(mount->source, "mounts", vm, mount->node, "source"));
                if (!mount->target)
                        continue;
                if (strcmp(mount->target, "/") == 0)
                        check_fault(users->check, "mount-root", place, "write a folder of the guest: ./src:/src",
                                    "mounts of vm '%s': nothing can be mounted over all that the guest has", vm->name);
                else if (!g_hash_table_add(targets, (gpointer)mount->target))
                        check_fault(users->check, "mount-twice", place, NULL, "mounts of vm '%s': '%s' is mounted over twice",
                                    vm->name, mount->target);
        }
}

static void
check_files(const struct users *users, const struct vm *vm)
{
        const struct check *check = users->check;
        g_autoptr(GHashTable) paths = vm->file_count ? g_hash_table_new(g_str_hash, g_str_equal) : NULL;

        for (guint i = 0; i < vm->file_count; i++) {
                const struct guest_file *file = &vm->files[i];
                const struct node *path = node_get(file->node, "path");
                gboolean has_content = project_is_set(file->node, "content"), has_source = project_is_set(file->node, "source");

                if (!file->node || file->node->kind != NODE_MAP)
                        continue; /* a fault by itself */
                if (!has_content && !has_source)
                        check_fault(check, "file-without-content", file->node->place,
                                    "write 'content: ...', or 'source: ./...' for a file of the host",
                                    "file of vm '%s' has neither content nor source", vm->name);
                if (has_content && has_source)
                        check_fault(check, "file-two-contents", project_place(file->node, "source"), "remove one of the two",
                                    "file of vm '%s' has both content and source", vm->name);
                check_file(users, wanted(file->source, "source of file", vm, file->node, "source"));
                if (!file->path)
                        continue;
                if (g_str_has_suffix(path->text, "/"))
                        check_fault(check, "file-is-folder", path->place, "write the name of the file too",
                                    "path of file of vm '%s': '%s' is a folder", vm->name, path->text);
                else if (!g_hash_table_add(paths, (gpointer)file->path))
                        check_fault(check, "file-twice", path->place, NULL, "files of vm '%s': '%s' is written twice", vm->name,
                                    file->path);
        }
}

static void
check_cloud_init(const struct users *users, const struct vm *vm)
{
        const struct cloud_init *seed = vm->cloud_init;

        if (seed) {
                const struct node *node = seed->node;

                check_file(users, wanted(seed->user_data.path, "user_data of cloud_init", vm, node, "user_data"));
                check_file(users,
                           wanted(seed->network_config.path, "network_config of cloud_init", vm, node, "network_config"));
                check_file(users, wanted(seed->meta_data.path, "meta_data of cloud_init", vm, node, "meta_data"));
                check_file(users, wanted(seed->vendor_data.path, "vendor_data of cloud_init", vm, node, "vendor_data"));
        }
        check_file(users, wanted(vm->ignition, "ignition", vm, vm->node, "ignition"));
}

/* A package goes into a list that cloud-init hands to the guest's package manager. */
static void
check_packages(const struct check *check, const struct vm *vm)
{
        const struct node *list = vm->packages ? node_get(vm->node, "packages") : NULL;

        for (guint i = 0; list && vm->packages[i]; i++) {
                const char *name = vm->packages[i];
                struct place place = list->count > i ? list->items[i]->place : list->place;

                if (*name && *name != '-' && !strpbrk(name, " \t\n,;|&"))
                        continue;
                check_fault(check, "package-name", place,
                            strpbrk(name, " ,") ? "write one entry for each package: [nginx, curl]" : NULL,
                            "packages of vm '%s': this is no name of a package", vm->name);
        }
}

static void
check_credentials(const struct users *users, const struct vm *vm)
{
        const struct check *check = users->check;
        size_t bytes = 0;

        for (guint i = 0; i < vm->credential_count; i++) {
                const struct credential *credential = &vm->credentials[i];

                if (!credential->content && !credential->path && !check_has_unknown(credential->node, &keys_credential))
                        check_fault(check, "credential-without-content", credential->node->place,
                                    "write its text, or {file: PATH} for a file of the host",
                                    "credential '%s' of vm '%s' has neither content nor file", credential->name, vm->name);
                if (credential->content && credential->path)
                        check_fault(check, "credential-two-contents", project_place(credential->node, "file"),
                                    "remove one of the two", "credential '%s' of vm '%s' has both content and file",
                                    credential->name, vm->name);
                check_file(users, wanted(credential->path, "credential", vm, credential->node, "file"));
                if (credential->content && strlen(credential->content) > CREDENTIAL_MAX_BYTES)
                        check_fault(check, "credential-large", project_place(credential->node, "content"),
                                    "'files' writes larger ones, at the first boot",
                                    "credential '%s' of vm '%s' has more than %d bytes", credential->name, vm->name,
                                    CREDENTIAL_MAX_BYTES);
                bytes += credential->content ? strlen(credential->content) : 0;
        }
        if (bytes > CREDENTIALS_MAX_BYTES)
                check_fault(check, "credentials-large", project_place(vm->node, "credentials"),
                            "'files' writes larger ones, at the first boot",
                            "credentials of vm '%s': together they have at most %d KiB", vm->name,
                            CREDENTIALS_MAX_BYTES >> 10);
}

/* Whether it is there is seen when it is read: that of another user of the file may not be. */
static void
check_ssh(const struct check *check, const struct vm *vm)
{
        for (guint i = 0; vm->ssh && i < vm->ssh->key_count; i++) {
                const struct ssh_key *key = &vm->ssh->keys[i];
                g_autofree char *base = key->path ? g_path_get_basename(key->path) : g_strdup("");
                g_autofree char *hint = NULL;

                if (g_str_has_prefix(base, "id_") && !strchr(base, '.'))
                        hint = g_strdup_printf("did you mean '%s.pub'?", base);
                else if (g_str_has_suffix(base, ".pem"))
                        hint = g_strdup_printf("'ssh-keygen -y -f %s' prints the public key", base);
                if (hint)
                        check_fault(check, "private-key", key->place, hint,
                                    "keys of ssh of vm '%s': '%s' is a private key by its name", vm->name, key->path);
        }
}

void
check_provision(const struct users *users, const struct vm *vm)
{
        check_mounts(users, vm);
        check_files(users, vm);
        check_cloud_init(users, vm);
        check_credentials(users, vm);
        check_packages(users->check, vm);
        check_ssh(users->check, vm);
}
