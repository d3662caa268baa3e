/* yaml.h - JSON values as YAML that reads back the same, by our parser and by any other */
#pragma once

#include "base/json.h"

/** yaml_format() - A block of YAML; ends with a newline. New string. Pure */
char *yaml_format(const json_t *value);

/**
 * yaml_format_with_notes() - The same with a comment behind each single value, aligned
 * @notes: texts without line breaks, as many as there are single values and empty lists and maps, in their order
 */
char *yaml_format_with_notes(const json_t *value, const GPtrArray *notes);

/** yaml_scalar() - A text as a scalar: plain where no YAML reader takes it for anything else, else in double quotes. New string
 */
char *yaml_scalar(const char *text);
