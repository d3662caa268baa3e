/* test-network.c - the real thing: namespaces, bridges, taps, dnsmasq and nftables
 *
 * Runs itself in network and mount namespaces of its own, with a /run of its own, so that it never sees the machine's; all that
 * it makes is inside and goes with it. Needs root; the part that is an ordinary user's drops to one in a child.
 */
#include "network/dnsmasq.h"
#include "network/firewall.h"
#include "network/home.h"
#include "network/link.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#define NAME "/run/netns/drover-lab"
#define INSIDE "ip netns exec drover-lab "

enum { WEB_IP = 0x0a14000a, WEB_DMZ_IP = 0x0a15000a };

static gboolean as_root = TRUE;

static struct home *
open_home(gboolean create, const pid_t *members, size_t count, GError **error)
{
        struct home_options options = {"lab", ISOLATION_PRIVATE, as_root, create, members, count};
        struct home *home = NULL;

        if (!home_open(&options, &home, error))
                g_assert_null(home);
        return home;
}

static struct home *
must_open(gboolean create, const pid_t *members, size_t count)
{
        g_autoptr(GError) error = NULL;
        struct home *home = open_home(create, members, count, &error);

        g_assert_no_error(error);
        g_assert_nonnull(home);
        return home;
}

static void
must_be_absent(const pid_t *members, size_t count)
{
        g_autoptr(GError) error = NULL;

        g_assert_null(open_home(FALSE, members, count, &error));
        g_assert_no_error(error);
}

static void
must_run(const char *command)
{
        g_autofree char *quiet = g_strconcat("{ ", command, "; } >/dev/null 2>&1", NULL);

        if (system(quiet) != 0)
                g_error("failed: %s", command);
}

static void
remove_home(struct home *home)
{
        g_autoptr(GError) error = NULL;

        g_assert_true(home_remove(home, &error));
        g_assert_no_error(error);
        home_free(home);
        g_assert_cmpint(access(NAME, F_OK), !=, 0);
}

static void
assert_marked(struct home *home)
{
        g_autoptr(netlink_t) netlink = home_netlink(home, NULL);
        g_auto(link_t) lo = {0};

        g_assert_true(link_look(netlink, "lo", &lo, NULL));
        g_assert_cmpstr(lo.alias, ==, "drover:lab");
        g_assert_true(lo.up);
}

static void
test_named(void)
{
        struct home *home;

        must_be_absent(NULL, 0);
        g_assert_cmpint(g_mkdir_with_parents("/run/netns", 0755), ==, 0);
        close(open(NAME, O_CREAT | O_RDONLY | O_CLOEXEC, 0)); /* what a killed drover leaves */
        must_be_absent(NULL, 0);
        home = must_open(TRUE, NULL, 0);
        assert_marked(home);
        home_free(home);
        home = must_open(FALSE, NULL, 0);
        assert_marked(home);
        remove_home(home);
        must_be_absent(NULL, 0);
}

static void
make_name(int mode, const char *text)
{
        auto_fd fd = open(NAME, O_CREAT | O_WRONLY | O_CLOEXEC, mode);

        g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
}

/* Only what give_name() itself makes is taken for a leftover of ours. */
static void
test_stray_name(void)
{
        struct home *home;

        g_assert_cmpint(g_mkdir_with_parents("/run/netns", 0755), ==, 0);
        g_assert_false(home_has_stray_name("lab"));
        make_name(0, "");
        g_assert_true(home_has_stray_name("lab"));
        g_assert_true(home_remove_stray_name("lab", NULL));
        g_assert_cmpint(access(NAME, F_OK), !=, 0);
        make_name(0, "notes");
        g_assert_true(home_remove_stray_name("lab", NULL));
        g_assert_cmpint(unlink(NAME), ==, 0);
        make_name(0600, "");
        g_assert_true(home_remove_stray_name("lab", NULL));
        g_assert_cmpint(unlink(NAME), ==, 0);
        home = must_open(TRUE, NULL, 0);
        g_assert_false(home_has_stray_name("lab"));
        g_assert_true(home_remove_stray_name("lab", NULL));
        g_assert_cmpint(access(NAME, F_OK), ==, 0);
        remove_home(home);
}

static void
test_lost_name(void)
{
        struct home *home = must_open(TRUE, NULL, 0);
        auto_fd held = home_namespace(home, NULL);
        pid_t self = getpid();

        g_assert_cmpint(held, >=, 0);
        remove_home(home);
        home = must_open(FALSE, &self, 1);
        assert_marked(home);
        home_free(home);
        g_assert_cmpint(access(NAME, F_OK), !=, 0); /* who only looks changes nothing */
        home = must_open(TRUE, &self, 1);
        assert_marked(home);
        g_assert_cmpint(access(NAME, F_OK), ==, 0);
        remove_home(home);
}

static void
test_foreign_namespace(void)
{
        g_autoptr(GError) error = NULL;

        must_run("ip netns add drover-lab");
        g_assert_null(open_home(TRUE, NULL, 0, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_EXISTS);
        must_run(INSIDE "true && ip netns delete drover-lab");
}

/* The kernel has no table of routes before the first address, and says so to who asks for one. */
static void
test_new_namespace(void)
{
        pid_t pid = fork();
        int status = 0;

        if (pid == 0) {
                g_autoptr(netlink_t) netlink = unshare(CLONE_NEWNET) == 0
                                                       ? netlink_new(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0), NULL)
                                                       : NULL;
                g_autoptr(links_t) links = netlink ? links_dump(netlink, NULL) : NULL;

                _exit(links && links->routes->len == 0 && links->routes6->len == 0 ? 0 : 1);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
}

static void
test_bridge(void)
{
        struct bridge bridge = {"lan-1", lab_bridge_mac("lab", "lan"), "drover:lab/lan", 1400, 0x0a140001, 24};
        struct home *home = must_open(TRUE, NULL, 0);
        g_autoptr(netlink_t) netlink = home_netlink(home, NULL);
        g_autoptr(links_t) links = NULL;
        g_autoptr(GError) error = NULL;
        int ifindex = 0, again = 0;
        const struct link *link;

        g_assert_true(bridge_ensure(netlink, &bridge, &ifindex, NULL));
        must_run(INSIDE "ip link set lan-1 down alias other mtu 1500 && " INSIDE "ip address add 10.99.0.1/24 dev lan-1");
        g_assert_true(bridge_ensure(netlink, &bridge, &again, NULL));
        g_assert_cmpint(again, ==, ifindex);
        links = links_dump(netlink, NULL);
        link = links_find(links, "lan-1");
        g_assert_true(link == links_find_index(links, ifindex) && link->is_bridge && link->up);
        g_assert_true(link_is_ours(link, &bridge.mac));
        g_assert_cmpstr(link->alias, ==, "drover:lab/lan");
        g_assert_cmpuint(link->mtu, ==, 1400);
        g_assert_true(links_has_address(links, ifindex, 0x0a140001, 24));
        g_assert_false(links_has_address(links, ifindex, 0x0a630001, 24));
        must_run(INSIDE "ip link add foreign type bridge");
        bridge.name = "foreign";
        g_assert_false(bridge_ensure(netlink, &bridge, NULL, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_EXISTS);
        g_assert_nonnull(strstr(error->message, "'foreign'"));
        g_assert_false(bridge_remove(netlink, "foreign", &bridge.mac, NULL));
        g_assert_true(bridge_remove(netlink, "lan-1", &bridge.mac, NULL));
        g_assert_true(bridge_remove(netlink, "lan-1", &bridge.mac, NULL));
        must_run(INSIDE "ip link show foreign && ! " INSIDE "ip link show lan-1");
        remove_home(home);
}

static void
test_tap(void)
{
        struct bridge bridge = {"lan-1", lab_bridge_mac("lab", "lan"), "drover:lab/lan", 0, 0, 0};
        struct home *home = must_open(TRUE, NULL, 0);
        g_autoptr(netlink_t) netlink = home_netlink(home, NULL);
        g_autoptr(GError) error = NULL;
        g_auto(link_t) link = {0};
        auto_fd tap = -1;
        int ifindex = 0;

        g_assert_true(bridge_ensure(netlink, &bridge, &ifindex, NULL));
        tap = home_tap(home, "web-1", NULL);
        g_assert_cmpint(tap, >=, 0);
        g_assert_true(link_attach(netlink, "web-1", ifindex, "drover:lab/web/lan", 1300, NULL));
        g_assert_true(link_look(netlink, "web-1", &link, NULL));
        g_assert_true(link.up && link.is_held_tap && link.master == ifindex && link.mtu == 1300);
        g_assert_cmphex(link.group, ==, LAB_LINK_GROUP);
        g_assert_cmpint(home_tap(home, "web-1", &error), ==, -1);
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_BUSY);
        g_clear_error(&error);
        g_assert_cmpint(home_tap(home, "lan-1", &error), ==, -1);
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_EXISTS);
        g_clear_error(&error);
        must_run(INSIDE "ip tuntap add mode tap name foreign0"); /* persistent, and nobody holds it */
        g_assert_cmpint(home_tap(home, "foreign0", &error), ==, -1);
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_EXISTS);
        fd_clear(&tap);
        must_run("! " INSIDE "ip link show web-1");
        remove_home(home);
}

static struct network networks[2];
static struct lab_host hosts[] = {
        {.network = 0, .mac = {{2, 0, 0, 0, 0, 1}}, .ip = WEB_IP, .name = "web", .tap = "web-1", .spoof_check = TRUE},
        {.network = 1, .mac = {{2, 0, 0, 0, 0, 2}}, .ip = WEB_DMZ_IP, .name = "web", .tap = "a-web-2"},
        {.network = 0, .mac = {{2, 0, 0, 0, 0, 3}}, .name = "dyn", .tap = "dyn-3"},
};
static struct lab lab = {"lab", ISOLATION_PRIVATE, "/run/open/dnsmasq", networks, 2, hosts, G_N_ELEMENTS(hosts)};

static void
fill_networks(void)
{
        for (guint32 i = 0; i < 2; i++) {
                guint32 base = 0x0a140000 + (i << 16);

                networks[i] =
                        (struct network){.name = i ? "dmz" : "lan",
                                         .bridge = i ? "dmz-1" : "lan-1",
                                         .domain = "lab.test",
                                         .mode = i ? MODE_ISOLATED : MODE_NAT,
                                         .subnet = {base, 24},
                                         .host_ip = base + 1,
                                         .gateway = base + 1,
                                         .dhcp = {.enabled = TRUE, .range = {base + 100, base + 199}, .lease_seconds = 3600}};
        }
}

static void
make_lab(struct home *home)
{
        g_autoptr(netlink_t) netlink = home_netlink(home, NULL);

        fill_networks();
        for (guint i = 0; i < 2; i++) {
                struct bridge bridge = {networks[i].bridge, lab_bridge_mac("lab", networks[i].name), "drover:lab/x", 0,
                                        networks[i].host_ip, 24};

                g_assert_true(bridge_ensure(netlink, &bridge, NULL, NULL));
        }
        g_assert_cmpint(g_mkdir_with_parents("/run/open", 0711), ==, 0);
}

static void
ask_as(const char *mac, const char *wanted)
{
        g_autofree char *command = g_strdup_printf(
                INSIDE "ip link set g0 down && " INSIDE "ip link set g0 address %s && " INSIDE "ip link set g0 up && " INSIDE
                       "timeout 20 busybox udhcpc -i g0 -n -q -f -t 9 -s /bin/true 2>&1 | grep 'lease of %s'",
                mac, wanted);

        must_run(command);
}

/* What a guest that asks for them gets to see. */
static void
check_options(void)
{
        static const char script[] = "#!/bin/sh\necho \"$1 $ntpsrv; $wpad; $search; $rootpath;\"\n";

        g_assert_true(g_file_set_contents("/run/show", script, -1, NULL));
        g_assert_cmpint(chmod("/run/show", 0755), ==, 0);
        must_run(INSIDE "timeout 20 busybox udhcpc -i g0 -n -q -f -t 9 -O ntpsrv -O 252 -O search -O rootpath -s /run/show "
                        ">/run/shown");
        must_run("grep 'bound 10.20.0.7 10.20.0.8; http://wpad/x; a.test b.test; /a, \"b\" # c;' /run/shown");
}

static void
test_dnsmasq(void)
{
        static const char *const times[] = {"10.20.0.7", "10.20.0.8", NULL}, *const proxy[] = {"http://wpad/x", NULL};
        static const char *const search[] = {"a.test", "b.test", NULL}, *const root[] = {"/a, \"b\" # c", NULL};
        struct dhcp_option options[] = {
                {42, "ntp-server", times}, {252, NULL, proxy}, {119, "domain-search", search}, {17, "root-path", root}};
        struct home *home = must_open(TRUE, NULL, 0);
        struct dnsmasq_state state;
        g_autoptr(GError) error = NULL;
        g_autoptr(GArray) leases = NULL;
        pid_t first;

        make_lab(home);
        networks[0].dhcp.options = options;
        networks[0].dhcp.option_count = G_N_ELEMENTS(options);
        g_assert_true(dnsmasq_ensure(home, &lab, &error));
        dnsmasq_observe(&lab, &state);
        g_assert_true(state.pid && state.config_same && state.hosts_same);
        first = state.pid;
        must_run(INSIDE "busybox nslookup web.lab.test 10.20.0.1 | grep 10.20.0.10");
        must_run(INSIDE "busybox nslookup web 10.21.0.1 | grep 10.21.0.10");
        must_run("! " INSIDE "busybox nslookup web 10.21.0.1 | grep 10.20.0.10");
        must_run(INSIDE "busybox nslookup 10.20.0.10 10.20.0.1 | grep web.lab.test");
        must_run(INSIDE "ip link add g0 type veth peer name g1 && " INSIDE "ip link set g1 up master lan-1");
        ask_as("02:00:00:00:00:01", "10.20.0.10 ");
        check_options();
        ask_as("02:00:00:00:00:03", "10.20.0.1[0-9][0-9] ");
        must_run(INSIDE "busybox nslookup dyn 10.20.0.1 | grep Name");
        leases = dnsmasq_leases(lab.directory);
        g_assert_cmpuint(leases->len, ==, 2);
        hosts[0].ip = WEB_IP + 1;
        g_assert_true(dnsmasq_ensure(home, &lab, NULL));
        dnsmasq_observe(&lab, &state);
        g_assert_true(state.pid == first && state.hosts_same);
        ask_as("02:00:00:00:00:01", "10.20.0.11 ");
        hosts[0].old_mac = hosts[0].mac; /* it has another MAC since, and the lease of the old one lasts */
        hosts[0].mac.ether_addr_octet[5] = 4;
        g_assert_true(dnsmasq_ensure(home, &lab, NULL));
        ask_as("02:00:00:00:00:04", "10.20.0.11 ");
        hosts[0].mac = hosts[0].old_mac;
        hosts[0].old_mac = (struct ether_addr){{0}};
        networks[1].mtu = 1400;
        g_assert_true(dnsmasq_ensure(home, &lab, NULL));
        dnsmasq_observe(&lab, &state);
        g_assert_true(state.pid && state.pid != first && state.config_same);
        must_run("test $(ls /run/open/dnsmasq/*.conf | wc -l) = 1 && grep -c 10.20.0.11 /run/open/dnsmasq/leases");
        g_assert_true(dnsmasq_stop(lab.directory, NULL));
        g_assert_cmpint(dnsmasq_find(lab.directory), ==, 0);
        hosts[0].ip = WEB_IP;
        remove_home(home);
}

/* dnsmasq itself starts then, and answers nothing. */
static void
test_unreachable(void)
{
        struct home *home = must_open(TRUE, NULL, 0);
        struct lab closed = lab;
        g_autoptr(GError) error = NULL;

        make_lab(home);
        closed.directory = "/run/closed/dnsmasq";
        g_assert_cmpint(g_mkdir_with_parents("/run/closed", 0700), ==, 0);
        g_assert_false(dnsmasq_ensure(home, &closed, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_PERMISSION);
        g_assert_nonnull(strstr(error->message, "'/run/closed'"));
        remove_home(home);
}

static void
test_impostor(void)
{
        int ready[2], end[2], status;
        char byte;
        pid_t pid;

        g_assert_cmpint(g_mkdir_with_parents("/run/impostor", 0755), ==, 0);
        g_assert_true(g_file_set_contents("/run/impostor/loaded", "x", 1, NULL));
        g_assert_true(pipe2(ready, O_CLOEXEC) == 0 && pipe2(end, O_CLOEXEC) == 0);
        pid = fork();
        if (pid == 0) {
                if (setgid(12345) < 0 || setuid(12345) < 0 || dup2(end[0], 0) < 0)
                        _exit(1);
                execlp("sh", "sh", "-c", "read line", "x", "--conf-file=/run/impostor/x.conf", (char *)NULL);
                _exit(1);
        }
        close(ready[1]);
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 0); /* closed by exec */
        close(ready[0]);
        g_assert_cmpint(dnsmasq_find("/run/impostor"), ==, 0);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        g_assert_true(WIFSIGNALED(status));
        close(end[0]);
        close(end[1]);
}

static enum firewall_state
look_at_firewall(struct home *home)
{
        g_auto(firewall_found_t) found = {0};

        g_assert_true(firewall_look_end(firewall_look_begin(home, "lab", ISOLATION_PRIVATE, NULL), &found, NULL));
        g_assert_null(found.ports);
        g_assert_null(found.chains);
        return firewall_compare(home, &lab, &found);
}

static void
test_firewall(void)
{
        struct home *home = must_open(TRUE, NULL, 0);
        g_autofree char *value = NULL;

        make_lab(home);
        g_assert_true(look_at_firewall(home) == FIREWALL_ABSENT);
        g_assert_true(firewall_ensure(home, &lab, "/run/host.json", NULL));
        g_assert_true(look_at_firewall(home) == FIREWALL_SAME);
        value = home_read_sysctl(home, "net/ipv4/ip_forward", NULL);
        g_assert_cmpstr(value, ==, "1");
        g_assert_true(home_nft(home, "flush chain inet drover-lab forward", NULL, NULL));
        g_assert_true(look_at_firewall(home) == FIREWALL_DIFFERENT);
        g_assert_true(firewall_ensure(home, &lab, "/run/host.json", NULL));
        g_assert_true(home_nft(home, "delete element bridge drover-lab ports { \"dyn-3\" }", NULL, NULL));
        g_assert_true(look_at_firewall(home) == FIREWALL_DIFFERENT);
        g_assert_true(firewall_ensure(home, &lab, "/run/host.json", NULL));
        g_assert_true(look_at_firewall(home) == FIREWALL_SAME);
        g_assert_true(home_write_sysctl(home, "net/ipv4/ip_forward", "0", NULL));
        g_assert_true(look_at_firewall(home) == FIREWALL_DIFFERENT);
        g_assert_true(firewall_remove(home, "lab", ISOLATION_PRIVATE, "/run/host.json", NULL));
        g_assert_true(firewall_remove(home, "lab", ISOLATION_PRIVATE, "/run/host.json", NULL));
        g_assert_true(look_at_firewall(home) == FIREWALL_ABSENT);
        remove_home(home);
}

/* Each on its own: what is absent spoils no other answer, what is no command spoils all. */
static void
test_ask_nft(void)
{
        enum { ABSENT, TABLE, CHAINS, ALL };
        struct home *home = must_open(TRUE, NULL, 0);
        struct nft_question questions[ALL] = {[ABSENT] = {(char *)"list table inet nothing"},
                                              [TABLE] = {(char *)"list table inet one"},
                                              [CHAINS] = {(char *)"list chain inet one first", TRUE}};
        struct nft_question wrong[] = {{(char *)"list table inet one"}, {(char *)"list nonsense"}};
        g_autoptr(GError) error = NULL;

        g_assert_true(home_nft(home, "table inet one {\n\tchain first {\n\t}\n}\n", NULL, NULL));
        g_assert_true(home_nft_ask(home, questions, ALL, NULL));
        g_assert_null(questions[ABSENT].answer);
        g_assert_cmpstr(questions[TABLE].answer, ==, "table inet one {\n\tchain first {\n\t}\n}\n");
        g_assert_true(g_str_has_prefix(questions[CHAINS].answer, "{\"nftables\": ["));
        g_assert_false(home_nft_ask(home, wrong, G_N_ELEMENTS(wrong), &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_FAILED);
        g_assert_null(wrong[0].answer);
        for (int i = 0; i < ALL; i++)
                g_free(questions[i].answer);
        remove_home(home);
}

/* The host here is the namespace of the test. */
static void
test_ip_forward(void)
{
        struct home_options options = {"lab", ISOLATION_HOST, TRUE, TRUE, NULL, 0};
        struct lab on_host = lab;
        struct home *home = NULL;

        fill_networks();
        g_assert_true(home_open(&options, &home, NULL));
        g_assert_true(home_write_sysctl(home, "net/ipv4/ip_forward", "0", NULL));
        on_host.isolation = ISOLATION_HOST;
        g_assert_true(firewall_ensure(home, &on_host, "/run/host.json", NULL));
        on_host.project = "lab2";
        g_assert_true(firewall_ensure(home, &on_host, "/run/host.json", NULL));
        g_assert_true(firewall_remove(home, "lab", ISOLATION_HOST, "/run/host.json", NULL));
        must_run("grep 1 /proc/sys/net/ipv4/ip_forward");
        g_assert_true(firewall_remove(home, "lab2", ISOLATION_HOST, "/run/host.json", NULL));
        must_run("grep 0 /proc/sys/net/ipv4/ip_forward && ! test -e /run/host.json");
        home_free(home);
}

static void
test_errors_cross(void)
{
        struct home *home = must_open(TRUE, NULL, 0);
        static const char *const missing[] = {"drover-no-such-program", NULL}, *const failing[] = {"ls", "/no/such/file", NULL};
        g_autoptr(GString) big = g_string_new(NULL);
        GError *error = NULL;

        g_assert_false(home_nft(home, "list table inet nothing", NULL, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_clear_error(&error);
        g_assert_false(home_start(home, missing, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_clear_error(&error);
        g_assert_false(home_start(home, failing, &error));
        g_assert_nonnull(strstr(error->message, "/no/such/file"));
        g_clear_error(&error);
        g_assert_null(home_read_sysctl(home, "../../etc/passwd", &error));
        g_assert_nonnull(error);
        g_clear_error(&error);
        while (big->len < 1 << 20)
                g_string_append_printf(big, "add table inet big\n# %060d\n", 0);
        g_assert_true(home_nft(home, big->str, NULL, &error));
        remove_home(home);
}

/* Reads a FIFO until its other end is closed. */
static gpointer
start_slowly(gpointer home)
{
        static const char *const slow[] = {"cat", "/run/slow", NULL};
        g_autoptr(GError) error = NULL;

        g_assert_true(home_start(home, slow, &error));
        return NULL;
}

static void
test_slow_start(void)
{
        struct home *home = must_open(TRUE, NULL, 0);
        GThread *thread;
        auto_fd fifo = -1;
        auto_fd tap = -1;

        g_assert_cmpint(mkfifo("/run/slow", 0600), ==, 0);
        thread = g_thread_new("slow", start_slowly, home);
        fifo = open("/run/slow", O_WRONLY | O_CLOEXEC); /* until it is open at the other end: the program runs */
        tap = home_tap(home, "web-1", NULL);
        g_assert_cmpint(tap, >=, 0);
        g_assert_true(home_nft(home, "add table inet lab", NULL, NULL));
        g_assert_cmpint(write(fifo, "x", 1), ==, 1); /* it still reads: all that was done beside it */
        fd_clear(&fifo);
        g_thread_join(thread);
        remove_home(home);
}

/* The process inside takes over the trace, and nothing that it opens gets the number by which the trace is known. */
static void
test_trace(void)
{
        struct home *home;

        trace_line("test", "open before the fork");
        home = must_open(TRUE, NULL, 0);
        assert_marked(home);
        remove_home(home);
        must_run("grep \"netlink mark link 'lo'\" /run/trace");
}

static void
be_user(void)
{
        pid_t self = getpid();
        struct home *home;
        int held;

        g_assert_true(setgid(65534) == 0 && setuid(65534) == 0);
        prctl(PR_SET_DUMPABLE, 1); /* /proc/self belongs to us again */
        as_root = FALSE;
        must_be_absent(NULL, 0);
        home = must_open(TRUE, NULL, 0);
        assert_marked(home);
        held = home_namespace(home, NULL);
        g_assert_cmpint(home_tap(home, "web-1", NULL), >=, 0);
        home_free(home);
        home = must_open(FALSE, &self, 1);
        assert_marked(home);
        home_free(home);
        close(held);
        must_be_absent(&self, 1);
}

static void
test_user(void)
{
        int status = -1;
        pid_t pid = fork();

        if (pid == 0) {
                be_user();
                _exit(0);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_cmpint(status, ==, 0);
}

static void
be_alone(void)
{
        if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
            mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") < 0)
                g_error("cannot make namespaces for the test: %s", g_strerror(errno));
        if (mknod("/run/tun", S_IFCHR, makedev(10, 200)) < 0 || chmod("/run/tun", 0666) < 0 ||
            mount("/run/tun", "/dev/net/tun", NULL, MS_BIND, NULL) < 0)
                g_error("cannot open /dev/net/tun to the test's user: %s", g_strerror(errno));
        g_setenv("DROVER_TRACE", "/run/trace", TRUE);
        close(open("/run/trace", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (geteuid() != 0) {
                printf("1..0 # SKIP needs root\n");
                return 0;
        }
        be_alone();
        g_test_add_func("/network/named", test_named);
        g_test_add_func("/network/stray-name", test_stray_name);
        g_test_add_func("/network/lost-name", test_lost_name);
        g_test_add_func("/network/foreign-namespace", test_foreign_namespace);
        g_test_add_func("/network/bridge", test_bridge);
        g_test_add_func("/network/new-namespace", test_new_namespace);
        g_test_add_func("/network/tap", test_tap);
        g_test_add_func("/network/dnsmasq", test_dnsmasq);
        g_test_add_func("/network/unreachable", test_unreachable);
        g_test_add_func("/network/impostor", test_impostor);
        g_test_add_func("/network/firewall", test_firewall);
        g_test_add_func("/network/ask-nft", test_ask_nft);
        g_test_add_func("/network/ip-forward", test_ip_forward);
        g_test_add_func("/network/errors-cross", test_errors_cross);
        g_test_add_func("/network/slow-start", test_slow_start);
        g_test_add_func("/network/trace", test_trace);
        g_test_add_func("/network/user", test_user);
        return g_test_run();
}
