/* download.h - the bytes behind a URL, as a stream that outlives broken connections and killed processes
 *
 * Everything received is appended to a part file, and a later download with the same part file goes on where that ends:
 * the bytes are read from the file first, then from the network, so that whoever checks or unpacks the stream sees all of
 * it, whatever happened in between.
 *
 *     download = download_open(&request, &error);
 *     while ((length = download_read(download, &data, &error)) > 0)
 *             ...
 *     download_close(download);
 */
#pragma once

#include "runtime/storage/digest.h"

/** struct validators - What a server calls the version of a file that it has (RFC 9110); each a whole header, or NULL */
struct validators {
        char *etag, *last_modified; /* etag: a strong one */
};
void validators_clear(struct validators *validators);

struct download_request {
        const char *url;      /* http, https or file */
        const char *part;     /* path of the part file; beside it PART.json keeps what tells whether the source changed */
        gboolean with_sha512; /* else only SHA-256 is computed */
        guint64 max_bytes;    /* more is refused; 0: one TiB */
        guint retry_ms;       /* the first pause before a new try, doubled for each without progress; 0: a second */
        gboolean verified;    /* the caller compares with a checksum: what is wrong in the part file will be found */
        const struct validators *known; /* ask only for what differs from that version; NULL: for whatever there is */
        void (*progress)(void *data, guint64 done_bytes, guint64 total_bytes); /* total 0: unknown; or NULL */
        const int *stop;      /* when it becomes nonzero the download ends with DROVER_ERROR_INTERRUPTED; or NULL */
        void *data;
};

struct download;

/**
 * download_open() - Begin, without yet asking the network
 *
 * Fails with DROVER_ERROR_CONFIG for a URL that is none of ours, and as open(2) does on the part file.
 */
struct download *download_open(const struct download_request *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * download_read() - The next bytes
 * @ret_data: on success, where they are, until the next call
 *
 * Returns how many, 0 at the end, -1 on failure: DROVER_ERROR_NOT_FOUND (404, 410), _PERMISSION (401, 403), _TIMEOUT,
 * _INTERRUPTED, _CORRUPT where what the part file holds is no beginning of what the server has now (remove it and begin
 * anew; download_discard()), else _FAILED. What is transient (RFC 9110, 408, 429, 5xx; a broken connection) is tried five
 * times without progress before it is a failure.
 */
gssize download_read(struct download *download, const void **ret_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** download_drain() - All that is left into the part file, for who does not want to see it. Fails as download_read() does */
gboolean download_drain(struct download *download, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** download_is_unchanged() - After the end: did the server say that the known version is still what it has? */
gboolean download_is_unchanged(const struct download *download);

/** download_validators() - After the end: of what came; belong to the download */
const struct validators *download_validators(const struct download *download);

/** download_digests() - After the end of the stream; waits for what is still to be hashed */
gboolean download_digests(struct download *download, struct digests *ret_digests, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** download_close() - The part file stays, for the next one to go on with; NULL is fine */
void download_close(struct download *download);
typedef struct download download_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(download_t, download_close)

/** download_discard() - Forget a part file and what is kept beside it */
void download_discard(const char *part);

/** download_show_url() - A URL for a message: printable, without a password. Returns a new string */
char *download_show_url(const char *url);
