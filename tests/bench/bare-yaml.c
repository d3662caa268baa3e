/* bare-yaml.c - reads a file with libyaml and does nothing with it: what loading a project is measured against
 *
 *   bare-yaml FILE
 */
#include <stdio.h>
#include <yaml.h>

int
main(int argc, char **argv)
{
        FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
        yaml_parser_t parser;
        yaml_event_t event;
        int more = 1;

        if (!file || !yaml_parser_initialize(&parser))
                return fprintf(stderr, "usage: bare-yaml FILE\n"), 4;
        yaml_parser_set_input_file(&parser, file);
        while (more) {
                if (!yaml_parser_parse(&parser, &event))
                        return fprintf(stderr, "error: line %zu: %s\n", parser.problem_mark.line + 1, parser.problem), 1;
                more = event.type != YAML_STREAM_END_EVENT;
                yaml_event_delete(&event);
        }
        yaml_parser_delete(&parser);
        fclose(file);
        return 0;
}
