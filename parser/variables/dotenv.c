/* dotenv.c - files of NAME=VALUE lines, as compose reads them */
#include "parser/variables/dotenv.h"

#include "parser/value/value.h"

#include <string.h>

struct parser {
        const struct source *source;
        const struct dotenv_reader *reader;
        struct diagnostics *diagnostics;
        const char *at, *end;
        /* the present entry */
        const char *name, *name_end;
        const char *value; /* where it begins in the file, behind an opening quote; NULL: it has escapes */
        struct variable variable;
        char *fault_text, *fault_hint;
};

static struct place
place_of(const struct parser *parser, const char *from, const char *end)
{
        return source_place(parser->source, (size_t)(from - parser->source->text), (size_t)(end - from));
}

static gboolean
is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r';
}

static void
skip_blanks(struct parser *parser)
{
        while (is_blank(*parser->at))
                parser->at++;
}

static const char *
line_end(const char *at)
{
        return at + strcspn(at, "\n");
}

/* ---- names ---- */

/* What compose takes; only names of variables can be used, and the others do no harm. */
static gboolean
is_name_character(gunichar c)
{
        return g_unichar_isalnum(c) || (c < 0x80 && c && strchr("_.-[]", (int)c));
}

/* "export" in front of an entry, for shells. */
static void
skip_export(struct parser *parser)
{
        if (strncmp(parser->at, "export", 6) == 0 && is_blank(parser->at[6])) {
                parser->at += 6;
                skip_blanks(parser);
        }
}

static gboolean
fault_name(struct parser *parser)
{
        const char *c = parser->at;
        g_autofree char *name = g_strndup(parser->name, (size_t)(parser->name_end - parser->name));
        g_autofree char *quoted = value_quote(name);

        if (is_name_character(g_utf8_get_char(c)) || *c == '#' || *c == '"' || *c == '\'')
                return diagnostics_add(parser->diagnostics, SEVERITY_ERROR, "env-equals",
                                       place_of(parser, parser->name, parser->name_end), "write NAME=value",
                                       "'=' is missing behind the name %s", quoted);
        if (*c == '=' || *c == ':')
                return diagnostics_add(parser->diagnostics, SEVERITY_ERROR, "env-nameless", place_of(parser, c, c + 1),
                                       "write NAME=value", "the name of the variable is missing");
        g_clear_pointer(&quoted, g_free);
        g_clear_pointer(&name, g_free);
        name = g_strndup(c, (size_t)(g_utf8_next_char(c) - c));
        quoted = value_quote(name);
        return diagnostics_add(parser->diagnostics, SEVERITY_ERROR, "env-name", place_of(parser, c, c + 1),
                               "a line is NAME=value; a name has letters, digits and underscores",
                               "%s cannot be in the name of a variable", quoted);
}

/* Reads up to the value, or, where a name stands alone, to the end of its line; FALSE after a fault. */
static gboolean
read_name(struct parser *parser, gboolean *ret_alone)
{
        skip_export(parser);
        parser->name = parser->at;
        while (is_name_character(g_utf8_get_char(parser->at)))
                parser->at = g_utf8_next_char(parser->at);
        parser->name_end = parser->at;
        skip_blanks(parser);
        *ret_alone = parser->at == parser->end || *parser->at == '\n';
        if (parser->name_end == parser->name || (!*ret_alone && *parser->at != '=' && *parser->at != ':'))
                return fault_name(parser);
        if (!*ret_alone)
                parser->at++;
        skip_blanks(parser);
        return TRUE;
}

/* ---- values ---- */

static const struct variable *
look_up(gpointer data, const char *name)
{
        struct parser *parser = data;
        const struct variable *variable = parser->reader->look_up(parser->reader->data, name);

        if (variable && !variable->value && !parser->variable.fault.id) { /* what it is made of has a fault: so has this */
                parser->variable.fault = variable->fault;
                parser->variable.fault_place = variable->fault_place;
        }
        return variable;
}

static const char *
suggest(gpointer data, const char *name)
{
        struct parser *parser = data;

        return parser->reader->suggest(parser->reader->data, name);
}

/* The first fault stays with the variable: it is told when somebody uses it. */
static void
keep_fault(gpointer data, const struct expand_fault *fault)
{
        struct parser *parser = data;
        const char *from = parser->value ? parser->value + fault->offset : NULL;

        if (parser->variable.fault.id)
                return;
        parser->fault_text = g_strdup(fault->text);
        parser->fault_hint = g_strdup(fault->hint);
        parser->variable.fault = (struct expand_fault){fault->id, 0, 0, parser->fault_text, parser->fault_hint};
        if (from && fault->length > 0)
                parser->variable.fault_place = place_of(parser, from, from + fault->length);
        else
                parser->variable.fault_place = parser->variable.place;
}

/* Hands an entry over. @text: with quotes and escapes gone; @plain: it has no variables. */
static void
define(struct parser *parser, const char *text, gboolean plain)
{
        const struct expander expander = {look_up, suggest, keep_fault, NULL, parser, FALSE};
        g_autofree char *name = g_strndup(parser->name, (size_t)(parser->name_end - parser->name));
        g_autofree char *value = NULL;

        parser->variable = (struct variable){.name = name, .place = place_of(parser, parser->name, parser->name_end)};
        value = plain ? g_strdup(text) : expand_text(&expander, text);
        parser->variable.value = value;
        parser->reader->define(parser->reader->data, &parser->variable);
        g_clear_pointer(&parser->fault_text, g_free);
        g_clear_pointer(&parser->fault_hint, g_free);
}

/* Up to a comment or the end of the line, without blanks around. */
static void
read_unquoted(struct parser *parser)
{
        const char *from = parser->at, *end = line_end(from);
        g_autofree char *text = NULL;

        parser->value = from;
        parser->at = end;
        for (const char *c = from; c < end; c++)
                if (*c == '#' && is_blank(c[-1])) /* there is the '=' before the first */
                        end = c;
        while (end > from && is_blank(end[-1]))
                end--;
        text = g_strndup(from, (size_t)(end - from));
        define(parser, text, FALSE);
}

/* What stands behind a backslash in double quotes. Returns how many bytes of it were taken; 0: it means nothing there. */
static size_t
read_escape(const char *c, GString *out)
{
        static const char letters[] = "abfnrtv\"\\", meanings[] = "\a\b\f\n\r\t\v\"\\";
        const char *letter = *c ? strchr(letters, *c) : NULL;
        guint code = 0;

        if (*c == '$') {
                g_string_append(out, "$$"); /* for the expansion that follows */
                return 1;
        }
        if (letter) {
                g_string_append_c(out, meanings[letter - letters]);
                return 1;
        }
        if (*c != '0' || strspn(c + 1, "01234567") < 3)
                return 0;
        for (int i = 1; i <= 3; i++)
                code = 8 * code + (guint)(c[i] - '0');
        if (code == 0 || code > 255)
                return 0;
        g_string_append_unichar(out, (gunichar)code);
        return 4;
}

/* The same in single quotes: they can have one of their kind, and two backslashes are two. */
static size_t
read_single_escape(const char *c, GString *out)
{
        if (*c != '\'' && *c != '\\')
                return 0;
        g_string_append(out, *c == '\'' ? "'" : "\\\\");
        return 1;
}

/* The text between quotes; NULL where they are not closed. */
static char *
read_quoted_text(struct parser *parser, char quote)
{
        g_autoptr(GString) text = g_string_new(NULL);
        const char *c = parser->at + 1;

        while (c < parser->end && *c != quote) {
                size_t taken = 0;

                if (*c == '\\')
                        taken = quote == '"' ? read_escape(c + 1, text) : read_single_escape(c + 1, text);
                if (taken == 0 && !(*c == '\r' && c[1] == '\n'))
                        g_string_append_c(text, *c);
                c += 1 + taken;
        }
        if (c >= parser->end)
                return NULL;
        parser->at = c + 1;
        return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Tells why there is no value; whoever uses the variable is told the same, and not that it is not set. Returns FALSE. */
static gboolean
fail_value(struct parser *parser, const char *id, struct place place, const char *hint, const char *text)
{
        g_autofree char *name = g_strndup(parser->name, (size_t)(parser->name_end - parser->name));
        const struct variable variable = {.name = name,
                                          .place = place_of(parser, parser->name, parser->name_end),
                                          .fault = {id, 0, 0, text, hint},
                                          .fault_place = place};

        parser->reader->define(parser->reader->data, &variable);
        return diagnostics_add(parser->diagnostics, SEVERITY_ERROR, id, place, hint, "%s", text);
}

static gboolean
read_quoted(struct parser *parser)
{
        const char *opening = parser->at;
        g_autofree char *text = read_quoted_text(parser, *opening);
        const char *behind;

        if (!text) {
                parser->at = parser->end; /* it has taken all the rest */
                return fail_value(parser, /* ID: */ "env-quote", place_of(parser, opening, opening + 1),
                                  "close it, or put the value into quotes of the other kind",
                                  "the quote that begins here is not closed");
        }
        behind = parser->at;
        skip_blanks(parser);
        if (*parser->at && *parser->at != '\n' && *parser->at != '#')
                return fail_value(parser, /* ID: */ "env-behind-quote", place_of(parser, parser->at, line_end(parser->at)),
                                  "put all of the value into the quotes", "there is text behind the closing quote");
        parser->value = opening + 1;
        if ((size_t)(behind - 1 - parser->value) != strlen(text)) /* escapes: what comes later stands elsewhere in the file */
                parser->value = NULL;
        define(parser, text, *opening == '\'');
        return TRUE;
}

static gboolean
read_entry(struct parser *parser)
{
        gboolean alone;

        if (!read_name(parser, &alone))
                return FALSE;
        if (alone)
                return TRUE; /* what the environment has, or nothing */
        if (*parser->at == '"' || *parser->at == '\'')
                return read_quoted(parser);
        read_unquoted(parser);
        return TRUE;
}

void
dotenv_read(const struct source *source, const struct dotenv_reader *reader, struct diagnostics *diagnostics)
{
        struct parser parser = {.source = source,
                                .reader = reader,
                                .diagnostics = diagnostics,
                                .at = source->text,
                                .end = source->text + source->length};

        while (parser.at < parser.end) {
                skip_blanks(&parser);
                if (*parser.at && *parser.at != '\n' && *parser.at != '#')
                        read_entry(&parser);
                parser.at = line_end(parser.at); /* a comment, or what is left of a line with a fault */
                parser.at += *parser.at == '\n';
        }
}
