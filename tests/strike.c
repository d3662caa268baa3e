/* strike.c - runs drover, and kills one of its processes before one of its system calls, or has that call fail
 *
 *     strike [-l] REPORT PROCESS NUMBER COUNT ACTION COMMAND...
 *
 * PROCESS is the way to it by forks: "-" is the command itself, "2" the second process that it made, "2.1" the first that this
 * one made. strace counts anew in each process that it follows, and so cannot tell them apart. It is hit at its COUNT-th system
 * call of that NUMBER: ACTION is `kill` or the number of an error. Programs other than the command's own are left alone.
 *
 * REPORT, a file, gets a line `struck` when it happened and a line `ended` after the command. Ends with the command's status;
 * with -l it stays until it is killed. Then all that still runs is let go.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the registers are those of x86-64"
#endif

enum { MAX_PROCESSES = 4096, OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                                       PTRACE_O_TRACEEXEC };

struct process {
        pid_t pid;
        char way[64];   /* empty: not yet known, its parent's event is still to come */
        int forks;
        bool waits;     /* it stopped before that */
};

static struct process processes[MAX_PROCESSES];
static int process_count;

static const char *report, *target;
static long long number;
static int count, error;       /* error: 0 for a kill */
static bool struck, failing;   /* failing: in the call that is to fail */
static struct stat program;

static void __attribute__((noreturn))
fail(const char *what)
{
        perror(what);
        exit(125);
}

static void
forget(struct process *process)
{
        *process = processes[--process_count];
}

static struct process *
find(pid_t pid)
{
        for (int i = 0; i < process_count; i++)
                if (processes[i].pid == pid)
                        return &processes[i];
        if (process_count == MAX_PROCESSES)
                fail("too many processes");
        processes[process_count] = (struct process){.pid = pid};
        return &processes[process_count++];
}

static bool
is_target(const struct process *process)
{
        return strcmp(process->way, target) == 0;
}

static void
go_on(const struct process *process, int signal_number)
{
        bool watched = is_target(process) && (!struck || failing);

        if (ptrace(watched ? PTRACE_SYSCALL : PTRACE_CONT, process->pid, NULL, (void *)(long)signal_number) < 0 &&
            errno != ESRCH)
                fail("ptrace");
}

static void
tell(const char *what)
{
        FILE *file = fopen(report, "a");

        if (!file || fprintf(file, "%s\n", what) < 0 || fclose(file) != 0)
                fail(report);
}

static void
enter_call(pid_t pid, long long call)
{
        if (struck || call != number || --count > 0)
                return;
        struck = true;
        tell("struck");
        if (!error) {
                kill(pid, SIGKILL);
                return;
        }
        failing = true;
        ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L);
}

static void
take_call(struct process *process)
{
        struct __ptrace_syscall_info info;

        if (ptrace(PTRACE_GET_SYSCALL_INFO, process->pid, sizeof info, &info) < 0)
                return;
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
                enter_call(process->pid, (long long)info.entry.nr);
        } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && failing) {
                failing = false;
                ptrace(PTRACE_POKEUSER, process->pid, offsetof(struct user_regs_struct, rax), (long)-error);
        }
}

static void
take_fork(struct process *parent)
{
        unsigned long pid;
        struct process *child;

        if (ptrace(PTRACE_GETEVENTMSG, parent->pid, NULL, &pid) < 0)
                return;
        parent->forks++;
        child = find((pid_t)pid);
        if (strcmp(parent->way, "-") == 0)
                snprintf(child->way, sizeof child->way, "%d", parent->forks);
        else
                snprintf(child->way, sizeof child->way, "%.50s.%d", parent->way, parent->forks);
        if (child->waits)
                go_on(child, 0);
}

/* Of the command's own program? The first exec tells which that is. */
static bool
is_ours(pid_t pid)
{
        struct stat st;
        char path[64];

        snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
        if (stat(path, &st) < 0)
                return false;
        if (!program.st_ino)
                program = st;
        return st.st_dev == program.st_dev && st.st_ino == program.st_ino;
}

static void
take_stop(struct process *process, int status)
{
        int event = status >> 16, signal_number = WSTOPSIG(status);

        if (!process->way[0]) {
                process->waits = true; /* its first stop */
                return;
        }
        if (signal_number == (SIGTRAP | 0x80))
                take_call(process);
        else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE)
                take_fork(process);
        else if (event == PTRACE_EVENT_EXEC && !is_ours(process->pid)) {
                ptrace(PTRACE_DETACH, process->pid, NULL, NULL);
                forget(process);
                return;
        }
        go_on(process, event == 0 && signal_number != (SIGTRAP | 0x80) ? signal_number : 0);
}

int
main(int argc, char **argv)
{
        bool lingers = argc > 1 && strcmp(argv[1], "-l") == 0;
        char **arguments = argv + 1 + lingers;
        int status = 0, end = 0;
        pid_t command, pid;

        if (argc < 7 + lingers)
                return fprintf(stderr, "usage: strike [-l] REPORT PROCESS NUMBER COUNT kill|ERROR COMMAND...\n"), 125;
        report = arguments[0];
        target = arguments[1];
        number = atoll(arguments[2]);
        count = atoi(arguments[3]);
        error = strcmp(arguments[4], "kill") == 0 ? 0 : atoi(arguments[4]);
        command = fork();
        if (command == 0) {
                raise(SIGSTOP); /* until we watch */
                execv(arguments[5], arguments + 5);
                fail(arguments[5]);
        }
        strcpy(find(command)->way, "-");
        /* Seized, not attached: what is born while we are ended would keep the SIGSTOP of that. */
        if (command < 0 || waitpid(command, &status, WUNTRACED) < 0 ||
            ptrace(PTRACE_SEIZE, command, NULL, (void *)OPTIONS) < 0 || kill(command, SIGCONT) < 0)
                fail("cannot trace");
        while ((pid = waitpid(-1, &status, __WALL)) > 0) {
                if (WIFSTOPPED(status)) {
                        take_stop(find(pid), status);
                        continue;
                }
                forget(find(pid));
                if (pid == command) {
                        end = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
                        tell("ended");
                        if (!lingers)
                                return end;
                }
        }
        while (lingers)
                pause();
        return end;
}
