/* cache_build.h - shared by the parts of the cache (cache*.c), and by nobody else */
#pragma once

#include "runtime/storage/cache.h"
#include "runtime/storage/download.h"

#include <sys/stat.h>

/** All return new strings */
char *cache_image_path(const char *cache, const char *digest);
char *cache_image_info_path(const char *cache, const char *digest);
char *cache_url_info_path(const char *cache, const char *url);

/** cache_is_digest() - Is it "sha256-" and 64 digits? */
gboolean cache_is_digest(const char *text);

gint64 cache_mtime_ns(const struct stat *st);

/**
 * cache_find_digest() - The digest that a source is known by, or NULL; the image need not be there. New string
 * @ret_version: where it is known by its URL alone, what the server called it then; or NULL
 */
char *cache_find_digest(const char *cache, const struct cache_source *source, struct validators *ret_version);
