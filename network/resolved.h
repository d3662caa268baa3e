/* resolved.h - systemd-resolved is told of a lab's names, so that they resolve on this host too
 *
 * It keeps what it is told of a link for as long as the link is there: nothing has to be undone.
 */
#pragma once

#include "network/lab.h"

/** resolved_is_here() - Does it run on this host? */
gboolean resolved_is_here(void);

/**
 * resolved_calls() - What it is told of a network that we serve: the calls, as arguments of busctl(1) behind `call`; pure
 * @ifindex: of the network's bridge
 *
 * Returns NULL-terminated string arrays.
 */
GPtrArray *resolved_calls(const struct network *network, int ifindex);

/** resolved_tell() - Make these calls */
gboolean resolved_tell(const struct network *network, int ifindex, GError **error) G_GNUC_WARN_UNUSED_RESULT;
