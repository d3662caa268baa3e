/* test-cache.c - images fetched from a server that is slow, breaks off, redirects, lies and changes its mind */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "runtime/storage/cache.h"
#include "runtime/storage/download.h"
#include "runtime/storage/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { BODY_BYTES = 3 << 20 };

/* ---- a server on loopback, whose paths tell how it behaves ---- */

struct server {
        int fd;
        guint16 port;
        GThread *thread;
        char *body; /* of /plain and its like */
        GByteArray *gz, *tar, *two;
        gint requests, breaks_left, refusals_left;
        gint version; /* of /changing: what the ETag says */
};

static void
send_all(int fd, const void *data, size_t length)
{
        const char *bytes = data;

        while (length > 0) {
                ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);

                if (n <= 0)
                        return;
                bytes += n;
                length -= (size_t)n;
        }
}

static void
send_head(int fd, const char *status, const char *headers, size_t length)
{
        g_autofree char *head =
                g_strdup_printf("HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n", status, headers, length);

        send_all(fd, head, strlen(head));
}

static void
send_data(int fd, const void *data, size_t length)
{
        send_head(fd, "200 OK", "", length);
        send_all(fd, data, length);
}

/* The body, or the part that is asked for. @stop_at: break off after that many bytes of it. */
static void
send_range(struct server *server, int fd, const char *request, const char *etag, size_t stop_at)
{
        const char *range = strcasestr(request, "\r\nRange: bytes="), *condition = strcasestr(request, "\r\nIf-Range: ");
        const char *none = strcasestr(request, "\r\nIf-None-Match: ");
        size_t from = range ? strtoul(range + strlen("\r\nRange: bytes="), NULL, 10) : 0;
        g_autofree char *headers = NULL;

        if (none && g_str_has_prefix(none + strlen("\r\nIf-None-Match: "), etag)) {
                send_head(fd, "304 Not Modified", "", 0);
                return;
        }
        if (condition && !g_str_has_prefix(condition + strlen("\r\nIf-Range: "), etag))
                from = 0;
        if (from >= BODY_BYTES) {
                headers = g_strdup_printf("ETag: %s\r\nContent-Range: bytes */%d\r\n", etag, BODY_BYTES);
                send_head(fd, "416 Range Not Satisfiable", headers, 0);
                return;
        }
        headers = g_strdup_printf("ETag: %s\r\nContent-Range: bytes %zu-%d/%d\r\n", etag, from, BODY_BYTES - 1, BODY_BYTES);
        send_head(fd, from ? "206 Partial Content" : "200 OK", headers, BODY_BYTES - from);
        send_all(fd, server->body + from, MIN(stop_at, BODY_BYTES - from));
}

static void
answer(struct server *server, int fd, const char *request)
{
        g_autofree char *etag = g_strdup_printf("\"%d\"", g_atomic_int_get(&server->version));

        if (g_str_has_prefix(request, "GET /plain")) {
                send_range(server, fd, request, etag, BODY_BYTES);
        } else if (g_str_has_prefix(request, "GET /breaking")) {
                gboolean breaks = g_atomic_int_add(&server->breaks_left, -1) > 0;

                send_range(server, fd, request, etag, breaks ? BODY_BYTES / 4 : BODY_BYTES);
        } else if (g_str_has_prefix(request, "GET /changing")) {
                g_autofree char *next = g_strdup_printf("\"%d\"", g_atomic_int_add(&server->version, 1) + 1);

                send_range(server, fd, request, next, BODY_BYTES / 4);
        } else if (g_str_has_prefix(request, "GET /mute-breaking")) { /* neither ranges nor validators */
                gboolean breaks = g_atomic_int_add(&server->breaks_left, -1) > 0;

                send_head(fd, "200 OK", "", BODY_BYTES);
                send_all(fd, server->body, breaks ? BODY_BYTES / 4 : BODY_BYTES);
        } else if (g_str_has_prefix(request, "GET /busy") && g_atomic_int_add(&server->refusals_left, -1) > 0) {
                send_head(fd, "503 Service Unavailable", "", 0);
        } else if (g_str_has_prefix(request, "GET /busy")) {
                send_range(server, fd, request, etag, BODY_BYTES);
        } else if (g_str_has_prefix(request, "GET /redirect")) {
                send_head(fd, "302 Found", "Location: /plain\r\n", 0);
        } else if (g_str_has_prefix(request, "GET /loop")) {
                send_head(fd, "302 Found", "Location: /loop\r\n", 0);
        } else if (g_str_has_prefix(request, "GET /to-file")) {
                send_head(fd, "302 Found", "Location: file:///etc/passwd\r\n", 0);
        } else if (g_str_has_prefix(request, "GET /secret")) {
                send_head(fd, "403 Forbidden", "", 0);
        } else if (g_str_has_prefix(request, "GET /image.gz")) {
                send_data(fd, server->gz->data, server->gz->len);
        } else if (g_str_has_prefix(request, "GET /damaged.gz")) {
                send_data(fd, server->gz->data, server->gz->len / 2);
        } else if (g_str_has_prefix(request, "GET /lab.ova")) {
                send_data(fd, server->tar->data, server->tar->len);
        } else if (g_str_has_prefix(request, "GET /two.ova")) {
                send_data(fd, server->two->data, server->two->len);
        } else {
                send_head(fd, "404 Not Found", "", 0);
        }
}

static gpointer
serve(gpointer data)
{
        struct server *server = data;

        for (;;) {
                auto_fd fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
                char request[4096];
                ssize_t n = fd < 0 ? -1 : recv(fd, request, sizeof request - 1, 0);

                if (fd < 0)
                        return NULL;
                request[MAX(n, 0)] = '\0';
                g_atomic_int_inc(&server->requests);
                answer(server, fd, request);
                shutdown(fd, SHUT_WR);
                while (recv(fd, request, sizeof request, 0) > 0)
                        ;
        }
}

/* An archive of the given files, each with the body; @compressed: one raw file, gzipped. */
static GByteArray *
make_archive(const char *const *names, gboolean compressed, const char *body)
{
        GByteArray *bytes = g_byte_array_new();
        struct archive *archive = archive_write_new();
        size_t used = 0;

        g_byte_array_set_size(bytes, 4 * BODY_BYTES);
        if (compressed) {
                archive_write_add_filter_gzip(archive);
                archive_write_set_format_raw(archive);
        } else {
                archive_write_set_format_ustar(archive);
        }
        g_assert_cmpint(archive_write_open_memory(archive, bytes->data, bytes->len, &used), ==, ARCHIVE_OK);
        for (; *names; names++) {
                struct archive_entry *entry = archive_entry_new();

                archive_entry_set_pathname(entry, *names);
                archive_entry_set_filetype(entry, AE_IFREG);
                archive_entry_set_size(entry, BODY_BYTES);
                g_assert_cmpint(archive_write_header(archive, entry), ==, ARCHIVE_OK);
                g_assert_cmpint(archive_write_data(archive, body, BODY_BYTES), ==, BODY_BYTES);
                archive_entry_free(entry);
        }
        g_assert_cmpint(archive_write_free(archive), ==, ARCHIVE_OK);
        g_byte_array_set_size(bytes, (guint)used);
        return bytes;
}

static struct server *
start_server(void)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t length = sizeof address;
        struct server *server = g_new0(struct server, 1);

        server->body = g_malloc(BODY_BYTES);
        for (size_t i = 0; i < BODY_BYTES; i++) /* a stretch of zeros, then what does not repeat too soon */
                server->body[i] = i < BODY_BYTES / 2 && i > 4096 ? 0 : (char)(i * 31 + i / 251);
        server->gz = make_archive((const char *const[]){"data", NULL}, TRUE, server->body);
        server->tar = make_archive((const char *const[]){"lab.ovf", "../../disk1.vmdk", NULL}, FALSE, server->body);
        server->two = make_archive((const char *const[]){"a.vmdk", "b.vmdk", NULL}, FALSE, server->body);
        server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_assert_cmpint(bind(server->fd, (struct sockaddr *)&address, sizeof address), ==, 0);
        g_assert_cmpint(listen(server->fd, 16), ==, 0);
        g_assert_cmpint(getsockname(server->fd, (struct sockaddr *)&address, &length), ==, 0);
        server->port = ntohs(address.sin_port);
        server->thread = g_thread_new("server", serve, server);
        return server;
}

static void
stop_server(struct server *server)
{
        shutdown(server->fd, SHUT_RDWR);
        g_thread_join(server->thread);
        close(server->fd);
        g_byte_array_unref(server->gz);
        g_byte_array_unref(server->tar);
        g_byte_array_unref(server->two);
        g_free(server->body);
        g_free(server);
}

/* ---- the tests ---- */

struct fixture {
        struct server *server;
        char *cache;
        int stop;
        struct cache_watch watch;
};

static void
set_up(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GError) error = NULL;

        fixture->server = start_server();
        fixture->cache = g_dir_make_tmp("drover-cache-XXXXXX", &error);
        g_assert_no_error(error);
        fixture->watch = (struct cache_watch){.stop = &fixture->stop, .retry_ms = 1};
}

static void
tear_down(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GError) error = NULL;

        stop_server(fixture->server);
        g_assert_true(file_remove_tree(fixture->cache, &error));
        g_free(fixture->cache);
}

static char *
fetch(struct fixture *fixture, const char *path, const char *sha256, gboolean always, GError **error)
{
        g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u%s", fixture->server->port, path);
        const struct cache_source source = {.url = url, .sha256 = sha256};
        char *image = NULL;

        return cache_fetch(fixture->cache, &source, always, &fixture->watch, &image, error) ? image : NULL;
}

static void
assert_body(struct fixture *fixture, const char *image)
{
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;
        size_t length = 0;

        g_assert_nonnull(image);
        g_assert_true(file_read(image, 64 << 20, &text, &length, &error));
        g_assert_cmpmem(text, length, fixture->server->body, BODY_BYTES);
}

static void
assert_fetched(struct fixture *fixture, const char *path)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *image = fetch(fixture, path, NULL, FALSE, &error);

        g_assert_no_error(error);
        assert_body(fixture, image);
}

/* Nothing but the lock is left of what failed. */
static void
assert_nothing_kept(struct fixture *fixture)
{
        g_autofree char *partial = g_build_filename(fixture->cache, "partial", NULL);
        g_autofree char *images = g_build_filename(fixture->cache, "images", NULL);
        g_autoptr(GPtrArray) parts = file_list_directory(partial, NULL), kept = file_list_directory(images, NULL);

        g_assert_cmpuint(parts->len, ==, 1);
        g_assert_true(g_str_has_suffix(parts->pdata[0], ".lock"));
        g_assert_cmpuint(kept->len, ==, 0);
}

static void
assert_fails(struct fixture *fixture, const char *path, const char *sha256, enum drover_error code, const char *text)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *image = fetch(fixture, path, sha256, FALSE, &error);

        g_assert_null(image);
        g_assert_error(error, DROVER_ERROR, (gint)code);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, text));
}

static void
test_plain(struct fixture *fixture, gconstpointer data)
{
        assert_fetched(fixture, "/plain");
        assert_fetched(fixture, "/plain");
        g_assert_cmpint(fixture->server->requests, ==, 1);
        assert_fetched(fixture, "/redirect"); /* another URL, the same image */
        g_assert_cmpint(fixture->server->requests, ==, 3);
}

static void
test_checksum(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *)fixture->server->body, BODY_BYTES);
        g_autofree char *sha512 = g_compute_checksum_for_data(G_CHECKSUM_SHA512, (guchar *)fixture->server->body, BODY_BYTES);
        g_autofree char *upper = g_ascii_strup(sum, -1), *wrong = g_strdup(sum), *image = NULL;
        g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/plain?2", fixture->server->port);
        const struct cache_source by_sha512 = {.url = url, .sha512 = sha512};
        g_autoptr(GError) error = NULL;

        wrong[0] = wrong[0] == '0' ? '1' : '0';
        assert_fails(fixture, "/plain", wrong, DROVER_ERROR_CORRUPT, "has another SHA-256 than wanted");
        assert_nothing_kept(fixture);
        image = fetch(fixture, "/plain", upper, FALSE, &error);
        g_assert_no_error(error);
        assert_body(fixture, image);
        g_clear_pointer(&image, g_free);
        g_assert_true(cache_fetch(fixture->cache, &by_sha512, FALSE, &fixture->watch, &image, &error));
        g_assert_cmpint(fixture->server->requests, ==, 3);
        g_clear_pointer(&image, g_free);
        image = cache_find(fixture->cache, &by_sha512); /* known by it from now on */
        assert_body(fixture, image);
}

static void
test_always(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *first = fetch(fixture, "/plain", NULL, TRUE, &error), *second = NULL, *third = NULL;
        struct stat before, after;

        g_assert_cmpint(stat(first, &before), ==, 0);
        second = fetch(fixture, "/plain", NULL, TRUE, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(first, ==, second);
        g_assert_cmpint(fixture->server->requests, ==, 2);
        fixture->server->version++;
        fixture->server->body[0]++;
        third = fetch(fixture, "/plain", NULL, TRUE, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(first, !=, third);
        assert_body(fixture, third);
        g_assert_cmpint(stat(first, &after), ==, 0); /* overlays may lie on the old one */
        g_assert_cmpuint(before.st_ino, ==, after.st_ino);
}

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

/* A killed drover leaves a part file: the next one goes on, also where it was complete. */
static void
test_resume(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/plain", fixture->server->port);
        g_autofree char *key = g_compute_checksum_for_string(G_CHECKSUM_SHA256, url, -1);
        g_autofree char *part = g_build_filename(fixture->cache, "partial", key, NULL);
        const size_t sizes[] = {1, BODY_BYTES / 2, BODY_BYTES};
        g_autoptr(GError) error = NULL;
        g_autofree char *directory = g_path_get_dirname(part);

        g_assert_true(file_make_directory(directory, 0700, &error));
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *info = g_strdup_printf("{\"schema\": 1, \"url\": \"%s\", \"etag\": \"\\\"0\\\"\"}", url);
                g_autofree char *info_path = g_strconcat(part, ".json", NULL), *image = NULL;

                g_assert_true(g_file_set_contents(part, fixture->server->body, (gssize)sizes[i], NULL));
                g_assert_true(g_file_set_contents(info_path, info, -1, NULL));
                image = fetch(fixture, "/plain", NULL, FALSE, &error);
                g_assert_no_error(error);
                assert_body(fixture, image);
                g_assert_true(file_remove(image, &error));
        }
        g_assert_cmpint(fixture->server->requests, ==, 3);
}

/* What an earlier run left is of a file that is gone: all is fetched anew. */
static void
test_stale_part(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/plain", fixture->server->port);
        g_autofree char *key = g_compute_checksum_for_string(G_CHECKSUM_SHA256, url, -1);
        g_autofree char *part = g_build_filename(fixture->cache, "partial", key, NULL);
        g_autofree char *info_path = g_strconcat(part, ".json", NULL), *directory = g_path_get_dirname(part);
        g_autofree char *info = g_strdup_printf("{\"schema\": 1, \"url\": \"%s\", \"etag\": \"\\\"old\\\"\"}", url);
        g_autoptr(GError) error = NULL;

        g_assert_true(file_make_directory(directory, 0700, &error));
        g_assert_true(g_file_set_contents(part, "what the old file began with", -1, NULL));
        g_assert_true(g_file_set_contents(info_path, info, -1, NULL));
        assert_fetched(fixture, "/plain");
}

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
        assert_fails(fixture, "/damaged.gz", NULL, DROVER_ERROR_FAILED, "cannot unpack it");
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
test_list(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) images = NULL, left = NULL;
        const struct cached_image *image;
        guint64 bytes = 0;

        assert_fetched(fixture, "/plain");
        fixture->server->refusals_left = 1000;
        assert_fails(fixture, "/busy", NULL, DROVER_ERROR_FAILED, "status 503");
        images = cache_list(fixture->cache, &error);
        g_assert_cmpuint(images->len, ==, 1);
        image = images->pdata[0];
        g_assert_true(g_str_has_suffix(image->url, "/plain"));
        g_assert_cmpint(image->fetched_at, >, 0);
        g_assert_cmpuint(image->size_bytes, >, 0);
        g_assert_true(cache_remove(fixture->cache, image->digest, &error));
        left = cache_list(fixture->cache, &error);
        g_assert_cmpuint(left->len, ==, 0);
        g_assert_true(cache_remove_partial(fixture->cache, &bytes, &error));
        g_assert_no_error(error);
        assert_fetched(fixture, "/plain");
}

struct racer {
        struct fixture *fixture;
        char *image;
};

static gpointer
race(gpointer data)
{
        struct racer *racer = data;

        racer->image = fetch(racer->fixture, "/plain", NULL, FALSE, NULL);
        return NULL;
}

/* Threads have locks of their own, as processes have: one fetches, the others wait. */
static void
test_many(struct fixture *fixture, gconstpointer data)
{
        struct racer racers[8];
        GThread *threads[G_N_ELEMENTS(racers)];

        for (size_t i = 0; i < G_N_ELEMENTS(racers); i++) {
                racers[i] = (struct racer){fixture, NULL};
                threads[i] = g_thread_new("racer", race, &racers[i]);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(racers); i++) {
                g_thread_join(threads[i]);
                assert_body(fixture, racers[i].image);
                g_free(racers[i].image);
        }
        g_assert_cmpint(fixture->server->requests, ==, 1);
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

int
main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*test)(struct fixture *fixture, gconstpointer data);
        } tests[] = {
                {"/cache/plain", test_plain},       {"/cache/checksum", test_checksum}, {"/cache/always", test_always},
                {"/cache/breaking", test_breaking}, {"/cache/changing", test_changing}, {"/cache/mute", test_mute},
                {"/cache/refusals", test_refusals}, {"/cache/resume", test_resume},     {"/cache/stale-part", test_stale_part},
                {"/cache/packed", test_packed},     {"/cache/stop", test_stop},         {"/cache/list", test_list},
                {"/cache/many", test_many},         {"/cache/urls", test_urls},
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].name, struct fixture, NULL, set_up, tests[i].test, tear_down);
        return g_test_run();
}
