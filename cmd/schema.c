/* schema.c - drover schema: JSON Schema of the project file, for editors */
#include "cmd/print.h"

static int
run_schema(struct verb_call *call)
{
        print_json(keys_schema());
        return EXIT_DONE;
}

const struct verb verb_schema = {
        .name = "schema",
        .synopsis = "",
        .help = "Print the JSON Schema of the project file",
        .text = "For editors that complete and check YAML: drover schema > drover.schema.json",
        .run = run_schema,
};
