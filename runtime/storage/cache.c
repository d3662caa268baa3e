/* cache.c - images that were fetched, kept by the checksum of what came */
#include "runtime/storage/cache_build.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

enum { CACHE_LOCK_POLL_MS = 50 }; /* a lock that is waited for blocks, and could not be given up */

void
cached_image_free(struct cached_image *image)
{
        if (!image)
                return;
        g_free(image->path);
        g_free(image->digest);
        g_free(image->url);
        g_free(image);
}

char *
cache_image_path(const char *cache, const char *digest)
{
        return g_build_filename(cache, "images", digest, NULL);
}

char *
cache_image_info_path(const char *cache, const char *digest)
{
        g_autofree char *name = g_strconcat(digest, ".json", NULL);

        return g_build_filename(cache, "images", name, NULL);
}

gboolean
cache_is_digest(const char *text)
{
        return text && g_str_has_prefix(text, "sha256-") && strlen(text) == strlen("sha256-") + 64 &&
               strspn(text + strlen("sha256-"), "0123456789abcdef") == 64;
}

char *
cache_url_info_path(const char *cache, const char *url)
{
        g_autofree char *key = g_compute_checksum_for_string(G_CHECKSUM_SHA256, url, -1);
        g_autofree char *name = g_strconcat(key, ".json", NULL);

        return g_build_filename(cache, "urls", name, NULL);
}

gint64
cache_mtime_ns(const struct stat *st)
{
        return (gint64)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* ---- looking ---- */

/* The digest of the image whose SHA-512 this is: few images have one, so their notes are read. */
static char *
find_sha512(const char *cache, const char *sha512)
{
        g_autofree char *directory = g_build_filename(cache, "images", NULL);
        g_autoptr(GPtrArray) names = file_list_directory(directory, NULL);

        for (guint i = 0; names && i < names->len; i++) {
                const char *name = names->pdata[i];
                g_autofree char *digest = NULL, *path = NULL;
                g_autoptr(json_t) info = NULL;

                if (!g_str_has_suffix(name, ".json"))
                        continue;
                path = g_build_filename(directory, name, NULL);
                info = json_read_file(path, NULL);
                digest = g_strndup(name, strlen(name) - strlen(".json"));
                if (info && cache_is_digest(digest) && g_strcmp0(json_text(info, "sha512"), sha512) == 0)
                        return g_steal_pointer(&digest);
        }
        return NULL;
}

static char *
find_url(const char *cache, const char *url, struct validators *ret_version)
{
        g_autofree char *path = cache_url_info_path(cache, url);
        g_autoptr(json_t) info = json_read_file(path, NULL);
        const char *digest = info ? json_text(info, "digest") : NULL;

        if (!cache_is_digest(digest))
                return NULL;
        if (ret_version)
                *ret_version = (struct validators){g_strdup(json_text(info, "etag")),
                                                   g_strdup(json_text(info, "last_modified"))};
        return g_strdup(digest);
}

char *
cache_find_digest(const char *cache, const struct cache_source *source, struct validators *ret_version)
{
        g_autofree char *lower = NULL;

        if (source->sha256) {
                lower = g_ascii_strdown(source->sha256, -1);
                return g_strconcat("sha256-", lower, NULL);
        }
        if (source->sha512) {
                lower = g_ascii_strdown(source->sha512, -1);
                return find_sha512(cache, lower);
        }
        return find_url(cache, source->url, ret_version);
}

char *
cache_expect(const char *cache, const struct cache_source *source)
{
        g_autofree char *digest = cache_find_digest(cache, source, NULL);

        return digest ? cache_image_path(cache, digest) : NULL;
}

char *
cache_find(const char *cache, const struct cache_source *source)
{
        g_autofree char *path = cache_expect(cache, source);

        return path && file_exists(path) ? g_steal_pointer(&path) : NULL;
}

gboolean
cache_is_same(const char *a, const char *b)
{
        g_autofree char *base = a ? g_path_get_basename(a) : NULL, *other = b ? g_path_get_basename(b) : NULL;

        return g_strcmp0(a, b) == 0 || (cache_is_digest(base) && g_strcmp0(base, other) == 0);
}

gboolean
cache_is_intact(const char *path)
{
        g_autofree char *base = g_path_get_basename(path), *note = g_strconcat(path, ".json", NULL);
        g_autoptr(json_t) info = cache_is_digest(base) ? json_read_file(note, NULL) : NULL;
        struct stat st;

        return info && stat(path, &st) == 0 && json_number(info, "size_bytes", -1) == st.st_size &&
               json_number(info, "mtime_ns", -1) == cache_mtime_ns(&st);
}

/* ---- the lock ---- */

static gboolean
try_cache_lock(int fd, gboolean alone)
{
        struct flock lock = {.l_type = alone ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};

        return fcntl(fd, F_SETLK, &lock) == 0;
}

/* POSIX rather than OFD: no child that was forked meanwhile holds it on. It is opened once a process. */
gboolean
cache_lock(const char *cache, gboolean alone, int timeout_ms, int *ret_fd, GError **error)
{
        g_autofree char *path = g_build_filename(cache, "lock", NULL);
        gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
        auto_fd fd = -1;

        if (!file_make_directory(cache, 0700, error))
                return FALSE;
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return error_errno(error, "cannot open lock file '%s'", path);
        while (!try_cache_lock(fd, alone)) {
                if (errno != EAGAIN && errno != EACCES)
                        return error_errno(error, "cannot lock '%s'", path);
                if (g_get_monotonic_time() >= deadline) {
                        error_set(error, DROVER_ERROR_LOCKED, "another drover %s images of the cache (pid %d)",
                                  alone ? "works with" : "removes", (int)file_lock_holder(path));
                        return error_hint(error, "--lock-timeout waits longer than %.1f s", timeout_ms / 1000.0);
                }
                poll(NULL, 0, CACHE_LOCK_POLL_MS);
        }
        *ret_fd = fd_steal(&fd);
        return TRUE;
}

/* ---- what there is ---- */

GPtrArray *
cache_list(const char *cache, GError **error)
{
        g_autofree char *directory = g_build_filename(cache, "images", NULL);
        g_autoptr(GPtrArray) names = file_list_directory(directory, error);
        GPtrArray *images;

        if (!names)
                return NULL;
        images = g_ptr_array_new_with_free_func((GDestroyNotify)cached_image_free);
        for (guint i = 0; i < names->len; i++) {
                g_autofree char *info_path = cache_image_info_path(cache, names->pdata[i]);
                g_autoptr(json_t) info = NULL;
                struct cached_image *image;
                struct stat st;

                if (!cache_is_digest(names->pdata[i]))
                        continue;
                info = json_read_file(info_path, NULL);
                image = g_new0(struct cached_image, 1);
                image->digest = g_strdup(names->pdata[i]);
                image->path = cache_image_path(cache, image->digest);
                image->url = info ? g_strdup(json_text(info, "url")) : NULL;
                image->fetched_at = info ? json_number(info, "fetched_at", 0) : 0;
                image->size_bytes = stat(image->path, &st) == 0 ? (guint64)st.st_blocks * 512 : 0;
                g_ptr_array_add(images, image);
        }
        return images;
}

gboolean
cache_remove(const char *cache, const char *digest, GError **error)
{
        g_autofree char *path = cache_image_path(cache, digest), *info = cache_image_info_path(cache, digest);

        return file_remove(path, error) && file_remove(info, error);
}

/* What was fetched for URLs that nobody may ever ask for again: their notes go with the images. */
static gboolean
remove_stale_notes(const char *cache, GError **error)
{
        g_autofree char *directory = g_build_filename(cache, "urls", NULL);
        g_autoptr(GPtrArray) names = file_list_directory(directory, error);

        for (guint i = 0; names && i < names->len; i++) {
                g_autofree char *note = g_build_filename(directory, names->pdata[i], NULL), *path = NULL;
                g_autoptr(json_t) info = json_read_file(note, NULL);
                const char *digest = json_text(info, "digest");

                path = cache_is_digest(digest) ? cache_image_path(cache, digest) : NULL;
                if ((!path || !file_exists(path)) && !file_remove(note, error))
                        return FALSE;
        }
        return names != NULL;
}

gboolean
cache_remove_partial(const char *cache, guint64 *ret_bytes, GError **error)
{
        g_autofree char *directory = g_build_filename(cache, "partial", NULL);
        g_autoptr(GPtrArray) names = file_list_directory(directory, error);
        guint64 bytes = 0;

        if (!names)
                return FALSE;
        for (guint i = 0; i < names->len; i++) {
                g_autofree char *lock = g_build_filename(directory, names->pdata[i], NULL), *part = NULL, *draft = NULL;
                g_autofree char *sums = NULL;
                struct stat st;
                auto_fd fd = -1;

                if (!g_str_has_suffix(lock, ".lock") || !file_lock(lock, &fd, NULL))
                        continue;
                part = g_strndup(lock, strlen(lock) - strlen(".lock"));
                sums = g_strconcat(part, ".sums", NULL);
                draft = g_strdup_printf("%s/.%.64s.draft", directory, (const char *)names->pdata[i]);
                bytes += stat(part, &st) == 0 ? (guint64)st.st_blocks * 512 : 0;
                bytes += stat(draft, &st) == 0 ? (guint64)st.st_blocks * 512 : 0;
                download_discard(part);
                download_discard(sums);
                unlink(draft);
                unlink(lock);
        }
        if (!remove_stale_notes(cache, error))
                return FALSE;
        *ret_bytes = bytes;
        return TRUE;
}
