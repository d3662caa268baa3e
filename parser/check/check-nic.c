/* check-nic.c - what the keys of a NIC ask of each other and of its network: IPv6 addresses, MTU, VLANs, impairments */
#include "parser/check/check.h"

#include "parser/value/value.h"

#include <string.h>

/* An IPv6 address on a network, and who has it. */
struct claim6 {
        struct in6_addr address;
        guint network;
        const struct vm *vm;
        struct place place;
};

static guint
claim6_hash(gconstpointer key)
{
        const struct claim6 *claim = key;
        guint hash = claim->network;

        for (size_t i = 0; i < sizeof claim->address; i++)
                hash = hash * 31 + claim->address.s6_addr[i];
        return hash;
}

static gboolean
claim6_equal(gconstpointer a, gconstpointer b)
{
        const struct claim6 *one = a, *two = b;

        return one->network == two->network && IN6_ARE_ADDR_EQUAL(&one->address, &two->address);
}

/* The number behind the subnet's 64 bits, as far as it matters: 0 for its own address, 1 for the host's. */
static guint
host_number(const struct in6_addr *address)
{
        for (size_t i = 8; i < sizeof address->s6_addr - 1; i++)
                if (address->s6_addr[i])
                        return G_MAXUINT;
        return address->s6_addr[15];
}

static gboolean
check_ip6_inside(const struct check *check, const struct network *network, const struct nic *nic, const char *subject)
{
        struct place place = project_place(nic->node, "ip6");
        g_autofree char *shown = value_format_ipv6(&nic->ip6);
        g_autofree char *cidr = value_format_cidr6(&network->subnet6);

        if (!value_in_cidr6(&network->subnet6, &nic->ip6))
                return check_fault(check, "ip6-outside", place, NULL, "%s: %s is not in the subnet %s of network '%s'", subject,
                                   shown, cidr, network->name);
        if (host_number(&nic->ip6) == 0)
                return check_fault(check, "ip6-subnet", place, NULL, "%s: %s is the address of the subnet %s itself", subject,
                                   shown, cidr);
        if (host_number(&nic->ip6) == 1)
                return check_fault(check, "ip6-host", place, NULL, "%s: %s is the host's own address on network '%s'", subject,
                                   shown, network->name);
        return TRUE;
}

static void
check_ip6(const struct check *check, GHashTable *claims, const struct vm *vm, const struct nic *nic)
{
        const struct network *network = &check->project->networks[nic->network_index];
        struct place place = project_place(nic->node, "ip6");
        g_autofree char *subject = g_strdup_printf("ip6 of nic '%s' of vm '%s'", nic->name, vm->name), *hint = NULL;
        const struct claim6 *first;
        struct claim6 *claim;

        if (network->mode == MODE_BRIDGE)
                return; /* the addresses there are not ours */
        if (!network->subnet6.prefix) {
                hint = g_strdup_printf("write 'subnet6: \"fd00:20::/64\"' or another one for network '%s'", network->name);
                if (!project_is_set(network->node, "subnet6"))
                        check_fault(check, "ip6-without-subnet6", place, hint, "%s: network '%s' has no IPv6 subnet", subject,
                                    network->name);
                return;
        }
        if (!check_ip6_inside(check, network, nic, subject))
                return;
        claim = store_alloc(check->store, sizeof *claim);
        *claim = (struct claim6){nic->ip6, nic->network_index, vm, place};
        first = g_hash_table_lookup(claims, claim);
        if (first) {
                g_autofree char *shown = value_format_ipv6(&nic->ip6);

                check_fault(check, "ip6-twice", place, NULL, "%s: %s is taken by vm '%s' in line %u", subject, shown,
                            first->vm->name, first->place.line);
                return;
        }
        g_hash_table_add(claims, claim);
}

static void
check_mtu(const struct check *check, const struct vm *vm, const struct nic *nic)
{
        const struct network *network = &check->project->networks[nic->network_index];

        if (nic->mtu > network->mtu)
                check_fault(check, "mtu-above-network", project_place(nic->node, "mtu"),
                            "write the larger one as 'mtu' of the network",
                            "mtu of nic '%s' of vm '%s': %u is more than the %u of network '%s'", nic->name, vm->name, nic->mtu,
                            network->mtu, network->name);
}

static void
check_trunk(const struct check *check, const struct vm *vm, const struct nic *nic)
{
        const struct count_list *trunk = &nic->vlan->trunk;
        const struct node *list = node_get(nic->vlan->node, "trunk");
        g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

        for (guint i = 0; i < trunk->count; i++)
                if (!g_hash_table_add(seen, GUINT_TO_POINTER(trunk->items[i])))
                        check_fault(check, "vlan-twice", list->count == trunk->count ? list->items[i]->place : list->place,
                                    NULL, "trunk of vlan of nic '%s' of vm '%s': %u is in the list twice", nic->name, vm->name,
                                    trunk->items[i]);
}

static void
check_vlan(const struct check *check, const struct vm *vm, const struct nic *nic)
{
        const struct node *node = nic->vlan->node;
        gboolean is_trunk = nic->vlan->trunk.count > 0;

        if (!node || node->kind != NODE_MAP)
                return;
        if (is_trunk && project_is_set(node, "access"))
                check_fault(check, "vlan-two-kinds", project_place(node, "access"),
                            "remove it, or the trunk; a trunk's untagged VLAN is 'native'",
                            "vlan of nic '%s' of vm '%s': a port is an access port or a trunk", nic->name, vm->name);
        else if (!is_trunk && project_is_set(node, "native"))
                check_fault(check, "vlan-native", project_place(node, "native"), "write 'trunk: [10, 20]' too, or 'vlan: 10'",
                            "vlan of nic '%s' of vm '%s': 'native' is the untagged VLAN of a trunk", nic->name, vm->name);
        else if (!is_trunk && !project_is_set(node, "access"))
                check_fault(check, "vlan-empty", node->place, "write 'vlan: 10' or 'vlan: {trunk: [10, 20]}'",
                            "vlan of nic '%s' of vm '%s' names no VLAN", nic->name, vm->name);
        check_trunk(check, vm, nic);
}

static void
check_impair(const struct check *check, const struct vm *vm, const struct nic *nic)
{
        if (nic->impair->jitter_ms && !project_is_set(nic->impair->node, "delay"))
                check_fault(check, "jitter-without-delay", project_place(nic->impair->node, "jitter"),
                            "write 'delay: 20ms' too",
                            "impair of nic '%s' of vm '%s': without a delay there is nothing that varies", nic->name, vm->name);
}

void
check_nics(const struct check *check)
{
        g_autoptr(GHashTable) claims = g_hash_table_new(claim6_hash, claim6_equal);

        for (guint i = 0; i < check->project->vm_count; i++) {
                const struct vm *vm = &check->project->vms[i];

                for (guint j = 0; j < vm->nic_count; j++) {
                        const struct nic *nic = &vm->nics[j];
                        gboolean known = nic->network_index != NETWORK_UNKNOWN;

                        if (known && !IN6_IS_ADDR_UNSPECIFIED(&nic->ip6))
                                check_ip6(check, claims, vm, nic);
                        if (known && nic->mtu)
                                check_mtu(check, vm, nic);
                        if (nic->vlan)
                                check_vlan(check, vm, nic);
                        if (nic->impair)
                                check_impair(check, vm, nic);
                }
        }
}
