/* qmp.c - QEMU's monitor protocol: a blocking client with limits */
#include "runtime/vm/qmp.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/trace.h"
#include "runtime/vm/qmp_wire.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { EVENTS_KEPT = 1000 }; /* a guest can cause events (RTC_CHANGE, ...): the oldest go */

struct qmp {
        struct qmp_wire wire;
        GQueue events; /* json_t * */
        gint64 last_id;
};

static gint64
deadline_after(int timeout_ms)
{
        return g_get_monotonic_time() + (gint64)timeout_ms * 1000;
}

/* FALSE (no error) when @deadline_us has passed */
static gboolean
wait_for(int fd, short events, gint64 deadline_us)
{
        struct pollfd poll_fd = {.fd = fd, .events = events};

        for (;;) {
                gint64 left_us = deadline_us - g_get_monotonic_time();
                int n = left_us > 0 ? poll(&poll_fd, 1, (int)MIN((left_us + 999) / 1000, G_MAXINT)) : 0;

                if (n > 0)
                        return TRUE;
                if (n == 0 || errno != EINTR)
                        return FALSE;
        }
}

/* The next message of any kind; *ret_message stays NULL when @deadline_us passes first. */
static gboolean
qmp_receive(struct qmp *qmp, gint64 deadline_us, json_t **ret_message, GError **error)
{
        for (;;) {
                if (!qmp_wire_next(&qmp->wire, ret_message, error))
                        return FALSE;
                if (*ret_message || !wait_for(qmp->wire.fd, POLLIN, deadline_us))
                        return TRUE;
                if (!qmp_wire_fill(&qmp->wire, error))
                        return FALSE;
        }
}

static void
qmp_keep_event(struct qmp *qmp, json_t *event)
{
        if (qmp->events.length >= EVENTS_KEPT)
                json_decref(g_queue_pop_head(&qmp->events));
        g_queue_push_tail(&qmp->events, json_incref(event));
}

/* A descriptor travels with the first byte of the line: QEMU keeps it for the command that it reads next. */
static gboolean
qmp_send(struct qmp *qmp, const char *line, int passed_fd, gint64 deadline_us, GError **error)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {0};
        struct iovec part = {.iov_base = (char *)line, .iov_len = strlen(line)};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

        if (passed_fd >= 0) {
                message.msg_control = &control;
                message.msg_controllen = sizeof control;
                control.header = (struct cmsghdr){
                        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
                memcpy(CMSG_DATA(&control.header), &passed_fd, sizeof passed_fd);
        }
        if (strstr(line, "\"set_password\""))
                trace_line("qmp", "> set_password (not shown)");
        else
                trace_line("qmp", "> %.*s", (int)strcspn(line, "\n"), line);
        while (part.iov_len > 0) {
                ssize_t n = sendmsg(qmp->wire.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN && wait_for(qmp->wire.fd, POLLOUT, deadline_us))
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return error_set(error, DROVER_ERROR_TIMEOUT, "QEMU does not read what it is sent");
                if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
                        return error_set(error, DROVER_ERROR_NOT_FOUND, "QEMU closed the connection");
                if (n < 0)
                        return error_errno(error, "cannot write to QEMU");
                part.iov_base = (char *)part.iov_base + n;
                part.iov_len -= (size_t)n;
                message.msg_control = NULL;
                message.msg_controllen = 0;
        }
        return TRUE;
}

/*
 * Answers to commands that were given up earlier are skipped by their id; an error without an id is one that QEMU could
 * not assign, hence ours.
 */
static gboolean
is_reply_to(const json_t *message, gint64 id)
{
        const json_t *message_id = json_object_get(message, "id");

        if (!json_object_get(message, "return") && !json_object_get(message, "error"))
                return FALSE;
        return message_id ? json_is_integer(message_id) && json_integer_value(message_id) == id : TRUE;
}

static gboolean
qmp_await_reply(struct qmp *qmp, const char *command, gint64 id, int timeout_ms, gint64 deadline_us, json_t **ret_value,
                GError **error)
{
        for (;;) {
                g_autoptr(json_t) message = NULL;

                if (!qmp_receive(qmp, deadline_us, &message, error))
                        return FALSE;
                if (!message)
                        return error_set(error, DROVER_ERROR_TIMEOUT, "QEMU has not answered '%s' within %d ms", command,
                                         timeout_ms);
                if (json_object_get(message, "event")) {
                        qmp_keep_event(qmp, message);
                        continue;
                }
                if (!is_reply_to(message, id))
                        continue;
                if (json_object_get(message, "error"))
                        return qmp_error_set(error, command, message);
                if (ret_value)
                        *ret_value = json_incref(json_object_get(message, "return"));
                return TRUE;
        }
}

gboolean
qmp_call_fd(struct qmp *qmp, const char *command, json_t *arguments, int fd, int timeout_ms, json_t **ret_value, GError **error)
{
        gint64 start_us = g_get_monotonic_time(), deadline_us = deadline_after(timeout_ms);
        g_autoptr(json_t) owned = arguments;
        g_autofree char *line = qmp_command_line(command, owned, ++qmp->last_id);
        gboolean ok = qmp_send(qmp, line, fd, deadline_us, error);

        if (!ok)
                error_prefix(error, "cannot run '%s'", command);
        else
                ok = qmp_await_reply(qmp, command, qmp->last_id, timeout_ms, deadline_us, ret_value, error);
        trace_span("qmp", start_us, "%s %s", command, ok ? "done" : "failed");
        return ok;
}

gboolean
qmp_call(struct qmp *qmp, const char *command, json_t *arguments, int timeout_ms, json_t **ret_value, GError **error)
{
        return qmp_call_fd(qmp, command, arguments, -1, timeout_ms, ret_value, error);
}

static const json_t *
find_event(struct qmp *qmp, const char *event, json_t **ret_owner)
{
        json_t *message;

        while ((message = g_queue_pop_head(&qmp->events))) {
                if (g_strcmp0(json_text(message, "event"), event) == 0) {
                        *ret_owner = message;
                        return message;
                }
                json_decref(message);
        }
        return NULL;
}

gboolean
qmp_wait_event(struct qmp *qmp, const char *event, int timeout_ms, json_t **ret_data, GError **error)
{
        gint64 deadline_us = deadline_after(timeout_ms);

        for (;;) {
                g_autoptr(json_t) found = NULL;
                g_autoptr(json_t) message = NULL;

                if (find_event(qmp, event, &found)) {
                        if (ret_data)
                                *ret_data = json_incref(json_object_get(found, "data"));
                        return TRUE;
                }
                if (!qmp_receive(qmp, deadline_us, &message, error))
                        return error_prefix(error, "cannot wait for '%s'", event);
                if (!message)
                        return error_set(error, DROVER_ERROR_TIMEOUT, "QEMU has not reported '%s' within %d ms", event,
                                         timeout_ms);
                if (json_object_get(message, "event"))
                        qmp_keep_event(qmp, message);
        }
}

/* qmp_capabilities goes out at once: QEMU reads it after its greeting, and a round trip is saved. */
static gboolean
await_greeting(struct qmp *qmp, int timeout_ms, GError **error)
{
        gint64 deadline_us = deadline_after(timeout_ms);
        g_autofree char *line = qmp_command_line("qmp_capabilities", NULL, ++qmp->last_id);
        g_autoptr(json_t) greeting = NULL;

        if (!qmp_send(qmp, line, -1, deadline_us, error) || !qmp_receive(qmp, deadline_us, &greeting, error))
                return FALSE;
        if (!greeting)
                return error_set(error, DROVER_ERROR_TIMEOUT,
                                 "no greeting within %d ms: another client is connected, or QEMU hangs", timeout_ms);
        return json_object_get(greeting, "QMP") || error_set(error, DROVER_ERROR_CORRUPT, "what answers is no QEMU monitor");
}

static struct qmp *
greet(int fd, int timeout_ms, GError **error)
{
        struct qmp *qmp = g_new0(struct qmp, 1);

        qmp_wire_init(&qmp->wire, fd);
        g_queue_init(&qmp->events);
        if (!await_greeting(qmp, timeout_ms, error)) {
                error_prefix(error, "cannot talk to QEMU");
                g_clear_pointer(&qmp, qmp_free);
        }
        return qmp;
}

static gboolean
await_ready(struct qmp *qmp, int timeout_ms, gint64 deadline_us, GError **error)
{
        return qmp_await_reply(qmp, "qmp_capabilities", qmp->last_id, timeout_ms, deadline_us, NULL, error) ||
               error_prefix(error, "cannot talk to QEMU");
}

gboolean
qmp_ready(struct qmp *qmp, int timeout_ms, GError **error)
{
        return await_ready(qmp, timeout_ms, deadline_after(timeout_ms), error);
}

/* Takes @qmp over, which may be NULL. */
static struct qmp *
make_ready(struct qmp *qmp, int timeout_ms, gint64 deadline_us, GError **error)
{
        if (qmp && !await_ready(qmp, timeout_ms, deadline_us, error))
                g_clear_pointer(&qmp, qmp_free);
        return qmp;
}

struct qmp *
qmp_new(int fd, int timeout_ms, GError **error)
{
        gint64 deadline_us = deadline_after(timeout_ms);

        return make_ready(greet(fd, timeout_ms, error), timeout_ms, deadline_us, error);
}

/* connect(2) of a UNIX socket waits while the backlog is full, for as long as SO_SNDTIMEO says. Source: unix(7), socket(7) */
static gboolean
connect_within(int fd, const struct sockaddr_un *address, int timeout_ms)
{
        struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

        if (timeout_ms <= 0)
                limit.tv_usec = 1; /* 0 would be for ever */
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0)
                return FALSE;
        return fd_retry(connect(fd, (const struct sockaddr *)address, sizeof *address)) == 0;
}

struct qmp *
qmp_greet(int directory_fd, const char *name, int timeout_ms, GError **error)
{
        gint64 deadline_us = deadline_after(timeout_ms);
        struct sockaddr_un address;
        auto_fd fd = -1;

        if (!qmp_wire_path(directory_fd, name, &address, error))
                return NULL;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || !connect_within(fd, &address, timeout_ms)) {
                if (errno == EAGAIN)
                        error_set(error, DROVER_ERROR_TIMEOUT,
                                  "cannot connect to QEMU within %d ms: other clients are waiting, or QEMU hangs", timeout_ms);
                else if (errno == ECONNREFUSED)
                        error_set(error, DROVER_ERROR_NOT_FOUND, "cannot connect to QEMU: nobody listens on '%s'", name);
                else
                        error_errno(error, "cannot connect to QEMU on '%s'", name);
                return NULL;
        }
        return greet(fd_steal(&fd), (int)MAX(0, (deadline_us - g_get_monotonic_time()) / 1000), error);
}

struct qmp *
qmp_connect(int directory_fd, const char *name, int timeout_ms, GError **error)
{
        gint64 deadline_us = deadline_after(timeout_ms);

        return make_ready(qmp_greet(directory_fd, name, timeout_ms, error), timeout_ms, deadline_us, error);
}

void
qmp_free(struct qmp *qmp)
{
        if (!qmp)
                return;
        qmp_wire_clear(&qmp->wire);
        g_queue_clear_full(&qmp->events, (GDestroyNotify)json_decref);
        g_free(qmp);
}
