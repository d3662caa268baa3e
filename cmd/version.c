/* version.c - drover version */
#include "cmd/print.h"

static int
run_version(struct verb_call *call)
{
        puts("drover " DROVER_VERSION);
        return EXIT_DONE;
}

const struct verb verb_version = {
        .name = "version",
        .synopsis = "",
        .help = "Print the version",
        .run = run_version,
};
