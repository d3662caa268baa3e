/* links.c - one look at all links, addresses, neighbours and routes: a dump each, and two tables to find links in */
#include "network/link.h"

#include "base/error.h"
#include "network/lab.h"
#include "network/link-message.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <netlink/msg.h>
#include <string.h>

static gboolean
attribute_ip(struct nlattr *attribute, guint32 *ret_ip)
{
        if (!attribute || nla_len(attribute) != 4)
                return FALSE;
        *ret_ip = ntohl(nla_get_u32(attribute));
        return TRUE;
}

static void
receive_link(const struct nlmsghdr *message, void *data)
{
        GArray *links = data;
        struct link link;

        if (!message)
                g_array_set_size(links, 0);
        else if (link_message_parse(message, &link))
                g_array_append_val(links, link);
}

static gboolean
attribute_ip6(struct nlattr *attribute, struct in6_addr *ret_ip)
{
        if (!attribute || nla_len(attribute) != sizeof *ret_ip)
                return FALSE;
        memcpy(ret_ip, nla_data(attribute), sizeof *ret_ip);
        return !IN6_IS_ADDR_LINKLOCAL(ret_ip);
}

/* The header of an address of @family, or NULL when it is none; its attributes in @attributes. */
static const struct ifaddrmsg *
parse_address(const struct nlmsghdr *message, int family, struct nlattr *attributes[IFA_MAX + 1])
{
        const struct ifaddrmsg *header = nlmsg_data(message);

        if (message->nlmsg_type != RTM_NEWADDR || message->nlmsg_len < NLMSG_LENGTH(sizeof *header) ||
            header->ifa_family != family ||
            nlmsg_parse((struct nlmsghdr *)message, sizeof *header, attributes, IFA_MAX, NULL) < 0)
                return NULL;
        return header;
}

static void
receive_address(const struct nlmsghdr *message, void *data)
{
        struct nlattr *attributes[IFA_MAX + 1];
        const struct ifaddrmsg *header;
        struct link_address address = {0};
        GArray *addresses = data;

        if (!message) {
                g_array_set_size(addresses, 0);
                return;
        }
        header = parse_address(message, AF_INET, attributes);
        if (!header ||
            (!attribute_ip(attributes[IFA_LOCAL], &address.ip) && !attribute_ip(attributes[IFA_ADDRESS], &address.ip)))
                return;
        address.ifindex = (int)header->ifa_index;
        address.prefix = header->ifa_prefixlen;
        g_array_append_val(addresses, address);
}

static void
receive_address6(const struct nlmsghdr *message, void *data)
{
        struct nlattr *attributes[IFA_MAX + 1];
        const struct ifaddrmsg *header;
        struct link_address6 address = {0};
        GArray *addresses = data;

        if (!message) {
                g_array_set_size(addresses, 0);
                return;
        }
        header = parse_address(message, AF_INET6, attributes);
        if (!header || !attribute_ip6(attributes[IFA_ADDRESS], &address.ip))
                return;
        address.ifindex = (int)header->ifa_index;
        address.prefix = header->ifa_prefixlen;
        g_array_append_val(addresses, address);
}

/* The same for a neighbour; with its MAC, all zero where it is not known, and whether it does not answer. */
static const struct ndmsg *
parse_neighbour(const struct nlmsghdr *message, int family, struct nlattr *attributes[NDA_MAX + 1], struct ether_addr *ret_mac,
                gboolean *ret_failed)
{
        const struct ndmsg *header = nlmsg_data(message);

        if (message->nlmsg_type != RTM_NEWNEIGH || message->nlmsg_len < NLMSG_LENGTH(sizeof *header) ||
            header->ndm_family != family || header->ndm_type != RTN_UNICAST ||
            nlmsg_parse((struct nlmsghdr *)message, sizeof *header, attributes, NDA_MAX, NULL) < 0)
                return NULL;
        if (attributes[NDA_LLADDR] && nla_len(attributes[NDA_LLADDR]) == ETH_ALEN)
                memcpy(ret_mac, nla_data(attributes[NDA_LLADDR]), ETH_ALEN);
        *ret_failed = (header->ndm_state & (NUD_FAILED | NUD_INCOMPLETE)) != 0;
        return header;
}

static void
receive_neighbour(const struct nlmsghdr *message, void *data)
{
        struct nlattr *attributes[NDA_MAX + 1];
        const struct ndmsg *header;
        struct link_neighbour neighbour = {0};
        GArray *neighbours = data;

        if (!message) {
                g_array_set_size(neighbours, 0);
                return;
        }
        header = parse_neighbour(message, AF_INET, attributes, &neighbour.mac, &neighbour.failed);
        if (!header || !attribute_ip(attributes[NDA_DST], &neighbour.ip))
                return;
        neighbour.ifindex = header->ndm_ifindex;
        g_array_append_val(neighbours, neighbour);
}

static void
receive_neighbour6(const struct nlmsghdr *message, void *data)
{
        struct nlattr *attributes[NDA_MAX + 1];
        const struct ndmsg *header;
        struct link_neighbour6 neighbour = {0};
        GArray *neighbours = data;

        if (!message) {
                g_array_set_size(neighbours, 0);
                return;
        }
        header = parse_neighbour(message, AF_INET6, attributes, &neighbour.mac, &neighbour.failed);
        if (!header || !attribute_ip6(attributes[NDA_DST], &neighbour.ip))
                return;
        neighbour.ifindex = header->ndm_ifindex;
        g_array_append_val(neighbours, neighbour);
}

/* One of the main table that leads to somebody, or NULL. */
static const struct rtmsg *
parse_route(const struct nlmsghdr *message, int family, struct nlattr *attributes[RTA_MAX + 1], int *ret_ifindex)
{
        const struct rtmsg *header = nlmsg_data(message);

        if (message->nlmsg_type != RTM_NEWROUTE || message->nlmsg_len < NLMSG_LENGTH(sizeof *header) ||
            header->rtm_family != family || header->rtm_table != RT_TABLE_MAIN || header->rtm_type != RTN_UNICAST ||
            nlmsg_parse((struct nlmsghdr *)message, sizeof *header, attributes, RTA_MAX, NULL) < 0)
                return NULL;
        if (attributes[RTA_OIF] && nla_len(attributes[RTA_OIF]) >= 4)
                *ret_ifindex = (int)nla_get_u32(attributes[RTA_OIF]);
        return header;
}

static void
receive_route(const struct nlmsghdr *message, void *data)
{
        struct nlattr *attributes[RTA_MAX + 1];
        const struct rtmsg *header;
        struct link_route route = {0};
        GArray *routes = data;

        if (!message) {
                g_array_set_size(routes, 0);
                return;
        }
        header = parse_route(message, AF_INET, attributes, &route.ifindex);
        if (!header)
                return;
        attribute_ip(attributes[RTA_DST], &route.to.address);
        attribute_ip(attributes[RTA_GATEWAY], &route.via);
        route.to.prefix = header->rtm_dst_len;
        route.connected = header->rtm_protocol == RTPROT_KERNEL;
        g_array_append_val(routes, route);
}

static void
receive_route6(const struct nlmsghdr *message, void *data)
{
        struct nlattr *attributes[RTA_MAX + 1];
        const struct rtmsg *header;
        struct link_route6 route = {0};
        GArray *routes = data;

        if (!message) {
                g_array_set_size(routes, 0);
                return;
        }
        header = parse_route(message, AF_INET6, attributes, &route.ifindex);
        if (!header)
                return;
        attribute_ip6(attributes[RTA_DST], &route.to.address);
        attribute_ip6(attributes[RTA_GATEWAY], &route.via);
        route.to.prefix = header->rtm_dst_len;
        route.advertised = header->rtm_protocol == RTPROT_RA;
        if (!IN6_IS_ADDR_LINKLOCAL(&route.to.address))
                g_array_append_val(routes, route);
}

static gboolean
dump(struct netlink *netlink, int type, const void *header, size_t length, netlink_receiver receiver, GArray *array,
     const char *what, GError **error)
{
        struct nl_msg *message = nlmsg_alloc_simple(type, NLM_F_DUMP);

        if (!message)
                g_error("out of memory"); /* as GLib itself does */
        nlmsg_append(message, (void *)header, length, NLMSG_ALIGNTO);
        if (type == RTM_GETLINK)
                nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        return netlink_request(netlink, message, receiver, array, what, error);
}

/* A kernel without strict checking ignores the index and gives all addresses. */
static void
keep_addresses_of(GArray *addresses, int ifindex)
{
        for (guint i = addresses->len; i-- > 0;)
                if (g_array_index(addresses, struct link_address, i).ifindex != ifindex)
                        g_array_remove_index(addresses, i);
}

GArray *
link_addresses_dump(struct netlink *netlink, int ifindex, GError **error)
{
        struct ifaddrmsg header = {.ifa_family = AF_INET, .ifa_index = (guint32)ifindex};
        g_autoptr(GArray) addresses = g_array_new(FALSE, FALSE, sizeof(struct link_address));

        if (!dump(netlink, RTM_GETADDR, &header, sizeof header, receive_address, addresses, "list addresses", error))
                return NULL;
        if (ifindex)
                keep_addresses_of(addresses, ifindex);
        return g_steal_pointer(&addresses);
}

static void
keep_addresses6_of(GArray *addresses, int ifindex)
{
        for (guint i = addresses->len; i-- > 0;)
                if (g_array_index(addresses, struct link_address6, i).ifindex != ifindex)
                        g_array_remove_index(addresses, i);
}

GArray *
link_addresses6_dump(struct netlink *netlink, int ifindex, GError **error)
{
        struct ifaddrmsg header = {.ifa_family = AF_INET6, .ifa_index = (guint32)ifindex};
        g_autoptr(GArray) addresses = g_array_new(FALSE, FALSE, sizeof(struct link_address6));

        if (!dump(netlink, RTM_GETADDR, &header, sizeof header, receive_address6, addresses, "list IPv6 addresses", error))
                return NULL;
        if (ifindex)
                keep_addresses6_of(addresses, ifindex);
        return g_steal_pointer(&addresses);
}

GPtrArray *
links_advertised(struct netlink *netlink, GError **error)
{
        g_autoptr(links_t) links = links_dump(netlink, error);
        GPtrArray *names = links ? g_ptr_array_new_with_free_func(g_free) : NULL;

        for (guint i = 0; links && i < links->routes6->len; i++) {
                const struct link_route6 *route = &g_array_index(links->routes6, struct link_route6, i);
                const struct link *link = links_find_index(links, route->ifindex);

                if (!route->to.prefix && route->advertised && link)
                        g_ptr_array_add(names, g_strdup(link->name));
        }
        return names;
}

static void
index_links(struct links *links)
{
        links->by_name = g_hash_table_new(g_str_hash, g_str_equal);
        links->by_index = g_hash_table_new(g_direct_hash, g_direct_equal);
        for (guint i = 0; i < links->links->len; i++) {
                struct link *link = &g_array_index(links->links, struct link, i);

                g_hash_table_insert(links->by_name, link->name, link);
                g_hash_table_insert(links->by_index, GINT_TO_POINTER(link->ifindex), link);
        }
}

static void
clear_element(gpointer link)
{
        link_clear(link);
}

/* A namespace in which no address was ever given has no table of routes yet. */
static gboolean
dump_routes(struct netlink *netlink, guint8 family, netlink_receiver receiver, GArray *routes, const char *what, GError **error)
{
        struct rtmsg header = {.rtm_family = family, .rtm_table = RT_TABLE_MAIN};
        g_autoptr(GError) reason = NULL;

        if (dump(netlink, RTM_GETROUTE, &header, sizeof header, receiver, routes, what, &reason) ||
            g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                return TRUE;
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
}

struct links *
links_dump(struct netlink *netlink, GError **error)
{
        struct ifinfomsg link_header = {.ifi_family = AF_UNSPEC};
        struct ndmsg neighbour_header = {.ndm_family = AF_INET}, neighbour6_header = {.ndm_family = AF_INET6};
        g_autoptr(links_t) links = g_new0(struct links, 1);

        links->links = g_array_new(FALSE, FALSE, sizeof(struct link));
        g_array_set_clear_func(links->links, clear_element);
        links->neighbours = g_array_new(FALSE, FALSE, sizeof(struct link_neighbour));
        links->neighbours6 = g_array_new(FALSE, FALSE, sizeof(struct link_neighbour6));
        links->routes = g_array_new(FALSE, FALSE, sizeof(struct link_route));
        links->routes6 = g_array_new(FALSE, FALSE, sizeof(struct link_route6));
        if (!dump(netlink, RTM_GETLINK, &link_header, sizeof link_header, receive_link, links->links, "list links", error) ||
            !(links->addresses = link_addresses_dump(netlink, 0, error)) ||
            !(links->addresses6 = link_addresses6_dump(netlink, 0, error)) ||
            !dump(netlink, RTM_GETNEIGH, &neighbour_header, sizeof neighbour_header, receive_neighbour, links->neighbours,
                  "list neighbours", error) ||
            !dump(netlink, RTM_GETNEIGH, &neighbour6_header, sizeof neighbour6_header, receive_neighbour6, links->neighbours6,
                  "list IPv6 neighbours", error) ||
            !dump_routes(netlink, AF_INET, receive_route, links->routes, "list routes", error) ||
            !dump_routes(netlink, AF_INET6, receive_route6, links->routes6, "list IPv6 routes", error))
                return NULL;
        index_links(links);
        return g_steal_pointer(&links);
}

void
links_free(struct links *links)
{
        if (!links)
                return;
        g_clear_pointer(&links->by_name, g_hash_table_unref);
        g_clear_pointer(&links->by_index, g_hash_table_unref);
        g_clear_pointer(&links->links, g_array_unref);
        g_clear_pointer(&links->addresses, g_array_unref);
        g_clear_pointer(&links->neighbours, g_array_unref);
        g_clear_pointer(&links->addresses6, g_array_unref);
        g_clear_pointer(&links->neighbours6, g_array_unref);
        g_clear_pointer(&links->routes, g_array_unref);
        g_clear_pointer(&links->routes6, g_array_unref);
        g_free(links);
}

const struct link *
links_find(const struct links *links, const char *name)
{
        return g_hash_table_lookup(links->by_name, name);
}

const struct link *
links_find_index(const struct links *links, int ifindex)
{
        return g_hash_table_lookup(links->by_index, GINT_TO_POINTER(ifindex));
}

gboolean
links_has_address(const struct links *links, int ifindex, guint32 ip, guint8 prefix)
{
        for (guint i = 0; i < links->addresses->len; i++) {
                const struct link_address *address = &g_array_index(links->addresses, struct link_address, i);

                if (address->ifindex == ifindex && address->ip == ip && address->prefix == prefix)
                        return TRUE;
        }
        return FALSE;
}

gboolean
links_has_address6(const struct links *links, int ifindex, const struct in6_addr *ip, guint8 prefix)
{
        for (guint i = 0; i < links->addresses6->len; i++) {
                const struct link_address6 *address = &g_array_index(links->addresses6, struct link_address6, i);

                if (address->ifindex == ifindex && IN6_ARE_ADDR_EQUAL(&address->ip, ip) && address->prefix == prefix)
                        return TRUE;
        }
        return FALSE;
}

gboolean
links_has_default_route6(const struct links *links, int ifindex, const struct in6_addr *via)
{
        for (guint i = 0; i < links->routes6->len; i++) {
                const struct link_route6 *route = &g_array_index(links->routes6, struct link_route6, i);

                if (!route->to.prefix && route->ifindex == ifindex && IN6_ARE_ADDR_EQUAL(&route->via, via))
                        return TRUE;
        }
        return FALSE;
}
