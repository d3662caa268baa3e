/* replicas-options.c - do --scale and --profile speak of what the file has? */
#include "parser/check/replicas.h"

#include "base/error.h"
#include "base/text.h"
#include "parser/value/value.h"

#include <string.h>

gboolean
replicas_parse_scale(const char *text, char **ret_name, guint *ret_count)
{
        const char *equals = strchr(text, '=');
        gint64 count = 0;

        if (!equals || equals == text || !value_parse_count(equals + 1, 0, REPLICAS_MAX_VMS, &count, NULL))
                return FALSE;
        *ret_name = g_strndup(text, (gsize)(equals - text));
        *ret_count = (guint)count;
        return TRUE;
}

static gboolean
fail_name(const struct project *project, const char *name, GError **error)
{
        g_autofree const char **names = (const char **)g_hash_table_get_keys_as_array(project->store->declared, NULL);
        g_autofree char *shown = text_make_printable(name, -1);
        const struct vm *group = project_find_declared(project, name);
        const char *meant = group ? group->name : text_suggest(name, names);

        error_set(error, DROVER_ERROR_NOT_FOUND, "--scale: there is no vm '%s' in project '%s'", shown, project->name);
        return meant ? error_hint(error, "did you mean '%s'?", meant) : FALSE;
}

static gboolean
check_scale(const struct project *project, const char *text, GError **error)
{
        g_autofree char *name = NULL, *shown = text_make_printable(text, -1);
        const struct vm *vm;
        guint count;

        if (!replicas_parse_scale(text, &name, &count)) {
                error_set(error, DROVER_ERROR_USAGE, "--scale takes VM=N, with N from 0 to %d, not '%s'", REPLICAS_MAX_VMS,
                          shown);
                return FALSE;
        }
        vm = g_hash_table_lookup(project->store->declared, name);
        if (!vm)
                return fail_name(project, name, error);
        if (vm->has_replicas && !vm->dormant)
                return TRUE;
        if (vm->has_replicas) {
                error_set(error, DROVER_ERROR_USAGE, "--scale: vm '%s' has profiles, and none of them is asked for", name);
                return error_hint(error, "add '--profile %s', or name the vm", vm->profiles[0]);
        }
        error_set(error, DROVER_ERROR_USAGE, "--scale: vm '%s' has no 'replicas' in the file", name);
        return error_hint(error, "write 'replicas: 1' there; its first one is then another VM, called '%s-1'", name);
}

static gboolean
check_profile(const char *name, const char *const *known, GError **error)
{
        g_autofree char *shown = NULL;
        const char *meant;

        if (strcmp(name, "*") == 0 || g_strv_contains(known, name))
                return TRUE;
        shown = text_make_printable(name, -1);
        meant = text_suggest(name, known);
        error_set(error, DROVER_ERROR_NOT_FOUND, "no vm has the profile '%s'", shown);
        return meant ? error_hint(error, "did you mean '%s'?", meant) : FALSE;
}

gboolean
replicas_check_options(const struct project *project, const struct load_options *options, GError **error)
{
        g_autofree const char **known = project_profiles(project);

        for (const char *const *text = options->scale; text && *text; text++)
                if (!check_scale(project, *text, error))
                        return FALSE;
        for (const char *const *name = options->profiles; name && *name; name++)
                if (!check_profile(*name, known, error))
                        return FALSE;
        return TRUE;
}
