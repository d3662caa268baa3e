/* tcp.c - published TCP ports: bytes go from socket to socket through a pipe (splice(2))
 *
 * Both directions are edge-triggered: whatever happens, both are pumped until neither gets on. An end of file is passed on
 * as shutdown(2), so that half-closed connections work.
 */
#include "network/ports/server.h"

#include "base/error.h"
#include "base/fd.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum {
        ACCEPTS_A_ROUND = 64,
        PIPE_BYTES = 256 << 10,
        SHARE = 32, /* splices at a time */
        KEEP_IDLE_SECONDS = 120,
        KEEP_INTERVAL_SECONDS = 15,
        KEEP_TRIES = 4,
        TCP_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP,
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

static gboolean
make_pipe(int ends[2])
{
        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
                return FALSE;
        if (fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) < 0)
                errno = 0; /* as many bytes as the kernel grants */
        return TRUE;
}

void
tcp_keep_pipes(struct server *server)
{
        while (server->pipe_count < G_N_ELEMENTS(server->pipes) && make_pipe(server->pipes[server->pipe_count]))
                server->pipe_count++;
}

/* An empty one that was kept, or a new one. */
static gboolean
take_pipe(struct server *server, int ends[2])
{
        if (server->pipe_count == 0)
                return make_pipe(ends);
        server->pipe_count--;
        memcpy(ends, server->pipes[server->pipe_count], sizeof server->pipes[0]);
        return TRUE;
}

static void
give_back_pipe(struct server *server, struct direction *direction)
{
        if (direction->pipe[0] < 0 || direction->held > 0 || server->pipe_count == G_N_ELEMENTS(server->pipes))
                return;
        memcpy(server->pipes[server->pipe_count++], direction->pipe, sizeof direction->pipe);
        direction->pipe[0] = direction->pipe[1] = -1;
}

static void
connection_kill(struct server *server, struct connection *connection)
{
        if (connection->dead)
                return;
        connection->dead = TRUE;
        for (int i = 0; i < 2; i++)
                give_back_pipe(server, &connection->directions[i]);
        g_hash_table_remove(server->connections, connection);
        g_ptr_array_add(server->dead, connection);
}

void
tcp_connection_free(gpointer data)
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
void
tcp_set_options(int fd)
{
        forward_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        forward_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        forward_set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_SECONDS);
        forward_set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_SECONDS);
        forward_set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_TRIES);
}

static gboolean
connection_open(struct server *server, struct connection *connection, const struct forward *forward)
{
        int *inside = &connection->ends[1].watched.fd;

        *inside = forward_open_socket(&forward->inside, FORWARD_TCP);
        if (*inside < 0)
                return FALSE;
        tcp_set_options(*inside);
        if (connect(*inside, &forward->inside.any, forward_address_length(&forward->inside)) < 0 && errno != EINPROGRESS)
                return FALSE;
        connection->connecting = TRUE;
        for (int i = 0; i < 2; i++) {
                struct direction *direction = &connection->directions[i];

                if (!take_pipe(server, direction->pipe))
                        return FALSE;
                direction->from = connection->ends[i].watched.fd;
                direction->to = connection->ends[1 - i].watched.fd;
        }
        for (int i = 0; i < 2; i++)
                if (!server_watch(server, &connection->ends[i].watched, TCP_EVENTS | EPOLLET))
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
                server_watch_listeners(server, FALSE);
}

void
tcp_on_listener(struct server *server, struct watched *watched, guint32 events)
{
        struct listener *listener = (struct listener *)(void *)watched;

        for (guint i = 0; i < ACCEPTS_A_ROUND && !server->full && !listener->removed; i++) {
                int client = accept4(watched->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (client >= 0)
                        accept_one(server, client, &listener->forward);
                else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                        server_watch_listeners(server, FALSE); /* until a connection ends, or somebody else's */
                else if (errno != EINTR && errno != ECONNABORTED)
                        return;
        }
}
