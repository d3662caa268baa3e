/* fault.c - what the file asks for and this host cannot give */
#include "runtime/plan/fault.h"

#include <string.h>

static void
fault_free(gpointer data)
{
        struct fault *fault = data;

        g_free(fault->text);
        g_free(fault->hint);
        g_free(fault);
}

static struct fault *G_GNUC_PRINTF(5, 0)
add(GPtrArray **faults, const char *id, struct place place, const char *hint, const char *format, va_list args)
{
        struct fault *fault = g_new0(struct fault, 1);
        char *end;

        fault->id = id;
        fault->place = place;
        fault->text = g_strdup_vprintf(format, args);
        end = strchr(fault->text, '\n');
        if (end)
                *end++ = '\0';
        fault->hint = hint ? g_strdup(hint) : end ? g_strstrip(g_strndup(end, strcspn(end, "\n"))) : NULL;
        if (!*faults)
                *faults = g_ptr_array_new_with_free_func(fault_free);
        g_ptr_array_add(*faults, fault);
        return fault;
}

void
faults_add(GPtrArray **faults, const char *id, struct place place, const char *hint, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        add(faults, id, place, hint, format, args);
        va_end(args);
}

void
faults_add_passing(GPtrArray **faults, const char *id, struct place place, const char *hint, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        add(faults, id, place, hint, format, args)->passing = TRUE;
        va_end(args);
}

void
faults_add_in_use(GPtrArray **faults, const char *vm, struct place place, const struct file_use *use, const char *project,
                  const char *hint)
{
        g_autofree char *who = file_use_describe(use, project), *standard = file_use_hint(use, project);

        faults_add_passing(faults, "file-in-use", place, hint ? hint : standard, "vm '%s': '%s' is in use by %s", vm, use->path,
                           who);
}

void
faults_tell(const GPtrArray *faults, enum severity severity, const char *more, struct diagnostics *diagnostics)
{
        for (guint i = 0; faults && i < faults->len; i++) {
                const struct fault *fault = g_ptr_array_index(faults, i);

                diagnostics_add(diagnostics, severity, fault->id, fault->place, fault->hint, "%s%s", fault->text,
                                more ? more : "");
        }
}

const char *
fault_text(const GPtrArray *faults)
{
        return ((const struct fault *)g_ptr_array_index(faults, 0))->text;
}

gboolean
faults_blame(const GPtrArray *faults)
{
        for (guint i = 0; faults && i < faults->len; i++)
                if (!((const struct fault *)g_ptr_array_index(faults, i))->passing)
                        return TRUE;
        return FALSE;
}
