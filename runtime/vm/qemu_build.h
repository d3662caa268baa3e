/* qemu_build.h - an argument vector in the making: what qemu_argv.c, qemu_devices.c and qemu_disk.c share, and what is plugged
 * in later */
#pragma once

#include "base/json.h"
#include "runtime/vm/qemu_argv.h"

struct qemu_build {
        const struct launch *launch;
        GPtrArray *argv;     /* char * */
        GArray *descriptors; /* struct descriptor */
        gboolean pcie;       /* q35: devices sit on root ports; else (pc) in slots of the one PCI bus */
        gboolean hot;        /* for a machine that runs: what concerns booting stays out */
};

/** struct node_options - How a file is used by the nodes above it; all zero is right for what is no disk of the guest */
struct node_options {
        gboolean read_only;
        gboolean device; /* a block device */
        enum disk_cache cache;
        enum discard discard;
        const char *key; /* the object with the key that opens a qcow2 node; NULL: it is not encrypted */
};

/** build_key() - The object with the key of a disk, from a descriptor of QEMU's. Returns a new reference */
json_t *build_key(const char *id, gint64 fd);

/** build_disk_options() - Those of a disk's own file, but for its key; build_base_options() - of the image below an overlay */
struct node_options build_disk_options(const struct disk *disk);
struct node_options build_base_options(const struct disk *disk);

/** build_file_node() - The node of a file, "/dev/fdset/N". Returns a new reference, as the next four do */
json_t *build_file_node(const char *node, const char *filename, const struct node_options *options);
/** build_url_node() - The same of what QEMU reaches itself; @url has been checked */
json_t *build_url_node(const char *node, const char *url, const struct node_options *options);
/** build_format_node() - The node above a file's; @backing_node may be NULL */
json_t *build_format_node(const char *node, const char *format, const char *file_node, const char *backing_node,
                          const struct node_options *options);
/** build_disk_device() - The device of a disk on its node; @number: the how manieth it is of its kind (disks, drives) */
json_t *build_disk_device(const struct qemu_build *build, const struct launch_disk *disk, guint number);
/** build_nic_device() - The device of a NIC on its netdev */
json_t *build_nic_device(const struct qemu_build *build, guint number);

/** build_add() - Append an argument and, unless NULL, its value, which is given as a format */
void build_add(struct qemu_build *build, const char *option, const char *format, ...) G_GNUC_PRINTF(3, 4);

/** build_add_text() - The same with a value that is passed as it is */
void build_add_text(struct qemu_build *build, const char *option, const char *value);

/** build_add_json() - The same with a value that becomes JSON, keys in their order; @value is stolen */
void build_add_json(struct qemu_build *build, const char *option, json_t *value);

/** build_descriptor() - Ask for a descriptor; returns the number that it will have in QEMU. @name is copied, or NULL */
int build_descriptor(struct qemu_build *build, enum descriptor_kind kind, guint index, const char *name);

/**
 * build_file() - Ask for a file, and make it a descriptor set
 *
 * Returns its name there, "/dev/fdset/N", which QEMU takes wherever it opens a file for blocks or logs.
 */
char *build_file(struct qemu_build *build, enum descriptor_kind kind, const char *name);

/** build_nodes() - A file node and, above it, a format node called @node, whose backing node may be NULL */
void build_nodes(struct qemu_build *build, const char *node, const char *file_node, const char *path, const char *format,
                 const char *backing_node, const struct node_options *options);

/** build_device() - A device with its driver and id. Returns a new reference */
json_t *build_device(const char *driver, const char *id);

/** build_place_port() - Put a device on a port of its own */
void build_place_port(const struct qemu_build *build, json_t *device, guint port);

/** build_boot_index() - Say when the machine boots from a device: the @number-th of its kind */
void build_boot_index(const struct qemu_build *build, json_t *device, enum boot_device kind, guint number);

/** build_disk() - A disk: its files, and its device */
void build_disk(struct qemu_build *build, const struct launch_disk *disk, guint number);

/** build_devices() - All devices: ports, fixed ones, disks, NICs */
void build_devices(struct qemu_build *build);
