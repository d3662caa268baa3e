/* process.c - processes that are not our children */
#include "base/process.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FORKED_NO_EXEC = 0x40 }; /* Source: linux/sched.h, PF_FORKNOEXEC */

int
process_open(pid_t pid)
{
        return (int)syscall(SYS_pidfd_open, pid, 0);
}

gboolean
process_signal(int pidfd, int number, GError **error)
{
        if (syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) < 0 && errno != ESRCH)
                return error_errno(error, "cannot send signal %d (%s)", number, strsignal(number));
        return TRUE;
}

gboolean
process_wait(int pidfd, int timeout_ms)
{
        struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
        gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
        int n;

        do {
                gint64 left = timeout_ms < 0 ? -1 : MAX(0, (deadline - g_get_monotonic_time()) / 1000);

                n = poll(&poll_fd, 1, (int)left);
        } while (n < 0 && errno == EINTR);
        return n > 0;
}

/* Its arguments, each with a NUL behind it; NULL: there are none, or no such process. New string */
static char *
read_arguments(pid_t pid, size_t *ret_length)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int)pid);
        char *text = NULL;

        return file_read(path, 4 << 20, &text, ret_length, NULL) ? text : NULL;
}

char **
process_argv(pid_t pid)
{
        size_t length = 0;
        g_autofree char *text = read_arguments(pid, &length);
        GPtrArray *argv;

        if (length == 0)
                return NULL;
        argv = g_ptr_array_new();
        for (size_t at = 0; at < length; at += strlen(text + at) + 1)
                g_ptr_array_add(argv, g_strdup(text + at));
        g_ptr_array_add(argv, NULL);
        return (char **)g_ptr_array_free(argv, FALSE);
}

gboolean
process_has_argument(pid_t pid, const char *argument)
{
        size_t length = 0;
        g_autofree char *text = read_arguments(pid, &length);

        for (size_t at = 0; at < length; at += strlen(text + at) + 1)
                if (strcmp(text + at, argument) == 0)
                        return TRUE;
        return FALSE;
}

/* The line of /proc/PID/stat from its third field on; NULL: no such process. Source: proc(5) */
static char **
stat_fields(pid_t pid)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
        g_autofree char *text = NULL;
        g_auto(GStrv) fields = NULL;
        const char *rest;

        if (!file_read(path, 65536, &text, NULL, NULL))
                return NULL;
        rest = strrchr(text, ')'); /* the name before it may hold anything */
        fields = g_strsplit(rest && rest[1] ? rest + 2 : "", " ", -1);
        return g_strv_length(fields) > 19 ? g_steal_pointer(&fields) : NULL;
}

gboolean
process_has_execed(pid_t pid)
{
        g_auto(GStrv) fields = stat_fields(pid);

        return fields && !(g_ascii_strtoull(fields[6], NULL, 10) & FORKED_NO_EXEC);
}

gint64
process_age_ms(pid_t pid)
{
        g_auto(GStrv) fields = stat_fields(pid);
        gint64 tick_ms = 1000 / sysconf(_SC_CLK_TCK);
        struct timespec now;

        if (!fields || clock_gettime(CLOCK_BOOTTIME, &now) < 0)
                return 0;
        /* starttime counts from the boot, suspensions included */
        return MAX(1, (gint64)now.tv_sec * 1000 + now.tv_nsec / 1000000 - g_ascii_strtoll(fields[19], NULL, 10) * tick_ms);
}

gint64
process_start_time(pid_t pid)
{
        gint64 age_ms = process_age_ms(pid);

        return age_ms ? (g_get_real_time() / 1000 - age_ms) / 1000 : 0;
}
