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
        gint64 ctime_ns; /* 0: not known */
};

/**
 * image_probe() - Look at an image
 * @user:  who qemu-img runs as (NULL: as we are): it parses what nobody vouched for
 * @known: what it said before, or NULL; it is spared where the file has not changed since and its first bytes are harmless
 *
 * Refuses (DROVER_ERROR_FAILED, with the reason and what to do) an image that names a backing file, an external data file, or
 * an extent outside itself, and one that is encrypted. A file without a known header is raw. qemu-img gets limits on
 * memory, CPU and wall time. Fails with DROVER_ERROR_NOT_FOUND, _PERMISSION as open(2) does.
 */
gboolean image_probe(const char *path, const struct child_user *user, const struct image_info *known,
                     struct image_info *ret_info, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** image_recall() - What qemu-img said of it in an earlier run; FALSE where that is not known, or the file is another by now */
gboolean image_recall(const char *cache, const char *path, struct image_info *ret_info);

/** image_remember() - Keep what image_probe() found for image_recall(), unless the file was changed just now. Never fails */
void image_remember(const char *cache, const char *path, const struct image_info *info);

/** image_forget_stale() - Remove from the cache what was kept of images that are gone or are others by now */
gboolean image_forget_stale(const char *cache, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** image_format_is_known() - May QEMU be given an image of that format? */
gboolean image_format_is_known(const char *format);

/** image_stat() - Only device, inode, size and times; FALSE when there is no such file */
gboolean image_stat(const char *path, struct image_info *ret_info);

/**
 * image_is_same() - Has the file stayed what it was, by inode, size and mtime?
 *
 * The device is recorded but not compared: its number may change over a reboot (device-mapper, NFS, btrfs).
 */
gboolean image_is_same(const struct image_info *a, const struct image_info *b);

/** image_is_unchanged() - The same and more, for a short time: also by device and ctime, which nobody can set back */
gboolean image_is_unchanged(const struct image_info *a, const struct image_info *b);
