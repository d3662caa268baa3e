/* kinds.h - the two kinds of uplink, as uplink.c sees them; shared by the parts of network/uplink, and by nobody else */
#pragma once

#include "network/uplink/uplink.h"

/* The user's: addresses of a /24. */
enum { USER_ADDRESS = 100, USER_GATEWAY = 2, USER_RESOLVER = 3 };
/* Root's: addresses of a /30. */
enum { VETH_OUTSIDE = 1, VETH_INSIDE = 2 };
/* IPv6, root's and the user's: addresses of a /64. */
enum { UPLINK6_OUTSIDE = 1, UPLINK6_INSIDE = 2 };
/* Whom the user's has on its other side: slirp4netns answers for this one alone, pasta for any. */
#define USER_GATEWAY6 "fe80::2"
/* There the host's resolver is to be asked, where that is on its loopback: others may have 53 on all its addresses. */
enum { NAMES_PORT = 10053 };

/** uplink_address6() - The uplink's address of this number; all zero where it has no IPv6 */
struct in6_addr uplink_address6(const struct lab *lab, guint8 number);

/** way6_find() - Has this host a way out for IPv6, and would it lose it if it routed? */
enum way6 way6_find(const struct links *links);

/** way6_find_local() - A link of it that has a link-local address: the way out, or else any. A new string; NULL: none has */
char *way6_find_local(const struct links *links);

/** names_forwards() - What the forwarder of names serves, struct forward; @loopback NULL: nothing. Pure */
GArray *names_forwards(const struct lab *lab, const char *loopback);

/** names_observe(), names_stand() - Look for it; is it as @lab and this host's resolver want it? */
void names_observe(const char *project, const char *data, struct forwarder_state *ret_state);
gboolean names_stand(const struct lab *lab, const struct uplink_state *state);

/** names_ensure(), names_stop() - Make it so; end it */
gboolean names_ensure(const struct lab *lab, const struct uplink_state *state, const struct uplink_place *place, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
gboolean names_stop(const char *project, const char *data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** program_find() - Its pid, or 0 */
pid_t program_find(const char *project, const char *data);

/** program_was_started() - Has one been started and not been stopped? */
gboolean program_was_started(const char *data);

/** program_is_outdated() - Does it ask another resolver than this host's of now? */
gboolean program_is_outdated(const char *data, const char *resolver);

/** program_start() - Start it anew, and wait until guests can use it; IPv6 where the lab has addresses for it */
gboolean program_start(struct home *home, const struct lab *lab, const struct uplink_state *state, const char *data,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** program_stop() - End it; that none runs is success */
gboolean program_stop(const char *project, const char *data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** veth_outside_name() - The name of the outer end. A new string */
char *veth_outside_name(const char *project);

/** veth_find_outside() - The outer end among the links of the outside, or NULL; what only has its name is not it */
const struct link *veth_find_outside(const struct links *links, const char *project);

/** veth_chains() - The table of the outside; pure; a new string */
char *veth_chains(const struct lab *lab);

/** veth_stands() - Both ends, addresses and route inside; pure */
gboolean veth_stands(const struct lab *lab, const struct links *outside, const struct links *inside);

/** veth_ensure() - Make or mend both ends, addresses and route inside */
gboolean veth_ensure(const struct lab *lab, struct netlink *outside, const struct uplink_place *place, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** veth_remove() - With one end the other goes; absent is success */
gboolean veth_remove(const char *project, struct netlink *outside, GError **error) G_GNUC_WARN_UNUSED_RESULT;
