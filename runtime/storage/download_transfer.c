/* download_transfer.c - one request after another: what is asked for, what is tried again, and what a failure is called */
#include "runtime/storage/download_build.h"

#include "base/error.h"
#include "base/text.h"

#include <poll.h>
#include <string.h>

enum {
        TRIES = 5, /* without progress */
        REDIRECTS = 10,
        CONNECT_SECONDS = 30,
        STALLED_SECONDS = 30,
        LONGEST_PAUSE_MS = 30000,
};

void
download_end_transfer(struct download *download)
{
        if (download->easy) {
                curl_multi_remove_handle(download->multi, download->easy);
                curl_easy_cleanup(g_steal_pointer(&download->easy));
        }
        curl_slist_free_all(g_steal_pointer(&download->headers));
}

/* Is it asked whether there is another version than that which we know? */
static gboolean
asks_for_news(const struct download *download, guint64 received)
{
        const struct validators *known = download->request.known;

        return known && (known->etag || known->last_modified) && !received;
}

/* Only what has not changed is worth a part of it. */
static void
add_conditions(struct download *download)
{
        const struct validators *known = download->request.known;
        g_autofree char *header = NULL;

        if (download->received && download->version.etag)
                header = g_strconcat("If-Range: ", download->version.etag, NULL);
        else if (download->received && download->version.last_modified)
                header = g_strconcat("If-Range: ", download->version.last_modified, NULL);
        else if (asks_for_news(download, download->received) && known->etag)
                header = g_strconcat("If-None-Match: ", known->etag, NULL);
        else if (asks_for_news(download, download->received))
                header = g_strconcat("If-Modified-Since: ", known->last_modified, NULL);
        if (header)
                download->headers = curl_slist_append(download->headers, header);
}

gboolean
download_begin_transfer(struct download *download, GError **error)
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
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, download_take_header);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, download);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, download_take_body);
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
        if (!download->version.etag && !download->version.last_modified)
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

gboolean
download_fail_stopped(const struct download *download, GError **error)
{
        error_set(error, DROVER_ERROR_INTERRUPTED, "'%s' was not fetched to its end", download->shown);
        return download->version.etag || download->version.last_modified
                       ? error_hint(error, "the next try goes on from there")
                       : FALSE;
}

/* Before a new try; FALSE when it is to stop. */
static gboolean
pause_before_retry(struct download *download, GError **error)
{
        guint left = MIN(download->request.retry_ms << (download->tries - 1), LONGEST_PAUSE_MS);

        while (left > 0) {
                guint slice = MIN(left, 100); /* nobody wakes us when it is to stop */

                if (download_is_stopped(download))
                        return download_fail_stopped(download, error);
                poll(NULL, 0, (int)slice);
                left -= slice;
        }
        return TRUE;
}

/* A transfer has ended: well, for a while, or for good. */
gboolean
download_settle(struct download *download, CURLcode code, GError **error)
{
        long status = 0;

        curl_easy_getinfo(download->easy, CURLINFO_RESPONSE_CODE, &status);
        download_end_transfer(download);
        if (download_is_stopped(download))
                return download_fail_stopped(download, error);
        if (status == 304 && asks_for_news(download, download->received_before)) {
                download->ended = download->unchanged = TRUE;
                return TRUE;
        }
        if (status == 416 && download->received_before && download->answer_all == download->received) {
                download->ended = TRUE; /* an earlier process had all of it */
                return TRUE;
        }
        if (status == 416 || (code == CURLE_RANGE_ERROR && download->received))
                return fail_changed(download, error);
        if (download->answer_strange || (code == CURLE_OK && !download_is_answer(download, status)))
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
        return pause_before_retry(download, error) && download_begin_transfer(download, error);
}
