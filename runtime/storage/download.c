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
#include "runtime/storage/download_build.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum {
        CHUNK_BYTES = 1 << 20,
        POLL_MS = 500,
};

#define MAX_BYTES ((guint64)1 << 40)

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

void
validators_clear(struct validators *validators)
{
        g_clear_pointer(&validators->etag, g_free);
        g_clear_pointer(&validators->last_modified, g_free);
}

/* ---- what is kept beside the part file ---- */

/* Which boot of the host this is. New string, or NULL. */
static char *
read_boot(void)
{
        g_autofree char *text = NULL;

        return g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, NULL) ? g_strdup(g_strchomp(text)) : NULL;
}

void
download_discard(const char *part)
{
        g_autofree char *info = g_strconcat(part, ".json", NULL);

        unlink(part);
        unlink(info);
}

void
download_save_info(struct download *download)
{
        g_autoptr(json_t) info = json_pack("{s:i}", "schema", 1);
        g_autofree char *boot = read_boot();
        g_autoptr(GError) error = NULL;

        json_set_text(info, "url", download->shown); /* a password is no business of a file's */
        json_set_text(info, "etag", download->version.etag);
        json_set_text(info, "last_modified", download->version.last_modified);
        json_set_text(info, "boot", boot);
        if (!json_write_file(download->part_info, info, 0600, &error))
                unlink(download->part_info); /* no more than that it cannot be resumed by the next process */
}

/*
 * Is what the part file holds the beginning of something that can be asked for again? It is not synced as it grows: after a
 * power cut it may have holes, so that one of an earlier boot is believed only where a checksum will tell.
 */
static gboolean
load_info(struct download *download)
{
        g_autofree char *boot = read_boot();
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) info = json_read_file(download->part_info, &error);

        if (!info || json_number(info, "schema", 0) != 1 || g_strcmp0(json_text(info, "url"), download->shown) != 0)
                return FALSE;
        if (!download->request.verified && (!boot || g_strcmp0(json_text(info, "boot"), boot) != 0))
                return FALSE;
        download->version.etag = g_strdup(json_text(info, "etag"));
        download->version.last_modified = g_strdup(json_text(info, "last_modified"));
        return download->version.etag || download->version.last_modified;
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

gboolean
download_is_stopped(const struct download *download)
{
        return download->request.stop && g_atomic_int_get(download->request.stop);
}

/* Lets the network go on until there are bytes, or the end. */
static gboolean
receive(struct download *download, GError **error)
{
        while (!download->ended && download->given == download->received) {
                int running = 0, left = 0;
                CURLMsg *message;

                if (download_is_stopped(download))
                        return download_fail_stopped(download, error);
                if (!download->easy && !download_begin_transfer(download, error))
                        return FALSE;
                curl_multi_perform(download->multi, &running);
                message = curl_multi_info_read(download->multi, &left);
                if (message && message->msg == CURLMSG_DONE) {
                        if (!download_settle(download, message->data.result, error))
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
download_drain(struct download *download, GError **error)
{
        do {
                download->given = download->received;
                if (!receive(download, error))
                        return FALSE;
        } while (download->given < download->received);
        return TRUE;
}

gboolean
download_is_unchanged(const struct download *download)
{
        return download->unchanged;
}

const struct validators *
download_validators(const struct download *download)
{
        return &download->version;
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
        download_end_transfer(download);
        if (download->multi)
                curl_multi_cleanup(download->multi);
        digest_free(download->digest);
        fd_clear(&download->fd);
        g_free(download->chunk);
        g_free(download->url);
        g_free(download->part);
        g_free(download->part_info);
        g_free(download->shown);
        validators_clear(&download->version);
        validators_clear(&download->answer_version);
        g_free(download);
}
