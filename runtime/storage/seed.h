/* seed.h - a NoCloud seed: the small CD-ROM on which cloud-init finds what a guest is to become
 *
 * Source: cloud-init's documentation, "NoCloud": a file system labelled CIDATA with user-data and meta-data at its top.
 */
#pragma once

#include <glib.h>

/** struct seed_file - A file at the top of the seed: "user-data", "meta-data", "network-config", "vendor-data" */
struct seed_file {
        const char *name;
        const char *text;
        size_t length;
};

/**
 * seed_ensure() - Have a seed with just these files
 * @path:        ISO 9660 with Rock Ridge and Joliet names; replaced as a whole, or left where it holds the same already
 * @files:       at least user-data and meta-data, without which cloud-init ignores the seed
 * @ret_changed: on success, whether it was written; may be NULL
 *
 * Dates on it differ from run to run, so it is content that is compared.
 */
gboolean seed_ensure(const char *path, const struct seed_file *files, size_t count, gboolean *ret_changed, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
