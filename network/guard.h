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

/** guard_commands() - What nft has to do so that it stands. Pure. @listing: NULL: there is no such table. NULL: nothing. A new
 * string */
char *guard_commands(const struct lab *lab, const char *listing);

/** guard_ensure() - Look, and do that */
gboolean guard_ensure(struct home *home, const struct lab *lab, GError **error) G_GNUC_WARN_UNUSED_RESULT;
