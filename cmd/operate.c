/* operate.c - what all verbs that change something share: lock, observe, plan, ask, apply */
#include "cmd/operate.h"
#include "cmd/progress.h"

#include "base/error.h"

#include <string.h>
#include <unistd.h>

/* Ask on the terminal; anything but y and yes is no, and so is the end of the input. */
static gboolean
ask(const char *question)
{
        char answer[64];

        fprintf(stderr, "%s [y/N] ", question);
        fflush(stderr);
        if (!fgets(answer, sizeof answer, stdin)) {
                fputc('\n', stderr);
                return FALSE;
        }
        g_strstrip(answer);
        return g_ascii_strcasecmp(answer, "y") == 0 || g_ascii_strcasecmp(answer, "yes") == 0;
}

static int
lock_and_look(const struct verb_call *call, struct session *session, const struct observe_options *look, gboolean lock)
{
        int timeout_ms = (int)call->globals->lock_timeout_ms;
        g_autofree char *note = NULL;
        g_autoptr(GError) error = NULL;

        if (lock && !session_lock(session, timeout_ms, &note, &error))
                return print_error(error);
        if (note)
                print_note("%s", note);
        if (lock && look->images && !session_keep_images(session, timeout_ms, &error))
                return print_error(error);
        return session_observe(session, look, &error) ? EXIT_DONE : print_error(error);
}

struct session *
operate_open(struct verb_call *call, const struct observe_options *look, gboolean lock, int *ret_status)
{
        g_autoptr(session_t) session = session_open(g_steal_pointer(&call->project));
        int status;

        session->by = call->verb;
        status = lock_and_look(call, session, look, lock);
        if (status == EXIT_DONE)
                return g_steal_pointer(&session);
        *ret_status = status;
        return NULL;
}

struct session *
operate_look(struct verb_call *call, struct observe_options look, int *ret_status)
{
        g_autoptr(session_t) session = session_open(g_steal_pointer(&call->project));
        g_autoptr(GError) error = NULL;

        if (session_observe(session, &look, &error))
                return g_steal_pointer(&session);
        if (look.network) {
                look.network = FALSE;
                print_note("the network cannot be looked at: %.*s", (int)strcspn(error->message, "\n"), error->message);
                g_clear_error(&error);
                if (session_observe(session, &look, &error))
                        return g_steal_pointer(&session);
        }
        *ret_status = print_error(error);
        return NULL;
}

struct plan *
operate_plan(struct session *session, const struct plan_options *options, int *ret_status)
{
        g_autoptr(GError) error = NULL;
        struct plan *plan = session_plan(session, options, &error);
        gboolean explained;

        print_diagnostics(session->faults, TRUE);
        /* The error of a plan that faults stand in the way of is only their number. */
        explained = session->faults->error_count && (g_error_matches(error, DROVER_ERROR, DROVER_ERROR_CONFIG) ||
                                                     g_error_matches(error, DROVER_ERROR, DROVER_ERROR_BUSY));
        if (!plan)
                *ret_status = explained ? exit_status_of(error) : print_error(error);
        return plan;
}

/* What stands after Ctrl-C. */
static void
tell_interrupted(guint done, guint total)
{
        print_info("interrupted: %u of %u steps done; what was done stands, and the next 'drover up' or 'drover down' goes on",
                   done, total);
}

static int
apply(struct verb_call *call, const struct operation *operation, struct session *session, const struct plan *plan)
{
        struct progress *progress = progress_new(plan);
        struct apply_options options = {
                .parallel = (guint)call->globals->parallel,
                .cancel = progress_cancel(progress),
                .cancel_fd = progress_cancel_fd(progress),
                .progress = progress_step,
                .progress_data = progress,
                .paused = operation->plan.paused,
                .grace_ms = operation->plan.grace_ms,
        };
        g_autoptr(GError) error = NULL;
        guint failed = 0;
        gboolean good = session_apply(session, plan, &options, &failed, &error);
        gboolean cancelled = g_atomic_int_get(progress_cancel(progress)) != 0;
        guint done = progress_done(progress), total = progress_total(progress);
        int status = progress_end(progress);

        if (cancelled && done < total) {
                tell_interrupted(done, total);
                return EXIT_INTERRUPTED;
        }
        if (good)
                return EXIT_DONE;
        /* Each failure was printed; the count is worth a line only where there are several, or none was. */
        if (status == EXIT_DONE || failed > 1)
                print_error(error);
        return status == EXIT_DONE ? exit_status_of(error) : status;
}

static gboolean
is_confirmed(const struct operation *operation, const struct plan *plan, const struct session *session)
{
        g_autofree char *question = NULL;

        if (!operation->question || operation->yes || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
                return TRUE;
        question = operation->question(plan, session);
        return !question || ask(question);
}

static int
carry_out(struct verb_call *call, struct operation *operation, struct session *session)
{
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;
        g_autoptr(plan_t) plan = operate_plan(session, &operation->plan, &status);

        if (!plan)
                return status;
        if (call->globals->dry_run) {
                plan_print(plan, session);
                return EXIT_DONE;
        }
        for (guint i = 0; i < plan->notes->len; i++)
                print_note("%s", (const char *)g_ptr_array_index(plan->notes, i));
        if (plan_acts(plan)) {
                if (!is_confirmed(operation, plan, session)) {
                        print_info("nothing was changed");
                        return EXIT_FAILED;
                }
                if (!session_prepare(session, plan, &error))
                        return print_error(error);
                status = apply(call, operation, session, plan);
        } else if (!plan_is_pending(plan) || operation->nothing) {
                g_autofree char *satisfied = show_satisfied(session);

                print_info("%s", operation->nothing ? operation->nothing : satisfied);
        }
        if (status == EXIT_DONE && operation->finish)
                status = operation->finish(operation, plan, session, call);
        return status;
}

/* What is cut off need not be asked how it is. */
static gboolean
cuts_off(const struct plan_options *plan)
{
        return plan->goal == GOAL_KILL || ((plan->goal == GOAL_STOP || plan->goal == GOAL_REMOVE) && plan->grace_ms == 0);
}

static struct observe_options
look_for(const struct operation *operation)
{
        return (struct observe_options){
                .qmp = !cuts_off(&operation->plan),
                .devices = operation->plan.goal == GOAL_UP,
                .vms = operation->plan.vms,
                .network = TRUE,
                .services = TRUE,
                .images = operation->starts,
        };
}

int
operate(struct verb_call *call, struct operation *operation)
{
        struct observe_options look = look_for(operation);
        int status = EXIT_DONE;
        g_autoptr(session_t) session = operate_open(call, &look, !call->globals->dry_run, &status);

        if (!session)
                return status;
        if (operation->choose)
                status = operation->choose(operation, session);
        return status == EXIT_DONE ? carry_out(call, operation, session) : status;
}

int
operate_again(struct verb_call *call, struct operation *operation, struct session *session)
{
        struct observe_options look = look_for(operation);
        int status = lock_and_look(call, session, &look, TRUE);

        return status == EXIT_DONE ? carry_out(call, operation, session) : status;
}
