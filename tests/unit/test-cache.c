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
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { BODY_BYTES = 3 << 20 };

/* ---- a server on loopback, whose paths tell how it behaves ---- */

struct server {
        int fd;
        guint16 port;
        GThread *thread;
        char *body; /* of /plain and its like */
        GByteArray *gz, *tar, *two;
        gint requests, breaks_left, refusals_left;
        gint forged;  /* a header that only an ETag of ours named was sent to us */
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
send_data_as(int fd, const char *status, const void *data, size_t length)
{
        send_head(fd, status, "", length);
        send_all(fd, data, length);
}

static void
send_data(int fd, const void *data, size_t length)
{
        send_data_as(fd, "200 OK", data, length);
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
        } else if (g_str_has_prefix(request, "GET /unsaid-range")) { /* a part, of which it does not say which */
                const char *range = strcasestr(request, "\r\nRange: bytes=");
                size_t from = range ? strtoul(range + strlen("\r\nRange: bytes="), NULL, 10) : 0;
                g_autofree char *headers = g_strdup_printf("ETag: %s\r\n", etag);

                send_head(fd, range ? "206 Partial Content" : "200 OK", headers, BODY_BYTES - from);
                send_all(fd, server->body + from, BODY_BYTES / 8);
        } else if (g_str_has_prefix(request, "GET /unasked-range")) {
                send_head(fd, "206 Partial Content", "Content-Range: bytes 1000-1999/2000\r\n", 1000);
                send_all(fd, server->body, 1000);
        } else if (g_str_has_prefix(request, "GET /unasked-304")) {
                send_head(fd, "304 Not Modified", "", 0);
        } else if (g_str_has_prefix(request, "GET /choices")) {
                send_data_as(fd, "300 Multiple Choices", server->body, BODY_BYTES);
        } else if (g_str_has_prefix(request, "GET /empty")) {
                send_head(fd, "200 OK", "", 0);
        } else if (g_str_has_prefix(request, "GET /forging")) { /* an ETag that would be two headers of our next request */
                gboolean breaks = g_atomic_int_add(&server->breaks_left, -1) > 0;

                g_atomic_int_set(&server->forged, strstr(request, "X-Forged") != NULL || server->forged);
                send_head(fd, "200 OK", "ETag: \"a\"\rX-Forged: 1\r\nLast-Modified: x\r\n", BODY_BYTES);
                send_all(fd, server->body, breaks ? BODY_BYTES / 4 : BODY_BYTES);
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
        for (size_t i = 0; i < BODY_BYTES; i++) /* two stretches of zeros, one as ext4 begins; then what does not repeat */
                server->body[i] = i < 1024 || (i > 4096 && i < BODY_BYTES / 2) ? 0 : (char)(i * 31 + i / 251);
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
        assert_fails(fixture, "/damaged.gz", NULL, DROVER_ERROR_CORRUPT, "cannot unpack it");
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

/* Known by one sum, then fetched by another: the first still finds it. A password stands in no file. */
static void
test_notes(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *sha512 = g_compute_checksum_for_data(G_CHECKSUM_SHA512, (guchar *)fixture->server->body, BODY_BYTES);
        g_autofree char *url = g_strdup_printf("http://u:hidden@127.0.0.1:%u/plain", fixture->server->port);
        g_autofree char *key = g_compute_checksum_for_string(G_CHECKSUM_SHA256, url, -1);
        g_autofree char *name = g_strconcat(key, ".json", NULL), *text = NULL, *image = NULL, *found = NULL;
        g_autofree char *note = g_build_filename(fixture->cache, "urls", name, NULL);
        const struct cache_source by_sha512 = {.url = url, .sha512 = sha512}, by_url = {.url = url};
        g_autoptr(GError) error = NULL;
        guint64 bytes;

        g_assert_true(cache_fetch(fixture->cache, &by_sha512, FALSE, &fixture->watch, &image, &error));
        g_clear_pointer(&image, g_free);
        assert_fetched(fixture, "/redirect");
        found = cache_find(fixture->cache, &by_sha512);
        assert_body(fixture, found);
        g_assert_true(file_read(note, 65536, &text, NULL, &error));
        g_assert_null(strstr(text, "hidden"));
        image = cache_find(fixture->cache, &by_url);
        g_assert_cmpstr(image, ==, found);

        g_assert_true(cache_is_intact(image));
        g_assert_true(file_remove(image, &error));
        g_assert_false(cache_is_intact(image));
        g_assert_null(cache_find(fixture->cache, &by_url));
        g_clear_pointer(&found, g_free);
        found = cache_expect(fixture->cache, &by_url);
        g_assert_cmpstr(found, ==, image);
        g_clear_pointer(&found, g_free);
        g_assert_true(cache_fetch(fixture->cache, &by_url, FALSE, &fixture->watch, &found, &error));
        g_assert_true(cache_is_intact(found)); /* another file, the same image */
        g_assert_cmpint(chmod(found, 0600), ==, 0);
        g_assert_true(g_file_set_contents(found, "changed by hand", -1, NULL));
        g_assert_false(cache_is_intact(found));

        g_assert_true(file_remove(image, &error));
        g_assert_true(cache_remove_partial(fixture->cache, &bytes, &error));
        g_assert_false(file_exists(note)); /* what led to it went with it */
}

static void
test_same(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *hex = g_strnfill(64, 'a'), *one = g_strconcat("/a/images/sha256-", hex, NULL);
        g_autofree char *other = g_strconcat("/b/images/sha256-", hex, NULL);

        g_assert_true(cache_is_same(one, other)); /* one image, whatever path led to the cache */
        g_assert_true(cache_is_same(NULL, NULL));
        g_assert_true(cache_is_same("/a/x.img", "/a/x.img"));
        g_assert_false(cache_is_same("/a/x.img", "/b/x.img"));
        g_assert_false(cache_is_same(one, NULL));
}

/* Another process, since the lock is a process's. Returns its pid; it holds the lock until the pipe is closed. */
static pid_t
hold_lock(struct fixture *fixture, gboolean alone, int *ret_release)
{
        int ready[2], release[2], fd = -1;
        char byte;
        pid_t pid;

        g_assert_cmpint(pipe(ready), ==, 0);
        g_assert_cmpint(pipe(release), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                close(release[1]);
                byte = (char)cache_lock(fixture->cache, alone, 0, &fd, NULL);
                _exit(write(ready[1], &byte, 1) == 1 && read(release[0], &byte, 1) == 0 ? 0 : 1);
        }
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        g_assert_true(byte);
        close(ready[0]);
        close(ready[1]);
        close(release[0]);
        *ret_release = release[1];
        return pid;
}

static void
test_lock(struct fixture *fixture, gconstpointer data)
{
        const gboolean alone[] = {FALSE, TRUE};

        for (size_t i = 0; i < G_N_ELEMENTS(alone); i++) {
                g_autoptr(GError) error = NULL, shared_error = NULL, none = NULL;
                g_autofree char *holder = NULL;
                auto_fd fd = -1, shared = -1;
                int release, status;
                pid_t pid = hold_lock(fixture, alone[i], &release);

                holder = g_strdup_printf("pid %d", (int)pid);
                g_assert_false(cache_lock(fixture->cache, TRUE, 0, &fd, &error));
                g_assert_error(error, DROVER_ERROR, DROVER_ERROR_LOCKED);
                g_assert_nonnull(strstr(error->message, holder));
                g_assert_cmpint(cache_lock(fixture->cache, FALSE, 0, &shared, &shared_error), ==, !alone[i]);
                fd_clear(&shared);
                close(release);
                g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
                g_assert_cmpint(status, ==, 0);
                g_assert_true(cache_lock(fixture->cache, TRUE, 0, &fd, &none));
        }
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
        static const struct {
                const char *name;
                void (*test)(struct fixture *fixture, gconstpointer data);
        } tests[] = {
                {"/cache/plain", test_plain},       {"/cache/checksum", test_checksum}, {"/cache/always", test_always},
                {"/cache/breaking", test_breaking}, {"/cache/changing", test_changing}, {"/cache/mute", test_mute},
                {"/cache/refusals", test_refusals}, {"/cache/resume", test_resume},     {"/cache/stale-part", test_stale_part},
                {"/cache/packed", test_packed},     {"/cache/stop", test_stop},         {"/cache/list", test_list},
                {"/cache/many", test_many},         {"/cache/urls", test_urls},         {"/cache/strange", test_strange},
                {"/cache/files", test_files},       {"/cache/notes", test_notes},       {"/cache/same", test_same},
                {"/cache/lock", test_lock},         {"/cache/bomb", test_bomb},
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].name, struct fixture, NULL, set_up, tests[i].test, tear_down);
        return g_test_run();
}
