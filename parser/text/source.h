/* source.h - the text of a project file, and places in it */
#pragma once

#include <glib.h>

enum { SOURCE_MAX_BYTES = 16 << 20 };

/** struct source - One file as it was read; lives as long as the sources that hold it */
struct source {
        char *name;      /* as the user would name it: "drover.yaml", "<stdin>" */
        char *directory; /* absolute: what relative paths in this file are relative to */
        char *text;      /* valid UTF-8 without NUL */
        size_t length;
        guint *lines; /* offset of each line */
        size_t line_count;
};

enum { PLACE_MAX_COLUMN = (1 << 24) - 1, PLACE_MAX_WIDTH = 255 };

/** struct place - A point in a source; line and column count from 1, column in characters; line 0: no place */
struct place {
        const struct source *source;
        guint line;
        guint column : 24;        /* place_column() */
        guint width : 8;          /* characters that the caret line underlines, place_width(); 0 counts as 1 */
        const struct origin *via; /* how what stands here got where it is used, or NULL: it is used where it stands */
};

/** place_column() - The column behind @before characters; beyond PLACE_MAX_COLUMN all are one */
static inline guint
place_column(size_t before)
{
        return (guint)MIN(before + 1, PLACE_MAX_COLUMN);
}

/** place_width() - So many characters, as far as they are underlined */
static inline guint
place_width(size_t characters)
{
        return (guint)MIN(characters, PLACE_MAX_WIDTH);
}

/** struct origin - One step on the way of a value: "from variable 'MEM'"; belongs to the sources (sources_add_origin()) */
struct origin {
        const char *text;
        struct place place;        /* where that is said; line 0: nowhere */
        const struct origin *next; /* the step before it, or NULL */
};

/** struct sources - The files of a project, in the order in which they were read */
struct sources;
struct sources *sources_new(void);
struct sources *sources_ref(struct sources *sources);
void sources_unref(struct sources *sources);

/**
 * sources_read() - Read a file ("-": standard input) and find its lines
 *
 * Returns the source, which belongs to @sources. Fails with DROVER_ERROR_NOT_FOUND, _PERMISSION or _CONFIG (a directory,
 * a device, larger than SOURCE_MAX_BYTES, not UTF-8 with the line where, a NUL byte, in a directory whose name is not UTF-8).
 */
const struct source *sources_read(struct sources *sources, const char *path, GError **error);

/** sources_read_as() - The same with a name for messages that is not the path by which it is opened */
const struct source *sources_read_as(struct sources *sources, const char *path, const char *name, GError **error);

/**
 * sources_add_text() - The same for text in memory: for tests and fuzzing; @text is copied
 * @directory: absolute, what relative paths in it are relative to; NULL: the current directory
 */
const struct source *sources_add_text(struct sources *sources, const char *name, const char *directory, const char *text,
                                      size_t length, GError **error);

/** sources_order() - The number of a source in that order; behind all others for NULL */
guint sources_order(const struct sources *sources, const struct source *source);

/** place_line() - The line of a place, without its break; FALSE where it has none */
gboolean place_line(const struct place *place, const char **ret_line, size_t *ret_length);

/** source_place() - Where @length bytes from @offset on stand; those of the first line are what is underlined */
struct place source_place(const struct source *source, size_t offset, size_t length);

/** source_offset() - The opposite: the byte at which a place begins, at most the length of the text */
size_t source_offset(const struct place *place);

/** sources_add_origin() - An origin that lives as long as the sources do; @text is copied */
const struct origin *sources_add_origin(struct sources *sources, const char *text, struct place place,
                                        const struct origin *next);
