/* cache.h - images that were fetched, kept by the checksum of what came
 *
 *   CACHE/images/sha256-HEX        the image, unpacked; never changed, so that overlays may lie on it
 *   CACHE/images/sha256-HEX.json   where it came from, and when
 *   CACHE/urls/HEX.json            which image a URL last led to (HEX: SHA-256 of the URL)
 *   CACHE/partial/HEX              what has come so far, under the lock HEX.lock
 *   CACHE/lock                     shared by all who are about to put a disk on an image, until that is recorded; whoever
 *                                  removes images has it alone
 *
 * Any number of drovers may use it at once, and each may be killed at any time: an image appears by one rename, whole.
 */
#pragma once

#include <glib.h>

/** struct cache_source - What is wanted: from where, and its checksum as the distribution gives it, in hexadecimal */
struct cache_source {
        const char *url;
        const char *sha256, *sha512; /* of what is fetched, before it is unpacked; NULL: not known */
        const char *checksums; /* URL of a list that has the sum (checksums.h), asked for whenever the image is; or NULL */
};

struct cache_watch {
        void (*progress)(void *data, guint64 done_bytes, guint64 total_bytes); /* total 0: not known; or NULL */
        void (*waiting)(void *data, int pid); /* another drover fetches the same; pid 0: not known, or it has ended; or NULL */
        void *data;
        const int *stop; /* see download.h */
        guint retry_ms;  /* see download.h */
};

/** struct cached_image - One image of the cache */
struct cached_image {
        char *path, *digest; /* digest: "sha256-HEX" */
        char *url;           /* it was last fetched from, or NULL */
        gint64 fetched_at;   /* seconds since 1970 */
        guint64 size_bytes;  /* that it takes on the disk */
};

void cached_image_free(struct cached_image *image);

/** cache_find() - The path of a source's image where the cache has it, or NULL. Touches nothing. Returns a new string */
char *cache_find(const char *cache, const struct cache_source *source);

/** cache_expect() - The same also where the image is not there: where it would be, as far as that is known */
char *cache_expect(const char *cache, const struct cache_source *source);

/** cache_is_same() - Are these the paths of one image? By checksum where they are of a cache, wherever it lies. NULL is fine */
gboolean cache_is_same(const char *a, const char *b);

/**
 * cache_is_intact() - Is the image at a path of the cache as it was put there?
 *
 * Then it is what its checksum says, and an overlay may lie on it, though it is another file than when the overlay was made:
 * it was removed and fetched again. FALSE for a path that is not of the cache.
 */
gboolean cache_is_intact(const char *path);

/**
 * cache_lock() - Keep others from removing images (@alone FALSE), or from relying on them (TRUE), while @ret_fd is open
 *
 * To be taken before cache_find(), once a process. Fails with DROVER_ERROR_LOCKED after @timeout_ms.
 */
gboolean cache_lock(const char *cache, gboolean alone, int timeout_ms, int *ret_fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * cache_fetch() - Have the image of a source in the cache
 * @always:   ask the server whether there is a newer one, where no checksum is given: by the list of checksums, else by what
 *            the server calls the one that is here
 * @ret_path: on success; the caller frees it
 *
 * Waits for another drover that fetches the same. Fails as download_read() and unpack_stream() do, and with
 * DROVER_ERROR_CORRUPT where the checksum is another one: nothing is kept then.
 */
gboolean cache_fetch(const char *cache, const struct cache_source *source, gboolean always, const struct cache_watch *watch,
                     char **ret_path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** cache_list() - struct cached_image, by digest; NULL with an error where the directory cannot be read */
GPtrArray *cache_list(const char *cache, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** cache_remove() - Remove one image and what is known of it; under cache_lock() */
gboolean cache_remove(const char *cache, const char *digest, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * cache_remove_partial() - Remove what was begun and is not being fetched now, and which URL led to what is gone; under
 * cache_lock()
 * @ret_bytes: on success, what that took on the disk
 */
gboolean cache_remove_partial(const char *cache, guint64 *ret_bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;
