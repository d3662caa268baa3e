/* test-dnat.c - the rules of published ports in the host's own network, as text */
#include "network/ports/dnat.h"

#include <arpa/inet.h>
#include <string.h>

static struct network networks[] = {
        {.name = "lan", .bridge = "lan-1", .mode = MODE_NAT, .subnet = {0x0a140000, 24}, .host_ip = 0x0a140001,
         .gateway = 0x0a140001},
        {.name = "behind", .bridge = "behi-1", .mode = MODE_NAT, .subnet = {0x0a150000, 24}, .host_ip = 0x0a150001,
         .gateway = 0x0a1500fe},
        {.name = "vault", .bridge = "vaul-1", .mode = MODE_ISOLATED, .subnet = {0x0a160000, 24}, .host_ip = 0x0a160001},
};
static struct lab lab = {.project = "shop", .isolation = ISOLATION_HOST, .networks = networks, .network_count = 3};

static void
add(GArray *forwards, enum forward_protocol protocol, const char *outside, guint16 port, const char *inside)
{
        struct forward forward;

        memset(&forward, 0, sizeof forward);
        forward.protocol = protocol;
        if (strchr(outside, ':')) {
                forward.outside.ipv6.sin6_family = AF_INET6;
                forward.outside.ipv6.sin6_port = htons(port);
        } else {
                forward.outside.ipv4.sin_family = AF_INET;
                forward.outside.ipv4.sin_port = htons(port);
                inet_pton(AF_INET, outside, &forward.outside.ipv4.sin_addr);
        }
        forward.inside.ipv4.sin_family = AF_INET;
        forward.inside.ipv4.sin_port = htons(80);
        inet_pton(AF_INET, inside, &forward.inside.ipv4.sin_addr);
        g_array_append_val(forwards, forward);
}

static void
test_chains(void)
{
        g_autoptr(GArray) forwards = g_array_new(FALSE, FALSE, sizeof(struct forward));
        g_autofree char *chains = NULL, *none = NULL, *private = NULL;

        add(forwards, FORWARD_TCP, "127.0.0.1", 8080, "10.20.0.10"); /* these three are the forwarder's alone */
        add(forwards, FORWARD_TCP, "::", 8080, "10.20.0.10");
        add(forwards, FORWARD_TCP, "0.0.0.0", 8081, "10.22.0.10");
        none = dnat_chains(&lab, forwards);
        g_assert_null(none);
        add(forwards, FORWARD_TCP, "0.0.0.0", 8080, "10.20.0.10");
        add(forwards, FORWARD_UDP, "192.0.2.1", 53, "10.21.0.10");
        chains = dnat_chains(&lab, forwards);
        g_assert_cmpstr(chains, ==,
                        "\tchain prerouting {\n"
                        "\t\ttype nat hook prerouting priority dstnat; policy accept;\n"
                        "\t\tiifname \"lo\" return\n"
                        "\t\tiifname \"vaul-1\" return\n"
                        "\t\tip saddr != 10.20.0.10 fib daddr type local tcp dport 8080 dnat ip to 10.20.0.10:80\n"
                        "\t\tip saddr != 10.21.0.10 ip daddr 192.0.2.1 udp dport 53 dnat ip to 10.21.0.10:80\n"
                        "\t}\n"
                        "\tchain postrouting {\n"
                        "\t\ttype nat hook postrouting priority srcnat - 10; policy accept;\n"
                        "\t\toifname \"lan-1\" ip saddr 10.20.0.0/24 ct status dnat masquerade\n"
                        "\t\toifname \"behi-1\" ct status dnat masquerade\n"
                        "\t}\n");
        lab.isolation = ISOLATION_PRIVATE;
        private = dnat_chains(&lab, forwards);
        g_assert_null(private);
        lab.isolation = ISOLATION_HOST;
}

static void
test_compare(void)
{
        g_autoptr(GArray) forwards = g_array_new(FALSE, FALSE, sizeof(struct forward));
        g_autofree char *chains = NULL, *listing = NULL;

        g_assert_cmpint(dnat_compare(&lab, forwards, NULL), ==, FIREWALL_SAME);
        g_assert_cmpint(dnat_compare(&lab, forwards, "table inet drover-shop.ports {\n}\n"), ==, FIREWALL_DIFFERENT);
        add(forwards, FORWARD_TCP, "0.0.0.0", 8080, "10.20.0.10");
        g_assert_cmpint(dnat_compare(&lab, forwards, NULL), ==, FIREWALL_ABSENT);
        chains = dnat_chains(&lab, forwards);
        listing = g_strdup_printf("table inet drover-shop.ports {\n%s}\n", chains);
        g_assert_cmpint(dnat_compare(&lab, forwards, listing), ==, FIREWALL_SAME);
        add(forwards, FORWARD_TCP, "0.0.0.0", 8081, "10.20.0.10");
        g_assert_cmpint(dnat_compare(&lab, forwards, listing), ==, FIREWALL_DIFFERENT);
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dnat/chains", test_chains);
        g_test_add_func("/dnat/compare", test_compare);
        return g_test_run();
}
