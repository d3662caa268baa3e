/* typed.c - the types of YAML 1.1 for values that are handed on */
#include "parser/value/typed.h"

#include <string.h>

/* A word of YAML 1.1 in lower case, upper case or capitalised. */
static gboolean
is_word(const char *text, const char *word)
{
        g_autofree char *lower = g_ascii_strdown(text, -1), *upper = g_ascii_strup(text, -1);
        g_autofree char *capital = g_strdup(lower);

        if (strcmp(lower, word) != 0)
                return FALSE;
        capital[0] = g_ascii_toupper(capital[0]);
        return strcmp(text, lower) == 0 || strcmp(text, upper) == 0 || strcmp(text, capital) == 0;
}

static json_t *
read_word(const char *text)
{
        static const char *const yes[] = {"true", "yes", "on", NULL}, *const no[] = {"false", "no", "off", NULL};

        if (!*text || strcmp(text, "~") == 0 || is_word(text, "null"))
                return json_null();
        if (strlen(text) > strlen("false"))
                return NULL;
        for (const char *const *word = yes; *word; word++)
                if (is_word(text, *word))
                        return json_true();
        for (const char *const *word = no; *word; word++)
                if (is_word(text, *word))
                        return json_false();
        return NULL;
}

static char *
without_underscores(const char *text)
{
        GString *out = g_string_new(NULL);

        for (; *text; text++)
                if (*text != '_')
                        g_string_append_c(out, *text);
        return g_string_free(out, FALSE);
}

/* "0x1f", "0b11", "0644", "1_000", each with a sign before it or not. */
static json_t *
read_integer(const char *text)
{
        g_autofree char *plain = without_underscores(text);
        const char *digits = plain + (*plain == '-' || *plain == '+');
        gboolean negative = *plain == '-';
        guint64 number = 0;
        guint base = 10;

        if (g_str_has_prefix(digits, "0x"))
                base = 16;
        else if (g_str_has_prefix(digits, "0b"))
                base = 2;
        else if (*digits == '0' && digits[1])
                base = 8;
        digits += base == 16 || base == 2 ? 2 : 0;
        if (!g_ascii_isxdigit(*digits) || !g_ascii_string_to_unsigned(digits, base, 0, G_MAXINT64, &number, NULL))
                return NULL;
        return json_integer(negative ? -(json_int_t)number : (json_int_t)number);
}

/* "1.5", ".5", "1.", "1.5e+3": there has to be a point, and a sign behind the "e". One that JSON would write with an exponent
 * is left as it is, since nobody would read that as a number again. */
static json_t *
read_real(const char *text)
{
        static GRegex *pattern;
        g_autofree char *plain = NULL, *shown = NULL;

        if (!pattern)
                pattern = g_regex_new("^[-+]?([0-9][0-9_]*\\.[0-9_]*|\\.[0-9][0-9_]*)([eE][-+][0-9]+)?$", G_REGEX_OPTIMIZE, 0,
                                      NULL);
        if (!strchr(text, '.') || !g_regex_match(pattern, text, 0, NULL))
                return NULL;
        plain = without_underscores(text);
        shown = g_strdup_printf("%.15g", g_ascii_strtod(plain, NULL));
        return strpbrk(shown, "ein") ? NULL : json_real(g_ascii_strtod(plain, NULL));
}

json_t *
typed_scalar(const char *text)
{
        json_t *value = read_word(text);

        if (!value && strlen(text) <= 80 && strchr("+-.0123456789", *text)) {
                value = read_integer(text);
                if (!value)
                        value = read_real(text);
        }
        return value ? value : json_string(text);
}

json_t *
typed_node(const struct node *node, json_t *(*text)(const char *text))
{
        json_t *value;

        if (node->kind == NODE_SCALAR) {
                value = node->quoted ? json_string(node->text) : typed_scalar(node->text);
                if (!text || !json_is_string(value))
                        return value;
                json_decref(value);
                return text(node->text);
        }
        value = node->kind == NODE_LIST ? json_array() : json_object();
        for (guint i = 0; i < node->count; i++) {
                if (node->kind == NODE_LIST)
                        json_array_append_new(value, typed_node(node->items[i], text));
                else
                        json_object_set_new(value, node->keys[i]->text, typed_node(node->items[i], text));
        }
        return value;
}
