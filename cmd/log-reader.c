/* log-reader.c - logs of VMs as they are read: all that is there, the last lines of it, and what comes
 *
 * A log is bounded: it may be truncated from outside while we read it, and then reading goes on at its new end. With follow,
 * inotify says when there is more; nothing is polled.
 */
#include "cmd/guest-text.h"
#include "cmd/log-reader.h"
#include "cmd/print.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

enum { CHUNK_BYTES = 64 << 10, LINE_MAX_BYTES = 64 << 10, READ_MAX_BYTES = 32 << 20 };

/** struct log - One VM's log as it is read */
struct log {
        char *prefix; /* "web | ", or "" */
        const char *color;
        char *directory; /* the VM's data directory */
        char *path;
        int watch; /* of inotify; -1: its directory is not there yet */
        int fd;    /* -1: the file is not there yet */
        off_t offset;
        GString *line; /* what has no newline yet */
};

struct log_reader {
        GPtrArray *logs; /* struct log */
        int inotify;
        char *parent;  /* data/vms: where directories of VMs appear */
        int watch;     /* of inotify, of that; -1: not yet */
        gboolean gone; /* it was there, and is no more: `down -v` */
};

static void
log_free(gpointer data)
{
        struct log *log = data;

        g_free(log->prefix);
        g_free(log->directory);
        g_free(log->path);
        fd_clear(&log->fd);
        g_string_free(log->line, TRUE);
        g_free(log);
}

static struct log *
log_new(const struct paths *paths, const char *vm, guint index, const char *file, int width)
{
        static const char *const colors[] = {"cyan", "yellow", "green", "magenta", "blue"};
        struct log *log = g_new0(struct log, 1);

        log->prefix = width < 0 ? g_strdup("") : g_strdup_printf("%-*s | ", width, vm);
        log->color = colors[index % G_N_ELEMENTS(colors)];
        log->directory = paths_vm_data(paths, vm);
        log->path = g_build_filename(log->directory, file, NULL);
        log->watch = log->fd = -1;
        log->line = g_string_new(NULL);
        return log;
}

static void
print_line(struct log *log)
{
        g_autofree char *line = guest_line(log->line->str, log->line->len);

        if (*log->prefix)
                printf("%s%s%s", print_color(stdout, log->color), log->prefix, print_color(stdout, "reset"));
        puts(line);
        g_string_truncate(log->line, 0);
}

static void
take(struct log *log, const char *bytes, gsize length)
{
        while (length) {
                const char *end = memchr(bytes, '\n', length);
                gsize part = end ? (gsize)(end - bytes) : length;

                g_string_append_len(log->line, bytes, (gssize)part);
                part += end != NULL;
                bytes += part;
                length -= part;
                if (end || log->line->len > LINE_MAX_BYTES)
                        print_line(log);
        }
}

static gboolean
open_log(struct log *log, GError **error)
{
        log->fd = open(log->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (log->fd < 0 && errno != ENOENT)
                return error_errno(error, "cannot read '%s'", log->path);
        return TRUE;
}

/* Read to the end of the file as it is now. */
static gboolean
read_on(struct log *log, GError **error)
{
        char chunk[CHUNK_BYTES];
        struct stat status;
        ssize_t got;

        if (log->fd < 0 && !open_log(log, error))
                return FALSE;
        if (log->fd < 0)
                return TRUE;
        if (fstat(log->fd, &status) == 0 && status.st_size < log->offset)
                log->offset = 0;
        while ((got = pread(log->fd, chunk, sizeof chunk, log->offset)) > 0) {
                log->offset += got;
                take(log, chunk, (gsize)got);
                if (ferror(stdout))
                        return TRUE;
        }
        return got == 0 ? TRUE : error_errno(error, "cannot read '%s'", log->path);
}

/* What was cut off the log when it reached its bound (runtime/supervisor/logs.h) comes first. */
static char *
read_old(const struct log *log, size_t *ret_length)
{
        g_autofree char *path = g_strconcat(log->path, ".1", NULL);
        char *text = NULL;

        if (!file_read(path, READ_MAX_BYTES, &text, ret_length, NULL))
                *ret_length = 0;
        return text;
}

/* The last lines of what is there now. */
static gboolean
read_tail(struct log *log, gint64 lines, const char *old, size_t old_length, GError **error)
{
        g_autoptr(GString) text = g_string_new_len(old, (gssize)old_length);
        struct stat status = {0};
        gsize begin;
        ssize_t got = 0;

        if (!open_log(log, error))
                return FALSE;
        if (log->fd >= 0 && fstat(log->fd, &status) == 0) {
                g_autofree char *bytes = g_malloc(READ_MAX_BYTES);

                log->offset = MAX(status.st_size - READ_MAX_BYTES, 0);
                got = pread(log->fd, bytes, READ_MAX_BYTES, log->offset);
                if (got < 0)
                        return error_errno(error, "cannot read '%s'", log->path);
                log->offset += got;
                g_string_append_len(text, bytes, got);
        }
        begin = guest_tail(text->str, text->len, lines);
        take(log, text->str + begin, text->len - begin);
        return TRUE;
}

static gboolean
read_first(struct log *log, gint64 lines, GError **error)
{
        size_t length = 0;
        g_autofree char *old = read_old(log, &length);

        if (lines >= 0)
                return read_tail(log, lines, old ? old : "", length, error);
        take(log, old, length);
        return read_on(log, error);
}

/* Watch directories: a log may not be there yet, and neither may its VM. */
static void
watch(struct log_reader *reader)
{
        for (guint i = 0; i < reader->logs->len; i++) {
                struct log *log = g_ptr_array_index(reader->logs, i);

                if (log->watch < 0)
                        log->watch = inotify_add_watch(reader->inotify, log->directory,
                                                       IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
        }
}

/* A log that was removed or replaced is read from its beginning when it is there again. */
static void
check_identity(struct log *log)
{
        struct stat open_status, status;

        if (log->fd < 0 || fstat(log->fd, &open_status) < 0)
                return;
        if (stat(log->path, &status) == 0 && status.st_dev == open_status.st_dev && status.st_ino == open_status.st_ino)
                return;
        fd_clear(&log->fd);
        log->offset = 0;
}

static void
handle_event(struct log_reader *reader, const struct inotify_event *event)
{
        if (!(event->mask & IN_IGNORED))
                return;
        reader->gone |= event->wd == reader->watch;
        for (guint i = 0; i < reader->logs->len; i++) {
                struct log *log = g_ptr_array_index(reader->logs, i);

                if (log->watch == event->wd)
                        log->watch = -1;
        }
}

/* Also what was last written to one that is gone. */
static gboolean
read_all(struct log_reader *reader, GError **error)
{
        for (guint i = 0; i < reader->logs->len; i++) {
                struct log *log = g_ptr_array_index(reader->logs, i);

                if (log->fd >= 0 && !read_on(log, error))
                        return FALSE;
                check_identity(log);
                if (!read_on(log, error))
                        return FALSE;
        }
        return TRUE;
}

static gboolean
watch_parent(struct log_reader *reader, GError **error)
{
        int watch = reader->gone ? -1 : inotify_add_watch(reader->inotify, reader->parent, IN_CREATE | IN_ONLYDIR);
        gboolean absent = errno == ENOENT;

        reader->gone |= watch < 0 && absent && reader->watch >= 0;
        if (watch >= 0)
                reader->watch = watch;
        if (watch >= 0 || reader->gone)
                return TRUE;
        error_errno(error, "cannot watch '%s'", reader->parent);
        return absent ? error_hint(error, "nothing of this project has been up yet") : FALSE;
}

/* What inotify has to say. */
static gboolean
take_events(struct log_reader *reader, GError **error)
{
        char buffer[16 << 10] __attribute__((aligned(__alignof__(struct inotify_event))));
        ssize_t got = read(reader->inotify, buffer, sizeof buffer);

        if (got < 0 && errno != EINTR)
                return error_errno(error, "cannot watch the logs");
        for (char *at = buffer; at < buffer + got;) {
                const struct inotify_event *event = (const struct inotify_event *)(void *)at;

                handle_event(reader, event);
                at += sizeof *event + event->len;
        }
        return TRUE;
}

gboolean
log_reader_follow(struct log_reader *reader, int stop_fd, GError **error)
{
        struct pollfd fds[] = {{reader->inotify, POLLIN, 0}, {stop_fd, POLLIN, 0}, {STDOUT_FILENO, 0, 0}};

        if (!watch_parent(reader, error))
                return FALSE;
        for (;;) {
                watch(reader);
                if (!read_all(reader, error))
                        return FALSE;
                if (fflush(stdout) != 0 || ferror(stdout) || reader->gone || fds[1].revents || (fds[2].revents & POLLERR))
                        return TRUE;
                if (poll(fds, G_N_ELEMENTS(fds), -1) < 0 && errno != EINTR)
                        return error_errno(error, "cannot wait for the logs");
                if (fds[0].revents && !take_events(reader, error))
                        return FALSE;
        }
}

struct log_reader *
log_reader_new(const struct paths *paths, const GPtrArray *names, const char *file, gboolean prefix)
{
        struct log_reader *reader = g_new0(struct log_reader, 1);
        guint width = 0;

        reader->logs = g_ptr_array_new_with_free_func(log_free);
        reader->inotify = inotify_init1(IN_CLOEXEC);
        reader->parent = g_build_filename(paths->data, "vms", NULL);
        reader->watch = -1;
        for (guint i = 0; i < names->len; i++)
                width = MAX(width, (guint)strlen(g_ptr_array_index(names, i)));
        for (guint i = 0; i < names->len; i++)
                g_ptr_array_add(reader->logs, log_new(paths, g_ptr_array_index(names, i), i, file, prefix ? (int)width : -1));
        return reader;
}

void
log_reader_free(struct log_reader *reader)
{
        if (!reader)
                return;
        g_ptr_array_unref(reader->logs);
        fd_clear(&reader->inotify);
        g_free(reader->parent);
        g_free(reader);
}

gboolean
log_reader_print(struct log_reader *reader, gint64 lines, gboolean more, guint *ret_found, GError **error)
{
        guint found = 0;

        for (guint i = 0; i < reader->logs->len; i++) {
                struct log *log = g_ptr_array_index(reader->logs, i);

                if (!read_first(log, lines, error))
                        return FALSE;
                if (!more && log->line->len)
                        print_line(log);
                found += log->fd >= 0;
        }
        if (ret_found)
                *ret_found = found;
        return TRUE;
}

gboolean
log_reader_skip(struct log_reader *reader, GError **error)
{
        for (guint i = 0; i < reader->logs->len; i++) {
                struct log *log = g_ptr_array_index(reader->logs, i);
                struct stat status;

                if (!open_log(log, error))
                        return FALSE;
                if (log->fd >= 0 && fstat(log->fd, &status) == 0)
                        log->offset = status.st_size;
        }
        return TRUE;
}
