/* up.c - drover up: make the host match the file */
#include "cmd/address.h"
#include "cmd/attach.h"
#include "cmd/operate.h"
#include "cmd/up.h"
#include "cmd/wait.h"

#include "base/text.h"

#include <time.h>

enum { SHOWN_PENDING = 20 };

struct up_options {
        struct up_wish wish;
        gboolean wait, paused, force_recreate, no_recreate, no_deps, no_start, yes, detach, attach;
        gint64 wait_timeout_ms, grace_ms;
        char **scale;
        GPtrArray *names;          /* of the VMs that are meant: owned by the project */
        struct log_reader *reader; /* --attach: of their consoles; else NULL */
};

static void
add_name(GString *names, const char *name)
{
        g_string_append_printf(names, "%s%s", names->len ? ", " : "", name);
}

/* "restart web, db", unless there are none. */
static void
add_clause(GString *question, const char *words, const GString *names)
{
        if (names->len)
                g_string_append_printf(question, "%s%s%s", question->len ? ", and " : "", words, names->str);
}

/* What will be lost, cut off, or made although it is probably there under another name, as a question. */
static char *
question(const struct plan *plan, const struct session *session)
{
        g_autoptr(GString) restarts = g_string_new(NULL), fresh = g_string_new(NULL), anew = g_string_new(NULL);
        g_autoptr(GString) text = g_string_new(NULL);

        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);

                if (step->kind == KIND_VM && (step->fresh || step->action == ACTION_RESTART))
                        add_name(step->fresh ? fresh : restarts, step->name);
                if (step->renamed_to)
                        add_name(anew, step->renamed_to);
        }
        add_clause(text, "restart ", restarts);
        add_clause(text, "start with new disks, losing what is on the old ones: ", fresh);
        add_clause(text, "make anew what was probably only renamed: ", anew);
        if (!text->len)
                return NULL;
        g_string_append_c(text, '?');
        return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
tell_pending(const struct plan *plan)
{
        guint restarts = 0, fresh = 0;

        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);
                g_autofree char *changes = show_changes(step->changes);

                if (step->action == ACTION_PENDING && ++restarts <= SHOWN_PENDING)
                        print_info("restart required for vm '%s': %s", step->name, changes);
                if (step->action == ACTION_FRESH_PENDING && ++fresh <= SHOWN_PENDING)
                        print_info("new disk required for vm '%s': %s", step->name, changes);
                if (step->action == ACTION_ORPHAN)
                        print_note("%s '%s' is kept: %s", plan_kind_name(step->kind), step->name,
                                   step->detail ? step->detail : "it is no longer in the file");
        }
        if (restarts > SHOWN_PENDING || fresh > SHOWN_PENDING)
                print_info("%u VMs wait in all", restarts + fresh);
        if (restarts)
                print_info("  drover up --restart");
        if (fresh)
                print_info("  drover up --fresh VM    (the old disk is lost)");
}

static gboolean
is_start(const struct plan_step *step)
{
        return step->kind == KIND_VM && !step->idle && (step->action == ACTION_CREATE || step->action == ACTION_START);
}

/* An old root disk explains many a "why is my change not there". */
static guint
tell_started(const struct plan *plan, const struct session *session)
{
        guint started = 0;

        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);
                const struct vm_world *vm;
                g_autofree char *day = NULL;

                if (!is_start(step))
                        continue;
                started++;
                vm = world_vm(session->world, step->name);
                if (step->fresh || !vm || !vm->root_written)
                        continue;
                day = when_day(vm->root_written);
                if (started <= SHOWN_PENDING)
                        print_info("vm '%s': root disk of %s reused", step->name, day);
        }
        return started;
}

/* The first address that the file promises to a VM that was started, and whether it can be reached from here. */
static void
tell_address(const struct plan *plan, const struct session *session)
{
        gboolean inside = session->resolved->lab.isolation == ISOLATION_PRIVATE;

        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);
                const struct vm *vm = is_start(step) ? session->resolved->vms[step->index].vm : NULL;

                for (guint n = 0; vm && n < vm->nic_count; n++) {
                        g_autofree char *ip = vm->nics[n].ip ? address_format_ip(vm->nics[n].ip) : NULL;

                        if (!ip)
                                continue;
                        print_info("  %s is %s%s", vm->name, ip, inside ? " (inside the project's own network)" : "");
                        return;
                }
        }
}

static void
tell_next(const struct plan *plan, const struct session *session, const char *vm)
{
        print_info("next:");
        print_info("  drover ps");
        print_info("  drover console %s", vm);
        tell_address(plan, session);
}

static GPtrArray *
list_meant(const struct project *project, char *const *arguments)
{
        const char *const *names = select_names(arguments);
        GPtrArray *meant = g_ptr_array_new();

        for (guint i = 0; i < project->vm_count; i++)
                if (!names || project_is_named(project, names, project->vms[i].name))
                        g_ptr_array_add(meant, (void *)project->vms[i].name);
        return meant;
}

/* Others may work on the project meanwhile: what dies, the supervisor may start again. */
static int
wait_for_all(const struct up_options *options, struct session *session)
{
        struct wait wait = {session, options->names, WAIT_HEALTHY, TRUE, options->wait_timeout_ms};
        g_autoptr(GError) error = NULL;

        session_unlock(session);
        return wait_for(&wait, &error) ? EXIT_DONE : print_error(error);
}

static int
finish(const struct operation *operation, const struct plan *plan, struct session *session, struct verb_call *call)
{
        const struct up_options *options = operation->data;
        const char *first = NULL;

        tell_pending(plan);
        if (tell_started(plan, session) && print_mode() != PROGRESS_JSON) {
                for (guint i = 0; i < plan->steps->len && !first; i++) {
                        const struct plan_step *step = g_ptr_array_index(plan->steps, i);

                        first = is_start(step) ? step->name : NULL;
                }
                tell_next(plan, session, first);
        }
        if (options->wait)
                return wait_for_all(options, session);
        return options->reader ? attach(call, session, options->names, options->reader, operation->plan.grace_ms) : EXIT_DONE;
}

static int
check_options(const struct up_options *options)
{
        if (options->force_recreate && options->no_recreate)
                return print_usage_error("--force-recreate and --no-recreate exclude each other");
        if (options->wait && (options->paused || options->no_start))
                return print_usage_error("--wait waits for running VMs, which --paused and --no-start do not make");
        if (options->attach && (options->detach || options->wait || options->no_start))
                return print_usage_error("--attach stays with VMs that run: it excludes --detach, --wait and --no-start");
        return EXIT_DONE;
}

/* Consoles are printed from here on: what comes is that of this start. */
static gboolean
open_consoles(struct up_options *options, const struct project *project, GError **error)
{
        g_autoptr(paths_t) paths = paths_new(project->name);

        options->reader = log_reader_new(paths, options->names, QEMU_CONSOLE_LOG, TRUE);
        return log_reader_skip(options->reader, error);
}

static int
run_up(struct verb_call *call)
{
        struct up_options *options = call->options;
        struct operation operation = {
                .plan = up_plan(&options->wish, call->arguments),
                .starts = TRUE,
                .yes = options->yes,
                .data = options,
                .question = question,
                .finish = finish,
        };
        g_autoptr(GPtrArray) names = list_meant(call->project, call->arguments);
        g_autoptr(GError) error = NULL;
        int status = check_options(options);

        if (status != EXIT_DONE)
                return status;
        operation.plan.goal = options->no_start ? GOAL_CREATE : GOAL_UP;
        operation.plan.no_deps = options->no_deps;
        operation.plan.force_recreate = options->force_recreate;
        operation.plan.no_recreate = options->no_recreate;
        operation.plan.paused = options->paused;
        operation.plan.grace_ms = operate_grace(options->grace_ms);
        options->names = names;
        if (options->attach && !call->globals->dry_run && !open_consoles(options, call->project, &error))
                return print_error(error);
        status = operate(call, &operation);
        log_reader_free(options->reader);
        return status;
}

#define ROW(...) OPTION_ROW(struct up_options, __VA_ARGS__)

static const struct option_row rows[] = {
        ROW("restart", 0, OPTION_FLAG, NULL, wish.restart, "Restart VMs whose changes need it"),
        ROW("fresh", 0, OPTION_FLAG, NULL, wish.fresh,
            "Start the VMs with new disks of their own; what is on the old ones is lost"),
        ROW("pull", 0, OPTION_TEXT, PULL_WORDS, wish.pull, "When images are fetched; default: missing"),
        ROW("detach", 'd', OPTION_FLAG, NULL, detach,
            "Accepted, as in compose: VMs run in the background unless --attach is given"),
        ROW("attach", 0, OPTION_FLAG, NULL, attach, "Print the consoles until Ctrl-C, which stops the VMs"),
        ROW("wait", 0, OPTION_FLAG, NULL, wait, "Wait until the VMs are healthy, or run, those without a healthcheck"),
        ROW("wait-timeout", 0, OPTION_DURATION, "T", wait_timeout_ms, "Give up waiting after this time"),
        ROW("paused", 0, OPTION_FLAG, NULL, paused, "Leave new VMs before their first instruction"),
        ROW("no-start", 0, OPTION_FLAG, NULL, no_start, "Make networks and disks, start no VM"),
        ROW("no-deps", 0, OPTION_FLAG, NULL, no_deps, "Leave alone what the named VMs depend on"),
        ROW("remove-orphans", 0, OPTION_FLAG, NULL, wish.remove_orphans, "Remove VMs that are no longer in the file"),
        ROW("force-recreate", 0, OPTION_FLAG, NULL, force_recreate, "Restart all VMs, changed or not; disks stay"),
        ROW("no-recreate", 0, OPTION_FLAG, NULL, no_recreate, "Leave all changes to running VMs pending"),
        ROW("timeout", 't', OPTION_DURATION, "T", grace_ms, "Grace period for VMs that are stopped"),
        ROW("yes", 'y', OPTION_FLAG, NULL, yes, "Do not ask"),
        ROW("scale", 0, OPTION_LIST, "VM=N", scale, "How many replicas of a VM, instead of what the file says; repeatable"),
        {NULL},
};

const struct verb verb_up = {
        .name = "up",
        VERB_OF_VMS,
        .help = "Make the host match the project file",
        .text = "Makes networks, disks and VMs that are missing, starts what is stopped, and changes what can be changed "
                "while it runs. Changes that need a restart stay pending until --restart; a disk is never lost without "
                "--fresh. A second up has nothing to do.",
        .needs = NEEDS_PROJECT | NEEDS_FILES | NEEDS_REFUSALS,
        VERB_OPTIONS(rows, struct up_options),
        .scale_offset = offsetof(struct up_options, scale),
        .run = run_up,
};
