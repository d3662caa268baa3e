/* node.c - where the nodes of a tree lie, and how they are looked at */
#include "parser/tree/node.h"

#include <string.h>

enum { BLOCK_BYTES = 64 << 10 };

struct block {
        struct block *next;
};

/* Makes room for @bytes more; what is too large for that is in a block of its own, which is returned. */
static char *
add_block(struct tree *tree, size_t bytes)
{
        gboolean apart = bytes > BLOCK_BYTES / 4;
        size_t room = apart ? bytes : BLOCK_BYTES;
        struct block *block = g_malloc(sizeof *block + room);
        char *start = (char *)(block + 1);

        block->next = tree->blocks;
        tree->blocks = block;
        if (apart)
                return start;
        tree->free = start;
        tree->end = start + room;
        return NULL;
}

void *
tree_alloc(struct tree *tree, size_t bytes)
{
        char *start;

        bytes = (bytes + 7) & ~(size_t)7;
        start = bytes > (size_t)(tree->end - tree->free) ? add_block(tree, bytes) : NULL;
        if (start)
                return start;
        start = tree->free;
        tree->free += bytes;
        return start;
}

char *
tree_text(struct tree *tree, const char *text, size_t length)
{
        char *copy = length >= (size_t)(tree->end - tree->free) ? add_block(tree, length + 1) : NULL;

        if (!copy)
                copy = tree->end -= length + 1;
        if (length)
                memcpy(copy, text, length);
        copy[length] = '\0';
        return copy;
}

void
tree_free(struct tree *tree)
{
        struct block *next;

        if (!tree)
                return;
        for (struct block *block = tree->blocks; block; block = next) {
                next = block->next;
                g_free(block);
        }
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
        return !*node->text || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0;
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
        copy = via->alloc(via->owner, sizeof *copy);
        *copy = *node;
        copy->place.via = via_origin(via, node->place.via);
        if (node->kind != NODE_SCALAR && node->count > 0) {
                copy->items = via->alloc(via->owner, node->count * sizeof *copy->items);
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
