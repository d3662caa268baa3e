/* disk_template.h - what qemu-img makes of some arguments, of which every disk made with them is a copy */
#pragma once

#include "base/child.h"

/* What qemu-img finds the descriptors under that it is given, the second as an object. */
#define DISK_TEMPLATE_FILE "/proc/self/fd/3"
#define DISK_TEMPLATE_KEY "secret,id=key,file=/proc/self/fd/4"

/**
 * disk_run_qemu_img() - With @fd as DISK_TEMPLATE_FILE, within limits of time, as @user (NULL: as we are)
 * @key: what DISK_TEMPLATE_KEY reads (disk_key_open()), or -1
 */
gboolean disk_run_qemu_img(const char *const *argv, int fd, int key, const struct child_user *user, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/**
 * disk_template_get() - The bytes of the file DISK_TEMPLATE_FILE that qemu-img makes with @argv; a new reference
 * @cache: where they are kept from process to process; NULL when they depend on more than @argv and which qemu-img it is
 *
 * For an empty disk: what takes more than 64 MiB is refused. NULL with qemu-img's reason.
 */
GBytes *disk_template_get(const char *cache, const char *const *argv, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** disk_template_forget() - Remove all that are kept in the cache: they are made anew. Fails as unlink(2) does */
gboolean disk_template_forget(const char *cache, GError **error) G_GNUC_WARN_UNUSED_RESULT;
