/* wait.c - drover wait: until VMs are healthy, run, or have stopped */
#include "cmd/wait.h"
#include "cmd/operate.h"
#include "cmd/select.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"
#include "runtime/supervisor/health.h"
#include "runtime/supervisor/supervisor.h"
#include "runtime/vm/qmp.h"
#include "runtime/vm/vm.h"

#include <string.h>

enum { LOOK_MS = 200, ASK_MS = 2000 };

static const char *const status_question[] = {"query-status", NULL};

/* Ask all of these at once whether they run, and keep those that do not. */
static GPtrArray *
keep_not_running(const struct world *world, const GPtrArray *vms)
{
        g_autofree struct qmp_question *questions = g_new0(struct qmp_question, vms->len);
        g_autofree json_t **answers = g_new0(json_t *, MAX(vms->len, 1));
        GPtrArray *left = g_ptr_array_new();

        for (guint i = 0; i < vms->len; i++) {
                const struct vm_world *vm = g_ptr_array_index(vms, i);

                questions[i] = (struct qmp_question){
                        .directory_fd = vm_open_run_directory(world->paths, vm->name, NULL),
                        .socket = QEMU_SOCKET_OBSERVE,
                        .commands = status_question,
                        .answers = &answers[i],
                };
        }
        qmp_ask_all(questions, vms->len, ASK_MS);
        for (guint i = 0; i < vms->len; i++) {
                if (!answers[i] || g_strcmp0(json_text(answers[i], "status"), "running") != 0)
                        g_ptr_array_add(left, g_ptr_array_index(vms, i));
                json_decref(answers[i]);
                g_clear_error(&questions[i].error);
                fd_clear(&questions[i].directory_fd);
        }
        return left;
}

/* Wait a moment, or until the first living one ends, and keep those that still live. */
static GPtrArray *
keep_alive(const struct world *world, const GPtrArray *vms, int timeout_ms)
{
        GPtrArray *left = g_ptr_array_new();

        for (guint i = 0; i < vms->len; i++) {
                struct vm_world *vm = g_ptr_array_index(vms, i);

                if (!left->len && vm_is_locked(world->paths, vm->name)) {
                        pid_t pid = vm->spec ? vm_find_pid(world->paths, vm->name, vm->spec->uuid) : 0;
                        auto_fd pidfd = pid ? process_open(pid) : -1;

                        if (pidfd >= 0)
                                process_wait(pidfd, timeout_ms);
                        else
                                g_usleep((gulong)MIN(timeout_ms, LOOK_MS) * 1000);
                }
                if (vm_is_locked(world->paths, vm->name))
                        g_ptr_array_add(left, vm);
        }
        return left;
}

static gboolean
fail_late(const GPtrArray *left, enum wait_goal goal, gint64 timeout_ms, GError **error)
{
        static const char *const states[] = {
                [WAIT_HEALTHY] = "healthy", [WAIT_RUNNING] = "running", [WAIT_STOPPED] = "stopped"};
        g_autoptr(GString) names = g_string_new(NULL);

        for (guint i = 0; i < left->len && i < 10; i++)
                g_string_append_printf(names, "%s'%s'", i ? ", " : "",
                                       ((const struct vm_world *)g_ptr_array_index(left, i))->name);
        if (left->len > 10)
                g_string_append_printf(names, " and %u more", left->len - 10);
        return error_set(error, DROVER_ERROR_TIMEOUT, "after %.1f s, still not %s: %s", (double)timeout_ms / 1000,
                         states[goal], names->str);
}

/* Add those whose healthcheck has not succeeded yet to @left. FALSE: that will not happen. */
static gboolean
add_not_healthy(const struct world *world, const GPtrArray *vms, GPtrArray *left, GError **error)
{
        for (guint i = 0; i < vms->len; i++) {
                struct vm_world *vm = g_ptr_array_index(vms, i);
                g_autoptr(spec_t) spec = spec_load(world->paths, vm->name, NULL);
                g_auto(health_t) health = {0};

                if (!spec || g_ptr_array_find(left, vm, NULL))
                        continue;
                health_look(world->paths, vm->name, spec->wish, vm_find_pid(world->paths, vm->name, spec->uuid), &health);
                if (health.state == HEALTH_UNHEALTHY)
                        return error_set(error, DROVER_ERROR_FAILED, "vm '%s' is unhealthy: %s", vm->name,
                                         health.reason ? health.reason : "no reason is known");
                if (health.state == HEALTH_STARTING && !supervisor_is_alive(world->paths)) {
                        error_set(error, DROVER_ERROR_FAILED, "nobody looks after the health of vm '%s'", vm->name);
                        return error_hint(error, "the supervisor is gone; 'drover up' brings it back");
                }
                if (health.state == HEALTH_STARTING)
                        g_ptr_array_add(left, vm);
        }
        return TRUE;
}

gboolean
wait_for(const struct world *world, const GPtrArray *vms, enum wait_goal goal, gint64 timeout_ms, GError **error)
{
        gint64 end = g_get_monotonic_time() + timeout_ms * 1000;
        g_autoptr(GPtrArray) left = g_ptr_array_new();

        for (guint i = 0; i < vms->len; i++)
                g_ptr_array_add(left, g_ptr_array_index(vms, i));
        for (;;) {
                gint64 rest_ms = timeout_ms < 0 ? G_MAXINT : (end - g_get_monotonic_time()) / 1000;
                GPtrArray *still = goal == WAIT_STOPPED ? keep_alive(world, left, (int)CLAMP(rest_ms, 0, ASK_MS))
                                                        : keep_not_running(world, left);
                gboolean ok = goal != WAIT_HEALTHY || add_not_healthy(world, left, still, error);

                g_ptr_array_unref(left);
                left = still;
                if (!ok)
                        return FALSE;
                if (!left->len)
                        return TRUE;
                if (rest_ms <= 0)
                        return fail_late(left, goal, timeout_ms, error);
                if (goal != WAIT_STOPPED)
                        g_usleep((gulong)MIN(rest_ms, LOOK_MS) * 1000);
        }
}

struct wait_options {
        char *what;
        gint64 timeout_ms;
};

/* What was never made, or was removed, nobody is about to start. */
static gboolean
check_made(const struct vm_world *vm, GError **error)
{
        if (vm_is_alive(vm) || vm->error || (vm->spec && vm->spec->present))
                return TRUE;
        error_set(error, DROVER_ERROR_NOT_FOUND, "vm '%s' has not been made", vm->name);
        return error_hint(error, vm->in_file ? "'drover up %s' makes and starts it" : "'%s' is not in the project file",
                          vm->name);
}

static int
run_wait(struct verb_call *call)
{
        const struct wait_options *options = call->options;
        enum wait_goal goal = g_strcmp0(options->what, "stopped") == 0   ? WAIT_STOPPED
                              : g_strcmp0(options->what, "running") == 0 ? WAIT_RUNNING
                                                                         : WAIT_HEALTHY;
        g_autoptr(GPtrArray) names = NULL, vms = g_ptr_array_new();
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;
        g_autoptr(session_t) session = select_open(call, FALSE, &names, &status);

        if (!session)
                return status;
        for (guint i = 0; i < names->len; i++) {
                const struct vm_world *vm = world_vm(session->world, g_ptr_array_index(names, i));

                if (!vm || !(vm->in_file || *call->arguments || !session->project->vm_count))
                        continue;
                if (goal != WAIT_STOPPED && !check_made(vm, &error))
                        return print_error(error);
                g_ptr_array_add(vms, (void *)vm);
        }
        return wait_for(session->world, vms, goal, options->timeout_ms, &error) ? EXIT_DONE : print_error(error);
}

static const struct option_row wait_rows[] = {
        {"for", 0, OPTION_TEXT, "healthy|running|stopped",
         "What to wait for; default: healthy, or running without a healthcheck",
         G_STRUCT_OFFSET(struct wait_options, what)},
        {"timeout", 0, OPTION_DURATION, "T", "Give up after this time; default: never",
         G_STRUCT_OFFSET(struct wait_options, timeout_ms)},
        {NULL},
};

const struct verb verb_wait = {
        .name = "wait",
        VERB_OF_VMS,
        .help = "Wait until VMs are healthy, run, or have stopped",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        VERB_OPTIONS(wait_rows, struct wait_options),
        .run = run_wait,
};
