/* trace.h - what drover does, with durations, in the file that DROVER_TRACE names
 *
 * One line an event: monotonic seconds, thread, kind ("action", "qmp", "netlink", "child", "home"), text. Without the
 * variable each call costs one comparison.
 */
#pragma once

#include <glib.h>

/** trace_line() - Write one event; the text may come from outside and is made printable */
void trace_line(const char *kind, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** trace_span() - The same, with the time that has passed since @start_us (g_get_monotonic_time()) */
void trace_span(const char *kind, gint64 start_us, const char *format, ...) G_GNUC_PRINTF(3, 4);

/** trace_descriptor() - What traces are written to, or -1: a forked process that closes everything has to keep it open */
int trace_descriptor(void);
