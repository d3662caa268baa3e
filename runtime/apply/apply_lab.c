/* apply_lab.c - the networks as they are while a plan is carried out: what firewall and dnsmasq know of VMs follows these
 *
 * They were told of what ran when the plan was made (resolve_running.c). A VM that is started anew brings its new MACs, and
 * one that ends takes along what the file no longer has. Whoever loads the rules takes the lab after he has the right to load
 * them, so that the last to come loads the latest.
 */
#include "runtime/apply/apply.h"

#include "network/dnsmasq.h"
#include "network/guard.h"

#include <string.h>

/* A NIC that is taken out of a VM which runs on. */
static gboolean
takes_nic(const struct apply *apply, const struct plan_step *step, const struct lab_host *host)
{
        const struct vm_world *found = world_vm(apply->session->world, step->name);

        for (guint i = 0; i < step->changes->len; i++) {
                const struct plan_change *change = g_ptr_array_index(step->changes, i);
                g_auto(GStrv) parts = g_strsplit(change->key, ".", 3);
                g_autofree char *tap = NULL;

                if (change->to || strcmp(parts[0], "networks") != 0 || !parts[1] || parts[2])
                        continue;
                tap = lab_tap_name(apply->session->project->name, spec_tap_owner(found->spec, found->name), parts[1]);
                if (strcmp(tap, host->tap) == 0)
                        return TRUE;
        }
        return FALSE;
}

static gboolean
takes_along(const struct apply *apply, const struct plan_step *step, const struct lab_host *host)
{
        if (step->kind != KIND_VM || g_strcmp0(host->leaving, step->name) != 0)
                return FALSE;
        switch (step->action) {
        case ACTION_STOP:
        case ACTION_KILL:
        case ACTION_REMOVE:
        case ACTION_RESTART:
                return TRUE;
        case ACTION_UPDATE:
        case ACTION_REPAIR:
                return takes_nic(apply, step, host);
        default:
                return FALSE;
        }
}

static gboolean
takes_any(const struct apply *apply, const struct plan_step *step)
{
        const struct lab *lab = &apply->session->resolved->lab;

        for (guint i = lab->host_count; i > 0 && lab->hosts[i - 1].leaving; i--) /* they are the last */
                if (takes_along(apply, step, &lab->hosts[i - 1]))
                        return TRUE;
        return FALSE;
}

static guint
count_leaving(const struct apply *apply)
{
        guint count = 0;

        for (guint i = 0; i < apply->plan->steps->len; i++)
                count += takes_any(apply, g_ptr_array_index(apply->plan->steps, i));
        return count;
}

static gboolean
has_step(const struct plan *plan, enum plan_kind kind)
{
        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);

                if (step->kind == kind && plan_action_acts(step->action))
                        return TRUE;
        }
        return FALSE;
}

void
apply_lab_init(struct apply *apply)
{
        const struct world *world = apply->session->world;

        g_mutex_init(&apply->lab_mutex);
        g_mutex_init(&apply->guard_mutex);
        g_mutex_init(&apply->service_mutex);
        apply->lab = apply->session->resolved->lab;
        apply->kept = g_ptr_array_new_with_free_func(g_free);
        apply->leaving = count_leaving(apply);
        /* `start` and `restart` leave the networks alone: what they start needs its own all the same. */
        apply->guard_is_old = world->firewall != FIREWALL_SAME && !has_step(apply->plan, KIND_FIREWALL);
        apply->hosts_are_old = world->dnsmasq.pid && world->dnsmasq.config_same && !world->dnsmasq.hosts_same &&
                               !has_step(apply->plan, KIND_SERVICE);
}

void
apply_lab_clear(struct apply *apply)
{
        g_ptr_array_unref(apply->kept);
        g_mutex_clear(&apply->lab_mutex);
        g_mutex_clear(&apply->guard_mutex);
        g_mutex_clear(&apply->service_mutex);
}

struct lab
apply_lab(struct apply *apply)
{
        struct lab lab;

        g_mutex_lock(&apply->lab_mutex);
        lab = apply->lab;
        g_mutex_unlock(&apply->lab_mutex);
        return lab;
}

/* The hosts without what this step takes along; others may still read the list that was. */
static void
drop_hosts(struct apply *apply, const struct plan_step *step)
{
        struct lab_host *hosts = g_new(struct lab_host, apply->lab.host_count + 1);
        guint count = 0;

        for (guint i = 0; i < apply->lab.host_count; i++)
                if (!takes_along(apply, step, &apply->lab.hosts[i]))
                        hosts[count++] = apply->lab.hosts[i];
        g_ptr_array_add(apply->kept, hosts);
        apply->lab.hosts = hosts;
        apply->lab.host_count = count;
}

/* The NICs of a VM as it will be started: other MACs, and taps of another name after it was renamed. */
static gboolean
take_nics(struct apply *apply, const struct plan_step *step)
{
        const struct resolved_vm *vm = &apply->session->resolved->vms[step->index];
        const char *owner = vm->launch.tap_owner ? vm->launch.tap_owner : vm->vm->name;
        g_autofree struct lab_host *hosts = NULL;

        for (guint i = 0; i < vm->launch.nic_count; i++) {
                const struct launch_nic *nic = &vm->launch.nics[i];
                const struct lab_host *before = &apply->lab.hosts[vm->first_host + i];
                g_autofree char *tap = lab_tap_name(apply->session->project->name, owner, nic->nic->name);

                if (memcmp(&before->mac, &nic->mac, sizeof nic->mac) == 0 && strcmp(before->tap, tap) == 0)
                        continue;
                if (!hosts)
                        hosts = g_memdup2(apply->lab.hosts, sizeof *hosts * apply->lab.host_count);
                hosts[vm->first_host + i].mac = nic->mac;
                hosts[vm->first_host + i].tap = tap;
                g_ptr_array_add(apply->kept, g_steal_pointer(&tap));
        }
        if (!hosts)
                return FALSE;
        apply->lab.hosts = hosts;
        g_ptr_array_add(apply->kept, g_steal_pointer(&hosts));
        return TRUE;
}

/* Where it stood there is nothing of ours: the numbers of the others stay. */
static gboolean
drop_network(struct apply *apply, const char *name)
{
        struct network *networks = NULL;

        for (guint i = apply->session->project->network_count; i < apply->lab.network_count; i++) {
                if (strcmp(apply->lab.networks[i].name, name) != 0)
                        continue;
                networks = g_memdup2(apply->lab.networks, sizeof *networks * apply->lab.network_count);
                networks[i].external = TRUE;
                networks[i].mode = MODE_BRIDGE;
                apply->lab.networks = networks;
                g_ptr_array_add(apply->kept, networks);
        }
        return networks != NULL;
}

static gboolean
load_guard(struct apply *apply, GError **error)
{
        gboolean ok;
        struct lab lab;

        g_mutex_lock(&apply->guard_mutex);
        lab = apply_lab(apply);
        ok = guard_ensure(apply->host.home, &lab, error);
        g_mutex_unlock(&apply->guard_mutex);
        return ok;
}

static gboolean
load_hosts(struct apply *apply, GError **error)
{
        gboolean ok;
        struct lab lab;

        g_mutex_lock(&apply->service_mutex);
        lab = apply_lab(apply);
        ok = dnsmasq_is_needed(&lab) ? dnsmasq_ensure(apply->host.home, &lab, error) : dnsmasq_stop(lab.directory, error);
        g_mutex_unlock(&apply->service_mutex);
        return ok;
}

gboolean
apply_lab_ended(struct apply *apply, const struct plan_step *step, GError **error)
{
        gboolean last;

        if (!apply->leaving || apply->plan->remove_namespace || !takes_any(apply, step))
                return TRUE;
        g_mutex_lock(&apply->lab_mutex);
        drop_hosts(apply, step);
        last = --apply->leaving == 0;
        g_mutex_unlock(&apply->lab_mutex);
        return !last || (load_guard(apply, error) && load_hosts(apply, error));
}

gboolean
apply_lab_starts(struct apply *apply, const struct plan_step *step, GError **error)
{
        gboolean guard, hosts, differs;

        g_mutex_lock(&apply->lab_mutex);
        differs = step->action == ACTION_RESTART && take_nics(apply, step);
        guard = differs || apply->guard_is_old;
        hosts = differs || apply->hosts_are_old;
        apply->guard_is_old = apply->hosts_are_old = FALSE;
        g_mutex_unlock(&apply->lab_mutex);
        return (!guard || load_guard(apply, error)) && (!hosts || load_hosts(apply, error));
}

gboolean
apply_lab_left(struct apply *apply, const struct plan_step *step, GError **error)
{
        g_autofree char *host_state = paths_host_state(apply->session->world->paths);
        gboolean dropped, ok;
        struct lab lab;

        if (apply->plan->remove_namespace)
                return TRUE;
        g_mutex_lock(&apply->lab_mutex);
        dropped = drop_network(apply, step->name);
        g_mutex_unlock(&apply->lab_mutex);
        if (!dropped)
                return TRUE;
        g_mutex_lock(&apply->guard_mutex);
        lab = apply_lab(apply);
        ok = firewall_is_needed(&lab)
                     ? firewall_ensure(apply->host.home, &lab, host_state, error)
                     : firewall_remove(apply->host.home, lab.project, lab.isolation, host_state, error);
        g_mutex_unlock(&apply->guard_mutex);
        return ok && load_hosts(apply, error);
}
