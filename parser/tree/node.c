/* node.c - where the nodes of a tree lie, and how they are looked at */
#include "parser/tree/node.h"

#include <string.h>

void
tree_free(struct tree *tree)
{
        if (!tree)
                return;
        arena_clear(&tree->arena);
        g_free(tree);
}

struct node *
tree_root(const struct tree *tree)
{
        return tree->root;
}

gboolean
tree_has_tags(const struct tree *tree)
{
        return tree->has_tags;
}

gboolean
tree_has_extends(const struct tree *tree)
{
        return tree->has_extends;
}

/* The index of a key in a map, or -1. */
static gint64
find_key(const struct node *node, const char *key)
{
        if (!node || node->kind != NODE_MAP)
                return -1;
        for (guint i = 0; i < node->count; i++)
                if (node->keys[i]->text[0] == key[0] && strcmp(node->keys[i]->text, key) == 0)
                        return i;
        return -1;
}

struct node *
node_get(const struct node *node, const char *key)
{
        gint64 i = find_key(node, key);

        return i < 0 ? NULL : node->items[i];
}

struct node *
node_key(const struct node *node, const char *key)
{
        gint64 i = find_key(node, key);

        return i < 0 ? NULL : node->keys[i];
}

struct place
node_key_place(const struct node *node, guint index)
{
        struct place place = node->keys[index]->place;

        if (!place.via)
                place.via = node->items[index]->place.via;
        return place;
}

gboolean
node_is_null(const struct node *node)
{
        if (!node || node->kind != NODE_SCALAR || node->quoted)
                return FALSE;
        switch (*node->text) {
        case '\0':
                return TRUE;
        case '~':
                return !node->text[1];
        case 'n':
                return strcmp(node->text, "null") == 0;
        default:
                return FALSE;
        }
}

const struct origin *
via_origin(struct via *via, const struct origin *before)
{
        if (!via->origin || via->before != before) {
                via->origin = sources_add_origin(via->sources, via->text, via->place, before);
                via->before = before;
        }
        return via->origin;
}

struct node *
via_copy(struct via *via, struct node *node)
{
        struct node *copy;

        if (via->room == 0)
                return node;
        via->room--;
        copy = arena_alloc(via->arena, sizeof *copy);
        *copy = *node;
        copy->place.via = via_origin(via, node->place.via);
        if (node->kind != NODE_SCALAR && node->count > 0) {
                copy->items = arena_alloc(via->arena, node->count * sizeof *copy->items);
                for (guint i = 0; i < node->count; i++)
                        copy->items[i] = via_copy(via, node->items[i]);
        }
        return copy;
}

struct key_index {
        const struct node *map;
        guint sorted[];
};

static gint
compare_keys(gconstpointer a, gconstpointer b, gpointer map)
{
        const struct node *const *keys = (const struct node *const *)((const struct node *)map)->keys;

        return strcmp(keys[*(const guint *)a]->text, keys[*(const guint *)b]->text);
}

struct key_index *
key_index_new(const struct node *map)
{
        struct key_index *index = g_malloc(sizeof *index + map->count * sizeof *index->sorted);

        index->map = map;
        for (guint i = 0; i < map->count; i++)
                index->sorted[i] = i;
        g_qsort_with_data(index->sorted, (gint)map->count, sizeof *index->sorted, compare_keys, (gpointer)map);
        return index;
}

void
key_index_free(struct key_index *index)
{
        g_free(index);
}

gint64
key_index_find(const struct key_index *index, const char *key)
{
        guint from = 0, to = index->map->count;

        while (from < to) {
                guint middle = from + (to - from) / 2;
                int order = strcmp(key, index->map->keys[index->sorted[middle]]->text);

                if (order == 0)
                        return index->sorted[middle];
                if (order < 0)
                        to = middle;
                else
                        from = middle + 1;
        }
        return -1;
}

gboolean
node_is_same(const struct node *a, const struct node *b)
{
        if (a == b)
                return TRUE;
        if (a->kind != b->kind || a->count != b->count || a->place.line != b->place.line ||
            a->place.column != b->place.column || a->place.source != b->place.source)
                return FALSE;
        if (a->kind == NODE_SCALAR)
                return a->quoted == b->quoted && strcmp(a->text, b->text) == 0;
        for (guint i = 0; i < a->count; i++)
                if ((a->keys && strcmp(a->keys[i]->text, b->keys[i]->text) != 0) || !node_is_same(a->items[i], b->items[i]))
                        return FALSE;
        return TRUE;
}
