/* test-agent.c - the guest agent's client against agents that answer well, late, wrongly or never */
#include "base/error.h"
#include "base/fd.h"
#include "runtime/vm/agent.h"

#include <string.h>
#include <sys/socket.h>

/* An agent that answers each line it gets by the next of its script; "%ID" in one is the number of the line. */
struct script {
        int fd;
        const char *const *lines;
};

static gpointer
play(gpointer data)
{
        struct script *script = data;
        g_autoptr(GString) in = g_string_new(NULL);

        for (const char *const *line = script->lines; *line; line++) {
                g_auto(GStrv) parts = NULL;
                g_autofree char *number = NULL, *answer = NULL;
                const char *at;

                while (!strchr(in->str, '\n')) {
                        char chunk[4096];
                        ssize_t n = recv(script->fd, chunk, sizeof chunk, 0);

                        if (n <= 0)
                                return NULL;
                        g_string_append_len(in, chunk, n);
                }
                at = strstr(in->str, "\"id\":");
                number = at ? g_strdup_printf("%" G_GINT64_FORMAT, g_ascii_strtoll(at + 5, NULL, 10)) : g_strdup("");
                parts = g_strsplit(*line, "%ID", 2);
                answer = g_strjoinv(number, parts);
                send(script->fd, answer, strlen(answer), MSG_NOSIGNAL);
                g_string_erase(in, 0, strchr(in->str, '\n') - in->str + 1);
        }
        return NULL;
}

struct peer {
        struct script script;
        GThread *thread;
};

static int
start(struct peer *peer, const char *const *lines)
{
        int pair[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        peer->script = (struct script){pair[1], lines};
        peer->thread = g_thread_new("agent", play, &peer->script);
        return pair[0];
}

static void
stop(struct peer *peer)
{
        shutdown(peer->script.fd, SHUT_RDWR);
        g_thread_join(peer->thread);
        close(peer->script.fd);
}

#define SYNCED "\xff{\"return\": %ID}\n"

/* What an earlier client did not fetch does not count, be it whole, half or no JSON at all. */
static void
test_left_over(void)
{
        static const char *const lines[] = {"{\"return\": 7}\n{\"ret" SYNCED, "{\"return\": {\"name\": \"db\"}}\n", NULL};
        struct peer peer;
        g_autoptr(GError) error = NULL;
        g_autoptr(agent_t) agent = agent_new(start(&peer, lines), 5000, &error);
        g_autoptr(json_t) value = NULL;

        g_assert_no_error(error);
        g_assert_true(agent_call(agent, "guest-get-host-name", NULL, 5000, &value, &error));
        g_assert_cmpstr(json_text(value, "name"), ==, "db");
        stop(&peer);
}

static void
test_silence(void)
{
        static const char *const lines[] = {"", NULL};
        struct peer peer;
        g_autoptr(GError) error = NULL;

        g_assert_null(agent_new(start(&peer, lines), 50, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_TIMEOUT);
        g_assert_nonnull(strstr(error->message, "qemu-guest-agent"));
        stop(&peer);
}

static void
test_refusals(void)
{
        static const char *const lines[] = {
                SYNCED,
                "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no \\u001b[31msuch file\"}}\n",
                "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"disabled\"}}\n",
                "[1, 2]\n",
                "{\"return\": {}}\n",
                NULL};
        static const enum drover_error codes[] = {DROVER_ERROR_FAILED, DROVER_ERROR_UNSUPPORTED, DROVER_ERROR_CORRUPT};
        struct peer peer;
        g_autoptr(GError) error = NULL;
        g_autoptr(agent_t) agent = agent_new(start(&peer, lines), 5000, &error);

        for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
                g_assert_false(agent_call(agent, "guest-file-open", json_object(), 5000, NULL, &error));
                g_assert_error(error, DROVER_ERROR, (gint)codes[i]);
                g_assert_null(strchr(error->message, '\x1b'));
                g_clear_error(&error);
        }
        g_assert_true(agent_call(agent, "guest-ping", NULL, 5000, NULL, &error));
        stop(&peer);
}

static void
test_run(void)
{
        static const char *const lines[] = {SYNCED,
                                            "{\"return\": {\"pid\": 12}}\n",
                                            "{\"return\": {\"exited\": false}}\n",
                                            "{\"return\": {\"exited\": true, \"exitcode\": 3, \"out-data\": \"AGhp\", "
                                            "\"out-truncated\": true}}\n",
                                            "{\"return\": {\"pid\": 13}}\n",
                                            "{\"return\": {\"exited\": true, \"signal\": 9}}\n",
                                            "{\"return\": {\"pid\": 14}}\n",
                                            "{\"return\": {\"exited\": false}}\n",
                                            NULL};
        static const char *const argv[] = {"sh", "-c", "exit 3", NULL};
        struct peer peer;
        g_autoptr(GError) error = NULL;
        g_autoptr(agent_t) agent = agent_new(start(&peer, lines), 5000, &error);
        struct agent_result result;

        g_assert_true(agent_run(agent, argv, NULL, 5000, &result, &error));
        g_assert_no_error(error);
        g_assert_cmpint(result.status, ==, 3);
        g_assert_cmpmem(result.output->data, result.output->len, "\0hi", 3);
        g_assert_cmpuint(result.errors->len, ==, 0);
        g_assert_true(result.truncated);
        agent_result_clear(&result);
        g_assert_true(agent_run(agent, argv, NULL, 5000, &result, &error));
        g_assert_cmpint(result.status, ==, 128 + 9);
        agent_result_clear(&result);
        g_assert_false(agent_run(agent, argv, NULL, 0, &result, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_TIMEOUT);
        stop(&peer);
}

/* What JSON cannot carry is refused rather than left out, and text that would fill the memory is not even read. */
static void
test_limits(void)
{
        g_autofree char *objects = g_strnfill(600000, ','), *many = NULL;
        const char *lines[] = {SYNCED, NULL, "{\"return\": {}}\n", NULL};
        static const char *const argv[] = {"rm", "\xff", NULL};
        struct peer peer;
        g_autoptr(GError) error = NULL, refused = NULL;
        g_autoptr(agent_t) agent = NULL;
        struct agent_result result;

        for (size_t i = 0; i + 3 < 600000; i += 3)
                memcpy(objects + i, "{},", 3);
        objects[599999] = ' ';
        many = g_strdup_printf("{\"return\": [%s{}]}\n", objects);
        lines[1] = many;
        agent = agent_new(start(&peer, lines), 5000, &error);
        g_assert_no_error(error);
        g_assert_false(agent_call(agent, "guest-info", NULL, 5000, NULL, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_CORRUPT);
        g_assert_false(agent_run(agent, argv, NULL, 5000, &result, &refused));
        g_assert_error(refused, DROVER_ERROR, DROVER_ERROR_UNSUPPORTED);
        g_assert_nonnull(strstr(refused->message, "argument 1 of 'rm' is no UTF-8"));
        g_assert_true(agent_call(agent, "guest-ping", NULL, 5000, NULL, NULL)); /* it was not sent anything */
        stop(&peer);
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/agent/left-over", test_left_over);
        g_test_add_func("/agent/silence", test_silence);
        g_test_add_func("/agent/refusals", test_refusals);
        g_test_add_func("/agent/run", test_run);
        g_test_add_func("/agent/limits", test_limits);
        return g_test_run();
}
