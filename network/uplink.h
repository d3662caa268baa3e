/* uplink.h - the way out of an ordinary user's private namespace: slirp4netns, one a project
 *
 * It stands in the host's namespace, has a tap in the project's, and opens the guests' connections there as ordinary sockets of
 * the user. NAT inside gives guests its address. It also answers DNS at UPLINK_DNS with the host's resolvers, wherever these
 * are. The host's own loopback is closed to guests. It is known by an argument that follows from the project (the MAC of its
 * tap) and by the user that it runs as; data/uplink.pid is only where the search begins.
 */
#pragma once

#include "network/home.h"
#include "network/lab.h"

#define UPLINK_LINK "uplink"
#define UPLINK_PROGRAM "slirp4netns"
#define UPLINK_SUBNET "169.254.2.0/24" /* link-local: no network of a project can want it for its guests */
#define UPLINK_DNS "169.254.2.3"

/** uplink_is_needed() - Has @lab a network that goes out, in a namespace that an ordinary user made? */
gboolean uplink_is_needed(const struct lab *lab, gboolean root);

/** uplink_find() - Its pid, or 0. @data: the project's data directory */
pid_t uplink_find(const char *project, const char *data);

/** uplink_was_started() - Has one been started and not been stopped? */
gboolean uplink_was_started(const char *data);

/** uplink_start() - Start it anew, and wait until guests can use it. The error text ends with its own words */
gboolean uplink_start(struct home *home, const char *project, const char *data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** uplink_stop() - End it; that none runs is success */
gboolean uplink_stop(const char *project, const char *data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
