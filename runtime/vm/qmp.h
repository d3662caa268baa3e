/* qmp.h - QEMU's monitor protocol: a blocking client with limits, and one question to many at once
 *
 * Source: qemu/docs/interop/qmp-spec.txt. Answers are untrusted: a line has at most 4 MiB, every wait has a limit. Events may
 * come before replies; they are kept in order for qmp_wait_event().
 *
 * A second client of one monitor gets no greeting until the first leaves; so QEMU has three: only verbs that change
 * something use the first ("control"), those that look use the second ("observe"), and the supervisor stays on the third
 * ("events").
 */
#pragma once

#include "base/json.h"

struct qmp;

/**
 * qmp_connect() - Connect, read the greeting, leave negotiation mode
 * @directory_fd: the directory that holds the socket: socket paths have 107 bytes, so the way there is /proc/self/fd/N
 * @name:         the socket's name in it
 * @timeout_ms:   for all of it
 *
 * Fails with DROVER_ERROR_NOT_FOUND (no socket, nobody listens) or DROVER_ERROR_TIMEOUT (another client is connected, or
 * QEMU hangs: the text says both).
 */
struct qmp *qmp_connect(int directory_fd, const char *name, int timeout_ms, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * qmp_greet() - The first half of qmp_connect(): QEMU has greeted, and has been asked to take commands
 *
 * QEMU greets when about half of its start is done; what is left of it is awaited by qmp_ready().
 */
struct qmp *qmp_greet(int directory_fd, const char *name, int timeout_ms, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean qmp_ready(struct qmp *qmp, int timeout_ms, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** qmp_new() - The same over a connected socket, which it takes also on failure; for tests and for listeners we bound */
struct qmp *qmp_new(int fd, int timeout_ms, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void qmp_free(struct qmp *qmp);
typedef struct qmp qmp_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qmp_t, qmp_free)

/**
 * qmp_call() - Run a command and wait for its reply
 * @arguments: stolen; NULL: none
 * @ret_value: on success, what "return" held: a new reference; may be NULL
 *
 * Fails with QEMU's own "desc" as the text (DROVER_ERROR_FAILED), with DROVER_ERROR_TIMEOUT that names the command, with
 * DROVER_ERROR_CORRUPT for an answer that is no QMP, and with DROVER_ERROR_NOT_FOUND when QEMU closed the connection.
 */
gboolean qmp_call(struct qmp *qmp, const char *command, json_t *arguments, int timeout_ms, json_t **ret_value, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** qmp_call_fd() - The same with a descriptor passed along (SCM_RIGHTS): getfd, add-fd. The descriptor stays ours */
gboolean qmp_call_fd(struct qmp *qmp, const char *command, json_t *arguments, int fd, int timeout_ms, json_t **ret_value,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * qmp_wait_event() - Wait for an event by name; those before it are dropped
 * @ret_data: on success, its "data" (a new reference, or NULL where it has none); may be NULL
 */
gboolean qmp_wait_event(struct qmp *qmp, const char *event, int timeout_ms, json_t **ret_data, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** QMP_COMMAND() - A command without arguments, as it is sent */
#define QMP_COMMAND(name) "{\"execute\":\"" name "\"}"

/** struct qmp_question - One of many that are asked at once */
struct qmp_question {
        int directory_fd;              /* in */
        const char *socket;            /* in: its name there */
        const char *const *commands;   /* in: NULL-terminated; each as it is sent, without an id: QMP_COMMAND() */
        json_t **answers;              /* the caller's array, zeroed, one a command; out: what "return" held */
        GError *error;                 /* out: why there are none; the caller frees */
};

/**
 * qmp_ask_all() - Ask many QEMUs in one poll loop, without a thread
 * @timeout_ms: for all; who has not answered by then gets DROVER_ERROR_TIMEOUT and spoils nobody else's answer
 *
 * Commands are sent without waiting for the greeting (QEMU reads them after it), so that each QEMU costs one round trip.
 */
void qmp_ask_all(struct qmp_question *questions, size_t count, int timeout_ms);

/** qmp_ask_begin(), qmp_ask_end() - The same in two halves, between which other things are done while QEMUs think */
struct qmp_asking *qmp_ask_begin(struct qmp_question *questions, size_t count, int timeout_ms) G_GNUC_WARN_UNUSED_RESULT;
void qmp_ask_end(struct qmp_asking *asking);
