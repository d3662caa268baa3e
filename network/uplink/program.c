/* program.c - the way out of an ordinary user's private namespace: slirp4netns. Source: slirp4netns(1), ioctl_ns(2) */
#include "network/uplink/kinds.h"

#include "base/child.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define PID_FILE "uplink.pid"
#define LOG "uplink.log"

enum { READY_MS = 10000, STOP_MS = 3000, LOG_MAX = 65536 };

static char *
mac_argument(const char *project, const char *data)
{
        g_autofree char *text = g_strdup_printf("drover uplink %s %s", project, data);
        g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);

        return g_strdup_printf("--macaddress=02:%.2s:%.2s:%.2s:%.2s:%.2s", sum, sum + 2, sum + 4, sum + 6, sum + 8);
}

static gboolean
is_uplink(pid_t pid, const char *argument)
{
        g_autofree char *path = g_strdup_printf("/proc/%d", (int)pid);
        struct stat st;

        return process_has_argument(pid, argument) && stat(path, &st) == 0 && st.st_uid == geteuid();
}

gboolean
program_was_started(const char *data)
{
        g_autofree char *path = g_build_filename(data, PID_FILE, NULL);

        return file_exists(path);
}

/* Started, and killed before its pid was written down: all processes are looked at. */
static pid_t
scan_processes(const char *argument)
{
        g_autoptr(GPtrArray) names = file_list_directory("/proc", NULL);

        for (guint i = 0; names && i < names->len; i++) {
                pid_t pid = (pid_t)g_ascii_strtoll(g_ptr_array_index(names, i), NULL, 10);

                if (pid > 1 && is_uplink(pid, argument))
                        return pid;
        }
        return 0;
}

pid_t
program_find(const char *project, const char *data)
{
        g_autofree char *path = g_build_filename(data, PID_FILE, NULL), *argument = mac_argument(project, data);
        g_autofree char *text = NULL;
        pid_t pid;

        if (!file_read(path, 64, &text, NULL, NULL))
                return 0;
        pid = (pid_t)g_ascii_strtoll(text, NULL, 10);
        return pid > 1 && is_uplink(pid, argument) ? pid : scan_processes(argument);
}

static gboolean
write_pid(const char *data, pid_t pid, GError **error)
{
        g_autofree char *path = g_build_filename(data, PID_FILE, NULL), *text = g_strdup_printf("%d\n", (int)pid);

        return file_write_if_changed(path, text, strlen(text), 0600, NULL, error);
}

/* It writes "1" when guests can use it, and closes its end when it cannot go on. */
static gboolean
await_ready(int fd, const char *log, GError **error)
{
        struct pollfd entry = {.fd = fd, .events = POLLIN};
        g_autofree char *text = NULL;
        const char *last;
        int n;
        char byte;

        n = (int)fd_retry(poll(&entry, 1, READY_MS));
        if (n == 0)
                return error_set(error, DROVER_ERROR_TIMEOUT, UPLINK_PROGRAM " is not ready after %d s", READY_MS / 1000);
        if (n > 0 && fd_retry(read(fd, &byte, 1)) == 1)
                return TRUE;
        if (!file_read(log, LOG_MAX, &text, NULL, NULL) || !*g_strstrip(text))
                return error_set(error, DROVER_ERROR_FAILED, UPLINK_PROGRAM " ended at once");
        last = strrchr(text, '\n');
        return error_set(error, DROVER_ERROR_FAILED, UPLINK_PROGRAM ": %s", last ? last + 1 : text);
}

static char *
cidr_argument(const struct cidr4 *subnet)
{
        char ip[LAB_IP_LENGTH];

        return g_strdup_printf("--cidr=%s/%u", lab_format_ip(subnet->address, ip), subnet->prefix);
}

static gboolean
run(const struct lab *lab, const char *data, const int *fds, size_t count, pid_t *ret_pid, GError **error)
{
        g_autofree char *scope = g_strdup_printf("drover-%s-uplink", lab->project), *mac = mac_argument(lab->project, data);
        g_autofree char *log = g_build_filename(data, LOG, NULL), *cidr = cidr_argument(&lab->uplink);
        const char *argv[] = {UPLINK_PROGRAM, "--configure", "--mtu=65520", "--disable-host-loopback",
                              "--enable-seccomp", cidr, mac, "--ready-fd=5",
                              "--netns-type=path", "--userns-path=/proc/self/fd/4", "/proc/self/fd/3", UPLINK_LINK, NULL};
        auto_fd log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        struct child child = CHILD_INIT;
        auto_fd pidfd = -1;

        child.argv = argv;
        child.scope = scope;
        child.fds = fds;
        child.fd_count = count;
        child.stderr_fd = log_fd;
        return child_start(&child, ret_pid, &pidfd, error) && write_pid(data, *ret_pid, error);
}

gboolean
program_start(struct home *home, const struct lab *lab, const char *data, GError **error)
{
        g_autofree char *log = g_build_filename(data, LOG, NULL);
        auto_fd namespace = -1;
        auto_fd user = -1;
        auto_fd ready = -1;
        auto_fd report = -1;
        int ends[2], fds[3];
        pid_t pid;

        /* The file before the process, so that one whose number was not written yet is looked for. */
        if (!program_stop(lab->project, data, error) || !write_pid(data, 0, error))
                return FALSE;
        namespace = home_namespace(home, error);
        if (namespace < 0)
                return FALSE;
        user = ioctl(namespace, NS_GET_USERNS);
        if (user < 0 || pipe2(ends, O_CLOEXEC) < 0)
                return error_errno(error, "cannot open the user namespace");
        ready = ends[0];
        report = ends[1];
        fds[0] = namespace;
        fds[1] = user;
        fds[2] = report;
        if (!run(lab, data, fds, G_N_ELEMENTS(fds), &pid, error))
                return FALSE;
        fd_clear(&report);
        return await_ready(ready, log, error);
}

gboolean
program_stop(const char *project, const char *data, GError **error)
{
        g_autofree char *path = g_build_filename(data, PID_FILE, NULL), *log = g_build_filename(data, LOG, NULL);
        g_autofree char *argument = mac_argument(project, data);
        pid_t pid = program_find(project, data);
        auto_fd pidfd = pid ? process_open(pid) : -1;

        if (pidfd >= 0 && is_uplink(pid, argument)) {
                if (!process_signal(pidfd, SIGTERM, error))
                        return FALSE;
                if (!process_wait(pidfd, STOP_MS) && (!process_signal(pidfd, SIGKILL, error) || !process_wait(pidfd, STOP_MS)))
                        return error_set(error, DROVER_ERROR_TIMEOUT, "process %d does not end", (int)pid);
        } else if (pid && program_find(project, data) == pid) {
                return error_set(error, DROVER_ERROR_FAILED, "cannot open process %d", (int)pid);
        }
        return file_remove(log, error) && file_remove(path, error);
}
