/* plan.c - drover plan: what up would do, and what it costs */
#include "cmd/operate.h"
#include "cmd/select.h"

struct plan_verb_options {
        gboolean restart, fresh, remove_orphans, exit_code;
        char *format;
};

static int
run_plan(struct verb_call *call)
{
        const struct plan_verb_options *options = call->options;
        struct observe_options look = {.qmp = TRUE, .network = TRUE, .services = TRUE, .images = TRUE};
        struct plan_options wanted = {
                .vms = select_names(call->arguments),
                .goal = GOAL_UP,
                .networks = TRUE,
                .restart = options->restart,
                .fresh = options->fresh,
                .remove_orphans = options->remove_orphans,
                .grace_ms = -1,
        };
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

#define ROW(name, letter, type, argument, field, help)                                                                         \
        {                                                                                                                      \
                name, letter, type, argument, help, G_STRUCT_OFFSET(struct plan_verb_options, field)                           \
        }

static const struct option_row rows[] = {
        ROW("restart", 0, OPTION_FLAG, NULL, restart, "As 'up --restart' would"),
        ROW("fresh", 0, OPTION_FLAG, NULL, fresh, "As 'up --fresh' would"),
        ROW("remove-orphans", 0, OPTION_FLAG, NULL, remove_orphans, "As 'up --remove-orphans' would"),
        ROW("format", 0, OPTION_TEXT, "text|json", format, "How to print it"),
        ROW("exit-code", 0, OPTION_FLAG, NULL, exit_code, "Exit with 2 where changes are pending"),
        {NULL},
};

const struct verb verb_plan = {
        .name = "plan",
        .synopsis = "[VM...]",
        .help = "Show what up would do, and what it costs",
        .text = "Looks and changes nothing. What waits for a restart or a new disk is shown as pending.",
        .needs = NEEDS_PROJECT | NEEDS_FILES | NEEDS_REFUSALS,
        .max_arguments = ARGUMENTS_MANY,
        .options = rows,
        .options_size = sizeof(struct plan_verb_options),
        .completes_vms = TRUE,
        .run = run_plan,
};
