/* actual.c - what a QEMU has, as it says itself
 *
 * Sources: qapi/qom.json, block-core.json, machine.json of QEMU 7.2.
 */
#include "runtime/vm/actual.h"

#include <string.h>

/* [{"name": "disk-root", "type": "child<virtio-blk-pci>"}, ...] */
static void
parse_devices(struct actual *actual, const json_t *list)
{
        const json_t *item;
        size_t i;

        json_array_foreach (list, i, item) {
                const char *name = json_text(item, "name"), *type = json_text(item, "type");

                if (name && type && g_str_has_prefix(type, "child<"))
                        g_hash_table_insert(actual->devices, g_strdup(name),
                                            g_strndup(type + strlen("child<"), strcspn(type, ">") - strlen("child<")));
        }
}

/* "/machine/peripheral/disk-root/virtio-backend" -> "disk-root"; a device that has its drive itself gives its id. New string,
 * or NULL */
static char *
device_of(const char *path)
{
        static const char prefix[] = "/machine/peripheral/";

        if (path && *path && *path != '/')
                return g_strdup(path);
        if (!path || !g_str_has_prefix(path, prefix))
                return NULL;
        path += strlen(prefix);
        return g_strndup(path, strcspn(path, "/"));
}

static void
parse_blocks(struct actual *actual, const json_t *list)
{
        const json_t *item;
        size_t i;

        json_array_foreach (list, i, item) {
                const json_t *image = json_object_get(json_object_get(item, "inserted"), "image");
                g_autofree char *id = device_of(json_text(item, "qdev"));
                const json_t *medium = json_object_get(item, "inserted");
                struct actual_block block = {
                        .size_bytes = (guint64)json_number(image, "virtual-size", 0),
                        .iops = (guint64)json_number(medium, "iops", 0),
                        .read_bytes = (guint64)json_number(medium, "bps_rd", 0),
                        .write_bytes = (guint64)json_number(medium, "bps_wr", 0),
                        .is_ours = id && g_strcmp0(json_text(medium, "node-name"), id) == 0, /* see qemu_disk_id() */
                };

                if (id)
                        g_hash_table_insert(actual->blocks, g_steal_pointer(&id), g_memdup2(&block, sizeof block));
        }
}

/* [{"label": "mount0", "filename": "disconnected:fd:12", "frontend-open": true}, ...]. Source: qemu_chr_socket_address() */
static void
parse_chardevs(struct actual *actual, const json_t *list)
{
        const json_t *item;
        size_t i;

        json_array_foreach (list, i, item) {
                const char *label = json_text(item, "label"), *filename = json_text(item, "filename");

                if (label && filename && g_str_has_prefix(filename, "disconnected:"))
                        g_hash_table_add(actual->lost, g_strdup(label));
        }
}

struct actual *
actual_parse(json_t *const answers[ACTUAL_ANSWERS])
{
        struct actual *actual;

        if (!answers[0] || !answers[1])
                return NULL;
        actual = g_new0(struct actual, 1);
        actual->devices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        actual->blocks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        actual->lost = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        parse_devices(actual, answers[0]);
        parse_blocks(actual, answers[1]);
        actual->memory_bytes = (guint64)json_number(answers[2], "base-memory", 0);
        actual->balloon_bytes = (guint64)json_number(answers[3], "actual", 0);
        actual->cpus = (guint)json_array_size(answers[4]);
        parse_chardevs(actual, answers[5]);
        return actual;
}

void
actual_free(struct actual *actual)
{
        if (!actual)
                return;
        g_hash_table_unref(actual->devices);
        g_hash_table_unref(actual->blocks);
        g_hash_table_unref(actual->lost);
        g_free(actual);
}

gboolean
actual_has(const struct actual *actual, const char *id)
{
        return g_hash_table_contains(actual->devices, id);
}

const struct actual_block *
actual_block(const struct actual *actual, const char *id)
{
        return g_hash_table_lookup(actual->blocks, id);
}
