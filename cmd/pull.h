/* pull.h - the other half of drover pull */
#pragma once

#include "cmd/verbs.h"

/**
 * pull_names() - Fetch the images that the arguments name: of the project, where there is one, else of the catalogue
 *
 * Prints its errors and its progress; returns an exit status.
 */
int pull_names(struct verb_call *call, gboolean always);
