/* seed.c - a NoCloud seed: the small CD-ROM on which cloud-init finds what a guest is to become */
#include "runtime/storage/seed.h"

#include "base/error.h"
#include "base/file.h"
#include "runtime/storage/libarchive.h"

#include <string.h>

enum { SEED_MODE = 0600 }; /* it may hold passwords */

#define SEED_OPTIONS "volume-id=CIDATA,rockridge=useful,joliet,!pad"

static gboolean
fail(struct archive *archive, GError **error)
{
        const char *reason = archive ? archive_error_string(archive) : NULL;

        return error_set(error, DROVER_ERROR_FAILED, "cannot write the seed: %s", reason ? reason : "libarchive fails");
}

/* ---- what is there already ---- */

static gboolean
holds(struct archive *archive, struct archive_entry *entry, const struct seed_file *files, size_t count)
{
        const char *name = archive_entry_pathname(entry);

        for (size_t i = 0; name && i < count; i++) {
                g_autofree char *text = NULL;

                if (strcmp(name, files[i].name) != 0)
                        continue;
                if (archive_entry_size(entry) != (la_int64_t)files[i].length)
                        return FALSE;
                text = g_malloc(files[i].length + 1);
                return archive_read_data(archive, text, files[i].length) == (la_ssize_t)files[i].length &&
                       memcmp(text, files[i].text, files[i].length) == 0;
        }
        return FALSE;
}

/* Has the seed at @path all of the files, and no other? */
static gboolean
is_same(const char *path, const struct seed_file *files, size_t count)
{
        struct archive *archive = archive_read_new();
        struct archive_entry *entry;
        size_t found = 0;
        gboolean same = TRUE;
        int result = ARCHIVE_EOF;

        if (!archive)
                return FALSE;
        archive_read_support_format_iso9660(archive);
        if (archive_read_open_filename(archive, path, 64 << 10) != ARCHIVE_OK)
                same = FALSE;
        while (same && (result = archive_read_next_header(archive, &entry)) == ARCHIVE_OK) {
                if (archive_entry_filetype(entry) != AE_IFREG)
                        continue;
                same = holds(archive, entry, files, count);
                found++;
        }
        archive_read_free(archive);
        return same && result == ARCHIVE_EOF && found == count;
}

/* ---- a new one ---- */

static la_ssize_t
take_bytes(struct archive *archive, void *data, const void *bytes, size_t length)
{
        g_byte_array_append(data, bytes, (guint)length);
        return (la_ssize_t)length;
}

static gboolean
add_file(struct archive *archive, const struct seed_file *file, GError **error)
{
        struct archive_entry *entry = archive_entry_new();
        gboolean ok;

        if (!entry)
                return fail(NULL, error);
        archive_entry_set_pathname(entry, file->name);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0444);
        archive_entry_set_size(entry, (la_int64_t)file->length);
        ok = archive_write_header(archive, entry) == ARCHIVE_OK &&
             archive_write_data(archive, file->text, file->length) == (la_ssize_t)file->length;
        archive_entry_free(entry);
        return ok || fail(archive, error);
}

static gboolean
write_all(struct archive *archive, GByteArray *bytes, const struct seed_file *files, size_t count, GError **error)
{
        if (archive_write_set_format_iso9660(archive) != ARCHIVE_OK ||
            archive_write_set_options(archive, SEED_OPTIONS) != ARCHIVE_OK ||
            archive_write_open(archive, bytes, NULL, take_bytes, NULL) != ARCHIVE_OK)
                return fail(archive, error);
        for (size_t i = 0; i < count; i++)
                if (!add_file(archive, &files[i], error))
                        return FALSE;
        return archive_write_close(archive) == ARCHIVE_OK || fail(archive, error);
}

gboolean
seed_ensure(const char *path, const struct seed_file *files, size_t count, gboolean *ret_changed, GError **error)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        gboolean changed = !is_same(path, files, count);

        if (changed) {
                struct archive *archive = archive_write_new();
                gboolean ok = archive ? write_all(archive, bytes, files, count, error) : fail(NULL, error);

                archive_write_free(archive);
                if (!ok || !file_write_atomic(path, bytes->data, bytes->len, SEED_MODE, error))
                        return FALSE;
        }
        if (ret_changed)
                *ret_changed = changed;
        return TRUE;
}
