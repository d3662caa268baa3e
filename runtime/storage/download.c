/* download.c - the bytes behind a URL, as a stream that outlives broken connections and killed processes
 *
 * libcurl's multi interface is driven only while somebody waits for bytes, so that the stream is pulled: an unpacker that
 * is slower than the network holds the network back. A broken transfer is asked for again from where it ended (RFC 9110,
 * "Range"), with If-Range where the server gave a validator; one that answers with the whole file instead is skipped up to
 * that place if it is the same file, and is a failure if it is not.
 */
#include "runtime/storage/download.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
        REPLAY_BYTES = 1 << 20,
        TRIES = 5, /* without progress */
        REDIRECTS = 10,
        CONNECT_SECONDS = 30,
        STALLED_SECONDS = 30,
        POLL_MS = 500,
        LONGEST_PAUSE_MS = 30000,
};

#define MAX_BYTES ((guint64)1 << 40)

struct download {
        struct download_request request;
        char *url, *part, *part_info, *shown;
        int fd;
        guint64 replayed, received; /* bytes of the part file: given to the reader; there in all */
        guint64 total;              /* 0: unknown */
        struct digest *digest;
        GByteArray *chunk; /* from the network: the last answer of download_read(), and what comes for the next */
        gboolean chunk_taken;

        CURLM *multi;
        CURL *easy; /* NULL: no transfer runs */
        struct curl_slist *headers;
        char message[CURL_ERROR_SIZE];
        char *etag, *last_modified;         /* of the file that the part is of */
        char *answer_etag, *answer_modified; /* of the answer that comes in */
        guint64 answer_from; /* where the body of this answer begins in the file */
        guint64 answer_all;  /* how long the file is, said by a refusal of a range; or 0 */
        guint64 skip;        /* bytes of the body that we have already */
        gboolean answer_begun, changed, unchanged, ended;
        int write_failure; /* errno, or 0 */
        guint tries;
        guint64 received_before; /* when this try began */
};

char *
download_show_url(const char *url)
{
        CURLU *parts = curl_url();
        char *text = NULL;
        char *shown;

        if (parts && curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK) {
                curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0);
                curl_url_get(parts, CURLUPART_URL, &text, 0);
        }
        shown = text_make_printable(text ? text : url, -1);
        curl_free(text);
        curl_url_cleanup(parts);
        return shown;
}

static gboolean
check_url(const char *url, GError **error)
{
        CURLU *parts = curl_url();
        char *scheme = NULL;
        gboolean known = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                         curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                         (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0 || strcmp(scheme, "file") == 0);
        g_autofree char *shown = download_show_url(url);

        curl_free(scheme);
        curl_url_cleanup(parts);
        if (known)
                return TRUE;
        error_set(error, DROVER_ERROR_CONFIG, "'%s' is no URL that can be fetched", shown);
        return error_hint(error, "it begins with https://, http:// or file://");
}

/* ---- what is kept beside the part file ---- */

void
download_discard(const char *part)
{
        g_autofree char *info = g_strconcat(part, ".json", NULL);

        unlink(part);
        unlink(info);
}

static void
save_info(struct download *download)
{
        g_autoptr(json_t) info = json_pack("{s:i}", "schema", 1);
        g_autoptr(GError) error = NULL;

        json_set_text(info, "url", download->url);
        json_set_text(info, "etag", download->etag);
        json_set_text(info, "last_modified", download->last_modified);
        if (!json_write_file(download->part_info, info, 0600, &error))
                g_clear_pointer(&download->etag, g_free); /* no more than that it cannot be resumed by the next process */
}

/* Is what the part file holds the beginning of something that can be asked for again? */
static gboolean
load_info(struct download *download)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) info = json_read_file(download->part_info, &error);

        if (!info || json_number(info, "schema", 0) != 1 || g_strcmp0(json_text(info, "url"), download->url) != 0)
                return FALSE;
        download->etag = g_strdup(json_text(info, "etag"));
        download->last_modified = g_strdup(json_text(info, "last_modified"));
        return download->etag || download->last_modified;
}

static gboolean
open_part(struct download *download, GError **error)
{
        struct stat st;

        download->fd = open(download->part, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (download->fd < 0 || fstat(download->fd, &st) < 0)
                return error_errno(error, "cannot open '%s'", download->part);
        download->received = (guint64)st.st_size;
        if (download->received && !load_info(download)) {
                if (ftruncate(download->fd, 0) < 0)
                        return error_errno(error, "cannot empty '%s'", download->part);
                download->received = 0;
        }
        download->digest = digest_new(download->fd, download->request.with_sha512);
        digest_advance(download->digest, download->received);
        return TRUE;
}

struct download *
download_open(const struct download_request *request, GError **error)
{
        g_autoptr(download_t) download = g_new0(struct download, 1);

        download->fd = -1;
        download->request = *request;
        download->url = g_strdup(request->url);
        download->part = g_strdup(request->part);
        download->part_info = g_strconcat(request->part, ".json", NULL);
        download->shown = download_show_url(request->url);
        download->chunk = g_byte_array_new();
        if (!download->request.max_bytes)
                download->request.max_bytes = MAX_BYTES;
        if (!download->request.retry_ms)
                download->request.retry_ms = 1000;
        if (!check_url(request->url, error) || !open_part(download, error))
                return NULL;
        return g_steal_pointer(&download);
}

/* ---- an answer ---- */

static size_t
take_header(char *line, size_t size, size_t count, void *data)
{
        struct download *download = data;
        size_t length = size * count;
        g_autofree char *text = g_strndup(line, length);
        char *value = strchr(text, ':');

        if (g_str_has_prefix(text, "HTTP/")) { /* also that of a redirection: what it said counts no more */
                g_clear_pointer(&download->answer_etag, g_free);
                g_clear_pointer(&download->answer_modified, g_free);
                download->answer_from = download->answer_all = 0;
        }
        if (!value)
                return length;
        *value++ = '\0';
        g_strstrip(value);
        if (g_ascii_strcasecmp(text, "etag") == 0 && !g_str_has_prefix(value, "W/")) {
                g_free(download->answer_etag);
                download->answer_etag = g_strdup(value);
        } else if (g_ascii_strcasecmp(text, "last-modified") == 0) {
                g_free(download->answer_modified);
                download->answer_modified = g_strdup(value);
        } else if (g_ascii_strcasecmp(text, "content-range") == 0 && g_ascii_strncasecmp(value, "bytes ", 6) == 0) {
                download->answer_from = g_ascii_strtoull(value + 6, NULL, 10);
                download->answer_all = value[6] == '*' && value[7] == '/' ? g_ascii_strtoull(value + 8, NULL, 10) : 0;
        }
        return length;
}

/* Is the file of this answer the one that we have the beginning of? */
static gboolean
is_same_file(const struct download *download)
{
        if (download->etag || download->answer_etag)
                return g_strcmp0(download->etag, download->answer_etag) == 0;
        return download->last_modified && g_strcmp0(download->last_modified, download->answer_modified) == 0;
}

static gboolean
has_room(struct download *download)
{
        struct statvfs fs;
        guint64 missing = download->total - download->received;

        if (download->total <= download->received || fstatvfs(download->fd, &fs) < 0 ||
            (guint64)fs.f_bavail * fs.f_frsize >= missing)
                return TRUE;
        download->write_failure = ENOSPC;
        return FALSE;
}

/* The first bytes of a body: what is it, and from where? FALSE ends the transfer. */
static gboolean
begin_answer(struct download *download)
{
        long status = 0;
        curl_off_t length = -1;
        gboolean is_file = g_str_has_prefix(download->url, "file:");

        download->answer_begun = TRUE;
        curl_easy_getinfo(download->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(download->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        if (is_file && download->received)
                download->answer_from = download->received; /* libcurl went there itself */
        if (download->received && (!is_same_file(download) || download->answer_from > download->received)) {
                download->changed = TRUE;
                return FALSE;
        }
        download->skip = download->received - download->answer_from;
        download->total = length >= 0 ? download->answer_from + (guint64)length : 0;
        if (!download->received) {
                g_free(download->etag);
                g_free(download->last_modified);
                download->etag = g_strdup(download->answer_etag);
                download->last_modified = g_strdup(download->answer_modified);
                save_info(download);
        }
        return has_room(download);
}

static gboolean
append(struct download *download, const char *data, size_t length)
{
        while (length > 0) {
                ssize_t n = write(download->fd, data, length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        download->write_failure = errno;
                        return FALSE;
                }
                g_byte_array_append(download->chunk, (const guint8 *)data, (guint)n);
                download->received += (guint64)n;
                data += n;
                length -= (size_t)n;
        }
        digest_advance(download->digest, download->received);
        return TRUE;
}

static size_t
take_body(char *data, size_t size, size_t count, void *user)
{
        struct download *download = user;
        size_t length = size * count, skipped;

        if (!download->answer_begun && !begin_answer(download))
                return 0;
        skipped = MIN(length, download->skip);
        download->skip -= skipped;
        if (download->received + (length - skipped) > download->request.max_bytes) {
                download->write_failure = EFBIG;
                return 0;
        }
        return append(download, data + skipped, length - skipped) ? length : 0;
}

/* ---- a transfer ---- */

static void
end_transfer(struct download *download)
{
        if (download->easy) {
                curl_multi_remove_handle(download->multi, download->easy);
                curl_easy_cleanup(g_steal_pointer(&download->easy));
        }
        curl_slist_free_all(g_steal_pointer(&download->headers));
}

/* Only what has not changed is worth a part of it. */
static void
add_conditions(struct download *download)
{
        g_autofree char *header = NULL;

        if (download->received && download->etag)
                header = g_strconcat("If-Range: ", download->etag, NULL);
        else if (download->received && download->last_modified)
                header = g_strconcat("If-Range: ", download->last_modified, NULL);
        else if (download->request.if_changed && download->request.etag)
                header = g_strconcat("If-None-Match: ", download->request.etag, NULL);
        if (header)
                download->headers = curl_slist_append(download->headers, header);
}

static gboolean
begin_transfer(struct download *download, GError **error)
{
        /* From https a redirection may not lead to where everybody can change what comes. */
        const char *protocols = g_str_has_prefix(download->url, "https:") ? "https" : "http,https";
        CURL *easy = curl_easy_init();

        if (!download->multi)
                download->multi = curl_multi_init();
        if (!download->multi || !easy)
                return error_set(error, DROVER_ERROR_FAILED, "cannot set up libcurl");
        download->easy = easy;
        download->answer_begun = FALSE;
        download->skip = download->answer_from = 0;
        download->received_before = download->received;
        download->message[0] = '\0';
        add_conditions(download);
        curl_easy_setopt(easy, CURLOPT_URL, download->url);
        curl_easy_setopt(easy, CURLOPT_USERAGENT, "drover/" DROVER_VERSION);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS);
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https,file");
        curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)STALLED_SECONDS);
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)CURL_MAX_READ_SIZE / 20);
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, download->message);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, download->headers);
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, download);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, download);
        if (download->received) {
                g_autofree char *range = g_strdup_printf("%" G_GUINT64_FORMAT "-", download->received);

                curl_easy_setopt(easy, CURLOPT_RANGE, range);
        }
        curl_multi_add_handle(download->multi, easy);
        return TRUE;
}

static gboolean
is_transient(CURLcode code, long status)
{
        switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
        case CURLE_COULDNT_CONNECT:
        case CURLE_OPERATION_TIMEDOUT:
        case CURLE_PARTIAL_FILE:
        case CURLE_GOT_NOTHING:
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
                return TRUE;
        case CURLE_HTTP_RETURNED_ERROR:
                return status == 408 || status == 425 || status == 429 || status >= 500;
        default:
                return FALSE;
        }
}

static gboolean
fail_status(struct download *download, long status, GError **error)
{
        enum drover_error code = status == 404 || status == 410   ? DROVER_ERROR_NOT_FOUND
                                 : status == 401 || status == 403 ? DROVER_ERROR_PERMISSION
                                                                  : DROVER_ERROR_FAILED;

        error_set(error, code, "cannot fetch '%s': the server answers with status %ld", download->shown, status);
        if (code == DROVER_ERROR_NOT_FOUND)
                return error_hint(error, "look whether the URL is right: a newer image may have taken its place");
        if (code == DROVER_ERROR_PERMISSION)
                return error_hint(error, "fetch it by hand and write the path of the file");
        return FALSE;
}

static gboolean
fail_changed(struct download *download, GError **error)
{
        if (!download->etag && !download->last_modified)
                return error_set(error, DROVER_ERROR_CORRUPT,
                                 "the connection for '%s' broke, and the server does not say what would tell whether a second "
                                 "half belongs to the first", download->shown);
        return error_set(error, DROVER_ERROR_CORRUPT, "'%s' changed while it was fetched", download->shown);
}

static gboolean
fail(struct download *download, CURLcode code, long status, GError **error)
{
        const char *reason = *download->message ? download->message : curl_easy_strerror(code);

        if (download->changed)
                return fail_changed(download, error);
        if (download->write_failure == EFBIG)
                return error_set(error, DROVER_ERROR_FAILED, "cannot fetch '%s': it is larger than %" G_GUINT64_FORMAT " bytes",
                                 download->shown, download->request.max_bytes);
        if (download->write_failure) {
                error_from_errno(error, download->write_failure, "cannot fetch '%s': cannot write '%s'", download->shown,
                                 download->part);
                return download->write_failure == ENOSPC && download->total
                               ? error_hint(error,
                                            "it takes %" G_GUINT64_FORMAT " MiB; make room, or let DROVER_CACHE_DIR name "
                                            "another directory",
                                            (download->total >> 20) + 1)
                               : FALSE;
        }
        if (code == CURLE_HTTP_RETURNED_ERROR)
                return fail_status(download, status, error);
        return error_set(error,
                         code == CURLE_FILE_COULDNT_READ_FILE ? DROVER_ERROR_NOT_FOUND
                         : code == CURLE_OPERATION_TIMEDOUT   ? DROVER_ERROR_TIMEOUT
                                                              : DROVER_ERROR_FAILED,
                         "cannot fetch '%s': %s", download->shown, reason);
}

static gboolean
is_stopped(const struct download *download, GError **error)
{
        if (!download->request.stop || !g_atomic_int_get(download->request.stop))
                return FALSE;
        error_set(error, DROVER_ERROR_INTERRUPTED, "'%s' was not fetched to its end", download->shown);
        error_hint(error, "the next try goes on from there");
        return TRUE;
}

/* Before a new try; FALSE when it is to stop. */
static gboolean
pause_before_retry(struct download *download, GError **error)
{
        guint left = MIN(download->request.retry_ms << (download->tries - 1), LONGEST_PAUSE_MS);

        while (left > 0) {
                guint slice = MIN(left, 100); /* nobody wakes us when it is to stop */

                if (is_stopped(download, error))
                        return FALSE;
                poll(NULL, 0, (int)slice);
                left -= slice;
        }
        return TRUE;
}

/* A transfer has ended: well, for a while, or for good. */
static gboolean
settle(struct download *download, CURLcode code, GError **error)
{
        long status = 0;

        curl_easy_getinfo(download->easy, CURLINFO_RESPONSE_CODE, &status);
        end_transfer(download);
        if (status == 304) {
                download->ended = download->unchanged = TRUE;
                return TRUE;
        }
        if (status == 416 && download->answer_all == download->received) {
                download->ended = TRUE; /* an earlier process had all of it */
                return TRUE;
        }
        if (status == 416 || (code == CURLE_RANGE_ERROR && download->received))
                return fail_changed(download, error);
        if (code == CURLE_OK && (!download->total || download->received == download->total)) {
                download->ended = TRUE;
                return TRUE;
        }
        if (code == CURLE_OK)
                code = CURLE_PARTIAL_FILE;
        download->tries = download->received > download->received_before ? 1 : download->tries + 1;
        if (download->changed || download->write_failure || !is_transient(code, status) || download->tries >= TRIES)
                return fail(download, code, status, error);
        return pause_before_retry(download, error) && begin_transfer(download, error);
}

/* Lets the network go on until there are bytes, or the end. */
static gboolean
receive(struct download *download, GError **error)
{
        while (!download->ended && download->chunk->len == 0) {
                int running = 0, left = 0;
                CURLMsg *message;

                if (is_stopped(download, error))
                        return FALSE;
                if (!download->easy && !begin_transfer(download, error))
                        return FALSE;
                curl_multi_perform(download->multi, &running);
                message = curl_multi_info_read(download->multi, &left);
                if (message && message->msg == CURLMSG_DONE) {
                        if (!settle(download, message->data.result, error))
                                return FALSE;
                } else if (download->chunk->len == 0) {
                        curl_multi_poll(download->multi, NULL, 0, POLL_MS, NULL);
                }
        }
        return TRUE;
}

/* What an earlier process received. */
static gssize
replay(struct download *download, const void **ret_data, GError **error)
{
        ssize_t n;

        g_byte_array_set_size(download->chunk, REPLAY_BYTES);
        n = pread(download->fd, download->chunk->data, MIN(download->received - download->replayed, REPLAY_BYTES),
                  (off_t)download->replayed);
        if (n <= 0) {
                error_from_errno(error, n < 0 ? errno : ENODATA, "cannot read '%s'", download->part);
                return -1;
        }
        download->replayed += (guint64)n;
        *ret_data = download->chunk->data;
        return n;
}

gssize
download_read(struct download *download, const void **ret_data, GError **error)
{
        if (!download->chunk_taken && download->replayed < download->received)
                return replay(download, ret_data, error);
        download->chunk_taken = TRUE; /* from here on, what comes in is in the chunk */
        g_byte_array_set_size(download->chunk, 0);
        if (!receive(download, error))
                return -1;
        if (download->request.progress)
                download->request.progress(download->request.data, download->received, download->total);
        *ret_data = download->chunk->data;
        return download->chunk->len;
}

gboolean
download_is_unchanged(const struct download *download)
{
        return download->unchanged;
}

const char *
download_etag(const struct download *download)
{
        return download->etag;
}

gboolean
download_digests(struct download *download, struct digests *ret_digests, GError **error)
{
        return digest_finish(download->digest, ret_digests, error);
}

void
download_close(struct download *download)
{
        if (!download)
                return;
        end_transfer(download);
        if (download->multi)
                curl_multi_cleanup(download->multi);
        digest_free(download->digest);
        fd_clear(&download->fd);
        g_byte_array_unref(download->chunk);
        g_free(download->url);
        g_free(download->part);
        g_free(download->part_info);
        g_free(download->shown);
        g_free(download->etag);
        g_free(download->last_modified);
        g_free(download->answer_etag);
        g_free(download->answer_modified);
        g_free(download);
}
