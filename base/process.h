/* process.h - processes that are not our children: looked at, waited for, ended; never by a bare pid */
#pragma once

#include <glib.h>
#include <sys/types.h>

/** process_open() - A pidfd (O_CLOEXEC), or -1 with errno; look at the process again after this before you signal it */
int process_open(pid_t pid);

/** process_signal() - Send a signal through a pidfd; that the process is gone is success */
gboolean process_signal(int pidfd, int number, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** process_wait() - Wait until a process has ended; FALSE (no error) when it still runs after @timeout_ms; -1: for ever */
gboolean process_wait(int pidfd, int timeout_ms);

/** process_argv() - The argument vector of a process, or NULL when it is gone or not ours to read; g_strfreev() it */
char **process_argv(pid_t pid);

/** process_has_argument() - Is @argument one of the arguments of process @pid, to the letter? */
gboolean process_has_argument(pid_t pid, const char *argument);

/** process_has_execed() - Does it run a program of its own, not its parent's? Also of one that ended and is not reaped yet */
gboolean process_has_execed(pid_t pid);

/** process_start_time() - When a process started, in seconds since the epoch, or 0 when it is gone. Source: proc(5), stat */
gint64 process_start_time(pid_t pid);
/** process_age_ms() - How long ago it started, whatever happened to the clock of the day since; 0 when it is gone */
gint64 process_age_ms(pid_t pid);
