/* select.h - which project and which VMs a verb is about */
#pragma once

#include "cmd/verbs.h"

/**
 * select_empty_project() - A project without VMs, for `-p NAME` where there is no file
 *
 * Takes directory and isolation from the kept state of that name. Fails with DROVER_ERROR_NOT_FOUND where nothing is kept,
 * and with DROVER_ERROR_USAGE where it is no name.
 */
struct project *select_empty_project(const char *name, gboolean root, GError **error);

/**
 * select_vms() - The VMs that a verb is about, by name
 * @arguments: names as typed, also that of a VM with replicas for all of these; an empty vector: all
 *
 * All are those of the file in its order, then those that only have data here, in natural order. Returns new strings in a
 * GPtrArray. Fails with DROVER_ERROR_NOT_FOUND for a name that neither has, with a suggestion.
 */
GPtrArray *select_vms(const struct project *project, const struct paths *paths, char *const *arguments, GError **error);

/** select_check_one() - Of a verb that is about one VM: all replicas of a VM have one name together */
gboolean select_check_one(const char *name, const GPtrArray *names, GError **error);

/**
 * select_open() - operate_open(), and the VMs that the verb is about
 * @ret_names: on success, as select_vms() returns them
 *
 * Returns NULL after a failure that was printed; @ret_status is its exit status then.
 */
struct session *select_open(struct verb_call *call, gboolean lock, GPtrArray **ret_names, int *ret_status);

/** select_names() - Arguments as plan_options.vms wants them: NULL for an empty vector */
static inline const char *const *
select_names(char *const *arguments)
{
        return *arguments ? (const char *const *)arguments : NULL;
}
