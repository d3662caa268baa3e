/* main.c - where drover begins */
#include "cmd/verbs.h"

int
main(int argc, char **argv)
{
        return cli_run(argc, argv);
}
