/* doctor.c - drover doctor: can this host do it, and what to do where not; changes nothing */
#include "cmd/print.h"

#include "base/child.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/scope.h"
#include "network/foreign.h"
#include "runtime/observe.h"

#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

enum level {
        LEVEL_OK,
        LEVEL_WARN, /* drover works, but less well */
        LEVEL_FAIL, /* something that it needs is missing */
};

struct finding {
        const char *check;
        enum level level;
        char *text;
        const char *fix; /* what to type, or NULL */
};

struct doctor {
        GArray *findings; /* struct finding */
        gboolean root;
        struct world world;
};

static const char *const levels[] = {"ok", "warn", "fail"};

static void
finding_clear(gpointer data)
{
        g_free(((struct finding *)data)->text);
}

static void G_GNUC_PRINTF(5, 6)
        find(struct doctor *doctor, const char *check, enum level level, const char *fix, const char *format, ...)
{
        struct finding finding = {.check = check, .level = level, .fix = fix};
        va_list args;

        va_start(args, format);
        finding.text = g_strdup_vprintf(format, args);
        va_end(args);
        g_array_append_val(doctor->findings, finding);
}

/* The first line of what a program says about its version; NULL where it cannot be run. */
static char *
ask_version(const char *program, const char *option)
{
        const char *argv[] = {program, option, NULL};
        struct child child = CHILD_INIT;
        char *text = NULL;

        child.argv = argv;
        if (!child_run(&child, 10000, &text, NULL))
                return NULL;
        text[strcspn(text, "\n")] = '\0';
        return text;
}

static void
check_program(struct doctor *doctor, const char *check, const char *program, const char *option, const char *fix)
{
        g_autofree char *path = child_find_program(program);
        g_autofree char *version = path ? ask_version(path, option) : NULL;

        if (!path)
                find(doctor, check, LEVEL_FAIL, fix, "%s is not installed", program);
        else if (!version)
                find(doctor, check, LEVEL_FAIL, fix, "%s does not run", path);
        else
                find(doctor, check, LEVEL_OK, NULL, "%s", version);
}

static void
check_uplink(struct doctor *doctor)
{
        const char *fix = "apt-get install passt (Fedora: dnf install passt)";
        g_autofree char *path = uplink_program();
        g_autofree char *version = path ? ask_version(path, "--version") : NULL;

        if (version && g_str_has_suffix(path, "pasta"))
                find(doctor, "uplink", LEVEL_OK, NULL, "%s", version);
        else if (version)
                find(doctor, "uplink", LEVEL_OK, NULL, "%s (pasta carries several times as much: %s)", version, fix);
        else if (path)
                find(doctor, "uplink", LEVEL_WARN, fix, "%s does not run: guests reach nothing outside their project", path);
        else
                find(doctor, "uplink", LEVEL_WARN, fix, "pasta is not installed: guests reach nothing outside their project");
}

static void
check_programs(struct doctor *doctor)
{
        const struct qemu_info *qemu = doctor->world.qemu;
        const char *wish = g_getenv("DROVER_QEMU");

        check_program(doctor, "qemu", qemu ? qemu->path : wish && *wish ? wish : "qemu-system-x86_64", "--version",
                      "apt-get install qemu-system-x86 (Fedora: dnf install qemu-system-x86-core)");
        if (qemu && !qemu->q35)
                find(doctor, "machines", LEVEL_FAIL, NULL, "%s does not know the machine q35", qemu->path);
        check_program(doctor, "qemu-img", "qemu-img", "--version", "apt-get install qemu-utils (Fedora: dnf install qemu-img)");
        check_program(doctor, "dnsmasq", "dnsmasq", "--version", "apt-get install dnsmasq-base (Fedora: dnf install dnsmasq)");
        if (!doctor->root)
                check_uplink(doctor);
        if (doctor->world.uefi_code)
                find(doctor, "uefi", LEVEL_OK, NULL, "%s", doctor->world.uefi_code);
        else
                find(doctor, "uefi", LEVEL_WARN, "apt-get install ovmf (Fedora: dnf install edk2-ovmf)",
                     "no UEFI firmware: 'firmware: uefi' will not work");
        if (doctor->world.virtiofsd)
                find(doctor, "virtiofsd", LEVEL_OK, NULL, "%s", doctor->world.virtiofsd);
        else
                find(doctor, "virtiofsd", LEVEL_WARN,
                     "apt-get install virtiofsd (Debian 12: qemu-system-common; Fedora: dnf install virtiofsd)",
                     "virtiofsd is not installed: 'mounts' need 'type: 9p'");
}

static void
check_kvm(struct doctor *doctor)
{
        const struct qemu_info *qemu = doctor->world.qemu;
        gboolean wished = qemu && g_strcmp0(qemu->no_kvm_reason, qemu->kvm_fault) != 0;

        if (!qemu)
                return;
        if (qemu->kvm)
                find(doctor, "kvm", LEVEL_OK, NULL, "VMs run on the CPU itself");
        else
                find(doctor, "kvm", LEVEL_WARN, wished ? "unset DROVER_ACCEL" : qemu->kvm_hint,
                     "%s: VMs are emulated (tcg), which is many times slower",
                     qemu->no_kvm_reason ? qemu->no_kvm_reason : "not usable");
}

static void
check_tun(struct doctor *doctor)
{
        auto_fd fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

        if (fd >= 0)
                find(doctor, "tun", LEVEL_OK, NULL, "/dev/net/tun opens");
        else if (errno == ENOENT || errno == ENODEV)
                find(doctor, "tun", LEVEL_FAIL, "modprobe tun", "there is no /dev/net/tun: VMs get no network");
        else
                find(doctor, "tun", LEVEL_FAIL, "chmod 0666 /dev/net/tun", "/dev/net/tun cannot be opened: %s",
                     g_strerror(errno));
}

/* A switch of the kernel, or -1 where it has none of that name. */
static int
read_switch(const char *path)
{
        g_autofree char *text = NULL;

        return file_read(path, 64, &text, NULL, NULL) ? (int)g_ascii_strtoll(text, NULL, 10) : -1;
}

/* One is made, as `up` makes it, and goes at once: what forbids them has many names, and exceptions. */
static void
check_user_namespaces(struct doctor *doctor)
{
        struct home_options options = {.project = "doctor", .isolation = ISOLATION_PRIVATE, .create = TRUE};
        g_autoptr(home_t) home = NULL;
        g_autoptr(GError) error = NULL;

        if (doctor->root)
                return;
        if (home_open(&options, &home, &error))
                find(doctor, "namespaces", LEVEL_OK, NULL,
                     "a user may have namespaces: no root is needed for 'isolation: private'");
        else if (read_switch("/proc/sys/kernel/unprivileged_userns_clone") == 0)
                find(doctor, "namespaces", LEVEL_FAIL, "sysctl -w kernel.unprivileged_userns_clone=1",
                     "the kernel keeps user namespaces to root");
        else if (read_switch("/proc/sys/user/max_user_namespaces") == 0)
                find(doctor, "namespaces", LEVEL_FAIL, "sysctl -w user.max_user_namespaces=10000",
                     "user namespaces are switched off");
        else if (read_switch("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
                find(doctor, "namespaces", LEVEL_FAIL, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
                     "AppArmor restricts user namespaces, as Ubuntu has it since 23.10");
        else
                find(doctor, "namespaces", LEVEL_FAIL, NULL, "%.*s", (int)strcspn(error->message, "\n"), error->message);
}

/* Ask nf_tables for its generation, which only looks: 0, or the errno of the answer. */
static int
ask_nf_tables(void)
{
        struct {
                struct nlmsghdr header;
                struct nfgenmsg body;
        } request = {
                {sizeof request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, NLM_F_REQUEST, 1, 0},
                {AF_UNSPEC, NFNETLINK_V0, 0},
        };
        union {
                struct nlmsghdr header;
                char bytes[4096];
        } answer;
        struct timeval limit = {.tv_sec = 2};
        auto_fd fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        ssize_t got;

        if (fd < 0)
                return errno;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (send(fd, &request, sizeof request, 0) < 0)
                return errno;
        got = recv(fd, &answer, sizeof answer, 0);
        if (got < (ssize_t)sizeof answer.header)
                return got < 0 ? errno : EPROTO;
        if (answer.header.nlmsg_type != NLMSG_ERROR)
                return 0;
        return got >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) ? -((struct nlmsgerr *)NLMSG_DATA(&answer.header))->error
                                                                     : EPROTO;
}

static void
check_firewall(struct doctor *doctor)
{
        int number = ask_nf_tables();

        if (number == 0)
                find(doctor, "nftables", LEVEL_OK, NULL, "the kernel has nf_tables");
        else if (number == EPERM)
                find(doctor, "nftables", LEVEL_OK, NULL, "asked for only inside a project's namespace");
        else
                find(doctor, "nftables", LEVEL_WARN, "modprobe nf_tables",
                     "the kernel has no nf_tables (%s): 'mode: nat' will not work", g_strerror(number));
}

static void
check_forwarding(struct doctor *doctor)
{
        int filter = read_switch("/proc/sys/net/bridge/bridge-nf-call-iptables");
        int forward = read_switch("/proc/sys/net/ipv4/ip_forward");

        if (!doctor->root)
                return;
        if (filter == 1)
                find(doctor, "bridge-nf", LEVEL_WARN, "sysctl -w net.bridge.bridge-nf-call-iptables=0",
                     "firewalls see traffic within bridges: a forward chain that drops (Docker's) cuts guests of 'isolation: "
                     "host' off "
                     "from each other");
        else
                find(doctor, "bridge-nf", LEVEL_OK, NULL, "firewalls leave traffic within bridges alone");
        find(doctor, "forwarding", LEVEL_OK, NULL, "ip_forward is %s",
             forward == 1 ? "on" : "off; a network that routes switches it on");
}

/* Chains of others that drop what they do not know, and those that cannot be looked into. */
static void
check_foreign(struct doctor *doctor)
{
        struct home_options options = {.project = "doctor", .isolation = ISOLATION_HOST, .root = TRUE};
        g_autoptr(home_t) home = NULL;
        g_autoptr(GPtrArray) chains = NULL;
        g_autoptr(GString) names = g_string_new(NULL);
        g_autofree char *legacy = NULL;

        if (!doctor->root || !home_open(&options, &home, NULL))
                return;
        chains = foreign_look(home, options.project, NULL);
        for (guint i = 0; chains && i < chains->len; i++) {
                const struct foreign_chain *chain = g_ptr_array_index(chains, i);

                if (chain->drops)
                        g_string_append_printf(names, "%s%s %s %s", names->len ? ", " : "", chain->family, chain->table,
                                               chain->name);
        }
        if (names->len)
                find(doctor, "firewall", LEVEL_OK, NULL,
                     "'%s' drops what it does not know: while a project is up, accept rules of drover's stand in there, marked "
                     "'drover:PROJECT'", names->str);
        if (file_read("/proc/net/ip_tables_names", 4096, &legacy, NULL, NULL) && strstr(legacy, "filter"))
                find(doctor, "firewall", LEVEL_WARN, "iptables-legacy -I FORWARD -i BRIDGE -j ACCEPT, and the same with -o",
                     "rules of iptables-legacy are loaded, which drover does not change: if they drop what they do not know, "
                     "allow its bridges");
}

static void
check_qemu_user(struct doctor *doctor)
{
        struct child_user user;
        g_autoptr(GError) error = NULL;

        if (!doctor->root)
                return;
        if (session_qemu_user(&user, &error)) {
                find(doctor, "user", LEVEL_OK, NULL, "QEMU runs as '%s'", user.name);
                return;
        }
        error->message[strcspn(error->message, "\n")] = '\0';
        find(doctor, "user", LEVEL_FAIL,
             g_getenv("DROVER_QEMU_USER") ? "let DROVER_QEMU_USER name a user of this host"
                                          : "useradd --system --shell /usr/sbin/nologin drover",
             "%s", error->message);
}

static void
check_logout(struct doctor *doctor)
{
        if (access(SCOPE_BOOTED, F_OK) < 0)
                return;
        if (scope_manager())
                find(doctor, "logout", LEVEL_OK, NULL, "systemd keeps VMs, each in a scope of its own");
        else
                find(doctor, "logout", LEVEL_WARN, "loginctl enable-linger", "VMs may end with your last login");
}

/* Can it be written, or made where it is not there? */
static void
check_directory(struct doctor *doctor, const char *check, const char *path)
{
        g_autofree char *above = g_strdup(path);

        while (access(above, F_OK) < 0 && strlen(above) > 1) {
                char *parent = g_path_get_dirname(above);

                g_free(above);
                above = parent;
        }
        if (access(above, W_OK | X_OK) == 0)
                find(doctor, check, LEVEL_OK, NULL, "%s", path);
        else
                find(doctor, check, LEVEL_FAIL, "see FILES and ENVIRONMENT in drover(1) to choose another place",
                     "'%s' cannot be written: %s", above, g_strerror(errno));
}

static void
check_space(struct doctor *doctor)
{
        const struct world *world = &doctor->world;
        gboolean little = world->disk_free < 1ULL << 30;

        find(doctor, "memory", LEVEL_OK, NULL, "%.1f of %.1f GiB available", (double)world->memory_available / (1 << 30),
             (double)world->memory_total / (1 << 30));
        find(doctor, "disk", little ? LEVEL_WARN : LEVEL_OK, NULL, "%.1f GiB free", (double)world->disk_free / (1 << 30));
}

static void
print_findings(const struct doctor *doctor)
{
        static const char *const colors[] = {"green", "yellow", "red"};

        for (guint i = 0; i < doctor->findings->len; i++) {
                const struct finding *finding = &g_array_index(doctor->findings, struct finding, i);

                printf("%s%-4s%s  %-10s  %s\n", print_color(stdout, colors[finding->level]), levels[finding->level],
                       print_color(stdout, "reset"), finding->check, finding->text);
                if (finding->fix)
                        printf("                  fix: %s\n", finding->fix);
        }
}

static json_t *
findings_to_json(const struct doctor *doctor)
{
        json_t *list = json_array();

        for (guint i = 0; i < doctor->findings->len; i++) {
                const struct finding *finding = &g_array_index(doctor->findings, struct finding, i);
                json_t *item = json_object();

                json_set_text(item, "name", finding->check);
                json_set_text(item, "level", levels[finding->level]);
                json_set_text(item, "text", finding->text);
                json_set_text(item, "fix", finding->fix);
                json_array_append_new(list, item);
        }
        return list;
}

struct doctor_options {
        char *format;
};

static int
run_doctor(struct verb_call *call)
{
        const struct doctor_options *options = call->options;
        g_autoptr(paths_t) paths = paths_new("doctor");
        g_autoptr(GArray) findings = g_array_new(FALSE, FALSE, sizeof(struct finding));
        struct doctor doctor = {.findings = findings, .root = geteuid() == 0, .world = {.paths = paths}};
        struct child_user user;
        int status = EXIT_DONE;

        g_array_set_clear_func(findings, finding_clear);
        observe_host(&doctor.world, doctor.root && session_qemu_user(&user, NULL) ? &user : NULL);
        check_programs(&doctor);
        check_kvm(&doctor);
        check_tun(&doctor);
        check_user_namespaces(&doctor);
        check_firewall(&doctor);
        check_forwarding(&doctor);
        check_foreign(&doctor);
        check_qemu_user(&doctor);
        check_logout(&doctor);
        check_directory(&doctor, "run", paths->run_root);
        check_directory(&doctor, "data", paths->data_root);
        check_directory(&doctor, "cache", paths->cache);
        check_space(&doctor);
        if (g_strcmp0(options->format, "json") == 0)
                print_document("checks", findings_to_json(&doctor));
        else
                print_findings(&doctor);
        for (guint i = 0; i < findings->len; i++)
                if (g_array_index(findings, struct finding, i).level == LEVEL_FAIL)
                        status = EXIT_FAILED;
        qemu_info_free(doctor.world.qemu);
        g_free(doctor.world.virtiofsd);
        return status;
}

static const struct option_row rows[] = {
        {"format", 0, OPTION_TEXT, "text|json", "How to print it", G_STRUCT_OFFSET(struct doctor_options, format)},
        {NULL},
};

const struct verb verb_doctor = {
        .name = "doctor",
        .synopsis = "",
        .help = "Check what this host can do, and say what to do where it cannot",
        .text = "Exits with 1 where something that drover needs is missing.",
        VERB_OPTIONS(rows, struct doctor_options),
        .run = run_doctor,
};
