/* select.c - which project and which VMs a verb is about */
#include "cmd/select.h"
#include "cmd/operate.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

static int
compare_names(gconstpointer a, gconstpointer b)
{
        return text_compare_natural(*(const char *const *)a, *(const char *const *)b);
}

/* An empty project is text like any other, so that it gets the same defaults. */
static struct project *
load_empty(const char *name, const struct state *state, gboolean root, GError **error)
{
        g_autofree char *text = g_strdup_printf("name: %s\nisolation: %s\nvms: {}\n", name,
                                                state->isolation == ISOLATION_HOST ? "host" : "private");
        struct load_options options = {.name = name, .directory = state->directory, .no_files = TRUE, .root = root};
        struct diagnostics *diagnostics = NULL;
        struct project *project;

        project = project_load_text(text, strlen(text), &options, &diagnostics, error);
        diagnostics_free(diagnostics);
        return project;
}

struct project *
select_empty_project(const char *name, gboolean root, GError **error)
{
        g_autoptr(paths_t) paths = NULL;
        g_autoptr(state_t) state = NULL;
        g_autofree char *shown = text_make_printable(name, -1);

        if (!text_is_name(name)) {
                error_set(error, DROVER_ERROR_USAGE, "'%s' is no name of a project", shown);
                return NULL;
        }
        paths = paths_new(name);
        state = state_load(paths, error);
        if (!state)
                return NULL;
        if (!state->exists) {
                error_set(error, DROVER_ERROR_NOT_FOUND, "no project file here, and no project '%s' on this host", name);
                error_hint(error, "'drover ls -a' lists the projects of this host");
                return NULL;
        }
        return load_empty(name, state, root, error);
}

/* Names that have data here but are not in the file. */
static GPtrArray *
list_others(const struct project *project, const struct paths *paths, GError **error)
{
        g_autofree char *directory = g_build_filename(paths->data, "vms", NULL);
        g_autoptr(GPtrArray) found = file_list_directory(directory, error);
        GPtrArray *others;

        if (!found)
                return NULL;
        others = g_ptr_array_new_with_free_func(g_free);
        for (guint i = 0; i < found->len; i++) {
                const char *name = g_ptr_array_index(found, i);

                if (text_is_name(name) && !project_find_vm(project, name))
                        g_ptr_array_add(others, g_strdup(name));
        }
        g_ptr_array_sort(others, compare_names);
        return others;
}

static gboolean
fail_unknown(const struct project *project, const GPtrArray *others, const char *wrong, GError **error)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autofree char *shown = text_make_printable(wrong, -1);
        const char *meant;

        for (guint i = 0; i < project->vm_count; i++)
                g_ptr_array_add(names, (char *)project->vms[i].name);
        for (guint i = 0; i < others->len; i++)
                g_ptr_array_add(names, g_ptr_array_index(others, i));
        g_ptr_array_add(names, NULL);
        error_set(error, DROVER_ERROR_NOT_FOUND, "there is no vm '%s' in project '%s'", shown, project->name);
        meant = text_suggest(wrong, (const char *const *)names->pdata);
        return meant ? error_hint(error, "did you mean '%s'?", meant) : FALSE;
}

GPtrArray *
select_vms(const struct project *project, const struct paths *paths, char *const *arguments, GError **error)
{
        g_autoptr(GPtrArray) others = list_others(project, paths, error);
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

        if (!others)
                return NULL;
        if (!*arguments) {
                for (guint i = 0; i < project->vm_count; i++)
                        g_ptr_array_add(names, g_strdup(project->vms[i].name));
                for (guint i = 0; i < others->len; i++)
                        g_ptr_array_add(names, g_strdup(g_ptr_array_index(others, i)));
                return g_steal_pointer(&names);
        }
        for (; *arguments; arguments++) {
                if (!project_find_vm(project, *arguments) &&
                    !g_ptr_array_find_with_equal_func(others, *arguments, g_str_equal, NULL)) {
                        fail_unknown(project, others, *arguments, error);
                        return NULL;
                }
                if (!g_ptr_array_find_with_equal_func(names, *arguments, g_str_equal, NULL))
                        g_ptr_array_add(names, g_strdup(*arguments));
        }
        return g_steal_pointer(&names);
}

struct session *
select_open(struct verb_call *call, gboolean lock, GPtrArray **ret_names, int *ret_status)
{
        struct observe_options look = {0};
        g_autoptr(session_t) session = operate_open(call, &look, lock, ret_status);
        g_autoptr(GPtrArray) names = NULL;
        g_autoptr(GError) error = NULL;

        if (!session)
                return NULL;
        names = select_vms(session->project, session->world->paths, call->arguments, &error);
        if (!names) {
                *ret_status = print_error(error);
                return NULL;
        }
        *ret_names = g_steal_pointer(&names);
        return g_steal_pointer(&session);
}
