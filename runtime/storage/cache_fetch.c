/* cache_fetch.c - an image from its source into the cache, checked and unpacked */
#include "runtime/storage/cache_build.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "runtime/storage/checksums.h"
#include "runtime/storage/unpack.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
        LOCK_POLL_MS = 200, /* a lock that is waited for blocks, and could not be given up */
        IMAGE_MODE = 0444,
};

#define IMAGE_MAX_BYTES ((guint64)1 << 42) /* 4 TiB, unpacked */

/* The files that one fetch works with. */
struct fetch {
        const char *cache;
        const struct cache_source *source;
        const struct cache_watch *watch;
        struct cache_source listed; /* the same source with the sum that the list has for it */
        struct digests sums;
        char *part, *lock, *url_info, *draft;
        int lock_fd;
        char *known; /* digest that the URL led to before, where the cache has it; or NULL */
        struct validators known_version;
};

static void
fetch_clear(struct fetch *fetch)
{
        g_free(fetch->part);
        g_free(fetch->lock);
        g_free(fetch->url_info);
        g_free(fetch->draft);
        g_free(fetch->known);
        validators_clear(&fetch->known_version);
        fd_clear(&fetch->lock_fd);
}

typedef struct fetch fetch_t;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(fetch_t, fetch_clear)

static gboolean
make_directories(const char *cache, GError **error)
{
        static const char *const below[] = {"images", "urls", "partial"};

        for (size_t i = 0; i < G_N_ELEMENTS(below); i++) {
                g_autofree char *path = g_build_filename(cache, below[i], NULL);

                if (!file_make_directory(path, 0700, error)) /* QEMU gets images as descriptors */
                        return FALSE;
        }
        return TRUE;
}

/* The lock's file may be removed by whoever holds it: the one that is locked has to be the one of that name. */
static gboolean
is_lock_current(const struct fetch *fetch)
{
        struct stat held, named;

        return fstat(fetch->lock_fd, &held) == 0 && stat(fetch->lock, &named) == 0 && held.st_ino == named.st_ino &&
               held.st_dev == named.st_dev;
}

/* The lock has no pid of its own, so its holder writes one into it. */
static void
sign_lock(const struct fetch *fetch)
{
        g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());

        if (ftruncate(fetch->lock_fd, 0) < 0 || pwrite(fetch->lock_fd, text, strlen(text), 0) < 0)
                g_debug("who waits for '%s' is not told for whom", fetch->lock);
}

static int
read_signature(const struct fetch *fetch)
{
        g_autofree char *text = NULL;

        return file_read(fetch->lock, 64, &text, NULL, NULL) ? (int)g_ascii_strtoull(text, NULL, 10) : 0;
}

static void
tell_waiting(const struct fetch *fetch, int pid)
{
        if (fetch->watch->waiting)
                fetch->watch->waiting(fetch->watch->data, pid);
}

static gboolean
take_lock(struct fetch *fetch, GError **error)
{
        for (;;) {
                GError *local = NULL;
                int holder;

                if (file_lock(fetch->lock, &fetch->lock_fd, &local)) {
                        if (is_lock_current(fetch)) {
                                tell_waiting(fetch, 0);
                                sign_lock(fetch);
                                return TRUE;
                        }
                        fd_clear(&fetch->lock_fd);
                        continue;
                }
                if (!g_error_matches(local, DROVER_ERROR, DROVER_ERROR_LOCKED)) {
                        g_propagate_error(error, local);
                        return FALSE;
                }
                g_error_free(local);
                holder = read_signature(fetch);
                tell_waiting(fetch, holder);
                if (fetch->watch->stop && g_atomic_int_get(fetch->watch->stop))
                        return error_set(error, DROVER_ERROR_INTERRUPTED, "another drover (pid %d) fetches the image", holder);
                poll(NULL, 0, LOCK_POLL_MS);
        }
}

static gboolean
check_one(const char *name, const char *wanted, const char *got, const struct cache_source *source, GError **error)
{
        g_autofree char *shown = NULL, *list = NULL;

        if (!wanted || g_ascii_strcasecmp(wanted, got) == 0)
                return TRUE;
        shown = download_show_url(source->url);
        error_set(error, DROVER_ERROR_CORRUPT, "what came from '%s' has another %s than wanted: %s, not %s", shown, name, got,
                  wanted);
        if (!source->checksums)
                return error_hint(error, "if the image was replaced on purpose, write the new sum; nothing was kept");
        list = download_show_url(source->checksums);
        return error_hint(error, "that is what '%s' says: it may be of another day than the image; nothing was kept", list);
}

/* A stream that begins with bytes that were looked at already. */
struct headed {
        struct download *download;
        GByteArray *head;
        gboolean given;
};

static gssize
read_headed(void *data, const void **ret_bytes, GError **error)
{
        struct headed *headed = data;

        if (headed->given)
                return download_read(headed->download, ret_bytes, error);
        headed->given = TRUE;
        *ret_bytes = headed->head->data;
        return headed->head->len;
}

/* Reads as much as tells what it is. */
static gboolean
read_head(struct download *download, GByteArray *head, GError **error)
{
        while (head->len < UNPACK_HEAD_BYTES) {
                const void *bytes;
                gssize n = download_read(download, &bytes, error);

                if (n < 0)
                        return FALSE;
                if (n == 0)
                        break;
                g_byte_array_append(head, bytes, (guint)n);
        }
        return TRUE;
}

/* Unpacks to the draft while it streams by. */
static gboolean
unpack(struct fetch *fetch, struct headed *headed, GError **error)
{
        auto_fd fd = open(fetch->draft, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        g_autofree char *shown = download_show_url(fetch->source->url);

        if (fd < 0)
                return error_errno(error, "cannot make '%s'", fetch->draft);
        if (!unpack_stream(read_headed, headed, fd, IMAGE_MAX_BYTES, fetch->watch->stop, error))
                return error_prefix(error, "image '%s'", shown);
        if (fsync(fd) < 0)
                return error_errno(error, "cannot write '%s'", fetch->draft);
        return download_drain(headed->download, error);
}

/* What is the finished image, of all that was written: the part file itself, or what was unpacked from it. */
static gboolean
receive(struct fetch *fetch, struct download *download, const char **ret_file, GError **error)
{
        g_autoptr(GByteArray) head = g_byte_array_new();
        struct headed headed = {download, head, FALSE};

        if (!read_head(download, head, error))
                return FALSE;
        if (unpack_kind(head->data, head->len)) {
                *ret_file = fetch->draft;
                return unpack(fetch, &headed, error);
        }
        *ret_file = fetch->part;
        return download_drain(download, error);
}

/* The URL leads to that image from now on. @version: what the server calls it; NULL: not known */
static gboolean
note_url(const struct fetch *fetch, const char *digest, const struct validators *version, GError **error)
{
        g_autofree char *shown = download_show_url(fetch->source->url);
        g_autoptr(json_t) url = json_pack("{s:i, s:s}", "schema", 1, "digest", digest);

        json_set_text(url, "url", shown); /* for people: the file's name tells the URL, and a password is not kept */
        json_set_text(url, "etag", version ? version->etag : NULL);
        json_set_text(url, "last_modified", version ? version->last_modified : NULL);
        return json_write_file(fetch->url_info, url, 0600, error);
}

/* @file: what will be in place, unless it is already */
static gboolean
note_image(const struct fetch *fetch, const char *file, const char *digest, const struct digests *digests, GError **error)
{
        g_autofree char *path = cache_image_info_path(fetch->cache, digest), *placed = cache_image_path(fetch->cache, digest);
        g_autoptr(json_t) image = json_pack("{s:i, s:I}", "schema", 1, "fetched_at", (json_int_t)(g_get_real_time() / 1000000));
        g_autoptr(json_t) before = json_read_file(path, NULL);
        g_autofree char *shown = download_show_url(fetch->source->url);
        const char *sha512 = *digests->sha512 ? digests->sha512 : json_text(before, "sha512");
        gboolean stays = file_exists(placed) && json_number(before, "mtime_ns", 0);
        struct stat st;

        if (stat(placed, &st) < 0 && stat(file, &st) < 0)
                return error_errno(error, "cannot keep '%s'", file);
        json_set_text(image, "url", shown);
        json_set_text(image, "sha512", sha512); /* who wants it by that sum finds it, though it came by another this time */
        json_set(image, "size_bytes", json_integer(stays ? json_number(before, "size_bytes", 0) : st.st_size));
        json_set(image, "mtime_ns", json_integer(stays ? json_number(before, "mtime_ns", 0) : cache_mtime_ns(&st)));
        return json_write_file(path, image, 0600, error);
}

/* Puts a finished file in place. */
static gboolean
place(struct fetch *fetch, const char *file, const char *digest, char **ret_path, GError **error)
{
        g_autofree char *path = cache_image_path(fetch->cache, digest);
        auto_fd fd = open(file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0 || fchmod(fd, IMAGE_MODE) < 0)
                return error_errno(error, "cannot keep '%s'", file);
        if (file_exists(path)) /* overlays lie on it: it stays the file that it is */
                unlink(file);
        else if (rename(file, path) < 0)
                return error_errno(error, "cannot put the image in place at '%s'", path);
        if (!file_sync_directory(path, error))
                return FALSE;
        download_discard(fetch->part);
        *ret_path = g_steal_pointer(&path);
        return TRUE;
}

/* One try, from what the part file has. */
static gboolean
fetch_once(struct fetch *fetch, char **ret_path, GError **error)
{
        const struct cache_source *source = fetch->source;
        struct download_request request = {
                .url = source->url,
                .part = fetch->part,
                .with_sha512 = source->sha512 != NULL,
                .verified = source->sha256 || source->sha512,
                .retry_ms = fetch->watch->retry_ms,
                .known = fetch->known ? &fetch->known_version : NULL,
                .progress = fetch->watch->progress,
                .stop = fetch->watch->stop,
                .data = fetch->watch->data,
        };
        g_autoptr(download_t) download = download_open(&request, error);
        g_autofree char *digest = NULL;
        const char *file = NULL;
        struct digests digests;

        if (!download || !receive(fetch, download, &file, error))
                return FALSE;
        if (download_is_unchanged(download)) {
                download_discard(fetch->part);
                *ret_path = cache_image_path(fetch->cache, fetch->known);
                return TRUE;
        }
        if (!download_digests(download, &digests, error))
                return FALSE;
        if (!check_one("SHA-256", source->sha256, digests.sha256, source, error) ||
            !check_one("SHA-512", source->sha512, digests.sha512, source, error))
                return FALSE;
        digest = g_strconcat("sha256-", digests.sha256, NULL);
        return note_image(fetch, file, digest, &digests, error) &&
               note_url(fetch, digest, download_validators(download), error) && place(fetch, file, digest, ret_path, error);
}

/* ---- the list of checksums ---- */

/* Without directories, and without what follows a path in a URL. New string. */
static char *
name_of_url(const char *url)
{
        g_autofree char *path = g_strndup(url, strcspn(url, "?#"));

        return g_path_get_basename(path);
}

/* The text behind the URL, by way of a part file that is not kept. */
static char *
read_list(const struct fetch *fetch, GError **error)
{
        g_autofree char *part = g_strconcat(fetch->part, ".sums", NULL);
        struct download_request request = {
                .url = fetch->source->checksums,
                .part = part,
                .max_bytes = CHECKSUMS_MAX_BYTES,
                .retry_ms = fetch->watch->retry_ms,
                .stop = fetch->watch->stop,
        };
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(download_t) download = NULL;
        const void *bytes;
        gssize n = -1;

        download_discard(part);
        download = download_open(&request, error);
        while (download && (n = download_read(download, &bytes, error)) > 0)
                g_string_append_len(text, bytes, n);
        download_discard(part);
        return n == 0 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

/* From here on the source has a checksum, and an image of that sum is it, whatever URL it came from. */
static gboolean
read_checksums(struct fetch *fetch, GError **error)
{
        const struct cache_source *source = fetch->source;
        g_autofree char *list = name_of_url(source->checksums), *file = name_of_url(source->url);
        g_autofree char *text = read_list(fetch, error);

        if (!text || !checksums_find(text, list, file, &fetch->sums, error))
                return error_prefix(error, "image '%s' cannot be checked", file);
        fetch->listed = *source;
        fetch->listed.sha256 = *fetch->sums.sha256 ? fetch->sums.sha256 : NULL;
        fetch->listed.sha512 = *fetch->sums.sha512 ? fetch->sums.sha512 : NULL;
        fetch->source = &fetch->listed;
        return TRUE;
}

static gboolean
fetch_locked(struct fetch *fetch, char **ret_path, GError **error)
{
        struct stat st;
        gboolean resumed = stat(fetch->part, &st) == 0 && st.st_size > 0;

        for (;;) {
                GError *local = NULL;
                gboolean ok = fetch_once(fetch, ret_path, &local);

                unlink(fetch->draft);
                if (ok)
                        return TRUE;
                if (g_error_matches(local, DROVER_ERROR, DROVER_ERROR_CORRUPT))
                        download_discard(fetch->part);
                /* What an earlier run left may be of another file: then, once, all of it anew. */
                if (!resumed || !g_error_matches(local, DROVER_ERROR, DROVER_ERROR_CORRUPT)) {
                        g_propagate_error(error, local);
                        return FALSE;
                }
                g_error_free(local);
                resumed = FALSE;
        }
}

/* The list tells whether the image is here, whatever URL it came from and whatever the server calls it. */
static gboolean
fetch_listed(struct fetch *fetch, char **ret_path, GError **error)
{
        g_autofree char *found = NULL, *digest = NULL;

        if (!read_checksums(fetch, error))
                return FALSE;
        found = cache_find(fetch->cache, fetch->source);
        if (!found)
                return fetch_locked(fetch, ret_path, error);
        digest = g_path_get_basename(found);
        if (!note_url(fetch, digest, NULL, error))
                return FALSE;
        *ret_path = g_steal_pointer(&found);
        return TRUE;
}

gboolean
cache_fetch(const char *cache, const struct cache_source *source, gboolean always, const struct cache_watch *watch,
            char **ret_path, GError **error)
{
        static const struct cache_watch nobody = {0};
        g_autofree char *key = g_compute_checksum_for_string(G_CHECKSUM_SHA256, source->url, -1);
        g_autofree char *lock_name = g_strconcat(key, ".lock", NULL), *draft_name = g_strconcat(".", key, ".draft", NULL);
        g_auto(fetch_t) fetch = {.cache = cache, .source = source, .watch = watch ? watch : &nobody, .lock_fd = -1};
        gboolean is_fixed = source->sha256 || source->sha512;
        g_autofree char *found = cache_find(cache, source);

        if (found && (is_fixed || !always)) {
                *ret_path = g_steal_pointer(&found);
                return TRUE;
        }
        fetch.part = g_build_filename(cache, "partial", key, NULL);
        fetch.lock = g_build_filename(cache, "partial", lock_name, NULL);
        fetch.draft = g_build_filename(cache, "partial", draft_name, NULL);
        fetch.url_info = cache_url_info_path(cache, source->url);
        if (!make_directories(cache, error) || !take_lock(&fetch, error))
                return FALSE;
        g_free(found);
        found = cache_find(cache, source); /* the one that we waited for may have fetched it */
        if (found && (is_fixed || !always)) {
                *ret_path = g_steal_pointer(&found);
                return TRUE;
        }
        if (source->checksums && !is_fixed)
                return fetch_listed(&fetch, ret_path, error);
        if (found)
                fetch.known = cache_find_digest(cache, source, &fetch.known_version);
        return fetch_locked(&fetch, ret_path, error);
}
