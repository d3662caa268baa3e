/* logs.c - drover logs: serial consoles, with the VM's name before each line
 *
 * A log is bounded: it may be truncated from outside while we read it, and then reading goes on at its new end. With -f,
 * inotify says when there is more; nothing is polled.
 */
#include "cmd/events.h"
#include "cmd/guest-text.h"
#include "cmd/select.h"
#include "cmd/print.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

enum { CHUNK_BYTES = 64 << 10, LINE_MAX_BYTES = 64 << 10, READ_MAX_BYTES = 32 << 20 };

struct logs_options {
        gboolean follow, qemu, events, no_prefix;
        gint64 tail;
};

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

struct logs {
        GPtrArray *logs; /* struct log */
        int inotify;
        char *parent; /* data/vms: where directories of VMs appear */
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
log_new(const struct paths *paths, const char *vm, guint index, int width, const struct logs_options *options)
{
        static const char *const colors[] = {"cyan", "yellow", "green", "magenta", "blue"};
        struct log *log = g_new0(struct log, 1);

        log->prefix = options->no_prefix ? g_strdup("") : g_strdup_printf("%-*s | ", width, vm);
        log->color = colors[index % G_N_ELEMENTS(colors)];
        log->directory = paths_vm_data(paths, vm);
        log->path = g_build_filename(log->directory, options->qemu ? "qemu.log" : QEMU_CONSOLE_LOG, NULL);
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
watch(struct logs *logs)
{
        for (guint i = 0; i < logs->logs->len; i++) {
                struct log *log = g_ptr_array_index(logs->logs, i);

                if (log->watch < 0)
                        log->watch = inotify_add_watch(logs->inotify, log->directory,
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
handle_event(struct logs *logs, const struct inotify_event *event)
{
        if (event->mask & IN_IGNORED)
                for (guint i = 0; i < logs->logs->len; i++) {
                        struct log *log = g_ptr_array_index(logs->logs, i);

                        if (log->watch == event->wd)
                                log->watch = -1;
                }
}

static gboolean
read_all(struct logs *logs, GError **error)
{
        for (guint i = 0; i < logs->logs->len; i++) {
                struct log *log = g_ptr_array_index(logs->logs, i);

                check_identity(log);
                if (!read_on(log, error))
                        return FALSE;
        }
        return TRUE;
}

static gboolean
fail_watch(const struct logs *logs, GError **error)
{
        gboolean absent = errno == ENOENT;

        error_errno(error, "cannot watch '%s'", logs->parent);
        return absent ? error_hint(error, "nothing of this project has been up yet") : FALSE;
}

static gboolean
follow(struct logs *logs, GError **error)
{
        char buffer[16 << 10] __attribute__((aligned(__alignof__(struct inotify_event))));

        if (inotify_add_watch(logs->inotify, logs->parent, IN_CREATE | IN_ONLYDIR) < 0)
                return fail_watch(logs, error);
        for (;;) {
                ssize_t got;

                watch(logs);
                if (!read_all(logs, error))
                        return FALSE;
                if (fflush(stdout) != 0 || ferror(stdout))
                        return TRUE;
                got = read(logs->inotify, buffer, sizeof buffer);
                if (got < 0 && errno != EINTR)
                        return error_errno(error, "cannot watch the logs");
                for (char *at = buffer; at < buffer + got;) {
                        const struct inotify_event *event = (const struct inotify_event *)(void *)at;

                        handle_event(logs, event);
                        at += sizeof *event + event->len;
                }
        }
}

static gboolean
print_logs(struct logs *logs, const struct logs_options *options, GError **error)
{
        guint found = 0;

        for (guint i = 0; i < logs->logs->len; i++) {
                struct log *log = g_ptr_array_index(logs->logs, i);

                if (!read_first(log, options->tail, error))
                        return FALSE;
                if (!options->follow && log->line->len)
                        print_line(log);
                found += log->fd >= 0;
        }
        if (options->follow)
                return follow(logs, error);
        if (!found)
                print_note("there is no log yet");
        return TRUE;
}

/* What happened to the VMs, in the place of what they have said. */
static int
print_journal(const struct paths *paths, GPtrArray *names, const struct logs_options *options)
{
        static char *const everything[] = {NULL};
        struct events_wish wish = {.names = everything, .tail = options->tail, .follow = options->follow};
        g_autoptr(GError) error = NULL;

        if (names) {
                g_ptr_array_add(names, NULL);
                wish.names = (char *const *)names->pdata;
        }
        return events_print(paths, &wish, &error) ? EXIT_DONE : print_error(error);
}

static int
run_logs(struct verb_call *call)
{
        const struct logs_options *options = call->options;
        g_autoptr(paths_t) paths = paths_new(call->project->name);
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) names = select_vms(call->project, paths, call->arguments, &error);
        g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(log_free);
        g_autofree char *parent = g_build_filename(paths->data, "vms", NULL);
        auto_fd inotify = inotify_init1(IN_CLOEXEC);
        struct logs logs = {list, inotify, parent};
        guint width = 0;

        if (!names)
                return print_error(error);
        if (options->events)
                return print_journal(paths, *call->arguments ? names : NULL, options);
        for (guint i = 0; i < names->len; i++)
                width = MAX(width, (guint)strlen(g_ptr_array_index(names, i)));
        for (guint i = 0; i < names->len; i++)
                g_ptr_array_add(list, log_new(paths, g_ptr_array_index(names, i), i, (int)width, options));
        return print_logs(&logs, options, &error) ? EXIT_DONE : print_error(error);
}

#define ROW(...) OPTION_ROW(struct logs_options, __VA_ARGS__)

static const struct option_row rows[] = {
        ROW("follow", 'f', OPTION_FLAG, NULL, follow, "Go on with what comes, until interrupted"),
        ROW("tail", 'n', OPTION_NUMBER, "N", tail, "Only the last lines of each VM"),
        ROW("qemu", 0, OPTION_FLAG, NULL, qemu, "What QEMU itself said instead of the console"),
        ROW("events", 0, OPTION_FLAG, NULL, events, "What happened to the VMs instead of the console, as 'drover events' does"),
        ROW("no-log-prefix", 0, OPTION_FLAG, NULL, no_prefix, "No names before the lines"),
        {"since", 0, OPTION_FUTURE, "TIME", "Only lines after this time", 0},
        {"until", 0, OPTION_FUTURE, "TIME", "Only lines before this time", 0},
        {"timestamps", 't', OPTION_FUTURE, NULL, "The time of each line", 0},
        {NULL},
};

const struct verb verb_logs = {
        .name = "logs",
        VERB_OF_VMS,
        .help = "Print the serial consoles' logs",
        .text = "Escape sequences are left out, and other control characters made visible: a guest cannot reach your terminal.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        VERB_OPTIONS(rows, struct logs_options),
        .run = run_logs,
};
