/* diagnostics.c - what is wrong at places in project files, and how it is shown */
#include "parser/text/diagnostics.h"

#include "base/text.h"

#include <string.h>

enum {
        SHOWN_CHARACTERS = 160,    /* of a source line */
        SHOWN_BEFORE = 80,         /* of them before the caret, in a longer line */
        TEXT_MAX_CHARACTERS = 400, /* of a message: it may quote the file */
};

static void
diagnostic_free(gpointer data)
{
        struct diagnostic *diagnostic = data;

        g_free(diagnostic->text);
        g_free(diagnostic->hint);
        g_free(diagnostic);
}

static guint
hash_diagnostic(gconstpointer data)
{
        const struct place *place = &((const struct diagnostic *)data)->place;

        return place->line * 31 + place->column;
}

/* Of one place and one kind: what is without a place is like no other. */
static gboolean
equal_diagnostics(gconstpointer a, gconstpointer b)
{
        const struct diagnostic *one = a, *two = b;

        return one->place.line && one->place.line == two->place.line && one->place.column == two->place.column &&
               one->place.source == two->place.source && strcmp(one->id, two->id) == 0;
}

struct diagnostics *
diagnostics_new(struct sources *sources)
{
        struct diagnostics *diagnostics = g_new0(struct diagnostics, 1);

        diagnostics->sources = sources_ref(sources);
        diagnostics->items = g_ptr_array_new_with_free_func(diagnostic_free);
        diagnostics->known = g_hash_table_new(hash_diagnostic, equal_diagnostics);
        return diagnostics;
}

void
diagnostics_free(struct diagnostics *diagnostics)
{
        if (!diagnostics)
                return;
        g_hash_table_unref(diagnostics->known);
        g_ptr_array_unref(diagnostics->items);
        sources_unref(diagnostics->sources);
        g_free(diagnostics);
}

/* One line that is fit for a terminal, whatever part of the file it quotes. */
static char *
make_line(const char *text)
{
        g_autofree char *line = text_make_printable(text, -1);

        for (char *c = line; *c; c++)
                if (*c == '\t')
                        *c = ' ';
        if (strlen(line) > TEXT_MAX_CHARACTERS && g_utf8_strlen(line, -1) > TEXT_MAX_CHARACTERS) {
                *g_utf8_offset_to_pointer(line, TEXT_MAX_CHARACTERS) = '\0';
                return g_strconcat(line, "...", NULL);
        }
        return g_steal_pointer(&line);
}

gboolean
diagnostics_add(struct diagnostics *diagnostics, enum severity severity, const char *id, struct place place, const char *hint,
                const char *format, ...)
{
        gboolean is_error = severity == SEVERITY_ERROR;
        struct diagnostic *diagnostic, wanted = {severity, id, place};
        guint *kept = is_error ? &diagnostics->kept_errors : &diagnostics->kept_others;
        g_autofree char *text = NULL;
        va_list args;

        if (g_hash_table_contains(diagnostics->known, &wanted))
                return FALSE;
        diagnostics->error_count += is_error;
        if (*kept == DIAGNOSTIC_MAX_SHOWN)
                return FALSE;
        (*kept)++;
        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        diagnostic = g_memdup2(&wanted, sizeof wanted);
        diagnostic->text = make_line(text);
        diagnostic->hint = hint ? make_line(hint) : NULL;
        g_ptr_array_add(diagnostics->items, diagnostic);
        g_hash_table_add(diagnostics->known, diagnostic);
        return FALSE;
}

/* Diagnostics without a source come last, and those of a file without a line before those with one. */
static gint
compare(gconstpointer a, gconstpointer b, gpointer data)
{
        const struct place *x = &(*(const struct diagnostic *const *)a)->place;
        const struct place *y = &(*(const struct diagnostic *const *)b)->place;

        if (x->source != y->source) {
                guint i = sources_order(data, x->source), j = sources_order(data, y->source);

                return i < j ? -1 : i > j ? 1 : 0;
        }
        if (x->line != y->line)
                return x->line < y->line ? -1 : 1;
        return x->column < y->column ? -1 : x->column > y->column ? 1 : 0;
}

void
diagnostics_sort(struct diagnostics *diagnostics)
{
        g_ptr_array_sort_with_data(diagnostics->items, compare, diagnostics->sources);
}

/* How many cells a character takes on a terminal. */
static guint
cells(gunichar c)
{
        return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}

static void
append_repeated(GString *out, char c, guint count)
{
        for (guint i = 0; i < count; i++)
                g_string_append_c(out, c);
}

/* The source line and the line with the caret below it. */
static void
append_excerpt(GString *out, const struct diagnostic *diagnostic, const char *line, size_t length)
{
        const struct place *place = &diagnostic->place;
        const char *end = line + length;
        gboolean is_long = text_skip(line, end, SHOWN_CHARACTERS) < end;
        guint from = is_long && place->column > SHOWN_BEFORE ? place->column - SHOWN_BEFORE : 0;
        guint indent = from ? 3 : 0, underlined = 0;
        const char *c = text_skip(line, end, from);

        g_string_append_printf(out, "%5u | %s", place->line, from ? "..." : "");
        for (guint column = from + 1; c < end && column <= from + SHOWN_CHARACTERS; column++, c = g_utf8_next_char(c)) {
                gunichar character = g_utf8_get_char(c);

                g_string_append_unichar(out, character == '\t' ? ' ' : character);
                if (column < place->column)
                        indent += cells(character);
                else if (column - place->column < MAX(place->width, 1))
                        underlined += cells(character);
        }
        g_string_append_printf(out, "%s\n      | ", c < end ? "..." : "");
        append_repeated(out, ' ', indent);
        g_string_append_c(out, '^');
        append_repeated(out, '~', underlined > 1 ? underlined - 1 : 0);
        if (diagnostic->hint)
                g_string_append_printf(out, " %s", diagnostic->hint);
        g_string_append_c(out, '\n');
}

char *
origin_format(const struct origin *origin)
{
        g_autofree char *text = make_line(origin->text);

        if (!origin->place.source || !origin->place.line)
                return g_steal_pointer(&text);
        return g_strdup_printf("%s at %s:%u", text, origin->place.source->name, origin->place.line);
}

/* How the value got there. */
static void
append_origins(GString *out, const struct origin *origin)
{
        for (guint i = 0; origin && i < ORIGINS_SHOWN; i++, origin = origin->next) {
                g_autofree char *line = origin_format(origin);

                g_string_append_printf(out, "      = %s\n", line);
        }
        if (origin)
                g_string_append(out, "      = ...\n");
}

char *
diagnostic_format(const struct diagnostic *diagnostic)
{
        static const char *const severities[] = {"error", "warning", "note"};
        const struct place *place = &diagnostic->place;
        GString *out = g_string_new(NULL);
        const char *line;
        size_t length;

        if (place->source)
                g_string_append_printf(out, "%s:", place->source->name);
        if (place->source && place->line)
                g_string_append_printf(out, "%u:%u:", place->line, MAX(place->column, 1));
        g_string_append_printf(out, "%s%s: %s\n", out->len ? " " : "", severities[diagnostic->severity], diagnostic->text);
        if (place_line(place, &line, &length))
                append_excerpt(out, diagnostic, line, length);
        else if (diagnostic->hint)
                g_string_append_printf(out, "  %s\n", diagnostic->hint);
        append_origins(out, place->via);
        return g_string_free(out, FALSE);
}
