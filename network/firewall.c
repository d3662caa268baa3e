/* firewall.c - NAT and isolation: a project's nftables
 *
 * Only routed packets pass these chains: guests of one bridge talk to each other, and a VM between two networks routes as it
 * likes. Between bridges of the project nothing is forwarded but what `reach` opens, one way, and the answers to it; an
 * isolated network gets nothing else in or out; a NAT network gets only answers and published ports in, and what it sends out
 * carries the host's address; a routed network sends with its own, and whoever is outside may begin. What a guest may send in
 * the first place is guard.c's, in a table of its own.
 */
#include "network/firewall.h"

#include "base/error.h"
#include "base/fd.h"
#include "network/forwarding.h"
#include "network/guard.h"
#include "network/ports/dnat.h"

static gboolean
is_ours(const struct network *network)
{
        return !network->external && network->mode != MODE_BRIDGE;
}

gboolean
firewall_is_needed(const struct lab *lab)
{
        for (guint i = 0; i < lab->network_count; i++)
                if (is_ours(&lab->networks[i]))
                        return TRUE;
        for (guint i = 0; i < lab->host_count; i++)
                if (lab->hosts[i].spoof_check)
                        return TRUE;
        return FALSE;
}

/* Before all that drops. */
static void
add_reach_rules(GString *text, const struct lab *lab, guint from)
{
        for (guint to = 0; lab->networks[from].reach && *lab->networks[from].reach && to < lab->network_count; to++) {
                const char *source = lab->networks[from].bridge, *target = lab->networks[to].bridge;

                if (!lab_reaches(lab, from, to))
                        continue;
                g_string_append_printf(text, "\t\tiifname \"%s\" oifname \"%s\" accept\n", source, target);
                g_string_append_printf(text, "\t\tiifname \"%s\" oifname \"%s\" ct state established,related accept\n", target,
                                       source);
        }
}

/* Whoever is outside may begin, the project's other networks may not. */
static void
add_routed_rules(GString *text, const struct lab *lab, guint index)
{
        for (guint i = 0; i < lab->network_count; i++)
                if (i != index && is_ours(&lab->networks[i]))
                        g_string_append_printf(text, "\t\tiifname \"%s\" oifname \"%s\" drop\n", lab->networks[i].bridge,
                                               lab->networks[index].bridge);
}

static void
add_forward_rules(GString *text, const struct lab *lab, guint index)
{
        const struct network *network = &lab->networks[index];
        const char *bridge = network->bridge;

        g_string_append_printf(text, "\t\tiifname \"%s\" oifname \"%s\" accept\n", bridge, bridge);
        if (network->mode == MODE_ISOLATED) {
                g_string_append_printf(text, "\t\tiifname \"%s\" drop\n\t\toifname \"%s\" drop\n", bridge, bridge);
                return;
        }
        if (network->mode == MODE_ROUTED) {
                add_routed_rules(text, lab, index);
                return;
        }
        g_string_append_printf(text, "\t\toifname \"%s\" ct state established,related accept\n", bridge);
        g_string_append_printf(text, "\t\toifname \"%s\" ct status dnat accept\n", bridge); /* published ports */
        g_string_append_printf(text, "\t\toifname \"%s\" drop\n", bridge);
}

static void
add_nat_rule(GString *text, const struct network *network)
{
        char ip[LAB_IP_LENGTH], ip6[LAB_IP6_LENGTH];

        g_string_append_printf(text, "\t\tip saddr %s/%u masquerade\n", lab_format_ip(network->subnet.address, ip),
                               network->subnet.prefix);
        if (network->subnet6.prefix)
                g_string_append_printf(text, "\t\tip6 saddr %s/%u masquerade\n",
                                       lab_format_ip6(&network->subnet6.address, ip6), network->subnet6.prefix);
}

/* Where br_netfilter is on, frames between guests come by here too, also those that a router VM passes on. */
static void
add_bridge_exceptions(GString *text, const struct lab *lab)
{
        for (guint i = 0; i < lab->network_count; i++)
                if (is_ours(&lab->networks[i]))
                        g_string_append_printf(text, "\t\toifname \"%s\" accept\n", lab->networks[i].bridge);
}

/* The two chains, without the table around them. */
static char *
build_chains(const struct lab *lab)
{
        GString *text = g_string_new("\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n");

        for (guint i = 0; i < lab->network_count; i++)
                if (is_ours(&lab->networks[i]))
                        add_reach_rules(text, lab, i);
        for (guint i = 0; i < lab->network_count; i++)
                if (is_ours(&lab->networks[i]))
                        add_forward_rules(text, lab, i);
        g_string_append(text, "\t}\n\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n");
        add_bridge_exceptions(text, lab);
        for (guint i = 0; i < lab->network_count; i++)
                if (is_ours(&lab->networks[i]) && lab->networks[i].mode == MODE_NAT)
                        add_nat_rule(text, &lab->networks[i]);
        g_string_append(text, "\t}\n");
        return g_string_free(text, FALSE);
}

char *
firewall_rules(const struct lab *lab)
{
        g_autofree char *chains = build_chains(lab), *table = table_name(lab->project);
        g_autofree char *routed = table_commands(table, chains);
        g_autofree char *watched = guard_chains(lab), *guard = guard_name(lab->project);
        g_autofree char *bridged = watched ? table_commands(guard, watched) : NULL;

        return g_strconcat(routed, bridged, NULL);
}

gboolean
firewall_is_same(const struct lab *lab, const char *listing)
{
        g_autofree char *chains = build_chains(lab), *table = table_name(lab->project);

        return table_is_same(table, chains, listing);
}

/* @six: IPv6, where a network has such a subnet. */
static gboolean
needs_forwarding(const struct lab *lab, gboolean six)
{
        for (guint i = 0; i < lab->network_count; i++) {
                const struct network *network = &lab->networks[i];

                if (is_ours(network) && (!six || network->subnet6.prefix) &&
                    (network->mode != MODE_ISOLATED || (network->reach && *network->reach)))
                        return TRUE;
        }
        return FALSE;
}

/* Also those that do not route: where br_netfilter is on, frames from guest to guest pass the same chains. */
static struct foreign_link *
list_links(const struct lab *lab, guint *ret_count)
{
        struct foreign_link *links = g_new0(struct foreign_link, lab->network_count + 1);
        guint count = 0;

        for (guint i = 0; i < lab->network_count; i++) {
                const struct network *network = &lab->networks[i];

                if (!network->external)
                        links[count++] = (struct foreign_link){.name = network->bridge, .routes = TRUE,
                                                               .served = lab_is_served(network),
                                                               .ipv6 = network->subnet6.prefix != 0};
        }
        *ret_count = count;
        return links;
}

void
firewall_found_clear(struct firewall_found *found)
{
        g_clear_pointer(&found->routed, g_free);
        g_clear_pointer(&found->guard, g_free);
        g_clear_pointer(&found->ports, g_free);
        g_clear_pointer(&found->chains, g_ptr_array_unref);
}

enum { ROUTED, GUARD, PORTS, CHAINS, QUESTIONS };

struct firewall_look {
        struct home *home;
        char *project;
        gboolean alone; /* in a namespace of our own there is nobody else */
        int connection; /* -1: ended */
        struct nft_question questions[QUESTIONS];
};

static guint
count_questions(const struct firewall_look *look)
{
        return look->alone ? PORTS : QUESTIONS;
}

void
firewall_look_free(struct firewall_look *look)
{
        if (!look)
                return;
        fd_clear(&look->connection);
        for (guint i = 0; i < QUESTIONS; i++) {
                g_free(look->questions[i].command);
                g_free(look->questions[i].answer);
        }
        g_free(look->project);
        g_free(look);
}

struct firewall_look *
firewall_look_begin(struct home *home, const char *project, enum isolation isolation, GError **error)
{
        g_autofree char *routed = table_name(project), *guard = guard_name(project), *ports = dnat_table(project);
        g_autoptr(firewall_look_t) look = g_new0(struct firewall_look, 1);

        look->home = home;
        look->project = g_strdup(project);
        look->alone = isolation == ISOLATION_PRIVATE;
        look->questions[ROUTED].command = table_list_command(routed);
        look->questions[GUARD].command = table_list_command(guard);
        look->questions[PORTS].command = table_list_command(ports);
        look->questions[CHAINS] = (struct nft_question){g_strdup(FOREIGN_LIST), TRUE};
        look->connection = home_nft_begin(home, look->questions, count_questions(look), error);
        if (look->connection >= 0)
                return g_steal_pointer(&look);
        error_prefix(error, "cannot look at the firewall");
        return NULL;
}

gboolean
firewall_look_end(struct firewall_look *begun, struct firewall_found *ret_found, GError **error)
{
        g_autoptr(firewall_look_t) look = begun;
        g_autoptr(GPtrArray) chains = NULL;
        int connection = fd_steal(&look->connection);

        if (!home_nft_end(connection, look->questions, count_questions(look), error))
                return error_prefix(error, "cannot look at the firewall");
        if (!look->alone && !(chains = foreign_find(look->home, look->project, look->questions[CHAINS].answer, error)))
                return FALSE;
        *ret_found = (struct firewall_found){g_steal_pointer(&look->questions[ROUTED].answer),
                                             g_steal_pointer(&look->questions[GUARD].answer),
                                             g_steal_pointer(&look->questions[PORTS].answer), g_steal_pointer(&chains)};
        return TRUE;
}

static gboolean
look_now(struct home *home, const char *project, enum isolation isolation, struct firewall_found *ret_found, GError **error)
{
        struct firewall_look *look = firewall_look_begin(home, project, isolation, error);

        return look && firewall_look_end(look, ret_found, error);
}

/* What nft has to do, in one transaction; NULL: nothing. */
static char *
missing_commands(const struct lab *lab, const struct firewall_found *found)
{
        g_autofree char *chains = build_chains(lab), *table = table_name(lab->project), *foreign = NULL;
        g_autofree char *guard = guard_commands(lab, found->guard);
        g_autoptr(GString) text = g_string_new(guard);

        if (!found->routed || !table_is_same(table, chains, found->routed)) {
                g_autofree char *routed = table_commands(table, chains);

                g_string_append(text, routed);
        }
        if (found->chains && lab->isolation == ISOLATION_HOST) {
                guint count;
                g_autofree struct foreign_link *links = list_links(lab, &count);

                foreign = foreign_commands(found->chains, lab->project, links, count);
                g_string_append(text, foreign ? foreign : "");
        }
        return text->len ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

enum firewall_state
firewall_compare(struct home *home, const struct lab *lab, const struct firewall_found *found)
{
        g_autofree char *commands = missing_commands(lab, found);

        if (!found->routed && !found->guard)
                return FIREWALL_ABSENT;
        return commands || (needs_forwarding(lab, FALSE) && !forwarding_is_on(home)) ||
                               (needs_forwarding(lab, TRUE) && !forwarding6_is_on(home))
                       ? FIREWALL_DIFFERENT
                       : FIREWALL_SAME;
}

gboolean
firewall_ensure(struct home *home, const struct lab *lab, const char *host_state, GError **error)
{
        const char *kept = lab->isolation == ISOLATION_HOST ? host_state : NULL;
        g_auto(firewall_found_t) found = {0};
        g_autofree char *commands = NULL;
        auto_fd lock = -1;

        if (!lab_check(lab, error) || !forwarding_lock(kept, &lock, error) ||
            !look_now(home, lab->project, lab->isolation, &found, error))
                return FALSE;
        commands = missing_commands(lab, &found);
        return (!commands || home_nft(home, commands, NULL, error)) &&
               (!needs_forwarding(lab, FALSE) || forwarding_ensure(home, kept, error)) &&
               (!needs_forwarding(lab, TRUE) || forwarding6_ensure(home, kept, error));
}

gboolean
firewall_remove(struct home *home, const char *project, enum isolation isolation, const char *host_state, GError **error)
{
        const char *kept = isolation == ISOLATION_HOST ? host_state : NULL;
        g_autofree char *table = table_name(project), *guard = guard_name(project), *foreign = NULL;
        g_autoptr(GString) commands = g_string_new(NULL);
        g_auto(firewall_found_t) found = {0};
        auto_fd lock = -1;

        if (!forwarding_lock(kept, &lock, error) || !forwarding_restore(home, kept, table, error) ||
            !look_now(home, project, isolation, &found, error))
                return FALSE;
        if (found.chains)
                foreign = foreign_commands(found.chains, project, NULL, 0);
        g_string_append(commands, foreign ? foreign : "");
        if (found.guard)
                g_string_append_printf(commands, "delete table %s\n", guard);
        if (found.routed)
                g_string_append_printf(commands, "delete table %s\n", table);
        return !commands->len || home_nft(home, commands->str, NULL, error);
}
