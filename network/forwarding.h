/* forwarding.h - the switches of a namespace that make it a router, which go back to what they were where it is the host's
 *
 * In the host's namespace the old value is kept in @host_state, and goes back when the last drover table goes. @host_state
 * NULL: a namespace of our own.
 */
#pragma once

#include "network/home.h"

/** forwarding_is_on(), forwarding6_is_on() - Does this namespace route IPv4, IPv6? */
gboolean forwarding_is_on(struct home *home);
gboolean forwarding6_is_on(struct home *home);

/** forwarding_lock() - Two projects on the host's network take turns at it: hold this around a table and the switch.
 * @ret_lock: a descriptor to close; untouched for a namespace of our own */
gboolean forwarding_lock(const char *host_state, int *ret_lock, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** forwarding_ensure() - Switch it on */
gboolean forwarding_ensure(struct home *home, const char *host_state, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * forwarding6_ensure() - The same for IPv6
 *
 * Fails where the host has its own way out from router advertisements, which it would ignore then; the hint says what helps.
 */
gboolean forwarding6_ensure(struct home *home, const char *host_state, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * forwarding_restore() - Put both back if they were ours to set and no drover table is left but @table
 *
 * To be called before that table goes: a drover that is killed in between is seen to have something to remove.
 */
gboolean forwarding_restore(struct home *home, const char *host_state, const char *table, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
