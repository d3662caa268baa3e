/* disk.c - disk files: made once, grown, never shrunk, never overwritten
 *
 * qemu-img takes 15 ms for a new qcow2, and the same backing file, format and size give the same bytes: so it is asked once
 * a process and into memory, and what it made (200 kB, nearly all zero) is written, without the zeros, for every disk.
 */
#include "runtime/storage/disk.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
        QEMU_IMG_TIMEOUT_MS = 60000,
        TEMPLATE_MAX_BYTES = 64 << 20,
        BLOCK_BYTES = 4096,
        SECTOR_BYTES = 512,
};

/* What a child with one descriptor finds it under. */
#define CHILD_FILE "/proc/self/fd/3"

static gboolean
run_qemu_img(const char *const *argv, int fd, const struct child_user *user, GError **error)
{
        struct child child = CHILD_INIT;

        child.argv = argv;
        child.fds = &fd;
        child.fd_count = 1;
        child.user = user;
        return child_run(&child, QEMU_IMG_TIMEOUT_MS, NULL, error);
}

/* What qemu-img makes of some arguments: asked by the first that needs it, while others with the same arguments wait. */
struct template {
        GMutex mutex;
        GBytes *bytes; /* NULL: not made yet, or it failed */
};

static GMutex templates_mutex;
static GHashTable *templates; /* char * (the arguments) -> struct template *; lives as long as the process */

static struct template *
template_find(const char *const *argv)
{
        g_autofree char *key = g_strjoinv("\n", (char **)argv);
        struct template *template;

        g_mutex_lock(&templates_mutex);
        if (!templates)
                templates = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        template = g_hash_table_lookup(templates, key);
        if (!template) {
                template = g_new0(struct template, 1);
                g_mutex_init(&template->mutex);
                g_hash_table_insert(templates, g_steal_pointer(&key), template);
        }
        g_mutex_unlock(&templates_mutex);
        return template;
}

static GBytes *
template_make(const char *const *argv, GError **error)
{
        auto_fd fd = memfd_create("drover-disk", MFD_CLOEXEC);
        g_autofree char *data = NULL;
        struct stat st;

        if (fd < 0)
                return error_errno(error, "cannot make a disk"), NULL;
        if (!run_qemu_img(argv, fd, NULL, error))
                return NULL;
        if (fstat(fd, &st) < 0)
                return error_errno(error, "cannot make a disk"), NULL;
        if (st.st_size > TEMPLATE_MAX_BYTES)
                return error_set(error, DROVER_ERROR_FAILED, "qemu-img makes a disk that is not empty"), NULL;
        data = g_malloc((gsize)st.st_size + 1);
        if (pread(fd, data, (size_t)st.st_size, 0) != st.st_size)
                return error_errno(error, "cannot make a disk"), NULL;
        return g_bytes_new_take(g_steal_pointer(&data), (gsize)st.st_size);
}

/* The bytes of the file CHILD_FILE that qemu-img makes with @argv; a new reference. */
static GBytes *
template_get(const char *const *argv, GError **error)
{
        struct template *template = template_find(argv);
        GBytes *bytes;

        g_mutex_lock(&template->mutex);
        if (!template->bytes)
                template->bytes = template_make(argv, error);
        bytes = template->bytes ? g_bytes_ref(template->bytes) : NULL;
        g_mutex_unlock(&template->mutex);
        return bytes;
}

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

/*
 * The file is synced so that it is never found empty under its name after a power cut; the directory is not: a disk that
 * is lost before anything was written to it is made again.
 */
static gboolean
make_file(const char *path, GBytes *content, guint64 raw_bytes, const struct child_user *owner, GError **error)
{
        g_autofree char *draft = file_draft_path(path);
        auto_fd fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        const char *data;
        size_t length;
        gboolean ok;

        if (fd < 0)
                return error_errno(error, "cannot make disk '%s'", path);
        data = content ? g_bytes_get_data(content, &length) : NULL;
        ok = data ? write_sparse(fd, data, length) : ftruncate(fd, (off_t)raw_bytes) == 0;
        if (!ok || fchmod(fd, 0600) < 0 || fdatasync(fd) < 0)
                ok = error_errno(error, "cannot write disk '%s'", path);
        else if (owner && fchown(fd, owner->uid, owner->gid) < 0)
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

        if (wish->backing_path && strcmp(wish->format, "qcow2") != 0)
                return error_set(error, DROVER_ERROR_FAILED, "a %s disk cannot stand on an image", wish->format);
        if (!bytes || bytes > G_MAXINT64)
                return error_set(error, DROVER_ERROR_FAILED, "a disk cannot have %" G_GUINT64_FORMAT " bytes", bytes);
        if (bytes < wish->backing_size_bytes)
                return error_set(error, DROVER_ERROR_FAILED, "its size is %s, but image '%s' has %s", size, wish->backing_path,
                                 least);
        return TRUE;
}

gboolean
disk_ensure(const struct disk_wish *wish, GError **error)
{
        guint64 bytes = wish->size_bytes ? wish->size_bytes : wish->backing_size_bytes;
        g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
        const char *blank[] = {"qemu-img", "create", "-q", "-f", "qcow2", CHILD_FILE, size, NULL};
        const char *overlay[] = {"qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", wish->backing_format,
                                 "-b", wish->backing_path, CHILD_FILE, size, NULL};
        g_autoptr(GBytes) content = NULL;

        if (file_exists(wish->path))
                return TRUE;
        if (!check_wish(wish, error))
                return error_prefix(error, "cannot make disk '%s'", wish->path);
        if (strcmp(wish->format, "raw") == 0)
                return make_file(wish->path, NULL, bytes, wish->owner, error);
        content = template_get(wish->backing_path ? overlay : blank, error);
        if (!content)
                return error_prefix(error, "cannot make disk '%s'", wish->path);
        return make_file(wish->path, content, 0, wish->owner, error);
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
                                   "\"file\":{\"driver\":\"file\",\"filename\":\"" CHILD_FILE "\"}}";
        g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, size_bytes);
        const char *argv[] = {"qemu-img", "resize", "-q", node, size, NULL};

        return run_qemu_img(argv, fd, user, error);
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
        const char *argv[] = {"qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", template_path, CHILD_FILE, NULL};
        g_autoptr(GBytes) content = NULL;

        if (file_exists(path))
                return TRUE;
        content = template_get(argv, error);
        if (!content)
                return error_prefix(error, "cannot make UEFI variables '%s'", path);
        return make_file(path, content, 0, owner, error);
}
