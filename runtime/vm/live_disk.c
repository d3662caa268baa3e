/* live_disk.c - disks of a VM that runs
 *
 * A file is handed over as a descriptor in a set of its own, which goes with the node that uses it. Nodes without a device are
 * what a killed drover leaves: they go before new ones come.
 */
#include "runtime/vm/live_build.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "runtime/storage/disk_key.h"
#include "runtime/storage/file_use.h"
#include "runtime/vm/qemu_words.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_MS = 10000 };

/* What QEMU says of one node; *ret_node stays NULL where it has none of that name. A new reference */
static gboolean
find_node(struct live *live, const char *name, json_t **ret_node, GError **error)
{
        g_autoptr(json_t) list = NULL;
        json_t *node;
        size_t i;

        if (!live_call(live, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), &list, error))
                return FALSE;
        json_array_foreach (list, i, node)
                if (g_strcmp0(json_text(node, "node-name"), name) == 0)
                        *ret_node = json_incref(node);
        return TRUE;
}

/* "/dev/fdset/7" -> 7 */
static gint64
set_of(const json_t *node)
{
        const char *file = node ? json_text(node, "file") : NULL;

        return file && g_str_has_prefix(file, "/dev/fdset/") ? g_ascii_strtoll(file + strlen("/dev/fdset/"), NULL, 10) : -1;
}

/* A file node goes, and with it the descriptor that it used. */
static gboolean
remove_file_node(struct live *live, const char *name, GError **error)
{
        g_autoptr(json_t) node = NULL;
        gint64 set;

        if (!find_node(live, name, &node, error))
                return FALSE;
        if (!node)
                return TRUE;
        set = set_of(node);
        if (!live_call(live, "blockdev-del", json_pack("{s:s}", "node-name", name), NULL, error))
                return FALSE;
        /* QEMU closes what nobody uses when the last monitor hangs up: this only makes it sure. */
        if (set >= 0)
                (void)!live_call(live, "remove-fd", json_pack("{s:I}", "fdset-id", (json_int_t)set), NULL, NULL);
        return TRUE;
}

static gboolean
remove_nodes(struct live *live, const char *name, GError **error)
{
        g_autofree char *top = qemu_disk_id(name), *base = qemu_disk_node_id(DISK_NODE_BACKING, name);
        g_autofree char *file = qemu_disk_node_id(DISK_NODE_FILE, name);
        g_autofree char *base_file = qemu_disk_node_id(DISK_NODE_BACKING_FILE, name);
        g_autofree char *key = qemu_disk_node_id(DISK_NODE_KEY, name);

        live_drop(live, "blockdev-del", "node-name", top);
        live_drop(live, "object-del", "id", key);
        if (!remove_file_node(live, file, error))
                return FALSE;
        live_drop(live, "blockdev-del", "node-name", base);
        return remove_file_node(live, base_file, error);
}

/* QEMU has read the pipe to its end when it has the object. */
static gboolean
add_key(struct live *live, const char *id, const char *key_file, GError **error)
{
        auto_fd fd = disk_key_open(key_file, live->host->user, error);
        g_autoptr(json_t) set = NULL;
        gboolean ok;

        if (fd < 0 || !qmp_call_fd(live->qmp, "add-fd", NULL, fd, COMMAND_MS, &set, error))
                return FALSE;
        ok = live_call(live, "object-add", build_key(id, json_number(set, "fd", -1)), NULL, error);
        (void)!live_call(live, "remove-fd", json_pack("{s:I}", "fdset-id", (json_int_t)json_number(set, "fdset-id", -1)), NULL,
                         NULL);
        return ok;
}

/* A file node and the format node above it. */
static gboolean
add_nodes(struct live *live, const char *node, const char *file_node, const char *path, const char *format,
          const char *backing_node, const struct node_options *options, GError **error)
{
        auto_fd fd = open(path, (options->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
        g_autofree char *filename = NULL;
        g_autoptr(json_t) set = NULL;

        if (fd < 0)
                return error_errno(error, "cannot open '%s'", path);
        if (!qmp_call_fd(live->qmp, "add-fd", NULL, fd, COMMAND_MS, &set, error))
                return FALSE;
        filename = g_strdup_printf("/dev/fdset/%" G_GINT64_FORMAT, json_number(set, "fdset-id", -1));
        return live_call(live, "blockdev-add", build_file_node(file_node, filename, options), NULL, error) &&
               live_call(live, "blockdev-add", build_format_node(node, format, file_node, backing_node, options), NULL, error);
}

static gboolean
add_disk_nodes(struct live *live, const struct launch_disk *disk, GError **error)
{
        const char *name = disk->disk->name;
        struct node_options options = build_disk_options(disk->disk), below = build_base_options(disk->disk);
        g_autofree char *top = qemu_disk_id(name), *file = qemu_disk_node_id(DISK_NODE_FILE, name);
        g_autofree char *key = qemu_disk_node_id(DISK_NODE_KEY, name);
        g_autofree char *base = NULL, *base_file = NULL;

        if (disk->backing_path) {
                base = qemu_disk_node_id(DISK_NODE_BACKING, name);
                base_file = qemu_disk_node_id(DISK_NODE_BACKING_FILE, name);
                if (!add_nodes(live, base, base_file, disk->backing_path, disk->backing_format, NULL, &below, error))
                        return FALSE;
        }
        if (disk->disk->url)
                return live_call(live, "blockdev-add", build_url_node(file, disk->disk->url, &options), NULL, error) &&
                       live_call(live, "blockdev-add", build_format_node(top, "raw", file, NULL, &options), NULL, error);
        if (disk->key_file && !add_key(live, key, disk->key_file, error))
                return FALSE;
        if (disk->key_file)
                options.key = key;
        return add_nodes(live, top, file, disk->path, disk->format, base, &options, error);
}

gboolean
live_add_disk(struct live *live, guint number, const struct kept_disk *kept, GError **error)
{
        const struct launch_disk *disk = &live->launch->disks[number];
        g_autofree char *id = qemu_disk_id(disk->disk->name);
        gboolean has;

        if (!live_has(live, id, &has, error))
                return error_prefix(error, "cannot add disk '%s'", disk->disk->name);
        if (has)
                return TRUE;
        if (!remove_nodes(live, disk->disk->name, error) ||
            (!disk->disk->url && !file_use_check(disk->path, launch_disk_access(disk), live->launch->project, error)) ||
            !vm_prepare_disk(live->host, live->launch, disk, kept, error))
                return error_prefix(error, "cannot add disk '%s'", disk->disk->name);
        if (add_disk_nodes(live, disk, error) &&
            live_call(live, "device_add", build_disk_device(&live->build, disk, number), NULL, error))
                return !disk->disk->limits || live_set_limits(live, number, error);
        (void)!remove_nodes(live, disk->disk->name, NULL);
        if (error && qemu_words_meaning((*error)->message))
                error_hint(error, "%s", qemu_words_meaning((*error)->message));
        return error_prefix(error, "cannot add disk '%s'", disk->disk->name);
}

gboolean
live_remove_disk(struct live *live, const char *name, GError **error)
{
        g_autofree char *id = qemu_disk_id(name);
        g_autofree char *subject = g_strdup_printf("disk '%s'", name);

        if (!live_unplug(live, id, subject, error))
                return FALSE;
        return remove_nodes(live, name, error) || error_prefix(error, "cannot close the file of disk '%s'", name);
}

/* A guest that has the disc in use keeps the door shut and is told that somebody wants it: it has as long as for a device. */
static gboolean
open_door(struct live *live, const char *id, const char *name, GError **error)
{
        gint64 deadline_us = g_get_monotonic_time() + (gint64)LIVE_UNPLUG_MS * 1000;

        for (;;) {
                gint64 left_ms = (deadline_us - g_get_monotonic_time()) / 1000;
                g_autoptr(GError) reason = NULL;

                if (live_call(live, "blockdev-open-tray", json_pack("{s:s}", "id", id), NULL, &reason))
                        return TRUE;
                if (!strstr(reason->message, "locked")) {
                        g_propagate_error(error, g_steal_pointer(&reason));
                        return FALSE;
                }
                if (left_ms <= 0)
                        break;
                (void)!qmp_wait_event(live->qmp, "DEVICE_TRAY_MOVED", (int)MIN(left_ms, 1000), NULL, NULL);
        }
        error_set(error, DROVER_ERROR_TIMEOUT, "the guest did not let go of the disc in drive '%s' within %d s", name,
                  LIVE_UNPLUG_MS / 1000);
        return error_hint(error, "eject it in the guest and run 'drover up' again, or run 'drover up --restart %s'",
                          live->launch->vm->name);
}

gboolean
live_change_media(struct live *live, guint number, GError **error)
{
        const struct launch_disk *disk = &live->launch->disks[number];
        const char *name = disk->disk->name;
        g_autofree char *id = qemu_disk_id(name);

        if (!file_use_check(disk->path, FALSE, live->launch->project, error) || !open_door(live, id, name, error))
                return FALSE;
        if (live_call(live, "blockdev-remove-medium", json_pack("{s:s}", "id", id), NULL, error) &&
            remove_nodes(live, name, error) && add_disk_nodes(live, disk, error) &&
            live_call(live, "blockdev-insert-medium", json_pack("{s:s, s:s}", "id", id, "node-name", id), NULL, error) &&
            live_call(live, "blockdev-close-tray", json_pack("{s:s}", "id", id), NULL, error))
                return TRUE;
        return error_prefix(error, "cannot change the disc in drive '%s'", name);
}

gboolean
live_grow_disk(struct live *live, guint number, GError **error)
{
        const struct disk *disk = live->launch->disks[number].disk;
        g_autofree char *id = qemu_disk_id(disk->name);
        g_autoptr(json_t) node = NULL;

        if (!find_node(live, id, &node, error))
                return error_prefix(error, "cannot grow disk '%s'", disk->name);
        if (node && json_number(json_object_get(node, "image"), "virtual-size", 0) >= (gint64)disk->size_bytes)
                return TRUE;
        return live_call(live, "block_resize", json_pack("{s:s, s:I}", "node-name", id, "size", (json_int_t)disk->size_bytes),
                         NULL, error) ||
               error_prefix(error, "cannot grow disk '%s'", disk->name);
}
