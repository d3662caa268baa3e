/* apply_seed.c - the CD-ROM that tells cloud-init what a guest is to become: made before every start, written when it differs
 *
 * The instance-id is that of the root disk: cloud-init sets up each disk once, and a fresh one anew.
 */
#include "runtime/apply/apply.h"

#include "base/error.h"
#include "base/file.h"
#include "runtime/storage/cloud_init.h"
#include "runtime/storage/seed.h"
#include "runtime/storage/ssh_key.h"

static GHashTable *
read_files(const struct vm *vm, GError **error)
{
        g_autoptr(GHashTable) files = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_bytes_unref);
        g_autoptr(GPtrArray) paths = cloud_init_paths(vm);

        for (guint i = 0; i < paths->len; i++) {
                char *path = g_ptr_array_index(paths, i), *text;
                size_t length;

                if (!file_read(path, CLOUD_INIT_MAX_FILE, &text, &length, error))
                        return NULL;
                g_hash_table_insert(files, path, g_bytes_new_take(text, length));
        }
        return g_steal_pointer(&files);
}

static guint
add_file(struct seed_file *files, guint count, const char *name, GBytes *bytes)
{
        if (!bytes)
                return count;
        files[count] = (struct seed_file){.name = name, .text = g_bytes_get_data(bytes, NULL),
                                          .length = g_bytes_get_size(bytes)};
        return count + 1;
}

gboolean
apply_seed(struct apply *apply, const struct resolved_vm *vm, GError **error)
{
        const struct paths *paths = apply->session->world->paths;
        const struct kept_disk *root = spec_disk(vm->spec, "root");
        g_autofree char *instance = g_strdup_printf("%s-%u", vm->spec->uuid, root ? root->generation : 0);
        g_autofree char *path = paths_seed(paths, vm->vm->name), *key = NULL;
        g_auto(cloud_init_texts_t) texts = {0};
        g_autoptr(GHashTable) files = NULL;
        struct seed_file seed[4];
        guint count = 0;

        if (!vm_wants_seed(vm->vm))
                return file_remove(path, error);
        files = read_files(vm->vm, error);
        if (!files || !ssh_key_ensure(paths, apply->session->project->name, &key, error))
                return FALSE;
        if (!cloud_init_build(&(struct cloud_init_wish){.vm = vm->vm,
                                                        .nics = vm->launch.nics,
                                                        .nic_count = vm->launch.nic_count,
                                                        .networks = apply->session->resolved->lab.networks,
                                                        .instance_id = instance,
                                                        .project_key = key,
                                                        .files = files},
                              &texts, error))
                return FALSE;
        count = add_file(seed, count, "user-data", texts.user_data);
        count = add_file(seed, count, "meta-data", texts.meta_data);
        count = add_file(seed, count, "network-config", texts.network_config);
        count = add_file(seed, count, "vendor-data", texts.vendor_data);
        return seed_ensure(path, seed, count, NULL, error);
}
