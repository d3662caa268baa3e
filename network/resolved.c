/* resolved.c - systemd-resolved is told which names the name server of a bridge knows
 *
 * Source: org.freedesktop.resolve1(5). The domain is searched too, so that names resolve without it. All other names stay with
 * the host's own servers: our dnsmasq would only ask them in turn. It signs nothing.
 */
#include "network/resolved.h"

#include "base/child.h"
#include "base/error.h"
#include "base/file.h"

#include <arpa/inet.h>
#include <string.h>

#define DIRECTORY "/run/systemd/resolve"

enum { TIMEOUT_MS = 5000 };

gboolean
resolved_is_here(void)
{
        return file_exists(DIRECTORY);
}

static void
strv_free(gpointer strings)
{
        g_strfreev(strings);
}

static void
add_call(GPtrArray *calls, const char *method, const char *signature, int ifindex, const char *arguments)
{
        g_autofree char *text = g_strdup_printf("%s %s %d %s", method, signature, ifindex, arguments);

        g_ptr_array_add(calls, g_strsplit(text, " ", -1));
}

/* The zone of a subnet, from the octet that it ends in: "20.10.in-addr.arpa" of 10.20.0.0/20. */
static void
add_zone(GString *domains, const struct cidr4 *subnet)
{
        guint octets = CLAMP(subnet->prefix / 8, 1, 3);

        g_string_append(domains, " ");
        for (guint i = octets; i > 0; i--)
                g_string_append_printf(domains, "%u.", subnet->address >> (32 - 8 * i) & 0xff);
        g_string_append(domains, "in-addr.arpa true");
}

static void
add_zone6(GString *domains, const struct cidr6 *subnet)
{
        g_string_append(domains, " ");
        for (guint i = subnet->prefix / 4; i > 0; i--)
                g_string_append_printf(domains, "%x.", subnet->address.s6_addr[(i - 1) / 2] >> ((i - 1) % 2 ? 0 : 4) & 0xf);
        g_string_append(domains, "ip6.arpa true");
}

GPtrArray *
resolved_calls(const struct network *network, int ifindex)
{
        GPtrArray *calls = g_ptr_array_new_with_free_func(strv_free);
        g_autoptr(GString) domains = g_string_new(NULL);
        g_autofree char *server = g_strdup_printf("1 %d 4 %u %u %u %u", AF_INET, network->host_ip >> 24,
                                                  network->host_ip >> 16 & 0xff, network->host_ip >> 8 & 0xff,
                                                  network->host_ip & 0xff);

        g_string_append_printf(domains, "%u %s false", network->subnet6.prefix ? 3U : 2U, network->domain);
        add_zone(domains, &network->subnet);
        if (network->subnet6.prefix)
                add_zone6(domains, &network->subnet6);
        add_call(calls, "SetLinkDNS", "ia(iay)", ifindex, server);
        add_call(calls, "SetLinkDomains", "ia(sb)", ifindex, domains->str);
        add_call(calls, "SetLinkDefaultRoute", "ib", ifindex, "false");
        add_call(calls, "SetLinkDNSSEC", "is", ifindex, "no");
        return calls;
}

static gboolean
call(char *const *arguments, GError **error)
{
        static const char *const begin[] = {"busctl", "--system", "--quiet", "call", "org.freedesktop.resolve1",
                                            "/org/freedesktop/resolve1", "org.freedesktop.resolve1.Manager"};
        g_autoptr(GPtrArray) argv = g_ptr_array_new();
        struct child child = CHILD_INIT;

        for (size_t i = 0; i < G_N_ELEMENTS(begin); i++)
                g_ptr_array_add(argv, (gpointer)begin[i]);
        for (; *arguments; arguments++)
                g_ptr_array_add(argv, *arguments);
        g_ptr_array_add(argv, NULL);
        child.argv = (const char *const *)argv->pdata;
        return child_run(&child, TIMEOUT_MS, NULL, error);
}

gboolean
resolved_tell(const struct network *network, int ifindex, GError **error)
{
        g_autoptr(GPtrArray) calls = resolved_calls(network, ifindex);

        for (guint i = 0; i < calls->len; i++)
                if (!call(g_ptr_array_index(calls, i), error))
                        return error_prefix(error, "cannot tell systemd-resolved of network '%s'", network->name);
        return TRUE;
}
