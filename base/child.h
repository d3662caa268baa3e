/* child.h - the one way to start a process
 *
 * A child gets an argument vector, never a shell; exactly the descriptors that it is given, numbered from 3 in their order;
 * a session of its own, so that neither Ctrl-C nor a closing terminal reaches it, and if it shall outlive us a scope of its
 * own; default signal dispositions and an empty mask; cwd "/"; LC_ALL=C, PATH and nothing else in its environment. Where a step
 * between fork and exec fails, the caller gets that step and its errno.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#define CHILD_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum {
        CHILD_FIRST_FD = 3,
        CHILD_MAX_FDS = 500, /* QEMU with many disks needs two each */
};

/** struct child_user - Whom a child becomes; groups are looked up before fork(), where that is still allowed */
struct child_user {
        uid_t uid;
        gid_t gid;
        gid_t groups[64];
        int group_count;
        char name[64];
};

struct child {
        const char *const *argv;       /* argv[0] is searched in CHILD_PATH unless it has a slash */
        const char *program;           /* a path to execute instead of argv[0]; NULL: none */
        const int *fds;                /* become 3, 4, 5 ... in the child; kept open here */
        size_t fd_count;               /* at most CHILD_MAX_FDS */
        const struct child_user *user; /* NULL: stay who we are */
        gboolean reads_all;            /* of root's rights, @user keeps the one to read what it may not (CAP_DAC_READ_SEARCH) */
        int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null; kept open here */
        const char *scope;             /* where systemd runs: a scope of its own, see base/scope.h; NULL: it stays in ours */
        int oom_score_adj; /* -1000 to 1000; 0: as we are; a refusal is ignored, as lowering needs CAP_SYS_RESOURCE */
        guint64 max_memory_bytes;      /* RLIMIT_AS, 0: none */
        guint cpu_seconds;             /* RLIMIT_CPU, 0: none */
};

/** CHILD_INIT - A child with everything closed and nothing limited */
#define CHILD_INIT ((struct child){.stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1})

/**
 * child_user_find() - Look a user up by name, with its supplementary groups
 *
 * It is looked up once a process: who was found stays so. Fails with DROVER_ERROR_NOT_FOUND where there is no such user.
 */
gboolean child_user_find(const char *name, struct child_user *ret_user, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** child_find_program() - The absolute path of a program in CHILD_PATH, or NULL; the caller frees it */
char *child_find_program(const char *name);

/**
 * child_start() - Start a process and leave it running
 * @ret_pid:   on success, its pid
 * @ret_pidfd: on success, a pidfd (O_CLOEXEC) that the caller closes; the caller also reaps (child_reap())
 *
 * Returns once exec has happened. Fails with DROVER_ERROR_NOT_FOUND where the program is missing, else with the code of the
 * step's errno; no process is left then.
 */
gboolean child_start(const struct child *child, pid_t *ret_pid, int *ret_pidfd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * child_reap() - Wait for a child of ours to end
 * @timeout_ms: -1 for ever
 * @ret_status: on success, as of waitpid(2)
 *
 * Fails with DROVER_ERROR_TIMEOUT; the process runs on then.
 */
gboolean child_reap(int pidfd, int timeout_ms, int *ret_status, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * child_run() - Run a program to its end and collect what it prints
 * @child:      stdout_fd and stderr_fd are ours here
 * @timeout_ms: then it is killed, and DROVER_ERROR_TIMEOUT
 * @ret_output: on success, standard output (at most 16 MiB); may be NULL
 *
 * An exit status other than 0 is a failure, with the end of standard error as its text.
 */
gboolean child_run(const struct child *child, int timeout_ms, char **ret_output, GError **error) G_GNUC_WARN_UNUSED_RESULT;
