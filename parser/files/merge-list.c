/* merge-list.c - two lists merged: appended, entry by entry, or as the names that they are */
#include "parser/files/merge-inside.h"

/* Names of both, each once. */
struct node *
merge_name_lists(struct merge *merge, const struct node *below, const struct node *over)
{
        struct node *list = merge_new_node(merge, NODE_LIST, over, below->count + over->count);
        g_autoptr(GTree) seen = g_tree_new_full(merge_compare_texts, NULL, NULL, NULL);

        if (!list)
                return (struct node *)over;
        merge_settle(merge, list, below, over);
        for (guint i = 0; i < below->count + over->count; i++) {
                struct node *item = i < below->count ? below->items[i] : over->items[i - below->count];

                if (item->kind == NODE_SCALAR && i < below->count)
                        g_tree_insert(seen, (gpointer)item->text, item);
                else if (item->kind == NODE_SCALAR && g_tree_lookup(seen, item->text))
                        continue;
                merge_add(list, NULL, i < below->count ? merge_take_below(merge, item) : item);
        }
        return list;
}

struct node *
merge_appended(struct merge *merge, const struct node *below, const struct node *over)
{
        struct node *list = merge_new_node(merge, NODE_LIST, over, below->count + over->count);

        if (!list)
                return (struct node *)over;
        merge_settle(merge, list, below, over);
        for (guint i = 0; i < below->count; i++)
                merge_add(list, NULL, merge_take_below(merge, below->items[i]));
        for (guint i = 0; i < over->count; i++)
                merge_add(list, NULL, over->items[i]);
        return list;
}

/* The entries of a list by their identity: name -> index + 1. The second of two that are the same is reported, and done. */
static GTree *
index_entries(struct merge *merge, const struct key *key, const struct node *list, gboolean *done)
{
        GTree *index = g_tree_new_full(merge_compare_texts, NULL, g_free, NULL);

        for (guint i = 0; i < list->count; i++) {
                char *identity = key->identity(list->items[i]);
                guint before = identity ? GPOINTER_TO_UINT(g_tree_lookup(index, identity)) : 0;
                g_autofree char *where = NULL, *other = NULL;

                if (!before && identity) {
                        g_tree_insert(index, identity, GUINT_TO_POINTER(i + 1));
                        continue;
                }
                g_free(identity);
                if (!before)
                        continue;
                done[i] = TRUE;
                where = merge_subject(merge);
                other = merge_format_place(&list->items[before - 1]->place);
                diagnostics_add(merge->diagnostics, SEVERITY_ERROR, "merge-twice", list->items[i]->place, NULL,
                                "%s: two entries of the list are the same one: the other is at %s", where, other);
        }
        return index;
}

/* A short form that is no value of a key replaces the long form, and the other way round. */
static struct node *
merge_entry(struct merge *merge, const struct key_table *table, struct node *below, struct node *over)
{
        gboolean as_object = table && (merge_has_short_key(table) || (below->kind == NODE_MAP && over->kind == NODE_MAP));

        return merge_values(merge, (struct rule){as_object ? WAY_OBJECT : WAY_LOOSE, NULL, as_object ? table : NULL}, below,
                            over);
}

struct node *
merge_entries(struct merge *merge, const struct rule *rule, const struct node *below, const struct node *over)
{
        struct node *list = merge_new_node(merge, NODE_LIST, over, below->count + over->count);
        g_autofree gboolean *done = g_new0(gboolean, over->count + 1);
        g_autoptr(GTree) index = index_entries(merge, rule->key, over, done);

        if (!list)
                return (struct node *)over;
        merge_settle(merge, list, below, over);
        for (guint i = 0; i < below->count; i++) {
                g_autofree char *identity = rule->key->identity(below->items[i]);
                guint j = identity ? GPOINTER_TO_UINT(g_tree_lookup(index, identity)) : 0;

                if (j == 0 || done[j - 1]) {
                        merge_add(list, NULL, merge_take_below(merge, below->items[i]));
                        continue;
                }
                done[j - 1] = TRUE;
                merge_add(list, NULL, merge_entry(merge, rule->table, below->items[i], over->items[j - 1]));
        }
        for (guint j = 0; j < over->count; j++)
                if (!done[j])
                        merge_add(list, NULL, over->items[j]);
        return list;
}
