/* bare-launcher.c - the limit: starts QEMU vectors with as little around them as there can be
 *
 *   bare-launcher greeting|ready VECTORS PARALLEL USER BRIDGE PIDS     starts all that `vectors` printed; pids go to PIDS
 *   bare-launcher kill PIDS                                            SIGKILL to each, and waits until the last has ended
 *
 * It does what a start cannot do without, in the ways that drover has: one template of the overlays and copies of it, taps on a
 * bridge, listeners, logs and the liveness lock as descriptors, a user without rights, a wait for each monitor. It has no plan,
 * no state, no checks. Plain C, nothing of drover's, so that the ratio of the two is drover's own cost.
 *
 * QEMU greets from a thread of its own when about half of its start is done and it may still fail; `ready` also waits for the
 * reply to the first command, which comes when all its devices stand.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MACHINES_MAX = 1000, PAIRS_MAX = 400, FIRST_FD = 3, PARKED_FDS = 600, GREETING_TIMEOUT_MS = 60000 };

struct pair {
        const char *key, *value;
};

struct machine {
        const char *name, *run, *data;
        struct pair pairs[PAIRS_MAX]; /* disks and descriptors */
        char *argv[PAIRS_MAX];
        int pair_count, argc;
        pid_t pid;
};

static struct machine machines[MACHINES_MAX];
static int machine_count;
static atomic_int next_machine;
static char template_path[4096];
static int template_fd = -1;
static const char *bridge;
static int wait_until_ready;
static struct passwd user;
static gid_t groups[64];
static int group_count = 64;

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
        int number = errno;
        va_list arguments;

        va_start(arguments, format);
        fprintf(stderr, "error: bare-launcher: ");
        vfprintf(stderr, format, arguments);
        fprintf(stderr, "%s%s\n", number ? ": " : "", number ? strerror(number) : "");
        va_end(arguments);
        exit(1);
}

/* ---- what is to be started ---- */

static char *
read_whole(const char *path, size_t *ret_length)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        char *text;

        if (fd < 0 || fstat(fd, &st) < 0)
                die("cannot read '%s'", path);
        text = malloc((size_t)st.st_size + 1);
        if (!text || read(fd, text, (size_t)st.st_size) != st.st_size)
                die("cannot read '%s'", path);
        close(fd);
        text[st.st_size] = '\0';
        *ret_length = (size_t)st.st_size;
        return text;
}

static void
take_pair(const char *key, char *value, const char **template)
{
        struct machine *machine = machine_count > 0 ? &machines[machine_count - 1] : NULL;

        if (strcmp(key, "template") == 0) {
                *template = value;
        } else if (strcmp(key, "machine") == 0) {
                if (machine_count == MACHINES_MAX)
                        die("more than %d machines", MACHINES_MAX);
                machines[machine_count++].name = value;
        } else if (!machine || machine->pair_count == PAIRS_MAX || machine->argc == PAIRS_MAX - 1) {
                die("these are no vectors");
        } else if (strcmp(key, "run") == 0) {
                machine->run = value;
        } else if (strcmp(key, "data") == 0) {
                machine->data = value;
        } else if (strcmp(key, "argument") == 0) {
                machine->argv[machine->argc++] = value;
        } else {
                machine->pairs[machine->pair_count++] = (struct pair){key, value};
        }
}

static const char *
read_vectors(const char *path)
{
        const char *template = "";
        size_t length;
        char *text = read_whole(path, &length), *end = text + length;

        while (text < end) {
                char *value = text + strlen(text) + 1;

                if (value >= end)
                        die("these are no vectors");
                take_pair(text, value, &template);
                text = value + strlen(value) + 1;
        }
        return template;
}

/* ---- before the first ---- */

static void
find_user(const char *name)
{
        struct passwd *found = getpwnam(name);

        if (!found)
                die("there is no user '%s'", name);
        user = *found;
        if (getgrouplist(name, user.pw_gid, groups, &group_count) < 0)
                die("user '%s' has too many groups", name);
}

/* The directories above a machine's own; others may pass. */
static void
make_parents(const char *path)
{
        char parent[4096];

        snprintf(parent, sizeof parent, "%s", path);
        for (char *slash = strchr(parent + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(parent, 0711) < 0 && errno != EEXIST)
                        die("cannot make '%s'", parent);
                *slash = '/';
        }
}

static void
make_template(const char *wanted)
{
        char backing[4096], format[32];
        const char *size = strrchr(wanted, ':');
        int status;
        pid_t pid;

        if (sscanf(wanted, "%4095[^:]:%31[^:]", backing, format) != 2 || !size)
                die("these are no vectors");
        snprintf(template_path, sizeof template_path, "%s/.template", machines[0].data);
        pid = fork();
        if (pid == 0) {
                execlp("qemu-img", "qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", format, "-b", backing, template_path,
                       size + 1, NULL);
                _exit(127);
        }
        if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
                die("cannot make an overlay on '%s'", backing);
        template_fd = open(template_path, O_RDONLY | O_CLOEXEC);
        if (template_fd < 0)
                die("cannot open '%s'", template_path);
}

static void
set_up(int control, const char *name)
{
        struct ifreq request = {0};

        strncpy(request.ifr_name, name, IFNAMSIZ - 1);
        request.ifr_flags = IFF_UP;
        if (ioctl(control, SIOCSIFFLAGS, &request) < 0)
                die("cannot set '%s' up", name);
}

static void
make_bridge(void)
{
        int control = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (ioctl(control, SIOCBRADDBR, bridge) < 0 && errno != EEXIST)
                die("cannot make bridge '%s'", bridge);
        set_up(control, bridge);
        close(control);
}

/* ---- one machine ---- */

static int
make_directory(const char *path)
{
        int fd;

        if ((mkdir(path, 0700) < 0 && errno != EEXIST) || chown(path, user.pw_uid, user.pw_gid) < 0)
                die("cannot make '%s'", path);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd >= 0 ? fd : (die("cannot open '%s'", path), -1);
}

static void
copy_disk(const char *path)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        struct stat st;
        off_t offset = 0;

        if (fd < 0 || fstat(template_fd, &st) < 0)
                die("cannot make disk '%s'", path);
        while (offset < st.st_size)
                if (sendfile(fd, template_fd, &offset, (size_t)(st.st_size - offset)) <= 0)
                        die("cannot copy disk '%s'", path);
        if (fchown(fd, user.pw_uid, user.pw_gid) < 0)
                die("cannot give disk '%s' away", path);
        close(fd);
}

static int
take_lock(int data_fd)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = openat(data_fd, "alive", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0)
                die("cannot take the lock");
        return fd;
}

static int
open_listener(int run_fd, const char *name)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", run_fd, name);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4) < 0)
                die("cannot listen on '%s'", name);
        return fd;
}

static int
open_tap(const char *name)
{
        struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
        int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC), control = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        strncpy(request.ifr_name, name, IFNAMSIZ - 1);
        if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
                die("cannot make tap '%s'", name);
        memset(&request, 0, sizeof request);
        strncpy(request.ifr_name, bridge, IFNAMSIZ - 1);
        request.ifr_ifindex = (int)if_nametoindex(name);
        if (ioctl(control, SIOCBRADDIF, &request) < 0)
                die("cannot attach tap '%s'", name);
        set_up(control, name);
        close(control);
        return fd;
}

static int
open_log(int data_fd, const char *name)
{
        int fd = openat(data_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        if (fd < 0 || fchown(fd, user.pw_uid, user.pw_gid) < 0)
                die("cannot open '%s'", name);
        return fd;
}

/* -1: that pair is no descriptor. */
static int
open_descriptor(const struct pair *pair, int run_fd, int data_fd)
{
        int fd;

        if (strcmp(pair->key, "disk") == 0)
                return -1;
        if (strcmp(pair->key, "alive") == 0)
                return take_lock(data_fd);
        if (strcmp(pair->key, "listen") == 0)
                return open_listener(run_fd, pair->value);
        if (strcmp(pair->key, "tap") == 0)
                return open_tap(pair->value);
        if (strcmp(pair->key, "log") == 0)
                return open_log(data_fd, pair->value);
        if (strcmp(pair->key, "data-directory") == 0)
                fd = fcntl(data_fd, F_DUPFD_CLOEXEC, 3);
        else if (strcmp(pair->key, "run-directory") == 0)
                fd = fcntl(run_fd, F_DUPFD_CLOEXEC, 3);
        else if (strcmp(pair->key, "namespace") == 0)
                fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        else if (strcmp(pair->key, "read") == 0 || strcmp(pair->key, "plain") == 0)
                fd = open(pair->value, O_RDONLY | O_CLOEXEC);
        else if (strcmp(pair->key, "write") == 0)
                fd = open(pair->value, O_RDWR | O_CLOEXEC);
        else
                fd = (errno = 0, -1);
        return fd >= 0 ? fd : (die("cannot open %s '%s'", pair->key, pair->value), -1);
}

static void __attribute__((noreturn))
exec_machine(struct machine *machine, int *fds, int count, int log_fd)
{
        static char *const environment[] = {(char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                            (char *)"LC_ALL=C", NULL};
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        setsid();
        for (int i = 0; i < count; i++)
                fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, PARKED_FDS);
        dup2(null_fd, 0);
        dup2(log_fd, 1);
        dup2(log_fd, 2);
        for (int i = 0; i < count; i++)
                dup2(fds[i], FIRST_FD + i);
        syscall(SYS_close_range, (unsigned)(FIRST_FD + count), ~0U, 0);
        if (chdir("/") == 0 && syscall(SYS_setgroups, (size_t)group_count, groups) == 0 &&
            syscall(SYS_setresgid, user.pw_gid, user.pw_gid, user.pw_gid) == 0 &&
            syscall(SYS_setresuid, user.pw_uid, user.pw_uid, user.pw_uid) == 0)
                execve(machine->argv[0], machine->argv, environment);
        _exit(127);
}

/* One line, which has to hold @wanted. */
static void
await_line(const struct machine *machine, int fd, const char *wanted)
{
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        char text[4096];
        size_t length = 0;

        do {
                ssize_t n = poll(&poll_fd, 1, GREETING_TIMEOUT_MS) > 0 ? read(fd, text + length, sizeof text - 1 - length) : 0;

                if (n <= 0)
                        die("'%s' does not answer; see %s/qemu.log", machine->name, machine->data);
                length += (size_t)n;
                text[length] = '\0';
        } while (!strchr(text, '\n'));
        if (!strstr(text, wanted))
                die("'%s' says: %s", machine->name, text);
}

static void
await_monitor(const struct machine *machine, int run_fd)
{
        static const char command[] = "{\"execute\": \"qmp_capabilities\"}\n";
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/control.sock", run_fd);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
                die("cannot connect to '%s'", machine->name);
        await_line(machine, fd, "\"QMP\"");
        if (wait_until_ready) {
                if (write(fd, command, sizeof command - 1) != sizeof command - 1)
                        die("cannot write to '%s'", machine->name);
                await_line(machine, fd, "\"return\"");
        }
        close(fd);
}

static void
start_machine(struct machine *machine)
{
        int run_fd = make_directory(machine->run), data_fd = make_directory(machine->data), log_fd;
        int fds[PAIRS_MAX], count = 0;

        for (int i = 0; i < machine->pair_count; i++)
                if (strcmp(machine->pairs[i].key, "disk") == 0)
                        copy_disk(machine->pairs[i].value);
        for (int i = 0; i < machine->pair_count; i++) {
                int fd = open_descriptor(&machine->pairs[i], run_fd, data_fd);

                if (fd >= 0)
                        fds[count++] = fd;
        }
        log_fd = openat(data_fd, "qemu.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        machine->pid = fork();
        if (machine->pid == 0)
                exec_machine(machine, fds, count, log_fd);
        if (machine->pid < 0)
                die("cannot fork");
        for (int i = 0; i < count; i++)
                close(fds[i]);
        await_monitor(machine, run_fd);
        close(log_fd);
        close(run_fd);
        close(data_fd);
}

static void *
work(void *data)
{
        for (int i = next_machine++; i < machine_count; i = next_machine++)
                start_machine(&machines[i]);
        return data;
}

static int
start_all(const char *vectors, int parallel, const char *pids)
{
        const char *template = read_vectors(vectors);
        pthread_t threads[64];
        FILE *file;

        if (parallel < 1 || parallel > 64 || machine_count == 0)
                die("nothing to start");
        make_bridge();
        make_parents(machines[0].run);
        make_parents(machines[0].data);
        close(make_directory(machines[0].data));
        if (*template)
                make_template(template);
        for (int i = 0; i < parallel; i++)
                if (pthread_create(&threads[i], NULL, work, NULL) != 0)
                        die("cannot start a thread");
        for (int i = 0; i < parallel; i++)
                pthread_join(threads[i], NULL);
        if (*template)
                unlink(template_path);
        file = fopen(pids, "we");
        for (int i = 0; file && i < machine_count; i++)
                fprintf(file, "%d\n", (int)machines[i].pid);
        if (!file || fclose(file) != 0)
                die("cannot write '%s'", pids);
        return 0;
}

/* ---- the end ---- */

static int
kill_all(const char *pids)
{
        FILE *file = fopen(pids, "re");
        int fds[MACHINES_MAX], count = 0, pid;

        while (file && count < MACHINES_MAX && fscanf(file, "%d", &pid) == 1) {
                fds[count] = (int)syscall(SYS_pidfd_open, pid, 0);
                if (fds[count] < 0 || syscall(SYS_pidfd_send_signal, fds[count], SIGKILL, NULL, 0) < 0)
                        die("cannot end %d", pid);
                count++;
        }
        if (count == 0)
                die("no pids in '%s'", pids);
        for (int i = 0; i < count; i++) {
                struct pollfd poll_fd = {.fd = fds[i], .events = POLLIN};

                while (poll(&poll_fd, 1, -1) < 0 && errno == EINTR)
                        ;
        }
        return 0;
}

int
main(int argc, char **argv)
{
        signal(SIGPIPE, SIG_IGN);
        if (argc == 7 && (strcmp(argv[1], "greeting") == 0 || strcmp(argv[1], "ready") == 0)) {
                wait_until_ready = *argv[1] == 'r';
                find_user(argv[4]);
                bridge = argv[5];
                return start_all(argv[2], atoi(argv[3]), argv[6]);
        }
        if (argc == 3 && strcmp(argv[1], "kill") == 0)
                return kill_all(argv[2]);
        return fprintf(stderr, "usage: bare-launcher greeting|ready VECTORS PARALLEL USER BRIDGE PIDS | kill PIDS\n"), 4;
}
