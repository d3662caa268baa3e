/* source.c - the text of a project file, and places in it */
#include "parser/text/source.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

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

guint
sources_order(const struct sources *sources, const struct source *source)
{
        guint index;

        return g_ptr_array_find(sources->items, source, &index) ? index : G_MAXUINT;
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

#define EACH_BYTE(value) (G_GUINT64_CONSTANT(0x0101010101010101) * (value))

/* Behind the printable ASCII at @text, of which nearly every file is made: it needs no closer look. */
static const char *
skip_plain(const char *text, const char *end)
{
        guint64 bytes;

        for (; (size_t)(end - text) >= sizeof bytes; text += sizeof bytes) {
                memcpy(&bytes, text, sizeof bytes);
                bytes = GUINT64_FROM_LE(bytes);
                /* The high bit of a byte below ' ' or above 0x7e; of those behind the first one it may be wrong. */
                bytes = ((bytes - EACH_BYTE(' ')) | bytes | (bytes + EACH_BYTE(1))) & EACH_BYTE(0x80);
                if (bytes)
                        return text + __builtin_ctzll(bytes) / 8;
        }
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
        memory_populate(source->lines, room * sizeof *source->lines);
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
        if (!g_utf8_validate(directory, -1, NULL)) { /* paths below it are kept in JSON, which has no other */
                g_autofree char *shown = text_make_printable(directory, -1);

                error_set(error, DROVER_ERROR_CONFIG, "the directory '%s' is not named in UTF-8", shown);
                error_hint(error, "give it another name");
                source_free(source);
                return NULL;
        }
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

gboolean
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
        place.column = place_column(text_count(line, offset));
        if (offset < line_length)
                place.width = place_width(text_count(line + offset, MIN(length, line_length - offset)));
        return place;
}

size_t
source_offset(const struct place *place)
{
        const struct source *source = place->source;
        const char *line;

        if (place->line == 0 || place->line > source->line_count)
                return source->length;
        line = source->text + source->lines[place->line - 1];
        return (size_t)(text_skip(line, source->text + source->length, MAX(place->column, 1) - 1) - source->text);
}
