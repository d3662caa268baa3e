/* published.c - the ports of this host that lead into a VM, as they are served now */
#include "cmd/published.h"

#include <arpa/inet.h>
#include <string.h>

static gboolean
is_served(const struct world *world, const struct forward *forward)
{
        const GArray *served = world->forwarder.forwards;

        for (guint i = 0; served && i < served->len; i++)
                if (forward_equal(&g_array_index(served, struct forward, i), forward))
                        return TRUE;
        return FALSE;
}

GArray *
published_find(const struct session *session, const char *vm)
{
        const GArray *all = session->resolved->published;
        GArray *ports = g_array_new(FALSE, FALSE, sizeof(struct published_port));

        for (guint i = 0; i < all->len; i++) {
                const struct published *published = &g_array_index(all, struct published, i);
                struct published_port port = {published, is_served(session->world, &published->forward)};

                if (strcmp(session->project->vms[published->vm].name, vm) == 0)
                        g_array_append_val(ports, port);
        }
        return ports;
}

static gboolean
is_any(const struct forward *forward)
{
        return forward->outside.any.sa_family == AF_INET ? forward->outside.ipv4.sin_addr.s_addr == 0
                                                         : IN6_IS_ADDR_UNSPECIFIED(&forward->outside.ipv6.sin6_addr);
}

/* All addresses of both families are one entry, named by the port alone. */
char *
published_text(const GArray *ports)
{
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < ports->len; i++) {
                const struct published_port *port = &g_array_index(ports, struct published_port, i);
                const struct forward *forward = &port->published->forward;
                g_autofree char *outside = forward_format_outside(forward);
                gboolean any = is_any(forward);

                if (!port->open || (any && forward->outside.any.sa_family == AF_INET6 && !port->published->port->host.family))
                        continue;
                *strrchr(outside, '/') = '\0';
                g_string_append_printf(text, "%s%s->%u/%s", text->len ? ", " : "", any ? strrchr(outside, ':') + 1 : outside,
                                       ntohs(forward->inside.ipv4.sin_port),
                                       forward->protocol == FORWARD_UDP ? "udp" : "tcp");
        }
        return g_string_free(text, FALSE);
}

json_t *
published_to_json(const GArray *ports)
{
        json_t *list = json_array();

        for (guint i = 0; i < ports->len; i++) {
                const struct published_port *port = &g_array_index(ports, struct published_port, i);
                const struct forward *forward = &port->published->forward;
                g_autofree char *outside = forward_format_outside(forward), *inside = forward_format_inside(forward);
                json_t *item = json_object();

                *strrchr(outside, '/') = '\0';
                json_set_text(item, "host", outside);
                json_set_text(item, "guest", inside);
                json_set_text(item, "protocol", forward->protocol == FORWARD_UDP ? "udp" : "tcp");
                json_set(item, "open", json_boolean(port->open));
                json_array_append_new(list, item);
        }
        return list;
}
