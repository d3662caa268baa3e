/* text.h - small questions about text: names, suggestions, quoting, sizes */
#pragma once

#include <glib.h>

/** text_is_name() - Is this a name of ours: [a-z0-9]([a-z0-9-]*[a-z0-9])?, at most 40 bytes, not starting with "x-" */
gboolean text_is_name(const char *text);

/**
 * text_make_name() - The nearest name to any text: lower case, other characters dropped
 *
 * Returns a new string; empty when nothing is left.
 */
char *text_make_name(const char *text);

/**
 * text_suggest() - The candidate that was probably meant
 * @wrong:      what was written
 * @candidates: NULL-terminated
 *
 * The measure is the optimal string alignment distance (insert, delete, replace, swap), and at most a third of the
 * length counts as a slip. Returns one of @candidates, or NULL.
 */
const char *text_suggest(const char *wrong, const char *const *candidates);

/** text_quote_shell() - An argument as a POSIX shell would have to be given it; unquoted when that is safe */
char *text_quote_shell(const char *argument);

/** text_quote_argv() - A whole vector, one line, each argument quoted where needed */
char *text_quote_argv(const char *const *argv);

/** text_count() - The characters of @length bytes of UTF-8, many bytes at a time: a line may have many MiB */
size_t text_count(const char *text, size_t length);

/** text_skip() - Behind the first @count characters of UTF-8, at most at @end; as fast */
const char *text_skip(const char *text, const char *end, size_t count);

/**
 * text_make_printable() - Text of an untrusted origin, fit for a terminal
 * @text:   any bytes
 * @length: how many, or -1 up to the NUL
 *
 * Control characters (but tab) and bytes that are not UTF-8 become \xNN. Returns a new string.
 */
char *text_make_printable(const char *text, gssize length);

/** text_tail() - The last @lines lines that are not empty, each made printable, joined by newlines. New string, may be empty */
char *text_tail(const char *text, gssize length, guint lines);

/** text_format_size() - Bytes in the largest binary unit that is exact: "1G", "1536M", "512" */
char *text_format_size(guint64 bytes);

/** text_format_duration() - Milliseconds as the project file writes them: "500ms", "30s", "1h30m" */
char *text_format_duration(guint64 ms);

/** text_compare_natural() - strcmp() that knows numbers: "web-2" comes before "web-10" */
int text_compare_natural(const char *a, const char *b);
