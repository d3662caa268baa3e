/* dhcp-option.c - the DHCP options that can be named in a file
 *
 * Names are those of `dnsmasq --help dhcp`, kinds of value those of RFC 2132 and its successors. What a number without a
 * name takes, only the guest knows.
 */
#include "parser/decode/dhcp-option.h"

#include "parser/decode/decode.h"

#include <string.h>

enum { VALUE_MAX_BYTES = 255 };

/* Rows of a table are denser than clang-format would have them. */
/* clang-format off */
static const struct dhcp_option_kind kinds[] = {
        {1, "netmask", DHCP_RESERVED, "it follows from the network's 'subnet'"},
        {2, "time-offset", DHCP_NUMBER}, {3, "router", DHCP_RESERVED, "write the network's 'gateway'"},
        {6, "dns-server", DHCP_ADDRESSES}, {7, "log-server", DHCP_ADDRESSES}, {9, "lpr-server", DHCP_ADDRESSES},
        {12, NULL, DHCP_RESERVED, "write the VM's 'hostname'"}, {13, "boot-file-size", DHCP_NUMBER},
        {15, "domain-name", DHCP_RESERVED, "write the network's 'domain'"}, {16, "swap-server", DHCP_ADDRESSES},
        {17, "root-path", DHCP_TEXT}, {18, "extension-path", DHCP_TEXT}, {19, "ip-forward-enable", DHCP_NUMBER},
        {20, "non-local-source-routing", DHCP_NUMBER}, {21, "policy-filter", DHCP_ADDRESSES},
        {22, "max-datagram-reassembly", DHCP_NUMBER}, {23, "default-ttl", DHCP_NUMBER},
        {26, "mtu", DHCP_RESERVED, "write the network's 'mtu'"}, {27, "all-subnets-local", DHCP_NUMBER},
        {28, NULL, DHCP_RESERVED, "it follows from the network's 'subnet'"}, {31, "router-discovery", DHCP_NUMBER},
        {32, "router-solicitation", DHCP_ADDRESSES}, {33, "static-route", DHCP_ADDRESSES},
        {34, "trailer-encapsulation", DHCP_NUMBER}, {35, "arp-timeout", DHCP_NUMBER}, {36, "ethernet-encap", DHCP_NUMBER},
        {37, "tcp-ttl", DHCP_NUMBER}, {38, "tcp-keepalive", DHCP_NUMBER}, {40, "nis-domain", DHCP_TEXT},
        {41, "nis-server", DHCP_ADDRESSES}, {42, "ntp-server", DHCP_ADDRESSES}, {44, "netbios-ns", DHCP_ADDRESSES},
        {45, "netbios-dd", DHCP_ADDRESSES}, {46, "netbios-nodetype", DHCP_NUMBER}, {47, "netbios-scope", DHCP_TEXT},
        {48, "x-windows-fs", DHCP_ADDRESSES}, {49, "x-windows-dm", DHCP_ADDRESSES}, {50, NULL, DHCP_RESERVED, NULL},
        {51, NULL, DHCP_RESERVED, "write the 'lease' of dhcp"}, {52, NULL, DHCP_RESERVED, NULL},
        {53, NULL, DHCP_RESERVED, NULL}, {54, NULL, DHCP_RESERVED, NULL}, {55, NULL, DHCP_RESERVED, NULL},
        {56, NULL, DHCP_RESERVED, NULL}, {57, NULL, DHCP_RESERVED, NULL}, {58, "T1", DHCP_NUMBER}, {59, "T2", DHCP_NUMBER},
        {60, "vendor-class", DHCP_TEXT}, {61, NULL, DHCP_RESERVED, NULL}, {64, "nis+-domain", DHCP_TEXT},
        {65, "nis+-server", DHCP_ADDRESSES}, {66, "tftp-server", DHCP_TEXT}, {67, "bootfile-name", DHCP_TEXT},
        {68, "mobile-ip-home", DHCP_ADDRESSES}, {69, "smtp-server", DHCP_ADDRESSES}, {70, "pop3-server", DHCP_ADDRESSES},
        {71, "nntp-server", DHCP_ADDRESSES}, {74, "irc-server", DHCP_ADDRESSES}, {77, "user-class", DHCP_TEXT},
        {80, "rapid-commit", DHCP_RESERVED, NULL}, {81, NULL, DHCP_RESERVED, NULL}, {82, NULL, DHCP_RESERVED, NULL},
        {93, "client-arch", DHCP_RESERVED, NULL}, {94, "client-interface-id", DHCP_RESERVED, NULL},
        {97, "client-machine-id", DHCP_RESERVED, NULL}, {100, "posix-timezone", DHCP_TEXT}, {101, "tzdb-timezone", DHCP_TEXT},
        {108, "ipv6-only", DHCP_NUMBER}, {119, "domain-search", DHCP_TEXT}, {120, "sip-server", DHCP_TEXT},
        {121, "classless-static-route", DHCP_TEXT}, {125, "vendor-id-encap", DHCP_TEXT},
        {150, "tftp-server-address", DHCP_ADDRESSES},
};
/* clang-format on */

static char *
hint_option(const char *text)
{
        const char *names[G_N_ELEMENTS(kinds) + 1];
        guint count = 0;
        char *hint;

        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                if (kinds[i].name)
                        names[count++] = kinds[i].name;
        names[count] = NULL;
        hint = hint_suggest(text, names);
        return hint ? hint : g_strdup("'dnsmasq --help dhcp' lists the names; a number from 1 to 254 is taken too");
}

gboolean
dhcp_option_find(const char *text, struct dhcp_option_kind *ret_kind, struct value_fault *fault)
{
        struct dhcp_option_kind kind = {0, NULL, DHCP_TEXT, NULL};
        gint64 number = 0;
        gboolean is_number = value_parse_count(text, 1, 254, &number, NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(kinds) && !kind.number; i++)
                if (is_number ? kinds[i].number == number : kinds[i].name && strcmp(kinds[i].name, text) == 0)
                        kind = kinds[i];
        if (!kind.number && !is_number)
                return value_fail(fault, "dhcp-option-unknown", text, hint_option(text), "is no DHCP option");
        if (kind.value == DHCP_RESERVED)
                return value_fail(fault, "dhcp-option-reserved", text, g_strdup(kind.hint),
                                  "is an option that DHCP sets by itself");
        kind.number = (guint)number ? (guint)number : kind.number;
        *ret_kind = kind;
        return TRUE;
}

gboolean
dhcp_option_check(const struct dhcp_option_kind *kind, const char *value, struct value_fault *fault)
{
        guint32 address;
        gint64 number;

        if (strlen(value) > VALUE_MAX_BYTES)
                return value_fail(fault, "dhcp-option-long", value, NULL, "is too long, %d bytes at most", VALUE_MAX_BYTES);
        for (const char *c = value; *c; c++)
                if (g_ascii_iscntrl(*c))
                        return value_fail(fault, "dhcp-option-lines", value, NULL, "has a line break or a control character");
        if (kind->value == DHCP_ADDRESSES)
                return value_parse_ipv4(value, &address, fault);
        if (kind->value == DHCP_NUMBER)
                return value_parse_count(value, 0, G_MAXUINT32, &number, fault);
        return TRUE;
}
