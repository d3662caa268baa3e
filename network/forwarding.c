/* forwarding.c - the switches for IPv4 and IPv6: on while a network needs them, and back to what they were */
#include "network/forwarding.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "network/link.h"

#include <string.h>

/** struct family - One switch, and the word under which its old value is kept */
struct family {
        const char *sysctl, *word;
};

static const struct family ipv4 = {"net/ipv4/ip_forward", "ip_forward"};
static const struct family ipv6 = {"net/ipv6/conf/all/forwarding", "ip6_forward"};

static gboolean
is_on(struct home *home, const struct family *family)
{
        g_autofree char *value = home_read_sysctl(home, family->sysctl, NULL);

        return g_strcmp0(value, "1") == 0;
}

gboolean
forwarding_is_on(struct home *home)
{
        return is_on(home, &ipv4);
}

gboolean
forwarding6_is_on(struct home *home)
{
        return is_on(home, &ipv6);
}

gboolean
forwarding_lock(const char *host_state, int *ret_lock, GError **error)
{
        g_autofree char *path = host_state ? g_strconcat(host_state, ".lock", NULL) : NULL;

        return !path || file_lock_wait(path, ret_lock, error);
}

/* The old value is written down before it is changed, and never written over: the first drover saw the host as it was. */
static gboolean
keep_old_value(const char *host_state, const char *word, const char *value, GError **error)
{
        g_autoptr(json_t) root = json_read_file(host_state, NULL);

        if (json_text(root, word))
                return TRUE;
        if (!json_is_object(root)) {
                json_decref(root);
                root = json_object();
        }
        json_set(root, "schema", json_integer(1));
        json_set_text(root, word, value);
        return json_write_file(host_state, root, 0600, error);
}

static gboolean
ensure(struct home *home, const struct family *family, const char *host_state, GError **error)
{
        g_autofree char *value = home_read_sysctl(home, family->sysctl, error);

        if (!value)
                return FALSE;
        if (strcmp(value, "1") == 0)
                return TRUE;
        return (!host_state || keep_old_value(host_state, family->word, value, error)) &&
               home_write_sysctl(home, family->sysctl, "1", error);
}

gboolean
forwarding_ensure(struct home *home, const char *host_state, GError **error)
{
        return ensure(home, &ipv4, host_state, error);
}

/* A host that routes ignores router advertisements, so that one which has its own way out from them would lose it. */
static gboolean
check_advertised_routes(struct home *home, GError **error)
{
        g_autoptr(netlink_t) netlink = home_netlink(home, error);
        g_autoptr(GPtrArray) names = netlink ? links_advertised(netlink, error) : NULL;

        for (guint i = 0; names && i < names->len; i++) {
                const char *name = g_ptr_array_index(names, i);
                g_autofree char *sysctl = g_strdup_printf("net/ipv6/conf/%s/accept_ra", name);
                g_autofree char *value = home_read_sysctl(home, sysctl, NULL);

                if (g_strcmp0(value, "1") != 0)
                        continue;
                error_set(error, DROVER_ERROR_FAILED,
                          "cannot route IPv6: this host has its way out from router advertisements on '%s', and would lose it",
                          name);
                return error_hint(error, "'sysctl net.ipv6.conf.%s.accept_ra=2' keeps it, or leave out 'subnet6'", name);
        }
        return names != NULL;
}

gboolean
forwarding6_ensure(struct home *home, const char *host_state, GError **error)
{
        if (forwarding6_is_on(home))
                return TRUE;
        return (!host_state || check_advertised_routes(home, error)) && ensure(home, &ipv6, host_state, error);
}

static gboolean
is_another_table_left(struct home *home, const char *table)
{
        g_autofree char *listing = NULL, *own = g_strdup_printf("table %s", table);
        g_auto(GStrv) lines = NULL;

        if (!home_nft(home, "list tables inet", &listing, NULL))
                return TRUE;
        lines = g_strsplit(listing, "\n", -1);
        for (char **line = lines; *line; line++)
                if (g_str_has_prefix(*line, "table inet drover-") && strcmp(*line, own) != 0)
                        return TRUE;
        return FALSE;
}

static gboolean
restore(struct home *home, const struct family *family, const json_t *root, GError **error)
{
        const char *value = json_text(root, family->word);

        return !value || home_write_sysctl(home, family->sysctl, value, error);
}

gboolean
forwarding_restore(struct home *home, const char *host_state, const char *table, GError **error)
{
        g_autoptr(json_t) root = host_state ? json_read_file(host_state, NULL) : NULL;

        if ((!json_text(root, ipv4.word) && !json_text(root, ipv6.word)) || is_another_table_left(home, table))
                return TRUE;
        return restore(home, &ipv4, root, error) && restore(home, &ipv6, root, error) && file_remove(host_state, error);
}
