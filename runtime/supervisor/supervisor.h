/* supervisor.h - one small process per project, as long as any VM of it lives, or waits to be started again
 *
 * It holds the project's network namespace, keeps the logs of consoles within their bound, records what happens (journal.h),
 * and starts again what ended: VMs by their restart policy, and dnsmasq. It sleeps until something happens. Kill it and
 * nothing is lost: the next verb that changes something starts it again. It is alive while its lock on data/supervisor
 * is held.
 *
 * It never reads the project file. What it needs to know of a VM stands in spec.json, which verbs write, and which it reads
 * when it is about to act.
 */
#pragma once

#include "network/home.h"
#include "runtime/paths.h"

/**
 * supervisor_ensure() - Start it unless it runs
 *
 * It is this program, started again as `drover supervise PROJECT DIRECTORY NAME=VALUE...`; its descriptor 3 is the lock, 4 the
 * namespace, 5 a netlink socket of that. The last arguments are drover's own variables: a child's environment is empty.
 */
gboolean supervisor_ensure(const struct paths *paths, const char *project, struct home *home, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** supervisor_is_alive() - Is the lock held? */
gboolean supervisor_is_alive(const struct paths *paths);

/**
 * supervisor_run() - What that process does; returns when no VM lives any more
 * @settings: NULL-terminated NAME=VALUE, which it takes into its environment
 */
gboolean supervisor_run(const char *project, const char *const *settings, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** supervisor_take_settings() - Put NAME=VALUE arguments into the environment; before any thread exists */
void supervisor_take_settings(const char *const *settings);
