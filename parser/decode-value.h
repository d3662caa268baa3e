/* decode-value.h - single values and lists of texts; private to parser/ */
#pragma once

#include "parser/decode.h"
#include "parser/value.h"

/** decode_value() - Read the value of a row that is not a table of objects, nor special, nor of the future, into its field */
void decode_value(struct decoder *decoder, const struct key *key, const struct node *node, void *object);
