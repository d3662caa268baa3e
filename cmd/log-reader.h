/* log-reader.h - logs of VMs, printed with the VM's name before each line */
#pragma once

#include "runtime/paths.h"

struct log_reader;

/**
 * log_reader_new() - For logs that may not be there yet; reads nothing
 * @names: of VMs, char *
 * @file: in a VM's data directory: QEMU_CONSOLE_LOG, say
 * @prefix: names before the lines
 */
struct log_reader *log_reader_new(const struct paths *paths, const GPtrArray *names, const char *file, gboolean prefix);
void log_reader_free(struct log_reader *reader);
typedef struct log_reader log_reader_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(log_reader_t, log_reader_free)

/**
 * log_reader_print() - What is there, to standard output
 * @lines: at most so many of each log; -1: all
 * @more: log_reader_follow() comes next: a line that has no end yet is not printed
 * @ret_found: how many of the logs are there; may be NULL
 */
gboolean log_reader_print(struct log_reader *reader, gint64 lines, gboolean more, guint *ret_found, GError **error);

/** log_reader_skip() - In its place: what is there is not printed */
gboolean log_reader_skip(struct log_reader *reader, GError **error);

/**
 * log_reader_follow() - What comes, until nobody reads standard output any more, the project is gone with its disks, or
 * @stop_fd can be read (-1: none)
 *
 * May be called again. Fails where the project has no directory of VMs, with a hint.
 */
gboolean log_reader_follow(struct log_reader *reader, int stop_fd, GError **error);
