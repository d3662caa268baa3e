/* store.h - what a project owns: an arena, the tree, the names; private to parser/ */
#pragma once

#include "base/arena.h"
#include "parser/project.h"
#include "parser/tree/tree.h"

/** struct refusal - Something that is understood but not built yet, kept until somebody asks (project_refusals()) */
struct refusal {
        struct place place;
        const char *text;
        const char *hint; /* or NULL */
};

enum { STORE_MAX_REFUSALS = 4096 };

struct project_store {
        struct arena arena;
        struct sources *sources;
        GPtrArray *trees; /* struct tree *, of each file; what is merged of them lies in the blocks */
        GArray *refusals;                   /* struct refusal; no more than STORE_MAX_REFUSALS */
        GHashTable *defaults;               /* struct key_table -> a struct of it as decode_new() begins it */
        GHashTable *declared;               /* name -> VM as declared */
        GHashTable *vms, *networks, *disks, *images; /* name -> object; the keys belong to the objects */
        struct catalogue *catalogue;        /* NULL: nothing has asked for it yet */
        GHashTable *catalogued;             /* "NAME ARCH" -> struct image of the catalogue, filled in */
};

/** project_new() - An empty project with a store that keeps @sources alive */
struct project *project_new(struct sources *sources);

/** store_alloc() - Zeroed memory that lives as long as the project */
void *store_alloc(struct project_store *store, size_t bytes);

/** store_text() - A copy of @text, of @length bytes (-1: all), that lives as long as the project */
const char *store_text(struct project_store *store, const char *text, gssize length);

/** store_format() - The same from a format */
const char *store_format(struct project_store *store, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** store_refuse() - Note that something at @place is not built yet; @hint (or NULL) and the text are copied */
void store_refuse(struct project_store *store, struct place place, const char *hint, const char *format, ...)
        G_GNUC_PRINTF(4, 5);

/** project_index() - Fill the tables behind project_find_vm() and its like; once the arrays are complete */
void project_index(struct project *project);

/** project_index_wished() - The same for VMs and disks once it is known which are wished */
void project_index_wished(struct project *project);
