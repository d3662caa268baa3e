/* server.h - shared by the parts of the forwarder's loop (forward.c, serve.c, tcp.c, udp.c), and by nobody else
 *
 * One epoll loop. Every descriptor in it belongs to a struct that begins with a struct watched, whose function is called
 * with what happened. What a function frees may still be named by an event of the same round; so it is only marked dead,
 * and freed when the round is over.
 */
#pragma once

#include "network/ports/forward.h"

#include <sys/epoll.h>

enum {
        DATAGRAM_BYTES = 65536,
        LIST_AT_ONCE = 512,
        PIPES_KEPT = 16,
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

/* A UDP client, with a socket of its own inside. */
struct flow {
        struct watched watched; /* connected to the guest */
        struct listener *listener;
        union forward_address client;
        struct in6_addr local; /* what the client wrote to: answers come from there. IPv4: in the first four bytes */
        gint64 last_s;
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
        int pipes[PIPES_KEPT][2]; /* empty ones, for the next connections: see tcp_keep_pipes() */
        guint pipe_count;
        gboolean full;         /* the listeners are not watched */
        char datagram[DATAGRAM_BYTES];
};

/* ---- what is said over the control socket ---- */

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

/** forward_address_length() - Of its family */
socklen_t forward_address_length(const union forward_address *address);

/** forward_open_socket() - Nonblocking, of the address's family; -1 with errno */
int forward_open_socket(const union forward_address *address, enum forward_protocol protocol);

/** forward_set_option() - What only makes it better: that it cannot be set is no failure */
void forward_set_option(int fd, int level, int option, int value);

/** server_watch() - Call its function from now on; FALSE with errno */
gboolean server_watch(struct server *server, struct watched *watched, guint32 events);

/** server_watch_listeners() - Take connections, or let them wait in the listeners' queues */
void server_watch_listeners(struct server *server, gboolean on);

/** server_set_timer() - After what it depends on has changed: flows, fullness */
void server_set_timer(struct server *server);

/** tcp_on_listener() - A client comes */
void tcp_on_listener(struct server *server, struct watched *watched, guint32 events);

/**
 * tcp_keep_pipes() - Make the pipes that connections take and give back
 *
 * To make and close them is a fifth of a connection's work, and there is a quota of pages for all pipes of a user: pasta, the
 * uplink, soon has half of it, and beyond it a pipe holds 8 KiB, which takes three times as long for as many bytes.
 */
void tcp_keep_pipes(struct server *server);

/** tcp_set_options() - Those of a connection's ends; clients have them from their listener */
void tcp_set_options(int fd);

/** tcp_connection_free() - A connection that is dead, or at the end of the loop */
void tcp_connection_free(gpointer connection);

/** udp_on_datagram() - A client says something */
void udp_on_datagram(struct server *server, struct watched *watched, guint32 events);

/** udp_flow_hash(), udp_flow_equal() - By listener and client */
guint udp_flow_hash(gconstpointer flow);
gboolean udp_flow_equal(gconstpointer a, gconstpointer b);

/** udp_forget_flows() - What clients of @listener send next goes where the port leads then */
void udp_forget_flows(struct server *server, const struct listener *listener);

/** udp_forget_silent() - Clients that were silent for FORWARD_FLOW_SECONDS */
void udp_forget_silent(struct server *server);
