/* encode.c - from structs back to JSON in the file's own terms, by the table of keys */
#include "parser/decode/decode.h"

#include "parser/variables/interpolate.h"
#include "parser/value/value.h"

#include <string.h>

#define FIELD(object, key, type) (*(const type *)((const char *)(object) + (key)->offset))

static json_t *encode_value(const struct key *key, const struct node *written, const void *object, gboolean defaults);

static json_t *
string_dollars(const char *text)
{
        g_autofree char *escaped = NULL;

        if (!strchr(text, '$'))
                return json_string(text);
        escaped = encode_dollars(text);
        return json_string(escaped);
}

json_t *
encode_text(const struct key *key, const void *object)
{
        const char *text = FIELD(object, key, char *);

        return text ? string_dollars(text) : NULL;
}

static json_t *
string_take(char *text)
{
        json_t *value = json_string(text);

        g_free(text);
        return value;
}

/* A text whose dollars are the guest's, as it was before they were doubled. */
static json_t *
halve_dollars(const char *text)
{
        g_autoptr(GString) out = g_string_sized_new(strlen(text));

        for (; *text; text += *text == '$' ? 2 : 1)
                g_string_append_c(out, *text);
        return json_string(out->str);
}

/* Bodies that interpolation does not look into: @value has every dollar doubled, and theirs have to be as they were. */
static json_t *
leave_to_guest(const json_t *value, enum body body)
{
        const json_t *item;
        const char *name;
        size_t i;
        json_t *all;

        if (body == BODY_NOT || (!json_is_object(value) && !json_is_array(value)))
                return body != BODY_NOT && json_is_string(value) ? halve_dollars(json_string_value(value))
                                                                 : json_deep_copy(value);
        all = json_is_object(value) ? json_object() : json_array();
        json_array_foreach(value, i, item)
                json_array_append_new(all, leave_to_guest(item, body_below(body, NULL, json_string_value(item))));
        json_object_foreach((json_t *)value, name, item)
                json_object_set_new(all, name, leave_to_guest(item, body_below(body, name, json_string_value(item))));
        return all;
}

/* Does a VM say `interpolate: true`? */
static gboolean
wants_bodies(const struct node *vm)
{
        const struct node *wish = node_get(vm, "interpolate");

        return wish && wish->kind == NODE_SCALAR && strcmp(wish->text, "true") == 0;
}

static json_t *
encode_texts(const char *const *texts)
{
        json_t *list = json_array();

        for (; texts && *texts; texts++)
                json_array_append_new(list, string_dollars(*texts));
        return list;
}

static json_t *
encode_counts(const struct count_list *list)
{
        json_t *array = json_array();

        for (guint i = 0; i < list->count; i++)
                json_array_append_new(array, json_integer(list->items[i]));
        return array;
}

static json_t *
encode_text_map(const struct text_map *map)
{
        json_t *object = json_object();

        for (guint i = 0; i < map->count; i++)
                json_object_set_new(object, map->names[i], string_dollars(map->values[i]));
        return object;
}

static json_t *
encode_enum(const struct key *key, int word)
{
        guint count = g_strv_length((char **)key->words);

        return json_string((guint)word < count ? key->words[word] : key->later[(guint)word - count]);
}

/* Addresses; NULL where there is none. */
static json_t *
encode_address(const struct key *key, const void *object)
{
        if (key->word && *(const gboolean *)((const char *)object + key->word_offset))
                return json_string(key->word);
        switch (key->type) {
        case KEY_MAC:
                return string_take(value_format_mac(&FIELD(object, key, struct ether_addr)));
        case KEY_IPV4:
                return FIELD(object, key, guint32) ? string_take(value_format_ipv4(FIELD(object, key, guint32))) : NULL;
        case KEY_CIDR4:
                if (!FIELD(object, key, struct cidr4).prefix)
                        return NULL;
                return string_take(value_format_cidr4(&FIELD(object, key, struct cidr4)));
        case KEY_IPV6:
                if (IN6_IS_ADDR_UNSPECIFIED(&FIELD(object, key, struct in6_addr)))
                        return NULL;
                return string_take(value_format_ipv6(&FIELD(object, key, struct in6_addr)));
        case KEY_CIDR6:
                if (!FIELD(object, key, struct cidr6).prefix)
                        return NULL;
                return string_take(value_format_cidr6(&FIELD(object, key, struct cidr6)));
        case KEY_RANGE4:
                if (!FIELD(object, key, struct range4).last)
                        return NULL;
                return string_take(value_format_range4(&FIELD(object, key, struct range4)));
        default:
                g_assert_not_reached();
        }
}

static json_t *
encode_scalar(const struct key *key, const void *object)
{
        if (key->set_offset && !*(const gboolean *)((const char *)object + key->set_offset))
                return NULL;
        switch (key->type) {
        case KEY_BOOL:
                return json_boolean(FIELD(object, key, gboolean));
        case KEY_COUNT:
                if (key->set_offset && !*(const gboolean *)((const char *)object + key->set_offset))
                        return NULL;
                return FIELD(object, key, guint) || key->min <= 0 ? json_integer(FIELD(object, key, guint)) : NULL;
        case KEY_MEMORY:
        case KEY_SIZE:
                return FIELD(object, key, guint64) ? string_take(value_format_size(FIELD(object, key, guint64))) : NULL;
        case KEY_RATE:
                return FIELD(object, key, guint64) ? string_take(value_format_rate(FIELD(object, key, guint64))) : NULL;
        case KEY_PERCENT:
                return string_take(value_format_percent(FIELD(object, key, guint)));
        case KEY_DURATION:
                return string_take(value_format_duration((guint64)FIELD(object, key, guint) * key->scale_ms));
        case KEY_ENUM:
                return encode_enum(key, FIELD(object, key, int));
        case KEY_TEXT_LIST:
        case KEY_NAME_LIST:
                return encode_texts(FIELD(object, key, char *const *));
        case KEY_COUNT_LIST:
                return encode_counts(&FIELD(object, key, struct count_list));
        case KEY_TEXT_MAP:
                return encode_text_map(&FIELD(object, key, struct text_map));
        case KEY_MAC:
        case KEY_IPV4:
        case KEY_CIDR4:
        case KEY_RANGE4:
        case KEY_IPV6:
        case KEY_CIDR6:
                return encode_address(key, object);
        default: /* texts of all kinds */
                return encode_text(key, object);
        }
}

static const struct node *
node_of(const struct key_table *table, const void *object)
{
        return *(const struct node *const *)((const char *)object + table->node_offset);
}

static json_t *
encode_objects(const struct key *key, const void *object, gboolean defaults)
{
        const struct key_table *table = key->table;
        const char *items = FIELD(object, key, char *);
        guint count = *(const guint *)((const char *)object + key->count_offset);
        json_t *all = key->type == KEY_OBJECT_MAP ? json_object() : json_array();

        for (guint i = 0; i < count; i++, items += table->struct_size) {
                json_t *one;

                if (!defaults && !node_of(table, items))
                        continue;
                one = table->encode_short ? table->encode_short(items) : NULL;
                if (!one)
                        one = keys_encode(table, items, defaults);
                if (key->type == KEY_OBJECT_MAP)
                        json_object_set_new(all, *(const char *const *)(items + table->name_offset), one);
                else
                        json_array_append_new(all, one);
        }
        return all;
}

static json_t *
encode_one(const struct key *key, const void *object, gboolean defaults)
{
        const char *child = (const char *)object + key->offset;

        if (key->indirect)
                child = FIELD(object, key, char *);
        if (!child)
                return NULL;
        if (key->table->flag_offset && !*(const gboolean *)(child + key->table->flag_offset))
                return json_false();
        return keys_encode(key->table, child, defaults);
}

/* What says nothing about this very object: a named disk has its size elsewhere, a bridged network no addresses of ours. */
static gboolean
is_foreign(const struct key_table *table, const struct key *key, const void *object)
{
        static const char *const not_for_named[] = {"name", "size", "format", "preallocation", "cluster_size",
                                                    "compression_type", "encryption", "file", "device", "url", "media",
                                                    NULL};

        if (table == &keys_network) {
                static const char *const bridge_keys[] = {"mode", "bridge", "external", "mtu", "uplink", "vxlan", NULL};
                const struct network *network = object;

                return network->mode == MODE_BRIDGE && !g_strv_contains(bridge_keys, key->name);
        }
        if (table == &keys_vm_disk || table == &keys_root_disk) {
                const struct disk *disk = object;

                if (disk->named && g_strv_contains(not_for_named, key->name))
                        return TRUE;
                return disk->format_unknown && strcmp(key->name, "format") == 0;
        }
        return FALSE;
}

/* `memory: {size: 1G, max: 4G}` keeps its shape, so that nothing written is lost. */
static json_t *
encode_long_form(const struct key *key, const struct node *node, const void *object)
{
        json_t *map = json_object(), *value = encode_scalar(key, object);

        if (value)
                json_object_set_new(map, key->table->short_key, value);
        for (const struct key *part = key->table->keys; part->name; part++) {
                const struct node *written = node_get(node, part->name);

                if (!written || node_is_null(written) || strcmp(part->name, key->table->short_key) == 0)
                        continue;
                value = encode_value(part, written, object, FALSE);
                if (value)
                        json_object_set_new(map, part->name, value);
        }
        return map;
}

static json_t *
encode_value(const struct key *key, const struct node *written, const void *object, gboolean defaults)
{
        switch (key->type) {
        case KEY_SPECIAL:
                return key->codec->encode(key, object);
        case KEY_OBJECT:
                return encode_one(key, object, defaults);
        case KEY_OBJECT_MAP:
        case KEY_OBJECT_LIST:
                return encode_objects(key, object, defaults);
        default:
                if (key->table && written && written->kind == NODE_MAP)
                        return encode_long_form(key, written, object);
                return encode_scalar(key, object);
        }
}

json_t *
keys_encode(const struct key_table *table, const void *object, gboolean defaults)
{
        const struct node *node = node_of(table, object);
        gboolean is_text = node && node->kind == NODE_SCALAR && table->short_form; /* may say any of the keys */
        json_t *map = json_object();

        for (const struct key *key = table->keys; key->name; key++) {
                const struct node *written = node_get(node, key->name);
                gboolean is_short =
                        node && table->short_key && node->kind == NODE_SCALAR && strcmp(key->name, table->short_key) == 0;
                enum body body = table == &keys_vm ? body_of_key(key->name) : BODY_NOT;
                json_t *value;

                if (written && node_is_null(written))
                        written = NULL;
                if (key->consumed || ((!defaults || key->unbuilt) && !written && !is_short && !is_text) ||
                    is_foreign(table, key, object))
                        continue;
                value = encode_value(key, written, object, defaults);
                if (value && body != BODY_NOT && !wants_bodies(node)) {
                        json_t *doubled = value;

                        value = leave_to_guest(doubled, body);
                        json_decref(doubled);
                }
                if (value)
                        json_object_set_new(map, key->name, value);
        }
        return map;
}
