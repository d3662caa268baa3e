/* forward.c - the hidden verb that the forwarder of published ports is started as: `drover forward PROJECT DIRECTORY [USER]` */
#include "cmd/print.h"

#include "network/ports/forwarder.h"

static int
forward(struct verb_call *call)
{
        g_autoptr(GError) error = NULL;

        return forwarder_run(call->arguments[2], &error) ? EXIT_DONE : print_error(error);
}

const struct verb verb_forward = {
        .name = "forward",
        .synopsis = "PROJECT DIRECTORY [USER]",
        .help = "serves published ports; started by drover itself",
        .min_arguments = 2,
        .max_arguments = 3,
        .run = forward,
};
