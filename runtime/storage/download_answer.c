/* download_answer.c - what a server answers: which part of which file, and its bytes into the part file */
#include "runtime/storage/download_build.h"

#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { VALIDATOR_MAX = 256, WRITE_BACK_BYTES = 16 << 20 };

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

size_t
download_take_header(char *line, size_t size, size_t count, void *data)
{
        struct download *download = data;
        size_t length = size * count;
        g_autofree char *text = g_strndup(line, length);
        char *value = strchr(text, ':');

        if (g_str_has_prefix(text, "HTTP/")) { /* also that of a redirection: what it said counts no more */
                validators_clear(&download->answer_version);
                download->answer_from = download->answer_all = 0;
                download->answer_ranged = FALSE;
        }
        if (!value)
                return length;
        *value++ = '\0';
        g_strstrip(value);
        if (g_ascii_strcasecmp(text, "etag") == 0 && !g_str_has_prefix(value, "W/")) {
                take_validator(&download->answer_version.etag, value);
        } else if (g_ascii_strcasecmp(text, "last-modified") == 0) {
                take_validator(&download->answer_version.last_modified, value);
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
        if (download->version.etag || download->answer_version.etag)
                return g_strcmp0(download->version.etag, download->answer_version.etag) == 0;
        return download->version.last_modified &&
               g_strcmp0(download->version.last_modified, download->answer_version.last_modified) == 0;
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
gboolean
download_is_answer(const struct download *download, long status)
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
        if (!download_is_answer(download, status)) {
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
                validators_clear(&download->version);
                download->version.etag = g_strdup(download->answer_version.etag);
                download->version.last_modified = g_strdup(download->answer_version.last_modified);
                download_save_info(download);
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
        if (download->received - download->written_back >= WRITE_BACK_BYTES) {
                /* So that the disk writes while the network delivers, and little is left for the sync in the end. A failure is
                 * that sync's to tell. */
                (void)sync_file_range(download->fd, (off_t)download->written_back,
                                      (off_t)(download->received - download->written_back), SYNC_FILE_RANGE_WRITE);
                download->written_back = download->received;
        }
        digest_advance(download->digest, download->received);
        if (download->request.progress)
                download->request.progress(download->request.data, download->received, download->total);
        return TRUE;
}

size_t
download_take_body(char *data, size_t size, size_t count, void *user)
{
        struct download *download = user;
        size_t length = size * count, skipped;

        if (download_is_stopped(download) || (!download->answer_begun && !begin_answer(download)))
                return 0;
        skipped = MIN(length, download->skip);
        download->skip -= skipped;
        if (download->received + (length - skipped) > download->request.max_bytes) {
                download->write_failure = EFBIG;
                return 0;
        }
        return append(download, data + skipped, length - skipped) ? length : 0;
}
