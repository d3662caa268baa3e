/* disk_key.h - the key of an encrypted disk: read from its file when something has to open the disk, handed over once */
#pragma once

#include "base/child.h"

enum { DISK_KEY_MAX_BYTES = 4096 }; /* a pipe holds at least that much */

/**
 * disk_key_check() - Does a file hold a key that QEMU takes?
 * @ret_exposed: on success, whether everybody on this host may read it
 *
 * Fails with DROVER_ERROR_NOT_FOUND or DROVER_ERROR_PERMISSION as file_read() does, and with DROVER_ERROR_FAILED for a file
 * that is empty, too long, or no text.
 */
gboolean disk_key_check(const char *path, gboolean *ret_exposed, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * disk_key_open() - A pipe with the key in it, for one that opens /proc/self/fd/N
 * @user: who that will be, or NULL: whoever we are
 *
 * Whoever reads it takes the key out: no copy is left for those who look at the descriptors of that process later. The caller
 * closes it. -1 on failure, as disk_key_check() fails.
 */
int disk_key_open(const char *path, const struct child_user *user, GError **error) G_GNUC_WARN_UNUSED_RESULT;
