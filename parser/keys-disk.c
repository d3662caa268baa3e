/* keys-disk.c - the rows of disks: the project's, a VM's root disk, a VM's further disks */
#include "parser/keys-rows.h"

/* Rows of a table are denser than clang-format would have them. */
/* clang-format off */

static const char *const format_words[] = {"qcow2", "raw", NULL};
static const char *const media_words[] = {"disk", "cdrom", NULL};

#define ROW_DISK_SIZE(text)                                                                                                    \
        {.name = "size", .type = KEY_SIZE, IN(disk, size_bytes), .min = MIB, .max = PIB, .change = CHANGE_RESTART,             \
         .help = text, .example = "20G"}
#define ROW_DISK_FORMAT(text)                                                                                                  \
        {.name = "format", .type = KEY_ENUM, IN(disk, format), .words = format_words, .change = CHANGE_RECREATE, .help = text, \
         .example = "raw"}
#define ROW_DISK_READ_ONLY                                                                                                     \
        {.name = "read_only", .type = KEY_BOOL, IN(disk, read_only), .fallback = "false", .change = CHANGE_RESTART,            \
         .help = "the guest cannot write to it; always so for a cdrom", .example = "true"}
#define ROW_DISK_FILE                                                                                                          \
        {.name = "file", .type = KEY_PATH, IN(disk, file), .change = CHANGE_RESTART,                                           \
         .help = "an existing file, used in place: never made, formatted or deleted; default: none", .example = "./data.raw"}
#define ROWS_DISK_LATER                                                                                                        \
        LATER_BUT("bus", SCALAR, "virtio", "what the guest sees the disk on", "scsi"),                                         \
                LATER("cache", SCALAR, "cache mode", "none"),                                                                  \
                LATER("discard", SCALAR, "what happens to freed blocks", "unmap"),                                             \
                LATER("limits", MAP, "operations and bytes per second", "{iops: 500, read: 50M, write: 20M}"),                 \
                LATER_BUT("shared", SCALAR, "false", "two VMs may write to it (raw only)", "true")

static const struct key disk_rows[] = {
        ROW_DISK_SIZE("size of the disk; it grows when this grows, and is never shrunk; always needed"),
        {.name = "format", .type = KEY_ENUM, IN(disk, format), .words = format_words, .fallback = "qcow2",
         .change = CHANGE_RECREATE,
         .help = "format of the file", .example = "raw"},
        LATER_BUT("shared", SCALAR, "false", "two VMs may write to it (raw only)", "true"),
        {.name = NULL},
};

static const char *const disk_aliases[] = {
        "capacity", "size", "disk_size", "size", "type", "format", "driver", "format", "path", "file", "source", "file",
        "src", "file", "image", "file", "readonly", "read_only", "ro", "read_only", "volume", "disk", "interface", "bus",
        "device_type", "media", NULL,
};

const struct key_table keys_disk = {
        .title = "disk", .keys = disk_rows, .aliases = disk_aliases, .short_key = "size", .struct_size = sizeof(struct disk),
        .name_offset = offsetof(struct disk, name), .node_offset = offsetof(struct disk, node)};

static const struct key root_disk_rows[] = {
        ROW_DISK_SIZE("size; the image is grown to it, never shrunk; default: the image's own size"),
        ROW_DISK_FORMAT("format of the file; default: qcow2, and for 'file' found out from its content"),
        ROW_DISK_FILE,
        ROW_DISK_READ_ONLY,
        LATER("device", SCALAR, "a block device of the host, used in place", "/dev/vg/x"),
        ROWS_DISK_LATER,
        {.name = NULL},
};

const struct key_table keys_root_disk = {
        .title = "disk", .keys = root_disk_rows, .aliases = disk_aliases, .short_key = "size",
        .struct_size = sizeof(struct disk),
        .node_offset = offsetof(struct disk, node)};

static const struct key vm_disk_rows[] = {
        {.name = "disk", .type = KEY_NAME, IN(disk, named), .change = CHANGE_RESTART,
         .help = "one of the project's disks, by name; a plain name in the list is short for it; default: none",
         .example = "db-data"},
        {.name = "name", .type = KEY_NAME, IN(disk, name), .change = CHANGE_RESTART,
         .help = "name of a disk of the VM's own: its identity and serial; needed where there are two or more; default: data",
         .example = "scratch"},
        ROW_DISK_SIZE("size of a disk of the VM's own; it grows when this grows, and is never shrunk; default: none"),
        ROW_DISK_FORMAT("format of the file; default: qcow2, and for 'file' found out from its content"),
        ROW_DISK_FILE,
        {.name = "media", .type = KEY_ENUM, IN(disk, media), .words = media_words, .fallback = "disk", .change = CHANGE_RESTART,
         .help = "a disk, or a CD-ROM drive with the file in it", .example = "cdrom"},
        ROW_DISK_READ_ONLY,
        LATER("device", SCALAR, "a block device of the host, used in place", "/dev/vg/x"),
        ROWS_DISK_LATER,
        {.name = NULL},
};

const struct key_table keys_vm_disk = {
        .title = "disk", .keys = vm_disk_rows, .aliases = disk_aliases, .short_key = "disk",
        .decode_short = decode_strange_disk, .struct_size = sizeof(struct disk),
        .node_offset = offsetof(struct disk, node)};
