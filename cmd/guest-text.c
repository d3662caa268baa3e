/* guest-text.c - lines of a guest's console, fit for a terminal */
#include "cmd/guest-text.h"

#include "base/text.h"

#include <string.h>

enum { ESCAPE = 033, BELL = 007 };

/* The end of the escape sequence at @at (ECMA-48: CSI and the string sequences; else two bytes). */
static gsize
skip_escape(const char *text, gsize length, gsize at)
{
        char kind = at + 1 < length ? text[at + 1] : '\0';

        at = MIN(at + 2, length);
        if (kind == '[') {
                while (at < length && (text[at] < 0x40 || text[at] > 0x7e) && (guchar)text[at] >= 0x20)
                        at++;
                return MIN(at + 1, length);
        }
        if (kind && strchr("]PX^_", kind)) {
                while (at < length && text[at] != BELL && text[at] != ESCAPE)
                        at++;
                return at < length && text[at] == ESCAPE ? MIN(at + 2, length) : MIN(at + 1, length);
        }
        if (kind && strchr("()*+#% ", kind))
                return MIN(at + 1, length);
        return at;
}

char *
guest_line(const char *text, gsize length)
{
        g_autoptr(GString) out = g_string_sized_new(length);
        gsize at = 0;

        while (length && text[length - 1] == '\r')
                length--;
        while (at < length) {
                if (text[at] == ESCAPE) {
                        at = skip_escape(text, length, at);
                        continue;
                }
                if (text[at] != '\0')
                        g_string_append_c(out, text[at]);
                at++;
        }
        return text_make_printable(out->str, (gssize)out->len);
}

gsize
guest_tail(const char *text, gsize length, gint64 lines)
{
        gsize at = length;

        if (lines <= 0)
                return length;
        /* The newline at the very end closes the last line and begins none. */
        if (at && text[at - 1] == '\n')
                at--;
        while (at > 0) {
                if (text[at - 1] == '\n' && --lines == 0)
                        return at;
                at--;
        }
        return 0;
}
