/* qemu_words.h - what QEMU says before it dies, and what that means for the file or the host */
#pragma once

#include <glib.h>

/** qemu_words_meaning() - What to do about QEMU's last words, a sentence; NULL where they are not known. @words may be NULL */
const char *qemu_words_meaning(const char *words);
