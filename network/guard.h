/* guard.h - what a guest may not send: the rules at the ports of bridges, a table of nftables
 *
 * The table is `bridge drover-PROJECT`. It sees frames as they leave a guest's tap, before any bridge does.
 */
#pragma once

#include "network/lab.h"
#include "network/table.h"

/** guard_name() - "bridge drover-PROJECT". A new string */
char *guard_name(const char *project);

/** guard_chains() - What table_commands() takes; pure; a new string. NULL: there is nothing to watch, and no table */
char *guard_chains(const struct lab *lab);

/** guard_observe() - As table_observe(); where there is nothing to watch, no table is FIREWALL_SAME */
gboolean guard_observe(struct home *home, const struct lab *lab, enum firewall_state *ret_state, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** guard_ensure() - Load it unless it is there just so, remove it where there is nothing to watch */
gboolean guard_ensure(struct home *home, const struct lab *lab, GError **error) G_GNUC_WARN_UNUSED_RESULT;
