/* qemu_build.h - an argument vector in the making: what qemu_argv.c and qemu_devices.c share, and what is plugged in later */
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

/** build_file_node() - The node of a file, "/dev/fdset/N". Returns a new reference, as the next three do */
json_t *build_file_node(const char *node, const char *filename, gboolean read_only);
/** build_format_node() - The node above a file's; @backing_node may be NULL */
json_t *build_format_node(const char *node, const char *format, const char *file_node, const char *backing_node,
                          gboolean read_only);
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
void build_nodes(struct qemu_build *build, const char *node, const char *file_node, enum descriptor_kind kind, const char *path,
                 const char *format, const char *backing_node);

/** build_devices() - All devices: ports, fixed ones, disks, NICs */
void build_devices(struct qemu_build *build);
