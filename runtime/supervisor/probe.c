/* probe.c - one look at a guest: does a port take connections, does it answer, what does its console show?
 *
 * Sources: RFC 792 (echo); icmp(7) for the socket that a user may open; a user namespace has CAP_NET_RAW of its own.
 */
#include "runtime/supervisor/probe.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "network/home.h"
#include "runtime/vm/agent.h"
#include "runtime/vm/vm.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { CONSOLE_MAX_BYTES = 8 << 20, OUTPUT_LINES = 1 };

/* Inside the project's network; NULL, or why it cannot be reached. */
static char *
find_guest(const struct probe *probe, struct sockaddr_in *ret_address)
{
        *ret_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((guint16)probe->rule->tcp)};
        if (!probe->address || inet_pton(AF_INET, probe->address, &ret_address->sin_addr) != 1)
                return g_strdup("it has no address yet");
        if (!home_join(probe->namespace_fd))
                return g_strdup_printf("the project's network cannot be entered: %s", g_strerror(errno));
        return NULL;
}

static gboolean
wait_until_ready(int fd, short events, gint64 timeout_ms)
{
        struct pollfd poll_fd = {.fd = fd, .events = events};

        return poll(&poll_fd, 1, (int)timeout_ms) > 0;
}

static char *
probe_tcp(const struct probe *probe)
{
        auto_fd fd = -1;
        struct sockaddr_in address;
        char *fault = find_guest(probe, &address);
        int reason = 0;
        socklen_t length = sizeof reason;

        if (fault)
                return fault;
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return g_strdup(g_strerror(errno));
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
                return NULL;
        if (errno == EINPROGRESS && !wait_until_ready(fd, POLLOUT, probe->rule->timeout_ms))
                return g_strdup_printf("port %u of %s does not answer", probe->rule->tcp, probe->address);
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &length) < 0)
                reason = errno;
        return reason ? g_strdup_printf("port %u of %s: %s", probe->rule->tcp, probe->address, g_strerror(reason)) : NULL;
}

static guint16
sum_of(const void *data, size_t length)
{
        const guint16 *words = data;
        guint32 sum = 0;

        for (size_t i = 0; i < length / 2; i++)
                sum += words[i];
        sum = (sum >> 16) + (sum & 0xffff);
        return (guint16)~(sum + (sum >> 16));
}

static char *
probe_ping(const struct probe *probe)
{
        struct icmphdr echo = {.type = ICMP_ECHO, .un.echo = {.id = (guint16)getpid(), .sequence = 1}};
        gint64 deadline_us = g_get_monotonic_time() + probe->rule->timeout_ms * 1000, left_ms;
        struct sockaddr_in address;
        char *fault = find_guest(probe, &address);
        char packet[1500] __attribute__((aligned(4)));
        auto_fd fd = -1;

        if (fault)
                return fault;
        fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
        if (fd < 0)
                return g_strdup_printf("no right to ping: %s", g_strerror(errno));
        echo.checksum = sum_of(&echo, sizeof echo);
        address.sin_port = 0;
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 || send(fd, &echo, sizeof echo, 0) < 0)
                return g_strdup_printf("%s cannot be reached: %s", probe->address, g_strerror(errno));
        while ((left_ms = (deadline_us - g_get_monotonic_time()) / 1000) > 0 && wait_until_ready(fd, POLLIN, left_ms)) {
                ssize_t n = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
                size_t header = n > 0 ? (size_t)(packet[0] & 0xf) * 4 : 0;
                struct icmphdr answer;

                if (n < 0 && errno != EAGAIN)
                        return g_strdup_printf("%s cannot be reached: %s", probe->address, g_strerror(errno));
                if (n < 0 || header + sizeof answer > (size_t)n)
                        continue;
                memcpy(&answer, packet + header, sizeof answer);
                if (answer.type == ICMP_ECHOREPLY && answer.un.echo.id == echo.un.echo.id)
                        return NULL;
        }
        return g_strdup_printf("%s does not answer", probe->address);
}

gint64
probe_console_from(const struct paths *paths, const char *vm)
{
        g_autofree char *directory = paths_vm_data(paths, vm);
        g_autofree char *path = g_build_filename(directory, QEMU_CONSOLE_FROM, NULL);
        g_autofree char *text = NULL;

        return file_read(path, 64, &text, NULL, NULL) ? g_ascii_strtoll(text, NULL, 10) : 0;
}

static char *
probe_console(const struct probe *probe)
{
        g_autofree char *directory = paths_vm_data(probe->paths, probe->vm);
        g_autofree char *path = g_build_filename(directory, QEMU_CONSOLE_LOG, NULL), *text = NULL;
        g_autoptr(GRegex) regex = g_regex_new(probe->rule->console, G_REGEX_RAW, 0, NULL);
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        gint64 from = probe->console_from;
        struct stat st;
        ssize_t n;

        if (!regex)
                return g_strdup("the regular expression cannot be understood");
        if (fd < 0 || fstat(fd, &st) < 0)
                return g_strdup("there is no log of its console");
        if (from > st.st_size)
                from = 0; /* it has begun anew meanwhile */
        from = MAX(from, st.st_size - CONSOLE_MAX_BYTES);
        text = g_malloc((gsize)(st.st_size - from) + 1);
        n = pread(fd, text, (size_t)(st.st_size - from), from);
        if (n >= 0 && g_regex_match_full(regex, text, n, 0, 0, NULL, NULL))
                return NULL;
        return g_strdup_printf("'%s' is not to be found on its console", probe->rule->console);
}

static char *
run_test(struct agent *agent, const struct health_rule *rule)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *words = NULL;
        struct agent_result result;
        char *fault = NULL;

        if (!agent_run(agent, (const char *const *)rule->test, NULL, (int)rule->timeout_ms, &result, &error))
                return g_strdup(error->message);
        words = text_tail((const char *)(result.errors->len ? result.errors : result.output)->data,
                          result.errors->len ? result.errors->len : result.output->len, OUTPUT_LINES);
        if (result.status != 0)
                fault = g_strdup_printf("'%s' ended with status %d%s%s", rule->test[0], result.status, *words ? ": " : "",
                                        words);
        agent_result_clear(&result);
        return fault;
}

static char *
probe_agent(const struct probe *probe)
{
        auto_fd directory = vm_open_run_directory(probe->paths, probe->vm, NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(agent_t) agent = directory >= 0 ? agent_connect(directory, (int)probe->rule->timeout_ms, &error) : NULL;

        if (!agent)
                return g_strdup(error ? error->message : "its sockets are gone");
        return probe->rule->test ? run_test(agent, probe->rule) : NULL;
}

char *
probe_run(const struct probe *probe)
{
        if (probe->rule->tcp)
                return probe_tcp(probe);
        if (probe->rule->ping)
                return probe_ping(probe);
        if (probe->rule->console)
                return probe_console(probe);
        return probe_agent(probe);
}
