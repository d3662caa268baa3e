/* forwarding.c - the switch ip_forward: on while a network needs it, and back to what it was */
#include "network/forwarding.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

#include <string.h>

#define IP_FORWARD "net/ipv4/ip_forward"

gboolean
forwarding_is_on(struct home *home)
{
        g_autofree char *value = home_read_sysctl(home, IP_FORWARD, NULL);

        return g_strcmp0(value, "1") == 0;
}

gboolean
forwarding_lock(const char *host_state, int *ret_lock, GError **error)
{
        g_autofree char *path = host_state ? g_strconcat(host_state, ".lock", NULL) : NULL;

        return !path || file_lock_wait(path, ret_lock, error);
}

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

gboolean
forwarding_ensure(struct home *home, const char *host_state, GError **error)
{
        g_autofree char *value = home_read_sysctl(home, IP_FORWARD, error);

        if (!value)
                return FALSE;
        if (strcmp(value, "1") == 0)
                return TRUE;
        return (!host_state || keep_old_value(host_state, value, error)) && home_write_sysctl(home, IP_FORWARD, "1", error);
}

static gboolean
is_any_table_left(struct home *home)
{
        g_autofree char *listing = NULL;

        return !home_nft(home, "list tables inet", &listing, NULL) || strstr(listing, "table inet drover-");
}

gboolean
forwarding_restore(struct home *home, const char *host_state, GError **error)
{
        g_autoptr(json_t) root = host_state ? json_read_file(host_state, NULL) : NULL;
        const char *value = json_text(root, "ip_forward");

        if (!value || is_any_table_left(home))
                return TRUE;
        return home_write_sysctl(home, IP_FORWARD, value, error) && file_remove(host_state, error);
}
