/* qmp_ask.c - one question to many QEMUs at once, in one poll loop
 *
 * Each QEMU gets a seat: a connection, everything sent in one go, answers in the order of the commands. There are as many
 * seats as the limit on descriptors comfortably allows; who is done leaves the seat to the next.
 *
 * QEMU takes what it reads byte by byte, and each byte costs it a turn of a loop, some 7 us: so the commands are as short as
 * can be, and have no ids.
 */
#include "runtime/vm/qmp.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/trace.h"
#include "runtime/vm/qmp_wire.h"

#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { KNOWN_BYTES = 16384 }; /* of a line that is kept */

struct seat {
        struct qmp_question *question; /* NULL: the seat is free */
        struct qmp_wire wire;
        guint command_count;
        guint answered;
        gboolean greeted;
};

static size_t
seats_for(size_t count)
{
        struct rlimit limit = {.rlim_cur = 1024};

        getrlimit(RLIMIT_NOFILE, &limit);
        return MIN(count, CLAMP(limit.rlim_cur / 2, 16, 4096));
}

static void
seat_leave(struct seat *seat)
{
        qmp_wire_clear(&seat->wire);
        seat->question = NULL;
}

static gboolean
send_questions(int fd, const struct qmp_question *question, GError **error)
{
        g_autoptr(GString) text = g_string_new(QMP_COMMAND("qmp_capabilities") "\n");

        for (const char *const *command = question->commands; *command; command++)
                g_string_append_printf(text, "%s\n", *command);
        if (fd_retry(send(fd, text->str, text->len, MSG_NOSIGNAL | MSG_DONTWAIT)) != (ssize_t)text->len)
                return error_errno(error, "cannot write to QEMU");
        return TRUE;
}

static gboolean
seat_take(struct seat *seat, struct qmp_question *question)
{
        guint command_count = g_strv_length((char **)question->commands);
        struct sockaddr_un address;
        auto_fd fd = -1;

        if (!qmp_wire_path(question->directory_fd, question->socket, &address, &question->error))
                return FALSE;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_errno(&question->error, "cannot open a socket");
        if (fd_retry(connect(fd, (const struct sockaddr *)&address, sizeof address)) < 0) {
                if (errno == EAGAIN)
                        return error_set(&question->error, DROVER_ERROR_TIMEOUT,
                                         "cannot connect to QEMU: other clients are waiting, or QEMU hangs");
                if (errno == ECONNREFUSED)
                        return error_set(&question->error, DROVER_ERROR_NOT_FOUND,
                                         "cannot connect to QEMU: nobody listens on '%s'", question->socket);
                return error_errno(&question->error, "cannot connect to QEMU on '%s'", question->socket);
        }
        if (!send_questions(fd, question, &question->error))
                return FALSE;
        *seat = (struct seat){.question = question, .command_count = command_count};
        qmp_wire_init(&seat->wire, fd_steal(&fd));
        return TRUE;
}

static gboolean
seat_accept(struct seat *seat, const json_t *message, GError **error)
{
        json_t *value = json_object_get(message, "return");

        if (!seat->greeted) {
                seat->greeted = TRUE;
                return json_object_get(message, "QMP") ||
                       error_set(error, DROVER_ERROR_CORRUPT, "what answers is no QEMU monitor");
        }
        if (!value && !json_object_get(message, "error"))
                return TRUE; /* an event */
        if (seat->answered > 0 && value)
                seat->question->answers[seat->answered - 1] = json_incref(value);
        seat->answered++;
        return TRUE;
}

/* VMs that are alike give the same answers to the letter: what was read once is not read again. */
static json_t *
read_message(GHashTable *known, const char *line, size_t length, GError **error)
{
        gboolean is_text = length <= KNOWN_BYTES && strlen(line) == length;
        json_t *message = is_text ? g_hash_table_lookup(known, line) : NULL;

        if (message)
                return json_incref(message);
        message = qmp_wire_parse(line, length, error);
        if (is_text && message && json_object_get(message, "return"))
                g_hash_table_insert(known, g_strdup(line), json_incref(message));
        return message;
}

/* FALSE: everything is answered, or nothing more will come (then the question has its error). */
static gboolean
seat_advance(struct seat *seat, GHashTable *known)
{
        GError **error = &seat->question->error;

        if (!qmp_wire_fill(&seat->wire, error))
                return FALSE;
        for (;;) {
                g_autoptr(json_t) message = NULL;
                const char *line;
                size_t length;

                if (!qmp_wire_line(&seat->wire, &line, &length, error))
                        return FALSE;
                if (!line)
                        return TRUE;
                message = read_message(known, line, length, error);
                if (!message || !seat_accept(seat, message, error) || seat->answered > seat->command_count)
                        return FALSE;
        }
}

static void
seat_time_out(struct seat *seat, int timeout_ms)
{
        if (seat->greeted)
                error_set(&seat->question->error, DROVER_ERROR_TIMEOUT, "QEMU has not answered within %d ms", timeout_ms);
        else
                error_set(&seat->question->error, DROVER_ERROR_TIMEOUT,
                          "no greeting within %d ms: another client is connected, or QEMU hangs", timeout_ms);
        seat_leave(seat);
}

static size_t
fill_seats(struct seat *seats, struct pollfd *polls, size_t seat_count, struct qmp_question *questions, size_t count,
           size_t *next)
{
        size_t busy = 0;

        for (size_t i = 0; i < seat_count; i++) {
                while (!seats[i].question && *next < count)
                        seat_take(&seats[i], &questions[(*next)++]);
                polls[i] = (struct pollfd){.fd = seats[i].question ? seats[i].wire.fd : -1, .events = POLLIN};
                busy += seats[i].question != NULL;
        }
        return busy;
}

static void
serve_seats(struct seat *seats, const struct pollfd *polls, size_t seat_count, GHashTable *known)
{
        for (size_t i = 0; i < seat_count; i++)
                if (seats[i].question && polls[i].revents && !seat_advance(&seats[i], known))
                        seat_leave(&seats[i]);
}

struct qmp_asking {
        struct qmp_question *questions;
        size_t count, next, seat_count;
        struct seat *seats;
        struct pollfd *polls;
        GHashTable *known; /* line -> what it says: replies */
        gint64 start_us, deadline_us;
        int timeout_ms;
};

struct qmp_asking *
qmp_ask_begin(struct qmp_question *questions, size_t count, int timeout_ms)
{
        struct qmp_asking *asking = g_new0(struct qmp_asking, 1);

        asking->questions = questions;
        asking->count = count;
        asking->timeout_ms = timeout_ms;
        asking->start_us = g_get_monotonic_time();
        asking->deadline_us = asking->start_us + (gint64)timeout_ms * 1000;
        asking->seat_count = seats_for(count);
        asking->seats = g_new0(struct seat, asking->seat_count);
        asking->polls = g_new0(struct pollfd, asking->seat_count);
        asking->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_decref);
        fill_seats(asking->seats, asking->polls, asking->seat_count, questions, count, &asking->next);
        return asking;
}

/* What has come by the deadline counts, also where nobody has looked until now. */
static int
wait_for_any(const struct qmp_asking *asking)
{
        gint64 left_us = asking->deadline_us - g_get_monotonic_time();

        return poll(asking->polls, asking->seat_count, (int)(MAX(left_us + 999, 0) / 1000));
}

void
qmp_ask_end(struct qmp_asking *asking)
{
        struct seat *seats = asking->seats;

        while (fill_seats(seats, asking->polls, asking->seat_count, asking->questions, asking->count, &asking->next) > 0) {
                int n = wait_for_any(asking);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                serve_seats(seats, asking->polls, asking->seat_count, asking->known);
        }
        for (size_t i = 0; i < asking->seat_count; i++)
                if (seats[i].question)
                        seat_time_out(&seats[i], asking->timeout_ms);
        for (; asking->next < asking->count; asking->next++)
                error_set(&asking->questions[asking->next].error, DROVER_ERROR_TIMEOUT, "not asked within %d ms",
                          asking->timeout_ms);
        trace_span("qmp", asking->start_us, "asked %zu monitors", asking->count);
        g_free(asking->seats);
        g_free(asking->polls);
        g_hash_table_unref(asking->known);
        g_free(asking);
}

void
qmp_ask_all(struct qmp_question *questions, size_t count, int timeout_ms)
{
        qmp_ask_end(qmp_ask_begin(questions, count, timeout_ms));
}
