/* digest.c - the checksum of a file that is still being written, computed on a thread of its own behind the writer */
#include "runtime/storage/digest.h"

#include "base/error.h"
#include "runtime/storage/libcrypto.h"

#include <unistd.h>

enum { CHUNK_BYTES = 1 << 20 };

struct digest {
        int fd;
        EVP_MD_CTX *sha256, *sha512; /* sha512 NULL: not asked for */
        GThread *thread;
        GMutex mutex;
        GCond cond;
        guint64 announced; /* with the mutex, as is what follows */
        gboolean ended, dropped; /* hash what was announced and stop; stop at once */
        int failure; /* errno of the reader, or 0 */
};

/* Waits for more to be announced. Returns FALSE at the end. */
static gboolean
wait_for_more(struct digest *digest, guint64 done, guint64 *ret_announced)
{
        g_mutex_lock(&digest->mutex);
        while (digest->announced == done && !digest->ended)
                g_cond_wait(&digest->cond, &digest->mutex);
        *ret_announced = digest->dropped ? done : digest->announced;
        g_mutex_unlock(&digest->mutex);
        return *ret_announced > done;
}

static void
set_failure(struct digest *digest, int number)
{
        g_mutex_lock(&digest->mutex);
        digest->failure = number;
        g_mutex_unlock(&digest->mutex);
}

static gpointer
run(gpointer data)
{
        struct digest *digest = data;
        g_autofree char *chunk = g_malloc(CHUNK_BYTES);
        guint64 done = 0, announced = 0;

        while (wait_for_more(digest, done, &announced)) {
                ssize_t n = pread(digest->fd, chunk, MIN(announced - done, CHUNK_BYTES), (off_t)done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        set_failure(digest, n < 0 ? errno : ENODATA);
                        break;
                }
                EVP_DigestUpdate(digest->sha256, chunk, (size_t)n);
                if (digest->sha512)
                        EVP_DigestUpdate(digest->sha512, chunk, (size_t)n);
                done += (guint64)n;
        }
        return NULL;
}

static EVP_MD_CTX *
make_context(const EVP_MD *algorithm)
{
        EVP_MD_CTX *context = EVP_MD_CTX_new();

        if (!context || !EVP_DigestInit_ex(context, algorithm, NULL))
                g_error("out of memory");
        return context;
}

struct digest *
digest_new(int fd, gboolean with_sha512)
{
        struct digest *digest = g_new0(struct digest, 1);

        digest->fd = fd;
        digest->sha256 = make_context(EVP_sha256());
        digest->sha512 = with_sha512 ? make_context(EVP_sha512()) : NULL;
        g_mutex_init(&digest->mutex);
        g_cond_init(&digest->cond);
        digest->thread = g_thread_new("digest", run, digest);
        return digest;
}

void
digest_advance(struct digest *digest, guint64 bytes)
{
        g_mutex_lock(&digest->mutex);
        digest->announced = MAX(digest->announced, bytes);
        g_cond_signal(&digest->cond);
        g_mutex_unlock(&digest->mutex);
}

static void
join(struct digest *digest, gboolean drop)
{
        if (!digest->thread)
                return;
        g_mutex_lock(&digest->mutex);
        digest->ended = TRUE;
        digest->dropped = drop;
        g_cond_signal(&digest->cond);
        g_mutex_unlock(&digest->mutex);
        g_thread_join(g_steal_pointer(&digest->thread));
}

static void
print_digest(EVP_MD_CTX *context, char text[DIGEST_TEXT_MAX])
{
        unsigned char bytes[EVP_MAX_MD_SIZE];
        unsigned int length = 0;

        text[0] = '\0';
        if (context && EVP_DigestFinal_ex(context, bytes, &length))
                for (unsigned int i = 0; i < length; i++)
                        g_snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

gboolean
digest_finish(struct digest *digest, struct digests *ret_digests, GError **error)
{
        join(digest, FALSE);
        if (digest->failure)
                return error_from_errno(error, digest->failure, "cannot read the file again to check it");
        print_digest(digest->sha256, ret_digests->sha256);
        print_digest(digest->sha512, ret_digests->sha512);
        return TRUE;
}

void
digest_free(struct digest *digest)
{
        if (!digest)
                return;
        join(digest, TRUE); /* nobody waits for gigabytes to be hashed after Ctrl-C */
        EVP_MD_CTX_free(digest->sha256);
        EVP_MD_CTX_free(digest->sha512);
        g_mutex_clear(&digest->mutex);
        g_cond_clear(&digest->cond);
        g_free(digest);
}
