/* veth.c - the way out of root's private namespace: a pair of links, and NAT in the caller's namespace. Source: veth(4)
 *
 * Inside, guests get the address of the inner end (firewall.c: NAT); outside, that one gets the host's. So whatever subnets a
 * project has, the host has a route to two addresses only.
 */
#include "network/uplink/kinds.h"

#include "base/error.h"
#include "base/fd.h"

#define OBJECT "uplink"

static struct ether_addr
mac_of(const char *project, gboolean inside)
{
        return lab_link_mac(project, inside ? OBJECT " inside" : OBJECT);
}

char *
veth_outside_name(const char *project)
{
        return lab_link_name(project, OBJECT);
}

static const struct link *
find_end(const struct links *links, const char *project, const char *name, gboolean inside)
{
        const struct link *link = links ? links_find(links, name) : NULL;
        struct ether_addr mac = mac_of(project, inside);

        return link && link_is_ours(link, &mac) ? link : NULL;
}

const struct link *
veth_find_outside(const struct links *links, const char *project)
{
        g_autofree char *name = veth_outside_name(project);

        return find_end(links, project, name, FALSE);
}

char *
veth_chains(const struct lab *lab)
{
        g_autofree char *name = veth_outside_name(lab->project);
        g_autofree char *masquerade6 = NULL;
        char ip[LAB_IP_LENGTH], ip6[LAB_IP6_LENGTH];
        struct in6_addr inside = uplink_address6(lab, UPLINK6_INSIDE);

        if (lab->uplink6.prefix)
                masquerade6 = g_strdup_printf("\t\tip6 saddr %s masquerade\n", lab_format_ip6(&inside, ip6));
        return g_strdup_printf("\tchain forward {\n"
                               "\t\ttype filter hook forward priority filter; policy accept;\n"
                               "\t\toifname \"%s\" ct state established,related accept\n"
                               "\t\toifname \"%s\" drop\n"
                               "\t}\n"
                               "\tchain postrouting {\n"
                               "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
                               "\t\tip saddr %s masquerade\n"
                               "%s"
                               "\t}\n",
                               name, name, lab_format_ip(lab->uplink.address + VETH_INSIDE, ip),
                               masquerade6 ? masquerade6 : "");
}

static gboolean
end_stands(const struct lab *lab, const struct links *links, const char *name, gboolean inside)
{
        const struct link *link = find_end(links, lab->project, name, inside);
        g_autofree char *alias = lab_alias(lab->project, OBJECT);
        struct in6_addr ip6 = uplink_address6(lab, inside ? UPLINK6_INSIDE : UPLINK6_OUTSIDE);

        return link && link->up && g_strcmp0(link->alias, alias) == 0 &&
               links_has_address(links, link->ifindex, lab->uplink.address + (inside ? VETH_INSIDE : VETH_OUTSIDE),
                                 lab->uplink.prefix) &&
               (!lab->uplink6.prefix || links_has_address6(links, link->ifindex, &ip6, lab->uplink6.prefix));
}

static gboolean
has_default_route(const struct lab *lab, const struct links *links)
{
        const struct link *link = links_find(links, UPLINK_LINK);
        struct in6_addr outside6 = uplink_address6(lab, UPLINK6_OUTSIDE);

        for (guint i = 0; i < links->routes->len; i++) {
                const struct link_route *route = &g_array_index(links->routes, struct link_route, i);

                if (!route->to.prefix && route->ifindex == link->ifindex && route->via == lab->uplink.address + VETH_OUTSIDE)
                        return !lab->uplink6.prefix || links_has_default_route6(links, link->ifindex, &outside6);
        }
        return FALSE;
}

gboolean
veth_stands(const struct lab *lab, const struct links *outside, const struct links *inside)
{
        g_autofree char *name = veth_outside_name(lab->project);

        return end_stands(lab, outside, name, FALSE) && end_stands(lab, inside, UPLINK_LINK, TRUE) &&
               has_default_route(lab, inside);
}

/* @ret_link: ifindex 0 where there is none; what has the name and is not ours is never touched. */
static gboolean
look(struct netlink *netlink, const char *project, const char *name, gboolean inside, struct link *ret_link, GError **error)
{
        struct ether_addr mac = mac_of(project, inside);
        g_autoptr(GError) reason = NULL;

        *ret_link = (struct link){0};
        if (!link_look(netlink, name, ret_link, &reason)) {
                if (g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                        return TRUE;
                g_propagate_error(error, g_steal_pointer(&reason));
                return FALSE;
        }
        if (link_is_ours(ret_link, &mac))
                return TRUE;
        error_set(error, DROVER_ERROR_EXISTS, "link '%s' exists and is not drover's", name);
        return error_hint(error, "remove or rename it");
}

static gboolean
make_pair(const struct lab *lab, const char *name, struct netlink *outside, struct home *inside, GError **error)
{
        struct veth here = {name, mac_of(lab->project, FALSE)}, there = {UPLINK_LINK, mac_of(lab->project, TRUE)};
        auto_fd namespace = home_namespace(inside, error);

        return namespace >= 0 && veth_make(outside, &here, &there, namespace, error);
}

static gboolean
set_up_end(struct netlink *netlink, const struct lab *lab, const char *name, gboolean inside, int *ret_ifindex, GError **error)
{
        g_autofree char *alias = lab_alias(lab->project, OBJECT);
        guint32 ip = lab->uplink.address + (inside ? VETH_INSIDE : VETH_OUTSIDE);
        struct in6_addr ip6 = uplink_address6(lab, inside ? UPLINK6_INSIDE : UPLINK6_OUTSIDE);
        g_auto(link_t) link = {0};

        if (!link_attach(netlink, name, 0, alias, 0, error) || !link_look(netlink, name, &link, error))
                return FALSE;
        *ret_ifindex = link.ifindex;
        return link_set_address(netlink, name, link.ifindex, ip, lab->uplink.prefix, error) &&
               link_set_address6(netlink, name, link.ifindex, &ip6, lab->uplink6.prefix, error);
}

gboolean
veth_ensure(const struct lab *lab, struct netlink *outside, const struct uplink_place *place, GError **error)
{
        g_autofree char *name = veth_outside_name(lab->project);
        g_auto(link_t) outer = {0};
        g_auto(link_t) inner = {0};
        struct in6_addr outside6 = uplink_address6(lab, UPLINK6_OUTSIDE);
        int ifindex;

        if (!look(outside, lab->project, name, FALSE, &outer, error) ||
            !look(place->netlink, lab->project, UPLINK_LINK, TRUE, &inner, error))
                return FALSE;
        /* An end without the other one here belongs to a namespace that is gone, or was taken elsewhere. */
        if (!outer.ifindex && inner.ifindex && !link_remove(place->netlink, UPLINK_LINK, inner.ifindex, error))
                return FALSE;
        if (outer.ifindex && !inner.ifindex && !link_remove(outside, name, outer.ifindex, error))
                return FALSE;
        if ((!outer.ifindex || !inner.ifindex) && !make_pair(lab, name, outside, place->inside, error))
                return FALSE;
        return set_up_end(outside, lab, name, FALSE, &ifindex, error) &&
               set_up_end(place->netlink, lab, UPLINK_LINK, TRUE, &ifindex, error) &&
               link_set_default_route(place->netlink, UPLINK_LINK, ifindex, lab->uplink.address + VETH_OUTSIDE, error) &&
               (!lab->uplink6.prefix || link_set_default_route6(place->netlink, UPLINK_LINK, ifindex, &outside6, error));
}

gboolean
veth_remove(const char *project, struct netlink *outside, GError **error)
{
        g_autofree char *name = veth_outside_name(project);
        g_auto(link_t) outer = {0};

        return look(outside, project, name, FALSE, &outer, error) &&
               (!outer.ifindex || link_remove(outside, name, outer.ifindex, error));
}
