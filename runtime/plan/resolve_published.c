/* resolve_published.c - published ports: where each leads, and an address for NICs that need one and were given none
 *
 * A port leads to the address of the VM's first NIC, and a NIC with spoof_check sends from its own only. Where the file
 * reserves none, one is reserved: the one that dnsmasq has leased to that NIC, else one that its names decide. So it stays
 * the same without being remembered, and a VM that runs keeps its own when ports are added to it.
 */
#include "runtime/plan/resolve_build.h"

#include <arpa/inet.h>
#include <string.h>

static gboolean
is_taken(const struct resolved *resolved, const struct world *world, guint number, guint32 ip)
{
        const GArray *hosts = resolved->store->hosts;
        const struct lab_host *host = &g_array_index(hosts, struct lab_host, number);
        const struct network *network = &resolved->lab.networks[host->network];

        if (ip == network->host_ip || ip == network->gateway)
                return TRUE;
        for (guint i = 0; i < hosts->len; i++)
                if (i != number && g_array_index(hosts, struct lab_host, i).network == host->network &&
                    g_array_index(hosts, struct lab_host, i).ip == ip)
                        return TRUE;
        for (guint i = 0; world->leases && i < world->leases->len; i++) {
                const struct lease *lease = &g_array_index(world->leases, struct lease, i);

                if (lease->ip == ip && memcmp(&lease->mac, &host->mac, sizeof lease->mac) != 0)
                        return TRUE;
        }
        return FALSE;
}

guint32
resolve_leased(const struct resolved *resolved, const struct world *world, guint number)
{
        const struct lab_host *host = &g_array_index(resolved->store->hosts, struct lab_host, number);
        const struct network *network = &resolved->lab.networks[host->network];

        for (guint i = 0; world->leases && i < world->leases->len; i++) {
                const struct lease *lease = &g_array_index(world->leases, struct lease, i);

                if (memcmp(&lease->mac, &host->mac, sizeof lease->mac) == 0 &&
                    (lease->ip & lab_netmask(network->subnet.prefix)) == network->subnet.address &&
                    !is_taken(resolved, world, number, lease->ip))
                        return lease->ip;
        }
        return 0;
}

static guint32
choose(const struct resolved *resolved, const struct world *world, guint number, const char *vm)
{
        const struct lab_host *host = &g_array_index(resolved->store->hosts, struct lab_host, number);
        const struct range4 *range = &resolved->lab.networks[host->network].dhcp.range;
        guint32 count = range->last - range->first + 1;
        guint32 begin = (g_str_hash(resolved->store->project->name) * 31 + g_str_hash(vm)) % count;

        for (guint32 i = 0; i < count; i++) {
                guint32 ip = range->first + (begin + i) % count;

                if (!is_taken(resolved, world, number, ip))
                        return ip;
        }
        return 0;
}

guint32
resolve_address(struct resolved *resolved, const struct world *world, const char *vm, guint number)
{
        struct lab_host *host = &g_array_index(resolved->store->hosts, struct lab_host, number);
        const struct network *network = &resolved->lab.networks[host->network];

        if (host->ip || !lab_is_served(network) || !network->dhcp.enabled || !network->dhcp.range.first)
                return host->ip;
        host->ip = resolve_leased(resolved, world, number);
        if (!host->ip)
                host->ip = choose(resolved, world, number, vm);
        return host->ip;
}

static void
set_outside(union forward_address *outside, const struct host_address *host, int family, guint port)
{
        if (family == AF_INET) {
                outside->ipv4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((guint16)port)};
                outside->ipv4.sin_addr.s_addr = htonl(host->family == AF_INET ? host->v4 : INADDR_ANY);
        } else {
                outside->ipv6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((guint16)port)};
                outside->ipv6.sin6_addr = host->family == AF_INET6 ? host->v6 : in6addr_any;
        }
}

/* A range of the host leads to one as long, or all of it to one port (which the parser allows where each replica has one). */
static void
add_forwards(struct resolved *resolved, guint vm, const struct port *port, int family, guint32 ip)
{
        guint targets = port->target.last - port->target.first + 1;

        for (guint i = 0; i <= port->published.last - port->published.first; i++) {
                struct published published;

                memset(&published, 0, sizeof published); /* compared byte by byte */
                published.vm = vm;
                published.port = port;
                published.forward.protocol = port->protocol == PROTOCOL_UDP ? FORWARD_UDP : FORWARD_TCP;
                set_outside(&published.forward.outside, &port->host, family, port->published.first + i);
                published.forward.inside.ipv4 = (struct sockaddr_in){
                        .sin_family = AF_INET, .sin_port = htons((guint16)(port->target.first + i % targets)),
                        .sin_addr.s_addr = htonl(ip)};
                g_array_append_val(resolved->published, published);
        }
}

void
resolve_published(struct resolved *resolved, const struct world *world)
{
        const struct project *project = resolved->store->project;

        resolved->published = g_array_new(FALSE, FALSE, sizeof(struct published));
        for (guint i = 0; i < project->vm_count; i++) {
                const struct vm *vm = &project->vms[i];
                guint number = resolved->vms[i].first_host;
                guint32 ip = vm->port_count && vm->nic_count ? resolve_address(resolved, world, vm->name, number) : 0;

                for (guint n = 0; n < vm->nic_count; n++)
                        if (vm->nics[n].spoof_check)
                                resolve_address(resolved, world, vm->name, number + n);
                for (guint n = 0; n < vm->port_count; n++) {
                        const struct port *port = &vm->ports[n];

                        if (port->host.family != AF_INET6)
                                add_forwards(resolved, i, port, AF_INET, ip);
                        if (port->host.family == AF_INET6 || (!port->host.family && world->ipv6))
                                add_forwards(resolved, i, port, AF_INET6, ip);
                }
        }
}
