/* replicas.h - which VMs of the file are wished now: profiles choose among them, replicas multiply them; private to parser/ */
#pragma once

#include "parser/check/check.h"
#include "parser/load.h"

/**
 * replicas_expand() - Fill project.vms and project.disks from what was declared
 *
 * Comes after resolve_project(), which fills in what was declared, and before the checks, which look at what is wished. Where
 * the file has neither profiles nor replicas, both are the same arrays. A replica shares all with the VM as declared but name,
 * host name, addresses, published ports and named disks. Sets what dependencies mean among the wished VMs.
 */
void replicas_expand(struct check *check, const struct load_options *options);

enum { REPLICAS_MAX_VMS = 100000 }; /* of a project, all replicas counted */

/** replicas_parse_scale() - "db=3"; FALSE where it is no such thing. @ret_name is a new string */
gboolean replicas_parse_scale(const char *text, char **ret_name, guint *ret_count);

/**
 * replicas_check_options() - Are the profiles and scales of the command line those of VMs of this file?
 *
 * DROVER_ERROR_USAGE for `--scale` of a VM without `replicas` or not asked for, or for what is no VM=N,
 * DROVER_ERROR_NOT_FOUND for names that the file does not have, with the nearest one as hint. Until then replicas_expand()
 * passes over them.
 */
gboolean replicas_check_options(const struct project *project, const struct load_options *options, GError **error);
