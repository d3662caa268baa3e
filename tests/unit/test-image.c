/* test-image.c - images that qemu-img makes, good and hostile */
#include "tests/unit/place.h"

#include "base/error.h"
#include "base/fd.h"
#include "runtime/storage/image.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

enum { SIZE = 64 << 20 };

/* qemu-img, with blanks between its arguments; an @ is the directory */
static void
qemu_img(const struct place *place, const char *arguments)
{
        g_auto(GStrv) parts = g_strsplit(arguments, "@", -1);
        g_autofree char *line = g_strjoinv(place->path, parts);
        g_auto(GStrv) argv = g_strsplit(line, " ", -1);

        run((const char *const *)argv, NULL);
}

static char *
write_file(const struct place *place, const char *name, const void *data, size_t length)
{
        char *path = inside(place, name);

        g_assert_true(file_write_atomic(path, data, length, 0644, NULL));
        return path;
}

static void
expect_format(const struct place *place, const char *name, const char *format)
{
        g_autofree char *path = inside(place, name);
        g_autoptr(GError) error = NULL;
        struct image_info info;

        g_assert_true(image_probe(path, NULL, NULL, &info, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(info.format, ==, format);
        g_assert_cmpuint(info.virtual_size_bytes, ==, SIZE);
}

/* @text: a part of the message */
static void
expect_refusal(const struct place *place, const char *name, enum drover_error code, const char *text)
{
        g_autofree char *path = inside(place, name);
        g_autoptr(GError) error = NULL;
        struct image_info info = {.format = "untouched"};

        g_assert_false(image_probe(path, NULL, NULL, &info, &error));
        g_assert_error(error, DROVER_ERROR, (int)code);
        if (!strstr(error->message, text))
                g_error("'%s' is not in: %s", text, error->message);
        g_assert_cmpstr(info.format, ==, "untouched");
}

static void
test_formats(struct place *place, gconstpointer data)
{
        qemu_img(place, "qemu-img create -q -f qcow2 @/a.qcow2 64M");
        qemu_img(place, "qemu-img create -q -f qcow2 -o compat=0.10 @/old.qcow2 64M");
        qemu_img(place, "qemu-img create -q -f raw @/a.raw 64M");
        qemu_img(place, "qemu-img create -q -f vmdk @/a.vmdk 64M");
        qemu_img(place, "qemu-img create -q -f vmdk -o subformat=streamOptimized @/stream.vmdk 64M");
        qemu_img(place, "qemu-img create -q -f vdi @/a.vdi 64M");
        qemu_img(place, "qemu-img create -q -f vhdx @/a.vhdx 64M");
        expect_format(place, "a.qcow2", "qcow2");
        expect_format(place, "old.qcow2", "qcow2");
        expect_format(place, "a.raw", "raw");
        expect_format(place, "a.vmdk", "vmdk");
        expect_format(place, "stream.vmdk", "vmdk");
        expect_format(place, "a.vdi", "vdi");
        expect_format(place, "a.vhdx", "vhdx");
}

static void
test_references(struct place *place, gconstpointer data)
{
        g_autofree char *vmdk = NULL;
        static const char descriptor[] = "# no disk at all\n  \r\n\n#\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
                                         "createType=\"monolithicFlat\"\nRW 131072 FLAT \"/etc/shadow\" 0\n";
        char padded[1024] = {0};

        qemu_img(place, "qemu-img create -q -f qcow2 @/base.qcow2 64M");
        qemu_img(place, "qemu-img create -q -f qcow2 -F qcow2 -b @/base.qcow2 @/over.qcow2");
        qemu_img(place, "qemu-img create -q -u -f qcow2 -F raw -b /etc/shadow @/shadow.qcow2 64M");
        qemu_img(place, "qemu-img create -q -f qcow2 -o data_file=@/data.raw @/data.qcow2 64M");
        qemu_img(place, "qemu-img create -q -f vmdk -o subformat=monolithicFlat @/flat.vmdk 64M");
        qemu_img(place, "qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentSparse @/split.vmdk 64M");
        qemu_img(place, "qemu-img create -q -f vmdk @/base.vmdk 64M");
        qemu_img(place, "qemu-img create -q -f vmdk -F vmdk -b @/base.vmdk @/over.vmdk");
        qemu_img(place, "qemu-img create -q -f qed -F qcow2 -b @/base.qcow2 @/over.qed");
        memcpy(padded, descriptor, sizeof descriptor);
        vmdk = write_file(place, "hostile.vmdk", padded, sizeof padded);
        expect_refusal(place, "over.qcow2", DROVER_ERROR_FAILED, "/base.qcow2'");
        expect_refusal(place, "shadow.qcow2", DROVER_ERROR_FAILED, "stands on another file: '/etc/shadow'\n  if you trust");
        expect_refusal(place, "data.qcow2", DROVER_ERROR_FAILED, "keeps its data in another file\n");
        expect_refusal(place, "flat.vmdk", DROVER_ERROR_FAILED, "keeps its data in other files\n");
        expect_refusal(place, "split.vmdk", DROVER_ERROR_FAILED, "keeps its data in other files\n");
        expect_refusal(place, "hostile.vmdk", DROVER_ERROR_FAILED, "keeps its data in other files\n");
        expect_refusal(place, "over.vmdk", DROVER_ERROR_FAILED, "stands on another file");
        expect_refusal(place, "over.qed", DROVER_ERROR_FAILED, "stands on another file");
}

/* A sparse VMDK whose descriptor inside names an extent elsewhere: QEMU goes by its header, and reads this file alone. */
static void
test_embedded_extent(struct place *place, gconstpointer data)
{
        g_autofree char *path = inside(place, "a.vmdk"), *text = NULL;
        size_t length;
        char *extent;

        qemu_img(place, "qemu-img create -q -f vmdk @/a.vmdk 64M");
        expect_format(place, "a.vmdk", "vmdk");
        g_assert_true(file_read(path, SIZE, &text, &length, NULL));
        extent = memmem(text, length, "RW 131072 SPARSE \"a.vmdk\"", 25);
        g_assert_nonnull(extent);
        memcpy(extent, "RW 131072 FLAT \"/x\" 0    ", 25);
        g_assert_true(file_write_atomic(path, text, length, 0644, NULL));
        expect_format(place, "a.vmdk", "vmdk");
}

static void
test_no_image(struct place *place, gconstpointer data)
{
        static const char gzip[1024] = "\x1f\x8b", xz[1024] = "\xfd" "7zXZ", zip[1024] = "PK\x03\x04";
        static const char page[1024] = "<!DOCTYPE HTML>\n<title>404</title>", elf[1024] = "\x7f" "ELF";
        g_autofree char *a = write_file(place, "a.gz", gzip, sizeof gzip), *b = write_file(place, "b.xz", xz, sizeof xz),
                        *c = write_file(place, "c.zip", zip, sizeof zip), *d = write_file(place, "d", "", 0),
                        *e = write_file(place, "e", "hello", 5), *h = NULL,
                        *f = write_file(place, "f", elf, sizeof elf), *g = write_file(place, "g.qcow2", page, sizeof page);
        char tar[1024] = "x.ovf";

        memcpy(tar + 257, "ustar", 5);
        h = write_file(place, "h.ova", tar, sizeof tar);
        expect_refusal(place, "a.gz", DROVER_ERROR_FAILED,
                       "/a.gz' is no disk image: it is packed with gzip\n  'images: {NAME: {file: PATH}}' has a file unpacked "
                       "into the cache, where its name ends in .gz, .xz, .bz2, .zst, .tar, .tgz, .ova or .box");
        expect_refusal(place, "b.xz", DROVER_ERROR_FAILED, "packed with xz");
        expect_refusal(place, "c.zip", DROVER_ERROR_FAILED, "packed with zip\n  unpack it first");
        expect_refusal(place, "h.ova", DROVER_ERROR_FAILED, "packed with tar");
        expect_refusal(place, "g.qcow2", DROVER_ERROR_FAILED, "/g.qcow2' is no disk image: it is a web page\n  look at it");
        expect_refusal(place, "f", DROVER_ERROR_FAILED, "/f' is no disk image: it is a program or a kernel\n  a kernel");
        expect_refusal(place, "d", DROVER_ERROR_FAILED, "/d' is no disk image: it has 0 bytes");
        expect_refusal(place, "e", DROVER_ERROR_FAILED, "it has 5 bytes");
        expect_refusal(place, "absent", DROVER_ERROR_NOT_FOUND, "cannot open image");
        expect_refusal(place, ".", DROVER_ERROR_FAILED, "neither a file nor a block device");
        qemu_img(place, "qemu-img create -q -f parallels @/p 64M");
        expect_refusal(place, "p", DROVER_ERROR_UNSUPPORTED, "in the format 'parallels'");
        /* not LUKS, whose derivation of the key qemu-img has to time, and at times cannot */
        qemu_img(place, "qemu-img create -q -f qcow2 --object secret,id=s,data=x -o encrypt.format=aes,encrypt.key-secret=s "
                        "@/aes.qcow2 64M");
        expect_refusal(place, "aes.qcow2", DROVER_ERROR_UNSUPPORTED, "is encrypted");
}

/* A header that is cut off or full of nonsense is an error with a reason, not a hang or a crash. */
static void
test_nonsense(struct place *place, gconstpointer data)
{
        g_autofree char *path = inside(place, "a.qcow2"), *text = NULL;
        size_t length;

        qemu_img(place, "qemu-img create -q -f qcow2 @/a.qcow2 64M");
        g_assert_true(file_read(path, SIZE, &text, &length, NULL));
        text[20] = 127; /* cluster_bits */
        g_assert_true(file_write_atomic(path, text, length, 0644, NULL));
        expect_refusal(place, "a.qcow2", DROVER_ERROR_FAILED, "cannot look at image");
        memset(text + 8, 0xff, 12); /* backing_file_offset and _size */
        g_assert_true(file_write_atomic(path, text, length, 0644, NULL));
        expect_refusal(place, "a.qcow2", DROVER_ERROR_FAILED, "stands on another file\n");
}

static void
test_user(struct place *place, gconstpointer data)
{
        g_autofree char *path = inside(place, "a.qcow2");
        struct child_user nobody;
        struct image_info info;
        g_autoptr(GError) error = NULL;

        if (getuid() != 0)
                return g_test_skip("only root can become another user");
        g_assert_true(child_user_find("nobody", &nobody, NULL));
        qemu_img(place, "qemu-img create -q -f qcow2 @/a.qcow2 64M");
        g_assert_cmpint(g_chmod(path, 0644), ==, 0);
        g_assert_true(image_probe(path, &nobody, NULL, &info, &error));
        g_assert_cmpint(g_chmod(path, 0600), ==, 0);
        g_assert_cmpint(g_chmod(place->path, 0700), ==, 0);
        g_assert_true(image_probe(path, &nobody, NULL, &info, &error));
        g_assert_cmpstr(info.format, ==, "qcow2");
}

static void
test_identity(struct place *place, gconstpointer data)
{
        g_autofree char *path = write_file(place, "a", "one", 3);
        struct image_info before, after;

        g_assert_true(image_stat(path, &before));
        g_assert_true(image_stat(path, &after));
        g_assert_true(image_is_same(&before, &after));
        g_free(write_file(place, "a", "two", 3));
        g_assert_true(image_stat(path, &after));
        g_assert_false(image_is_same(&before, &after));
        g_assert_cmpint(g_unlink(path), ==, 0);
        g_assert_false(image_stat(path, &after));
}

/* Its change time cannot be set, and has to lie behind by more than two seconds. */
static void
wait_until_settled(const char *path)
{
        struct stat st;

        g_assert_cmpint(stat(path, &st), ==, 0);
        while (time(NULL) <= st.st_ctim.tv_sec + 2)
                g_usleep(50000); /* there is no event for the passing of time */
}

static void
remember_otherwise(const char *cache, const char *path, struct image_info *info)
{
        g_autofree char *text = NULL, *memory = NULL;
        g_autoptr(GPtrArray) names = NULL;

        info->virtual_size_bytes = 12345 * 512; /* so that it shows who answered */
        image_remember(cache, path, info);
        names = file_list_directory(cache, NULL);
        g_assert_cmpuint(names->len, ==, 1);
        memory = g_build_filename(cache, g_ptr_array_index(names, 0), NULL);
        g_assert_true(file_read(memory, 65536, &text, NULL, NULL));
        g_assert_nonnull(strstr(text, "6320640"));
}

static void
expect_asked_anew(const char *cache, const char *path)
{
        g_autoptr(GError) error = NULL;
        struct image_info known, info;
        gboolean is_known = image_recall(cache, path, &known);

        g_assert_true(image_probe(path, NULL, is_known ? &known : NULL, &info, &error));
        g_assert_cmpuint(info.virtual_size_bytes, ==, SIZE);
}

static void
spoil(const char *cache, const char *path, const char *memory, const char *text, const char *from, const char *to)
{
        g_auto(GStrv) parts = g_strsplit(text, from, 2);
        g_autofree char *spoiled = g_strjoinv(to, parts);

        g_assert_cmpuint(g_strv_length(parts), ==, 2);
        g_assert_true(g_file_set_contents(memory, spoiled, -1, NULL));
        expect_asked_anew(cache, path);
}

static void
test_memory(struct place *place, gconstpointer data)
{
        g_autofree char *path = inside(place, "a.qcow2"), *cache = inside(place, "cache"), *memory = NULL, *text = NULL;
        g_autoptr(GPtrArray) names = NULL;
        struct image_info info, known = {0};
        g_autoptr(GError) error = NULL;

        qemu_img(place, "qemu-img create -q -f qcow2 @/a.qcow2 64M");
        g_assert_true(image_probe(path, NULL, NULL, &info, &error));
        image_remember(cache, path, &info);
        g_assert_false(image_recall(cache, path, &known)); /* changed just now: its next change might not show */
        wait_until_settled(path);
        remember_otherwise(cache, path, &info);
        g_assert_true(image_recall(cache, path, &known));
        g_assert_true(image_probe(path, NULL, &known, &info, &error));
        g_assert_cmpuint(info.virtual_size_bytes, ==, 12345 * 512); /* qemu-img was spared */

        names = file_list_directory(cache, NULL);
        memory = g_build_filename(cache, g_ptr_array_index(names, 0), NULL);
        g_assert_true(file_read(memory, 65536, &text, NULL, NULL));
        spoil(cache, path, memory, text, "\"qcow2\"", "\"luks\"");
        spoil(cache, path, memory, text, "\"qcow2\"", "\"raw");
        spoil(cache, path, memory, text, "6320640", "-6320640");
        spoil(cache, path, memory, text, "\"schema\": 1", "\"schema\": 2");
        spoil(cache, path, memory, text, "\"inode\": ", "\"inode\": 1");
        spoil(cache, path, memory, text, "\"ctime_ns\": ", "\"ctime_ns\": 1");
        spoil(cache, path, memory, text, "\"schema\"", "\"more\": [], \"schema\"");
        spoil(cache, path, memory, text, "a.qcow2", "b.qcow2");

        g_assert_true(g_file_set_contents(memory, text, -1, NULL));
        g_assert_true(image_recall(cache, path, &known));
        g_assert_cmpint(g_chmod(path, 0640), ==, 0); /* only the change time tells */
        g_assert_false(image_recall(cache, path, &info));
        g_assert_true(image_stat(path, &info) && !image_is_unchanged(&info, &known) && image_is_same(&info, &known));
        expect_asked_anew(cache, path);
        g_assert_true(image_probe(path, NULL, &known, &info, &error)); /* nor is an older answer believed */
        g_assert_cmpuint(info.virtual_size_bytes, ==, SIZE);
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add("/image/formats", struct place, NULL, place_make, test_formats, place_remove);
        g_test_add("/image/references", struct place, NULL, place_make, test_references, place_remove);
        g_test_add("/image/embedded-extent", struct place, NULL, place_make, test_embedded_extent, place_remove);
        g_test_add("/image/memory", struct place, NULL, place_make, test_memory, place_remove);
        g_test_add("/image/no-image", struct place, NULL, place_make, test_no_image, place_remove);
        g_test_add("/image/nonsense", struct place, NULL, place_make, test_nonsense, place_remove);
        g_test_add("/image/user", struct place, NULL, place_make, test_user, place_remove);
        g_test_add("/image/identity", struct place, NULL, place_make, test_identity, place_remove);
        return g_test_run();
}
