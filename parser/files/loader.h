/* loader.h - the files of one project while they are read and put together; private to parser/
 *
 * A file is read, its variables are replaced (each file has its own), what it includes is put beside it; then the files of -f
 * are merged, and VMs are put over those that they extend. What came out is one map, as if it stood in one file.
 */
#pragma once

#include "parser/variables/environment.h"
#include "parser/load.h"
#include "parser/files/merge.h"

/** struct scope - Variables for files: those of the file above, and below them those of its own `.env` or env_file */
struct scope {
        const struct scope *above;
        struct environment *environment;
        const char *directory; /* of the `.env`; NULL: none */
};

/** struct reading - A file whose includes or VMs are being read, and the one because of which it is */
struct reading {
        const struct reading *above; /* NULL: a file of the command line */
        const struct source *source;
        const struct scope *scope;
        struct place place; /* in the file above: what names this one */
        guint depth;
};

struct loader {
        const struct load_options *options;
        struct project_store *store;
        struct diagnostics *diagnostics;
        struct merge merge;
        GHashTable *sources;  /* by device and inode, so that a file is read once, by whatever paths -> struct source */
        GHashTable *scopes;   /* by the one above and what is below it -> struct scope */
        struct scope top;     /* drover's environment and the files of --env-file */
        GHashTable *scope_of; /* struct source -> the struct scope in which it was read */
        GHashTable *tops;     /* what came out of files that others name, by the files -> struct node, NULL after a fault */
        guint file_count;     /* also those that are read for the second time, with other variables */
        size_t bytes;
        gboolean full;        /* no more files are read: there are too many, or too large ones, which was told */
        gboolean has_tags;    /* some file has !reset or !override */
        gboolean has_extends; /* some file has a key `extends` */
        gboolean incomplete;  /* something is missing in what comes out: there is an error, and no point in looking for more */
};

/** loader_init() - Fails where a file of --env-file cannot be read; loader_clear() is needed in any case */
gboolean loader_init(struct loader *loader, const struct load_options *options, struct project_store *store,
                     struct diagnostics *diagnostics, GError **error);
void loader_clear(struct loader *loader);

/** loader_read() - The top of a file as written, variables replaced; NULL after a fault in it, which is a diagnostic */
struct node *loader_read(struct loader *loader, const struct source *source, const struct scope *scope);

/** loader_scope_beside() - Below @above, the `.env` beside a file, unless it is above already; NULL after a fault */
const struct scope *loader_scope_beside(struct loader *loader, const struct scope *above, const struct source *source);

/**
 * loader_scope_of() - Below @above, the files that `env_file` names
 * @value: a path or a list of paths, relative to the file that they stand in
 */
const struct scope *loader_scope_of(struct loader *loader, const struct scope *above, const struct node *value);

/** loader_scope_for() - Below that of the file in which @place is, the `.env` beside @source, which is named there */
const struct scope *loader_scope_for(struct loader *loader, struct place place, const struct source *source);

/** loader_path_at() - One of a value that is a path or a list of paths; NULL behind the last */
const struct node *loader_path_at(const struct node *value, guint index);

/** loader_open() - Read a file of the command line. Fails as sources_read() does, and when all are too many or too large */
const struct source *loader_open(struct loader *loader, const char *path, GError **error);

/**
 * loader_open_for() - Read a file that another one names
 * @subject: "include", "extends of vm 'web'"
 * @text:    its path as written: relative to the file that it stands in
 *
 * Returns NULL after a fault, which is a diagnostic at @text.
 */
const struct source *loader_open_for(struct loader *loader, const char *subject, const struct node *text);

/** loader_fail() - A diagnostic after which what comes out is not complete; returns NULL */
void *loader_fail(struct loader *loader, const char *id, struct place place, const char *hint, const char *format, ...)
        G_GNUC_PRINTF(5, 6);

/** include_apply() - What a file includes, put beside what it says itself */
struct node *include_apply(struct loader *loader, const struct reading *reading, struct node *top);

/** extends_apply() - Put each VM of the merged project over the one that it extends; in place */
void extends_apply(struct loader *loader, struct node *top);
