/* journal.c - what happened to a project, one JSON object a line: data/events.jsonl */
#include "runtime/supervisor/journal.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Text of a guest's or QEMU's. */
static void
set_printable(json_t *object, const char *key, const char *value)
{
        g_autofree char *printable = value ? text_make_printable(value, -1) : NULL;

        json_set_text(object, key, printable);
}

char *
journal_line(const struct event *event, gint64 time_us)
{
        g_autoptr(GDateTime) second = g_date_time_new_from_unix_utc(time_us / G_USEC_PER_SEC);
        g_autofree char *day = second ? g_date_time_format(second, "%Y-%m-%dT%H:%M:%S") : g_strdup("1970-01-01T00:00:00");
        g_autofree char *time = g_strdup_printf("%s.%03dZ", day, (int)(time_us % G_USEC_PER_SEC / 1000));
        g_autoptr(json_t) object = json_object();
        char *line, *text;

        json_set_text(object, "time", time);
        json_set_text(object, "kind", event->kind);
        json_set_text(object, "name", event->name && *event->name ? event->name : NULL);
        json_set_text(object, "event", event->event);
        json_set_text(object, "by", event->by);
        if (event->key)
                set_printable(object, event->key, event->value);
        set_printable(object, "text", event->text);
        text = json_dumps(object, JSON_COMPACT);
        if (text && strlen(text) > JOURNAL_LINE_MAX - 2) {
                free(text);
                json_object_del(object, "text");
                text = json_dumps(object, JSON_COMPACT);
        }
        line = g_strconcat(text ? text : "{}", "\n", NULL);
        free(text);
        return line;
}

json_t *
journal_parse(const char *line, size_t length)
{
        json_t *event = length <= JOURNAL_LINE_MAX ? json_loadb(line, length, 0, NULL) : NULL;

        if (event && json_text(event, "time") && json_text(event, "kind") && json_text(event, "event"))
                return event;
        json_decref(event);
        return NULL;
}

gint64
journal_time(const json_t *event)
{
        const char *text = json_text(event, "time");
        g_autoptr(GDateTime) time = text ? g_date_time_new_from_iso8601(text, NULL) : NULL;

        return time ? g_date_time_to_unix(time) * G_USEC_PER_SEC + g_date_time_get_microsecond(time) : 0;
}

void
journal_each(const char *data, void (*take)(const json_t *event, void *user), void *user)
{
        static const char *const names[] = {JOURNAL_OLD_FILE, JOURNAL_FILE};

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = g_build_filename(data, names[i], NULL), *text = NULL;

                if (!file_read(path, 2 * (size_t)JOURNAL_BOUND_BYTES, &text, NULL, NULL))
                        continue;
                for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
                        g_autoptr(json_t) event = journal_parse(line, (size_t)(end - line));

                        if (event)
                                take(event, user);
                }
        }
}

/* The journal, locked, and the one that has the name now: whoever held the lock before us may have begun a new one. -1: none */
static int
open_locked(const char *path)
{
        for (int tries = 0; tries < 10; tries++) {
                struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
                auto_fd fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
                struct stat ours, there;

                if (fd < 0 || fstat(fd, &ours) < 0 || !S_ISREG(ours.st_mode) || fd_retry(fcntl(fd, F_OFD_SETLKW, &lock)) < 0)
                        return -1;
                if (stat(path, &there) == 0 && there.st_dev == ours.st_dev && there.st_ino == ours.st_ino)
                        return fd_steal(&fd);
        }
        return -1;
}

/* What a power cut or a full disk left of a line ends here. */
static gboolean
ends_within_line(int fd, off_t size)
{
        char last = '\n';

        return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

void
journal_append(const char *data, const struct event *event)
{
        g_autofree char *path = g_build_filename(data, JOURNAL_FILE, NULL);
        g_autofree char *old = g_build_filename(data, JOURNAL_OLD_FILE, NULL);
        g_autofree char *line = NULL, *whole = NULL;
        auto_fd fd = open_locked(path);
        auto_fd next = -1;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return;
        if (st.st_size > JOURNAL_BOUND_BYTES && rename(path, old) == 0) {
                next = open_locked(path);
                if (next < 0)
                        return;
                st.st_size = 0;
        }
        line = journal_line(event, g_get_real_time()); /* under the lock: times stand in the order of the lines */
        whole = g_strconcat(ends_within_line(next < 0 ? fd : next, st.st_size) ? "\n" : "", line, NULL);
        if (fd_retry(write(next < 0 ? fd : next, whole, strlen(whole))) < 0)
                return;
}
