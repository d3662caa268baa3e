/* resolve_running.c - what runs is served and guarded as it was started, until it stops: NICs that the file no longer has
 *
 * A VM that left the file, or whose profile is not asked for, keeps its reservation, its names and what it may send; so does a
 * NIC of which its guest does not let go. Where the file has given the address or the MAC to another, that one is served.
 */
#include "runtime/plan/resolve_build.h"

#include "parser/value/value.h"

#include <string.h>

static gboolean
file_has_nic(const struct resolved *resolved, const struct vm_world *found, const char *nic)
{
        const struct vm *vm = project_find_vm(resolved->store->project, found->name);

        for (guint i = 0; vm && i < vm->nic_count; i++)
                if (strcmp(vm->nics[i].name, nic) == 0)
                        return TRUE;
        return FALSE;
}

static guint
find_network(const struct lab *lab, const char *name)
{
        for (guint i = 0; i < lab->network_count; i++)
                if (strcmp(lab->networks[i].name, name) == 0)
                        return i;
        return G_MAXUINT;
}

static gboolean
has_tap(const struct resolved *resolved, const char *tap)
{
        const GArray *hosts = resolved->store->hosts;

        for (guint i = 0; i < hosts->len; i++)
                if (g_strcmp0(g_array_index(hosts, struct lab_host, i).tap, tap) == 0)
                        return TRUE;
        return FALSE;
}

static gboolean
is_another(const struct resolved *resolved, const struct lab_host *host)
{
        const GArray *hosts = resolved->store->hosts;

        for (guint i = 0; i < hosts->len; i++) {
                const struct lab_host *other = &g_array_index(hosts, struct lab_host, i);

                if (other->network == host->network && ((host->ip && other->ip == host->ip) ||
                                                        memcmp(&other->mac, &host->mac, sizeof host->mac) == 0))
                        return TRUE;
        }
        return FALSE;
}

/* NULL-terminated: the VM's name where its host name is another, and the aliases of the NIC. */
static const char *const *
keep_names(struct resolved *resolved, const struct vm_world *found, const json_t *nic, const char *hostname)
{
        const json_t *aliases = json_object_get(nic, "aliases"), *alias;
        const char **names = g_new0(const char *, json_array_size(aliases) + 2);
        guint count = 0;
        size_t i;

        if (strcmp(hostname, found->name) != 0)
                names[count++] = resolve_keep(resolved, found->name);
        json_array_foreach (aliases, i, alias)
                if (json_is_string(alias))
                        names[count++] = resolve_keep(resolved, json_string_value(alias));
        g_ptr_array_add(resolved->store->lists, names);
        return names;
}

static void
add_nic(struct resolved *resolved, const struct vm_world *found, const char *name, const json_t *nic, gboolean *routed)
{
        const char *owner = spec_tap_owner(found->spec, found->name), *wanted = json_text(nic, "network");
        const char *hostname = json_text(found->spec->wish, "hostname");
        const char *ip = json_text(nic, "ip"), *ip6 = json_text(nic, "ip6");
        struct lab_host host = {.network = find_network(&resolved->lab, wanted ? wanted : name),
                                .spoof_check = json_flag(nic, "spoof_check"), .second = *routed};
        g_autofree char *tap = lab_tap_name(resolved->store->project->name, owner, name);
        const struct network *network;

        if (host.network == G_MAXUINT || !spec_nic_mac(found->spec, name, &host.mac) || has_tap(resolved, tap))
                return;
        network = &resolved->lab.networks[host.network];
        host.mtu = (guint)json_number(nic, "mtu", network->mtu);
        if (host.mtu == network->mtu)
                host.mtu = 0;
        *routed |= network->mode == MODE_BRIDGE || (network->gateway && network->dhcp.enabled);
        if (ip && !value_parse_ipv4(ip, &host.ip, NULL))
                host.ip = 0;
        if (ip6 && !value_parse_ipv6(ip6, &host.ip6, NULL))
                host.ip6 = in6addr_any;
        host.name = resolve_keep(resolved, hostname ? hostname : found->name);
        host.aliases = keep_names(resolved, found, nic, host.name);
        host.tap = resolve_keep(resolved, tap);
        host.leaving = resolve_keep(resolved, found->name);
        host.unserved = is_another(resolved, &host);
        g_array_append_val(resolved->store->hosts, host);
}

void
resolve_running(struct resolved *resolved, const struct world *world)
{
        for (guint i = 0; i < world->vms->len; i++) {
                const struct vm_world *found = g_ptr_array_index(world->vms, i);
                const json_t *nics = found->spec ? json_object_get(found->spec->wish, "networks") : NULL, *nic;
                gboolean routed = FALSE;
                const char *name;

                if (!vm_is_alive(found))
                        continue;
                json_object_foreach ((json_t *)nics, name, nic)
                        if (!file_has_nic(resolved, found, name))
                                add_nic(resolved, found, name, nic, &routed);
        }
}

/* It keeps the address that it has; with spoof_check it has one. */
static void
find_address(struct resolved *resolved, const struct world *world, guint number)
{
        struct lab_host *host = &g_array_index(resolved->store->hosts, struct lab_host, number);

        if (!host->leaving || host->unserved || host->ip)
                return;
        if (host->spoof_check)
                resolve_address(resolved, world, host->leaving, number);
        else
                host->ip = resolve_leased(resolved, world, number);
}

/* A guest whose reservation has changed keeps the old address until it renews its lease. */
static void
find_old_address(struct resolved *resolved, const struct world *world, guint number)
{
        struct lab_host *host = &g_array_index(resolved->store->hosts, struct lab_host, number);
        guint32 ip = host->spoof_check && host->ip && !host->unserved ? resolve_leased(resolved, world, number) : 0;

        host->old_ip = ip == host->ip ? 0 : ip;
}

static gboolean
is_ip6_of_another(const struct resolved *resolved, const struct in6_addr *ip6)
{
        for (guint i = 0; i < resolved->store->hosts->len; i++)
                if (IN6_ARE_ADDR_EQUAL(&g_array_index(resolved->store->hosts, struct lab_host, i).ip6, ip6))
                        return TRUE;
        return FALSE;
}

static void
find_old_address6(struct resolved *resolved, const struct world *world, guint number)
{
        struct lab_host *host = &g_array_index(resolved->store->hosts, struct lab_host, number);
        const struct network *network = &resolved->lab.networks[host->network];

        for (guint i = 0; host->spoof_check && network->subnet6.prefix && world->leases6 && i < world->leases6->len; i++) {
                const struct lease6 *lease = &g_array_index(world->leases6, struct lease6, i);

                if (!lease->ended && g_strcmp0(lease->name, host->name) == 0 &&
                    value_in_cidr6(&network->subnet6, &lease->ip6) && !is_ip6_of_another(resolved, &lease->ip6))
                        host->old_ip6 = lease->ip6;
        }
}

static guint64
mac_number(const struct ether_addr *mac)
{
        guint64 number = 0;

        memcpy(&number, mac, sizeof *mac);
        return number;
}

/* Addresses that are leased to a MAC which nobody has any more: their VM has another one since, or is another. */
static void
find_old_macs(struct resolved *resolved, const struct world *world)
{
        g_autoptr(GHashTable) by_ip = g_hash_table_new(NULL, NULL), macs = g_hash_table_new(g_int64_hash, g_int64_equal);
        g_autofree guint64 *numbers = g_new0(guint64, resolved->store->hosts->len + 1);

        for (guint i = 0; i < resolved->store->hosts->len; i++) {
                struct lab_host *host = &g_array_index(resolved->store->hosts, struct lab_host, i);

                numbers[i] = mac_number(&host->mac);
                g_hash_table_add(macs, &numbers[i]);
                if (host->ip && !host->unserved)
                        g_hash_table_insert(by_ip, GUINT_TO_POINTER(host->ip), host);
        }
        for (guint i = 0; i < world->leases->len; i++) {
                const struct lease *lease = &g_array_index(world->leases, struct lease, i);
                struct lab_host *host = g_hash_table_lookup(by_ip, GUINT_TO_POINTER(lease->ip));
                guint64 number = mac_number(&lease->mac);

                if (host && !lease->ended && !g_hash_table_contains(macs, &number))
                        host->old_mac = lease->mac;
        }
}

void
resolve_leases(struct resolved *resolved, const struct world *world)
{
        for (guint i = 0; i < resolved->store->hosts->len; i++)
                find_address(resolved, world, i);
        for (guint i = 0; i < resolved->store->hosts->len; i++) {
                find_old_address(resolved, world, i);
                find_old_address6(resolved, world, i);
        }
        if (world->leases && world->leases->len)
                find_old_macs(resolved, world);
}
