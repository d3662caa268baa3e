/* throwaway.h - the wish for a VM that `drover run` makes: another VM's, or an image's, but for what can be there only once */
#pragma once

#include "cmd/print.h"

/** struct throwaway - A VM of no file, and what it came from */
struct throwaway {
        char *name;
        char *text;        /* a project file that has it */
        GPtrArray *lacks;  /* char *: what the VM has and this has not, in words for a person */
};
typedef struct throwaway throwaway_t;
void throwaway_clear(struct throwaway *throwaway);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(throwaway_t, throwaway_clear)

/**
 * throwaway_make() - Find out what is meant
 * @project: NULL: there is no project file
 * @what:    a VM of the project, or an image: a path, a URL, a name of the project or of the catalogue
 * @name:    of the new VM; NULL: the name of what it is made from, and a number by chance
 *
 * Fails with DROVER_ERROR_NOT_FOUND, with a suggestion, for what is neither; with DROVER_ERROR_USAGE for a name that is none or
 * taken by the file, and with DROVER_ERROR_FAILED for a VM whose root disk is used in place and written to.
 */
gboolean throwaway_make(const struct project *project, const char *what, const char *name, struct throwaway *ret_throwaway,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
