/* test-value-guest.c - parser/value-port, value-guest: ports, addresses of the host, restart, devices, models, patterns */
#include "tests/unit/refused.h"

/* Text, and its canonical spelling; NULL: it is that already. */
struct spelling {
        const char *text, *canonical;
};

/* Each text parses, is formatted as expected, and what it is formatted to is formatted to itself. */
#define ROUND_TRIP(type, parse, format, good)                                                                                  \
        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {                                                                      \
                type value = {0}, again = {0};                                                                                 \
                g_autofree char *first = NULL, *second = NULL;                                                                 \
                                                                                                                               \
                g_test_message("%s", good[i].text);                                                                            \
                g_assert_true(parse(good[i].text, &value, NULL));                                                              \
                first = format(&value);                                                                                        \
                g_assert_cmpstr(first, ==, good[i].canonical ? good[i].canonical : good[i].text);                              \
                g_assert_true(parse(first, &again, NULL));                                                                     \
                second = format(&again);                                                                                       \
                g_assert_cmpstr(second, ==, first);                                                                            \
        }

static void
test_port(void)
{
        static const struct spelling good[] = {
                {"8080:80", NULL},
                {"2222:22", NULL},
                {"8080:80/tcp", "8080:80"},
                {"5353:53/udp", NULL},
                {"127.0.0.1:5353:53/udp", NULL},
                {"0.0.0.0:80:80", NULL},
                {"8000-8010:80-90", NULL},
                {"8000-8000:80-80", "8000:80"},
                {"8000-8002:80", NULL},
                {"[::1]:80:80", NULL},
                {"[FD00:0::1]:1-2:65534-65535/udp", "[fd00::1]:1-2:65534-65535/udp"},
        };
        struct port port = {.name = "kept"};

        ROUND_TRIP(struct port, value_parse_port, value_format_port, good)
        g_assert_true(value_parse_port("127.0.0.1:5353:53/udp", &port, NULL));
        g_assert_cmpstr(port.name, ==, "kept");
        g_assert_cmpint(port.host.family, ==, AF_INET);
        g_assert_cmphex(port.host.v4, ==, 0x7f000001);
        g_assert_cmpuint(port.published.first, ==, 5353);
        g_assert_cmpuint(port.target.last, ==, 53);
        g_assert_cmpint(port.protocol, ==, PROTOCOL_UDP);
        g_assert_true(value_parse_port("2222:22", &port, NULL));
        g_assert_cmpint(port.host.family, ==, 0);
}

static void
test_port_refused(void)
{
        struct port port = {.target = {7, 7}};

        REFUSED(value_parse_port("80", &port, &fault),
                "'80' names no port of the host: drover takes no random one | write '8080:80'");
        REFUSED(value_parse_port("8443", &port, &fault),
                "'8443' names no port of the host: drover takes no random one | write '8443:8443'");
        REFUSED(value_parse_port("80-82/udp", &port, &fault),
                "'80-82/udp' names no port of the host: drover takes no random one | write '8080-8082:80-82'");
        REFUSED(value_parse_port(":80", &port, &fault),
                "':80' names no port of the host: drover takes no random one | write '8080:80'");
        REFUSED(value_parse_port("127.0.0.1::80", &port, &fault),
                "'127.0.0.1::80' names no port of the host: drover takes no random one | write '8080:80'");
        REFUSED(value_parse_port("", &port, &fault), "'' is no port: a port is a number from 1 to 65535");
        REFUSED(value_parse_port("8080:", &port, &fault), "'' is no port: a port is a number from 1 to 65535");
        REFUSED(value_parse_port("8080:http", &port, &fault), "'http' is no port: a port is a number from 1 to 65535");
        REFUSED(value_parse_port("8080:80-", &port, &fault), "'' is no port: a port is a number from 1 to 65535");
        REFUSED(value_parse_port("8080:1-2-3", &port, &fault), "'2-3' is no port: a port is a number from 1 to 65535");
        REFUSED(value_parse_port("8080:+80", &port, &fault), "'+80' is no port: a port is a number from 1 to 65535");
        REFUSED(value_parse_port("0:80", &port, &fault),
                "'0' is no port: drover takes no random one | write the port that is meant, such as 8080");
        REFUSED(value_parse_port("65536:80", &port, &fault), "'65536' is no port: the highest is 65535");
        REFUSED(value_parse_port("99999999999999999999:80", &port, &fault),
                "'99999999999999999999' is no port: the highest is 65535");
        REFUSED(value_parse_port("080:80", &port, &fault), "'080' is no port: it has a leading zero");
        REFUSED(value_parse_port("90-80:90-80", &port, &fault), "'90-80' ends before it begins | did you mean '80-90'?");
        REFUSED(value_parse_port("8080:80/sctp", &port, &fault),
                "'sctp' is no protocol | write '/tcp' or '/udp' at the end, or nothing for tcp");
        REFUSED(value_parse_port("localhost:8080:80", &port, &fault),
                "'localhost' is a name where an address is meant | write '127.0.0.1'");
        REFUSED(value_parse_port("::1:8080:80", &port, &fault),
                "'::1:8080:80' has too many colons | an IPv6 address stands in brackets: '[::1]:8080:80'");
        REFUSED(value_parse_port("[::1:8080:80", &port, &fault),
                "'[::1:8080:80' has an address in brackets without a port behind it | write '[::1]:8080:80'");
        REFUSED(value_parse_port("[::1]", &port, &fault),
                "'[::1]' has an address in brackets without a port behind it | write '[::1]:8080:80'");
        g_assert_cmpuint(port.target.first, ==, 7);
}

static void
test_endpoint(void)
{
        static const struct spelling good[] = {
                {"127.0.0.1", NULL}, {"127.0.0.1:5901", NULL}, {"::1", NULL},
                {"[::1]", "::1"},    {"[::1]:5901", NULL},     {"0.0.0.0", NULL},
                {"::", NULL},        {"[::]:1", NULL},         {"2001:DB8::0:1", "2001:db8::1"},
        };
        struct endpoint endpoint;

        ROUND_TRIP(struct endpoint, value_parse_endpoint, value_format_endpoint, good)
        REFUSED(value_parse_endpoint("5901", &endpoint, &fault),
                "'5901' is a port without an address | write '127.0.0.1:5901'");
        REFUSED(value_parse_endpoint("", &endpoint, &fault), "'' is no address: it is empty | write '127.0.0.1'");
        REFUSED(value_parse_endpoint("localhost:5901", &endpoint, &fault),
                "'localhost' is a name where an address is meant | write '127.0.0.1'");
        REFUSED(value_parse_endpoint("127.0.0.1:0", &endpoint, &fault),
                "'0' is no port: drover takes no random one | write the port that is meant, such as 8080");
        REFUSED(value_parse_endpoint("127.0.0:1", &endpoint, &fault), "'127.0.0' has 3 parts where an IPv4 address has four");
        REFUSED(value_parse_endpoint("ff02::1", &endpoint, &fault), "'ff02::1' is a multicast address, which no host has");
        REFUSED(value_parse_endpoint("fe80::1%eth0", &endpoint, &fault),
                "'fe80::1%eth0' is no IPv6 address | an IPv6 address is like 'fd00::5', or '::1'");
        REFUSED(value_parse_endpoint("[]", &endpoint, &fault), "'[]' is no IPv4 address | an address is like '10.0.0.5'");
}

static void
test_restart(void)
{
        static const struct spelling good[] = {
                {"no", NULL},         {"always", NULL},       {"unless-stopped", NULL},
                {"on-failure", NULL}, {"on-failure:5", NULL}, {"on-failure:1000", NULL},
        };
        struct restart restart;

        ROUND_TRIP(struct restart, value_parse_restart, value_format_restart, good)
        REFUSED(value_parse_restart("false", &restart, &fault), "'false' is no restart policy | write 'no'");
        REFUSED(value_parse_restart("True", &restart, &fault), "'True' is no restart policy | write 'always'");
        REFUSED(value_parse_restart("on_failure", &restart, &fault), "'on_failure' is no restart policy | write 'on-failure'");
        REFUSED(value_parse_restart("sometimes", &restart, &fault),
                "'sometimes' is none of: no, on-failure, on-failure:5, always, unless-stopped");
        REFUSED(value_parse_restart("", &restart, &fault),
                "'' is none of: no, on-failure, on-failure:5, always, unless-stopped");
        REFUSED(value_parse_restart("on-failure:", &restart, &fault),
                "'on-failure:' has no number of tries from 1 to 1000 | write 'on-failure:5', or 'on-failure' for no limit");
        REFUSED(value_parse_restart("on-failure:1001", &restart, &fault),
                "'on-failure:1001' has no number of tries from 1 to 1000 | write 'on-failure:5', or 'on-failure' for no limit");
        REFUSED(value_parse_restart("no:1", &restart, &fault),
                "'no:1' has a number, which only on-failure takes | write 'on-failure:5'");
}

static void
test_devices(void)
{
        static const struct spelling pci[] = {{"0000:01:00.0", NULL}, {"ffff:ff:1f.7", NULL}, {"ABCD:0A:1F.1", "abcd:0a:1f.1"}};
        static const struct spelling usb[] = {{"046d:c52b", NULL}, {"046D:C52B", "046d:c52b"}};
        static const char *const no_pci[] = {"", "0000:01:00", "0000:01:20.0", "0000:01:00.8", "0000:01:00.0 ", "0000:1:00.0"};
        static const char *const no_usb[] = {"", "046d", "046d:c52", "046d:c52bb", "0x046d:0xc52b", "046d-c52b"};
        struct pci_address address;
        struct usb_id id;

        ROUND_TRIP(struct pci_address, value_parse_pci, value_format_pci, pci)
        ROUND_TRIP(struct usb_id, value_parse_usb, value_format_usb, usb)
        REFUSED(value_parse_pci("01:00.0", &address, &fault),
                "'01:00.0' has no domain in front | did you mean '0000:01:00.0'?");
        for (size_t i = 0; i < G_N_ELEMENTS(no_pci); i++)
                g_assert_false(value_parse_pci(no_pci[i], &address, NULL));
        for (size_t i = 0; i < G_N_ELEMENTS(no_usb); i++)
                g_assert_false(value_parse_usb(no_usb[i], &id, NULL));
}

static void
test_forms(void)
{
        g_autofree char *long_text = g_strnfill(1025, 'a');

        g_assert_true(value_check_cpu_model("host", NULL));
        g_assert_true(value_check_cpu_model("Skylake-Server-v4", NULL));
        g_assert_false(value_check_cpu_model("", NULL));
        g_assert_false(value_check_cpu_model("host,migratable=no", NULL));
        g_assert_false(value_check_cpu_model(long_text, NULL));
        g_assert_true(value_check_regex("login: $", NULL));
        g_assert_true(value_check_regex(long_text + 1, NULL));
        g_assert_true(value_check_regex("[\xff\xff\xff\xff::1]:", NULL)); /* bytes: GLib would not check them as text */
        REFUSED(value_check_regex("login(", &fault),
                "'login(' is no regular expression | missing terminating ), at character 6");
        REFUSED(value_check_regex("", &fault), "'' is empty, and so found in any text | write what the console shows, such as "
                                               "'login:'");
        g_assert_false(value_check_regex(long_text, NULL));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/value/port", test_port);
        g_test_add_func("/value/port/refused", test_port_refused);
        g_test_add_func("/value/endpoint", test_endpoint);
        g_test_add_func("/value/restart", test_restart);
        g_test_add_func("/value/devices", test_devices);
        g_test_add_func("/value/forms", test_forms);
        return g_test_run();
}
