/* test-dnsmasq.c - the texts that dnsmasq reads, and the leases that it writes */
#include "network/dnsmasq.h"

#include "base/child.h"
#include "base/error.h"
#include "base/file.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *const aliases[] = {"database", NULL};

static struct network networks[] = {
        {.name = "lan",
         .bridge = "lan-1",
         .mode = MODE_NAT,
         .subnet = {0x0a140000, 24},
         .host_ip = 0x0a140001,
         .gateway = 0x0a140001,
         .domain = "lab.test",
         .dhcp = {.enabled = TRUE, .range = {0x0a140064, 0x0a1400c7}, .lease_seconds = 43200}},
        {.name = "dmz",
         .bridge = "dmz-1",
         .mode = MODE_NAT,
         .subnet = {0x0a150000, 26},
         .host_ip = 0x0a150001,
         .domain = "dmz.test",
         .mtu = 1400,
         .dhcp = {.enabled = TRUE, .range = {0x0a150010, 0x0a150020}, .lease_seconds = 600}},
        {.name = "dns",
         .bridge = "dns-1",
         .mode = MODE_ISOLATED,
         .subnet = {0x0a160000, 24},
         .host_ip = 0x0a160001,
         .domain = "dns.test"},
        {.name = "office", .bridge = "br0", .mode = MODE_BRIDGE, .external = TRUE},
};
static const struct lab_host hosts[] = {
        {0, {{0x52, 0x54, 0, 0, 0, 1}}, 0x0a14000a, "db", aliases},
        {1, {{0x52, 0x54, 0, 0, 0, 2}}, 0x0a15000a, "db", NULL, .second = TRUE, .mtu = 1300},
        {0, {{0x52, 0x54, 0, 0, 0, 3}}, 0, "dyn", NULL},
        {0, {{0x52, 0x54, 0, 0, 0, 4}}, 0x0a140032, NULL, NULL},
        {2, {{0x52, 0x54, 0, 0, 0, 5}}, 0x0a16000a, "quiet", NULL},
        {3, {{0x52, 0x54, 0, 0, 0, 6}}, 0x0a17000a, "away", NULL},
};
static const struct lab lab = {"shop", ISOLATION_HOST, "/d", networks, 4, hosts, 6};

static gboolean
has_line(const char *text, const char *wanted)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        return g_strv_contains((const char *const *)lines, wanted);
}

static void
test_config(void)
{
        static const char *const wanted[] = {
                "bind-dynamic", "except-interface=lo", "no-hosts", "no-ping", "dhcp-ignore-clid", "dhcp-authoritative",
                "localise-queries", "domain-needed", "bogus-priv", "pid-file=/d/pid", "dhcp-leasefile=/d/leases",
                "dhcp-hostsfile=/d/reservations", "hostsdir=/d/names", "log-facility=/d/log",
                "interface=lan-1", "domain=lab.test,10.20.0.0/24", "local=/lab.test/",
                "dhcp-range=set:lan,10.20.0.100,10.20.0.199,255.255.255.0,43200",
                "dhcp-option=tag:lan,tag:!second.nic,option:router,10.20.0.1",
                "dhcp-option=tag:lan,tag:second.nic,option:router",
                "dhcp-option=tag:lan,option:dns-server,10.20.0.1",
                "interface=dmz-1", "dhcp-range=set:dmz,10.21.0.16,10.21.0.32,255.255.255.192,600",
                "dhcp-option=tag:dmz,option:router", "dhcp-option=tag:dmz,option:mtu,1400",
                "dhcp-mac=set:mtu1300.nic,52:54:00:00:00:02", "dhcp-option=tag:mtu1300.nic,option:mtu,1300",
                "interface=dns-1", "no-dhcp-interface=dns-1", "dhcp-mac=set:second.nic,52:54:00:00:00:02"};
        g_autofree char *text = dnsmasq_config(&lab);

        for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
                if (!has_line(text, wanted[i]))
                        g_error("'%s' is not in:\n%s", wanted[i], text);
        g_assert_null(strstr(text, "br0"));
        g_assert_null(strstr(text, "set:dns"));
        g_assert_false(has_line(text, "no-resolv"));
}

static void
test_options(void)
{
        static const char *const times[] = {"10.20.0.1", "10.20.0.2", NULL}, *const proxy[] = {"http://wpad/x", NULL};
        static const char *const root[] = {"a, \"b\" # \\c", NULL}, *const names[] = {"10.20.0.53", NULL};
        static struct dhcp_option options[] = {
                {42, "ntp-server", times}, {252, NULL, proxy}, {17, "root-path", root}, {6, "dns-server", names}};
        struct dhcp_boot boot = {.file = "menu, one.ipxe", .tftp_root = "/srv/net boot"};
        struct network own = networks[0];
        struct lab one = lab;
        g_autofree char *text = NULL;

        own.dhcp.options = options;
        own.dhcp.option_count = G_N_ELEMENTS(options);
        own.dhcp.boot = &boot;
        one.networks = &own;
        one.network_count = 1;
        one.host_count = 0;
        text = dnsmasq_config(&one);
        g_assert_true(has_line(text, "dhcp-option=tag:lan,option:ntp-server,10.20.0.1,10.20.0.2"));
        g_assert_true(has_line(text, "dhcp-option=tag:lan,252,http://wpad/x"));
        g_assert_true(has_line(text, "dhcp-option=tag:lan,option:root-path,\"a, \\\"b\\\" # \\\\c\""));
        g_assert_true(has_line(text, "dhcp-option=tag:lan,option:dns-server,10.20.0.53"));
        g_assert_false(has_line(text, "dhcp-option=tag:lan,option:dns-server,10.20.0.1"));
        g_assert_true(has_line(text, "dhcp-boot=tag:lan,\"menu, one.ipxe\""));
        g_assert_true(has_line(text, "enable-tftp=lan-1") && has_line(text, "tftp-root=\"/srv/net boot\",lan-1"));
}

/* Where the way to the other network is not that of all else; not where the gateway is this host. */
static void
test_routes(void)
{
        static const char *const reach[] = {"dmz", NULL};
        struct network two[] = {networks[0], networks[1]};
        struct lab pair = lab;
        g_autofree char *text = NULL;

        two[0].reach = reach;
        two[0].gateway = 0x0a140002;
        pair.networks = two;
        pair.host_count = 0;
        pair.network_count = 2;
        text = dnsmasq_config(&pair);
        g_assert_true(has_line(text, "dhcp-option=tag:lan,tag:!second.nic,option:classless-static-route,10.21.0.0/26,10.20.0.1,"
                                     "0.0.0.0/0,10.20.0.2"));
        g_assert_true(has_line(text, "dhcp-option=tag:lan,tag:second.nic,option:classless-static-route,10.21.0.0/26,"
                                     "10.20.0.1"));
        g_assert_true(has_line(text, "dhcp-option=tag:dmz,option:classless-static-route,10.20.0.0/24,10.21.0.1"));
        g_free(text);
        two[0].gateway = two[0].host_ip;
        two[1].gateway = two[1].host_ip;
        text = dnsmasq_config(&pair);
        g_assert_null(strstr(text, "classless"));
}

static void
test_ipv6(void)
{
        static const struct cidr6 subnet6 = {{.s6_addr = {0xfd, 0, 0, 0x20}}, 64};
        struct network two[2];
        struct lab_host host = hosts[0];
        struct lab pair = lab;
        g_autofree char *text = NULL, *reservations = NULL, *names = NULL;

        memcpy(two, networks, sizeof two);
        two[0].subnet6 = subnet6;
        host.ip6 = lab_ip6_of_mac(&subnet6, &host.mac);
        pair.networks = two;
        pair.network_count = 2;
        pair.hosts = &host;
        pair.host_count = 1;
        text = dnsmasq_config(&pair);
        g_assert_true(has_line(text, "enable-ra") && has_line(text, "domain=lab.test,fd00:20::/64"));
        g_assert_true(has_line(text, "dhcp-range=set:lan,fd00:20::,static,slaac,ra-names,64,43200"));
        g_assert_null(strstr(text, "ra-param"));
        reservations = dnsmasq_reservations(&pair);
        g_assert_cmpstr(reservations, ==, "52:54:00:00:00:01,10.20.0.10,[fd00:20::5054:ff:fe00:1],db\n");
        names = dnsmasq_names(&pair);
        g_assert_cmpstr(names, ==, "10.20.0.10 db.lab.test db database.lab.test database\n"
                                   "fd00:20::5054:ff:fe00:1 db.lab.test db database.lab.test database\n");
        two[0].gateway = 0; /* then this host is no router */
        g_free(text);
        text = dnsmasq_config(&pair);
        g_assert_true(has_line(text, "ra-param=lan-1,0,0"));
}

static void
test_private(void)
{
        static const char *const servers[] = {"169.254.2.3", "192.0.2.53", NULL};
        struct lab private = lab;
        g_autofree char *text = NULL;

        private.isolation = ISOLATION_PRIVATE;
        text = dnsmasq_config(&private);
        g_assert_true(has_line(text, "no-resolv"));
        g_assert_null(strstr(text, "server="));
        g_free(text);
        private.resolvers = servers;
        text = dnsmasq_config(&private);
        g_assert_true(has_line(text, "no-resolv") && has_line(text, "server=169.254.2.3") &&
                      has_line(text, "server=192.0.2.53"));
}

static void
test_hosts(void)
{
        g_autofree char *reservations = dnsmasq_reservations(&lab), *names = dnsmasq_names(&lab);

        g_assert_cmpstr(reservations, ==,
                        "52:54:00:00:00:01,10.20.0.10,db\n"
                        "52:54:00:00:00:02,10.21.0.10,db\n"
                        "52:54:00:00:00:03,dyn\n"
                        "52:54:00:00:00:04,10.20.0.50\n");
        g_assert_cmpstr(names, ==,
                        "10.20.0.10 db.lab.test db database.lab.test database\n"
                        "10.21.0.10 db.dmz.test db\n"
                        "10.22.0.10 quiet.dns.test quiet\n");
}

static void
test_is_needed(void)
{
        struct lab office = lab;

        g_assert_true(dnsmasq_is_needed(&lab));
        office.networks = networks + 3;
        office.network_count = 1;
        g_assert_false(dnsmasq_is_needed(&office));
}

static void
test_leases(void)
{
        static const char text[] = "1767225600 52:54:00:00:00:01 10.20.0.10 db 01:52\n"
                                   "0 52:54:00:00:00:02 10.20.0.11 * *\n"
                                   "duid 00:01\n0 7 fd00:20::10 db 00:03:00:01\n1 8 fd00:20::11 * 00:03\n"
                                   "\ngarbage\n1 zz 10.20.0.12 x *\n1 52:54:00:00:00:03 999.1.1.1 x *\n";
        g_autofree char *directory = g_dir_make_tmp("drover-test-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(directory, "leases", NULL);
        g_autoptr(GArray) none = dnsmasq_leases(directory), leases = NULL, leases6 = NULL;

        g_assert_cmpuint(none->len, ==, 0);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        leases = dnsmasq_leases(directory);
        g_assert_cmpuint(leases->len, ==, 2);
        g_assert_cmphex(g_array_index(leases, struct lease, 0).ip, ==, 0x0a14000a);
        g_assert_cmpint(g_array_index(leases, struct lease, 0).expires, ==, 1767225600);
        g_assert_cmpstr(g_array_index(leases, struct lease, 0).name, ==, "db");
        g_assert_cmpint(g_array_index(leases, struct lease, 1).mac.ether_addr_octet[5], ==, 2);
        g_assert_null(g_array_index(leases, struct lease, 1).name);
        leases6 = dnsmasq_leases6(directory);
        g_assert_cmpuint(leases6->len, ==, 2);
        g_assert_cmpint(g_array_index(leases6, struct lease6, 0).ip6.s6_addr[15], ==, 0x10);
        g_assert_cmpstr(g_array_index(leases6, struct lease6, 0).name, ==, "db");
        g_assert_true(!g_array_index(leases6, struct lease6, 0).ended && g_array_index(leases6, struct lease6, 1).ended);
        g_assert_null(g_array_index(leases6, struct lease6, 1).name);
        g_assert_true(file_remove_tree(directory, NULL));
}

/* As root it runs as 'nobody' where it has no user of its own, and not where that could not be looked up: the next run, which
 * can, would not know it for ours. */
static void
test_user(void)
{
        struct rlimit limit, none;
        g_autoptr(GError) error = NULL;
        struct child_user nobody;

        if (geteuid() != 0) {
                g_test_skip("only root's dnsmasq has a user of its own");
                return;
        }
        g_assert_true(child_user_find("nobody", &nobody, NULL)); /* which is known from here on */
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        none = (struct rlimit){0, limit.rlim_max};
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
        g_assert_false(dnsmasq_ensure(NULL, &lab, &error));
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        g_assert_true(error && g_str_has_prefix(error->message, "cannot look up user 'dnsmasq': "));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dnsmasq/config", test_config);
        g_test_add_func("/dnsmasq/options", test_options);
        g_test_add_func("/dnsmasq/routes", test_routes);
        g_test_add_func("/dnsmasq/ipv6", test_ipv6);
        g_test_add_func("/dnsmasq/private", test_private);
        g_test_add_func("/dnsmasq/hosts", test_hosts);
        g_test_add_func("/dnsmasq/is-needed", test_is_needed);
        g_test_add_func("/dnsmasq/leases", test_leases);
        g_test_add_func("/dnsmasq/user", test_user);
        return g_test_run();
}
