/* node.h - the inside of a tree, for those that make one */
#pragma once

#include "base/arena.h"
#include "parser/tree/tree.h"

struct tree {
        struct node *root;
        struct arena arena; /* all nodes, their arrays and texts */
        gboolean has_tags;
        gboolean has_extends;
        gboolean dollars; /* there may be a '$' in some scalar */
};

/** struct via - What copies of nodes have in common: memory, and the step by which they got where they are */
struct via {
        struct arena *arena;
        struct sources *sources;
        const char *text; /* of the step, see struct origin */
        struct place place;
        guint room; /* for that many copies: what comes later stays shared, and does not tell how it got here */
        const struct origin *before, *origin; /* the last that was made */
};

/** via_origin() - The origin of a value that took this step, after those that it took @before */
const struct origin *via_origin(struct via *via, const struct origin *before);

/**
 * via_copy() - A node and all below it with this step added to their places; texts and keys are shared
 *
 * Returns the node itself where there is no room left.
 */
struct node *via_copy(struct via *via, struct node *node);

/** struct key_index - The keys of a map in an order in which one is found fast; whatever the keys, nobody can make it slow */
typedef struct key_index key_index_t;
struct key_index *key_index_new(const struct node *map);
void key_index_free(struct key_index *index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(key_index_t, key_index_free)

/** key_index_find() - The place of a key in the map, or -1 */
gint64 key_index_find(const struct key_index *index, const char *key);

/** node_is_same() - Do two nodes say the same at the same place of the same file, even where that was read twice? */
gboolean node_is_same(const struct node *a, const struct node *b);
