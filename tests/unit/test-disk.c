/* test-disk.c - disk files are what qemu-img would have made, are grown, and are never lost */
#include "tests/unit/place.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "runtime/storage/disk.h"
#include "runtime/storage/disk_key.h"
#include "runtime/storage/disk_template.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MIB ((guint64)1 << 20)

static json_t *
image_info(const char *path, const char *format)
{
        const char *argv[] = {"qemu-img", "info", "--output=json", "-f", format, path, NULL};
        g_autofree char *text = NULL;
        json_t *info;

        run(argv, &text);
        info = json_loads(text, 0, NULL);
        g_assert_nonnull(info);
        return info;
}

static void
ensure(const struct disk_wish *wish)
{
        g_autoptr(GError) error = NULL;

        (void)!disk_ensure(wish, &error);
        g_assert_no_error(error);
}

/* No draft is left behind, whatever happened. */
static void
expect_files(const struct place *place, guint count)
{
        g_autoptr(GDir) dir = g_dir_open(place->path, 0, NULL);
        guint found = 0;

        while (g_dir_read_name(dir))
                found++;
        g_assert_cmpuint(found, ==, count);
}

static char *
make_base(const struct place *place, const char *format, const char *size)
{
        char *path = inside(place, "base");
        const char *argv[] = {"qemu-img", "create", "-q", "-f", format, path, size, NULL};

        run(argv, NULL);
        return path;
}

static void
test_blank(struct place *place, gconstpointer data)
{
        g_autofree char *a = inside(place, "a.qcow2"), *b = inside(place, "b.raw");
        struct disk_wish qcow2 = {.path = a, .format = "qcow2", .size_bytes = 1024 * MIB};
        struct disk_wish raw = {.path = b, .format = "raw", .size_bytes = 300 * MIB};
        const char *check[] = {"qemu-img", "check", "-q", "-f", "qcow2", a, NULL};
        g_autoptr(json_t) info = NULL;
        guint64 size;
        struct stat st;

        ensure(&qcow2);
        ensure(&raw);
        info = image_info(a, "qcow2");
        g_assert_cmpint(json_number(info, "virtual-size", 0), ==, (gint64)(1024 * MIB));
        g_assert_null(json_text(info, "backing-filename"));
        run(check, NULL);
        g_assert_cmpint(stat(a, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 07777, ==, 0600);
        g_assert_cmpint(stat(b, &st), ==, 0);
        g_assert_cmpint(st.st_size, ==, (off_t)(300 * MIB));
        g_assert_cmpint(st.st_blocks, <, 16); /* sparse */
        g_assert_true(disk_read_size(a, "qcow2", &size, NULL));
        g_assert_cmpuint(size, ==, 1024 * MIB);
        g_assert_true(disk_read_size(b, "raw", &size, NULL));
        g_assert_cmpuint(size, ==, 300 * MIB);
        expect_files(place, 2);
}

/* The second overlay is a copy of the first, and both are what qemu-img makes without the trick. */
static void
test_overlay(struct place *place, gconstpointer data)
{
        g_autofree char *base = make_base(place, "qcow2", "512M"), *a = inside(place, "a"), *b = inside(place, "b"),
                        *plain = inside(place, "plain"), *large = inside(place, "large");
        const char *argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, plain, NULL};
        struct disk_wish wish = {.path = a, .format = "qcow2", .backing_path = base, .backing_format = "qcow2",
                                 .backing_size_bytes = 512 * MIB};
        g_autofree char *text = NULL, *expected = NULL;
        size_t length, expected_length;
        g_autoptr(json_t) info = NULL;

        ensure(&wish);
        wish.path = b;
        ensure(&wish);
        wish.path = large;
        wish.size_bytes = 3 * 1024 * MIB;
        ensure(&wish);
        run(argv, NULL);
        g_assert_true(file_read(plain, 64 * MIB, &expected, &expected_length, NULL));
        for (int i = 0; i < 2; i++) {
                g_clear_pointer(&text, g_free);
                g_assert_true(file_read(i ? b : a, 64 * MIB, &text, &length, NULL));
                g_assert_cmpmem(text, length, expected, expected_length);
        }
        info = image_info(large, "qcow2");
        g_assert_cmpint(json_number(info, "virtual-size", 0), ==, (gint64)(3 * 1024 * MIB));
        g_assert_cmpstr(json_text(info, "backing-filename"), ==, base);
        g_assert_cmpstr(json_text(info, "backing-filename-format"), ==, "qcow2");
        expect_files(place, 5);
}

/* What qemu-img says with a key, or why it does not open the disk. */
static gboolean
opens_with(const char *path, const char *key_file)
{
        g_autofree char *node =
                g_strdup_printf("driver=qcow2,backing=,encrypt.format=luks,encrypt.key-secret=k,file.filename=%s", path);
        g_autofree char *secret = g_strdup_printf("secret,id=k,file=%s", key_file);
        const char *argv[] = {"qemu-io", "--object", secret, "--image-opts", "-c", "write -q 0 4k", node, NULL};
        struct child child = CHILD_INIT;

        child.argv = argv;
        return child_run(&child, 20000, NULL, NULL);
}

/* An overlay with a key of its own on an image without: two have different bytes, and both grow. */
static void
test_encryption(struct place *place, gconstpointer data)
{
        g_autofree char *base = make_base(place, "qcow2", "64M"), *path = inside(place, "a"), *key = inside(place, "key");
        g_autofree char *wrong = inside(place, "wrong"), *binary = inside(place, "binary"), *raw = inside(place, "raw");
        struct disk_wish wish = {.path = path, .format = "qcow2", .backing_path = base, .backing_format = "qcow2",
                                 .backing_size_bytes = 64 * MIB, .key_file = key, .iter_ms = 1, .cache = place->path};
        struct child_user nobody;
        struct disk_head head;
        g_autoptr(GError) error = NULL;

        g_assert_true(child_user_find("nobody", &nobody, NULL));
        g_assert_true(file_write_atomic(key, "all of it\n", 10, 0600, NULL));
        g_assert_true(file_write_atomic(wrong, "all of it", 9, 0600, NULL));
        g_assert_true(file_write_atomic(binary, "\xff\xfe", 2, 0600, NULL));
        ensure(&wish);
        expect_files(place, 5); /* no template of it is kept */
        g_assert_true(disk_read_head(path, "qcow2", &head, NULL));
        g_assert_true(head.encrypted && head.size_bytes == 64 * MIB);
        g_assert_true(opens_with(path, key));
        g_assert_false(opens_with(path, wrong));
        g_assert_false(disk_grow(path, "qcow2", wrong, 128 * MIB, NULL, &error));
        g_assert_nonnull(strstr(error->message, "cannot unlock any keyslot"));
        g_clear_error(&error);
        if (geteuid() == 0)
                g_assert_cmpint(chown(path, nobody.uid, nobody.gid), ==, 0);
        g_assert_true(disk_grow(path, "qcow2", key, 128 * MIB, geteuid() == 0 ? &nobody : NULL, &error));
        g_assert_no_error(error);
        g_assert_true(disk_read_head(path, "qcow2", &head, NULL) && head.encrypted && head.size_bytes == 128 * MIB);
        wish.path = raw;
        wish.key_file = binary;
        g_assert_false(disk_ensure(&wish, &error));
        g_assert_nonnull(strstr(error->message, "no text in UTF-8"));
        g_clear_error(&error);
        wish = (struct disk_wish){.path = raw, .format = "raw", .size_bytes = MIB, .key_file = key};
        g_assert_false(disk_ensure(&wish, &error));
        expect_files(place, 5);
}

/* What is no key is told before anything is made; who else may read it is seen. */
static void
test_key(struct place *place, gconstpointer data)
{
        g_autofree char *path = inside(place, "key"), *text = g_strnfill(DISK_KEY_MAX_BYTES + 1, 'x');
        const struct {
                const char *content;
                size_t length;
                mode_t mode;
                const char *reason; /* NULL: it is one */
        } cases[] = {
                {"", 0, 0600, "is empty"},           {"a\0b", 3, 0600, "is no text"},
                {"\xff", 1, 0600, "is no text"},     {text, DISK_KEY_MAX_BYTES + 1, 0600, "4096"},
                {text, DISK_KEY_MAX_BYTES, 0600, NULL}, {"k\n", 2, 0644, NULL},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *found = g_malloc0(DISK_KEY_MAX_BYTES + 1);
                g_autoptr(GError) error = NULL;
                gboolean exposed = FALSE;
                auto_fd fd = -1;

                g_assert_true(file_write_atomic(path, cases[i].content, cases[i].length, cases[i].mode, NULL));
                g_assert_cmpint(disk_key_check(path, &exposed, &error), ==, !cases[i].reason);
                if (cases[i].reason) {
                        g_assert_nonnull(strstr(error->message, cases[i].reason));
                        g_assert_cmpint(disk_key_open(path, NULL, NULL), ==, -1);
                        continue;
                }
                g_assert_cmpint(exposed, ==, cases[i].mode == 0644);
                fd = disk_key_open(path, NULL, &error);
                g_assert_cmpint(read(fd, found, DISK_KEY_MAX_BYTES + 1), ==, (gssize)cases[i].length);
                g_assert_cmpmem(found, cases[i].length, cases[i].content, cases[i].length);
                g_assert_cmpint(read(fd, found, 1), ==, 0); /* and is gone */
        }
}

/* Room that is taken when the disk is made, and the size of clusters. */
static void
test_making(struct place *place, gconstpointer data)
{
        static const struct {
                const char *format, *preallocation;
                guint64 cluster_bytes, least, most; /* bytes on the file system */
        } cases[] = {
                {"raw", "falloc", 0, 8 << 20, 9 << 20},
                {"raw", "full", 0, 8 << 20, 9 << 20},
                {"qcow2", "falloc", 0, 8 << 20, 10 << 20},
                {"qcow2", "full", 0, 8 << 20, 10 << 20},
                {"qcow2", "metadata", 65536, 0, 1 << 20},
                {"qcow2", NULL, 2 << 20, 0, 1 << 20},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *name = g_strdup_printf("%zu.%s", i, cases[i].format);
                g_autofree char *path = inside(place, name);
                const struct disk_wish wish = {.path = path,
                                               .format = cases[i].format,
                                               .size_bytes = 8 << 20,
                                               .preallocation = cases[i].preallocation,
                                               .cluster_bytes = cases[i].cluster_bytes};
                g_autoptr(GError) error = NULL;
                guint64 size = 0;
                guint8 head[24];
                struct stat st;
                auto_fd fd = -1;

                g_assert_true(disk_ensure(&wish, &error));
                g_assert_no_error(error);
                g_assert_cmpint(stat(path, &st), ==, 0);
                g_assert_cmpuint((guint64)st.st_blocks * 512, >=, cases[i].least);
                g_assert_cmpuint((guint64)st.st_blocks * 512, <=, cases[i].most);
                g_assert_true(disk_read_size(path, cases[i].format, &size, &error));
                g_assert_cmpuint(size, ==, 8 << 20);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                g_assert_cmpint(read(fd, head, sizeof head), ==, sizeof head);
                if (cases[i].cluster_bytes)
                        g_assert_cmpuint(G_GUINT64_CONSTANT(1) << head[23], ==, cases[i].cluster_bytes);
        }
}

struct watched {
        guint64 done, total;
        int stop, stop_at_first;
};

static void
watch(void *data, guint64 done_bytes, guint64 total_bytes)
{
        struct watched *watched = data;

        g_assert_cmpuint(done_bytes, >, watched->done);
        watched->done = done_bytes;
        watched->total = total_bytes;
        watched->stop = watched->stop_at_first;
}

/* All that is written says how far it is, and ends when it is told to, with nothing left. */
static void
test_full(struct place *place, gconstpointer data)
{
        static const char *const formats[] = {"raw", "qcow2"};
        g_autofree char *key = inside(place, "key");

        g_assert_true(file_write_atomic(key, "k", 1, 0600, NULL));
        for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
                g_autofree char *path = inside(place, formats[i]);
                struct watched watched = {.stop_at_first = 1};
                gboolean raw = strcmp(formats[i], "raw") == 0;
                struct disk_wish wish = {.path = path, .format = formats[i], .size_bytes = 3 * MIB, .preallocation = "full",
                                         .key_file = raw ? NULL : key, .iter_ms = 1, .progress = watch, .data = &watched,
                                         .stop = &watched.stop};
                g_autoptr(GError) error = NULL;

                g_assert_false(disk_ensure(&wish, &error));
                g_assert_error(error, DROVER_ERROR, DROVER_ERROR_INTERRUPTED);
                g_clear_error(&error);
                g_assert_cmpuint(watched.done, <, watched.total);
                expect_files(place, 1 + (guint)i);
                watched = (struct watched){0};
                ensure(&wish);
                g_assert_cmpuint(watched.done, ==, watched.total);
                expect_files(place, 2 + (guint)i);
                g_assert_true(raw || opens_with(path, key));
        }
}

static void
test_compression_type(struct place *place, gconstpointer data)
{
        static const char *const types[] = {"zlib", "zstd"};

        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
                g_autofree char *path = inside(place, types[i]);
                struct disk_wish wish = {.path = path, .format = "qcow2", .size_bytes = MIB, .compression_type = types[i]};
                g_autoptr(json_t) info = NULL;
                const json_t *specific;

                ensure(&wish);
                info = image_info(path, "qcow2");
                specific = json_object_get(json_object_get(info, "format-specific"), "data");
                g_assert_cmpstr(json_text(specific, "compression-type"), ==, types[i]);
        }
}

/* qemu-img never opens the backing file: it need not even be there. */
static void
test_absent_backing(struct place *place, gconstpointer data)
{
        g_autofree char *base = inside(place, "not:there,a=b"), *a = inside(place, "a");
        struct disk_wish wish = {.path = a, .format = "qcow2", .size_bytes = 64 * MIB, .backing_path = base,
                                 .backing_format = "raw", .backing_size_bytes = 32 * MIB};
        g_autoptr(json_t) info = NULL;

        ensure(&wish);
        info = image_info(a, "qcow2");
        g_assert_cmpstr(json_text(info, "backing-filename"), ==, base);
        g_assert_cmpstr(json_text(info, "backing-filename-format"), ==, "raw");
}

static void
test_never_over(struct place *place, gconstpointer data)
{
        g_autofree char *a = inside(place, "a"), *text = NULL;
        struct disk_wish wish = {.path = a, .format = "qcow2", .size_bytes = 64 * MIB};

        g_assert_true(file_write_atomic(a, "precious", 8, 0600, NULL));
        ensure(&wish);
        g_assert_true(disk_ensure_vars(a, "/absent", NULL, NULL));
        g_assert_true(file_read(a, 100, &text, NULL, NULL));
        g_assert_cmpstr(text, ==, "precious");
        expect_files(place, 1);
}

static void
refuse(const struct disk_wish *wish, enum drover_error code, const char *text)
{
        g_autoptr(GError) error = NULL;

        g_assert_false(disk_ensure(wish, &error));
        g_assert_error(error, DROVER_ERROR, (int)code);
        if (!strstr(error->message, text))
                g_error("'%s' is not in: %s", text, error->message);
        g_assert_false(file_exists(wish->path));
}

static void
test_refusals(struct place *place, gconstpointer data)
{
        g_autofree char *a = inside(place, "a"), *far = inside(place, "absent/a");
        struct disk_wish small = {.path = a, .format = "qcow2", .size_bytes = 64 * MIB, .backing_path = "/x",
                                  .backing_format = "qcow2", .backing_size_bytes = 128 * MIB};
        struct disk_wish raw = {.path = a, .format = "raw", .size_bytes = 64 * MIB, .backing_path = "/x"};
        struct disk_wish empty = {.path = a, .format = "raw"};
        struct disk_wish nowhere = {.path = far, .format = "qcow2", .size_bytes = 64 * MIB};
        struct disk_wish huge = {.path = a, .format = "qcow2", .size_bytes = (guint64)1 << 62};

        refuse(&small, DROVER_ERROR_FAILED, "its size is 64M, but image '/x' has 128M");
        refuse(&raw, DROVER_ERROR_FAILED, "a raw disk cannot stand on an image");
        refuse(&empty, DROVER_ERROR_FAILED, "a disk cannot have 0 bytes");
        refuse(&nowhere, DROVER_ERROR_NOT_FOUND, "cannot make disk");
        refuse(&huge, DROVER_ERROR_FAILED, "too large"); /* qemu-img's own reason */
        expect_files(place, 0);
}

static void
test_grow(struct place *place, gconstpointer data)
{
        g_autofree char *base = make_base(place, "raw", "64M"), *a = inside(place, "a"), *b = inside(place, "b");
        struct disk_wish overlay = {.path = a, .format = "qcow2", .backing_path = base, .backing_format = "raw",
                                    .backing_size_bytes = 64 * MIB};
        struct disk_wish raw = {.path = b, .format = "raw", .size_bytes = 64 * MIB};
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) info = NULL;
        guint64 size;

        ensure(&overlay);
        ensure(&raw);
        g_assert_cmpint(g_unlink(base), ==, 0); /* is not needed for that */
        g_assert_true(disk_grow(a, "qcow2", NULL, 256 * MIB, NULL, &error));
        g_assert_true(disk_grow(a, "qcow2", NULL, 256 * MIB, NULL, &error));
        g_assert_true(disk_grow(b, "raw", NULL, 128 * MIB, NULL, &error));
        g_assert_no_error(error);
        info = image_info(a, "qcow2");
        g_assert_cmpint(json_number(info, "virtual-size", 0), ==, (gint64)(256 * MIB));
        g_assert_cmpstr(json_text(info, "backing-filename"), ==, base);
        g_assert_cmpstr(json_text(info, "backing-filename-format"), ==, "raw");
        g_assert_true(disk_read_size(b, "raw", &size, NULL));
        g_assert_cmpuint(size, ==, 128 * MIB);
        g_assert_false(disk_grow(a, "qcow2", NULL, 128 * MIB, NULL, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_FAILED);
        g_assert_nonnull(strstr(error->message, "has 256M and is never shrunk (to 128M)"));
        g_clear_error(&error);
        g_assert_false(disk_grow(b, "qcow2", NULL, 256 * MIB, NULL, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_CORRUPT);
}

static void
test_owner(struct place *place, gconstpointer data)
{
        g_autofree char *a = inside(place, "a");
        struct disk_wish wish = {.path = a, .format = "qcow2", .size_bytes = 64 * MIB};
        struct child_user nobody;
        g_autoptr(GError) error = NULL;
        struct stat st;

        if (getuid() != 0)
                return g_test_skip("only root can give files away");
        g_assert_true(child_user_find("nobody", &nobody, NULL));
        wish.owner = &nobody;
        ensure(&wish);
        g_assert_cmpint(stat(a, &st), ==, 0);
        g_assert_cmpuint(st.st_uid, ==, nobody.uid);
        g_assert_cmpuint(st.st_gid, ==, nobody.gid);
        g_assert_true(disk_grow(a, "qcow2", NULL, 128 * MIB, &nobody, &error)); /* in a directory that is closed to it */
        g_assert_no_error(error);
}

static void
test_vars(struct place *place, gconstpointer data)
{
        g_autofree char *template = inside(place, "vars.fd"), *a = inside(place, "a"), *b = inside(place, "b"),
                        *back = inside(place, "back"), *text = NULL;
        const char *convert[] = {"qemu-img", "convert", "-f", "qcow2", "-O", "raw", b, back, NULL};
        enum { LENGTH = 540672 };
        g_autofree char *content = g_malloc0(LENGTH);
        g_autoptr(GError) error = NULL;
        size_t length;

        memset(content + 100000, 0xff, 100000);
        g_assert_true(file_write_atomic(template, content, LENGTH, 0600, NULL));
        g_assert_true(disk_ensure_vars(a, template, NULL, &error));
        g_assert_true(disk_ensure_vars(b, template, NULL, &error));
        g_assert_no_error(error);
        run(convert, NULL);
        g_assert_true(file_read(back, 1 << 24, &text, &length, NULL));
        g_assert_cmpmem(text, length, content, LENGTH);
        g_assert_cmpint(g_unlink(b), ==, 0);
        g_assert_false(disk_ensure_vars(b, "/absent", NULL, &error));
        g_assert_nonnull(strstr(error->message, "/absent"));
        expect_files(place, 3);
}

struct racer {
        char *path;
        guint64 size;
};

static gpointer
race(gpointer data)
{
        struct racer *racer = data;
        struct disk_wish wish = {.path = racer->path, .format = "qcow2", .size_bytes = racer->size};

        ensure(&wish);
        return NULL;
}

/* Threads that want the same disk, and such that want the same template: all are served, one file each. */
static void
test_race(struct place *place, gconstpointer data)
{
        enum { THREADS = 12, DISKS = 4 };
        struct racer racers[THREADS];
        GThread *threads[THREADS];

        for (int i = 0; i < THREADS; i++) {
                racers[i] = (struct racer){g_strdup_printf("%s/%d", place->path, i % DISKS), (64 + i % DISKS / 2) * MIB};
                threads[i] = g_thread_new("racer", race, &racers[i]);
        }
        for (int i = 0; i < THREADS; i++)
                g_thread_join(threads[i]);
        expect_files(place, DISKS);
        for (int i = 0; i < THREADS; i++) {
                guint64 size;

                g_assert_true(disk_read_size(racers[i].path, "qcow2", &size, NULL));
                g_assert_cmpuint(size, ==, racers[i].size);
                g_free(racers[i].path);
        }
}

/* ---- the template is kept in the cache ---- */

static char *
only_file_in(const char *directory)
{
        g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
        const char *name = g_dir_read_name(dir);

        g_assert_nonnull(name);
        g_assert_null(g_dir_read_name(dir));
        return g_build_filename(directory, name, NULL);
}

/* By a process of its own, as each `up` is one. */
static void
ensure_elsewhere(const struct disk_wish *wish)
{
        int status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(disk_ensure(wish, NULL) ? 0 : 1);
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
}

/* One byte of what is kept becomes another one; @at < 0: counted from the end. */
static void
change_kept(const char *cache, gssize at, gboolean with_sum)
{
        g_autofree char *path = only_file_in(cache), *text = NULL, *sum = NULL;
        size_t length;

        g_assert_true(g_file_get_contents(path, &text, &length, NULL));
        text[at < 0 ? (gssize)length + at : at] ^= 1;
        sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *)text + 64, length - 64);
        if (with_sum)
                memcpy(text, sum, 64);
        g_assert_true(g_file_set_contents(path, text, (gssize)length, NULL));
}

static void
test_kept_template(struct place *place, gconstpointer data)
{
        g_autofree char *base = make_base(place, "raw", "8M"), *cache = inside(place, "cache"), *first = NULL, *other = NULL;
        g_autofree char *a = inside(place, "a"), *b = inside(place, "b"), *c = inside(place, "c"), *d = inside(place, "d");
        struct disk_wish wish = {a, "qcow2", 0, base, "raw", 8 * MIB, NULL, cache};
        size_t length, other_length;

        ensure_elsewhere(&wish);
        g_assert_true(g_file_get_contents(a, &first, &length, NULL));

        change_kept(cache, -1, TRUE); /* what is kept is what is taken */
        wish.path = b;
        ensure_elsewhere(&wish);
        g_assert_true(g_file_get_contents(b, &other, &other_length, NULL));
        g_assert_cmpuint(other_length, ==, length);
        first[length - 1] ^= 1;
        g_assert_cmpmem(first, length, other, length);
        first[length - 1] ^= 1;

        change_kept(cache, -2, FALSE); /* after a power cut it is not */
        wish.path = c;
        ensure_elsewhere(&wish);
        g_assert_true(file_has(c, first, length));

        change_kept(cache, -1, TRUE);
        change_kept(cache, 70, TRUE); /* nor where it was made of something else */
        wish.path = d;
        ensure_elsewhere(&wish);
        g_assert_true(file_has(d, first, length));

        g_assert_true(disk_template_forget(cache, NULL));
        g_assert_cmpint(g_rmdir(cache), ==, 0); /* nothing is left in it */
        g_assert_true(disk_template_forget(cache, NULL));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add("/disk/blank", struct place, NULL, place_make, test_blank, place_remove);
        g_test_add("/disk/overlay", struct place, NULL, place_make, test_overlay, place_remove);
        g_test_add("/disk/encryption", struct place, NULL, place_make, test_encryption, place_remove);
        g_test_add("/disk/key", struct place, NULL, place_make, test_key, place_remove);
        g_test_add("/disk/full", struct place, NULL, place_make, test_full, place_remove);
        g_test_add("/disk/compression-type", struct place, NULL, place_make, test_compression_type, place_remove);
        g_test_add("/disk/making", struct place, NULL, place_make, test_making, place_remove);
        g_test_add("/disk/absent-backing", struct place, NULL, place_make, test_absent_backing, place_remove);
        g_test_add("/disk/never-over", struct place, NULL, place_make, test_never_over, place_remove);
        g_test_add("/disk/refusals", struct place, NULL, place_make, test_refusals, place_remove);
        g_test_add("/disk/grow", struct place, NULL, place_make, test_grow, place_remove);
        g_test_add("/disk/owner", struct place, NULL, place_make, test_owner, place_remove);
        g_test_add("/disk/vars", struct place, NULL, place_make, test_vars, place_remove);
        g_test_add("/disk/kept-template", struct place, NULL, place_make, test_kept_template, place_remove);
        g_test_add("/disk/race", struct place, NULL, place_make, test_race, place_remove);
        return g_test_run();
}
