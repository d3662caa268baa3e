/* child.c - the one way to start a process */
#include "base/child.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/scope.h"
#include "base/text.h"
#include "base/trace.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define READING (1U << CAP_DAC_READ_SEARCH)

enum { OUTPUT_MAX = 16 << 20, ERROR_TAIL = 4096, PARKED_FDS = 600, ENTRY_BYTES = 16384 };

/* What a child reports when it cannot exec. */
struct failure {
        const char *step; /* a literal: the same address in parent and child */
        int number;
};

/* Some sources of names say by these two that they do not know it (getpwnam_r(3)). */
static gboolean
is_unknown(int number)
{
        return number == 0 || number == ENOENT || number == ESRCH;
}

static gboolean
look_up_user(const char *name, struct child_user *ret_user, GError **error)
{
        struct child_user user = {.group_count = G_N_ELEMENTS(user.groups)};
        g_autofree char *buffer = g_malloc(ENTRY_BYTES);
        struct passwd entry, *found = NULL;
        int number = getpwnam_r(name, &entry, buffer, ENTRY_BYTES, &found);

        if (!found && is_unknown(number)) {
                /* A source of names that fails is forgotten where the one after it answers (glibc, nss/getXXbyYY_r.c): that
                 * there is no such user is believed when it is said twice, while the first source can be opened. */
                auto_fd fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

                if (fd < 0 && errno != ENOENT)
                        return error_errno(error, "cannot look up user '%s'", name);
                number = getpwnam_r(name, &entry, buffer, ENTRY_BYTES, &found);
        }
        if (!found && is_unknown(number))
                return error_set(error, DROVER_ERROR_NOT_FOUND, "there is no user '%s'", name);
        if (!found)
                return error_from_errno(error, number, "cannot look up user '%s'", name);
        user.uid = found->pw_uid;
        user.gid = found->pw_gid;
        g_strlcpy(user.name, name, sizeof user.name);
        if (getgrouplist(name, user.gid, user.groups, &user.group_count) < 0)
                user.group_count = G_N_ELEMENTS(user.groups);
        *ret_user = user;
        return TRUE;
}

/* With a name service of many sources one look costs milliseconds, and a run asks for the same two users again and again. One
 * that is not there may be made meanwhile. */
gboolean
child_user_find(const char *name, struct child_user *ret_user, GError **error)
{
        static GMutex mutex;
        static GHashTable *known; /* name -> struct child_user */
        struct child_user *user;
        gboolean ok;

        g_mutex_lock(&mutex);
        if (!known)
                known = g_hash_table_new(g_str_hash, g_str_equal);
        user = g_hash_table_lookup(known, name);
        ok = user || look_up_user(name, ret_user, error);
        if (user)
                *ret_user = *user;
        else if (ok)
                g_hash_table_insert(known, g_strdup(name), g_memdup2(ret_user, sizeof *ret_user));
        g_mutex_unlock(&mutex);
        return ok;
}

char *
child_find_program(const char *name)
{
        g_auto(GStrv) directories = NULL;

        if (strchr(name, '/'))
                return access(name, X_OK) == 0 ? g_strdup(name) : NULL;
        directories = g_strsplit(CHILD_PATH, ":", -1);
        for (char **directory = directories; *directory; directory++) {
                g_autofree char *path = g_build_filename(*directory, name, NULL);

                if (access(path, X_OK) == 0)
                        return g_steal_pointer(&path);
        }
        return NULL;
}

static void G_GNUC_NORETURN
child_fail(int report, const char *step)
{
        struct failure failure = {step, errno};

        if (write(report, &failure, sizeof failure) < 0)
                _exit(126);
        _exit(127);
}

/* Move every descriptor out of the way first, so that no target number is a source still needed. */
static void
child_place_descriptors(const struct child *child, int null_fd, int *report)
{
        int parked[CHILD_MAX_FDS], standard[3] = {child->stdin_fd, child->stdout_fd, child->stderr_fd};
        int high = fcntl(*report, F_DUPFD_CLOEXEC, PARKED_FDS);

        if (high < 0)
                child_fail(*report, "dup");
        *report = high;
        for (int i = 0; i < 3; i++) {
                standard[i] = fcntl(standard[i] < 0 ? null_fd : standard[i], F_DUPFD_CLOEXEC, PARKED_FDS);
                if (standard[i] < 0)
                        child_fail(*report, "dup");
        }
        for (size_t i = 0; i < child->fd_count; i++) {
                parked[i] = fcntl(child->fds[i], F_DUPFD_CLOEXEC, PARKED_FDS);
                if (parked[i] < 0)
                        child_fail(*report, "dup");
        }
        for (int i = 0; i < 3; i++)
                if (dup2(standard[i], i) < 0)
                        child_fail(*report, "dup2");
        for (size_t i = 0; i < child->fd_count; i++)
                if (dup2(parked[i], CHILD_FIRST_FD + (int)i) < 0)
                        child_fail(*report, "dup2");
        if (syscall(SYS_close_range, CHILD_FIRST_FD + (unsigned)child->fd_count, (unsigned)*report - 1, 0) < 0 ||
            syscall(SYS_close_range, (unsigned)*report + 1, ~0U, 0) < 0)
                child_fail(*report, "close_range");
}

static void
child_limit(const struct child *child, int report)
{
        struct rlimit none = {0, 0};
        struct rlimit memory = {child->max_memory_bytes, child->max_memory_bytes};
        struct rlimit cpu = {child->cpu_seconds, child->cpu_seconds};

        if (setrlimit(RLIMIT_CORE, &none) < 0 || (child->max_memory_bytes && setrlimit(RLIMIT_AS, &memory) < 0) ||
            (child->cpu_seconds && setrlimit(RLIMIT_CPU, &cpu) < 0))
                child_fail(report, "setrlimit");
}

static void
child_set_oom_score(int score)
{
        char text[16];
        int fd = score ? open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC) : -1;
        int length = snprintf(text, sizeof text, "%d", score);

        if (fd >= 0 && write(fd, text, (size_t)length) < 0)
                errno = 0; /* lowering it needs CAP_SYS_RESOURCE; a child at the default is no worse off */
        if (fd >= 0)
                close(fd);
}

/* Ambient, so that it outlives exec, which takes all else. Source: capabilities(7). */
static void
child_keep_reading(int report)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        const struct __user_cap_data_struct data[2] = {
                {.effective = READING, .permitted = READING, .inheritable = READING},
        };

        if (syscall(SYS_capset, &header, data) < 0)
                child_fail(report, "capset");
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) < 0)
                child_fail(report, "prctl");
}

/* glibc's wrappers signal all threads of the parent that this child does not have: the system calls themselves. */
static void
child_become(const struct child_user *user, gboolean reads_all, int report)
{
        if (reads_all && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                child_fail(report, "prctl");
        if (syscall(SYS_setgroups, (size_t)user->group_count, user->groups) < 0)
                child_fail(report, "setgroups");
        if (syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0)
                child_fail(report, "setresgid");
        if (syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0)
                child_fail(report, "setresuid");
        if (reads_all)
                child_keep_reading(report);
}

/* Until the parent has found a scope for us, or has ended. Only our own descriptors are open: no child waits for another. */
static void
child_wait_for_scope(int report)
{
        ssize_t n;
        char go;

        do
                n = read(report, &go, 1);
        while (n < 0 && errno == EINTR);
        if (n != 1)
                _exit(125);
}

/* Only async-signal-safe calls from here to exec: the parent may have threads, and their locks are copied as they stood. */
static void G_GNUC_NORETURN
child_main(const struct child *child, const char *program, char *const *environment, int null_fd, int report, gboolean waits)
{
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigset_t empty;

        setsid();
        for (int number = 1; number < NSIG; number++)
                sigaction(number, &action, NULL);
        sigemptyset(&empty);
        sigprocmask(SIG_SETMASK, &empty, NULL);
        umask(0077);
        child_place_descriptors(child, null_fd, &report);
        if (waits)
                child_wait_for_scope(report);
        if (chdir("/") < 0)
                child_fail(report, "chdir");
        child_set_oom_score(child->oom_score_adj);
        child_limit(child, report);
        if (child->user)
                child_become(child->user, child->reads_all, report);
        execve(program, (char *const *)child->argv, environment);
        child_fail(report, "exec");
}

static gboolean
wait_for_exec(int report, pid_t pid, const char *program, GError **error)
{
        struct failure failure;
        ssize_t n;

        do
                n = read(report, &failure, sizeof failure);
        while (n < 0 && errno == EINTR);
        if (n == 0 && process_has_execed(pid)) /* its end is closed by exec, and by its death */
                return TRUE;
        if (n != sizeof failure)
                kill(pid, SIGKILL); /* nothing says that it ends by itself */
        fd_retry(waitpid(pid, NULL, 0));
        if (n != sizeof failure)
                return error_set(error, DROVER_ERROR_FAILED, "cannot start '%s': it ended before exec", program);
        return error_from_errno(error, failure.number, "cannot start '%s': %s", program, failure.step);
}

static pid_t
fork_child(const struct child *child, const char *program, int null_fd, int report, gboolean waits)
{
        static char *const environment[] = {(char *)"PATH=" CHILD_PATH, (char *)"LC_ALL=C", NULL};
        sigset_t all, old;
        pid_t pid;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old); /* no handler of ours runs in the child */
        pid = fork();
        if (pid == 0)
                child_main(child, program, environment, null_fd, report, waits);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        return pid;
}

/* A child that finds no scope runs all the same: at worst it ends with the login. */
static void
find_scope(const char *manager, const char *name, pid_t pid, int report)
{
        gint64 start = g_get_monotonic_time();
        g_autoptr(GError) error = NULL;

        if (scope_enter(manager, name, pid, &error))
                trace_span("child", start, "%d is in scope %s", (int)pid, name);
        else
                trace_span("child", start, "%d is in no scope: %s", (int)pid, error->message);
        if (fd_retry(send(report, "", 1, MSG_NOSIGNAL)) < 0)
                errno = 0; /* it failed before, and says so itself */
}

gboolean
child_start(const struct child *child, pid_t *ret_pid, int *ret_pidfd, GError **error)
{
        g_autofree char *program = child_find_program(child->program ? child->program : child->argv[0]);
        const char *manager = child->scope ? scope_manager() : NULL;
        gint64 start = g_get_monotonic_time();
        auto_fd null_fd = -1;
        auto_fd report = -1;
        auto_fd childs_end = -1;
        auto_fd pidfd = -1;
        int ends[2];
        pid_t pid;

        if (!program)
                return error_set(error, DROVER_ERROR_NOT_FOUND, "cannot start '%s': there is no such program in " CHILD_PATH,
                                 child->argv[0]);
        if (child->fd_count > CHILD_MAX_FDS)
                return error_set(error, DROVER_ERROR_FAILED, "cannot start '%s': too many descriptors", program);
        null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                return error_errno(error, "cannot start '%s'", program);
        report = ends[0];
        childs_end = ends[1];
        pid = fork_child(child, program, null_fd, childs_end, manager != NULL);
        if (pid < 0)
                return error_errno(error, "cannot start '%s'", program);
        fd_clear(&childs_end);
        if (manager)
                find_scope(manager, child->scope, pid, report);
        if (!wait_for_exec(report, pid, program, error))
                return FALSE;
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0) {
                error_errno(error, "cannot watch '%s'", program);
                kill(pid, SIGKILL);
                fd_retry(waitpid(pid, NULL, 0));
                return FALSE;
        }
        trace_span("child", start, "%s is %d", program, (int)pid);
        *ret_pid = pid;
        *ret_pidfd = fd_steal(&pidfd);
        return TRUE;
}

gboolean
child_reap(int pidfd, int timeout_ms, int *ret_status, GError **error)
{
        struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
        siginfo_t info = {0};
        int n;

        do
                n = poll(&poll_fd, 1, timeout_ms);
        while (n < 0 && errno == EINTR);
        if (n == 0)
                return error_set(error, DROVER_ERROR_TIMEOUT, "the process still runs after %d ms", timeout_ms);
        if (n < 0 || fd_retry(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED)) < 0)
                return error_errno(error, "cannot wait for a process");
        *ret_status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status & 0x7f;
        return TRUE;
}

/* Read what is there into @text; keep at most @max bytes (the last ones with @tail). FALSE at the end of the stream. */
static gboolean
drain(int fd, GString *text, size_t max, gboolean tail)
{
        char chunk[65536];
        ssize_t n = read(fd, chunk, sizeof chunk);

        if (n < 0)
                return errno == EINTR || errno == EAGAIN;
        if (n == 0)
                return FALSE;
        if (text->len < max || tail)
                g_string_append_len(text, chunk, n);
        if (text->len > max)
                tail ? g_string_erase(text, 0, (gssize)(text->len - max)) : g_string_truncate(text, max);
        return TRUE;
}

static gboolean
collect(int out_fd, int err_fd, int pidfd, gint64 deadline_us, GString *out, GString *err, int *ret_status, GError **error)
{
        struct pollfd fds[2] = {{.fd = out_fd, .events = POLLIN}, {.fd = err_fd, .events = POLLIN}};

        while (fds[0].fd >= 0 || fds[1].fd >= 0) {
                gint64 left = deadline_us - g_get_monotonic_time();
                int n = left > 0 ? poll(fds, 2, (int)(left / 1000) + 1) : 0;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return error_set(error, DROVER_ERROR_TIMEOUT, "no end in sight");
                if (fds[0].revents && !drain(fds[0].fd, out, OUTPUT_MAX, FALSE))
                        fds[0].fd = -1;
                if (fds[1].revents && !drain(fds[1].fd, err, ERROR_TAIL, TRUE))
                        fds[1].fd = -1;
        }
        return child_reap(pidfd, MAX(0, (int)((deadline_us - g_get_monotonic_time()) / 1000)), ret_status, error);
}

gboolean
child_run(const struct child *child, int timeout_ms, char **ret_output, GError **error)
{
        g_autoptr(GString) out = g_string_new(NULL), err = g_string_new(NULL);
        struct child with_pipes = *child;
        int out_ends[2], err_ends[2], status = 0;
        auto_fd pidfd = -1;
        gboolean started, ok;
        pid_t pid;

        if (pipe2(out_ends, O_CLOEXEC) < 0)
                return error_errno(error, "cannot start '%s'", child->argv[0]);
        if (pipe2(err_ends, O_CLOEXEC) < 0) {
                error_errno(error, "cannot start '%s'", child->argv[0]);
                close(out_ends[0]);
                close(out_ends[1]);
                return FALSE;
        }
        with_pipes.stdout_fd = out_ends[1];
        with_pipes.stderr_fd = err_ends[1];
        started = child_start(&with_pipes, &pid, &pidfd, error);
        close(out_ends[1]);
        close(err_ends[1]);
        ok = started && collect(out_ends[0], err_ends[0], pidfd, g_get_monotonic_time() + (gint64)timeout_ms * 1000, out, err,
                                &status, error);
        close(out_ends[0]);
        close(err_ends[0]);
        if (!started)
                return FALSE;
        if (!ok) {
                syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
                fd_retry(waitpid(pid, NULL, 0));
                return error_prefix(error, "'%s' did not end within %d ms", child->argv[0], timeout_ms);
        }
        if (status != 0) {
                g_autofree char *text = text_make_printable(g_strstrip(err->str), -1);

                if (WIFSIGNALED(status))
                        return error_set(error, DROVER_ERROR_FAILED, "'%s' was ended by signal %d (%s)", child->argv[0],
                                         WTERMSIG(status), strsignal(WTERMSIG(status)));
                return error_set(error, DROVER_ERROR_FAILED, "%s", *text ? text : "it failed without a word");
        }
        if (ret_output)
                *ret_output = g_strndup(out->str, out->len);
        return TRUE;
}
