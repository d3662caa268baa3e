/* interpolate.h - the variables in the values of one file
 *
 * Every scalar is looked at but keys, what stands below an `x-` key alone, and the inline bodies below `cloud_init`, `files`
 * and `run` of a VM that does not say `interpolate: true`: dollars in those belong to the guest.
 */
#pragma once

#include "parser/variables/environment.h"
#include "parser/tree/tree.h"

enum { INTERPOLATE_MAX_BYTES = 64 << 20 }; /* of all results in one file */

/** struct file_variable - What a file says of one variable */
struct file_variable {
        char *name;
        gboolean required; /* somewhere it stands without a default */
        char *fallback;    /* the first default, as written; or NULL */
        char *alternate;   /* the first alternate; or NULL */
};

/** variable_log_new() - A list of struct file_variable, in the order in which they were met; freed by g_ptr_array_unref() */
GPtrArray *variable_log_new(void);

/**
 * interpolate_tree() - Replace the variables in all values of a tree
 * @log: gets the variables that are named, also in defaults that are not taken; one that is not set is no fault then. Or NULL
 *
 * Faults go into @diagnostics; scalars without a result are marked so that nobody tells more of them. A scalar that had
 * variables is text, whatever came out, and its place says where its values are from. Costs no more than the file has nodes:
 * what aliases share is looked at once for each kind of place where it stands.
 */
void interpolate_tree(struct tree *tree, struct environment *environment, GPtrArray *log,
                      struct diagnostics *diagnostics);

/** enum body - Which dollars below a VM's key are the guest's, unless the VM says `interpolate: true` */
enum body {
        BODY_NOT,        /* none */
        BODY_ALL,        /* `run`: all */
        BODY_CLOUD_INIT, /* `cloud_init`: all but paths */
        BODY_FILES,      /* `files`: `content` alone */
};

/** body_of_key() - Of a key of a VM */
enum body body_of_key(const char *name);

/** body_below() - Of a value below what is @body: that of @key, or of a list's item (NULL). @text: of a scalar, else NULL */
enum body body_below(enum body body, const char *key, const char *text);
