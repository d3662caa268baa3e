/* resolve_network.c - the subnets, addresses and bridge names that the file leaves open */
#include "runtime/plan/resolve_build.h"

#include "parser/value/value.h"

#include <string.h>

/* Automatic subnets are /24s of this block: 16,384 of them. It is the half of 10/8 that VPNs and clouds use least. */
enum { AUTO_BLOCK = 10 << 24 | 192 << 16, AUTO_COUNT = 1 << 14, AUTO_PREFIX = 24 };

static gboolean
is_ours(const struct links *links, int ifindex, const char *project)
{
        g_autofree char *mark = lab_alias(project, "");
        const struct link *link = links_find_index(links, ifindex);

        return link && link->group == LAB_LINK_GROUP && link->alias && g_str_has_prefix(link->alias, mark);
}

/* The first route that covers part of a subnet and does not belong to this project; NULL: none. @links: NULL: nobody looked */
static const struct link_route *
clashing_route(const struct links *links, const char *project, const struct cidr4 *subnet)
{
        for (guint i = 0; links && i < links->routes->len; i++) {
                const struct link_route *route = &g_array_index(links->routes, struct link_route, i);

                if (route->to.prefix && lab_overlap(&route->to, subnet) && !is_ours(links, route->ifindex, project))
                        return route;
        }
        return NULL;
}

static const struct link_route6 *
clashing_route6(const struct links *links, const char *project, const struct cidr6 *subnet)
{
        for (guint i = 0; links && i < links->routes6->len; i++) {
                const struct link_route6 *route = &g_array_index(links->routes6, struct link_route6, i);

                if (route->to.prefix && lab_overlap6(&route->to, subnet) && !is_ours(links, route->ifindex, project))
                        return route;
        }
        return NULL;
}

static gboolean
is_taken(const struct project *project, const struct world *world, const struct network *networks, const struct cidr4 *subnet)
{
        if (clashing_route(world->links, project->name, subnet) || clashing_route(world->uplink.links, project->name, subnet))
                return TRUE;
        for (guint i = 0; i < project->network_count; i++)
                if (networks[i].subnet.prefix && lab_overlap(&networks[i].subnet, subnet))
                        return TRUE;
        for (guint i = 0; i < world->state->networks->len; i++) {
                const struct kept_network *kept = g_ptr_array_index(world->state->networks, i);

                if (kept->subnet.prefix && lab_overlap(&kept->subnet, subnet))
                        return TRUE;
        }
        return FALSE;
}

/* Begins at a place that the names decide, so that labs of several hosts and users seldom meet. */
static gboolean
choose_subnet(struct resolved *resolved, const struct world *world, struct network *network)
{
        const struct project *project = resolved->store->project;
        guint begin = (g_str_hash(project->name) * 31 + g_str_hash(network->name)) % AUTO_COUNT;

        for (guint i = 0; i < AUTO_COUNT; i++) {
                struct cidr4 subnet = {AUTO_BLOCK + ((begin + i) % AUTO_COUNT << 8), AUTO_PREFIX};

                if (!is_taken(project, world, resolved->store->networks, &subnet)) {
                        network->subnet = subnet;
                        return TRUE;
                }
        }
        faults_add(&resolved->faults, "no-free-subnet", project_place(network->node, "subnet"),
                   "all of 10.192.0.0/10 is routed on this host: write a subnet of its own", "no free subnet for network '%s'",
                   network->name);
        return FALSE;
}

static void
fill_addresses(struct network *network)
{
        guint32 first = network->subnet.address + 1;
        guint32 last = (network->subnet.address | ~lab_netmask(network->subnet.prefix)) - 1;

        if (!network->host_ip && !network->host_ip_none)
                network->host_ip = first;
        if (!network->gateway && !network->gateway_none && network->mode != MODE_ISOLATED)
                network->gateway = network->host_ip;
        if (network->dhcp.enabled && !network->dhcp.range.first)
                network->dhcp.range = (struct range4){first, last};
}

static void
check_clash6(struct resolved *resolved, const struct world *world, const struct network *network)
{
        const struct project *project = resolved->store->project;
        const struct link_route6 *route;
        const struct link *link;
        g_autofree char *subnet = NULL, *to = NULL;

        if (network->external || !network->subnet6.prefix || project->isolation != ISOLATION_HOST)
                return;
        route = clashing_route6(world->links, project->name, &network->subnet6);
        if (!route)
                return;
        link = links_find_index(world->links, route->ifindex);
        subnet = value_format_cidr6(&network->subnet6);
        to = value_format_cidr6(&route->to);
        faults_add(&resolved->faults, "subnet6-in-use", project_place(network->node, "subnet6"),
                   "choose another, or 'isolation: private'",
                   "subnet6 %s of network '%s' is in use on this host: %s goes to interface '%s'", subnet, network->name, to,
                   link ? link->name : "?");
}

static void
check_clash(struct resolved *resolved, const struct world *world, const struct network *network)
{
        const struct project *project = resolved->store->project;
        const struct link_route *route;
        const struct link *link;
        g_autofree char *subnet = NULL, *to = NULL;

        if (network->external || !network->subnet.prefix || project->isolation != ISOLATION_HOST)
                return;
        route = clashing_route(world->links, project->name, &network->subnet);
        if (!route)
                return;
        link = links_find_index(world->links, route->ifindex);
        subnet = value_format_cidr4(&network->subnet);
        to = value_format_cidr4(&route->to);
        faults_add(&resolved->faults, "subnet-in-use", project_place(network->node, "subnet"),
                   "choose another, or 'subnet: auto', or 'isolation: private'",
                   "subnet %s of network '%s' is in use on this host: %s goes to interface '%s'", subnet, network->name, to,
                   link ? link->name : "?");
}

static void
resolve_network(struct resolved *resolved, const struct world *world, struct network *network)
{
        if (!network->bridge) {
                g_autofree char *name = lab_bridge_name(resolved->store->project->name, network->name);

                network->bridge = resolve_keep(resolved, name);
        }
        if (network->mode == MODE_BRIDGE || (!network->subnet.prefix && !choose_subnet(resolved, world, network)))
                return;
        fill_addresses(network);
        check_clash(resolved, world, network);
        check_clash6(resolved, world, network);
}

void
resolve_networks(struct resolved *resolved, const struct world *world)
{
        const struct project *project = resolved->store->project;
        struct network *networks = resolved->store->networks;

        for (guint i = 0; i < project->network_count; i++) {
                const struct kept_network *kept = state_network(world->state, project->networks[i].name);

                networks[i] = project->networks[i];
                if (networks[i].subnet_auto && kept)
                        networks[i].subnet = kept->subnet;
        }
        for (guint i = 0; i < project->network_count; i++)
                resolve_network(resolved, world, &networks[i]);
}

void
resolve_uplink(struct resolved *resolved, const struct world *world)
{
        struct lab *lab = &resolved->lab;
        enum uplink_kind kind = uplink_kind(lab, world->paths->root);
        g_autofree char *own = NULL;
        const char **servers;

        if (kind == UPLINK_NONE || (kind == UPLINK_USER && !world->uplink.installed))
                return;
        if (!uplink_choose_subnet(lab, kind, &world->uplink, &lab->uplink)) {
                faults_add(&resolved->faults, "no-free-uplink", project_place(lab->networks[0].node, "subnet"), NULL,
                           "no free addresses for the uplink: this host or the project has all of 169.254.0.0/16 and "
                           "198.18.0.0/15");
                return;
        }
        if (uplink_wants_ipv6(lab) && world->uplink.way6 == WAY6_IS)
                uplink_choose_subnet6(lab, &world->uplink, &lab->uplink6); /* else there is none for IPv6 */
        if (kind == UPLINK_VETH && !world->uplink.loopback) {
                lab->resolvers = (const char *const *)world->uplink.resolvers;
                return;
        }
        own = uplink_resolver(kind, &lab->uplink);
        servers = g_new0(const char *, 2);
        servers[0] = resolve_keep(resolved, own);
        g_ptr_array_add(resolved->store->lists, servers);
        lab->resolvers = servers;
}
