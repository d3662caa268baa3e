/* disk.c - disk files: made once, grown, never shrunk, never overwritten */
#include "runtime/storage/disk.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "runtime/storage/disk_key.h"
#include "runtime/storage/disk_template.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
        BLOCK_BYTES = 4096,
        SECTOR_BYTES = 512,
        UNTIMED_TRIES = 10,
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
        const char *key_file;    /* for qemu-img to read; or NULL */
        GBytes *bytes;           /* or NULL */
        guint64 raw_bytes;
        gboolean allocate;       /* and takes that room at once */
        const struct disk_wish *filled; /* and all of its room is written, for this disk; or NULL */
};

static gboolean
write_zeros(int fd, off_t from, off_t to, off_t size, const struct disk_wish *wish, GError **error)
{
        enum { STEP_BYTES = 1 << 20, SYNC_BYTES = 64 << 20 };
        g_autofree char *zeros = g_malloc0(STEP_BYTES);

        while (from < to) {
                ssize_t n = fd_retry(pwrite(fd, zeros, (size_t)MIN(to - from, (off_t)STEP_BYTES), from));

                if (n < 0)
                        return error_errno(error, "cannot write disk '%s'", wish->path);
                from += n;
                /* Now and then, so that what is left for the end is soon done. */
                if (from % SYNC_BYTES < n && fdatasync(fd) < 0)
                        return error_errno(error, "cannot write disk '%s'", wish->path);
                if (wish->progress)
                        wish->progress(wish->data, (guint64)from, (guint64)size);
                if (wish->stop && __atomic_load_n(wish->stop, __ATOMIC_RELAXED))
                        return error_set(error, DROVER_ERROR_INTERRUPTED, "interrupted while disk '%s' was written",
                                         wish->path);
        }
        return TRUE;
}

/* What reads as zero is written as zero: what is in the file stays as it is. */
static gboolean
fill_holes(int fd, const struct disk_wish *wish, GError **error)
{
        off_t size = lseek(fd, 0, SEEK_END), at = 0;

        while (at < size) {
                off_t hole = lseek(fd, at, SEEK_HOLE);
                off_t data = hole >= 0 ? lseek(fd, hole, SEEK_DATA) : -1;

                if (hole < 0)
                        return error_errno(error, "cannot write disk '%s'", wish->path);
                at = data < 0 ? size : data;
                if (!write_zeros(fd, hole, at, size, wish, error))
                        return FALSE;
        }
        return TRUE;
}

/*
 * How often the key is hashed follows from a short try, whose processor time the kernel at times tells as none, since it
 * divides it among user and system by its ticks. qemu-img takes that for an error (crypto/pbkdf.c), and may be asked again.
 */
static gboolean
is_untimed(const GError *reason)
{
        return strstr(reason->message, "accurate CPU usage") != NULL;
}

static gboolean
run_with_key(const char *const *argv, int fd, const char *key_file, const struct child_user *user, GError **error)
{
        for (guint again = key_file ? UNTIMED_TRIES - 1 : 0;; again--) {
                auto_fd key = key_file ? disk_key_open(key_file, user, error) : -1;
                g_autoptr(GError) reason = NULL;

                if (key_file && key < 0)
                        return FALSE;
                if (disk_run_qemu_img(argv, fd, key, user, &reason))
                        return TRUE;
                if (!again || !is_untimed(reason)) {
                        g_propagate_error(error, g_steal_pointer(&reason));
                        return FALSE;
                }
        }
}

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
                return run_with_key(content->argv, fd, content->key_file, NULL, error) ||
                       error_prefix(error, "cannot make disk '%s'", path);
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
        ok = ok && (!content->filled || fill_holes(fd, content->filled, error));
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

        if (wish->key_file && strcmp(wish->format, "qcow2") != 0)
                return error_set(error, DROVER_ERROR_FAILED, "a %s disk cannot be encrypted", wish->format);
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

static gboolean
is_full(const struct disk_wish *wish)
{
        return g_strcmp0(wish->preallocation, "full") == 0;
}

static char *
make_options(const struct disk_wish *wish)
{
        GString *options = g_string_new("preallocation=");

        g_string_append(options, !wish->preallocation ? "off" : is_full(wish) ? "metadata" : wish->preallocation);
        if (wish->cluster_bytes)
                g_string_append_printf(options, ",cluster_size=%" G_GUINT64_FORMAT, wish->cluster_bytes);
        if (wish->compression_type)
                g_string_append_printf(options, ",compression_type=%s", wish->compression_type);
        if (wish->key_file)
                g_string_append_printf(options, ",encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=%u",
                                       wish->iter_ms);
        return g_string_free(options, FALSE);
}

/* qemu-img's arguments; the words are those of @wish, @options and @size. Free the array alone */
static const char **
make_argv(const struct disk_wish *wish, const char *options, const char *size)
{
        GPtrArray *argv = g_ptr_array_new();
        const char *const create[] = {"qemu-img", "create", "-q", "-f", "qcow2", "-o", options};
        const char *const key[] = {"--object", DISK_TEMPLATE_KEY};
        const char *const backing[] = {"-u", "-F", wish->backing_format, "-b", wish->backing_path};

        for (size_t i = 0; i < G_N_ELEMENTS(create); i++)
                g_ptr_array_add(argv, (gpointer)create[i]);
        for (size_t i = 0; wish->key_file && i < G_N_ELEMENTS(key); i++)
                g_ptr_array_add(argv, (gpointer)key[i]);
        for (size_t i = 0; wish->backing_path && i < G_N_ELEMENTS(backing); i++)
                g_ptr_array_add(argv, (gpointer)backing[i]);
        g_ptr_array_add(argv, (gpointer)DISK_TEMPLATE_FILE);
        g_ptr_array_add(argv, (gpointer)size);
        g_ptr_array_add(argv, NULL);
        return (const char **)g_ptr_array_free(argv, FALSE);
}

gboolean
disk_ensure(const struct disk_wish *wish, GError **error)
{
        guint64 bytes = wish->size_bytes ? wish->size_bytes : wish->backing_size_bytes;
        g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
        g_autofree char *options = make_options(wish);
        g_autofree const char **argv = make_argv(wish, options, size);
        g_autoptr(GBytes) template = NULL;
        struct file_content content = {0};

        if (file_exists(wish->path))
                return TRUE;
        if (!check_wish(wish, error))
                return error_prefix(error, "cannot make disk '%s'", wish->path);
        content.filled = is_full(wish) ? wish : NULL;
        content.raw_bytes = bytes;
        content.allocate = g_strcmp0(wish->preallocation, "falloc") == 0;
        content.key_file = wish->key_file;
        if (strcmp(wish->format, "raw") == 0)
                return make_file(wish->path, &content, wish->owner, error);
        content.argv = argv;
        if (wish->preallocation || wish->key_file)
                return make_file(wish->path, &content, wish->owner, error);
        template = disk_template_get(wish->cache, argv, error);
        if (!template)
                return error_prefix(error, "cannot make disk '%s'", wish->path);
        return make_file(wish->path, &(struct file_content){.bytes = template}, wish->owner, error);
}

/* Source: qemu/docs/interop/qcow2.txt, "Header" */
static gboolean
read_qcow2_head(int fd, struct disk_head *ret_head)
{
        struct {
                char magic[4];
                guint32 version;
                guint64 backing_at;
                guint32 backing_length, cluster_bits;
                guint64 size;
                guint32 crypt_method, l1_size;
        } header = {0};

        G_STATIC_ASSERT(sizeof header == 40);
        if (fd_retry(pread(fd, &header, sizeof header, 0)) != sizeof header || memcmp(header.magic, "QFI\xfb", 4) != 0)
                return FALSE;
        *ret_head = (struct disk_head){GUINT64_FROM_BE(header.size), header.crypt_method != 0};
        return TRUE;
}

gboolean
disk_read_head(const char *path, const char *format, struct disk_head *ret_head, GError **error)
{
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        off_t end;

        if (fd < 0)
                return error_errno(error, "cannot open disk '%s'", path);
        if (strcmp(format, "qcow2") == 0)
                return read_qcow2_head(fd, ret_head) ||
                       error_set(error, DROVER_ERROR_CORRUPT, "disk '%s' is no qcow2 file", path);
        end = lseek(fd, 0, SEEK_END); /* also right for a block device */
        if (end < 0)
                return error_errno(error, "cannot read the size of disk '%s'", path);
        *ret_head = (struct disk_head){.size_bytes = (guint64)end};
        return TRUE;
}

gboolean
disk_read_size(const char *path, const char *format, guint64 *ret_bytes, GError **error)
{
        struct disk_head head;

        if (!disk_read_head(path, format, &head, error))
                return FALSE;
        *ret_bytes = head.size_bytes;
        return TRUE;
}

/*
 * The backing file is not opened: QEMU's user may not read it, and growing an overlay, which is at least as large, does not
 * need it. The file itself comes as a descriptor, so that nothing above it has to be open to that user.
 */
static gboolean
grow_qcow2(int fd, const char *key_file, guint64 size_bytes, const struct child_user *user, GError **error)
{
        static const char file[] = "\"file\":{\"driver\":\"file\",\"filename\":\"" DISK_TEMPLATE_FILE "\"}}";
        static const char encrypt[] = "\"encrypt\":{\"format\":\"luks\",\"key-secret\":\"key\"},";
        g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, size_bytes);
        g_autofree char *node = g_strdup_printf("json:{\"driver\":\"qcow2\",\"backing\":null,%s%s", key_file ? encrypt : "",
                                                file);
        const char *plain[] = {"qemu-img", "resize", "-q", node, size, NULL};
        const char *encrypted[] = {"qemu-img", "resize", "-q", "--object", DISK_TEMPLATE_KEY, node, size, NULL};

        return run_with_key(key_file ? encrypted : plain, fd, key_file, user, error);
}

gboolean
disk_grow(const char *path, const char *format, const char *key_file, guint64 size_bytes, const struct child_user *user,
          GError **error)
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
        return grow_qcow2(fd, key_file, whole, user, error) || error_prefix(error, "cannot grow disk '%s'", path);
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
