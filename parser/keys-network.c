/* keys-network.c - the rows of networks, their DHCP service, and of NICs */
#include "parser/keys-rows.h"

/* Rows of a table are denser than clang-format would have them. */
/* clang-format off */

static const char *const mode_words[] = {"nat", "isolated", "bridge", NULL};
static const char *const mode_later[] = {"routed", NULL};
static const char *const model_words[] = {"virtio", "e1000", "e1000e", "rtl8139", NULL};

static const struct key network_rows[] = {
        {.name = "mode", .type = KEY_ENUM, IN(network, mode), .words = mode_words, .later = mode_later, .fallback = "nat",
         .change = CHANGE_LIVE,
         .help = "nat: guests reach what the host reaches; isolated: each other only; bridge: an existing bridge of the host",
         .example = "isolated"},
        {.name = "subnet", .type = KEY_CIDR4, IN(network, subnet), .word = "auto",
         .word_offset = offsetof(struct network, subnet_auto),
         .fallback = "auto", .change = CHANGE_LIVE,
         .help = "IPv4 subnet; auto: a free one, kept with the project's data until 'down -v'", .example = "10.20.0.0/24"},
        {.name = "host_ip", .type = KEY_IPV4, IN(network, host_ip), .word = "none",
         .word_offset = offsetof(struct network, host_ip_none), .change = CHANGE_LIVE,
         .help = "the bridge's own address, or none (then no DHCP); default: the gateway unless a VM has it, then the "
                 "last free one",
         .example = "10.20.0.1"},
        {.name = "gateway", .type = KEY_IPV4, IN(network, gateway), .word = "none",
         .word_offset = offsetof(struct network, gateway_none), .change = CHANGE_LIVE,
         .help = "the router that DHCP hands out, or none; may be a VM's ip; default: host_ip, and none where mode is isolated",
         .example = "10.20.0.1"},
        {.name = "bridge", .type = KEY_INTERFACE, IN(network, bridge), .change = CHANGE_LIVE,
         .help = "interface name of the bridge; default: derived from project and network", .example = "br-lan"},
        {.name = "external", .type = KEY_BOOL, IN(network, external), .fallback = "false", .change = CHANGE_LIVE,
         .help = "the bridge exists and is not ours: never made, changed or removed, without DHCP, address or NAT of ours",
         .example = "true"},
        {.name = "mtu", .type = KEY_COUNT, IN(network, mtu), .min = 576, .max = 65521, .fallback = "1500",
         .change = CHANGE_RESTART,
         .help = "largest packet, in bytes", .example = "9000"},
        {.name = "domain", .type = KEY_DOMAIN, IN(network, domain), .max = 32, .change = CHANGE_LIVE,
         .help = "DNS domain of the guests; default: PROJECT.test", .example = "lab.test"},
        {.name = "dhcp", .type = KEY_OBJECT, IN(network, dhcp), .table = &keys_dhcp, .change = CHANGE_LIVE,
         .help = "the DHCP service of the network, or false; default: on, except for mode bridge", .example = "{lease: 12h}"},
        LATER("subnet6", SCALAR, "IPv6 subnet", "fd00:20::/64"),
        LATER("reach", LIST, "other networks of the project whose guests may be reached from here", "[dmz]"),
        LATER("vxlan", MAP, "joins the bridges of several hosts", "{id: 42, remote: [192.0.2.7], port: 4789}"),
        LATER("uplink", SCALAR, "an interface of the host that joins our bridge", "eth0"),
        {.name = NULL},
};

static const char *const network_aliases[] = {
        "cidr", "subnet", "address", "subnet", "network", "subnet", "ipam", "subnet", "netmask", "subnet",
        "router", "gateway", "gw", "gateway", "type", "mode", "driver", "mode", "forward", "mode", "forward_mode", "mode",
        "bridge_name", "bridge", "interface", "bridge", "dns_domain", "domain", "dhcp_range", "dhcp", "internal", "mode",
        "subnet_v6", "subnet6", NULL,
};

const struct key_table keys_network = {
        .title = "network", .keys = network_rows, .aliases = network_aliases, .struct_size = sizeof(struct network),
        .name_offset = offsetof(struct network, name), .node_offset = offsetof(struct network, node)};

static const struct key dhcp_rows[] = {
        {.name = "range", .type = KEY_RANGE4, IN(dhcp, range), .change = CHANGE_LIVE,
         .help = "addresses for guests without an ip; default: the whole subnet without host_ip and gateway",
         .example = "10.20.0.100-10.20.0.199"},
        {.name = "lease", .type = KEY_DURATION, IN(dhcp, lease_seconds), .scale_ms = 1000, .min = 120000,
         .max = G_GINT64_CONSTANT(3153600000000), .fallback = "1h", .change = CHANGE_LIVE, .help = "how long a lease lasts",
         .example = "12h"},
        {.name = "reservations", .type = KEY_OBJECT_LIST, IN(dhcp, reservations), COUNT_IN(dhcp, reservation_count),
         .max = 65536,
         .table = &keys_reservation, .change = CHANGE_LIVE, .help = "addresses for machines that are not VMs of this file",
         .example = "[{mac: \"52:54:00:aa:00:01\", ip: 10.20.0.50, name: printer}]"},
        LATER("options", MAP, "further DHCP options by name or number", "{ntp-server: 10.20.0.1}"),
        LATER("boot", MAP, "network boot: file and tftp_root", "{file: pxelinux.0, tftp_root: ./tftp}"),
        {.name = NULL},
};

static const char *const dhcp_aliases[] = {
        "hosts", "reservations", "host", "reservations", "static", "reservations", "leases", "lease", "lease_time", "lease",
        "pool", "range", "ranges", "range", NULL,
};

const struct key_table keys_dhcp = {
        .title = "dhcp", .keys = dhcp_rows, .aliases = dhcp_aliases, .struct_size = sizeof(struct dhcp),
        .node_offset = offsetof(struct dhcp, node), .flag_offset = offsetof(struct dhcp, enabled)};

static const struct key reservation_rows[] = {
        {.name = "mac", .type = KEY_MAC, IN(reservation, mac), .required = TRUE, .change = CHANGE_LIVE,
         .help = "hardware address that gets the reservation", .example = "\"52:54:00:aa:00:01\""},
        {.name = "ip", .type = KEY_IPV4, IN(reservation, ip), .required = TRUE, .change = CHANGE_LIVE,
         .help = "the address that it gets", .example = "10.20.0.50"},
        {.name = "name", .type = KEY_NAME, IN(reservation, name), .change = CHANGE_LIVE,
         .help = "host name in the network's DNS; default: none", .example = "printer"},
        {.name = NULL},
};

static const char *const mac_aliases[] = {
        "macaddress", "mac", "macAddress", "mac", "mac_address", "mac", "hwaddr", "mac", "address", "ip",
        "ipv4_address", "ip", "ip_address", "ip", "ipaddr", "ip", "hostname", "name", NULL,
};

const struct key_table keys_reservation = {
        .title = "reservation", .keys = reservation_rows, .aliases = mac_aliases, .struct_size = sizeof(struct reservation),
        .node_offset = offsetof(struct reservation, node)};

static const struct key nic_rows[] = {
        {.name = "network", .type = KEY_NAME, IN(nic, network), .change = CHANGE_RESTART,
         .help = "the network that it is on; default: the one of the NIC's name", .example = "lan"},
        {.name = "ip", .type = KEY_IPV4, IN(nic, ip), .change = CHANGE_LIVE,
         .help = "the address that DHCP gives it; default: one of the network's range", .example = "10.20.0.10"},
        {.name = "mac", .type = KEY_MAC, IN(nic, mac), .set_offset = offsetof(struct nic, has_mac), .change = CHANGE_RESTART,
         .help = "hardware address; default: derived from project, VM and NIC, and then kept",
         .example = "\"52:54:00:00:00:10\""},
        {.name = "model", .type = KEY_ENUM, IN(nic, model), .words = model_words, .fallback = "virtio",
         .change = CHANGE_RESTART,
         .help = "what the guest sees", .example = "e1000"},
        {.name = "aliases", .type = KEY_NAME_LIST, IN(nic, aliases), .change = CHANGE_LIVE,
         .help = "further names for it in the network's DNS; default: none", .example = "[database]"},
        LATER("ip6", SCALAR, "IPv6 address", "\"fd00:20::10\""),
        LATER_BUT("link", SCALAR, "up", "whether the cable is plugged in", "down"),
        LATER("mtu", SCALAR, "largest packet, in bytes", "1400"),
        LATER("vlan", SCALAR | MAP, "VLAN of the port", "10"),
        LATER("rate", MAP | SCALAR, "bits per second", "{in: 100M, out: 10M}"),
        LATER("impair", MAP, "delay, loss and jitter", "{delay: 20ms, loss: 1%}"),
        LATER("spoof_check", SCALAR, "only the NIC's own addresses may send", "false"),
        {.name = NULL},
};

static const char *const nic_aliases[] = {
        "macaddress", "mac", "macAddress", "mac", "mac_address", "mac", "hwaddr", "mac", "address", "ip",
        "ipv4_address", "ip", "ip_address", "ip", "ipv4", "ip", "ipaddr", "ip", "ipv6_address", "ip6", "type", "model",
        "driver", "model", "nic_type", "model", "bridge", "network", "source", "network", "names", "aliases", "speed", "rate",
        NULL,
};

const struct key_table keys_nic = {
        .title = "nic", .keys = nic_rows, .aliases = nic_aliases, .struct_size = sizeof(struct nic),
        .name_offset = offsetof(struct nic, name), .node_offset = offsetof(struct nic, node)};
