/* unpack.h - the one disk image inside of a compressed file or an archive, while it streams by
 *
 * Compressed: gzip, xz, bzip2, zstd. Archives: tar, as in an OVA or a Vagrant box. Names in an archive are never used as
 * paths; they only tell which entry is the disk.
 */
#pragma once

#include <glib.h>

enum { UNPACK_HEAD_BYTES = 512 }; /* how much of a file tells what it is */

/** unpack_kind() - What the first bytes say: "gzip", "xz", "bzip2", "zstd", "tar"; NULL: nothing that we unpack */
const char *unpack_kind(const void *head, size_t length);

/**
 * unpack_stream() - Write the disk image to a file
 * @read:      the next bytes: how many, 0 at the end, -1 with its error
 * @fd:        an empty regular file; blocks of zeros become holes
 * @max_bytes: a larger image is refused; what a small file unpacks to is not bounded by its own size, so neither may more be
 *             written than leaves a twentieth of the file system free (no more than 1 GiB)
 * @stop:      when it becomes nonzero, DROVER_ERROR_INTERRUPTED; or NULL
 *
 * Reads no further than the disk image needs; the caller drains the rest where it wants a checksum of the whole. Fails with
 * DROVER_ERROR_CORRUPT where the stream is damaged, with _FAILED where it holds no disk image or several.
 */
gboolean unpack_stream(gssize (*read)(void *data, const void **ret_bytes, GError **error), void *data, int fd,
                       guint64 max_bytes, const int *stop, GError **error) G_GNUC_WARN_UNUSED_RESULT;
