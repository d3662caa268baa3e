/* image.c - disk images as they are found: looked at by qemu-img before QEMU ever opens them
 *
 * An image is untrusted: one that names a backing file, a data file or an extent elsewhere would make QEMU read any file of
 * this host into the guest. qemu-img itself opens some of what an image names (a data file, the extents of a VMDK), so
 * those are found in the first bytes before it is asked; what it says is checked once more, for all formats.
 */
#include "runtime/storage/image.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "runtime/storage/unpack.h"

#include <fcntl.h>
#include <string.h>

enum {
        PROBE_TIMEOUT_MS = 20000,
        PROBE_CPU_SECONDS = 10,
        HEAD_BYTES = 512,
        QCOW2_BACKING_AT = 8, /* Source: qemu/docs/interop/qcow2.txt, "Header" */
        QCOW2_BACKING_LENGTH_AT = 16,
        QCOW2_CRYPT_AT = 32,
        QCOW2_INCOMPATIBLE_AT = 72,
        QCOW2_EXTERNAL_DATA = 1 << 2,
        QCOW2_NAME_MAX = 1023,
};

#define PROBE_MEMORY_BYTES ((guint64)1 << 30)

/* What QEMU may be given; the rest of its drivers parse what hardly anybody has. */
static const char *const known_formats[] = {"qcow2", "raw", "vmdk", "vdi", "vpc", "vhdx", NULL};

/* What servers answer in place of an image, and what boots otherwise; anything else may be on a raw disk. */
static const struct {
        const char *beginning; /* in small letters */
        const char *what, *hint;
} never_disks[] = {
        {"<!doctype html", "a web page", "look at it: it may be what a server said instead of giving the image"},
        {"<html", "a web page", "look at it: it may be what a server said instead of giving the image"},
        {"<?xml", "XML", "look at it: it may be what a server said instead of giving the image"},
        {"\x7f" "elf", "a program or a kernel", "a kernel is given with 'boot: {kernel: FILE}'"},
};

static void
take_stat(const struct stat *st, struct image_info *info)
{
        info->device = st->st_dev;
        info->inode = st->st_ino;
        info->size_bytes = (guint64)st->st_size;
        info->mtime_ns = (gint64)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
        info->ctime_ns = (gint64)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

gboolean
image_stat(const char *path, struct image_info *ret_info)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return FALSE;
        *ret_info = (struct image_info){0};
        take_stat(&st, ret_info);
        return TRUE;
}

gboolean
image_is_same(const struct image_info *a, const struct image_info *b)
{
        return a->inode == b->inode && a->size_bytes == b->size_bytes && a->mtime_ns == b->mtime_ns;
}

gboolean
image_is_unchanged(const struct image_info *a, const struct image_info *b)
{
        return image_is_same(a, b) && a->device == b->device && a->ctime_ns == b->ctime_ns;
}

gboolean
image_format_is_known(const char *format)
{
        return g_strv_contains(known_formats, format);
}

/* @other: the name of the other file, or NULL where it is not known */
static gboolean
refuse_reference(GError **error, const char *path, const char *what, const char *other)
{
        g_autofree char *name = text_make_printable(other ? other : "", -1);

        if (*name)
                error_set(error, DROVER_ERROR_FAILED, "image '%s' %s: '%s'", path, what, name);
        else
                error_set(error, DROVER_ERROR_FAILED, "image '%s' %s", path, what);
        return error_hint(error, "if you trust where it comes from, make one file of it: qemu-img convert -O qcow2 IN OUT");
}

static gboolean
refuse_encrypted(GError **error, const char *path)
{
        return error_set(error, DROVER_ERROR_UNSUPPORTED, "image '%s' is encrypted, which is not supported", path);
}

static guint64
read_be64(const guint8 *bytes)
{
        guint64 value;

        memcpy(&value, bytes, sizeof value);
        return GUINT64_FROM_BE(value);
}

static guint32
read_be32(const guint8 *bytes)
{
        guint32 value;

        memcpy(&value, bytes, sizeof value);
        return GUINT32_FROM_BE(value);
}

static gboolean
check_qcow2(int fd, const char *path, const guint8 *head, GError **error)
{
        guint64 backing_at = read_be64(head + QCOW2_BACKING_AT);
        guint32 length = MIN(read_be32(head + QCOW2_BACKING_LENGTH_AT), (guint32)QCOW2_NAME_MAX);
        char name[QCOW2_NAME_MAX + 1] = "";

        if (backing_at) {
                if (backing_at > G_MAXINT64 || fd_retry(pread(fd, name, length, (off_t)backing_at)) < 0)
                        name[0] = '\0';
                return refuse_reference(error, path, "stands on another file", name);
        }
        if (read_be32(head + 4) >= 3 && (read_be64(head + QCOW2_INCOMPATIBLE_AT) & QCOW2_EXTERNAL_DATA))
                return refuse_reference(error, path, "keeps its data in another file", NULL);
        return read_be32(head + QCOW2_CRYPT_AT) == 0 || refuse_encrypted(error, path);
}

/* As QEMU finds it: comments and blank lines, then the version. Source: the VMDK format, "The Descriptor File" */
static gboolean
is_vmdk_descriptor(const char *text)
{
        while (*text == '#' || *text == ' ' || *text == '\r' || *text == '\n') {
                text += *text == '#' ? strcspn(text, "\n") : strspn(text, " \r");
                text += *text == '\n';
        }
        return g_str_has_prefix(text, "version=");
}

/* What is no disk but would be taken for one. */
static gboolean
check_unpacked(const char *path, const guint8 *head, size_t length, GError **error)
{
        gboolean zip = length >= 4 && memcmp(head, "PK\x03\x04", 4) == 0;
        const char *kind = zip ? "zip" : unpack_kind(head, length);

        if (!kind)
                return TRUE;
        error_set(error, DROVER_ERROR_FAILED, "'%s' is no disk image: it is packed with %s", path, kind);
        return zip ? error_hint(error, "unpack it first")
                   : error_hint(error, "'images: {NAME: {file: PATH}}' has a file unpacked into the cache, where its name ends "
                                       "in .gz, .xz, .bz2, .zst, .tar, .tgz, .ova or .box");
}

/* What can be told from the first bytes, and must be before qemu-img opens what they name. */
static gboolean
check_head(int fd, const char *path, GError **error)
{
        guint8 head[HEAD_BYTES + 1] = {0}; /* ends with a NUL */
        ssize_t n = fd_retry(pread(fd, head, HEAD_BYTES, 0));

        if (n < 0)
                return error_errno(error, "cannot read image '%s'", path);
        if (is_vmdk_descriptor((const char *)head))
                return refuse_reference(error, path, "keeps its data in other files", NULL);
        if (!check_unpacked(path, head, (size_t)n, error))
                return FALSE;
        for (size_t i = 0; i < G_N_ELEMENTS(never_disks); i++)
                if (g_ascii_strncasecmp((const char *)head, never_disks[i].beginning, strlen(never_disks[i].beginning)) == 0) {
                        error_set(error, DROVER_ERROR_FAILED, "'%s' is no disk image: it is %s", path, never_disks[i].what);
                        return error_hint(error, "%s", never_disks[i].hint);
                }
        if (n < HEAD_BYTES)
                return error_set(error, DROVER_ERROR_FAILED, "'%s' is no disk image: it has %zd bytes", path, n);
        if (memcmp(head, "QFI\xfb", 4) == 0)
                return check_qcow2(fd, path, head, error);
        return TRUE;
}

/* What an image says of other files, by format. @self: the name that qemu-img was given */
static gboolean
check_closed(const char *path, const char *self, const json_t *info, GError **error)
{
        const json_t *data = json_object_get(json_object_get(info, "format-specific"), "data");
        const char *backing = json_text(info, "backing-filename"), *file = json_text(data, "data-file");
        const json_t *extent;
        size_t i;

        if (backing)
                return refuse_reference(error, path, "stands on another file", backing);
        if (file)
                return refuse_reference(error, path, "keeps its data in another file", file);
        json_array_foreach (json_object_get(data, "extents"), i, extent) {
                const char *name = json_text(extent, "filename");

                if (g_strcmp0(name, self) != 0)
                        return refuse_reference(error, path, "keeps its data in another file", name);
        }
        return !json_flag(info, "encrypted") || refuse_encrypted(error, path);
}

static gboolean
run_qemu_img(const char *self, int fd, const struct child_user *user, gboolean reads_all, char **ret_text, GError **error)
{
        /* -U: it may be in use by a VM, and is only looked at. */
        const char *argv[] = {"qemu-img", "info", "-U", "--output=json", self, NULL};
        struct child child = CHILD_INIT;

        child.argv = argv;
        child.fds = &fd;
        child.fd_count = 1;
        child.user = user;
        child.reads_all = reads_all;
        child.max_memory_bytes = PROBE_MEMORY_BYTES;
        child.cpu_seconds = PROBE_CPU_SECONDS;
        return child_run(&child, PROBE_TIMEOUT_MS, ret_text, error);
}

/*
 * qemu-img opens the descriptor by name once more, with its own rights: for an image that QEMU's user may not read (it gets a
 * descriptor later) it gets the one right to read, and is never root.
 */
static json_t *
ask_qemu_img(const char *path, const char *self, int fd, const struct child_user *user, GError **error)
{
        g_autoptr(GError) refused = NULL;
        g_autofree char *text = NULL;
        json_t *info;
        gboolean ok = run_qemu_img(self, fd, user, FALSE, &text, &refused);

        if (!ok && user && strstr(refused->message, g_strerror(EACCES))) {
                g_clear_error(&refused);
                ok = run_qemu_img(self, fd, user, TRUE, &text, &refused);
        }
        if (!ok) {
                g_propagate_error(error, g_steal_pointer(&refused));
                return error_prefix(error, "cannot look at image '%s'", path), NULL;
        }
        info = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(info)) {
                error_set(error, DROVER_ERROR_CORRUPT, "cannot look at image '%s': qemu-img gives no JSON", path);
                g_clear_pointer(&info, json_decref);
        }
        return info;
}

static gboolean
take_info(const char *path, const json_t *info, struct image_info *result, GError **error)
{
        const char *format = json_text(info, "format");
        gint64 size = json_number(info, "virtual-size", 0);

        if (!format || size <= 0)
                return error_set(error, DROVER_ERROR_CORRUPT, "'%s' is no disk image: qemu-img finds no format or size", path);
        if (!image_format_is_known(format)) {
                error_set(error, DROVER_ERROR_UNSUPPORTED, "image '%s' is in the format '%s', which is not supported", path,
                          format);
                return error_hint(error, "convert it: qemu-img convert -O qcow2 IN OUT");
        }
        g_strlcpy(result->format, format, sizeof result->format);
        result->virtual_size_bytes = (guint64)size;
        return TRUE;
}

gboolean
image_probe(const char *path, const struct child_user *user, const struct image_info *known, struct image_info *ret_info,
            GError **error)
{
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        g_autofree char *self = g_strdup_printf("/proc/self/fd/%d", CHILD_FIRST_FD);
        g_autoptr(json_t) info = NULL;
        struct image_info result = {0};
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(error, "cannot open image '%s'", path);
        if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
                return error_set(error, DROVER_ERROR_FAILED, "image '%s' is neither a file nor a block device", path);
        if (!check_head(fd, path, error))
                return FALSE;
        take_stat(&st, &result);
        if (known && image_is_unchanged(&result, known)) {
                *ret_info = *known;
                return TRUE;
        }
        info = ask_qemu_img(path, self, fd, user, error);
        if (!info || !check_closed(path, self, info, error) || !take_info(path, info, &result, error))
                return FALSE;
        *ret_info = result;
        return TRUE;
}
