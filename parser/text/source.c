/* source.c - the text of a project file, places in it, and what is wrong at them */
#include "parser/text/source.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
        SHOWN_CHARACTERS = 160,    /* of a source line */
        SHOWN_BEFORE = 80,         /* of them before the caret, in a longer line */
        TEXT_MAX_CHARACTERS = 400, /* of a message: it may quote the file */
};

struct sources {
        gint references;
        GPtrArray *items;    /* struct source * */
        GStringChunk *texts; /* of the origins */
        GPtrArray *origins;
};

static void
source_free(gpointer data)
{
        struct source *source = data;

        g_free(source->name);
        g_free(source->directory);
        g_free(source->text);
        g_free(source->lines);
        g_free(source);
}

struct sources *
sources_new(void)
{
        struct sources *sources = g_new0(struct sources, 1);

        sources->references = 1;
        sources->items = g_ptr_array_new_with_free_func(source_free);
        sources->texts = g_string_chunk_new(1024);
        sources->origins = g_ptr_array_new_with_free_func(g_free);
        return sources;
}

struct sources *
sources_ref(struct sources *sources)
{
        g_atomic_int_inc(&sources->references);
        return sources;
}

void
sources_unref(struct sources *sources)
{
        if (!sources || !g_atomic_int_dec_and_test(&sources->references))
                return;
        g_ptr_array_unref(sources->items);
        g_ptr_array_unref(sources->origins);
        g_string_chunk_free(sources->texts);
        g_free(sources);
}

/* What ends a line for libyaml, whose places have to agree with ours: 0 or the length of the break. */
static size_t
line_break_length(const char *text, const char *end)
{
        switch ((unsigned char)text[0]) {
        case '\r':
                return end - text > 1 && text[1] == '\n' ? 2 : 1;
        case '\n':
                return 1;
        case 0xc2:
                return memcmp(text, "\xc2\x85", 2) == 0 ? 2 : 0;
        case 0xe2:
                return memcmp(text, "\xe2\x80\xa8", 3) == 0 || memcmp(text, "\xe2\x80\xa9", 3) == 0 ? 3 : 0;
        default:
                return 0;
        }
}

/* Characters beyond ASCII that YAML allows (YAML 1.2, 5.1): no C1 controls, no BOM, no non-characters. */
static gboolean
is_allowed(gunichar c)
{
        return c == 0x85 || (c >= 0xa0 && c != 0xfeff && c != 0xfffe && c != 0xffff);
}

/* The length of the character at @text, or 0 with what is wrong with it. */
static size_t
character_length(const char *text, const char *end, const char **ret_fault)
{
        unsigned char byte = (unsigned char)text[0];
        gunichar c;

        if ((byte >= 0x20 && byte < 0x7f) || byte == '\t' || byte == '\n' || byte == '\r')
                return 1;
        if (byte < 0x80) {
                *ret_fault = byte ? "a control character" : "a NUL byte";
                return 0;
        }
        c = g_utf8_get_char_validated(text, end - text);
        if (c == (gunichar)-1 || c == (gunichar)-2) {
                *ret_fault = "a byte that is not UTF-8";
                return 0;
        }
        if (!is_allowed(c)) {
                *ret_fault = "a control character";
                return 0;
        }
        return (size_t)g_unichar_to_utf8(c, NULL);
}

/* Behind the printable ASCII at @text, of which nearly every file is made: it needs no closer look. */
static const char *
skip_plain(const char *text, const char *end)
{
        while (text < end && *text >= ' ' && *text < 0x7f)
                text++;
        return text;
}

static gboolean
fail_scan(const struct source *source, const char *at, const char *fault, GError **error)
{
        error_set(error, DROVER_ERROR_CONFIG, "%s:%zu: %s (0x%02x)", source->name, source->line_count, fault,
                  (unsigned char)*at);
        return error_hint(error, "a project file is UTF-8 text");
}

/* Finds the lines of a source and refuses what is no text. */
static gboolean
source_scan(struct source *source, GError **error)
{
        const char *end = source->text + source->length;
        size_t room = 16 + source->length / 16;

        source->lines = g_new(guint, room);
        source->lines[source->line_count++] = 0;
        for (const char *c = skip_plain(source->text, end); c < end; c = skip_plain(c, end)) {
                const char *fault = NULL;
                size_t n = character_length(c, end, &fault);
                size_t broken;

                if (n == 0)
                        return fail_scan(source, c, fault, error);
                broken = line_break_length(c, end);
                c += MAX(n, broken);
                if (!broken)
                        continue;
                if (source->line_count == room)
                        source->lines = g_renew(guint, source->lines, room *= 2);
                source->lines[source->line_count++] = (guint)(c - source->text);
        }
        return TRUE;
}

/* Takes @name, @directory and @text in any case. */
static const struct source *
sources_add(struct sources *sources, char *name, char *directory, char *text, size_t length, GError **error)
{
        struct source *source = g_new0(struct source, 1);

        source->name = name;
        source->directory = directory;
        source->text = text;
        if (length >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
                error_set(error, DROVER_ERROR_CONFIG, "%s:1: the text is UTF-16", name);
                error_hint(error, "save it as UTF-8");
                source_free(source);
                return NULL;
        }
        if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
                length -= 3;
                memmove(text, text + 3, length + 1);
        }
        source->length = length;
        if (!source_scan(source, error)) {
                source_free(source);
                return NULL;
        }
        g_ptr_array_add(sources->items, source);
        return source;
}

/* The absolute directory of a file, without symlinks, so that one project is one directory however it is reached. */
static char *
directory_of(const char *path)
{
        g_autofree char *directory = g_path_get_dirname(path);
        char *resolved = realpath(directory, NULL);

        if (!resolved)
                return g_canonicalize_filename(directory, NULL);
        g_free(g_steal_pointer(&directory));
        directory = g_strdup(resolved);
        free(resolved);
        return g_steal_pointer(&directory);
}

const struct source *
sources_read(struct sources *sources, const char *path, GError **error)
{
        return sources_read_as(sources, path, strcmp(path, "-") == 0 ? "<stdin>" : path, error);
}

const struct source *
sources_read_as(struct sources *sources, const char *path, const char *name, GError **error)
{
        gboolean is_stdin = strcmp(path, "-") == 0;
        GError *failure = NULL;
        char *text = NULL;
        size_t length = 0;

        if (!file_read(path, SOURCE_MAX_BYTES, &text, &length, &failure)) {
                if (failure->code == DROVER_ERROR_FAILED)
                        failure->code = DROVER_ERROR_CONFIG;
                g_propagate_error(error, failure);
                return NULL;
        }
        return sources_add(sources, g_strdup(name), is_stdin ? g_get_current_dir() : directory_of(path), text, length, error);
}

const struct source *
sources_add_text(struct sources *sources, const char *name, const char *directory, const char *text, size_t length,
                 GError **error)
{
        char *copy;

        if (length > SOURCE_MAX_BYTES) {
                error_set(error, DROVER_ERROR_CONFIG, "'%s' is larger than %d bytes", name, SOURCE_MAX_BYTES);
                return NULL;
        }
        copy = g_malloc(length + 1);
        if (length)
                memcpy(copy, text, length);
        copy[length] = '\0';
        return sources_add(sources, g_strdup(name), directory ? g_strdup(directory) : g_get_current_dir(), copy, length, error);
}

const struct origin *
sources_add_origin(struct sources *sources, const char *text, struct place place, const struct origin *next)
{
        struct origin *origin = g_new(struct origin, 1);

        *origin = (struct origin){g_string_chunk_insert_const(sources->texts, text), place, next};
        g_ptr_array_add(sources->origins, origin);
        return origin;
}

static void
diagnostic_free(gpointer data)
{
        struct diagnostic *diagnostic = data;

        g_free(diagnostic->text);
        g_free(diagnostic->hint);
        g_free(diagnostic);
}

struct diagnostics *
diagnostics_new(struct sources *sources)
{
        struct diagnostics *diagnostics = g_new0(struct diagnostics, 1);

        diagnostics->sources = sources_ref(sources);
        diagnostics->items = g_ptr_array_new_with_free_func(diagnostic_free);
        return diagnostics;
}

void
diagnostics_free(struct diagnostics *diagnostics)
{
        if (!diagnostics)
                return;
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

/* Is there such a one already, or as many of its kind as are kept? */
static gboolean
is_surplus(const struct diagnostics *diagnostics, gboolean is_error, const char *id, const struct place *place,
           gboolean *ret_again)
{
        guint of_kind = 0;

        *ret_again = FALSE;
        for (guint i = 0; i < diagnostics->items->len; i++) {
                const struct diagnostic *other = diagnostics->items->pdata[i];

                of_kind += (other->severity == SEVERITY_ERROR) == is_error;
                if (place->line && other->place.source == place->source && other->place.line == place->line &&
                    other->place.column == place->column && strcmp(other->id, id) == 0)
                        *ret_again = TRUE;
        }
        return *ret_again || of_kind >= DIAGNOSTIC_MAX_SHOWN;
}

gboolean
diagnostics_add(struct diagnostics *diagnostics, enum severity severity, const char *id, struct place place, const char *hint,
                const char *format, ...)
{
        gboolean is_error = severity == SEVERITY_ERROR;
        gboolean again;
        gboolean surplus = is_surplus(diagnostics, is_error, id, &place, &again);
        struct diagnostic *diagnostic;
        g_autofree char *text = NULL;
        va_list args;

        if (is_error && !again)
                diagnostics->error_count++;
        if (surplus)
                return FALSE;
        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        diagnostic = g_new0(struct diagnostic, 1);
        diagnostic->severity = severity;
        diagnostic->id = id;
        diagnostic->place = place;
        diagnostic->text = make_line(text);
        diagnostic->hint = hint ? make_line(hint) : NULL;
        g_ptr_array_add(diagnostics->items, diagnostic);
        return FALSE;
}

/* Diagnostics without a source come last, and those of a file without a line before those with one. */
static gint
compare(gconstpointer a, gconstpointer b, gpointer data)
{
        const struct place *x = &(*(const struct diagnostic *const *)a)->place;
        const struct place *y = &(*(const struct diagnostic *const *)b)->place;
        GPtrArray *order = data;

        if (x->source != y->source) {
                guint i = G_MAXUINT, j = G_MAXUINT;

                g_ptr_array_find(order, x->source, &i);
                g_ptr_array_find(order, y->source, &j);
                return i < j ? -1 : i > j ? 1 : 0;
        }
        if (x->line != y->line)
                return x->line < y->line ? -1 : 1;
        return x->column < y->column ? -1 : x->column > y->column ? 1 : 0;
}

void
diagnostics_sort(struct diagnostics *diagnostics)
{
        g_ptr_array_sort_with_data(diagnostics->items, compare, diagnostics->sources->items);
}

/* The line of a place, without its break; FALSE where it has none. */
static gboolean
place_line(const struct place *place, const char **ret_line, size_t *ret_length)
{
        const struct source *source = place->source;
        const char *line, *end;

        if (!source || place->line == 0 || place->line > source->line_count)
                return FALSE;
        line = source->text + source->lines[place->line - 1];
        end = source->text + (place->line < source->line_count ? source->lines[place->line] : source->length);
        while (end > line && line_break_length(g_utf8_prev_char(end), source->text + source->length) > 0)
                end = g_utf8_prev_char(end);
        *ret_line = line;
        *ret_length = (size_t)(end - line);
        return TRUE;
}

struct place
source_place(const struct source *source, size_t offset, size_t length)
{
        size_t low = 0, high = source->line_count;
        struct place place = {.source = source};
        const char *line;
        size_t line_length;

        while (high - low > 1) {
                size_t middle = low + (high - low) / 2;

                if (source->lines[middle] <= offset)
                        low = middle;
                else
                        high = middle;
        }
        place.line = (guint)low + 1;
        place_line(&place, &line, &line_length);
        offset -= source->lines[low];
        place.column = place_column((size_t)g_utf8_strlen(line, (gssize)offset));
        if (offset < line_length)
                place.width = place_width((size_t)g_utf8_strlen(line + offset, (gssize)MIN(length, line_length - offset)));
        return place;
}

size_t
source_offset(const struct place *place)
{
        const struct source *source = place->source;
        const char *at, *end = source->text + source->length;

        if (place->line == 0 || place->line > source->line_count)
                return source->length;
        at = source->text + source->lines[place->line - 1];
        for (guint column = 1; column < place->column && at < end; column++)
                at = g_utf8_next_char(at);
        return (size_t)(at - source->text);
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
        guint total = (guint)g_utf8_strlen(line, (gssize)length);
        guint from = total > SHOWN_CHARACTERS && place->column > SHOWN_BEFORE ? place->column - SHOWN_BEFORE : 0;
        guint to = MIN(total, from + SHOWN_CHARACTERS);
        guint indent = from ? 3 : 0, underlined = 0;
        const char *c = g_utf8_offset_to_pointer(line, MIN(from, total));

        g_string_append_printf(out, "%5u | %s", place->line, from ? "..." : "");
        for (guint column = from + 1; column <= to; column++, c = g_utf8_next_char(c)) {
                gunichar character = g_utf8_get_char(c);

                g_string_append_unichar(out, character == '\t' ? ' ' : character);
                if (column < place->column)
                        indent += cells(character);
                else if (column - place->column < MAX(place->width, 1))
                        underlined += cells(character);
        }
        g_string_append_printf(out, "%s\n      | ", to < total ? "..." : "");
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
