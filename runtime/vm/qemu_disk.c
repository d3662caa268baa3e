/* qemu_disk.c - the disks of a VM: the nodes that read and write their files, and the devices that the guest sees
 *
 * virtio and nvme: each disk sits on a port of its own, as a NIC does (qemu_devices.c). scsi and usb: one controller, made for
 * the VM when it is started, has all of them, each under a number that it keeps. sata and ide: what is on the board.
 *
 * Sources: qemu-system-x86_64(1), "-drive" for what the words of `cache` stand for; qapi/block-core.json of QEMU 7.2.
 */
#include "runtime/vm/qemu_build.h"

#include "parser/value/disk-url.h"

#include <string.h>

enum { SERIAL_HASH_DIGITS = 8 };

enum file_access
launch_disk_access(const struct launch_disk *disk)
{
        if (disk->disk->read_only || disk->disk->media == MEDIA_CDROM)
                return FILE_READS;
        return disk->disk->shared ? FILE_SHARES : FILE_WRITES;
}

/* ---- nodes ---- */

struct node_options
build_disk_options(const struct disk *disk)
{
        return (struct node_options){.read_only = disk->read_only || disk->media == MEDIA_CDROM, .device = disk->device != NULL,
                                     .cache = disk->cache, .discard = disk->discard};
}

struct node_options
build_base_options(const struct disk *disk)
{
        return (struct node_options){.read_only = TRUE, .cache = disk->cache};
}

/* What all nodes of a disk are told alike. */
static void
set_options(json_t *node, const struct node_options *options)
{
        gboolean direct = options->cache == CACHE_NONE || options->cache == CACHE_DIRECTSYNC;
        gboolean unsafe = options->cache == CACHE_UNSAFE;

        json_set(node, "read-only", json_boolean(options->read_only));
        json_set_text(node, "discard", options->discard == DISCARD_IGNORE ? "ignore" : "unmap");
        if (direct || unsafe)
                json_set(node, "cache", json_pack("{s:b, s:b}", "direct", direct, "no-flush", unsafe));
}

json_t *
build_key(const char *id, gint64 fd)
{
        g_autofree char *file = g_strdup_printf("/proc/self/fd/%" G_GINT64_FORMAT, fd);

        return json_pack("{s:s, s:s, s:s}", "qom-type", "secret", "id", id, "file", file);
}

json_t *
build_file_node(const char *node, const char *filename, const struct node_options *options)
{
        json_t *value = json_pack("{s:s, s:s, s:s}", "driver", options->device ? "host_device" : "file", "node-name", node,
                                  "filename", filename);

        set_options(value, options);
        return value;
}

static json_t *
nbd_server(const struct disk_url *url)
{
        g_autofree char *port = g_strdup_printf("%u", url->port);

        if (url->socket)
                return json_pack("{s:s, s:s}", "type", "unix", "path", url->socket);
        return json_pack("{s:s, s:s, s:s}", "type", "inet", "host", url->host, "port", port);
}

static void
set_rbd(json_t *node, const struct disk_url *url)
{
        json_set_text(node, "pool", url->pool);
        json_set_text(node, "namespace", url->space);
        json_set_text(node, "image", url->name);
        json_set_text(node, "snapshot", url->snapshot);
        json_set_text(node, "user", url->user);
        json_set_text(node, "conf", url->conf);
}

static void
set_iscsi(json_t *node, const struct disk_url *url)
{
        gboolean ipv6 = strchr(url->host, ':') != NULL;
        g_autofree char *portal = g_strdup_printf("%s%s%s:%u", ipv6 ? "[" : "", url->host, ipv6 ? "]" : "", url->port);

        json_set_text(node, "transport", "tcp");
        json_set_text(node, "portal", portal);
        json_set_text(node, "target", url->name);
        json_set(node, "lun", json_integer(url->lun));
}

json_t *
build_url_node(const char *node, const char *text, const struct node_options *options)
{
        static const char *const drivers[] = {[DRIVER_NBD] = "nbd", [DRIVER_ISCSI] = "iscsi", [DRIVER_RBD] = "rbd",
                                              [DRIVER_HTTP] = "http", [DRIVER_HTTPS] = "https"};
        g_auto(disk_url) url = {0};
        gboolean ok = disk_url_parse(text, &url, NULL);
        json_t *value = json_pack("{s:s, s:s}", "driver", drivers[url.driver], "node-name", node);

        g_assert(ok);
        if (url.driver == DRIVER_NBD) {
                json_set(value, "server", nbd_server(&url));
                json_set_text(value, "export", *url.name ? url.name : NULL);
        } else if (url.driver == DRIVER_ISCSI) {
                set_iscsi(value, &url);
        } else if (url.driver == DRIVER_RBD) {
                set_rbd(value, &url);
        } else {
                json_set_text(value, "url", url.name);
        }
        set_options(value, options);
        return value;
}

json_t *
build_format_node(const char *node, const char *format, const char *file_node, const char *backing_node,
                  const struct node_options *options)
{
        json_t *value = json_pack("{s:s, s:s, s:s}", "driver", format, "node-name", node, "file", file_node);

        set_options(value, options);
        if (options->key)
                json_set(value, "encrypt", json_pack("{s:s, s:s}", "format", "luks", "key-secret", options->key));
        /* Said even where there is none: QEMU never opens what the header of a file names. */
        if (backing_node)
                json_set_text(value, "backing", backing_node);
        else if (strcmp(format, "qcow2") == 0)
                json_set(value, "backing", json_null());
        return value;
}

void
build_nodes(struct qemu_build *build, const char *node, const char *file_node, const char *path, const char *format,
            const char *backing_node, const struct node_options *options)
{
        g_autofree char *file = build_file(build, options->read_only ? DESCRIPTOR_READ : DESCRIPTOR_WRITE, path);

        build_add_json(build, "-blockdev", build_file_node(file_node, file, options));
        build_add_json(build, "-blockdev", build_format_node(node, format, file_node, backing_node, options));
}

static void
build_disk_nodes(struct qemu_build *build, const struct launch_disk *disk, const char *id)
{
        const char *name = disk->disk->name;
        struct node_options options = build_disk_options(disk->disk), below = build_base_options(disk->disk);
        g_autofree char *file = qemu_disk_node_id(DISK_NODE_FILE, name), *key = qemu_disk_node_id(DISK_NODE_KEY, name);
        g_autofree char *base = NULL, *base_file = NULL;

        if (disk->backing_path) {
                base = qemu_disk_node_id(DISK_NODE_BACKING, name);
                base_file = qemu_disk_node_id(DISK_NODE_BACKING_FILE, name);
                build_nodes(build, base, base_file, disk->backing_path, disk->backing_format, NULL, &below);
        }
        if (disk->key_file) {
                build_add_json(build, "-object", build_key(key, build_descriptor(build, DESCRIPTOR_KEY, 0, disk->key_file)));
                options.key = key;
        }
        if (disk->disk->url) {
                build_add_json(build, "-blockdev", build_url_node(file, disk->disk->url, &options));
                build_add_json(build, "-blockdev", build_format_node(id, "raw", file, NULL, &options));
                return;
        }
        build_nodes(build, id, file, disk->path, disk->format, base, &options);
}

/* ---- devices ---- */

/* What the guest knows it by; of a name that is too long the beginning and a hash. */
static char *
disk_serial(const struct disk *disk)
{
        const char *name = disk->serial ? disk->serial : disk->name;
        guint room = disk_serial_room(disk->bus);
        g_autofree char *sum = NULL;

        if (strlen(name) <= room)
                return g_strdup(name);
        sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
        return g_strdup_printf("%.*s-%.*s", (int)room - SERIAL_HASH_DIGITS - 1, name, SERIAL_HASH_DIGITS, sum);
}

static const char *
disk_driver(const struct disk *disk)
{
        static const char *const disks[] = {[BUS_VIRTIO] = "virtio-blk-pci", [BUS_SCSI] = "scsi-hd", [BUS_SATA] = "ide-hd",
                                            [BUS_IDE] = "ide-hd", [BUS_NVME] = "nvme", [BUS_USB] = "usb-storage"};

        if (disk->media != MEDIA_CDROM)
                return disks[disk->bus];
        return disk->bus == BUS_SCSI || disk->bus == BUS_USB ? "scsi-cd" : "ide-cd";
}

/* q35 has six SATA ports, each a bus; pc has two IDE buses with two units each. */
static void
place_drive(const struct qemu_build *build, json_t *device, guint place)
{
        g_autofree char *bus = g_strdup_printf("ide.%u", build->pcie ? place : place / 2);

        json_set_text(device, "bus", bus);
        if (!build->pcie)
                json_set(device, "unit", json_integer(place % 2));
}

static void
place_usb(json_t *device, guint place)
{
        g_autofree char *port = g_strdup_printf("%u", place + 2); /* they count from 1, which is the pointer's */

        json_set_text(device, "bus", "usb.0");
        json_set_text(device, "port", port);
}

/* A CD-ROM drive on USB is a SCSI drive behind an adapter. */
static char *
adapter_id(const struct disk *disk)
{
        g_autofree char *id = qemu_disk_id(disk->name);

        return g_strconcat(id, "-usb", NULL);
}

static gboolean
has_adapter(const struct disk *disk)
{
        return disk->bus == BUS_USB && disk->media == MEDIA_CDROM;
}

static void
place_disk(const struct qemu_build *build, json_t *device, const struct launch_disk *disk)
{
        g_autofree char *adapter = adapter_id(disk->disk), *bus = g_strconcat(adapter, ".0", NULL);

        switch (disk->disk->bus) {
        case BUS_VIRTIO:
        case BUS_NVME:
                build_place_port(build, device, disk->port);
                break;
        case BUS_SCSI:
                json_set_text(device, "bus", "scsi.0");
                json_set(device, "scsi-id", json_integer(disk->port));
                break;
        case BUS_SATA:
        case BUS_IDE:
                place_drive(build, device, disk->port);
                break;
        case BUS_USB:
                if (has_adapter(disk->disk))
                        json_set_text(device, "bus", bus);
                else
                        place_usb(device, disk->port);
                break;
        }
}

char *
qemu_disk_owner_path(const struct disk *disk)
{
        g_autofree char *id = qemu_disk_id(disk->name);

        if (disk->bus == BUS_VIRTIO)
                return g_strdup_printf("/machine/peripheral/%s/virtio-backend", id);
        if (disk->bus == BUS_USB && disk->media != MEDIA_CDROM)
                return g_strdup_printf("/machine/peripheral/%s/%s.0/legacy[0]", id, id);
        return g_strdup_printf("/machine/peripheral/%s", id);
}

json_t *
build_disk_device(const struct qemu_build *build, const struct launch_disk *disk, guint number)
{
        gboolean cdrom = disk->disk->media == MEDIA_CDROM;
        gboolean cached = disk->disk->cache != CACHE_WRITETHROUGH && disk->disk->cache != CACHE_DIRECTSYNC;
        g_autofree char *id = qemu_disk_id(disk->disk->name);
        g_autofree char *serial = disk_serial(disk->disk);
        json_t *device = build_device(disk_driver(disk->disk), id);

        place_disk(build, device, disk);
        json_set_text(device, "drive", id);
        json_set_text(device, "serial", serial);
        if (!cdrom)
                json_set_text(device, "write-cache", cached ? "on" : "off");
        if (disk->disk->shared)
                json_set(device, "share-rw", json_true());
        build_boot_index(build, device, cdrom ? BOOT_CDROM : BOOT_DISK, number);
        return device;
}

void
build_disk(struct qemu_build *build, const struct launch_disk *disk, guint number)
{
        g_autofree char *id = qemu_disk_id(disk->disk->name);

        build_disk_nodes(build, disk, id);
        if (has_adapter(disk->disk)) {
                g_autofree char *name = adapter_id(disk->disk);
                json_t *adapter = build_device("usb-bot", name);

                place_usb(adapter, disk->port);
                build_add_json(build, "-device", adapter);
        }
        build_add_json(build, "-device", build_disk_device(build, disk, number));
}
