/* qemu_words.h - what QEMU says before it dies, and what that means for the file or the host */
#pragma once

#include <glib.h>

/** qemu_words_meaning() - A sentence on what to do about QEMU's last words; NULL where they are not known. @words may be NULL */
const char *qemu_words_meaning(const char *words);
