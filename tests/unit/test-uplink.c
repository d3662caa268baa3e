/* test-uplink.c - the way out: when, and with which addresses */
#include "network/uplink/kinds.h"

#include <string.h>

static struct network networks[] = {
        {.name = "lan", .bridge = "lan-1", .mode = MODE_NAT, .subnet = {0x0a140000, 24}},
        {.name = "odd", .bridge = "odd-1", .mode = MODE_ISOLATED, .subnet = {0xa9fe0200, 23}}, /* 169.254.2.0/23 */
};
static struct lab lab = {.project = "shop", .isolation = ISOLATION_PRIVATE, .networks = networks, .network_count = 2};

static void
test_kind(void)
{
        g_assert_cmpint(uplink_kind(&lab, FALSE), ==, UPLINK_USER);
        g_assert_cmpint(uplink_kind(&lab, TRUE), ==, UPLINK_VETH);
        networks[0].mode = MODE_ISOLATED;
        g_assert_cmpint(uplink_kind(&lab, TRUE), ==, UPLINK_NONE);
        networks[0].mode = MODE_NAT;
        lab.isolation = ISOLATION_HOST;
        g_assert_cmpint(uplink_kind(&lab, TRUE), ==, UPLINK_NONE);
        lab.isolation = ISOLATION_PRIVATE;
}

static void
test_user_addresses(void)
{
        struct uplink_state state = {0};
        g_autofree char *resolver = NULL;
        struct cidr4 subnet;

        g_assert_true(uplink_choose_subnet(&lab, UPLINK_USER, &state, &subnet));
        g_assert_cmphex(subnet.address, ==, 0xa9fe0400); /* the first one behind 169.254.2.0/23 */
        g_assert_cmpint(subnet.prefix, ==, 24);
        resolver = uplink_resolver(UPLINK_USER, &subnet);
        g_assert_cmpstr(resolver, ==, "169.254.4.3");
        networks[1].subnet = (struct cidr4){0xa9fe0000, 16};
        g_assert_true(uplink_choose_subnet(&lab, UPLINK_USER, &state, &subnet));
        g_assert_cmphex(subnet.address >> 17, ==, 0xc6120000 >> 17);
        networks[1].subnet = (struct cidr4){0xa9fe0200, 23};
}

static struct links *
host_links(void)
{
        struct links *links = g_new0(struct links, 1);

        links->links = g_array_new(FALSE, TRUE, sizeof(struct link));
        links->addresses = g_array_new(FALSE, FALSE, sizeof(struct link_address));
        links->neighbours = g_array_new(FALSE, FALSE, sizeof(struct link_neighbour));
        links->routes = g_array_new(FALSE, FALSE, sizeof(struct link_route));
        links->routes6 = g_array_new(FALSE, FALSE, sizeof(struct link_route6));
        links->by_name = g_hash_table_new(g_str_hash, g_str_equal);
        links->by_index = g_hash_table_new(NULL, NULL);
        return links;
}

static void
add_route(struct links *links, int ifindex, guint32 address, guint8 prefix)
{
        struct link_route route = {.ifindex = ifindex, .to = {address, prefix}};

        g_array_append_val(links->routes, route);
}

static void
test_veth_addresses(void)
{
        g_autoptr(links_t) links = host_links();
        struct uplink_state state = {.links = links};
        g_autofree char *name = veth_outside_name("shop");
        struct link own = {.ifindex = 7, .group = LAB_LINK_GROUP, .mac = lab_link_mac("shop", "uplink")};
        struct link_address address = {.ifindex = 7, .prefix = 30};
        struct cidr4 first, second, third;

        add_route(links, 2, 0, 0); /* a default route clashes with nothing */
        g_assert_true(uplink_choose_subnet(&lab, UPLINK_VETH, &state, &first));
        g_assert_cmpint(first.prefix, ==, 30);
        g_assert_cmphex(first.address >> 16, ==, 0xa9fe);
        add_route(links, 3, first.address, 30);
        g_assert_true(uplink_choose_subnet(&lab, UPLINK_VETH, &state, &second));
        g_assert_false(lab_overlap(&first, &second));
        add_route(links, 3, 0xa9fe0000, 16);
        g_assert_true(uplink_choose_subnet(&lab, UPLINK_VETH, &state, &third));
        g_assert_cmphex(third.address >> 17, ==, 0xc6120000 >> 17);
        g_array_set_size(links->routes, 0);
        /* What stands stays, although the first choice would be free again. */
        g_array_append_val(links->links, own);
        g_strlcpy(g_array_index(links->links, struct link, 0).name, name, IFNAMSIZ);
        g_hash_table_insert(links->by_name, name, &g_array_index(links->links, struct link, 0));
        address.ip = second.address + VETH_OUTSIDE;
        g_array_append_val(links->addresses, address);
        add_route(links, 7, second.address, 30);
        g_assert_true(uplink_choose_subnet(&lab, UPLINK_VETH, &state, &third));
        g_assert_cmphex(third.address, ==, second.address);
        add_route(links, 3, second.address, 28);
        g_assert_true(uplink_choose_subnet(&lab, UPLINK_VETH, &state, &third));
        g_assert_false(lab_overlap(&third, &second));
        g_array_set_size(links->links, 0);
}

/* For IPv6 the name decides, and what the host routes elsewhere is passed over. */
static void
test_veth_ipv6(void)
{
        g_autoptr(links_t) links = host_links();
        struct uplink_state state = {.links = links};
        struct link_route6 route = {.ifindex = 3};
        struct cidr6 first, second;
        struct lab six = lab;
        g_autofree char *chains = NULL, *without = veth_chains(&lab);

        g_assert_false(uplink_wants_ipv6(&lab));
        g_assert_true(uplink_choose_subnet6(&lab, &state, &first));
        g_assert_true(first.prefix == 64 && first.address.s6_addr[0] == 0xfd);
        route.to = first;
        g_array_append_val(links->routes6, route);
        g_assert_true(uplink_choose_subnet6(&lab, &state, &second));
        g_assert_false(lab_overlap6(&first, &second));
        g_assert_cmpmem(&first, 6, &second, 6);
        six.uplink6 = (struct cidr6){{.s6_addr = {0xfd, 0, 0, 0x99}}, 64};
        chains = veth_chains(&six);
        g_assert_nonnull(strstr(chains, " masquerade\n\t\tip6 saddr fd00:99::2 masquerade\n\t}\n"));
        g_assert_null(strstr(without, "ip6"));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/uplink/kind", test_kind);
        g_test_add_func("/uplink/user-addresses", test_user_addresses);
        g_test_add_func("/uplink/veth-addresses", test_veth_addresses);
        g_test_add_func("/uplink/veth-ipv6", test_veth_ipv6);
        return g_test_run();
}
