/* share.c - the hidden verb that the virtiofsd of a mount is started as: `drover share VM FOLDER ro|rw` */
#include "cmd/print.h"

#include "runtime/vm/share.h"

#include <string.h>

static int
share(struct verb_call *call)
{
        g_autoptr(GError) error = NULL;

        return share_run(call->arguments[1], strcmp(call->arguments[2], "rw") != 0, &error) ? EXIT_DONE : print_error(error);
}

const struct verb verb_share = {
        .name = "share",
        .synopsis = "VM FOLDER ro|rw",
        .help = "serves a folder to a guest; started by drover itself",
        .min_arguments = 3,
        .max_arguments = 3,
        .run = share,
};
