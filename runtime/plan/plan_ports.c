/* plan_ports.c - the planner's part for published ports: which are served, which are taken by others */
#include "runtime/plan/plan_build.h"

#include "parser/value/value.h"

#include <arpa/inet.h>
#include <string.h>

static gboolean
is_wanted(const struct planner *planner, guint vm)
{
        const struct vm_world *found = world_vm(planner->world, planner->project->vms[vm].name);
        enum goal goal = planner->goals[vm];

        return goal == GOAL_UP || goal == GOAL_CREATE || (found && found->spec && found->spec->present);
}

static const struct taken_port *
find_taken(const struct world *world, const struct forward *forward)
{
        for (guint i = 0; world->taken_ports && i < world->taken_ports->len; i++)
                if (forward_same_outside(&g_array_index(world->taken_ports, struct taken_port, i).forward, forward))
                        return &g_array_index(world->taken_ports, struct taken_port, i);
        return NULL;
}

/* The port of the host alone: "8080/tcp". */
static char *
format_port(const struct forward *forward)
{
        return g_strdup_printf("%u/%s", ntohs(forward->outside.ipv4.sin_port),
                               forward->protocol == FORWARD_UDP ? "udp" : "tcp");
}

/* Of one range, or of both families, the first says it. */
static void
check_port(struct planner *planner, const struct published *published, gboolean served, const struct port **told)
{
        const struct vm *vm = &planner->project->vms[published->vm];
        const struct taken_port *taken = served ? NULL : find_taken(planner->world, &published->forward);
        struct place place = project_place(published->port->node, "published");
        guint port = ntohs(published->forward.outside.ipv4.sin_port);
        g_autofree char *text = format_port(&published->forward);
        g_autoptr(GPtrArray) faults = NULL;

        if (*told == published->port)
                return;
        if (!published->forward.inside.ipv4.sin_addr.s_addr)
                faults_add(&faults, "port-no-address", place,
                           "reserve one: 'networks: {NETWORK: {ip: ADDRESS}}', of the VM's first network",
                           "ports of vm '%s': no address of it is known that port %s of the host could lead to", vm->name,
                           text);
        else if (taken)
                faults_add_passing(&faults, "port-taken-host", place, "end it, or take another port of the host",
                                   "ports of vm '%s': port %s of the host is taken by %s", vm->name, text,
                                   taken->holder ? taken->holder : "a process that is not to be seen");
        else if (!served && port < planner->world->first_open_port)
                faults_add(&faults, "port-privileged", place,
                           "take a higher one; or let root allow it: 'sysctl net.ipv4.ip_unprivileged_port_start'",
                           "ports of vm '%s': port %s of the host is root's: yours begin at %u", vm->name, text,
                           planner->world->first_open_port);
        if (!faults)
                return;
        *told = published->port;
        plan_refuse(planner, faults);
}

static void
check_count(struct planner *planner)
{
        const GArray *published = planner->resolved->published;
        g_autoptr(GPtrArray) faults = NULL;

        if (planner->plan->forwards->len <= FORWARD_MAX)
                return;
        faults_add(&faults, "port-count", project_place(g_array_index(published, struct published, 0).port->node, "published"),
                   NULL, "the VMs of this project publish %u ports of the host: %u is the limit", planner->plan->forwards->len,
                   (guint)FORWARD_MAX);
        plan_refuse(planner, faults);
}

/* Does what is served lead to a VM that the file no longer has, and that this plan leaves alone? */
static gboolean
leads_to_orphan(const struct planner *planner, const struct forward *forward)
{
        const struct lab *lab = &planner->resolved->lab;
        guint32 inside = ntohl(forward->inside.ipv4.sin_addr.s_addr);

        for (guint i = lab->host_count; i > 0 && lab->hosts[i - 1].leaving; i--) {
                const struct lab_host *host = &lab->hosts[i - 1];
                const struct vm_world *vm = world_vm(planner->world, host->leaving);

                if (host->ip == inside && !host->unserved)
                        return !vm->in_file && plan_orphan_action(planner, vm) == ACTION_ORPHAN;
        }
        return FALSE;
}

/* What runs keeps the ports that it has, unless the file gives them to another. */
static void
keep_orphans(struct planner *planner)
{
        const GArray *served = planner->world->forwarder.forwards;

        for (guint i = 0; served && i < served->len; i++) {
                const struct forward *forward = &g_array_index(served, struct forward, i);

                if (!forward_find(planner->plan->forwards, forward) && leads_to_orphan(planner, forward))
                        g_array_append_val(planner->plan->forwards, *forward);
        }
}

static void
choose_ports(struct planner *planner)
{
        const GArray *published = planner->resolved->published;
        const struct port *told = NULL;

        for (guint i = 0; i < published->len; i++) {
                const struct published *entry = &g_array_index(published, struct published, i);

                if (!is_wanted(planner, entry->vm))
                        continue;
                check_port(planner, entry, forward_find(planner->world->forwarder.forwards, &entry->forward) != NULL, &told);
                g_array_append_val(planner->plan->forwards, entry->forward);
        }
        keep_orphans(planner);
        check_count(planner);
}

/* All addresses of the host in both families are one thing to whoever reads it. */
static gboolean
is_second_family(const struct forward *forward, const GArray *forwards)
{
        struct forward first = *forward;

        if (forward->outside.any.sa_family != AF_INET6 || !IN6_IS_ADDR_UNSPECIFIED(&forward->outside.ipv6.sin6_addr))
                return FALSE;
        memset(&first.outside, 0, sizeof first.outside);
        first.outside.ipv4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = forward->outside.ipv6.sin6_port};
        return forward_find(forwards, &first) != NULL;
}

static void
add_change(GPtrArray *changes, const struct forward *from, const struct forward *to, const GArray *others)
{
        g_autofree char *old = from ? forward_format_inside(from) : NULL, *new = to ? forward_format_inside(to) : NULL;
        g_autofree char *outside = forward_format_outside(to ? to : from);

        if (!is_second_family(to ? to : from, others))
                plan_changes_add(changes, outside, old, new, CHANGE_LIVE);
}

/* Returns how many differ, also such that are not told. */
static guint
compare(const GArray *served, const GArray *wanted, GPtrArray *changes)
{
        guint count = 0;

        for (guint i = 0; served && i < served->len; i++) {
                const struct forward *forward = &g_array_index(served, struct forward, i);

                if (!forward_find(wanted, forward)) {
                        add_change(changes, forward, NULL, served);
                        count++;
                }
        }
        for (guint i = 0; i < wanted->len; i++) {
                const struct forward *forward = &g_array_index(wanted, struct forward, i);
                const struct forward *found = forward_find(served, forward);

                if (!found || !forward_equal(found, forward)) {
                        add_change(changes, found, forward, wanted);
                        count++;
                }
        }
        return count;
}

void
plan_ports(struct planner *planner)
{
        const struct forwarder_state *found = &planner->world->forwarder;
        struct plan *plan = planner->plan;
        g_autoptr(GPtrArray) changes = plan_changes_new();
        enum firewall_state led = FIREWALL_SAME;
        struct plan_step *step;
        gboolean differs;

        choose_ports(planner);
        if (planner->world->ports_asked)
                led = dnat_compare(&planner->resolved->lab, plan->forwards, planner->world->nft.ports);
        if (!plan->forwards->len) {
                if (found->pid || found->was_killed || led != FIREWALL_SAME)
                        plan_add(planner, KIND_PORTS, ACTION_REMOVE, "", G_MAXUINT);
                return;
        }
        differs = compare(found->forwards, plan->forwards, changes) > 0;
        if (!differs && led == FIREWALL_SAME)
                return;
        step = plan_add(planner, KIND_PORTS,
                        found->was_killed || !differs ? ACTION_REPAIR
                        : found->pid                  ? ACTION_UPDATE
                                                      : ACTION_CREATE,
                        "", G_MAXUINT);
        g_ptr_array_unref(step->changes);
        step->changes = g_steal_pointer(&changes);
}
