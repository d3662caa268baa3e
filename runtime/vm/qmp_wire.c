/* qmp_wire.c - lines of JSON over a socket: what qmp.c and qmp_ask.c share */
#include "runtime/vm/qmp_wire.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "base/trace.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
        COMPACT_BYTES = 1 << 16, /* so much that was taken is worth a move of the rest */
        TRACE_BYTES = 400,       /* of a line */
};

void
qmp_wire_init(struct qmp_wire *wire, int fd)
{
        int flags = fcntl(fd, F_GETFL);

        *wire = (struct qmp_wire){.fd = fd, .in = g_string_new(NULL)};
        if (flags >= 0 && !(flags & O_NONBLOCK))
                fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void
qmp_wire_clear(struct qmp_wire *wire)
{
        fd_clear(&wire->fd);
        if (wire->in)
                g_string_free(wire->in, TRUE);
        *wire = (struct qmp_wire){.fd = -1};
}

gboolean
qmp_wire_path(int directory_fd, const char *name, struct sockaddr_un *ret_address, GError **error)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int length = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory_fd, name);

        if (length < 0 || (size_t)length >= sizeof address.sun_path)
                return error_set(error, DROVER_ERROR_FAILED, "the socket name '%s' is too long", name);
        *ret_address = address;
        return TRUE;
}

static void
wire_compact(struct qmp_wire *wire)
{
        if (wire->taken < COMPACT_BYTES && wire->taken < wire->in->len)
                return;
        g_string_erase(wire->in, 0, (gssize)wire->taken);
        wire->scanned -= wire->taken;
        wire->taken = 0;
}

gboolean
qmp_wire_fill(struct qmp_wire *wire, GError **error)
{
        char chunk[65536];
        ssize_t n;

        wire_compact(wire);
        do
                n = recv(wire->fd, chunk, sizeof chunk, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < 0 && errno == EAGAIN)
                return TRUE;
        if (n == 0 || (n < 0 && errno == ECONNRESET))
                return error_set(error, DROVER_ERROR_NOT_FOUND, "QEMU closed the connection");
        if (n < 0)
                return error_errno(error, "cannot read from QEMU");
        g_string_append_len(wire->in, chunk, n);
        return TRUE;
}

json_t *
qmp_wire_parse(const char *line, size_t length, GError **error)
{
        json_error_t reason;
        json_t *message = json_loadb(line, length, 0, &reason);

        if (json_is_object(message))
                return message;
        if (message)
                error_set(error, DROVER_ERROR_CORRUPT, "QEMU's answer is no JSON object");
        else
                error_set(error, DROVER_ERROR_CORRUPT, "QEMU's answer is no JSON: %s", reason.text);
        json_decref(message);
        return NULL;
}

gboolean
qmp_wire_line(struct qmp_wire *wire, const char **ret_line, size_t *ret_length, GError **error)
{
        *ret_line = NULL;
        for (;;) {
                char *line = wire->in->str + wire->taken;
                const char *end = memchr(wire->in->str + wire->scanned, '\n', wire->in->len - wire->scanned);
                size_t length = end ? (size_t)(end - line) : wire->in->len - wire->taken;

                if (length > QMP_LINE_MAX)
                        return error_set(error, DROVER_ERROR_CORRUPT, "QEMU's answer is longer than %d bytes", QMP_LINE_MAX);
                if (!end) {
                        wire->scanned = wire->in->len;
                        return TRUE;
                }
                wire->taken = wire->scanned = (size_t)(end - wire->in->str) + 1;
                if (length > 0 && line[length - 1] == '\r')
                        length--;
                if (length == 0)
                        continue;
                line[length] = '\0';
                trace_line("qmp", "< %.*s", (int)MIN(length, TRACE_BYTES), line);
                *ret_line = line;
                *ret_length = length;
                return TRUE;
        }
}

gboolean
qmp_wire_next(struct qmp_wire *wire, json_t **ret_message, GError **error)
{
        const char *line;
        size_t length;

        *ret_message = NULL;
        if (!qmp_wire_line(wire, &line, &length, error))
                return FALSE;
        if (line)
                *ret_message = qmp_wire_parse(line, length, error);
        return !line || *ret_message;
}

char *
qmp_command_line(const char *command, json_t *arguments, gint64 id)
{
        g_autoptr(json_t) message = json_object();
        char *text, *line;

        json_set_text(message, "execute", command);
        if (arguments)
                json_set(message, "arguments", json_incref(arguments));
        json_set(message, "id", json_integer(id));
        text = json_dumps(message, JSON_COMPACT);
        line = g_strconcat(text, "\n", NULL);
        free(text);
        return line;
}

gboolean
qmp_error_set(GError **error, const char *command, const json_t *reply)
{
        const char *reason = json_text(json_object_get(reply, "error"), "desc");
        g_autofree char *text = text_make_printable(reason ? reason : "it gave no reason", -1);

        return error_set(error, DROVER_ERROR_FAILED, "QEMU refuses '%s': %s", command, text);
}
