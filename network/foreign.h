/* foreign.h - chains of others that would drop what guests send and get: an accept rule of ours in them, marked by its comment
 *
 * An accept in a table of ours does not override the drop in another's (Docker's, ufw's, firewalld's, or somebody's own).
 * So where a base chain of `forward` or `input` drops what it does not know, by its policy or by its last rule, a rule of ours
 * stands at its beginning, or in DOCKER-USER where that is called from it. The rules that keep networks apart and closed are in
 * our own table, and stay in force. Rules have the comment "drover:PROJECT/..."; nothing without it is touched.
 *
 * Chains of iptables-legacy cannot be seen or changed this way.
 */
#pragma once

#include "network/home.h"

/** struct foreign_link - An interface of ours in the host's own namespace */
struct foreign_link {
        const char *name;
        gboolean routes; /* packets are forwarded from it and to it */
        gboolean served; /* guests get DHCP and DNS of this host through it */
        guint asks;      /* it asks this host for names, at this port; 0: it does not */
        gboolean ipv6;   /* who is behind it has IPv6 */
};

/** struct foreign_chain - A chain as it was found */
struct foreign_chain {
        char *family, *table, *name; /* where a rule of ours goes */
        char *hook;                  /* "forward", "input"; NULL: DOCKER-USER */
        gboolean drops;              /* it, or the chain that calls it, drops what it does not know */
        GPtrArray *rules;            /* struct foreign_rule: of this project, marked */
};

struct foreign_rule {
        char *comment;
        guint64 handle;
};

#define FOREIGN_LIST "list chains"

/** foreign_find() - From nft's JSON for FOREIGN_LIST; those of interest are looked into. New array of struct foreign_chain */
GPtrArray *foreign_find(struct home *home, const char *project, const char *list, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** foreign_look() - FOREIGN_LIST and that */
GPtrArray *foreign_look(struct home *home, const char *project, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** foreign_parse_chains(), foreign_parse_rules() - The same from nft's JSON: of `list chains`, and of `list chain` into one of
 * them; pure. What makes no sense is skipped */
GPtrArray *foreign_parse_chains(const char *json);
void foreign_parse_rules(const char *json, const char *project, struct foreign_chain *chain);

/** foreign_observe() - Is there anything to do? Changes nothing */
gboolean foreign_observe(struct home *home, const char *project, const struct foreign_link *links, guint count,
                         gboolean *ret_differs, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * foreign_commands() - What nft has to do so that all of @links get through, and no rule of the project's is left elsewhere
 *
 * Pure. NULL: nothing. A new string.
 */
char *foreign_commands(const GPtrArray *chains, const char *project, const struct foreign_link *links, guint count);

/** foreign_ensure() - Look, and do that; no links: the project's rules go */
gboolean foreign_ensure(struct home *home, const char *project, const struct foreign_link *links, guint count, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
