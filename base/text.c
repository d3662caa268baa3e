/* text.c - small questions about text */
#include "base/text.h"

#include <string.h>

enum { NAME_MAX_BYTES = 40, SUGGEST_MAX_BYTES = 64 };

gboolean
text_is_name(const char *text)
{
        size_t length = 0;

        while (g_ascii_islower(text[length]) || g_ascii_isdigit(text[length]) || text[length] == '-')
                length++;
        if (text[length] || length == 0 || length > NAME_MAX_BYTES || (text[0] == 'x' && text[1] == '-'))
                return FALSE;
        return text[0] != '-' && text[length - 1] != '-';
}

char *
text_make_name(const char *text)
{
        GString *name = g_string_new(NULL);

        for (const char *c = text; *c && name->len < NAME_MAX_BYTES; c++) {
                char lower = g_ascii_tolower(*c);

                if (g_ascii_isalnum(lower) || (lower == '-' && name->len > 0))
                        g_string_append_c(name, lower);
        }
        while (name->len > 0 && name->str[name->len - 1] == '-')
                g_string_truncate(name, name->len - 1);
        while (g_str_has_prefix(name->str, "x-") || *name->str == '-')
                g_string_erase(name, 0, *name->str == '-' ? 1 : 2);
        return g_string_free(name, FALSE);
}

/* Optimal string alignment distance, three rows at a time; both texts are shorter than SUGGEST_MAX_BYTES. */
static size_t
distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
        size_t rows[3][SUGGEST_MAX_BYTES + 1];
        size_t *before = rows[0], *last = rows[1], *row = rows[2];

        for (size_t j = 0; j <= b_length; j++)
                last[j] = j;
        for (size_t i = 1; i <= a_length; i++) {
                size_t *spare = before;

                row[0] = i;
                for (size_t j = 1; j <= b_length; j++) {
                        size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;

                        row[j] = MIN(MIN(last[j] + 1, row[j - 1] + 1), last[j - 1] + cost);
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                row[j] = MIN(row[j], before[j - 2] + 1);
                }
                before = last;
                last = row;
                row = spare;
        }
        return last[b_length];
}

const char *
text_suggest(const char *wrong, const char *const *candidates)
{
        size_t length = strlen(wrong);
        size_t best_distance = length / 3 + 1;
        const char *best = NULL;

        if (length > SUGGEST_MAX_BYTES)
                return NULL;
        for (; *candidates; candidates++) {
                size_t candidate_length = strlen(*candidates);
                size_t d;

                if (candidate_length > SUGGEST_MAX_BYTES)
                        continue;
                d = distance(wrong, length, *candidates, candidate_length);
                if (d <= best_distance && d < MAX(length, candidate_length) && (!best || d < best_distance)) {
                        best = *candidates;
                        best_distance = d;
                }
        }
        return best;
}

/* Does a character begin with this byte of UTF-8? All do but those that go on with one (10xxxxxx). */
static inline gboolean
is_beginning(const char *text)
{
        return (gint8)*text >= -64;
}

enum { BLOCK_BYTES = 128 };

/* How many characters begin in a block; in this form a compiler makes it of instructions that look at many bytes at once. */
static inline size_t
count_in_block(const char *text)
{
        guint8 count = 0;

        for (guint i = 0; i < BLOCK_BYTES; i++)
                count += is_beginning(text + i);
        return count;
}

size_t
text_count(const char *text, size_t length)
{
        const char *end = text + length;
        size_t count = 0;

        for (; end - text >= BLOCK_BYTES; text += BLOCK_BYTES)
                count += count_in_block(text);
        for (; text < end; text++)
                count += is_beginning(text);
        return count;
}

const char *
text_skip(const char *text, const char *end, size_t count)
{
        for (; count >= BLOCK_BYTES && end - text >= BLOCK_BYTES; text += BLOCK_BYTES)
                count -= count_in_block(text);
        for (; text < end; text++) {
                if (is_beginning(text) && count-- == 0)
                        break;
        }
        return text;
}

char *
text_quote_shell(const char *argument)
{
        static const char safe[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%_-+=:,./";

        if (*argument && strspn(argument, safe) == strlen(argument))
                return g_strdup(argument);
        return g_shell_quote(argument);
}

char *
text_quote_argv(const char *const *argv)
{
        GString *line = g_string_new(NULL);

        for (; *argv; argv++) {
                g_autofree char *quoted = text_quote_shell(*argv);

                g_string_append_printf(line, "%s%s", line->len ? " " : "", quoted);
        }
        return g_string_free(line, FALSE);
}

char *
text_make_printable(const char *text, gssize length)
{
        GString *out = g_string_new(NULL);
        const char *end = text + (length < 0 ? strlen(text) : (size_t)length);

        while (text < end) {
                gunichar c = g_utf8_get_char_validated(text, end - text);

                if (c == (gunichar)-1 || c == (gunichar)-2 || (c != '\t' && g_unichar_iscntrl(c))) {
                        g_string_append_printf(out, "\\x%02x", (unsigned char)*text);
                        text++;
                } else {
                        g_string_append_unichar(out, c);
                        text = g_utf8_next_char(text);
                }
        }
        return g_string_free(out, FALSE);
}

char *
text_tail(const char *text, gssize length, guint lines)
{
        size_t bytes = length < 0 ? strlen(text) : (size_t)length;
        g_autofree char *copy = g_malloc0(bytes + 1);
        g_auto(GStrv) all = NULL;
        GString *tail = g_string_new(NULL);

        for (size_t i = 0; i < bytes; i++)
                copy[i] = text[i] && text[i] != '\r' ? text[i] : ' ';
        all = g_strsplit(copy, "\n", -1);
        for (guint i = g_strv_length(all); i > 0 && lines > 0; i--) {
                g_autofree char *line = text_make_printable(g_strchomp(all[i - 1]), -1);

                if (!*line)
                        continue;
                if (tail->len)
                        g_string_prepend_c(tail, '\n');
                g_string_prepend(tail, line);
                lines--;
        }
        return g_string_free(tail, FALSE);
}

char *
text_format_size(guint64 bytes)
{
        static const char units[] = "KMGTP";
        int unit = -1;

        while (bytes && bytes % 1024 == 0 && unit < (int)sizeof units - 2) {
                bytes /= 1024;
                unit++;
        }
        if (unit < 0)
                return g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
        return g_strdup_printf("%" G_GUINT64_FORMAT "%c", bytes, units[unit]);
}

char *
text_format_duration(guint64 ms)
{
        static const struct {
                guint64 ms;
                const char *unit;
        } units[] = {{3600 * 1000, "h"}, {60 * 1000, "m"}, {1000, "s"}, {1, "ms"}};
        GString *out = g_string_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
                if (ms >= units[i].ms)
                        g_string_append_printf(out, "%" G_GUINT64_FORMAT "%s", ms / units[i].ms, units[i].unit);
                ms %= units[i].ms;
        }
        if (!out->len)
                g_string_append(out, "0s");
        return g_string_free(out, FALSE);
}

int
text_compare_natural(const char *a, const char *b)
{
        while (*a && *b) {
                if (g_ascii_isdigit(*a) && g_ascii_isdigit(*b)) {
                        size_t a_digits, b_digits;
                        int order;

                        a += strspn(a, "0");
                        b += strspn(b, "0");
                        a_digits = strspn(a, "0123456789");
                        b_digits = strspn(b, "0123456789");
                        if (a_digits != b_digits)
                                return a_digits < b_digits ? -1 : 1;
                        order = strncmp(a, b, a_digits);
                        if (order)
                                return order;
                        a += a_digits;
                        b += b_digits;
                } else {
                        if (*a != *b)
                                return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
                        a++;
                        b++;
                }
        }
        return *a ? 1 : *b ? -1 : 0;
}
