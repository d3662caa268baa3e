/* pull.c - drover pull: fetch and check the images of VMs */
#include "cmd/operate.h"
#include "cmd/pull.h"
#include "cmd/up.h"

struct pull_options {
        char *policy;
};

/* Names of VMs and of images are not mixed: what is no VM, where one is, is a mistake. */
static gboolean
names_images(const struct verb_call *call)
{
        if (!*call->arguments)
                return FALSE;
        for (char **name = call->arguments; call->project && *name; name++)
                if (project_find_declared(call->project, *name))
                        return FALSE;
        return TRUE;
}

static int
run_pull(struct verb_call *call)
{
        const struct pull_options *options = call->options;
        struct operation operation = {
                .plan = {.vms = select_names(call->arguments), .goal = GOAL_PULL, .grace_ms = -1},
                .starts = TRUE,
                .nothing = "all images are here",
        };

        if (names_images(call))
                return pull_names(call, g_strcmp0(options->policy, "missing") != 0);
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
        .synopsis = "[VM...|IMAGE...]",
        .max_arguments = ARGUMENTS_MANY,
        .completes_vms = TRUE,
        .help = "Fetch the images of VMs",
        .text = "Fetches into the cache what VMs name by URL or from the catalogue, checks it, and starts nothing. An image "
                "without a checksum in the file is asked for anew; a VM that lies on an older one keeps it until 'up --fresh'. "
                "In place of VMs, images may be named: those of the file and of the catalogue ('drover images --catalogue'), "
                "also where there is no project file.",
        .needs = NEEDS_PROJECT | NEEDS_NONE_IF_NAMED,
        VERB_OPTIONS(rows, struct pull_options),
        .run = run_pull,
};
