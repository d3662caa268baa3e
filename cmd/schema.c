/* schema.c - drover schema: what the table of keys says, for editors and for the manual */
#include "cmd/print.h"

struct schema_options {
        gboolean man;
};

static int
run_schema(struct verb_call *call)
{
        const struct schema_options *options = call->options;
        g_autofree char *manual = options->man ? keys_man() : NULL;

        if (manual)
                fputs(manual, stdout);
        else
                print_json(keys_schema());
        return EXIT_DONE;
}

static const struct option_row rows[] = {
        {"man", 0, OPTION_FLAG, NULL, "The key reference of drover.yaml(5), in mdoc, instead",
         G_STRUCT_OFFSET(struct schema_options, man)},
        {NULL},
};

const struct verb verb_schema = {
        .name = "schema",
        .synopsis = "",
        .help = "Print the JSON Schema of the project file",
        .text = "For editors that complete and check YAML: drover schema > drover.schema.json",
        VERB_OPTIONS(rows, struct schema_options),
        .run = run_schema,
};
