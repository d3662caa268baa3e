/* plan.c - drover plan: what up would do, and what it costs */
#include "cmd/operate.h"
#include "cmd/up.h"

struct plan_verb_options {
        struct up_wish wish;
        gboolean exit_code;
        char *format;
};

static int
run_plan(struct verb_call *call)
{
        const struct plan_verb_options *options = call->options;
        struct plan_options wanted = up_plan(&options->wish, call->arguments);
        struct observe_options look = {
                .qmp = TRUE, .devices = TRUE, .vms = wanted.vms, .network = TRUE, .services = TRUE, .images = TRUE};
        int status = EXIT_DONE;
        g_autoptr(session_t) session = operate_open(call, &look, FALSE, &status);
        g_autoptr(plan_t) plan = NULL;

        if (!session)
                return status;
        plan = operate_plan(session, &wanted, &status);
        if (!plan)
                return status;
        if (g_strcmp0(options->format, "json") == 0)
                print_json(plan_to_json(plan, session));
        else
                plan_print(plan, session);
        return options->exit_code && plan_is_pending(plan) ? EXIT_PENDING : EXIT_DONE;
}

#define ROW(...) OPTION_ROW(struct plan_verb_options, __VA_ARGS__)

static const struct option_row rows[] = {
        ROW("restart", 0, OPTION_FLAG, NULL, wish.restart, "As 'up --restart' would"),
        ROW("fresh", 0, OPTION_FLAG, NULL, wish.fresh, "As 'up --fresh' would"),
        ROW("remove-orphans", 0, OPTION_FLAG, NULL, wish.remove_orphans, "As 'up --remove-orphans' would"),
        ROW("pull", 0, OPTION_TEXT, PULL_WORDS, wish.pull, "As 'up --pull' would"),
        ROW("format", 0, OPTION_TEXT, "text|json", format, "How to print it"),
        ROW("exit-code", 0, OPTION_FLAG, NULL, exit_code, "Exit with 2 where changes are pending"),
        {NULL},
};

const struct verb verb_plan = {
        .name = "plan",
        VERB_OF_VMS,
        .help = "Show what up would do, and what it costs",
        .text = "Looks and changes nothing. What waits for a restart or a new disk is shown as pending.",
        .needs = NEEDS_PROJECT | NEEDS_FILES | NEEDS_REFUSALS,
        VERB_OPTIONS(rows, struct plan_verb_options),
        .run = run_plan,
};
