/* value.h - the texts of the project file as values: sizes, durations, addresses, names; and their canonical spelling
 *
 * Pure functions. What a text means does not depend on the locale, and nothing is a number that merely looks like one to
 * YAML 1.1: 2222:22, 0x10, 1_000 and 1e3 are refused.
 *
 * Each parse function returns TRUE and sets its result, or returns FALSE, leaves the result alone and sets a fault:
 *
 *     g_auto(value_fault) fault = VALUE_FAULT_INIT;
 *
 *     if (!value_parse_mac(node->text, &nic->mac, &fault))
 *             return diagnostics_add(diagnostics, SEVERITY_ERROR, fault.id, node->place, fault.hint, "mac of vm 'web': %s",
 *                                    fault.reason);
 *
 * The fault may be NULL where only the answer counts. The formatted text of a parsed value parses to the same value.
 */
#pragma once

#include "parser/project.h"

/** struct value_fault - Why a text is no such value, as a phrase that begins with the text: "'two' is no whole number" */
struct value_fault {
        const char *id; /* of the mistake, for the diagnostic: "mac-multicast"; never NULL after a failure */
        char *reason;   /* one line, no full stop; never NULL after a failure */
        char *hint;     /* what to write instead: "did you mean '2'?"; or NULL */
};

#define VALUE_FAULT_INIT {NULL, NULL, NULL}

void value_fault_clear(struct value_fault *fault);
typedef struct value_fault value_fault;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(value_fault, value_fault_clear)

/**
 * value_fail() - Refuse a text: for those who parse values of their own
 * @id:     of this very mistake, a literal: a file of tests/config/ shows each
 * @hint:   taken; or NULL
 * @format: the phrase that goes on after the quoted text: "is no boot device"
 *
 * Returns FALSE.
 */
gboolean value_fail(struct value_fault *fault, const char *id, const char *text, char *hint, const char *format, ...)
        G_GNUC_PRINTF(5, 6);

/** value_quote() - Text of the file for a message, as a new string: printable, in single quotes, cut after 60 characters */
char *value_quote(const char *text);

/**
 * value_parse_size() - A size in bytes: "20G", "1.5G", "512M", "20GiB", "20GB"; all units are binary
 *
 * The unit is one of K M G T P in either case, alone or with iB or B behind it. A fraction is rounded down to a whole KiB.
 * A bare number is refused, since nobody agrees on its unit; so are zero and all that exceeds 2^63 - 1 bytes.
 */
gboolean value_parse_size(const char *text, guint64 *ret_bytes, struct value_fault *fault);

/**
 * value_parse_memory() - The same, where a bare number means MiB
 * @ret_bare: on success, whether it was bare, so that the caller can add a note; may be NULL
 */
gboolean value_parse_memory(const char *text, guint64 *ret_bytes, gboolean *ret_bare, struct value_fault *fault);

/** value_format_size() - For both: the largest unit that is exact: "1536M". @bytes is rounded down to a whole KiB */
char *value_format_size(guint64 bytes);

/** value_parse_duration() - "500ms", "30s", "5m", "1h30m", "0"; any other bare number is refused. At most 100 years */
gboolean value_parse_duration(const char *text, guint64 *ret_ms, struct value_fault *fault);
char *value_format_duration(guint64 ms);

/** value_parse_count() - A whole number from @min to @max: decimal digits, with a minus where @min is negative */
gboolean value_parse_count(const char *text, gint64 min, gint64 max, gint64 *ret_count, struct value_fault *fault);
char *value_format_count(gint64 count);

/** value_parse_bool() - "true" or "false"; yes, on, True and the like are refused with the right spelling */
gboolean value_parse_bool(const char *text, gboolean *ret_value, struct value_fault *fault);
const char *value_format_bool(gboolean value);

/** value_parse_mac() - Six bytes with colons: unicast, not all zero; "52:54:00:aa:00:01" */
gboolean value_parse_mac(const char *text, struct ether_addr *ret_mac, struct value_fault *fault);
char *value_format_mac(const struct ether_addr *mac);

/** value_parse_ipv4() - Four decimal numbers without leading zeros; the result is in host byte order */
gboolean value_parse_ipv4(const char *text, guint32 *ret_address, struct value_fault *fault);
char *value_format_ipv4(guint32 address);

/** value_parse_cidr4() - "10.0.0.0/24": no host bits, prefix 8 to 30 */
gboolean value_parse_cidr4(const char *text, struct cidr4 *ret_network, struct value_fault *fault);
char *value_format_cidr4(const struct cidr4 *network);

/** value_parse_range4() - "10.0.0.100-10.0.0.199": the first is not above the last; blanks around the dash are allowed */
gboolean value_parse_range4(const char *text, struct range4 *ret_range, struct value_fault *fault);
char *value_format_range4(const struct range4 *range);

/** value_parse_ipv6() - An address that a guest can have: not link-local, multicast or loopback; no brackets, no prefix */
gboolean value_parse_ipv6(const char *text, struct in6_addr *ret_address, struct value_fault *fault);
char *value_format_ipv6(const struct in6_addr *address);

/** value_parse_cidr6() - "fd00:20::/64": no host bits; the prefix is 64, since guests form addresses from no other */
gboolean value_parse_cidr6(const char *text, struct cidr6 *ret_network, struct value_fault *fault);
char *value_format_cidr6(const struct cidr6 *network);

/** value_in_cidr6() - Is the address in the subnet? */
gboolean value_in_cidr6(const struct cidr6 *network, const struct in6_addr *address);

/**
 * value_parse_rate() - Bits per second, decimal: "100M", "1.5G", "10kbit", "1gbit/s"; at most 1000T
 *
 * Bytes ("10MB") and what some take for bytes ("10Mbps") are refused, as are zero and a bare number.
 */
gboolean value_parse_rate(const char *text, guint64 *ret_bits, struct value_fault *fault);

/** value_format_rate() - The largest unit that is exact: "1500M", "1234bit" */
char *value_format_rate(guint64 bits);

/** value_parse_percent() - "1%", "0.25%", "0"; at most four decimals; in millionths, so that 1% is 10000 */
gboolean value_parse_percent(const char *text, guint *ret_ppm, struct value_fault *fault);
char *value_format_percent(guint ppm);

/** value_check_name() - Is it a name (text_is_name())? If not, the hint has the nearest one: "did you mean 'db-data'?" */
gboolean value_check_name(const char *text, struct value_fault *fault);

/** value_check_interface() - Is it a name that the kernel takes for a link: 1 to 15 bytes, no slash, blank, colon or control */
gboolean value_check_interface(const char *text, struct value_fault *fault);

/** value_parse_host() - An address of this host: IPv4, or IPv6 with or without brackets; not multicast. Family is set */
gboolean value_parse_host(const char *text, struct host_address *ret_address, struct value_fault *fault);
char *value_format_host(const struct host_address *address);

/** value_parse_endpoint() - "127.0.0.1", "127.0.0.1:5901", "[::1]:5901" */
gboolean value_parse_endpoint(const char *text, struct endpoint *ret_endpoint, struct value_fault *fault);
char *value_format_endpoint(const struct endpoint *endpoint);

/** value_parse_port_range() - "80" or "8000-8010"; from 1 to 65535 */
gboolean value_parse_port_range(const char *text, struct port_range *ret_range, struct value_fault *fault);
char *value_format_port_range(const struct port_range *range);

/**
 * value_parse_port() - A published port, in compose's short form: [HOST:]PUBLISHED:TARGET[/PROTOCOL]
 * @ret_port: host, published, target and protocol are set; nothing else is touched
 *
 * "8080:80", "127.0.0.1:5353:53/udp", "8000-8010:80-90", "[::1]:80:80". A target alone, for which compose takes a random port
 * of the host, is refused. Whether ranges are of one length is not looked at: with replicas they need not be.
 */
gboolean value_parse_port(const char *text, struct port *ret_port, struct value_fault *fault);
char *value_format_port(const struct port *port);

/** value_parse_restart() - "no", "on-failure", "on-failure:5", "always", "unless-stopped" */
gboolean value_parse_restart(const char *text, struct restart *ret_restart, struct value_fault *fault);
char *value_format_restart(const struct restart *restart);

/** value_parse_pci() - "0000:01:00.0": domain, bus, device, function */
gboolean value_parse_pci(const char *text, struct pci_address *ret_address, struct value_fault *fault);
char *value_format_pci(const struct pci_address *address);

/** value_parse_usb() - "046d:c52b": vendor and product */
gboolean value_parse_usb(const char *text, struct usb_id *ret_id, struct value_fault *fault);
char *value_format_usb(const struct usb_id *id);

/** value_check_cpu_model() - Is it a name that QEMU could have for a CPU: letters, digits, '.', '-', '_', at most 64 */
gboolean value_check_cpu_model(const char *text, struct value_fault *fault);

/** value_check_regex() - Is it a regular expression of GLib's, neither empty nor longer than 1024 bytes? */
gboolean value_check_regex(const char *text, struct value_fault *fault);
