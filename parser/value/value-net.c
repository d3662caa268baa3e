/* value-net.c - more of value.h: IPv6 addresses and subnets, rates, percentages */
#include "parser/value/value.h"

#include <arpa/inet.h>
#include <string.h>

enum { SUBNET6_PREFIX = 64, PERCENT_DECIMALS = 4 };

#define RATE_MAX_BITS G_GUINT64_CONSTANT(1000000000000000)

/* ---- IPv6 ---- */

/* An address that no host of a network can be given, or NULL. */
static const char *
special_kind(const struct in6_addr *address)
{
        return IN6_IS_ADDR_UNSPECIFIED(address)                                 ? "no address of a host"
               : IN6_IS_ADDR_LOOPBACK(address)                                  ? "the loopback address"
               : IN6_IS_ADDR_MULTICAST(address)                                 ? "a multicast address"
               : IN6_IS_ADDR_LINKLOCAL(address)                                 ? "a link-local address, of one link alone"
               : IN6_IS_ADDR_V4MAPPED(address) || IN6_IS_ADDR_V4COMPAT(address) ? "an IPv4 address in IPv6's clothes"
                                                                                : NULL;
}

/* Why a text is no IPv6 address at all. */
static gboolean
fail_ipv6(const char *text, struct value_fault *fault)
{
        const char *example = "an address is like 'fd00:20::10'";
        const char *twice = strstr(text, "::");
        size_t length = strlen(text);
        guint32 address;

        if (length > 2 && text[0] == '[' && text[length - 1] == ']' && length < 60)
                return value_fail(fault, "ipv6-brackets", text,
                                  g_strdup_printf("did you mean '%.*s'?", (int)length - 2, text + 1),
                                  "has brackets, which only a URL needs");
        if (strchr(text, '/') && length < 60)
                return value_fail(fault, "ipv6-prefix", text,
                                  g_strdup_printf("did you mean '%.*s'?", (int)strcspn(text, "/"), text),
                                  "is an address with a prefix where one without is meant");
        if (strchr(text, '%'))
                return value_fail(fault, "ipv6-zone", text, NULL, "names an interface, which is known here");
        if (value_parse_ipv4(text, &address, NULL))
                return value_fail(fault, "ipv6-is-ipv4", text, g_strdup(example),
                                  "is an IPv4 address where an IPv6 address is meant");
        if (twice && strstr(twice + 2, "::"))
                return value_fail(fault, "ipv6-zeros", text, g_strdup("'::' may stand once, for the zeros"), "has '::' twice");
        return value_fail(fault, "ipv6-bad", text, g_strdup(example), "is no IPv6 address");
}

gboolean
value_parse_ipv6(const char *text, struct in6_addr *ret_address, struct value_fault *fault)
{
        struct in6_addr address;
        const char *kind;

        if (inet_pton(AF_INET6, text, &address) != 1)
                return fail_ipv6(text, fault);
        kind = special_kind(&address);
        if (kind)
                return value_fail(fault, "ipv6-special", text, NULL, "is %s", kind);
        *ret_address = address;
        return TRUE;
}

char *
value_format_ipv6(const struct in6_addr *address)
{
        char text[INET6_ADDRSTRLEN];

        return g_strdup(inet_ntop(AF_INET6, address, text, sizeof text));
}

/* "64", without leading zeros; 0 where it is no such number. */
static guint
read_prefix(const char *text)
{
        gint64 prefix = 0;

        return value_parse_count(text, 1, 128, &prefix, NULL) ? (guint)prefix : 0;
}

/* Its subnet of 64 bits, as a suggestion. */
static char *
hint_cidr6(const struct in6_addr *address)
{
        struct cidr6 network = {*address, SUBNET6_PREFIX};
        g_autofree char *right = NULL;

        memset(network.address.s6_addr + SUBNET6_PREFIX / 8, 0, sizeof network.address - SUBNET6_PREFIX / 8);
        right = value_format_cidr6(&network);
        return g_strdup_printf("did you mean '%s'?", right);
}

gboolean
value_parse_cidr6(const char *text, struct cidr6 *ret_network, struct value_fault *fault)
{
        const char *slash = strchr(text, '/');
        g_autofree char *part = g_strndup(text, slash ? (gsize)(slash - text) : strlen(text));
        const char *example = "a subnet is like 'fd00:20::/64'";
        struct in6_addr address;
        struct cidr4 ipv4;
        guint prefix;

        if (value_parse_cidr4(text, &ipv4, NULL))
                return value_fail(fault, "cidr6-is-ipv4", text, g_strdup(example),
                                  "is an IPv4 subnet where an IPv6 subnet is meant");
        if (!value_parse_ipv6(part, &address, fault))
                return FALSE;
        if (!slash)
                return value_fail(fault, "cidr6-no-prefix", text, hint_cidr6(&address), "has no prefix");
        prefix = read_prefix(slash + 1);
        if (!prefix)
                return value_fail(fault, "cidr6-prefix", text, hint_cidr6(&address),
                                  "is no subnet: the prefix is no number from 1 to 128");
        if (prefix != SUBNET6_PREFIX)
                return value_fail(fault, "cidr6-size", text, hint_cidr6(&address),
                                  "has a prefix of %u: guests can form addresses from %d bits only", prefix, SUBNET6_PREFIX);
        for (size_t i = SUBNET6_PREFIX / 8; i < sizeof address; i++)
                if (address.s6_addr[i])
                        return value_fail(fault, "cidr6-host-bits", text, hint_cidr6(&address),
                                          "is an address inside of a subnet, not the subnet");
        *ret_network = (struct cidr6){address, SUBNET6_PREFIX};
        return TRUE;
}

char *
value_format_cidr6(const struct cidr6 *network)
{
        g_autofree char *address = value_format_ipv6(&network->address);

        return g_strdup_printf("%s/%u", address, network->prefix);
}

gboolean
value_in_cidr6(const struct cidr6 *network, const struct in6_addr *address)
{
        return memcmp(&network->address, address, SUBNET6_PREFIX / 8) == 0;
}

/* ---- numbers with a fraction ---- */

struct decimal {
        guint64 whole;
        guint64 millionths; /* of which six digits count */
        gboolean exact;     /* no digit but zeros behind them */
        const char *end;
};

/* "1.5" and what is behind it. A whole part that exceeds every limit stays just above them. */
static struct decimal
read_decimal(const char *text)
{
        struct decimal decimal = {.exact = TRUE};
        guint64 weight = 100000;

        for (; g_ascii_isdigit(*text); text++)
                decimal.whole = MIN(decimal.whole * 10 + (guint64)(*text - '0'), RATE_MAX_BITS + 1);
        if (*text == '.' && g_ascii_isdigit(text[1])) {
                for (text++; g_ascii_isdigit(*text); text++, weight /= 10) {
                        decimal.millionths += weight * (guint64)(*text - '0');
                        if (!weight && *text != '0')
                                decimal.exact = FALSE;
                }
        }
        decimal.end = text;
        return decimal;
}

/* ---- rates ---- */

static const struct {
        const char *letter;
        guint64 bits;
} rate_units[] = {{"T", G_GUINT64_CONSTANT(1000000000000)}, {"G", 1000000000}, {"M", 1000000}, {"k", 1000}};

/* The factor of "M", "m", "Mbit", "mbit/s" or "bit"; 0 where it is none of these. */
static guint64
rate_factor(const char *unit)
{
        guint64 factor = 1;

        for (size_t i = 0; i < G_N_ELEMENTS(rate_units) && factor == 1; i++)
                if (g_ascii_toupper(*unit) == g_ascii_toupper(*rate_units[i].letter))
                        factor = rate_units[i].bits;
        if (factor > 1 && !unit[1])
                return factor;
        unit += factor > 1;
        return g_ascii_strcasecmp(unit, "bit") == 0 || g_ascii_strcasecmp(unit, "bit/s") == 0 ? factor : 0;
}

/* libvirt and tc are fond of bytes: "MB", "MiB/s", "kbyte". To tc "Mbps" is bytes too, to most people it is bits. */
static char *
hint_rate(const struct decimal *decimal, const char *number, const char *unit)
{
        gboolean binary = *unit && g_ascii_tolower(unit[1]) == 'i';
        const char *rest = *unit ? unit + 1 + binary : unit;
        g_autofree char *letter = g_strndup(unit, 1), *right = NULL;
        guint64 factor = rate_factor(letter);

        if (!factor || !decimal->whole || decimal->whole > 1000000)
                return NULL;
        if (!binary && (strcmp(rest, "b") == 0 || strcmp(rest, "bps") == 0 || strcmp(rest, "b/s") == 0))
                return g_strdup_printf("did you mean '%.*s%s', in bits per second?", (int)(unit - number), number, letter);
        if (decimal->millionths || (*rest != 'B' && !g_str_has_prefix(rest, "byte")))
                return NULL;
        for (guint64 rest_of_it = factor; binary && rest_of_it > 1; rest_of_it /= 1000)
                factor = factor / 1000 * 1024; /* exact: the factor is a power of 1000 as often as it is divided */
        if (decimal->whole > RATE_MAX_BITS / 8 / factor)
                return NULL;
        right = value_format_rate(decimal->whole * factor * 8);
        return g_strdup_printf("a rate is in bits per second: did you mean '%s'?", right);
}

static gboolean
fail_rate_unit(const char *text, const struct decimal *decimal, struct value_fault *fault)
{
        const char *blank = decimal->end + strspn(decimal->end, " \t");
        g_autofree char *quoted = value_quote(blank);
        int length = (int)MIN(decimal->end - text, 20);
        char *hint = hint_rate(decimal, text, decimal->end);

        if (!*blank)
                return value_fail(fault, "rate-no-unit", text,
                                  g_strdup_printf("did you mean '%.*sM', in bits per second?", length, text), "has no unit");
        if (!hint && blank != decimal->end && rate_factor(blank))
                return value_fail(fault, "rate-blank", text, g_strdup_printf("did you mean '%.*s%s'?", length, text, blank),
                                  "has a blank before the unit");
        if (!hint)
                hint = g_strdup("the units are k, M, G and T, of bits per second");
        return value_fail(fault, "rate-unit", text, hint, "has the unknown unit %s", quoted);
}

gboolean
value_parse_rate(const char *text, guint64 *ret_bits, struct value_fault *fault)
{
        struct decimal decimal;
        unsigned __int128 bits;
        guint64 factor;

        if (*text == '-' && g_ascii_isdigit(text[1]))
                return value_fail(fault, "rate-negative", text, NULL, "is negative");
        if (!g_ascii_isdigit(*text))
                return value_fail(fault, "rate-bad", text, g_strdup("write '100M', in bits per second"), "is no rate");
        decimal = read_decimal(text);
        if (!decimal.whole && !decimal.millionths)
                return value_fail(fault, "rate-zero", text, g_strdup("remove the key for no limit, or write 'link: down'"),
                                  "is zero");
        factor = rate_factor(decimal.end);
        if (!factor)
                return fail_rate_unit(text, &decimal, fault);
        bits = (unsigned __int128)decimal.whole * factor + (unsigned __int128)decimal.millionths * factor / 1000000;
        if (bits > RATE_MAX_BITS)
                return value_fail(fault, "rate-huge", text, NULL, "is faster than any network");
        if (bits == 0)
                return value_fail(fault, "rate-fraction", text, NULL, "is less than one bit per second");
        *ret_bits = (guint64)bits;
        return TRUE;
}

char *
value_format_rate(guint64 bits)
{
        for (size_t i = 0; i < G_N_ELEMENTS(rate_units); i++)
                if (bits && bits % rate_units[i].bits == 0)
                        return g_strdup_printf("%" G_GUINT64_FORMAT "%s", bits / rate_units[i].bits, rate_units[i].letter);
        return g_strdup_printf("%" G_GUINT64_FORMAT "bit", bits);
}

/* ---- percentages ---- */

/* What was meant without the sign: a share of one below 1, a percentage from 1 on. */
static char *
hint_percent(const char *text, const struct decimal *decimal)
{
        guint64 ppm = decimal->whole * 1000000 + decimal->millionths;
        g_autofree char *right = NULL;

        if (!decimal->exact || decimal->whole > 100)
                return g_strdup("write '1%'");
        if (decimal->whole >= 1)
                return g_strdup_printf("did you mean '%.*s%%'?", (int)MIN(decimal->end - text, 20), text);
        right = value_format_percent((guint)ppm);
        return g_strdup_printf("did you mean '%s'?", right);
}

gboolean
value_parse_percent(const char *text, guint *ret_ppm, struct value_fault *fault)
{
        struct decimal decimal;
        guint64 ppm;

        if (*text == '-' && g_ascii_isdigit(text[1]))
                return value_fail(fault, "percent-negative", text, NULL, "is negative");
        if (strcmp(text, "0") == 0) {
                *ret_ppm = 0;
                return TRUE;
        }
        if (!g_ascii_isdigit(*text))
                return value_fail(fault, "percent-bad", text, g_strdup("write '1%'"), "is no percentage");
        decimal = read_decimal(text);
        if (strcmp(decimal.end, "%") != 0)
                return value_fail(fault, "percent-sign", text, hint_percent(text, &decimal),
                                  *decimal.end ? "is no percentage" : "has no '%%'");
        ppm = decimal.whole * 10000 + decimal.millionths / 100;
        if (ppm > 1000000 || decimal.whole > 100)
                return value_fail(fault, "percent-above", text, NULL, "is more than 100%%");
        if (!decimal.exact || decimal.millionths % 100)
                return value_fail(fault, "percent-decimals", text, NULL, "has more than %d decimals", PERCENT_DECIMALS);
        *ret_ppm = (guint)ppm;
        return TRUE;
}

char *
value_format_percent(guint ppm)
{
        guint decimals = PERCENT_DECIMALS, fraction = ppm % 10000;

        if (!fraction)
                return g_strdup_printf("%u%%", ppm / 10000);
        for (; fraction % 10 == 0; decimals--)
                fraction /= 10;
        return g_strdup_printf("%u.%0*u%%", ppm / 10000, (int)decimals, fraction);
}
