/* unpack.c - the one disk image inside of a compressed file or an archive, while it streams by
 *
 * Two readers of libarchive, one behind the other: the outer one takes off what it is compressed with; where what comes out
 * begins as a tar archive, the inner one looks for the disk in it. One reader for both would take a disk that begins with
 * zeros (every ext4 file system does) for the end of an archive.
 */
#include "runtime/storage/unpack.h"

#include "base/error.h"
#include "base/text.h"
#include "runtime/storage/libarchive.h"

#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
        HOLE_BYTES = 64 << 10,
        RESERVE_PART = 20, /* of the file system, which others need as well */
        ENTRIES_MAX = 1000,
};

static const struct {
        const char *magic, *name;
        size_t length, at;
} kinds[] = {
        {"\x1f\x8b", "gzip", 2, 0},
        {"\xfd" "7zXZ\0", "xz", 6, 0},
        {"BZh", "bzip2", 3, 0},
        {"\x28\xb5\x2f\xfd", "zstd", 4, 0},
        {"ustar", "tar", 5, 257},
};

static const char *const disk_suffixes[] = {".vmdk", ".qcow2", ".img", ".raw", ".vdi", ".vhd", ".vhdx"};

struct stream {
        gssize (*read)(void *data, const void **ret_bytes, GError **error);
        void *data;
        GError *failure; /* of read(): it is told rather than what libarchive makes of it */
};

/* What the outer reader gives; its first bytes were looked at already. */
struct unpacked {
        struct archive *outer;
        struct stream *stream;
        GByteArray *head;
        gboolean head_given;
};

struct output {
        int fd;
        guint64 max_bytes, end;
        guint64 room_bytes; /* what may still be written */
        const int *stop;
};

#define RESERVE_MAX_BYTES ((guint64)1 << 30)

/* A few bytes may unpack to more than there is room for: all but a reserve may be taken. */
static guint64
find_room(int fd)
{
        struct statvfs fs;
        guint64 reserve, free_bytes;

        if (fstatvfs(fd, &fs) < 0)
                return G_MAXUINT64;
        reserve = MIN((guint64)fs.f_blocks * fs.f_frsize / RESERVE_PART, RESERVE_MAX_BYTES);
        free_bytes = (guint64)fs.f_bavail * fs.f_frsize;
        return free_bytes > reserve ? free_bytes - reserve : 0;
}

static gboolean
take_room(struct output *output, size_t length, GError **error)
{
        if (length <= output->room_bytes) {
                output->room_bytes -= length;
                return TRUE;
        }
        error_set(error, DROVER_ERROR_FAILED, "what it unpacks to (%" G_GUINT64_FORMAT " MiB so far) leaves too little room",
                  output->end >> 20);
        return error_hint(error, "make room, or let DROVER_CACHE_DIR name another directory");
}

const char *
unpack_kind(const void *head, size_t length)
{
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                if (length >= kinds[i].at + kinds[i].length &&
                    memcmp((const char *)head + kinds[i].at, kinds[i].magic, kinds[i].length) == 0)
                        return kinds[i].name;
        return NULL;
}

static la_ssize_t
read_stream(struct archive *archive, void *data, const void **ret_bytes)
{
        struct stream *stream = data;
        gssize n = stream->read(stream->data, ret_bytes, &stream->failure);

        if (n < 0)
                archive_set_error(archive, EIO, "the source failed");
        return n;
}

static gboolean
fail(struct archive *archive, struct stream *stream, GError **error)
{
        const char *reason = archive_error_string(archive);
        g_autofree char *shown = text_make_printable(reason ? reason : "it is damaged", -1);

        if (stream->failure) {
                g_propagate_error(error, g_steal_pointer(&stream->failure));
                return FALSE;
        }
        return error_set(error, DROVER_ERROR_CORRUPT, "cannot unpack it: %s", shown);
}

static gboolean
is_disk(struct archive_entry *entry)
{
        const char *name = archive_entry_pathname(entry);

        if (!name || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
                return FALSE;
        for (size_t i = 0; i < G_N_ELEMENTS(disk_suffixes); i++)
                if (g_str_has_suffix(name, disk_suffixes[i]))
                        return TRUE;
        return FALSE;
}

static gboolean
is_zero(const char *bytes, size_t length)
{
        return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/* Writes one block, but for stretches of zeros. */
static gboolean
write_block(struct output *output, const char *bytes, size_t length, guint64 offset, GError **error)
{
        if (offset + length > output->max_bytes || offset + length < offset)
                return error_set(error, DROVER_ERROR_FAILED, "it unpacks to more than %" G_GUINT64_FORMAT " MiB",
                                 output->max_bytes >> 20);
        output->end = MAX(output->end, offset + length);
        while (length > 0) {
                size_t part = MIN(length, HOLE_BYTES - offset % HOLE_BYTES);
                gboolean is_hole = is_zero(bytes, part);
                gssize n;

                if (!is_hole && !take_room(output, part, error))
                        return FALSE;
                n = is_hole ? (gssize)part : pwrite(output->fd, bytes, part, (off_t)offset);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_errno(error, "cannot write what it unpacks to");
                bytes += n;
                offset += (guint64)n;
                length -= (size_t)n;
        }
        return TRUE;
}

static gboolean
is_stopped(const struct output *output, GError **error)
{
        if (!output->stop || !g_atomic_int_get(output->stop)) /* a few bytes may unpack to hours of zeros */
                return FALSE;
        error_set(error, DROVER_ERROR_INTERRUPTED, "it was not unpacked to its end");
        return TRUE;
}

static gboolean
end_output(const struct output *output, GError **error)
{
        if (ftruncate(output->fd, (off_t)output->end) < 0)
                return error_errno(error, "cannot write what it unpacks to");
        return TRUE;
}

/* ---- what is compressed ---- */

/* How many bytes, 0 at the end, -1 with its error in the stream. */
static la_ssize_t
read_outer(struct unpacked *unpacked, const void **ret_bytes)
{
        size_t length = 0;
        la_int64_t offset;
        int result;

        do
                result = archive_read_data_block(unpacked->outer, ret_bytes, &length, &offset);
        while (result >= ARCHIVE_WARN && result != ARCHIVE_EOF && length == 0);
        if (result == ARCHIVE_EOF)
                return 0;
        if (result >= ARCHIVE_WARN)
                return (la_ssize_t)length;
        if (!unpacked->stream->failure)
                fail(unpacked->outer, unpacked->stream, &unpacked->stream->failure);
        return -1;
}

static la_ssize_t
read_unpacked(struct archive *inner, void *data, const void **ret_bytes)
{
        struct unpacked *unpacked = data;
        la_ssize_t n;

        if (!unpacked->head_given) {
                unpacked->head_given = TRUE;
                *ret_bytes = unpacked->head->data;
                return unpacked->head->len;
        }
        n = read_outer(unpacked, ret_bytes);
        if (n < 0 && inner)
                archive_set_error(inner, EIO, "the source failed");
        return n;
}

static gboolean
read_head(struct unpacked *unpacked)
{
        while (unpacked->head->len < UNPACK_HEAD_BYTES) {
                const void *bytes;
                la_ssize_t n = read_outer(unpacked, &bytes);

                if (n <= 0)
                        return n == 0;
                g_byte_array_append(unpacked->head, bytes, (guint)n);
        }
        return TRUE;
}

/* The disk of a compressed file is all of it. */
static gboolean
copy_all(struct unpacked *unpacked, struct output *output, GError **error)
{
        const void *bytes;
        la_ssize_t n;

        while ((n = read_unpacked(NULL, unpacked, &bytes)) > 0)
                if (is_stopped(output, error) || !write_block(output, bytes, (size_t)n, output->end, error))
                        return FALSE;
        return n == 0 ? end_output(output, error) : fail(unpacked->outer, unpacked->stream, error);
}

/* ---- an archive ---- */

static gboolean
copy_entry(struct archive *archive, struct stream *stream, struct output *output, GError **error)
{
        const void *bytes;
        size_t length;
        la_int64_t offset;

        for (;;) {
                int result = archive_read_data_block(archive, &bytes, &length, &offset);

                if (result == ARCHIVE_EOF)
                        return end_output(output, error);
                if (result < ARCHIVE_WARN)
                        return fail(archive, stream, error);
                if (is_stopped(output, error) || !write_block(output, bytes, length, (guint64)offset, error))
                        return FALSE;
        }
}

/* The disk of an archive is the entry that looks like one. */
static gboolean
find_disk(struct archive *archive, struct stream *stream, struct output *output, GError **error)
{
        guint disks = 0;

        for (guint i = 0; i < ENTRIES_MAX; i++) {
                struct archive_entry *entry;
                int result = archive_read_next_header(archive, &entry);

                if (result == ARCHIVE_EOF)
                        break;
                if (result < ARCHIVE_WARN)
                        return fail(archive, stream, error);
                if (!is_disk(entry))
                        continue;
                if (disks++ > 0) {
                        error_set(error, DROVER_ERROR_FAILED, "it holds more than one disk image");
                        return error_hint(error, "unpack it by hand, and name each disk with 'file:'");
                }
                if (!copy_entry(archive, stream, output, error))
                        return FALSE;
        }
        if (!disks)
                return error_set(error, DROVER_ERROR_FAILED, "it is an archive without a disk image in it");
        return TRUE;
}

static gboolean
copy_archived(struct unpacked *unpacked, struct output *output, GError **error)
{
        struct archive *inner = archive_read_new();
        gboolean ok;

        if (!inner)
                return error_set(error, DROVER_ERROR_FAILED, "cannot set up libarchive");
        archive_read_support_format_tar(inner);
        ok = archive_read_open(inner, unpacked, NULL, read_unpacked, NULL) == ARCHIVE_OK
                     ? find_disk(inner, unpacked->stream, output, error)
                     : fail(inner, unpacked->stream, error);
        archive_read_free(inner);
        return ok;
}

/* ---- both ---- */

static gboolean
copy_disk(struct unpacked *unpacked, struct output *output, GError **error)
{
        struct archive_entry *entry;
        int result = archive_read_open(unpacked->outer, unpacked->stream, NULL, read_stream, NULL);

        if (result == ARCHIVE_OK)
                result = archive_read_next_header(unpacked->outer, &entry);
        if (result == ARCHIVE_EOF)
                return error_set(error, DROVER_ERROR_CORRUPT, "cannot unpack it: it is empty");
        if (result < ARCHIVE_WARN || !read_head(unpacked))
                return fail(unpacked->outer, unpacked->stream, error);
        if (g_strcmp0(unpack_kind(unpacked->head->data, unpacked->head->len), "tar") == 0)
                return copy_archived(unpacked, output, error);
        return copy_all(unpacked, output, error);
}

gboolean
unpack_stream(gssize (*read)(void *data, const void **ret_bytes, GError **error), void *data, int fd, guint64 max_bytes,
              const int *stop, GError **error)
{
        g_autoptr(GByteArray) head = g_byte_array_new();
        struct stream stream = {read, data, NULL};
        struct output output = {fd, max_bytes, 0, find_room(fd), stop};
        struct unpacked unpacked = {NULL, &stream, head, FALSE};
        gboolean ok;

        unpacked.outer = archive_read_new();
        if (!unpacked.outer)
                return error_set(error, DROVER_ERROR_FAILED, "cannot set up libarchive");
        archive_read_support_filter_gzip(unpacked.outer);
        archive_read_support_filter_xz(unpacked.outer);
        archive_read_support_filter_bzip2(unpacked.outer);
        archive_read_support_filter_zstd(unpacked.outer);
        archive_read_support_format_raw(unpacked.outer);
        ok = copy_disk(&unpacked, &output, error);
        archive_read_free(unpacked.outer);
        g_clear_error(&stream.failure);
        return ok;
}
