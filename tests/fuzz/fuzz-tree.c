/* fuzz-tree.c - libFuzzer target: any bytes as a project file's tree, every scalar as every kind of value
 *
 * Beyond what the sanitizers see: a tree comes exactly when there is no error, its nodes have places inside of the source,
 * its maps have each key once, it keeps the caps, and a value's canonical spelling means the same value.
 */
#include "parser/tree/tree.h"
#include "parser/value/value.h"

#include "tests/fuzz/fuzz.h"

/* Walking an alias bomb within the caps would still take long. */
enum { WALKED_NODES = 20000 };

static void
check_sizes(const char *text)
{
        guint64 value = 0, again = 1;

        if (value_parse_size(text, &value, NULL)) {
                g_autofree char *canonical = value_format_size(value);

                MUST(value_parse_size(canonical, &again, NULL) && again == value);
        }
        if (value_parse_duration(text, &value, NULL)) {
                g_autofree char *canonical = value_format_duration(value);

                MUST(value_parse_duration(canonical, &again, NULL) && again == value);
        }
}

static void
check_addresses(const char *text)
{
        struct ether_addr mac, mac_again;
        struct cidr4 network, network_again;
        struct range4 range, range_again;
        guint32 address, address_again;

        if (value_parse_mac(text, &mac, NULL)) {
                g_autofree char *canonical = value_format_mac(&mac);

                MUST(value_parse_mac(canonical, &mac_again, NULL) && memcmp(&mac, &mac_again, sizeof mac) == 0);
        }
        if (value_parse_ipv4(text, &address, NULL)) {
                g_autofree char *canonical = value_format_ipv4(address);

                MUST(strcmp(canonical, text) == 0);
                MUST(value_parse_ipv4(canonical, &address_again, NULL) && address == address_again);
        }
        if (value_parse_cidr4(text, &network, NULL)) {
                g_autofree char *canonical = value_format_cidr4(&network);

                MUST(strcmp(canonical, text) == 0);
                MUST(value_parse_cidr4(canonical, &network_again, NULL) && network.address == network_again.address);
        }
        if (value_parse_range4(text, &range, NULL)) {
                g_autofree char *canonical = value_format_range4(&range);

                MUST(value_parse_range4(canonical, &range_again, NULL) && range.last == range_again.last);
        }
}

/* Every refusal has a reason, short and printable. */
static void
check_fault(gboolean parsed, struct value_fault *fault)
{
        if (parsed) {
                MUST(!fault->reason && !fault->hint);
                return;
        }
        MUST(fault->reason && g_utf8_validate(fault->reason, -1, NULL) && strlen(fault->reason) < 2000);
        MUST(!fault->hint || (g_utf8_validate(fault->hint, -1, NULL) && strlen(fault->hint) < 1000));
        value_fault_clear(fault);
}

static void
check_value(const char *text)
{
        struct value_fault fault = VALUE_FAULT_INIT;
        struct ether_addr mac;
        struct cidr4 network;
        struct range4 range;
        guint32 address;
        guint64 number;
        gint64 count;
        gboolean flag;

        check_sizes(text);
        check_addresses(text);
        check_fault(value_parse_size(text, &number, &fault), &fault);
        check_fault(value_parse_memory(text, &number, &flag, &fault), &fault);
        check_fault(value_parse_duration(text, &number, &fault), &fault);
        check_fault(value_parse_count(text, -5, 1000, &count, &fault), &fault);
        check_fault(value_parse_bool(text, &flag, &fault), &fault);
        check_fault(value_parse_mac(text, &mac, &fault), &fault);
        check_fault(value_parse_ipv4(text, &address, &fault), &fault);
        check_fault(value_parse_cidr4(text, &network, &fault), &fault);
        check_fault(value_parse_range4(text, &range, &fault), &fault);
        check_fault(value_check_name(text, &fault), &fault);
        check_fault(value_check_interface(text, &fault), &fault);
}

static void
check_node(const struct node *node, guint depth, guint *budget)
{
        MUST(depth <= TREE_MAX_DEPTH);
        MUST(node->place.line >= 1 && node->place.line <= node->place.source->line_count && node->place.column >= 1);
        if (*budget == 0)
                return;
        (*budget)--;
        if (node->kind == NODE_SCALAR) {
                MUST(node->text && !node->items);
                check_value(node->text);
                return;
        }
        for (guint i = 0; i < node->count; i++) {
                if (node->kind == NODE_MAP) {
                        MUST(node->keys[i]->kind == NODE_SCALAR);
                        if (i < 200)
                                MUST(node_get(node, node->keys[i]->text) == node->items[i]);
                        check_value(node->keys[i]->text);
                }
                check_node(node->items[i], depth + 1, budget);
        }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct sources *sources = sources_new();
        struct diagnostics *diagnostics = diagnostics_new(sources);
        const struct source *source = sources_add_text(sources, "fuzz.yaml", "/", (const char *)data, size, NULL);
        struct tree *tree = source ? tree_read(source, diagnostics) : NULL;
        guint budget = WALKED_NODES;

        MUST(!source || tree || diagnostics->error_count > 0);
        if (tree)
                check_node(tree_root(tree), 0, &budget);
        check_diagnostics(diagnostics);
        tree_free(tree);
        diagnostics_free(diagnostics);
        sources_unref(sources);
        return 0;
}
