/* fuzz-merge.c - four files that are merged, include and extend each other: no crash, no hang, and what comes out is read again
 *
 * The input is cut at lines "%%%": drover.yaml, drover.override.yaml, a.yaml, b.yaml. What loads is encoded, and is the same
 * project again when that is read.
 */
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "parser/keys/keys.h"
#include "parser/load.h"
#include "parser/text/origin.h"
#include "tests/fuzz/fuzz.h"

static const char *const names[] = {"drover.yaml", "drover.override.yaml", "a.yaml", "b.yaml"};
static char *directory;

static void
remove_directory(void)
{
        MUST(file_remove_tree(directory, NULL));
        g_free(directory);
}

static void
write_files(const char *text, size_t size)
{
        const char *end = text + size;

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                const char *cut = i + 1 < G_N_ELEMENTS(names) ? memmem(text, (size_t)(end - text), "\n%%%\n", 5) : NULL;
                g_autofree char *path = g_build_filename(directory, names[i], NULL);

                MUST(g_file_set_contents_full(path, text, (cut ? cut : end) - text, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
                text = cut ? cut + 5 : end;
        }
}

static char *
encode(const struct project *project)
{
        g_autoptr(json_t) json = keys_encode(&keys_project, project, TRUE);
        g_autoptr(GPtrArray) origins = project_origins(project, json);

        MUST(origins->len > 0);
        return json_dumps(json, JSON_COMPACT);
}

static void
check_again(const struct project *project, struct load_options options)
{
        g_autofree char *text = encode(project), *again = NULL;
        struct diagnostics *diagnostics = NULL;
        g_autoptr(project_t) second = NULL;

        if (!text || strlen(text) > SOURCE_MAX_BYTES)
                return;
        options.name = project->name;
        second = project_load_text(text, strlen(text), &options, &diagnostics, NULL);
        check_diagnostics(diagnostics);
        MUST(second);
        again = encode(second);
        MUST(strcmp(text, again) == 0);
        diagnostics_free(diagnostics);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const nothing[] = {NULL};
        struct load_options options = {.no_files = TRUE, .root = TRUE, .environ = nothing};
        struct diagnostics *diagnostics = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(project_t) project = NULL;

        if (size > 16 << 10)
                return 0;
        if (!directory) {
                directory = g_dir_make_tmp("drover-fuzz-XXXXXX", NULL);
                atexit(remove_directory);
        }
        write_files((const char *)data, size);
        options.directory = directory;
        project = project_load(&options, &diagnostics, &error);
        MUST((project != NULL) == (error == NULL));
        if (project)
                check_again(project, options);
        check_diagnostics(diagnostics);
        diagnostics_free(diagnostics);
        return 0;
}
