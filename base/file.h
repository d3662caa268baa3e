/* file.h - files that are whole or absent, directories that are ours, locks that die with their holder */
#pragma once

#include <glib.h>
#include <sys/types.h>

/**
 * file_read() - A whole regular file
 * @path:       opened with O_NONBLOCK, so that a FIFO cannot hang us
 * @max_bytes:  more than that is refused with DROVER_ERROR_FAILED
 * @ret_text:   on success, the content with a NUL behind it; the caller frees it
 * @ret_length: on success, its length without that NUL; may be NULL
 *
 * Fails with DROVER_ERROR_NOT_FOUND or DROVER_ERROR_PERMISSION as open(2) does, and with DROVER_ERROR_FAILED for
 * anything that is not a regular file (or a pipe, when @path is "-": standard input).
 */
gboolean file_read(const char *path, size_t max_bytes, char **ret_text, size_t *ret_length, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/**
 * file_write_atomic() - Replace a file as a whole, or leave it as it was
 *
 * Writes a draft beside it (O_EXCL, a name that begins with a dot), fsyncs, renames, fsyncs the directory. @mode is set
 * whatever the umask. On failure the draft is gone and the old file stands.
 */
gboolean file_write_atomic(const char *path, const void *data, size_t length, mode_t mode, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/**
 * file_write_whole() - The same without the last fsync, which file_sync_directory() can do later, once for several files
 *
 * A kill leaves the old file or the new one, and so does a power cut, after which it may be the old one again until the
 * directory was synced.
 */
gboolean file_write_whole(const char *path, const void *data, size_t length, mode_t mode, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** file_has() - Is this what the file holds, all of it and nothing else? */
gboolean file_has(const char *path, const void *data, size_t length);

/**
 * file_write_if_changed() - Replace a file as a whole, unless it holds just that already
 * @ret_changed: on success, whether it was written; may be NULL
 *
 * Nothing is synced: it is for files that are compared with what they should hold whenever they are wanted, so that whatever
 * a power cut leaves of one is found to be different.
 */
gboolean file_write_if_changed(const char *path, const void *data, size_t length, mode_t mode, gboolean *ret_changed,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** file_write_kernel() - One write(2) to a file of /proc or /sys */
gboolean file_write_kernel(const char *path, const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** file_draft_path() - "DIR/.NAME.XXXX": where a file is prepared before it is renamed; unique in this process and host */
char *file_draft_path(const char *path);

/**
 * file_remove_drafts() - Remove the drafts that killed processes left in @directory (no error where there is none)
 * @shared: others may be writing there now; what belongs to a process that lives stays
 */
void file_remove_drafts(const char *directory, gboolean shared);

/** file_sync_directory() - fsync the directory that holds @path, so that a rename in it lasts */
gboolean file_sync_directory(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

gboolean file_exists(const char *path);
/** file_stamp() - What tells whether a file is as it was without looking into it: where it lies, its size, when it was written.
 * New string, or NULL where it cannot be looked at */
char *file_stamp(const char *path);

/**
 * file_make_directory() - Make a directory and those above it
 *
 * New ones get @mode, whatever the umask; existing ones are left as they are.
 */
gboolean file_make_directory(const char *path, mode_t mode, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** file_own() - Give @path a mode and, as root, an owner and group ((uid_t)-1: leave) without following a symlink */
gboolean file_own(const char *path, mode_t mode, uid_t uid, gid_t gid, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** file_remove() - unlink(2); that there is no such file is success */
gboolean file_remove(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** file_remove_tree() - Remove a directory with all below it, never following a symlink; absent is success */
gboolean file_remove_tree(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * file_list_directory() - The names in a directory, sorted, without those that begin with a dot
 *
 * Returns an empty array where there is no such directory, NULL on any other failure.
 */
GPtrArray *file_list_directory(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * file_lock() - Take an exclusive OFD lock, which ends when the last copy of the descriptor is closed
 * @path:   made with mode 0600 when it is not there; never removed, since that would split the lock
 * @ret_fd: on success, the descriptor that holds the lock (O_CLOEXEC); the caller closes it
 *
 * Never waits. Fails with DROVER_ERROR_LOCKED when somebody holds it. Source: fcntl(2), "Open file description locks".
 */
gboolean file_lock(const char *path, int *ret_fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** file_lock_wait() - The same, but wait for the holder: only for what is held for milliseconds */
gboolean file_lock_wait(const char *path, int *ret_fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * file_is_locked() - Is an OFD or POSIX lock held on it? Probes with F_OFD_GETLK, takes nothing
 *
 * FALSE where no file is, TRUE where it cannot be told (no descriptors left): who may live is not taken for dead.
 */
gboolean file_is_locked(const char *path);

/** file_lock_holder() - The pid of who holds a POSIX lock on @path, or 0 (none, no file, or an OFD lock, which has no pid) */
pid_t file_lock_holder(const char *path);
