/* test-download.c - what a server may do, and what is made of it */
#include "tests/unit/image-server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void
test_breaking(struct fixture *fixture, gconstpointer data)
{
        fixture->server->breaks_left = 3;
        assert_fetched(fixture, "/breaking");
        g_assert_cmpint(fixture->server->requests, ==, 4);
}

/* The server replaces the file each time: no two parts of it may be joined. */
static void
test_changing(struct fixture *fixture, gconstpointer data)
{
        assert_fails(fixture, "/changing", NULL, DROVER_ERROR_CORRUPT, "changed while it was fetched");
}

static void
test_mute(struct fixture *fixture, gconstpointer data)
{
        fixture->server->breaks_left = 1;
        assert_fails(fixture, "/mute-breaking", NULL, DROVER_ERROR_CORRUPT, "the server does not say what would tell");
        assert_fetched(fixture, "/mute-breaking");
}

static void
test_refusals(struct fixture *fixture, gconstpointer data)
{
        fixture->server->refusals_left = 2;
        assert_fetched(fixture, "/busy");
        fixture->server->refusals_left = 1000;
        assert_fails(fixture, "/busy?again", NULL, DROVER_ERROR_FAILED, "status 503");
        g_assert_cmpint(fixture->server->requests, ==, 3 + 5);
        assert_fails(fixture, "/nothing", NULL, DROVER_ERROR_NOT_FOUND, "status 404");
        assert_fails(fixture, "/secret", NULL, DROVER_ERROR_PERMISSION, "status 403");
        assert_fails(fixture, "/loop", NULL, DROVER_ERROR_FAILED, "redirects");
        assert_fails(fixture, "/to-file", NULL, DROVER_ERROR_FAILED, "file");
}

/* As an earlier process left it. @boot: NULL: of this boot */
static char *
write_part(struct fixture *fixture, const char *url, const char *bytes, gssize length, const char *boot)
{
        g_autofree char *key = g_compute_checksum_for_string(G_CHECKSUM_SHA256, url, -1);
        g_autofree char *now = NULL, *directory = g_build_filename(fixture->cache, "partial", NULL);
        g_autofree char *part = g_build_filename(directory, key, NULL), *info_path = g_strconcat(part, ".json", NULL);
        g_autofree char *info = NULL;

        g_assert_true(g_file_get_contents("/proc/sys/kernel/random/boot_id", &now, NULL, NULL));
        info = g_strdup_printf("{\"schema\": 1, \"url\": \"%s\", \"etag\": \"\\\"0\\\"\", \"boot\": \"%s\"}",
                               url, boot ? boot : g_strchomp(now));
        g_assert_true(file_make_directory(directory, 0700, NULL));
        g_assert_true(g_file_set_contents(part, bytes, length, NULL));
        g_assert_true(g_file_set_contents(info_path, info, -1, NULL));
        return g_steal_pointer(&part);
}

/* A killed drover leaves a part file: the next one goes on, also where it was complete. */
static void
test_resume(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/plain", fixture->server->port);
        const size_t sizes[] = {1, BODY_BYTES / 2, BODY_BYTES};

        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *part = write_part(fixture, url, fixture->server->body, (gssize)sizes[i], NULL), *image = NULL;
                g_autoptr(GError) error = NULL;

                image = fetch(fixture, "/plain", NULL, FALSE, &error);
                g_assert_no_error(error);
                assert_body(fixture, image);
                g_assert_true(file_remove(image, &error));
        }
        g_assert_cmpint(fixture->server->requests, ==, 3);
        g_assert_cmpint(fixture->server->whole, ==, 0);
}

/* A part of an earlier boot may have holes: it is believed only where a checksum tells, and then given up. */
static void
test_holes(struct fixture *fixture, gconstpointer data)
{
        enum { PART_BYTES = BODY_BYTES / 4 * 3 };
        g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/plain", fixture->server->port);
        g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *)fixture->server->body, BODY_BYTES);
        g_autofree char *holes = g_malloc0(PART_BYTES), *part = NULL, *again = NULL, *image = NULL;
        g_autoptr(GError) error = NULL;

        part = write_part(fixture, url, holes, PART_BYTES, "before");
        assert_fetched(fixture, "/plain");
        g_assert_cmpint(fixture->server->requests, ==, 1);
        image = fetch(fixture, "/plain", NULL, FALSE, &error);
        g_assert_true(file_remove(image, &error));
        again = write_part(fixture, url, holes, PART_BYTES, "before");
        g_clear_pointer(&image, g_free);
        image = fetch(fixture, "/plain", sum, FALSE, &error);
        g_assert_no_error(error);
        assert_body(fixture, image);
        g_assert_cmpint(fixture->server->requests, ==, 3); /* the rest, and all of it */
}

/* What an earlier run left is of a file that is gone: all is fetched anew. */
static void
test_stale_part(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/plain", fixture->server->port);
        g_autofree char *part = write_part(fixture, url, "what the old file began with", -1, NULL);

        fixture->server->version = 1;
        assert_fetched(fixture, "/plain");
}

static void
test_stop(struct fixture *fixture, gconstpointer data)
{
        fixture->stop = 1;
        assert_fails(fixture, "/plain", NULL, DROVER_ERROR_INTERRUPTED, "was not fetched to its end");
        fixture->stop = 0;
        assert_fetched(fixture, "/plain");
}

static void
test_urls(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *body = g_build_filename(fixture->cache, "source.img", NULL), *url = g_strconcat("file://", body, NULL);
        const struct cache_source from_file = {.url = url}, strange = {.url = "gopher://u:secret@host/x"};
        g_autofree char *image = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_true(g_file_set_contents(body, fixture->server->body, BODY_BYTES, NULL));
        g_assert_true(cache_fetch(fixture->cache, &from_file, FALSE, NULL, &image, &error));
        assert_body(fixture, image);
        g_clear_pointer(&image, g_free);
        g_assert_false(cache_fetch(fixture->cache, &strange, FALSE, NULL, &image, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_CONFIG);
        g_assert_null(strstr(error->message, "secret"));
}

/* What is no answer to what was asked is no image. */
static void
test_strange(struct fixture *fixture, gconstpointer data)
{
        assert_fails(fixture, "/unsaid-range", NULL, DROVER_ERROR_FAILED, "status 206");
        assert_fails(fixture, "/unasked-range", NULL, DROVER_ERROR_FAILED, "status 206");
        assert_fails(fixture, "/unasked-304", NULL, DROVER_ERROR_FAILED, "status 304");
        assert_fails(fixture, "/choices", NULL, DROVER_ERROR_FAILED, "status 300");
        assert_fails(fixture, "/empty", NULL, DROVER_ERROR_FAILED, "it is empty");
        fixture->server->breaks_left = 1;
        assert_fetched(fixture, "/forging"); /* by Last-Modified */
        g_assert_cmpint(fixture->server->forged, ==, 0);
}

/* libcurl delivers all of a local file at once: memory must not grow with it, and what never ends is not begun. */
static void
test_files(struct fixture *fixture, gconstpointer data)
{
        enum { FILE_BYTES = 96 << 20 };
        g_autofree char *body = g_build_filename(fixture->cache, "large.img", NULL), *url = g_strconcat("file://", body, NULL);
        g_autofree char *fifo = g_build_filename(fixture->cache, "fifo", NULL), *fifo_url = g_strconcat("file://", fifo, NULL);
        const struct cache_source sources[] = {{.url = "file:///dev/zero"}, {.url = fifo_url}, {.url = "file:///"}};
        const struct cache_source large = {.url = url};
        auto_fd fd = open(body, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        g_autofree char *image = NULL;
        g_autoptr(GError) error = NULL;
        struct rusage before, after;
        struct stat st;

        g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(sources); i++) {
                g_autoptr(GError) refused = NULL;

                g_assert_false(cache_fetch(fixture->cache, &sources[i], FALSE, NULL, &image, &refused));
                g_assert_nonnull(strstr(refused->message, "it is not a regular file"));
        }
        g_assert_cmpint(ftruncate(fd, FILE_BYTES), ==, 0);
        g_assert_cmpint(getrusage(RUSAGE_SELF, &before), ==, 0);
        g_assert_true(cache_fetch(fixture->cache, &large, FALSE, NULL, &image, &error));
        g_assert_cmpint(getrusage(RUSAGE_SELF, &after), ==, 0);
        g_assert_cmpint(after.ru_maxrss - before.ru_maxrss, <, FILE_BYTES / 2 / 1024);
        g_assert_cmpint(stat(image, &st), ==, 0);
        g_assert_cmpint(st.st_size, ==, FILE_BYTES);
}

int
main(int argc, char **argv)
{
        static const struct image_test tests[] = {
                {"/download/breaking", test_breaking},
                {"/download/changing", test_changing},
                {"/download/mute", test_mute},
                {"/download/refusals", test_refusals},
                {"/download/resume", test_resume},
                {"/download/holes", test_holes},
                {"/download/stale-part", test_stale_part},
                {"/download/stop", test_stop},
                {"/download/urls", test_urls},
                {"/download/strange", test_strange},
                {"/download/files", test_files},
        };

        return run_image_tests(argc, argv, tests, G_N_ELEMENTS(tests));
}
