/* download_build.h - shared by the parts of a download (download*.c), and by nobody else */
#pragma once

#include "runtime/storage/download.h"

#include "runtime/storage/libcurl.h"

struct download {
        struct download_request request;
        char *url, *part, *part_info, *shown;
        int fd;
        guint64 given, received; /* bytes of the part file: given to the reader; there in all */
        guint64 written_back;       /* of them the disk has been told to write, on the way */
        guint64 total;              /* 0: unknown */
        struct digest *digest;
        char *chunk; /* the last answer of download_read() */

        CURLM *multi;
        CURL *easy; /* NULL: no transfer runs */
        struct curl_slist *headers;
        char message[CURL_ERROR_SIZE];
        struct validators version;        /* of the file that the part is of */
        struct validators answer_version; /* of the answer that comes in */
        guint64 answer_from; /* where the body of this answer begins in the file */
        gboolean answer_ranged; /* and whether it said so */
        guint64 answer_all;  /* how long the file is, said by a refusal of a range; or 0 */
        guint64 skip;        /* bytes of the body that we have already */
        gboolean answer_begun, answer_strange, changed, unchanged, ended;
        int write_failure; /* errno, or 0 */
        guint tries;
        guint64 received_before; /* when this try began */
};

gboolean download_is_stopped(const struct download *download);

/** download_save_info() - Keep beside the part file what tells whether the source changed */
void download_save_info(struct download *download);

/** download_take_header(), download_take_body() - libcurl's callbacks; the data is the download */
size_t download_take_header(char *line, size_t size, size_t count, void *data);
size_t download_take_body(char *data, size_t size, size_t count, void *user);

/** download_is_answer() - All of it, or the part that was asked for, and nothing else (0: no HTTP) */
gboolean download_is_answer(const struct download *download, long status);

/** download_begin_transfer() - Ask for what is missing */
gboolean download_begin_transfer(struct download *download, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void download_end_transfer(struct download *download);

/** download_settle() - A transfer has ended: well, for a while (then the next one has begun), or for good */
gboolean download_settle(struct download *download, CURLcode code, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** download_fail_stopped() - Returns FALSE */
gboolean download_fail_stopped(const struct download *download, GError **error);
