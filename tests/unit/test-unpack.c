/* test-unpack.c - the one disk image inside of what was fetched, and all that is none */
#include "tests/unit/image-server.h"

#include "runtime/storage/unpack.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

static void
test_packed(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *sum =
                g_compute_checksum_for_data(G_CHECKSUM_SHA256, fixture->server->gz->data, fixture->server->gz->len);
        g_autoptr(GError) error = NULL;
        g_autofree char *image = fetch(fixture, "/image.gz", sum, FALSE, &error);
        struct stat st;

        g_assert_no_error(error);
        assert_body(fixture, image);
        g_assert_cmpint(stat(image, &st), ==, 0);
        g_assert_cmpint(st.st_blocks * 512, <, BODY_BYTES); /* the zeros are a hole */
        assert_fetched(fixture, "/lab.ova");
        assert_fails(fixture, "/two.ova", NULL, DROVER_ERROR_FAILED, "more than one disk image");
        assert_fails(fixture, "/damaged.gz", NULL, DROVER_ERROR_CORRUPT, "cannot unpack it");
}

/* A few bytes that unpack to very many zeros: whoever waits for them may give up. */
static gssize
read_bomb(void *data, const void **ret_bytes, GError **error)
{
        static const char head[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03", stored[] = "\0\xff\xff\0\0";
        static char block[sizeof stored - 1 + 65535];
        guint *count = data;

        if ((*count)++ == 0) {
                *ret_bytes = head;
                return sizeof head - 1;
        }
        memcpy(block, stored, sizeof stored - 1);
        *ret_bytes = block;
        return sizeof block;
}

static void
test_bomb(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *path = g_build_filename(fixture->cache, "out", NULL);
        auto_fd fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        g_autoptr(GError) error = NULL, stopped = NULL;
        guint count = 0, again = 0;
        const int stop = 1;

        g_assert_false(unpack_stream(read_bomb, &count, fd, 16 << 20, NULL, &error));
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, "it unpacks to more than 16 MiB"));
        g_assert_false(unpack_stream(read_bomb, &again, fd, (guint64)1 << 40, &stop, &stopped));
        g_assert_error(stopped, DROVER_ERROR, DROVER_ERROR_INTERRUPTED);
}

/* The same of bytes that take room. */
static gssize
read_full_bomb(void *data, const void **ret_bytes, GError **error)
{
        gssize n = read_bomb(data, ret_bytes, error);

        if (n > UNPACK_HEAD_BYTES)
                memset((char *)*ret_bytes + 5, 'x', (size_t)n - 5);
        return n;
}

/* On a file system of 16 MiB, of which a part has to stay free. Exit status 77: it cannot be mounted here. */
static int
fill_small(const char *directory)
{
        g_autofree char *path = g_build_filename(directory, "out", NULL);
        g_autoptr(GError) error = NULL;
        struct statvfs fs;
        guint count = 0;
        auto_fd fd = -1;

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", directory, "tmpfs", 0, "size=16m") < 0)
                return 77;
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (unpack_stream(read_full_bomb, &count, fd, (guint64)1 << 40, NULL, &error) || statvfs(directory, &fs) < 0)
                return 1;
        return strstr(error->message, "leaves too little room") && fs.f_bavail * fs.f_frsize > 700 << 10 ? 0 : 2;
}

static void
test_room(struct fixture *fixture, gconstpointer data)
{
        int status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(fill_small(fixture->cache));
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
                g_test_skip("no file system can be mounted here");
                return;
        }
        g_assert_cmpint(status, ==, 0);
}

/* ---- archives that lie ---- */

/* struct entry - type AE_IFREG and the body, unless it says otherwise */
struct entry {
        const char *name;
        mode_t type;
        const char *symlink, *hardlink;
        guint64 claimed; /* instead of the body's size; the body is not there then */
};

static GByteArray *
pack(int (*compress)(struct archive *), const struct entry *entries, size_t count, const char *body)
{
        GByteArray *bytes = g_byte_array_new();
        struct archive *archive = archive_write_new();
        size_t used = 0;

        g_byte_array_set_size(bytes, 4 * BODY_BYTES);
        if (compress)
                g_assert_cmpint(compress(archive), ==, ARCHIVE_OK);
        archive_write_set_format_pax_restricted(archive);
        g_assert_cmpint(archive_write_open_memory(archive, bytes->data, bytes->len, &used), ==, ARCHIVE_OK);
        for (size_t i = 0; i < count; i++) {
                struct archive_entry *entry = archive_entry_new();
                gboolean full = !entries[i].type && !entries[i].hardlink && !entries[i].claimed;

                archive_entry_set_pathname(entry, entries[i].name);
                archive_entry_set_filetype(entry, entries[i].type ? entries[i].type : AE_IFREG);
                archive_entry_set_symlink(entry, entries[i].symlink);
                archive_entry_set_hardlink(entry, entries[i].hardlink);
                archive_entry_set_size(entry, full ? BODY_BYTES : (la_int64_t)entries[i].claimed);
                g_assert_cmpint(archive_write_header(archive, entry), ==, ARCHIVE_OK);
                if (full)
                        g_assert_cmpint(archive_write_data(archive, body, BODY_BYTES), ==, BODY_BYTES);
                archive_entry_free(entry);
                if (entries[i].claimed)
                        break;
        }
        archive_write_free(archive);
        g_byte_array_set_size(bytes, (guint)used);
        return bytes;
}

static gssize
read_array(void *data, const void **ret_bytes, GError **error)
{
        GByteArray **rest = data;
        gssize length = *rest ? (gssize)(*rest)->len : 0;

        *ret_bytes = length ? (*rest)->data : NULL;
        *rest = NULL;
        return length;
}

/* Unpacks into a file of an empty directory. Returns the error's text, or NULL; nothing else may be there afterwards. */
static char *
unpack_array(struct fixture *fixture, GByteArray *array)
{
        g_autofree char *path = g_build_filename(fixture->cache, "out", NULL);
        auto_fd fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        g_autoptr(GPtrArray) names = NULL;
        g_autoptr(GError) error = NULL;
        GByteArray *rest = array;
        gboolean ok = unpack_stream(read_array, &rest, fd, (guint64)1 << 40, NULL, &error);

        names = file_list_directory(fixture->cache, NULL);
        g_assert_cmpuint(names->len, ==, 1);
        if (ok)
                assert_body(fixture, path);
        return ok ? NULL : g_strdup(error->message);
}

static void
test_boxes(struct fixture *fixture, gconstpointer data)
{
        static int (*const filters[])(struct archive *) = {NULL, archive_write_add_filter_gzip, archive_write_add_filter_xz,
                                                           archive_write_add_filter_bzip2, archive_write_add_filter_zstd};
        static const struct entry box[] = {{"./metadata.json"}, {"./Vagrantfile"}, {"./box.img"}};

        for (size_t i = 0; i < G_N_ELEMENTS(filters); i++) {
                g_autoptr(GByteArray) array = pack(filters[i], box, G_N_ELEMENTS(box), fixture->server->body);
                g_autofree char *failure = unpack_array(fixture, array);

                g_assert_cmpstr(failure, ==, NULL);
        }
}

static void
test_lies(struct fixture *fixture, gconstpointer data)
{
        static const struct {
                struct entry entries[3];
                size_t count;
                const char *failure; /* NULL: the disk is taken, and nothing else happens */
        } cases[] = {
                {{{"../../../../disk.vmdk"}}, 1, NULL},
                {{{"/etc/cron.d/disk.qcow2"}}, 1, NULL},
                {{{"disk.vmdk", AE_IFLNK, "/etc/passwd"}}, 1, "without a disk image"},
                {{{"disk.vmdk", 0, NULL, "/etc/passwd"}}, 1, "without a disk image"},
                {{{"disk.vmdk", AE_IFDIR}}, 1, "without a disk image"},
                {{{"disk.vmdk", AE_IFIFO}}, 1, "without a disk image"},
                {{{"disk.vmdk", AE_IFLNK, "real.vmdk"}, {"real.vmdk"}}, 2, NULL},
                {{{"a.vmdk"}, {"notes.txt"}, {"a.vmdk"}}, 3, "more than one disk image"},
                {{{"lab.ovf"}, {"inner.ova"}}, 2, "without a disk image"},
                {{{"huge.raw", 0, NULL, NULL, (guint64)1 << 42}}, 1, "cannot unpack it"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GByteArray) array = pack(NULL, cases[i].entries, cases[i].count, fixture->server->body);
                g_autofree char *failure = unpack_array(fixture, array);

                g_test_message("%zu: %s", i, failure ? failure : "taken");
                g_assert_cmpint(failure != NULL, ==, cases[i].failure != NULL);
                g_assert_true(!failure || strstr(failure, cases[i].failure));
        }
}

/* Broken off anywhere, it is damaged and never shorter. */
static void
test_cut(struct fixture *fixture, gconstpointer data)
{
        static const struct entry box[] = {{"box.img"}};
        g_autoptr(GByteArray) array = pack(archive_write_add_filter_gzip, box, 1, fixture->server->body);

        for (guint left = 20; left < array->len; left += array->len / 7) {
                g_autoptr(GByteArray) cut = g_byte_array_append(g_byte_array_new(), array->data, left);
                g_autofree char *failure = unpack_array(fixture, cut);

                g_assert_nonnull(failure);
        }
}

int
main(int argc, char **argv)
{
        static const struct image_test tests[] = {
                {"/unpack/packed", test_packed},
                {"/unpack/bomb", test_bomb},
                {"/unpack/room", test_room},
                {"/unpack/boxes", test_boxes},
                {"/unpack/lies", test_lies},
                {"/unpack/cut", test_cut},
        };

        return run_image_tests(argc, argv, tests, G_N_ELEMENTS(tests));
}
