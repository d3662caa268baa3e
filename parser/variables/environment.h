/* environment.h - the variables that a project file may name, in layers of which the upper wins
 *
 * At the top stands drover's own environment, below it the files of --env-file, below them the `.env` beside the project
 * file. An included file gets a layer of its own at the bottom.
 */
#pragma once

#include "parser/variables/expand.h"

typedef struct environment environment_t;

/** environment_new() - The top layer: @block is a NULL-terminated list of NAME=VALUE, or NULL for drover's own environment */
struct environment *environment_new(const char *const *block);

/** environment_new_below() - An empty layer below another, which it keeps alive */
struct environment *environment_new_below(struct environment *above);
struct environment *environment_ref(struct environment *environment);
void environment_unref(struct environment *environment);

/**
 * environment_read_file() - Read a file of NAME=VALUE lines into a layer; what it defines wins over earlier files of the layer
 * @sources: gets the text, so that what is wrong in it can be shown
 * @path:    as open(2) takes it
 *
 * Returns FALSE with an error where the file cannot be read (DROVER_ERROR_NOT_FOUND, _PERMISSION, or _CONFIG for what is no
 * text). What is wrong in its lines goes into @diagnostics; a reference to what is not set is told where it is used.
 */
gboolean environment_read_file(struct environment *environment, struct sources *sources, const char *path,
                               struct diagnostics *diagnostics, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** environment_read_default() - The same for the `.env` beside @source, if there is one: a directory of that name is none */
gboolean environment_read_default(struct environment *environment, struct sources *sources, const struct source *source,
                                  struct diagnostics *diagnostics, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** environment_get() - The variable of that name in the uppermost layer that has it, or NULL */
const struct variable *environment_get(const struct environment *environment, const char *name);

/** variable_tell_fault() - Why a variable has no value: at its place in a file of variables, or at @used where it has none */
void variable_tell_fault(const struct variable *variable, struct place used, struct diagnostics *diagnostics);

/** environment_suggest() - The name of a variable of the files that was probably meant, or NULL; NULL after very many calls */
const char *environment_suggest(struct environment *environment, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(environment_t, environment_unref)
