/* supervise.c - the hidden verb that the supervisor is started as: `drover supervise PROJECT DIRECTORY` */
#include "cmd/print.h"

#include "runtime/supervisor/supervisor.h"

static int
supervise(struct verb_call *call)
{
        g_autoptr(GError) error = NULL;

        return supervisor_run(call->arguments[1], &error) ? EXIT_DONE : print_error(error);
}

const struct verb verb_supervise = {
        .name = "supervise",
        .synopsis = "PROJECT DIRECTORY",
        .help = "bounds logs and holds the namespace while VMs live; started by drover itself",
        .min_arguments = 2,
        .max_arguments = 2,
        .run = supervise,
};
