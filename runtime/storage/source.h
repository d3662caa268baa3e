/* source.h - which image a VM's root disk lies on: a file of the host, or one that is fetched into the cache */
#pragma once

#include "parser/project.h"
#include "runtime/storage/cache.h"

/** struct image_source - Where a VM's image comes from; all strings belong to the project */
struct image_source {
        const char *path;           /* a file that is used where it lies, or NULL */
        struct cache_source remote; /* else: what is fetched; url NULL where the VM has no image */
        const char *name;           /* one of `images`, or NULL */
};

/** image_source_of() - Of a VM, by its image's path, URL or name */
struct image_source image_source_of(const struct project *project, const struct vm *vm);

/** image_source_key() - The same for two VMs exactly when they need the same fetch; NULL where nothing is to be fetched */
char *image_source_key(const struct image_source *source);

/** image_source_title() - What it is called in a plan: its name, or the last part of its URL or path. New string */
char *image_source_title(const struct image_source *source);

/** image_title() - A file below an overlay, for a person: "sha256-2f0c1b6e8d5a" (of the cache) or its path. New string */
char *image_title(const char *path);
