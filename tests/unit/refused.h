/* refused.h - what a parser of value.h says of a text that it refuses, compared to the letter */
#pragma once

#include "parser/value/value.h"

/* The reason, and the hint behind " | " where there is one. */
static inline void
check_told(gboolean parsed, const struct value_fault *fault, const char *expected)
{
        g_autofree char *text = NULL;

        g_assert_false(parsed);
        g_assert_nonnull(fault->id);
        g_assert_nonnull(fault->reason);
        text = fault->hint ? g_strdup_printf("%s | %s", fault->reason, fault->hint) : g_strdup(fault->reason);
        g_assert_cmpstr(text, ==, expected);
}

/* The call has `&fault` as its last argument. */
#define REFUSED(call, expected)                                                                                                \
        do {                                                                                                                   \
                g_auto(value_fault) fault = VALUE_FAULT_INIT;                                                                  \
                check_told(call, &fault, expected);                                                                            \
        } while (0)
