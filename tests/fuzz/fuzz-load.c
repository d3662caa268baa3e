/* fuzz-load.c - any bytes as a project file: no crash, no hang, and what loads also encodes and loads again
 *
 * Built with libFuzzer (-fsanitize=fuzzer), seeded with tests/config. Without it (-DFUZZ_MAIN) it runs the files it is given.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "parser/keys/keys.h"
#include "parser/load.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
format_all(const struct diagnostics *diagnostics)
{
        for (guint i = 0; i < diagnostics->items->len; i++)
                g_free(diagnostic_format(diagnostics->items->pdata[i]));
}

/* What drover prints with `config` has to be a project file again. */
static void
check_again(const struct project *project, const struct load_options *options)
{
        g_autoptr(json_t) json = keys_encode(&keys_project, project, TRUE);
        g_autofree char *text = json_format(json, JSON_COMPACT);
        struct diagnostics *diagnostics = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(project_t) again = NULL;

        if (!text || strlen(text) > SOURCE_MAX_BYTES)
                return;
        again = project_load_text(text, strlen(text), options, &diagnostics, &error);
        if (!again) {
                g_autofree char *first = diagnostics->items->len ? diagnostic_format(diagnostics->items->pdata[0]) : NULL;

                g_error("what was encoded does not load: %s\n%s", error->message, first ? first : text);
        }
        diagnostics_free(diagnostics);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const nothing[] = {NULL};
        const struct load_options options = {.directory = "/lab", .no_files = TRUE, .root = TRUE, .environ = nothing};
        struct diagnostics *diagnostics = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(project_t) project = NULL;

        if (size > 64 << 10)
                return 0;
        project = project_load_text((const char *)data, size, &options, &diagnostics, &error);
        g_assert_true((project != NULL) == (error == NULL));
        if (project && !project_refusals(project, diagnostics))
                check_again(project, &options);
        format_all(diagnostics);
        diagnostics_free(diagnostics);
        return 0;
}

#ifdef FUZZ_MAIN
int
main(int argc, char **argv)
{
        for (int i = 1; i < argc; i++) {
                g_autofree char *text = NULL;
                size_t length = 0;

                if (!file_read(argv[i], SOURCE_MAX_BYTES, &text, &length, NULL))
                        g_error("cannot read '%s'", argv[i]);
                LLVMFuzzerTestOneInput((const uint8_t *)text, length);
        }
        return 0;
}
#endif
