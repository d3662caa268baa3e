/* decode.c - maps, lists and short forms, driven by the table of keys; single values are in decode-value.c */
#include "parser/decode/decode.h"

#include "parser/decode/decode-value.h"

#include <string.h>

#define FIELD(object, offset, type) (*(type *)((char *)(object) + (offset)))

static void decode_key(struct decoder *decoder, const struct key *key, const struct node *node, void *object);

static void
decode_child(struct decoder *decoder, const struct key_table *table, const char *name, const struct node *node, void *object)
{
        const struct context context = {decoder->context, table->title, name};

        decoder->context = &context;
        decode_object(decoder, table, node, object);
        decoder->context = context.parent;
}

/* A plain text in place of a map: `disk: 20G`. */
static void
decode_short(struct decoder *decoder, const struct key_table *table, const struct node *node, void *object)
{
        if (!table->decode_short || !table->decode_short(decoder, node, object))
                decode_key(decoder, keys_find_in(table, table->short_key), node, object);
}

G_STATIC_ASSERT(KEYS_MAX <= 64);

static guint64
row_bit(const struct key_table *table, const struct key *key)
{
        return G_GUINT64_CONSTANT(1) << (key - table->keys);
}

static void
decode_map(struct decoder *decoder, const struct key_table *table, const struct node *node, void *object)
{
        const struct node *values[KEYS_MAX];
        guint64 written = 0; /* the rows that have a value, as bits */

        for (guint i = 0; node && i < node->count; i++) {
                const char *name = node->keys[i]->text;
                const struct key *key = keys_find_in(table, name);

                if (key) {
                        values[key - table->keys] = node->items[i];
                        written |= row_bit(table, key);
                } else if (!g_str_has_prefix(name, "x-")) {
                        decode_unknown_key(decoder, table, node, i);
                }
        }
        for (const struct key *key = table->keys; key->required; key++)
                if (!(written & row_bit(table, key)) && !key->consumed)
                        decode_fault(decoder, "missing-key", key, node, NULL, "the key is missing");
        for (; written; written &= written - 1) {
                const struct key *key = &table->keys[__builtin_ctzll(written)];

                if (!key->consumed)
                        decode_key(decoder, key, values[key - table->keys], object);
        }
}

void
decode_defaults(struct decoder *decoder, const struct key_table *table, void *object)
{
        for (const struct key *key = table->keys; key->name; key++) {
                const struct node standard = {.kind = NODE_SCALAR, .quoted = 1, .text = key->fallback};

                if (!key->consumed && (key->fallback || key->type == KEY_OBJECT))
                        decode_key(decoder, key, &standard, object);
        }
}

/* A struct with its defaults, which are the same for all structs of a table: they are decoded once. */
static const void *
standard_of(struct decoder *decoder, const struct key_table *table)
{
        void *standard = g_hash_table_lookup(decoder->store->defaults, table);

        if (!standard) {
                standard = store_alloc(decoder->store, table->struct_size);
                decode_defaults(decoder, table, standard);
                g_hash_table_insert(decoder->store->defaults, (gpointer)table, standard);
        }
        return standard;
}

void *
decode_new(struct decoder *decoder, const struct key_table *table, guint count)
{
        const void *standard = standard_of(decoder, table);
        char *objects = store_alloc(decoder->store, count * table->struct_size);

        for (guint i = 0; i < count; i++)
                memcpy(objects + i * table->struct_size, standard, table->struct_size);
        return objects;
}

void
decode_object(struct decoder *decoder, const struct key_table *table, const struct node *node, void *object)
{
        if (node)
                FIELD(object, table->node_offset, const struct node *) = node;
        if (node && table->short_key && node->kind == NODE_SCALAR && !node_is_null(node))
                decode_short(decoder, table, node, object);
        else
                decode_map(decoder, table, node && node->kind == NODE_MAP ? node : NULL, object);
}

/* `dhcp: false` */
static gboolean
decode_flag(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        gboolean *flag = &FIELD(object, key->table->flag_offset, gboolean);
        g_auto(value_fault) fault = VALUE_FAULT_INIT;
        const char *text;

        *flag = TRUE;
        if (!node || node->kind != NODE_SCALAR || node_is_null(node))
                return FALSE;
        text = decode_text(decoder, key, node);
        if (text && !value_parse_bool(text, flag, &fault))
                decode_fault(decoder, fault.id, key, node, fault.hint, "%s", fault.reason);
        return TRUE;
}

static void
decode_one(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        const struct key_table *table = key->table;
        void *child = (char *)object + key->offset;
        gboolean is_default = node->place.line == 0; /* the stand-in for a key that is not written */
        gboolean is_plain;

        if (key->indirect && is_default)
                return;
        if (key->indirect && node_is_null(node)) {
                decode_fault(decoder, "empty-map", key, node, "write a value, or remove the key", "the value is missing");
                return;
        }
        if (is_default || node_is_null(node))
                node = NULL;
        is_plain = node && node->kind == NODE_SCALAR;
        if (node && node->kind != NODE_MAP && !(is_plain && (table->short_key || table->flag_offset))) {
                decode_shape_fault(decoder, key, node, SHAPE_MAP);
                return;
        }
        if (key->indirect)
                child = FIELD(object, key->offset, void *) = decode_new(decoder, table, 1);
        if (is_default)
                decode_defaults(decoder, table, child);
        if (table->flag_offset && decode_flag(decoder, key, node, child))
                node = NULL;
        decode_child(decoder, table, NULL, node, child);
}

static gboolean
too_many(struct decoder *decoder, const struct key *key, const struct node *node)
{
        if (!key->max || node->count <= (guint64)key->max)
                return FALSE;
        decode_fault(decoder, "too-many", key, node, NULL, "%u entries are too many, %d at most", node->count, (int)key->max);
        return TRUE;
}

static gboolean (*check_function(const struct key_table *table))(const char *, struct value_fault *)
{
        return table->check_name ? table->check_name : value_check_name;
}

static void
check_name(struct decoder *decoder, const struct key *key, const struct node *name)
{
        g_auto(value_fault) fault = VALUE_FAULT_INIT;

        if (!check_function(key->table)(name->text, &fault))
                diagnostics_add(decoder->diagnostics, SEVERITY_ERROR, fault.id, name->place, fault.hint, "name of %s %s: %s",
                                strchr("aeiou", *key->table->title) ? "an" : "a", key->table->title, fault.reason);
}

/* `networks: [lan, dmz]`: each name stands for a map with nothing in it. */
static void
decode_names(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        char *items = decode_new(decoder, key->table, node->count + 1);

        FIELD(object, key->offset, void *) = items;
        for (guint i = 0; i < node->count; i++) {
                const struct node *item = node->items[i];
                const char *name = decode_text(decoder, key, item);
                g_auto(value_fault) fault = VALUE_FAULT_INIT;
                guint *count = &FIELD(object, key->count_offset, guint);
                char *child = items + *count * key->table->struct_size;

                if (!name)
                        continue;
                if (!check_function(key->table)(name, &fault))
                        decode_fault(decoder, fault.id, key, item, fault.hint, "%s", fault.reason);
                if (!g_hash_table_add(seen, (gpointer)name))
                        decode_fault(decoder, "listed-twice", key, item,
                                     key->table == &keys_nic ? "write a map for two of them: {lan: {}, lan2: {network: lan}}"
                                                             : "remove one of the two",
                                     "'%s' is in the list twice", name);
                FIELD(child, key->table->name_offset, const char *) = name;
                decode_child(decoder, key->table, name, NULL, child);
                FIELD(child, key->table->node_offset, const struct node *) = item;
                (*count)++;
        }
}

static void
decode_object_map(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        const struct key_table *table = key->table;
        guint spare = table == &keys_network; /* for the implicit network */
        const void *standard;
        char *items;

        if (node_is_null(node) || too_many(decoder, key, node))
                return;
        if (key->named && node->kind == NODE_LIST) {
                decode_names(decoder, key, node, object);
                return;
        }
        if (node->kind != NODE_MAP) {
                decode_shape_fault(decoder, key, node, key->named ? SHAPE_LIST : SHAPE_MAP);
                return;
        }
        standard = standard_of(decoder, table);
        items = store_alloc(decoder->store, (node->count + spare) * table->struct_size);
        FIELD(object, key->offset, void *) = items;
        FIELD(object, key->count_offset, guint) = node->count;
        for (guint i = 0; i < node->count; i++, items += table->struct_size) {
                const struct node *item = node->items[i];
                const struct context context = {decoder->context, table->title, node->keys[i]->text};

                memcpy(items, standard, table->struct_size); /* not all of them before: it stays in the cache */
                check_name(decoder, key, node->keys[i]);
                FIELD(items, table->name_offset, const char *) = node->keys[i]->text;
                decoder->context = &context;
                if (item->kind != NODE_MAP && !node_is_null(item) && !(table->short_key && item->kind == NODE_SCALAR))
                        decode_object_fault(decoder, table, item);
                decode_object(decoder, table, item, items);
                decoder->context = context.parent;
        }
        if (spare)
                memcpy(items, standard, table->struct_size);
}

static void
decode_object_list(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        const struct key_table *table = key->table;
        char *items;

        if (node_is_null(node) || too_many(decoder, key, node))
                return;
        if (node->kind != NODE_LIST) {
                decode_shape_fault(decoder, key, node, SHAPE_LIST);
                return;
        }
        items = decode_new(decoder, table, node->count);
        FIELD(object, key->offset, void *) = items;
        FIELD(object, key->count_offset, guint) = node->count;
        for (guint i = 0; i < node->count; i++, items += table->struct_size) {
                const struct node *item = node->items[i];

                if (node_is_null(item))
                        decode_fault(decoder, "empty-item", key, item, "write a value, or remove the dash", "item %u is empty",
                                     i + 1);
                else if (item->kind == NODE_LIST || (item->kind == NODE_SCALAR && !table->short_key))
                        decode_shape_fault(decoder, key, item, SHAPE_MAP);
                else
                        decode_child(decoder, table, NULL, item, items);
        }
}

/* `memory: {size: 1G, max: 4G}`: the short key is of the row's own type, all others are rows of the same struct. */
static void
decode_long_form(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        const struct context context = {decoder->context, key->name, NULL};
        struct key plain = *key;
        struct node standard = {.kind = NODE_SCALAR, .quoted = 1, .text = key->fallback};
        const struct node *value = node_get(node, key->table->short_key);

        plain.table = NULL;
        if (value || key->fallback)
                decode_key(decoder, &plain, value ? value : &standard, object);
        decoder->context = &context;
        for (guint i = 0; i < node->count; i++) {
                const struct key *part = keys_find_in(key->table, node->keys[i]->text);

                if (!part && !g_str_has_prefix(node->keys[i]->text, "x-"))
                        decode_unknown_key(decoder, key->table, node, i);
                else if (part && strcmp(part->name, key->table->short_key) != 0)
                        decode_key(decoder, part, node->items[i], object);
        }
        decoder->context = context.parent;
}

static void
decode_typed(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        switch (key->type) {
        case KEY_OBJECT:
                decode_one(decoder, key, node, object);
                break;
        case KEY_OBJECT_MAP:
                decode_object_map(decoder, key, node, object);
                break;
        case KEY_OBJECT_LIST:
                decode_object_list(decoder, key, node, object);
                break;
        case KEY_SPECIAL:
                key->codec->decode(decoder, key, node, object);
                break;
        default:
                if (key->table && node->kind == NODE_MAP)
                        decode_long_form(decoder, key, node, object);
                else
                        decode_value(decoder, key, node, object);
        }
}

/* Is this what happens anyway, so that it may be written although nothing acts on it yet? */
static gboolean
is_harmless(const struct key *key, const struct node *node)
{
        return node->place.line == 0 || node_is_null(node) ||
               (key->type != KEY_OBJECT && node->kind != NODE_SCALAR && node->count == 0) ||
               (key->fallback && node->kind == NODE_SCALAR && strcmp(node->text, key->fallback) == 0);
}

static void
decode_key(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        if (key->set_offset)
                FIELD(object, key->set_offset, gboolean) = TRUE;
        if (key->unbuilt && !decoder->unbuilt && !is_harmless(key, node))
                decode_refuse(decoder, key, node, NULL, "the key is not supported yet");
        decoder->unbuilt += key->unbuilt;
        decode_typed(decoder, key, node, object);
        decoder->unbuilt -= key->unbuilt;
}
