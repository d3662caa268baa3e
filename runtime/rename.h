/* rename.h - another name for a VM that keeps its identity, its disks and, where it runs, its process
 *
 * A rename is several steps on disk. What is to be renamed is written down first (data/rename.json), each step may be done
 * again, and the note goes last: a rename that was cut short is finished by whoever takes the project's lock next.
 */
#pragma once

#include "runtime/state.h"

#define RENAME_FILE "rename.json"

/**
 * rename_vm() - Rename it; under the project's lock
 *
 * UUID, MACs, disks and logs stay. A QEMU that runs keeps the old name for its process until it is restarted, and for its
 * taps (spec.started_as) until it is stopped. Fails with DROVER_ERROR_NOT_FOUND where nothing of @from is here, and with
 * DROVER_ERROR_EXISTS where something of @to is.
 */
gboolean rename_vm(const struct paths *paths, const char *from, const char *to, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** rename_finish() - Finish what was cut short, if anything; under the project's lock */
gboolean rename_finish(const struct paths *paths, GError **error) G_GNUC_WARN_UNUSED_RESULT;
