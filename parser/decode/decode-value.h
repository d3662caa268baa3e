/* decode-value.h - single values, and lists and maps of them; private to parser/ */
#pragma once

#include "parser/decode/decode.h"
#include "parser/value/value.h"

/** decode_value() - Read the value of a row that is not a table of objects nor special into its field */
void decode_value(struct decoder *decoder, const struct key *key, const struct node *node, void *object);

/** decode_list() - The same for lists of texts, names and numbers, and maps of texts; FALSE: the row is none of these */
gboolean decode_list(struct decoder *decoder, const struct key *key, const struct node *node, void *object);

/** decode_count() - A whole number within the limits of the row */
gboolean decode_count(const struct key *key, const char *text, guint *ret_count, struct value_fault *fault);

/** decode_check_text() - Is the text no longer than the row allows and, with @one_line, free of control characters? */
gboolean decode_check_text(struct decoder *decoder, const struct key *key, const struct node *node, const char *text,
                           gboolean one_line);
