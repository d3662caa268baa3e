/* show.h - plans in words: for people, and as JSON */
#pragma once

#include "cmd/print.h"

/** struct action_words - What an action is called before, while and after it is done */
struct action_words {
        const char *symbol; /* "+" */
        const char *name;   /* "create" */
        const char *doing;  /* "creating" */
        const char *done;   /* "created" */
        const char *color;
};

const struct action_words *show_action(enum plan_action action);

/** show_title() - "vm web", "network lan", "dnsmasq". New string */
char *show_title(const struct plan_step *step);

/** show_change() - "memory: 1G → 2G (restart)". New string */
char *show_change(const struct plan_change *change);

/** show_changes() - Several on one line: "memory: 1G → 2G, cpus: 1 → 2". New string */
char *show_changes(const GPtrArray *changes);

/**
 * show_find_pending() - What the file wants of a VM that runs and it has not: struct plan_change *
 *
 * NULL: it does not run, or nothing can be said.
 */
GPtrArray *show_find_pending(const struct session *session, const struct vm_world *vm);

/** show_pending() - As show_changes(), with "(restart required)" behind what waits for that. New string */
char *show_pending(const GPtrArray *changes);

/** show_changes_json() - [{"key", "from", "to", "change"}]. New reference */
json_t *show_changes_json(const GPtrArray *changes);

/** show_summary() - "2 to create, 1 to restart, 1 pending", or NULL where a plan has nothing of the kind. New string */
char *show_summary(const struct plan *plan);

/** show_satisfied() - "nothing to do: 2 VMs as the file says". New string */
char *show_satisfied(const struct session *session);

/** plan_print() - A plan as a person reads it, on standard output */
void plan_print(const struct plan *plan, const struct session *session);

/** plan_to_json() - {"schema": 1, "steps": [...], ...}. New reference */
json_t *plan_to_json(const struct plan *plan, const struct session *session);
