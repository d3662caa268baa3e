/* apply.c - carry a plan out: every step is one blocking, idempotent action; graph.c runs them
 *
 * A kill at any point leaves something that the next observation sees for what it is: a bridge without its address, a disk's
 * draft, a QEMU that waits for `cont`. So nothing is rolled back here; what failed is told, and the next `up` goes on.
 */
#include "runtime/apply/apply.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/trace.h"
#include "runtime/apply/graph.h"
#include "runtime/observe.h"
#include "runtime/supervisor/journal.h"
#include "runtime/supervisor/supervisor.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* What a node of the graph works on. */
struct action {
        struct apply *apply;
        const struct plan_step *step;
        gboolean ahead; /* apply_plug(), for a step that comes; nobody is told of it */
};

/* What was done, or why it could not be. */
static void
record(const struct apply *apply, const struct plan_step *step, const GError *failure)
{
        struct event event = {
                .kind = plan_kind_name(step->kind),
                .name = step->name,
                .event = plan_action_name(step->action),
                .by = apply->session->by,
                .key = failure ? "failed" : NULL,
                .value = failure ? failure->message : NULL,
        };

        journal_append(apply->session->world->paths->data, &event);
}

static gboolean
run_action(void *data, GError **error)
{
        static gboolean (*const functions[])(struct apply *, const struct plan_step *, GError **) = {
                [KIND_NETWORK] = apply_network, [KIND_FIREWALL] = apply_firewall, [KIND_SERVICE] = apply_service,
                [KIND_IMAGE] = apply_image,     [KIND_DISK] = apply_disk,         [KIND_VM] = apply_vm,
                [KIND_SUPERVISOR] = apply_supervisor, [KIND_PORTS] = apply_ports,
                [KIND_UPLINK] = apply_uplink,
        };
        static const char *const subjects[] = {[KIND_NETWORK] = "network", [KIND_FIREWALL] = "the firewall",
                                               [KIND_SERVICE] = "DHCP and DNS", [KIND_IMAGE] = "image", [KIND_DISK] = "disk",
                                               [KIND_PORTS] = "published ports", [KIND_UPLINK] = "the uplink",
                                               [KIND_SUPERVISOR] = "the supervisor"};
        struct action *action = data;
        const struct plan_step *step = action->step;
        gint64 start = g_get_monotonic_time();
        gboolean ok = functions[step->kind](action->apply, step, error);

        trace_span("action", start, "%s %s %s: %s", plan_action_name(step->action), plan_kind_name(step->kind), step->name,
                   ok ? "done" : "failed");
        record(action->apply, step, ok || !error ? NULL : *error);
        if (ok || step->kind == KIND_VM)
                return ok;
        if (*step->name)
                return error_prefix(error, "cannot %s %s '%s'", plan_action_name(step->action), subjects[step->kind],
                                    step->name);
        return error_prefix(error, "cannot %s %s", plan_action_name(step->action), subjects[step->kind]);
}

static gboolean
run_ahead(void *data, GError **error)
{
        const struct action *action = data;

        (void)error;
        apply_plug(action->apply, action->step);
        return TRUE;
}

static void
report(guint index, const struct graph_node *node, void *data)
{
        static const enum step_event events[] = {[GRAPH_RUNNING] = STEP_STARTED, [GRAPH_DONE] = STEP_DONE,
                                                 [GRAPH_FAILED] = STEP_FAILED,   [GRAPH_SKIPPED] = STEP_SKIPPED,
                                                 [GRAPH_CANCELLED] = STEP_SKIPPED};
        const struct apply *apply = data;

        if (apply->options->progress && !apply->actions[index].ahead)
                apply->options->progress(apply->actions[index].step, events[node->state], node->error,
                                         node->end_us ? node->end_us - node->start_us : 0, apply->options->progress_data);
}

/* What killed drovers left half-written; once and before anything is written, since steps share directories. */
static void
remove_drafts(const struct world *world)
{
        g_autofree char *disks = g_build_filename(world->paths->data, "disks", NULL);

        file_remove_drafts(world->paths->cache, TRUE);
        file_remove_drafts(world->paths->data, FALSE);
        file_remove_drafts(disks, FALSE);
        for (guint i = 0; i < world->vms->len; i++) {
                g_autofree char *path =
                        paths_vm_data(world->paths, ((struct vm_world *)g_ptr_array_index(world->vms, i))->name);

                file_remove_drafts(path, FALSE);
        }
}

/* For the next run: which machines QEMU has, what qemu-img said of images. */
static void
keep_answers(const struct world *world)
{
        const struct probed_image *image;
        GHashTableIter iter;
        const char *path;

        qemu_keep(world->qemu, world->paths->cache);
        if (!world->images)
                return;
        g_hash_table_iter_init(&iter, world->images);
        while (g_hash_table_iter_next(&iter, (gpointer *)&path, (gpointer *)&image))
                if (!image->error)
                        image_remember(world->paths->cache, path, &image->info);
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

        if (apply->plan->forget_all) /* what was recorded goes; also on a disk that has no room for a record */
                return TRUE;
        if (session->project->directory) {
                g_free(state->directory);
                state->directory = g_strdup(session->project->directory);
                if (!state_put_project(session->world->paths, session->project, error))
                        return FALSE;
        }
        if (!apply->plan->remove_namespace) {
                state->isolation = session->world->isolation; /* not the file's, while what runs is in another */
                for (guint i = 0; i < resolved->lab.network_count; i++)
                        state_keep_network(state, &resolved->lab.networks[i]);
        }
        return plan_starts(apply->plan) ? state_put(session->world->paths, state, error)
                                        : state_save(session->world->paths, state, error);
}

/* The firewall knows taps by name: one that is only restarted keeps those that it had before it was renamed, unless a VM has
 * that name now. */
static void
keep_tap_names(const struct apply *apply, const struct plan_step *step, struct spec *spec)
{
        if (step->action == ACTION_RESTART && spec->started_as &&
            !project_find_vm(apply->session->project, spec->started_as))
                return;
        g_clear_pointer(&spec->started_as, g_free);
        apply->session->resolved->vms[step->index].launch.tap_owner = NULL;
}

/* The specs of VMs that will be started, as they will be then: so that a disk's step and the start save the same. */
static void
mark_started(struct apply *apply)
{
        for (guint i = 0; i < apply->plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(apply->plan->steps, i);
                const struct vm *vm;
                struct spec *spec;

                if (step->kind == KIND_FIREWALL && plan_action_acts(step->action) && step->action != ACTION_REMOVE)
                        apply->firewall_progress = FIREWALL_PENDING;
                if (step->kind != KIND_VM || (step->action != ACTION_CREATE && step->action != ACTION_START &&
                                              step->action != ACTION_RESTART))
                        continue;
                vm = apply->session->resolved->vms[step->index].vm;
                apply->supervise_early |= vm->restart.policy != RESTART_NO || vm->healthcheck;
                spec = apply->session->resolved->vms[step->index].spec;
                if (!spec->wish || apply->session->resolved->vms[step->index].new_root)
                        resolve_wish(&apply->session->resolved->vms[step->index]);
                resolve_ports(&apply->session->resolved->vms[step->index]);
                g_ptr_array_set_size(spec->refused, 0);
                g_ptr_array_set_size(spec->plugged, 0);
                spec->present = TRUE;
                spec->stopped = FALSE;
                spec->paused = FALSE;
                keep_tap_names(apply, step, spec);
                g_free(spec->password_stamp);
                spec->password_stamp = g_strdup(world_password_stamp(apply->session->world, vm));
        }
}

static gboolean
prepare(struct apply *apply, GError **error)
{
        struct session *session = apply->session;
        const struct world *world = session->world;
        gboolean starts;

        if (!paths_ensure(world->paths, error))
                return FALSE;
        remove_drafts(world);
        starts = plan_starts(apply->plan) || plan_fetches(apply->plan);
        if (session->root && session_qemu_user(&apply->user, starts ? error : NULL))
                apply->host.user = &apply->user;
        else if (session->root && starts)
                return FALSE;
        keep_answers(world);
        find_bridges(apply);
        mark_started(apply);
        apply->host.paths = world->paths;
        apply->host.home = world->home;
        apply->host.netlink = world->netlink;
        apply->host.project = session->project->name;
        apply->host.bridges = apply->bridges;
        apply->host.qemu = world->qemu ? world->qemu->path : NULL;
        apply->host.greeted = graph_yield;
        apply->host.before_running = apply_before_running;
        apply->host.before_running_data = apply;
        return save_state(apply, error);
}

/* The numbers of the nodes that these steps have; returns how many there are. @ahead: without what a NIC need not wait for. */
static guint
add_edges(const struct apply *apply, GArray *edges, const GArray *steps, const guint *numbers, gboolean ahead)
{
        guint before = edges->len;

        for (guint n = 0; n < steps->len; n++) {
                guint index = g_array_index(steps, guint, n);
                const struct plan_step *step = g_ptr_array_index(apply->plan->steps, index);

                if (numbers[index] != G_MAXUINT && !(ahead && (step->kind == KIND_FIREWALL || step->kind == KIND_SERVICE)))
                        g_array_append_val(edges, numbers[index]);
        }
        return edges->len - before;
}

static void
fill_node(struct graph_node *node, const struct action *action, GArray *edges, const guint *numbers)
{
        const struct plan_step *step = action->step;
        guint own = (guint)(action - action->apply->actions), ahead = own - 1;

        node->after_count = add_edges(action->apply, edges, step->after, numbers, action->ahead);
        node->behind_count = add_edges(action->apply, edges, step->behind, numbers, action->ahead);
        if (!action->ahead && own > 0 && action->apply->actions[ahead].step == step) {
                g_array_append_val(edges, ahead);
                node->behind_count++;
        }
        node->function = action->ahead ? run_ahead : run_action;
        node->data = (gpointer)action;
        node->waits = step->kind == KIND_VM &&
                      (step->action == ACTION_STOP || step->action == ACTION_KILL || step->action == ACTION_REMOVE);
}

/* The nodes of all steps that act, and of what is done ahead of them; dependencies on others count as done. */
static struct graph_node *
build_graph(struct apply *apply, guint *ret_count, GArray *edges)
{
        const GPtrArray *steps = apply->plan->steps;
        struct graph_node *nodes = g_new0(struct graph_node, 2 * steps->len + 1);
        g_autofree guint *numbers = g_new0(guint, steps->len + 1);
        g_autofree guint *offsets = g_new0(guint, 2 * steps->len + 1);
        guint count = 0;

        apply->actions = g_new0(struct action, 2 * steps->len + 1);
        for (guint i = 0; i < steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(steps, i);

                numbers[i] = G_MAXUINT;
                if (!plan_action_acts(step->action))
                        continue;
                if (apply_plugs(step))
                        apply->actions[count++] = (struct action){apply, step, TRUE};
                numbers[i] = count;
                apply->actions[count++] = (struct action){apply, step, FALSE};
        }
        for (guint i = 0; i < count; i++) {
                offsets[i] = edges->len;
                fill_node(&nodes[i], &apply->actions[i], edges, numbers);
        }
        for (guint i = 0; i < count; i++) {
                nodes[i].after = &g_array_index(edges, guint, offsets[i]);
                nodes[i].behind = nodes[i].after + nodes[i].after_count;
        }
        *ret_count = count;
        return nodes;
}

/* Identity and logs of VMs that were removed with their disks, and all of those that were to be thrown away. */
static gboolean
forget_vms(struct apply *apply, GError **error)
{
        for (guint i = 0; i < apply->plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(apply->plan->steps, i);
                g_autofree char *directory = paths_vm_data(apply->session->world->paths, step->name);

                if (step->kind == KIND_VM && step->action == ACTION_REMOVE && (apply->plan->forget || step->forget) &&
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
        if (!names)
                return FALSE;
        if (rmdir(paths->data) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST) /* another has begun anew */
                return error_errno(error, "cannot remove '%s'", paths->data);
        return TRUE;
}

static gboolean
finish(struct apply *apply, GError **error)
{
        const struct paths *paths = apply->session->world->paths;

        if (!forget_vms(apply, error))
                return FALSE;
        if (apply->plan->remove_namespace) {
                if (apply->host.home && !home_remove(apply->host.home, error))
                        return FALSE;
                if (apply->session->world->stray_name && !home_remove_stray_name(apply->session->project->name, error))
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
        guint count = 0, all = 0, failed = 0, skipped = 0;
        gboolean ok;

        g_mutex_init(&apply.firewall_mutex);
        g_cond_init(&apply.firewall_settled);
        apply_lab_init(&apply);
        apply.begun = g_new0(struct update *, session->project->vm_count + 1);
        ok = prepare(&apply, error);
        if (ok) {
                nodes = build_graph(&apply, &count, after);
                ok = graph_run(nodes, count, &graph);
                ok = supervise(&apply, ok ? error : NULL) && ok;
        }
        for (guint i = 0; i < count; i++) {
                if (apply.actions[i].ahead)
                        continue;
                all++;
                failed += nodes[i].state == GRAPH_FAILED;
                skipped += nodes[i].state == GRAPH_SKIPPED || nodes[i].state == GRAPH_CANCELLED;
                g_clear_error(&nodes[i].error);
        }
        if (ok)
                ok = finish(&apply, error);
        else if (failed)
                error_set(error, DROVER_ERROR_FAILED, "%u of %u steps failed, %u were not begun", failed, all, skipped);
        else if (skipped)
                error_set(error, DROVER_ERROR_INTERRUPTED, "interrupted: %u of %u steps were not begun", skipped, all);
        if (ret_failed)
                *ret_failed = failed;
        fd_clear(&session->cache_fd); /* what lies on which image is recorded */
        g_mutex_clear(&apply.firewall_mutex);
        g_cond_clear(&apply.firewall_settled);
        apply_lab_clear(&apply);
        apply_plug_clear(&apply);
        g_free(apply.actions);
        g_free(apply.bridges);
        return ok;
}
