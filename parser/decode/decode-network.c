/* decode-network.c - the keys of networks that no common type covers: rate, vxlan.remote, dhcp.options */
#include "parser/decode/decode-value.h"

#include "parser/decode/dhcp-option.h"

#include <arpa/inet.h>
#include <string.h>

enum { MAX_REMOTES = 256, MAX_OPTION_VALUES = 16 };

#define FIELD(object, key, type) (*(type *)((char *)(object) + (key)->offset))

/* ---- rate ---- */

gboolean
decode_both_rates(struct decoder *decoder, const struct node *node, void *object)
{
        struct rate *rate = object;

        decode_value(decoder, keys_find_in(&keys_rate, "in"), node, rate);
        rate->out_bits = rate->in_bits;
        return TRUE;
}

/* ---- vxlan.remote ---- */

/* An address of another host, in its canonical spelling; NULL after a fault. Each may stand in the list once. */
static const char *
decode_remote_address(struct decoder *decoder, const struct key *key, const struct node *node, const char *const *before)
{
        const char *text = decode_text(decoder, key, node);
        g_autofree char *canonical = NULL;
        struct in6_addr ipv6;
        guint32 ipv4 = 0;
        g_auto(value_fault) fault = VALUE_FAULT_INIT;

        if (!text)
                return NULL;
        if (strchr(text, ':') ? !value_parse_ipv6(text, &ipv6, &fault) : !value_parse_ipv4(text, &ipv4, &fault)) {
                decode_fault(decoder, fault.id, key, node, fault.hint, "%s", fault.reason);
                return NULL;
        }
        if (!strchr(text, ':') && (ipv4 >> 24 == 0 || ipv4 >> 24 == IN_LOOPBACKNET || ipv4 >> 24 >= 224)) {
                decode_fault(decoder, "remote-special", key, node, "name each host by an address of its own",
                             "'%s' is no address of another host", text);
                return NULL;
        }
        canonical = strchr(text, ':') ? value_format_ipv6(&ipv6) : value_format_ipv4(ipv4);
        if (g_strv_contains(before, canonical)) {
                decode_fault(decoder, "remote-twice", key, node, NULL, "'%s' is in the list twice", text);
                return NULL;
        }
        return store_text(decoder->store, canonical, -1);
}

static void
decode_remote(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        const char **remotes = store_alloc(decoder->store, (MIN(node->count, MAX_REMOTES) + 1) * sizeof *remotes);
        guint count = 0;

        FIELD(object, key, const char *const *) = remotes;
        if (node->kind != NODE_LIST) {
                decode_shape_fault(decoder, key, node, SHAPE_LIST);
                return;
        }
        if (node->count == 0 || node->count > MAX_REMOTES)
                decode_fault(decoder, "remote-count", key, node, NULL, "the list has %u addresses, 1 to %d are meant",
                             node->count, MAX_REMOTES);
        for (guint i = 0; i < MIN(node->count, MAX_REMOTES); i++) {
                const char *address = decode_remote_address(decoder, key, node->items[i], remotes);

                if (address)
                        remotes[count++] = address;
        }
}

static json_t *
encode_remote(const struct key *key, const void *object)
{
        const char *const *remotes = *(const char *const *const *)((const char *)object + key->offset);
        json_t *list = json_array();

        for (; remotes && *remotes; remotes++)
                json_array_append_new(list, json_string(*remotes));
        return list;
}

static json_t *
schema_remote(void)
{
        return json_pack("{s:s, s:i, s:i, s:{s:s, s:s}}", "type", "array", "minItems", 1, "maxItems", MAX_REMOTES, "items",
                         "type", "string", "pattern", "^([0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$");
}

const struct key_codec codec_remote = {"list of addresses", decode_remote, encode_remote, schema_remote};

/* ---- dhcp.options ---- */

/* One value or a list of them, each fit for the option. */
static const char *const *
decode_option_values(struct decoder *decoder, const struct key *key, const struct node *node,
                     const struct dhcp_option_kind *kind)
{
        guint wanted = node->kind == NODE_LIST ? node->count : 1, count = 0;
        const char **values = store_alloc(decoder->store, (MIN(wanted, MAX_OPTION_VALUES) + 1) * sizeof *values);

        if (node->kind == NODE_MAP) {
                decode_shape_fault(decoder, key, node, SHAPE_SCALAR);
                return values;
        }
        if (wanted == 0 || wanted > MAX_OPTION_VALUES)
                decode_fault(decoder, "option-count", key, node, NULL, "the option has %u values, 1 to %d are meant", wanted,
                             MAX_OPTION_VALUES);
        for (guint i = 0; i < MIN(wanted, MAX_OPTION_VALUES); i++) {
                const struct node *item = node->kind == NODE_LIST ? node->items[i] : node;
                const char *text = decode_text(decoder, key, item);
                g_auto(value_fault) fault = VALUE_FAULT_INIT;

                if (text && dhcp_option_check(kind, text, &fault))
                        values[count++] = text;
                else if (text)
                        decode_fault(decoder, fault.id, key, item, fault.hint, "%s", fault.reason);
        }
        return values;
}

static void
decode_dhcp_options(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        struct dhcp *dhcp = object;
        gboolean seen[256] = {FALSE};

        if (node_is_null(node))
                return;
        if (node->kind != NODE_MAP) {
                decode_shape_fault(decoder, key, node, SHAPE_MAP);
                return;
        }
        dhcp->options = store_alloc(decoder->store, (MIN(node->count, 256) + 1) * sizeof *dhcp->options);
        for (guint i = 0; i < node->count; i++) {
                struct dhcp_option_kind kind;
                g_auto(value_fault) fault = VALUE_FAULT_INIT;

                if (!dhcp_option_find(node->keys[i]->text, &kind, &fault)) {
                        decode_fault(decoder, fault.id, key, node->keys[i], fault.hint, "%s", fault.reason);
                } else if (seen[kind.number]) {
                        decode_fault(decoder, "option-twice", key, node->keys[i], NULL, "option %u has a value already",
                                     kind.number);
                } else {
                        struct dhcp_option *option = &dhcp->options[dhcp->option_count++];

                        seen[kind.number] = TRUE;
                        option->number = kind.number;
                        option->name = kind.name;
                        option->values = decode_option_values(decoder, key, node->items[i], &kind);
                }
        }
}

static json_t *
encode_option_value(const char *text)
{
        g_autofree char *dollars = encode_dollars(text);

        return json_string(dollars);
}

static json_t *
encode_dhcp_options(const struct key *key, const void *object)
{
        const struct dhcp *dhcp = object;
        json_t *map = json_object();

        for (guint i = 0; i < dhcp->option_count; i++) {
                const struct dhcp_option *option = &dhcp->options[i];
                g_autofree char *number = g_strdup_printf("%u", option->number);
                json_t *value = json_array();

                for (const char *const *text = option->values; *text; text++)
                        json_array_append_new(value, encode_option_value(*text));
                if (json_array_size(value) == 1) {
                        json_t *only = json_incref(json_array_get(value, 0));

                        json_decref(value);
                        value = only;
                }
                json_object_set_new(map, option->name ? option->name : number, value);
        }
        return map;
}

static json_t *
schema_dhcp_options(void)
{
        json_t *list = json_pack("{s:s, s:i, s:i, s:{s:[s,s]}}", "type", "array", "minItems", 1, "maxItems", MAX_OPTION_VALUES,
                                 "items", "type", "string", "number");

        return json_pack("{s:[s,s], s:{s:[{s:[s,s,s]}, o]}}", "type", "object", "null", "additionalProperties", "anyOf", "type",
                         "string", "number", "boolean", list);
}

const struct key_codec codec_dhcp_options = {"map of options", decode_dhcp_options, encode_dhcp_options, schema_dhcp_options};
