/* logs.c - logs that stay within their bound: QEMU appends for ever, and no drover may run for months */
#include "runtime/supervisor/logs.h"

#include "base/error.h"
#include "base/fd.h"

#include <fcntl.h>
#include <sys/stat.h>

gboolean
log_trim(int directory_fd, const char *name, GError **error)
{
        g_autofree char *old = g_strconcat(name, ".1", NULL);
        g_autofree char *tail = NULL;
        struct stat st;
        auto_fd from = openat(directory_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        auto_fd to = -1;
        ssize_t n;

        if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= LOG_BOUND_BYTES)
                return TRUE;
        tail = g_malloc(LOG_KEPT_BYTES);
        n = pread(from, tail, LOG_KEPT_BYTES, st.st_size - LOG_KEPT_BYTES);
        if (n < 0)
                return error_errno(error, "cannot read '%s'", name);
        if (unlinkat(directory_fd, old, 0) < 0 && errno != ENOENT)
                return error_errno(error, "cannot replace '%s'", old);
        to = openat(directory_fd, old, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        /* A full disk must not keep the log from shrinking: what cannot be kept is lost. */
        if (to >= 0 && write(to, tail, (size_t)n) != n)
                unlinkat(directory_fd, old, 0);
        if (ftruncate(from, 0) < 0)
                return error_errno(error, "cannot truncate '%s'", name);
        return TRUE;
}
