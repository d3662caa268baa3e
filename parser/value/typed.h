/* typed.h - values that are handed on to others as YAML: what each scalar is, a text or a number, true, false or null
 *
 * The project file's own keys read texts by the type of the key. The maps under `cloud_init` are cloud-init's, which reads them
 * with PyYAML: there a plain `no` is false and a plain 0644 is 420, while "no" and "0644" are texts. So their values get the
 * types that YAML 1.1 gives them, but for two that nobody means: `22:22` is no number in base 60, and a date is a text. JSON
 * has all of these types, and is YAML: what is printed as JSON is read again as the same, by us and by cloud-init.
 */
#pragma once

#include "base/json.h"
#include "parser/tree/tree.h"

/**
 * typed_scalar() - What YAML 1.1 makes of a plain scalar
 *
 * A number that JSON would not give back (beyond 64 bits, with an exponent, not finite) is a text. Returns a new reference.
 */
json_t *typed_scalar(const char *text);

/** typed_node() - A whole value, with @text for its texts (NULL: as they are). Returns a new reference */
json_t *typed_node(const struct node *node, json_t *(*text)(const char *text));
