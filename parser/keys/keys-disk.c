/* keys-disk.c - the rows of disks: the project's, a VM's root disk, a VM's further disks */
#include "parser/keys/keys-rows.h"

/* Rows of a table are denser than clang-format would have them. */
/* clang-format off */

static const char *const format_words[] = {"qcow2", "raw", NULL};
static const char *const preallocation_words[] = {"metadata", "falloc", "full", NULL};
static const char *const compression_words[] = {"zlib", "zstd", NULL};
static const char *const compression_meant[] = {"deflate", "zlib", "gzip", "zlib", "zst", "zstd", "on", "zstd", "true", "zstd",
                                                "yes", "zstd", NULL};
static const char *const preallocation_meant[] = {"on", "falloc", "true", "falloc", "yes", "falloc",
                                                  "fallocate", "falloc", "fat", "falloc", NULL};
static const char *const media_words[] = {"disk", "cdrom", NULL};
static const char *const bus_words[] = {"virtio", "scsi", "sata", "ide", "nvme", "usb", NULL};
static const char *const bus_meant[] = {"virtio-blk", "virtio", "virtio-scsi", "scsi", "ahci", "sata", "xhci", "usb", "pcie",
                                        "nvme", "vda", "virtio", "sda", "scsi", NULL};
static const char *const cache_words[] = {"writeback", "none", "writethrough", "directsync", "unsafe", NULL};
static const char *const cache_meant[] = {"off", "none", "no", "none", "false", "none", "wb", "writeback", "wt", "writethrough",
                                          "default", "writeback", NULL};
static const char *const discard_words[] = {"unmap", "ignore", NULL};
static const char *const discard_meant[] = {"on", "unmap", "true", "unmap", "yes", "unmap", "trim", "unmap", "off", "ignore",
                                            "false", "ignore", "no", "ignore", NULL};

#define ROW_DISK_SIZE(text)                                                                                                    \
        {.name = "size", .type = KEY_SIZE, IN(disk, size_bytes), .min = MIB, .max = PIB, .change = CHANGE_LIVE,                \
         .help = text, .example = "20G"}
#define ROW_DISK_FORMAT(text)                                                                                                  \
        {.name = "format", .type = KEY_ENUM, IN(disk, format), .words = format_words, .change = CHANGE_RECREATE, .help = text, \
         .example = "raw"}
#define ROWS_DISK_MAKE                                                                                                         \
        {.name = "preallocation", .type = KEY_ENUM, IN(disk, preallocation), .set_offset = offsetof(struct disk, preallocated),\
         .words = preallocation_words, .meant = preallocation_meant, .change = CHANGE_NONE,                                    \
         .help = "what is taken from the host's file system when the disk is made: qcow2's tables, all of it (falloc), or "    \
                 "all of it and written (full); default: nothing",                                                             \
         .example = "falloc"},                                                                                                 \
                {.name = "cluster_size", .type = KEY_SIZE, IN(disk, cluster_bytes), .min = 512, .max = 2 * MIB,                \
                 .change = CHANGE_NONE,                                                                                        \
                 .help = "how much qcow2 takes at a time, when the disk is made: a power of two; default: QEMU's, 64K",        \
                 .example = "256K"},                                                                                           \
                {.name = "compression_type", .type = KEY_ENUM, IN(disk, compression),                                          \
                 .set_offset = offsetof(struct disk, has_compression), .words = compression_words,                             \
                 .meant = compression_meant, .change = CHANGE_NONE,                                                            \
                 .help = "how qcow2 packs clusters that are written packed (qemu-img -c); the guest's never are; default: "    \
                         "QEMU's, zlib",                                                                                       \
                 .example = "zstd"}
#define ROW_DISK_ENCRYPTION                                                                                                    \
        {.name = "encryption", .type = KEY_OBJECT, IN(disk, encryption), .indirect = TRUE, .table = &keys_encryption,          \
         .change = CHANGE_RECREATE, .help = "LUKS, of qcow2: made with the disk, opened by its key; default: none",            \
         .example = "{key_file: ./disk.key}"}
#define ROW_DISK_READ_ONLY                                                                                                     \
        {.name = "read_only", .type = KEY_BOOL, IN(disk, read_only), .fallback = "false", .change = CHANGE_RESTART,            \
         .help = "the guest cannot write to it; always so for a cdrom", .example = "true"}
#define ROW_DISK_FILE                                                                                                          \
        {.name = "file", .type = KEY_PATH, IN(disk, file), .change = CHANGE_RESTART,                                           \
         .help = "an existing file, used in place: never made, formatted or deleted; default: none", .example = "./data.raw"}
#define ROW_DISK_DEVICE                                                                                                        \
        {.name = "device", .type = KEY_SPECIAL, IN(disk, device), .codec = &codec_device,                                      \
         .change = CHANGE_RESTART,                                                                                             \
         .help = "a block device of the host, used in place: never formatted or deleted; default: none",                       \
         .example = "/dev/vg/x"}
#define ROW_DISK_URL                                                                                                           \
        {.name = "url", .type = KEY_SPECIAL, IN(disk, url), .codec = &codec_disk_url, .change = CHANGE_RESTART,                \
         .help = "a raw disk that QEMU reaches by NBD, iSCSI, Ceph or (read-only) HTTPS, never made or deleted; default: none",\
         .example = "nbd://localhost/data"}
/* How the disk is attached. */
#define ROWS_DISK_USE                                                                                                          \
        {.name = "bus", .type = KEY_ENUM, IN(disk, bus), .words = bus_words, .meant = bus_meant, .fallback = "virtio",         \
         .change = CHANGE_RESTART,                                                                                             \
         .help = "what the guest sees the disk on; sata where media is cdrom; ide needs machine pc", .example = "scsi"},       \
                {.name = "cache", .type = KEY_ENUM, IN(disk, cache), .words = cache_words, .meant = cache_meant,               \
                 .fallback = "writeback", .change = CHANGE_RESTART,                                                            \
                 .help = "whether the host's memory caches the disk, and when writes count as done", .example = "none"},       \
                {.name = "discard", .type = KEY_ENUM, IN(disk, discard), .words = discard_words, .meant = discard_meant,       \
                 .fallback = "unmap", .change = CHANGE_RESTART,                                                                \
                 .help = "what becomes of blocks that the guest frees: given back to the host, or kept",                       \
                 .example = "ignore"},                                                                                         \
                {.name = "limits", .type = KEY_OBJECT, IN(disk, limits), .indirect = TRUE, .table = &keys_limits,              \
                 .change = CHANGE_LIVE, .help = "operations and bytes per second; default: none",                              \
                 .example = "{iops: 500, read: 50M, write: 20M}"},                                                             \
                {.name = "shared", .type = KEY_BOOL, IN(disk, shared), .fallback = "false",                                    \
                 .change = CHANGE_RESTART,                                                                                     \
                 .help = "other VMs may write to it at the same time; raw only, and to be said by each of them",               \
                 .example = "true"},                                                                                           \
                {.name = "serial", .type = KEY_SPECIAL, IN(disk, serial), .codec = &codec_serial,                              \
                 .change = CHANGE_RESTART,                                                                                     \
                 .help = "serial number that the guest sees; 20 characters, on scsi and usb 36; default: the disk's name",     \
                 .example = "WD-0001"}

static const struct key limits_rows[] = {
        {.name = "iops", .type = KEY_COUNT, IN(disk_limits, iops), .min = 1, .max = 100000000, .change = CHANGE_LIVE,
         .help = "reads and writes per second, together; default: no limit", .example = "500"},
        {.name = "read", .type = KEY_SIZE, IN(disk_limits, read_bytes), .min = KIB, .max = TIB, .change = CHANGE_LIVE,
         .help = "bytes read per second; default: no limit", .example = "50M"},
        {.name = "write", .type = KEY_SIZE, IN(disk_limits, write_bytes), .min = KIB, .max = TIB, .change = CHANGE_LIVE,
         .help = "bytes written per second; default: no limit", .example = "20M"},
        {.name = NULL},
};

static const char *const limits_aliases[] = {
        "total_iops_sec", "iops", "iops_total", "iops", "iops_read", "iops", "iops_write", "iops", "read_iops", "iops",
        "write_iops", "iops", "bps", "read", "bps_read", "read", "bps_write", "write", "read_bps", "read", "write_bps", "write",
        "read_bytes_sec", "read", "write_bytes_sec", "write", "rbps", "read", "wbps", "write", NULL,
};

const struct key_table keys_limits = {
        .title = "limits", .keys = limits_rows, .aliases = limits_aliases, .struct_size = sizeof(struct disk_limits),
        .node_offset = offsetof(struct disk_limits, node)};

static const struct key encryption_rows[] = {
        {.name = "key_file", .type = KEY_PATH, IN(encryption, key_file), .required = TRUE, .change = CHANGE_NONE,
         .help = "file with the key: text of at most 4096 bytes, each of which counts; read whenever the disk is opened",
         .example = "./disk.key"},
        {.name = "iter_time", .type = KEY_DURATION, IN(encryption, iter_ms), .scale_ms = 1, .min = 1, .max = 10000,
         .fallback = "2s", .change = CHANGE_NONE,
         .help = "how long this host takes to try one key; counts when the disk is made", .example = "10s"},
        {.name = NULL},
};

static const char *const encryption_aliases[] = {
        "key", "key_file", "keyfile", "key_file", "file", "key_file", "secret_file", "key_file", "passphrase_file", "key_file",
        "password_file", "key_file", "key_secret", "key_file", "passphrase", "a key never stands in the file: write 'key_file'",
        "password", "a key never stands in the file: write 'key_file'", "secret",
        "a key never stands in the file: write 'key_file'", "iter", "iter_time", NULL,
};

const struct key_table keys_encryption = {
        .title = "encryption", .keys = encryption_rows, .aliases = encryption_aliases, .struct_size = sizeof(struct encryption),
        .node_offset = offsetof(struct encryption, node)};

static const struct key disk_rows[] = {
        ROW_DISK_SIZE("size of the disk; it grows when this grows, and is never shrunk; always needed"),
        {.name = "format", .type = KEY_ENUM, IN(disk, format), .words = format_words, .fallback = "qcow2",
         .change = CHANGE_RECREATE,
         .help = "format of the file", .example = "raw"},
        ROWS_DISK_MAKE,
        ROW_DISK_ENCRYPTION,
        {.name = NULL},
};

static const char *const disk_aliases[] = {
        "capacity", "size", "disk_size", "size", "type", "format", "driver", "format", "path", "file", "source", "file",
        "src", "file", "image", "file", "readonly", "read_only", "ro", "read_only", "volume", "disk", "interface", "bus",
        "device_type", "media", "iotune", "limits", "throttle", "limits", "throttling", "limits", "iops", "limits",
        "cache_mode", "cache", "trim", "discard", "serial_number", "serial", "shareable", "shared", "multiattach", "shared",
        "encrypt", "encryption", "encrypted", "encryption", "luks", "encryption", "key_file", "encryption",
        "prealloc", "preallocation", "cluster", "cluster_size", "clustersize", "cluster_size",
        "compression", "compression_type", "compress", "compression_type",
        "dev", "device", "block_device", "device", "uri", "url", "nbd", "url", "iscsi", "url", "rbd", "url",
         "target", "bus", NULL,
};

const struct key_table keys_disk = {
        .title = "disk", .keys = disk_rows, .aliases = disk_aliases, .short_key = "size", .struct_size = sizeof(struct disk),
        .name_offset = offsetof(struct disk, name), .node_offset = offsetof(struct disk, node)};

static const struct key root_disk_rows[] = {
        ROW_DISK_SIZE("size; the image is grown to it, never shrunk; default: the image's own size"),
        ROW_DISK_FORMAT("format of the file; default: qcow2, and for 'file' found out from its content"),
        ROWS_DISK_MAKE,
        ROW_DISK_ENCRYPTION,
        ROW_DISK_FILE,
        ROW_DISK_READ_ONLY,
        ROW_DISK_DEVICE,
        ROW_DISK_URL,
        ROWS_DISK_USE,
        {.name = NULL},
};

const struct key_table keys_root_disk = {
        .title = "disk", .keys = root_disk_rows, .aliases = disk_aliases, .short_key = "size",
        .struct_size = sizeof(struct disk),
        .node_offset = offsetof(struct disk, node)};

static const struct key vm_disk_rows[] = {
        {.name = "disk", .type = KEY_NAME, IN(disk, named), .change = CHANGE_LIVE,
         .help = "one of the project's disks, by name; a plain name in the list is short for it; default: none",
         .example = "db-data"},
        {.name = "name", .type = KEY_NAME, IN(disk, name), .change = CHANGE_LIVE,
         .help = "name of a disk of the VM's own: its identity and serial; needed where there are two or more; default: data",
         .example = "scratch"},
        ROW_DISK_SIZE("size of a disk of the VM's own; it grows when this grows, and is never shrunk; default: none"),
        ROW_DISK_FORMAT("format of the file; default: qcow2, and for 'file' found out from its content"),
        ROWS_DISK_MAKE,
        ROW_DISK_ENCRYPTION,
        ROW_DISK_FILE,
        {.name = "media", .type = KEY_ENUM, IN(disk, media), .words = media_words, .fallback = "disk", .change = CHANGE_RESTART,
         .help = "a disk, or a CD-ROM drive with the file in it", .example = "cdrom"},
        ROW_DISK_READ_ONLY,
        ROW_DISK_DEVICE,
        ROW_DISK_URL,
        ROWS_DISK_USE,
        {.name = NULL},
};

const struct key_table keys_vm_disk = {
        .title = "disk", .keys = vm_disk_rows, .aliases = disk_aliases, .short_key = "disk",
        .decode_short = decode_strange_disk, .struct_size = sizeof(struct disk),
        .node_offset = offsetof(struct disk, node)};
