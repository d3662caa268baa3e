/* netlink.h - one rtnetlink socket, safe to share between threads
 *
 * The socket belongs to the network namespace in which it was opened and works there from anywhere: the helper of home.h
 * opens it inside and hands it out. Kernel replies become GErrors with the kernel's own extended text where it gives one
 * (NETLINK_EXT_ACK).
 */
#pragma once

#include <glib.h>

struct nl_msg;
struct nlmsghdr;
struct netlink;

/**
 * netlink_new() - Wrap a NETLINK_ROUTE socket
 * @fd: taken over, also on failure
 */
struct netlink *netlink_new(int fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void netlink_free(struct netlink *netlink);
typedef struct netlink netlink_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(netlink_t, netlink_free)

/** Receives each message of an answer, and NULL before the first one: begin anew (a dump may have to be repeated) */
typedef void (*netlink_receiver)(const struct nlmsghdr *message, void *data);

/**
 * netlink_request() - Send a request and take in its whole answer
 * @message:  from nlmsg_alloc_simple(); freed here
 * @receiver: NULL where only success counts
 * @what:     for the error text and the trace, e.g. "make bridge 'lan'"
 *
 * A dump that the kernel calls inconsistent is repeated; DROVER_ERROR_BUSY when that does not help. Any other failure has the
 * code of the kernel's errno, and the text "cannot WHAT: reason".
 */
gboolean netlink_request(struct netlink *netlink, struct nl_msg *message, netlink_receiver receiver, void *data,
                         const char *what, GError **error) G_GNUC_WARN_UNUSED_RESULT;
