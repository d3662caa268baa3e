/* serve.c - the forwarder's loop: its ports come and go by orders over a control socket */
#include "network/ports/server.h"

#include "base/error.h"
#include "base/fd.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

enum {
        EVENTS = 64,
        FDS_A_CONNECTION = 6,
        FULL_SECONDS = 1,
};

/* A drover that came by the control socket. */
struct visitor {
        struct watched watched;
        gboolean dead;
};

gboolean
server_watch(struct server *server, struct watched *watched, guint32 events)
{
        struct epoll_event event = {.events = events, .data.ptr = watched};

        return epoll_ctl(server->epoll, EPOLL_CTL_ADD, watched->fd, &event) == 0;
}

/* To forget silent UDP clients, and to look whether there is room again where it is not a connection of ours that makes it. */
void
server_set_timer(struct server *server)
{
        guint flow_seconds = g_hash_table_size(server->flows) ? FORWARD_FLOW_SECONDS / 2 : 0;
        struct itimerspec when = {.it_value.tv_sec = server->full ? FULL_SECONDS : flow_seconds};

        when.it_interval = when.it_value;
        timerfd_settime(server->timer.fd, 0, &when, NULL);
}

void
server_watch_listeners(struct server *server, gboolean on)
{
        server->full = !on;
        for (guint i = 0; i < server->listeners->len; i++) {
                struct listener *listener = server->listeners->pdata[i];
                struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = &listener->watched};

                if (!listener->removed && listener->forward.protocol == FORWARD_TCP)
                        epoll_ctl(server->epoll, EPOLL_CTL_MOD, listener->watched.fd, &event);
        }
        server_set_timer(server);
}

static void
on_timer(struct server *server, struct watched *watched, guint32 events)
{
        guint64 ticks;

        if (read(watched->fd, &ticks, sizeof ticks) < 0)
                return;
        udp_forget_silent(server);
        if (server->full && g_hash_table_size(server->connections) < FORWARD_MAX_CONNECTIONS)
                server_watch_listeners(server, TRUE);
        else
                server_set_timer(server);
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
        listener->watched.function = forward->protocol == FORWARD_UDP ? udp_on_datagram : tcp_on_listener;
        listener->forward = *forward;
        if (forward->protocol == FORWARD_TCP)
                tcp_set_options(listener->watched.fd);
        g_ptr_array_add(server->listeners, listener);
        if (server_watch(server, &listener->watched, server->full && forward->protocol == FORWARD_TCP ? 0 : EPOLLIN))
                return 0;
        g_ptr_array_remove_fast(server->listeners, listener);
        return ENOMEM;
}

/* The port is free once this is answered. */
static void
remove_listener(struct server *server, struct listener *listener)
{
        listener->removed = TRUE;
        udp_forget_flows(server, listener);
        fd_clear(&listener->watched.fd);
        server->sweep = TRUE;
}

static int
set_listener(struct server *server, const struct forward *forward, int *fd)
{
        struct listener *listener = find_listener(server, forward);

        if (!listener)
                return add_listener(server, forward, fd);
        udp_forget_flows(server, listener);
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
                size_t length;

                carry_out(server, &order, &fd, &answer);
                length = offsetof(struct answer, forwards) + answer.count * sizeof(struct forward);
                n = fd_retry(send(watched->fd, &answer, length, MSG_DONTWAIT | MSG_NOSIGNAL));
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
        if (!server_watch(server, &visitor->watched, EPOLLIN))
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
                server_watch_listeners(server, TRUE);
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
                tcp_connection_free(key);
        g_hash_table_unref(server->connections);
        while (server->pipe_count > 0) {
                server->pipe_count--;
                fd_clear(&server->pipes[server->pipe_count][0]);
                fd_clear(&server->pipes[server->pipe_count][1]);
        }
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
        server->dead = g_ptr_array_new_with_free_func(tcp_connection_free);
        server->dead_flows = g_ptr_array_new();
        server->flows = g_hash_table_new(udp_flow_hash, udp_flow_equal);
        raise_descriptor_limit();
        tcp_keep_pipes(server);
        if (server->epoll < 0 || server->timer.fd < 0 || !server_watch(server, &server->timer, EPOLLIN) ||
            !server_watch(server, &server->control, EPOLLIN))
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
