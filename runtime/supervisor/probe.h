/* probe.h - one look at a guest: does a port take connections, does it answer, what does its console show?
 *
 * Each is taken by a process of its own, which may enter the project's network namespace for good, block, and read what a
 * guest says without harm to anybody.
 */
#pragma once

#include "runtime/supervisor/health.h"

/** struct probe - What to look at */
struct probe {
        const struct health_rule *rule;
        const struct paths *paths;
        const char *vm;
        const char *address;  /* of the guest, or NULL: not known */
        int namespace_fd;     /* the project's network */
        gint64 console_from;  /* where in the console's log to begin */
};

/** probe_run() - Take it, in the process that was made for it; NULL: all is well, else why not. New string */
char *probe_run(const struct probe *probe);

/** probe_console_from() - Where in the console's log this run of a VM begins */
gint64 probe_console_from(const struct paths *paths, const char *vm);
