/* origin.h - where each value of a project comes from */
#pragma once

#include "base/json.h"
#include "parser/project.h"

/** struct value_origin - One single value, or an empty list or map */
struct value_origin {
        char *path;          /* "vms.web.disks[0].size" */
        const json_t *value; /* borrowed from what was encoded */
        struct place place;  /* where it is written, and how it got here; line 0: nowhere, it is a default */
};

/**
 * project_origins() - The values of an encoded project, in the order in which json_object_foreach() and its like meet them
 * @encoded: what keys_encode() made of the project; outlives the result
 *
 * A value that is written in a short form is found where that stands. Returns a list of struct value_origin.
 */
GPtrArray *project_origins(const struct project *project, const json_t *encoded);
