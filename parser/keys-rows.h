/* keys-rows.h - how a row of the table of keys is written; private to keys*.c */
#pragma once

#include "parser/decode.h"

/* clang-format off */

#define IN(type, field) .offset = offsetof(struct type, field)
#define COUNT_IN(type, field) .count_offset = offsetof(struct type, field)

/* A key of drover.yaml(5) that is decoded for its outer shape and refused at plan. */
#define LATER(key, kinds, text, value) {.name = key, .type = KEY_FUTURE, .shapes = kinds, .help = text, .example = value}
/* The same with the value that is harmless to write, since it is what happens anyway. */
#define LATER_BUT(key, kinds, standard, text, value)                                                                           \
        {.name = key, .type = KEY_FUTURE, .shapes = kinds, .fallback = standard, .help = text, .example = value}

#define SCALAR SHAPE_SCALAR
#define LIST SHAPE_LIST
#define MAP SHAPE_MAP

#define KIB ((gint64)1 << 10)
#define MIB ((gint64)1 << 20)
#define TIB ((gint64)1 << 40)
#define PIB ((gint64)1 << 50)

/* Architectures, of VMs and of images. */
extern const char *const keys_arch_words[], *const keys_arch_meant[];
