/* test-unpack.c - the one disk image inside of what was fetched, and all that is none */
#include "tests/unit/image-server.h"

#include "runtime/storage/unpack.h"

#include <fcntl.h>
#include <sys/stat.h>

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

int
main(int argc, char **argv)
{
        static const struct image_test tests[] = {
                {"/unpack/packed", test_packed},
                {"/unpack/bomb", test_bomb},
        };

        return run_image_tests(argc, argv, tests, G_N_ELEMENTS(tests));
}
