/* test-child.c - what a child is given, and what it is not */
#include "tests/unit/place.h"

#include "base/error.h"
#include "base/process.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that becomes another user. */
static gboolean
run_as(const struct child_user *user, gboolean reads_all, const char *const *argv, char **ret_output, GError **error)
{
        struct child child = CHILD_INIT;

        child.argv = argv;
        child.user = user;
        child.reads_all = reads_all;
        return child_run(&child, 30000, ret_output, error);
}

/* Its rights as it sees them itself. */
static char *
read_rights(const struct child_user *user, gboolean reads_all)
{
        const char *argv[] = {"grep", "-E", "^(Uid|CapInh|CapPrm|CapEff|CapAmb):", "/proc/self/status", NULL};
        g_autoptr(GError) error = NULL;
        char *output = NULL;

        g_assert_true(run_as(user, reads_all, argv, &output, &error));
        g_assert_no_error(error);
        return output;
}

static void
assert_line(const char *text, const char *name, const char *value)
{
        g_autofree char *line = g_strdup_printf("%s:\t%s\n", name, value);

        if (!strstr(text, line))
                g_error("no line '%s' in:\n%s", line, text);
}

static void
test_rights(void)
{
        static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
        struct child_user nobody;
        g_autofree char *all = NULL, *none = NULL, *ids = NULL;

        if (geteuid() != 0) {
                g_test_skip("only root can become another user");
                return;
        }
        g_assert_true(child_user_find("nobody", &nobody, NULL));
        ids = g_strdup_printf("%u\t%u\t%u\t%u", nobody.uid, nobody.uid, nobody.uid, nobody.uid);
        none = read_rights(&nobody, FALSE);
        all = read_rights(&nobody, TRUE);
        assert_line(none, "Uid", ids);
        assert_line(all, "Uid", ids);
        for (size_t i = 0; i < G_N_ELEMENTS(sets); i++) {
                assert_line(none, sets[i], "0000000000000000");
                assert_line(all, sets[i], "0000000000000004"); /* CAP_DAC_READ_SEARCH */
        }
}

static void
assert_refused(const struct child_user *user, gboolean reads_all, const char *const *argv)
{
        g_autoptr(GError) error = NULL;

        g_assert_false(run_as(user, reads_all, argv, NULL, &error));
        g_assert_nonnull(strstr(error->message, "Permission denied"));
}

/* Reading is all that it may: it changes nothing. */
static void
test_reads_all(struct place *place, gconstpointer data)
{
        g_autofree char *secret = inside(place, "secret");
        const char *read[] = {"cat", secret, NULL}, *remove[] = {"rm", "-f", secret, NULL};
        const char *write[] = {"cp", "/dev/null", secret, NULL};
        struct child_user nobody;

        if (geteuid() != 0) {
                g_test_skip("only root can become another user");
                return;
        }
        g_assert_true(child_user_find("nobody", &nobody, NULL));
        g_assert_true(file_write_atomic(secret, "x", 1, 0600, NULL));
        g_assert_cmpint(g_chmod(place->path, 0700), ==, 0);
        assert_refused(&nobody, FALSE, read);
        g_assert_true(run_as(&nobody, TRUE, read, NULL, NULL));
        assert_refused(&nobody, TRUE, write);
        assert_refused(&nobody, TRUE, remove);
}

/* What is executed and what it is called are two things. */
static void
test_program(void)
{
        const char *argv[] = {"other-name", "-c", "echo \"$0\"; tr '\\0' '\\n' </proc/$$/cmdline | head -n 1", "zero", NULL};
        struct child child = CHILD_INIT;
        g_autofree char *output = NULL;

        child.argv = argv;
        child.program = "/bin/sh";
        g_assert_true(child_run(&child, 30000, &output, NULL));
        g_assert_cmpstr(output, ==, "zero\nother-name\n");
}

/* Of our own environment nothing reaches a child. */
static void
test_environment(void)
{
        const char *argv[] = {"env", NULL};
        struct child child = CHILD_INIT;
        g_autofree char *output = NULL;

        g_assert_true(g_setenv("SECRET", "1", TRUE));
        child.argv = argv;
        g_assert_true(child_run(&child, 30000, &output, NULL));
        g_assert_cmpstr(output, ==, "PATH=" CHILD_PATH "\nLC_ALL=C\n");
        g_unsetenv("SECRET");
}

static void
test_missing_program(void)
{
        const char *argv[] = {"no-such-program", NULL};
        struct child child = CHILD_INIT;
        g_autoptr(GError) error = NULL;

        child.argv = argv;
        g_assert_false(child_run(&child, 30000, NULL, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_clear_error(&error);
        child.program = "/etc/passwd";
        g_assert_false(child_run(&child, 30000, NULL, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
}

/* A process that was killed between fork and exec closes what exec would have closed: it is not taken for one that runs. */
static void
test_no_exec(void)
{
        pid_t pid = fork();
        siginfo_t info;

        if (pid == 0)
                for (;;)
                        pause();
        g_assert_cmpint(pid, >, 0);
        g_assert_false(process_has_execed(pid));
        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
        g_assert_false(process_has_execed(pid));
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        g_assert_false(process_has_execed(pid));
        g_assert_true(process_has_execed(getpid()));
}

/* Whoever cannot look has not found that there is none: glibc itself says so where a later source of names answers. */
static void
test_users(void)
{
        struct rlimit limit, none;
        g_autoptr(GError) broken = NULL, absent = NULL;
        struct child_user user;

        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        none = (struct rlimit){0, limit.rlim_max};
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
        g_assert_false(child_user_find("drover-absent", &user, &broken));
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        g_assert_nonnull(broken);
        g_assert_false(g_error_matches(broken, DROVER_ERROR, DROVER_ERROR_NOT_FOUND));
        g_assert_true(g_str_has_prefix(broken->message, "cannot look up user 'drover-absent': "));
        g_assert_false(child_user_find("drover-absent", &user, &absent));
        g_assert_error(absent, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_assert_true(child_user_find("root", &user, NULL) && user.uid == 0);
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/child/rights", test_rights);
        g_test_add("/child/reads-all", struct place, NULL, place_make, test_reads_all, place_remove);
        g_test_add_func("/child/program", test_program);
        g_test_add_func("/child/environment", test_environment);
        g_test_add_func("/child/missing-program", test_missing_program);
        g_test_add_func("/child/no-exec", test_no_exec);
        g_test_add_func("/child/users", test_users);
        return g_test_run();
}
