/* guest-text.h - lines of a guest's console, fit for a terminal; pure */
#pragma once

#include <glib.h>

/**
 * guest_line() - One line without its newline: escape sequences dropped, other control characters made visible
 *
 * A guest's console is hostile: what it writes must not reach the terminal as it is. Colours and cursor movements are left
 * out, and so is what a carriage return was followed by nothing for. New string.
 */
char *guest_line(const char *text, gsize length);

/** guest_tail() - Where the last @lines lines of @text begin */
gsize guest_tail(const char *text, gsize length, gint64 lines);
