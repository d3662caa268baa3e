/* apply_wait.c - before a VM is started: what its dependencies have to have reached
 *
 * That they were started is the graph's business. That one is healthy is what the supervisor says, that it is done is its end.
 */
#include "runtime/apply/apply.h"

#include "base/error.h"
#include "runtime/apply/graph.h"
#include "runtime/supervisor/health.h"
#include "runtime/supervisor/notice.h"
#include "runtime/supervisor/supervisor.h"

enum reached { NOT_YET, REACHED, NEVER };

static enum reached
look_for_health(struct apply *apply, const char *name, GError **error)
{
        const struct paths *paths = apply->session->world->paths;
        g_autoptr(spec_t) spec = spec_load(paths, name, NULL);
        g_auto(health_t) health = {0};

        if (!spec || !vm_is_locked(paths, name)) {
                error_set(error, DROVER_ERROR_FAILED, "it waits for vm '%s' to be healthy, which does not run", name);
                return NEVER;
        }
        health_look(paths, name, spec->wish, vm_find_pid(paths, name, spec->uuid), &health);
        if (health.state == HEALTH_NONE || health.state == HEALTH_HEALTHY)
                return REACHED;
        if (health.state == HEALTH_UNHEALTHY) {
                error_set(error, DROVER_ERROR_FAILED, "it waits for vm '%s', which is unhealthy: %s", name,
                          health.reason ? health.reason : "no reason is known");
                return NEVER;
        }
        /* Without it nobody looks. */
        return supervisor_ensure(paths, apply->session->project->name, apply->host.home, error) ? NOT_YET : NEVER;
}

static enum reached
look_for_end(struct apply *apply, const char *name, GError **error)
{
        const struct paths *paths = apply->session->world->paths;

        if (vm_is_locked(paths, name))
                return NOT_YET;
        if (!vm_crashed(paths, name))
                return REACHED;
        error_set(error, DROVER_ERROR_FAILED, "it waits for vm '%s' to be done, which has crashed", name);
        return NEVER;
}

static gboolean
await_one(struct apply *apply, const struct dependency *dependency, const char *name, GError **error)
{
        const struct paths *paths = apply->session->world->paths;
        g_autoptr(notice_t) notice = notice_new(paths);

        for (;;) {
                g_autoptr(spec_t) spec = spec_load(paths, name, NULL);
                enum reached reached;

                notice_add(notice, name, spec ? spec->uuid : NULL);
                reached = dependency->condition == CONDITION_HEALTHY ? look_for_health(apply, name, error)
                                                                     : look_for_end(apply, name, error);
                if (reached != NOT_YET)
                        return reached == REACHED;
                if (apply->options->cancel && g_atomic_int_get(apply->options->cancel))
                        return error_set(error, DROVER_ERROR_INTERRUPTED, "interrupted while it waited for vm '%s'", name);
                notice_wait(notice, -1, apply->options->cancel ? apply->options->cancel_fd : -1);
        }
}

gboolean
apply_await_dependencies(struct apply *apply, const struct plan_step *step, GError **error)
{
        const struct project *project = apply->session->project;
        const struct vm *vm = &project->vms[step->index];

        for (guint i = 0; step->awaits && i < vm->dependency_count; i++) {
                const struct dependency *dependency = &vm->dependencies[i];

                if (dependency->condition == CONDITION_STARTED)
                        continue;
                graph_yield();
                for (guint n = dependency->first; n < dependency->first + dependency->count; n++) {
                        g_autoptr(GError) reason = NULL;

                        if (await_one(apply, dependency, project->vms[n].name, &reason))
                                continue;
                        if (!dependency->required && !g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_INTERRUPTED))
                                continue;
                        g_propagate_error(error, g_steal_pointer(&reason));
                        return FALSE;
                }
        }
        return TRUE;
}
