/* firewall.c - NAT and isolation: one nftables table a project, replaced in one transaction
 *
 * Only routed packets pass these chains: guests of one bridge talk to each other, and a VM between two networks routes as it
 * likes. Between bridges of the project nothing is forwarded; an isolated network gets nothing in or out; a NAT network
 * gets only answers in, and what it sends out carries the host's address.
 */
#include "network/firewall.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"

#include <string.h>

#define IP_FORWARD "net/ipv4/ip_forward"

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
        return FALSE;
}

static void
add_forward_rules(GString *text, const struct network *network)
{
        const char *bridge = network->bridge;

        g_string_append_printf(text, "\t\tiifname \"%s\" oifname \"%s\" accept\n", bridge, bridge);
        if (network->mode == MODE_ISOLATED) {
                g_string_append_printf(text, "\t\tiifname \"%s\" drop\n\t\toifname \"%s\" drop\n", bridge, bridge);
                return;
        }
        g_string_append_printf(text, "\t\toifname \"%s\" ct state established,related accept\n", bridge);
        g_string_append_printf(text, "\t\toifname \"%s\" drop\n", bridge);
}

static void
add_nat_rule(GString *text, const struct network *network)
{
        char ip[LAB_IP_LENGTH];

        g_string_append_printf(text, "\t\tip saddr %s/%u masquerade\n", lab_format_ip(network->subnet.address, ip),
                               network->subnet.prefix);
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
                        add_forward_rules(text, &lab->networks[i]);
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
        g_autofree char *chains = build_chains(lab);

        return g_strdup_printf("add table inet drover-%s\n"
                               "delete table inet drover-%s\n"
                               "table inet drover-%s {\n"
                               "%s"
                               "}\n",
                               lab->project, lab->project, lab->project, chains);
}

/* The next line that is not empty, without the blanks around it; NULL at the end. */
static char *
next_line(char **at)
{
        while (*at) {
                char *line = g_strstrip(strsep(at, "\n"));

                if (*line)
                        return line;
        }
        return NULL;
}

/* The rules are written in the words in which nft lists them, so that the two are compared as text. */
gboolean
firewall_is_same(const struct lab *lab, const char *listing)
{
        g_autofree char *chains = build_chains(lab),
                        *wished = g_strdup_printf("table inet drover-%s {\n%s}", lab->project, chains);
        g_autofree char *found = g_strdup(listing);
        char *wish = wished, *fact = found, *a, *b;

        do {
                a = next_line(&wish);
                b = next_line(&fact);
        } while (a && b && strcmp(a, b) == 0);
        return !a && !b;
}

static gboolean
needs_forwarding(const struct lab *lab)
{
        for (guint i = 0; i < lab->network_count; i++)
                if (is_ours(&lab->networks[i]) && lab->networks[i].mode == MODE_NAT)
                        return TRUE;
        return FALSE;
}

static gboolean
is_forwarding(struct home *home)
{
        g_autofree char *value = home_read_sysctl(home, IP_FORWARD, NULL);

        return g_strcmp0(value, "1") == 0;
}

gboolean
firewall_observe(struct home *home, const struct lab *lab, enum firewall_state *ret_state, GError **error)
{
        g_autofree char *command = g_strdup_printf("list table inet drover-%s", lab->project);
        g_autofree char *listing = NULL;
        g_autoptr(GError) reason = NULL;

        if (home_nft(home, command, &listing, &reason)) {
                *ret_state = firewall_is_same(lab, listing) ? FIREWALL_SAME : FIREWALL_DIFFERENT;
                if (needs_forwarding(lab) && !is_forwarding(home))
                        *ret_state = FIREWALL_DIFFERENT;
                return TRUE;
        }
        if (!g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND)) {
                g_propagate_error(error, g_steal_pointer(&reason));
                return error_prefix(error, "cannot look at the firewall");
        }
        *ret_state = FIREWALL_ABSENT;
        return TRUE;
}

/* ---- ip_forward ---- */

/* The old value is written down before it is changed, and never written over: the first drover saw the host as it was. */
static gboolean
keep_old_value(const char *host_state, const char *value, GError **error)
{
        g_autoptr(json_t) root = json_read_file(host_state, NULL);

        if (json_text(root, "ip_forward"))
                return TRUE;
        if (!json_is_object(root)) {
                json_decref(root);
                root = json_object();
        }
        json_set(root, "schema", json_integer(1));
        json_set_text(root, "ip_forward", value);
        return json_write_file(host_state, root, 0600, error);
}

static gboolean
ensure_forwarding(struct home *home, const struct lab *lab, const char *host_state, GError **error)
{
        g_autofree char *value = NULL;

        if (!needs_forwarding(lab))
                return TRUE;
        value = home_read_sysctl(home, IP_FORWARD, error);
        if (!value)
                return FALSE;
        if (strcmp(value, "1") == 0)
                return TRUE;
        if (lab->isolation == ISOLATION_HOST && !keep_old_value(host_state, value, error))
                return FALSE;
        return home_write_sysctl(home, IP_FORWARD, "1", error);
}

static gboolean
is_any_table_left(struct home *home)
{
        g_autofree char *listing = NULL;

        return !home_nft(home, "list tables inet", &listing, NULL) || strstr(listing, "table inet drover-");
}

static gboolean
restore_forwarding(struct home *home, const char *host_state, GError **error)
{
        g_autoptr(json_t) root = json_read_file(host_state, NULL);
        const char *value = json_text(root, "ip_forward");

        if (!value || is_any_table_left(home))
                return TRUE;
        return home_write_sysctl(home, IP_FORWARD, value, error) && file_remove(host_state, error);
}

/* Two projects on the host's own network take turns: the last one to go puts ip_forward back, the first one kept it. */
static gboolean
lock_host(enum isolation isolation, const char *host_state, int *ret_lock, GError **error)
{
        g_autofree char *path = g_strconcat(host_state, ".lock", NULL);

        return isolation != ISOLATION_HOST || file_lock_wait(path, ret_lock, error);
}

gboolean
firewall_ensure(struct home *home, const struct lab *lab, const char *host_state, GError **error)
{
        enum firewall_state state;
        g_autofree char *rules = NULL;
        auto_fd lock = -1;

        if (!lab_check(lab, error) || !lock_host(lab->isolation, host_state, &lock, error) ||
            !firewall_observe(home, lab, &state, error))
                return FALSE;
        if (state != FIREWALL_SAME) {
                rules = firewall_rules(lab);
                if (!home_nft(home, rules, NULL, error))
                        return FALSE;
        }
        return ensure_forwarding(home, lab, host_state, error);
}

gboolean
firewall_remove(struct home *home, const char *project, enum isolation isolation, const char *host_state, GError **error)
{
        g_autofree char *command = g_strdup_printf("delete table inet drover-%s", project);
        g_autoptr(GError) reason = NULL;
        auto_fd lock = -1;

        if (!lock_host(isolation, host_state, &lock, error))
                return FALSE;
        if (!home_nft(home, command, NULL, &reason) &&
            !g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND)) {
                g_propagate_error(error, g_steal_pointer(&reason));
                return FALSE;
        }
        return isolation != ISOLATION_HOST || restore_forwarding(home, host_state, error);
}
