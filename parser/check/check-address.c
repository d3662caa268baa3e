/* check-address.c - who has which address on which network, and what is left for the host and for DHCP
 *
 * First each NIC and each reservation claims its IP and its MAC in one hash table; who comes second is told who was first.
 * Then the host's own address, the gateway and the DHCP range of each network are chosen around the claims, or, where the
 * file gives them, held against them.
 */
#include "parser/check/check.h"

#include "parser/value/value.h"

#include <string.h>

/* An address in the file: of a NIC, of a reservation, or of a network itself. */
struct written {
        const struct network *network; /* on which it is */
        const struct vm *vm;           /* whose NIC has it, or NULL */
        const struct nic *nic;
        const struct reservation *reservation; /* or NULL */
        const struct node *node;               /* the object that it is written in */
        const char *key;                       /* "ip" */
};

/* A key of the table: an address on a network. 48 bits hold a MAC as well as an IP. */
struct claim {
        guint64 key;
        struct written by;
};

struct claims {
        const struct check *check;
        GHashTable *ips, *macs; /* struct claim *, by their key */
};

/* ---- in words: only for what is told ---- */

static struct place
written_place(const struct written *written)
{
        return project_place(written->node, written->key);
}

/* "ip of nic 'lan' of vm 'web'". New string */
static char *
written_subject(const struct written *written)
{
        if (written->vm)
                return g_strdup_printf("%s of nic '%s' of vm '%s'", written->key, written->nic->name, written->vm->name);
        return g_strdup_printf("%s%s of network '%s'", written->key,
                               written->reservation                            ? " of reservation"
                               : written->node == written->network->dhcp.node ? " of dhcp"
                                                                               : "",
                               written->network->name);
}

/* "vm 'web'". New string */
static char *
written_owner(const struct written *written)
{
        if (written->vm)
                return g_strdup_printf("vm '%s'", written->vm->name);
        if (written->reservation->name)
                return g_strdup_printf("reservation '%s'", written->reservation->name);
        return g_strdup_printf("a reservation of network '%s'", written->network->name);
}

/* ---- the tables ---- */

static guint64
claim_key(guint network, guint64 address)
{
        return (guint64)network << 48 | address;
}

/* Addresses of a project differ in few bits, which are brought to all of them. */
static guint
hash_key(gconstpointer key)
{
        return (guint)(*(const guint64 *)key * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) >> 32);
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

static void
report_taken(const struct claims *claims, const char *id, const struct written *written, const struct claim *first,
             const char *shown)
{
        g_autofree char *subject = written_subject(written), *owner = written_owner(&first->by);

        check_fault(claims->check, id, written_place(written), NULL, "%s: %s is taken by %s in line %u", subject, shown, owner,
                    written_place(&first->by).line);
}

/* Who claims first gets it; whoever comes later is told of that one, which is returned. */
static const struct claim *
claim_add(const struct claims *claims, GHashTable *table, guint network, guint64 address, const struct written *written)
{
        const struct claim *first = claim_find(table, network, address);
        struct claim *claim;

        if (first)
                return first;
        claim = store_alloc(claims->check->store, sizeof *claim);
        claim->key = claim_key(network, address);
        claim->by = *written;
        g_hash_table_insert(table, &claim->key, claim);
        return NULL;
}

static void
claim_ip(const struct claims *claims, guint network, guint32 ip, const struct written *written)
{
        const struct claim *first = claim_add(claims, claims->ips, network, ip, written);
        g_autofree char *shown = first ? value_format_ipv4(ip) : NULL;

        if (first)
                report_taken(claims, /* ID: */ "ip-twice", written, first, shown);
}

static void
claim_mac(const struct claims *claims, guint network, const struct ether_addr *mac, const struct written *written)
{
        const struct claim *first = NULL;
        g_autofree char *shown = NULL;

        if (mac_number(mac)) /* it did decode */
                first = claim_add(claims, claims->macs, network, mac_number(mac), written);
        if (!first)
                return;
        shown = value_format_mac(mac);
        report_taken(claims, /* ID: */ "mac-twice", written, first, shown);
}

/* ---- subnets ---- */

static gboolean
is_host(const struct cidr4 *subnet, guint32 address)
{
        return address > subnet->address && address < check_subnet_last(subnet);
}

/* A replica's address is counted on from the first one's. */
static gboolean
fail_replica_outside(const struct check *check, const struct written *written, guint32 first)
{
        const struct cidr4 *subnet = &written->network->subnet;
        g_autofree char *subject = NULL, *begin = NULL, *cidr = NULL, *last = NULL, *hint = NULL;

        if (!is_host(subnet, first))
                return FALSE; /* told of that one */
        subject = written_subject(written);
        begin = value_format_ipv4(first);
        cidr = value_format_cidr4(subnet);
        last = value_format_ipv4(check_subnet_last(subnet) - 1);
        hint = g_strdup_printf("begin with a lower one, or take a larger subnet: %s is its last host", last);
        return check_fault(check, "replica-ip", written_place(written), hint,
                           "%s: counting on from %s, the subnet %s of network '%s' has none left for it", subject, begin, cidr,
                           written->network->name);
}

static gboolean
fail_outside(const struct check *check, guint32 address, const struct written *written)
{
        const struct cidr4 *subnet = &written->network->subnet;
        g_autofree char *subject = written_subject(written), *shown = value_format_ipv4(address);
        g_autofree char *cidr = value_format_cidr4(subnet), *first = value_format_ipv4(subnet->address + 1);
        g_autofree char *last = value_format_ipv4(check_subnet_last(subnet) - 1);
        g_autofree char *hint = g_strdup_printf("its hosts are %s to %s", first, last);
        struct place place = written_place(written);

        if (address == subnet->address)
                return check_fault(check, "ip-network", place, hint, "%s: %s is the address of the subnet %s itself", subject,
                                   shown, cidr);
        if (address == check_subnet_last(subnet))
                return check_fault(check, "ip-broadcast", place, hint, "%s: %s is the broadcast address of the subnet %s",
                                   subject, shown, cidr);
        return check_fault(check, "ip-outside", place, hint, "%s: %s is not in the subnet %s of network '%s'", subject, shown,
                           cidr, written->network->name);
}

/* The address of the same NIC of the first replica; 0: it is none of a replica. */
static guint32
first_address(const struct check *check, const struct written *written)
{
        const struct vm *vm = written->vm;
        const struct vm *declared = vm && vm->group ? project_find_declared(check->project, vm->group) : NULL;

        return declared ? declared->nics[written->nic - vm->nics].ip : 0;
}

/* Is it an address that a host of the subnet can have? */
static gboolean
check_inside(const struct check *check, guint32 address, const struct written *written)
{
        guint32 first;

        if (is_host(&written->network->subnet, address))
                return TRUE;
        first = first_address(check, written);
        return first && first != address ? fail_replica_outside(check, written, first) : fail_outside(check, address, written);
}

/* An address is written, so the subnet has to be written too. Also FALSE where the subnet itself is wrong. */
static gboolean
check_has_subnet(const struct check *check, const struct written *written)
{
        const struct network *network = written->network;
        g_autofree char *hint = NULL, *subject = NULL;

        if (network->subnet.prefix)
                return TRUE;
        if (!network->subnet_auto || network->mode == MODE_BRIDGE)
                return FALSE;
        subject = written_subject(written);
        hint = g_strdup_printf("write 'subnet: 10.20.0.0/24' or another one for network '%s'", network->name);
        return check_fault(check, "ip-auto", written_place(written), hint,
                           "%s: the subnet of network '%s' is auto, so that no address is known", subject, network->name);
}

/* ---- claims ---- */

static void
refuse_on_bridge(const struct check *check, const struct written *written)
{
        g_autofree char *subject = written_subject(written);

        store_refuse(check->store, written_place(written),
                     "set the address in the guest, or in the DHCP service of that network",
                     "%s: an address on a network of mode bridge is not supported yet", subject);
}

static void
claim_nic_ip(const struct claims *claims, const struct written *written)
{
        const struct check *check = claims->check;
        const struct network *network = written->network;
        const struct nic *nic = written->nic;
        g_autofree char *subject = NULL;

        if (!check_has_subnet(check, written)) {
                if (network->mode == MODE_BRIDGE)
                        refuse_on_bridge(check, written);
                return;
        }
        if (!network->dhcp.enabled && !vm_wants_seed(written->vm)) {
                subject = written_subject(written);
                check_fault(check, "ip-nobody-sets", written_place(written),
                            "let the network have DHCP, or write 'ssh: {}': then cloud-init sets it",
                            "%s: network '%s' has no DHCP that would hand it out", subject, network->name);
        }
        if (check_inside(check, nic->ip, written))
                claim_ip(claims, nic->network_index, nic->ip, written);
}

static void
claim_nics(const struct claims *claims, const struct vm *vm)
{
        const struct project *project = claims->check->project;

        for (guint i = 0; i < vm->nic_count; i++) {
                const struct nic *nic = &vm->nics[i];
                struct written written = {.vm = vm, .nic = nic, .node = nic->node};

                if (*nic->aliases && !nic->ip && IN6_IS_ADDR_UNSPECIFIED(&nic->ip6))
                        check_fault(claims->check, "aliases-without-ip", project_place(nic->node, "aliases"),
                                    "give the NIC an 'ip:'",
                                    "aliases of nic '%s' of vm '%s': names need an address to resolve to", nic->name, vm->name);
                if ((!nic->ip && !nic->has_mac) || nic->network_index == NETWORK_UNKNOWN)
                        continue;
                written.network = &project->networks[nic->network_index];
                written.key = "ip";
                if (nic->ip)
                        claim_nic_ip(claims, &written);
                written.key = "mac";
                if (nic->has_mac)
                        claim_mac(claims, nic->network_index, &nic->mac, &written);
        }
}

static void
claim_reservations(const struct claims *claims, guint index)
{
        const struct network *network = &claims->check->project->networks[index];

        for (guint i = 0; i < network->dhcp.reservation_count; i++) {
                const struct reservation *reservation = &network->dhcp.reservations[i];
                struct written written = {network, NULL, NULL, reservation, reservation->node, "mac"};

                claim_mac(claims, index, &reservation->mac, &written);
                written.key = "ip";
                if (reservation->ip && check_has_subnet(claims->check, &written) &&
                    check_inside(claims->check, reservation->ip, &written))
                        claim_ip(claims, index, reservation->ip, &written);
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
        const struct written written = {.network = network, .node = network->node, .key = key};

        if (!*address || network->mode == MODE_BRIDGE)
                return;
        if (!check_has_subnet(claims->check, &written) || !check_inside(claims->check, *address, &written))
                *address = 0;
}

static void
check_host_ip(const struct claims *claims, guint index, const struct network *network)
{
        const struct claim *claim = network->host_ip ? claim_find(claims->ips, index, network->host_ip) : NULL;
        g_autofree char *shown = NULL, *owner = NULL, *hint = NULL;

        if (network->subnet.prefix && !network->host_ip && !network->host_ip_none) {
                check_fault(claims->check, "host-ip-none-free", check_key_place(claims->check, "networks", index),
                            "take a larger subnet, or write 'host_ip: none'",
                            "network '%s': its subnet has no address left for the host", network->name);
                return;
        }
        if (!claim)
                return;
        shown = value_format_ipv4(network->host_ip);
        owner = written_owner(&claim->by);
        if (project_is_set(network->node, "host_ip")) {
                check_fault(claims->check, "host-ip-taken", project_place(network->node, "host_ip"), NULL,
                            "host_ip of network '%s': %s is taken by %s in line %u", network->name, shown, owner,
                            written_place(&claim->by).line);
                return;
        }
        hint = g_strdup_printf("give %s another address, or the host with 'host_ip'", owner);
        check_fault(claims->check, "ip-host", written_place(&claim->by), hint,
                    "ip of %s: %s is the host's own address on network '%s'", owner, shown, network->name);
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
        struct dhcp *dhcp = &network->dhcp;
        const struct written written = {.network = network, .node = dhcp->node, .key = "range"};

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
        if (check_has_subnet(claims->check, &written) && check_inside(claims->check, dhcp->range.first, &written))
                check_inside(claims->check, dhcp->range.last, &written);
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
        g_autoptr(GHashTable) ips = g_hash_table_new(hash_key, g_int64_equal);
        g_autoptr(GHashTable) macs = g_hash_table_new(hash_key, g_int64_equal);
        struct claims claims = {check, ips, macs};

        for (guint i = 0; i < check->project->network_count; i++)
                claim_reservations(&claims, i);
        for (guint i = 0; i < check->project->vm_count; i++)
                claim_nics(&claims, &check->project->vms[i]);
        for (guint i = 0; i < check->project->network_count; i++)
                settle_network(&claims, i);
}
