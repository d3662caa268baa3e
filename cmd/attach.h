/* attach.h - up --attach: the consoles of what was started, until Ctrl-C stops it */
#pragma once

#include "cmd/log-reader.h"
#include "cmd/verbs.h"

/**
 * attach() - Print what the consoles say; on SIGINT or SIGTERM stop the VMs, as `drover stop` does
 * @call: the verb's; its arguments are the VMs, none for all
 * @session: unlocked here, so that others can work on the project meanwhile
 * @names: of the same VMs, char *
 * @reader: of their consoles, at the place from which on they are printed
 * @grace_ms: as plan_options.grace_ms
 *
 * Also ends when all of them have ended by themselves, unless one of them has a restart policy. Returns EXIT_INTERRUPTED after
 * a signal, EXIT_DONE after their end or when nobody reads standard output any more (the VMs run on then), else the status of
 * a failure that was printed.
 */
int attach(struct verb_call *call, struct session *session, const GPtrArray *names, struct log_reader *reader, int grace_ms);
