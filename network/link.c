/* link.c - one link at a time: looked at, made, mended, removed */
#include "network/link.h"

#include "base/error.h"
#include "network/lab.h"
#include "network/link-message.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <netlink/msg.h>
#include <string.h>

struct nl_msg *
link_message_new(int type, int flags, const char *name, int ifindex)
{
        struct nl_msg *message = nlmsg_alloc_simple(type, flags);
        struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};

        if (!message)
                g_error("out of memory"); /* as GLib itself does */
        nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
        if (name)
                nla_put_string(message, IFLA_IFNAME, name);
        return message;
}

static void
set_flags_up(struct nl_msg *message)
{
        struct ifinfomsg *header = nlmsg_data(nlmsg_hdr(message));

        header->ifi_flags = IFF_UP;
        header->ifi_change = IFF_UP;
}

static const char *
attribute_text(struct nlattr *attribute)
{
        const char *text = attribute && nla_len(attribute) > 0 ? nla_data(attribute) : NULL;

        return text && memchr(text, '\0', (size_t)nla_len(attribute)) ? text : NULL;
}

static guint32
attribute_u32(struct nlattr *attribute)
{
        return attribute && nla_len(attribute) >= 4 ? nla_get_u32(attribute) : 0;
}

static void
parse_kind(struct nlattr *info, struct link *link)
{
        struct nlattr *attributes[IFLA_INFO_MAX + 1], *tun[IFLA_TUN_MAX + 1] = {NULL};
        const char *kind;

        if (!info || nla_parse_nested(attributes, IFLA_INFO_MAX, info, NULL) < 0)
                return;
        kind = attribute_text(attributes[IFLA_INFO_KIND]);
        link->is_bridge = g_strcmp0(kind, "bridge") == 0;
        if (g_strcmp0(kind, "tun") != 0 || !attributes[IFLA_INFO_DATA] ||
            nla_parse_nested(tun, IFLA_TUN_MAX, attributes[IFLA_INFO_DATA], NULL) < 0)
                return;
        link->is_held_tap = tun[IFLA_TUN_PERSIST] && nla_len(tun[IFLA_TUN_PERSIST]) >= 1 && !nla_get_u8(tun[IFLA_TUN_PERSIST]);
}

gboolean
link_message_parse(const struct nlmsghdr *message, struct link *ret_link)
{
        struct nlattr *attributes[IFLA_MAX + 1];
        const struct ifinfomsg *header = nlmsg_data(message);
        struct link link = {0};
        const char *name;

        if (message->nlmsg_type != RTM_NEWLINK || message->nlmsg_len < NLMSG_LENGTH(sizeof *header) ||
            nlmsg_parse((struct nlmsghdr *)message, sizeof *header, attributes, IFLA_MAX, NULL) < 0)
                return FALSE;
        name = attribute_text(attributes[IFLA_IFNAME]);
        if (!name || header->ifi_index <= 0)
                return FALSE;
        link.ifindex = header->ifi_index;
        g_strlcpy(link.name, name, sizeof link.name);
        link.up = (header->ifi_flags & IFF_UP) != 0;
        link.master = (int)attribute_u32(attributes[IFLA_MASTER]);
        link.mtu = attribute_u32(attributes[IFLA_MTU]);
        link.group = attribute_u32(attributes[IFLA_GROUP]);
        if (attributes[IFLA_ADDRESS] && nla_len(attributes[IFLA_ADDRESS]) == ETH_ALEN)
                memcpy(&link.mac, nla_data(attributes[IFLA_ADDRESS]), ETH_ALEN);
        parse_kind(attributes[IFLA_LINKINFO], &link);
        link.alias = g_strdup(attribute_text(attributes[IFLA_IFALIAS]));
        *ret_link = link;
        return TRUE;
}

void
link_clear(struct link *link)
{
        g_clear_pointer(&link->alias, g_free);
}

static void
receive_link(const struct nlmsghdr *message, void *data)
{
        struct link *link = data;

        link_clear(link);
        *link = (struct link){0};
        if (message && !link_message_parse(message, link))
                *link = (struct link){0};
}

gboolean
link_look(struct netlink *netlink, const char *name, struct link *ret_link, GError **error)
{
        g_autofree char *what = g_strdup_printf("find link '%s'", name);
        struct nl_msg *message = link_message_new(RTM_GETLINK, 0, name, 0);
        struct link link = {0};

        nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        if (!netlink_request(netlink, message, receive_link, &link, what, error) || link.ifindex == 0) {
                link_clear(&link);
                if (error && !*error)
                        error_set(error, DROVER_ERROR_CORRUPT, "cannot %s: the kernel's answer makes no sense", what);
                return FALSE;
        }
        *ret_link = link;
        return TRUE;
}

/* link_look() for those to whom absence is an answer: ifindex is 0 then. */
static gboolean
look_or_absent(struct netlink *netlink, const char *name, struct link *ret_link, GError **error)
{
        GError *local = NULL;

        if (link_look(netlink, name, ret_link, &local))
                return TRUE;
        if (!g_error_matches(local, DROVER_ERROR, DROVER_ERROR_NOT_FOUND)) {
                g_propagate_error(error, local);
                return FALSE;
        }
        g_error_free(local);
        *ret_link = (struct link){0};
        return TRUE;
}

gboolean
link_is_ours(const struct link *link, const struct ether_addr *mac)
{
        return link->group == LAB_LINK_GROUP && memcmp(&link->mac, mac, sizeof *mac) == 0;
}

static gboolean
refuse_foreign(const char *name, GError **error)
{
        error_set(error, DROVER_ERROR_EXISTS, "link '%s' exists and is not drover's", name);
        return error_hint(error, "remove or rename it, or give the network another 'bridge:' name");
}

/* With another MTU than is wanted: only one that is set later, to something new, counts as the user's, and is kept when ports
 * come and go. Source: br_change_mtu() */
static gboolean
make_bridge(struct netlink *netlink, const struct bridge *bridge, GError **error)
{
        g_autofree char *what = g_strdup_printf("make bridge '%s'", bridge->name);
        struct nl_msg *message = link_message_new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, bridge->name, 0);
        struct nlattr *info, *data;

        nla_put(message, IFLA_ADDRESS, ETH_ALEN, &bridge->mac);
        nla_put_u32(message, IFLA_GROUP, LAB_LINK_GROUP);
        if (bridge->mtu)
                nla_put_u32(message, IFLA_MTU, bridge->mtu - 1);
        info = nla_nest_start(message, IFLA_LINKINFO);
        nla_put_string(message, IFLA_INFO_KIND, "bridge");
        data = nla_nest_start(message, IFLA_INFO_DATA);
        nla_put_u32(message, IFLA_BR_STP_STATE, 0);
        nla_put_u32(message, IFLA_BR_FORWARD_DELAY, 0);
        nla_nest_end(message, data);
        nla_nest_end(message, info);
        return netlink_request(netlink, message, NULL, NULL, what, error);
}

/* Alias, mtu and up in one request; none where nothing differs. */
static gboolean
mend_bridge(struct netlink *netlink, const struct bridge *bridge, const struct link *link, GError **error)
{
        g_autofree char *what = g_strdup_printf("set up bridge '%s'", bridge->name);
        gboolean alias_differs = bridge->alias && g_strcmp0(link->alias, bridge->alias) != 0;
        gboolean mtu_differs = bridge->mtu && link->mtu != bridge->mtu;
        struct nl_msg *message;

        if (!alias_differs && !mtu_differs && link->up)
                return TRUE;
        message = link_message_new(RTM_SETLINK, 0, NULL, link->ifindex);
        set_flags_up(message);
        if (alias_differs)
                nla_put_string(message, IFLA_IFALIAS, bridge->alias);
        if (mtu_differs)
                nla_put_u32(message, IFLA_MTU, bridge->mtu);
        return netlink_request(netlink, message, NULL, NULL, what, error);
}

static gboolean
change_address(struct netlink *netlink, int type, int ifindex, const char *name, guint32 ip, guint8 prefix, GError **error)
{
        struct ifaddrmsg header = {.ifa_family = AF_INET, .ifa_prefixlen = prefix, .ifa_index = (guint32)ifindex};
        struct nl_msg *message = nlmsg_alloc_simple(type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0);
        guint32 address = htonl(ip), broadcast = htonl(ip | ~lab_netmask(prefix));
        char text[LAB_IP_LENGTH];
        g_autofree char *what = g_strdup_printf("%s address %s/%d %s '%s'", type == RTM_NEWADDR ? "give" : "take",
                                                lab_format_ip(ip, text), prefix, type == RTM_NEWADDR ? "to" : "from", name);

        if (!message)
                g_error("out of memory");
        nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
        nla_put(message, IFA_LOCAL, sizeof address, &address);
        nla_put(message, IFA_ADDRESS, sizeof address, &address);
        if (type == RTM_NEWADDR && prefix <= 30)
                nla_put(message, IFA_BROADCAST, sizeof broadcast, &broadcast);
        return netlink_request(netlink, message, NULL, NULL, what, error);
}

/* The wanted address comes first, so that a link that changes its subnet is never without one. Within one subnet it is a
 * secondary of the old one, and goes with it: it is put there once more. */
gboolean
link_set_address(struct netlink *netlink, const char *name, int ifindex, guint32 ip, guint8 prefix, GError **error)
{
        g_autoptr(GArray) addresses = link_addresses_dump(netlink, ifindex, error);
        gboolean found = ip == 0, removed = FALSE;

        if (!addresses)
                return FALSE;
        for (guint i = 0; i < addresses->len; i++) {
                const struct link_address *address = &g_array_index(addresses, struct link_address, i);

                found |= address->ip == ip && address->prefix == prefix;
        }
        if (!found && !change_address(netlink, RTM_NEWADDR, ifindex, name, ip, prefix, error))
                return FALSE;
        for (guint i = 0; i < addresses->len; i++) {
                const struct link_address *address = &g_array_index(addresses, struct link_address, i);

                if (address->ip == ip && address->prefix == prefix)
                        continue;
                if (!change_address(netlink, RTM_DELADDR, ifindex, name, address->ip, address->prefix, error))
                        return FALSE;
                removed = TRUE;
        }
        return !removed || !ip || change_address(netlink, RTM_NEWADDR, ifindex, name, ip, prefix, error);
}

static gboolean
change_address6(struct netlink *netlink, int type, int ifindex, const char *name, const struct in6_addr *ip, guint8 prefix,
                GError **error)
{
        struct ifaddrmsg header = {.ifa_family = AF_INET6, .ifa_prefixlen = prefix, .ifa_flags = IFA_F_NODAD,
                                   .ifa_index = (guint32)ifindex};
        struct nl_msg *message = nlmsg_alloc_simple(type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0);
        char text[LAB_IP6_LENGTH];
        g_autofree char *what = g_strdup_printf("%s address %s/%d %s '%s'", type == RTM_NEWADDR ? "give" : "take",
                                                lab_format_ip6(ip, text), prefix, type == RTM_NEWADDR ? "to" : "from", name);

        if (!message)
                g_error("out of memory");
        nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
        nla_put(message, IFA_LOCAL, sizeof *ip, ip);
        nla_put(message, IFA_ADDRESS, sizeof *ip, ip);
        return netlink_request(netlink, message, NULL, NULL, what, error);
}

/* Used at once, without asking whether somebody has it: nobody could answer before the bridge has a port. */
gboolean
link_set_address6(struct netlink *netlink, const char *name, int ifindex, const struct in6_addr *ip, guint8 prefix,
                  GError **error)
{
        g_autoptr(GArray) addresses = link_addresses6_dump(netlink, ifindex, error);
        gboolean found = IN6_IS_ADDR_UNSPECIFIED(ip);

        for (guint i = 0; addresses && i < addresses->len; i++) {
                const struct link_address6 *address = &g_array_index(addresses, struct link_address6, i);

                if (IN6_ARE_ADDR_EQUAL(&address->ip, ip) && address->prefix == prefix)
                        found = TRUE;
                else if (!change_address6(netlink, RTM_DELADDR, ifindex, name, &address->ip, address->prefix, error))
                        return FALSE;
        }
        return addresses && (found || change_address6(netlink, RTM_NEWADDR, ifindex, name, ip, prefix, error));
}

gboolean
bridge_ensure(struct netlink *netlink, const struct bridge *bridge, int *ret_ifindex, GError **error)
{
        g_auto(link_t) link = {0};

        if (!look_or_absent(netlink, bridge->name, &link, error))
                return FALSE;
        if (link.ifindex == 0 && (!make_bridge(netlink, bridge, error) || !link_look(netlink, bridge->name, &link, error)))
                return FALSE;
        if (!link.is_bridge || !link_is_ours(&link, &bridge->mac))
                return refuse_foreign(bridge->name, error);
        if (!mend_bridge(netlink, bridge, &link, error) ||
            !link_set_address(netlink, bridge->name, link.ifindex, bridge->ip, bridge->prefix, error) ||
            !link_set_address6(netlink, bridge->name, link.ifindex, &bridge->ip6, bridge->prefix6, error))
                return FALSE;
        if (ret_ifindex)
                *ret_ifindex = link.ifindex;
        return TRUE;
}

gboolean
bridge_remove(struct netlink *netlink, const char *name, const struct ether_addr *mac, GError **error)
{
        g_auto(link_t) link = {0};

        if (!look_or_absent(netlink, name, &link, error))
                return FALSE;
        if (link.ifindex == 0)
                return TRUE;
        if (!link.is_bridge || !link_is_ours(&link, mac))
                return error_set(error, DROVER_ERROR_EXISTS, "link '%s' exists and is not drover's", name);
        return link_remove(netlink, name, link.ifindex, error);
}

gboolean
link_remove(struct netlink *netlink, const char *name, int ifindex, GError **error)
{
        g_autofree char *what = g_strdup_printf("remove link '%s'", name);
        g_autoptr(GError) local = NULL;

        if (netlink_request(netlink, link_message_new(RTM_DELLINK, 0, NULL, ifindex), NULL, NULL, what, &local) ||
            g_error_matches(local, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                return TRUE;
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
}

gboolean
link_attach(struct netlink *netlink, const char *name, int bridge_ifindex, const char *alias, guint mtu, GError **error)
{
        g_autofree char *what = g_strdup_printf("attach link '%s' to its bridge", name);
        struct nl_msg *message = link_message_new(RTM_SETLINK, 0, name, 0);

        set_flags_up(message);
        nla_put_u32(message, IFLA_GROUP, LAB_LINK_GROUP);
        if (alias)
                nla_put_string(message, IFLA_IFALIAS, alias);
        if (mtu)
                nla_put_u32(message, IFLA_MTU, mtu);
        if (bridge_ifindex)
                nla_put_u32(message, IFLA_MASTER, (guint32)bridge_ifindex);
        return netlink_request(netlink, message, NULL, NULL, what, error);
}

gboolean
link_join(struct netlink *netlink, const char *name, int bridge_ifindex, GError **error)
{
        g_autofree char *what =
                g_strdup_printf(bridge_ifindex ? "join '%s' to its bridge" : "let '%s' go from its bridge", name);
        struct nl_msg *message = link_message_new(RTM_SETLINK, 0, name, 0);

        set_flags_up(message);
        nla_put_u32(message, IFLA_MASTER, (guint32)bridge_ifindex);
        return netlink_request(netlink, message, NULL, NULL, what, error);
}

gboolean
link_set_up(struct netlink *netlink, const char *name, GError **error)
{
        g_autofree char *what = g_strdup_printf("set link '%s' up", name);
        struct nl_msg *message = link_message_new(RTM_SETLINK, 0, name, 0);

        set_flags_up(message);
        return netlink_request(netlink, message, NULL, NULL, what, error);
}

gboolean
link_set_queue(struct netlink *netlink, const char *name, guint packets, GError **error)
{
        g_autofree char *what = g_strdup_printf("set the queue of link '%s'", name);
        struct nl_msg *message = link_message_new(RTM_SETLINK, 0, name, 0);

        nla_put_u32(message, IFLA_TXQLEN, packets);
        return netlink_request(netlink, message, NULL, NULL, what, error);
}

gboolean
link_set_alias(struct netlink *netlink, const char *name, const char *alias, GError **error)
{
        g_autofree char *what = g_strdup_printf("mark link '%s'", name);
        struct nl_msg *message = link_message_new(RTM_SETLINK, 0, name, 0);

        nla_put_string(message, IFLA_IFALIAS, alias);
        return netlink_request(netlink, message, NULL, NULL, what, error);
}

static gboolean
set_default_route(struct netlink *netlink, unsigned char family, const char *name, int ifindex, const void *via, int length,
                  GError **error)
{
        struct rtmsg header = {.rtm_family = family, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
                               .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
        g_autofree char *what = g_strdup_printf("route through '%s'", name);
        struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);

        if (!message)
                g_error("out of memory");
        nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
        nla_put(message, RTA_GATEWAY, length, via);
        nla_put_u32(message, RTA_OIF, (guint32)ifindex);
        return netlink_request(netlink, message, NULL, NULL, what, error);
}

gboolean
link_set_default_route(struct netlink *netlink, const char *name, int ifindex, guint32 via, GError **error)
{
        guint32 gateway = htonl(via);

        return set_default_route(netlink, AF_INET, name, ifindex, &gateway, sizeof gateway, error);
}

gboolean
link_set_default_route6(struct netlink *netlink, const char *name, int ifindex, const struct in6_addr *via, GError **error)
{
        return set_default_route(netlink, AF_INET6, name, ifindex, via, sizeof *via, error);
}

gboolean
veth_make(struct netlink *netlink, const struct veth *here, const struct veth *there, int namespace_fd, GError **error)
{
        g_autofree char *what = g_strdup_printf("make the pair of links '%s' and '%s'", here->name, there->name);
        struct nl_msg *message = link_message_new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, here->name, 0);
        struct nlattr *info, *data, *peer;
        struct ifinfomsg header = {.ifi_family = AF_UNSPEC};

        nla_put(message, IFLA_ADDRESS, ETH_ALEN, &here->mac);
        nla_put_u32(message, IFLA_GROUP, LAB_LINK_GROUP);
        info = nla_nest_start(message, IFLA_LINKINFO);
        nla_put_string(message, IFLA_INFO_KIND, "veth");
        data = nla_nest_start(message, IFLA_INFO_DATA);
        peer = nla_nest_start(message, VETH_INFO_PEER);
        nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
        nla_put_string(message, IFLA_IFNAME, there->name);
        nla_put(message, IFLA_ADDRESS, ETH_ALEN, &there->mac);
        nla_put_u32(message, IFLA_GROUP, LAB_LINK_GROUP);
        nla_put_u32(message, IFLA_NET_NS_FD, (guint32)namespace_fd);
        nla_nest_end(message, peer);
        nla_nest_end(message, data);
        nla_nest_end(message, info);
        return netlink_request(netlink, message, NULL, NULL, what, error);
}
