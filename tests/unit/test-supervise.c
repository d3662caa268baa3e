/* test-supervise.c - what the supervisor is made of: its loop, the journal, when a VM is started again */
#include "base/fd.h"
#include "base/file.h"
#include "runtime/supervisor/health.h"
#include "runtime/supervisor/journal.h"
#include "runtime/supervisor/loop.h"
#include "runtime/supervisor/restart.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the loop ---- */

static GString *calls;
static struct loop *loop;
static int ends[2];

static void
say_a(void *data)
{
        g_string_append(calls, "a");
}

static void
say_b(void *data)
{
        g_string_append(calls, "b");
}

static void
read_one(void *data)
{
        char byte;

        g_assert_cmpint(read(ends[0], &byte, 1), ==, 1);
        g_string_append_c(calls, byte);
        if (byte == 'x') {
                loop_forget(loop, ends[0]);
                loop_cancel(loop, say_b, NULL);
        }
}

static void
test_loop(void)
{
        g_autoptr(loop_t) own = loop = loop_new(NULL);
        g_autoptr(GString) text = calls = g_string_new(NULL);
        gint64 start;

        g_assert_nonnull(own);
        g_assert_cmpint(pipe2(ends, O_CLOEXEC | O_NONBLOCK), ==, 0);
        g_assert_true(loop_watch(loop, ends[0], read_one, NULL));
        g_assert_false(loop_watch(loop, -1, read_one, NULL));
        loop_at(loop, 50, say_b, NULL);
        loop_at(loop, 20, say_a, NULL);
        loop_at(loop, 0, say_a, NULL); /* in place of the one before */
        g_assert_cmpint(write(ends[1], "yy", 2), ==, 2);
        while (text->len < 4)
                loop_turn(loop);
        g_assert_cmpstr(text->str, ==, "ayyb");
        loop_at(loop, 20, say_b, NULL);
        loop_at(loop, 60, say_a, NULL);
        g_assert_cmpint(write(ends[1], "xz", 2), ==, 2);
        start = g_get_monotonic_time();
        while (text->len < 6)
                loop_turn(loop);
        g_assert_cmpstr(text->str, ==, "ayybxa"); /* neither z nor b: both were given up by x */
        g_assert_cmpint(g_get_monotonic_time() - start, >=, 55000);
        close(ends[0]);
        close(ends[1]);
}

/* ---- the journal ---- */

static void
test_journal_line(void)
{
        g_autofree char *line = journal_line(&(struct event){"vm", "web", "crashed", "qemu", "reason", "a\x1b[1m", "why"},
                                             G_GINT64_CONSTANT(1777803630123456));
        g_autofree char *bare = journal_line(&(struct event){.kind = "service", .name = "", .event = "died"}, 0);
        g_autofree char *much = g_strnfill(5000, 'x');
        g_autofree char *cut = journal_line(&(struct event){.kind = "vm", .event = "e", .text = much}, 0);
        g_autoptr(json_t) event = journal_parse(line, strlen(line));

        g_assert_cmpstr(line, ==,
                        "{\"time\":\"2026-05-03T10:20:30.123Z\",\"kind\":\"vm\",\"name\":\"web\",\"event\":\"crashed\","
                        "\"by\":\"qemu\",\"reason\":\"a\\\\x1b[1m\",\"text\":\"why\"}\n");
        g_assert_cmpint(journal_time(event), ==, G_GINT64_CONSTANT(1777803630123000));
        g_assert_cmpstr(bare, ==, "{\"time\":\"1970-01-01T00:00:00.000Z\",\"kind\":\"service\",\"event\":\"died\"}\n");
        g_assert_cmpuint(strlen(cut), <, 100);
        g_assert_null(journal_parse("{\"time\": \"x\"", 12));
        g_assert_null(journal_parse("[]", 2));
}

static void
test_journal_append(void)
{
        g_autofree char *place = g_dir_make_tmp("drover-unit-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(place, JOURNAL_FILE, NULL), *old = g_strconcat(path, ".1", NULL);
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        struct stat st;

        journal_append(place, &(struct event){.kind = "vm", .name = "a", .event = "one"});
        g_assert_true(file_read(path, 4096, &text, NULL, NULL));
        g_assert_cmpuint(strlen(text), >, 10);
        g_assert_cmpint(truncate(path, (off_t)strlen(text) - 5), ==, 0); /* a power cut */
        journal_append(place, &(struct event){.kind = "vm", .name = "a", .event = "two"});
        g_free(text);
        g_assert_true(file_read(path, 4096, &text, NULL, NULL));
        lines = g_strsplit(text, "\n", -1);
        g_assert_cmpuint(g_strv_length(lines), ==, 3);
        g_assert_nonnull(strstr(lines[1], "two"));
        g_assert_cmpint(truncate(path, JOURNAL_BOUND_BYTES + 1), ==, 0);
        journal_append(place, &(struct event){.kind = "vm", .name = "a", .event = "three"});
        g_assert_cmpint(stat(old, &st), ==, 0);
        g_assert_cmpint(st.st_size, ==, JOURNAL_BOUND_BYTES + 1);
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_size, <, 200);
        g_assert_true(file_remove_tree(place, NULL));
        journal_append(place, &(struct event){.kind = "vm", .name = "a", .event = "nowhere"}); /* stands in nobody's way */
        g_assert_false(g_file_test(place, G_FILE_TEST_EXISTS));
}

/* ---- restarts ---- */

static void
test_backoff(void)
{
        static const gint64 delays[] = {100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000};
        const struct restart policy = {.policy = RESTART_ALWAYS};
        struct restarts restarts = {0};
        gint64 delay = -1;

        for (size_t i = 0; i < G_N_ELEMENTS(delays); i++) {
                g_assert_true(restart_after(&restarts, &policy, i % 2, 10, &delay));
                g_assert_cmpint(delay, ==, delays[i]);
        }
        g_assert_true(restart_after(&restarts, &policy, TRUE, BACKOFF_RESET_MS, &delay));
        g_assert_cmpint(delay, ==, 100);
}

static void
test_policies(void)
{
        const struct restart no = {.policy = RESTART_NO}, failure = {.policy = RESTART_ON_FAILURE},
                             twice = {.policy = RESTART_ON_FAILURE, .tries = 2}, unless = {.policy = RESTART_UNLESS_STOPPED};
        struct restarts restarts = {0};
        gint64 delay = -1;

        g_assert_false(restart_after(&restarts, &no, TRUE, 0, &delay));
        g_assert_false(restart_after(&restarts, &failure, FALSE, 0, &delay));
        g_assert_cmpint(delay, ==, -1);
        g_assert_true(restart_after(&restarts, &failure, TRUE, 0, &delay));
        g_assert_true(restart_after(&restarts, &unless, FALSE, 0, &delay));
        restarts.count = 0;
        g_assert_true(restart_after(&restarts, &twice, TRUE, 0, &delay));
        g_assert_true(restart_after(&restarts, &twice, TRUE, 0, &delay));
        g_assert_false(restart_after(&restarts, &twice, TRUE, 0, &delay));
        g_assert_true(restart_after(&restarts, &twice, TRUE, BACKOFF_RESET_MS, &delay)); /* it had come up */
}

/* ---- health ---- */

static void
test_health_states(void)
{
        const struct health_rule rule = {.tcp = 22, .retries = 3, .start_period_ms = 1000};
        g_auto(health_t) health = {.state = HEALTH_STARTING};

        for (int i = 0; i < 10; i++)
                g_assert_false(health_note(&health, &rule, "refused", 999)); /* its start period */
        g_assert_cmpuint(health.failures, ==, 0);
        g_assert_false(health_note(&health, &rule, "refused", 1000));
        g_assert_true(health_note(&health, &rule, NULL, 1100));
        g_assert_cmpint(health.state, ==, HEALTH_HEALTHY);
        g_assert_null(health.reason);
        g_assert_false(health_note(&health, &rule, "refused", 10)); /* once healthy, failures count */
        g_assert_false(health_note(&health, &rule, NULL, 2000));
        g_assert_false(health_note(&health, &rule, "a", 2000));
        g_assert_false(health_note(&health, &rule, "b", 2000));
        g_assert_cmpint(health.state, ==, HEALTH_HEALTHY);
        g_assert_true(health_note(&health, &rule, "c", 2000));
        g_assert_cmpint(health.state, ==, HEALTH_UNHEALTHY);
        g_assert_cmpstr(health.reason, ==, "c");
        g_assert_false(health_note(&health, &rule, "d", 2000));
        g_assert_true(health_note(&health, &rule, NULL, 2000));
}

static void
test_health_rule(void)
{
        g_autoptr(json_t) wish = json_pack("{s:{s:s, s:s, s:s, s:i}}", "healthcheck", "console", "login: $$", "interval",
                                           "500ms", "start_period", "1m", "retries", 4);
        g_autoptr(json_t) test = json_pack("{s:{s:b, s:[s, s]}}", "healthcheck", "ping", 0, "test", "echo", "$$HOME");
        g_autoptr(json_t) none = json_pack("{s:{s:b}}", "healthcheck", "ping", 0);
        struct health_rule rule;

        g_assert_true(health_rule_read(wish, &rule));
        g_assert_cmpstr(rule.console, ==, "login: $");
        g_assert_cmpint(rule.interval_ms, ==, 500);
        g_assert_cmpint(rule.timeout_ms, ==, 2000);
        g_assert_cmpint(rule.start_period_ms, ==, 60000);
        g_assert_cmpuint(rule.retries, ==, 4);
        health_rule_clear(&rule);
        g_assert_true(health_rule_read(test, &rule));
        g_assert_cmpstr(rule.test[1], ==, "$HOME");
        g_assert_null(rule.test[2]);
        health_rule_clear(&rule);
        g_assert_false(health_rule_read(none, &rule));
        g_assert_false(health_rule_read(NULL, &rule));
}

static void
test_health_file(void)
{
        g_autofree char *data = g_dir_make_tmp("drover-unit-XXXXXX", NULL), *vms = g_build_filename(data, "vms", "web", NULL);
        const struct paths paths = {.data = data};
        const struct health told = {HEALTH_UNHEALTHY, 7, (char *)"why"};
        g_autoptr(json_t) wish = json_pack("{s:{s:i}}", "healthcheck", "tcp", 22);
        g_auto(health_t) health = {0}, other = {0};

        g_assert_cmpint(g_mkdir_with_parents(vms, 0700), ==, 0);
        health_save(&paths, "web", &told, 4711);
        g_assert_false(health_load(&paths, "web", 4712, &health)); /* of a QEMU that is gone */
        g_assert_true(health_load(&paths, "web", 4711, &health));
        g_assert_cmpint(health.state, ==, HEALTH_UNHEALTHY);
        g_assert_cmpuint(health.failures, ==, 7);
        g_assert_cmpstr(health.reason, ==, "why");
        health_look(&paths, "web", wish, 4712, &other);
        g_assert_cmpint(other.state, ==, HEALTH_STARTING);
        health_look(&paths, "web", NULL, 4711, &other);
        g_assert_cmpint(other.state, ==, HEALTH_NONE);
        g_assert_true(file_remove_tree(data, NULL));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/supervise/loop", test_loop);
        g_test_add_func("/supervise/journal-line", test_journal_line);
        g_test_add_func("/supervise/journal-append", test_journal_append);
        g_test_add_func("/supervise/backoff", test_backoff);
        g_test_add_func("/supervise/policies", test_policies);
        g_test_add_func("/supervise/health-states", test_health_states);
        g_test_add_func("/supervise/health-rule", test_health_rule);
        g_test_add_func("/supervise/health-file", test_health_file);
        return g_test_run();
}
