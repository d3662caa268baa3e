/* test-forward.c - published ports, on loopback: what goes in comes out, and ports change while it runs */
#include "base/error.h"
#include "base/fd.h"
#include "network/ports/listening.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { LIMIT_S = 20 };

struct fixture {
        int listening, control; /* of the forwarder; connected to it */
        GThread *forwarder, *guest;
        int guest_fd; /* a TCP listener that echoes */
        guint16 guest_port;
};

static union forward_address
loopback(guint16 port)
{
        union forward_address address;

        memset(&address, 0, sizeof address);
        address.ipv4 =
                (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        return address;
}

static int
open_bound(int type, guint16 *ret_port)
{
        union forward_address address = loopback(0);
        socklen_t length = sizeof address.ipv4;
        int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
        struct timeval limit = {LIMIT_S, 0};

        g_assert_cmpint(bind(fd, &address.any, length), ==, 0);
        g_assert_cmpint(getsockname(fd, &address.any, &length), ==, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        *ret_port = ntohs(address.ipv4.sin_port);
        return fd;
}

static guint16
free_port(int type)
{
        guint16 port;
        auto_fd fd = open_bound(type, &port);

        return port;
}

static gpointer
echo(gpointer data)
{
        int fd = GPOINTER_TO_INT(data);
        char bytes[65536];
        ssize_t n;

        while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
                for (ssize_t sent = 0; sent < n;) {
                        ssize_t m = send(fd, bytes + sent, (size_t)(n - sent), MSG_NOSIGNAL);

                        if (m <= 0)
                                break;
                        sent += m;
                }
        close(fd);
        return NULL;
}

static gpointer
run_guest(gpointer data)
{
        struct fixture *fixture = data;

        for (;;) {
                int fd = accept4(fixture->guest_fd, NULL, NULL, SOCK_CLOEXEC);

                if (fd < 0 && errno == EMFILE) { /* test_full, which gives them back: accept4() takes its own before it waits */
                        g_usleep(1000);
                        continue;
                }
                if (fd < 0)
                        return NULL;
                g_thread_unref(g_thread_new("echo", echo, GINT_TO_POINTER(fd)));
        }
}

static gpointer
run_forwarder(gpointer data)
{
        int control = GPOINTER_TO_INT(data);
        g_autoptr(GError) error = NULL;

        g_assert_true(forward_serve(control, &error));
        g_assert_no_error(error);
        return NULL;
}

static void
set_up(struct fixture *fixture, gconstpointer data)
{
        struct sockaddr_un name = {.sun_family = AF_UNIX};
        socklen_t length = sizeof name;

        fixture->listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        fixture->control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        g_assert_cmpint(bind(fixture->listening, (struct sockaddr *)&name, sizeof name.sun_family), ==, 0); /* a free one */
        g_assert_cmpint(getsockname(fixture->listening, (struct sockaddr *)&name, &length), ==, 0);
        g_assert_cmpint(listen(fixture->listening, 4), ==, 0);
        fixture->forwarder = g_thread_new("forwarder", run_forwarder, GINT_TO_POINTER(fixture->listening));
        g_assert_cmpint(connect(fixture->control, (struct sockaddr *)&name, length), ==, 0);
        fixture->guest_fd = open_bound(SOCK_STREAM, &fixture->guest_port);
        setsockopt(fixture->guest_fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0}, sizeof(struct timeval));
        g_assert_cmpint(listen(fixture->guest_fd, 512), ==, 0);
        fixture->guest = g_thread_new("guest", run_guest, fixture);
}

static void
tear_down(struct fixture *fixture, gconstpointer data)
{
        close(fixture->control);
        shutdown(fixture->listening, SHUT_RDWR);
        g_thread_join(fixture->forwarder);
        close(fixture->listening);
        shutdown(fixture->guest_fd, SHUT_RDWR);
        g_thread_join(fixture->guest);
        close(fixture->guest_fd);
}

static struct forward
make_forward(enum forward_protocol protocol, guint16 outside, guint16 inside)
{
        struct forward forward;

        memset(&forward, 0, sizeof forward);
        forward.protocol = protocol;
        forward.outside = loopback(outside);
        forward.inside = loopback(inside);
        return forward;
}

static void
publish(struct fixture *fixture, const struct forward *forward)
{
        g_autoptr(GError) error = NULL;
        auto_fd listener = forward_listen(forward, &error);

        g_assert_no_error(error);
        g_assert_true(forward_set(fixture->control, forward, listener, &error));
}

static int
dial(guint16 port)
{
        union forward_address address = loopback(port);
        auto_fd fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct timeval limit = {LIMIT_S, 0};

        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        return connect(fd, &address.any, sizeof address.ipv4) == 0 ? fd_steal(&fd) : -1;
}

static void
assert_echo(int fd, const char *text)
{
        char got[256] = "";

        g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==, strlen(text));
        g_assert_cmpint(recv(fd, got, strlen(text), MSG_WAITALL), ==, strlen(text));
        g_assert_cmpstr(got, ==, text);
}

struct sender {
        int fd;
        const char *data;
        size_t length;
};

static gpointer
send_all(gpointer data)
{
        struct sender *sender = data;

        for (size_t sent = 0; sent < sender->length;) {
                ssize_t n = send(sender->fd, sender->data + sent, sender->length - sent, MSG_NOSIGNAL);

                g_assert_cmpint(n, >, 0);
                sent += (size_t)n;
        }
        shutdown(sender->fd, SHUT_WR); /* the guest's answer has still to come through */
        return NULL;
}

static void
test_bytes(struct fixture *fixture, gconstpointer data)
{
        struct forward forward = make_forward(FORWARD_TCP, free_port(SOCK_STREAM), fixture->guest_port);
        const size_t length = 24 << 20;
        g_autofree char *bytes = g_malloc(length), *got = g_malloc(length);
        struct sender sender;
        GThread *thread;
        size_t received = 0;
        auto_fd fd = -1;
        ssize_t n;

        for (size_t i = 0; i < length; i++)
                bytes[i] = (char)(i * 7 + i / 4096);
        publish(fixture, &forward);
        fd = dial(ntohs(forward.outside.ipv4.sin_port));
        g_assert_cmpint(fd, >=, 0);
        sender = (struct sender){fd, bytes, length};
        thread = g_thread_new("sender", send_all, &sender);
        while (received < length && (n = recv(fd, got + received, length - received, 0)) > 0)
                received += (size_t)n;
        g_assert_cmpuint(received, ==, length);
        g_assert_cmpint(memcmp(bytes, got, length), ==, 0);
        g_assert_cmpint(recv(fd, got, 1, 0), ==, 0);
        g_thread_join(thread);
}

static void
test_many(struct fixture *fixture, gconstpointer data)
{
        struct forward forward = make_forward(FORWARD_TCP, free_port(SOCK_STREAM), fixture->guest_port);
        int fds[150];

        publish(fixture, &forward);
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
                fds[i] = dial(ntohs(forward.outside.ipv4.sin_port));
                g_assert_cmpint(fds[i], >=, 0);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
                g_autofree char *text = g_strdup_printf("connection %zu", i);

                assert_echo(fds[i], text);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
                close(fds[i]);
}

/* A client that breaks off with an answer under way: those that come next, and get its pipes, see nothing of it. */
static void
test_broken_off(struct fixture *fixture, gconstpointer data)
{
        struct forward forward = make_forward(FORWARD_TCP, free_port(SOCK_STREAM), fixture->guest_port);
        const struct linger at_once = {.l_onoff = 1};
        g_autofree char *bytes = g_malloc0(65536);

        publish(fixture, &forward);
        for (int round = 0; round < 40; round++) {
                g_autofree char *text = g_strdup_printf("connection %d", round);
                int fd = dial(ntohs(forward.outside.ipv4.sin_port));
                auto_fd next = -1;

                while (send(fd, bytes, 65536, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) /* until the answer's way is full too */
                        ;
                g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), ==, 0);
                close(fd);
                next = dial(ntohs(forward.outside.ipv4.sin_port));
                assert_echo(next, text);
        }
}

/* Somebody else has all descriptors, and no connection of ours that would end: the port comes back by itself. */
static void
test_full(struct fixture *fixture, gconstpointer data)
{
        struct forward forward = make_forward(FORWARD_TCP, free_port(SOCK_STREAM), fixture->guest_port);
        struct rlimit before, full;
        struct pollfd answer = {.events = POLLIN};
        int next;

        publish(fixture, &forward);
        next = dup(STDIN_FILENO);
        close(next);
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
        full = before;
        full.rlim_cur = (rlim_t)next + 1; /* one more: ours, and none for the forwarder */
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &full), ==, 0);
        answer.fd = dial(ntohs(forward.outside.ipv4.sin_port));
        g_assert_cmpint(answer.fd, ==, next);
        g_assert_cmpint(poll(&answer, 1, 100), ==, 0);
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
        assert_echo(answer.fd, "there is room again");
        close(answer.fd);
}

static void
test_refused(struct fixture *fixture, gconstpointer data)
{
        struct forward forward = make_forward(FORWARD_TCP, free_port(SOCK_STREAM), free_port(SOCK_STREAM));
        auto_fd fd = -1;
        char byte;

        publish(fixture, &forward);
        fd = dial(ntohs(forward.outside.ipv4.sin_port));
        g_assert_cmpint(recv(fd, &byte, 1, 0), ==, -1);
        g_assert_cmpint(errno, ==, ECONNRESET);
}

static void
test_live(struct fixture *fixture, gconstpointer data)
{
        struct forward first = make_forward(FORWARD_TCP, free_port(SOCK_STREAM), fixture->guest_port);
        struct forward second = make_forward(FORWARD_TCP, free_port(SOCK_STREAM), fixture->guest_port);
        g_autoptr(GError) error = NULL;
        auto_fd old = -1, other = -1;
        int again;

        publish(fixture, &first);
        old = dial(ntohs(first.outside.ipv4.sin_port));
        assert_echo(old, "before");
        publish(fixture, &second);
        other = dial(ntohs(second.outside.ipv4.sin_port));
        assert_echo(other, "beside");
        g_assert_cmpint(forward_listen(&first, &error), ==, -1);
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_BUSY);
        g_clear_error(&error);
        g_assert_true(forward_remove(fixture->control, &first, &error));
        again = forward_listen(&first, &error);
        g_assert_no_error(error);
        close(again);
        assert_echo(old, "the connection that was there goes on");
        assert_echo(other, "and so does the other port");
}

static void
test_udp(struct fixture *fixture, gconstpointer data)
{
        guint16 guest_port, ports[2];
        auto_fd guest = open_bound(SOCK_DGRAM, &guest_port);
        auto_fd one = open_bound(SOCK_DGRAM, &ports[0]), two = open_bound(SOCK_DGRAM, &ports[1]);
        struct forward forward = make_forward(FORWARD_UDP, free_port(SOCK_DGRAM), guest_port);
        int clients[] = {one, two};
        union forward_address from[2], at;
        socklen_t length;
        char got[64] = "";

        publish(fixture, &forward);
        for (int i = 0; i < 2; i++) {
                g_autofree char *text = g_strdup_printf("question %d", i);

                g_assert_cmpint(connect(clients[i], &forward.outside.any, sizeof forward.outside.ipv4), ==, 0);
                g_assert_cmpint(send(clients[i], text, strlen(text), 0), ==, strlen(text));
                length = sizeof from[i];
                g_assert_cmpint(recvfrom(guest, got, sizeof got, 0, &from[i].any, &length), ==, strlen(text));
                g_assert_cmpint(memcmp(got, text, strlen(text)), ==, 0);
        }
        g_assert_cmpint(from[0].ipv4.sin_port, !=, from[1].ipv4.sin_port);
        for (int i = 0; i < 2; i++) {
                g_autofree char *text = g_strdup_printf("answer %d", i);

                g_assert_cmpint(sendto(guest, text, strlen(text), 0, &from[i].any, sizeof from[i].ipv4), ==, strlen(text));
        }
        for (int i = 0; i < 2; i++) { /* a connected socket takes answers only from where it has asked */
                g_autofree char *text = g_strdup_printf("answer %d", i);

                length = sizeof at;
                g_assert_cmpint(recvfrom(clients[i], got, sizeof got, 0, &at.any, &length), ==, strlen(text));
                g_assert_cmpint(memcmp(got, text, strlen(text)), ==, 0);
        }
}

static void
ask_echo(int client, int guest, const char *question)
{
        char got[64] = "";

        g_assert_cmpint(send(client, question, strlen(question), 0), ==, strlen(question));
        g_assert_cmpint(recv(guest, got, sizeof got, 0), ==, strlen(question));
        g_assert_cmpstr(got, ==, question);
}

/* A port that leads elsewhere keeps its listener; one that is taken back is free at once, also where UDP clients used it. */
static void
test_changed(struct fixture *fixture, gconstpointer data)
{
        guint16 guest_ports[2], client_port;
        auto_fd one = open_bound(SOCK_DGRAM, &guest_ports[0]), two = open_bound(SOCK_DGRAM, &guest_ports[1]);
        auto_fd client = open_bound(SOCK_DGRAM, &client_port);
        struct forward forward = make_forward(FORWARD_UDP, free_port(SOCK_DGRAM), guest_ports[0]);
        g_autoptr(GError) error = NULL;
        g_autoptr(GArray) none = NULL, list = NULL;
        auto_fd again = -1;

        none = forward_list(fixture->control, &error);
        g_assert_cmpuint(none->len, ==, 0);
        g_assert_false(forward_set(fixture->control, &forward, -1, &error)); /* it has no such port yet */
        g_clear_error(&error);
        publish(fixture, &forward);
        g_assert_cmpint(connect(client, &forward.outside.any, sizeof forward.outside.ipv4), ==, 0);
        ask_echo(client, one, "first");
        forward.inside = loopback(guest_ports[1]);
        g_assert_true(forward_set(fixture->control, &forward, -1, &error));
        ask_echo(client, two, "second");
        list = forward_list(fixture->control, &error);
        g_assert_cmpuint(list->len, ==, 1);
        g_assert_cmpint(memcmp(&g_array_index(list, struct forward, 0), &forward, sizeof forward), ==, 0);
        g_assert_true(forward_remove(fixture->control, &forward, &error));
        again = forward_listen(&forward, &error);
        g_assert_no_error(error);
}

/* More than go into one answer. */
static void
test_list(struct fixture *fixture, gconstpointer data)
{
        enum { PORTS = 1100 };
        g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(GArray) list = NULL;

        for (guint i = 0; i < PORTS; i++) {
                struct forward forward = make_forward(FORWARD_TCP, 0, (guint16)(i + 1));
                auto_fd listener = forward_listen(&forward, &error); /* any port that is free */
                socklen_t length = sizeof forward.outside.ipv4;

                g_assert_no_error(error);
                g_assert_cmpint(getsockname(listener, &forward.outside.any, &length), ==, 0);
                g_assert_true(forward_set(fixture->control, &forward, listener, &error));
        }
        list = forward_list(fixture->control, &error);
        g_assert_cmpuint(list->len, ==, PORTS);
        for (guint i = 0; i < PORTS; i++)
                g_hash_table_add(seen, GUINT_TO_POINTER(g_array_index(list, struct forward, i).inside.ipv4.sin_port));
        g_assert_cmpuint(g_hash_table_size(seen), ==, PORTS);
}

static void
test_format(void)
{
        struct forward forward = make_forward(FORWARD_UDP, 5353, 53);
        g_autofree char *text = forward_format(&forward), *other = NULL;

        g_assert_cmpstr(text, ==, "127.0.0.1:5353/udp -> 127.0.0.1:53");
        memset(&forward, 0, sizeof forward);
        forward.outside.ipv6 =
                (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_addr = in6addr_loopback};
        forward.inside = loopback(8080);
        other = forward_format(&forward);
        g_assert_cmpstr(other, ==, "[::1]:80/tcp -> 127.0.0.1:8080");
}

/* Who has a port, in the words of /proc/net of a little-endian host: other states and other ports do not count. */
static void
test_listening(void)
{
        static const char tcp[] =
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
                "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 811 1 0 100 0\n"
                "   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 812 1 0 100 0\n"
                "   2: 0100007F:1F91 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 813 1 0 100 0\n";
        static const char udp6[] =
                "  sl  local_address                         remote_address                        st tx_queue rx_queue tr\n"
                "  9: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:0000 07 00000000:00000000 "
                "00:00000000 00000000     0        0 821 2 0 0\n";
        static const struct {
                guint16 port;
                guint64 inode;
        } cases[] = {{8080, 811}, {80, 812}, {8081, 0}, {8082, 0}};
        g_autoptr(GArray) sockets = g_array_new(FALSE, FALSE, sizeof(struct listening));
        struct forward forward;

        listening_parse(tcp, FORWARD_TCP, AF_INET, sockets);
        listening_parse(udp6, FORWARD_UDP, AF_INET6, sockets);
        g_assert_cmpuint(sockets->len, ==, 3);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                const struct listening *found;

                forward = make_forward(FORWARD_TCP, cases[i].port, 1);
                found = listening_find(sockets, &forward);
                g_assert_cmpuint(found ? found->inode : 0, ==, cases[i].inode);
        }
        forward.outside.ipv6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(5353),
                                                     .sin6_addr = in6addr_loopback};
        g_assert_null(listening_find(sockets, &forward));
        forward.protocol = FORWARD_UDP;
        g_assert_cmpuint(listening_find(sockets, &forward)->inode, ==, 821);
}

/* A wildcard listener of IPv6 has IPv4's port as well, unless it says otherwise. */
static void
test_dual(void)
{
        for (int only = 0; only < 2; only++) {
                struct sockaddr_in6 name = {.sin6_family = AF_INET6};
                socklen_t length = sizeof name;
                int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
                g_autoptr(GArray) sockets = NULL;
                struct forward forward;

                if (fd < 0) {
                        g_test_skip("this host has no IPv6");
                        return;
                }
                g_assert_cmpint(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only), ==, 0);
                g_assert_cmpint(bind(fd, (struct sockaddr *)&name, sizeof name), ==, 0);
                g_assert_cmpint(getsockname(fd, (struct sockaddr *)&name, &length), ==, 0);
                g_assert_cmpint(listen(fd, 1), ==, 0);
                sockets = listening_dump();
                forward = make_forward(FORWARD_TCP, ntohs(name.sin6_port), 1);
                g_assert_true((listening_find(sockets, &forward) != NULL) == !only);
                close(fd);
        }
}

/* The holder of a socket of ours is this program. */
static void
test_holder(void)
{
        guint16 port;
        auto_fd fd = open_bound(SOCK_STREAM, &port);
        struct forward forward = make_forward(FORWARD_TCP, port, 1);
        g_autoptr(GArray) sockets = NULL;
        g_autofree char *holder = NULL, *pid = g_strdup_printf("pid %d (", (int)getpid());
        const struct listening *found;

        g_assert_cmpint(listen(fd, 1), ==, 0);
        sockets = listening_dump();
        found = listening_find(sockets, &forward);
        g_assert_nonnull(found);
        holder = listening_holder(found);
        g_assert_true(g_str_has_prefix(holder, pid));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        /* First, before there are threads of others that are about to close descriptors. */
        g_test_add("/forward/full", struct fixture, NULL, set_up, test_full, tear_down);
        g_test_add("/forward/bytes", struct fixture, NULL, set_up, test_bytes, tear_down);
        g_test_add("/forward/many", struct fixture, NULL, set_up, test_many, tear_down);
        g_test_add("/forward/broken-off", struct fixture, NULL, set_up, test_broken_off, tear_down);
        g_test_add("/forward/refused", struct fixture, NULL, set_up, test_refused, tear_down);
        g_test_add("/forward/live", struct fixture, NULL, set_up, test_live, tear_down);
        g_test_add("/forward/udp", struct fixture, NULL, set_up, test_udp, tear_down);
        g_test_add("/forward/changed", struct fixture, NULL, set_up, test_changed, tear_down);
        g_test_add("/forward/list", struct fixture, NULL, set_up, test_list, tear_down);
        g_test_add_func("/forward/listening", test_listening);
        g_test_add_func("/forward/dual", test_dual);
        g_test_add_func("/forward/holder", test_holder);
        g_test_add_func("/forward/format", test_format);
        return g_test_run();
}
