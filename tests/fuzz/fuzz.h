/* fuzz.h - what the targets have in common */
#pragma once

#include "parser/text/diagnostics.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                                                        \
        do {                                                                                                                   \
                if (!(condition)) { /* abort() and not g_error(), whose SIGTRAP libFuzzer does not catch */                    \
                        g_printerr("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                     \
                        abort();                                                                                               \
                }                                                                                                              \
        } while (0)

/** check_diagnostics() - Each is in a file, or in none, and can be printed */
static inline void
check_diagnostics(struct diagnostics *diagnostics)
{
        diagnostics_sort(diagnostics);
        for (guint i = 0; i < diagnostics->items->len; i++) {
                const struct diagnostic *diagnostic = diagnostics->items->pdata[i];
                g_autofree char *formatted = diagnostic_format(diagnostic);

                MUST(!diagnostic->place.source || diagnostic->place.line <= diagnostic->place.source->line_count);
                MUST(g_utf8_validate(formatted, -1, NULL) && g_str_has_suffix(formatted, "\n"));
        }
}
