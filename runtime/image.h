/* image.h - disk images as they are found: looked at by qemu-img before QEMU ever opens them */
#pragma once

#include "base/child.h"

#include <sys/stat.h>

/** struct image_info - What qemu-img says, and what identifies the file as it was */
struct image_info {
        char format[16];            /* "qcow2", "raw", "vmdk" ... */
        guint64 virtual_size_bytes;
        guint64 device, inode, size_bytes;
        gint64 mtime_ns;
};

/**
 * image_probe() - Look at an image
 * @user: who qemu-img runs as (NULL: as we are): it parses what nobody vouched for
 *
 * Refuses (DROVER_ERROR_FAILED, with the reason and what to do) an image that names a backing file, an external data file, or
 * an extent outside itself, and one that is encrypted. A file without a known header is raw. qemu-img gets limits on
 * memory, CPU and wall time. Fails with DROVER_ERROR_NOT_FOUND, _PERMISSION as open(2) does.
 */
gboolean image_probe(const char *path, const struct child_user *user, struct image_info *ret_info, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** image_stat() - Only device, inode, size and mtime; FALSE when there is no such file */
gboolean image_stat(const char *path, struct image_info *ret_info);

/**
 * image_is_same() - Has the file stayed what it was, by inode, size and mtime?
 *
 * The device is recorded but not compared: its number may change over a reboot (device-mapper, NFS, btrfs).
 */
gboolean image_is_same(const struct image_info *a, const struct image_info *b);
