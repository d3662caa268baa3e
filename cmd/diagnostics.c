/* diagnostics.c - what is wrong with a project file, for people and as data */
#include "cmd/print.h"

#include "base/error.h"

#include <string.h>

static const char *const severities[] = {"error", "warning", "note"};

/* The first line of a formatted diagnostic names its severity: colour that word alone. */
static void
print_diagnostic(const struct diagnostic *diagnostic)
{
        static const char *const words[] = {": error: ", ": warning: ", ": note: "};
        static const char *const colors[] = {"red", "yellow", "cyan"};
        g_autofree char *text = diagnostic_format(diagnostic);
        const char *word = words[diagnostic->severity];
        const char *found = strstr(text, word);

        if (!found) {
                fputs(text, stderr);
                return;
        }
        fprintf(stderr, "%.*s: %s%.*s%s %s", (int)(found - text), text, print_color(stderr, colors[diagnostic->severity]),
                (int)strlen(word) - 3, word + 2, print_color(stderr, "reset"), found + strlen(word));
}

/* Where it is, in the words of the file: nothing where it is in none. */
static void
set_place(json_t *item, const struct place *place)
{
        if (!place->source)
                return;
        json_set_text(item, "file", place->source->name);
        if (!place->line)
                return;
        json_set(item, "line", json_integer(place->line));
        json_set(item, "column", json_integer(MAX(place->column, 1)));
        json_set(item, "width", json_integer(MAX(place->width, 1)));
}

/* The steps by which the value got there, the last one first. */
static json_t *
via_to_json(const struct origin *origin)
{
        json_t *list = json_array();

        for (; origin; origin = origin->next) {
                json_t *step = json_object();

                json_set_text(step, "text", origin->text);
                set_place(step, &origin->place);
                json_array_append_new(list, step);
        }
        return list;
}

static void
set_details(json_t *item, const struct diagnostic *diagnostic)
{
        json_set_text(item, "id", diagnostic->id);
        set_place(item, &diagnostic->place);
        json_set_text(item, "hint", diagnostic->hint);
        json_set(item, "via", via_to_json(diagnostic->place.via));
}

static void
print_diagnostic_event(const struct diagnostic *diagnostic)
{
        json_t *event = json_object();

        json_set_text(event, severities[diagnostic->severity], diagnostic->text);
        set_details(event, diagnostic);
        print_event(event);
}

static json_t *
diagnostic_to_json(const struct diagnostic *diagnostic)
{
        json_t *item = json_object();

        json_set_text(item, "severity", severities[diagnostic->severity]);
        json_set_text(item, "text", diagnostic->text);
        set_details(item, diagnostic);
        return item;
}

/* A failure that has no diagnostic: a file that cannot be read, say. */
static json_t *
failure_to_json(const GError *error)
{
        g_auto(GStrv) lines = g_strsplit(error->message, "\n", 2);
        const struct diagnostic diagnostic = {
                SEVERITY_ERROR, "unreadable", {NULL}, lines[0], lines[1] ? g_strchug(lines[1]) : NULL};

        return diagnostic_to_json(&diagnostic);
}

void
print_diagnostics_document(const struct diagnostics *diagnostics, const GError *error)
{
        json_t *document = json_object(), *list = json_array();
        guint count = diagnostics ? diagnostics->error_count : 0;

        for (guint i = 0; diagnostics && i < diagnostics->items->len; i++)
                json_array_append_new(list, diagnostic_to_json(diagnostics->items->pdata[i]));
        if (error && count == 0) {
                json_array_append_new(list, failure_to_json(error));
                count = 1;
        }
        json_set(document, "schema", json_integer(1));
        json_set(document, "diagnostics", list);
        json_set(document, "errors", json_integer(count));
        print_json(document);
}

void
print_diagnostics(const struct diagnostics *diagnostics, gboolean all)
{
        guint shown = 0;

        if (!diagnostics)
                return;
        fflush(stdout);
        for (guint i = 0; i < diagnostics->items->len; i++) {
                const struct diagnostic *diagnostic = g_ptr_array_index(diagnostics->items, i);

                if (diagnostic->severity != SEVERITY_ERROR && (!all || print_mode() == PROGRESS_QUIET))
                        continue;
                if (print_mode() == PROGRESS_JSON)
                        print_diagnostic_event(diagnostic);
                else
                        print_diagnostic(diagnostic);
                shown += diagnostic->severity == SEVERITY_ERROR;
        }
        if (diagnostics->error_count > shown)
                fprintf(stderr, "%u errors, of which the first %u are shown\n", diagnostics->error_count, shown);
}
