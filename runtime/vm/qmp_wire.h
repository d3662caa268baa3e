/* qmp_wire.h - lines of JSON over a socket: what qmp.c and qmp_ask.c share */
#pragma once

#include "base/json.h"

struct sockaddr_un;

enum { QMP_LINE_MAX = 4 << 20 };

/** struct qmp_wire - A non-blocking connection, and what was read from it but not yet taken */
struct qmp_wire {
        int fd;
        GString *in;
        size_t taken;   /* bytes of in that were handed out */
        size_t scanned; /* bytes of in that hold no newline behind taken */
};

/** qmp_wire_init() - Take over a connected socket, which becomes non-blocking */
void qmp_wire_init(struct qmp_wire *wire, int fd);
void qmp_wire_clear(struct qmp_wire *wire);

/**
 * qmp_wire_path() - Where a socket in a directory of ours is found: socket paths have 107 bytes, so through /proc/self/fd
 *
 * Fails with DROVER_ERROR_FAILED for a name that does not fit even so.
 */
gboolean qmp_wire_path(int directory_fd, const char *name, struct sockaddr_un *ret_address, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** qmp_wire_fill() - Read what is there, if anything; DROVER_ERROR_NOT_FOUND at the end of the stream */
gboolean qmp_wire_fill(struct qmp_wire *wire, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * qmp_wire_next() - Take the next whole line
 * @ret_message: a new reference to an object, or NULL when no whole line is there yet
 *
 * Fails with DROVER_ERROR_CORRUPT for a line that is no JSON object or longer than QMP_LINE_MAX.
 */
gboolean qmp_wire_next(struct qmp_wire *wire, json_t **ret_message, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * qmp_wire_line() - The same without reading it: a whole line as text, or NULL when none is there yet
 * @ret_line: with a NUL behind it, and without its line end; lies in the wire until the next qmp_wire_fill()
 */
gboolean qmp_wire_line(struct qmp_wire *wire, const char **ret_line, size_t *ret_length, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** qmp_wire_parse() - What such a line says: a new reference to an object, or NULL with an error */
json_t *qmp_wire_parse(const char *line, size_t length, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** qmp_command_line() - {"execute": ..., "arguments": ..., "id": N} and a newline; @arguments is borrowed, or NULL */
char *qmp_command_line(const char *command, json_t *arguments, gint64 id) G_GNUC_WARN_UNUSED_RESULT;

/**
 * qmp_error_set() - Turn the "error" of a reply into ours: QEMU's own text, made printable
 *
 * Returns FALSE.
 */
gboolean qmp_error_set(GError **error, const char *command, const json_t *reply);
