/* find.h - which files a project is made of, before any of them is read; private to parser/ */
#pragma once

#include "parser/load.h"

/**
 * find_files() - The project files, the first one the one that all others are merged over
 *
 * Those of -f; else drover.yaml or drover.yml in the directory or the nearest one above it that has one, and then
 * drover.override.yaml or drover.override.yml beside it. Returns paths, relative where the directory is the current one.
 * Fails with DROVER_ERROR_NOT_FOUND, with _CONFIG where it is not clear which file is meant, and with _USAGE when -f names a
 * file or standard input twice.
 */
GPtrArray *find_files(const struct load_options *options, GError **error);
