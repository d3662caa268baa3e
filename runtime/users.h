/* users.h - which VMs, of all projects that this user has, stand on which image */
#pragma once

#include "runtime/paths.h"

/**
 * image_users() - Images in use: name of the image's file -> GPtrArray of "PROJECT/VM"
 *
 * In the cache that is the digest: so it counts whatever path, over symbolic links or not, led to the cache then.
 * A VM whose record cannot be read may stand on any image: then DROVER_ERROR_CORRUPT, and nothing should be removed. Returns a
 * new table.
 */
GHashTable *image_users(const struct paths *paths, GError **error) G_GNUC_WARN_UNUSED_RESULT;
