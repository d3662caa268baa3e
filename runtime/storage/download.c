/* download.c - the bytes behind a URL, as a stream that outlives broken connections and killed processes
 *
 * libcurl's multi interface is driven only while somebody waits for bytes, so that the stream is pulled: an unpacker that
 * is slower than the network holds the network back. What comes is written to the part file and given to the reader from
 * there: libcurl may deliver any amount at once (of a file: URL all of it), and memory must not grow with it.
 *
 * A broken transfer is asked for again from where it ended (RFC 9110, "Range"), with If-Range where the server gave a
 * validator; one that answers with the whole file instead is skipped up to that place if it is the same file, and is a
 * failure if it is not.
 */
#include "runtime/storage/download.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "runtime/storage/libcurl.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
        CHUNK_BYTES = 1 << 20,
        VALIDATOR_MAX = 256,
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
        guint64 given, received; /* bytes of the part file: given to the reader; there in all */
        guint64 total;              /* 0: unknown */
        struct digest *digest;
        char *chunk; /* the last answer of download_read() */

        CURLM *multi;
        CURL *easy; /* NULL: no transfer runs */
        struct curl_slist *headers;
        char message[CURL_ERROR_SIZE];
        char *etag, *last_modified;         /* of the file that the part is of */
        char *answer_etag, *answer_modified; /* of the answer that comes in */
        guint64 answer_from; /* where the body of this answer begins in the file */
        gboolean answer_ranged; /* and whether it said so */
        guint64 answer_all;  /* how long the file is, said by a refusal of a range; or 0 */
        guint64 skip;        /* bytes of the body that we have already */
        gboolean answer_begun, answer_strange, changed, unchanged, ended;
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

/* A URL may name what never ends, or blocks whoever opens it. */
static gboolean
check_file(const char *url, const char *shown, GError **error)
{
        g_autofree char *path = g_filename_from_uri(url, NULL, NULL);
        struct stat st;

        if (!path || stat(path, &st) < 0 || S_ISREG(st.st_mode))
                return TRUE; /* libcurl says what is wrong with it */
        return error_set(error, DROVER_ERROR_FAILED, "cannot fetch '%s': it is not a regular file", shown);
}

static gboolean
check_url(const char *url, GError **error)
{
        CURLU *parts = curl_url();
        char *scheme = NULL;
        gboolean is_file, known = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                         curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                         (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0 || strcmp(scheme, "file") == 0);
        g_autofree char *shown = download_show_url(url);

        is_file = known && strcmp(scheme, "file") == 0;
        curl_free(scheme);
        curl_url_cleanup(parts);
        if (known)
                return !is_file || check_file(url, shown, error);
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

        json_set_text(info, "url", download->shown); /* a password is no business of a file's */
        json_set_text(info, "etag", download->etag);
        json_set_text(info, "last_modified", download->last_modified);
        if (!json_write_file(download->part_info, info, 0600, &error))
                unlink(download->part_info); /* no more than that it cannot be resumed by the next process */
}

/* Is what the part file holds the beginning of something that can be asked for again? */
static gboolean
load_info(struct download *download)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) info = json_read_file(download->part_info, &error);

        if (!info || json_number(info, "schema", 0) != 1 || g_strcmp0(json_text(info, "url"), download->shown) != 0)
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
        download->chunk = g_malloc(CHUNK_BYTES);
        if (!download->request.max_bytes)
                download->request.max_bytes = MAX_BYTES;
        if (!download->request.retry_ms)
                download->request.retry_ms = 1000;
        if (!check_url(request->url, error) || !open_part(download, error))
                return NULL;
        return g_steal_pointer(&download);
}

/* ---- an answer ---- */

/* It is sent back to whoever the next server is, and kept: nothing that could be more than one header's value. */
static gboolean
is_validator(const char *text)
{
        size_t length = strlen(text);

        for (size_t i = 0; i < length; i++)
                if (!g_ascii_isprint(text[i]))
                        return FALSE;
        return length > 0 && length <= VALIDATOR_MAX;
}

static void
take_validator(char **place, const char *value)
{
        g_free(*place);
        *place = is_validator(value) ? g_strdup(value) : NULL;
}

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
                download->answer_ranged = FALSE;
        }
        if (!value)
                return length;
        *value++ = '\0';
        g_strstrip(value);
        if (g_ascii_strcasecmp(text, "etag") == 0 && !g_str_has_prefix(value, "W/")) {
                take_validator(&download->answer_etag, value);
        } else if (g_ascii_strcasecmp(text, "last-modified") == 0) {
                take_validator(&download->answer_modified, value);
        } else if (g_ascii_strcasecmp(text, "content-range") == 0 && g_ascii_strncasecmp(value, "bytes ", 6) == 0) {
                download->answer_ranged = g_ascii_isdigit(value[6]);
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

        if (download->total > download->request.max_bytes) {
                download->write_failure = EFBIG;
                return FALSE;
        }
        if (download->total <= download->received || fstatvfs(download->fd, &fs) < 0 ||
            (guint64)fs.f_bavail * fs.f_frsize >= missing)
                return TRUE;
        download->write_failure = ENOSPC;
        return FALSE;
}

/* All of it, or the part that was asked for, and nothing else (0: no HTTP). What part it is has to be said. */
static gboolean
is_answer(const struct download *download, long status)
{
        return status == 0 || status == 200 || (status == 206 && download->received_before && download->answer_ranged);
}

/* The first bytes of a body: what is it, and from where? FALSE ends the transfer. */
static gboolean
begin_answer(struct download *download)
{
        long status = 0;
        curl_off_t length = -1;

        download->answer_begun = TRUE;
        curl_easy_getinfo(download->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(download->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        if (!is_answer(download, status)) {
                download->answer_strange = TRUE;
                return FALSE;
        }
        if (status == 200)
                download->answer_from = 0;
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
                download->received += (guint64)n;
                data += n;
                length -= (size_t)n;
        }
        digest_advance(download->digest, download->received);
        if (download->request.progress)
                download->request.progress(download->request.data, download->received, download->total);
        return TRUE;
}

static gboolean
is_stopped(const struct download *download)
{
        return download->request.stop && g_atomic_int_get(download->request.stop);
}

static size_t
take_body(char *data, size_t size, size_t count, void *user)
{
        struct download *download = user;
        size_t length = size * count, skipped;

        if (is_stopped(download) || (!download->answer_begun && !begin_answer(download)))
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
        const char *protocols = g_ascii_strncasecmp(download->url, "https:", strlen("https:")) == 0 ? "https" : "http,https";
        CURL *easy = curl_easy_init();

        if (!download->multi)
                download->multi = curl_multi_init();
        if (!download->multi || !easy)
                return error_set(error, DROVER_ERROR_FAILED, "cannot set up libcurl");
        download->easy = easy;
        download->answer_begun = download->answer_strange = download->answer_ranged = FALSE;
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
        const char *said = *download->message ? download->message : curl_easy_strerror(code);
        g_autofree char *reason = text_make_printable(said, -1); /* it may quote the server */

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
fail_stopped(const struct download *download, GError **error)
{
        error_set(error, DROVER_ERROR_INTERRUPTED, "'%s' was not fetched to its end", download->shown);
        return download->etag || download->last_modified ? error_hint(error, "the next try goes on from there") : FALSE;
}

/* Before a new try; FALSE when it is to stop. */
static gboolean
pause_before_retry(struct download *download, GError **error)
{
        guint left = MIN(download->request.retry_ms << (download->tries - 1), LONGEST_PAUSE_MS);

        while (left > 0) {
                guint slice = MIN(left, 100); /* nobody wakes us when it is to stop */

                if (is_stopped(download))
                        return fail_stopped(download, error);
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
        if (is_stopped(download))
                return fail_stopped(download, error);
        if (status == 304 && download->request.if_changed && download->request.etag && !download->received_before) {
                download->ended = download->unchanged = TRUE;
                return TRUE;
        }
        if (status == 416 && download->received_before && download->answer_all == download->received) {
                download->ended = TRUE; /* an earlier process had all of it */
                return TRUE;
        }
        if (status == 416 || (code == CURLE_RANGE_ERROR && download->received))
                return fail_changed(download, error);
        if (download->answer_strange || (code == CURLE_OK && !is_answer(download, status)))
                return fail_status(download, status, error);
        if (code == CURLE_OK && download->answer_begun && (!download->total || download->received == download->total)) {
                download->ended = TRUE;
                return TRUE;
        }
        if (code == CURLE_OK && !download->received)
                return error_set(error, DROVER_ERROR_FAILED, "cannot fetch '%s': it is empty", download->shown);
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
        while (!download->ended && download->given == download->received) {
                int running = 0, left = 0;
                CURLMsg *message;

                if (is_stopped(download))
                        return fail_stopped(download, error);
                if (!download->easy && !begin_transfer(download, error))
                        return FALSE;
                curl_multi_perform(download->multi, &running);
                message = curl_multi_info_read(download->multi, &left);
                if (message && message->msg == CURLMSG_DONE) {
                        if (!settle(download, message->data.result, error))
                                return FALSE;
                } else if (download->given == download->received) {
                        curl_multi_poll(download->multi, NULL, 0, POLL_MS, NULL);
                }
        }
        return TRUE;
}

gssize
download_read(struct download *download, const void **ret_data, GError **error)
{
        ssize_t n;

        if (!receive(download, error))
                return -1;
        if (download->given == download->received)
                return 0;
        do
                n = pread(download->fd, download->chunk, MIN(download->received - download->given, CHUNK_BYTES),
                          (off_t)download->given);
        while (n < 0 && errno == EINTR);
        if (n <= 0) {
                error_from_errno(error, n < 0 ? errno : ENODATA, "cannot read '%s'", download->part);
                return -1;
        }
        download->given += (guint64)n;
        *ret_data = download->chunk;
        return n;
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
        g_free(download->chunk);
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
