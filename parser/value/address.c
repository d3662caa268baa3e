/* address.c - more of value.h: MACs, IPv4 addresses, subnets and ranges */
#include "parser/value/value.h"

#include <string.h>

enum { MIN_PREFIX = 8, MAX_PREFIX = 30 };

/* How many parts a text has between @separator. */
static guint
count_parts(const char *text, char separator)
{
        guint count = 1;

        for (; *text; text++)
                count += *text == separator;
        return count;
}

static gboolean
fail_mac(const char *text, struct value_fault *fault)
{
        guint parts = count_parts(text, ':');
        struct ether_addr mac;
        g_autofree char *colons = g_strdelimit(g_strndup(text, 32), "-.", ':');

        if (strcmp(text, colons) != 0 && value_parse_mac(colons, &mac, NULL))
                return value_fail(fault, "mac-separators", text, g_strdup_printf("did you mean '%s'?", colons),
                                  "has no colons between its bytes");
        if (parts > 1 && parts != 6)
                return value_fail(fault, "mac-bytes", text, NULL, "has %u bytes where a MAC has six", parts);
        return value_fail(fault, "mac-bad", text, g_strdup("a MAC is like '52:54:00:12:34:56'"), "is no MAC address");
}

gboolean
value_parse_mac(const char *text, struct ether_addr *ret_mac, struct value_fault *fault)
{
        struct ether_addr mac;
        guint8 any = 0;

        if (strlen(text) != 17)
                return fail_mac(text, fault);
        for (guint i = 0; i < 6; i++) {
                int high = g_ascii_xdigit_value(text[3 * i]), low = g_ascii_xdigit_value(text[3 * i + 1]);

                if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
                        return fail_mac(text, fault);
                mac.ether_addr_octet[i] = (guint8)(high << 4 | low);
                any |= mac.ether_addr_octet[i];
        }
        if (any == 0)
                return value_fail(fault, "mac-zero", text, NULL, "is no address: all its bytes are zero");
        if (mac.ether_addr_octet[0] & 1) {
                char *hint = g_strdup_printf("did you mean '%02x%s'?", mac.ether_addr_octet[0] & 0xfe, text + 2);

                return value_fail(fault, "mac-multicast", text, hint,
                                  "is a multicast address: the first byte of a MAC is even");
        }
        *ret_mac = mac;
        return TRUE;
}

char *
value_format_mac(const struct ether_addr *mac)
{
        const guint8 *byte = mac->ether_addr_octet;

        return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", byte[0], byte[1], byte[2], byte[3], byte[4], byte[5]);
}

/* One number of an address or a prefix: 1 to 3 digits; says what is wrong with it, or returns NULL. */
static const char *
read_number(const char *text, size_t length, guint max, guint *ret_number)
{
        guint number = 0;

        if (length == 0)
                return "is empty";
        for (size_t i = 0; i < length; i++)
                if (!g_ascii_isdigit(text[i]))
                        return "is no number";
        if (length > 1 && text[0] == '0')
                return "has a leading zero";
        for (size_t i = 0; i < MIN(length, 4); i++)
                number = number * 10 + (guint)(text[i] - '0');
        if (number > max)
                return max == 255 ? "is more than 255" : "is more than 32";
        *ret_number = number;
        return NULL;
}

gboolean
value_parse_ipv4(const char *text, guint32 *ret_address, struct value_fault *fault)
{
        guint parts = count_parts(text, '.');
        guint32 address = 0;
        const char *part = text;

        if (strchr(text, ':'))
                return value_fail(fault, "ipv4-colons", text, NULL, "is no IPv4 address");
        if (strchr(text, '/'))
                return value_fail(fault, "ipv4-prefix", text,
                                  g_strdup_printf("did you mean '%.*s'?", (int)MIN(strcspn(text, "/"), 40), text),
                                  "is an address with a prefix where one without is meant");
        if (parts == 1)
                return value_fail(fault, "ipv4-bad", text, g_strdup("an address is like '10.0.0.5'"), "is no IPv4 address");
        if (parts != 4)
                return value_fail(fault, "ipv4-parts", text, NULL, "has %u parts where an IPv4 address has four", parts);
        for (guint i = 0; i < 4; i++) {
                size_t length = strcspn(part, ".");
                guint number = 0;
                const char *wrong = read_number(part, length, 255, &number);

                if (wrong) {
                        g_autofree char *word = g_strndup(part, length);
                        g_autofree char *quoted = value_quote(word);

                        return value_fail(fault, "ipv4-number", text, NULL, "is no IPv4 address: %s %s",
                                          *word ? quoted : "a part", wrong);
                }
                address = address << 8 | number;
                part += length + 1;
        }
        *ret_address = address;
        return TRUE;
}

char *
value_format_ipv4(guint32 address)
{
        return g_strdup_printf("%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

gboolean
value_parse_cidr4(const char *text, struct cidr4 *ret_network, struct value_fault *fault)
{
        const char *slash = strchr(text, '/');
        g_autofree char *part = slash ? g_strndup(text, (gsize)(slash - text)) : NULL;
        struct cidr4 network;
        guint prefix = 0;
        guint32 address;
        const char *wrong;

        if (!slash) {
                char *hint;

                if (!value_parse_ipv4(text, &address, NULL))
                        return value_fail(fault, "subnet-bad", text, g_strdup("a subnet is like '10.0.0.0/24'"),
                                          "is no subnet");
                hint = g_strdup_printf("did you mean '%u.%u.%u.0/24'?", address >> 24, address >> 16 & 255, address >> 8 & 255);
                return value_fail(fault, "subnet-no-prefix", text, hint, "has no prefix");
        }
        if (!value_parse_ipv4(part, &address, fault))
                return FALSE;
        wrong = read_number(slash + 1, strlen(slash + 1), 32, &prefix);
        if (wrong)
                return value_fail(fault, "subnet-prefix", text, g_strdup("a subnet is like '10.0.0.0/24'"),
                                  "is no subnet: the prefix %s", wrong);
        if (prefix < MIN_PREFIX)
                return value_fail(fault, "subnet-large", text, NULL, "is too large a subnet: the prefix is from %d to %d",
                                  MIN_PREFIX, MAX_PREFIX);
        if (prefix > MAX_PREFIX)
                return value_fail(fault, "subnet-small", text, NULL, "is too small a subnet: the prefix is from %d to %d",
                                  MIN_PREFIX, MAX_PREFIX);
        network = (struct cidr4){address & ~0u << (32 - prefix), (guint8)prefix};
        if (network.address != address) {
                g_autofree char *right = value_format_cidr4(&network);

                return value_fail(fault, "subnet-host-bits", text, g_strdup_printf("did you mean '%s'?", right),
                                  "is an address inside of a subnet, not the subnet");
        }
        *ret_network = network;
        return TRUE;
}

char *
value_format_cidr4(const struct cidr4 *network)
{
        g_autofree char *address = value_format_ipv4(network->address);

        return g_strdup_printf("%s/%u", address, network->prefix);
}

gboolean
value_parse_range4(const char *text, struct range4 *ret_range, struct value_fault *fault)
{
        const char *dash = strchr(text, '-');
        g_autofree char *first = dash ? g_strstrip(g_strndup(text, (gsize)(dash - text))) : NULL;
        g_autofree char *last = dash ? g_strstrip(g_strdup(dash + 1)) : NULL;
        struct range4 range;

        if (!dash)
                return value_fail(fault, "range-bad", text, g_strdup("a range is like '10.0.0.100-10.0.0.199'"),
                                  "is no range of addresses");
        if (!value_parse_ipv4(first, &range.first, fault) || !value_parse_ipv4(last, &range.last, fault))
                return FALSE;
        if (range.first > range.last)
                return value_fail(fault, "range-backwards", text, g_strdup_printf("did you mean '%s-%s'?", last, first),
                                  "ends before it begins");
        *ret_range = range;
        return TRUE;
}

char *
value_format_range4(const struct range4 *range)
{
        g_autofree char *first = value_format_ipv4(range->first);
        g_autofree char *last = value_format_ipv4(range->last);

        return g_strdup_printf("%s-%s", first, last);
}
