/* users.c - which VMs, of all projects that this user has, stand on which image */
#include "runtime/users.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "runtime/state.h"

static void
add_user(GHashTable *users, const char *image, char *who)
{
        g_autofree char *name = g_path_get_basename(image);
        GPtrArray *list = g_hash_table_lookup(users, name);

        if (!list) {
                list = g_ptr_array_new_with_free_func(g_free);
                g_hash_table_insert(users, g_steal_pointer(&name), list);
        }
        g_ptr_array_add(list, who);
}

static gboolean
add_vm(GHashTable *users, const char *project, const char *vm, GError **error)
{
        g_autoptr(paths_t) paths = paths_new(project);
        g_autoptr(GError) local = NULL;
        g_autoptr(spec_t) spec = spec_load(paths, vm, &local);

        if (!spec && g_error_matches(local, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                return TRUE;
        if (!spec)
                return error_set(error, DROVER_ERROR_CORRUPT, "cannot tell which image vm '%s' of project '%s' stands on: %s",
                                 vm, project, local->message);
        for (guint i = 0; i < spec->disks->len; i++) {
                const struct kept_disk *disk = spec->disks->pdata[i];

                if (disk->backing_path)
                        add_user(users, disk->backing_path, g_strdup_printf("%s/%s", project, vm));
        }
        return TRUE;
}

static gboolean
add_project(GHashTable *users, const char *project, GError **error)
{
        g_autoptr(paths_t) paths = paths_new(project);
        g_autofree char *vms = g_build_filename(paths->data, "vms", NULL);
        g_autoptr(GPtrArray) names = file_list_directory(vms, error);

        if (!names)
                return FALSE;
        for (guint i = 0; i < names->len; i++)
                if (text_is_name(names->pdata[i]) && !add_vm(users, project, names->pdata[i], error))
                        return FALSE;
        return TRUE;
}

GHashTable *
image_users(const struct paths *paths, GError **error)
{
        g_autoptr(GHashTable) users =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
        g_autoptr(GPtrArray) names = file_list_directory(paths->data_root, error);

        if (!names)
                return NULL;
        for (guint i = 0; i < names->len; i++) {
                g_autofree char *path = g_build_filename(paths->data_root, names->pdata[i], NULL);

                if (text_is_name(names->pdata[i]) && g_file_test(path, G_FILE_TEST_IS_DIR) &&
                    !add_project(users, names->pdata[i], error))
                        return NULL;
        }
        return g_steal_pointer(&users);
}
