/* origin.c - where each value of a project comes from
 *
 * What was encoded and what was written are walked side by side, by the table of keys: a value without a node beside it is
 * a default.
 */
#include "parser/text/origin.h"

#include "parser/keys/keys.h"
#include "parser/tree/node.h"

#include <string.h>

struct walk {
        GPtrArray *origins;
        GString *path;
};

static void walk_value(struct walk *walk, const struct key *key, const json_t *value, const struct node *node);

static void
origin_free(gpointer data)
{
        struct value_origin *origin = data;

        g_free(origin->path);
        g_free(origin);
}

static void
add(struct walk *walk, const json_t *value, const struct node *node)
{
        struct value_origin *origin = g_new0(struct value_origin, 1);

        origin->path = g_strdup(walk->path->str);
        origin->value = value;
        if (node && !node_is_null(node))
                origin->place = node->place;
        g_ptr_array_add(walk->origins, origin);
}

static size_t
enter(struct walk *walk, const char *name)
{
        size_t length = walk->path->len;

        g_string_append_printf(walk->path, "%s%s", length ? "." : "", name);
        return length;
}

/* The value of a key in a map, or in the short form of one. */
static const struct node *
node_of_key(const struct key_table *table, const struct node *node, const char *name)
{
        if (!node || node->kind != NODE_SCALAR)
                return node_get(node, name);
        if (node_is_null(node) || !table->short_key)
                return NULL;
        return table->short_form || strcmp(name, table->short_key) == 0 ? node : NULL;
}

static void
walk_object(struct walk *walk, const struct key_table *table, const json_t *object, const struct node *node)
{
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)object, name, value)
        {
                size_t length = enter(walk, name);

                walk_value(walk, keys_find_in(table, name), value, node_of_key(table, node, name));
                g_string_truncate(walk->path, length);
        }
}

/* The entry of a list of names, or NULL. */
static const struct node *
find_name(const struct node *node, const char *name)
{
        for (guint i = 0; node && node->kind == NODE_LIST && i < node->count; i++)
                if (node->items[i]->kind == NODE_SCALAR && strcmp(node->items[i]->text, name) == 0)
                        return node->items[i];
        return NULL;
}

/* An object of which nothing is written but its name: that stands for the first value, and all others are defaults. */
static void
walk_named(struct walk *walk, const struct key_table *table, const json_t *object, const struct node *named)
{
        const struct node *first = named;
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)object, name, value)
        {
                size_t length = enter(walk, name);

                walk_value(walk, keys_find_in(table, name), value, first);
                first = NULL;
                g_string_truncate(walk->path, length);
        }
}

/* An entry of a map of names, or of the list that is short for it. */
static void
walk_names(struct walk *walk, const struct key *key, const json_t *names, const struct node *node)
{
        g_autoptr(key_index_t) index = node && node->kind == NODE_MAP ? key_index_new(node) : NULL;
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)names, name, value)
        {
                size_t length = enter(walk, name);
                gint64 found = index ? key_index_find(index, name) : -1;
                const struct node *item = found >= 0 ? node->items[found] : NULL;
                const struct node *named = !item ? find_name(node, name) : node_is_null(item) ? node->keys[found] : NULL;

                if (!json_object_size(value))
                        add(walk, value, named ? named : item ? item : node);
                else if (named && key->named)
                        walk_named(walk, key->table, value, named);
                else
                        walk_object(walk, key->table, value, item);
                g_string_truncate(walk->path, length);
        }
}

static void
walk_list(struct walk *walk, const struct key *key, const json_t *list, const struct node *node)
{
        gboolean alike = node && node->kind == NODE_LIST && node->count == json_array_size(list);
        json_t *value;
        size_t i;

        json_array_foreach((json_t *)list, i, value)
        {
                const struct node *item = alike ? node->items[i] : node;
                size_t length = walk->path->len;

                g_string_append_printf(walk->path, "[%zu]", i);
                if (key && key->table && json_object_size(value))
                        walk_object(walk, key->table, value, item);
                else
                        walk_value(walk, NULL, value, item);
                g_string_truncate(walk->path, length);
        }
}

/* What has no table: a map of texts, a body of cloud-init. */
static void
walk_map(struct walk *walk, const json_t *map, const struct node *node)
{
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)map, name, value)
        {
                size_t length = enter(walk, name);
                const struct node *child = node && node->kind == NODE_MAP ? node_get(node, name) : node;

                walk_value(walk, NULL, value, child);
                g_string_truncate(walk->path, length);
        }
}

static void
walk_value(struct walk *walk, const struct key *key, const json_t *value, const struct node *node)
{
        if (json_array_size(value))
                walk_list(walk, key, value, node);
        else if (!json_object_size(value))
                add(walk, value, node);
        else if (key && key->type == KEY_OBJECT_MAP)
                walk_names(walk, key, value, node);
        else if (key && key->table)
                walk_object(walk, key->table, value, node);
        else
                walk_map(walk, value, node);
}

GPtrArray *
project_origins(const struct project *project, const json_t *encoded)
{
        struct walk walk = {g_ptr_array_new_with_free_func(origin_free), g_string_new(NULL)};

        walk_object(&walk, &keys_project, encoded, project->node);
        g_string_free(walk.path, TRUE);
        return walk.origins;
}
