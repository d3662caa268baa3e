/* spec.c - spec.json: a VM as last applied, and the identity that it keeps */
#include "runtime/state.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "parser/value/value.h"
#include "runtime/identity.h"

#include <string.h>

static void
kept_disk_free(gpointer data)
{
        struct kept_disk *disk = data;

        g_free(disk->name);
        g_free(disk->format);
        g_free(disk->backing_path);
        g_free(disk);
}

static struct spec *
spec_empty(const char *name)
{
        struct spec *spec = g_new0(struct spec, 1);

        spec->name = g_strdup(name);
        spec->ports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        spec->macs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        spec->disks = g_ptr_array_new_with_free_func(kept_disk_free);
        spec->refused = g_ptr_array_new_with_free_func(g_free);
        spec->plugged = g_ptr_array_new_with_free_func(g_free);
        return spec;
}

struct spec *
spec_new(const char *project, const char *vm)
{
        struct spec *spec = spec_empty(vm);

        identity_uuid(project, vm, spec->uuid);
        return spec;
}

void
spec_free(struct spec *spec)
{
        if (!spec)
                return;
        g_free(spec->name);
        g_free(spec->machine);
        g_free(spec->started_as);
        g_free(spec->password_stamp);
        json_decref(spec->wish);
        json_decref(spec->set);
        json_decref(spec->seeded);
        g_hash_table_unref(spec->ports);
        g_hash_table_unref(spec->macs);
        g_ptr_array_unref(spec->disks);
        g_ptr_array_unref(spec->refused);
        g_ptr_array_unref(spec->plugged);
        g_free(spec);
}

static void
add_id(GPtrArray *ids, const char *id)
{
        if (!g_ptr_array_find_with_equal_func(ids, id, g_str_equal, NULL))
                g_ptr_array_add(ids, g_strdup(id));
}

static void
remove_id(GPtrArray *ids, const char *id)
{
        guint i;

        if (g_ptr_array_find_with_equal_func(ids, id, g_str_equal, &i))
                g_ptr_array_remove_index(ids, i);
}

void
spec_refuse(struct spec *spec, const char *id)
{
        add_id(spec->refused, id);
}

void
spec_plug(struct spec *spec, const char *id)
{
        add_id(spec->plugged, id);
}

void
spec_forget_device(struct spec *spec, const char *id)
{
        g_hash_table_remove(spec->ports, id);
        remove_id(spec->refused, id);
        remove_id(spec->plugged, id);
}

static json_t *
encode_disk(const struct kept_disk *disk)
{
        json_t *object = json_object();

        json_set(object, "generation", json_integer(disk->generation));
        json_set_text(object, "format", disk->format);
        if (disk->backing_path) {
                json_t *backing = json_object();

                json_set_text(backing, "path", disk->backing_path);
                json_set_text(backing, "format", disk->backing.format);
                json_set(backing, "virtual_size_bytes", json_integer((json_int_t)disk->backing.virtual_size_bytes));
                json_set(backing, "device", json_integer((json_int_t)disk->backing.device));
                json_set(backing, "inode", json_integer((json_int_t)disk->backing.inode));
                json_set(backing, "size_bytes", json_integer((json_int_t)disk->backing.size_bytes));
                json_set(backing, "mtime_ns", json_integer(disk->backing.mtime_ns));
                json_set(object, "backing", backing);
        }
        return object;
}

static struct kept_disk *
decode_disk(const char *name, const json_t *object)
{
        const json_t *backing = json_object_get(object, "backing");
        const char *format = json_text(object, "format");
        gint64 generation = json_number(object, "generation", -1);
        struct kept_disk *disk;

        if (!text_is_name(name) || generation < 0 || generation > G_MAXINT ||
            (g_strcmp0(format, "qcow2") != 0 && g_strcmp0(format, "raw") != 0))
                return NULL;
        disk = g_new0(struct kept_disk, 1);
        disk->name = g_strdup(name);
        disk->generation = (guint)generation;
        disk->format = g_strdup(format);
        if (backing) {
                disk->backing_path = g_strdup(json_text(backing, "path"));
                g_strlcpy(disk->backing.format, json_text(backing, "format") ?: "", sizeof disk->backing.format);
                disk->backing.virtual_size_bytes = (guint64)json_number(backing, "virtual_size_bytes", 0);
                disk->backing.device = (guint64)json_number(backing, "device", 0);
                disk->backing.inode = (guint64)json_number(backing, "inode", 0);
                disk->backing.size_bytes = (guint64)json_number(backing, "size_bytes", 0);
                disk->backing.mtime_ns = json_number(backing, "mtime_ns", 0);
        }
        return disk;
}

static void
encode_ids(json_t *root, const char *key, const GPtrArray *ids)
{
        json_t *list = ids->len ? json_array() : NULL;

        for (guint i = 0; i < ids->len; i++)
                json_array_append_new(list, json_string(g_ptr_array_index(ids, i)));
        json_set(root, key, list);
}

/* They become QMP. */
static void
decode_ids(const json_t *root, const char *key, GPtrArray *ids)
{
        const json_t *id;
        size_t i;

        json_array_foreach (json_object_get(root, key), i, id)
                if (json_is_string(id) && !strpbrk(json_string_value(id), "\"\\/"))
                        add_id(ids, json_string_value(id));
}

static json_t *
encode(const struct spec *spec)
{
        json_t *root = json_object(), *ports = json_object(), *macs = json_object(), *disks = json_object();
        gpointer key, value;
        GHashTableIter iter;

        json_set(root, "schema", json_integer(STATE_SCHEMA));
        json_set(root, "present", json_boolean(spec->present));
        json_set(root, "stopped", json_boolean(spec->stopped));
        json_set(root, "paused", json_boolean(spec->paused));
        json_set_text(root, "uuid", spec->uuid);
        json_set_text(root, "machine", spec->machine);
        json_set_text(root, "started_as", spec->started_as);
        json_set_text(root, "password_stamp", spec->password_stamp);
        json_set(root, "kvm", json_boolean(spec->kvm));
        g_hash_table_iter_init(&iter, spec->ports);
        while (g_hash_table_iter_next(&iter, &key, &value))
                json_set(ports, key, json_integer(GPOINTER_TO_UINT(value)));
        g_hash_table_iter_init(&iter, spec->macs);
        while (g_hash_table_iter_next(&iter, &key, &value))
                json_set_text(macs, key, value);
        for (guint i = 0; i < spec->disks->len; i++) {
                const struct kept_disk *disk = g_ptr_array_index(spec->disks, i);

                json_set(disks, disk->name, encode_disk(disk));
        }
        json_set(root, "ports", ports);
        json_set(root, "macs", macs);
        json_set(root, "disks", disks);
        encode_ids(root, "refused", spec->refused);
        encode_ids(root, "plugged", spec->plugged);
        json_set(root, "wish", spec->wish ? json_incref(spec->wish) : NULL);
        json_set(root, "set", spec->set ? json_incref(spec->set) : NULL);
        json_set(root, "seeded", spec->seeded ? json_incref(spec->seeded) : NULL);
        return root;
}

static gboolean
decode_identity(struct spec *spec, const json_t *root)
{
        const char *uuid = json_text(root, "uuid"), *name;
        const json_t *value;

        if (!uuid || !g_uuid_string_is_valid(uuid))
                return FALSE;
        g_strlcpy(spec->uuid, uuid, sizeof spec->uuid);
        json_object_foreach (json_object_get(root, "ports"), name, value) {
                gint64 port = json_number(json_object_get(root, "ports"), name, -1);

                if (port < 0 || port >= QEMU_MAX_PORTS)
                        return FALSE;
                g_hash_table_insert(spec->ports, g_strdup(name), GUINT_TO_POINTER((guint)port));
        }
        json_object_foreach (json_object_get(root, "macs"), name, value) {
                if (!json_is_string(value))
                        return FALSE;
                g_hash_table_insert(spec->macs, g_strdup(name), g_strdup(json_string_value(value)));
        }
        return TRUE;
}

static struct spec *
decode(const char *vm, const json_t *root)
{
        g_autoptr(spec_t) spec = spec_empty(vm);
        const json_t *object;
        const char *name;

        if (!decode_identity(spec, root))
                return NULL;
        spec->present = json_flag(root, "present");
        spec->stopped = json_flag(root, "stopped");
        spec->paused = json_flag(root, "paused");
        spec->kvm = json_flag(root, "kvm");
        spec->machine = g_strdup(json_text(root, "machine"));
        spec->password_stamp = g_strdup(json_text(root, "password_stamp"));
        if (text_is_name(json_text(root, "started_as") ?: ""))
                spec->started_as = g_strdup(json_text(root, "started_as"));
        json_object_foreach (json_object_get(root, "disks"), name, object) {
                struct kept_disk *disk = decode_disk(name, object);

                if (!disk)
                        return NULL;
                g_ptr_array_add(spec->disks, disk);
        }
        decode_ids(root, "refused", spec->refused);
        decode_ids(root, "plugged", spec->plugged);
        spec->wish = json_incref(json_object_get(root, "wish"));
        spec->set = json_incref(json_object_get(root, "set"));
        spec->seeded = json_incref(json_object_get(root, "seeded"));
        return g_steal_pointer(&spec);
}

struct spec *
spec_copy(const struct spec *spec)
{
        g_autoptr(json_t) root = encode(spec);

        return decode(spec->name, root);
}

static char *
spec_path(const struct paths *paths, const char *vm)
{
        g_autofree char *directory = paths_vm_data(paths, vm);

        return g_build_filename(directory, SPEC_FILE, NULL);
}

struct spec *
spec_load(const struct paths *paths, const char *vm, GError **error)
{
        g_autofree char *path = spec_path(paths, vm);
        g_autoptr(json_t) root = json_read_file(path, error);
        struct spec *spec;

        if (!root || !state_check_schema(root, path, error))
                return NULL;
        spec = decode(vm, root);
        if (!spec)
                error_set(error, DROVER_ERROR_CORRUPT, "'%s' cannot be understood", path);
        return spec;
}

gboolean
spec_save(const struct paths *paths, const struct spec *spec, GError **error)
{
        g_autofree char *path = spec_path(paths, spec->name);
        g_autoptr(json_t) root = encode(spec);

        return json_write_file(path, root, 0600, error);
}

gboolean
spec_put(const struct paths *paths, const struct spec *spec, GError **error)
{
        g_autofree char *path = spec_path(paths, spec->name);
        g_autoptr(json_t) root = encode(spec);

        return json_put_file(path, root, 0600, error);
}

gboolean
state_settle(const struct paths *paths, const char *vm, GError **error)
{
        g_autofree char *state = g_build_filename(paths->data, "state.json", NULL);
        g_autofree char *spec = spec_path(paths, vm);

        return file_sync_directory(spec, error) && file_sync_directory(state, error);
}

const char *
spec_tap_owner(const struct spec *spec, const char *vm)
{
        return spec && spec->started_as ? spec->started_as : vm;
}

gboolean
spec_nic_mac(const struct spec *spec, const char *nic, struct ether_addr *ret_mac)
{
        const char *given = json_text(json_object_get(json_object_get(spec->wish, "networks"), nic), "mac");
        const char *mac = given ? given : g_hash_table_lookup(spec->macs, nic);

        return mac && value_parse_mac(mac, ret_mac, NULL);
}

struct kept_disk *
spec_disk(const struct spec *spec, const char *name)
{
        for (guint i = 0; i < spec->disks->len; i++) {
                struct kept_disk *disk = g_ptr_array_index(spec->disks, i);

                if (strcmp(disk->name, name) == 0)
                        return disk;
        }
        return NULL;
}

struct kept_disk *
spec_keep_disk(struct spec *spec, const char *name, const char *format)
{
        struct kept_disk *disk = g_new0(struct kept_disk, 1);

        disk->name = g_strdup(name);
        disk->format = g_strdup(format);
        g_ptr_array_add(spec->disks, disk);
        return disk;
}

gboolean
spec_is_port(const char *id)
{
        return !strchr(id, ':');
}

static gboolean
is_same_numbering(const char *a, const char *b)
{
        if (spec_is_port(a) || spec_is_port(b))
                return spec_is_port(a) && spec_is_port(b);
        return strcspn(a, ":") == strcspn(b, ":") && strncmp(a, b, strcspn(a, ":")) == 0;
}

int
spec_port(struct spec *spec, const char *id)
{
        gboolean taken[QEMU_MAX_PORTS] = {FALSE};
        gpointer known, key, value;
        GHashTableIter iter;

        if (g_hash_table_lookup_extended(spec->ports, id, NULL, &known))
                return (int)GPOINTER_TO_UINT(known);
        g_hash_table_iter_init(&iter, spec->ports);
        while (g_hash_table_iter_next(&iter, &key, &value))
                if (is_same_numbering(key, id))
                        taken[GPOINTER_TO_UINT(value)] = TRUE;
        for (guint port = 0; port < QEMU_MAX_PORTS; port++)
                if (!taken[port]) {
                        g_hash_table_insert(spec->ports, g_strdup(id), GUINT_TO_POINTER(port));
                        return (int)port;
                }
        return -1;
}

static gboolean
is_missing(gpointer key, gpointer value, gpointer data)
{
        return !g_ptr_array_find_with_equal_func(data, key, g_str_equal, NULL);
}

void
spec_keep_ports(struct spec *spec, GPtrArray *ids)
{
        g_hash_table_foreach_remove(spec->ports, is_missing, ids);
}
