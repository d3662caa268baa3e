/* catalogue.h - images that are known by name in every project: those built in, and files that add to them
 *
 * The built-in list is parser/catalogue.yaml, compiled in. A file has a map `images` as a project file has it; in its URLs,
 * {arch} stands for what `archs` says of the machine's architecture. Variables are not replaced.
 */
#pragma once

#include "parser/project.h"

/** struct catalogue_image - An entry */
struct catalogue_image {
        struct image image; /* url and checksums are patterns */
        struct text_map archs; /* architecture -> what {arch} stands for; empty: there is one image for all */
};

struct catalogue {
        struct catalogue_image *images; /* sorted by name */
        guint image_count;
        struct project *project;        /* owns all of that */
};

/**
 * catalogue_load() - Read the built-in list and @files (NULL-terminated paths, or NULL), of which later ones win
 * @diagnostics: gets what is wrong in a file; that one is not there is no fault
 *
 * Only those entries are in it that are whole. Free it with catalogue_free(), together with the diagnostics or after them.
 */
struct catalogue *catalogue_load(const char *const *files, struct diagnostics *diagnostics);
void catalogue_free(struct catalogue *catalogue);
typedef struct catalogue catalogue_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(catalogue_t, catalogue_free)

/** catalogue_find() - By name, or NULL */
const struct catalogue_image *catalogue_find(const struct catalogue *catalogue, const char *name);

/** catalogue_names() - All names, NULL-terminated; free the array, not the names */
const char **catalogue_names(const struct catalogue *catalogue);

/** catalogue_begins() - "debian-11, debian-12": the names that begin with @prefix, or NULL. New string */
char *catalogue_begins(const struct catalogue *catalogue, const char *prefix);

/** catalogue_fill() - A pattern for an architecture ("x86_64"); NULL: the entry has none for that. New string */
char *catalogue_fill(const struct catalogue_image *entry, const char *pattern, const char *arch);
