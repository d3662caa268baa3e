/* unpack.c - the one disk image inside of a compressed file or an archive, while it streams by */
#include "runtime/storage/unpack.h"

#include "base/error.h"
#include "base/text.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <unistd.h>

enum {
        HOLE_BYTES = 64 << 10,
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

struct output {
        int fd;
        guint64 max_bytes, end;
};

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
        return error_set(error, DROVER_ERROR_FAILED, "cannot unpack it: %s", shown);
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
                gssize n = is_zero(bytes, part) ? (gssize)part : pwrite(output->fd, bytes, part, (off_t)offset);

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
copy_entry(struct archive *archive, struct stream *stream, struct output *output, GError **error)
{
        const void *bytes;
        size_t length;
        la_int64_t offset;

        for (;;) {
                int result = archive_read_data_block(archive, &bytes, &length, &offset);

                if (result == ARCHIVE_EOF)
                        break;
                if (result < ARCHIVE_WARN)
                        return fail(archive, stream, error);
                if (!write_block(output, bytes, length, (guint64)offset, error))
                        return FALSE;
        }
        if (ftruncate(output->fd, (off_t)output->end) < 0)
                return error_errno(error, "cannot write what it unpacks to");
        return TRUE;
}

/* The disk of a compressed file is all of it; that of an archive is the entry that looks like one. */
static gboolean
find_disk(struct archive *archive, struct stream *stream, struct output *output, GError **error)
{
        guint disks = 0;

        for (guint i = 0; i < ENTRIES_MAX; i++) {
                struct archive_entry *entry;
                int result = archive_read_next_header(archive, &entry);
                gboolean is_raw = (archive_format(archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_RAW;

                if (result == ARCHIVE_EOF)
                        break;
                if (result < ARCHIVE_WARN)
                        return fail(archive, stream, error);
                if (!is_raw && !is_disk(entry))
                        continue;
                if (disks++ > 0) {
                        error_set(error, DROVER_ERROR_FAILED, "it holds more than one disk image");
                        return error_hint(error, "unpack it by hand, and name each disk with 'file:'");
                }
                if (!copy_entry(archive, stream, output, error))
                        return FALSE;
                if (is_raw)
                        return TRUE;
        }
        if (!disks)
                return error_set(error, DROVER_ERROR_FAILED, "it is an archive without a disk image in it");
        return TRUE;
}

gboolean
unpack_stream(gssize (*read)(void *data, const void **ret_bytes, GError **error), void *data, int fd, guint64 max_bytes,
              GError **error)
{
        struct stream stream = {read, data, NULL};
        struct output output = {fd, max_bytes, 0};
        struct archive *archive = archive_read_new();
        gboolean ok = FALSE;

        if (!archive)
                return error_set(error, DROVER_ERROR_FAILED, "cannot set up libarchive");
        archive_read_support_filter_gzip(archive);
        archive_read_support_filter_xz(archive);
        archive_read_support_filter_bzip2(archive);
        archive_read_support_filter_zstd(archive);
        archive_read_support_format_tar(archive);
        archive_read_support_format_raw(archive);
        if (archive_read_open(archive, &stream, NULL, read_stream, NULL) != ARCHIVE_OK)
                fail(archive, &stream, error);
        else
                ok = find_disk(archive, &stream, &output, error);
        archive_read_free(archive);
        g_clear_error(&stream.failure);
        return ok;
}
