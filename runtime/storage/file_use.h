/* file_use.h - who else has a disk file open: found by the locks that every QEMU takes, named through /proc */
#pragma once

#include <glib.h>
#include <sys/types.h>

/** struct file_use - Somebody has a file in a way that we would be refused */
struct file_use {
        char *path;
        pid_t pid;      /* 0: not to be seen (another user's process) */
        char *program;  /* NULL likewise */
        char *project, *vm; /* of a VM that drover started, or NULL */
        guint64 device, inode;
};
void file_use_free(struct file_use *use);
typedef struct file_use file_use_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(file_use_t, file_use_free)

/** enum file_access - How QEMU means to use a file */
enum file_access {
        FILE_READS,  /* others may read it as well, and nobody may write to it */
        FILE_WRITES, /* alone */
        FILE_SHARES, /* to write to it, beside others that do so as well */
};

/**
 * file_use_probe() - Would QEMU be refused this file?
 *
 * Looks and takes no lock. Returns NULL where it would not, where there is no such file and where it may not be read; else a
 * new object that does not know yet who it is.
 */
struct file_use *file_use_probe(const char *path, enum file_access access);

/** file_use_find() - Find out who it is, for all of @uses (struct file_use *): one walk through /proc */
void file_use_find(const GPtrArray *uses);

/** file_use_describe() - "vm 'a' of project 'x' (pid 7)"; without the project where it is @project. New string */
char *file_use_describe(const struct file_use *use, const char *project);

/** file_use_hint() - What to do about it. New string */
char *file_use_hint(const struct file_use *use, const char *project);

/** file_use_check() - Fail with DROVER_ERROR_BUSY, and who it is, where QEMU would be refused the file */
gboolean file_use_check(const char *path, enum file_access access, const char *project, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
