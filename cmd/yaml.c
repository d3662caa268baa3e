/* yaml.c - JSON values as YAML that reads back the same
 *
 * Texts are plain only where YAML 1.1 and 1.2 alike read a text there, so that no reader makes a number, a date, a boolean or
 * null of them.
 */
#include "cmd/yaml.h"

#include <string.h>

static gboolean
is_word_of_yaml(const char *text)
{
        static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", NULL};
        g_autofree char *lower = g_ascii_strdown(text, -1);

        return g_strv_contains(words, lower);
}

/* Does a text that begins with a digit look like nothing but a text? Letters of no number, a slash or two dots say so. */
static gboolean
is_no_number(const char *text)
{
        guint dots = 0;

        for (const char *c = text; *c; c++) {
                if (*c == '/' || (g_ascii_isalpha(*c) && !strchr("abcdefxoABCDEFXO_", *c)))
                        return TRUE;
                dots += *c == '.';
        }
        return dots >= 2;
}

static gboolean
is_plain(const char *text)
{
        size_t length = strlen(text);

        if (!length || length > 200 || !(g_ascii_isalnum(text[0]) || text[0] == '/'))
                return FALSE;
        for (const char *c = text; *c; c++) {
                gboolean blank = *c == ' ' && c[1] && c[1] != ' ';

                if (!blank && !g_ascii_isalnum(*c) && !strchr("_./=+@%-", *c))
                        return FALSE;
        }
        return g_ascii_isdigit(text[0]) ? is_no_number(text) : !is_word_of_yaml(text);
}

char *
yaml_scalar(const char *text)
{
        GString *out;

        if (is_plain(text))
                return g_strdup(text);
        out = g_string_new("\"");
        for (; *text; text = g_utf8_next_char(text)) {
                gunichar c = g_utf8_get_char(text);

                if (c == '"' || c == '\\')
                        g_string_append_printf(out, "\\%c", (char)c);
                else if (c == '\n')
                        g_string_append(out, "\\n");
                else if (c == '\t')
                        g_string_append(out, "\\t");
                else if (c < 0x100 && g_unichar_iscntrl(c))
                        g_string_append_printf(out, "\\x%02x", c);
                else if (c <= 0xffff && (!g_unichar_isprint(c) || c == 0xfeff || c == 0x2028 || c == 0x2029))
                        g_string_append_printf(out, "\\u%04x", c);
                else if (!g_unichar_isprint(c))
                        g_string_append_printf(out, "\\U%08x", c);
                else
                        g_string_append_unichar(out, c);
        }
        g_string_append_c(out, '"');
        return g_string_free(out, FALSE);
}

enum { NOTE_MAX_COLUMN = 56 }; /* a longer line has its comment behind two blanks */

struct writer {
        GString *out;
        const GPtrArray *notes; /* or NULL */
        guint next;             /* of the notes */
        size_t line;            /* where the present one begins */
};

static void
end_line(struct writer *writer, gboolean is_value)
{
        const char *note = is_value && writer->notes ? writer->notes->pdata[writer->next++] : NULL;

        if (note) {
                glong width = g_utf8_strlen(writer->out->str + writer->line, -1);

                g_string_append_printf(writer->out, "%*s# %s", (int)MAX(NOTE_MAX_COLUMN - width, 2), "", note);
        }
        g_string_append_c(writer->out, '\n');
        writer->line = writer->out->len;
}

static void
append_leaf(struct writer *writer, const json_t *value)
{
        g_autofree char *text = NULL;

        if (json_is_string(value))
                text = yaml_scalar(json_string_value(value));
        else if (json_is_object(value))
                text = g_strdup("{}");
        else if (json_is_array(value))
                text = g_strdup("[]");
        else
                text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        g_string_append(writer->out, text ? text : "null");
        end_line(writer, TRUE);
}

static gboolean
is_block(const json_t *value)
{
        return json_object_size(value) > 0 || json_array_size(value) > 0;
}

static void
append_block(struct writer *writer, const json_t *value, int depth)
{
        GString *out = writer->out;
        const char *key;
        json_t *item;
        size_t i;
        gboolean first = TRUE;

        json_object_foreach((json_t *)value, key, item)
        {
                g_autofree char *name = yaml_scalar(key);

                /* The first key of a map in a list stands behind the dash. */
                g_string_append_printf(out, "%*s%s:", first && depth < 0 ? 0 : 2 * ABS(depth), "", name);
                first = FALSE;
                if (is_block(item)) {
                        end_line(writer, FALSE);
                        append_block(writer, item, ABS(depth) + 1);
                } else {
                        g_string_append_c(out, ' ');
                        append_leaf(writer, item);
                }
        }
        json_array_foreach((json_t *)value, i, item)
        {
                g_string_append_printf(out, "%*s- ", i == 0 && depth < 0 ? 0 : 2 * ABS(depth), "");
                if (is_block(item))
                        append_block(writer, item, -(ABS(depth) + 1));
                else
                        append_leaf(writer, item);
        }
}

char *
yaml_format_with_notes(const json_t *value, const GPtrArray *notes)
{
        struct writer writer = {g_string_new(NULL), notes};

        if (is_block(value))
                append_block(&writer, value, 0);
        else
                append_leaf(&writer, value);
        return g_string_free(writer.out, FALSE);
}

char *
yaml_format(const json_t *value)
{
        return yaml_format_with_notes(value, NULL);
}
