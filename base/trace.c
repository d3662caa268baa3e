/* trace.c - what drover does, with durations, in the file that DROVER_TRACE names */
#include "base/trace.h"

#include "base/text.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int
trace_descriptor(void)
{
        static gsize once;
        static int fd = -1;

        if (g_once_init_enter(&once)) {
                const char *path = g_getenv("DROVER_TRACE");

                if (path && *path)
                        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
                g_once_init_leave(&once, 1);
        }
        return fd;
}

static void G_GNUC_PRINTF(3, 0)
write_event(const char *kind, gint64 start_us, const char *format, va_list args)
{
        int fd = trace_descriptor();
        gint64 now = g_get_monotonic_time();
        g_autofree char *text = NULL, *printable = NULL, *line = NULL;

        if (fd < 0)
                return;
        text = g_strdup_vprintf(format, args);
        printable = text_make_printable(text, -1);
        if (start_us >= 0)
                line = g_strdup_printf("%.6f %d %s %s (%.3f ms)\n", (double)now / 1e6, (int)gettid(), kind, printable,
                                       (double)(now - start_us) / 1e3);
        else
                line = g_strdup_printf("%.6f %d %s %s\n", (double)now / 1e6, (int)gettid(), kind, printable);
        if (write(fd, line, strlen(line)) < 0)
                return; /* a trace that cannot be written must not change what happens */
}

void
trace_line(const char *kind, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        write_event(kind, -1, format, args);
        va_end(args);
}

void
trace_span(const char *kind, gint64 start_us, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        write_event(kind, start_us, format, args);
        va_end(args);
}
