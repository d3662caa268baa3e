/* keys-rows.h - how a row of the table of keys is written; private to keys*.c */
#pragma once

#include "parser/decode/decode.h"

/* clang-format off */

#define IN(type, field) .offset = offsetof(struct type, field)
#define COUNT_IN(type, field) .count_offset = offsetof(struct type, field)

#define KIB ((gint64)1 << 10)
#define MIB ((gint64)1 << 20)
#define TIB ((gint64)1 << 40)
#define PIB ((gint64)1 << 50)

/* Architectures, of VMs and of images. */
extern const char *const keys_arch_words[], *const keys_arch_meant[];
