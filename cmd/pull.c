/* pull.c - drover pull: fetch and check the images of VMs */
#include "cmd/operate.h"
#include "cmd/up.h"

struct pull_options {
        char *policy;
};

static int
run_pull(struct verb_call *call)
{
        const struct pull_options *options = call->options;
        struct operation operation = {
                .plan = {.vms = select_names(call->arguments), .goal = GOAL_PULL, .grace_ms = -1},
                .starts = TRUE,
                .nothing = "all images are here",
        };

        operation.plan.pull = g_strcmp0(options->policy, "missing") == 0 ? PULL_MISSING : PULL_ALWAYS;
        return operate(call, &operation);
}

#define ROW(...) OPTION_ROW(struct pull_options, __VA_ARGS__)

static const struct option_row rows[] = {
        ROW("policy", 0, OPTION_TEXT, "always|missing", policy, "With missing, newer ones are not asked for; default: always"),
        {NULL},
};

const struct verb verb_pull = {
        .name = "pull",
        VERB_OF_VMS,
        .help = "Fetch the images of VMs",
        .text = "Fetches into the cache what VMs name by URL, checks it, and starts nothing. An image without a checksum "
                "in the "
                "file is asked for anew; a VM that lies on an older one keeps it until 'up --fresh'.",
        .needs = NEEDS_PROJECT,
        VERB_OPTIONS(rows, struct pull_options),
        .run = run_pull,
};
