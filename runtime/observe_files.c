/* observe_files.c - look at the files of VMs: disks, images, kernels, who else has them open */
#include "runtime/observe.h"

#include "base/file.h"
#include "runtime/storage/disk_key.h"
#include "runtime/storage/source.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static void
add_disk_files(struct world *world, const char *directory)
{
        g_autoptr(GPtrArray) names = file_list_directory(directory, NULL);

        for (guint i = 0; names && i < names->len; i++) {
                const char *name = g_ptr_array_index(names, i);

                if (g_str_has_suffix(name, ".qcow2") || g_str_has_suffix(name, ".raw")) {
                        g_autofree char *path = g_build_filename(directory, name, NULL);
                        struct disk_head *head = g_new0(struct disk_head, 1);

                        /* 0: its header cannot be read, and nothing follows from its size */
                        if (!disk_read_head(path, g_str_has_suffix(name, ".raw") ? "raw" : "qcow2", head, NULL))
                                *head = (struct disk_head){0};
                        g_hash_table_insert(world->files, g_steal_pointer(&path), head);
                }
        }
}

void
observe_disks(struct world *world)
{
        g_autofree char *named = g_build_filename(world->paths->data, "disks", NULL);

        world->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        add_disk_files(world, named);
        for (guint i = 0; i < world->vms->len; i++) {
                const struct vm_world *vm = g_ptr_array_index(world->vms, i);
                g_autofree char *directory = paths_vm_data(world->paths, vm->name);

                add_disk_files(world, directory);
        }
}

static void
probed_image_free(gpointer data)
{
        struct probed_image *image = data;

        g_clear_error(&image->error);
        g_free(image);
}

static gboolean
has_root_disk(const struct world *world, const struct vm_world *vm)
{
        const struct kept_disk *root = vm->spec ? spec_disk(vm->spec, "root") : NULL;
        g_autofree char *path = root ? paths_vm_disk(world->paths, vm->name, root->name, root->generation, root->format) : NULL;

        return path && g_hash_table_contains(world->files, path);
}

static void
probe_once(struct world *world, const char *path, const struct child_user *user)
{
        struct probed_image *image;
        struct image_info known;
        gboolean is_known;

        if (!path || g_hash_table_contains(world->images, path))
                return;
        image = g_new0(struct probed_image, 1);
        g_hash_table_insert(world->images, g_strdup(path), image);
        is_known = image_recall(world->paths->cache, path, &known);
        if (!image_probe(path, user, is_known ? &known : NULL, &image->info, &image->error))
                return;
}

void
observe_image(struct world *world, const char *path, const struct child_user *user)
{
        probe_once(world, path, user);
}

static void
look_once(struct world *world, const char *path)
{
        struct stat st;

        if (path && !g_hash_table_contains(world->plain_files, path))
                g_hash_table_insert(world->plain_files, g_strdup(path), GINT_TO_POINTER(stat(path, &st) < 0 ? errno : 0));
}

static void
probed_key_free(gpointer data)
{
        struct probed_key *key = data;

        g_clear_error(&key->error);
        g_free(key);
}

static void
probe_key(struct world *world, const struct disk *disk)
{
        const char *path = disk && disk->encryption ? disk->encryption->key_file : NULL;
        struct probed_key *key;

        if (!path || g_hash_table_contains(world->keys, path))
                return;
        key = g_new0(struct probed_key, 1);
        g_hash_table_insert(world->keys, g_strdup(path), key);
        if (!disk_key_check(path, &key->exposed, &key->error))
                return;
}

void
observe_cache(struct world *world, const struct project *project)
{
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        world->fetched = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        world->expected = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        for (guint i = 0; i < project->vm_count; i++) {
                const struct image_source source = image_source_of(project, &project->vms[i]);
                g_autofree char *key = image_source_key(&source), *path = NULL;
                GHashTable *known;

                if (!key || g_hash_table_contains(seen, key))
                        continue;
                path = cache_expect(world->paths->cache, &source.remote);
                known = path && file_exists(path) ? world->fetched : world->expected;
                if (path)
                        g_hash_table_insert(known, g_strdup(key), g_steal_pointer(&path));
                g_hash_table_add(seen, g_steal_pointer(&key));
        }
}

const char *
world_image_path(const struct world *world, const struct project *project, const struct vm *vm)
{
        const struct image_source source = image_source_of(project, vm);
        g_autofree char *key = image_source_key(&source);

        return key ? (world->fetched ? g_hash_table_lookup(world->fetched, key) : NULL) : source.path;
}

const char *
world_image_expected(const struct world *world, const struct project *project, const struct vm *vm)
{
        const struct image_source source = image_source_of(project, vm);
        g_autofree char *key = image_source_key(&source);

        return key && world->expected ? g_hash_table_lookup(world->expected, key) : NULL;
}

void
observe_images(struct world *world, const struct project *project, const struct child_user *user)
{
        world->images = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, probed_image_free);
        world->plain_files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        world->keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, probed_key_free);
        world->stamps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        for (guint i = 0; i < project->vm_count; i++) {
                const struct vm *vm = &project->vms[i];

                if (vm->display_password_file)
                        g_hash_table_insert(world->stamps, g_strdup(vm->display_password_file),
                                            file_stamp(vm->display_password_file));
                /* A running VM may be restarted with a file that it has not had before: what that is has to be known. */
                if (!has_root_disk(world, world_vm(world, vm->name)))
                        probe_once(world, world_image_path(world, project, vm), user);
                if (vm->root)
                        probe_once(world, vm->root->file, user);
                probe_key(world, vm->root);
                for (guint n = 0; n < vm->disk_count; n++)
                        probe_key(world, &vm->disks[n]);
                for (guint n = 0; n < vm->mount_count; n++)
                        look_once(world, vm->mounts[n].source);
                for (guint n = 0; n < vm->disk_count; n++)
                        if (vm->disks[n].media == MEDIA_CDROM)
                                look_once(world, vm->disks[n].file);
                        else
                                probe_once(world, vm->disks[n].file, user);
                look_once(world, vm->boot.kernel);
                look_once(world, vm->boot.initrd);
                for (guint n = 0; n < vm->credential_count; n++)
                        look_once(world, vm->credentials[n].path);
        }
}

/* ---- files that somebody else has open ---- */

/* Was the VM, which runs, started with this disk? Then it is the one that has it. */
static gboolean
has_disk(const struct vm_world *vm, const struct disk *disk)
{
        const json_t *wish = vm->spec ? vm->spec->wish : NULL, *item;
        const char *path = disk_in_place(disk), *key = disk->file ? "file" : disk->device ? "device" : "url";
        size_t i;

        if (!disk->named && !path)
                return TRUE;
        if (disk->is_root)
                return g_strcmp0(json_text(json_object_get(wish, "disk"), key), path) == 0;
        json_array_foreach (json_object_get(wish, "disks"), i, item) {
                const char *named = json_is_string(item) ? json_string_value(item) : json_text(item, "disk");

                if (disk->named ? g_strcmp0(named, disk->named) == 0 : g_strcmp0(json_text(item, key), path) == 0)
                        return TRUE;
        }
        return FALSE;
}

static void
probe_use(struct world *world, GHashTable *seen, const char *path, enum file_access access, GPtrArray *found)
{
        struct file_use *use;

        if (!path || !g_hash_table_add(seen, (gpointer)path))
                return;
        use = file_use_probe(path, access);
        if (!use)
                return;
        g_hash_table_insert(world->uses, use->path, use);
        g_ptr_array_add(found, use);
}

static void
file_use_free_data(gpointer data)
{
        file_use_free(data);
}

void
observe_uses(struct world *world, const struct resolved *resolved)
{
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GPtrArray) found = g_ptr_array_new();

        world->uses = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, file_use_free_data);
        for (guint i = 0; i < resolved->vm_count; i++) {
                const struct launch *launch = &resolved->vms[i].launch;
                const struct vm_world *vm = world_vm(world, launch->vm->name);

                for (guint n = 0; n < launch->disk_count; n++) {
                        const struct launch_disk *disk = &launch->disks[n];

                        if (disk->disk->url || (vm_is_alive(vm) && has_disk(vm, disk->disk)))
                                continue;
                        if (disk_in_place(disk->disk) || g_hash_table_contains(world->files, disk->path))
                                probe_use(world, seen, disk->path, launch_disk_access(disk), found);
                        probe_use(world, seen, disk->backing_path, FILE_READS, found);
                }
        }
        file_use_find(found);
}
