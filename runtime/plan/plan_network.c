/* plan_network.c - the planner's part for bridges, firewall and dnsmasq */
#include "runtime/plan/plan_build.h"

#include "parser/value/value.h"

#include <string.h>

static gboolean
uses_network(const struct planner *planner, guint vm, guint network)
{
        const struct vm *wish = &planner->project->vms[vm];

        for (guint i = 0; i < wish->nic_count; i++)
                if (wish->nics[i].network_index == network)
                        return TRUE;
        return FALSE;
}

static gboolean
has_living_vm(const struct planner *planner, guint network)
{
        for (guint i = 0; i < planner->project->vm_count; i++)
                if (uses_network(planner, i, network) && vm_is_alive(world_vm(planner->world, planner->project->vms[i].name)))
                        return TRUE;
        return FALSE;
}

/* What stands where the bridge has to be, or does not where it ought to. */
static void
check_link(struct planner *planner, const struct network *network, const struct link *link)
{
        struct ether_addr mac = lab_bridge_mac(planner->project->name, network->name);
        struct place place = project_place(network->node, "bridge");
        g_autoptr(GPtrArray) faults = NULL;

        if (uplink_kind(&planner->resolved->lab, planner->world->paths->root) != UPLINK_NONE &&
            strcmp(network->bridge, UPLINK_LINK) == 0)
                faults_add(&faults, "link-in-the-way", place, "write another 'bridge:' name",
                           "cannot make bridge '%s' for network '%s': the way out of the project's namespace is called so",
                           network->bridge, network->name);
        else if (network->external && !link)
                faults_add(&faults, "no-bridge", place,
                           "drover never makes an external bridge: make it first, or drop 'external: true'",
                           "there is no bridge '%s' for network '%s', which is external", network->bridge, network->name);
        else if (network->external && !link->is_bridge)
                faults_add(&faults, "no-bridge", place, NULL, "'%s', the external bridge of network '%s', is no bridge",
                           network->bridge, network->name);
        else if (!network->external && link && !link_is_ours(link, &mac))
                faults_add_passing(&faults, "link-in-the-way", place,
                                   link->is_bridge ? "write another name, or 'mode: bridge' with 'external: true' to join it"
                                                   : "write another 'bridge:' name",
                                   "cannot make bridge '%s' for network '%s': a link of that name exists and is not ours",
                                   network->bridge, network->name);
        plan_refuse(planner, faults);
}

/* What joins a bridge is heard through the bridge alone: addresses of it would fall silent, and with them perhaps whoever does
 * this from afar. */
static void
check_uplink(struct planner *planner, const struct network *network, const struct link *bridge)
{
        const struct links *links = planner->world->links;
        const struct link *link = links ? links_find(links, network->uplink) : NULL;
        const struct link *master = link && link->master ? links_find_index(links, link->master) : NULL;
        struct place place = project_place(network->node, "uplink");
        g_autoptr(GPtrArray) faults = NULL;
        gboolean addressed = FALSE;

        for (guint i = 0; link && i < links->addresses->len; i++)
                addressed |= g_array_index(links->addresses, struct link_address, i).ifindex == link->ifindex;
        for (guint i = 0; link && i < links->addresses6->len; i++) {
                const struct link_address6 *address = &g_array_index(links->addresses6, struct link_address6, i);

                addressed |= address->ifindex == link->ifindex && !IN6_IS_ADDR_LINKLOCAL(&address->ip);
        }
        if (links && !link)
                faults_add(&faults, "no-uplink", place, NULL, "uplink of network '%s': there is no interface '%s'",
                           network->name, network->uplink);
        else if (master && master != bridge)
                faults_add(&faults, "uplink-in-use", place,
                           "name that one with 'bridge: NAME' and 'external: true', if it is a bridge",
                           "uplink of network '%s': '%s' belongs to '%s'", network->name, network->uplink, master->name);
        else if (addressed)
                faults_add(&faults, "uplink-has-address", place,
                           "make a bridge that has them, and name it with 'bridge: NAME' and 'external: true'",
                           "uplink of network '%s': '%s' has addresses of this host, which it would no longer hear for",
                           network->name, network->uplink);
        plan_refuse(planner, faults);
}

/* Has what the file wants joined the bridge, and what it wants no longer left it? */
static void
compare_uplink(const struct planner *planner, const struct network *network, const struct link *bridge, GPtrArray *changes)
{
        const struct kept_network *kept = state_network(planner->world->state, network->name);
        const struct links *links = planner->world->links;
        const struct link *now = network->uplink ? links_find(links, network->uplink) : NULL;
        gboolean joined = now && now->master == bridge->ifindex && now->up;
        const char *before = NULL;

        for (char **name = kept ? kept->uplinks : NULL; name && *name; name++) {
                const struct link *link = links_find(links, *name);

                if (link && link != now && link->master == bridge->ifindex)
                        before = *name;
        }
        if (before || (now && !joined))
                plan_changes_add(changes, "uplink", before, network->uplink, CHANGE_LIVE);
}

static char *
format_address(guint32 ip, guint8 prefix)
{
        g_autofree char *text = value_format_ipv4(ip);

        return g_strdup_printf("%s/%u", text, prefix);
}

/* The bridge has the address that the file wants, and no other. */
static void
compare_addresses(const struct planner *planner, const struct network *network, const struct link *link, GPtrArray *changes)
{
        const GArray *addresses = planner->world->links->addresses;
        g_autofree char *wanted = network->host_ip ? format_address(network->host_ip, network->subnet.prefix) : NULL;
        gboolean found = FALSE, other = FALSE;

        for (guint i = 0; i < addresses->len; i++) {
                const struct link_address *address = &g_array_index(addresses, struct link_address, i);
                g_autofree char *text = NULL;

                if (address->ifindex != link->ifindex)
                        continue;
                if (address->ip == network->host_ip && address->prefix == network->subnet.prefix) {
                        found = TRUE;
                        continue;
                }
                text = format_address(address->ip, address->prefix);
                plan_changes_add(changes, "host_ip", text, wanted, CHANGE_LIVE);
                other = TRUE;
        }
        if (wanted && !found && !other)
                plan_changes_add(changes, "host_ip", NULL, wanted, CHANGE_LIVE);
}

static char *
format_address6(const struct in6_addr *ip6, guint8 prefix)
{
        char text[LAB_IP6_LENGTH];

        return g_strdup_printf("%s/%u", lab_format_ip6(ip6, text), prefix);
}

static void
compare_addresses6(const struct planner *planner, const struct network *network, const struct link *link, GPtrArray *changes)
{
        const GArray *addresses = planner->world->links->addresses6;
        struct in6_addr host_ip6 = lab_host_ip6(network);
        g_autofree char *wanted = network->subnet6.prefix ? format_address6(&host_ip6, network->subnet6.prefix) : NULL;
        gboolean found = FALSE, other = FALSE;

        for (guint i = 0; i < addresses->len; i++) {
                const struct link_address6 *address = &g_array_index(addresses, struct link_address6, i);
                g_autofree char *text = NULL;

                if (address->ifindex != link->ifindex)
                        continue;
                text = format_address6(&address->ip, address->prefix);
                if (g_strcmp0(text, wanted) == 0) {
                        found = TRUE;
                        continue;
                }
                plan_changes_add(changes, "subnet6", text, wanted, CHANGE_LIVE);
                other = TRUE;
        }
        if (wanted && !found && !other)
                plan_changes_add(changes, "subnet6", NULL, wanted, CHANGE_LIVE);
}

static void
compare_bridge(const struct planner *planner, const struct network *network, const struct link *link, GPtrArray *changes)
{
        g_autofree char *alias = lab_alias(planner->project->name, network->name);

        if (!link->up)
                plan_changes_add(changes, "up", "false", "true", CHANGE_LIVE);
        if (network->mtu && link->mtu != network->mtu) {
                g_autofree char *from = g_strdup_printf("%u", link->mtu), *to = g_strdup_printf("%u", network->mtu);

                plan_changes_add(changes, "mtu", from, to, CHANGE_LIVE);
        }
        if (g_strcmp0(link->alias, alias) != 0)
                plan_changes_add(changes, "alias", link->alias, alias, CHANGE_LIVE);
        compare_addresses(planner, network, link, changes);
        compare_addresses6(planner, network, link, changes);
        compare_uplink(planner, network, link, changes);
}

static void
plan_network(struct planner *planner, guint index)
{
        const struct network *network = &planner->resolved->lab.networks[index];
        const struct links *links = planner->world->links;
        const struct link *link = links ? links_find(links, network->bridge) : NULL;
        gboolean known = state_network(planner->world->state, network->name) != NULL;
        g_autoptr(GPtrArray) changes = plan_changes_new();
        struct plan_step *step;
        guint loose, unfit = 0;

        check_link(planner, network, link);
        if (network->uplink)
                check_uplink(planner, network, link);
        if (!network->external && link)
                compare_bridge(planner, network, link, changes);
        loose = links ? plan_loose_taps(planner, index, link ? link->ifindex : 0, &unfit) : 0;
        if (link && !changes->len && !loose && !unfit)
                return;
        step = plan_add(planner, KIND_NETWORK,
                        loose || (unfit && !changes->len) || (!link && known && has_living_vm(planner, index)) ? ACTION_REPAIR
                        : link                                                   ? ACTION_UPDATE
                                                                                 : ACTION_CREATE,
                        network->name, index);
        if (network->subnet.prefix) {
                g_autofree char *subnet = value_format_cidr4(&network->subnet);

                step->detail = g_strdup_printf("%s on bridge %s", subnet, network->bridge);
        }
        if (loose) {
                g_autofree char *text = g_strdup_printf("%u", loose);

                plan_changes_add(changes, "taps off the bridge", text, "0", CHANGE_LIVE);
        }
        if (unfit) {
                g_autofree char *text = g_strdup_printf("%u", unfit);

                plan_changes_add(changes, "taps with another mtu or alias", text, "0", CHANGE_LIVE);
        }
        g_ptr_array_unref(step->changes);
        step->changes = g_steal_pointer(&changes);
        planner->network_steps[index] = plan_last(planner);
}

void
plan_networks(struct planner *planner)
{
        for (guint i = 0; planner->options->networks && i < planner->project->network_count; i++)
                plan_network(planner, i);
}

/* Without the program for it a lab comes up all the same, and is told so when it does for the first time. */
static void
plan_uplink(struct planner *planner)
{
        const struct world *world = planner->world;
        const struct lab *lab = &planner->resolved->lab;
        enum uplink_kind kind = uplink_kind(lab, world->paths->root);

        if (kind == UPLINK_NONE) {
                if (world->uplink.was_started)
                        plan_add(planner, KIND_UPLINK, ACTION_REMOVE, "", G_MAXUINT);
        } else if (kind == UPLINK_USER && !world->uplink.installed) {
                if (!world->state->exists)
                        g_ptr_array_add(planner->plan->notes,
                                        g_strdup("guests have no way out of this project's network: 'drover doctor' says what "
                                                 "to install for it"));
        }
        if (kind == UPLINK_VETH && uplink_wants_ipv6(lab) && world->uplink.way6 == WAY6_LOSES && !world->state->exists)
                g_ptr_array_add(planner->plan->notes,
                                g_strdup("guests have no way out for IPv6: this host has its own from router advertisements, "
                                         "which it would ignore if it routed; 'accept_ra=2' of its interface keeps it"));
        if (lab->uplink.prefix && !uplink_stands(lab, kind, &world->uplink, world->links))
                plan_add(planner, KIND_UPLINK, world->uplink.was_started ? ACTION_REPAIR : ACTION_CREATE, "", G_MAXUINT);
}

static void
plan_dnsmasq(struct planner *planner)
{
        const struct dnsmasq_state *found = &planner->world->dnsmasq;
        struct plan_step *step;

        if (!dnsmasq_is_needed(&planner->resolved->lab)) {
                if (found->pid)
                        plan_add(planner, KIND_SERVICE, ACTION_REMOVE, "", G_MAXUINT);
                return;
        }
        if (found->pid && found->config_same && found->hosts_same)
                return;
        step = plan_add(planner, KIND_SERVICE, found->pid ? ACTION_UPDATE : ACTION_CREATE, "", G_MAXUINT);
        step->detail = g_strdup(!found->pid           ? "DHCP and DNS"
                                : !found->config_same ? "DHCP and DNS restart; no VM notices"
                                                      : "reservations and names are read again");
        for (guint i = 0; i < planner->project->network_count; i++)
                plan_step_after(step, planner->network_steps[i]);
        planner->service_step = plan_last(planner);
}

/* Killed, it loses nothing, and comes back with the next `up`; where something is started it comes with that. */
static void
plan_supervisor(struct planner *planner)
{
        if (planner->world->supervised || !planner->world->home)
                return;
        for (guint i = 0; i < planner->world->vms->len; i++)
                if (vm_is_alive(g_ptr_array_index(planner->world->vms, i))) {
                        plan_add(planner, KIND_SUPERVISOR, ACTION_REPAIR, "", G_MAXUINT);
                        return;
                }
}

void
plan_services(struct planner *planner)
{
        if (!planner->options->networks)
                return;
        if (firewall_is_needed(&planner->resolved->lab)) {
                if (planner->world->firewall != FIREWALL_SAME) {
                        plan_add(planner, KIND_FIREWALL,
                                 planner->world->firewall == FIREWALL_ABSENT ? ACTION_CREATE : ACTION_UPDATE, "", G_MAXUINT);
                        planner->firewall_step = plan_last(planner);
                }
        } else if (planner->world->firewall != FIREWALL_ABSENT) {
                plan_add(planner, KIND_FIREWALL, ACTION_REMOVE, "", G_MAXUINT);
        }
        plan_uplink(planner);
        plan_dnsmasq(planner);
        plan_ports(planner);
        plan_supervisor(planner);
}

/* NICs that are taken out of a VM that runs, or moved to another network. */
static void
add_leaving_nics(const struct planner *planner, const struct plan_step *step, const char *owner, GHashTable *taps)
{
        for (guint i = 0; i < step->changes->len; i++) {
                const struct plan_change *change = g_ptr_array_index(step->changes, i);
                g_auto(GStrv) parts = g_strsplit(change->key, ".", -1);
                guint count = g_strv_length(parts);

                if (strcmp(parts[0], "networks") == 0 &&
                    ((count == 2 && !change->to) || (count == 3 && strcmp(parts[2], "network") == 0)))
                        g_hash_table_add(taps, lab_tap_name(planner->project->name, owner, parts[1]));
        }
}

/* Uplinks, which hold nothing up, and the taps of VMs that this plan stops: with the VM they are gone, and a VM that starts
 * again comes back with other ones. */
static GHashTable *
find_leaving_taps(const struct planner *planner)
{
        GHashTable *taps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        for (guint i = 0; i < planner->world->state->networks->len; i++) {
                const struct kept_network *kept = g_ptr_array_index(planner->world->state->networks, i);

                for (char **name = kept->uplinks; name && *name; name++)
                        g_hash_table_add(taps, g_strdup(*name));
        }
        for (guint i = 0; i < planner->plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(planner->plan->steps, i);
                const struct vm_world *vm = step->kind == KIND_VM ? world_vm(planner->world, step->name) : NULL;
                const char *owner = vm ? spec_tap_owner(vm->spec, vm->name) : NULL, *nic;
                json_t *value;

                if (vm && (step->action == ACTION_UPDATE || step->action == ACTION_REPAIR))
                        add_leaving_nics(planner, step, owner, taps);
                if (!vm || !vm->spec || (step->action != ACTION_RESTART && step->action != ACTION_REMOVE))
                        continue;
                json_object_foreach (json_object_get(vm->spec->wish, "networks"), nic, value)
                        g_hash_table_add(taps, lab_tap_name(planner->project->name, owner, nic));
        }
        return taps;
}

static gboolean
has_ports(const struct links *links, int ifindex, GHashTable *leaving)
{
        for (guint i = 0; i < links->links->len; i++) {
                const struct link *link = &g_array_index(links->links, struct link, i);

                if (link->master == ifindex && !g_hash_table_contains(leaving, link->name))
                        return TRUE;
        }
        return FALSE;
}

static gboolean
is_bridge_of(const struct planner *planner, const struct link *link, const char *network)
{
        struct ether_addr mac = lab_bridge_mac(planner->project->name, network);

        return link_is_ours(link, &mac);
}

/* A bridge has its alias only a moment after its birth; one that was left without is told by its MAC, as one of a network that
 * the file or the last record has. */
static const char *
network_without_alias(const struct planner *planner, const struct link *link)
{
        const GPtrArray *kept = planner->world->state->networks;

        for (guint i = 0; i < planner->project->network_count; i++)
                if (is_bridge_of(planner, link, planner->project->networks[i].name))
                        return planner->project->networks[i].name;
        for (guint i = 0; i < kept->len; i++) {
                const struct kept_network *network = g_ptr_array_index(kept, i);

                if (is_bridge_of(planner, link, network->name))
                        return network->name;
        }
        return NULL;
}

/* The name of a bridge's network, or NULL when it is not a bridge of this project. */
static const char *
network_of(const struct planner *planner, const struct link *link)
{
        g_autofree char *mark = lab_alias(planner->project->name, "");

        if (!link->is_bridge)
                return NULL;
        if (!link->alias || !*link->alias)
                return network_without_alias(planner, link);
        if (!g_str_has_prefix(link->alias, mark))
                return NULL;
        return is_bridge_of(planner, link, link->alias + strlen(mark)) ? link->alias + strlen(mark) : NULL;
}

static void
remove_bridge(struct planner *planner, const struct link *link, const char *name)
{
        guint before = planner->plan->steps->len;
        struct plan_step *step = plan_add(planner, KIND_NETWORK, ACTION_REMOVE, name, G_MAXUINT);

        step->path = g_strdup(link->name);
        for (guint i = 0; i < before; i++) {
                const struct plan_step *other = g_ptr_array_index(planner->plan->steps, i);

                if (other->kind == KIND_VM)
                        plan_step_after(step, i);
        }
}

/* What serves the guests, or keeps them apart, stays until they are down. */
static void
remove_after_vms(struct planner *planner, enum plan_kind kind)
{
        guint before = planner->plan->steps->len;
        struct plan_step *step = plan_add(planner, kind, ACTION_REMOVE, "", G_MAXUINT);

        for (guint i = 0; i < before; i++)
                if (((struct plan_step *)g_ptr_array_index(planner->plan->steps, i))->kind == KIND_VM)
                        plan_step_after(step, i);
}

static const char *
bridge_of(const struct planner *planner, const struct network *network)
{
        return planner->resolved->lab.networks[network - planner->project->networks].bridge;
}

/* down removes all of ours; up removes those that left the file, once nothing hangs on them. */
void
plan_networks_removed(struct planner *planner)
{
        g_autoptr(GHashTable) leaving = find_leaving_taps(planner);
        const struct links *links = planner->world->links;
        gboolean all = planner->options->remove_networks;

        if (all && planner->world->dnsmasq.pid)
                remove_after_vms(planner, KIND_SERVICE);
        if (all &&
            (planner->world->forwarder.pid || planner->world->forwarder.was_killed || planner->world->nft.ports))
                remove_after_vms(planner, KIND_PORTS);
        if (all && planner->world->uplink.was_started)
                remove_after_vms(planner, KIND_UPLINK);
        if (all && planner->world->firewall != FIREWALL_ABSENT)
                remove_after_vms(planner, KIND_FIREWALL);
        planner->plan->remove_namespace = all;
        if (!links || (!all && !planner->options->networks))
                return;
        for (guint i = 0; i < links->links->len; i++) {
                const struct link *link = &g_array_index(links->links, struct link, i);
                const char *name = network_of(planner, link);
                const struct network *wish = name ? project_find_network(planner->project, name) : NULL;
                gboolean renamed;

                renamed = wish && !wish->external && strcmp(bridge_of(planner, wish), link->name) != 0;
                if (!name || (!all && wish && !wish->external && !renamed))
                        continue;
                if (!all && !renamed && has_ports(links, link->ifindex, leaving)) {
                        struct plan_step *step = plan_add(planner, KIND_NETWORK, ACTION_ORPHAN, name, G_MAXUINT);

                        step->detail = g_strdup("VMs still use it");
                        continue;
                }
                remove_bridge(planner, link, name);
                if (renamed) /* its ports have moved to the new one by then */
                        plan_step_after(g_ptr_array_index(planner->plan->steps, plan_last(planner)),
                                        planner->network_steps[wish - planner->project->networks]);
        }
}
