/* print.h - how cmd/ talks: errors, notes, diagnostics, colour, tables, JSON documents */
#pragma once

#include "cmd/verbs.h"

#include <stdio.h>

/** print_setup() - Take colour and progress mode from the options, once, before anything is printed */
void print_setup(const struct globals *globals);

/** print_mode() - How progress is shown */
enum progress_mode print_mode(void);

/** print_is_verbose() - Was --verbose given? */
gboolean print_is_verbose(void);

/**
 * print_error() - "error: TEXT" with its hint lines below, on standard error; returns the exit status for its code
 *
 * With --progress json it is one object: {"error": "...", "hints": [...]}. The text is made printable.
 */
int print_error(const GError *error);

/** print_usage_error() - The text, and how to get help; returns EXIT_USAGE */
int print_usage_error(const char *format, ...) G_GNUC_PRINTF(1, 2);

/** print_note() - "note: TEXT" on standard error; silent with --progress quiet, {"note": "..."} with json */
void print_note(const char *format, ...) G_GNUC_PRINTF(1, 2);

/** print_info() - The same without "note: ": what was done, and what can be done next */
void print_info(const char *format, ...) G_GNUC_PRINTF(1, 2);

/** print_event() - One line of JSON on standard error (stolen) */
void print_event(json_t *event);

/**
 * print_diagnostics() - All of them, in order, on standard error, and a count where not all are shown
 * @all: also warnings and notes
 */
void print_diagnostics(const struct diagnostics *diagnostics, gboolean all);

/**
 * print_diagnostics_document() - The same as data on standard output: {"schema": 1, "diagnostics": [...], "errors": N}
 * @diagnostics: or NULL
 * @error:       why nothing was loaded, which is listed where no diagnostic says it; or NULL
 */
void print_diagnostics_document(const struct diagnostics *diagnostics, const GError *error);

/** exit_status_of() - The exit status that an error's code stands for */
int exit_status_of(const GError *error);

/** print_json() - One document on standard output (stolen) */
void print_json(json_t *document);

/** print_document() - {"schema": 1, NAME: LIST} on standard output (stolen) */
void print_document(const char *name, json_t *list);

/** print_finish() - Flush standard output; a write that failed (closed, full) turns @status into EXIT_FAILED with an error */
int print_finish(int status);

/** print_color() - The escape sequence of "bold", "red", "green", "yellow", "cyan", "dim", "reset" on that stream, or "" */
const char *print_color(FILE *stream, const char *name);

/** print_width() - How many columns a text takes on a terminal */
guint print_width(const char *text);

/** struct table - Columns that fit; text is made printable */
struct table;
struct table *table_new(const char *const *titles);
/** table_add() - One row: as many strings as there are titles; NULL and "" print "-" */
void table_add(struct table *table, ...);
void table_print(struct table *table);
void table_free(struct table *table);
typedef struct table table_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(table_t, table_free)

/** struct listing - What a verb lists: names (-q), a JSON document or a table (--format) */
struct listing {
        enum { LISTING_NAMES, LISTING_JSON, LISTING_TABLE } form;
        struct table *table;
        json_t *items;
};

/** listing_begin() - Nothing listed yet; @format as typed, may be NULL */
void listing_begin(struct listing *listing, gboolean names_only, const char *format, const char *const *titles);
/** listing_end() - Print what was put into the table or, as the list @name, into the items; and free both */
void listing_end(struct listing *listing, const char *name);

/** when_uptime() - "42s", "3m", "2h 5m", "4 days" for a length of time in seconds. New string */
char *when_uptime(gint64 seconds);
/** when_day() - "today", "3 May", "3 May 2024" for a time in seconds since the epoch. New string */
char *when_day(gint64 seconds);
/** when_rfc3339() - "2026-05-03T10:20:30Z". New string */
char *when_rfc3339(gint64 seconds);
