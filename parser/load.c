/* load.c - the front door: finds the files, reads and merges them, decodes, resolves, checks */
#include "parser/load.h"

#include "base/error.h"
#include "base/text.h"
#include "parser/check/check.h"
#include "parser/decode/decode.h"
#include "parser/files/find.h"
#include "parser/files/loader.h"
#include "parser/check/replicas.h"

#include <string.h>

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
decode_project(struct check *check, const struct node *root, const struct load_options *options)
{
        struct decoder decoder = {.store = check->store, .diagnostics = check->diagnostics};
        struct project *project = check->project;

        decode_defaults(&decoder, &keys_project, project);
        decode_object(&decoder, &keys_project, root, project);
        if (!project_is_set(root, "isolation"))
                project->isolation = options->root ? ISOLATION_HOST : ISOLATION_PRIVATE;
        settle_name(check, options);
        resolve_project(check);
        replicas_expand(check, options);
        check_project(check);
}

/* "data, debug" as a vector. */
static const char *const *
split_list(struct project_store *store, const char *text)
{
        g_auto(GStrv) words = g_strsplit(text, ",", -1);
        const char **list = store_alloc(store, (g_strv_length(words) + 1) * sizeof *list);

        for (guint i = 0; words[i]; i++)
                list[i] = store_text(store, g_strstrip(words[i]), -1);
        return list;
}

/* DROVER_PROFILES as a file of the command line would read it: the environment, --env-file, then the `.env` beside the file. */
static const char *const *
profiles_of_environment(struct loader *loader, const struct source *source)
{
        const struct scope *scope = g_hash_table_lookup(loader->scope_of, source);
        const struct variable *variable = scope ? environment_get(scope->environment, "DROVER_PROFILES") : NULL;

        if (!variable)
                return NULL;
        if (variable->value)
                return split_list(loader->store, variable->value);
        variable_tell_fault(variable, (struct place){source}, loader->diagnostics);
        return NULL;
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

/* The files of the command line, each with what it includes, merged; NULL after a fault. */
static struct node *
merge_sources(struct loader *loader, const GPtrArray *sources)
{
        struct node *top = NULL;

        for (guint i = 0; i < sources->len; i++) {
                const struct scope *scope = loader_scope_beside(loader, &loader->top, sources->pdata[i]);
                const struct reading reading = {.source = sources->pdata[i], .scope = scope};
                struct node *next = scope ? loader_read(loader, reading.source, scope) : NULL;

                next = next ? include_apply(loader, &reading, next) : NULL;
                if (next)
                        top = top ? merge_files(&loader->merge, top, next) : next;
        }
        return top;
}

static void
load_sources(struct loader *loader, const GPtrArray *sources, struct project *project)
{
        struct check check = {project, project->store, loader->diagnostics, loader->options->no_files,
                              loader->options->catalogues};
        const struct source *first = sources->pdata[0];
        struct node *top = merge_sources(loader, sources);
        struct load_options options = *loader->options;

        project->directory = first->directory;
        if (top && !loader->incomplete && loader->has_extends)
                extends_apply(loader, top);
        if (!top || loader->incomplete || loader->merge.full || options.variables)
                return;
        if (loader->has_tags)
                merge_finish(project->store, top);
        if (!options.profiles || !*options.profiles)
                options.profiles = profiles_of_environment(loader, first);
        decode_project(&check, top, &options);
}

/* Names the file where there is one only. */
static void
set_error(const struct diagnostics *diagnostics, const GPtrArray *sources, GError **error)
{
        const struct source *first = sources->pdata[0];
        g_autofree char *where = g_strdup_printf("'%s'", first->name);

        for (guint i = 0; i < diagnostics->items->len; i++) {
                const struct diagnostic *diagnostic = diagnostics->items->pdata[i];

                if (diagnostic->severity == SEVERITY_ERROR && diagnostic->place.source && diagnostic->place.source != first) {
                        g_free(where);
                        where = g_strdup("the project's files");
                        break;
                }
        }
        if (diagnostics->error_count == 1)
                error_set(error, DROVER_ERROR_CONFIG, "there is an error in %s", where);
        else
                error_set(error, DROVER_ERROR_CONFIG, "there are %u errors in %s", diagnostics->error_count, where);
}

static struct project *
finish(struct loader *loader, const GPtrArray *sources, struct project *project, GError **error)
{
        load_sources(loader, sources, project);
        diagnostics_sort(loader->diagnostics);
        if (loader->diagnostics->error_count)
                set_error(loader->diagnostics, sources, error);
        else if (loader->options->variables || replicas_check_options(project, loader->options, error))
                return project;
        project_free(project);
        return NULL;
}

/* None is no fault where there is a text for them all. */
static gboolean
find_all(const struct load_options *options, GPtrArray **ret_files, GError **error)
{
        g_autoptr(GError) reason = NULL;

        *ret_files = find_files(options, &reason);
        if (*ret_files || (options->more && !options->files && g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND)))
                return TRUE;
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
}

/* @text: in place of the files, or NULL */
static struct project *
load(const struct load_options *options, const char *text, size_t length, struct diagnostics *diagnostics, GError **error)
{
        g_autoptr(GPtrArray) sources = g_ptr_array_new();
        g_autoptr(GPtrArray) files = NULL;
        struct project *project = project_new(diagnostics->sources);
        struct loader loader;
        gboolean ok = loader_init(&loader, options, project->store, diagnostics, error);

        if (ok && !text && !find_all(options, &files, error))
                ok = FALSE;
        for (guint i = 0; files && i < files->len && ok; i++) {
                const struct source *source = loader_open(&loader, files->pdata[i], error);

                g_ptr_array_add(sources, (gpointer)source);
                ok = source != NULL;
        }
        if (ok && text)
                g_ptr_array_add(sources, (gpointer)sources_add_text(diagnostics->sources, "drover.yaml", options->directory,
                                                                    text, length, error));
        if (ok && options->more)
                g_ptr_array_add(sources, (gpointer)sources_add_text(diagnostics->sources, "<command line>", options->directory,
                                                                    options->more, strlen(options->more), error));
        if (ok && sources->len && sources->pdata[sources->len - 1])
                project = finish(&loader, sources, project, error);
        else
                g_clear_pointer(&project, project_free);
        loader_clear(&loader);
        return project;
}

static struct project *
load_with_diagnostics(const struct load_options *options, const char *text, size_t length, struct diagnostics **ret_diagnostics,
                      GError **error)
{
        struct sources *sources = sources_new();

        *ret_diagnostics = diagnostics_new(sources);
        sources_unref(sources);
        return check_options(options, error) ? load(options, text, length, *ret_diagnostics, error) : NULL;
}

struct project *
project_load(const struct load_options *options, struct diagnostics **ret_diagnostics, GError **error)
{
        return load_with_diagnostics(options, NULL, 0, ret_diagnostics, error);
}

struct project *
project_load_text(const char *text, size_t length, const struct load_options *options, struct diagnostics **ret_diagnostics,
                  GError **error)
{
        return load_with_diagnostics(options, text, length, ret_diagnostics, error);
}
