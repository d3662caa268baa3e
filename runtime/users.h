/* users.h - which VMs, of all projects that this user has, stand on which image */
#pragma once

#include "runtime/paths.h"

/**
 * image_users() - Images in use: path of the image -> GPtrArray of "PROJECT/VM"
 *
 * A VM whose record cannot be read may stand on any image: then DROVER_ERROR_CORRUPT, and nothing should be removed. Returns a
 * new table.
 */
GHashTable *image_users(const struct paths *paths, GError **error) G_GNUC_WARN_UNUSED_RESULT;
