/* test-qmp.c - the QMP client against peers that are slow, silent, hostile or gone */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "runtime/vm/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define READY GREETING "{\"return\": {}, \"id\": 1}\r\n"

enum { LIMIT_MS = 5000, SHORT_MS = 40 };

/* The other end of a socket: what it says is written before the client looks, so that no thread is needed. */
struct peer {
        int ours, theirs;
};

static void
peer_say(const struct peer *peer, const char *text)
{
        g_assert_cmpint(write(peer->theirs, text, strlen(text)), ==, (ssize_t)strlen(text));
}

static struct peer
peer_new(const char *text)
{
        struct peer peer;
        int ends[2], size = 8 << 20;

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
        setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
        peer = (struct peer){.ours = ends[0], .theirs = ends[1]};
        peer_say(&peer, text);
        return peer;
}

static struct qmp *
connected(struct peer *peer)
{
        g_autoptr(GError) error = NULL;
        struct qmp *qmp;

        *peer = peer_new(READY);
        qmp = qmp_new(peer->ours, LIMIT_MS, &error);
        g_assert_no_error(error);
        g_assert_nonnull(qmp);
        return qmp;
}

static void
test_call(void)
{
        struct peer peer;
        g_autoptr(qmp_t) qmp = connected(&peer);
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) value = NULL;
        char sent[512];
        ssize_t n;

        peer_say(&peer, "{\"return\": {\"running\": true}, \"id\": 2}\r\n");
        g_assert_true(qmp_call(qmp, "query-status", json_pack("{s:i}", "x", 1), LIMIT_MS, &value, &error));
        g_assert_true(json_flag(value, "running"));
        n = read(peer.theirs, sent, sizeof sent - 1);
        g_assert_cmpint(n, >, 0);
        sent[n] = '\0';
        g_assert_cmpstr(sent, ==,
                        "{\"execute\":\"qmp_capabilities\",\"id\":1}\n"
                        "{\"execute\":\"query-status\",\"arguments\":{\"x\":1},\"id\":2}\n");
        close(peer.theirs);
}

static void
test_refused(void)
{
        struct peer peer;
        g_autoptr(qmp_t) qmp = connected(&peer);
        g_autoptr(GError) error = NULL;

        peer_say(&peer, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"No \\u001bspace\"}, \"id\": 2}\r\n");
        g_assert_false(qmp_call(qmp, "cont", NULL, LIMIT_MS, NULL, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_FAILED);
        g_assert_cmpstr(error->message, ==, "QEMU refuses 'cont': No \\x1bspace");
        close(peer.theirs);
}

/* Events come before the reply, the reply to a command that was given up before both, and everything in small pieces. */
static void
test_events(void)
{
        struct peer peer;
        g_autoptr(qmp_t) qmp = connected(&peer);
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) data = NULL;

        g_assert_false(qmp_call(qmp, "slow", NULL, SHORT_MS, NULL, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_TIMEOUT);
        g_assert_cmpstr(error->message, ==, "QEMU has not answered 'slow' within 40 ms");
        g_clear_error(&error);
        peer_say(&peer, "{\"return\": {\"late\": true}, \"id\": 2}\r\n{\"event\": \"A\"}\r\n{\"event\": \"B\", \"da");
        peer_say(&peer, "ta\": {\"n\": 7}}\r\n{\"event\": \"C\"}\n\n{\"return\": {}, \"id\": 3}\n{\"event\": \"D\"}\n");
        g_assert_true(qmp_call(qmp, "stop", NULL, LIMIT_MS, NULL, &error));
        g_assert_true(qmp_wait_event(qmp, "B", LIMIT_MS, &data, &error));
        g_assert_cmpint(json_number(data, "n", 0), ==, 7);
        g_assert_true(qmp_wait_event(qmp, "D", LIMIT_MS, NULL, &error));
        g_assert_false(qmp_wait_event(qmp, "C", SHORT_MS, NULL, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_TIMEOUT);
        g_assert_cmpstr(error->message, ==, "QEMU has not reported 'C' within 40 ms");
        close(peer.theirs);
}

static void
test_closed(void)
{
        struct peer peer;
        g_autoptr(qmp_t) qmp = connected(&peer);
        g_autoptr(GError) error = NULL;

        peer_say(&peer, "{\"return\": {}, \"id\": 2}\r\n{\"event\": \"SHUTDOWN\"}\r\n");
        shutdown(peer.theirs, SHUT_WR);
        g_assert_true(qmp_call(qmp, "quit", NULL, LIMIT_MS, NULL, &error));
        g_assert_true(qmp_wait_event(qmp, "SHUTDOWN", LIMIT_MS, NULL, &error));
        g_assert_false(qmp_wait_event(qmp, "RESET", LIMIT_MS, NULL, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_clear_error(&error);
        close(peer.theirs);
        g_assert_false(qmp_call(qmp, "cont", NULL, LIMIT_MS, NULL, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_assert_cmpstr(error->message, ==, "cannot run 'cont': QEMU closed the connection");
}

static void
refuse_greeting(const char *text, enum drover_error code, const char *message)
{
        struct peer peer = peer_new(text);
        g_autoptr(GError) error = NULL;

        g_assert_null(qmp_new(peer.ours, code == DROVER_ERROR_TIMEOUT ? SHORT_MS : LIMIT_MS, &error));
        g_assert_error(error, DROVER_ERROR, (int)code);
        g_assert_cmpstr(error->message, ==, message);
        close(peer.theirs);
}

static void
test_greetings(void)
{
        g_autofree char *huge = g_strnfill((4 << 20) + 2, 'x');

        refuse_greeting("", DROVER_ERROR_TIMEOUT,
                        "cannot talk to QEMU: no greeting within 40 ms: another client is connected, or QEMU hangs");
        refuse_greeting("{}\n", DROVER_ERROR_CORRUPT, "cannot talk to QEMU: what answers is no QEMU monitor");
        refuse_greeting("[1]\n", DROVER_ERROR_CORRUPT, "cannot talk to QEMU: QEMU's answer is no JSON object");
        refuse_greeting("SSH-2.0\n", DROVER_ERROR_CORRUPT,
                        "cannot talk to QEMU: QEMU's answer is no JSON: '[' or '{' expected near 'SSH'");
        refuse_greeting(GREETING, DROVER_ERROR_TIMEOUT,
                        "cannot talk to QEMU: QEMU has not answered 'qmp_capabilities' within 40 ms");
        refuse_greeting(huge, DROVER_ERROR_CORRUPT, "cannot talk to QEMU: QEMU's answer is longer than 4194304 bytes");
}

static void
test_pass_descriptor(void)
{
        struct peer peer;
        g_autoptr(qmp_t) qmp = connected(&peer);
        g_autoptr(GError) error = NULL;
        char text[512], space[CMSG_SPACE(sizeof(int))];
        struct iovec part = {.iov_base = text, .iov_len = sizeof text};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
        auto_fd zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        auto_fd got = -1;
        char byte = 1;

        g_assert_cmpint(read(peer.theirs, text, sizeof text), >, 0); /* qmp_capabilities */
        peer_say(&peer, "{\"return\": {}, \"id\": 2}\r\n");
        g_assert_true(qmp_call_fd(qmp, "getfd", json_pack("{s:s}", "fdname", "nic"), zero, LIMIT_MS, NULL, &error));
        g_assert_cmpint(recvmsg(peer.theirs, &message, MSG_CMSG_CLOEXEC), >, 0);
        g_assert_nonnull(CMSG_FIRSTHDR(&message));
        memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
        g_assert_cmpint(read(got, &byte, 1), ==, 1);
        g_assert_cmpint(byte, ==, 0);
        close(peer.theirs);
}

struct place {
        char *path;
        int fd;
};

static void
place_make(struct place *place, gconstpointer data)
{
        place->path = g_dir_make_tmp("drover-qmp-XXXXXX", NULL);
        place->fd = open(place->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        g_assert_cmpint(place->fd, >=, 0);
}

static void
place_remove(struct place *place, gconstpointer data)
{
        g_assert_true(file_remove_tree(place->path, NULL));
        close(place->fd);
        g_free(place->path);
}

static int
listen_at(const struct place *place, const char *name, int backlog)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", place->fd, name);
        g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
        g_assert_cmpint(listen(fd, backlog), ==, 0);
        return fd;
}

static void
test_connect(struct place *place, gconstpointer data)
{
        g_autoptr(GError) error = NULL;
        auto_fd listener = -1;

        g_assert_null(qmp_connect(place->fd, "absent.sock", SHORT_MS, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_clear_error(&error);
        listener = listen_at(place, "dead.sock", 1);
        fd_clear(&listener);
        g_assert_null(qmp_connect(place->fd, "dead.sock", SHORT_MS, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_clear_error(&error);
        listener = listen_at(place, "busy.sock", 0); /* a backlog of one */
        g_assert_null(qmp_connect(place->fd, "busy.sock", SHORT_MS, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_TIMEOUT);
        g_clear_error(&error);
        g_assert_null(qmp_connect(place->fd, "busy.sock", SHORT_MS, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_TIMEOUT);
}

static gpointer
accept_and_greet(gpointer listener)
{
        struct peer peer = {.theirs = accept4(GPOINTER_TO_INT(listener), NULL, NULL, SOCK_CLOEXEC)};

        peer_say(&peer, GREETING);
        return GINT_TO_POINTER(peer.theirs);
}

/* QEMU greets when half of its start is done; the other half is waited for on its own, and again where that took too long. */
static void
test_greet(struct place *place, gconstpointer data)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(qmp_t) qmp = NULL;
        auto_fd listener = listen_at(place, "half.sock", 1);
        struct peer peer = {.theirs = -1};
        GThread *thread = g_thread_new("greeter", accept_and_greet, GINT_TO_POINTER(listener));

        qmp = qmp_greet(place->fd, "half.sock", LIMIT_MS, &error);
        peer.theirs = GPOINTER_TO_INT(g_thread_join(thread));
        g_assert_no_error(error);
        g_assert_false(qmp_ready(qmp, SHORT_MS, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_TIMEOUT);
        g_clear_error(&error);
        peer_say(&peer, "{\"event\": \"NOTHING\"}\r\n{\"return\": {}, \"id\": 1}\r\n");
        g_assert_true(qmp_ready(qmp, LIMIT_MS, &error));
        close(peer.theirs);
}

/* A monitor in a thread: takes one client, says what it shall once it has read something, and leaves. */
struct monitor {
        int listener;
        const char *answer;
};

static gpointer
monitor_main(gpointer data)
{
        struct monitor *monitor = data;
        int fd = accept4(monitor->listener, NULL, NULL, SOCK_CLOEXEC);
        char text[1024];

        g_assert_cmpint(read(fd, text, sizeof text), >, 0);
        g_assert_cmpint(write(fd, monitor->answer, strlen(monitor->answer)), ==, (ssize_t)strlen(monitor->answer));
        shutdown(fd, SHUT_WR);
        while (read(fd, text, sizeof text) > 0)
                ;
        close(fd);
        close(monitor->listener);
        return NULL;
}

static void
test_ask_all(struct place *place, gconstpointer data)
{
        static const char *const commands[] = {QMP_COMMAND("query-status"), QMP_COMMAND("query-x"), NULL};
        static const char *const answers[] = {
                "{\"event\": \"EARLY\"}", /* the greeting has to be first */
                GREETING "{\"event\": \"A\"}\n{\"return\": {}}\n{\"return\": {\"status\": \"running\"}}\n{\"event\": \"B\"}\n"
                         "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"?\"}}\n",
                GREETING "{\"return\": {}}\n{\"return\": {\"status\": \"paused\"}}\n",
                GREETING "{\"return\": {}}\n{\"return\": {\"status\": \"paused\"}}\n{\"return\": {}}\n", /* as another said */
                GREETING "{\"error\": {}}\n[]\n",
                "{\"QMP\": \n",
        };
        enum { PEERS = G_N_ELEMENTS(answers), SILENT = PEERS, ABSENT, ALL };
        struct monitor monitors[PEERS];
        GThread *threads[PEERS];
        char names[ALL][16];
        struct qmp_question questions[ALL] = {0};
        json_t *values[ALL][2] = {0};
        auto_fd silent = -1;

        for (int i = 0; i < ALL; i++) {
                g_snprintf(names[i], sizeof names[i], "m%d.sock", i);
                questions[i] = (struct qmp_question){place->fd, names[i], commands, values[i], NULL};
        }
        for (size_t i = 0; i < PEERS; i++) {
                monitors[i] = (struct monitor){listen_at(place, names[i], 1), answers[i]};
                threads[i] = g_thread_new("monitor", monitor_main, &monitors[i]);
        }
        silent = listen_at(place, names[SILENT], 1);
        qmp_ask_all(questions, ALL, 400);
        for (size_t i = 0; i < PEERS; i++)
                g_thread_join(threads[i]);
        g_assert_error(questions[0].error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND); /* no newline: never a message */
        g_assert_no_error(questions[1].error);
        g_assert_cmpstr(json_text(values[1][0], "status"), ==, "running");
        g_assert_null(values[1][1]);
        g_assert_cmpstr(json_text(values[2][0], "status"), ==, "paused"); /* what came before it left is kept */
        g_assert_error(questions[2].error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_assert_no_error(questions[3].error);
        g_assert_cmpstr(json_text(values[3][0], "status"), ==, "paused");
        g_assert_true(values[3][1] && json_object_size(values[3][1]) == 0);
        g_assert_error(questions[4].error, DROVER_ERROR, DROVER_ERROR_CORRUPT);
        g_assert_error(questions[5].error, DROVER_ERROR, DROVER_ERROR_CORRUPT);
        g_assert_error(questions[SILENT].error, DROVER_ERROR, DROVER_ERROR_TIMEOUT);
        g_assert_error(questions[ABSENT].error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        for (int i = 0; i < ALL; i++) {
                g_clear_error(&questions[i].error);
                json_decref(values[i][0]);
                json_decref(values[i][1]);
        }
        qmp_ask_all(NULL, 0, 0);
}

/* More questions than the limit on descriptors has seats for: all are asked, one after the other. */
static void
test_ask_many(struct place *place, gconstpointer data)
{
        enum { MANY = 3000 };
        static const char *const commands[] = {QMP_COMMAND("query-status"), NULL};
        g_autofree struct qmp_question *questions = g_new0(struct qmp_question, MANY);
        json_t *value = NULL;

        for (int i = 0; i < MANY; i++)
                questions[i] = (struct qmp_question){place->fd, "absent.sock", commands, &value, NULL};
        qmp_ask_all(questions, MANY, LIMIT_MS);
        for (int i = 0; i < MANY; i++) {
                g_assert_error(questions[i].error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
                g_clear_error(&questions[i].error);
        }
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/qmp/call", test_call);
        g_test_add_func("/qmp/refused", test_refused);
        g_test_add_func("/qmp/events", test_events);
        g_test_add_func("/qmp/closed", test_closed);
        g_test_add_func("/qmp/greetings", test_greetings);
        g_test_add_func("/qmp/pass-descriptor", test_pass_descriptor);
        g_test_add("/qmp/connect", struct place, NULL, place_make, test_connect, place_remove);
        g_test_add("/qmp/greet", struct place, NULL, place_make, test_greet, place_remove);
        g_test_add("/qmp/ask-all", struct place, NULL, place_make, test_ask_all, place_remove);
        g_test_add("/qmp/ask-many", struct place, NULL, place_make, test_ask_many, place_remove);
        return g_test_run();
}
