/* value.c - the texts of the project file as values: sizes, durations, counts, truth, names */
#include "parser/value/value.h"

#include "base/text.h"

#include <string.h>

enum { QUOTE_MAX_CHARACTERS = 60, INTERFACE_MAX_BYTES = 15 };

#define SIZE_MAX_BYTES ((guint64)G_MAXINT64)
#define DURATION_MAX_MS (100ull * 366 * 24 * 3600 * 1000)

static const char size_units[] = "KMGTP";

void
value_fault_clear(struct value_fault *fault)
{
        fault->id = NULL;
        g_clear_pointer(&fault->reason, g_free);
        g_clear_pointer(&fault->hint, g_free);
}

char *
value_quote(const char *text)
{
        g_autofree char *printable = text_make_printable(text, (gssize)strnlen(text, 4096));

        if (g_utf8_strlen(printable, -1) > QUOTE_MAX_CHARACTERS) {
                *g_utf8_offset_to_pointer(printable, QUOTE_MAX_CHARACTERS) = '\0';
                return g_strdup_printf("'%s...'", printable);
        }
        return g_strdup_printf("'%s'", printable);
}

gboolean
value_fail(struct value_fault *fault, const char *id, const char *text, char *hint, const char *format, ...)
{
        g_autofree char *quoted = NULL;
        g_autofree char *rest = NULL;
        va_list args;

        if (!fault) {
                g_free(hint);
                return FALSE;
        }
        va_start(args, format);
        rest = g_strdup_vprintf(format, args);
        va_end(args);
        quoted = value_quote(text);
        value_fault_clear(fault);
        fault->id = id;
        fault->reason = g_strdup_printf("%s %s", quoted, rest);
        fault->hint = hint;
        return FALSE;
}

/* Reads digits; FALSE where there are none or the number exceeds @max. @ret_end is behind the digits in any case. */
static gboolean
read_digits(const char *text, guint64 max, guint64 *ret_number, const char **ret_end)
{
        gboolean fits = g_ascii_isdigit(*text);
        guint64 number = 0;

        for (; g_ascii_isdigit(*text); text++) {
                guint64 digit = (guint64)(*text - '0');

                if (fits && number <= (max - digit) / 10)
                        number = number * 10 + digit;
                else
                        fits = FALSE;
        }
        *ret_number = number;
        *ret_end = text;
        return fits;
}

/* The shift of a unit, or -1: "G", "g", "GiB", "gib", "GB", "gb". */
static int
unit_shift(const char *unit)
{
        const char *found = *unit ? strchr(size_units, g_ascii_toupper(*unit)) : NULL;

        if (!found)
                return -1;
        unit++;
        if (*unit && strcmp(unit, "iB") != 0 && strcmp(unit, "ib") != 0 && strcmp(unit, "B") != 0 && strcmp(unit, "b") != 0)
                return -1;
        return 10 * (int)(found - size_units + 1);
}

/* Why what stands behind a number is no unit. */
static gboolean
fail_unit(struct value_fault *fault, const char *text, size_t number_length, const char *unit)
{
        const char *blank = unit + strspn(unit, " \t");
        gboolean known = g_ascii_isalpha(*blank) && strchr(size_units, g_ascii_toupper(*blank));
        g_autofree char *quoted = value_quote(blank);
        char *hint;

        if (known && number_length <= 20)
                hint = g_strdup_printf("did you mean '%.*s%c'?", (int)number_length, text, g_ascii_toupper(*blank));
        else
                hint = g_strdup("the units are K, M, G, T and P");
        if (blank != unit && unit_shift(blank) >= 0)
                return value_fail(fault, "size-blank", text, hint, "has a blank before the unit");
        return value_fail(fault, "size-unit", text, hint, "has the unknown unit %s", quoted);
}

/* The bytes of "1.5G", without floating point. Of a fraction 9 digits count: more than anybody writes. */
static gboolean
scale(guint64 whole, const char *fraction, size_t digits, int shift, guint64 *ret_bytes)
{
        guint64 part = 0, divisor = 1;
        guint64 bytes;

        for (size_t i = 0; i < MIN(digits, 9); i++) {
                part = part * 10 + (guint64)(fraction[i] - '0');
                divisor *= 10;
        }
        if (whole > SIZE_MAX_BYTES >> shift)
                return FALSE;
        bytes = whole << shift;
        part = (guint64)(((unsigned __int128)part << (shift - 10)) / divisor) << 10;
        if (part > SIZE_MAX_BYTES - bytes)
                return FALSE;
        *ret_bytes = bytes + part;
        return TRUE;
}

/* Both kinds of size; @bare_unit is the unit of a bare number, or NULL where that is refused. */
static gboolean
parse_size(const char *text, const char *bare_unit, const char *example, guint64 *ret_bytes, gboolean *ret_bare,
           struct value_fault *fault)
{
        const char *end, *fraction, *unit;
        size_t digits = 0;
        guint64 whole, bytes;
        gboolean fits, bare;
        int shift;

        if (*text == '-' && g_ascii_isdigit(text[1]))
                return value_fail(fault, "size-negative", text, NULL, "is negative");
        if (!g_ascii_isdigit(*text))
                return value_fail(fault, "size-bad", text, g_strdup_printf("write '%s'", example), "is no size");
        fits = read_digits(text, SIZE_MAX_BYTES, &whole, &end);
        fraction = end + 1;
        if (*end == '.') {
                digits = strspn(fraction, "0123456789");
                end = fraction + digits;
                if (digits == 0)
                        return value_fail(fault, "size-point", text, NULL, "has no digit behind the point");
        }
        bare = !*end;
        unit = bare && bare_unit ? bare_unit : end;
        if (bare && !bare_unit)
                return value_fail(fault, "size-no-unit", text, g_strdup_printf("did you mean '%.20sG'?", text), "has no unit");
        shift = unit_shift(unit);
        if (shift < 0)
                return fail_unit(fault, text, (size_t)(end - text), end);
        if (bare && digits)
                return value_fail(fault, "memory-fraction", text, g_strdup_printf("did you mean '%.20sG'?", text),
                                  "is a fraction without a unit");
        if (!fits || !scale(whole, fraction, digits, shift, &bytes))
                return value_fail(fault, "size-huge", text, NULL, "is larger than any size can be");
        if (bytes == 0 && strspn(text, "0.") == (size_t)(end - text))
                return value_fail(fault, "size-zero", text, NULL, "is zero");
        if (bytes == 0)
                return value_fail(fault, "size-tiny", text, NULL, "is less than 1K");
        *ret_bytes = bytes;
        if (ret_bare)
                *ret_bare = bare;
        return TRUE;
}

gboolean
value_parse_size(const char *text, guint64 *ret_bytes, struct value_fault *fault)
{
        return parse_size(text, NULL, "20G", ret_bytes, NULL, fault);
}

gboolean
value_parse_memory(const char *text, guint64 *ret_bytes, gboolean *ret_bare, struct value_fault *fault)
{
        return parse_size(text, "M", "512M", ret_bytes, ret_bare, fault);
}

char *
value_format_size(guint64 bytes)
{
        return text_format_size(bytes >> 10 << 10);
}

static const struct {
        const char *unit;
        guint64 ms;
} durations[] = {{"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}};

/* What stands behind a number of a duration is no unit: days and long words are common. */
static gboolean
fail_duration_unit(struct value_fault *fault, const char *text, guint64 number, const char *unit, size_t length)
{
        static const char *const days[] = {"d", "day", "days"};
        g_autofree char *word = g_strndup(unit, MIN(length, 64)), *quoted = NULL;
        char *hint = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(days); i++)
                if (strcmp(word, days[i]) == 0 && number < 36500)
                        hint = g_strdup_printf("did you mean '%" G_GUINT64_FORMAT "h'?", number * 24);
        if (!hint)
                hint = g_strdup("the units are ms, s, m and h, as in '1h30m'");
        if (*word == '.')
                return value_fail(fault, "duration-fraction", text, hint, "has a fraction");
        quoted = value_quote(word);
        return value_fail(fault, "duration-unit", text, hint, "has the unknown unit %s", quoted);
}

gboolean
value_parse_duration(const char *text, guint64 *ret_ms, struct value_fault *fault)
{
        const char *c = text;
        guint64 total = 0;
        size_t next = 0; /* units come from the largest to the smallest, each once */

        if (strcmp(text, "0") == 0) {
                *ret_ms = 0;
                return TRUE;
        }
        if (*text == '-' && g_ascii_isdigit(text[1]))
                return value_fail(fault, "duration-negative", text, NULL, "is negative");
        if (!g_ascii_isdigit(*text))
                return value_fail(fault, "duration-bad", text, g_strdup("write '30s', '5m' or '1h30m'"), "is no duration");
        while (*c) {
                guint64 number;
                gboolean fits = read_digits(c, DURATION_MAX_MS, &number, &c);
                size_t length = strcspn(c, "0123456789");
                size_t i = 0;

                while (i < G_N_ELEMENTS(durations) &&
                       (strlen(durations[i].unit) != length || strncmp(c, durations[i].unit, length) != 0))
                        i++;
                if (!*c)
                        return value_fail(fault, "duration-no-unit", text,
                                          g_strdup_printf("did you mean '%.40s%s'?", text, next == 1 ? "m" : "s"),
                                          "has no unit");
                if (i == G_N_ELEMENTS(durations))
                        return fail_duration_unit(fault, text, number, c, length);
                if (i < next)
                        return value_fail(fault, "duration-order", text, g_strdup("write hours, minutes, seconds: '1h30m'"),
                                          "has its units in the wrong order");
                if (!fits || number > (DURATION_MAX_MS - total) / durations[i].ms)
                        return value_fail(fault, "duration-huge", text, NULL, "is longer than 100 years");
                total += number * durations[i].ms;
                next = i + 1;
                c += length;
        }
        *ret_ms = total;
        return TRUE;
}

char *
value_format_duration(guint64 ms)
{
        return text_format_duration(ms);
}

/* Number words, since "two CPUs" is what people say. */
static char *
count_hint(const char *text, gint64 min, gint64 max)
{
        static const char *const words[] = {"zero",  "one",   "two",  "three", "four",   "five",  "six",
                                            "seven", "eight", "nine", "ten",   "eleven", "twelve"};

        for (gint64 i = 0; i < (gint64)G_N_ELEMENTS(words); i++)
                if (g_ascii_strcasecmp(text, words[i]) == 0 && i >= min && i <= max)
                        return g_strdup_printf("did you mean '%" G_GINT64_FORMAT "'?", i);
        return NULL;
}

gboolean
value_parse_count(const char *text, gint64 min, gint64 max, gint64 *ret_count, struct value_fault *fault)
{
        gboolean negative = *text == '-';
        const char *digits = text + negative;
        const char *end;
        guint64 number;
        gboolean fits = read_digits(digits, G_MAXINT64, &number, &end);
        gint64 count = negative ? -(gint64)number : (gint64)number;

        if (end == digits || *end)
                return value_fail(fault, "count-bad", text, count_hint(text, min, max), "is no whole number");
        if (digits[0] == '0' && digits[1])
                return value_fail(fault, "count-zeros", text, NULL, "has a leading zero");
        if (!fits || count < min || count > max)
                return value_fail(fault, "count-range", text, NULL, "is not from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                                  min, max);
        *ret_count = count;
        return TRUE;
}

char *
value_format_count(gint64 count)
{
        return g_strdup_printf("%" G_GINT64_FORMAT, count);
}

gboolean
value_parse_bool(const char *text, gboolean *ret_value, struct value_fault *fault)
{
        static const char *const yes[] = {"true", "yes", "y", "on", "1", "enabled"};
        static const char *const no[] = {"false", "no", "n", "off", "0", "disabled", "none"};
        char *hint = NULL;

        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
                *ret_value = *text == 't';
                return TRUE;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(yes) && !hint; i++)
                if (g_ascii_strcasecmp(text, yes[i]) == 0)
                        hint = g_strdup("write 'true'");
        for (size_t i = 0; i < G_N_ELEMENTS(no) && !hint; i++)
                if (g_ascii_strcasecmp(text, no[i]) == 0)
                        hint = g_strdup("write 'false'");
        return value_fail(fault, "bool-bad", text, hint, "is neither 'true' nor 'false'");
}

const char *
value_format_bool(gboolean value)
{
        return value ? "true" : "false";
}

/* A name near to @text, with dashes for what separates its words; NULL where nothing is left. */
static char *
nearest_name(const char *text)
{
        g_autofree char *dashed = g_strndup(text, 4 * QUOTE_MAX_CHARACTERS);
        g_autofree char *name = NULL;

        g_strdelimit(dashed, "_. /:", '-');
        name = text_make_name(dashed);
        return text_is_name(name) ? g_steal_pointer(&name) : NULL;
}

gboolean
value_check_name(const char *text, struct value_fault *fault)
{
        g_autofree char *name = NULL;
        char *hint;

        if (text_is_name(text))
                return TRUE;
        name = nearest_name(text);
        hint = strstr(text, "${") ? g_strdup("variables stand in values, not in names")
               : name             ? g_strdup_printf("did you mean '%s'?", name)
                                  : NULL;
        if (!*text)
                return value_fail(fault, "name-empty", text, NULL, "is no name: it is empty");
        if (g_str_has_prefix(text, "x-"))
                return value_fail(fault, "name-x", text, hint, "is no name: 'x-' begins what drover ignores");
        if (strlen(text) > 40)
                return value_fail(fault, "name-long", text, hint, "is no name: it is longer than 40 characters");
        return value_fail(fault, "name-bad", text, hint, "is no name: only a-z, 0-9 and, in between, '-' are allowed");
}

gboolean
value_check_interface(const char *text, struct value_fault *fault)
{
        size_t length = strlen(text);

        if (length == 0)
                return value_fail(fault, "interface-empty", text, NULL, "is no interface name: it is empty");
        if (length > INTERFACE_MAX_BYTES)
                return value_fail(fault, "interface-long", text, NULL,
                                  "is no interface name: it has %zu bytes, and %d are the most", length, INTERFACE_MAX_BYTES);
        if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
                return value_fail(fault, "interface-dots", text, NULL, "is no interface name");
        for (const char *c = text; *c; c++)
                if (!g_ascii_isgraph(*c) || strchr("/:%", *c))
                        return value_fail(fault, "interface-bad", text, NULL,
                                          "is no interface name: no blank, '/', ':' or '%%', and ASCII only");
        return TRUE;
}
