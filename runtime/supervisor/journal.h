/* journal.h - what happened to a project, one JSON object a line: data/events.jsonl
 *
 * The supervisor writes what nobody asked for (a guest that ends, QEMU's events, leases), verbs write what they did. Each
 * event has "time" (RFC 3339, UTC, milliseconds), "kind" ("vm", "network" ...), "name" (of the object; not for kinds of
 * which there is one), "event" and "by" (the verb, or "supervisor", "guest", "qemu"), and what belongs to it behind them.
 *
 * Lines are appended under a lock on the file, whole ones only, in the order of their times as far as the clock goes
 * forward. A journal that grows beyond its bound becomes events.jsonl.1, in place of the last one, and begins anew.
 */
#pragma once

#include "base/json.h"

#define JOURNAL_FILE "events.jsonl"
#define JOURNAL_OLD_FILE JOURNAL_FILE ".1"

enum {
        JOURNAL_BOUND_BYTES = 4 << 20,
        JOURNAL_LINE_MAX = 4096, /* a longer event loses its text */
};

/** struct event - What is to be recorded; texts may be NULL */
struct event {
        const char *kind, *name, *event, *by;
        const char *key, *value; /* one more member: "reason", "guest-shutdown" */
        const char *text;        /* why, for people */
};

/**
 * journal_append() - Record an event
 * @data: the project's data directory
 *
 * A journal that cannot be written stands in nobody's way: the event is lost then.
 */
void journal_append(const char *data, const struct event *event);

/** journal_line() - The event as its line, with a newline; @time_us: since the epoch. New string */
char *journal_line(const struct event *event, gint64 time_us);

/** journal_parse() - A line of the journal, or NULL for what is none (a torn line after a power cut). New reference */
json_t *journal_parse(const char *line, size_t length);

/** journal_each() - Hand all events of the journal to @take, the oldest first; what cannot be read is passed over */
void journal_each(const char *data, void (*take)(const json_t *event, void *user), void *user);

/** journal_time() - When an event happened, in microseconds since the epoch; 0: it does not say */
gint64 journal_time(const json_t *event);
