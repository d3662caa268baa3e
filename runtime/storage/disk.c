/* disk.c - disk files: made once, grown, never shrunk, never overwritten */
#include "runtime/storage/disk.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "runtime/storage/disk_template.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
        BLOCK_BYTES = 4096,
        SECTOR_BYTES = 512,
};

static gboolean
is_zero(const char *data, size_t length)
{
        return length == 0 || (*data == 0 && memcmp(data, data + 1, length - 1) == 0);
}

static gboolean
write_sparse(int fd, const char *data, size_t length)
{
        for (size_t at = 0; at < length; at += BLOCK_BYTES) {
                size_t size = MIN(length - at, (size_t)BLOCK_BYTES);

                if (is_zero(data + at, size))
                        continue;
                for (size_t done = 0; done < size;) {
                        ssize_t n = pwrite(fd, data + at + done, size - done, (off_t)(at + done));

                        if (n < 0 && errno != EINTR)
                                return FALSE;
                        done += (size_t)MAX(n, 0);
                }
        }
        return ftruncate(fd, (off_t)length) == 0;
}

/* Never over a file that is there: that there is one is success, whoever made it meanwhile. */
static gboolean
put_in_place(const char *draft, const char *path, GError **error)
{
        if (renameat2(AT_FDCWD, draft, AT_FDCWD, path, RENAME_NOREPLACE) == 0 || errno == EEXIST)
                return TRUE;
        if ((errno == EINVAL || errno == ENOSYS) && (link(draft, path) == 0 || errno == EEXIST)) /* NFS knows only link() */
                return TRUE;
        return error_errno(error, "cannot put disk '%s' in place", path);
}

/** struct file_content - What a new file holds: what qemu-img makes of it, bytes, or nothing of a size */
struct file_content {
        const char *const *argv; /* or NULL */
        GBytes *bytes;           /* or NULL */
        guint64 raw_bytes;
        gboolean allocate;       /* and takes that room at once */
};

/*
 * The file is synced so that it is never found empty under its name after a power cut; the directory is not: a disk that
 * is lost before anything was written to it is made again.
 */
static gboolean
fill_file(int fd, const char *path, const struct file_content *content, GError **error)
{
        const char *data;
        size_t length;
        gboolean ok;

        if (content->argv)
                return disk_run_qemu_img(content->argv, fd, NULL, error) || error_prefix(error, "cannot make disk '%s'", path);
        data = content->bytes ? g_bytes_get_data(content->bytes, &length) : NULL;
        if (data)
                ok = write_sparse(fd, data, length);
        else if (content->allocate)
                ok = fallocate(fd, 0, 0, (off_t)content->raw_bytes) == 0;
        else
                ok = ftruncate(fd, (off_t)content->raw_bytes) == 0;
        return ok || error_errno(error, "cannot write disk '%s'", path);
}

static gboolean
make_file(const char *path, const struct file_content *content, const struct child_user *owner, GError **error)
{
        g_autofree char *draft = file_draft_path(path);
        auto_fd fd = open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        gboolean ok;

        if (fd < 0)
                return error_errno(error, "cannot make disk '%s'", path);
        ok = fill_file(fd, path, content, error);
        if (ok && (fchmod(fd, 0600) < 0 || fdatasync(fd) < 0))
                ok = error_errno(error, "cannot write disk '%s'", path);
        else if (ok && owner && fchown(fd, owner->uid, owner->gid) < 0)
                ok = error_errno(error, "cannot give disk '%s' to user '%s'", path, owner->name);
        ok = ok && put_in_place(draft, path, error);
        unlink(draft);
        return ok;
}

static gboolean
check_wish(const struct disk_wish *wish, GError **error)
{
        g_autofree char *size = text_format_size(wish->size_bytes), *least = text_format_size(wish->backing_size_bytes);
        guint64 bytes = wish->size_bytes ? wish->size_bytes : wish->backing_size_bytes;

        if (wish->backing_path && wish->preallocation)
                return error_set(error, DROVER_ERROR_FAILED, "an overlay takes room as it is written");
        if (wish->backing_path && strcmp(wish->format, "qcow2") != 0)
                return error_set(error, DROVER_ERROR_FAILED, "a %s disk cannot stand on an image", wish->format);
        if (!bytes || bytes > G_MAXINT64)
                return error_set(error, DROVER_ERROR_FAILED, "a disk cannot have %" G_GUINT64_FORMAT " bytes", bytes);
        if (bytes < wish->backing_size_bytes)
                return error_set(error, DROVER_ERROR_FAILED, "its size is %s, but image '%s' has %s", size, wish->backing_path,
                                 least);
        return TRUE;
}

static char *
make_options(const struct disk_wish *wish)
{
        GString *options = g_string_new("preallocation=");

        g_string_append(options, wish->preallocation ? wish->preallocation : "off");
        if (wish->cluster_bytes)
                g_string_append_printf(options, ",cluster_size=%" G_GUINT64_FORMAT, wish->cluster_bytes);
        return g_string_free(options, FALSE);
}

gboolean
disk_ensure(const struct disk_wish *wish, GError **error)
{
        guint64 bytes = wish->size_bytes ? wish->size_bytes : wish->backing_size_bytes;
        g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
        g_autofree char *options = make_options(wish);
        const char *blank[] = {"qemu-img", "create", "-q", "-f", "qcow2", "-o", options, DISK_TEMPLATE_FILE, size, NULL};
        const char *overlay[] = {"qemu-img", "create", "-q", "-u", "-f", "qcow2", "-o", options, "-F", wish->backing_format,
                                 "-b", wish->backing_path, DISK_TEMPLATE_FILE, size, NULL};
        g_autoptr(GBytes) template = NULL;

        if (file_exists(wish->path))
                return TRUE;
        if (!check_wish(wish, error))
                return error_prefix(error, "cannot make disk '%s'", wish->path);
        if (strcmp(wish->format, "raw") == 0)
                return make_file(wish->path,
                                 &(struct file_content){.raw_bytes = bytes, .allocate = wish->preallocation != NULL},
                                 wish->owner, error);
        if (wish->preallocation)
                return make_file(wish->path, &(struct file_content){.argv = blank}, wish->owner, error);
        template = disk_template_get(wish->cache, wish->backing_path ? overlay : blank, error);
        if (!template)
                return error_prefix(error, "cannot make disk '%s'", wish->path);
        return make_file(wish->path, &(struct file_content){.bytes = template}, wish->owner, error);
}

/* Source: qemu/docs/interop/qcow2.txt, "Header" */
static gboolean
read_qcow2_size(int fd, guint64 *ret_bytes)
{
        struct {
                char magic[4];
                guint32 version;
                guint64 backing_at;
                guint32 backing_length, cluster_bits;
                guint64 size;
        } header;

        G_STATIC_ASSERT(sizeof header == 32);
        if (pread(fd, &header, sizeof header, 0) != sizeof header || memcmp(header.magic, "QFI\xfb", 4) != 0)
                return FALSE;
        *ret_bytes = GUINT64_FROM_BE(header.size);
        return TRUE;
}

gboolean
disk_read_size(const char *path, const char *format, guint64 *ret_bytes, GError **error)
{
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        off_t end;

        if (fd < 0)
                return error_errno(error, "cannot open disk '%s'", path);
        if (strcmp(format, "qcow2") == 0)
                return read_qcow2_size(fd, ret_bytes) ||
                       error_set(error, DROVER_ERROR_CORRUPT, "disk '%s' is no qcow2 file", path);
        end = lseek(fd, 0, SEEK_END); /* also right for a block device */
        if (end < 0)
                return error_errno(error, "cannot read the size of disk '%s'", path);
        *ret_bytes = (guint64)end;
        return TRUE;
}

/*
 * The backing file is not opened: QEMU's user may not read it, and growing an overlay, which is at least as large, does not
 * need it. The file itself comes as a descriptor, so that nothing above it has to be open to that user.
 */
static gboolean
grow_qcow2(int fd, guint64 size_bytes, const struct child_user *user, GError **error)
{
        static const char node[] = "json:{\"driver\":\"qcow2\",\"backing\":null,"
                                   "\"file\":{\"driver\":\"file\",\"filename\":\"" DISK_TEMPLATE_FILE "\"}}";
        g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, size_bytes);
        const char *argv[] = {"qemu-img", "resize", "-q", node, size, NULL};

        return disk_run_qemu_img(argv, fd, user, error);
}

gboolean
disk_grow(const char *path, const char *format, guint64 size_bytes, const struct child_user *user, GError **error)
{
        guint64 now, whole = (size_bytes + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
        auto_fd fd = -1;

        if (!disk_read_size(path, format, &now, error))
                return FALSE;
        if (size_bytes < now) {
                g_autofree char *from = text_format_size(now), *to = text_format_size(size_bytes);

                return error_set(error, DROVER_ERROR_FAILED, "disk '%s' has %s and is never shrunk (to %s)", path, from, to);
        }
        if (size_bytes == now)
                return TRUE;
        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return error_errno(error, "cannot open disk '%s'", path);
        if (strcmp(format, "raw") == 0)
                return ftruncate(fd, (off_t)whole) == 0 || error_errno(error, "cannot grow disk '%s'", path);
        return grow_qcow2(fd, whole, user, error) || error_prefix(error, "cannot grow disk '%s'", path);
}

gboolean
disk_ensure_vars(const char *path, const char *template_path, const struct child_user *owner, GError **error)
{
        const char *argv[] = {"qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", template_path, DISK_TEMPLATE_FILE, NULL};
        g_autoptr(GBytes) content = NULL;

        if (file_exists(path))
                return TRUE;
        content = disk_template_get(NULL, argv, error);
        if (!content)
                return error_prefix(error, "cannot make UEFI variables '%s'", path);
        return make_file(path, &(struct file_content){.bytes = content}, owner, error);
}
