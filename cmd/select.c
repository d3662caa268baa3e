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

        for (guint i = 0; i < project->declared_vm_count; i++)
                g_ptr_array_add(names, (char *)project->declared_vms[i].name);
        for (guint i = 0; i < others->len; i++)
                g_ptr_array_add(names, g_ptr_array_index(others, i));
        g_ptr_array_add(names, NULL);
        error_set(error, DROVER_ERROR_NOT_FOUND, "there is no vm '%s' in project '%s'", shown, project->name);
        meant = text_suggest(wrong, (const char *const *)names->pdata);
        return meant ? error_hint(error, "did you mean '%s'?", meant) : FALSE;
}

static void
add_once(GPtrArray *names, GHashTable *seen, const char *name)
{
        if (g_hash_table_add(seen, (gpointer)name))
                g_ptr_array_add(names, g_strdup(name));
}

/* A VM by its name, or all replicas of one, also those that are more than wished. FALSE where there is none. */
static gboolean
add_meant(const struct project *project, const GPtrArray *others, const char *name, GPtrArray *names, GHashTable *seen)
{
        const char *const only[] = {name, NULL};
        const struct vm *vm = project_find_vm(project, name);
        const struct vm *group = vm ? NULL : project_find_declared(project, name);
        gboolean found = vm || (group && strcmp(group->name, name) == 0);

        if (vm)
                add_once(names, seen, vm->name);
        for (guint i = 0; group && found && i < group->wished_count; i++)
                add_once(names, seen, project->vms[group->wished_first + i].name);
        for (guint i = 0; !vm && i < others->len; i++) {
                const char *other = g_ptr_array_index(others, i);

                if (!project_is_named(project, only, other))
                        continue;
                add_once(names, seen, other);
                found = TRUE;
        }
        return found;
}

GPtrArray *
select_vms(const struct project *project, const struct paths *paths, char *const *arguments, GError **error)
{
        g_autoptr(GPtrArray) others = list_others(project, paths, error);
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

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
                if (!add_meant(project, others, *arguments, names, seen)) {
                        fail_unknown(project, others, *arguments, error);
                        return NULL;
                }
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

gboolean
select_check_one(const char *name, const GPtrArray *names, GError **error)
{
        if (names->len == 1)
                return TRUE;
        error_set(error, DROVER_ERROR_USAGE, "'%s' is %u VMs", name, names->len);
        return names->len ? error_hint(error, "name one of them: '%s', say", (const char *)g_ptr_array_index(names, 0)) : FALSE;
}
