/* run.c - drover run: a command in a VM that is made for it, and thrown away after it
 *
 * The VM is in no file: it comes from a text that is merged over the project's. A file in its data directory says that it is
 * to be thrown away, and is locked for as long as we live: so whoever works on the project meanwhile lets it be, and whoever
 * comes after we were killed removes it (plan_orphan.c). The command runs in a child, which becomes ssh or talks to the guest's
 * agent.
 */
#include "cmd/exec.h"
#include "cmd/operate.h"
#include "cmd/select.h"
#include "cmd/throwaway.h"

#include "base/child.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "runtime/vm/agent.h"
#include "runtime/vm/vm.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

enum {
        LOOK_MS = 500,       /* between two looks whether a guest can be reached yet */
        ANSWER_MS = 500,     /* of its agent */
        LOGIN_MS = 20000,    /* for one try to log in */
        SSH_LATER_MS = 20000, /* for so long after its agent the ssh server of a guest may come */
        READY_MS = 300000,
};

struct run_options {
        struct exec_options exec;
        gboolean remove;
        char *name;
        gint64 timeout_ms;
};

/** struct run - The VM while we live */
struct run {
        struct verb_call *call;
        const struct run_options *options;
        struct throwaway vm;
        char *project;       /* its name */
        gboolean seeded;     /* its guest is told of the project's key */
        gboolean existed;    /* the project, before */
        int awaiting;        /* the lock that says that we live; -1: nothing was made */
        int signals;         /* signalfd; the signals themselves are blocked */
        gboolean interrupted;
};

/* ---- made ---- */

/* With the project's lock held, and before anything of the VM is there. */
static int
begin(struct operation *operation, const struct session *session)
{
        struct run *run = operation->data;
        const struct paths *paths = session->world->paths;
        g_autofree char *directory = paths_vm_data(paths, run->vm.name);
        g_autofree char *path = g_build_filename(directory, VM_THROWAWAY_FILE, NULL);
        g_autoptr(GError) error = NULL;

        run->existed = session->world->state->exists;
        if (run->call->globals->dry_run)
                return EXIT_DONE;
        if (file_exists(directory)) {
                error_set(&error, DROVER_ERROR_EXISTS, "there is a vm '%s' in project '%s'", run->vm.name, run->project);
                return print_error(error);
        }
        if (!paths_ensure(paths, &error) || !paths_ensure_vm_data(paths, run->vm.name, &error) ||
            !file_lock(path, &run->awaiting, &error))
                return print_error(error);
        return EXIT_DONE;
}

static int
start(struct run *run)
{
        const char *names[] = {run->vm.name, NULL};
        struct operation operation = {
                .plan = {.vms = names, .goal = GOAL_UP, .networks = TRUE, .grace_ms = -1},
                .starts = TRUE,
                .data = run,
                .choose = begin,
        };

        return operate(run->call, &operation);
}

/* ---- thrown away ---- */

static gboolean
is_of_others(const struct run *run, const struct session *session)
{
        for (guint i = 0; i < session->world->vms->len; i++) {
                const struct vm_world *vm = g_ptr_array_index(session->world->vms, i);

                if (strcmp(vm->name, run->vm.name) != 0 && (vm_is_alive(vm) || (vm->spec && vm->spec->present)))
                        return TRUE;
        }
        return FALSE;
}

static gboolean
has_disks_of_others(const struct run *run, const struct session *session)
{
        g_autofree char *own = paths_vm_data(session->world->paths, run->vm.name);
        GHashTableIter iter;
        gpointer path;

        g_hash_table_iter_init(&iter, session->world->files);
        while (g_hash_table_iter_next(&iter, &path, NULL))
                if (!g_str_has_prefix(path, own))
                        return TRUE;
        return FALSE;
}

/* Where it was alone, its networks go too; of a project that was not there before, nothing stays. */
static int
choose_removal(struct operation *operation, const struct session *session)
{
        const struct run *run = operation->data;

        if (!is_of_others(run, session)) {
                operation->plan.vms = NULL;
                operation->plan.remove_networks = TRUE;
                operation->plan.volumes = !run->existed && !has_disks_of_others(run, session);
        }
        return EXIT_DONE;
}

static int
throw_away(struct run *run, struct project *project)
{
        const char *names[] = {run->vm.name, NULL};
        struct operation operation = {
                .plan = {.vms = names, .goal = GOAL_REMOVE, .grace_ms = 0},
                .data = run,
                .choose = choose_removal,
        };

        fd_clear(&run->awaiting);
        run->call->project = project;
        return operate(run->call, &operation);
}

/* ---- reached ---- */

/* TRUE when a signal has come within that time. It is taken: the next one may interrupt the removal. */
static gboolean
is_interrupted(struct run *run, int timeout_ms)
{
        struct pollfd signals = {run->signals, POLLIN, 0};
        struct signalfd_siginfo info;

        if (poll(&signals, 1, timeout_ms) > 0)
                run->interrupted = read(run->signals, &info, sizeof info) == sizeof info;
        return run->interrupted;
}

/* A server may listen before cloud-init has put the key there. */
static gboolean
can_log_in(const struct run *run, struct reach *reach)
{
        g_autoptr(GPtrArray) argv = NULL;
        struct child child = CHILD_INIT;

        if (!reach_has_ssh(reach))
                return FALSE;
        if (!run->seeded)
                return TRUE;
        argv = reach_argv(reach, "ssh");
        g_ptr_array_add(argv, g_strdup("-oBatchMode=yes"));
        g_ptr_array_add(argv, g_strdup("-T"));
        g_ptr_array_add(argv, g_strdup(reach->vm));
        g_ptr_array_add(argv, g_strdup("true"));
        g_ptr_array_add(argv, NULL);
        child.argv = (const char *const *)argv->pdata;
        return child_run(&child, LOGIN_MS, NULL, NULL);
}

static gboolean
has_agent(const struct session *session, const char *vm)
{
        auto_fd directory = vm_open_run_directory(session->world->paths, vm, NULL);
        g_autoptr(agent_t) agent = directory >= 0 ? agent_connect(directory, ANSWER_MS, NULL) : NULL;

        return agent != NULL;
}

/* FALSE without an error: not yet. @agent_us: when its agent answered first, or 0 */
static gboolean
look(struct run *run, struct session *session, gint64 *agent_us, struct reach *ret_reach, GError **error)
{
        static const struct observe_options network = {.network = TRUE};
        const char *user = run->call->arguments[1] ? NULL : run->options->exec.user; /* a shell is logged in to as such */
        g_auto(reach_t) reach = {0};

        if (!session_observe(session, &network, error) || !reach_find(session, run->vm.name, user, &reach, error))
                return FALSE;
        if (!*agent_us && has_agent(session, run->vm.name))
                *agent_us = g_get_monotonic_time();
        if (!can_log_in(run, &reach) &&
            (!*agent_us || (run->seeded && reach.ip && g_get_monotonic_time() - *agent_us < SSH_LATER_MS * 1000)))
                return FALSE;
        *ret_reach = reach;
        reach = (struct reach){0};
        return TRUE;
}

static gboolean
wait_until_ready(struct run *run, struct session *session, struct reach *ret_reach, GError **error)
{
        gint64 limit_ms = run->options->timeout_ms < 0 ? READY_MS : run->options->timeout_ms;
        gint64 end = g_get_monotonic_time() + limit_ms * 1000, agent_us = 0;
        g_autoptr(GError) reason = NULL;

        while (!look(run, session, &agent_us, ret_reach, &reason)) {
                if (reason) {
                        g_propagate_error(error, g_steal_pointer(&reason));
                        return error_prefix(error, "cannot run it in vm '%s'", run->vm.name);
                }
                if (g_get_monotonic_time() >= end) {
                        error_set(error, DROVER_ERROR_TIMEOUT,
                                  "vm '%s' has neither an ssh server that lets us in nor a guest agent after %.0f s",
                                  run->vm.name, (double)limit_ms / 1000);
                        return error_hint(error, "'drover run --timeout T' waits longer");
                }
                if (is_interrupted(run, LOOK_MS))
                        return error_set(error, DROVER_ERROR_INTERRUPTED, "interrupted");
        }
        return TRUE;
}

/* ---- run ---- */

/* In the child: it ends with us, and what it holds of us ends with ssh. */
static void
become_command(struct run *run, struct reach *reach)
{
        sigset_t none;

        sigemptyset(&none);
        pthread_sigmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        fd_clear(&run->awaiting);
        _exit(print_finish(exec_in_guest(reach, &run->options->exec, run->call->arguments + 1)));
}

/* Its exit status. What is sent to us is handed on; Ctrl-C comes to both. */
static int
await_command(struct run *run, pid_t pid)
{
        auto_fd pidfd = process_open(pid);
        struct pollfd ends[] = {{run->signals, POLLIN, 0}, {pidfd, POLLIN, 0}};
        int status = 0;

        while (pidfd >= 0 && (poll(ends, 2, -1) >= 0 || errno == EINTR) && !ends[1].revents) {
                struct signalfd_siginfo info;

                if (!ends[0].revents || read(run->signals, &info, sizeof info) != sizeof info)
                        continue;
                run->interrupted = TRUE;
                (void)!process_signal(pidfd, (int)info.ssi_signo, NULL);
        }
        if (fd_retry(waitpid(pid, &status, 0)) < 0 || !WIFEXITED(status))
                return REACH_FAILED;
        return WEXITSTATUS(status);
}

static int
run_command(struct run *run)
{
        int status = REACH_FAILED;
        g_autoptr(session_t) session = NULL;
        g_auto(reach_t) reach = {0};
        g_autoptr(GError) error = NULL;
        pid_t pid;

        session = session_open(g_steal_pointer(&run->call->project));
        if (!wait_until_ready(run, session, &reach, &error))
                return run->interrupted ? EXIT_INTERRUPTED : (print_error(error), REACH_FAILED);
        fflush(NULL);
        pid = fork();
        if (pid == 0)
                become_command(run, &reach);
        if (pid > 0)
                status = await_command(run, pid);
        else
                print_error((error_errno(&error, "cannot start a process"), error));
        return run->interrupted ? EXIT_INTERRUPTED : status;
}

/* ---- the verb ---- */

/* The project with the VM in it; NULL after a failure that was printed. */
static struct project *
load(struct run *run)
{
        struct load_options options = {.no_files = TRUE, .more = run->vm.text};
        struct diagnostics *diagnostics = NULL;
        g_autoptr(GError) error = NULL;
        struct project *project = verb_load_with(run->call, options, &diagnostics, &error);

        if (project && project_refusals(project, diagnostics)) {
                diagnostics_sort(diagnostics);
                g_clear_pointer(&project, project_free);
        }
        print_diagnostics(diagnostics, !project);
        if (!project && error && !diagnostics->error_count)
                print_error(error);
        diagnostics_free(diagnostics);
        return project;
}

static void
take_signals(struct run *run)
{
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGHUP);
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
        run->signals = signalfd(-1, &signals, SFD_CLOEXEC);
}

/* Without a project file there is none to go back to. */
static int
finish(struct run *run, struct project *project)
{
        g_autoptr(GError) error = NULL;

        if (!project)
                project = select_empty_project(run->project, geteuid() == 0, &error);
        return project ? throw_away(run, project) : print_error(error);
}

/* From the file to the command's end. */
static int
run_all(struct run *run)
{
        struct verb_call *call = run->call;
        const struct vm *vm;
        int status;

        call->project = load(run);
        if (!call->project)
                return REACH_FAILED;
        run->project = g_strdup(call->project->name);
        vm = project_find_vm(call->project, run->vm.name);
        run->seeded = vm_wants_seed(vm) && vm->nic_count;
        for (guint i = 0; i < run->vm.lacks->len; i++)
                print_note("vm '%s' is without %s", run->vm.name, (const char *)g_ptr_array_index(run->vm.lacks, i));
        take_signals(run);
        status = start(run);
        if (status != EXIT_DONE || call->globals->dry_run)
                return status == EXIT_DONE || status == EXIT_INTERRUPTED ? status : REACH_FAILED;
        call->project = load(run); /* the first one went with its session */
        return call->project ? run_command(run) : REACH_FAILED;
}

static int
run_run(struct verb_call *call)
{
        struct run run = {.call = call, .options = call->options, .awaiting = -1, .signals = -1};
        struct project *plain = g_steal_pointer(&call->project);
        g_autoptr(GError) error = NULL;
        int status = REACH_FAILED;

        if (throwaway_make(plain, call->arguments[0], run.options->name, &run.vm, &error))
                status = run_all(&run);
        else
                print_error(error);
        if (run.awaiting < 0)
                project_free(plain);
        else if (finish(&run, plain) != EXIT_DONE && status == EXIT_DONE)
                status = REACH_FAILED;
        fd_clear(&run.signals);
        throwaway_clear(&run.vm);
        g_free(run.project);
        return status;
}

#define ROW(...) OPTION_ROW(struct run_options, __VA_ARGS__)

static const struct option_row rows[] = {
        EXEC_ROWS(struct run_options, exec.),
        ROW("name", 0, OPTION_TEXT, "NAME", name, "Of the new VM; default: VM-run- and four digits"),
        ROW("rm", 0, OPTION_FLAG, NULL, remove, "Accepted, as in compose: the VM is always removed"),
        ROW("timeout", 0, OPTION_DURATION, "T", timeout_ms, "How long its guest may take until it can be reached; default: 5m"),
        {NULL},
};

const struct verb verb_run = {
        .name = "run",
        .synopsis = "VM|IMAGE [-- COMMAND [WORD...]]",
        .help = "Run a command in a VM that is made for it, and removed after it",
        .text = "The VM is like the one of the file, or boots the image, with new disks and addresses of its own and without "
                "published ports. What VM depends on is started, and stays. Without a command it is a shell. The exit status "
                "is the command's, and 255 where drover fails.",
        .needs = NEEDS_PROJECT | NEEDS_NONE_IF_NAMED,
        .min_arguments = 1,
        .max_arguments = ARGUMENTS_MANY,
        .failure = REACH_FAILED,
        VERB_OPTIONS(rows, struct run_options),
        .completes_vms = TRUE,
        .run = run_run,
};
