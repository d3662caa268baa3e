/* load.h - the front door of the parser: files in, project out */
#pragma once

#include "parser/project.h"

enum {
        LOAD_MAX_FILES = 1000,                /* of one project: those of -f, included ones, those that VMs are extended from */
        LOAD_MAX_BYTES = 4 * SOURCE_MAX_BYTES, /* of all of them */
        LOAD_MAX_DEPTH = 32,                  /* of files that include each other */
};

struct load_options {
        const char *const *files; /* NULL-terminated -f arguments, merged; or NULL: drover.yaml here or in the nearest parent,
                                     and drover.override.yaml beside it */
        const char *name;         /* -p, or NULL */
        const char *directory;    /* where to look: the current directory, absolute */
        gboolean no_files;        /* do not look whether images, kernels and disks are there (down, ps, stop ...) */
        gboolean root;            /* whose default isolation: root's is host, a user's private */
        const char *const *environ;   /* NULL-terminated NAME=VALUE, for interpolation; NULL: drover's own environment */
        const char *const *profiles; /* NULL-terminated --profile arguments, "*": all; none: DROVER_PROFILES, where it is set */
        const char *const *vm_names; /* NULL-terminated names of VMs that were asked for, and with them their profiles */
        const char *const *scale;    /* NULL-terminated --scale arguments: VM=N; later ones win */
        const char *const *catalogues; /* NULL-terminated paths of files that add to the catalogue (catalogue.h); or NULL */
        const char *const *env_files; /* NULL-terminated --env-file arguments, later ones win; or NULL */
        const char *more;         /* the text of one more file, merged over the others (or in their place, where there are
                                     none and none are named); its paths are relative to @directory. Or NULL */
        GPtrArray *variables; /* variable_log_new(): gets the variables that the files name, whether or not they are set; the
                                 project is then empty, since its values may be missing. Or NULL */
};

/**
 * project_load() - Read, merge, decode and check a project
 * @ret_diagnostics: always set: everything that was found, sorted; belongs to the caller. May be empty
 *
 * Touches nothing on the host but the files it reads. Returns NULL with DROVER_ERROR_CONFIG when the diagnostics hold an
 * error, with DROVER_ERROR_NOT_FOUND where there is no project file (the text says where it looked).
 */
struct project *project_load(const struct load_options *options, struct diagnostics **ret_diagnostics,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** project_load_text() - The same for text in memory; for tests and fuzzing */
struct project *project_load_text(const char *text, size_t length, const struct load_options *options,
                                  struct diagnostics **ret_diagnostics, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * project_refusals() - Diagnostics for every key that is understood but not built yet ("not supported yet")
 *
 * `config` does not ask; `plan` and all that change something do, and stop. Returns the number added.
 */
guint project_refusals(const struct project *project, struct diagnostics *diagnostics);
