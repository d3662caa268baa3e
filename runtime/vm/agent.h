/* agent.h - the guest agent: what a guest says of itself, and commands run in it
 *
 * Source: qemu/qga/qapi-schema.json. The agent is a program of the guest's: whatever it answers is untrusted, bounded and
 * waited for with a limit. Its channel has one client at a time, and may hold answers that nobody fetched; each connection
 * begins by clearing them away (guest-sync-delimited).
 */
#pragma once

#include "base/json.h"

enum { AGENT_MAX_BYTES = 48 << 20 }; /* of one answer: 16 MiB of output each way in base64, which is QEMU's own limit */

struct agent;

/**
 * agent_connect() - Connect to the channel of a VM and find out whether anybody answers
 * @directory_fd: the VM's run directory, as for qmp_connect()
 * @timeout_ms:   for all of it
 *
 * Fails with DROVER_ERROR_NOT_FOUND where there is no channel, with DROVER_ERROR_TIMEOUT where no agent answers in the guest.
 */
struct agent *agent_connect(int directory_fd, int timeout_ms, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** agent_new() - The same over a connected socket, which it takes over also on failure; for tests */
struct agent *agent_new(int fd, int timeout_ms, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void agent_free(struct agent *agent);
typedef struct agent agent_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(agent_t, agent_free)

/**
 * agent_call() - Run one of the agent's commands
 * @arguments: stolen; NULL: none
 * @ret_value: on success, what "return" held: a new reference; may be NULL
 *
 * Fails with the agent's own words (DROVER_ERROR_FAILED; _UNSUPPORTED where the guest's settings forbid the command), with
 * DROVER_ERROR_TIMEOUT, with DROVER_ERROR_CORRUPT for what is no answer, with DROVER_ERROR_NOT_FOUND when the channel closes.
 */
gboolean agent_call(struct agent *agent, const char *command, json_t *arguments, int timeout_ms, json_t **ret_value,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** struct agent_result - How a command in the guest ended */
struct agent_result {
        int status;                /* its exit status, or 128 + signal */
        GByteArray *output, *errors; /* what it printed; never NULL after success */
        gboolean truncated;        /* it printed more than the agent keeps */
};

/**
 * agent_run() - Run a program in the guest, as the agent's user (root), and wait for its end
 * @argv:  NULL-terminated; argv[0] is searched in the guest's PATH
 * @input: its standard input, or NULL
 *
 * Where @timeout_ms passes (-1: never) it runs on, and the failure is DROVER_ERROR_TIMEOUT. agent_result_clear() the result.
 */
gboolean agent_run(struct agent *agent, const char *const *argv, const GByteArray *input, int timeout_ms,
                   struct agent_result *ret_result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void agent_result_clear(struct agent_result *result);
