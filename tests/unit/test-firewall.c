/* test-firewall.c - the nftables rules of a lab, as text */
#include "network/firewall.h"

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
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/firewall/rules", test_rules);
        g_test_add_func("/firewall/is-same", test_is_same);
        g_test_add_func("/firewall/is-needed", test_is_needed);
        return g_test_run();
}
