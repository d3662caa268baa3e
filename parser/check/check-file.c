/* check-file.c - whether the files that a project names are there, and are what they have to be */
#include "parser/check/check-users.h"

#include <errno.h>
#include <sys/stat.h>

/** enum file_kind - What a path is; above zero stands the errno of stat() */
enum file_kind {
        FILE_REGULAR = 0,
        FILE_FOLDER = -1,
        FILE_BLOCK = -2,
        FILE_OTHER = -3,
};

static int
look_at(const struct users *users, const char *path)
{
        gpointer known;
        struct stat status;
        int result = FILE_OTHER;

        if (g_hash_table_lookup_extended(users->files, path, NULL, &known))
                return GPOINTER_TO_INT(known);
        if (stat(path, &status) < 0)
                result = errno;
        else if (S_ISREG(status.st_mode))
                result = FILE_REGULAR;
        else if (S_ISDIR(status.st_mode))
                result = FILE_FOLDER;
        else if (S_ISBLK(status.st_mode))
                result = FILE_BLOCK;
        g_hash_table_insert(users->files, (gpointer)path, GINT_TO_POINTER(result));
        return result;
}

static struct place
place_of(const struct wanted_file *wanted)
{
        return project_place(wanted->node, wanted->key);
}

/* Is there anything at all? If so, TRUE with its kind. */
static gboolean
is_there(const struct users *users, const struct wanted_file *wanted, const char *kind, int *ret_kind)
{
        struct place place;
        int result;

        if (!wanted->path || users->check->no_files)
                return FALSE;
        result = look_at(users, wanted->path);
        if (result <= 0) {
                *ret_kind = result;
                return TRUE;
        }
        place = place_of(wanted);
        if (result == ENOENT || result == ENOTDIR)
                return check_fault(users->check, "missing-file", place,
                                   *kind == 'd' ? NULL : project_path_hint(&place, wanted->path),
                                   "%s of %s '%s': there is no %s '%s'", wanted->what, wanted->title, wanted->owner, kind,
                                   wanted->path);
        return check_fault(users->check, "file-unreadable", place, NULL, "%s of %s '%s': cannot look at '%s': %s", wanted->what,
                           wanted->title, wanted->owner, wanted->path, g_strerror(result));
}

void
check_file(const struct users *users, struct wanted_file wanted)
{
        int kind;

        if (is_there(users, &wanted, "file", &kind) && kind != FILE_REGULAR && kind != FILE_BLOCK)
                check_fault(users->check, "not-a-file", place_of(&wanted), NULL, "%s of %s '%s': '%s' is not a regular file",
                            wanted.what, wanted.title, wanted.owner, wanted.path);
}

void
check_folder(const struct users *users, struct wanted_file wanted)
{
        int kind;

        if (is_there(users, &wanted, "folder", &kind) && kind != FILE_FOLDER)
                check_fault(users->check, "not-a-folder", place_of(&wanted), "name the folder that it lies in",
                            "%s of %s '%s': '%s' is not a folder", wanted.what, wanted.title, wanted.owner, wanted.path);
}

void
check_device(const struct users *users, struct wanted_file wanted)
{
        int kind;

        if (is_there(users, &wanted, "device", &kind) && kind != FILE_BLOCK)
                check_fault(users->check, "not-a-device", place_of(&wanted),
                            kind == FILE_REGULAR ? "write 'file' instead of 'device'" : NULL,
                            "%s of %s '%s': '%s' is not a block device", wanted.what, wanted.title, wanted.owner, wanted.path);
}
