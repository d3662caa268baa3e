/* expand.h - one text with variables in it: $V, ${V}, ${V:-default} and their like; private to parser/
 *
 * The spelling is compose's. A dollar before anything but a name, a brace or another dollar stays, `$$` is a dollar, and a
 * value is never looked into again. A default, message or alternate may have variables itself; one that is not taken is
 * checked for its form only. Where compose differs on purpose: a variable that is not set, without a default, is a fault.
 */
#pragma once

#include "parser/text/diagnostics.h"

enum {
        EXPAND_MAX_BYTES = 1 << 20, /* of a result */
        EXPAND_MAX_DEPTH = 32,      /* of ${A:-${B:-...}} */
};

/** struct expand_fault - Something wrong in a text; length 0: in all of it */
struct expand_fault {
        const char *id;
        size_t offset, length; /* in bytes */
        const char *text;
        const char *hint; /* or NULL */
};

/** struct variable - What a name stands for */
struct variable {
        const char *name;
        const char *value;         /* NULL: it has a fault, which is told when it is used */
        struct place place;        /* in its file; no source: of drover's environment */
        struct expand_fault fault; /* offset and length say nothing here: it has a place */
        struct place fault_place;
};

/** struct expand_use - A name in a text, wherever it stands */
struct expand_use {
        const char *name;
        size_t offset, length; /* from the dollar to the end of the name or to the closing brace */
        char operator;         /* '-', '?', '+', or 0 */
        const char *word;      /* what stands behind the operator, as written, not terminated; or NULL */
        size_t word_length;
        const struct variable *taken; /* whose value went into the result, or NULL */
};

struct expander {
        const struct variable *(*look_up)(gpointer data, const char *name); /* NULL: it is not set */
        const char *(*suggest)(gpointer data, const char *name);            /* a name that was probably meant, or NULL */
        void (*fault)(gpointer data, const struct expand_fault *fault);
        void (*use)(gpointer data, const struct expand_use *use); /* may be NULL */
        gpointer data;
        gboolean lenient; /* of what is not set nothing is told, though there is no result either */
        gboolean brief;   /* faults are only counted: their texts are empty */
};

/**
 * expand_text() - The text with its variables replaced
 *
 * Returns a new string, or NULL where there is no result: each fault was told, and so far as the form allows the rest was
 * looked at as well.
 */
char *expand_text(const struct expander *expander, const char *text);

/** expand_name_length() - How many bytes at the start of @text are the name of a variable: [A-Za-z_][A-Za-z0-9_]*; 0: none */
size_t expand_name_length(const char *text);
