/* syntax.c - what libyaml refuses, said in plain sentences
 *
 * libyaml says what its grammar lacks ("did not find expected key"); a person wants to hear what is wrong with the line.
 * So each kind of problem looks at the text around it for the slip that usually causes it.
 */
#include "parser/tree/syntax.h"

#include "base/text.h"

#include <string.h>

/* What is known about a problem. */
struct problem {
        const yaml_parser_t *parser;
        const struct source *source;
        struct diagnostics *diagnostics;
        const char *text, *context; /* libyaml's; never NULL */
        struct place at, from;      /* where it stopped, and where the thing began that it was reading */
        const char *c, *from_c;     /* the same in the text */
};

struct place
syntax_last_place(const struct source *source)
{
        const char *last = source->text + source->lines[source->line_count - 1];

        return (struct place){source, (guint)source->line_count, place_column((size_t)g_utf8_strlen(last, -1)), 0};
}

size_t
syntax_offset(const struct source *source, const yaml_mark_t *mark)
{
        const char *line;

        if (mark->line >= source->line_count)
                return source->length;
        line = source->text + source->lines[mark->line];
        return (size_t)(text_skip(line, source->text + source->length, mark->column) - source->text);
}

static gboolean G_GNUC_PRINTF(5, 6)
report(const struct problem *problem, const char *id, struct place place, const char *hint, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        diagnostics_add(problem->diagnostics, SEVERITY_ERROR, id, place, hint, "%s", text);
        return TRUE;
}

static const char *
line_text(const struct source *source, guint line)
{
        return source->text + source->lines[MIN((size_t)line, source->line_count) - 1];
}

static size_t
indentation(const char *line)
{
        return strspn(line, " ");
}

/* The last line before @line that holds more than blanks and a comment, or 0. */
static guint
line_before(const struct source *source, guint line)
{
        while (--line > 0) {
                const char *text = line_text(source, line);

                text += strspn(text, " \t");
                if (!strchr("#\r\n", *text))
                        return line;
        }
        return 0;
}

/* The length of a line without its break, a comment and blanks at its end. */
static size_t
content_length(const char *line)
{
        size_t length = strcspn(line, "\r\n");

        for (size_t i = 1; i < length; i++)
                if (line[i] == '#' && (line[i - 1] == ' ' || line[i - 1] == '\t'))
                        length = i;
        while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
                length--;
        return length;
}

/* Where a line has the colon of "key: value" or "key:", or NULL. */
static const char *
find_colon(const char *line, size_t length)
{
        for (size_t i = 0; i < length; i++)
                if (line[i] == ':' && (i + 1 == length || line[i + 1] == ' ' || line[i + 1] == '\t'))
                        return line + i;
        return NULL;
}

/* A tab among the blanks that begin the line: the cause of whatever comes then. */
static gboolean
explain_tab(const struct problem *problem)
{
        const char *line = line_text(problem->source, problem->at.line);
        struct place place = problem->at;

        if (problem->parser->flow_level > 0 || line[strspn(line, " ")] != '\t')
                return FALSE;
        place.column = place_column(strspn(line, " "));
        place.width = place_width(strspn(line + strspn(line, " "), " \t"));
        return report(problem, "yaml-tab", place, "use blanks", "a tab in the indentation");
}

/* A line that is no "key: value": either the colon is missing or the blank behind it. */
static gboolean
explain_no_colon(const struct problem *problem, guint number)
{
        const char *line = line_text(problem->source, number);
        size_t length = content_length(line);
        size_t start = indentation(line);
        const char *colon;
        struct place place = {problem->source, number, (guint)start + 1, 0};
        g_autofree char *hint = NULL;

        if (length <= start || find_colon(line, length) || strchr("-?[{\"'|>&*!", line[start]))
                return FALSE;
        colon = memchr(line, ':', length);
        if (colon) {
                hint = g_strdup_printf("write '%.*s: %.*s'", (int)MIN(colon - line - start, 40), line + start,
                                       (int)MIN(line + length - colon - 1, 40), colon + 1);
                place.column = place_column((size_t)g_utf8_pointer_to_offset(line, colon));
                return report(problem, "yaml-missing-blank", place, hint, "a blank is missing after the colon");
        }
        place.width = place_width((size_t)g_utf8_strlen(line + start, (gssize)(length - start)));
        return report(problem, "yaml-missing-colon", place, *problem->c ? "write 'key: value'" : "is the file cut off?",
                      "a key without a colon");
}

static gboolean
explain_simple_key(const struct problem *problem)
{
        if (problem->parser->flow_level > 0 && problem->parser->marks.top > problem->parser->marks.start)
                return report(problem, "yaml-unclosed-bracket",
                              syntax_place(problem->source, problem->parser->marks.top - 1), NULL,
                              "a bracket or brace that is not closed, or a comma that is missing in it");
        if (explain_no_colon(problem, problem->from.line))
                return TRUE;
        return report(problem, "yaml-key-without-colon", problem->from, NULL, "a key without a colon");
}

/* "a: b: c", a line that is indented below a value, or one that was taken as the end of the line before it. */
static gboolean
explain_mapping_value(const struct problem *problem)
{
        const char *line = line_text(problem->source, problem->at.line);
        const char *colon = find_colon(line, content_length(line));
        guint before = line_before(problem->source, problem->at.line);
        struct place place = problem->at;

        if (colon && colon < problem->c)
                return report(problem, "yaml-two-colons", problem->at, "put the value in quotes",
                              "a second colon in one line");
        if (before && explain_no_colon(problem, before))
                return TRUE;
        place.column = place_column(indentation(line));
        if (before && indentation(line_text(problem->source, before)) < indentation(line))
                return report(problem, "yaml-indentation", place, NULL,
                              "this line is indented below line %u, which has a value already", before);
        return report(problem, "yaml-key-here", place, NULL, "a key is not allowed here: is the indentation right?");
}

/* Is there a closing quote just before the problem, in the same line? */
static gboolean
is_after_quote(const struct problem *problem)
{
        const char *start = line_text(problem->source, problem->at.line);
        const char *c = problem->c;

        while (c > start && (c[-1] == ' ' || c[-1] == '\t'))
                c--;
        return c > start && (c[-1] == '"' || c[-1] == '\'');
}

static gboolean
explain_after_quote(const struct problem *problem)
{
        if (!*problem->c || !is_after_quote(problem))
                return FALSE;
        return report(problem, "yaml-after-quote", problem->at, "or is an earlier quote not closed?",
                      "text behind a closing quote");
}

/* In a list or map of lines, something that is not its next item or key. */
static gboolean
explain_block(const struct problem *problem)
{
        gboolean is_item = problem->c[0] == '-' && strchr(" \t\r\n", problem->c[1]);
        gboolean is_map = strcmp(problem->text, "did not find expected key") == 0;

        if (explain_after_quote(problem))
                return TRUE;
        if (problem->at.column == problem->from.column && is_map && is_item)
                return report(problem, "yaml-item-in-map", problem->at, "write 'key: value'",
                              "a list item among the keys of the map that begins in line %u", problem->from.line);
        if (problem->at.column == problem->from.column && !is_map)
                return report(problem, "yaml-key-in-list", problem->at, "begin the item with '- '",
                              "the list that begins in line %u goes on with something that is no item", problem->from.line);
        if (*problem->c && strchr("]},", *problem->c))
                return report(problem, "yaml-unexpected", problem->at, NULL, "an unexpected '%c'", *problem->c);
        if (problem->at.line == problem->from.line)
                return report(problem, "yaml-text-after", problem->at, "put the whole value in quotes",
                              "a value goes on after its end");
        return report(problem, "yaml-less-indented", problem->at, NULL,
                      "the indentation fits nothing above: the %s that begins in line %u stands in column %u",
                      is_map ? "map" : "list", problem->from.line, problem->from.column);
}

static gboolean
explain_flow(const struct problem *problem)
{
        char bracket = strchr(problem->text, ']') ? '[' : '{';
        gboolean is_variable = *problem->c == '{' && problem->at.column > 1 && problem->c[-1] == '$';

        if (problem->at.column > 1 && strchr("'\"", problem->c[-1]) && explain_after_quote(problem)) /* not a blank behind it */
                return TRUE;
        if (problem->at.line == problem->from.line && *problem->c)
                return report(problem, "yaml-missing-comma", problem->at,
                              is_variable ? "between braces or brackets, put a value with ${...} in quotes" : NULL,
                              "a comma or '%c' is missing before this", bracket == '[' ? ']' : '}');
        if (explain_after_quote(problem))
                return TRUE;
        return report(problem, "yaml-bracket-cut-off", problem->from, *problem->c ? NULL : "is the file cut off?",
                      "a '%c' that is not closed", bracket);
}

static gboolean
explain_unclosed_quote(const struct problem *problem)
{
        return report(problem, "yaml-unclosed-quote", problem->from, NULL, "a quote that is not closed");
}

static gboolean
explain_escape(const struct problem *problem)
{
        return report(problem, "yaml-escape", problem->at, "write '\\\\' for a backslash, or use single quotes",
                      "an unknown escape in double quotes");
}

static gboolean
explain_start(const struct problem *problem)
{
        if (*problem->c == '\t')
                return report(problem, "yaml-tab-inside", problem->at, "use blanks", "a tab where only blanks may be");
        return report(problem, "yaml-reserved", problem->at, "put it in quotes", "a value cannot begin with '%.*s'",
                      (int)(g_utf8_next_char(problem->c) - problem->c), problem->c);
}

static gboolean
explain_sequence_entry(const struct problem *problem)
{
        return report(problem, "yaml-item-in-line", problem->at, "begin the list in a line of its own, or write '[a, b]'",
                      "a list item cannot stand here");
}

static gboolean
explain_sigil(const struct problem *problem)
{
        return report(problem, "yaml-anchor-name", problem->from, "put it in quotes if it is meant as text",
                      "'%c' without a name behind it", *problem->from_c);
}

static gboolean
explain_tag(const struct problem *problem)
{
        const char *hint = "put the value in quotes if it begins with '!'";

        if (g_str_has_prefix(problem->from_c, "!reset") || g_str_has_prefix(problem->from_c, "!override"))
                hint = "between braces or brackets, put a blank behind the tag";
        return report(problem, "yaml-tag", problem->from, hint, "a tag that cannot be read");
}

static gboolean
explain_block_scalar(const struct problem *problem)
{
        return report(problem, "yaml-block", problem->at, NULL,
                      "only '|', '>', '+', '-' and a number may stand before the lines of a text block");
}

static gboolean
explain_content(const struct problem *problem)
{
        if (*problem->c == '\0')
                return report(problem, "yaml-cut-off", problem->at, "is the file cut off?", "a value is missing at the end");
        return report(problem, "yaml-unexpected-here", problem->at, NULL, "an unexpected '%.*s'",
                      (int)(g_utf8_next_char(problem->c) - problem->c), problem->c);
}

static gboolean
explain_document(const struct problem *problem)
{
        return report(problem, "yaml-stray", problem->at, NULL, "this does not belong to what stands above it");
}

/* By libyaml's problem, and its context where that matters. */
static const struct {
        const char *problem, *context;
        gboolean (*explain)(const struct problem *problem);
} explanations[] = {
        {"could not find expected ':'", NULL, explain_simple_key},
        {"mapping values are not allowed in this context", NULL, explain_mapping_value},
        {"mapping keys are not allowed in this context", NULL, explain_content},
        {"block sequence entries are not allowed in this context", NULL, explain_sequence_entry},
        {"did not find expected key", NULL, explain_block},
        {"did not find expected '-' indicator", NULL, explain_block},
        {"did not find expected ',' or ']'", NULL, explain_flow},
        {"did not find expected ',' or '}'", NULL, explain_flow},
        {"found unexpected end of stream", "while scanning a quoted scalar", explain_unclosed_quote},
        {"found unexpected document indicator", "while scanning a quoted scalar", explain_unclosed_quote},
        {"found unknown escape character", NULL, explain_escape},
        {"did not find expected hexdecimal number", NULL, explain_escape},
        {"found invalid Unicode character escape code", NULL, explain_escape},
        {"found character that cannot start any token", NULL, explain_start},
        {"found a tab character that violates indentation", NULL, explain_start},
        {"found a tab character where an indentation space is expected", NULL, explain_start},
        {"did not find expected alphabetic or numeric character", NULL, explain_sigil},
        {"did not find expected node content", NULL, explain_content},
        {"did not find expected <document start>", NULL, explain_document},
        {"did not find expected comment or line break", "while scanning a block scalar", explain_block_scalar},
        {"found an indentation indicator equal to 0", NULL, explain_block_scalar},
        {"found undefined tag handle", NULL, explain_tag},
        {"did not find expected tag URI", NULL, explain_tag},
        {"did not find expected '!'", NULL, explain_tag},
        {"did not find expected whitespace or line break", "while scanning a tag", explain_tag},
};

static const char *
mark_text(const struct source *source, const yaml_mark_t *mark)
{
        return source->text + syntax_offset(source, mark);
}

void
syntax_report(const yaml_parser_t *parser, const struct source *source, struct diagnostics *diagnostics)
{
        const yaml_mark_t *from = parser->context ? &parser->context_mark : &parser->problem_mark;
        struct problem problem = {
                .parser = parser,
                .source = source,
                .diagnostics = diagnostics,
                .text = parser->problem ? parser->problem : "it cannot be read",
                .context = parser->context ? parser->context : "",
                .at = syntax_place(source, &parser->problem_mark),
                .from = syntax_place(source, from),
                .c = mark_text(source, &parser->problem_mark),
                .from_c = mark_text(source, from),
        };

        if (parser->error == YAML_MEMORY_ERROR)
                g_error("out of memory");
        if (explain_tab(&problem))
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(explanations); i++)
                if (strcmp(problem.text, explanations[i].problem) == 0 &&
                    (!explanations[i].context || strcmp(problem.context, explanations[i].context) == 0)) {
                        explanations[i].explain(&problem);
                        return;
                }
        report(&problem, "yaml-syntax", problem.at, NULL, "%s%s%s", problem.text, *problem.context ? " " : "", problem.context);
}
