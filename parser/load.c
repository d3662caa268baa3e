/* load.c - the front door: finds the file, reads, decodes, resolves, checks */
#include "parser/load.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "parser/check.h"
#include "parser/decode.h"
#include "parser/interpolate.h"

#include <string.h>

static const char *const override_names[] = {"drover.override.yaml", "drover.override.yml"};

static gboolean
exists_in(const char *directory, const char *name)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);

        return file_exists(path);
}

static char *
not_found(const char *directory, GError **error)
{
        error_set(error, DROVER_ERROR_NOT_FOUND, "there is no 'drover.yaml' in '%s' or above it", directory);
        error_hint(error, "go to the project's directory, or name a file with -f FILE");
        return NULL;
}

/* The file of one directory: its name, or NULL with or without an error. */
static const char *
file_of_directory(const char *directory, GError **error)
{
        gboolean yaml = exists_in(directory, "drover.yaml"), yml = exists_in(directory, "drover.yml");

        if (yaml && yml) {
                error_set(error, DROVER_ERROR_CONFIG, "both 'drover.yaml' and 'drover.yml' are in '%s'", directory);
                error_hint(error, "remove one, or name the one that is meant with -f FILE");
                return NULL;
        }
        for (size_t i = 0; (yaml || yml) && i < G_N_ELEMENTS(override_names); i++) {
                if (exists_in(directory, override_names[i])) {
                        error_set(error, DROVER_ERROR_UNSUPPORTED, "'%s' in '%s': overrides are not supported yet",
                                  override_names[i], directory);
                        error_hint(error, "name the project file alone with -f FILE");
                        return NULL;
                }
        }
        return yaml ? "drover.yaml" : yml ? "drover.yml" : NULL;
}

/* Up from @directory. The path is relative where @directory is the current one, as the user would name it. */
static char *
find_file(const char *directory, GError **error)
{
        g_autofree char *current = g_get_current_dir();
        g_autoptr(GString) steps = g_string_new(NULL);
        g_autofree char *above = g_strdup(directory);
        gboolean is_current = strcmp(current, directory) == 0;

        for (;;) {
                GError *local = NULL;
                const char *name = file_of_directory(above, &local);
                g_autofree char *parent = NULL;

                if (local) {
                        g_propagate_error(error, local);
                        return NULL;
                }
                if (name)
                        return is_current ? g_strconcat(steps->str, name, NULL) : g_build_filename(above, name, NULL);
                parent = g_path_get_dirname(above);
                if (strcmp(parent, above) == 0)
                        return not_found(directory, error);
                g_free(above);
                above = g_steal_pointer(&parent);
                g_string_append(steps, "../");
        }
}

static char *
choose_file(const struct load_options *options, GError **error)
{
        if (!options->files || !options->files[0])
                return find_file(options->directory, error);
        if (options->files[1]) {
                error_set(error, DROVER_ERROR_USAGE, "several project files (-f) are not supported yet");
                return NULL;
        }
        return g_strdup(options->files[0]);
}

/* The name: -p, else the file's, else the directory's. */
static void
settle_name(struct check *check, const struct load_options *options)
{
        struct project *project = check->project;
        g_autofree char *base = g_path_get_basename(project->directory);
        g_autofree char *name = text_make_name(base);

        if (options->name)
                project->name = store_text(check->store, options->name, -1);
        else if (!project->name && *name)
                project->name = store_text(check->store, name, -1);
        if (project->name)
                return;
        project->name = "project"; /* only until the error below ends the run */
        if (!project_is_set(project->node, "name"))
                check_fault(check, "no-name", project_place(project->node, NULL),
                            "write 'name: shop', say, at the top of the file",
                            "the project has no name, and its directory '%s' gives none", base);
}

static void
decode_project(struct check *check, const struct source *source, const struct load_options *options)
{
        struct decoder decoder = {.store = check->store, .diagnostics = check->diagnostics};
        struct project *project = check->project;
        const struct node *root = tree_root(check->store->tree);

        project->directory = source->directory;
        decode_object(&decoder, &keys_project, root, project);
        if (!project_is_set(root, "isolation"))
                project->isolation = options->root ? ISOLATION_HOST : ISOLATION_PRIVATE;
        settle_name(check, options);
        resolve_project(check);
        check_project(check);
}

/* A name on the command line is as much in need of a look as one in the file. */
static gboolean
check_options(const struct load_options *options, GError **error)
{
        if (options->name && !text_is_name(options->name)) {
                g_autofree char *shown = text_make_printable(options->name, -1);

                error_set(error, DROVER_ERROR_USAGE, "'%s' is no name for a project", shown);
                return error_hint(error, "small letters, digits and inner hyphens, at most 40");
        }
        return TRUE;
}

/* Above the layers of files: drover's environment and, below it, the files of --env-file. */
static struct environment *
read_environment(const struct load_options *options, struct diagnostics *diagnostics, GError **error)
{
        g_autoptr(environment_t) top = environment_new(options->environ);
        g_autoptr(environment_t) files = environment_new_below(top);

        for (const char *const *path = options->env_files; path && *path; path++)
                if (!environment_read_file(files, diagnostics->sources, *path, diagnostics, error))
                        return NULL;
        return g_steal_pointer(&files);
}

/* A file as a tree without variables: those that the `.env` beside it sets come last. NULL after any error. */
static struct tree *
read_tree(const struct source *source, struct environment *above, GPtrArray *variables, struct diagnostics *diagnostics,
          GError **error)
{
        g_autoptr(environment_t) environment = environment_new_below(above);
        struct tree *tree = tree_read(source, diagnostics);

        if (!tree)
                return NULL;
        if (!environment_read_default(environment, diagnostics->sources, source, diagnostics, error)) {
                tree_free(tree);
                return NULL;
        }
        interpolate_tree(tree, environment, variables, diagnostics);
        return tree;
}

static struct project *
load_source(const struct source *source, struct sources *sources, const struct load_options *options,
            struct diagnostics *diagnostics, GError **error)
{
        g_autoptr(project_t) project = project_new(sources);
        struct check check = {project, project->store, diagnostics, options->no_files};
        g_autoptr(environment_t) environment = read_environment(options, diagnostics, error);
        GError *failure = NULL;

        if (!environment)
                return NULL;
        project->store->tree = read_tree(source, environment, options->variables, diagnostics, &failure);
        if (failure) {
                g_propagate_error(error, failure);
                return NULL;
        }
        if (project->store->tree)
                decode_project(&check, source, options);
        diagnostics_sort(diagnostics);
        if (!diagnostics->error_count)
                return g_steal_pointer(&project);
        if (diagnostics->error_count == 1)
                error_set(error, DROVER_ERROR_CONFIG, "there is an error in '%s'", source->name);
        else
                error_set(error, DROVER_ERROR_CONFIG, "there are %u errors in '%s'", diagnostics->error_count, source->name);
        return NULL;
}

struct project *
project_load(const struct load_options *options, struct diagnostics **ret_diagnostics, GError **error)
{
        struct sources *sources = sources_new();
        struct project *project = NULL;
        const struct source *source = NULL;
        g_autofree char *path = NULL;

        *ret_diagnostics = diagnostics_new(sources);
        if (check_options(options, error))
                path = choose_file(options, error);
        if (path)
                source = sources_read(sources, path, error);
        if (source)
                project = load_source(source, sources, options, *ret_diagnostics, error);
        sources_unref(sources);
        return project;
}

struct project *
project_load_text(const char *text, size_t length, const struct load_options *options, struct diagnostics **ret_diagnostics,
                  GError **error)
{
        struct sources *sources = sources_new();
        struct project *project = NULL;
        const struct source *source = NULL;

        *ret_diagnostics = diagnostics_new(sources);
        if (check_options(options, error))
                source = sources_add_text(sources, "drover.yaml", options->directory, text, length, error);
        if (source)
                project = load_source(source, sources, options, *ret_diagnostics, error);
        sources_unref(sources);
        return project;
}
