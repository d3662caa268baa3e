/* lifecycle.c - drover start, stop, restart, pause, unpause: one goal each */
#include "cmd/operate.h"
#include "cmd/select.h"

struct lifecycle_options {
        gint64 grace_ms;
};

static int
run_goal(struct verb_call *call, enum goal goal, gboolean starts, const char *nothing)
{
        const struct lifecycle_options *options = call->options;
        struct operation operation = {
                .plan =
                        {
                                .vms = select_names(call->arguments),
                                .goal = goal,
                                .networks = starts,
                                .grace_ms = options ? operate_grace(options->grace_ms) : -1,
                        },
                .starts = starts,
                .nothing = nothing,
        };

        return operate(call, &operation);
}

static int
run_start(struct verb_call *call)
{
        return run_goal(call, GOAL_START, TRUE, "nothing to do: all of them run");
}

static int
run_stop(struct verb_call *call)
{
        return run_goal(call, GOAL_STOP, FALSE, "nothing to do: none of them runs");
}

static int
run_restart(struct verb_call *call)
{
        return run_goal(call, GOAL_RESTART, TRUE, NULL);
}

static int
run_pause(struct verb_call *call)
{
        return run_goal(call, GOAL_PAUSE, FALSE, "nothing to do: none of them runs");
}

static int
run_unpause(struct verb_call *call)
{
        return run_goal(call, GOAL_UNPAUSE, FALSE, "nothing to do: none of them is paused");
}

static const struct option_row grace_rows[] = {
        {"timeout", 't', OPTION_DURATION, "T", "Grace period instead of each VM's own; 0: power cut",
         G_STRUCT_OFFSET(struct lifecycle_options, grace_ms)},
        {NULL},
};

#define VERB(verb_name, function, verb_needs, rows, help_line, paragraph)                                                      \
        {                                                                                                                      \
                .name = verb_name, VERB_OF_VMS, .help = help_line, .text = paragraph, .needs = verb_needs,                     \
                VERB_OPTIONS(rows, struct lifecycle_options), .run = function,                                                 \
        }

const struct verb verb_start = VERB("start", run_start, NEEDS_PROJECT | NEEDS_FILES | NEEDS_REFUSALS, NULL,
                                    "Start VMs that are stopped", "A VM starts with what the file says now.");
const struct verb verb_stop =
        VERB("stop", run_stop, NEEDS_PROJECT | NEEDS_NO_FILE_OK, grace_rows, "Shut VMs down",
             "Presses the power button (ACPI), and cuts the power after the grace period. Stopped VMs stay "
             "so until the next start, or an up that names them or names none.");
const struct verb verb_restart = VERB("restart", run_restart, NEEDS_PROJECT | NEEDS_FILES | NEEDS_REFUSALS, grace_rows,
                                      "Stop VMs and start them again", "They start with what the file says now.");
const struct verb verb_pause = VERB("pause", run_pause, NEEDS_PROJECT, NULL, "Halt the CPUs of VMs",
                                    "Memory and devices stay as they are. What virsh calls suspend.");
const struct verb verb_unpause = VERB("unpause", run_unpause, NEEDS_PROJECT, NULL, "Let paused VMs go on", NULL);
