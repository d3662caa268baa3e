/* json.h - jansson with our errors, our limits and our cleanup */
#pragma once

#include <glib.h>
#include <jansson.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/** json_read_file() - Parse a file of at most 64 MiB; DROVER_ERROR_CORRUPT where it is not JSON, else as file_read() */
json_t *json_read_file(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** json_write_file() - file_write_atomic() of @value, indented, keys in their order, unless the file holds just that already */
gboolean json_write_file(const char *path, const json_t *value, mode_t mode, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** json_put_file() - The same with file_write_whole(): it lasts after file_sync_directory(), whether or not it was written */
gboolean json_put_file(const char *path, const json_t *value, mode_t mode, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * json_format() - A value as text, by the flags of jansson
 *
 * What a terminal or a reader of YAML would not take as text (control characters, breaks of lines beyond ASCII) is escaped.
 * Returns a new string.
 */
char *json_format(const json_t *value, size_t flags);

/** json_text() - The string under @key, or NULL where there is none or it is no string; belongs to @object */
const char *json_text(const json_t *object, const char *key);

/** json_number() - The integer under @key, or @fallback */
gint64 json_number(const json_t *object, const char *key, gint64 fallback);

/** json_flag() - The boolean under @key, or FALSE */
gboolean json_flag(const json_t *object, const char *key);

/** json_set() - Put @value (stolen) under @key; NULL is left out */
void json_set(json_t *object, const char *key, json_t *value);

/** json_set_text() - Put a string under @key, made valid UTF-8 if it was not; NULL is left out */
void json_set_text(json_t *object, const char *key, const char *text);
