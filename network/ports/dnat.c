/* dnat.c - published ports of networks in the host's own namespace: the short way for what comes from outside */
#include "network/ports/dnat.h"

#include "base/fd.h"
#include "network/forwarding.h"

#include <arpa/inet.h>

/* Only what routes: a guest of any other network would have no way back to the client. */
static gboolean
is_routed(const struct network *network)
{
        return !network->external && network->mode == MODE_NAT && network->subnet.prefix && network->host_ip;
}

static const struct network *
find_network(const struct lab *lab, guint32 ip)
{
        for (guint i = 0; i < lab->network_count; i++) {
                const struct network *network = &lab->networks[i];

                if (is_routed(network) && (ip & lab_netmask(network->subnet.prefix)) == network->subnet.address)
                        return network;
        }
        return NULL;
}

static gboolean
can_be_led(const struct lab *lab, const struct forward *forward)
{
        guint32 inside = ntohl(forward->inside.ipv4.sin_addr.s_addr);

        return lab->isolation == ISOLATION_HOST && forward->outside.any.sa_family == AF_INET &&
               ntohl(forward->outside.ipv4.sin_addr.s_addr) >> 24 != 127 && find_network(lab, inside);
}

/* A guest that wants its own port gets it from the forwarder: where br_netfilter is on, it would have to come back through the
 * port of the bridge that it came from. */
static void
add_port(GString *text, const struct forward *forward)
{
        guint32 outside = ntohl(forward->outside.ipv4.sin_addr.s_addr);
        char ip[LAB_IP_LENGTH];

        lab_format_ip(ntohl(forward->inside.ipv4.sin_addr.s_addr), ip);
        g_string_append_printf(text, "\t\tip saddr != %s ", ip);

        if (outside)
                g_string_append_printf(text, "ip daddr %s", lab_format_ip(outside, ip));
        else
                g_string_append(text, "fib daddr type local");
        g_string_append_printf(text, " %s dport %u dnat ip to %s:%u\n", forward->protocol == FORWARD_UDP ? "udp" : "tcp",
                               ntohs(forward->outside.ipv4.sin_port),
                               lab_format_ip(ntohl(forward->inside.ipv4.sin_addr.s_addr), ip),
                               ntohs(forward->inside.ipv4.sin_port));
}

/* What nothing is forwarded from gets to the forwarder, which is on this host. */
static void
add_exceptions(GString *text, const struct lab *lab)
{
        g_string_append(text, "\t\tiifname \"lo\" return\n");
        for (guint i = 0; i < lab->network_count; i++)
                if (!lab->networks[i].external && lab->networks[i].mode == MODE_ISOLATED)
                        g_string_append_printf(text, "\t\tiifname \"%s\" return\n", lab->networks[i].bridge);
}

/* A guest answers its neighbour directly, and a client far away through its own gateway: where the answer would not come by
 * here, the connection carries our address. */
static void
add_way_back(GString *text, const struct network *network)
{
        char ip[LAB_IP_LENGTH];

        g_string_append_printf(text, "\t\toifname \"%s\" ", network->bridge);
        if (network->gateway == network->host_ip)
                g_string_append_printf(text, "ip saddr %s/%u ", lab_format_ip(network->subnet.address, ip),
                                       network->subnet.prefix);
        g_string_append(text, "ct status dnat masquerade\n");
}

char *
dnat_chains(const struct lab *lab, const GArray *forwards)
{
        g_autoptr(GString) text = g_string_new("\tchain prerouting {\n"
                                               "\t\ttype nat hook prerouting priority dstnat; policy accept;\n");
        gboolean any = FALSE;

        add_exceptions(text, lab);
        for (guint i = 0; i < forwards->len; i++) {
                const struct forward *forward = &g_array_index(forwards, struct forward, i);

                if (!can_be_led(lab, forward))
                        continue;
                add_port(text, forward);
                any = TRUE;
        }
        if (!any)
                return NULL;
        g_string_append(text, "\t}\n\tchain postrouting {\n"
                              "\t\ttype nat hook postrouting priority srcnat - 10; policy accept;\n");
        for (guint i = 0; i < lab->network_count; i++)
                if (is_routed(&lab->networks[i]))
                        add_way_back(text, &lab->networks[i]);
        g_string_append(text, "\t}\n");
        return g_string_free(g_steal_pointer(&text), FALSE);
}

char *
dnat_table(const char *project)
{
        return g_strdup_printf("inet drover-%s.ports", project);
}

enum firewall_state
dnat_compare(const struct lab *lab, const GArray *forwards, const char *listing)
{
        g_autofree char *chains = dnat_chains(lab, forwards), *table = dnat_table(lab->project);

        if (!chains)
                return listing ? FIREWALL_DIFFERENT : FIREWALL_SAME;
        if (!listing)
                return FIREWALL_ABSENT;
        return table_is_same(table, chains, listing) ? FIREWALL_SAME : FIREWALL_DIFFERENT;
}

gboolean
dnat_ensure(struct home *home, const struct lab *lab, const GArray *forwards, const char *host_state, GError **error)
{
        g_autofree char *chains = dnat_chains(lab, forwards), *table = dnat_table(lab->project);
        auto_fd lock = -1;

        if (!forwarding_lock(host_state, &lock, error))
                return FALSE;
        return chains ? table_ensure(home, table, chains, error)
                      : forwarding_restore(home, host_state, table, error) && table_remove(home, table, error);
}
