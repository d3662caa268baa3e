/* checksums.h - the checksum of one file in the list of them that a distribution publishes */
#pragma once

#include "runtime/storage/digest.h"

enum { CHECKSUMS_MAX_BYTES = 1 << 20 };

/**
 * checksums_find() - Look a file up
 * @text: lines as sha256sum and sha512sum write them, with two blanks or an asterisk; BSD's "SHA256 (file) = digits"; either
 *        within a PGP signature, which is not checked; or the digits alone
 * @list: the name of the list, without directories: one that is the file's own ("FILE.sha256") has one checksum, whatever it
 *        calls the file
 * @file: the name of the file, without directories
 * @ret_digests: on success, the one that is found, or both
 *
 * Fails with DROVER_ERROR_CORRUPT where the list does not have the file, or has it with several sums.
 */
gboolean checksums_find(const char *text, const char *list, const char *file, struct digests *ret_digests, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
