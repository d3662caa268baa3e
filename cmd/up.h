/* up.h - what a person wishes of up: the same for `up`, which does it, and `plan`, which shows it */
#pragma once

#include "cmd/select.h"

struct up_wish {
        gboolean restart, fresh, remove_orphans;
        char *pull; /* a word of PULL_WORDS, or NULL */
};

#define PULL_WORDS "always|missing|never"

static inline enum pull_policy
up_pull(const char *word)
{
        return g_strcmp0(word, "always") == 0 ? PULL_ALWAYS : g_strcmp0(word, "never") == 0 ? PULL_NEVER : PULL_MISSING;
}

/** up_plan() - That wish for the VMs that were named, as options of a plan */
static inline struct plan_options
up_plan(const struct up_wish *wish, char *const *arguments)
{
        return (struct plan_options){
                .vms = select_names(arguments),
                .goal = GOAL_UP,
                .networks = TRUE,
                .restart = wish->restart,
                .fresh = wish->fresh,
                .remove_orphans = wish->remove_orphans,
                .pull = up_pull(wish->pull),
                .grace_ms = -1,
        };
}
