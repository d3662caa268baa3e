/* ssh.c - drover ssh, ssh-config and exec: into a guest, over the network or through its agent; and connect, which ssh starts
 */
#include "cmd/exec.h"
#include "cmd/operate.h"
#include "cmd/select.h"

#include "base/error.h"
#include "base/fd.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum { CONNECT_MS = 10000, BUFFER_BYTES = 64 << 10 };

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
        return exec_in_guest(&reach, options, call->arguments + 1);
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
                        return exec_by_agent(&reach, shell, NULL);
                return exec_fail(&reach);
        }
        print_note("over the network, as %s at %s", reach.user, reach.ip);
        argv = reach_argv(&reach, "ssh");
        exec_add_terminal(argv, options, FALSE);
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

static const struct option_row exec_rows[] = {
        EXEC_ROWS(struct exec_options, ),
        {NULL},
};

#define ROW(...) OPTION_ROW(struct exec_options, __VA_ARGS__)

static const struct option_row ssh_rows[] = {
        ROW("user", 'u', OPTION_TEXT, "USER", user, "Who logs in"),
        EXEC_TERMINAL_ROWS(struct exec_options, ),
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
