/* lab.h - the resolved wish for a project's networks, as network/ needs it
 *
 * The runtime builds it from the project and the kept state: every subnet is chosen, every bridge has its name, every NIC
 * its MAC. All functions of network/ that build text from it (dnsmasq's configuration, nftables rules) are pure.
 */
#pragma once

#include "parser/project.h"

/* IFLA_GROUP of every link of ours ("drov"): with the derived MAC it marks a link from the request that makes it. */
#define LAB_LINK_GROUP 0x64726f76U

/** struct lab_host - A NIC or a reservation that DHCP and DNS know */
struct lab_host {
        guint network;              /* index into lab.networks */
        struct ether_addr mac;
        guint32 ip;                 /* host byte order; 0: from the pool */
        const char *name;           /* host name, or NULL: a reservation without one */
        const char *const *aliases; /* NULL-terminated; NULL: none */
        struct in6_addr ip6;        /* all zero: none is reserved */
        const char *tap;            /* the interface of the NIC; NULL: a reservation */
        gboolean spoof_check;
        guint mtu;                  /* of the NIC, where it is not the network's; else 0 */
        guint32 old_ip;             /* what the guest still has, until it renews its lease; 0: nothing else */
        struct in6_addr old_ip6;    /* the same; all zero: nothing else */
        struct ether_addr old_mac;  /* whose lease of this address has not ended; all zero: nobody's */
        const char *leaving;        /* a VM that runs with this NIC, which the file no longer has; NULL: the file has it */
        gboolean unserved;          /* no DHCP and no DNS: the file gives its address or its MAC to another */
        gboolean second;            /* an earlier NIC of its VM has the default route */
};

struct lab {
        const char *project;
        enum isolation isolation;
        const char *directory;          /* <data>/dnsmasq: configuration, reservations, names, leases, log, pid file */
        const struct network *networks; /* resolved: bridge, subnet, host_ip, gateway, dhcp.range are filled in */
        guint network_count;
        const struct lab_host *hosts;
        guint host_count;
        struct cidr4 uplink;            /* private: addresses of the way out (network/uplink); prefix 0: there is none */
        struct cidr6 uplink6;           /* its addresses for IPv6, of which the first two count; prefix 0: none */
        const char *const *resolvers;   /* private: where DNS asks for names that are not the lab's; NULL: nowhere */
};

/**
 * lab_bridge_name() - The interface name of a network's bridge when the file gives none
 *
 * A readable prefix and a hash of project and network, 15 bytes at most, e.g. "lan-3f2a9c81d0" . Returns a new string.
 */
char *lab_bridge_name(const char *project, const char *network);

/** lab_tap_name() - The interface name of a NIC's tap, made in the same way. Returns a new string */
char *lab_tap_name(const char *project, const char *vm, const char *nic);

/** lab_bridge_mac() - The MAC that our bridge has from birth: derived from project and network, locally administered */
struct ether_addr lab_bridge_mac(const char *project, const char *network);

/** lab_alias() - The ifalias mark "drover:PROJECT/OBJECT". Returns a new string */
char *lab_alias(const char *project, const char *object);

enum { LAB_IP_LENGTH = 16, LAB_IP6_LENGTH = 46, LAB_MAC_LENGTH = 18 };

/** lab_format_ip() - "10.20.0.1" in @buffer, which it returns */
const char *lab_format_ip(guint32 ip, char buffer[LAB_IP_LENGTH]);

/** lab_format_ip6(), lab_format_mac() - The same for an IPv6 address and a MAC, in lower case */
const char *lab_format_ip6(const struct in6_addr *ip6, char buffer[LAB_IP6_LENGTH]);
const char *lab_format_mac(const struct ether_addr *mac, char buffer[LAB_MAC_LENGTH]);

/** lab_ip6_of_mac() - The address in a subnet of 64 bits that a guest makes from its MAC (RFC 4291, appendix A) */
struct in6_addr lab_ip6_of_mac(const struct cidr6 *subnet, const struct ether_addr *mac);

/** lab_host_ip6() - The bridge's own IPv6 address: the first of subnet6; all zero where there is none */
struct in6_addr lab_host_ip6(const struct network *network);

/** lab_netmask() - The netmask of a prefix length, host byte order */
guint32 lab_netmask(guint8 prefix);

/** lab_overlap() - Have these subnets an address in common? */
gboolean lab_overlap(const struct cidr4 *a, const struct cidr4 *b);

/** lab_overlap6() - The same for IPv6 */
gboolean lab_overlap6(const struct cidr6 *a, const struct cidr6 *b);

/** lab_link_name() - The interface name of something else that a project has one of, made as the two above. A new string */
char *lab_link_name(const char *project, const char *what);

/** lab_link_mac() - And its MAC */
struct ether_addr lab_link_mac(const char *project, const char *what);

/** lab_reaches() - Does the file open the way from guests of network @from to those of @to (`reach`)? Indices into networks */
gboolean lab_reaches(const struct lab *lab, guint from, guint to);

/** lab_is_served() - Does this network get DHCP and DNS from us? */
gboolean lab_is_served(const struct network *network);

/**
 * lab_check() - Is every name fit to stand in dnsmasq's configuration and in nftables rules?
 *
 * The parser has checked them; this is the second lock on the door. DROVER_ERROR_CONFIG.
 */
gboolean lab_check(const struct lab *lab, GError **error) G_GNUC_WARN_UNUSED_RESULT;
