/* document.c - a file is one YAML document without directives, which is seen before libyaml looks at any */
#include "parser/tree/reader.h"

#include <string.h>

static gboolean
starts_with(const struct source *source, size_t line, const char *prefix)
{
        return line < source->line_count && g_str_has_prefix(source->text + source->lines[line], prefix);
}

/* The first line from @line on that holds more than blanks, a comment or the end mark of a document. */
static size_t
skip_lines(const struct source *source, size_t line)
{
        for (; line < source->line_count; line++) {
                const char *text = source->text + source->lines[line];
                gunichar c = g_utf8_get_char(text + strspn(text, " \t"));
                gboolean blank = !c || c == '#' || c == '\r' || c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029;

                if (!blank && !starts_with(source, line, "..."))
                        break;
        }
        return line;
}

/* libyaml compares each %TAG with all before it, which takes hours in a file made for it; nobody needs them here. */
gboolean
reader_check_start(struct reader *reader)
{
        const struct source *source = reader->source;
        size_t line = skip_lines(source, 0);

        while (starts_with(source, line, "%YAML"))
                line = skip_lines(source, line + 1);
        if (!starts_with(source, line, "%"))
                return TRUE;
        return diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "yaml-directive", (struct place){source, line + 1, 1, 0},
                               NULL, "a project file has no YAML directives, but this line begins with '%%'");
}

/* Looks at what follows the first document, before libyaml reads directives there. */
gboolean
reader_check_rest(struct reader *reader, const yaml_mark_t *end)
{
        const struct source *source = reader->source;
        size_t line = skip_lines(source, end->column > 0 ? end->line + 1 : end->line);

        if (!starts_with(source, line, "---") && !starts_with(source, line, "%"))
                return TRUE;
        return diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "many-documents", (struct place){source, line + 1, 1, 3},
                               "put what follows into a file of its own",
                               "a project file is one YAML document, but here another one begins");
}
