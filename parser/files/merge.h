/* merge.h - one project file over another, one VM over the VM that it extends; private to parser/
 *
 * Driven by the table of keys: maps merge key by key, single values are replaced, lists append, and lists whose row has an
 * identity merge entry by entry. A short form is its long form, a list of names the map that it is short for. Nothing
 * (`lan:`) adds nothing. "!override" replaces as a whole. "!reset" leaves a mark, so that what is merged later below it stays
 * out as well; merge_finish() drops the marks.
 *
 * What is written is never changed: what comes out shares all that it can with it, and what it cannot lies in the store.
 */
#pragma once

#include "parser/keys/keys.h"
#include "parser/tree/node.h"
#include "parser/store.h"

struct step;

struct merge {
        struct project_store *store;
        struct diagnostics *diagnostics;
        guint room;              /* for that many more values: see merge_init() */
        guint copies;            /* the same for copies that only tell how a value got there */
        gboolean full;           /* there was no more room, and a diagnostic said so: what comes out is not complete */
        struct via *via;         /* the step that what comes from below takes; NULL: none */
        gboolean below_leads;    /* a merged map is found where the lower one is written, not the upper one */
        gboolean apart;          /* names of networks, disks, VMs and the like may be in one of both only */
        const struct step *path; /* to what is being merged */
};

/** merge_init() - All merging of a project makes at most TREE_MAX_NODES values */
void merge_init(struct merge *merge, struct project_store *store, struct diagnostics *diagnostics);

/** merge_files() - The top of the file @over put over the top of the file @below */
struct node *merge_files(struct merge *merge, struct node *below, struct node *over);

/** merge_included() - The top of a file, and what it includes; a name in both is a diagnostic ("include-clash") */
struct node *merge_included(struct merge *merge, struct node *included, struct node *includer);

/**
 * merge_vm() - A VM put over the one that it extends, without its key `extends`
 * @name:     of the VM, for messages
 * @extends:  where it says so
 * @base:     name of the one below
 */
struct node *merge_vm(struct merge *merge, const char *name, struct node *below, struct node *over, const char *base,
                      struct place extends);

/** merge_without() - A map without one of its keys, or the map itself where it does not have it */
struct node *merge_without(struct merge *merge, struct node *map, const char *key);

/** merge_finish() - Drop what is marked by "!reset" from @node and all below it; in place */
void merge_finish(struct project_store *store, struct node *node);

/** What two entries of a list have in common when they are one: row of the table of keys. New strings, or NULL: appended */
char *merge_identity_disk(const struct node *entry);  /* by disk, name or file */
char *merge_identity_port(const struct node *entry);  /* by address and port of the host, port of the guest, protocol */
char *merge_identity_mount(const struct node *entry); /* by the folder in the guest */
