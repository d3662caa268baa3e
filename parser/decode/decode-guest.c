/* decode-guest.c - values of a VM that no common type covers: each a parser of value.h, its format, and its pattern */
#include "parser/decode/decode.h"

#include "parser/value/value.h"

#include <string.h>

#define FIELD(object, key, type) (*(type *)((char *)(object) + (key)->offset))

/* From one text to one struct, by a parser that says itself what is wrong. */
#define DEFINE_DECODE(name, type, parse)                                                                                       \
        static void decode_##name(struct decoder *decoder, const struct key *key, const struct node *node, void *object)       \
        {                                                                                                                      \
                g_auto(value_fault) fault = VALUE_FAULT_INIT;                                                                  \
                const char *text = decode_text(decoder, key, node);                                                            \
                                                                                                                               \
                if (text && !parse(text, &FIELD(object, key, type), &fault))                                                   \
                        decode_fault(decoder, fault.id, key, node, fault.hint, "%s", fault.reason);                            \
        }

/* Back to the text; @is_set is an expression of `value`. */
#define DEFINE_ENCODE(name, type, is_set, format)                                                                              \
        static json_t *encode_##name(const struct key *key, const void *object)                                                \
        {                                                                                                                      \
                const type *value = (const type *)((const char *)object + key->offset);                                        \
                g_autofree char *text = (is_set) ? format(value) : NULL;                                                       \
                                                                                                                               \
                return text ? json_string(text) : NULL;                                                                        \
        }

#define DEFINE_SCHEMA(name, pattern)                                                                                           \
        static json_t *schema_##name(void)                                                                                     \
        {                                                                                                                      \
                return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);                                          \
        }

#define DEFINE_CODEC(name, type_name, type, is_set, parse, format, pattern)                                                    \
        DEFINE_DECODE(name, type, parse)                                                                                       \
        DEFINE_ENCODE(name, type, is_set, format)                                                                              \
        DEFINE_SCHEMA(name, pattern)                                                                                           \
        const struct key_codec codec_##name = {type_name, decode_##name, encode_##name, schema_##name};

/* clang-format off */
DEFINE_CODEC(pci, "PCI address", struct pci_address, value->set, value_parse_pci, value_format_pci,
             "^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{2}:[01][0-9A-Fa-f]\\.[0-7]$")
DEFINE_CODEC(usb, "vendor and product", struct usb_id, value->set, value_parse_usb, value_format_usb,
             "^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}$")
DEFINE_CODEC(host, "address of the host", struct host_address, value->family, value_parse_host, value_format_host,
             "^([0-9]{1,3}(\\.[0-9]{1,3}){3}|\\[?[0-9A-Fa-f:.]+\\]?)$")
DEFINE_CODEC(endpoint, "address and port", struct endpoint, value->address.family, value_parse_endpoint,
             value_format_endpoint, "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]|[0-9A-Fa-f:.]+)(:[0-9]{1,5})?$")
/* clang-format on */

/* ---- restart ---- */

DEFINE_DECODE(restart, struct restart, value_parse_restart)
DEFINE_ENCODE(restart, struct restart, TRUE, value_format_restart)

/* What reads YAML 1.1 takes a plain `no` for false. */
static json_t *
schema_restart(void)
{
        return json_pack("{s:[{s:s, s:s}, {s:b}]}", "anyOf", "type", "string", "pattern",
                         "^(no|on-failure(:[1-9][0-9]{0,3})?|always|unless-stopped)$", "const", 0);
}

const struct key_codec codec_restart = {"restart policy", decode_restart, encode_restart, schema_restart};

/* ---- ports ---- */

DEFINE_DECODE(port_range, struct port_range, value_parse_port_range)

static json_t *
encode_port_range(const struct key *key, const void *object)
{
        const struct port_range *range = (const struct port_range *)((const char *)object + key->offset);
        g_autofree char *text = NULL;

        if (!range->first)
                return NULL;
        if (range->first == range->last)
                return json_integer(range->first);
        text = value_format_port_range(range);
        return json_string(text);
}

static json_t *
schema_port_range(void)
{
        return json_pack("{s:[s,s], s:s, s:i, s:i}", "type", "string", "integer", "pattern",
                         "^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$", "minimum", 1, "maximum", 65535);
}

const struct key_codec codec_port_range = {"port or range of ports", decode_port_range, encode_port_range, schema_port_range};

gboolean
decode_short_port(struct decoder *decoder, const struct node *node, void *object)
{
        g_auto(value_fault) fault = VALUE_FAULT_INIT;
        const char *text = decode_text(decoder, NULL, node);

        if (text && !value_parse_port(text, object, &fault))
                decode_fault(decoder, fault.id, NULL, node, fault.hint, "%s", fault.reason);
        return TRUE;
}

json_t *
encode_short_port(const void *object)
{
        const struct port *port = object;
        g_autofree char *text = NULL;

        if (port->name || port->app_protocol || !port->published.first || !port->target.first)
                return NULL;
        text = value_format_port(port);
        return json_string(text);
}

/* ---- texts that are checked for their form ---- */

static void
decode_cpu_model(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        decode_checked(decoder, key, node, object, value_check_cpu_model);
}

/* One is the '486'. */
static json_t *
schema_cpu_model(void)
{
        return json_pack("{s:[s,s], s:s, s:i}", "type", "string", "integer", "pattern", "^[A-Za-z0-9._-]{1,64}$", "minimum", 0);
}

const struct key_codec codec_cpu_model = {"CPU model", decode_cpu_model, encode_text, schema_cpu_model};

static void
decode_regex(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        decode_checked(decoder, key, node, object, value_check_regex);
}

static json_t *
schema_regex(void)
{
        return json_pack("{s:[s,s], s:i, s:i}", "type", "string", "number", "minLength", 1, "maxLength", 1024);
}

const struct key_codec codec_regex = {"regular expression", decode_regex, encode_text, schema_regex};

/* ---- healthcheck.test ---- */

/* What stands first in a test of a Compose file, and is no program. */
static gboolean
is_compose_test(struct decoder *decoder, const struct key *key, const struct node *first, const char *word)
{
        if (strcmp(word, "NONE") == 0)
                return !decode_fault(decoder, "test-none", key, first, "remove the healthcheck",
                                     "'NONE' is no program: a VM has no healthcheck unless one is written");
        if (strcmp(word, "CMD") == 0)
                return !decode_fault(decoder, "test-cmd", key, first, "remove the word: the list is the command as it is",
                                     "'CMD' is no program");
        if (strcmp(word, "CMD-SHELL") == 0)
                return !decode_fault(decoder, "test-cmd-shell", key, first, "write 'sh', '-c' in its place",
                                     "'CMD-SHELL' is no program: drover starts no shell by itself");
        return FALSE;
}

static void
decode_command(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        const char **texts;
        guint count = 0;

        if (node->kind == NODE_SCALAR && !node_is_null(node)) {
                decode_fault(decoder, "test-text", key, node, "write [sh, -c, \"...\"], or program and arguments as a list",
                             "a text stands where a list is wanted: drover starts no shell by itself");
                return;
        }
        if (node->kind != NODE_LIST) {
                decode_shape_fault(decoder, key, node, SHAPE_LIST);
                return;
        }
        if (node->count == 0 || node->count > 1024) {
                decode_fault(decoder, "test-length", key, node, "write [systemctl, is-active, nginx], say",
                             "a command has 1 to 1024 words, but here are %u", node->count);
                return;
        }
        texts = store_alloc(decoder->store, (node->count + 1) * sizeof *texts);
        for (guint i = 0; i < node->count; i++) {
                const char *text = decode_text(decoder, key, node->items[i]);

                if (text && (i > 0 || !is_compose_test(decoder, key, node->items[i], text)))
                        texts[count++] = text;
        }
        FIELD(object, key, const char *const *) = texts;
}

static json_t *
encode_command(const struct key *key, const void *object)
{
        const char *const *texts = *(const char *const *const *)((const char *)object + key->offset);
        json_t *list = texts ? json_array() : NULL;

        for (; texts && *texts; texts++) {
                g_autofree char *dollars = encode_dollars(*texts);

                json_array_append_new(list, json_string(dollars));
        }
        return list;
}

static json_t *
schema_command(void)
{
        return json_pack("{s:s, s:i, s:i, s:{s:[s,s,s]}}", "type", "array", "minItems", 1, "maxItems", 1024, "items", "type",
                         "string", "number", "boolean");
}

const struct key_codec codec_command = {"list of texts", decode_command, encode_command, schema_command};
