/* link-message.h - what link.c (one link) and links.c (all of them) share: rtnetlink messages to struct link and back */
#pragma once

#include "network/link.h"

/** link_message_new() - An RTM_*LINK message for a link by name (or NULL) or index (or 0); never NULL */
struct nl_msg *link_message_new(int type, int flags, const char *name, int ifindex);

/** link_message_parse() - Take an RTM_NEWLINK apart; FALSE where it is something else; link_clear() what it gives */
gboolean link_message_parse(const struct nlmsghdr *message, struct link *ret_link);

/** link_addresses6_dump() - The same for IPv6, as struct link_address6 */
GArray *link_addresses6_dump(struct netlink *netlink, int ifindex, GError **error);

/** link_addresses_dump() - The IPv4 addresses of one link (0: of all) as struct link_address, or NULL */
GArray *link_addresses_dump(struct netlink *netlink, int ifindex, GError **error);
