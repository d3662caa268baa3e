/* ssh.c - drover ssh, ssh-config and exec: into a guest, over the network or through its agent; and connect, which ssh starts
 */
#include "cmd/operate.h"
#include "cmd/reach.h"
#include "cmd/select.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"
#include "runtime/vm/agent.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum { INPUT_MAX = 16 << 20, CONNECT_MS = 10000, BUFFER_BYTES = 64 << 10 };

struct exec_options {
        char *user, *directory;
        char **environment;
        gboolean no_tty, tty, interactive;
};

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

static void
add_terminal(GPtrArray *argv, const struct exec_options *options, gboolean by_default)
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
        g_autofree char *line = command_line(options, words);

        print_note("over the network, as %s at %s", reach->user, reach->ip);
        add_terminal(argv, options, TRUE);
        g_ptr_array_add(argv, g_strdup(reach->vm));
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

static int
run_by_agent(const struct reach *reach, const char *const *argv, const GByteArray *input)
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
exec_by_agent(const struct reach *reach, const struct exec_options *options, char *const *words)
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
                return run_by_agent(reach, su, input);
        return run_by_agent(reach, plain ? (const char *const *)words : shell, input);
}

/* ---- verbs ---- */

static struct session *
open_reach(struct verb_call *call, const char *user, struct reach *ret_reach)
{
        g_autoptr(GError) error = NULL;
        int status;
        g_autoptr(session_t) session = operate_look(call, (struct observe_options){.network = TRUE}, &status);

        if (!session)
                return NULL;
        if (!reach_find(session, call->arguments[0], user, ret_reach, &error)) {
                print_error(error);
                return NULL;
        }
        return g_steal_pointer(&session);
}

static int
run_exec(struct verb_call *call)
{
        const struct exec_options *options = call->options;
        g_auto(reach_t) reach = {0};
        g_autoptr(session_t) session = open_reach(call, NULL, &reach);

        if (!session)
                return REACH_FAILED;
        if (reach_has_ssh(&reach))
                return exec_over_network(&reach, options, call->arguments + 1);
        return exec_by_agent(&reach, options, call->arguments + 1);
}

static int
run_ssh(struct verb_call *call)
{
        const struct exec_options *options = call->options;
        g_auto(reach_t) reach = {0};
        g_autoptr(session_t) session = open_reach(call, options->user, &reach);
        g_autoptr(GPtrArray) argv = NULL;
        g_autofree char *line = g_strjoinv(" ", call->arguments + 1);
        const char *shell[] = {"/bin/sh", "-c", line, NULL};

        if (!session)
                return REACH_FAILED;
        if (!reach_has_ssh(&reach)) {
                if (*line)
                        return run_by_agent(&reach, shell, NULL);
                print_note("'drover console %s' needs neither network nor agent", reach.vm);
                fprintf(stderr, "error: cannot reach vm '%s': no ssh (%s)\n", reach.vm, reach.why);
                return REACH_FAILED;
        }
        print_note("over the network, as %s at %s", reach.user, reach.ip);
        argv = reach_argv(&reach, "ssh");
        add_terminal(argv, options, FALSE);
        g_ptr_array_add(argv, g_strdup(reach.vm));
        if (*line)
                g_ptr_array_add(argv, g_steal_pointer(&line));
        return reach_become(argv, session);
}

static int
run_ssh_config(struct verb_call *call)
{
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;
        g_autoptr(session_t) session = operate_look(call, (struct observe_options){.network = TRUE}, &status);
        g_autoptr(GPtrArray) names =
                session ? select_vms(session->project, session->world->paths, call->arguments, &error) : NULL;

        if (!session)
                return status;
        if (!names)
                return print_error(error);
        for (guint i = 0; i < names->len; i++) {
                const struct vm_world *vm = world_vm(session->world, g_ptr_array_index(names, i));
                g_auto(reach_t) reach = {0};
                g_autoptr(GPtrArray) options = NULL;

                if (!vm || (!vm_is_alive(vm) && !*call->arguments))
                        continue;
                if (!reach_find(session, g_ptr_array_index(names, i), NULL, &reach, &error))
                        return print_error(error);
                if (!reach.ip) {
                        print_note("no address of vm '%s' is known", reach.vm);
                        continue;
                }
                options = reach_options(&reach);
                printf("Host %s\n", reach.vm);
                for (guint n = 0; n < options->len; n += 2)
                        printf("  %s %s\n", (char *)options->pdata[n], (char *)options->pdata[n + 1]);
        }
        return EXIT_DONE;
}

#define ROW(...) OPTION_ROW(struct exec_options, __VA_ARGS__)
#define TERMINAL_ROWS                                                                                                          \
        ROW("no-tty", 'T', OPTION_FLAG, NULL, no_tty, "Without a terminal"),                                                   \
                ROW("tty", 't', OPTION_FLAG, NULL, tty, "With a terminal, even where this is none")

static const struct option_row exec_rows[] = {
        ROW("user", 'u', OPTION_TEXT, "USER", user, "Who runs it in the guest"),
        ROW("workdir", 'w', OPTION_TEXT, "DIR", directory, "Where it runs in the guest"),
        ROW("env", 'e', OPTION_LIST, "NAME=VALUE", environment, "A variable for it; repeatable"),
        TERMINAL_ROWS,
        ROW("interactive", 'i', OPTION_FLAG, NULL, interactive,
            "Hand standard input to it also through the guest agent, to its end; over the network that is so anyway"),
        {NULL},
};

static const struct option_row ssh_rows[] = {
        ROW("user", 'u', OPTION_TEXT, "USER", user, "Who logs in"),
        TERMINAL_ROWS,
        {NULL},
};

const struct verb verb_exec = {
        .name = "exec",
        .synopsis = "VM -- COMMAND [WORD...]",
        .help = "Run a command in a guest",
        .text = "Over the network with the project's key where an ssh server answers, else through the guest agent; it says "
                "which. The words reach the command as they are. The exit status is the command's, and 255 where drover fails.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        .min_arguments = 2,
        .max_arguments = ARGUMENTS_MANY,
        .failure = REACH_FAILED,
        VERB_OPTIONS(exec_rows, struct exec_options),
        .completes_vms = TRUE,
        .run = run_exec,
};

const struct verb verb_ssh = {
        .name = "ssh",
        .synopsis = "VM [-- COMMAND [WORD...]]",
        .help = "Log in to a guest, or run a line in its shell",
        .text = "With the project's key, which cloud-init puts into guests that have one of cloud_init, packages, files, run "
                "and "
                "ssh; into a private project too. A line without an ssh server there goes through the guest agent.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        .min_arguments = 1,
        .max_arguments = ARGUMENTS_MANY,
        .failure = REACH_FAILED,
        VERB_OPTIONS(ssh_rows, struct exec_options),
        .completes_vms = TRUE,
        .run = run_ssh,
};

const struct verb verb_ssh_config = {
        .name = "ssh-config",
        VERB_OF_VMS,
        .help = "Print how ssh reaches guests, for ssh, scp, rsync and others",
        .text = "For ssh -F: 'drover ssh-config >lab.ssh; rsync -e \"ssh -F lab.ssh\" ...'.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        .run = run_ssh_config,
};

/* ---- connect: standard input and output, and a socket inside ---- */

/* One of two directions: what can be read goes on, its end too. FALSE: this direction is over. */
static gboolean
pass_on(int from, int to)
{
        char buffer[BUFFER_BYTES];
        ssize_t n = read(from, buffer, sizeof buffer), done = 0;

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return TRUE;
        for (; n > 0 && done < n;) {
                ssize_t written = write(to, buffer + done, (size_t)(n - done));

                if (written < 0 && errno != EINTR)
                        return FALSE;
                done += MAX(written, 0);
        }
        return n > 0;
}

static void
pass_both(int socket)
{
        struct pollfd ends[] = {{STDIN_FILENO, POLLIN, 0}, {socket, POLLIN, 0}};

        while (ends[1].fd >= 0 && (poll(ends, 2, -1) >= 0 || errno == EINTR)) {
                if (ends[0].fd >= 0 && ends[0].revents && !pass_on(STDIN_FILENO, socket)) {
                        ends[0].fd = -1;
                        shutdown(socket, SHUT_WR);
                }
                if (ends[1].revents && !pass_on(socket, STDOUT_FILENO))
                        ends[1].fd = -1;
        }
}

static int
run_connect(struct verb_call *call)
{
        const char *name = call->globals->project_name ? call->globals->project_name : "";
        g_autoptr(GError) error = NULL;
        struct project *project = select_empty_project(name, geteuid() == 0, &error);
        g_autoptr(session_t) session = project ? session_open(project) : NULL;
        struct observe_options look = {.network = TRUE};
        guint64 port;
        auto_fd fd = -1;

        if (!session || !session_observe(session, &look, &error))
                return print_error(error), REACH_FAILED;
        if (!g_ascii_string_to_unsigned(call->arguments[1], 10, 1, 65535, &port, &error))
                return print_error(error), REACH_FAILED;
        if (session->world->home)
                fd = home_connect(session->world->home, call->arguments[0], (guint)port, CONNECT_MS, &error);
        else
                error_set(&error, DROVER_ERROR_NOT_FOUND, "project '%s' has no network here", name);
        if (fd < 0)
                return print_error(error), REACH_FAILED;
        g_clear_pointer(&session->world->home, home_free);
        pass_both(fd);
        return EXIT_DONE;
}

const struct verb verb_connect = {
        .name = "connect",
        .synopsis = "ADDRESS PORT",
        .help = "Connect standard input and output to a port in the project's network; ssh starts it",
        .needs = NEEDS_NOTHING,
        .min_arguments = 2,
        .max_arguments = 2,
        .run = run_connect,
};
