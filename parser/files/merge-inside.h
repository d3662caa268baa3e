/* merge-inside.h - what merge.c, merge-list.c and merge-file.c have in common; nobody else needs it */
#pragma once

#include "parser/files/merge.h"

/** struct step - On the path to what is being merged: "vms", "web", "ports" */
struct step {
        const struct step *above; /* or NULL */
        const char *name;
};

/** enum way - How two values are merged */
enum way {
        WAY_SHAPE, /* maps merge, lists append, anything else is replaced; a list is no map */
        WAY_LOOSE, /* the same, but two shapes replace each other: the key takes several */
        WAY_REPLACE,
        WAY_OBJECT,  /* a map with a table, or its short form */
        WAY_NAMES,   /* a map of names, or the list that is short for it */
        WAY_ENTRIES, /* a list of entries with an identity */
};

struct rule {
        enum way way;
        const struct key *key;         /* WAY_NAMES, WAY_ENTRIES */
        const struct key_table *table; /* WAY_OBJECT: the object's; WAY_NAMES, WAY_ENTRIES: of the entries, or NULL */
};

/** merge_values() - Any two values, by a rule */
struct node *merge_values(struct merge *merge, struct rule rule, struct node *below, struct node *over);

/** merge_appended() - The one list behind the other; merge_name_lists(): names of both, each once */
struct node *merge_appended(struct merge *merge, const struct node *below, const struct node *over);
struct node *merge_name_lists(struct merge *merge, const struct node *below, const struct node *over);

/** merge_entries() - Lists whose entries have an identity: same ones are merged */
struct node *merge_entries(struct merge *merge, const struct rule *rule, const struct node *below, const struct node *over);

/** merge_take_below() - A value from below, with the step that it takes */
struct node *merge_take_below(struct merge *merge, struct node *node);

/** merge_settle() - The place that stands for both, and whether what lies further below is replaced */
void merge_settle(const struct merge *merge, struct node *node, const struct node *below, const struct node *over);

/** merge_has_short_key() - Does a plain text stand for one key of such an object? */
gboolean merge_has_short_key(const struct key_table *table);

/** merge_subject() - "vms.web.ports"; merge_format_place(): "drover.yaml:12". New strings */
char *merge_subject(const struct merge *merge);
char *merge_format_place(const struct place *place);

/** merge_compare_texts() - Order of keys of a GTree that are texts */
gint merge_compare_texts(gconstpointer a, gconstpointer b, gpointer data);

/** merge_tops() - Two maps, or short forms, of one table of keys */
struct node *merge_tops(struct merge *merge, const struct key_table *table, struct node *below, struct node *over);

/** merge_new_node() - A map or list like @model with room for @count entries and none in it; NULL when there is no more room */
struct node *merge_new_node(struct merge *merge, enum node_kind kind, const struct node *model, guint count);

/** merge_add() - An entry to such a node; @key NULL: of a list */
void merge_add(struct node *node, struct node *key, struct node *value);
