/* foreign.c - chains of others that would drop what guests send and get: an accept rule of ours in them
 *
 * Source: libnftables-json(5); https://docs.docker.com/engine/network/packet-filtering-firewalls/
 */
#include "network/foreign.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

#define DOCKER "DOCKER-USER"

static void
rule_free(gpointer data)
{
        struct foreign_rule *rule = data;

        g_free(rule->comment);
        g_free(rule);
}

static void
chain_free(gpointer data)
{
        struct foreign_chain *chain = data;

        g_free(chain->family);
        g_free(chain->table);
        g_free(chain->name);
        g_free(chain->hook);
        g_ptr_array_unref(chain->rules);
        g_free(chain);
}

/* ---- what is there ---- */

static json_t *
parse(const char *text)
{
        return json_loads(text ? text : "", JSON_REJECT_DUPLICATES, NULL);
}

static gboolean
is_of_interest(const char *family, const char *table, const char *name, const char *hook)
{
        if (!family || !table || !name || g_str_has_prefix(table, "drover-") ||
            (strcmp(family, "ip") != 0 && strcmp(family, "ip6") != 0 && strcmp(family, "inet") != 0))
                return FALSE;
        return hook ? strcmp(hook, "forward") == 0 || strcmp(hook, "input") == 0 : strcmp(name, DOCKER) == 0;
}

GPtrArray *
foreign_parse_chains(const char *json)
{
        GPtrArray *chains = g_ptr_array_new_with_free_func(chain_free);
        g_autoptr(json_t) root = parse(json);
        json_t *item;
        size_t i;

        json_array_foreach (json_object_get(root, "nftables"), i, item) {
                const json_t *found = json_object_get(item, "chain");
                const char *family = json_text(found, "family"), *table = json_text(found, "table"),
                           *name = json_text(found, "name"), *hook = json_text(found, "hook");
                struct foreign_chain *chain;

                if (!is_of_interest(family, table, name, hook))
                        continue;
                chain = g_new0(struct foreign_chain, 1);
                chain->family = g_strdup(family);
                chain->table = g_strdup(table);
                chain->name = g_strdup(name);
                chain->hook = g_strdup(hook);
                chain->drops = g_strcmp0(json_text(found, "policy"), "drop") == 0;
                chain->rules = g_ptr_array_new_with_free_func(rule_free);
                g_ptr_array_add(chains, chain);
        }
        return chains;
}

/* The words that say nothing about which packet it is: [{"counter": {...}}, {"reject": {...}}]. */
static gboolean
drops_all(const json_t *expressions)
{
        gboolean drops = FALSE;
        const json_t *part;
        size_t i;

        json_array_foreach (expressions, i, part) {
                const char *target = json_text(json_object_get(part, "xt"), "name");

                if (json_object_get(part, "drop") || json_object_get(part, "reject") || g_strcmp0(target, "REJECT") == 0)
                        drops = TRUE;
                else if (!json_object_get(part, "counter") && !json_object_get(part, "log"))
                        return FALSE;
        }
        return drops;
}

void
foreign_parse_rules(const char *json, const char *project, struct foreign_chain *chain)
{
        g_autofree char *mark = g_strdup_printf("drover:%s/", project);
        g_autoptr(json_t) root = parse(json);
        const json_t *last = NULL;
        json_t *item;
        size_t i;

        json_array_foreach (json_object_get(root, "nftables"), i, item) {
                const json_t *found = json_object_get(item, "rule");
                const char *comment = json_text(found, "comment");
                struct foreign_rule *rule;

                if (!found || g_strcmp0(json_text(found, "chain"), chain->name) != 0)
                        continue;
                last = found;
                if (!comment || !g_str_has_prefix(comment, mark))
                        continue;
                rule = g_new0(struct foreign_rule, 1);
                rule->comment = g_strdup(comment);
                rule->handle = (guint64)json_number(found, "handle", 0);
                g_ptr_array_add(chain->rules, rule);
        }
        chain->drops |= chain->hook && drops_all(json_object_get(last, "expr"));
}

/* Docker calls DOCKER-USER from FORWARD of the same table: what would go there goes here. */
static void
settle_docker(GPtrArray *chains)
{
        for (guint i = 0; i < chains->len; i++) {
                struct foreign_chain *user = g_ptr_array_index(chains, i);

                for (guint n = 0; !user->hook && n < chains->len; n++) {
                        struct foreign_chain *chain = g_ptr_array_index(chains, n);

                        if (g_strcmp0(chain->hook, "forward") != 0 || strcmp(chain->name, "FORWARD") != 0 ||
                            strcmp(chain->family, user->family) != 0 || strcmp(chain->table, user->table) != 0)
                                continue;
                        user->drops |= chain->drops;
                        chain->drops = FALSE;
                }
        }
}

/* One that went meanwhile, or that nft has no words for, has no rules. */
static gboolean
look_into(struct home *home, const char *project, GPtrArray *chains, GError **error)
{
        g_autofree struct nft_question *questions = g_new0(struct nft_question, chains->len);
        gboolean ok;

        for (guint i = 0; i < chains->len; i++) {
                const struct foreign_chain *chain = g_ptr_array_index(chains, i);

                questions[i].command = g_strdup_printf("list chain %s %s %s", chain->family, chain->table, chain->name);
                questions[i].json = TRUE;
        }
        ok = !chains->len || home_nft_ask(home, questions, chains->len, error);
        for (guint i = 0; i < chains->len; i++) {
                if (questions[i].answer)
                        foreign_parse_rules(questions[i].answer, project, g_ptr_array_index(chains, i));
                g_free(questions[i].command);
                g_free(questions[i].answer);
        }
        return ok;
}

GPtrArray *
foreign_find(struct home *home, const char *project, const char *list, GError **error)
{
        g_autoptr(GPtrArray) chains = list ? foreign_parse_chains(list) : NULL;

        if (!chains)
                return error_set(error, DROVER_ERROR_FAILED, "cannot look at the firewall: nftables lists no chains"), NULL;
        if (!look_into(home, project, chains, error))
                return error_prefix(error, "cannot look at the firewall"), NULL;
        settle_docker(chains);
        return g_steal_pointer(&chains);
}

GPtrArray *
foreign_look(struct home *home, const char *project, GError **error)
{
        struct nft_question question = {(char *)FOREIGN_LIST, .json = TRUE};
        g_autofree char *list = NULL;

        if (!home_nft_ask(home, &question, 1, error))
                return error_prefix(error, "cannot look at the firewall"), NULL;
        list = question.answer;
        return foreign_find(home, project, list, error);
}

/* ---- what ought to be ---- */

enum who { ROUTES, SERVED, ASKS, SERVED6, IPV6 };

struct wish {
        const char *suffix, *words;
        enum who who;
};

/* What IPv6 has in place of ARP, and the question for a router. */
#define NEIGHBOURS "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }"

/* The first is the last one to be inserted at the beginning; which is before which does not matter. */
static const struct wish wishes[] = {
        {"in", "iifname \"%s\"", ROUTES},
        {"out", "oifname \"%s\"", ROUTES},
        {"dhcp", "iifname \"%s\" udp dport 67", SERVED},
        {"dhcpv6", "iifname \"%s\" udp dport 547", SERVED6},
        {"neighbours", "iifname \"%s\" " NEIGHBOURS, IPV6},
        {"dns", "iifname \"%s\" udp dport 53", SERVED},
        {"dns-tcp", "iifname \"%s\" tcp dport 53", SERVED},
        {"names", "iifname \"%s\" udp dport", ASKS},
        {"names-tcp", "iifname \"%s\" tcp dport", ASKS},
};

static gboolean
take_rule(GPtrArray *rules, const char *comment)
{
        for (guint i = 0; i < rules->len; i++)
                if (strcmp(((struct foreign_rule *)g_ptr_array_index(rules, i))->comment, comment) == 0) {
                        g_ptr_array_remove_index_fast(rules, i);
                        return TRUE;
                }
        return FALSE;
}

static void
add_wish(GString *text, const struct foreign_chain *chain, const struct wish *wish, const struct foreign_link *link,
         const char *comment)
{
        g_auto(GStrv) parts = g_strsplit(wish->words, "%s", 2);

        g_string_append_printf(text, "insert rule %s %s %s %s%s%s", chain->family, chain->table, chain->name, parts[0],
                               link->name, parts[1]);
        if (wish->who == ASKS)
                g_string_append_printf(text, " %u", link->asks);
        g_string_append_printf(text, " accept comment \"%s\"\n", comment);
}

static gboolean
is_wished(const struct foreign_chain *chain, const struct wish *wish, const struct foreign_link *link)
{
        gboolean input = g_strcmp0(chain->hook, "input") == 0;
        gboolean ipv6 = link->ipv6 && strcmp(chain->family, "ip") != 0;

        switch (wish->who) {
        case ROUTES:
                return !input && link->routes;
        case SERVED:
                return input && link->served;
        case ASKS:
                return input && link->asks;
        case SERVED6:
                return input && link->served && ipv6;
        case IPV6:
                return input && ipv6;
        }
        return FALSE;
}

static void
add_chain(GString *text, const struct foreign_chain *chain, const char *project, const struct foreign_link *links, guint count)
{
        g_autoptr(GPtrArray) rest = g_ptr_array_new();

        for (guint i = 0; i < chain->rules->len; i++)
                g_ptr_array_add(rest, g_ptr_array_index(chain->rules, i));
        for (guint i = 0; chain->drops && i < count; i++)
                for (size_t n = 0; n < G_N_ELEMENTS(wishes); n++) {
                        g_autofree char *comment =
                                g_strdup_printf("drover:%s/%s %s", project, links[i].name, wishes[n].suffix);

                        if (is_wished(chain, &wishes[n], &links[i]) && !take_rule(rest, comment))
                                add_wish(text, chain, &wishes[n], &links[i], comment);
                }
        for (guint i = 0; i < rest->len; i++)
                g_string_append_printf(text, "delete rule %s %s %s handle %" G_GUINT64_FORMAT "\n", chain->family, chain->table,
                                       chain->name, ((struct foreign_rule *)g_ptr_array_index(rest, i))->handle);
}

char *
foreign_commands(const GPtrArray *chains, const char *project, const struct foreign_link *links, guint count)
{
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < chains->len; i++)
                add_chain(text, g_ptr_array_index(chains, i), project, links, count);
        return g_string_free(text, text->len == 0);
}

gboolean
foreign_observe(struct home *home, const char *project, const struct foreign_link *links, guint count, gboolean *ret_differs,
                GError **error)
{
        g_autoptr(GPtrArray) chains = foreign_look(home, project, error);
        g_autofree char *commands = chains ? foreign_commands(chains, project, links, count) : NULL;

        *ret_differs = commands != NULL;
        return chains != NULL;
}

gboolean
foreign_ensure(struct home *home, const char *project, const struct foreign_link *links, guint count, GError **error)
{
        g_autoptr(GPtrArray) chains = foreign_look(home, project, error);
        g_autofree char *commands = chains ? foreign_commands(chains, project, links, count) : NULL;

        return chains && (!commands || home_nft(home, commands, NULL, error));
}
