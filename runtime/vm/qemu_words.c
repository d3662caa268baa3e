/* qemu_words.c - what QEMU says before it dies, and what that means for the file or the host */
#include "runtime/vm/qemu_words.h"

#include <string.h>

/* What QEMU can do and some distributions have packed away. */
#define DRIVER_PACKAGE "this QEMU lacks its module for that: on Debian and Ubuntu it is in the package 'qemu-block-extra'"

const char *
qemu_words_meaning(const char *words)
{
        static const struct {
                const char *said, *meant;
        } known[] = {
                {"cannot set up guest memory", "this host cannot give it so much memory now: write less, or stop other VMs"},
                {"Cannot allocate memory", "this host cannot give it so much memory now: write less, or stop other VMs"},
                {"Error loading uncompressed kernel", "'boot.kernel' names a file that is no kernel which QEMU can start"},
                {"invalid kernel header", "'boot.kernel' names a file that is no kernel which QEMU can start"},
                {"could not load kernel", "'boot.kernel' names a file that is no kernel which QEMU can start"},
                {"too old to load a ram disk", "'boot.kernel' names a file that is no kernel which QEMU can start"},
                {"initrd is too large", "give it more 'memory': kernel and initrd do not fit"},
                {"Image is not in", "the disk's file is of another format than it was taken for"},
                {"cannot unlock any keyslot", "the disk was made with another key than the one that 'key_file' names now"},
                {"Unknown driver 'http", DRIVER_PACKAGE},
                {"Unknown driver 'iscsi", DRIVER_PACKAGE},
                {"Unknown driver 'rbd", DRIVER_PACKAGE},
                {"Address already in use", "something else listens there: 'ss -ltnp' tells who"},
                {"No space left on device", "the disk is full: 'df' tells which"},
        };

        for (size_t i = 0; words && i < G_N_ELEMENTS(known); i++)
                if (strstr(words, known[i].said))
                        return known[i].meant;
        return NULL;
}
