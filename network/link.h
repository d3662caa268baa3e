/* link.h - links, addresses, routes and neighbours of a namespace: one dump each to look, small idempotent steps to change */
#pragma once

#include "network/netlink.h"
#include "parser/project.h"

#include <net/if.h>

struct link {
        int ifindex;
        char name[IFNAMSIZ];
        int master;            /* ifindex of its bridge, or 0 */
        guint mtu;
        gboolean up;           /* IFF_UP: administratively */
        guint32 group;
        struct ether_addr mac;
        char *alias;           /* or NULL */
        gboolean is_bridge;
        gboolean is_held_tap;  /* a tap that goes with its holder: some process has it open */
};

struct link_address {
        int ifindex;
        guint32 ip; /* host byte order */
        guint8 prefix;
};

/** struct link_address6 - Link-local ones, which each link has by itself, are left out */
struct link_address6 {
        int ifindex;
        struct in6_addr ip;
        guint8 prefix;
};

struct link_neighbour {
        int ifindex;
        guint32 ip;
        struct ether_addr mac;
        gboolean failed;
};

struct link_neighbour6 {
        int ifindex;
        struct in6_addr ip;
        struct ether_addr mac;
        gboolean failed;
};

struct link_route {
        int ifindex;
        struct cidr4 to; /* prefix 0: a default route */
        guint32 via;     /* 0: nobody */
        gboolean connected; /* proto kernel: the subnet of an address */
};

struct link_route6 {
        int ifindex;
        struct cidr6 to; /* prefix 0: a default route */
        struct in6_addr via; /* all zero: nobody */
        gboolean advertised; /* by a router */
};

/** struct links - What the kernel said at one look; immutable */
struct links {
        GArray *links;      /* struct link */
        GArray *addresses;  /* struct link_address, IPv4 */
        GArray *neighbours; /* struct link_neighbour, IPv4 */
        GArray *addresses6;  /* struct link_address6 */
        GArray *neighbours6; /* struct link_neighbour6, without link-local ones */
        GArray *routes;     /* struct link_route, IPv4, main table */
        GArray *routes6;    /* struct link_route6, likewise, without link-local ones */
        GHashTable *by_name, *by_index;
};

/** links_dump() - Look: one dump each. Returns a new object; links_free() it */
struct links *links_dump(struct netlink *netlink, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void links_free(struct links *links);
typedef struct links links_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(links_t, links_free)

/** links_find() - By name, or NULL; constant time, as the next one */
const struct link *links_find(const struct links *links, const char *name);
const struct link *links_find_index(const struct links *links, int ifindex);
/** links_has_address() - Does the link have just this IPv4 address and prefix length? */
gboolean links_has_address(const struct links *links, int ifindex, guint32 ip, guint8 prefix);
gboolean links_has_address6(const struct links *links, int ifindex, const struct in6_addr *ip, guint8 prefix);
/** links_has_default_route6() - Is there a default route on this link, by way of @via? */
gboolean links_has_default_route6(const struct links *links, int ifindex, const struct in6_addr *via);

/** links_advertised() - Names of links on which a default route came by router advertisement; new strings */
GPtrArray *links_advertised(struct netlink *netlink, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * link_look() - One link by name
 * @ret_link: on success; link_clear() it
 *
 * Fails with DROVER_ERROR_NOT_FOUND.
 */
gboolean link_look(struct netlink *netlink, const char *name, struct link *ret_link, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void link_clear(struct link *link);
typedef struct link link_t;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(link_t, link_clear)

/** struct bridge - How a bridge of ours has to be */
struct bridge {
        const char *name;
        struct ether_addr mac;
        const char *alias;
        guint mtu;     /* 0: as the kernel has it */
        guint32 ip;    /* host byte order; 0: no address */
        guint8 prefix;
        struct in6_addr ip6; /* all zero: none */
        guint8 prefix6;
};

/** link_is_ours() - Has it our group and this MAC (the mark from birth)? */
gboolean link_is_ours(const struct link *link, const struct ether_addr *mac);

/**
 * bridge_ensure() - Make a bridge, or mend what differs: up, alias, mtu, address; nothing else is touched
 * @ret_ifindex: on success; may be NULL
 *
 * A new bridge gets MAC and group in the request that makes it; STP is off, forward delay 0. An address of ours that is no
 * longer wanted (any other on it, but for link-local ones of IPv6) is removed. A link of that name that
 * is not ours is never touched: DROVER_ERROR_EXISTS, which names it.
 */
gboolean bridge_ensure(struct netlink *netlink, const struct bridge *bridge, int *ret_ifindex, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** bridge_remove() - Delete a bridge of ours; absent is success; DROVER_ERROR_EXISTS where one of that name is not ours */
gboolean bridge_remove(struct netlink *netlink, const char *name, const struct ether_addr *mac, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** link_attach() - Join a link to a bridge (0: leave it), with group, alias and mtu (0: keep), and set it up: one request */
gboolean link_attach(struct netlink *netlink, const char *name, int bridge_ifindex, const char *alias, guint mtu,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** link_join() - Join somebody's link to a bridge (0: let it go), and set it up; all else of it stays */
gboolean link_join(struct netlink *netlink, const char *name, int bridge_ifindex, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** link_set_up() - Set a link up by name, e.g. "lo" */
gboolean link_set_up(struct netlink *netlink, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** link_set_queue() - How many packets may wait on a link, by name */
gboolean link_set_queue(struct netlink *netlink, const char *name, guint packets, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** link_set_alias() - Set the ifalias of a link by name */
gboolean link_set_alias(struct netlink *netlink, const char *name, const char *alias, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** link_set_address() - This IPv4 address and no other (0: none); the new one comes before the old ones go */
gboolean link_set_address(struct netlink *netlink, const char *name, int ifindex, guint32 ip, guint8 prefix, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** link_set_address6() - Just this address, where it is not all zero, and no other; at once, whoever else may have it */
gboolean link_set_address6(struct netlink *netlink, const char *name, int ifindex, const struct in6_addr *ip, guint8 prefix,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** link_set_default_route6() - As the next one */
gboolean link_set_default_route6(struct netlink *netlink, const char *name, int ifindex, const struct in6_addr *via,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** link_set_default_route() - The namespace's, in place of any other of the same metric */
gboolean link_set_default_route(struct netlink *netlink, const char *name, int ifindex, guint32 via, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** link_remove() - Delete a link by its index; absent is success */
gboolean link_remove(struct netlink *netlink, const char *name, int ifindex, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** struct veth - One end of a pair, from its birth */
struct veth {
        const char *name;
        struct ether_addr mac;
};

/** veth_make() - A pair: @here in the socket's namespace, @there in that of @namespace_fd; both with our group */
gboolean veth_make(struct netlink *netlink, const struct veth *here, const struct veth *there, int namespace_fd, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
