/* schema.c - JSON Schema (2020-12) of the project file, made from the table of keys; for editors */
#include "parser/decode/decode.h"
#include "parser/value/typed.h"

#include <string.h>

#define NAME_PATTERN "^(?!x-)[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
#define SIZE "[0-9]+(\\.[0-9]+)?[KMGTPkmgtp](i?[bB])?"
#define DURATION "(?=[0-9])([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?"
#define OCTET "(0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
#define IPV4 OCTET "(\\." OCTET "){3}"
#define LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

static json_t *schema_object(const struct key_table *table);

static json_t *
schema_pattern(const char *pattern)
{
        return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

/* Digits are a text to us as any other; 'true' for a text is more likely a slip. */
static json_t *
schema_text(const char *pattern)
{
        return json_pack("{s:[s,s], s:s, s:i}", "type", "string", "integer", "pattern", pattern, "minimum", 0);
}

/* What is in quotes means the same. */
static json_t *
schema_bool(void)
{
        return json_pack("{s:[s,s], s:s}", "type", "boolean", "string", "pattern", "^(true|false)$");
}

static json_t *
schema_count(const struct key *key)
{
        return json_pack("{s:[s,s], s:I, s:I, s:s}", "type", "integer", "string", "minimum", (json_int_t)key->min, "maximum",
                         (json_int_t)key->max, "pattern", "^(0|[1-9][0-9]*)$");
}

static json_t *
schema_words(const struct key *key)
{
        json_t *words = json_array();

        for (guint i = 0; key->words && key->words[i]; i++)
                json_array_append_new(words, json_string(key->words[i]));
        for (guint i = 0; key->later && key->later[i]; i++)
                json_array_append_new(words, json_string(key->later[i]));
        return json_pack("{s:o}", "enum", words);
}

/* Scalars are text to us, whatever YAML makes of them: a number is as good as its digits. */
static json_t *
schema_scalar(void)
{
        return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean");
}

static json_t *
schema_map(const struct key_table *table, json_t *values)
{
        return json_pack("{s:[s,s], s:o, s:{s:s}}", "type", "object", "null", "additionalProperties", values, "propertyNames",
                         "pattern", table->name_pattern ? table->name_pattern : NAME_PATTERN);
}

static json_t *
schema_list(json_t *items)
{
        return json_pack("{s:[s,s], s:o}", "type", "array", "null", "items", items);
}

static json_t *
schema_value(const struct key *key)
{
        switch (key->type) {
        case KEY_NAME:
                return schema_text(NAME_PATTERN);
        case KEY_INTERFACE:
                return schema_text("^(?!\\.\\.?$)[!-$&-.0-9;-~]{1,15}$");
        case KEY_BOOL:
                return schema_bool();
        case KEY_COUNT:
                return schema_count(key);
        case KEY_MEMORY:
                return json_pack("{s:[s,s], s:s, s:i}", "type", "string", "integer", "pattern", "^([0-9]+|" SIZE ")$",
                                 "minimum", 1);
        case KEY_SIZE:
                return schema_pattern("^" SIZE "$");
        case KEY_DURATION:
                return json_pack("{s:[s,s], s:s, s:i, s:i}", "type", "string", "integer", "pattern", "^(0|" DURATION ")$",
                                 "minimum", 0, "maximum", 0);
        case KEY_ENUM:
                return schema_words(key);
        case KEY_MAC:
                return schema_pattern("^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$");
        case KEY_IPV4:
                return schema_pattern(key->word ? "^(none|" IPV4 ")$" : "^" IPV4 "$");
        case KEY_CIDR4:
                return schema_pattern("^(auto|" IPV4 "/([0-9]|[12][0-9]|30))$");
        case KEY_RANGE4:
                return schema_pattern("^" IPV4 " *- *" IPV4 "$");
        case KEY_IPV6:
                return schema_pattern("^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$");
        case KEY_CIDR6:
                return schema_pattern("^[0-9A-Fa-f:]+/64$");
        case KEY_RATE:
                return schema_pattern("^[0-9]+(\\.[0-9]+)?([kKmMgGtT]|[kKmMgGtT]?[bB][iI][tT](/s)?)$");
        case KEY_PERCENT:
                return json_pack("{s:[s,s], s:s, s:i, s:i}", "type", "string", "integer", "pattern",
                                 "^(0|[0-9]{1,3}(\\.[0-9]{1,4})?%)$", "minimum", 0, "maximum", 0);
        case KEY_DOMAIN:
                return schema_text(key->max == 1 ? "^" LABEL "$" : "^" LABEL "(\\." LABEL ")*$");
        case KEY_PATH:
                return json_pack("{s:[s,s], s:i}", "type", "string", "number", "minLength", 1);
        case KEY_COUNT_LIST:
                return schema_list(schema_count(key));
        case KEY_TEXT_LIST:
                return schema_list(schema_scalar());
        case KEY_NAME_LIST:
                return schema_list(schema_text(NAME_PATTERN));
        case KEY_TEXT_MAP:
                return json_pack("{s:[s,s], s:{s:[s,s,s,s]}}", "type", "object", "null", "additionalProperties", "type",
                                 "string", "number", "boolean", "null");
        default:
                return json_pack("{s:[s,s]}", "type", "string", "number");
        }
}

static json_t *
either(json_t *one, json_t *other)
{
        return json_pack("{s:[o,o]}", "anyOf", one, other);
}

/* The short forms beside the map: `disk: 20G`, `dhcp: false`, `lan:`. */
static json_t *
schema_with_short(const struct key_table *table)
{
        json_t *object = schema_object(table);

        if (table->short_form)
                object = either(json_pack("{s:s}", "type", "string"), object);
        else if (table->short_key)
                object = either(schema_value(keys_find_in(table, table->short_key)), object);
        if (table->flag_offset)
                object = either(schema_bool(), object);
        return object;
}

static json_t *
schema_shape(const struct key *key)
{
        json_t *schema;

        switch (key->type) {
        case KEY_OBJECT:
                schema = schema_with_short(key->table);
                return key->indirect ? schema : either(json_pack("{s:s}", "type", "null"), schema);
        case KEY_OBJECT_MAP:
                schema = schema_map(key->table, either(json_pack("{s:s}", "type", "null"), schema_with_short(key->table)));
                return key->named ? either(schema_list(schema_text(NAME_PATTERN)), schema) : schema;
        case KEY_OBJECT_LIST:
                return schema_list(schema_with_short(key->table));
        case KEY_SPECIAL:
                return key->codec->schema();
        default:
                schema = schema_value(key);
                if (key->table)
                        return either(schema, schema_object(key->table));
                return schema;
        }
}

/* The example as a value: editors offer it as it is. */
static json_t *
example_value(const struct key *key)
{
        struct sources *sources = sources_new();
        struct diagnostics *diagnostics = diagnostics_new(sources);
        g_autofree char *text = g_strdup_printf("example: %s\n", key->example);
        const struct source *source = sources_add_text(sources, "example", "/", text, strlen(text), NULL);
        struct tree *tree = source ? tree_read(source, diagnostics) : NULL;
        json_t *value = tree ? typed_node(node_get(tree_root(tree), "example"), NULL) : json_string(key->example);

        tree_free(tree);
        diagnostics_free(diagnostics);
        sources_unref(sources);
        return value;
}

static json_t *
schema_key(const struct key *key)
{
        json_t *schema = schema_shape(key);
        g_autofree char *description = NULL;

        if (key->unbuilt)
                description = g_strdup_printf("%s (not supported yet)", key->help);
        else
                description = g_strdup_printf("%s (a change %s)", key->help, key_change_text(key->change));
        json_object_set_new(schema, "description", json_string(description));
        if (key->fallback)
                json_object_set_new(schema, "default", typed_scalar(key->fallback));
        json_object_set_new(schema, "examples", json_pack("[o]", example_value(key)));
        return schema;
}

static json_t *
schema_object(const struct key_table *table)
{
        json_t *properties = json_object(), *required = json_array();
        json_t *schema;

        for (const struct key *key = table->keys; key->name; key++) {
                json_object_set_new(properties, key->name, schema_key(key));
                if (key->required)
                        json_array_append_new(required, json_string(key->name));
        }
        schema = json_pack("{s:s, s:o, s:{s:{}}, s:b}", "type", "object", "properties", properties, "patternProperties", "^x-",
                           "additionalProperties", 0);
        if (json_array_size(required))
                json_object_set(schema, "required", required);
        json_decref(required);
        return schema;
}

static gboolean
is_narrow(const json_t *schema)
{
        const char *type = json_string_value(json_object_get(schema, "type"));

        return json_object_get(schema, "pattern") || json_object_get(schema, "enum") || g_strcmp0(type, "boolean") == 0 ||
               g_strcmp0(type, "integer") == 0;
}

/* Instead of any value a variable may stand: what a text with a dollar becomes, an editor does not know. */
static void
allow_variables(json_t *schema)
{
        static const char *const notes[] = {"description", "default", "examples", NULL};
        static const char *const below[] = {"properties", "anyOf", "items", "additionalProperties", NULL};
        json_t *narrow, *part;
        const char *name;
        size_t i;

        if (!json_is_object(schema))
                return;
        json_object_foreach(json_object_get(schema, below[0]), name, part) allow_variables(part);
        json_array_foreach(json_object_get(schema, below[1]), i, part) allow_variables(part);
        for (i = 2; below[i]; i++)
                allow_variables(json_object_get(schema, below[i]));
        if (!is_narrow(schema))
                return;
        narrow = json_copy(schema);
        for (const char *const *note = notes; *note; note++)
                json_object_del(narrow, *note);
        json_object_foreach(narrow, name, part) json_object_del(schema, name);
        json_object_set_new(schema, "anyOf", json_pack("[o, o]", narrow, schema_pattern("\\$")));
}

json_t *
keys_schema(void)
{
        json_t *schema = json_pack("{s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title",
                                   "drover project file");
        g_autoptr(json_t) object = schema_object(&keys_project);

        allow_variables(object);
        json_object_update(schema, object);
        json_object_set_new(schema, "type", json_pack("[s,s]", "object", "null")); /* an empty file is an empty project */
        return schema;
}
