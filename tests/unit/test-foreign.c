/* test-foreign.c - which chains of others get a rule of ours, and which rule */
#include "network/foreign.h"

#include <string.h>

static const char chains[] =
        "{\"nftables\": [{\"metainfo\": {}},"
        "{\"chain\": {\"family\": \"ip\", \"table\": \"filter\", \"name\": \"DOCKER-USER\", \"handle\": 1}},"
        "{\"chain\": {\"family\": \"ip\", \"table\": \"filter\", \"name\": \"FORWARD\", \"hook\": \"forward\", "
        "\"policy\": \"drop\"}},"
        "{\"chain\": {\"family\": \"inet\", \"table\": \"fw\", \"name\": \"fwd\", \"hook\": \"forward\", "
        "\"policy\": \"accept\"}},"
        "{\"chain\": {\"family\": \"inet\", \"table\": \"fw\", \"name\": \"inp\", \"hook\": \"input\", \"policy\": \"drop\"}},"
        "{\"chain\": {\"family\": \"bridge\", \"table\": \"fw\", \"name\": \"fwd\", \"hook\": \"forward\", "
        "\"policy\": \"drop\"}},"
        "{\"chain\": {\"family\": \"inet\", \"table\": \"drover-a\", \"name\": \"f\", \"hook\": \"forward\", "
        "\"policy\": \"drop\"}},"
        "{\"chain\": {\"family\": \"inet\", \"table\": \"fw\", \"name\": \"out\", \"hook\": \"output\", "
        "\"policy\": \"drop\"}}]}";

static const char rejecting[] =
        "{\"nftables\": [{\"rule\": {\"family\": \"inet\", \"table\": \"fw\", \"chain\": \"fwd\", \"handle\": 5, \"expr\": "
        "[{\"counter\": {\"packets\": 0, \"bytes\": 0}}, {\"reject\": {\"type\": \"icmpx\"}}]}}]}";

static const char marked[] =
        "{\"nftables\": [{\"rule\": {\"chain\": \"inp\", \"handle\": 7, \"comment\": \"drover:shop/lan-1 dhcp\", "
        "\"expr\": []}},"
        "{\"rule\": {\"chain\": \"inp\", \"handle\": 8, \"comment\": \"drover:shop/gone dhcp\", \"expr\": []}},"
        "{\"rule\": {\"chain\": \"inp\", \"handle\": 9, \"comment\": \"drover:shop2/lan-1 dhcp\", \"expr\": []}},"
        "{\"rule\": {\"chain\": \"inp\", \"handle\": 10, \"expr\": [{\"match\": {}}, {\"drop\": null}]}}]}";

static const struct foreign_link links[] = {{"lan-1", TRUE, TRUE}};

static struct foreign_chain *
find(GPtrArray *found, const char *name)
{
        for (guint i = 0; i < found->len; i++)
                if (strcmp(((struct foreign_chain *)g_ptr_array_index(found, i))->name, name) == 0)
                        return g_ptr_array_index(found, i);
        g_assert_not_reached();
}

static void
test_chains(void)
{
        g_autoptr(GPtrArray) found = foreign_parse_chains(chains);
        g_autoptr(GPtrArray) none = foreign_parse_chains("no JSON");

        g_assert_cmpuint(found->len, ==, 4);
        g_assert_cmpuint(none->len, ==, 0);
        g_assert_true(find(found, "FORWARD")->drops && find(found, "inp")->drops);
        g_assert_false(find(found, "fwd")->drops);
        foreign_parse_rules(rejecting, "shop", find(found, "fwd"));
        g_assert_true(find(found, "fwd")->drops);
}

static void
test_commands(void)
{
        g_autoptr(GPtrArray) found = foreign_parse_chains(chains);
        g_autofree char *commands = NULL, *names = NULL, *six = NULL, *four = NULL, *nothing = NULL;
        const struct foreign_link serving6 = {.name = "lan-6", .served = TRUE, .ipv6 = TRUE};
        const struct foreign_link asking = {.name = "up-1", .asks = 10053};

        foreign_parse_rules(marked, "shop", find(found, "inp"));
        g_assert_cmpuint(find(found, "inp")->rules->len, ==, 2);
        commands = foreign_commands(found, "shop", links, 1);
        g_assert_cmpstr(commands, ==,
                        "insert rule ip filter FORWARD iifname \"lan-1\" accept comment \"drover:shop/lan-1 in\"\n"
                        "insert rule ip filter FORWARD oifname \"lan-1\" accept comment \"drover:shop/lan-1 out\"\n"
                        "insert rule inet fw inp iifname \"lan-1\" udp dport 53 accept comment \"drover:shop/lan-1 dns\"\n"
                        "insert rule inet fw inp iifname \"lan-1\" tcp dport 53 accept comment \"drover:shop/lan-1 dns-tcp\"\n"
                        "delete rule inet fw inp handle 8\n");
        g_ptr_array_set_size(find(found, "inp")->rules, 0);
        names = foreign_commands(found, "shop", &asking, 1);
        g_assert_cmpstr(names, ==,
                        "insert rule inet fw inp iifname \"up-1\" udp dport 10053 accept "
                        "comment \"drover:shop/up-1 names\"\n"
                        "insert rule inet fw inp iifname \"up-1\" tcp dport 10053 accept "
                        "comment \"drover:shop/up-1 names-tcp\"\n");
        six = foreign_commands(found, "shop", &serving6, 1);
        g_assert_nonnull(strstr(six, "insert rule inet fw inp iifname \"lan-6\" udp dport 547 accept"));
        g_assert_nonnull(strstr(six, "insert rule inet fw inp iifname \"lan-6\" icmpv6 type { nd-router-solicit, "));
        strcpy(find(found, "inp")->family, "ip"); /* where nft knows no such words */
        four = foreign_commands(found, "shop", &serving6, 1);
        g_assert_true(strstr(four, "udp dport 67") && !strstr(four, "547") && !strstr(four, "icmpv6"));
        nothing = foreign_commands(found, "shop", NULL, 0);
        g_assert_null(nothing);
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/foreign/chains", test_chains);
        g_test_add_func("/foreign/commands", test_commands);
        return g_test_run();
}
