/* dnsmasq-config.c - the texts that dnsmasq reads: built from a lab, pure
 *
 * Source for every option: dnsmasq(8). What is set against its defaults, and why:
 *   no-ping              each dynamic lease would cost 3 s
 *   dhcp-ignore-clid     clones of one image share their client-id, not their MAC
 *   dhcp-authoritative   a guest that comes back from another network is told at once
 *   dhcp-ignore-names    a guest that nobody named cannot take the name of another
 *   (dhcp-host=NEW,OLD)  an address is not given to another MAC while the old one's lease lasts, unless both are named
 *   dhcp-lease-max       a /16 has more than the default of 1000
 *   bind-dynamic         only our bridges, also those that come later
 *   localise-queries     a VM on two networks resolves to its address on the asker's
 *   no-resolv            in a namespace of its own the host's resolvers are not to be reached by their own addresses
 *   server               those that the uplink leads to
 */
#include "network/dnsmasq.h"

#include <string.h>

/* The tag of a NIC whose VM has its default route through another one. No network's name has a dot. */
#define SECOND "second.nic"

/* That of a NIC with an mtu of its own. */
#define MTU_TAG "mtu%u.nic"

enum { OPTION_DNS_SERVER = 6, OPTION_ROUTES = 121 };

static void
add_range(GString *text, const struct network *network)
{
        const struct range4 *range = &network->dhcp.range;
        char first[LAB_IP_LENGTH], last[LAB_IP_LENGTH], mask[LAB_IP_LENGTH];

        lab_format_ip(lab_netmask(network->subnet.prefix), mask);
        if (range->first)
                g_string_append_printf(text, "dhcp-range=set:%s,%s,%s,%s,%u\n", network->name,
                                       lab_format_ip(range->first, first), lab_format_ip(range->last, last), mask,
                                       network->dhcp.lease_seconds);
        else
                g_string_append_printf(text, "dhcp-range=set:%s,%s,static,%s,%u\n", network->name,
                                       lab_format_ip(network->subnet.address, first), mask, network->dhcp.lease_seconds);
}

static gboolean
has_option(const struct network *network, guint number)
{
        for (guint i = 0; i < network->dhcp.option_count; i++)
                if (network->dhcp.options[i].number == number)
                        return TRUE;
        return FALSE;
}

/* Guests make addresses of their own, and those that the file gives one have it by DHCP as well. The router is this host, but
 * where the network has another or none, and needs none to reach others. ra-names: a guest's own address has its name too,
 * once it answers there. */
static void
add_range6(GString *text, const struct lab *lab, guint index)
{
        const struct network *network = &lab->networks[index];
        gboolean is_router = network->gateway && network->gateway == network->host_ip;
        char ip6[LAB_IP6_LENGTH];

        if (!network->subnet6.prefix)
                return;
        lab_format_ip6(&network->subnet6.address, ip6);
        g_string_append_printf(text, "domain=%s,%s/%u\n", network->domain, ip6, network->subnet6.prefix);
        g_string_append_printf(text, "dhcp-range=set:%s,%s,static,slaac,ra-names,%u,%u\n", network->name, ip6,
                               network->subnet6.prefix, network->dhcp.lease_seconds);
        for (guint i = 0; i < lab->network_count; i++)
                is_router |= lab->networks[i].subnet6.prefix && (lab_reaches(lab, index, i) || lab_reaches(lab, i, index));
        if (!is_router)
                g_string_append_printf(text, "ra-param=%s,0,0\n", network->bridge);
}

/* Where the way to a network that `reach` opens is not that of all else: a guest that takes the option ignores the router. */
static void
add_routes(GString *text, const struct lab *lab, guint index)
{
        const struct network *network = &lab->networks[index];
        g_autoptr(GString) routes = g_string_new(NULL);
        char ip[LAB_IP_LENGTH], own[LAB_IP_LENGTH];

        if (network->gateway == network->host_ip || has_option(network, OPTION_ROUTES))
                return;
        lab_format_ip(network->host_ip, own);
        for (guint i = 0; i < lab->network_count; i++)
                if (lab_reaches(lab, index, i) || lab_reaches(lab, i, index))
                        g_string_append_printf(routes, ",%s/%u,%s", lab_format_ip(lab->networks[i].subnet.address, ip),
                                               lab->networks[i].subnet.prefix, own);
        if (!routes->len)
                return;
        if (network->gateway)
                g_string_append_printf(text,
                                       "dhcp-option=tag:%s,tag:!" SECOND ",option:classless-static-route%s,0.0.0.0/0,%s\n",
                                       network->name, routes->str, lab_format_ip(network->gateway, ip));
        g_string_append_printf(text, "dhcp-option=tag:%s,%soption:classless-static-route%s\n", network->name,
                               network->gateway ? "tag:" SECOND "," : "", routes->str);
}

/* In quotes nothing has a meaning but quotes and backslashes; but what is quoted is text, and never an address or a number. */
static void
add_value(GString *text, const char *value)
{
        if (*value && strspn(value, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-+:/[]@=%") == strlen(value)) {
                g_string_append(text, value);
                return;
        }
        g_string_append_c(text, '"');
        for (const char *c = value; *c; c++)
                g_string_append_printf(text, "%s%c", *c == '"' || *c == '\\' ? "\\" : "", *c);
        g_string_append_c(text, '"');
}

static void
add_options(GString *text, const struct network *network)
{
        for (guint i = 0; i < network->dhcp.option_count; i++) {
                const struct dhcp_option *option = &network->dhcp.options[i];

                g_string_append_printf(text, "dhcp-option=tag:%s,", network->name);
                if (option->name)
                        g_string_append_printf(text, "option:%s", option->name);
                else
                        g_string_append_printf(text, "%u", option->number);
                for (const char *const *value = option->values; *value; value++) {
                        g_string_append_c(text, ',');
                        add_value(text, *value);
                }
                g_string_append_c(text, '\n');
        }
}

static void
add_boot(GString *text, const struct network *network)
{
        const struct dhcp_boot *boot = network->dhcp.boot;

        if (!boot)
                return;
        g_string_append_printf(text, "dhcp-boot=tag:%s,", network->name);
        add_value(text, boot->file);
        if (boot->tftp_root) {
                g_string_append_printf(text, "\nenable-tftp=%s\ntftp-root=", network->bridge);
                add_value(text, boot->tftp_root);
                g_string_append_printf(text, ",%s", network->bridge);
        }
        g_string_append_c(text, '\n');
}

static void
add_network(GString *text, const struct lab *lab, guint index)
{
        const struct network *network = &lab->networks[index];
        char ip[LAB_IP_LENGTH];

        g_string_append_printf(text, "\ninterface=%s\n", network->bridge);
        g_string_append_printf(text, "domain=%s,%s/%u\n", network->domain, lab_format_ip(network->subnet.address, ip),
                               network->subnet.prefix);
        g_string_append_printf(text, "local=/%s/\n", network->domain);
        if (!network->dhcp.enabled) {
                g_string_append_printf(text, "no-dhcp-interface=%s\n", network->bridge);
                return;
        }
        add_range(text, network);
        add_range6(text, lab, index);
        if (network->gateway)
                g_string_append_printf(text,
                                       "dhcp-option=tag:%s,tag:!" SECOND ",option:router,%s\n"
                                       "dhcp-option=tag:%s,tag:" SECOND ",option:router\n",
                                       network->name, lab_format_ip(network->gateway, ip), network->name);
        else
                g_string_append_printf(text, "dhcp-option=tag:%s,option:router\n", network->name);
        add_routes(text, lab, index);
        if (!has_option(network, OPTION_DNS_SERVER))
                g_string_append_printf(text, "dhcp-option=tag:%s,option:dns-server,%s\n", network->name,
                                       lab_format_ip(network->host_ip, ip));
        if (network->mtu && network->mtu != 1500)
                g_string_append_printf(text, "dhcp-option=tag:%s,option:mtu,%u\n", network->name, network->mtu);
        add_options(text, network);
        add_boot(text, network);
}

static gboolean
has_dhcp(const struct network *network)
{
        return lab_is_served(network) && network->dhcp.enabled;
}

/* Not as `set:` in the file of reservations: dnsmasq 2.90 aborts when it rereads one whose tag a lease has used. */
static void
add_tags(GString *text, const struct lab *lab)
{
        g_autoptr(GHashTable) mtus = g_hash_table_new(NULL, NULL);

        for (guint i = 0; i < lab->host_count; i++) {
                const struct lab_host *host = &lab->hosts[i];
                char mac[LAB_MAC_LENGTH];

                if (!has_dhcp(&lab->networks[host->network]) || host->unserved)
                        continue;
                lab_format_mac(&host->mac, mac);
                if (host->second)
                        g_string_append_printf(text, "dhcp-mac=set:" SECOND ",%s\n", mac);
                if (host->mtu)
                        g_string_append_printf(text, "dhcp-mac=set:" MTU_TAG ",%s\n", host->mtu, mac);
                /* Without the network's tag it comes before the network's own. */
                if (host->mtu && g_hash_table_add(mtus, GUINT_TO_POINTER(host->mtu)))
                        g_string_append_printf(text, "dhcp-option=tag:" MTU_TAG ",option:mtu,%u\n", host->mtu, host->mtu);
        }
}

char *
dnsmasq_config(const struct lab *lab)
{
        GString *text = g_string_new("# written by drover; changes are lost\n"
                                     "bind-dynamic\n"
                                     "except-interface=lo\n"
                                     "no-hosts\n"
                                     "no-ping\n"
                                     "dhcp-ignore-clid\n"
                                     "dhcp-authoritative\n"
                                     "dhcp-no-override\n"
                                     "dhcp-ignore-names=tag:!known\n"
                                     "dhcp-lease-max=100000\n"
                                     "localise-queries\n"
                                     "domain-needed\n"
                                     "bogus-priv\n"
                                     "log-dhcp\n");

        if (lab->isolation == ISOLATION_PRIVATE)
                g_string_append(text, "no-resolv\n");
        for (const char *const *server = lab->isolation == ISOLATION_PRIVATE ? lab->resolvers : NULL; server && *server;
             server++)
                g_string_append_printf(text, "server=%s\n", *server);
        for (guint i = 0; i < lab->network_count; i++)
                if (has_dhcp(&lab->networks[i]) && lab->networks[i].subnet6.prefix) {
                        g_string_append(text, "enable-ra\n");
                        break;
                }
        g_string_append_printf(text, "log-facility=%s/log\n", lab->directory);
        g_string_append_printf(text, "pid-file=%s/pid\n", lab->directory);
        g_string_append_printf(text, "dhcp-leasefile=%s/leases\n", lab->directory);
        g_string_append_printf(text, "dhcp-hostsfile=%s/reservations\n", lab->directory);
        g_string_append_printf(text, "hostsdir=%s/names\n", lab->directory);
        for (guint i = 0; i < lab->network_count; i++)
                if (lab_is_served(&lab->networks[i]))
                        add_network(text, lab, i);
        add_tags(text, lab);
        return g_string_free(text, FALSE);
}

char *
dnsmasq_reservations(const struct lab *lab)
{
        static const struct ether_addr none;
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < lab->host_count; i++) {
                const struct lab_host *host = &lab->hosts[i];
                const struct network *network = &lab->networks[host->network];
                char ip[LAB_IP_LENGTH], ip6[LAB_IP6_LENGTH], mac[LAB_MAC_LENGTH];

                if (!has_dhcp(network) || host->unserved || (!host->ip && !host->name))
                        continue;
                g_string_append(text, lab_format_mac(&host->mac, mac));
                if (memcmp(&host->old_mac, &none, sizeof none) != 0)
                        g_string_append_printf(text, ",%s", lab_format_mac(&host->old_mac, mac));
                if (host->ip)
                        g_string_append_printf(text, ",%s", lab_format_ip(host->ip, ip));
                if (!IN6_IS_ADDR_UNSPECIFIED(&host->ip6) && network->subnet6.prefix)
                        g_string_append_printf(text, ",[%s]", lab_format_ip6(&host->ip6, ip6));
                if (host->name)
                        g_string_append_printf(text, ",%s", host->name);
                g_string_append_c(text, '\n');
        }
        return g_string_free(text, FALSE);
}

/* The first name of a line is what the address resolves back to. */
static void
add_names(GString *text, const char *address, const struct lab_host *host, const struct network *network)
{
        g_string_append_printf(text, "%s %s.%s %s", address, host->name, network->domain, host->name);
        for (const char *const *alias = host->aliases; alias && *alias; alias++)
                g_string_append_printf(text, " %s.%s %s", *alias, network->domain, *alias);
        g_string_append_c(text, '\n');
}

char *
dnsmasq_names(const struct lab *lab)
{
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < lab->host_count; i++) {
                const struct lab_host *host = &lab->hosts[i];
                const struct network *network = &lab->networks[host->network];
                char ip[LAB_IP_LENGTH], ip6[LAB_IP6_LENGTH];

                if (!lab_is_served(network) || host->unserved || !host->name)
                        continue;
                if (host->ip)
                        add_names(text, lab_format_ip(host->ip, ip), host, network);
                if (!IN6_IS_ADDR_UNSPECIFIED(&host->ip6) && network->subnet6.prefix)
                        add_names(text, lab_format_ip6(&host->ip6, ip6), host, network);
        }
        return g_string_free(text, FALSE);
}
