/* program.c - the way out of an ordinary user's private namespace: pasta, or slirp4netns where that is not to be had
 *
 * pasta carries far more: out of a guest tens of times as much, into it as much, and it makes more connections a second. It
 * reads /etc/resolv.conf once, so whom it asks is written down beside its pid, and one that asks somebody else than this host
 * does now is started anew; slirp4netns reads it each time. Both enter through the process of ours that stands in the
 * namespace. Source: pasta(1), slirp4netns(1).
 */
#include "network/uplink/kinds.h"

#include "base/child.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define PID_FILE "uplink.pid"
#define LOG "uplink.log"

enum { READY_MS = 10000, STOP_MS = 3000, LOG_MAX = 65536 };

/** struct request - What a program is started with */
struct request {
        struct home *home;
        const struct lab *lab;
        const struct uplink_state *state;
        const char *data, *identity;
};

struct program {
        const char *name;
        const char *mac_option; /* by which we know it again */
        gboolean keeps_resolver;
        gboolean (*start)(const struct request *request, pid_t *ret_pid, GError **error);
};

static gboolean start_pasta(const struct request *request, pid_t *ret_pid, GError **error);
static gboolean start_slirp(const struct request *request, pid_t *ret_pid, GError **error);

/* The better one first. */
static const struct program programs[] = {
        {"pasta", "--mac-addr", TRUE, start_pasta},
        {"slirp4netns", "--macaddress", FALSE, start_slirp},
};

char *
uplink_program(void)
{
        char *path = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(programs) && !path; i++)
                path = child_find_program(programs[i].name);
        return path;
}

static char *
identity_argument(const struct program *program, const char *project, const char *data)
{
        g_autofree char *text = g_strdup_printf("drover uplink %s %s", project, data);
        g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);

        return g_strdup_printf("%s=02:%.2s:%.2s:%.2s:%.2s:%.2s", program->mac_option, sum, sum + 2, sum + 4, sum + 6, sum + 8);
}

static gboolean
is_uplink(pid_t pid, const char *project, const char *data)
{
        g_autofree char *path = g_strdup_printf("/proc/%d", (int)pid);
        g_auto(GStrv) argv = process_argv(pid);
        gboolean named = FALSE;
        struct stat st;

        for (size_t i = 0; argv && i < G_N_ELEMENTS(programs) && !named; i++) {
                g_autofree char *argument = identity_argument(&programs[i], project, data);

                named = g_strv_contains((const char *const *)argv, argument);
        }
        return named && stat(path, &st) == 0 && st.st_uid == geteuid();
}

gboolean
program_was_started(const char *data)
{
        g_autofree char *path = g_build_filename(data, PID_FILE, NULL);

        return file_exists(path);
}

/* Started, and killed before its pid was written down: all processes are looked at. */
static pid_t
scan_processes(const char *project, const char *data)
{
        g_autoptr(GPtrArray) names = file_list_directory("/proc", NULL);

        for (guint i = 0; names && i < names->len; i++) {
                pid_t pid = (pid_t)g_ascii_strtoll(g_ptr_array_index(names, i), NULL, 10);

                if (pid > 1 && is_uplink(pid, project, data))
                        return pid;
        }
        return 0;
}

pid_t
program_find(const char *project, const char *data)
{
        g_autofree char *path = g_build_filename(data, PID_FILE, NULL), *text = NULL;
        pid_t pid;

        if (!file_read(path, 64, &text, NULL, NULL))
                return 0;
        pid = (pid_t)g_ascii_strtoll(text, NULL, 10);
        return pid > 1 && is_uplink(pid, project, data) ? pid : scan_processes(project, data);
}

gboolean
program_is_outdated(const char *data, const char *resolver)
{
        g_autofree char *path = g_build_filename(data, PID_FILE, NULL), *text = NULL;
        g_auto(GStrv) lines = file_read(path, 64, &text, NULL, NULL) ? g_strsplit(text, "\n", -1) : NULL;

        return lines && lines[0] && lines[1] && *lines[1] && resolver && strcmp(lines[1], resolver) != 0;
}

static gboolean
write_pid(const char *data, pid_t pid, const char *resolver, GError **error)
{
        g_autofree char *path = g_build_filename(data, PID_FILE, NULL);
        g_autofree char *text = g_strdup_printf("%d\n%s\n", (int)pid, resolver ? resolver : "");

        return file_write_if_changed(path, text, strlen(text), 0600, NULL, error);
}

static char *
scope_name(const struct request *request)
{
        return g_strdup_printf("drover-%s-uplink", request->lab->project);
}

static char *
format_own(const struct request *request, guint number)
{
        char ip[LAB_IP_LENGTH];

        return g_strdup(lab_format_ip(request->lab->uplink.address + number, ip));
}

/* The end of what it said, without what it says of a log that it does not find. */
static gboolean
explain(const char *name, const char *text, GError **error)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        const char *last = NULL;

        for (char **line = lines; *line; line++)
                if (*g_strstrip(*line) && !g_str_has_suffix(*line, "syslog"))
                        last = *line;
        return last ? error_set(error, DROVER_ERROR_FAILED, "%s: %s", name, last)
                    : error_set(error, DROVER_ERROR_FAILED, "%s ended at once", name);
}

/* ---- pasta ---- */

/* For IPv6 it needs an interface that has a link-local address; all else that it would ask that one for is given. */
static void
add_pasta_ipv6(GPtrArray *argv, const struct request *request)
{
        struct in6_addr inside = uplink_address6(request->lab, UPLINK6_INSIDE);
        char ip6[LAB_IP6_LENGTH];

        if (!request->lab->uplink6.prefix) {
                g_ptr_array_add(argv, g_strdup("--ipv4-only"));
                g_ptr_array_add(argv, g_strdup("--interface=lo"));
                return;
        }
        g_ptr_array_add(argv, g_strconcat("--interface=", request->state->local6, NULL));
        g_ptr_array_add(argv, g_strconcat("--address=", lab_format_ip6(&inside, ip6), NULL));
        g_ptr_array_add(argv, g_strdup("--gateway=" USER_GATEWAY6));
}

/* Nothing of this host's: neither its addresses, which an interface would be asked for, nor its loopback, nor its ports. */
static GPtrArray *
pasta_argv(const struct request *request)
{
        static const char *const fixed[] = {
                "pasta",           "--config-net",  "--quiet",       "--no-netns-quit", "--no-map-gw", "--tcp-ports=none",
                "--udp-ports=none", "--tcp-ns=none", "--udp-ns=none", "--ns-ifname",     UPLINK_LINK,
        };
        GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *address = format_own(request, USER_ADDRESS), *gateway = format_own(request, USER_GATEWAY),
                        *resolver = format_own(request, USER_RESOLVER);

        for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++)
                g_ptr_array_add(argv, g_strdup(fixed[i]));
        g_ptr_array_add(argv, g_strconcat("--address=", address, NULL));
        g_ptr_array_add(argv, g_strdup_printf("--netmask=%u", request->lab->uplink.prefix));
        g_ptr_array_add(argv, g_strconcat("--gateway=", gateway, NULL));
        g_ptr_array_add(argv, g_strconcat("--dns-forward=", resolver, NULL));
        add_pasta_ipv6(argv, request);
        g_ptr_array_add(argv, g_strdup(request->identity));
        g_ptr_array_add(argv, g_strdup_printf("%d", (int)home_pid(request->home)));
        g_ptr_array_add(argv, NULL);
        return argv;
}

/* It goes into the background when guests can use it. */
static gboolean
start_pasta(const struct request *request, pid_t *ret_pid, GError **error)
{
        g_autofree char *scope = scope_name(request);
        g_autoptr(GPtrArray) argv = pasta_argv(request);
        g_autoptr(GError) reason = NULL;
        struct child child = CHILD_INIT;

        child.argv = (const char *const *)argv->pdata;
        child.scope = scope;
        if (!child_run(&child, READY_MS, NULL, &reason))
                return explain("pasta", reason->message, error);
        *ret_pid = scan_processes(request->lab->project, request->data);
        return *ret_pid || error_set(error, DROVER_ERROR_FAILED, "pasta ended at once");
}

/* ---- slirp4netns ---- */

/* It writes "1" when guests can use it, and closes its end when it cannot go on. */
static gboolean
await_ready(int fd, const char *log, GError **error)
{
        struct pollfd entry = {.fd = fd, .events = POLLIN};
        g_autofree char *text = NULL;
        int n = (int)fd_retry(poll(&entry, 1, READY_MS));
        char byte;

        if (n == 0)
                return error_set(error, DROVER_ERROR_TIMEOUT, "slirp4netns is not ready after %d s", READY_MS / 1000);
        if (n > 0 && fd_retry(read(fd, &byte, 1)) == 1)
                return TRUE;
        return explain("slirp4netns", file_read(log, LOG_MAX, &text, NULL, NULL) ? text : "", error);
}

static gboolean
run_slirp(const struct request *request, const char *log, int report, pid_t *ret_pid, GError **error)
{
        g_autofree char *scope = scope_name(request), *network = format_own(request, 0);
        g_autofree char *cidr = g_strdup_printf("--cidr=%s/%u", network, request->lab->uplink.prefix);
        g_autofree char *inside = g_strdup_printf("%d", (int)home_pid(request->home));
        const char *argv[] = {"slirp4netns",
                              "--configure",
                              "--mtu=65520",
                              "--disable-host-loopback",
                              "--enable-seccomp",
                              cidr,
                              request->identity,
                              "--ready-fd=3",
                              inside,
                              UPLINK_LINK,
                              request->lab->uplink6.prefix ? "--enable-ipv6" : NULL,
                              NULL};
        auto_fd log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        struct child child = CHILD_INIT;
        auto_fd pidfd = -1;

        child.argv = argv;
        child.scope = scope;
        child.fds = &report;
        child.fd_count = 1;
        child.stderr_fd = log_fd;
        return child_start(&child, ret_pid, &pidfd, error);
}

static gboolean
start_slirp(const struct request *request, pid_t *ret_pid, GError **error)
{
        g_autofree char *log = g_build_filename(request->data, LOG, NULL);
        auto_fd ready = -1;
        auto_fd report = -1;
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return error_errno(error, "cannot make a pipe");
        ready = ends[0];
        report = ends[1];
        if (!run_slirp(request, log, report, ret_pid, error))
                return FALSE;
        fd_clear(&report);
        return await_ready(ready, log, error);
}

/* ---- whichever it is ---- */

/* Where the better one is not installed, or not allowed to run, the other one is taken; a failure is told of the first. */
gboolean
program_start(struct home *home, const struct lab *lab, const struct uplink_state *state, const char *data, GError **error)
{
        struct request request = {.home = home, .lab = lab, .state = state, .data = data};
        g_autoptr(GError) first = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
                g_autofree char *path = child_find_program(programs[i].name);
                g_autofree char *identity = identity_argument(&programs[i], lab->project, data);
                pid_t pid;

                request.identity = identity;
                /* The file before the process, so that one whose number was not written yet is looked for. */
                if (path && (!program_stop(lab->project, data, error) || !write_pid(data, 0, NULL, error)))
                        return FALSE;
                if (path && programs[i].start(&request, &pid, first ? NULL : &first))
                        return write_pid(data, pid, programs[i].keeps_resolver ? state->resolver : NULL, error);
        }
        if (!first)
                return error_set(error, DROVER_ERROR_NOT_FOUND, "neither pasta nor slirp4netns is installed");
        g_propagate_error(error, g_steal_pointer(&first));
        return FALSE;
}

gboolean
program_stop(const char *project, const char *data, GError **error)
{
        g_autofree char *path = g_build_filename(data, PID_FILE, NULL), *log = g_build_filename(data, LOG, NULL);
        pid_t pid = program_find(project, data);
        auto_fd pidfd = pid ? process_open(pid) : -1;

        if (pidfd >= 0 && is_uplink(pid, project, data)) {
                if (!process_signal(pidfd, SIGTERM, error))
                        return FALSE;
                if (!process_wait(pidfd, STOP_MS) && (!process_signal(pidfd, SIGKILL, error) || !process_wait(pidfd, STOP_MS)))
                        return error_set(error, DROVER_ERROR_TIMEOUT, "process %d does not end", (int)pid);
        } else if (pid && program_find(project, data) == pid) {
                return error_set(error, DROVER_ERROR_FAILED, "cannot open process %d", (int)pid);
        }
        return file_remove(log, error) && file_remove(path, error);
}
