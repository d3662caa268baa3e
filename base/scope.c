/* scope.c - where systemd runs, a process gets a scope of its own: one call of StartTransientUnit, and the end of its job */
#include "base/scope.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

enum {
        TIMEOUT_S = 2,
        MESSAGE_MAX = 1 << 20,
        HEADER = 16, /* up to the header fields */
        METHOD_CALL = 1,
        METHOD_RETURN = 2,
        ERROR_REPLY = 3,
        SIGNAL = 4,
        FIELD_PATH = 1,
        FIELD_INTERFACE = 2,
        FIELD_MEMBER = 3,
        FIELD_DESTINATION = 6,
        FIELD_SIGNATURE = 8,
};

static char *
find_manager(void)
{
        g_autofree char *linger = g_build_filename("/var/lib/systemd/linger", g_get_user_name(), NULL);
        g_autofree char *runtime = g_strdup_printf("/run/user/%u", (guint)geteuid());
        const char *given = g_getenv("XDG_RUNTIME_DIR");

        if (access(SCOPE_BOOTED, F_OK) < 0)
                return NULL;
        if (geteuid() == 0)
                return g_strdup("/run/systemd/private");
        if (access(linger, F_OK) < 0)
                return NULL;
        return g_build_filename(given && *given ? given : runtime, "systemd", "private", NULL);
}

const char *
scope_manager(void)
{
        static char *manager;
        static gsize once;

        if (g_once_init_enter(&once)) {
                manager = find_manager();
                g_once_init_leave(&once, 1);
        }
        return manager;
}

/* ---- what is said ---- */

static void
put_padding(GByteArray *message, guint alignment)
{
        static const guint8 zeros[8];

        g_byte_array_append(message, zeros, (alignment - message->len % alignment) % alignment);
}

static void
put_number(GByteArray *message, guint32 number)
{
        put_padding(message, 4);
        g_byte_array_append(message, (const guint8 *)&number, sizeof number);
}

static void
put_text(GByteArray *message, const char *text)
{
        put_number(message, (guint32)strlen(text));
        g_byte_array_append(message, (const guint8 *)text, (guint)strlen(text) + 1);
}

static void
put_signature(GByteArray *message, const char *signature)
{
        guint8 length = (guint8)strlen(signature);

        g_byte_array_append(message, &length, 1);
        g_byte_array_append(message, (const guint8 *)signature, length + 1U);
}

struct array {
        guint length_at, begin;
};

/* The length comes first, and does not count the padding before the first element: all elements are structs here. */
static struct array
begin_array(GByteArray *message)
{
        struct array array;

        put_number(message, 0);
        array.length_at = message->len - (guint)sizeof(guint32);
        put_padding(message, 8);
        array.begin = message->len;
        return array;
}

static void
end_array(GByteArray *message, struct array array)
{
        guint32 length = message->len - array.begin;

        memcpy(message->data + array.length_at, &length, sizeof length);
}

static void
put_property(GByteArray *message, const char *name, const char *text)
{
        put_padding(message, 8);
        put_text(message, name);
        put_signature(message, "s");
        put_text(message, text);
}

/* The arguments of StartTransientUnit: name, mode, properties, and no units beside it: "ssa(sv)a(sa(sv))". */
static GByteArray *
build_body(const char *unit, const char *description, pid_t pid)
{
        GByteArray *body = g_byte_array_new();
        struct array properties;

        put_text(body, unit);
        put_text(body, "fail");
        properties = begin_array(body);
        put_property(body, "Description", description);
        put_property(body, "CollectMode", "inactive-or-failed");
        put_padding(body, 8);
        put_text(body, "PIDs");
        put_signature(body, "au");
        put_number(body, sizeof(guint32));
        put_number(body, (guint32)pid);
        end_array(body, properties);
        begin_array(body);
        return body;
}

static void
put_field(GByteArray *message, guint8 code, const char *type, const char *text)
{
        put_padding(message, 8);
        g_byte_array_append(message, &code, 1);
        put_signature(message, type);
        if (*type == 'g')
                put_signature(message, text);
        else
                put_text(message, text);
}

static GByteArray *
build_call(const char *unit, const char *description, pid_t pid)
{
        static const guint8 start[4] = {G_BYTE_ORDER == G_LITTLE_ENDIAN ? 'l' : 'B', METHOD_CALL, 0, 1};
        g_autoptr(GByteArray) body = build_body(unit, description, pid);
        GByteArray *call = g_byte_array_new();
        struct array fields;

        g_byte_array_append(call, start, sizeof start);
        put_number(call, body->len);
        put_number(call, 1); /* serial */
        fields = begin_array(call);
        put_field(call, FIELD_PATH, "o", "/org/freedesktop/systemd1");
        put_field(call, FIELD_INTERFACE, "s", "org.freedesktop.systemd1.Manager");
        put_field(call, FIELD_MEMBER, "s", "StartTransientUnit");
        put_field(call, FIELD_DESTINATION, "s", "org.freedesktop.systemd1");
        put_field(call, FIELD_SIGNATURE, "g", "ssa(sv)a(sa(sv))");
        end_array(call, fields);
        put_padding(call, 8);
        g_byte_array_append(call, body->data, body->len);
        return call;
}

/* ---- what is heard ---- */

typedef struct message message_t;

struct message {
        guint8 type;
        char *fields, *body; /* with a NUL behind each */
        guint32 fields_length, body_length;
};

static void
message_clear(struct message *message)
{
        g_free(message->fields);
        g_free(message->body);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(message_t, message_clear)

static gboolean
fail_to_hear(GError **error, ssize_t n)
{
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                return error_set(error, DROVER_ERROR_TIMEOUT, "systemd does not answer within %d s", TIMEOUT_S);
        return n < 0 ? error_errno(error, "cannot hear systemd") : error_set(error, DROVER_ERROR_FAILED, "systemd hung up");
}

static gboolean
receive(int fd, void *data, size_t length, GError **error)
{
        for (char *at = data; length > 0;) {
                ssize_t n = recv(fd, at, length, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return fail_to_hear(error, n);
                at += n;
                length -= (size_t)n;
        }
        return TRUE;
}

static gboolean
receive_message(int fd, struct message *message, GError **error)
{
        guint8 header[HEADER];
        guint32 padded;

        if (!receive(fd, header, sizeof header, error))
                return FALSE;
        message->type = header[1];
        memcpy(&message->body_length, header + 4, sizeof(guint32));
        memcpy(&message->fields_length, header + 12, sizeof(guint32));
        if (message->body_length > MESSAGE_MAX || message->fields_length > MESSAGE_MAX)
                return error_set(error, DROVER_ERROR_CORRUPT, "systemd speaks too much at once");
        padded = (message->fields_length + 7) & ~7U;
        message->fields = g_malloc0(padded + 1);
        message->body = g_malloc0(message->body_length + 1);
        return receive(fd, message->fields, padded, error) && receive(fd, message->body, message->body_length, error);
}

/* The next string or path of a body; NULL where there is none. */
static const char *
take_text(const struct message *message, guint32 *at)
{
        guint32 length, begin = (*at + 3) & ~3U;

        if (begin + sizeof length > message->body_length)
                return NULL;
        memcpy(&length, message->body + begin, sizeof length);
        begin += (guint32)sizeof length;
        if (length >= message->body_length - begin)
                return NULL;
        *at = begin + length + 1;
        return message->body[begin + length] ? NULL : message->body + begin;
}

/* JobRemoved(number, job, unit, result); the member's name stands nowhere but in its own field. */
static const char *
take_result(const struct message *message, const char *job)
{
        guint32 at = sizeof(guint32);

        if (message->type != SIGNAL || !memmem(message->fields, message->fields_length, "JobRemoved", sizeof "JobRemoved"))
                return NULL;
        if (g_strcmp0(take_text(message, &at), job) != 0 || !take_text(message, &at))
                return NULL;
        return take_text(message, &at);
}

/* The answer names a job; when that is done, the process is in its scope. */
static gboolean
wait_for_job(int fd, GError **error)
{
        gint64 deadline = g_get_monotonic_time() + TIMEOUT_S * G_USEC_PER_SEC;
        g_autofree char *job = NULL;

        while (g_get_monotonic_time() < deadline) {
                g_auto(message_t) message = {0};
                const char *text, *result;
                guint32 at = 0;

                if (!receive_message(fd, &message, error))
                        return FALSE;
                text = take_text(&message, &at);
                if (message.type == ERROR_REPLY) {
                        g_autofree char *shown = text_make_printable(text ? text : "without a reason", -1);

                        return error_set(error, DROVER_ERROR_FAILED, "systemd refuses: %s", shown);
                }
                if (message.type == METHOD_RETURN && !job)
                        job = g_strdup(text);
                result = job ? take_result(&message, job) : NULL;
                if (result)
                        return strcmp(result, "done") == 0 ||
                               error_set(error, DROVER_ERROR_FAILED, "systemd's job ended as '%.32s'", result);
        }
        errno = EAGAIN;
        return fail_to_hear(error, -1);
}

/* ---- the way there ---- */

static gboolean
say(int fd, const void *data, size_t length, GError **error)
{
        return fd_retry(send(fd, data, length, MSG_NOSIGNAL)) == (ssize_t)length || error_errno(error, "cannot ask systemd");
}

/* Who we are the kernel says. One line at a time is read: what follows "OK" is answered to nobody but us. */
static gboolean
authenticate(int fd, GError **error)
{
        static const char hello[] = "\0AUTH EXTERNAL\r\nDATA\r\n", begin[] = "BEGIN\r\n";
        char line[256];
        size_t length = 0;

        if (!say(fd, hello, sizeof hello - 1, error))
                return FALSE;
        while (length < sizeof line - 1) {
                if (!receive(fd, line + length, 1, error))
                        return FALSE;
                if (line[length++] != '\n')
                        continue;
                line[length] = '\0';
                if (g_str_has_prefix(line, "OK"))
                        return say(fd, begin, sizeof begin - 1, error);
                if (!g_str_has_prefix(line, "DATA"))
                        break;
                length = 0;
        }
        return error_set(error, DROVER_ERROR_PERMISSION, "systemd does not take us");
}

static int
connect_to(const char *manager, GError **error)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct timeval limit = {.tv_sec = TIMEOUT_S};
        struct ucred peer = {0};
        socklen_t length = sizeof peer;
        auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (g_strlcpy(address.sun_path, manager, sizeof address.sun_path) >= sizeof address.sun_path)
                return error_set(error, DROVER_ERROR_FAILED, "the path '%s' is too long", manager), -1;
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
            fd_retry(connect(fd, (struct sockaddr *)&address, sizeof address)) < 0 ||
            getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
                return error_errno(error, "cannot reach systemd at '%s'", manager), -1;
        if (peer.pid == 0) /* it would take our number of a process for another's */
                return error_set(error, DROVER_ERROR_FAILED, "the systemd at '%s' is outside of this container", manager), -1;
        return fd_steal(&fd);
}

gboolean
scope_enter(const char *manager, const char *name, pid_t pid, GError **error)
{
        g_autofree char *unit = g_strdup_printf("%s-%d.scope", name, (int)pid);
        g_autoptr(GByteArray) call = build_call(unit, name, pid);
        auto_fd fd = connect_to(manager, error);

        return fd >= 0 && authenticate(fd, error) && say(fd, call->data, call->len, error) && wait_for_job(fd, error);
}
