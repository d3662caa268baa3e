/* firewall.h - NAT and isolation: a project's nftables, each table replaced in one transaction
 *
 * The tables are `inet drover-PROJECT`, for what is routed, and guard.h's, for what guests send. ip_forward, and its like of
 * IPv6, is set when a network needs it; in the host's namespace its old value is kept in @host_state and goes back when the
 * last drover table goes.
 */
#pragma once

#include "network/lab.h"
#include "network/table.h"

/** firewall_is_needed() - Has @lab any network of ours that routes or must be kept apart, or a NIC that is watched? */
gboolean firewall_is_needed(const struct lab *lab);

/** firewall_rules() - The nft commands that replace the tables as a whole; pure; the caller frees it */
char *firewall_rules(const struct lab *lab);

/** firewall_is_same() - Does `nft list table` of `inet drover-PROJECT` say just what firewall_rules() would load? Pure */
gboolean firewall_is_same(const struct lab *lab, const char *listing);

/** firewall_observe() - Look, change nothing: a rule more, less or other than ours is DIFFERENT */
gboolean firewall_observe(struct home *home, const struct lab *lab, enum firewall_state *ret_state, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** firewall_ensure() - Load the tables unless they are there just so; set the sysctls that it needs */
gboolean firewall_ensure(struct home *home, const struct lab *lab, const char *host_state, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** firewall_remove() - Remove the tables; put ip_forward back if it was ours and no drover table is left */
gboolean firewall_remove(struct home *home, const char *project, enum isolation isolation, const char *host_state,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
