/* wait.c - drover wait: until VMs are healthy, run, or have stopped */
#include "cmd/wait.h"
#include "cmd/operate.h"
#include "cmd/select.h"

#include "base/error.h"
#include "base/fd.h"
#include "runtime/diagnosis.h"
#include "runtime/supervisor/notice.h"
#include "runtime/supervisor/supervisor.h"
#include "runtime/vm/qmp.h"
#include "runtime/vm/vm.h"

#include <string.h>

enum { ASK_MS = 2000, SHOWN_NAMES = 10, EXPLAINED = 3 };

/** struct awaited - One of the VMs */
struct awaited {
        const char *name;
        gboolean seen;    /* alive, since we wait */
        gboolean reached;
        gboolean ask;     /* this time its QEMU is asked */
        gboolean revived; /* something starts it again when it ends */
};

static const char *const status_question[] = {QMP_COMMAND("query-status"), NULL};

static gboolean
take_status(struct awaited *vm, const char *status, GError **error)
{
        vm->reached = g_strcmp0(status, "running") == 0;
        if (g_strcmp0(status, "guest-panicked") == 0 && !vm->revived)
                return error_set(error, DROVER_ERROR_FAILED, "vm '%s' has panicked", vm->name);
        return TRUE;
}

/* Ask all at once that are to be asked whether they run. FALSE: one of them never will. */
static gboolean
ask(const struct paths *paths, struct awaited *vms, guint count, GError **error)
{
        g_autofree struct qmp_question *questions = g_new0(struct qmp_question, count);
        g_autofree json_t **answers = g_new0(json_t *, MAX(count, 1));
        g_autofree struct awaited **asked = g_new0(struct awaited *, count);
        gboolean ok = TRUE;
        guint n = 0;

        for (guint i = 0; i < count; i++)
                if (vms[i].ask) {
                        questions[n] = (struct qmp_question){
                                .directory_fd = vm_open_run_directory(paths, vms[i].name, NULL),
                                .socket = QEMU_SOCKET_OBSERVE,
                                .commands = status_question,
                                .answers = &answers[n],
                        };
                        asked[n++] = &vms[i];
                }
        qmp_ask_all(questions, n, ASK_MS);
        for (guint i = 0; i < n; i++) {
                ok = ok && take_status(asked[i], json_text(answers[i], "status"), error);
                json_decref(answers[i]);
                g_clear_error(&questions[i].error);
                fd_clear(&questions[i].directory_fd);
        }
        return ok;
}

/* Returns whether it has one and is not healthy yet; fails where it will not be. */
static gboolean
is_starting(const struct paths *paths, const struct awaited *vm, const struct spec *spec, GError **error)
{
        g_auto(health_t) health = {0};

        health_look(paths, vm->name, spec->wish, vm_find_pid(paths, vm->name, spec->uuid), &health);
        if (health.state == HEALTH_UNHEALTHY) {
                error_set(error, DROVER_ERROR_FAILED, "vm '%s' is unhealthy: %s", vm->name,
                          health.reason ? health.reason : "no reason is known");
        } else if (health.state == HEALTH_STARTING && !supervisor_is_alive(paths)) {
                error_set(error, DROVER_ERROR_FAILED, "nobody looks after the health of vm '%s'", vm->name);
                error_hint(error, "the supervisor is gone; 'drover up' brings it back");
        }
        return health.state == HEALTH_STARTING;
}

/* What can be told without its QEMU. */
static gboolean
look(const struct wait *wait, struct awaited *vm, struct notice *notice, GError **error)
{
        const struct paths *paths = wait->session->world->paths;
        g_autoptr(spec_t) spec = spec_load(paths, vm->name, NULL);
        const char *restart = spec ? json_text(spec->wish, "restart") : NULL;
        g_autoptr(GError) fault = NULL;
        gboolean alive;

        notice_add(notice, vm->name, spec ? spec->uuid : NULL);
        alive = vm_is_locked(paths, vm->name);
        vm->ask = FALSE;
        vm->revived = restart && strcmp(restart, "no") != 0;
        if (wait->goal == WAIT_STOPPED) {
                vm->reached = !alive;
                return TRUE;
        }
        if (!alive && vm->seen && !vm->revived)
                return error_set(error, DROVER_ERROR_FAILED, "vm '%s' %s", vm->name,
                                 vm_crashed(paths, vm->name) ? "has crashed" : "has ended");
        vm->seen |= alive;
        vm->ask = alive && !(wait->goal == WAIT_HEALTHY && spec && is_starting(paths, vm, spec, &fault));
        if (!fault)
                return TRUE;
        g_propagate_error(error, g_steal_pointer(&fault));
        return FALSE;
}

/* ---- when it did not work ---- */

static gboolean
fail_late(const struct wait *wait, const struct awaited *vms, guint count, GError **error)
{
        static const char *const states[] = {
                [WAIT_HEALTHY] = "healthy", [WAIT_RUNNING] = "running", [WAIT_STOPPED] = "stopped"};
        g_autoptr(GString) names = g_string_new(NULL);
        guint left = 0;

        for (guint i = 0; i < count; i++)
                if (!vms[i].reached && ++left <= SHOWN_NAMES)
                        g_string_append_printf(names, "%s'%s'", left > 1 ? ", " : "", vms[i].name);
        if (left > SHOWN_NAMES)
                g_string_append_printf(names, " and %u more", left - SHOWN_NAMES);
        return error_set(error, DROVER_ERROR_TIMEOUT, "after %.1f s, still not %s: %s", (double)wait->timeout_ms / 1000,
                         states[wait->goal], names->str);
}

/* Of those that an error names, and that have been given a chance. */
static void
explain(const struct wait *wait, const struct awaited *vms, guint count, GError **error)
{
        static const struct observe_options look_anew = {.qmp = TRUE, .network = TRUE};
        guint left = 0;

        if (wait->goal == WAIT_STOPPED || !session_observe(wait->session, &look_anew, NULL))
                return;
        for (guint i = 0; i < count; i++) {
                const struct vm_world *vm = world_vm(wait->session->world, vms[i].name);
                g_autofree char *quoted = g_strdup_printf("'%s'", vms[i].name);
                g_auto(evidence_t) evidence = {0};

                if (vms[i].reached || !vm || !vms[i].seen || !strstr((*error)->message, quoted) || ++left > EXPLAINED)
                        continue;
                diagnose(wait->session, vm, &evidence);
                if (count > 1)
                        error_hint(error, "vm '%s':", vms[i].name);
                diagnosis_hint(&evidence, error);
        }
}

/* One look at all that are not there yet. FALSE: they will not get there. */
static gboolean
look_at_all(const struct wait *wait, struct awaited *vms, guint count, struct notice *notice, gboolean *ret_reached,
            GError **error)
{
        for (guint i = 0; i < count; i++)
                if (!vms[i].reached && !look(wait, &vms[i], notice, error))
                        return FALSE;
        if (wait->goal != WAIT_STOPPED && !ask(wait->session->world->paths, vms, count, error))
                return FALSE;
        *ret_reached = TRUE;
        for (guint i = 0; i < count; i++) {
                *ret_reached &= vms[i].reached;
                vms[i].ask = FALSE;
        }
        return TRUE;
}

gboolean
wait_for(const struct wait *wait, GError **error)
{
        gint64 end = g_get_monotonic_time() + wait->timeout_ms * 1000;
        g_autoptr(notice_t) notice = notice_new(wait->session->world->paths);
        g_autofree struct awaited *vms = g_new0(struct awaited, wait->names->len);
        g_autoptr(GError) fault = NULL;
        guint count = wait->names->len;

        for (guint i = 0; i < count; i++)
                vms[i] = (struct awaited){.name = g_ptr_array_index(wait->names, i), .seen = wait->started};
        while (!fault) {
                gint64 rest_ms = wait->timeout_ms < 0 ? -1 : MAX(0, (end - g_get_monotonic_time()) / 1000);
                gboolean reached;

                if (!look_at_all(wait, vms, count, notice, &reached, &fault))
                        break;
                if (reached)
                        return TRUE;
                if (rest_ms == 0)
                        fail_late(wait, vms, count, &fault);
                else
                        notice_wait(notice, (int)MIN(rest_ms, G_MAXINT), -1);
        }
        explain(wait, vms, count, &fault);
        g_propagate_error(error, g_steal_pointer(&fault));
        return FALSE;
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
        struct wait wait = {
                .goal = g_strcmp0(options->what, "stopped") == 0   ? WAIT_STOPPED
                        : g_strcmp0(options->what, "running") == 0 ? WAIT_RUNNING
                                                                   : WAIT_HEALTHY,
                .timeout_ms = options->timeout_ms,
        };
        g_autoptr(GPtrArray) names = NULL, chosen = g_ptr_array_new();
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;
        g_autoptr(session_t) session = select_open(call, FALSE, &names, &status);

        if (!session)
                return status;
        for (guint i = 0; i < names->len; i++) {
                const struct vm_world *vm = world_vm(session->world, g_ptr_array_index(names, i));

                if (!vm || !(vm->in_file || *call->arguments || !session->project->vm_count))
                        continue;
                if (wait.goal != WAIT_STOPPED && !check_made(vm, &error))
                        return print_error(error);
                g_ptr_array_add(chosen, g_ptr_array_index(names, i));
        }
        wait.session = session;
        wait.names = chosen;
        return wait_for(&wait, &error) ? EXIT_DONE : print_error(error);
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
