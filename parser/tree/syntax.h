/* syntax.h - what libyaml refuses, said in plain sentences */
#pragma once

#include "parser/text/source.h"

#include <yaml.h>

/** syntax_place() - A mark of libyaml as a place */
struct place syntax_place(const struct source *source, const yaml_mark_t *mark);

/**
 * syntax_offset() - Where in the source's text a mark is
 *
 * Beyond the end it is the end.
 */
size_t syntax_offset(const struct source *source, const yaml_mark_t *mark);

/** syntax_report() - Add the diagnostic for the problem at which @parser has stopped */
void syntax_report(const yaml_parser_t *parser, const struct source *source, struct diagnostics *diagnostics);
