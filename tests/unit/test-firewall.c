/* test-firewall.c - the nftables rules of a lab, as text */
#include "network/firewall.h"
#include "network/guard.h"

#include <string.h>

static struct network networks[] = {
        {.name = "lan", .bridge = "lan-1", .mode = MODE_NAT, .subnet = {0x0a140000, 24}},
        {.name = "vault", .bridge = "vaul-1", .mode = MODE_ISOLATED, .subnet = {0x0a150000, 24}},
        {.name = "office", .bridge = "br0", .mode = MODE_BRIDGE, .external = TRUE},
};
static const struct lab lab = {.project = "shop", .networks = networks, .network_count = 3};

static const char chains[] = "\tchain forward {\n"
                             "\t\ttype filter hook forward priority filter; policy accept;\n"
                             "\t\tiifname \"lan-1\" oifname \"lan-1\" accept\n"
                             "\t\toifname \"lan-1\" ct state established,related accept\n"
                             "\t\toifname \"lan-1\" ct status dnat accept\n"
                             "\t\toifname \"lan-1\" drop\n"
                             "\t\tiifname \"vaul-1\" oifname \"vaul-1\" accept\n"
                             "\t\tiifname \"vaul-1\" drop\n"
                             "\t\toifname \"vaul-1\" drop\n"
                             "\t}\n"
                             "\tchain postrouting {\n"
                             "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
                             "\t\toifname \"lan-1\" accept\n"
                             "\t\toifname \"vaul-1\" accept\n"
                             "\t\tip saddr 10.20.0.0/24 masquerade\n"
                             "\t}\n";

static void
test_rules(void)
{
        g_autofree char *rules = firewall_rules(&lab);

        g_assert_true(g_str_has_prefix(rules, "add table inet drover-shop\ndelete table inet drover-shop\n"
                                              "table inet drover-shop {\n"));
        g_assert_nonnull(strstr(rules, chains));
        g_assert_null(strstr(rules, "br0"));
        g_assert_null(strstr(rules, "table bridge"));
}

/* What a network reaches is open before anything is dropped, and only answers come back. */
static void
test_reach(void)
{
        static const char *const reach[] = {"vault", NULL};
        g_autofree char *rules = NULL;

        networks[0].reach = reach;
        rules = firewall_rules(&lab);
        networks[0].reach = NULL;
        g_assert_nonnull(strstr(rules, "policy accept;\n"
                                       "\t\tiifname \"lan-1\" oifname \"vaul-1\" accept\n"
                                       "\t\tiifname \"vaul-1\" oifname \"lan-1\" ct state established,related accept\n"
                                       "\t\tiifname \"lan-1\" oifname \"lan-1\" accept\n"));
}

/* Outside may begin, the project's other networks may not. */
static void
test_routed(void)
{
        g_autofree char *rules = NULL;

        networks[0].mode = MODE_ROUTED;
        rules = firewall_rules(&lab);
        networks[0].mode = MODE_NAT;
        g_assert_nonnull(strstr(rules, "\t\tiifname \"lan-1\" oifname \"lan-1\" accept\n"
                                       "\t\tiifname \"vaul-1\" oifname \"lan-1\" drop\n"
                                       "\t\tiifname \"vaul-1\" oifname \"vaul-1\" accept\n"));
        g_assert_null(strstr(rules, "masquerade"));
}

static void
test_ipv6(void)
{
        g_autofree char *rules = NULL;

        networks[0].subnet6 = networks[1].subnet6 = (struct cidr6){{.s6_addr = {0xfd, 0, 0, 0x20}}, 64};
        rules = firewall_rules(&lab);
        networks[0].subnet6 = networks[1].subnet6 = (struct cidr6){.prefix = 0};
        g_assert_nonnull(strstr(rules, "\t\tip saddr 10.20.0.0/24 masquerade\n\t\tip6 saddr fd00:20::/64 masquerade\n\t}\n"));
}

static struct lab_host hosts[] = {
        {.network = 0, .mac = {{2, 0, 0, 0, 0, 0x0b}}, .ip = 0x0a14000b, .tap = "web-b"},
        {.network = 0, .mac = {{2, 0, 0, 0, 0, 0x0a}}, .ip = 0x0a14000a, .tap = "db-a", .spoof_check = TRUE},
        {.network = 1, .mac = {{2, 0, 0, 0, 0, 0x0c}}, .tap = "own-c"},
        {.network = 2, .mac = {{2, 0, 0, 0, 0, 0x0d}}, .tap = "off-d", .spoof_check = TRUE},
        {.network = 0, .mac = {{2, 0, 0, 0, 0, 0x0e}}, .ip = 0x0a14000e, .name = "printer"},
};

static const char watched[] = "\tmap ports {\n"
                              "\t\ttype ifname : verdict\n"
                              "\t\telements = { \"db-a\" : goto from-db-a,\n"
                              "\t\t\t     \"off-d\" : goto from-off-d,\n"
                              "\t\t\t     \"web-b\" : goto guard }\n"
                              "\t}\n"
                              "\tchain guard {\n"
                              "\t\tvlan id 0 drop\n"
                              "\t\tether type 8021ad vlan id 0 drop\n"
                              "\t\tudp dport 68 drop\n"
                              "\t\tudp dport 546 drop\n"
                              "\t\ticmpv6 type nd-router-advert drop\n"
                              "\t}\n"
                              "\tchain from-db-a {\n"
                              "\t\tether saddr != 02:00:00:00:00:0a drop\n"
                              "\t\tether type 8021q drop\n"
                              "\t\tether type 8021ad drop\n"
                              "\t\tarp saddr ether != 02:00:00:00:00:0a drop\n"
                              "\t\tarp saddr ip != 0.0.0.0 arp saddr ip != 10.20.0.10 drop\n"
                              "\t\tudp sport 68 udp dport 67 @th,288,48 0x2000000000a accept\n"
                              "\t\tip saddr != 10.20.0.10 drop\n"
                              "\t\tip6 saddr != :: ip6 saddr != fe80::ff:fe00:a drop\n"
                              "\t\ticmpv6 type nd-neighbor-advert @th,72,120 != 0x80000000000000000000fffe00000a drop\n"
                              "\t\tgoto guard\n"
                              "\t}\n"
                              "\tchain from-off-d {\n"
                              "\t\tether saddr != 02:00:00:00:00:0d drop\n"
                              "\t\tether type 8021q drop\n"
                              "\t\tether type 8021ad drop\n"
                              "\t\tarp saddr ether != 02:00:00:00:00:0d drop\n"
                              "\t}\n"
                              "\tchain prerouting {\n"
                              "\t\ttype filter hook prerouting priority dstnat; policy accept;\n"
                              "\t\tiifname vmap @ports\n"
                              "\t}\n";

/* A tap that is not in the map is added to it, and nothing else is touched; all else is replaced. */
static void
check_update(const char *name, const char *wish, const char *listing)
{
        g_autofree char *same = table_update_commands(name, wish, listing), *whole = table_commands(name, wish);
        g_autofree char *made = table_update_commands(name, wish, NULL), *added = NULL, *removed = NULL, *changed = NULL;
        g_autoptr(GString) other = g_string_new(listing);

        g_assert_null(same);
        g_assert_cmpstr(made, ==, whole);
        g_string_replace(other, "\"db-a\" : goto from-db-a,\n\t\t\t     ", "", 1);
        g_string_replace(other, ",\n\t\t\t     \"web-b\" : goto guard", "", 1);
        added = table_update_commands(name, wish, other->str);
        g_assert_cmpstr(added, ==, "add element bridge drover-shop ports { \"db-a\" : goto from-db-a,\n"
                                   "\t\t\t     \"web-b\" : goto guard }\n");
        g_string_replace(other, "\"off-d\" : goto from-off-d", "\"off-d\" : goto from-off-d, \"old-e\" : goto guard", 1);
        removed = table_update_commands(name, wish, other->str);
        g_assert_cmpstr(removed, ==, whole);
        g_string_assign(other, listing);
        g_string_replace(other, "\"web-b\" : goto guard", "\"web-b\" : goto from-web-b", 1);
        changed = table_update_commands(name, wish, other->str);
        g_assert_cmpstr(changed, ==, whole);
        g_clear_pointer(&changed, g_free);
        g_string_assign(other, listing);
        g_string_replace(other, "\t\tvlan id 0 drop\n", "", 1);
        g_string_replace(other, ",\n\t\t\t     \"web-b\" : goto guard", "", 1);
        changed = table_update_commands(name, wish, other->str);
        g_assert_cmpstr(changed, ==, whole);
}

/* Of the three networks the first has our DHCP, the last is somebody else's. */
static void
test_guard(void)
{
        struct lab guarded = lab;
        g_autofree char *text = NULL, *listing = NULL, *name = guard_name("shop");
        g_autoptr(GString) other = NULL;

        guarded.hosts = hosts;
        guarded.host_count = G_N_ELEMENTS(hosts);
        networks[0].host_ip = 0x0a140001;
        networks[0].dhcp.enabled = TRUE;
        text = guard_chains(&guarded);
        g_assert_cmpstr(text, ==, watched);
        g_assert_null(guard_chains(&lab));
        listing = g_strconcat("table bridge drover-shop {\n", watched, "}\n", NULL);
        g_assert_true(table_is_same(name, text, listing));
        check_update(name, text, listing);
        other = g_string_new(listing); /* in nft's own order */
        g_string_replace(other, "\"db-a\" : goto from-db-a,\n\t\t\t     ", "", 1);
        g_assert_false(table_is_same(name, text, other->str));
        g_string_replace(other, "goto guard }", "goto guard,\n\t\t\t     \"db-a\" : goto from-db-a }", 1);
        g_assert_true(table_is_same(name, text, other->str));
        networks[0].host_ip = 0;
        networks[0].dhcp.enabled = FALSE;
}

/* As nft 1.0.6 lists them: an empty line between chains, and one at the end. */
static void
test_is_same(void)
{
        g_autofree char *listing = g_strconcat("table inet drover-shop {\n", chains, "}\n\n", NULL);
        g_autoptr(GString) text = g_string_new(listing);

        g_string_replace(text, "\t}\n\tchain", "\t}\n\n\tchain", 1);
        g_assert_true(firewall_is_same(&lab, text->str));
        g_string_assign(text, listing);
        g_string_replace(text, "vaul-1\" drop", "vaul-1\" accept", 1); /* as many rules */
        g_assert_false(firewall_is_same(&lab, text->str));
        g_string_assign(text, listing);
        g_string_replace(text, "policy accept", "policy drop", 1);
        g_assert_false(firewall_is_same(&lab, text->str));
        g_string_assign(text, listing);
        g_string_replace(text, "\t}\n}", "\t}\n\tchain more {\n\t}\n}", 1);
        g_assert_false(firewall_is_same(&lab, text->str));
        g_assert_false(firewall_is_same(&lab, ""));
        networks[0].subnet.prefix = 25;
        g_assert_false(firewall_is_same(&lab, listing));
        networks[0].subnet.prefix = 24;
}

static void
test_is_needed(void)
{
        struct lab office = lab;

        g_assert_true(firewall_is_needed(&lab));
        office.networks = networks + 2;
        office.network_count = 1;
        g_assert_false(firewall_is_needed(&office));
        office.hosts = &(struct lab_host){.tap = "web-b", .spoof_check = TRUE};
        office.host_count = 1;
        g_assert_true(firewall_is_needed(&office));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/firewall/rules", test_rules);
        g_test_add_func("/firewall/reach", test_reach);
        g_test_add_func("/firewall/routed", test_routed);
        g_test_add_func("/firewall/ipv6", test_ipv6);
        g_test_add_func("/firewall/guard", test_guard);
        g_test_add_func("/firewall/is-same", test_is_same);
        g_test_add_func("/firewall/is-needed", test_is_needed);
        return g_test_run();
}
