/* fake-qemu.c - a program that drover takes for QEMU: three monitors, a pid file, no guest; starts in a millisecond
 *
 * Of QEMU's arguments it understands `-qmp stdio`, -name, -uuid, -S, -pidfile and the listening sockets `control`,
 * `observe` and `events`, and ignores all others. How it misbehaves is said by `-fake` (qemu_args of a VM), which may be given
 * several times:
 *
 *     slow=MS      waits so long before the greeting and before each answer
 *     late=MS      writes its pid file so long after its start
 *     silent       takes connections and never says a word
 *     garbage      greets with something that is no JSON
 *     huge-line    greets with 8 MiB without a newline
 *     events       sends two events before each answer
 *     flood        sends events for ever instead of an answer to query-status
 *     noacpi       its guest ignores the power button
 *     poweroff=MS  its guest powers itself off, so long after it began to run
 *     lingers      runs on when it gets SIGTERM, as one that has not come to it yet, and ends with the next
 *     panic        its guest's kernel gives up when it gets an NMI
 *     die          writes a reason to standard error and exits with 1 at once
 *     die=COMMAND  the same when it is sent COMMAND
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MONITORS = 3, LINE_BYTES = 65536 };

struct monitor {
        int listener; /* -1: not given */
        int client;   /* -1: nobody; further ones wait in the backlog, as QEMU's do */
        char line[LINE_BYTES];
        size_t length;
};

static struct monitor monitors[MONITORS] = {
        {.listener = -1, .client = -1}, {.listener = -1, .client = -1}, {.listener = -1, .client = -1}};
static const char *name = "", *uuid = "00000000-0000-0000-0000-000000000000", *status = "running", *die_at;
static char pid_file[4096];
static int slow_ms, late_ms, poweroff_ms = -1;
static bool silent, garbage, huge_line, events, flood, noacpi, lingers, panic;
static volatile sig_atomic_t terminated;

static void
wait_for_ms(int ms)
{
        struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

        if (ms > 0)
                nanosleep(&time, NULL);
}

static void
finish(int code)
{
        if (code == 0 && pid_file[0])
                unlink(pid_file);
        exit(code);
}

static void
die(void)
{
        fputs("qemu-system-x86_64: it dies as it was asked to\n", stderr);
        finish(1);
}

static void
hang_up(struct monitor *monitor)
{
        close(monitor->client);
        monitor->client = -1;
        monitor->length = 0;
}

static void
say(struct monitor *monitor, const char *text, size_t length)
{
        while (length > 0 && monitor->client >= 0) {
                ssize_t n = send(monitor->client, text, length, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return hang_up(monitor);
                text += n;
                length -= (size_t)n;
        }
}

static void
say_text(struct monitor *monitor, const char *text)
{
        say(monitor, text, strlen(text));
}

static void
tell_all(const char *event, const char *data)
{
        char line[512];

        snprintf(line, sizeof line, "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"%s\"%s%s}\r\n", event,
                 *data ? ", \"data\": " : "", data);
        for (int i = 0; i < MONITORS; i++)
                if (monitors[i].client >= 0 && !silent)
                        say_text(&monitors[i], line);
}

/* The value of a key as it stands in the text: a string with its quotes, a number; good enough for lines of our own making */
static void
find_value(const char *line, const char *key, char *value, size_t size)
{
        char quoted[64];
        const char *at;
        size_t length;

        snprintf(quoted, sizeof quoted, "\"%s\"", key);
        at = strstr(line, quoted);
        value[0] = '\0';
        if (!at)
                return;
        at += strlen(quoted);
        at += strspn(at, ": ");
        length = *at == '"' ? strcspn(at + 1, "\"") + 2 : strcspn(at, ",} \r\n");
        if (length < size)
                snprintf(value, size, "%.*s", (int)length, at);
}

static void
reply(struct monitor *monitor, const char *kind, const char *value, const char *id)
{
        char line[1024];

        if (events) {
                say_text(monitor, "{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 1}}\r\n");
                say_text(monitor, "{\"event\": \"NIC_RX_FILTER_CHANGED\"}\r\n");
        }
        snprintf(line, sizeof line, "{\"%s\": %s%s%s}\r\n", kind, value, *id ? ", \"id\": " : "", id);
        say_text(monitor, line);
}

/* Returns whether the program goes on. */
static bool
run_command(struct monitor *monitor, const char *command, const char *id)
{
        char value[512] = "{}";
        bool quit = strcmp(command, "quit") == 0;

        if (die_at && strcmp(command, die_at) == 0)
                die();
        while (flood && monitor->client >= 0 && strcmp(command, "query-status") == 0)
                say_text(monitor, "{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 1}}\r\n");
        if (strcmp(command, "query-status") == 0) {
                snprintf(value, sizeof value, "{\"status\": \"%s\", \"singlestep\": false, \"running\": %s}", status,
                         strcmp(status, "running") == 0 ? "true" : "false");
        } else if (strcmp(command, "query-uuid") == 0) {
                snprintf(value, sizeof value, "{\"UUID\": \"%s\"}", uuid);
        } else if (strcmp(command, "query-name") == 0) {
                snprintf(value, sizeof value, "{\"name\": \"%s\"}", name);
        } else if (strcmp(command, "cont") == 0) {
                status = "running";
                tell_all("RESUME", "");
        } else if (strcmp(command, "stop") == 0) {
                status = "paused";
                tell_all("STOP", "");
        } else if (strcmp(command, "system_reset") == 0) {
                tell_all("RESET", "{\"guest\": false, \"reason\": \"host-qmp-system-reset\"}");
        } else if (panic && strcmp(command, "inject-nmi") == 0) {
                status = "guest-panicked";
                tell_all("GUEST_PANICKED", "{\"action\": \"pause\"}");
        } else if (strcmp(command, "system_powerdown") == 0) {
                reply(monitor, "return", value, id);
                tell_all("POWERDOWN", "");
                if (!noacpi && strcmp(status, "running") == 0)
                        tell_all("SHUTDOWN", "{\"guest\": true, \"reason\": \"guest-shutdown\"}");
                return noacpi || strcmp(status, "running") != 0;
        } else if (!quit && strcmp(command, "qmp_capabilities") != 0 && strcmp(command, "inject-nmi") != 0) {
                snprintf(value, sizeof value,
                         "{\"class\": \"CommandNotFound\", \"desc\": \"The command %.100s has not been found\"}", command);
                reply(monitor, "error", value, id);
                return true;
        }
        reply(monitor, "return", value, id);
        if (quit)
                tell_all("SHUTDOWN", "{\"guest\": false, \"reason\": \"host-qmp-quit\"}");
        return !quit;
}

static bool
run_line(struct monitor *monitor, char *line)
{
        char command[128], id[128];

        find_value(line, "execute", command, sizeof command);
        find_value(line, "id", id, sizeof id);
        wait_for_ms(slow_ms);
        if (command[0] == '"') { /* without its quotes */
                command[strlen(command) - 1] = '\0';
                return run_command(monitor, command + 1, id);
        }
        reply(monitor, "error", "{\"class\": \"GenericError\", \"desc\": \"QMP input lacks member 'execute'\"}", id);
        return true;
}

static void
greet(struct monitor *monitor)
{
        monitor->client = accept4(monitor->listener, NULL, NULL, SOCK_CLOEXEC);
        monitor->length = 0;
        if (monitor->client < 0 || silent)
                return;
        wait_for_ms(slow_ms);
        if (garbage)
                say_text(monitor, "SSH-2.0-this is no QMP\r\n");
        else if (huge_line)
                for (int i = 0; i < 128 && monitor->client >= 0; i++) {
                        memset(monitor->line, 'x', LINE_BYTES);
                        say(monitor, monitor->line, LINE_BYTES);
                }
        else
                say_text(monitor, "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, "
                                  "\"package\": \"fake\"}, \"capabilities\": [\"oob\"]}}\r\n");
}

/* Returns whether the program goes on. */
static bool
listen_to(struct monitor *monitor)
{
        ssize_t n = recv(monitor->client, monitor->line + monitor->length, LINE_BYTES - 1 - monitor->length, 0);
        char *end;

        if (n <= 0) {
                hang_up(monitor);
                return true;
        }
        monitor->length += (size_t)n;
        monitor->line[monitor->length] = '\0';
        while (monitor->client >= 0 && (end = strchr(monitor->line, '\n'))) {
                *end = '\0';
                if (!silent && !run_line(monitor, monitor->line))
                        return false;
                if (monitor->client < 0) /* it went away while it was answered, and took the rest along */
                        return true;
                monitor->length -= (size_t)(end + 1 - monitor->line);
                memmove(monitor->line, end + 1, monitor->length + 1);
        }
        if (monitor->length == LINE_BYTES - 1)
                hang_up(monitor);
        return true;
}

/* SIGTERM is blocked but while it waits here, so that it cannot come in between the look and the wait. */
static void
serve(void)
{
        struct timespec limit = {.tv_sec = poweroff_ms / 1000, .tv_nsec = poweroff_ms % 1000 * 1000000L};
        sigset_t none;

        sigemptyset(&none);
        while (terminated <= lingers) {
                bool goes_off = poweroff_ms >= 0 && strcmp(status, "running") == 0;
                struct pollfd fds[MONITORS];
                int ready;

                for (int i = 0; i < MONITORS; i++)
                        fds[i] = (struct pollfd){
                                .fd = monitors[i].client >= 0 ? monitors[i].client : monitors[i].listener, .events = POLLIN};
                ready = ppoll(fds, MONITORS, goes_off ? &limit : NULL, &none);
                if (ready == 0)
                        return tell_all("SHUTDOWN", "{\"guest\": true, \"reason\": \"guest-shutdown\"}");
                if (ready < 0)
                        continue;
                for (int i = 0; i < MONITORS; i++) {
                        if (!fds[i].revents)
                                continue;
                        if (monitors[i].client < 0)
                                greet(&monitors[i]);
                        else if (!listen_to(&monitors[i]))
                                return;
                }
        }
}

/* As QEMU does it: a POSIX lock for as long as it lives, removed when it ends well by the path that the file really has */
static void
write_pid_file(const char *path)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        char text[32];
        int length = snprintf(text, sizeof text, "%d\n", (int)getpid());

        if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 || ftruncate(fd, 0) < 0 || write(fd, text, (size_t)length) != length) {
                fprintf(stderr, "qemu-system-x86_64: cannot create PID file: %s\n", strerror(errno));
                exit(1);
        }
        if (!realpath(path, pid_file))
                pid_file[0] = '\0';
}

static void
misbehave(const char *how)
{
        silent |= strcmp(how, "silent") == 0;
        garbage |= strcmp(how, "garbage") == 0;
        huge_line |= strcmp(how, "huge-line") == 0;
        events |= strcmp(how, "events") == 0;
        flood |= strcmp(how, "flood") == 0;
        noacpi |= strcmp(how, "noacpi") == 0;
        lingers |= strcmp(how, "lingers") == 0;
        panic |= strcmp(how, "panic") == 0;
        if (strncmp(how, "poweroff=", 9) == 0)
                poweroff_ms = atoi(how + 9);
        if (strncmp(how, "slow=", 5) == 0)
                slow_ms = atoi(how + 5);
        if (strncmp(how, "late=", 5) == 0)
                late_ms = atoi(how + 5);
        if (strncmp(how, "die=", 4) == 0)
                die_at = how + 4;
        if (strcmp(how, "die") == 0)
                die();
}

static void
take_chardev(const char *value)
{
        const char *fd = strstr(value, ",fd=");

        if (fd && strncmp(value, "socket,id=control,", 18) == 0)
                monitors[0].listener = atoi(fd + 4);
        if (fd && strncmp(value, "socket,id=observe,", 18) == 0)
                monitors[1].listener = atoi(fd + 4);
        if (fd && strncmp(value, "socket,id=events,", 17) == 0)
                monitors[2].listener = atoi(fd + 4);
}

static void
take_name(char *value)
{
        name = strncmp(value, "guest=", 6) == 0 ? value + 6 : value;
        value[strcspn(value, ",")] = '\0';
}

/* A monitor on standard input and output, which is asked for the machines, and whatever else is asked answers nothing. */
static int
serve_stdio(void)
{
        char line[1024];

        puts("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, \"package\": \"fake\"}, "
             "\"capabilities\": [\"oob\"]}}");
        while (fgets(line, sizeof line, stdin))
                puts(strstr(line, "query-machines")
                             ? "{\"return\": [{\"name\": \"pc-q35-7.2\", \"alias\": \"q35\", \"cpu-max\": 288}, "
                               "{\"name\": \"pc-i440fx-7.2\", \"alias\": \"pc\", \"cpu-max\": 255}]}"
                             : "{\"return\": {}}");
        return 0;
}

static void
on_terminate(int number)
{
        terminated++;
}

int
main(int argc, char **argv)
{
        struct sigaction action = {.sa_handler = on_terminate};
        const char *pid_path = NULL;
        sigset_t term;

        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        sigprocmask(SIG_BLOCK, &term, NULL);
        sigaction(SIGTERM, &action, NULL);
        for (int i = 1; i < argc; i++) {
                char *value = i + 1 < argc ? argv[i + 1] : NULL;

                if (strcmp(argv[i], "-S") == 0)
                        status = "prelaunch";
                else if (value && strcmp(argv[i], "-qmp") == 0 && strcmp(value, "stdio") == 0)
                        return serve_stdio();
                else if (value && strcmp(argv[i], "-name") == 0)
                        take_name(argv[++i]);
                else if (value && strcmp(argv[i], "-uuid") == 0)
                        uuid = argv[++i];
                else if (value && strcmp(argv[i], "-pidfile") == 0)
                        pid_path = argv[++i];
                else if (value && strcmp(argv[i], "-chardev") == 0)
                        take_chardev(argv[++i]);
                else if (value && strcmp(argv[i], "-fake") == 0)
                        misbehave(argv[++i]);
        }
        wait_for_ms(late_ms);
        if (pid_path)
                write_pid_file(pid_path);
        serve();
        finish(0);
}
