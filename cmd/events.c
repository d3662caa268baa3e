/* events.c - drover events: what happened to a project, and what goes on happening */
#include "cmd/events.h"
#include "cmd/print.h"

#include "base/error.h"
#include "base/fd.h"
#include "parser/value/value.h"
#include "runtime/supervisor/journal.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

struct events_options {
        gboolean follow;
        char *since, *format;
};

/** struct reader - The journal as it is read */
struct reader {
        const struct paths *paths;
        const struct events_wish *wish;
        GQueue *kept;        /* json_t *: the last of what is there already; NULL: each is printed as it comes */
        int fd;              /* -1: there is no journal yet */
        GString *line;       /* what has no newline yet */
};

/* "10m" before now, or a time of its own: "2026-05-03", "2026-05-03T10:20:30Z". */
static gboolean
parse_since(const char *text, gint64 *ret_us, GError **error)
{
        g_autoptr(GTimeZone) here = g_time_zone_new_local();
        g_autofree char *day = g_strconcat(text, "T00:00:00", NULL);
        g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(strchr(text, 'T') ? text : day, here);
        guint64 ms;

        if (time)
                *ret_us = g_date_time_to_unix(time) * G_USEC_PER_SEC + g_date_time_get_microsecond(time);
        else if (value_parse_duration(text, &ms, NULL) && ms < G_MAXINT64 / 1000)
                *ret_us = g_get_real_time() - (gint64)ms * 1000;
        else
                return error_set(error, DROVER_ERROR_USAGE, "'%s' is no time: write 10m, 2026-05-03 or 2026-05-03T10:20:30Z",
                                 text);
        return TRUE;
}

static gboolean
is_shown(const struct reader *reader, const json_t *event)
{
        const char *name = json_text(event, "name");

        const struct events_wish *wish = reader->wish;

        if (wish->since_us && journal_time(event) < wish->since_us)
                return FALSE;
        return !*wish->names || (g_strcmp0(json_text(event, "kind"), "vm") == 0 && name &&
                                 g_strv_contains((const char *const *)wish->names, name));
}

static char *
local_time(const json_t *event)
{
        gint64 time_us = journal_time(event);
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(time_us / G_USEC_PER_SEC);
        g_autofree char *second = time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S") : g_strdup("?");

        return g_strdup_printf("%s.%03d", second, (int)(time_us % G_USEC_PER_SEC / 1000));
}

/* "2026-05-03 10:20:30.123  vm web: crashed (by qemu), reason host-signal: its QEMU was killed or died" */
static void
print_line(const json_t *event)
{
        static const char *const known[] = {"time", "kind", "name", "event", "by", "text", NULL};
        g_autofree char *time = local_time(event);
        const char *name = json_text(event, "name"), *by = json_text(event, "by"), *text = json_text(event, "text"), *key;
        g_autoptr(GString) line = g_string_new(NULL);
        const json_t *value;

        g_string_append_printf(line, "%s  %s%s%s: %s", time, json_text(event, "kind"), name ? " " : "", name ? name : "",
                               json_text(event, "event"));
        if (by)
                g_string_append_printf(line, " (by %s)", by);
        json_object_foreach ((json_t *)event, key, value)
                if (!g_strv_contains(known, key) && json_is_string(value))
                        g_string_append_printf(line, ", %s %s", key, json_string_value(value));
        if (text)
                g_string_append_printf(line, ": %s", text);
        g_strdelimit(line->str, "\n", ' ');
        puts(line->str);
}

static void
event_free(gpointer event)
{
        json_decref(event);
}

static void
print_event_line(const struct reader *reader, const json_t *event)
{
        g_autofree char *line = reader->wish->json ? json_format(event, JSON_COMPACT) : NULL;

        if (line)
                puts(line);
        else
                print_line(event);
}

static void
take_line(const struct reader *reader)
{
        g_autoptr(json_t) event = journal_parse(reader->line->str, reader->line->len);

        if (!event || !is_shown(reader, event))
                return;
        if (!reader->kept) {
                print_event_line(reader, event);
                return;
        }
        g_queue_push_tail(reader->kept, g_steal_pointer(&event));
        while (reader->kept->length > (guint64)reader->wish->tail)
                json_decref(g_queue_pop_head(reader->kept));
}

static void
print_kept(struct reader *reader)
{
        g_autoptr(GQueue) kept = g_steal_pointer(&reader->kept);

        while (kept && kept->length) {
                g_autoptr(json_t) event = g_queue_pop_head(kept);

                print_event_line(reader, event);
        }
}

/* All that stands in the file from where we are. */
static gboolean
read_on(struct reader *reader, GError **error)
{
        char chunk[65536];
        ssize_t n;

        while (reader->fd >= 0 && (n = read(reader->fd, chunk, sizeof chunk)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_errno(error, "cannot read '%s/" JOURNAL_FILE "'", reader->paths->data);
                for (const char *at = chunk, *end; at < chunk + n; at = end + 1) {
                        end = memchr(at, '\n', (size_t)(chunk + n - at));
                        g_string_append_len(reader->line, at, (end ? end : chunk + n) - at);
                        if (!end)
                                break;
                        take_line(reader);
                        g_string_truncate(reader->line, 0);
                }
                if (reader->line->len > JOURNAL_LINE_MAX)
                        g_string_truncate(reader->line, 0); /* no line of ours */
        }
        return TRUE;
}

static void
open_file(struct reader *reader, const char *name)
{
        g_autofree char *path = g_build_filename(reader->paths->data, name, NULL);

        fd_clear(&reader->fd);
        g_string_truncate(reader->line, 0);
        reader->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* Is what we read still the one that has the name? */
static gboolean
is_current(const struct reader *reader)
{
        g_autofree char *path = g_build_filename(reader->paths->data, JOURNAL_FILE, NULL);
        struct stat ours, there;

        if (stat(path, &there) < 0)
                return TRUE; /* between two of them */
        return reader->fd >= 0 && fstat(reader->fd, &ours) == 0 && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

enum watched { WATCHED_MORE, WATCHED_END, WATCHED_ERROR };

/* Until the folder changes: the end is when the journal goes, with all of the project, or when nobody reads any more. */
static enum watched
watch(int notify, GError **error)
{
        char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
        struct pollfd fds[] = {{.fd = notify, .events = POLLIN}, {.fd = STDOUT_FILENO}};
        ssize_t n;

        while (poll(fds, G_N_ELEMENTS(fds), -1) < 0)
                if (errno != EINTR)
                        return error_errno(error, "cannot watch the journal"), WATCHED_ERROR;
        if (fds[1].revents & POLLERR)
                return WATCHED_END;
        n = read(notify, buffer, sizeof buffer);
        if (n < 0)
                return errno == EINTR ? WATCHED_MORE : (error_errno(error, "cannot watch the journal"), WATCHED_ERROR);
        for (ssize_t at = 0; at < n;) {
                const struct inotify_event *event = (const struct inotify_event *)(const void *)(buffer + at);

                if ((event->mask & IN_DELETE) && strcmp(event->name, JOURNAL_FILE) == 0)
                        return WATCHED_END;
                at += (ssize_t)(sizeof *event + event->len);
        }
        return WATCHED_MORE;
}

static gboolean
follow(struct reader *reader, int notify, GError **error)
{
        enum watched seen = WATCHED_MORE;

        while (seen == WATCHED_MORE) {
                while (!is_current(reader)) {
                        open_file(reader, JOURNAL_FILE);
                        if (!read_on(reader, error))
                                return FALSE;
                }
                if (fflush(stdout) != 0 || ferror(stdout))
                        return TRUE;
                seen = watch(notify, error);
                if (seen == WATCHED_ERROR || !read_on(reader, error))
                        return FALSE;
        }
        return TRUE;
}

static gboolean
print_events(struct reader *reader, GError **error)
{
        const guint32 mask = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR;
        gboolean onward = reader->wish->follow;
        auto_fd notify = inotify_init1(IN_CLOEXEC);

        if (onward && inotify_add_watch(notify, reader->paths->data, mask) < 0) {
                error_errno(error, "cannot watch '%s'", reader->paths->data);
                return error_hint(error, "nothing of this project has been up yet");
        }
        open_file(reader, JOURNAL_OLD_FILE);
        if (!read_on(reader, error))
                return FALSE;
        open_file(reader, JOURNAL_FILE);
        if (!read_on(reader, error))
                return FALSE;
        print_kept(reader);
        return !onward || follow(reader, notify, error);
}

gboolean
events_print(const struct paths *paths, const struct events_wish *wish, GError **error)
{
        g_autoptr(GString) line = g_string_new(NULL);
        struct reader reader = {paths, wish, wish->tail >= 0 ? g_queue_new() : NULL, -1, line};
        gboolean ok = print_events(&reader, error);

        if (reader.kept)
                g_queue_free_full(reader.kept, event_free);
        fd_clear(&reader.fd);
        return ok;
}

static int
run_events(struct verb_call *call)
{
        const struct events_options *options = call->options;
        g_autoptr(paths_t) paths = paths_new(call->project->name);
        struct events_wish wish = {.names = call->arguments, .tail = -1, .follow = options->follow,
                                   .json = g_strcmp0(options->format, "json") == 0};
        g_autoptr(GError) error = NULL;

        return (!options->since || parse_since(options->since, &wish.since_us, &error)) && events_print(paths, &wish, &error)
                       ? EXIT_DONE
                       : print_error(error);
}

#define ROW(...) OPTION_ROW(struct events_options, __VA_ARGS__)

static const struct option_row rows[] = {
        ROW("follow", 'f', OPTION_FLAG, NULL, follow, "Go on with what comes, until interrupted"),
        ROW("since", 0, OPTION_TEXT, "TIME", since, "Only what happened after this time, or in this time: 10m, 2026-05-03"),
        ROW("format", 0, OPTION_TEXT, "text|json", format, "How to print them; json: an object a line"),
        {NULL},
};

const struct verb verb_events = {
        .name = "events",
        VERB_OF_VMS,
        .help = "Print what happened: starts, ends, crashes, leases",
        .text = "What verbs did and what the supervisor saw, in one order. Names of VMs leave out what concerns others.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        VERB_OPTIONS(rows, struct events_options),
        .run = run_events,
};
