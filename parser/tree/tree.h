/* tree.h - YAML as a tree whose every node knows where it was written
 *
 * Read from libyaml's events with caps of our own while they come, since libyaml has no depth limit and takes quadratic
 * time on deep flow nesting. Anchors and merge keys ("<<") are resolved here: an alias shares the anchored node, a merge
 * key's pairs are appended, with an origin, unless the map has the key itself. Duplicate keys, undefined and self-containing
 * aliases, tags that we do not know and several documents in one file are diagnostics. "!reset" and "!override" are noted for
 * merge.h.
 *
 * Scalars stay text: what a text means, its key's type decides later.
 */
#pragma once

#include "parser/text/diagnostics.h"

enum {
        TREE_MAX_DEPTH = 64,
        TREE_MAX_NODES = 4000000, /* after aliases are expanded */
};

enum node_kind {
        NODE_SCALAR,
        NODE_LIST,
        NODE_MAP,
};

struct node {
        enum node_kind kind : 8;
        guint quoted : 1;    /* a scalar in quotes, in a block, tagged !!str or with variables: never null */
        guint reset : 1;     /* tagged !reset: drops what it is merged over */
        guint override : 1;  /* tagged !override: replaces what it is merged over as a whole */
        guint shared : 1;    /* an alias or a merge key stands for it: it is also elsewhere */
        guint variable : 1;  /* a scalar that had variables */
        guint faulty : 1;    /* a scalar with variables that has no value: nothing more is told of it */
        guint count;         /* list: items; map: pairs */
        struct place place;
        union {
                const char *text;   /* scalar: its text; a bare `key:` is "" and not quoted */
                struct node **keys; /* map: scalars, in the order of the file; list: NULL */
        };
        struct node **items; /* list: the items; map: the values; NULL otherwise */
};

/** struct tree - Owns the nodes; freed as a whole */
struct tree;
void tree_free(struct tree *tree);

/**
 * tree_read() - Parse one source
 * @diagnostics: gets every fault that is found; after a syntax error nothing more is read
 *
 * Returns NULL when there is an error, but for keys that are there twice: then the first one counts, and the tree serves to
 * find what else is wrong. An empty file is an empty map. libyaml's own wording is replaced by a sentence
 * that a beginner understands where the case is known (tab in indentation, missing colon, unclosed quote or bracket,
 * bad indentation).
 */
struct tree *tree_read(const struct source *source, struct diagnostics *diagnostics);

/** tree_root() - The top map */
struct node *tree_root(const struct tree *tree);

/** tree_has_tags() - Is any node tagged !reset or !override? */
gboolean tree_has_tags(const struct tree *tree);

/** tree_has_extends() - Is there any key `extends`? */
gboolean tree_has_extends(const struct tree *tree);

/** node_get() - The value of @key in a map, or NULL (also when @node is NULL or no map) */
struct node *node_get(const struct node *node, const char *key);

/** node_key() - The key's own node, to point at the key rather than the value; or NULL */
struct node *node_key(const struct node *node, const char *key);

/** node_key_place() - Where the key of the @index-th pair of a map is written, and how its value got here */
struct place node_key_place(const struct node *node, guint index);

/** node_is_null() - A bare `key:`, `~` or `null` */
gboolean node_is_null(const struct node *node);
