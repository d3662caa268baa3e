/* exec.c - a command in a guest: over the network, else through its agent */
#include "cmd/exec.h"

#include "base/error.h"
#include "base/text.h"
#include "runtime/vm/agent.h"

#include <string.h>
#include <unistd.h>

enum { INPUT_MAX = 16 << 20, BUFFER_BYTES = 64 << 10 };

/* ---- what is run ---- */

static char *
join_quoted(char *const *words)
{
        return text_quote_argv((const char *const *)words);
}

/* A line for the guest's shell that runs just these words, in that directory, with those variables. */
static char *
command_line(const struct exec_options *options, char *const *words)
{
        g_autoptr(GString) line = g_string_new(NULL);
        g_autofree char *command = join_quoted(words);

        if (options->directory) {
                g_autofree char *directory = text_quote_shell(options->directory);

                g_string_append_printf(line, "cd %s && ", directory);
        }
        g_string_append(line, "exec ");
        if (options->environment && *options->environment) {
                g_autofree char *variables = join_quoted(options->environment);

                g_string_append_printf(line, "env %s ", variables);
        }
        g_string_append(line, command);
        return g_string_free(g_steal_pointer(&line), FALSE);
}

/* ---- over the network ---- */

void
exec_add_terminal(GPtrArray *argv, const struct exec_options *options, gboolean by_default)
{
        if (options->tty)
                g_ptr_array_add(argv, g_strdup("-tt"));
        else if (options->no_tty || (by_default && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))))
                g_ptr_array_add(argv, g_strdup("-T"));
        else if (by_default)
                g_ptr_array_add(argv, g_strdup("-t"));
}

static int
exec_over_network(struct reach *reach, const struct exec_options *options, char *const *words)
{
        g_autoptr(GPtrArray) argv = reach_argv(reach, "ssh");
        g_autofree char *line = *words ? command_line(options, words) : NULL;

        print_note("over the network, as %s at %s", reach->user, reach->ip);
        exec_add_terminal(argv, options, *words != NULL);
        g_ptr_array_add(argv, g_strdup(reach->vm));
        if (!line)
                return reach_become(argv, reach->session);
        if (options->user && strcmp(options->user, reach->user) != 0) {
                g_autofree char *quoted = text_quote_shell(line), *user = text_quote_shell(options->user);

                g_ptr_array_add(argv, g_strdup_printf("exec sudo -n -u %s -- sh -c %s", user, quoted));
        } else {
                g_ptr_array_add(argv, g_strdup(line));
        }
        return reach_become(argv, reach->session);
}

/* ---- through the agent ---- */

static GByteArray *
read_input(GError **error)
{
        g_autoptr(GByteArray) input = g_byte_array_new();
        guint8 buffer[BUFFER_BYTES];
        ssize_t n;

        while ((n = read(STDIN_FILENO, buffer, sizeof buffer)) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_errno(error, "cannot read standard input"), NULL;
                g_byte_array_append(input, buffer, (guint)n);
                if (input->len > INPUT_MAX)
                        return error_set(error, DROVER_ERROR_FAILED, "the guest agent takes at most 16 MiB"), NULL;
        }
        return g_steal_pointer(&input);
}

int
exec_by_agent(const struct reach *reach, const char *const *argv, const GByteArray *input)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(agent_t) agent = reach_agent(reach, &error);
        struct agent_result result = {0};
        int status;

        if (!agent)
                return print_error(error), REACH_FAILED;
        print_note("through the guest agent, as root: no ssh (%s)", reach->why);
        if (!agent_run(agent, argv, input, -1, &result, &error))
                return print_error(error), REACH_FAILED;
        status = result.status;
        if (fwrite(result.output->data, 1, result.output->len, stdout) != result.output->len ||
            fwrite(result.errors->data, 1, result.errors->len, stderr) != result.errors->len)
                status = REACH_FAILED;
        if (result.truncated)
                print_note("it printed more than the guest agent keeps");
        agent_result_clear(&result);
        return status;
}

static int
exec_words_by_agent(const struct reach *reach, const struct exec_options *options, char *const *words)
{
        g_autofree char *line = command_line(options, words);
        const char *shell[] = {"/bin/sh", "-c", line, NULL};
        const char *su[] = {"su", "-s", "/bin/sh", "-c", line, options->user, NULL};
        gboolean plain = !options->directory && !options->environment;
        g_autoptr(GByteArray) input = NULL;
        g_autoptr(GError) error = NULL;

        if (options->interactive) {
                input = read_input(&error);
                if (!input)
                        return print_error(error), REACH_FAILED;
        }
        if (options->user && strcmp(options->user, "root") != 0)
                return exec_by_agent(reach, su, input);
        return exec_by_agent(reach, plain ? (const char *const *)words : shell, input);
}

int
exec_fail(const struct reach *reach)
{
        print_note("'drover console %s' needs neither network nor agent", reach->vm);
        fprintf(stderr, "error: cannot reach vm '%s': no ssh (%s)\n", reach->vm, reach->why);
        return REACH_FAILED;
}

int
exec_in_guest(struct reach *reach, const struct exec_options *options, char *const *words)
{
        if (reach_has_ssh(reach))
                return exec_over_network(reach, options, words);
        return *words ? exec_words_by_agent(reach, options, words) : exec_fail(reach);
}
