/* syntax.h - what libyaml refuses, said in plain sentences */
#pragma once

#include "parser/text/diagnostics.h"

#include <yaml.h>

/** syntax_last_place() - The end of a source, behind whose last line libyaml adds one where it has no break */
struct place syntax_last_place(const struct source *source);

/** syntax_set_place() - Make @place that of a mark of libyaml; @place is all zero before */
static inline void
syntax_set_place(struct place *place, const struct source *source, const yaml_mark_t *mark)
{
        place->source = source;
        place->line = (guint)mark->line + 1;
        place->column = place_column(mark->column);
        if (G_UNLIKELY(mark->line >= source->line_count))
                *place = syntax_last_place(source);
}

/** syntax_place() - A mark of libyaml as a place */
static inline struct place
syntax_place(const struct source *source, const yaml_mark_t *mark)
{
        struct place place = {NULL};

        syntax_set_place(&place, source, mark);
        return place;
}

/** syntax_width() - How many characters there are between two marks in one line */
static inline guint
syntax_width(const yaml_mark_t *from, const yaml_mark_t *to)
{
        return place_width(to->column - from->column);
}

/**
 * syntax_offset() - Where in the source's text a mark is
 *
 * Beyond the end it is the end.
 */
size_t syntax_offset(const struct source *source, const yaml_mark_t *mark);

/** syntax_report() - Add the diagnostic for the problem at which @parser has stopped */
void syntax_report(const yaml_parser_t *parser, const struct source *source, struct diagnostics *diagnostics);
