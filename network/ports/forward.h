/* forward.h - published ports of a private namespace: listen outside, connect inside
 *
 * A socket belongs to the network namespace in which it was opened. So a listener that was bound in the host's namespace
 * is handed to a process that stands in the project's: it accepts from outside and connects to a guest, and nothing in
 * between needs NAT or rights. Ports come and go while it runs; a connection that exists stays until one of its ends goes.
 *
 * The guest sees connections come from its own network's bridge, not from the client's address.
 */
#pragma once

#include <glib.h>
#include <netinet/in.h>

enum forward_protocol {
        FORWARD_TCP,
        FORWARD_UDP,
};

union forward_address {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
};

/** struct forward - One published port */
struct forward {
        enum forward_protocol protocol;
        union forward_address outside, inside; /* where we listen; where a guest does. All bytes beyond the family's are zero */
};

enum {
        FORWARD_MAX = 4096,             /* ports */
        FORWARD_MAX_CONNECTIONS = 4096, /* more wait in the listeners' queues */
        FORWARD_MAX_FLOWS = 1024,       /* UDP clients; the one that was silent longest makes room */
        FORWARD_FLOW_SECONDS = 60,      /* of silence, after which a UDP client is forgotten */
};

/**
 * forward_listen() - Bind the outside socket of a port, in the caller's network namespace
 *
 * Returns a descriptor (O_CLOEXEC, nonblocking), -1 on failure: DROVER_ERROR_BUSY where the port is taken,
 * DROVER_ERROR_PERMISSION below net.ipv4.ip_unprivileged_port_start, DROVER_ERROR_NOT_FOUND for an address that the host lacks.
 */
int forward_listen(const struct forward *forward, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** forward_format() - "127.0.0.1:8080/tcp -> 10.20.0.10:80". Returns a new string */
char *forward_format(const struct forward *forward);

/** forward_format_outside(), forward_format_inside() - Its two halves: "127.0.0.1:8080/tcp", "10.20.0.10:80". New strings */
char *forward_format_outside(const struct forward *forward);
char *forward_format_inside(const struct forward *forward);

/** forward_equal() - Do these lead from the same place to the same place? */
gboolean forward_equal(const struct forward *a, const struct forward *b);
gboolean forward_address_equal(const union forward_address *a, const union forward_address *b);

/** forward_same_outside() - Are these the same port of the host? Only one of them can be published */
gboolean forward_same_outside(const struct forward *a, const struct forward *b);

/** forward_find() - The one of an array of struct forward that is this port of the host, or NULL; NULL has none */
const struct forward *forward_find(const GArray *forwards, const struct forward *forward);

/* What follows asks the process behind @control, a connection to its control socket (SOCK_SEQPACKET; best with SO_RCVTIMEO). */

/** forward_list() - The ports that it serves: struct forward in a new array */
GArray *forward_list(int control, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * forward_set() - Hand it a port with its listener, which stays the caller's
 * @listener: -1 for a port of the host that it serves already and that is to lead elsewhere: connections go on, UDP clients
 *            are led there with what they send next
 */
gboolean forward_set(int control, const struct forward *forward, int listener, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** forward_remove() - Take a port back: its listener is closed when this returns, its connections go on */
gboolean forward_remove(int control, const struct forward *forward, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * forward_serve() - Be that process: returns when @control, a listening SOCK_SEQPACKET socket, is shut down
 *
 * To be called in the namespace whose guests are to be reached, in a process or thread of its own. Sleeps while nothing
 * happens. Fails only where it cannot begin.
 */
gboolean forward_serve(int control, GError **error) G_GNUC_WARN_UNUSED_RESULT;
