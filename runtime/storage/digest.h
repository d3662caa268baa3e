/* digest.h - the checksum of a file that is still being written, computed on a thread of its own behind the writer
 *
 * So that hashing costs a download no time. OpenSSL's libcrypto, which libcurl brings along, uses the CPU's instructions for
 * it and is ten times as fast as GLib's.
 */
#pragma once

#include <glib.h>

enum { DIGEST_TEXT_MAX = 129 }; /* SHA-512 in hexadecimal, with its NUL */

/** struct digests - In lower-case hexadecimal; sha512 is empty where it was not asked for */
struct digests {
        char sha256[DIGEST_TEXT_MAX], sha512[DIGEST_TEXT_MAX];
};

struct digest;

/** digest_new() - Begin at the start of the file behind @fd, which stays the caller's and open until digest_free() */
struct digest *digest_new(int fd, gboolean with_sha512);

/** digest_advance() - The first @bytes of the file are written now */
void digest_advance(struct digest *digest, guint64 bytes);

/** digest_finish() - Wait until all that was announced is hashed. Fails as pread(2) does, or where the file is shorter */
gboolean digest_finish(struct digest *digest, struct digests *ret_digests, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void digest_free(struct digest *digest);
typedef struct digest digest_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(digest_t, digest_free)
