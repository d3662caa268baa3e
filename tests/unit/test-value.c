/* test-value.c - parser/value: what each text means, why others are refused, and that canonical spellings come back */
#include "parser/value.h"

#include <locale.h>
#include <string.h>

/* What a refused text is told: the reason, and the hint behind " | " where there is one. */
static char *
told(const struct value_fault *fault)
{
        return fault->hint ? g_strdup_printf("%s | %s", fault->reason, fault->hint) : g_strdup(fault->reason);
}

static void
check_told(gboolean parsed, const struct value_fault *fault, const char *expected)
{
        g_autofree char *text = NULL;

        g_assert_false(parsed);
        g_assert_nonnull(fault->id);
        g_assert_nonnull(fault->reason);
        text = told(fault);
        g_assert_cmpstr(text, ==, expected);
}

#define REFUSED(call, expected)                                                                                                \
        do {                                                                                                                   \
                g_auto(value_fault) fault = VALUE_FAULT_INIT;                                                                  \
                check_told(call, &fault, expected);                                                                            \
        } while (0)

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
        g_test_add_func("/value/names", test_names);
        g_test_add_func("/value/quote", test_quote_is_bounded);
        return g_test_run();
}
