/* uplink.h - the way out of a private namespace, one a project
 *
 * As an ordinary user: pasta or slirp4netns (program.c). It stands in the host's namespace, has a tap in the project's, and
 * opens the guests' connections there as ordinary sockets of the user. It also answers DNS with the host's resolvers, wherever
 * these are. The host's own loopback is closed to guests. It is known by an argument that follows from the project (the MAC of
 * its tap) and by the user that it runs as; data/uplink.pid is only where the search begins.
 *
 * As root: a veth pair between the project's namespace and the caller's, and NAT there (veth.c), in a table of ours like the
 * one inside. Both ends have our group and derived MACs from birth, and our ifalias. A resolver that listens on the host's
 * loopback alone is reached through a forwarder (names.c).
 *
 * Inside, the link is called UPLINK_LINK in both cases, and guests go out with its address.
 */
#pragma once

#include "network/lab.h"
#include "network/link.h"
#include "network/ports/forwarder.h"
#include "network/table.h"

#define UPLINK_LINK "uplink"

enum uplink_kind {
        UPLINK_NONE,
        UPLINK_USER,
        UPLINK_VETH,
};

/** uplink_kind() - What @lab needs: it has a network that goes out, in a namespace of its own */
enum uplink_kind uplink_kind(const struct lab *lab, gboolean root);

/** uplink_wants_ipv6() - Has one of these networks IPv6? */
gboolean uplink_wants_ipv6(const struct lab *lab);

/** enum way6 - This host's own way out for IPv6, as far as the uplink can use it */
enum way6 {
        WAY6_NONE,
        WAY6_LOSES, /* UPLINK_VETH: there is one, which it would lose if it routed */
        WAY6_IS,
};

/** struct uplink_state - What is there; the outside is the caller's namespace */
struct uplink_state {
        gboolean was_started;  /* something of it is there */
        pid_t pid;             /* UPLINK_USER: 0: it does not run */
        gboolean outdated;     /* and asks for names where this host no longer does */
        char *resolver;        /* whom this host asks first, an IPv4 address; NULL: nobody */
        char *local6;          /* a link of this host with a link-local address; NULL: there is none */
        gboolean installed;    /* the program for it */
        struct home *home;     /* UPLINK_VETH, where somebody looked: the outside, and its netlink socket */
        struct netlink *netlink;
        struct links *links;   /* of the outside; NULL: nobody looked */
        enum firewall_state table;
        gboolean forwarding, forwarding6;
        enum way6 way6;
        char **resolvers;      /* IPv4 addresses of this host's resolvers that are not its loopback's. NULL: nobody looked */
        char *loopback;        /* UPLINK_VETH: the one on its loopback, where there is no other; or NULL */
        struct forwarder_state names; /* what leads there (names.c) */
};

/** uplink_program() - The path of the program for UPLINK_USER, or NULL where none is installed. A new string */
char *uplink_program(void);

/**
 * uplink_observe() - Look, change nothing: all but the table
 * @home: whether to open the outside for changes (root, private): before any thread exists
 *
 * uplink_state_clear() it.
 */
gboolean uplink_observe(const char *project, const char *data, gboolean root, gboolean home, struct uplink_state *ret_state,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
void uplink_state_clear(struct uplink_state *state);

/** uplink_observe_table() - And that, where the outside was opened */
gboolean uplink_observe_table(const struct lab *lab, struct uplink_state *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * uplink_choose_subnet() - Addresses for it that clash with no network of @lab and, as root, with no route of the host
 *
 * Pure, and stays the same while what it clashes with does; as root those of a link that stands are taken first. FALSE: there
 * are none.
 */
gboolean uplink_choose_subnet(const struct lab *lab, enum uplink_kind kind, const struct uplink_state *state,
                              struct cidr4 *ret_subnet);

/** uplink_choose_subnet6() - The same for IPv6, whichever kind it is: a /64 that follows from the project's name */
gboolean uplink_choose_subnet6(const struct lab *lab, const struct uplink_state *state, struct cidr6 *ret_subnet);

/** uplink_resolver() - Where the user's answers DNS, and root's, where this host's resolver is on its loopback. As
 * dnsmasq's `server` has it; a new string */
char *uplink_resolver(enum uplink_kind kind, const struct cidr4 *subnet);

/** uplink_stands() - Is it there, just as @lab wants it? @inside: the links of the project's namespace, or NULL. Pure */
gboolean uplink_stands(const struct lab *lab, enum uplink_kind kind, const struct uplink_state *state,
                       const struct links *inside);

/** struct uplink_place - Where a project's uplink is to be made */
struct uplink_place {
        struct home *inside;
        struct netlink *netlink; /* inside */
        const char *data;        /* the project's data directory */
        const char *host_state;  /* see forwarding.h */
        const struct child_user *user; /* root: whom what serves becomes */
};

/** uplink_ensure() - Make or mend it, and wait until guests can use it. A program's error text ends with its own words */
gboolean uplink_ensure(const struct lab *lab, enum uplink_kind kind, const struct uplink_state *state,
                       const struct uplink_place *place, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** uplink_remove() - End it, whichever it is; that there is none is success */
gboolean uplink_remove(const char *project, const struct uplink_state *state, const struct uplink_place *place, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
