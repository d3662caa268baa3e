/* forward.c - published ports of a private namespace: listen outside, connect inside
 *
 * One epoll loop. Every descriptor in it belongs to a struct that begins with a struct watched, whose function is called
 * with what happened. What a function frees may still be named by an event of the same round; so it is only marked dead,
 * and freed when the round is over.
 *
 * TCP bytes go from socket to socket through a pipe (splice(2)), both directions edge-triggered: whatever happens, both are
 * pumped until neither gets on. An end of file is passed on as shutdown(2), so that half-closed connections work.
 */
#include "network/forward.h"

#include "base/error.h"
#include "base/fd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

enum {
        BACKLOG = 512,
        EVENTS = 64,
        ACCEPTS_A_ROUND = 64,
        DATAGRAMS_A_ROUND = 64,
        DATAGRAM_BYTES = 65536,
        PIPE_BYTES = 256 << 10,
        SHARE = 32, /* splices at a time */
        LIST_AT_ONCE = 512,
        FDS_A_CONNECTION = 6,
        FULL_SECONDS = 1,
        KEEP_IDLE_SECONDS = 120,
        KEEP_INTERVAL_SECONDS = 15,
        KEEP_TRIES = 4,
        TCP_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP,
};

struct server;
struct watched;
typedef void (*happened)(struct server *server, struct watched *watched, guint32 events);

struct watched {
        int fd;
        happened function;
};

struct listener {
        struct watched watched;
        struct forward forward;
        guint flows; /* UDP: those that answer through it */
        gboolean removed;
};

/* One direction of a connection. */
struct direction {
        int from, to; /* sockets, of the connection's ends */
        int pipe[2];
        size_t held;    /* bytes in the pipe */
        gboolean eof;   /* `from` says no more */
        gboolean ended; /* and `to` knows */
};

struct end {
        struct watched watched;
        struct connection *connection;
};

struct connection {
        struct end ends[2]; /* the client's, the guest's */
        struct direction directions[2];
        gboolean connecting, dead;
};

/* A UDP client, with a socket of its own inside. */
struct flow {
        struct watched watched; /* connected to the guest */
        struct listener *listener;
        union forward_address client;
        struct in6_addr local; /* what the client wrote to: answers come from there. IPv4: in the first four bytes */
        gint64 last_s;
        gboolean dead;
};

/* A drover that came by the control socket. */
struct visitor {
        struct watched watched;
        gboolean dead;
};

struct server {
        int epoll;
        struct watched control, timer;
        gboolean ended;
        GPtrArray *visitors;
        GPtrArray *listeners;
        gboolean sweep;        /* some of them may be removed ones that nobody needs any more */
        GHashTable *connections;
        GHashTable *flows;     /* flow -> itself, by listener and client */
        GPtrArray *dead, *dead_flows; /* to be freed after the round */
        gboolean full;         /* the listeners are not watched */
        char datagram[DATAGRAM_BYTES];
};

static socklen_t
address_length(const union forward_address *address)
{
        return address->any.sa_family == AF_INET6 ? sizeof address->ipv6 : sizeof address->ipv4;
}

static char *
address_format(const union forward_address *address)
{
        char text[INET6_ADDRSTRLEN] = "";

        if (address->any.sa_family == AF_INET6) {
                inet_ntop(AF_INET6, &address->ipv6.sin6_addr, text, sizeof text);
                return g_strdup_printf("[%s]:%u", text, ntohs(address->ipv6.sin6_port));
        }
        inet_ntop(AF_INET, &address->ipv4.sin_addr, text, sizeof text);
        return g_strdup_printf("%s:%u", text, ntohs(address->ipv4.sin_port));
}

char *
forward_format_outside(const struct forward *forward)
{
        g_autofree char *address = address_format(&forward->outside);

        return g_strdup_printf("%s/%s", address, forward->protocol == FORWARD_UDP ? "udp" : "tcp");
}

char *
forward_format_inside(const struct forward *forward)
{
        return address_format(&forward->inside);
}

char *
forward_format(const struct forward *forward)
{
        g_autofree char *outside = forward_format_outside(forward), *inside = forward_format_inside(forward);

        return g_strdup_printf("%s -> %s", outside, inside);
}

static int
open_socket(const union forward_address *address, enum forward_protocol protocol)
{
        return socket(address->any.sa_family,
                      (protocol == FORWARD_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void
set_option(int fd, int level, int option, int value)
{
        if (setsockopt(fd, level, option, &value, sizeof value) < 0)
                return; /* only makes it better: reuse at once, no delay, the address of an answer */
}

int
forward_listen(const struct forward *forward, GError **error)
{
        auto_fd fd = open_socket(&forward->outside, forward->protocol);
        gboolean is_ipv6 = forward->outside.any.sa_family == AF_INET6, is_udp = forward->protocol == FORWARD_UDP;

        if (fd >= 0) {
                if (!is_udp)
                        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
                if (is_ipv6)
                        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
                if (is_udp)
                        set_option(fd, is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, is_ipv6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
        }
        if (fd < 0 || bind(fd, &forward->outside.any, address_length(&forward->outside)) < 0 ||
            (!is_udp && listen(fd, BACKLOG) < 0)) {
                int number = errno;
                g_autofree char *address = address_format(&forward->outside);

                error_set(error,
                          number == EADDRINUSE      ? DROVER_ERROR_BUSY
                          : number == EADDRNOTAVAIL ? DROVER_ERROR_NOT_FOUND
                                                    : error_code_of_errno(number),
                          "cannot listen on %s/%s: %s", address, is_udp ? "udp" : "tcp", g_strerror(number));
                return -1;
        }
        return fd_steal(&fd);
}

/* ---- both sides of the control socket ---- */

enum order_kind {
        ORDER_LIST, /* the ports from number @from on */
        ORDER_SET,
        ORDER_REMOVE,
};

struct order {
        guint32 kind, from;
        struct forward forward;
};

/* Each order has one answer, so that neither side ever waits for room. */
struct answer {
        gint32 number; /* errno, or 0 */
        guint32 count;
        struct forward forwards[LIST_AT_ONCE];
};

static gboolean
send_order(int control, const struct order *order, int fd)
{
        struct iovec part = {(void *)order, sizeof *order};
        char buffer[CMSG_SPACE(sizeof fd)] __attribute__((aligned(8))) = {0};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

        if (fd >= 0) {
                struct cmsghdr *header;

                message.msg_control = buffer;
                message.msg_controllen = sizeof buffer;
                header = CMSG_FIRSTHDR(&message);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(sizeof fd);
                memcpy(CMSG_DATA(header), &fd, sizeof fd);
        }
        return sendmsg(control, &message, MSG_NOSIGNAL) == sizeof *order;
}

static gboolean
ask(int control, const struct order *order, int fd, struct answer *answer, GError **error)
{
        const size_t head = offsetof(struct answer, forwards);
        ssize_t n = send_order(control, order, fd) ? recv(control, answer, sizeof *answer, 0) : -1;

        if (n < 0)
                return error_errno(error, "the forwarder of published ports does not answer");
        if ((size_t)n < head || answer->count > LIST_AT_ONCE || (size_t)n != head + answer->count * sizeof(struct forward))
                return error_set(error, DROVER_ERROR_FAILED, "the forwarder of published ports has ended");
        return TRUE;
}

static gboolean
change(int control, enum order_kind kind, const struct forward *forward, int fd, GError **error)
{
        const struct order order = {.kind = kind, .forward = *forward};
        g_autofree struct answer *answer = g_new0(struct answer, 1);
        g_autofree char *text = NULL;

        if (!ask(control, &order, fd, answer, error))
                return FALSE;
        if (!answer->number)
                return TRUE;
        text = forward_format(forward);
        return error_from_errno(error, answer->number, "the forwarder of published ports cannot take %s", text);
}

gboolean
forward_set(int control, const struct forward *forward, int listener, GError **error)
{
        return change(control, ORDER_SET, forward, listener, error);
}

gboolean
forward_remove(int control, const struct forward *forward, GError **error)
{
        return change(control, ORDER_REMOVE, forward, -1, error);
}

GArray *
forward_list(int control, GError **error)
{
        g_autoptr(GArray) forwards = g_array_new(FALSE, FALSE, sizeof(struct forward));
        g_autofree struct answer *answer = g_new0(struct answer, 1);

        do {
                const struct order order = {.kind = ORDER_LIST, .from = forwards->len};

                if (!ask(control, &order, -1, answer, error))
                        return NULL;
                g_array_append_vals(forwards, answer->forwards, answer->count);
        } while (answer->count == LIST_AT_ONCE);
        return g_steal_pointer(&forwards);
}

gboolean
forward_address_equal(const union forward_address *a, const union forward_address *b)
{
        if (a->any.sa_family != b->any.sa_family)
                return FALSE;
        if (a->any.sa_family == AF_INET6)
                return a->ipv6.sin6_port == b->ipv6.sin6_port && a->ipv6.sin6_scope_id == b->ipv6.sin6_scope_id &&
                       IN6_ARE_ADDR_EQUAL(&a->ipv6.sin6_addr, &b->ipv6.sin6_addr);
        return a->ipv4.sin_port == b->ipv4.sin_port && a->ipv4.sin_addr.s_addr == b->ipv4.sin_addr.s_addr;
}

gboolean
forward_equal(const struct forward *a, const struct forward *b)
{
        return forward_same_outside(a, b) && forward_address_equal(&a->inside, &b->inside);
}

gboolean
forward_same_outside(const struct forward *a, const struct forward *b)
{
        return a->protocol == b->protocol && forward_address_equal(&a->outside, &b->outside);
}

const struct forward *
forward_find(const GArray *forwards, const struct forward *forward)
{
        for (guint i = 0; forwards && i < forwards->len; i++)
                if (forward_same_outside(&g_array_index(forwards, struct forward, i), forward))
                        return &g_array_index(forwards, struct forward, i);
        return NULL;
}

/* ---- the loop's bookkeeping ---- */

static gboolean
watch(struct server *server, struct watched *watched, guint32 events)
{
        struct epoll_event event = {.events = events, .data.ptr = watched};

        return epoll_ctl(server->epoll, EPOLL_CTL_ADD, watched->fd, &event) == 0;
}

/* To forget silent UDP clients, and to look whether there is room again where it is not a connection of ours that makes it. */
static void
set_timer(struct server *server)
{
        guint flow_seconds = g_hash_table_size(server->flows) ? FORWARD_FLOW_SECONDS / 2 : 0;
        struct itimerspec when = {.it_value.tv_sec = server->full ? FULL_SECONDS : flow_seconds};

        when.it_interval = when.it_value;
        timerfd_settime(server->timer.fd, 0, &when, NULL);
}

static void
watch_listeners(struct server *server, gboolean on)
{
        server->full = !on;
        for (guint i = 0; i < server->listeners->len; i++) {
                struct listener *listener = server->listeners->pdata[i];
                struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = &listener->watched};

                if (!listener->removed && listener->forward.protocol == FORWARD_TCP)
                        epoll_ctl(server->epoll, EPOLL_CTL_MOD, listener->watched.fd, &event);
        }
        set_timer(server);
}

/* ---- TCP ---- */

static void
connection_kill(struct server *server, struct connection *connection)
{
        if (connection->dead)
                return;
        connection->dead = TRUE;
        g_hash_table_remove(server->connections, connection);
        g_ptr_array_add(server->dead, connection);
}

static void
connection_free(gpointer data)
{
        struct connection *connection = data;

        for (int i = 0; i < 2; i++) {
                fd_clear(&connection->ends[i].watched.fd);
                fd_clear(&connection->directions[i].pipe[0]);
                fd_clear(&connection->directions[i].pipe[1]);
        }
        g_free(connection);
}

/* Moves what can be moved, but no more than a fair share. Returns FALSE where the connection is broken. */
static gboolean
pump(struct direction *direction, gboolean *ret_more)
{
        for (guint share = 0; share < SHARE; share++) {
                gboolean moved = FALSE;
                ssize_t n = 0;

                if (!direction->eof && direction->held < PIPE_BYTES) {
                        n = splice(direction->from, NULL, direction->pipe[1], NULL, PIPE_BYTES - direction->held,
                                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
                        if (n < 0 && errno != EAGAIN && errno != EINTR)
                                return FALSE;
                        direction->eof = n == 0;
                        direction->held += (size_t)MAX(n, 0);
                        moved = n > 0;
                }
                if (direction->held) {
                        n = splice(direction->pipe[0], NULL, direction->to, NULL, direction->held,
                                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
                        if (n < 0 && errno != EAGAIN && errno != EINTR)
                                return FALSE;
                        direction->held -= (size_t)MAX(n, 0);
                        moved = moved || n > 0;
                }
                if (!moved)
                        break;
                if (share == SHARE - 1)
                        *ret_more = TRUE;
        }
        if (direction->eof && !direction->held && !direction->ended) {
                shutdown(direction->to, SHUT_WR);
                direction->ended = TRUE;
        }
        return TRUE;
}

/* The guest refuses: so does the port, instead of accepting and falling silent. */
static void
refuse(int fd)
{
        struct linger at_once = {.l_onoff = 1};

        if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) < 0)
                return;
}

static void
on_end(struct server *server, struct watched *watched, guint32 events)
{
        struct connection *connection = ((struct end *)(void *)watched)->connection;
        gboolean more = FALSE;
        int failure = 0;
        socklen_t length = sizeof failure;

        if (connection->dead)
                return;
        if (connection->connecting && watched == &connection->ends[1].watched && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
                if (getsockopt(watched->fd, SOL_SOCKET, SO_ERROR, &failure, &length) < 0 || failure) {
                        refuse(connection->ends[0].watched.fd);
                        connection_kill(server, connection);
                        return;
                }
                connection->connecting = FALSE;
        }
        if (connection->connecting)
                return;
        if (!pump(&connection->directions[0], &more) || !pump(&connection->directions[1], &more)) {
                refuse(connection->ends[0].watched.fd);
                refuse(connection->ends[1].watched.fd);
                connection_kill(server, connection);
        } else if (connection->directions[0].ended && connection->directions[1].ended) {
                connection_kill(server, connection);
        } else if (more) {
                struct epoll_event again = {.events = TCP_EVENTS | EPOLLET, .data.ptr = watched};

                epoll_ctl(server->epoll, EPOLL_CTL_MOD, watched->fd, &again); /* tells at once what is still there */
        }
}

/* A client that is cut off, or a guest that is killed, ends nothing: without this it would hold its place for ever. */
static void
keep_alive(int fd)
{
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_SECONDS);
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_SECONDS);
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_TRIES);
}

static gboolean
connection_open(struct server *server, struct connection *connection, const struct forward *forward)
{
        int *inside = &connection->ends[1].watched.fd;

        *inside = open_socket(&forward->inside, FORWARD_TCP);
        if (*inside < 0)
                return FALSE;
        for (int i = 0; i < 2; i++) {
                struct direction *direction = &connection->directions[i];

                if (pipe2(direction->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
                        return FALSE;
                if (fcntl(direction->pipe[1], F_SETPIPE_SZ, PIPE_BYTES) < 0)
                        errno = 0; /* as many bytes as the kernel grants */
                direction->from = connection->ends[i].watched.fd;
                direction->to = connection->ends[1 - i].watched.fd;
                set_option(connection->ends[i].watched.fd, IPPROTO_TCP, TCP_NODELAY, 1);
                keep_alive(connection->ends[i].watched.fd);
        }
        if (connect(*inside, &forward->inside.any, address_length(&forward->inside)) < 0 && errno != EINPROGRESS)
                return FALSE;
        connection->connecting = TRUE;
        for (int i = 0; i < 2; i++)
                if (!watch(server, &connection->ends[i].watched, TCP_EVENTS | EPOLLET))
                        return FALSE;
        return TRUE;
}

static void
accept_one(struct server *server, int client, const struct forward *forward)
{
        struct connection *connection = g_new0(struct connection, 1);

        for (int i = 0; i < 2; i++) {
                connection->ends[i] = (struct end){{-1, on_end}, connection};
                connection->directions[i].pipe[0] = connection->directions[i].pipe[1] = -1;
        }
        connection->ends[0].watched.fd = client;
        g_hash_table_add(server->connections, connection);
        if (!connection_open(server, connection, forward)) {
                refuse(client);
                connection_kill(server, connection);
        }
        if (g_hash_table_size(server->connections) >= FORWARD_MAX_CONNECTIONS)
                watch_listeners(server, FALSE);
}

static void
on_listener(struct server *server, struct watched *watched, guint32 events)
{
        struct listener *listener = (struct listener *)(void *)watched;

        for (guint i = 0; i < ACCEPTS_A_ROUND && !server->full && !listener->removed; i++) {
                int client = accept4(watched->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (client >= 0)
                        accept_one(server, client, &listener->forward);
                else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                        watch_listeners(server, FALSE); /* until a connection ends, or somebody else's */
                else if (errno != EINTR && errno != ECONNABORTED)
                        return;
        }
}

/* ---- UDP ---- */

static gint64
now_s(void)
{
        return g_get_monotonic_time() / G_USEC_PER_SEC;
}

static guint
flow_hash(gconstpointer data)
{
        const struct flow *flow = data;
        const guint8 *bytes = (const guint8 *)&flow->client;
        guint hash = g_direct_hash(flow->listener);

        for (size_t i = 0; i < sizeof flow->client; i++)
                hash = hash * 31 + bytes[i];
        return hash;
}

static gboolean
flow_equal(gconstpointer a, gconstpointer b)
{
        const struct flow *x = a, *y = b;

        return x->listener == y->listener && forward_address_equal(&x->client, &y->client);
}

static void
flow_kill(struct server *server, struct flow *flow)
{
        if (flow->dead)
                return;
        flow->dead = TRUE;
        g_hash_table_remove(server->flows, flow);
        g_ptr_array_add(server->dead_flows, flow);
}

/* A datagram of the guest's goes back to the client, from the address that the client wrote to. */
static void
answer(const struct flow *flow, const char *data, size_t length)
{
        gboolean is_ipv6 = flow->client.any.sa_family == AF_INET6;
        union forward_address client = flow->client;
        struct iovec part = {(void *)data, length};
        char buffer[CMSG_SPACE(sizeof(struct in6_pktinfo))] __attribute__((aligned(8))) = {0};
        struct msghdr message = {.msg_name = &client, .msg_namelen = address_length(&client), .msg_iov = &part,
                                 .msg_iovlen = 1, .msg_control = buffer, .msg_controllen = sizeof buffer};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        if (is_ipv6) {
                struct in6_pktinfo info = {.ipi6_addr = flow->local};

                header->cmsg_level = IPPROTO_IPV6;
                header->cmsg_type = IPV6_PKTINFO;
                header->cmsg_len = CMSG_LEN(sizeof info);
                memcpy(CMSG_DATA(header), &info, sizeof info);
        } else {
                struct in_pktinfo info = {0};

                memcpy(&info.ipi_spec_dst, &flow->local, sizeof info.ipi_spec_dst);
                header->cmsg_level = IPPROTO_IP;
                header->cmsg_type = IP_PKTINFO;
                header->cmsg_len = CMSG_LEN(sizeof info);
                memcpy(CMSG_DATA(header), &info, sizeof info);
        }
        message.msg_controllen = header->cmsg_len;
        if (sendmsg(flow->listener->watched.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                return; /* a datagram may be lost */
}

static void
on_flow(struct server *server, struct watched *watched, guint32 events)
{
        struct flow *flow = (struct flow *)(void *)watched;

        for (guint i = 0; i < DATAGRAMS_A_ROUND && !flow->dead; i++) {
                ssize_t n = recv(watched->fd, server->datagram, sizeof server->datagram, 0);

                if (n < 0 && errno == ECONNREFUSED)
                        continue; /* nobody listens in the guest: told by ICMP, and cleared by having been read */
                if (n < 0)
                        return;
                flow->last_s = now_s();
                answer(flow, server->datagram, (size_t)n);
        }
}

static void
make_room_for_flow(struct server *server)
{
        struct flow *oldest = NULL;
        GHashTableIter iter;
        gpointer key;

        if (g_hash_table_size(server->flows) < FORWARD_MAX_FLOWS)
                return;
        g_hash_table_iter_init(&iter, server->flows);
        while (g_hash_table_iter_next(&iter, &key, NULL))
                if (!oldest || ((struct flow *)key)->last_s < oldest->last_s)
                        oldest = key;
        flow_kill(server, oldest);
}

static struct flow *
find_flow(struct server *server, struct listener *listener, const union forward_address *client, const struct in6_addr *local)
{
        struct flow wanted = {.listener = listener, .client = *client};
        struct flow *flow = g_hash_table_lookup(server->flows, &wanted);

        if (flow)
                return flow;
        make_room_for_flow(server);
        flow = g_new0(struct flow, 1);
        flow->watched.function = on_flow;
        flow->listener = listener;
        flow->client = *client;
        flow->local = *local;
        flow->watched.fd = open_socket(&listener->forward.inside, FORWARD_UDP);
        if (flow->watched.fd < 0 ||
            connect(flow->watched.fd, &listener->forward.inside.any, address_length(&listener->forward.inside)) < 0 ||
            !watch(server, &flow->watched, EPOLLIN)) {
                fd_clear(&flow->watched.fd);
                g_free(flow);
                return NULL;
        }
        listener->flows++;
        g_hash_table_add(server->flows, flow);
        if (g_hash_table_size(server->flows) == 1)
                set_timer(server);
        return flow;
}

static void
take_local(struct msghdr *message, struct in6_addr *local)
{
        memset(local, 0, sizeof *local);
        for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
                if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
                        struct in_pktinfo info;

                        memcpy(&info, CMSG_DATA(header), sizeof info);
                        memcpy(local, &info.ipi_spec_dst, sizeof info.ipi_spec_dst);
                } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
                        struct in6_pktinfo info;

                        memcpy(&info, CMSG_DATA(header), sizeof info);
                        *local = info.ipi6_addr;
                }
        }
}

static void
on_datagram(struct server *server, struct watched *watched, guint32 events)
{
        struct listener *listener = (struct listener *)(void *)watched;

        for (guint i = 0; i < DATAGRAMS_A_ROUND && !listener->removed; i++) {
                union forward_address client;
                char buffer[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))]
                        __attribute__((aligned(8)));
                struct iovec part = {server->datagram, sizeof server->datagram};
                struct msghdr message = {.msg_name = &client, .msg_namelen = sizeof client, .msg_iov = &part, .msg_iovlen = 1,
                                         .msg_control = buffer, .msg_controllen = sizeof buffer};
                struct in6_addr local;
                struct flow *flow;
                ssize_t n;

                memset(&client, 0, sizeof client);
                n = recvmsg(watched->fd, &message, 0);
                if (n < 0)
                        return;
                if (client.any.sa_family == AF_INET6)
                        client.ipv6.sin6_flowinfo = 0;
                take_local(&message, &local);
                flow = find_flow(server, listener, &client, &local);
                if (!flow)
                        continue;
                flow->last_s = now_s();
                if (send(flow->watched.fd, server->datagram, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                        continue; /* a datagram may be lost */
        }
}

static void
on_timer(struct server *server, struct watched *watched, guint32 events)
{
        g_autoptr(GPtrArray) silent = g_ptr_array_new();
        gint64 now = now_s();
        GHashTableIter iter;
        guint64 ticks;
        gpointer key;

        if (read(watched->fd, &ticks, sizeof ticks) < 0)
                return;
        g_hash_table_iter_init(&iter, server->flows);
        while (g_hash_table_iter_next(&iter, &key, NULL))
                if (now - ((struct flow *)key)->last_s >= FORWARD_FLOW_SECONDS)
                        g_ptr_array_add(silent, key);
        for (guint i = 0; i < silent->len; i++)
                flow_kill(server, silent->pdata[i]);
        if (server->full && g_hash_table_size(server->connections) < FORWARD_MAX_CONNECTIONS)
                watch_listeners(server, TRUE);
        else
                set_timer(server);
}

/* ---- orders ---- */

static void
listener_free(gpointer data)
{
        struct listener *listener = data;

        fd_clear(&listener->watched.fd);
        g_free(listener);
}

static struct listener *
find_listener(struct server *server, const struct forward *forward)
{
        for (guint i = 0; i < server->listeners->len; i++) {
                struct listener *listener = server->listeners->pdata[i];

                if (!listener->removed && forward_same_outside(&listener->forward, forward))
                        return listener;
        }
        return NULL;
}

static int
add_listener(struct server *server, const struct forward *forward, int *fd)
{
        struct listener *listener;

        if (*fd < 0)
                return ENOENT;
        if (server->listeners->len >= FORWARD_MAX)
                return ENOSPC;
        listener = g_new0(struct listener, 1);
        listener->watched.fd = fd_steal(fd);
        listener->watched.function = forward->protocol == FORWARD_UDP ? on_datagram : on_listener;
        listener->forward = *forward;
        g_ptr_array_add(server->listeners, listener);
        if (watch(server, &listener->watched, server->full && forward->protocol == FORWARD_TCP ? 0 : EPOLLIN))
                return 0;
        g_ptr_array_remove_fast(server->listeners, listener);
        return ENOMEM;
}

/* What UDP clients send next goes where the port leads then. */
static void
forget_flows(struct server *server, const struct listener *listener)
{
        g_autoptr(GPtrArray) flows = g_ptr_array_new();
        GHashTableIter iter;
        gpointer key;

        g_hash_table_iter_init(&iter, server->flows);
        while (g_hash_table_iter_next(&iter, &key, NULL))
                if (((struct flow *)key)->listener == listener)
                        g_ptr_array_add(flows, key);
        for (guint i = 0; i < flows->len; i++)
                flow_kill(server, flows->pdata[i]);
}

/* The port is free once this is answered. */
static void
remove_listener(struct server *server, struct listener *listener)
{
        listener->removed = TRUE;
        forget_flows(server, listener);
        fd_clear(&listener->watched.fd);
        server->sweep = TRUE;
}

static int
set_listener(struct server *server, const struct forward *forward, int *fd)
{
        struct listener *listener = find_listener(server, forward);

        if (!listener)
                return add_listener(server, forward, fd);
        forget_flows(server, listener);
        listener->forward.inside = forward->inside;
        return 0;
}

static void
list_listeners(const struct server *server, guint from, struct answer *answer)
{
        guint number = 0;

        for (guint i = 0; i < server->listeners->len && answer->count < LIST_AT_ONCE; i++) {
                const struct listener *listener = server->listeners->pdata[i];

                if (!listener->removed && number++ >= from)
                        answer->forwards[answer->count++] = listener->forward;
        }
}

static int
take_descriptor(struct msghdr *message)
{
        int fd = -1;

        for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header))
                if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
                        memcpy(&fd, CMSG_DATA(header), sizeof fd);
        return fd;
}

static void
carry_out(struct server *server, const struct order *order, int *fd, struct answer *answer)
{
        struct listener *listener = find_listener(server, &order->forward);

        switch ((enum order_kind)order->kind) {
        case ORDER_LIST:
                list_listeners(server, order->from, answer);
                return;
        case ORDER_SET:
                answer->number = set_listener(server, &order->forward, fd);
                return;
        case ORDER_REMOVE:
                if (listener)
                        remove_listener(server, listener);
                return;
        }
        answer->number = EINVAL;
}

static void
on_order(struct server *server, struct watched *watched, guint32 events)
{
        struct order order = {0};
        struct iovec part = {&order, sizeof order};
        char buffer[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = buffer, .msg_controllen = sizeof buffer};
        ssize_t n = recvmsg(watched->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        struct answer answer = {0};
        int fd;

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        fd = n > 0 ? take_descriptor(&message) : -1;
        if (n == sizeof order) {
                carry_out(server, &order, &fd, &answer);
                n = send(watched->fd, &answer, offsetof(struct answer, forwards) + answer.count * sizeof(struct forward),
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        } else {
                n = -1;
        }
        fd_clear(&fd);
        if (n < 0) {
                ((struct visitor *)(void *)watched)->dead = TRUE;
                server->sweep = TRUE;
                epoll_ctl(server->epoll, EPOLL_CTL_DEL, watched->fd, NULL);
        }
}

static void
visitor_free(gpointer data)
{
        struct visitor *visitor = data;

        fd_clear(&visitor->watched.fd);
        g_free(visitor);
}

static void
on_control(struct server *server, struct watched *watched, guint32 events)
{
        int fd = accept4(watched->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct visitor *visitor;

        if (fd < 0) {
                server->ended = errno == EINVAL; /* shut down */
                return;
        }
        visitor = g_new0(struct visitor, 1);
        visitor->watched = (struct watched){fd, on_order};
        g_ptr_array_add(server->visitors, visitor);
        if (!watch(server, &visitor->watched, EPOLLIN))
                g_ptr_array_remove_fast(server->visitors, visitor);
}

/* ---- the process ---- */

static void
bury(struct server *server)
{
        gboolean room = server->dead->len > 0;

        for (guint i = 0; i < server->dead_flows->len; i++) {
                struct flow *flow = server->dead_flows->pdata[i];

                fd_clear(&flow->watched.fd);
                flow->listener->flows--;
                g_free(flow);
                server->sweep = TRUE;
        }
        g_ptr_array_set_size(server->dead_flows, 0);
        g_ptr_array_set_size(server->dead, 0);
        for (guint i = server->sweep ? server->listeners->len : 0; i > 0; i--) {
                struct listener *listener = server->listeners->pdata[i - 1];

                if (listener->removed && !listener->flows)
                        g_ptr_array_remove_index_fast(server->listeners, i - 1);
        }
        for (guint i = server->sweep ? server->visitors->len : 0; i > 0; i--)
                if (((struct visitor *)server->visitors->pdata[i - 1])->dead)
                        g_ptr_array_remove_index_fast(server->visitors, i - 1);
        server->sweep = FALSE;
        if (room && server->full)
                watch_listeners(server, TRUE);
}

static void
raise_descriptor_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = MIN(limit.rlim_max, FORWARD_MAX + FORWARD_MAX_FLOWS + FDS_A_CONNECTION * FORWARD_MAX_CONNECTIONS + 64);
        setrlimit(RLIMIT_NOFILE, &limit);
}

static void
server_free(struct server *server)
{
        GHashTableIter iter;
        gpointer key;

        g_hash_table_iter_init(&iter, server->flows);
        while (g_hash_table_iter_next(&iter, &key, NULL)) {
                fd_clear(&((struct flow *)key)->watched.fd);
                g_free(key);
        }
        g_hash_table_unref(server->flows);
        g_hash_table_iter_init(&iter, server->connections);
        while (g_hash_table_iter_next(&iter, &key, NULL))
                connection_free(key);
        g_hash_table_unref(server->connections);
        g_ptr_array_unref(server->dead);
        g_ptr_array_unref(server->dead_flows);
        g_ptr_array_unref(server->listeners);
        g_ptr_array_unref(server->visitors);
        fd_clear(&server->timer.fd);
        fd_clear(&server->epoll);
        g_free(server);
}
typedef struct server server_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(server_t, server_free)

gboolean
forward_serve(int control, GError **error)
{
        g_autoptr(server_t) server = g_new0(struct server, 1);
        sigset_t pipe_signal;

        sigemptyset(&pipe_signal);
        sigaddset(&pipe_signal, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL); /* splice(2) has no MSG_NOSIGNAL */
        server->epoll = epoll_create1(EPOLL_CLOEXEC);
        server->timer = (struct watched){timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), on_timer};
        server->control = (struct watched){control, on_control};
        server->listeners = g_ptr_array_new_with_free_func(listener_free);
        server->visitors = g_ptr_array_new_with_free_func(visitor_free);
        server->connections = g_hash_table_new(NULL, NULL);
        server->dead = g_ptr_array_new_with_free_func(connection_free);
        server->dead_flows = g_ptr_array_new();
        server->flows = g_hash_table_new(flow_hash, flow_equal);
        raise_descriptor_limit();
        if (server->epoll < 0 || server->timer.fd < 0 || !watch(server, &server->timer, EPOLLIN) ||
            !watch(server, &server->control, EPOLLIN))
                return error_errno(error, "cannot watch the published ports");
        while (!server->ended) {
                struct epoll_event events[EVENTS];
                int count = epoll_wait(server->epoll, events, EVENTS, -1);

                for (int i = 0; i < count; i++) {
                        struct watched *watched = events[i].data.ptr;

                        watched->function(server, watched, events[i].events);
                }
                bury(server);
        }
        return TRUE;
}
