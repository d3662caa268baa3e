/* merge.c - two values merged, by the table of keys */
#include "parser/files/merge-inside.h"

#include <string.h>

static struct rule
rule_for(const struct key *key)
{
        if (!key)
                return (struct rule){WAY_SHAPE};
        if (key->replaced)
                return (struct rule){WAY_REPLACE};
        if (key->identity)
                return (struct rule){WAY_ENTRIES, key, key->table};
        switch (key->type) {
        case KEY_OBJECT_MAP:
                return (struct rule){WAY_NAMES, key, key->table};
        case KEY_NAME_LIST:
                return (struct rule){WAY_NAMES, key, NULL};
        case KEY_TEXT_LIST:
        case KEY_TEXT_MAP:
        case KEY_OBJECT_LIST:
                return (struct rule){WAY_SHAPE};
        case KEY_SPECIAL:
                return (struct rule){WAY_LOOSE};
        default:
                return key->table ? (struct rule){WAY_OBJECT, key, key->table} : (struct rule){WAY_REPLACE};
        }
}

static void
append_path(GString *out, const struct step *step)
{
        if (step->above) {
                append_path(out, step->above);
                g_string_append_c(out, '.');
        }
        g_string_append(out, step->name);
}

char *
merge_subject(const struct merge *merge)
{
        GString *out = g_string_new(NULL);

        if (merge->path)
                append_path(out, merge->path);
        return g_string_free(out, FALSE);
}

gint
merge_compare_texts(gconstpointer a, gconstpointer b, gpointer data)
{
        return strcmp(a, b);
}

char *
merge_format_place(const struct place *place)
{
        return g_strdup_printf("%s:%u", place->source ? place->source->name : "?", place->line);
}

static const char *
shape_name(const struct node *node)
{
        return node->kind == NODE_SCALAR ? "a single value" : node->kind == NODE_MAP ? "a map" : "a list";
}

static struct node *
report_shapes(struct merge *merge, struct node *below, const struct node *over)
{
        g_autofree char *where = merge_subject(merge), *other = merge_format_place(&below->place);
        g_autofree char *hint = g_strdup_printf("write %s here as well; '!override' replaces the other", shape_name(below));

        diagnostics_add(merge->diagnostics, SEVERITY_ERROR, "merge-shape", over->place, hint,
                        "%s: %s cannot be merged with %s, which is at %s", where, shape_name(over), shape_name(below), other);
        return below;
}

/* Zeroed memory for @values, or NULL when that would be too many in all. */
static void *
take_room(struct merge *merge, guint values, size_t bytes, const struct node *node)
{
        if (values > merge->room) {
                if (!merge->full)
                        diagnostics_add(merge->diagnostics, SEVERITY_ERROR, "merge-too-large", node->place, NULL,
                                        "more than %d values come out of the merging of files and VMs", TREE_MAX_NODES);
                merge->full = TRUE;
                return NULL;
        }
        merge->room -= values;
        return store_alloc(merge->store, bytes);
}

struct node *
merge_new_node(struct merge *merge, enum node_kind kind, const struct node *model, guint count)
{
        size_t arrays = kind == NODE_MAP ? 2 : 1;
        struct node *node = take_room(merge, count + 1, sizeof *node + arrays * count * sizeof *node->items, model);

        if (!node)
                return NULL;
        node->kind = kind;
        node->place = model->place;
        node->override = model->override;
        node->items = (struct node **)(void *)(node + 1);
        node->keys = kind == NODE_MAP ? node->items + count : NULL;
        return node;
}

void
merge_add(struct node *node, struct node *key, struct node *value)
{
        if (node->keys)
                node->keys[node->count] = key;
        node->items[node->count++] = value;
}

/* A value from below, with the step that it takes. */
struct node *
merge_take_below(struct merge *merge, struct node *node)
{
        return merge->via ? via_copy(merge->via, node) : node;
}

/* The place that stands for both, and whether what lies further below is replaced. */
void
merge_settle(const struct merge *merge, struct node *node, const struct node *below, const struct node *over)
{
        node->place = merge->below_leads ? below->place : over->place;
        node->override = below->override;
        node->reset = FALSE;
}

/* ---- maps ---- */

/* A name that may be in one of both only. The same one of the same file is no second one: it was included on two ways. */
static struct node *
keep_apart(struct merge *merge, const struct rule *rule, const struct node *key, struct node *below, struct node *over)
{
        g_autofree char *other = merge_format_place(&below->place);
        gboolean is_twice = below->place.source == over->place.source && below->place.line == over->place.line &&
                            below->place.column == over->place.column;

        if (node_is_same(below, over))
                return over;
        if (is_twice)
                diagnostics_add(merge->diagnostics, SEVERITY_ERROR, "included-twice", key->place,
                                "include it once, or each time with the same env_file",
                                "%s '%s': the file is included twice, and its variables make two different ones of it",
                                rule->table->title, key->text);
        else
                diagnostics_add(merge->diagnostics, SEVERITY_ERROR, "include-clash", key->place,
                                "rename one of them; what is included can be changed in drover.override.yaml",
                                "%s '%s' is here and also at %s", rule->table->title, key->text, other);
        return over;
}

static struct node *
merge_pair(struct merge *merge, const struct rule *rule, const struct node *key, struct node *below, struct node *over)
{
        const struct step step = {merge->path, key->text};
        gboolean is_name = rule->way == WAY_NAMES;
        struct node *merged;

        if (is_name && merge->apart)
                return keep_apart(merge, rule, key, below, over);
        merge->path = &step;
        if (is_name)
                merged = merge_values(merge, (struct rule){rule->table ? WAY_OBJECT : WAY_SHAPE, NULL, rule->table}, below,
                                      over);
        else if (!rule->table)
                merged = merge_values(merge, (struct rule){WAY_SHAPE}, below, over);
        else if (g_str_has_prefix(key->text, "x-"))
                merged = over;
        else
                merged = merge_values(merge, rule_for(keys_find_in(rule->table, key->text)), below, over);
        merge->path = step.above;
        return merged;
}

/* The keys from below in their order, then those that only @over has. */
static struct node *
merge_maps(struct merge *merge, const struct rule *rule, const struct node *below, const struct node *over)
{
        struct node *map = merge_new_node(merge, NODE_MAP, over, below->count + over->count);
        g_autoptr(key_index_t) index = key_index_new(over);
        g_autofree gboolean *done = g_new0(gboolean, over->count + 1);

        if (!map)
                return (struct node *)over;
        merge_settle(merge, map, below, over);
        for (guint i = 0; i < below->count; i++) {
                gint64 j = key_index_find(index, below->keys[i]->text);
                struct node *item = below->items[i];

                if (j >= 0) {
                        done[j] = TRUE;
                        item = merge_pair(merge, rule, over->keys[j], item, over->items[j]);
                } else {
                        item = merge_take_below(merge, item);
                }
                merge_add(map, j < 0 || merge->below_leads ? below->keys[i] : over->keys[j], item);
        }
        for (guint j = 0; j < over->count; j++)
                if (!done[j])
                        merge_add(map, over->keys[j], over->items[j]);
        return map;
}

/* ---- objects: a map, or its short form ---- */

/* Does a plain text stand for one key, and not for several? */
gboolean
merge_has_short_key(const struct key_table *table)
{
        return table->short_key && !table->short_form;
}

/* `disk: 20G` as `disk: {size: 20G}`; NULL where there is no such form. */
static struct node *
as_map(struct merge *merge, const struct key_table *table, struct node *node)
{
        struct node *map, *key;

        if (node->kind == NODE_MAP)
                return node;
        if (node->kind != NODE_SCALAR || !merge_has_short_key(table))
                return NULL;
        map = merge_new_node(merge, NODE_MAP, node, 1);
        key = map ? take_room(merge, 1, sizeof *key, node) : NULL;
        if (!key)
                return NULL;
        key->text = table->short_key;
        key->place = node->place;
        merge_add(map, key, node);
        return map;
}

/* `dhcp: true` is what the map says anyway, and `dhcp: false` replaces and is replaced. */
static struct node *
merge_flag(struct merge *merge, struct node *below, struct node *over)
{
        if (over->kind == NODE_SCALAR && below->kind == NODE_MAP && strcmp(over->text, "true") == 0)
                return merge_take_below(merge, below);
        return over;
}

static struct node *
merge_objects(struct merge *merge, const struct rule *rule, struct node *below, struct node *over)
{
        struct node *lower, *upper;

        if (rule->table->flag_offset && (below->kind == NODE_SCALAR || over->kind == NODE_SCALAR))
                return merge_flag(merge, below, over);
        if (below->kind == NODE_SCALAR && over->kind == NODE_SCALAR && rule->table->short_key)
                return over; /* two short forms */
        lower = as_map(merge, rule->table, below);
        upper = as_map(merge, rule->table, over);
        if (merge->full)
                return over;
        return lower && upper ? merge_maps(merge, rule, lower, upper) : report_shapes(merge, below, over);
}

/* ---- names: a map, or a list that is short for it ---- */

static struct node *
names_as_map(struct merge *merge, struct node *list)
{
        g_autoptr(GTree) seen = g_tree_new_full(merge_compare_texts, NULL, NULL, NULL);
        struct node *map, *nothing;

        if (list->kind != NODE_LIST)
                return list->kind == NODE_MAP ? list : NULL;
        map = merge_new_node(merge, NODE_MAP, list, list->count);
        nothing = map ? take_room(merge, list->count, (list->count + 1) * sizeof *nothing, list) : NULL;
        if (!nothing)
                return NULL;
        for (guint i = 0; i < list->count; i++) {
                struct node *name = list->items[i];

                if (name->kind != NODE_SCALAR)
                        return NULL;
                nothing[i] = (struct node){.kind = NODE_SCALAR, .text = "", .place = name->place};
                if (!g_tree_lookup(seen, name->text))
                        merge_add(map, name, &nothing[i]);
                g_tree_insert(seen, (gpointer)name->text, name);
        }
        return map;
}

static struct node *
merge_names(struct merge *merge, const struct rule *rule, struct node *below, struct node *over)
{
        gboolean takes_lists = rule->key->named || !rule->table;
        struct node *lower, *upper;

        if (below->kind == NODE_LIST && over->kind == NODE_LIST && takes_lists)
                return merge_name_lists(merge, below, over);
        lower = takes_lists ? names_as_map(merge, below) : below;
        upper = takes_lists ? names_as_map(merge, over) : over;
        if (merge->full)
                return over;
        if (!lower || !upper || lower->kind != NODE_MAP || upper->kind != NODE_MAP)
                return report_shapes(merge, below, over);
        return merge_maps(merge, rule, lower, upper);
}

/* ---- any two values ---- */

/* By what they are alone. */
static struct node *
merge_shapes(struct merge *merge, enum way way, struct node *below, struct node *over)
{
        const struct rule rule = {WAY_SHAPE};

        if (below->kind == NODE_MAP && over->kind == NODE_MAP)
                return merge_maps(merge, &rule, below, over);
        if (below->kind == NODE_LIST && over->kind == NODE_LIST)
                return merge_appended(merge, below, over);
        if (below->kind == NODE_SCALAR || way == WAY_LOOSE)
                return over;
        return report_shapes(merge, below, over);
}

/* What a tag below keeps out stays out of what comes over it. */
static struct node *
keep_tag(struct merge *merge, const struct node *below, struct node *merged)
{
        struct node *copy;

        if (merged == below || merged->override || merged->reset || !(below->reset || below->override))
                return merged;
        copy = take_room(merge, 1, sizeof *copy, merged);
        if (!copy)
                return merged;
        *copy = *merged;
        copy->override = TRUE;
        return copy;
}

/* `lan:` says nothing of what it is, but `memory:` lacks its value. */
static gboolean
adds_nothing(const struct rule *rule, const struct node *over)
{
        gboolean is_value = rule->way == WAY_REPLACE || (rule->way == WAY_OBJECT && rule->key && !keys_has_objects(rule->key));

        return node_is_null(over) && !is_value;
}

static struct node *
merge_by_rule(struct merge *merge, const struct rule *rule, struct node *below, struct node *over)
{
        switch (rule->way) {
        case WAY_REPLACE:
                return over;
        case WAY_OBJECT:
                return merge_objects(merge, rule, below, over);
        case WAY_NAMES:
                return merge_names(merge, rule, below, over);
        case WAY_ENTRIES:
                if (below->kind == NODE_LIST && over->kind == NODE_LIST)
                        return merge_entries(merge, rule, below, over);
                return report_shapes(merge, below, over);
        default:
                return merge_shapes(merge, rule->way, below, over);
        }
}

/* `networks: []` over NICs of another file or VM: alone it means none of them, here it changes nothing. */
static void
warn_of_empty_list(struct merge *merge, const struct node *below, const struct node *over)
{
        g_autofree char *where = NULL, *other = NULL;

        if (over->kind != NODE_LIST || over->count || below->kind == NODE_SCALAR || !below->count)
                return;
        where = merge_subject(merge);
        other = merge_format_place(&below->place);
        diagnostics_add(merge->diagnostics, SEVERITY_WARNING, "merge-empty-list", over->place,
                        "write '!override []' for none of them", "%s: an empty list adds nothing to %s, which is at %s", where,
                        shape_name(below), other);
}

struct node *
merge_values(struct merge *merge, struct rule rule, struct node *below, struct node *over)
{
        if (merge->full || over->reset || over->override)
                return over;
        if (adds_nothing(&rule, over))
                return merge_take_below(merge, below);
        warn_of_empty_list(merge, below, over);
        if (!below->reset && !node_is_null(below))
                over = merge_by_rule(merge, &rule, below, over);
        return keep_tag(merge, below, over);
}

struct node *
merge_tops(struct merge *merge, const struct key_table *table, struct node *below, struct node *over)
{
        return merge_values(merge, (struct rule){WAY_OBJECT, NULL, table}, below, over);
}
