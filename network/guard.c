/* guard.c - what a guest may not send: answers in place of our DHCP, and, with `spoof_check`, from addresses not its own
 *
 * A map leads from a tap to the chain that judges its frames, so that a frame is looked up once however many guests there are.
 * Guests on a network with our DHCP cannot give such answers: whatever goes to a client's port, from whichever port, and
 * router advertisements. A frame with the VLAN tag 0 is untagged to the guest that it reaches; with two of them its content is
 * out of sight here, so none passes.
 *
 * A guest with `spoof_check` sends from its own MAC, and on networks whose addresses we know from its own addresses: `ip`; the
 * IPv6 addresses `ip6` and the two that follow from its MAC. While it has none yet it may ask for one, in its own name only:
 * a DHCP request carries the MAC once more. A neighbour advertisement may tell of its own addresses only; of the address
 * that it tells of, all but the first byte is compared, since nft versions print the whole field in different words.
 */
#include "network/guard.h"

#include <string.h>

enum { IP6_MAX = 4 };

static gboolean
is_guarded(const struct network *network)
{
        return lab_is_served(network) && network->dhcp.enabled;
}

/* nft prints numbers in hexadecimal without leading zeros. */
static void
add_number(GString *text, const guint8 *bytes, size_t length)
{
        while (length > 1 && !*bytes)
                bytes++, length--;
        g_string_append_printf(text, "0x%x", *bytes);
        for (size_t i = 1; i < length; i++)
                g_string_append_printf(text, "%02x", bytes[i]);
}

/* The IPv6 addresses that the guest may have; returns how many. */
static guint
find_ip6(const struct network *network, const struct lab_host *host, struct in6_addr addresses[IP6_MAX])
{
        static const struct cidr6 link_local = {.address = {.s6_addr = {0xfe, 0x80}}, .prefix = 64};
        guint count = 0;

        addresses[count++] = lab_ip6_of_mac(&link_local, &host->mac);
        if (network->subnet6.prefix)
                addresses[count++] = lab_ip6_of_mac(&network->subnet6, &host->mac);
        if (!IN6_IS_ADDR_UNSPECIFIED(&host->ip6))
                addresses[count++] = host->ip6;
        if (!IN6_IS_ADDR_UNSPECIFIED(&host->old_ip6))
                addresses[count++] = host->old_ip6;
        return count;
}

static void
add_ip6_rules(GString *text, const struct network *network, const struct lab_host *host)
{
        struct in6_addr addresses[IP6_MAX];
        guint count = find_ip6(network, host, addresses);
        char shown[LAB_IP6_LENGTH];

        g_string_append(text, "\t\tip6 saddr != ::");
        for (guint i = 0; i < count; i++)
                g_string_append_printf(text, " ip6 saddr != %s", lab_format_ip6(&addresses[i], shown));
        g_string_append(text, " drop\n\t\ticmpv6 type nd-neighbor-advert");
        for (guint i = 0; i < count; i++) {
                g_string_append(text, " @th,72,120 != ");
                add_number(text, addresses[i].s6_addr + 1, sizeof addresses[i] - 1);
        }
        g_string_append(text, " drop\n");
}

/* Dropped, unless @field is an address of the guest. */
static void
add_ip_check(GString *text, const char *before, const char *field, const struct lab_host *host)
{
        char ip[LAB_IP_LENGTH];

        g_string_append_printf(text, "\t\t%s%s != %s", before, field, lab_format_ip(host->ip, ip));
        if (host->old_ip)
                g_string_append_printf(text, " %s != %s", field, lab_format_ip(host->old_ip, ip));
        g_string_append(text, " drop\n");
}

static void
add_address_rules(GString *text, const struct network *network, const struct lab_host *host)
{
        if (host->ip) {
                add_ip_check(text, "arp saddr ip != 0.0.0.0 ", "arp saddr ip", host);
                g_string_append(text, "\t\tudp sport 68 udp dport 67 @th,288,48 ");
                add_number(text, host->mac.ether_addr_octet, ETH_ALEN);
                g_string_append(text, " accept\n");
                add_ip_check(text, "", "ip saddr", host);
        }
        if (network->mode != MODE_BRIDGE)
                add_ip6_rules(text, network, host);
}

static void
add_spoof_chain(GString *text, const struct network *network, const struct lab_host *host)
{
        char mac[LAB_MAC_LENGTH];

        lab_format_mac(&host->mac, mac);
        g_string_append_printf(text, "\tchain from-%s {\n", host->tap);
        g_string_append_printf(text, "\t\tether saddr != %s drop\n", mac);
        g_string_append(text, "\t\tether type 8021q drop\n\t\tether type 8021ad drop\n");
        g_string_append_printf(text, "\t\tarp saddr ether != %s drop\n", mac);
        add_address_rules(text, network, host);
        if (is_guarded(network))
                g_string_append(text, "\t\tgoto guard\n");
        g_string_append(text, "\t}\n");
}

/* An element for each tap that is watched; @chains gets the chains of those with a chain of their own. */
static GPtrArray *
collect_ports(const struct lab *lab, GString *chains)
{
        GPtrArray *elements = g_ptr_array_new_with_free_func(g_free);

        for (guint i = 0; i < lab->host_count; i++) {
                const struct lab_host *host = &lab->hosts[i];
                const struct network *network = &lab->networks[host->network];

                if (!host->tap || (!host->spoof_check && !is_guarded(network)))
                        continue;
                g_ptr_array_add(elements, host->spoof_check ? g_strdup_printf("\"%s\" : goto from-%s", host->tap, host->tap)
                                                            : g_strdup_printf("\"%s\" : goto guard", host->tap));
                if (host->spoof_check)
                        add_spoof_chain(chains, network, host);
        }
        return elements;
}

char *
guard_name(const char *project)
{
        return g_strconcat("bridge drover-", project, NULL);
}

char *
guard_chains(const struct lab *lab)
{
        g_autoptr(GString) chains = g_string_new(NULL);
        g_autoptr(GPtrArray) elements = collect_ports(lab, chains);
        g_autofree char *map = elements->len ? table_elements(elements) : NULL;

        if (!map)
                return NULL;
        return g_strconcat("\tmap ports {\n\t\ttype ifname : verdict\n\t\t", map, "\n\t}\n",
                           "\tchain guard {\n"
                           "\t\tvlan id 0 drop\n"
                           "\t\tether type 8021ad vlan id 0 drop\n"
                           "\t\tudp dport 68 drop\n"
                           "\t\tudp dport 546 drop\n"
                           "\t\ticmpv6 type nd-router-advert drop\n"
                           "\t}\n",
                           chains->str,
                           "\tchain prerouting {\n"
                           "\t\ttype filter hook prerouting priority dstnat; policy accept;\n"
                           "\t\tiifname vmap @ports\n"
                           "\t}\n",
                           NULL);
}

char *
guard_commands(const struct lab *lab, const char *listing)
{
        g_autofree char *chains = guard_chains(lab), *table = guard_name(lab->project);

        if (!chains)
                return listing ? g_strdup_printf("delete table %s\n", table) : NULL;
        return table_update_commands(table, chains, listing);
}

gboolean
guard_ensure(struct home *home, const struct lab *lab, GError **error)
{
        g_autofree char *table = guard_name(lab->project), *listing = NULL, *commands = NULL;

        if (!table_list(home, table, &listing, error))
                return FALSE;
        commands = guard_commands(lab, listing);
        return !commands || home_nft(home, commands, NULL, error);
}
