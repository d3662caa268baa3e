/* listening.h - which ports of this namespace are taken, and by whom, as the kernel tells it to everybody: /proc/net, and
 * sock_diag(7) for what is not in there */
#pragma once

#include "network/ports/forward.h"

/** struct listening - A TCP socket that listens, or a UDP socket */
struct listening {
        enum forward_protocol protocol;
        union forward_address address;
        guint64 inode;
        gboolean dual; /* IPv6, and has the port of IPv4 as well */
};

/** listening_dump() - All of them: struct listening in a new array; what cannot be read is not there */
GArray *listening_dump(void);

/** listening_parse() - The same from the text of one file of /proc/net; pure */
void listening_parse(const char *text, enum forward_protocol protocol, int family, GArray *sockets);

/** listening_find() - The socket that keeps @forward from being published, or NULL */
const struct listening *listening_find(const GArray *sockets, const struct forward *forward);

/** listening_holder() - "pid 812 (nginx)", or NULL where none of the processes that we may look into has it. New string */
char *listening_holder(const struct listening *socket);
