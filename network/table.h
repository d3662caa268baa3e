/* table.h - an nftables table of ours: written as text, replaced in one transaction, compared as text */
#pragma once

#include "network/home.h"

enum firewall_state {
        FIREWALL_ABSENT,
        FIREWALL_DIFFERENT,
        FIREWALL_SAME,
};

/* A table's name begins with its family. */

/** table_name() - "inet drover-PROJECT". A new string */
char *table_name(const char *project);

/** table_commands() - The nft commands that replace a table by one of these chains; pure; a new string */
char *table_commands(const char *table, const char *chains);

/** table_elements() - The elements of a map, of which a table of ours has one at most, in our order, which is that of @elements
 * then: "elements = { ... }". A new string */
char *table_elements(GPtrArray *elements);

/**
 * table_is_same() - Does `nft list table` say just what table_commands() would load? Pure
 *
 * Chains are written in the words in which nft lists them, so that the two are compared line by line; elements of maps in
 * our order.
 */
gboolean table_is_same(const char *table, const char *chains, const char *listing);

/**
 * table_update_commands() - What nft has to do so that the table is one of these chains. Pure
 * @listing: what is there; NULL: no such table
 *
 * Where its map only lacks elements they are added, otherwise the table is replaced. NULL: nothing. A new string.
 */
char *table_update_commands(const char *table, const char *chains, const char *listing);

/** table_list_command() - A new string */
char *table_list_command(const char *table);

/** table_list() - What is there. @ret_listing: a new string, or NULL: there is no such table */
gboolean table_list(struct home *home, const char *table, char **ret_listing, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** table_observe() - Look, change nothing: a rule more, less or other is DIFFERENT */
gboolean table_observe(struct home *home, const char *table, const char *chains, enum firewall_state *ret_state,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** table_ensure() - Load it unless it is there just so */
gboolean table_ensure(struct home *home, const char *table, const char *chains, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** table_remove() - That there is none is success */
gboolean table_remove(struct home *home, const char *table, GError **error) G_GNUC_WARN_UNUSED_RESULT;
