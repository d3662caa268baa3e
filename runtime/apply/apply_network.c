/* apply_network.c - the steps for bridges, firewall, dnsmasq, published ports and the supervisor */
#include "runtime/apply/apply.h"

#include "base/error.h"
#include "network/link.h"
#include "network/ports/dnat.h"
#include "runtime/supervisor/supervisor.h"

static gboolean
attach_taps(struct apply *apply, guint network, GError **error)
{
        const struct project *project = apply->session->project;

        for (guint i = 0; i < project->vm_count; i++) {
                const struct vm *vm = &project->vms[i];
                const struct vm_world *found = world_vm(apply->session->world, vm->name);

                if (!vm_is_alive(found))
                        continue;
                for (guint n = 0; n < vm->nic_count; n++) {
                        const char *owner = spec_tap_owner(found->spec, vm->name);
                        g_autofree char *tap = lab_tap_name(project->name, owner, vm->nics[n].name);
                        g_autofree char *object = g_strdup_printf("%s/%s", vm->name, vm->nics[n].name);
                        g_autofree char *alias = lab_alias(project->name, object);
                        g_autoptr(GError) reason = NULL;

                        if (vm_nic_is_on(found, &vm->nics[n], project->networks[network].name) &&
                            links_find(apply->session->world->links, tap) &&
                            !link_attach(apply->host.netlink, tap, apply->bridges[network], alias,
                                         apply->session->resolved->vms[i].launch.nics[n].tap_mtu, &reason) &&
                            !g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND)) { /* gone with its VM meanwhile */
                                g_propagate_error(error, g_steal_pointer(&reason));
                                return error_prefix(error, "cannot attach the tap of vm '%s'", vm->name);
                        }
                }
        }
        return TRUE;
}

/* A guest must not become the host's IPv6 router by saying so. Without IPv6 there is no such file. */
static gboolean
refuse_router_advertisements(struct apply *apply, const char *bridge, GError **error)
{
        g_autofree char *name = g_strdup_printf("net/ipv6/conf/%s/accept_ra", bridge);
        g_autoptr(GError) reason = NULL;

        if (home_write_sysctl(apply->host.home, name, "0", &reason) ||
            g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                return TRUE;
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
}

/* An interface of the host that joins our bridge; those that did before are let go. It keeps all that it has, and stays up. */
static gboolean
join_uplink(struct apply *apply, const struct network *network, int bridge, GError **error)
{
        const struct kept_network *kept = state_network(apply->session->world->state, network->name);
        const struct links *links = apply->session->world->links;

        for (char **name = kept && links ? kept->uplinks : NULL; name && *name; name++) {
                const struct link *link = links_find(links, *name);

                if (link && link->master == bridge && g_strcmp0(*name, network->uplink) != 0 &&
                    !link_join(apply->host.netlink, *name, 0, error))
                        return FALSE;
        }
        return !network->uplink || link_join(apply->host.netlink, network->uplink, bridge, error);
}

static gboolean
ensure_network(struct apply *apply, const struct plan_step *step, GError **error)
{
        const struct network *network = &apply->session->resolved->lab.networks[step->index];
        g_autofree char *alias = lab_alias(apply->session->project->name, network->name);
        struct bridge bridge = {
                .name = network->bridge,
                .mac = lab_bridge_mac(apply->session->project->name, network->name),
                .alias = alias,
                .mtu = network->mtu,
                .ip = network->host_ip,
                .prefix = network->subnet.prefix,
                .ip6 = network->mode == MODE_BRIDGE ? in6addr_any : lab_host_ip6(network),
                .prefix6 = network->subnet6.prefix,
        };

        if (!network->external && (!bridge_ensure(apply->host.netlink, &bridge, &apply->bridges[step->index], error) ||
                                   !refuse_router_advertisements(apply, network->bridge, error)))
                return FALSE;
        if (!network->external && !join_uplink(apply, network, apply->bridges[step->index], error))
                return FALSE;
        return attach_taps(apply, step->index, error);
}

/* What stands in a namespace that goes needs no removal of its own: one bridge after the other takes the kernel 40 ms each. */
static gboolean
goes_with_namespace(const struct apply *apply, const struct plan_step *step)
{
        return step->action == ACTION_REMOVE && apply->plan->remove_namespace &&
               apply->session->world->isolation == ISOLATION_PRIVATE;
}

gboolean
apply_network(struct apply *apply, const struct plan_step *step, GError **error)
{
        struct ether_addr mac = lab_bridge_mac(apply->session->project->name, step->name);

        if (goes_with_namespace(apply, step))
                return TRUE;
        if (step->action == ACTION_REMOVE)
                return bridge_remove(apply->host.netlink, step->path, &mac, error) && apply_lab_left(apply, step, error);
        return ensure_network(apply, step, error);
}

gboolean
apply_firewall(struct apply *apply, const struct plan_step *step, GError **error)
{
        g_autofree char *host_state = paths_host_state(apply->session->world->paths);
        struct lab lab;
        gboolean ok;

        if (goes_with_namespace(apply, step))
                return TRUE;
        if (step->action == ACTION_REMOVE)
                return firewall_remove(apply->host.home, apply->session->project->name, apply->session->world->isolation,
                                       host_state, error);
        g_mutex_lock(&apply->guard_mutex);
        lab = apply_lab(apply);
        ok = firewall_ensure(apply->host.home, &lab, host_state, error);
        g_mutex_unlock(&apply->guard_mutex);
        g_mutex_lock(&apply->firewall_mutex);
        apply->firewall_progress = ok ? FIREWALL_STANDS : FIREWALL_FAILED;
        g_cond_broadcast(&apply->firewall_settled);
        g_mutex_unlock(&apply->firewall_mutex);
        return ok;
}

/* No guest runs before the rules that keep networks apart stand. Their step waits for nothing and comes before every VM's, so
 * that it has always begun when this waits for it. */
static gboolean
await_firewall(struct apply *apply, GError **error)
{
        gboolean failed;

        g_mutex_lock(&apply->firewall_mutex);
        while (apply->firewall_progress == FIREWALL_PENDING)
                g_cond_wait(&apply->firewall_settled, &apply->firewall_mutex);
        failed = apply->firewall_progress == FIREWALL_FAILED;
        g_mutex_unlock(&apply->firewall_mutex);
        return !failed || error_set(error, DROVER_ERROR_FAILED, "the firewall that it needs could not be loaded");
}

gboolean
apply_before_running(void *data, GError **error)
{
        struct apply *apply = data;

        return (!apply->supervise_early || apply_supervisor(apply, NULL, error)) && await_firewall(apply, error);
}

gboolean
apply_service(struct apply *apply, const struct plan_step *step, GError **error)
{
        g_autofree char *directory = g_build_filename(apply->session->world->paths->data, "dnsmasq", NULL);

        struct lab lab;
        gboolean ok;

        if (step->action == ACTION_REMOVE)
                return dnsmasq_stop(directory, error);
        g_mutex_lock(&apply->service_mutex);
        lab = apply_lab(apply);
        ok = dnsmasq_ensure(apply->host.home, &lab, error);
        g_mutex_unlock(&apply->service_mutex);
        return ok;
}

gboolean
apply_uplink(struct apply *apply, const struct plan_step *step, GError **error)
{
        const struct world *world = apply->session->world;
        const struct lab *lab = &apply->session->resolved->lab;
        g_autofree char *host_state = paths_host_state(world->paths);
        struct child_user user;
        struct uplink_place place = {world->home, world->netlink, world->paths->data, host_state,
                                     apply->session->root ? &user : NULL};

        if (step->action != ACTION_REMOVE && place.user && !session_qemu_user(&user, error))
                return FALSE;
        return step->action == ACTION_REMOVE ? uplink_remove(lab->project, &world->uplink, &place, error)
                                             : uplink_ensure(lab, uplink_kind(lab, world->paths->root), &world->uplink, &place,
                                                             error);
}

gboolean
apply_ports(struct apply *apply, const struct plan_step *step, GError **error)
{
        const struct session *session = apply->session;
        g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(struct forward));
        g_autofree char *host_state = paths_host_state(session->world->paths);
        struct child_user user;
        const struct forwarder_place place = {session->project->name, session->world->paths->data, session->world->paths->run,
                                              session->root ? &user : NULL};

        /* What the kernel leads goes first and comes last: never to where the forwarder would not. */
        if (step->action == ACTION_REMOVE)
                return (!session->world->nft.ports ||
                        dnat_ensure(apply->host.home, &session->resolved->lab, none, host_state, error)) &&
                       forwarder_stop(&place, error);
        return (!session->root || session_qemu_user(&user, error)) &&
               forwarder_ensure(apply->host.home, &place, apply->plan->forwards, error) &&
               (!session->world->ports_asked ||
                dnat_ensure(apply->host.home, &session->resolved->lab, apply->plan->forwards, host_state, error));
}

gboolean
apply_supervisor(struct apply *apply, const struct plan_step *step, GError **error)
{
        return supervisor_ensure(apply->session->world->paths, apply->session->project->name, apply->host.home, error);
}
