/* merge-inside.h - what merge.c and merge-file.c have in common; nobody else needs it */
#pragma once

#include "parser/files/merge.h"

/** struct step - On the path to what is being merged: "vms", "web", "ports" */
struct step {
        const struct step *above; /* or NULL */
        const char *name;
};

/** merge_tops() - Two maps, or short forms, of one table of keys */
struct node *merge_tops(struct merge *merge, const struct key_table *table, struct node *below, struct node *over);

/** merge_new_node() - A map or list like @model with room for @count entries and none in it; NULL when there is no more room */
struct node *merge_new_node(struct merge *merge, enum node_kind kind, const struct node *model, guint count);

/** merge_add() - An entry to such a node; @key NULL: of a list */
void merge_add(struct node *node, struct node *key, struct node *value);
