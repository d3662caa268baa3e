/* apply.c - carry a plan out: every step is one blocking, idempotent action; graph.c runs them
 *
 * A kill at any point leaves something that the next observation sees for what it is: a bridge without its address, a disk's
 * draft, a QEMU that waits for `cont`. So nothing is rolled back here; what failed is told, and the next `up` goes on.
 */
#include "runtime/session.h"

#include "base/error.h"
#include "base/file.h"
#include "base/trace.h"
#include "network/link.h"
#include "parser/value.h"
#include "runtime/disk.h"
#include "runtime/observe.h"
#include "runtime/supervisor.h"
#include "runtime/vm.h"

#include <string.h>
#include <unistd.h>

enum { DEFAULT_GRACE_MS = 30000 };

struct apply {
        struct session *session;
        const struct plan *plan;
        const struct apply_options *options;
        struct child_user user;
        struct vm_host host;
        int *bridges; /* ifindex of each network's bridge; 0: not there yet */
        GMutex firewall_mutex;
        GCond firewall_settled;
        enum { FIREWALL_PENDING = 1, FIREWALL_STANDS, FIREWALL_FAILED } firewall_progress; /* 0: it is no part of this plan */
        struct action *actions;
};

/* What a node of the graph works on. */
struct action {
        struct apply *apply;
        const struct plan_step *step;
};

/* ---- networks ---- */

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
                        g_autofree char *tap = lab_tap_name(project->name, vm->name, vm->nics[n].name);
                        g_autofree char *object = g_strdup_printf("%s/%s", vm->name, vm->nics[n].name);
                        g_autofree char *alias = lab_alias(project->name, object);
                        g_autoptr(GError) reason = NULL;

                        if (vm_nic_is_on(found, &vm->nics[n], project->networks[network].name) &&
                            links_find(apply->session->world->links, tap) &&
                            !link_attach(apply->host.netlink, tap, apply->bridges[network], alias, 0, &reason) &&
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
        };

        if (!network->external && (!bridge_ensure(apply->host.netlink, &bridge, &apply->bridges[step->index], error) ||
                                   !refuse_router_advertisements(apply, network->bridge, error)))
                return FALSE;
        return attach_taps(apply, step->index, error);
}

static gboolean
do_network(struct apply *apply, const struct plan_step *step, GError **error)
{
        struct ether_addr mac = lab_bridge_mac(apply->session->project->name, step->name);

        if (step->action == ACTION_REMOVE)
                return bridge_remove(apply->host.netlink, step->path, &mac, error);
        return ensure_network(apply, step, error);
}

static gboolean
do_firewall(struct apply *apply, const struct plan_step *step, GError **error)
{
        g_autofree char *host_state = paths_host_state(apply->session->world->paths);
        gboolean ok;

        if (step->action == ACTION_REMOVE)
                return firewall_remove(apply->host.home, apply->session->project->name, apply->session->world->isolation,
                                       host_state, error);
        ok = firewall_ensure(apply->host.home, &apply->session->resolved->lab, host_state, error);
        g_mutex_lock(&apply->firewall_mutex);
        apply->firewall_progress = ok ? FIREWALL_STANDS : FIREWALL_FAILED;
        g_cond_broadcast(&apply->firewall_settled);
        g_mutex_unlock(&apply->firewall_mutex);
        return ok;
}

/* No guest runs before the rules that keep networks apart stand. Their step waits for nothing and comes before every VM's, so
 * that it has always begun when this waits for it. */
static gboolean
await_firewall(void *data, GError **error)
{
        struct apply *apply = data;
        gboolean failed;

        g_mutex_lock(&apply->firewall_mutex);
        while (apply->firewall_progress == FIREWALL_PENDING)
                g_cond_wait(&apply->firewall_settled, &apply->firewall_mutex);
        failed = apply->firewall_progress == FIREWALL_FAILED;
        g_mutex_unlock(&apply->firewall_mutex);
        return !failed || error_set(error, DROVER_ERROR_FAILED, "the firewall that it needs could not be loaded");
}

static gboolean
do_service(struct apply *apply, const struct plan_step *step, GError **error)
{
        g_autofree char *directory = g_build_filename(apply->session->world->paths->data, "dnsmasq", NULL);

        if (step->action == ACTION_REMOVE)
                return dnsmasq_stop(directory, error);
        return dnsmasq_ensure(apply->host.home, &apply->session->resolved->lab, error);
}

/* ---- disks ---- */

/* What runs is what spec.json says: of a VM that lives only its new disks are recorded now, the rest when it starts anew. */
static gboolean
record_disks(struct apply *apply, const struct resolved_vm *vm, GError **error)
{
        const struct vm_world *found = world_vm(apply->session->world, vm->vm->name);
        g_autoptr(spec_t) spec = vm_is_alive(found) && found->spec ? spec_copy(found->spec) : NULL;

        if (spec) {
                g_ptr_array_unref(spec->disks);
                spec->disks = g_ptr_array_ref(vm->spec->disks);
        }
        return spec_save(apply->session->world->paths, spec ? spec : vm->spec, error);
}

static gboolean
create_disk(struct apply *apply, const struct plan_step *step, GError **error)
{
        const struct resolved_vm *vm = &apply->session->resolved->vms[step->index];
        const struct launch_disk *disk = &vm->launch.disks[step->disk];
        const struct kept_disk *kept = spec_disk(vm->spec, disk->disk->name);
        struct disk_wish wish = {
                .path = disk->path,
                .format = disk->format,
                .size_bytes = disk->disk->size_bytes,
                .backing_path = disk->backing_path,
                .backing_format = disk->backing_format,
                .backing_size_bytes = kept ? kept->backing.virtual_size_bytes : 0,
                .owner = apply->host.user,
        };

        if (!disk->disk->named && !paths_ensure_vm_data(apply->session->world->paths, vm->vm->name, error))
                return FALSE;
        /* The image below an overlay is recorded before the overlay exists: a disk is never without its origin. */
        if (kept && !file_exists(disk->path) && !record_disks(apply, vm, error))
                return FALSE;
        return disk_ensure(&wish, error);
}

static gboolean
do_disk(struct apply *apply, const struct plan_step *step, GError **error)
{
        return step->action == ACTION_REMOVE ? file_remove(step->path, error) : create_disk(apply, step, error);
}

/* Generations of the VM's own disks that a fresh one has replaced. */
static gboolean
remove_old_generations(struct apply *apply, const struct resolved_vm *vm, GError **error)
{
        g_autofree char *directory = paths_vm_data(apply->session->world->paths, vm->vm->name);
        g_autoptr(GPtrArray) names = file_list_directory(directory, error);

        if (!names)
                return FALSE;
        for (guint i = 0; i < names->len; i++) {
                g_auto(GStrv) parts = g_strsplit(g_ptr_array_index(names, i), ".", 3);
                const struct kept_disk *kept = g_strv_length(parts) == 3 ? spec_disk(vm->spec, parts[0]) : NULL;
                g_autofree char *path = g_build_filename(directory, g_ptr_array_index(names, i), NULL);

                if (kept && g_ascii_strtoull(parts[1], NULL, 10) < kept->generation && !file_remove(path, error))
                        return FALSE;
        }
        return TRUE;
}

/* ---- VMs ---- */

/* The spec as it was last applied: that of a VM in the file, or of an orphan. */
static struct spec *
copy_applied(const struct apply *apply, const char *vm)
{
        return spec_load(apply->session->world->paths, vm, NULL);
}

static int
grace_of(const struct apply *apply, const struct plan_step *step)
{
        const struct project *project = apply->session->project;
        const struct vm_world *found = world_vm(apply->session->world, step->name);
        const char *text;
        guint64 ms;

        if (step->action == ACTION_KILL || (found && found->status == VM_STARTING))
                return 0; /* what has not begun to run cannot hear the button */
        if (apply->options->grace_ms >= 0)
                return apply->options->grace_ms;
        if (step->index != G_MAXUINT)
                return (int)project->vms[step->index].stop_grace_ms;
        text = found && found->spec && found->spec->wish ? json_text(found->spec->wish, "stop_grace_period") : NULL;
        return text && value_parse_duration(text, &ms, NULL) && ms < G_MAXINT ? (int)ms : DEFAULT_GRACE_MS;
}

static gboolean
start_vm(struct apply *apply, const struct plan_step *step, GError **error)
{
        const struct resolved_vm *vm = &apply->session->resolved->vms[step->index];
        const struct world *world = apply->session->world;

        if (!paths_ensure_vm_data(apply->session->world->paths, vm->vm->name, error))
                return FALSE;
        if (step->idle)
                return spec_save(world->paths, vm->spec, error);
        if (vm->launch.firmware_vars && step->fresh && !file_remove(vm->launch.firmware_vars, error))
                return FALSE;
        if (vm->launch.firmware_vars && !disk_ensure_vars(vm->launch.firmware_vars, world->uefi_vars, apply->host.user, error))
                return error_prefix(error, "cannot make its UEFI variables");
        if (!vm_start(&apply->host, &vm->launch, vm->spec, apply->options->paused, error))
                return FALSE;
        return !step->fresh || remove_old_generations(apply, vm, error);
}

static gboolean
stop_vm(struct apply *apply, const struct plan_step *step, GError **error)
{
        g_autoptr(spec_t) spec = copy_applied(apply, step->name);

        if (!vm_stop(apply->session->world->paths, step->name, grace_of(apply, step), NULL, error))
                return FALSE;
        if (!spec || step->action == ACTION_RESTART)
                return TRUE;
        spec->stopped = step->action != ACTION_REMOVE;
        spec->present = step->action != ACTION_REMOVE;
        spec->paused = FALSE;
        return spec_save(apply->session->world->paths, spec, error);
}

static gboolean
set_paused(struct apply *apply, const struct plan_step *step, gboolean paused, GError **error)
{
        g_autoptr(spec_t) spec = copy_applied(apply, step->name);

        if (!vm_command(apply->session->world->paths, step->name, paused ? "stop" : "cont", error))
                return FALSE;
        if (!spec || spec->paused == paused)
                return TRUE;
        spec->paused = paused;
        return spec_save(apply->session->world->paths, spec, error);
}

/* Put the value at a path of one JSON object where the same path of another has it. */
static void
copy_path(json_t *to, const json_t *from, const char *path)
{
        g_auto(GStrv) parts = g_strsplit(path, ".", -1);

        for (char **part = parts; *part; part++) {
                json_t *value = json_object_get(from, *part);

                if (!part[1] || !json_is_object(json_object_get(to, *part))) {
                        if (value)
                                json_object_set_new(to, *part, json_deep_copy(value));
                        else
                                json_object_del(to, *part);
                        return;
                }
                to = json_object_get(to, *part);
                from = value;
        }
}

/* Live changes have been made by the steps for networks and services: what is left is to remember them. */
static gboolean
remember_live_changes(struct apply *apply, const struct plan_step *step, GError **error)
{
        const struct resolved_vm *vm = &apply->session->resolved->vms[step->index];
        g_autoptr(spec_t) spec = copy_applied(apply, step->name);

        for (guint i = 0; i < step->changes->len; i++) {
                const struct plan_change *change = g_ptr_array_index(step->changes, i);

                copy_path(spec->wish, vm->spec->wish, change->key);
                copy_path(spec->set, vm->spec->set, change->key);
        }
        return spec_save(apply->session->world->paths, spec, error);
}

static gboolean
do_vm(struct apply *apply, const struct plan_step *step, GError **error)
{
        gboolean ok = TRUE;

        switch (step->action) {
        case ACTION_CREATE:
        case ACTION_START:
                ok = start_vm(apply, step, error);
                return ok ? TRUE : error_prefix(error, "cannot start vm '%s'", step->name);
        case ACTION_RESTART:
                ok = stop_vm(apply, step, error) && start_vm(apply, step, error);
                return ok ? TRUE : error_prefix(error, "cannot restart vm '%s'", step->name);
        case ACTION_STOP:
        case ACTION_KILL:
        case ACTION_REMOVE:
                ok = stop_vm(apply, step, error);
                return ok ? TRUE : error_prefix(error, "cannot stop vm '%s'", step->name);
        case ACTION_PAUSE:
        case ACTION_CONTINUE:
                ok = set_paused(apply, step, step->action == ACTION_PAUSE, error);
                return ok ? TRUE : error_prefix(error, "cannot %s vm '%s'", plan_action_name(step->action), step->name);
        case ACTION_UPDATE:
                return remember_live_changes(apply, step, error);
        default:
                return TRUE;
        }
}

static gboolean
do_supervisor(struct apply *apply, const struct plan_step *step, GError **error)
{
        return supervisor_ensure(apply->session->world->paths, apply->session->project->name, apply->host.home, error);
}

/* ---- the whole ---- */

static gboolean
run_action(void *data, GError **error)
{
        static gboolean (*const functions[])(struct apply *, const struct plan_step *, GError **) = {
                [KIND_NETWORK] = do_network, [KIND_FIREWALL] = do_firewall, [KIND_SERVICE] = do_service,
                [KIND_DISK] = do_disk,       [KIND_VM] = do_vm,             [KIND_SUPERVISOR] = do_supervisor,
        };
        static const char *const subjects[] = {[KIND_NETWORK] = "network", [KIND_FIREWALL] = "the firewall",
                                               [KIND_SERVICE] = "DHCP and DNS", [KIND_DISK] = "disk",
                                               [KIND_SUPERVISOR] = "the supervisor"};
        struct action *action = data;
        const struct plan_step *step = action->step;
        gint64 start = g_get_monotonic_time();
        gboolean ok = functions[step->kind](action->apply, step, error);

        trace_span("action", start, "%s %s %s: %s", plan_action_name(step->action), plan_kind_name(step->kind), step->name,
                   ok ? "done" : "failed");
        if (ok || step->kind == KIND_VM)
                return ok;
        if (*step->name)
                return error_prefix(error, "cannot %s %s '%s'", plan_action_name(step->action), subjects[step->kind], step->name);
        return error_prefix(error, "cannot %s %s", plan_action_name(step->action), subjects[step->kind]);
}

static void
report(guint index, const struct graph_node *node, void *data)
{
        static const enum step_event events[] = {[GRAPH_RUNNING] = STEP_STARTED, [GRAPH_DONE] = STEP_DONE,
                                                 [GRAPH_FAILED] = STEP_FAILED,   [GRAPH_SKIPPED] = STEP_SKIPPED,
                                                 [GRAPH_CANCELLED] = STEP_SKIPPED};
        const struct apply *apply = data;

        if (apply->options->progress)
                apply->options->progress(apply->actions[index].step, events[node->state], node->error,
                                         node->end_us ? node->end_us - node->start_us : 0, apply->options->progress_data);
}

/* What killed drovers left half-written; once and before anything is written, since drafts of several steps share a directory. */
static void
remove_drafts(const struct world *world)
{
        g_autofree char *disks = g_build_filename(world->paths->data, "disks", NULL);

        file_remove_drafts(world->paths->data);
        file_remove_drafts(disks);
        for (guint i = 0; i < world->vms->len; i++) {
                g_autofree char *path = paths_vm_data(world->paths, ((struct vm_world *)g_ptr_array_index(world->vms, i))->name);

                file_remove_drafts(path);
        }
}

/* What is known of the bridges before anything is done. */
static void
find_bridges(struct apply *apply)
{
        const struct resolved *resolved = apply->session->resolved;
        const struct links *links = apply->session->world->links;

        apply->bridges = g_new0(int, resolved->lab.network_count + 1);
        for (guint i = 0; links && i < resolved->lab.network_count; i++) {
                const struct link *link = links_find(links, resolved->lab.networks[i].bridge);

                apply->bridges[i] = link ? link->ifindex : 0;
        }
}

static gboolean
save_state(struct apply *apply, GError **error)
{
        struct session *session = apply->session;
        struct state *state = session->world->state;
        const struct resolved *resolved = session->resolved;

        if (session->project->directory) {
                g_free(state->directory);
                state->directory = g_strdup(session->project->directory);
        }
        if (!apply->plan->remove_namespace) {
                state->isolation = session->world->isolation; /* not the file's, while what runs is in another */
                for (guint i = 0; i < resolved->lab.network_count; i++)
                        state_keep_network(state, &resolved->lab.networks[i]);
        }
        return state_save(session->world->paths, state, error);
}

/* The specs of VMs that will be started, as they will be then: so that a disk's step and the start save the same. */
static void
mark_started(struct apply *apply)
{
        for (guint i = 0; i < apply->plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(apply->plan->steps, i);
                struct spec *spec;

                if (step->kind == KIND_FIREWALL && plan_action_acts(step->action) && step->action != ACTION_REMOVE)
                        apply->firewall_progress = FIREWALL_PENDING;
                if (step->kind != KIND_VM || (step->action != ACTION_CREATE && step->action != ACTION_START &&
                                              step->action != ACTION_RESTART))
                        continue;
                spec = apply->session->resolved->vms[step->index].spec;
                if (!spec->wish)
                        resolve_wish(&apply->session->resolved->vms[step->index]);
                spec->present = TRUE;
                spec->stopped = FALSE;
                spec->paused = FALSE;
        }
}

static gboolean
prepare(struct apply *apply, GError **error)
{
        struct session *session = apply->session;
        const struct world *world = session->world;

        if (!paths_ensure(world->paths, error))
                return FALSE;
        remove_drafts(world);
        if (session->root && plan_starts(apply->plan)) {
                if (!session_qemu_user(&apply->user, error))
                        return FALSE;
                apply->host.user = &apply->user;
        }
        qemu_keep(world->qemu, world->paths->cache);
        find_bridges(apply);
        mark_started(apply);
        apply->host.paths = world->paths;
        apply->host.home = world->home;
        apply->host.netlink = world->netlink;
        apply->host.project = session->project->name;
        apply->host.bridges = apply->bridges;
        apply->host.qemu = world->qemu ? world->qemu->path : NULL;
        apply->host.before_running = await_firewall;
        apply->host.before_running_data = apply;
        return save_state(apply, error);
}

/* The nodes of all steps that act; dependencies on others count as done. */
static struct graph_node *
build_graph(struct apply *apply, guint *ret_count, GArray *after)
{
        const GPtrArray *steps = apply->plan->steps;
        struct graph_node *nodes = g_new0(struct graph_node, steps->len + 1);
        g_autofree guint *numbers = g_new0(guint, steps->len + 1);
        g_autofree guint *offsets = g_new0(guint, steps->len + 1);
        guint count = 0;

        apply->actions = g_new0(struct action, steps->len + 1);
        for (guint i = 0; i < steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(steps, i);
                gboolean acts = plan_action_acts(step->action);

                numbers[i] = acts ? count : G_MAXUINT;
                if (!acts)
                        continue;
                apply->actions[count] = (struct action){apply, step};
                offsets[count] = after->len;
                for (guint n = 0; n < step->after->len; n++) {
                        guint before = numbers[g_array_index(step->after, guint, n)];

                        if (before != G_MAXUINT)
                                g_array_append_val(after, before);
                }
                nodes[count].function = run_action;
                nodes[count].data = &apply->actions[count];
                nodes[count].after_count = after->len - offsets[count];
                nodes[count].waits = step->kind == KIND_VM && (step->action == ACTION_STOP || step->action == ACTION_KILL ||
                                                               step->action == ACTION_REMOVE);
                count++;
        }
        for (guint i = 0; i < count; i++)
                nodes[i].after = &g_array_index(after, guint, offsets[i]);
        *ret_count = count;
        return nodes;
}

/* Identity and logs of VMs that were removed with their disks. */
static gboolean
forget_vms(struct apply *apply, GError **error)
{
        for (guint i = 0; i < apply->plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(apply->plan->steps, i);
                g_autofree char *directory = paths_vm_data(apply->session->world->paths, step->name);

                if (step->kind == KIND_VM && step->action == ACTION_REMOVE &&
                    !vm_is_locked(apply->session->world->paths, step->name) && !file_remove_tree(directory, error))
                        return FALSE;
        }
        return TRUE;
}

static gboolean
is_anything_alive(const struct apply *apply)
{
        const GPtrArray *vms = apply->session->world->vms;

        for (guint i = 0; i < vms->len; i++)
                if (vm_is_locked(apply->session->world->paths, ((struct vm_world *)g_ptr_array_index(vms, i))->name))
                        return TRUE;
        return FALSE;
}

/* Also when a step failed: the other VMs run. */
static gboolean
supervise(struct apply *apply, GError **error)
{
        return !apply->host.home || !is_anything_alive(apply) ||
               supervisor_ensure(apply->session->world->paths, apply->session->project->name, apply->host.home, error);
}

/* state.json goes after what it stands for, so that a killed `down -v` can be repeated; the lock last: it guards all. */
static gboolean
remove_data(const struct paths *paths, GError **error)
{
        g_autoptr(GPtrArray) names = file_list_directory(paths->data, error);
        static const char *const last[] = {"state.json", "lock", NULL};

        for (guint i = 0; names && i < names->len; i++) {
                g_autofree char *path = g_build_filename(paths->data, g_ptr_array_index(names, i), NULL);

                if (!g_strv_contains(last, g_ptr_array_index(names, i)) && !file_remove_tree(path, error))
                        return FALSE;
        }
        for (guint i = 0; names && last[i]; i++) {
                g_autofree char *path = g_build_filename(paths->data, last[i], NULL);

                if (!file_remove(path, error))
                        return FALSE;
        }
        (void)rmdir(paths->data); /* fails where another drover has begun anew */
        return names != NULL;
}

static gboolean
finish(struct apply *apply, GError **error)
{
        const struct paths *paths = apply->session->world->paths;

        if (apply->plan->forget && !forget_vms(apply, error))
                return FALSE;
        if (apply->plan->remove_namespace) {
                if (apply->host.home && !home_remove(apply->host.home, error))
                        return FALSE;
                if (!file_remove_tree(paths->run, error))
                        return FALSE;
        }
        return !apply->plan->forget_all || remove_data(paths, error);
}

gboolean
session_apply(struct session *session, const struct plan *plan, const struct apply_options *options, guint *ret_failed,
              GError **error)
{
        struct apply apply = {.session = session, .plan = plan, .options = options};
        struct graph_options graph = {options->parallel, options->cancel, report, &apply};
        g_autoptr(GArray) after = g_array_new(FALSE, FALSE, sizeof(guint));
        g_autofree struct graph_node *nodes = NULL;
        guint count = 0, failed = 0, skipped = 0;
        gboolean ok;

        g_mutex_init(&apply.firewall_mutex);
        g_cond_init(&apply.firewall_settled);
        ok = prepare(&apply, error);
        if (ok) {
                nodes = build_graph(&apply, &count, after);
                ok = graph_run(nodes, count, &graph);
                ok = supervise(&apply, ok ? error : NULL) && ok;
        }
        for (guint i = 0; i < count; i++) {
                failed += nodes[i].state == GRAPH_FAILED;
                skipped += nodes[i].state == GRAPH_SKIPPED || nodes[i].state == GRAPH_CANCELLED;
                g_clear_error(&nodes[i].error);
        }
        if (ok)
                ok = finish(&apply, error);
        else if (failed)
                error_set(error, DROVER_ERROR_FAILED, "%u of %u steps failed, %u were not begun", failed, count, skipped);
        else if (skipped)
                error_set(error, DROVER_ERROR_INTERRUPTED, "interrupted: %u of %u steps were not begun", skipped, count);
        if (ret_failed)
                *ret_failed = failed;
        g_mutex_clear(&apply.firewall_mutex);
        g_cond_clear(&apply.firewall_settled);
        g_free(apply.actions);
        g_free(apply.bridges);
        return ok;
}
