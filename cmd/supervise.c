/* supervise.c - the hidden verbs of the supervisor: what it is started as, and what it starts to mend something
 *
 *     drover supervise PROJECT DIRECTORY [NAME=VALUE...]
 *     drover mend PROJECT VM [NAME=VALUE...]              an empty VM: networks and services
 */
#include "cmd/print.h"

#include "base/error.h"
#include "base/file.h"
#include "runtime/supervisor/journal.h"
#include "runtime/supervisor/supervisor.h"

enum { LOCK_TIMEOUT_MS = 600000 };

static int
supervise(struct verb_call *call)
{
        const char *const *settings = (const char *const *)call->arguments + 2;
        g_autoptr(GError) error = NULL;

        return supervisor_run(call->arguments[0], settings, &error) ? EXIT_DONE : print_error(error);
}

const struct verb verb_supervise = {
        .name = "supervise",
        .synopsis = "PROJECT DIRECTORY [NAME=VALUE...]",
        .help = "looks after VMs, logs and the namespace while VMs live; started by drover itself",
        .min_arguments = 2,
        .max_arguments = ARGUMENTS_MANY,
        .run = supervise,
};

/* The project as the last verb applied it. It belongs to the directory that it belonged to. */
static struct session *
open_applied(const char *name, GError **error)
{
        g_autoptr(paths_t) paths = paths_new(name);
        g_autofree char *file = g_build_filename(paths->data, PROJECT_FILE, NULL);
        const char *files[] = {file, NULL};
        static const char *const environ[] = {NULL}, *const all[] = {"*", NULL};
        struct load_options options = {
                .files = files, .name = name, .directory = paths->data, .no_files = TRUE, .root = paths->root,
                .environ = environ, .profiles = all,
        };
        struct diagnostics *diagnostics = NULL;
        struct project *project = file_exists(file) ? project_load(&options, &diagnostics, error) : NULL;

        diagnostics_free(diagnostics);
        if (!project)
                return NULL;
        project->directory = NULL;
        return session_open(project);
}

/* What the supervisor saw may be long past. */
static gboolean
is_wanted(const struct session *session, const char *name)
{
        const struct vm_world *vm = world_vm(session->world, name);

        return vm && vm->in_file && vm->spec && vm->spec->present && !vm->spec->stopped &&
               (!vm_is_alive(vm) || vm->status == VM_PANICKED);
}

static gboolean
has_living_vm(const struct session *session)
{
        for (guint i = 0; i < session->world->vms->len; i++)
                if (vm_is_alive(g_ptr_array_index(session->world->vms, i)))
                        return TRUE;
        return FALSE;
}

/* dnsmasq has died: that is mended. What else may have changed from outside is for `up` to tell. */
static void
keep_services(struct plan *plan)
{
        for (guint i = 0; i < plan->steps->len; i++) {
                struct plan_step *step = g_ptr_array_index(plan->steps, i);

                if (step->kind != KIND_SERVICE)
                        step->action = ACTION_NONE;
        }
}

/* TRUE also where nothing has to be done any more. */
static gboolean
mend(const char *project, const char *vm, GError **error)
{
        static const struct observe_options look = {.qmp = TRUE, .network = TRUE, .services = TRUE, .images = TRUE};
        const char *names[] = {vm, NULL};
        struct plan_options options = {
                .vms = *vm ? names : NULL, .goal = *vm ? GOAL_RESTART : GOAL_LEAVE, .networks = TRUE, .no_deps = TRUE,
        };
        struct apply_options apply = {.parallel = 1};
        g_autoptr(session_t) session = open_applied(project, error);
        g_autoptr(plan_t) plan = NULL;

        if (!session)
                return *error == NULL; /* the project is gone */
        session->by = "supervisor";
        if (!session_lock(session, LOCK_TIMEOUT_MS, NULL, error) || !session_observe(session, &look, error))
                return FALSE;
        if (*vm ? !is_wanted(session, vm) : !has_living_vm(session))
                return TRUE;
        plan = session_plan(session, &options, error);
        if (plan && !*vm)
                keep_services(plan);
        return plan && (!plan_acts(plan) || (session_prepare(session, plan, error) &&
                                             session_apply(session, plan, &apply, NULL, error)));
}

static int
run_mend(struct verb_call *call)
{
        const char *project = call->arguments[0], *vm = call->arguments[1];
        g_autoptr(paths_t) paths = NULL;
        g_autoptr(GError) error = NULL;

        supervisor_take_settings((const char *const *)call->arguments + 2);
        paths = paths_new(project);
        if (mend(project, vm, &error))
                return EXIT_DONE;
        journal_append(paths->data, &(struct event){.kind = *vm ? "vm" : "service", .name = vm, .event = "restart",
                                                    .by = "supervisor", .key = "failed", .value = error->message});
        return EXIT_FAILED;
}

const struct verb verb_mend = {
        .name = "mend",
        .synopsis = "PROJECT VM [NAME=VALUE...]",
        .help = "starts again what ended; started by the supervisor",
        .min_arguments = 2,
        .max_arguments = ARGUMENTS_MANY,
        .run = run_mend,
};
