/* check-network.c - networks as such: what goes together, bridges, overlapping subnets */
#include "parser/check.h"

#include "parser/value.h"

#include <string.h>

/* Not written, or written as `false`: anything else either counts or is a fault already. */
static gboolean
is_false(const struct node *node)
{
        return !node || node_is_null(node) || (node->kind == NODE_SCALAR && strcmp(node->text, "false") == 0);
}

static void
check_bridge_mode(const struct check *check, const struct network *network, struct place place)
{
        static const char *const without[] = {"subnet", "gateway", "host_ip", "domain", NULL};
        const struct node *dhcp = node_get(network->node, "dhcp");

        if (node_get(network->node, "uplink"))
                return; /* refused as a whole */
        if (!network->bridge)
                check_fault(check, "bridge-without-name", place,
                            "write 'bridge: br0' and 'external: true' for a bridge of the host",
                            "network '%s': mode bridge needs the name of a bridge", network->name);
        else if (!network->external && is_false(node_get(network->node, "external")))
                check_fault(check, "bridge-not-external", project_place(network->node, "bridge"),
                            "write 'external: true' if the bridge is there already",
                            "network '%s': mode bridge needs a bridge of the host, which is 'external'", network->name);
        for (const char *const *key = without; *key; key++)
                if (project_is_set(network->node, *key))
                        check_fault(check, "bridge-no-effect", project_place(network->node, *key), "remove it",
                                    "%s of network '%s' has no effect: with mode bridge, addresses come from outside", *key,
                                    network->name);
        if (!is_false(dhcp))
                check_fault(check, "bridge-no-dhcp", dhcp->place, "remove it",
                            "dhcp of network '%s' has no effect: with mode bridge, addresses come from outside", network->name);
}

static void
check_external(const struct check *check, const struct network *network)
{
        struct place place = project_place(network->node, "external");

        if (!network->external)
                return;
        if (!network->bridge)
                check_fault(check, "external-without-bridge", place, "write 'bridge: br0', the name of the bridge",
                            "network '%s' is external, but names no bridge", network->name);
        else if (network->mode != MODE_BRIDGE)
                check_fault(check, "external-mode", place, "write 'mode: bridge'",
                            "network '%s' is external, so that it can only be of mode bridge", network->name);
        if (check->project->isolation != ISOLATION_PRIVATE)
                return;
        store_refuse(check->store, place, "write 'isolation: host' and run drover as root",
                     "network '%s': a bridge of the host cannot be reached from a private namespace", network->name);
}

static void
check_bridge_names(const struct check *check)
{
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

        for (guint i = 0; i < check->project->network_count; i++) {
                const struct network *network = &check->project->networks[i];
                const struct network *other = network->bridge ? g_hash_table_lookup(seen, network->bridge) : NULL;

                if (other)
                        check_fault(check, "bridge-twice", project_place(network->node, "bridge"), NULL,
                                    "bridge of network '%s': network '%s' has the bridge '%s' already", network->name,
                                    other->name, network->bridge);
                else if (network->bridge)
                        g_hash_table_insert(seen, (gpointer)network->bridge, (gpointer)network);
        }
}

static int
compare_subnets(gconstpointer a, gconstpointer b)
{
        const struct network *one = *(const struct network *const *)a, *two = *(const struct network *const *)b;

        if (one->subnet.address != two->subnet.address)
                return one->subnet.address < two->subnet.address ? -1 : 1;
        return one < two ? -1 : one > two;
}

/* Sorted by first address, a subnet overlaps if it begins before the farthest end so far. */
static void
check_overlaps(const struct check *check)
{
        g_autoptr(GPtrArray) sorted = g_ptr_array_new();
        const struct network *widest = NULL;

        for (guint i = 0; i < check->project->network_count; i++)
                if (check->project->networks[i].subnet.prefix)
                        g_ptr_array_add(sorted, &check->project->networks[i]);
        g_ptr_array_sort(sorted, compare_subnets);
        for (guint i = 0; i < sorted->len; i++) {
                const struct network *network = sorted->pdata[i];

                if (widest && network->subnet.address <= check_subnet_last(&widest->subnet)) {
                        const struct network *later = network > widest ? network : widest;
                        const struct network *earlier = network > widest ? widest : network;
                        g_autofree char *mine = value_format_cidr4(&later->subnet),
                                        *theirs = value_format_cidr4(&earlier->subnet);

                        check_fault(check, "subnet-overlap", project_place(later->node, "subnet"), NULL,
                                    "subnet of network '%s': %s overlaps %s of network '%s'", later->name, mine, theirs,
                                    earlier->name);
                }
                if (!widest || check_subnet_last(&network->subnet) > check_subnet_last(&widest->subnet))
                        widest = network;
        }
}

void
check_networks(const struct check *check)
{
        for (guint i = 0; i < check->project->network_count; i++) {
                const struct network *network = &check->project->networks[i];

                if (network->mode == MODE_BRIDGE)
                        check_bridge_mode(check, network, check_key_place(check, "networks", i));
                check_external(check, network);
        }
        check_bridge_names(check);
        check_overlaps(check);
}
