/* file.c - files that are whole or absent, directories that are ours, locks that die with their holder */
#include "base/file.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* @expected: how long it may well be */
static gboolean
read_descriptor(int fd, const char *path, size_t expected, size_t max_bytes, char **ret_text, size_t *ret_length,
                GError **error)
{
        size_t room = MIN(expected, max_bytes) + 4096, length = 0;
        g_autofree char *text = g_malloc(room);
        ssize_t n;

        memory_populate(text, MIN(expected, max_bytes));
        while ((n = read(fd, text + length, room - 1 - length)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_errno(error, "cannot read '%s'", path);
                length += (size_t)n;
                if (length > max_bytes)
                        return error_set(error, DROVER_ERROR_FAILED, "'%s' is larger than %zu bytes", path, max_bytes);
                if (length == room - 1)
                        text = g_realloc(text, room *= 2);
        }
        text[length] = '\0';
        if (ret_length)
                *ret_length = length;
        *ret_text = g_steal_pointer(&text);
        return TRUE;
}

gboolean
file_read(const char *path, size_t max_bytes, char **ret_text, size_t *ret_length, GError **error)
{
        auto_fd fd = -1;
        struct stat st;

        if (strcmp(path, "-") == 0)
                return read_descriptor(STDIN_FILENO, "standard input", 0, max_bytes, ret_text, ret_length, error);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return error_errno(error, "cannot open '%s'", path);
        if (fstat(fd, &st) < 0)
                return error_errno(error, "cannot read '%s'", path);
        if (S_ISDIR(st.st_mode))
                return error_set(error, DROVER_ERROR_FAILED, "'%s' is a directory", path);
        if (!S_ISREG(st.st_mode))
                return error_set(error, DROVER_ERROR_FAILED, "'%s' is not a regular file", path);
        return read_descriptor(fd, path, (size_t)st.st_size, max_bytes, ret_text, ret_length, error);
}

char *
file_draft_path(const char *path)
{
        static gint counter;
        g_autofree char *directory = g_path_get_dirname(path);
        g_autofree char *name = g_path_get_basename(path);

        return g_strdup_printf("%s/.%s.%d.%d.draft", directory, name, (int)getpid(), g_atomic_int_add(&counter, 1));
}

/* ".NAME.PID.NUMBER.draft", by a process that is gone? */
static gboolean
is_orphan(const char *draft)
{
        g_auto(GStrv) parts = g_strsplit(draft, ".", -1);
        guint count = g_strv_length(parts);
        gint64 pid = count > 4 ? g_ascii_strtoll(parts[count - 3], NULL, 10) : 0;

        return pid > 0 && pid <= G_MAXINT && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

void
file_remove_drafts(const char *directory, gboolean shared)
{
        DIR *dir = opendir(directory);
        struct dirent *entry;

        if (!dir)
                return;
        while ((entry = readdir(dir)))
                if (entry->d_name[0] == '.' && g_str_has_suffix(entry->d_name, ".draft") &&
                    (!shared || is_orphan(entry->d_name)))
                        unlinkat(dirfd(dir), entry->d_name, 0);
        closedir(dir);
}

gboolean
file_sync_directory(const char *path, GError **error)
{
        g_autofree char *directory = g_path_get_dirname(path);
        auto_fd fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0)
                return error_errno(error, "cannot sync directory '%s'", directory);
        return TRUE;
}

static gboolean
write_all(int fd, const char *data, size_t length)
{
        while (length > 0) {
                ssize_t n = write(fd, data, length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return FALSE;
                data += n;
                length -= (size_t)n;
        }
        return TRUE;
}

static gboolean
replace(const char *path, const void *data, size_t length, mode_t mode, gboolean sync, GError **error)
{
        g_autofree char *draft = file_draft_path(path);
        auto_fd fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
                return error_errno(error, "cannot write '%s'", path);
        if (!write_all(fd, data, length) || fchmod(fd, mode) < 0 || (sync && fsync(fd) < 0) || rename(draft, path) < 0) {
                error_errno(error, "cannot write '%s'", path);
                unlink(draft);
                return FALSE;
        }
        return TRUE;
}

gboolean
file_write_atomic(const char *path, const void *data, size_t length, mode_t mode, GError **error)
{
        return file_write_whole(path, data, length, mode, error) && file_sync_directory(path, error);
}

gboolean
file_write_whole(const char *path, const void *data, size_t length, mode_t mode, GError **error)
{
        return replace(path, data, length, mode, TRUE, error);
}

gboolean
file_has(const char *path, const void *data, size_t length)
{
        g_autofree char *text = NULL;
        size_t found = 0;

        return file_read(path, length, &text, &found, NULL) && found == length && memcmp(text, data, length) == 0;
}

gboolean
file_write_if_changed(const char *path, const void *data, size_t length, mode_t mode, gboolean *ret_changed, GError **error)
{
        gboolean same = file_has(path, data, length);

        if (!same && !replace(path, data, length, mode, FALSE, error))
                return FALSE;
        if (ret_changed)
                *ret_changed = !same;
        return TRUE;
}

gboolean
file_write_kernel(const char *path, const char *text, GError **error)
{
        auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || fd_retry(write(fd, text, strlen(text))) < 0)
                return error_errno(error, "cannot write '%s' to '%s'", text, path);
        return TRUE;
}

char *
file_stamp(const char *path)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return NULL;
        return g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT ":%" G_GINT64_FORMAT ":%" G_GINT64_FORMAT ".%09ld",
                               (guint64)st.st_dev, (guint64)st.st_ino, (gint64)st.st_size, (gint64)st.st_mtim.tv_sec,
                               st.st_mtim.tv_nsec);
}

gboolean
file_exists(const char *path)
{
        return access(path, F_OK) == 0;
}

gboolean
file_make_directory(const char *path, mode_t mode, GError **error)
{
        g_autofree char *parent = NULL;

        if (mkdir(path, mode) < 0) {
                if (errno == EEXIST) {
                        if (!g_file_test(path, G_FILE_TEST_IS_DIR))
                                return error_set(error, DROVER_ERROR_EXISTS, "'%s' is not a directory", path);
                        return TRUE;
                }
                if (errno != ENOENT)
                        return error_errno(error, "cannot make directory '%s'", path);
                parent = g_path_get_dirname(path);
                if (!file_make_directory(parent, mode, error))
                        return FALSE;
                if (mkdir(path, mode) < 0 && errno != EEXIST)
                        return error_errno(error, "cannot make directory '%s'", path);
        }
        if (chmod(path, mode) < 0)
                return error_errno(error, "cannot set the mode of '%s'", path);
        return TRUE;
}

gboolean
file_own(const char *path, mode_t mode, uid_t uid, gid_t gid, GError **error)
{
        auto_fd fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        g_autofree char *self = NULL;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(error, "cannot open '%s'", path);
        if (S_ISLNK(st.st_mode))
                return error_set(error, DROVER_ERROR_FAILED, "'%s' is a symbolic link", path);
        self = g_strdup_printf("/proc/self/fd/%d", fd);
        if ((uid != (uid_t)-1 && st.st_uid != uid) || (gid != (gid_t)-1 && st.st_gid != gid))
                if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
                        return error_errno(error, "cannot change the owner of '%s'", path);
        if ((st.st_mode & 07777) != mode && chmod(self, mode) < 0)
                return error_errno(error, "cannot set the mode of '%s'", path);
        return TRUE;
}

gboolean
file_remove(const char *path, GError **error)
{
        if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
                return error_errno(error, "cannot remove '%s'", path);
        return TRUE;
}

/* ---- a tree is removed ----
 *
 * However deep it goes, and whoever made it: a directory that is not empty is emptied into the top one, where its own full
 * directories wait under new names for the next pass. So two descriptors do, no path grows long and no call nests.
 */

struct removal {
        const char *path;
        DIR *top;
        guint64 moved;
};

/* TRUE also where there is none; FALSE with ENOTEMPTY is a directory that has to be emptied first. */
static gboolean
remove_entry(int parent, const char *name)
{
        if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
                return TRUE;
        if (errno != EISDIR && errno != EPERM)
                return FALSE;
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                return TRUE;
        if (errno == EEXIST)
                errno = ENOTEMPTY;
        if (errno == ENOTDIR)
                errno = EPERM; /* a file that may not be removed */
        return FALSE;
}

static DIR *
open_directory(int parent, const char *name)
{
        auto_fd fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

        if (dir)
                fd = -1;
        return dir;
}

static const char *
next_name(DIR *dir)
{
        const struct dirent *entry;

        do
                entry = readdir(dir);
        while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
        return entry ? entry->d_name : NULL;
}

static gboolean
move_up(struct removal *removal, DIR *from, const char *name)
{
        char unused[32];
        int result;

        do {
                g_snprintf(unused, sizeof unused, ".%" G_GUINT64_FORMAT ".removed", removal->moved++);
                result = renameat(dirfd(from), name, dirfd(removal->top), unused);
        } while (result < 0 && (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR));
        return result == 0 || errno == ENOENT;
}

static gboolean
empty_directory(struct removal *removal, const char *name, GError **error)
{
        DIR *dir = open_directory(dirfd(removal->top), name);
        const char *below = NULL;
        gboolean ok = TRUE;

        if (!dir)
                return errno == ENOENT ? TRUE : error_errno(error, "cannot open directory '%s/%s'", removal->path, name);
        while (ok && (below = next_name(dir)))
                ok = remove_entry(dirfd(dir), below) || (errno == ENOTEMPTY && move_up(removal, dir, below)) ||
                     error_errno(error, "cannot remove '%s' below '%s'", below, removal->path);
        closedir(dir);
        return ok;
}

/* One pass over the top directory; @ret_again: it has, or had, full directories. */
static gboolean
remove_once(struct removal *removal, gboolean *ret_again, GError **error)
{
        const char *name;

        *ret_again = FALSE;
        rewinddir(removal->top);
        while ((name = next_name(removal->top))) {
                if (remove_entry(dirfd(removal->top), name))
                        continue;
                if (errno != ENOTEMPTY)
                        return error_errno(error, "cannot remove '%s/%s'", removal->path, name);
                if (!empty_directory(removal, name, error))
                        return FALSE;
                *ret_again = TRUE;
        }
        return TRUE;
}

gboolean
file_remove_tree(const char *path, GError **error)
{
        struct removal removal = {.path = path};
        gboolean again = TRUE, ok = TRUE;

        if (remove_entry(AT_FDCWD, path))
                return TRUE;
        if (errno == ENOTEMPTY)
                removal.top = open_directory(AT_FDCWD, path);
        if (!removal.top)
                return errno == ENOENT ? TRUE : error_errno(error, "cannot remove '%s'", path);
        while (ok && again)
                ok = remove_once(&removal, &again, error);
        closedir(removal.top);
        return ok && (remove_entry(AT_FDCWD, path) || error_errno(error, "cannot remove directory '%s'", path));
}

static gint
compare_strings(gconstpointer a, gconstpointer b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
file_list_directory(const char *path, GError **error)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        DIR *dir = opendir(path);
        struct dirent *entry;
        int number;

        if (!dir && errno != ENOENT)
                return error_errno(error, "cannot read directory '%s'", path), NULL;
        while (dir && (errno = 0, (entry = readdir(dir)) != NULL))
                if (entry->d_name[0] != '.')
                        g_ptr_array_add(names, g_strdup(entry->d_name));
        number = dir ? errno : 0;
        if (dir)
                closedir(dir);
        if (number)
                return error_from_errno(error, number, "cannot read directory '%s'", path), NULL;
        g_ptr_array_sort(names, compare_strings);
        return g_steal_pointer(&names);
}

static gboolean
take_lock(const char *path, int command, int *ret_fd, GError **error)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        auto_fd fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        int result;

        if (fd < 0)
                return error_errno(error, "cannot open lock file '%s'", path);
        do
                result = fcntl(fd, command, &lock);
        while (result < 0 && errno == EINTR);
        if (result < 0) {
                if (errno == EAGAIN || errno == EACCES)
                        return error_set(error, DROVER_ERROR_LOCKED, "'%s' is locked", path);
                return error_errno(error, "cannot lock '%s'", path);
        }
        *ret_fd = fd_steal(&fd);
        return TRUE;
}

gboolean
file_lock(const char *path, int *ret_fd, GError **error)
{
        return take_lock(path, F_OFD_SETLK, ret_fd, error);
}

gboolean
file_lock_wait(const char *path, int *ret_fd, GError **error)
{
        return take_lock(path, F_OFD_SETLKW, ret_fd, error);
}

/* Who holds it; F_UNLCK for nobody. FALSE where it cannot be told. */
static gboolean
probe_lock(const char *path, int command, struct flock *ret_lock)
{
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        *ret_lock = (struct flock){.l_type = fd >= 0 ? F_WRLCK : F_UNLCK, .l_whence = SEEK_SET};
        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR;
        return fcntl(fd, command, ret_lock) == 0;
}

gboolean
file_is_locked(const char *path)
{
        struct flock lock;

        return !probe_lock(path, F_OFD_GETLK, &lock) || lock.l_type != F_UNLCK;
}

pid_t
file_lock_holder(const char *path)
{
        struct flock lock;

        return probe_lock(path, F_GETLK, &lock) && lock.l_type != F_UNLCK && lock.l_pid > 0 ? lock.l_pid : 0;
}
