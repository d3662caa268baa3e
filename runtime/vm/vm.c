/* vm.c - one VM's QEMU: found again, stopped, spoken to */
#include "runtime/vm/vm.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "base/trace.h"
#include "runtime/vm/qmp.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
        CONNECT_TIMEOUT_MS = 3000,
        COMMAND_TIMEOUT_MS = 10000,
        PRESS_AGAIN_MS = 3000,
        QUIT_TIMEOUT_MS = 5000,
        KILL_TIMEOUT_MS = 10000,
        PID_FILE_TIMEOUT_MS = 2000,
        LOOK_MS = 50,
};

static char *
data_file(const struct paths *paths, const char *vm, const char *name)
{
        g_autofree char *directory = paths_vm_data(paths, vm);

        return g_build_filename(directory, name, NULL);
}

gboolean
vm_is_locked(const struct paths *paths, const char *vm)
{
        g_autofree char *alive = data_file(paths, vm, VM_ALIVE_FILE);

        return file_is_locked(alive);
}

gboolean
vm_is_ending(const struct paths *paths, const char *vm)
{
        g_autofree char *alive = data_file(paths, vm, VM_ALIVE_FILE);
        struct stat st;

        return stat(alive, &st) == 0 && st.st_size > 0;
}

/* A length takes no room on a disk that is full. Where even that cannot be noted, it is stopped all the same. */
static void
note_ending(const struct paths *paths, const char *vm)
{
        g_autofree char *alive = data_file(paths, vm, VM_ALIVE_FILE);
        auto_fd fd = open(alive, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0 || ftruncate(fd, 1) < 0)
                trace_line("action", "vm %s: that it is to end cannot be noted: %s", vm, g_strerror(errno));
}

gboolean
vm_crashed(const struct paths *paths, const char *vm)
{
        g_autofree char *pid_file = data_file(paths, vm, VM_PID_FILE);

        return file_exists(pid_file) && !vm_is_locked(paths, vm);
}

pid_t
vm_find_pid(const struct paths *paths, const char *vm, const char *uuid)
{
        g_autofree char *pid_file = data_file(paths, vm, VM_PID_FILE);
        pid_t pid = file_lock_holder(pid_file);

        return pid > 0 && process_has_argument(pid, uuid) ? pid : 0;
}

int
vm_open_run_directory(const struct paths *paths, const char *vm, GError **error)
{
        g_autofree char *run = paths_vm_run(paths, vm);
        int fd = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0) {
                error_errno(error, "cannot open the sockets of vm '%s' in '%s'", vm, run);
                if (errno == ENOENT && vm_is_locked(paths, vm))
                        error_hint(error, "they were removed while it runs; 'drover restart %s' makes new ones", vm);
        }
        return fd;
}

int
vm_connect_socket(const struct paths *paths, const char *vm, const char *socket_name, GError **error)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        auto_fd directory = vm_open_run_directory(paths, vm, error);
        auto_fd fd = -1;

        if (directory < 0)
                return -1;
        g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory, socket_name);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || fd_retry(connect(fd, (struct sockaddr *)&address, sizeof address)) < 0) {
                if (errno == ENOENT || errno == ECONNREFUSED)
                        return error_set(error, DROVER_ERROR_NOT_FOUND, "vm '%s' is not running", vm), -1;
                return error_errno(error, "cannot connect to '%s' of vm '%s'", socket_name, vm), -1;
        }
        return fd_steal(&fd);
}

static struct qmp *
connect_control(const struct paths *paths, const char *vm, GError **error)
{
        auto_fd directory = vm_open_run_directory(paths, vm, error);

        return directory < 0 ? NULL : qmp_connect(directory, QEMU_SOCKET_CONTROL, CONNECT_TIMEOUT_MS, error);
}

gboolean
vm_command(const struct paths *paths, const char *vm, const char *command, GError **error)
{
        g_autoptr(qmp_t) qmp = connect_control(paths, vm, error);

        return qmp && qmp_call(qmp, command, NULL, COMMAND_TIMEOUT_MS, NULL, error);
}

/* Its process, looked at a second time after it was opened, so that the pidfd is of the right one; -1: it is gone. */
static int
open_process(const struct paths *paths, const char *vm, GError **error)
{
        g_autoptr(spec_t) spec = spec_load(paths, vm, NULL);
        g_autofree char *project = g_path_get_basename(paths->data);
        auto_fd pidfd = -1;
        pid_t pid;

        if (!spec)
                spec = spec_new(project, vm); /* lost or unreadable: nothing else says who it is, and it must be stoppable */
        pid = vm_find_pid(paths, vm, spec->uuid);
        pidfd = pid > 0 ? process_open(pid) : -1;
        if (pidfd >= 0 && vm_find_pid(paths, vm, spec->uuid) == pid)
                return fd_steal(&pidfd);
        if (vm_is_locked(paths, vm))
                error_set(error, DROVER_ERROR_FAILED, "vm '%s' lives, but its process is not to be found through '%s'", vm,
                          VM_PID_FILE);
        return -1;
}

/* A VM that is being started holds the lock before QEMU has written its pid file; whoever starts it holds the project's lock,
 * which we hold now, so such a QEMU is an orphan of a killed drover and gets there by itself. */
static gboolean
wait_for_pid_file(const struct paths *paths, const char *vm)
{
        g_autofree char *pid_file = data_file(paths, vm, VM_PID_FILE), *own = data_file(paths, vm, VM_OWN_DIRECTORY);
        gint64 end = g_get_monotonic_time() + PID_FILE_TIMEOUT_MS * 1000;
        auto_fd notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        struct pollfd poll_fd = {.fd = notify, .events = POLLIN};

        /* QEMU locks the file before it writes to it. That it dies first is no event, so it is looked for now and then. */
        if (notify < 0 || inotify_add_watch(notify, own, IN_CREATE | IN_MODIFY | IN_ONLYDIR) < 0)
                poll_fd.fd = -1;
        while (vm_is_locked(paths, vm) && file_lock_holder(pid_file) == 0 && g_get_monotonic_time() < end) {
                char events[4096];

                if (poll(&poll_fd, 1, LOOK_MS) > 0 && read(notify, events, sizeof events) < 0)
                        poll_fd.fd = -1;
        }
        return vm_is_locked(paths, vm);
}

/* A guest that stands still cannot hear the button, and one that is still booting forgets it: it is pressed again. */
static void
ask_to_power_off(const struct paths *paths, const char *vm, int pidfd, int grace_ms)
{
        g_autoptr(qmp_t) qmp = connect_control(paths, vm, NULL);

        if (!qmp || !qmp_call(qmp, "cont", NULL, COMMAND_TIMEOUT_MS, NULL, NULL))
                return;
        while (grace_ms > 0 && qmp_call(qmp, "system_powerdown", NULL, COMMAND_TIMEOUT_MS, NULL, NULL) &&
               !process_wait(pidfd, MIN(grace_ms, PRESS_AGAIN_MS)))
                grace_ms -= PRESS_AGAIN_MS;
        /* Its monitor closes first when it ends by itself: what it still has to write, it may. */
        process_wait(pidfd, MAX(grace_ms, 0));
}

/* SIGTERM is QEMU's own `quit`, without a monitor that might hang: it flushes what it holds of the disks and ends. One that
 * somebody has stopped hears it when it is continued. */
static gboolean
cut_off(int pidfd, GError **error)
{
        if (!process_signal(pidfd, SIGTERM, error) || !process_signal(pidfd, SIGCONT, error))
                return FALSE;
        if (process_wait(pidfd, QUIT_TIMEOUT_MS))
                return TRUE;
        if (!process_signal(pidfd, SIGKILL, error))
                return FALSE;
        if (!process_wait(pidfd, KILL_TIMEOUT_MS))
                return error_set(error, DROVER_ERROR_TIMEOUT, "its process did not end within %d s of SIGKILL",
                                 KILL_TIMEOUT_MS / 1000);
        return TRUE;
}

static gboolean
clean_up(const struct paths *paths, const char *vm, GError **error)
{
        g_autofree char *pid_file = data_file(paths, vm, VM_PID_FILE);
        g_autofree char *run = paths_vm_run(paths, vm);

        return file_remove(pid_file, error) && file_remove_tree(run, error);
}

gboolean
vm_stop(const struct paths *paths, const char *vm, int grace_ms, gboolean *ret_forced, GError **error)
{
        g_autoptr(GError) reason = NULL;
        gboolean forced = FALSE;
        auto_fd pidfd = -1;

        if (vm_is_locked(paths, vm) && wait_for_pid_file(paths, vm)) {
                pidfd = open_process(paths, vm, &reason);
                if (pidfd < 0 && reason) {
                        g_propagate_error(error, g_steal_pointer(&reason));
                        return FALSE;
                }
        }
        if (pidfd >= 0)
                note_ending(paths, vm);
        if (pidfd >= 0 && grace_ms > 0)
                ask_to_power_off(paths, vm, pidfd, grace_ms);
        if (pidfd >= 0 && !process_wait(pidfd, 0)) {
                forced = TRUE;
                if (!cut_off(pidfd, error))
                        return FALSE;
        }
        if (ret_forced)
                *ret_forced = forced;
        return clean_up(paths, vm, error);
}
