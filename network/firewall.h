/* firewall.h - NAT and isolation: a project's nftables, each table changed in one transaction
 *
 * The tables are `inet drover-PROJECT`, for what is routed, and guard.h's, for what guests send. ip_forward, and its like of
 * IPv6, is set when a network needs it; in the host's namespace its old value is kept in @host_state and goes back when the
 * last drover table goes.
 */
#pragma once

#include "network/foreign.h"
#include "network/lab.h"
#include "network/table.h"

/** firewall_is_needed() - Has @lab any network of ours that routes or must be kept apart, or a NIC that is watched? */
gboolean firewall_is_needed(const struct lab *lab);

/** firewall_rules() - The nft commands that replace the tables as a whole; pure; the caller frees it */
char *firewall_rules(const struct lab *lab);

/** firewall_is_same() - Does `nft list table` of `inet drover-PROJECT` say just what firewall_rules() would load? Pure */
gboolean firewall_is_same(const struct lab *lab, const char *listing);

/** struct firewall_found - What nftables had when it was looked at */
struct firewall_found {
        char *routed, *guard, *ports; /* `list table` of this project's, ports: dnat.h's; NULL: there is none */
        GPtrArray *chains;            /* foreign_find(); NULL: in a namespace of our own, where nobody looks for ports either */
};

/**
 * firewall_look_begin() - Ask for it in one go, and take the answers when other things have been looked at; changes nothing
 *
 * firewall_look_end() takes the question over and, on failure, leaves @ret_found untouched. firewall_look_free() is for one
 * that is not ended, before home_free().
 */
struct firewall_look *firewall_look_begin(struct home *home, const char *project, enum isolation isolation, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
gboolean firewall_look_end(struct firewall_look *begun, struct firewall_found *ret_found, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
void firewall_look_free(struct firewall_look *look);
typedef struct firewall_look firewall_look_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(firewall_look_t, firewall_look_free)
void firewall_found_clear(struct firewall_found *found);
typedef struct firewall_found firewall_found_t;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(firewall_found_t, firewall_found_clear)

/** firewall_compare() - Is it so? A rule more, less or other than ours is DIFFERENT. Reads sysctls, changes nothing */
enum firewall_state firewall_compare(struct home *home, const struct lab *lab, const struct firewall_found *found);

/** firewall_ensure() - Look, and load what is not there just so, in one transaction; set the sysctls that it needs */
gboolean firewall_ensure(struct home *home, const struct lab *lab, const char *host_state, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** firewall_remove() - Remove the tables; put ip_forward back if it was ours and no drover table is left */
gboolean firewall_remove(struct home *home, const char *project, enum isolation isolation, const char *host_state,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
