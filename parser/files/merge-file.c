/* merge-file.c - one project file over another, one VM over the VM that it extends */
#include "parser/files/merge-inside.h"

#include <string.h>

enum { MAX_COPIES = 500000 };

void
merge_init(struct merge *merge, struct project_store *store, struct diagnostics *diagnostics)
{
        *merge = (struct merge){.store = store, .diagnostics = diagnostics, .room = TREE_MAX_NODES, .copies = MAX_COPIES};
}

struct node *
merge_files(struct merge *merge, struct node *below, struct node *over)
{
        struct node *merged;

        merge->below_leads = TRUE;
        merged = merge_tops(merge, &keys_project, below, over);
        merge->below_leads = FALSE;
        return merged;
}

/* What a file says of itself has no effect where it is included. */
static struct node *
without_own(struct merge *merge, struct node *included)
{
        included = merge_without(merge, included, "name");
        return merge_without(merge, included, "isolation");
}

struct node *
merge_included(struct merge *merge, struct node *included, struct node *includer)
{
        struct node *merged;

        merge->apart = TRUE;
        merged = merge_tops(merge, &keys_project, without_own(merge, included), includer);
        merge->apart = FALSE;
        return merged;
}

/* Out of a map that was just made. */
static void
drop_key(struct node *map, const char *key)
{
        guint kept = 0;

        for (guint i = 0; i < map->count; i++) {
                if (strcmp(map->keys[i]->text, key) == 0)
                        continue;
                map->keys[kept] = map->keys[i];
                map->items[kept++] = map->items[i];
        }
        map->count = kept;
}

struct node *
merge_vm(struct merge *merge, const char *name, struct node *below, struct node *over, const char *base, struct place extends)
{
        g_autofree char *text = g_strdup_printf("extended from vm '%s'", base);
        struct via via = {&merge->store->arena, merge->diagnostics->sources, text, extends, merge->copies};
        const struct step top = {NULL, "vms"}, step = {&top, name};
        struct node *merged;

        merge->path = &step;
        merge->via = &via;
        merged = merge_tops(merge, &keys_vm, below, over);
        merge->via = NULL;
        merge->path = NULL;
        merge->copies = via.room;
        if (merged == over)
                return merge_without(merge, merged, "extends");
        drop_key(merged, "extends");
        return merged;
}

struct node *
merge_without(struct merge *merge, struct node *map, const char *key)
{
        struct node *copy;

        if (!node_get(map, key))
                return map;
        copy = merge_new_node(merge, NODE_MAP, map, map->count);
        if (!copy)
                return map;
        copy->reset = map->reset;
        for (guint i = 0; i < map->count; i++)
                if (strcmp(map->keys[i]->text, key) != 0)
                        merge_add(copy, map->keys[i], map->items[i]);
        return copy;
}

/* The entries that are not marked, in arrays of their own: copies share those of the keys. */
static void
drop_marked(struct project_store *store, struct node *node, guint marked)
{
        struct node **items = store_alloc(store, 2 * (node->count - marked) * sizeof *items);
        struct node **keys = node->keys ? items + (node->count - marked) : NULL;
        guint kept = 0;

        for (guint i = 0; i < node->count; i++) {
                if (node->items[i]->reset)
                        continue;
                if (keys)
                        keys[kept] = node->keys[i];
                items[kept++] = node->items[i];
        }
        node->items = items;
        node->keys = keys;
        node->count = kept;
}

void
merge_finish(struct project_store *store, struct node *node)
{
        guint marked = 0;

        if (node->kind == NODE_SCALAR)
                return;
        for (guint i = 0; i < node->count; i++) {
                if (node->items[i]->reset)
                        marked++;
                else
                        merge_finish(store, node->items[i]);
        }
        if (marked)
                drop_marked(store, node, marked);
}
