/* measure.c - runs a program and prints what it took: microseconds, KiB at its peak, exit status
 *
 *   measure PROGRAM [ARGUMENT...]
 *
 * Its standard output goes to /dev/null. A program of its own, since a process begins with the peak of the one that it was
 * forked from: that of an interpreter would hide what small programs need.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long
now_us(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

int
main(int argc, char **argv)
{
        posix_spawn_file_actions_t actions;
        struct rusage usage = {0};
        long long start;
        int status = 0, number;
        pid_t pid;

        if (argc < 2)
                return fprintf(stderr, "usage: measure PROGRAM [ARGUMENT...]\n"), 4;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        start = now_us();
        number = posix_spawnp(&pid, argv[1], &actions, NULL, argv + 1, environ);
        if (number != 0)
                return fprintf(stderr, "error: cannot run '%s': %s\n", argv[1], strerror(number)), 1;
        while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR)
                ;
        printf("%lld %ld %d\n", now_us() - start, usage.ru_maxrss,
               WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        return 0;
}
