/* names.c - where this host resolves names on its loopback alone: a forwarder leads the project's name server there
 *
 * It is that of published ports the other way about: it listens on the outer end of root's uplink, and connects to the
 * loopback as any program of this host does, so that the resolver there need not know of the project. It serves nothing else.
 */
#include "network/uplink/kinds.h"

#include "base/error.h"
#include "base/file.h"

#include <arpa/inet.h>
#include <string.h>

enum { DNS = 53 };

static char *
directory_of(const char *data)
{
        return g_build_filename(data, "uplink", NULL);
}

GArray *
names_forwards(const struct lab *lab, const char *loopback)
{
        GArray *forwards = g_array_new(FALSE, FALSE, sizeof(struct forward));
        struct in_addr resolver;

        if (!loopback || !lab->uplink.prefix || inet_pton(AF_INET, loopback, &resolver) != 1)
                return forwards;
        for (int protocol = FORWARD_TCP; protocol <= FORWARD_UDP; protocol++) {
                struct forward forward;

                memset(&forward, 0, sizeof forward); /* compared byte by byte */
                forward.protocol = (enum forward_protocol)protocol;
                forward.outside.ipv4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(NAMES_PORT)};
                forward.outside.ipv4.sin_addr.s_addr = htonl(lab->uplink.address + VETH_OUTSIDE);
                forward.inside.ipv4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(DNS), .sin_addr = resolver};
                g_array_append_val(forwards, forward);
        }
        return forwards;
}

void
names_observe(const char *project, const char *data, struct forwarder_state *ret_state)
{
        g_autofree char *directory = directory_of(data);
        const struct forwarder_place place = {.project = project, .data = directory, .run = directory};

        forwarder_observe(&place, ret_state);
}

gboolean
names_stand(const struct lab *lab, const struct uplink_state *state)
{
        g_autoptr(GArray) wanted = names_forwards(lab, state->loopback);

        if (!wanted->len)
                return !state->names.pid && !state->names.was_killed;
        for (guint i = 0; i < wanted->len; i++) {
                const struct forward *forward = &g_array_index(wanted, struct forward, i);
                const struct forward *found = state->names.forwards ? forward_find(state->names.forwards, forward) : NULL;

                if (!found || !forward_equal(found, forward))
                        return FALSE;
        }
        return TRUE;
}

gboolean
names_ensure(const struct lab *lab, const struct uplink_state *state, const struct uplink_place *place, GError **error)
{
        g_autoptr(GArray) wanted = names_forwards(lab, state->loopback);
        g_autofree char *directory = directory_of(place->data);
        const struct forwarder_place forwarder = {lab->project, directory, directory, place->user};

        if (!wanted->len)
                return names_stop(lab->project, place->data, error);
        return (file_make_directory(directory, 0700, error) && forwarder_ensure(state->home, &forwarder, wanted, error)) ||
               error_prefix(error, "cannot lead names to this host's resolver");
}

gboolean
names_stop(const char *project, const char *data, GError **error)
{
        g_autofree char *directory = directory_of(data);
        const struct forwarder_place place = {.project = project, .data = directory, .run = directory};

        return !file_exists(directory) || (forwarder_stop(&place, error) && file_remove_tree(directory, error));
}
