/* inside.h - what home.c and the processes inside the namespace say to each other; nobody else in the house sees it
 *
 * A request is a header and a payload: texts that end with NUL. A reply likewise, with at most one descriptor beside its
 * header. The process inside speaks first: it tells how entering went.
 */
#pragma once

#include "network/home.h"

enum { HOME_MAX_PAYLOAD = 64 << 20, HOME_START_TIMEOUT_MS = 10000 };

#define HOME_NFT_JSON "json"
#define HOME_NFT_TEXT "text"
#define HOME_NFT_END "\x01" /* after each answer: what nft prints of names and comments has no such byte unescaped */

enum home_operation {
        HOME_NETLINK,
        HOME_NAMESPACE,
        HOME_TAP,          /* name */
        HOME_READ_SYSCTL,  /* name */
        HOME_WRITE_SYSCTL, /* name, value */
        HOME_NFT,          /* commands */
        HOME_NFT_ASK,      /* pairs: HOME_NFT_JSON or HOME_NFT_TEXT, and a command; gives an answer and HOME_NFT_END for each */
        HOME_START,        /* argument vector */
        HOME_REMOVE,
        HOME_SOCKET,       /* a TCP socket, not connected */
        HOME_BRANCH,       /* gives a connection to a process of its own, for what takes long */
};

struct home_request {
        guint32 operation, length;
};

enum home_result {
        HOME_DONE,
        HOME_NO_NAMESPACE, /* only as the first reply */
        HOME_FAILED,       /* payload: the error's text */
};

struct home_reply {
        guint32 result, code, length;
};

/** home_send() - Header, descriptor (-1: none) and payload; FALSE with errno */
gboolean home_send(int socket, const void *header, size_t header_length, int fd, const void *payload, size_t length);

/** home_receive() - Exactly @length bytes; a descriptor that comes along goes to @ret_fd (may be NULL). FALSE at the end */
gboolean home_receive(int socket, void *data, size_t length, int *ret_fd);

/** home_enter() - Enter or make the namespace (namespace.c). FALSE without an error: there is none */
gboolean home_enter(const struct home_options *options, GError **error);

/** home_enter_descriptor() - Enter a network namespace; a user first the user namespace that owns it. FALSE with errno */
gboolean home_enter_descriptor(int fd, gboolean root);

/** home_has_name() - Is there a file where a namespace of root's has its name? */
gboolean home_has_name(const char *project);

/** home_remove_name() - Unmount and remove it */
gboolean home_remove_name(const char *project, GError **error);

/** home_serve() - Answer requests until the connection ends (inside.c) */
void home_serve(int socket, const struct home_options *options);
