/* resolve_left.c - networks that left the file while VMs that run hang on them: they stay as they were last applied
 *
 * What keeps their guests apart from others, their DHCP and their way out goes with the last of those VMs, not before.
 */
#include "runtime/plan/resolve_build.h"

#include "parser/value/value.h"

#include <string.h>

static gboolean
hangs_on(const struct vm_world *vm, const char *network)
{
        const json_t *nics = vm_is_alive(vm) && vm->spec ? json_object_get(vm->spec->wish, "networks") : NULL, *nic;
        const char *name;

        json_object_foreach ((json_t *)nics, name, nic)
                if (g_strcmp0(json_text(nic, "network") ? json_text(nic, "network") : name, network) == 0)
                        return TRUE;
        return FALSE;
}

static gboolean
is_in_use(const struct world *world, const char *network)
{
        for (guint i = 0; i < world->vms->len; i++)
                if (hangs_on(g_ptr_array_index(world->vms, i), network))
                        return TRUE;
        return FALSE;
}

static enum network_mode
read_mode(const char *text)
{
        if (g_strcmp0(text, "nat") == 0)
                return MODE_NAT;
        if (g_strcmp0(text, "routed") == 0)
                return MODE_ROUTED;
        return g_strcmp0(text, "bridge") == 0 ? MODE_BRIDGE : MODE_ISOLATED;
}

static guint32
read_ip(const json_t *wish, const char *key)
{
        const char *text = json_text(wish, key);
        guint32 ip;

        return text && value_parse_ipv4(text, &ip, NULL) ? ip : 0;
}

static void
read_dhcp(const json_t *wish, struct dhcp *dhcp)
{
        const json_t *object = json_object_get(wish, "dhcp");
        const char *range = json_text(object, "range"), *lease = json_text(object, "lease");
        guint64 lease_ms;

        dhcp->enabled = json_is_object(object);
        if (range && !value_parse_range4(range, &dhcp->range, NULL))
                dhcp->range = (struct range4){0, 0};
        if (lease && value_parse_duration(lease, &lease_ms, NULL))
                dhcp->lease_seconds = (guint)(lease_ms / 1000);
}

/* What it reaches, as a list that ends with NULL. */
static const char *const *
read_reach(struct resolved *resolved, const json_t *wish)
{
        const json_t *list = json_object_get(wish, "reach"), *item;
        const char **names = g_new0(const char *, json_array_size(list) + 1);
        guint count = 0;
        size_t i;

        json_array_foreach (list, i, item)
                if (json_is_string(item))
                        names[count++] = resolve_keep(resolved, json_string_value(item));
        g_ptr_array_add(resolved->store->lists, names);
        return names;
}

static struct network
read_network(struct resolved *resolved, const struct kept_network *kept)
{
        const char *domain = json_text(kept->wish, "domain"), *subnet6 = json_text(kept->wish, "subnet6");
        struct network network = {
                .name = resolve_keep(resolved, kept->name),
                .bridge = resolve_keep(resolved, kept->bridge),
                .subnet = kept->subnet,
                .mode = read_mode(json_text(kept->wish, "mode")),
                .host_ip = read_ip(kept->wish, "host_ip"),
                .gateway = read_ip(kept->wish, "gateway"),
                .mtu = (guint)json_number(kept->wish, "mtu", 0),
                .domain = domain ? resolve_keep(resolved, domain) : NULL,
                .reach = read_reach(resolved, kept->wish),
        };

        if (!network.domain)
                network.host_ip = 0; /* it cannot be served */
        read_dhcp(kept->wish, &network.dhcp);
        if (subnet6 && !value_parse_cidr6(subnet6, &network.subnet6, NULL))
                network.subnet6 = (struct cidr6){.prefix = 0};
        return network;
}

guint
resolve_left_networks(struct resolved *resolved, const struct world *world, struct network *networks)
{
        guint count = 0;

        for (guint i = 0; i < world->state->networks->len; i++) {
                const struct kept_network *kept = g_ptr_array_index(world->state->networks, i);

                if (kept->wish && !kept->external && !project_find_network(resolved->store->project, kept->name) &&
                    is_in_use(world, kept->name))
                        networks[count++] = read_network(resolved, kept);
        }
        return count;
}
