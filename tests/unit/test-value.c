/* test-value.c - parser/value: what each text means, why others are refused, and that canonical spellings come back */
#include "tests/unit/refused.h"

#include <locale.h>
#include <string.h>

#define KI (1ull << 10)
#define MI (1ull << 20)
#define GI (1ull << 30)

static void
test_size(void)
{
        static const struct {
                const char *text;
                guint64 bytes;
                const char *canonical;
        } good[] = {
                {"512M", 512 * MI, "512M"},   {"2G", 2 * GI, "2G"},         {"1.5G", 1536 * MI, "1536M"},
                {"20GiB", 20 * GI, "20G"},    {"1GB", GI, "1G"},            {"1gb", GI, "1G"},
                {"4k", 4 * KI, "4K"},         {"1.1G", 1153433 * KI, "1153433K"}, {"1024M", GI, "1G"},
                {"3T", 3072 * GI, "3T"},      {"1P", GI << 20, "1P"},       {"0.5K", 0, NULL},
                {"8191P", 8191 * (GI << 20), "8191P"}, {"007M", 7 * MI, "7M"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                g_autofree char *canonical = NULL;
                guint64 bytes = 1, again = 2;

                if (!good[i].canonical) {
                        g_assert_false(value_parse_size(good[i].text, &bytes, NULL));
                        g_assert_cmpuint(bytes, ==, 1);
                        continue;
                }
                g_assert_true(value_parse_size(good[i].text, &bytes, NULL));
                g_assert_cmpuint(bytes, ==, good[i].bytes);
                canonical = value_format_size(bytes);
                g_assert_cmpstr(canonical, ==, good[i].canonical);
                g_assert_true(value_parse_size(canonical, &again, NULL));
                g_assert_cmpuint(again, ==, bytes);
        }
}

static void
test_size_refused(void)
{
        guint64 bytes = 7;

        REFUSED(value_parse_size("20", &bytes, &fault), "'20' has no unit | did you mean '20G'?");
        REFUSED(value_parse_size("20megs", &bytes, &fault), "'20megs' has the unknown unit 'megs' | did you mean '20M'?");
        REFUSED(value_parse_size("2 G", &bytes, &fault), "'2 G' has a blank before the unit | did you mean '2G'?");
        REFUSED(value_parse_size("2X", &bytes, &fault), "'2X' has the unknown unit 'X' | the units are K, M, G, T and P");
        REFUSED(value_parse_size("1e3", &bytes, &fault), "'1e3' has the unknown unit 'e3' | the units are K, M, G, T and P");
        REFUSED(value_parse_size("1,5G", &bytes, &fault), "'1,5G' has the unknown unit ',5G' | the units are K, M, G, T and P");
        REFUSED(value_parse_size("-1G", &bytes, &fault), "'-1G' is negative");
        REFUSED(value_parse_size("0G", &bytes, &fault), "'0G' is zero");
        REFUSED(value_parse_size("0.0G", &bytes, &fault), "'0.0G' is zero");
        REFUSED(value_parse_size("0.1K", &bytes, &fault), "'0.1K' is less than 1K");
        REFUSED(value_parse_size("1.G", &bytes, &fault), "'1.G' has no digit behind the point");
        REFUSED(value_parse_size("8192P", &bytes, &fault), "'8192P' is larger than any size can be");
        REFUSED(value_parse_size("99999999999999999999G", &bytes, &fault),
                "'99999999999999999999G' is larger than any size can be");
        REFUSED(value_parse_size("big", &bytes, &fault), "'big' is no size | write '20G'");
        REFUSED(value_parse_size("", &bytes, &fault), "'' is no size | write '20G'");
        g_assert_cmpuint(bytes, ==, 7);
}

static void
test_memory(void)
{
        gboolean bare = FALSE;
        guint64 bytes = 0;

        g_assert_true(value_parse_memory("512", &bytes, &bare, NULL));
        g_assert_cmpuint(bytes, ==, 512 * MI);
        g_assert_true(bare);
        g_assert_true(value_parse_memory("512M", &bytes, &bare, NULL));
        g_assert_cmpuint(bytes, ==, 512 * MI);
        g_assert_false(bare);
        g_assert_true(value_parse_memory("1GB", &bytes, NULL, NULL));
        g_assert_cmpuint(bytes, ==, GI);
        REFUSED(value_parse_memory("1.5", &bytes, &bare, &fault), "'1.5' is a fraction without a unit | did you mean '1.5G'?");
        REFUSED(value_parse_memory("0", &bytes, &bare, &fault), "'0' is zero");
        REFUSED(value_parse_memory("2222:22", &bytes, &bare, &fault),
                "'2222:22' has the unknown unit ':22' | the units are K, M, G, T and P");
        REFUSED(value_parse_memory("lots", &bytes, &bare, &fault), "'lots' is no size | write '512M'");
}

static void
test_duration(void)
{
        static const struct {
                const char *text;
                guint64 ms;
                const char *canonical;
        } good[] = {
                {"500ms", 500, "500ms"},       {"30s", 30000, "30s"},          {"5m", 300000, "5m"},
                {"1h30m", 5400000, "1h30m"},
                {"90m", 5400000, "1h30m"},     {"0", 0, "0s"},                 {"0s", 0, "0s"},
                {"1s500ms", 1500, "1s500ms"},  {"48h", 48 * 3600000, "48h"},
        };
        guint64 ms = 7;

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                g_autofree char *canonical = NULL;
                guint64 again = 1;

                g_assert_true(value_parse_duration(good[i].text, &ms, NULL));
                g_assert_cmpuint(ms, ==, good[i].ms);
                canonical = value_format_duration(ms);
                g_assert_cmpstr(canonical, ==, good[i].canonical);
                g_assert_true(value_parse_duration(canonical, &again, NULL));
                g_assert_cmpuint(again, ==, ms);
        }
        REFUSED(value_parse_duration("30", &ms, &fault), "'30' has no unit | did you mean '30s'?");
        REFUSED(value_parse_duration("1h30", &ms, &fault), "'1h30' has no unit | did you mean '1h30m'?");
        REFUSED(value_parse_duration("2d", &ms, &fault), "'2d' has the unknown unit 'd' | did you mean '48h'?");
        REFUSED(value_parse_duration("5min", &ms, &fault),
                "'5min' has the unknown unit 'min' | the units are ms, s, m and h, as in '1h30m'");
        REFUSED(value_parse_duration("1.5h", &ms, &fault),
                "'1.5h' has a fraction | the units are ms, s, m and h, as in '1h30m'");
        REFUSED(value_parse_duration("30m1h", &ms, &fault),
                "'30m1h' has its units in the wrong order | write hours, minutes, seconds: '1h30m'");
        REFUSED(value_parse_duration("1s1s", &ms, &fault),
                "'1s1s' has its units in the wrong order | write hours, minutes, seconds: '1h30m'");
        REFUSED(value_parse_duration("-3s", &ms, &fault), "'-3s' is negative");
        REFUSED(value_parse_duration("soon", &ms, &fault), "'soon' is no duration | write '30s', '5m' or '1h30m'");
        REFUSED(value_parse_duration("99999999999999999999h", &ms, &fault), "'99999999999999999999h' is longer than 100 years");
        REFUSED(value_parse_duration("999999h", &ms, &fault), "'999999h' is longer than 100 years");
}

static void
test_count(void)
{
        gint64 count = 7;

        g_assert_true(value_parse_count("2", 1, 512, &count, NULL));
        g_assert_cmpint(count, ==, 2);
        g_assert_true(value_parse_count("-5", -10, 10, &count, NULL));
        g_assert_cmpint(count, ==, -5);
        g_assert_true(value_parse_count("9223372036854775807", 0, G_MAXINT64, &count, NULL));
        g_assert_cmpint(count, ==, G_MAXINT64);
        REFUSED(value_parse_count("two", 1, 512, &count, &fault), "'two' is no whole number | did you mean '2'?");
        REFUSED(value_parse_count("zero", 1, 512, &count, &fault), "'zero' is no whole number");
        REFUSED(value_parse_count("0", 1, 512, &count, &fault), "'0' is not from 1 to 512");
        REFUSED(value_parse_count("9999", 1, 512, &count, &fault), "'9999' is not from 1 to 512");
        REFUSED(value_parse_count("-1", 1, 512, &count, &fault), "'-1' is not from 1 to 512");
        REFUSED(value_parse_count("99999999999999999999", 1, 512, &count, &fault),
                "'99999999999999999999' is not from 1 to 512");
        REFUSED(value_parse_count("010", 1, 512, &count, &fault), "'010' has a leading zero");
        REFUSED(value_parse_count("2.5", 1, 512, &count, &fault), "'2.5' is no whole number");
        REFUSED(value_parse_count("1_000", 1, 9999, &count, &fault), "'1_000' is no whole number");
        REFUSED(value_parse_count("0x10", 1, 512, &count, &fault), "'0x10' is no whole number");
        REFUSED(value_parse_count("2222:22", 1, 999999, &count, &fault), "'2222:22' is no whole number");
        REFUSED(value_parse_count("+1", 1, 512, &count, &fault), "'+1' is no whole number");
        REFUSED(value_parse_count("", 1, 512, &count, &fault), "'' is no whole number");
        REFUSED(value_parse_count("-", 1, 512, &count, &fault), "'-' is no whole number");
        g_assert_cmpint(count, ==, G_MAXINT64);
}

static void
test_bool(void)
{
        gboolean value = 7;

        REFUSED(value_parse_bool("yes", &value, &fault), "'yes' is neither 'true' nor 'false' | write 'true'");
        REFUSED(value_parse_bool("ON", &value, &fault), "'ON' is neither 'true' nor 'false' | write 'true'");
        REFUSED(value_parse_bool("True", &value, &fault), "'True' is neither 'true' nor 'false' | write 'true'");
        REFUSED(value_parse_bool("no", &value, &fault), "'no' is neither 'true' nor 'false' | write 'false'");
        REFUSED(value_parse_bool("off", &value, &fault), "'off' is neither 'true' nor 'false' | write 'false'");
        REFUSED(value_parse_bool("maybe", &value, &fault), "'maybe' is neither 'true' nor 'false'");
        g_assert_cmpint(value, ==, 7);
        g_assert_true(value_parse_bool("true", &value, NULL));
        g_assert_cmpint(value, ==, TRUE);
        g_assert_cmpstr(value_format_bool(value), ==, "true");
        g_assert_true(value_parse_bool("false", &value, NULL));
        g_assert_cmpint(value, ==, FALSE);
        g_assert_cmpstr(value_format_bool(value), ==, "false");
}

static void
test_mac(void)
{
        struct ether_addr mac;
        g_autofree char *text = NULL;

        g_assert_true(value_parse_mac("52:54:00:AA:0b:01", &mac, NULL));
        text = value_format_mac(&mac);
        g_assert_cmpstr(text, ==, "52:54:00:aa:0b:01");
        REFUSED(value_parse_mac("52:54:00:aa:01", &mac, &fault), "'52:54:00:aa:01' has 5 bytes where a MAC has six");
        REFUSED(value_parse_mac("52:54:00:aa:01:02:03", &mac, &fault),
                "'52:54:00:aa:01:02:03' has 7 bytes where a MAC has six");
        REFUSED(value_parse_mac("52-54-00-aa-00-01", &mac, &fault),
                "'52-54-00-aa-00-01' has no colons between its bytes | did you mean '52:54:00:aa:00:01'?");
        REFUSED(value_parse_mac("53:54:00:aa:00:01", &mac, &fault),
                "'53:54:00:aa:00:01' is a multicast address: the first byte of a MAC is even | "
                "did you mean '52:54:00:aa:00:01'?");
        REFUSED(value_parse_mac("00:00:00:00:00:00", &mac, &fault),
                "'00:00:00:00:00:00' is no address: all its bytes are zero");
        REFUSED(value_parse_mac("52:54:00:aa:00:0g", &mac, &fault),
                "'52:54:00:aa:00:0g' is no MAC address | a MAC is like '52:54:00:12:34:56'");
        REFUSED(value_parse_mac("", &mac, &fault), "'' is no MAC address | a MAC is like '52:54:00:12:34:56'");
        REFUSED(value_parse_mac("printer", &mac, &fault),
                "'printer' is no MAC address | a MAC is like '52:54:00:12:34:56'");
}

static void
test_ipv4(void)
{
        g_autofree char *text = NULL;
        guint32 address = 7;

        REFUSED(value_parse_ipv4("10.80.0.999", &address, &fault), "'10.80.0.999' is no IPv4 address: '999' is more than 255");
        REFUSED(value_parse_ipv4("10.80.0.05", &address, &fault), "'10.80.0.05' is no IPv4 address: '05' has a leading zero");
        REFUSED(value_parse_ipv4("10.80.0", &address, &fault), "'10.80.0' has 3 parts where an IPv4 address has four");
        REFUSED(value_parse_ipv4("10.80..1", &address, &fault), "'10.80..1' is no IPv4 address: a part is empty");
        REFUSED(value_parse_ipv4("10.80.x.1", &address, &fault), "'10.80.x.1' is no IPv4 address: 'x' is no number");
        REFUSED(value_parse_ipv4("10.80.0.1 ", &address, &fault), "'10.80.0.1 ' is no IPv4 address: '1 ' is no number");
        REFUSED(value_parse_ipv4("10.80.0.4294967297", &address, &fault),
                "'10.80.0.4294967297' is no IPv4 address: '4294967297' is more than 255");
        REFUSED(value_parse_ipv4("10.80.0.1/24", &address, &fault),
                "'10.80.0.1/24' is an address with a prefix where one without is meant | did you mean '10.80.0.1'?");
        REFUSED(value_parse_ipv4("fd00::1", &address, &fault), "'fd00::1' is no IPv4 address");
        REFUSED(value_parse_ipv4("dhcp", &address, &fault), "'dhcp' is no IPv4 address | an address is like '10.0.0.5'");
        g_assert_cmpuint(address, ==, 7);
        g_assert_true(value_parse_ipv4("10.80.0.255", &address, NULL));
        g_assert_cmphex(address, ==, 0x0a5000ff);
        text = value_format_ipv4(address);
        g_assert_cmpstr(text, ==, "10.80.0.255");
        g_assert_true(value_parse_ipv4("0.0.0.0", &address, NULL));
        g_assert_cmphex(address, ==, 0);
}

static void
test_cidr4(void)
{
        g_autofree char *text = NULL;
        struct cidr4 network = {7, 7};

        REFUSED(value_parse_cidr4("10.0.0.5/24", &network, &fault),
                "'10.0.0.5/24' is an address inside of a subnet, not the subnet | did you mean '10.0.0.0/24'?");
        REFUSED(value_parse_cidr4("10.0.0.5", &network, &fault), "'10.0.0.5' has no prefix | did you mean '10.0.0.0/24'?");
        REFUSED(value_parse_cidr4("lan", &network, &fault), "'lan' is no subnet | a subnet is like '10.0.0.0/24'");
        REFUSED(value_parse_cidr4("10.0.0.0/33", &network, &fault),
                "'10.0.0.0/33' is no subnet: the prefix is more than 32 | a subnet is like '10.0.0.0/24'");
        REFUSED(value_parse_cidr4("10.0.0.0/", &network, &fault),
                "'10.0.0.0/' is no subnet: the prefix is empty | a subnet is like '10.0.0.0/24'");
        REFUSED(value_parse_cidr4("10.0.0.0/31", &network, &fault),
                "'10.0.0.0/31' is too small a subnet: the prefix is from 8 to 30");
        REFUSED(value_parse_cidr4("0.0.0.0/0", &network, &fault),
                "'0.0.0.0/0' is too large a subnet: the prefix is from 8 to 30");
        REFUSED(value_parse_cidr4("10.0.0.300/24", &network, &fault),
                "'10.0.0.300' is no IPv4 address: '300' is more than 255");
        REFUSED(value_parse_cidr4("10.0.0.0/24/8", &network, &fault),
                "'10.0.0.0/24/8' is no subnet: the prefix is no number | a subnet is like '10.0.0.0/24'");
        g_assert_cmpuint(network.address, ==, 7);
        g_assert_true(value_parse_cidr4("10.20.0.0/16", &network, NULL));
        g_assert_cmphex(network.address, ==, 0x0a140000);
        g_assert_cmpuint(network.prefix, ==, 16);
        text = value_format_cidr4(&network);
        g_assert_cmpstr(text, ==, "10.20.0.0/16");
        g_assert_true(value_parse_cidr4("10.0.0.4/30", &network, NULL));
        g_assert_true(value_parse_cidr4("10.0.0.0/8", &network, NULL));
}

static void
test_range4(void)
{
        g_autofree char *text = NULL;
        struct range4 range = {7, 7};

        REFUSED(value_parse_range4("10.0.0.9-10.0.0.2", &range, &fault),
                "'10.0.0.9-10.0.0.2' ends before it begins | did you mean '10.0.0.2-10.0.0.9'?");
        REFUSED(value_parse_range4("10.0.0.9", &range, &fault),
                "'10.0.0.9' is no range of addresses | a range is like '10.0.0.100-10.0.0.199'");
        REFUSED(value_parse_range4("10.0.0.100-199", &range, &fault),
                "'199' is no IPv4 address | an address is like '10.0.0.5'");
        g_assert_cmpuint(range.first, ==, 7);
        g_assert_true(value_parse_range4("10.0.0.100 - 10.0.0.199", &range, NULL));
        text = value_format_range4(&range);
        g_assert_cmpstr(text, ==, "10.0.0.100-10.0.0.199");
        g_assert_true(value_parse_range4("10.0.0.1-10.0.0.1", &range, NULL));
        g_assert_cmpuint(range.first, ==, range.last);
}

static void
test_ipv6(void)
{
        static const struct {
                const char *text, *canonical;
        } good[] = {
                {"fd00:20::10", "fd00:20::10"}, {"FD00:20:0:0::10", "fd00:20::10"}, {"2001:db8::7", "2001:db8::7"},
                {"fd00:0020:0000:0000:0000:0000:0000:0001", "fd00:20::1"}, {"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
        };
        struct in6_addr address = IN6ADDR_LOOPBACK_INIT;

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                g_autofree char *canonical = NULL;
                struct in6_addr again;

                g_assert_true(value_parse_ipv6(good[i].text, &address, NULL));
                canonical = value_format_ipv6(&address);
                g_assert_cmpstr(canonical, ==, good[i].canonical);
                g_assert_true(value_parse_ipv6(canonical, &again, NULL));
                g_assert_cmpmem(&address, sizeof address, &again, sizeof again);
        }
        REFUSED(value_parse_ipv6("[fd00::1]", &address, &fault),
                "'[fd00::1]' has brackets, which only a URL needs | did you mean 'fd00::1'?");
        REFUSED(value_parse_ipv6("fd00::1/64", &address, &fault),
                "'fd00::1/64' is an address with a prefix where one without is meant | did you mean 'fd00::1'?");
        REFUSED(value_parse_ipv6("fe80::1%eth0", &address, &fault), "'fe80::1%eth0' names an interface, which is known here");
        REFUSED(value_parse_ipv6("10.0.0.1", &address, &fault),
                "'10.0.0.1' is an IPv4 address where an IPv6 address is meant | an address is like 'fd00:20::10'");
        REFUSED(value_parse_ipv6("::ffff:10.0.0.1", &address, &fault),
                "'::ffff:10.0.0.1' is an IPv4 address in IPv6's clothes");
        REFUSED(value_parse_ipv6("::", &address, &fault), "'::' is no address of a host");
        REFUSED(value_parse_ipv6("::1", &address, &fault), "'::1' is the loopback address");
        REFUSED(value_parse_ipv6("ff02::1", &address, &fault), "'ff02::1' is a multicast address");
        REFUSED(value_parse_ipv6("fd00:1", &address, &fault),
                "'fd00:1' is no IPv6 address | an address is like 'fd00:20::10'");
        REFUSED(value_parse_ipv6("", &address, &fault), "'' is no IPv6 address | an address is like 'fd00:20::10'");
        g_assert_cmphex(address.s6_addr[1], ==, 0x64);
}

static void
test_cidr6(void)
{
        struct cidr6 network = {.prefix = 7};
        struct in6_addr address;
        g_autofree char *text = NULL;

        REFUSED(value_parse_cidr6("fd00::/48", &network, &fault),
                "'fd00::/48' has a prefix of 48: guests can form addresses from 64 bits only | did you mean 'fd00::/64'?");
        REFUSED(value_parse_cidr6("fd00:1:2:3:4::/80", &network, &fault),
                "'fd00:1:2:3:4::/80' has a prefix of 80: guests can form addresses from 64 bits only | "
                "did you mean 'fd00:1:2:3::/64'?");
        REFUSED(value_parse_cidr6("fd00::5", &network, &fault), "'fd00::5' has no prefix | did you mean 'fd00::/64'?");
        REFUSED(value_parse_cidr6("fd00::/064", &network, &fault),
                "'fd00::/064' is no subnet: the prefix is no number from 1 to 128 | did you mean 'fd00::/64'?");
        REFUSED(value_parse_cidr6("fd00::5/64", &network, &fault),
                "'fd00::5/64' is an address inside of a subnet, not the subnet | did you mean 'fd00::/64'?");
        REFUSED(value_parse_cidr6("10.0.0.0/24", &network, &fault),
                "'10.0.0.0/24' is an IPv4 subnet where an IPv6 subnet is meant | a subnet is like 'fd00:20::/64'");
        REFUSED(value_parse_cidr6("lan", &network, &fault), "'lan' is no IPv6 address | an address is like 'fd00:20::10'");
        g_assert_cmpuint(network.prefix, ==, 7);
        g_assert_true(value_parse_cidr6("FD00:20:0:0::/64", &network, NULL));
        text = value_format_cidr6(&network);
        g_assert_cmpstr(text, ==, "fd00:20::/64");
        g_assert_true(value_parse_ipv6("fd00:20::ffff:1", &address, NULL));
        g_assert_true(value_in_cidr6(&network, &address));
        g_assert_true(value_parse_ipv6("fd00:20:0:1::1", &address, NULL));
        g_assert_false(value_in_cidr6(&network, &address));
}

static void
test_rate(void)
{
        static const struct {
                const char *text;
                guint64 bits;
                const char *canonical;
        } good[] = {
                {"100M", 100000000, "100M"}, {"1G", 1000000000, "1G"},       {"10k", 10000, "10k"},
                {"10K", 10000, "10k"},       {"100m", 100000000, "100M"},    {"1.5G", 1500000000, "1500M"},
                {"10kbit", 10000, "10k"},    {"1Gbit/s", 1000000000, "1G"},  {"64000bit", 64000, "64k"},
                {"1234bit", 1234, "1234bit"}, {"0.5k", 500, "500bit"},       {"1000T", 1000000000000000, "1000T"},
                {"1.0000009M", 1000000, "1M"},
        };
        guint64 bits = 7;

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                g_autofree char *canonical = NULL;
                guint64 again = 1;

                g_assert_true(value_parse_rate(good[i].text, &bits, NULL));
                g_assert_cmpuint(bits, ==, good[i].bits);
                canonical = value_format_rate(bits);
                g_assert_cmpstr(canonical, ==, good[i].canonical);
                g_assert_true(value_parse_rate(canonical, &again, NULL));
                g_assert_cmpuint(again, ==, bits);
        }
        REFUSED(value_parse_rate("100", &bits, &fault), "'100' has no unit | did you mean '100M', in bits per second?");
        REFUSED(value_parse_rate("0", &bits, &fault), "'0' is zero | remove the key for no limit, or write 'link: down'");
        REFUSED(value_parse_rate("0.1bit", &bits, &fault), "'0.1bit' is less than one bit per second");
        REFUSED(value_parse_rate("10MB", &bits, &fault),
                "'10MB' has the unknown unit 'MB' | a rate is in bits per second: did you mean '80M'?");
        REFUSED(value_parse_rate("1000KiB/s", &bits, &fault),
                "'1000KiB/s' has the unknown unit 'KiB/s' | a rate is in bits per second: did you mean '8192k'?");
        REFUSED(value_parse_rate("1GiB", &bits, &fault),
                "'1GiB' has the unknown unit 'GiB' | a rate is in bits per second: did you mean '8589934592bit'?");
        REFUSED(value_parse_rate("5kbyte", &bits, &fault),
                "'5kbyte' has the unknown unit 'kbyte' | a rate is in bits per second: did you mean '40k'?");
        REFUSED(value_parse_rate("10Mbps", &bits, &fault),
                "'10Mbps' has the unknown unit 'Mbps' | did you mean '10M', in bits per second?");
        REFUSED(value_parse_rate("1.5Mb", &bits, &fault),
                "'1.5Mb' has the unknown unit 'Mb' | did you mean '1.5M', in bits per second?");
        REFUSED(value_parse_rate("10 M", &bits, &fault), "'10 M' has a blank before the unit | did you mean '10M'?");
        REFUSED(value_parse_rate("10Mi", &bits, &fault),
                "'10Mi' has the unknown unit 'Mi' | the units are k, M, G and T, of bits per second");
        REFUSED(value_parse_rate("10X", &bits, &fault),
                "'10X' has the unknown unit 'X' | the units are k, M, G and T, of bits per second");
        REFUSED(value_parse_rate("1001T", &bits, &fault), "'1001T' is faster than any network");
        REFUSED(value_parse_rate("1000.000002T", &bits, &fault), "'1000.000002T' is faster than any network");
        REFUSED(value_parse_rate("99999999999999999999999M", &bits, &fault),
                "'99999999999999999999999M' is faster than any network");
        REFUSED(value_parse_rate("-1M", &bits, &fault), "'-1M' is negative");
        REFUSED(value_parse_rate("fast", &bits, &fault), "'fast' is no rate | write '100M', in bits per second");
        REFUSED(value_parse_rate("", &bits, &fault), "'' is no rate | write '100M', in bits per second");
        g_assert_cmpuint(bits, ==, 1000000);
}

static void
test_percent(void)
{
        static const struct {
                const char *text;
                guint ppm;
                const char *canonical;
        } good[] = {
                {"1%", 10000, "1%"},      {"0.25%", 2500, "0.25%"}, {"100%", 1000000, "100%"}, {"0", 0, "0%"},
                {"0%", 0, "0%"},          {"0.0001%", 1, "0.0001%"}, {"12.50%", 125000, "12.5%"}, {"1.00000%", 10000, "1%"},
        };
        guint ppm = 7;

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                g_autofree char *canonical = NULL;
                guint again = 1;

                g_assert_true(value_parse_percent(good[i].text, &ppm, NULL));
                g_assert_cmpuint(ppm, ==, good[i].ppm);
                canonical = value_format_percent(ppm);
                g_assert_cmpstr(canonical, ==, good[i].canonical);
                g_assert_true(value_parse_percent(canonical, &again, NULL));
                g_assert_cmpuint(again, ==, ppm);
        }
        REFUSED(value_parse_percent("0.01", &ppm, &fault), "'0.01' has no '%' | did you mean '1%'?");
        REFUSED(value_parse_percent("0.5", &ppm, &fault), "'0.5' has no '%' | did you mean '50%'?");
        REFUSED(value_parse_percent("5", &ppm, &fault), "'5' has no '%' | did you mean '5%'?");
        REFUSED(value_parse_percent("1 %", &ppm, &fault), "'1 %' is no percentage | did you mean '1%'?");
        REFUSED(value_parse_percent("1.5pct", &ppm, &fault), "'1.5pct' is no percentage | did you mean '1.5%'?");
        REFUSED(value_parse_percent("100.0001%", &ppm, &fault), "'100.0001%' is more than 100%");
        REFUSED(value_parse_percent("99999999999999999999%", &ppm, &fault), "'99999999999999999999%' is more than 100%");
        REFUSED(value_parse_percent("1.00001%", &ppm, &fault), "'1.00001%' has more than 4 decimals");
        REFUSED(value_parse_percent("1.0000000001%", &ppm, &fault), "'1.0000000001%' has more than 4 decimals");
        REFUSED(value_parse_percent("-1%", &ppm, &fault), "'-1%' is negative");
        REFUSED(value_parse_percent("", &ppm, &fault), "'' is no percentage | write '1%'");
        g_assert_cmpuint(ppm, ==, 10000);
}

static void
test_names(void)
{
        g_assert_true(value_check_name("db-data", NULL));
        REFUSED(value_check_name("db_data", &fault),
                "'db_data' is no name: only a-z, 0-9 and, in between, '-' are allowed | did you mean 'db-data'?");
        REFUSED(value_check_name("Web Server", &fault),
                "'Web Server' is no name: only a-z, 0-9 and, in between, '-' are allowed | did you mean 'web-server'?");
        REFUSED(value_check_name("x-web", &fault), "'x-web' is no name: 'x-' begins what drover ignores | did you mean 'web'?");
        REFUSED(value_check_name("", &fault), "'' is no name: it is empty");
        REFUSED(value_check_name("\xc3\xa4", &fault), "'\xc3\xa4' is no name: only a-z, 0-9 and, in between, '-' are allowed");
        REFUSED(value_check_name("a\x1b[31m", &fault),
                "'a\\x1b[31m' is no name: only a-z, 0-9 and, in between, '-' are allowed | did you mean 'a31m'?");
        REFUSED(value_check_name("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &fault),
                "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' is no name: it is longer than 40 characters | "
                "did you mean 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'?");

        g_assert_true(value_check_interface("br-lan", NULL));
        g_assert_true(value_check_interface("enp0s31f6.1234", NULL));
        REFUSED(value_check_interface("bridge-for-the-lan", &fault),
                "'bridge-for-the-lan' is no interface name: it has 18 bytes, and 15 are the most");
        REFUSED(value_check_interface("a/b", &fault),
                "'a/b' is no interface name: no blank, '/', ':' or '%', and ASCII only");
        REFUSED(value_check_interface("..", &fault), "'..' is no interface name");
        REFUSED(value_check_interface("", &fault), "'' is no interface name: it is empty");
        REFUSED(value_check_interface("a b", &fault),
                "'a b' is no interface name: no blank, '/', ':' or '%', and ASCII only");
}

static void
test_quote_is_bounded(void)
{
        g_autofree char *huge = g_strnfill(1 << 20, 'a');
        g_auto(value_fault) fault = VALUE_FAULT_INIT;
        g_autofree char *quoted = value_quote(huge);
        gboolean value;

        g_assert_cmpuint(strlen(quoted), ==, 60 + 5);
        g_assert_false(value_parse_bool(huge, &value, &fault));
        g_assert_cmpuint(strlen(fault.reason), <, 200);
        g_assert_false(value_check_name(huge, &fault)); /* the same fault again: replaced, not leaked */
        g_assert_cmpuint(strlen(fault.reason) + strlen(fault.hint), <, 300);
}

int
main(int argc, char **argv)
{
        setlocale(LC_ALL, "");
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/value/size", test_size);
        g_test_add_func("/value/size/refused", test_size_refused);
        g_test_add_func("/value/memory", test_memory);
        g_test_add_func("/value/duration", test_duration);
        g_test_add_func("/value/count", test_count);
        g_test_add_func("/value/bool", test_bool);
        g_test_add_func("/value/mac", test_mac);
        g_test_add_func("/value/ipv4", test_ipv4);
        g_test_add_func("/value/cidr4", test_cidr4);
        g_test_add_func("/value/range4", test_range4);
        g_test_add_func("/value/ipv6", test_ipv6);
        g_test_add_func("/value/cidr6", test_cidr6);
        g_test_add_func("/value/rate", test_rate);
        g_test_add_func("/value/percent", test_percent);
        g_test_add_func("/value/names", test_names);
        g_test_add_func("/value/quote", test_quote_is_bounded);
        return g_test_run();
}
