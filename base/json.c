/* json.c - jansson with our errors, our limits and our cleanup */
#include "base/json.h"

#include "base/error.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { JSON_FILE_MAX = 64 << 20 };

json_t *
json_read_file(const char *path, GError **error)
{
        g_autofree char *text = NULL;
        json_error_t reason;
        json_t *value;
        size_t length;

        if (!file_read(path, JSON_FILE_MAX, &text, &length, error))
                return NULL;
        value = json_loadb(text, length, JSON_REJECT_DUPLICATES, &reason);
        if (!value)
                error_set(error, DROVER_ERROR_CORRUPT, "%s:%d:%d: %s", path, reason.line, reason.column, reason.text);
        return value;
}

static gboolean
is_safe(gunichar c)
{
        return c < 0x7f || (c >= 0xa0 && c != 0x2028 && c != 0x2029 && c != 0xfeff && c != 0xfffe && c != 0xffff);
}

char *
json_format(const json_t *value, size_t flags)
{
        char *text = json_dumps(value, flags);
        GString *out = g_string_new(NULL);

        for (const char *c = text ? text : "null"; *c; c = g_utf8_next_char(c)) {
                gunichar character = g_utf8_get_char(c);

                if (is_safe(character))
                        g_string_append_len(out, c, g_utf8_next_char(c) - c);
                else
                        g_string_append_printf(out, "\\u%04x", character);
        }
        free(text);
        return g_string_free(out, FALSE);
}

typedef gboolean (*write_function)(const char *path, const void *data, size_t length, mode_t mode, GError **error);

static gboolean
write_with(write_function function, const char *path, const json_t *value, mode_t mode, GError **error)
{
        char *text = json_dumps(value, JSON_INDENT(1));
        gboolean ok;

        if (!text)
                return error_set(error, DROVER_ERROR_FAILED, "cannot write '%s': out of memory", path);
        ok = file_has(path, text, strlen(text)) || function(path, text, strlen(text), mode, error);
        free(text);
        return ok;
}

gboolean
json_write_file(const char *path, const json_t *value, mode_t mode, GError **error)
{
        return write_with(file_write_atomic, path, value, mode, error);
}

gboolean
json_put_file(const char *path, const json_t *value, mode_t mode, GError **error)
{
        return write_with(file_write_whole, path, value, mode, error);
}

const char *
json_text(const json_t *object, const char *key)
{
        return json_string_value(json_object_get(object, key));
}

gint64
json_number(const json_t *object, const char *key, gint64 fallback)
{
        const json_t *value = json_object_get(object, key);

        return json_is_integer(value) ? json_integer_value(value) : fallback;
}

gboolean
json_flag(const json_t *object, const char *key)
{
        return json_is_true(json_object_get(object, key));
}

void
json_set(json_t *object, const char *key, json_t *value)
{
        if (value)
                json_object_set_new(object, key, value);
}

void
json_set_text(json_t *object, const char *key, const char *text)
{
        g_autofree char *valid = text ? g_utf8_make_valid(text, -1) : NULL;

        if (valid)
                json_set(object, key, json_string(valid));
}
