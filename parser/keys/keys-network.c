/* keys-network.c - the rows of networks, their DHCP service, and of NICs */
#include "parser/keys/keys-rows.h"

/* Rows of a table are denser than clang-format would have them. */
/* clang-format off */

static const char *const mode_words[] = {"nat", "isolated", "bridge", "routed", NULL};
static const char *const link_words[] = {"up", "down", NULL};
static const char *const model_words[] = {"virtio", "e1000", "e1000e", "rtl8139", NULL};

static const struct key network_rows[] = {
        {.name = "mode", .type = KEY_ENUM, IN(network, mode), .words = mode_words, .fallback = "nat",
         .change = CHANGE_LIVE,
         .help = "nat: guests reach what the host reaches; isolated: each other only; bridge: an existing bridge of the host; "
                 "routed: as nat, with their own addresses",
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
        {.name = "subnet6", .type = KEY_CIDR6, IN(network, subnet6), .change = CHANGE_LIVE,
         .help = "IPv6 subnet, of 64 bits: router advertisements, and DHCPv6 for each ip6; the host has its first address; "
                 "default: none",
         .example = "\"fd00:20::/64\""},
        {.name = "reach", .type = KEY_NAME_LIST, IN(network, reach), .change = CHANGE_LIVE,
         .help = "other networks of the project whose guests may be reached from here; default: none", .example = "[dmz]"},
        {.name = "vxlan", .type = KEY_OBJECT, IN(network, vxlan), .indirect = TRUE, .table = &keys_vxlan, .unbuilt = TRUE,
         .change = CHANGE_LIVE, .help = "joins this bridge with those of other hosts; default: none",
         .example = "{id: 42, remote: [192.0.2.7], port: 4790}"},
        {.name = "uplink", .type = KEY_INTERFACE, IN(network, uplink), .change = CHANGE_LIVE,
         .help = "with mode bridge, an interface of the host that joins our bridge; default: none", .example = "eth0"},
        {.name = NULL},
};

static const char *const network_aliases[] = {
        "cidr", "subnet", "address", "subnet", "network", "subnet", "ipam", "subnet", "netmask", "subnet",
        "router", "gateway", "gw", "gateway", "type", "mode", "driver", "mode", "forward", "mode", "forward_mode", "mode",
        "bridge_name", "bridge", "interface", "bridge", "dns_domain", "domain", "dhcp_range", "dhcp", "internal", "mode",
        "subnet_v6", "subnet6", "ipv6", "subnet6", "ipv6_subnet", "subnet6", "cidr6", "subnet6", "parent", "uplink",
        "dev", "uplink", "physical", "uplink", "physical_interface", "uplink", "vni", "vxlan", "allow", "reach",
        "peers", "reach", "nat", "mode", "isolated", "mode", "addresses", "subnet", "enable_ipv6", "subnet6", "dns",
        "write 'dhcp: {options: {dns-server: ...}}'", NULL,
};

const struct key_table keys_network = {
        .title = "network", .keys = network_rows, .aliases = network_aliases, .struct_size = sizeof(struct network),
        .name_offset = offsetof(struct network, name), .node_offset = offsetof(struct network, node)};

static const struct key vxlan_rows[] = {
        {.name = "id", .type = KEY_COUNT, IN(vxlan, id), .min = 1, .max = 16777215, .required = TRUE, .change = CHANGE_LIVE,
         .help = "the network's number, which is the same on all hosts", .example = "42"},
        {.name = "remote", .type = KEY_SPECIAL, IN(vxlan, remote), .codec = &codec_remote, .required = TRUE,
         .change = CHANGE_LIVE, .help = "addresses of the other hosts", .example = "[192.0.2.7]"},
        {.name = "port", .type = KEY_COUNT, IN(vxlan, port), .min = 1, .max = 65535, .fallback = "4789", .change = CHANGE_LIVE,
         .help = "UDP port, the same on all hosts", .example = "4790"},
        {.name = NULL},
};

static const char *const vxlan_aliases[] = {
        "vni", "id", "remotes", "remote", "peers", "remote", "hosts", "remote", "dstport", "port", "dst_port", "port", NULL,
};

const struct key_table keys_vxlan = {
        .title = "vxlan", .keys = vxlan_rows, .aliases = vxlan_aliases, .struct_size = sizeof(struct vxlan),
        .node_offset = offsetof(struct vxlan, node)};

static const struct key dhcp_boot_rows[] = {
        {.name = "file", .type = KEY_TEXT, IN(dhcp_boot, file), .max = 127, .required = TRUE, .change = CHANGE_LIVE,
         .help = "what the guest's firmware is told to load, by its name below tftp_root", .example = "pxelinux.0"},
        {.name = "tftp_root", .type = KEY_PATH, IN(dhcp_boot, tftp_root), .change = CHANGE_LIVE,
         .help = "a folder of the host that is served over TFTP; default: none is", .example = "./tftp"},
        {.name = NULL},
};

static const char *const dhcp_boot_aliases[] = {
        "filename", "file", "bootfile", "file", "boot_file", "file", "loader", "file", "tftp", "tftp_root", "root",
        "tftp_root", "directory", "tftp_root", "path", "tftp_root", NULL,
};

const struct key_table keys_dhcp_boot = {
        .title = "boot", .keys = dhcp_boot_rows, .aliases = dhcp_boot_aliases, .struct_size = sizeof(struct dhcp_boot),
        .node_offset = offsetof(struct dhcp_boot, node)};

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
        {.name = "options", .type = KEY_SPECIAL, IN(dhcp, options), .codec = &codec_dhcp_options,
         .change = CHANGE_LIVE,
         .help = "further DHCP options, by dnsmasq's name or by number, each with a value or a list; default: none",
         .example = "{ntp-server: 10.20.0.1, \"119\": lab.test}"},
        {.name = "boot", .type = KEY_OBJECT, IN(dhcp, boot), .indirect = TRUE, .table = &keys_dhcp_boot,
         .change = CHANGE_LIVE, .help = "network boot (PXE); default: none",
         .example = "{file: pxelinux.0, tftp_root: ./tftp}"},
        {.name = NULL},
};

static const char *const dhcp_aliases[] = {
        "hosts", "reservations", "host", "reservations", "static", "reservations", "leases", "lease", "lease_time", "lease",
        "pool", "range", "ranges", "range", "option", "options", "dhcp_options", "options", "bootp", "boot", "pxe", "boot",
        "tftp", "boot", "start", "range", "end", "range", NULL,
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

static const struct key vlan_rows[] = {
        {.name = "access", .type = KEY_COUNT, IN(vlan, access), .min = 1, .max = 4094, .change = CHANGE_LIVE,
         .help = "the VLAN that the guest is in, without a tag; default: none, a trunk", .example = "10"},
        {.name = "trunk", .type = KEY_COUNT_LIST, IN(vlan, trunk), .min = 1, .max = 4094, .change = CHANGE_LIVE,
         .help = "the VLANs that reach the guest with their tags; default: none", .example = "[10, 20]"},
        {.name = "native", .type = KEY_COUNT, IN(vlan, native), .min = 1, .max = 4094, .change = CHANGE_LIVE,
         .help = "of a trunk, the VLAN without a tag; default: none", .example = "1"},
        {.name = NULL},
};

static const char *const vlan_aliases[] = {
        "id", "access", "tag", "access", "vlan", "access", "tags", "trunk", "trunks", "trunk", "allowed", "trunk",
        "tagged", "trunk", "pvid", "native", "untagged", "native", NULL,
};

const struct key_table keys_vlan = {
        .title = "vlan", .keys = vlan_rows, .aliases = vlan_aliases, .short_key = "access", .struct_size = sizeof(struct vlan),
        .node_offset = offsetof(struct vlan, node)};

#define RATE_LIMITS .min = 1000, .max = G_GINT64_CONSTANT(1000000000000)

static const struct key rate_rows[] = {
        {.name = "in", .type = KEY_RATE, IN(rate, in_bits), RATE_LIMITS, .change = CHANGE_LIVE,
         .help = "toward the guest, in bits per second; default: no limit", .example = "100M"},
        {.name = "out", .type = KEY_RATE, IN(rate, out_bits), RATE_LIMITS, .change = CHANGE_LIVE,
         .help = "from the guest, in bits per second; default: no limit", .example = "10M"},
        {.name = NULL},
};

static const char *const rate_aliases[] = {
        "inbound", "in", "ingress", "in", "rx", "in", "download", "in", "down", "in", "outbound", "out", "egress", "out",
        "tx", "out", "upload", "out", "up", "out", NULL,
};

const struct key_table keys_rate = {
        .title = "rate", .keys = rate_rows, .aliases = rate_aliases, .short_key = "in",
        .short_form = "one rate for both", .decode_short = decode_both_rates,
        .struct_size = sizeof(struct rate), .node_offset = offsetof(struct rate, node)};

static const struct key impair_rows[] = {
        {.name = "delay", .type = KEY_DURATION, IN(impair, delay_ms), .scale_ms = 1, .max = 600000, .fallback = "0s",
         .change = CHANGE_LIVE, .help = "how much later each packet comes", .example = "20ms"},
        {.name = "jitter", .type = KEY_DURATION, IN(impair, jitter_ms), .scale_ms = 1, .max = 600000, .fallback = "0s",
         .change = CHANGE_LIVE, .help = "by how much the delay varies, up and down", .example = "5ms"},
        {.name = "loss", .type = KEY_PERCENT, IN(impair, loss_ppm), .fallback = "0%", .change = CHANGE_LIVE,
         .help = "the share of packets that are lost", .example = "1%"},
        {.name = NULL},
};

static const char *const impair_aliases[] = {
        "latency", "delay", "packet_loss", "loss", "drop", "loss", "variation", "jitter", "delay_jitter", "jitter", NULL,
};

const struct key_table keys_impair = {
        .title = "impair", .keys = impair_rows, .aliases = impair_aliases, .struct_size = sizeof(struct impair),
        .node_offset = offsetof(struct impair, node)};

static const struct key nic_rows[] = {
        {.name = "network", .type = KEY_NAME, IN(nic, network), .change = CHANGE_LIVE,
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
        {.name = "ip6", .type = KEY_IPV6, IN(nic, ip6), .change = CHANGE_LIVE,
         .help = "the IPv6 address that DHCPv6 gives it; default: one that the guest chooses", .example = "\"fd00:20::10\""},
        {.name = "link", .type = KEY_ENUM, IN(nic, link), .words = link_words, .fallback = "up",
         .change = CHANGE_LIVE, .help = "whether the cable is plugged in", .example = "down"},
        {.name = "mtu", .type = KEY_COUNT, IN(nic, mtu), .min = 576, .max = 65521, .change = CHANGE_RESTART,
         .help = "largest packet, in bytes; default: the network's, which is the most", .example = "1400"},
        {.name = "vlan", .type = KEY_OBJECT, IN(nic, vlan), .indirect = TRUE, .table = &keys_vlan, .unbuilt = TRUE,
         .change = CHANGE_LIVE, .help = "VLAN of the port; default: none", .example = "10"},
        {.name = "rate", .type = KEY_OBJECT, IN(nic, rate), .indirect = TRUE, .table = &keys_rate, .unbuilt = TRUE,
         .change = CHANGE_LIVE, .help = "how fast it may be, in bits per second; default: no limit",
         .example = "{in: 100M, out: 10M}"},
        {.name = "impair", .type = KEY_OBJECT, IN(nic, impair), .indirect = TRUE, .table = &keys_impair, .unbuilt = TRUE,
         .change = CHANGE_LIVE, .help = "a worse line, in both directions; default: none",
         .example = "{delay: 20ms, loss: 1%}"},
        {.name = "spoof_check", .type = KEY_BOOL, IN(nic, spoof_check), .fallback = "false",
         .change = CHANGE_LIVE, .help = "drop what the guest sends from other addresses than its own", .example = "true"},
        {.name = NULL},
};

static const char *const nic_aliases[] = {
        "macaddress", "mac", "macAddress", "mac", "mac_address", "mac", "hwaddr", "mac", "address", "ip",
        "ipv4_address", "ip", "ip_address", "ip", "ipv4", "ip", "ipaddr", "ip", "ipv6_address", "ip6", "type", "model",
        "driver", "model", "nic_type", "model", "bridge", "network", "source", "network", "names", "aliases", "speed", "rate",
        "bandwidth", "rate", "limit", "rate", "ipv6", "ip6", "ip6_address", "ip6", "tag", "vlan", "vlan_id", "vlan",
        "vlan_tag", "vlan", "link_state", "link", "state", "link", "cable", "link", "netem", "impair", "qdisc", "impair",
        "spoofchk", "spoof_check", "port_security", "spoof_check", NULL,
};

const struct key_table keys_nic = {
        .title = "nic", .keys = nic_rows, .aliases = nic_aliases, .struct_size = sizeof(struct nic),
        .name_offset = offsetof(struct nic, name), .node_offset = offsetof(struct nic, node)};
