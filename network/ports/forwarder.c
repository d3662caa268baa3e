/* forwarder.c - the one process that serves a project's published ports: found, started, changed, ended */
#include "network/ports/forwarder.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "network/inside.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define LOCK_FILE "forwarder"
#define SOCKET "ports.sock"
#define LOG "ports.log"

enum { ANSWER_S = 2, START_S = 10, STOP_TIMEOUT_MS = 3000, BACKLOG = 8, LOG_MAX = 4096 };

enum { FD_LOCK = CHILD_FIRST_FD, FD_CONTROL, FD_NAMESPACE };

static char *
lock_path(const char *data)
{
        return g_build_filename(data, LOCK_FILE, NULL);
}

pid_t
forwarder_find(const char *data)
{
        g_autofree char *lock = lock_path(data);

        return file_lock_holder(lock);
}

/* ---- its control socket ---- */

/* Through the directory's descriptor, since a socket's path has 107 bytes. */
static int
name_socket(const char *run, struct sockaddr_un *ret_name)
{
        int directory = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        *ret_name = (struct sockaddr_un){.sun_family = AF_UNIX};
        g_snprintf(ret_name->sun_path, sizeof ret_name->sun_path, "/proc/self/fd/%d/" SOCKET, directory);
        return directory;
}

static int
dial(const char *run, int seconds, GError **error)
{
        struct timeval limit = {.tv_sec = seconds};
        struct sockaddr_un name;
        auto_fd directory = name_socket(run, &name);
        auto_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (directory < 0 || fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
            fd_retry(connect(fd, (struct sockaddr *)&name, sizeof name)) < 0)
                return error_errno(error, "cannot reach the forwarder of published ports"), -1;
        return fd_steal(&fd);
}

/* Closed to all others before anybody can connect. */
static int
bind_socket(const char *run, GError **error)
{
        struct sockaddr_un name;
        auto_fd directory = name_socket(run, &name);
        auto_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (directory < 0 || fd < 0 || (unlinkat(directory, SOCKET, 0) < 0 && errno != ENOENT) ||
            bind(fd, (struct sockaddr *)&name, sizeof name) < 0 || fchmodat(directory, SOCKET, 0600, 0) < 0 ||
            listen(fd, BACKLOG) < 0)
                return error_errno(error, "cannot make '%s/" SOCKET "'", run), -1;
        return fd_steal(&fd);
}

void
forwarder_observe(const struct forwarder_place *place, struct forwarder_state *ret_state)
{
        g_autofree char *lock = lock_path(place->data);
        struct forwarder_state state = {.pid = forwarder_find(place->data)};
        auto_fd control = state.pid ? dial(place->run, ANSWER_S, NULL) : -1;

        state.was_killed = !state.pid && file_exists(lock);
        state.forwards = control >= 0 ? forward_list(control, NULL) : NULL;
        if (!state.forwards)
                state.forwards = g_array_new(FALSE, FALSE, sizeof(struct forward));
        *ret_state = state;
}

void
forwarder_state_clear(struct forwarder_state *state)
{
        g_clear_pointer(&state->forwards, g_array_unref);
}

/* ---- started and ended ---- */

static gboolean
start_process(struct home *home, const struct forwarder_place *place, int lock, int control, GError **error)
{
        g_autofree char *scope = g_strdup_printf("drover-%s-forwarder", place->project);
        g_autofree char *log = g_build_filename(place->data, LOG, NULL);
        const char *argv[] = {"drover", "forward", place->project, place->data, place->user ? place->user->name : NULL, NULL};
        struct child child = CHILD_INIT;
        auto_fd namespace = home_namespace(home, error);
        auto_fd log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        auto_fd pidfd = -1;
        int fds[] = {lock, control, namespace};
        pid_t pid;

        if (namespace < 0)
                return FALSE;
        child.argv = argv;
        child.program = "/proc/self/exe"; /* as we are, also when a new release has taken our name meanwhile */
        child.scope = scope;
        child.fds = fds;
        child.fd_count = G_N_ELEMENTS(fds);
        child.stderr_fd = log_fd;
        return child_start(&child, &pid, &pidfd, error);
}

/* What it said before it ended, in place of what we saw of that. */
static gboolean
explain(const struct forwarder_place *place, GError **error)
{
        g_autofree char *path = g_build_filename(place->data, LOG, NULL);
        g_autofree char *text = NULL;

        if (!file_read(path, LOG_MAX, &text, NULL, NULL) || !*g_strstrip(text))
                return FALSE;
        g_clear_error(error);
        return error_set(error, DROVER_ERROR_FAILED, "the forwarder of published ports ended: %s", text);
}

/* Returns a connection to one that answers. */
static int
start(struct home *home, const struct forwarder_place *place, GError **error)
{
        g_autofree char *path = lock_path(place->data);
        auto_fd lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        auto_fd listening = -1;
        auto_fd control = -1;
        g_autoptr(GArray) none = NULL;

        if (lock < 0)
                return error_errno(error, "cannot open '%s'", path), -1;
        listening = bind_socket(place->run, error);
        if (listening < 0 || !start_process(home, place, lock, listening, error))
                return -1;
        fd_clear(&listening); /* so that a process that ends is seen to */
        control = dial(place->run, START_S, error);
        none = control >= 0 ? forward_list(control, error) : NULL;
        if (!none)
                return explain(place, error), -1;
        return fd_steal(&control);
}

gboolean
forwarder_stop(const struct forwarder_place *place, GError **error)
{
        g_autofree char *lock = lock_path(place->data), *socket_path = g_build_filename(place->run, SOCKET, NULL),
                        *log = g_build_filename(place->data, LOG, NULL);
        pid_t pid = forwarder_find(place->data);
        auto_fd pidfd = pid ? process_open(pid) : -1;

        if (pidfd >= 0 && forwarder_find(place->data) == pid) {
                if (!process_signal(pidfd, SIGKILL, error)) /* it has nothing to tidy up */
                        return FALSE;
                if (!process_wait(pidfd, STOP_TIMEOUT_MS))
                        return error_set(error, DROVER_ERROR_TIMEOUT, "process %d does not end", (int)pid);
        } else if (file_is_locked(lock)) {
                return error_set(error, DROVER_ERROR_FAILED, "the process that holds '%s' is not to be found", lock);
        }
        return file_remove(socket_path, error) && file_remove(log, error) && file_remove(lock, error);
}

/* ---- what it serves ---- */

static gboolean
publish(int control, const struct forward *forward, const struct forward *served, GError **error)
{
        auto_fd listener = -1;

        if (served && forward_equal(served, forward))
                return TRUE;
        if (!served) {
                listener = forward_listen(forward, error);
                if (listener < 0)
                        return FALSE;
        }
        return forward_set(control, forward, listener, error);
}

static gboolean
settle(int control, const GArray *served, const GArray *wanted, GError **error)
{
        gboolean ok = TRUE;

        for (guint i = 0; i < served->len; i++) {
                const struct forward *forward = &g_array_index(served, struct forward, i);

                if (!forward_find(wanted, forward))
                        ok = forward_remove(control, forward, ok ? error : NULL) && ok;
        }
        for (guint i = 0; i < wanted->len; i++) {
                const struct forward *forward = &g_array_index(wanted, struct forward, i);

                ok = publish(control, forward, forward_find(served, forward), ok ? error : NULL) && ok;
        }
        return ok;
}

gboolean
forwarder_ensure(struct home *home, const struct forwarder_place *place, const GArray *wanted, GError **error)
{
        auto_fd control = forwarder_find(place->data) ? dial(place->run, ANSWER_S, NULL) : -1;
        g_autoptr(GArray) served = control >= 0 ? forward_list(control, NULL) : NULL;

        if (!served) {
                fd_clear(&control);
                if (!forwarder_stop(place, error))
                        return FALSE;
                control = start(home, place, error);
                served = g_array_new(FALSE, FALSE, sizeof(struct forward));
        }
        return control >= 0 && settle(control, served, wanted, error);
}

/* ---- the process ---- */

static gboolean
drop_rights(const struct child_user *user, GError **error)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        const struct __user_cap_data_struct none[2] = {0};

        if (user && (setgroups((size_t)user->group_count, user->groups) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
                     setresuid(user->uid, user->uid, user->uid) < 0))
                return error_errno(error, "cannot become user '%s'", user->name);
        if (syscall(SYS_capset, &header, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_errno(error, "cannot drop rights");
        /* Entering a user namespace made us unreadable in /proc, where the next drover finds the namespace by us. */
        return user || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 || error_errno(error, "cannot be found");
}

gboolean
forwarder_run(const char *user, GError **error)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        struct child_user as;

        prctl(PR_SET_NAME, "drover"); /* it would be "exe" */
        if (fcntl(FD_LOCK, F_SETLK, &lock) < 0)
                return error_errno(error, "another one serves the ports already");
        if (user && !child_user_find(user, &as, error))
                return FALSE;
        if (!home_enter_descriptor(FD_NAMESPACE, geteuid() == 0))
                return error_errno(error, "cannot enter the project's network namespace");
        close(FD_NAMESPACE);
        return drop_rights(user ? &as : NULL, error) && forward_serve(FD_CONTROL, error);
}
