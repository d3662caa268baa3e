/* check-address.c - who has which address on which network, and what is left for the host and for DHCP
 *
 * First each NIC and each reservation claims its IP and its MAC in one hash table; who comes second is told who was first.
 * Then the host's own address, the gateway and the DHCP range of each network are chosen around the claims, or, where the
 * file gives them, held against them.
 */
#include "parser/check/check.h"

#include "parser/value/value.h"

#include <string.h>

/* A key of the table: an address on a network. 48 bits hold a MAC as well as an IP. */
struct claim {
        guint64 key;
        const char *owner; /* "vm 'web'", "reservation 'printer'" */
        struct place place;
};

struct claims {
        const struct check *check;
        GHashTable *ips, *macs; /* struct claim *, by their key */
};

static guint64
claim_key(guint network, guint64 address)
{
        return (guint64)network << 48 | address;
}

static guint64
mac_number(const struct ether_addr *mac)
{
        guint64 number = 0;

        for (int i = 0; i < ETH_ALEN; i++)
                number = number << 8 | mac->ether_addr_octet[i];
        return number;
}

static const struct claim *
claim_find(GHashTable *table, guint network, guint64 address)
{
        guint64 key = claim_key(network, address);

        return g_hash_table_lookup(table, &key);
}

/* Who claims first gets it; whoever comes later is told. */
static void
claim_add(const struct claims *claims, GHashTable *table, guint network, guint64 address, const char *subject,
          const char *shown, const char *owner, struct place place)
{
        const struct claim *first = claim_find(table, network, address);
        struct claim *claim;

        if (first && table == claims->ips)
                check_fault(claims->check, "ip-twice", place, NULL, "%s: %s is taken by %s in line %u", subject, shown,
                            first->owner, first->place.line);
        else if (first)
                check_fault(claims->check, "mac-twice", place, NULL, "%s: %s is taken by %s in line %u", subject, shown,
                            first->owner, first->place.line);
        if (first)
                return;
        claim = store_alloc(claims->check->store, sizeof *claim);
        claim->key = claim_key(network, address);
        claim->owner = owner;
        claim->place = place;
        g_hash_table_insert(table, &claim->key, claim);
}

static void
claim_mac(const struct claims *claims, guint network, const struct ether_addr *mac, const char *subject, const char *owner,
          struct place place)
{
        g_autofree char *shown = NULL;

        if (!mac_number(mac))
                return; /* it did not decode */
        shown = value_format_mac(mac);
        claim_add(claims, claims->macs, network, mac_number(mac), subject, shown, owner, place);
}

/* ---- subnets ---- */

static gboolean
is_host(const struct cidr4 *subnet, guint32 address)
{
        return address > subnet->address && address < check_subnet_last(subnet);
}

/* Is it an address that a host of the subnet can have? */
static gboolean
check_inside(const struct check *check, const struct network *network, guint32 address, const char *subject, struct place place)
{
        const struct cidr4 *subnet = &network->subnet;
        g_autofree char *shown = value_format_ipv4(address), *cidr = NULL, *first = NULL, *last = NULL, *hint = NULL;

        if (is_host(subnet, address))
                return TRUE;
        cidr = value_format_cidr4(subnet);
        first = value_format_ipv4(subnet->address + 1);
        last = value_format_ipv4(check_subnet_last(subnet) - 1);
        hint = g_strdup_printf("its hosts are %s to %s", first, last);
        if (address == subnet->address)
                return check_fault(check, "ip-network", place, hint, "%s: %s is the address of the subnet %s itself", subject,
                                   shown, cidr);
        if (address == check_subnet_last(subnet))
                return check_fault(check, "ip-broadcast", place, hint, "%s: %s is the broadcast address of the subnet %s",
                                   subject, shown, cidr);
        return check_fault(check, "ip-outside", place, hint, "%s: %s is not in the subnet %s of network '%s'", subject, shown,
                           cidr, network->name);
}

/* An address is written, so the subnet has to be written too. Also FALSE where the subnet itself is wrong. */
static gboolean
check_has_subnet(const struct check *check, const struct network *network, const char *subject, struct place place)
{
        g_autofree char *hint = NULL;

        if (network->subnet.prefix)
                return TRUE;
        if (!network->subnet_auto || network->mode == MODE_BRIDGE)
                return FALSE;
        hint = g_strdup_printf("write 'subnet: 10.20.0.0/24' or another one for network '%s'", network->name);
        return check_fault(check, "ip-auto", place, hint, "%s: the subnet of network '%s' is auto, so that no address is known",
                           subject, network->name);
}

/* ---- claims ---- */

static void
claim_nic_ip(const struct claims *claims, const struct vm *vm, const struct nic *nic, const char *owner)
{
        const struct check *check = claims->check;
        const struct network *network = &check->project->networks[nic->network_index];
        struct place place = project_place(nic->node, "ip");
        g_autofree char *subject = g_strdup_printf("ip of nic '%s' of vm '%s'", nic->name, vm->name);
        g_autofree char *shown = value_format_ipv4(nic->ip);

        if (!check_has_subnet(check, network, subject, place)) {
                if (network->mode == MODE_BRIDGE)
                        store_refuse(check->store, place,
                                     "set the address in the guest, or in the DHCP service of that network",
                                     "%s: an address on a network of mode bridge is not supported yet", subject);
                return;
        }
        if (!network->dhcp.enabled && !vm_wants_seed(vm))
                check_fault(check, "ip-nobody-sets", place,
                            "let the network have DHCP, or write 'ssh: {}': then cloud-init sets it",
                            "%s: network '%s' has no DHCP that would hand it out", subject, network->name);
        if (check_inside(check, network, nic->ip, subject, place))
                claim_add(claims, claims->ips, nic->network_index, nic->ip, subject, shown, owner, place);
}

static void
claim_nics(const struct claims *claims, const struct vm *vm)
{
        const char *owner = NULL;

        for (guint i = 0; i < vm->nic_count; i++) {
                const struct nic *nic = &vm->nics[i];

                if (*nic->aliases && !nic->ip && IN6_IS_ADDR_UNSPECIFIED(&nic->ip6))
                        check_fault(claims->check, "aliases-without-ip", project_place(nic->node, "aliases"),
                                    "give the NIC an 'ip:'",
                                    "aliases of nic '%s' of vm '%s': names need an address to resolve to", nic->name, vm->name);
                if ((!nic->ip && !nic->has_mac) || !project_find_network(claims->check->project, nic->network))
                        continue;
                if (!owner)
                        owner = store_format(claims->check->store, "vm '%s'", vm->name);
                if (nic->ip)
                        claim_nic_ip(claims, vm, nic, owner);
                if (nic->has_mac) {
                        g_autofree char *subject = g_strdup_printf("mac of nic '%s' of vm '%s'", nic->name, vm->name);

                        claim_mac(claims, nic->network_index, &nic->mac, subject, owner, project_place(nic->node, "mac"));
                }
        }
}

static void
claim_reservations(const struct claims *claims, guint index)
{
        const struct network *network = &claims->check->project->networks[index];
        g_autofree char *ip_subject = g_strdup_printf("ip of reservation of network '%s'", network->name);
        g_autofree char *mac_subject = g_strdup_printf("mac of reservation of network '%s'", network->name);
        const char *plain = store_format(claims->check->store, "a reservation of network '%s'", network->name);

        for (guint i = 0; i < network->dhcp.reservation_count; i++) {
                const struct reservation *reservation = &network->dhcp.reservations[i];
                const char *owner = plain;
                struct place place = project_place(reservation->node, "ip");
                g_autofree char *shown = value_format_ipv4(reservation->ip);

                if (reservation->name)
                        owner = store_format(claims->check->store, "reservation '%s'", reservation->name);
                claim_mac(claims, index, &reservation->mac, mac_subject, owner, project_place(reservation->node, "mac"));
                if (!reservation->ip || !check_has_subnet(claims->check, network, ip_subject, place))
                        continue;
                if (check_inside(claims->check, network, reservation->ip, ip_subject, place))
                        claim_add(claims, claims->ips, index, reservation->ip, ip_subject, shown, owner, place);
        }
}

/* ---- the host's own address, the gateway, the range ---- */

static guint32
last_free(const struct claims *claims, guint index, const struct cidr4 *subnet)
{
        for (guint32 address = check_subnet_last(subnet) - 1; is_host(subnet, address); address--)
                if (!claim_find(claims->ips, index, address))
                        return address;
        return 0;
}

static guint32
choose_host_ip(const struct claims *claims, guint index, const struct network *network)
{
        if (network->host_ip_none)
                return 0;
        if (network->gateway && !claim_find(claims->ips, index, network->gateway))
                return network->gateway;
        if (network->gateway)
                return last_free(claims, index, &network->subnet);
        return network->subnet.address + 1;
}

/* What the file gives must fit the subnet; what does not is as good as not written. */
static void
check_written(const struct claims *claims, struct network *network, const char *key, guint32 *address)
{
        g_autofree char *subject = g_strdup_printf("%s of network '%s'", key, network->name);
        struct place place = project_place(network->node, key);

        if (!*address || network->mode == MODE_BRIDGE)
                return;
        if (!check_has_subnet(claims->check, network, subject, place) ||
            !check_inside(claims->check, network, *address, subject, place))
                *address = 0;
}

static void
check_host_ip(const struct claims *claims, guint index, const struct network *network)
{
        const struct claim *claim = network->host_ip ? claim_find(claims->ips, index, network->host_ip) : NULL;
        g_autofree char *shown = value_format_ipv4(network->host_ip);
        g_autofree char *hint = NULL;

        if (network->subnet.prefix && !network->host_ip && !network->host_ip_none) {
                check_fault(claims->check, "host-ip-none-free", check_key_place(claims->check, "networks", index),
                            "take a larger subnet, or write 'host_ip: none'",
                            "network '%s': its subnet has no address left for the host", network->name);
                return;
        }
        if (!claim)
                return;
        if (project_is_set(network->node, "host_ip")) {
                check_fault(claims->check, "host-ip-taken", project_place(network->node, "host_ip"), NULL,
                            "host_ip of network '%s': %s is taken by %s in line %u", network->name, shown, claim->owner,
                            claim->place.line);
                return;
        }
        hint = g_strdup_printf("give %s another address, or the host with 'host_ip'", claim->owner);
        check_fault(claims->check, "ip-host", claim->place, hint, "ip of %s: %s is the host's own address on network '%s'",
                    claim->owner, shown, network->name);
}

/* The longest run of hosts that holds neither of the two addresses. */
static struct range4
choose_range(const struct network *network)
{
        guint32 low = MIN(network->host_ip, network->gateway), high = MAX(network->host_ip, network->gateway);
        guint32 first = network->subnet.address + 1, last = check_subnet_last(&network->subnet) - 1;
        guint32 starts[] = {first, low ? low + 1 : first, high ? high + 1 : first};
        guint32 ends[] = {low ? low - 1 : high ? high - 1 : last, high ? high - 1 : last, last};
        struct range4 best = {0, 0};
        guint64 length = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(starts); i++) {
                if (starts[i] <= ends[i] && (guint64)ends[i] - starts[i] + 1 > length) {
                        best = (struct range4){starts[i], ends[i]};
                        length = (guint64)ends[i] - starts[i] + 1;
                }
        }
        return best;
}

static void
check_dhcp(const struct claims *claims, struct network *network)
{
        const struct node *node = network->dhcp.node;
        g_autofree char *subject = g_strdup_printf("range of dhcp of network '%s'", network->name);
        struct dhcp *dhcp = &network->dhcp;

        if (!dhcp->enabled || network->mode == MODE_BRIDGE)
                return;
        if (network->host_ip_none)
                check_fault(claims->check, "dhcp-without-host-ip", project_place(network->node, "dhcp"),
                            "remove 'host_ip: none', or write 'dhcp: false'",
                            "dhcp of network '%s': the host needs an address there to serve DHCP", network->name);
        if (!dhcp->range.last) {
                if (network->subnet.prefix)
                        dhcp->range = choose_range(network);
                return;
        }
        if (check_has_subnet(claims->check, network, subject, project_place(node, "range")) &&
            check_inside(claims->check, network, dhcp->range.first, subject, project_place(node, "range")))
                check_inside(claims->check, network, dhcp->range.last, subject, project_place(node, "range"));
}

static void
settle_network(const struct claims *claims, guint index)
{
        struct network *network = &claims->check->project->networks[index];

        check_written(claims, network, "gateway", &network->gateway);
        check_written(claims, network, "host_ip", &network->host_ip);
        if (network->subnet.prefix && network->mode != MODE_BRIDGE) {
                gboolean has_gateway = network->gateway || network->gateway_none || network->mode == MODE_ISOLATED;

                if (!network->host_ip)
                        network->host_ip = choose_host_ip(claims, index, network);
                if (!has_gateway)
                        network->gateway = network->host_ip;
                check_host_ip(claims, index, network);
        }
        check_dhcp(claims, network);
}

void
check_addresses(const struct check *check)
{
        g_autoptr(GHashTable) ips = g_hash_table_new(g_int64_hash, g_int64_equal);
        g_autoptr(GHashTable) macs = g_hash_table_new(g_int64_hash, g_int64_equal);
        struct claims claims = {check, ips, macs};

        for (guint i = 0; i < check->project->network_count; i++)
                claim_reservations(&claims, i);
        for (guint i = 0; i < check->project->vm_count; i++)
                claim_nics(&claims, &check->project->vms[i]);
        for (guint i = 0; i < check->project->network_count; i++)
                settle_network(&claims, i);
}
