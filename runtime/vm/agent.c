/* agent.c - the guest agent: what a guest says of itself, and commands run in it */
#include "runtime/vm/agent.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "base/trace.h"
#include "runtime/vm/qemu_argv.h"
#include "runtime/vm/qmp_wire.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
        CALL_MS = 10000,
        FIRST_LOOK_MS = 20, /* the agent has no event for the end of a program */
        LONGEST_LOOK_MS = 250,
        PARTS_MAX = 200000, /* of an answer: brackets, commas and colons, also those within strings */
        SYNC_BYTE = 0xff, /* no byte of any UTF-8 text: what stands before it is left over */
};

struct agent {
        int fd;
        GString *in;
        size_t scanned; /* bytes of it without a newline */
};

static gboolean
no_answer(GError **error, const char *command)
{
        error_set(error, DROVER_ERROR_TIMEOUT, "the guest agent does not answer '%s'", command);
        return error_hint(error, "is qemu-guest-agent installed in the guest and running?");
}

static gboolean
wait_for(const struct agent *agent, short events, gint64 deadline_us)
{
        struct pollfd entry = {.fd = agent->fd, .events = events};

        for (;;) {
                gint64 left_us = deadline_us - g_get_monotonic_time();
                int n = left_us > 0 ? poll(&entry, 1, (int)MIN((left_us + 999) / 1000, G_MAXINT)) : 0;

                if (n > 0)
                        return TRUE;
                if (n == 0 || errno != EINTR)
                        return FALSE;
        }
}

static gboolean
send_text(struct agent *agent, const char *command, const char *text, size_t length, gint64 deadline_us, GError **error)
{
        while (length > 0) {
                ssize_t n = send(agent->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EAGAIN) {
                        if (!wait_for(agent, POLLOUT, deadline_us))
                                return no_answer(error, command);
                        continue;
                }
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_errno(error, "cannot write to the guest agent");
                text += n;
                length -= (size_t)n;
        }
        return TRUE;
}

/* The next line, without its newline. */
static char *
read_line(struct agent *agent, const char *command, gint64 deadline_us, GError **error)
{
        for (;;) {
                char *end = memchr(agent->in->str + agent->scanned, '\n', agent->in->len - agent->scanned);
                char chunk[65536];
                ssize_t n;

                if (end) {
                        size_t length = (size_t)(end - agent->in->str);
                        char *line = g_strndup(agent->in->str, length);

                        g_string_erase(agent->in, 0, (gssize)length + 1);
                        agent->scanned = 0;
                        return line;
                }
                agent->scanned = agent->in->len;
                if (agent->in->len > AGENT_MAX_BYTES) {
                        error_set(error, DROVER_ERROR_CORRUPT, "the guest agent's answer is longer than %d bytes",
                                  AGENT_MAX_BYTES);
                        return NULL;
                }
                if (!wait_for(agent, POLLIN, deadline_us)) {
                        no_answer(error, command);
                        return NULL;
                }
                n = recv(agent->fd, chunk, sizeof chunk, MSG_DONTWAIT);
                if (n < 0 && (errno == EINTR || errno == EAGAIN))
                        continue;
                if (n <= 0) {
                        error_set(error, DROVER_ERROR_NOT_FOUND, "the guest agent's channel was closed");
                        return NULL;
                }
                g_string_append_len(agent->in, chunk, n);
        }
}

static gboolean
send_command(struct agent *agent, const char *command, json_t *arguments, gboolean sync, gint64 deadline_us, GError **error)
{
        g_autoptr(json_t) message = json_pack("{s:s}", "execute", command);
        g_autofree char *text = NULL, *line = NULL;

        if (arguments)
                json_object_set(message, "arguments", arguments);
        text = json_dumps(message, JSON_COMPACT);
        line = g_strconcat(sync ? "\xff" : "", text, "\n", NULL);
        trace_line("agent", "> %.400s", text);
        return send_text(agent, command, line, strlen(line), deadline_us, error);
}

/* A guest may send millions of empty objects, each of which takes a hundred times its text: no honest answer has that many. */
static json_t *
decode(const char *text)
{
        guint parts = 0;

        for (const char *c = text + strcspn(text, "[{,:"); *c; c += 1 + strcspn(c + 1, "[{,:"))
                if (++parts > PARTS_MAX)
                        return NULL;
        return json_loads(text, 0, NULL);
}

/* Reads away what earlier clients left, up to the answer that bears our number. */
static gboolean
synchronize(struct agent *agent, int timeout_ms, GError **error)
{
        gint64 deadline_us = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
        gint64 number = g_random_int_range(1, G_MAXINT32);
        g_autoptr(json_t) arguments = json_pack("{s:I}", "id", (json_int_t)number);

        if (!send_command(agent, "guest-sync-delimited", arguments, TRUE, deadline_us, error))
                return FALSE;
        for (;;) {
                g_autofree char *line = read_line(agent, "guest-sync-delimited", deadline_us, error);
                g_autoptr(json_t) answer = NULL;
                const char *start;

                if (!line)
                        return FALSE;
                start = strrchr(line, SYNC_BYTE);
                answer = start ? decode(start + 1) : NULL;
                if (answer && json_number(answer, "return", 0) == number)
                        return TRUE;
        }
}

struct agent *
agent_new(int fd, int timeout_ms, GError **error)
{
        g_autoptr(agent_t) agent = g_new0(struct agent, 1);

        agent->fd = fd;
        agent->in = g_string_new(NULL);
        return synchronize(agent, timeout_ms, error) ? g_steal_pointer(&agent) : NULL;
}

struct agent *
agent_connect(int directory_fd, int timeout_ms, GError **error)
{
        auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address;

        if (!qmp_wire_path(directory_fd, QEMU_SOCKET_AGENT, &address, error))
                return NULL;
        if (fd < 0 || fd_retry(connect(fd, (struct sockaddr *)&address, sizeof address)) < 0) {
                error_errno(error, "cannot reach the guest agent's channel");
                return NULL;
        }
        return agent_new(fd_steal(&fd), timeout_ms, error);
}

void
agent_free(struct agent *agent)
{
        if (!agent)
                return;
        fd_clear(&agent->fd);
        g_string_free(agent->in, TRUE);
        g_free(agent);
}

static gboolean
take_refusal(const char *command, const json_t *refusal, GError **error)
{
        const char *reason = json_text(refusal, "desc");
        gboolean disabled = g_strcmp0(json_text(refusal, "class"), "CommandNotFound") == 0;
        g_autofree char *text = text_make_printable(reason ? reason : "it gave no reason", -1);

        error_set(error, disabled ? DROVER_ERROR_UNSUPPORTED : DROVER_ERROR_FAILED, "the guest agent refuses '%s': %s", command,
                  text);
        return disabled ? error_hint(error, "allow it in the guest: the agent's settings may block commands") : FALSE;
}

static gboolean
call(struct agent *agent, const char *command, json_t *arguments, int timeout_ms, json_t **ret_value, GError **error)
{
        gint64 deadline_us = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
        g_autofree char *line = NULL;
        g_autoptr(json_t) answer = NULL;
        json_t *value;

        if (!send_command(agent, command, arguments, FALSE, deadline_us, error))
                return FALSE;
        line = read_line(agent, command, deadline_us, error);
        if (!line)
                return FALSE;
        trace_line("agent", "< %.400s", line);
        answer = decode(line);
        if (json_is_object(json_object_get(answer, "error")))
                return take_refusal(command, json_object_get(answer, "error"), error);
        value = json_object_get(answer, "return");
        if (!value)
                return error_set(error, DROVER_ERROR_CORRUPT, "the guest agent's answer to '%s' is none", command);
        if (ret_value)
                *ret_value = json_incref(value);
        return TRUE;
}

gboolean
agent_call(struct agent *agent, const char *command, json_t *arguments, int timeout_ms, json_t **ret_value, GError **error)
{
        gboolean ok = call(agent, command, arguments, timeout_ms, ret_value, error);

        json_decref(arguments);
        return ok;
}

/* ---- programs ---- */

static GByteArray *
decode_bytes(const json_t *status, const char *key)
{
        const char *text = json_text(status, key);
        gsize length = 0;
        guchar *bytes = text ? g_base64_decode(text, &length) : NULL;

        return bytes ? g_byte_array_new_take(bytes, length) : g_byte_array_new();
}

static void
take_status(const json_t *status, struct agent_result *ret_result)
{
        gint64 code = json_number(status, "exitcode", -1), number = json_number(status, "signal", -1);

        *ret_result = (struct agent_result){
                .status = (int)(number >= 0 && number < 128 ? 128 + number : code & 0xff),
                .output = decode_bytes(status, "out-data"),
                .errors = decode_bytes(status, "err-data"),
                .truncated = json_flag(status, "out-truncated") || json_flag(status, "err-truncated"),
        };
}

/* An argument that JSON cannot carry is no argument to be left out. */
static gboolean
check_arguments(const char *const *argv, GError **error)
{
        for (guint i = 0; argv[i]; i++)
                if (!g_utf8_validate(argv[i], -1, NULL))
                        return error_set(error, DROVER_ERROR_UNSUPPORTED,
                                         "argument %u of '%s' is no UTF-8, and the guest agent takes nothing else", i, argv[0]);
        return TRUE;
}

static json_t *
exec_arguments(const char *const *argv, const GByteArray *input)
{
        json_t *arguments = json_pack("{s:s, s:b}", "path", argv[0], "capture-output", 1);
        json_t *rest = json_array();

        for (argv++; *argv; argv++)
                json_array_append_new(rest, json_string(*argv));
        json_object_set_new(arguments, "arg", rest);
        if (input && input->len) {
                g_autofree char *text = g_base64_encode(input->data, input->len);

                json_object_set_new(arguments, "input-data", json_string(text));
        }
        return arguments;
}

gboolean
agent_run(struct agent *agent, const char *const *argv, const GByteArray *input, int timeout_ms,
          struct agent_result *ret_result, GError **error)
{
        gint64 deadline_us = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
        g_autoptr(json_t) started = NULL;
        int pause_ms = FIRST_LOOK_MS;

        if (!check_arguments(argv, error))
                return FALSE;
        if (!agent_call(agent, "guest-exec", exec_arguments(argv, input), CALL_MS, &started, error))
                return error_prefix(error, "cannot run '%s'", argv[0]);
        for (;;) {
                json_t *arguments = json_pack("{s:I}", "pid", (json_int_t)json_number(started, "pid", 0));
                g_autoptr(json_t) status = NULL;

                if (!agent_call(agent, "guest-exec-status", arguments, CALL_MS, &status, error))
                        return error_prefix(error, "cannot learn how '%s' ended", argv[0]);
                if (json_flag(status, "exited")) {
                        take_status(status, ret_result);
                        return TRUE;
                }
                if (timeout_ms >= 0 && g_get_monotonic_time() >= deadline_us)
                        return error_set(error, DROVER_ERROR_TIMEOUT, "'%s' still runs in the guest after %d ms", argv[0],
                                         timeout_ms);
                poll(NULL, 0, pause_ms);
                pause_ms = MIN(2 * pause_ms, LONGEST_LOOK_MS);
        }
}

void
agent_result_clear(struct agent_result *result)
{
        g_clear_pointer(&result->output, g_byte_array_unref);
        g_clear_pointer(&result->errors, g_byte_array_unref);
}
