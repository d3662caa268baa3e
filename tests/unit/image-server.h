/* image-server.h - for tests of what is fetched: a server that is slow, breaks off, redirects, lies and changes its mind */
#pragma once

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "runtime/storage/cache.h"

#include <archive.h>
#include <archive_entry.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

enum { BODY_BYTES = 3 << 20 };

/* ---- a server on loopback, whose paths tell how it behaves ---- */

struct server {
        int fd;
        guint16 port;
        GThread *thread;
        char *body; /* of /plain and its like */
        GByteArray *gz, *tar, *two;
        const char *sums; /* of /SUMS */
        gint undated_ask; /* /dated was asked for without If-Modified-Since */
        gint whole; /* answers of send_range() from the beginning on */
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
        g_atomic_int_add(&server->whole, from == 0);
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
        } else if (g_str_has_prefix(request, "GET /SUMS") && server->sums) {
                send_data(fd, server->sums, strlen(server->sums));
        } else if (g_str_has_prefix(request, "GET /dated")) { /* no ETag; the date is the version's */
                g_autofree char *date =
                        g_strdup_printf("Sun, 0%d Nov 2026 08:49:37 GMT", g_atomic_int_get(&server->version) + 1);
                g_autofree char *headers = g_strdup_printf("Last-Modified: %s\r\n", date);

                if (strstr(request, date)) {
                        send_head(fd, "304 Not Modified", "", 0);
                } else {
                        g_atomic_int_inc(&server->undated_ask);
                        send_head(fd, "200 OK", headers, BODY_BYTES);
                        send_all(fd, server->body, BODY_BYTES);
                }
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
static inline GByteArray *
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

/* ---- a cache ---- */

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

static inline char *
fetch(struct fixture *fixture, const char *path, const char *sha256, gboolean always, GError **error)
{
        g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u%s", fixture->server->port, path);
        const struct cache_source source = {.url = url, .sha256 = sha256};
        char *image = NULL;

        return cache_fetch(fixture->cache, &source, always, &fixture->watch, &image, error) ? image : NULL;
}

static inline void
assert_body(struct fixture *fixture, const char *image)
{
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;
        size_t length = 0;

        g_assert_nonnull(image);
        g_assert_true(file_read(image, 64 << 20, &text, &length, &error));
        g_assert_cmpmem(text, length, fixture->server->body, BODY_BYTES);
}

static inline void
assert_fetched(struct fixture *fixture, const char *path)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *image = fetch(fixture, path, NULL, FALSE, &error);

        g_assert_no_error(error);
        assert_body(fixture, image);
}

/* Nothing but the lock is left of what failed. */
static inline void
assert_nothing_kept(struct fixture *fixture)
{
        g_autofree char *partial = g_build_filename(fixture->cache, "partial", NULL);
        g_autofree char *images = g_build_filename(fixture->cache, "images", NULL);
        g_autoptr(GPtrArray) parts = file_list_directory(partial, NULL), kept = file_list_directory(images, NULL);

        g_assert_cmpuint(parts->len, ==, 1);
        g_assert_true(g_str_has_suffix(parts->pdata[0], ".lock"));
        g_assert_cmpuint(kept->len, ==, 0);
}

static inline void
assert_fails(struct fixture *fixture, const char *path, const char *sha256, enum drover_error code, const char *text)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *image = fetch(fixture, path, sha256, FALSE, &error);

        g_assert_null(image);
        g_assert_error(error, DROVER_ERROR, (gint)code);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, text));
}

struct image_test {
        const char *name;
        void (*test)(struct fixture *fixture, gconstpointer data);
};

static int
run_image_tests(int argc, char **argv, const struct image_test *tests, size_t count)
{
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < count; i++)
                g_test_add(tests[i].name, struct fixture, NULL, set_up, tests[i].test, tear_down);
        return g_test_run();
}
