/* test-lab.c - names, marks and checks that follow from a project's names */
#include "network/lab.h"

#include "base/error.h"

#include <string.h>

static void
test_names(void)
{
        g_autofree char *lan = lab_bridge_name("shop", "lan"), *again = lab_bridge_name("shop", "lan");
        g_autofree char *other = lab_bridge_name("shop2", "lan"), *cut = lab_bridge_name("shop", "db-cluster");
        g_autofree char *dash = lab_bridge_name("shop", "abc-defgh"), *tap = lab_tap_name("shop", "lan", "lan");
        g_autofree char *ab_c = lab_tap_name("p", "ab", "c"), *a_bc = lab_tap_name("p", "a", "bc");

        g_assert_cmpstr(lan, ==, again);
        g_assert_cmpstr(lan, !=, other);
        g_assert_cmpstr(lan, !=, tap);
        g_assert_true(g_str_has_prefix(lan, "lan-"));
        g_assert_cmpuint(strlen(lan), ==, 14);
        g_assert_cmpuint(strlen(cut), <=, 15);
        g_assert_true(g_str_has_prefix(dash, "abc-"));
        g_assert_true(g_ascii_isxdigit(dash[4]));
        g_assert_cmpstr(strrchr(ab_c, '-'), !=, strrchr(a_bc, '-'));
}

static void
test_mac(void)
{
        struct ether_addr lan = lab_bridge_mac("shop", "lan"), again = lab_bridge_mac("shop", "lan");
        struct ether_addr other = lab_bridge_mac("shop", "dmz");

        g_assert_cmpmem(&lan, 6, &again, 6);
        g_assert_cmpint(memcmp(&lan, &other, 6), !=, 0);
        g_assert_cmpint(lan.ether_addr_octet[0] & 3, ==, 2);
}

static void
test_addresses(void)
{
        char text[LAB_IP_LENGTH];

        g_assert_cmpstr(lab_format_ip(0x0a140001, text), ==, "10.20.0.1");
        g_assert_cmphex(lab_netmask(24), ==, 0xffffff00);
        g_assert_cmphex(lab_netmask(0), ==, 0);
        g_assert_cmphex(lab_netmask(32), ==, 0xffffffff);
}

/* What would be read as something else by dnsmasq or nft must not get that far. */
static void
test_check(void)
{
        static const char *const bad[] = {"lan\ndhcp-script=/bin/sh", "a b", "a\"b", "", "-x", "a/b", "a,b", "a*"};
        struct network network = {.name = "lan", .bridge = "br0", .domain = "lab.test"};
        struct lab_host host = {.name = "web"};
        struct lab lab = {
                .project = "p", .directory = "/x", .networks = &network, .network_count = 1, .hosts = &host, .host_count = 1};

        g_assert_true(lab_check(&lab, NULL));
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                const char **fields[] = {&network.name, &network.bridge, &network.domain, &host.name, &lab.project};

                for (size_t k = 0; k < G_N_ELEMENTS(fields); k++) {
                        g_autoptr(GError) error = NULL;
                        const char *good = *fields[k];

                        *fields[k] = bad[i];
                        g_assert_false(lab_check(&lab, &error));
                        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_CONFIG);
                        *fields[k] = good;
                }
        }
        host.network = 1;
        g_assert_false(lab_check(&lab, NULL));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/lab/names", test_names);
        g_test_add_func("/lab/mac", test_mac);
        g_test_add_func("/lab/addresses", test_addresses);
        g_test_add_func("/lab/check", test_check);
        return g_test_run();
}
