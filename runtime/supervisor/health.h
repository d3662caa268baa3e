/* health.h - is a guest ready? The rule, the count of looks, and the file that tells others: no clock and no guest in here
 *
 * The supervisor looks (checks.c) and writes vms/VM/health.json; ps, inspect, wait and dependencies read it. It counts for as
 * long as the QEMU lives that it is about.
 */
#pragma once

#include "base/json.h"
#include "runtime/paths.h"

#include <sys/types.h>

#define HEALTH_FILE "health.json"

enum health_state {
        HEALTH_NONE,      /* there is no healthcheck */
        HEALTH_STARTING,  /* no look has succeeded yet, and not too many have failed */
        HEALTH_HEALTHY,
        HEALTH_UNHEALTHY, /* so many looks in a row have failed */
};

/** struct health_rule - `healthcheck` of a VM; one of the first five */
struct health_rule {
        guint tcp;     /* port; 0: none */
        gboolean ping, agent;
        char *console; /* a regular expression, or NULL */
        char **test;   /* a command for the agent, or NULL */
        gint64 interval_ms, timeout_ms, start_period_ms;
        guint retries;
};

struct health {
        enum health_state state;
        guint failures; /* in a row, that count */
        char *reason;   /* of the last failure; NULL: the last look succeeded, or there was none */
};

/** health_rule_read() - From the kept wish of a VM (struct spec); FALSE where it has no healthcheck */
gboolean health_rule_read(const json_t *wish, struct health_rule *ret_rule);
void health_rule_clear(struct health_rule *rule);

/**
 * health_note() - One more look was taken
 * @reason: why it failed (copied); NULL: it succeeded
 * @ran_ms: how long the VM has been running: in its start period failures do not count until it was healthy once
 *
 * Returns whether the state has changed.
 */
gboolean health_note(struct health *health, const struct health_rule *rule, const char *reason, gint64 ran_ms);
void health_clear(struct health *health);
typedef struct health health_t;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(health_t, health_clear)

/** health_name() - "starting", "healthy", "unhealthy"; NULL for HEALTH_NONE */
const char *health_name(enum health_state state);

/** health_save() - Tell others how the VM is whose QEMU is process @pid; that it cannot be written is nobody's fault here */
void health_save(const struct paths *paths, const char *vm, const struct health *health, pid_t pid);

/** health_load() - What was last told of the VM whose QEMU is process @pid. FALSE: nothing; @ret_health is untouched then */
gboolean health_load(const struct paths *paths, const char *vm, pid_t pid, struct health *ret_health);

/** health_look() - The same for a VM with this wish: HEALTH_STARTING where nothing was told yet, HEALTH_NONE without a rule */
void health_look(const struct paths *paths, const char *vm, const json_t *wish, pid_t pid, struct health *ret_health);
