/* observe_ports.c - what serves published ports, and who else has a port of this host */
#include "runtime/observe.h"

#include "base/file.h"
#include "network/ports/listening.h"

#include <string.h>
#include <unistd.h>

void
observe_forwarder(struct world *world)
{
        const struct forwarder_place place = {.data = world->paths->data, .run = world->paths->run};

        world->ipv6 = file_exists("/proc/net/if_inet6");
        forwarder_observe(&place, &world->forwarder);
}

static gboolean
is_ours(const struct world *world, const struct listening *socket)
{
        for (guint i = 0; i < world->forwarder.forwards->len; i++) {
                const struct forward *forward = &g_array_index(world->forwarder.forwards, struct forward, i);

                if (forward->protocol == socket->protocol && forward_address_equal(&forward->outside, &socket->address))
                        return TRUE;
        }
        return FALSE;
}

static void
taken_clear(gpointer data)
{
        g_free(((struct taken_port *)data)->holder);
}

static void
add_taken(GArray *taken, const struct forward *forward, const struct listening *socket)
{
        struct taken_port port = {.forward = *forward, .holder = listening_holder(socket)};

        g_array_append_val(taken, port);
}

void
observe_ports(struct world *world, const struct resolved *resolved)
{
        g_autofree char *text = NULL;
        g_autoptr(GArray) sockets = NULL;

        if (!resolved->published->len)
                return;
        if (geteuid() != 0 && file_read("/proc/sys/net/ipv4/ip_unprivileged_port_start", 64, &text, NULL, NULL))
                world->first_open_port = (guint)g_ascii_strtoull(text, NULL, 10);
        world->taken_ports = g_array_new(FALSE, FALSE, sizeof(struct taken_port));
        g_array_set_clear_func(world->taken_ports, taken_clear);
        sockets = listening_dump();
        for (guint i = sockets->len; i > 0; i--)
                if (is_ours(world, &g_array_index(sockets, struct listening, i - 1)))
                        g_array_remove_index_fast(sockets, i - 1);
        for (guint i = 0; i < resolved->published->len; i++) {
                const struct forward *forward = &g_array_index(resolved->published, struct published, i).forward;
                const struct listening *socket = listening_find(sockets, forward);

                if (socket)
                        add_taken(world->taken_ports, forward, socket);
        }
}
