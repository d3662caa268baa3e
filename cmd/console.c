/* console.c - drover console: the serial console of a VM, on this terminal or through pipes
 *
 * QEMU's socket serves one client; a second one would be accepted by the kernel and hear nothing. So clients take a lock
 * beside it first, which holds their pid for the others to read.
 */
#include "cmd/print.h"
#include "cmd/select.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "runtime/vm/vm.h"

#include <glib-unix.h>

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>

enum { SILENCE_MS = 1000, BUFFER_BYTES = 16 << 10 };

struct console_options {
        char *escape;
};

struct console {
        int socket;
        int input;           /* -1: at its end */
        int signals;         /* a pipe that becomes readable when we have to end */
        int escape;          /* the key's byte; -1: none, input is no terminal */
        gboolean silent_end; /* end once the guest says nothing for a while */
};

static int signal_pipe = -1;

static void
on_signal(int number)
{
        int kept = errno;

        (void)!write(signal_pipe, "x", 1);
        errno = kept;
}

/* "ctrl-]", "^A" or one character; -1: none of these. */
static int
parse_escape(const char *text)
{
        if (!text)
                return ']' & 037;
        if (g_ascii_strncasecmp(text, "ctrl-", 5) == 0)
                text += 5;
        else if (text[0] == '^' && text[1])
                text += 1;
        else
                return text[0] && !text[1] ? (guchar)text[0] : -1;
        return text[0] && !text[1] && strchr("@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_", g_ascii_toupper(text[0]))
                       ? g_ascii_toupper(text[0]) & 037
                       : -1;
}

static gboolean
write_all(int fd, const char *bytes, size_t length)
{
        while (length) {
                ssize_t done = write(fd, bytes, length);
                struct pollfd wait = {fd, POLLOUT, 0};

                if (done < 0 && errno == EAGAIN && poll(&wait, 1, -1) >= 0)
                        continue;
                if (done < 0 && errno == EINTR)
                        continue;
                if (done < 0)
                        return FALSE;
                bytes += done;
                length -= (size_t)done;
        }
        return TRUE;
}

/* From the user to the guest. Returns FALSE when the escape key was pressed or the guest is gone. */
static gboolean
forward_input(struct console *console)
{
        char buffer[BUFFER_BYTES];
        ssize_t got = read(console->input, buffer, sizeof buffer);
        char *escape;

        if (got < 0 && (errno == EINTR || errno == EAGAIN))
                return TRUE;
        if (got <= 0) {
                console->input = -1;
                console->silent_end = TRUE;
                return TRUE;
        }
        escape = console->escape >= 0 ? memchr(buffer, console->escape, (size_t)got) : NULL;
        if (!write_all(console->socket, buffer, escape ? (size_t)(escape - buffer) : (size_t)got))
                return FALSE;
        return !escape;
}

/* From the guest to the user: 1 for more, 0 at the end, -1 when standard output cannot be written. */
static int
forward_output(const struct console *console)
{
        char buffer[BUFFER_BYTES];
        ssize_t got = read(console->socket, buffer, sizeof buffer);

        if (got < 0 && (errno == EINTR || errno == EAGAIN))
                return 1;
        if (got <= 0)
                return 0;
        return write_all(STDOUT_FILENO, buffer, (size_t)got) ? 1 : -1;
}

static gboolean
run_loop(struct console *console, const char **ret_why, GError **error)
{
        for (;;) {
                struct pollfd fds[] = {
                        {console->socket, POLLIN, 0}, {console->input, POLLIN, 0}, {console->signals, POLLIN, 0}};
                int ready = poll(fds, G_N_ELEMENTS(fds), console->silent_end ? SILENCE_MS : -1);

                if (ready < 0 && errno != EINTR)
                        return error_errno(error, "cannot wait for the console");
                if (ready == 0 || fds[2].revents) {
                        *ret_why = "detached";
                        return TRUE;
                }
                if (ready < 0)
                        continue;
                if (fds[0].revents) {
                        int more = forward_output(console);

                        if (more < 0)
                                return error_errno(error, "cannot write to standard output");
                        *ret_why = "the VM has ended";
                        if (!more)
                                return TRUE;
                }
                if (fds[1].revents && !forward_input(console)) {
                        *ret_why = "detached";
                        return TRUE;
                }
        }
}

static gboolean
attach(struct console *console, const char *vm, const char *key, GError **error)
{
        struct termios before, raw;
        gboolean terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
        const char *why = "detached";
        gboolean good;

        if (terminal) {
                print_info("console of '%s': leave with %s", vm, key);
                raw = before;
                cfmakeraw(&raw);
                tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
        } else {
                console->escape = -1;
        }
        good = run_loop(console, &why, error);
        if (terminal) {
                tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
                fputs("\n", stderr);
                if (good)
                        print_info("%s", why);
        }
        return good;
}

static void
take_signals(int pipe_fd)
{
        static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
        struct sigaction action = {.sa_handler = on_signal};

        signal_pipe = pipe_fd;
        for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
                sigaction(numbers[i], &action, NULL);
}

/* The lock says who is attached. */
static gboolean
lock_console(const struct paths *paths, const char *vm, int *ret_fd, GError **error)
{
        g_autofree char *directory = paths_vm_data(paths, vm);
        g_autofree char *path = g_build_filename(directory, "console.lock", NULL), *holder = NULL, *pid = NULL;
        GError *local = NULL;

        if (!file_lock(path, ret_fd, &local)) {
                if (!g_error_matches(local, DROVER_ERROR, DROVER_ERROR_LOCKED)) {
                        g_propagate_error(error, local);
                        return FALSE;
                }
                g_clear_error(&local);
                if (!file_read(path, 64, &holder, NULL, NULL))
                        holder = g_strdup("unknown");
                return error_set(error, DROVER_ERROR_LOCKED,
                                 "the console of '%s' is in use by another 'drover console' (pid %s)", vm, g_strstrip(holder));
        }
        pid = g_strdup_printf("%d\n", (int)getpid());
        if (ftruncate(*ret_fd, 0) < 0 || pwrite(*ret_fd, pid, strlen(pid), 0) < 0) {
                fd_clear(ret_fd);
                return error_errno(error, "cannot write '%s'", path);
        }
        return TRUE;
}

static gboolean
open_console(const struct paths *paths, const char *vm, int *ret_lock, struct console *console, GError **error)
{
        if (!vm_is_locked(paths, vm)) {
                error_set(error, DROVER_ERROR_FAILED, "vm '%s' is not running", vm);
                return error_hint(error, "'drover start %s' starts it, 'drover logs %s' has what it said", vm, vm);
        }
        if (!lock_console(paths, vm, ret_lock, error))
                return FALSE;
        console->socket = vm_connect_socket(paths, vm, QEMU_SOCKET_CONSOLE, error);
        return console->socket >= 0;
}

static int
run_console(struct verb_call *call)
{
        const struct console_options *options = call->options;
        g_autoptr(paths_t) paths = paths_new(call->project->name);
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) names = select_vms(call->project, paths, call->arguments, &error);
        struct console console = {.socket = -1, .input = STDIN_FILENO, .escape = parse_escape(options->escape)};
        auto_fd lock = -1;
        int ends[2];
        gboolean good;

        if (console.escape < 0)
                return print_usage_error("--escape is one key: ctrl-] (the default), ^A, or a character");
        if (!names || !select_check_one(call->arguments[0], names, &error))
                return print_error(error);
        if (!open_console(paths, g_ptr_array_index(names, 0), &lock, &console, &error))
                return print_error(error);
        if (!g_unix_open_pipe(ends, FD_CLOEXEC, &error)) {
                fd_clear(&console.socket);
                return print_error(error);
        }
        console.signals = ends[0];
        take_signals(ends[1]);
        good = attach(&console, g_ptr_array_index(names, 0), options->escape ? options->escape : "ctrl-]", &error);
        fd_clear(&console.socket);
        fd_clear(&ends[0]);
        return good ? EXIT_DONE : print_error(error);
}

static const struct option_row rows[] = {
        {"escape", 'e', OPTION_TEXT, "KEY", "The key that leaves: ctrl-], ^A, or a character",
         G_STRUCT_OFFSET(struct console_options, escape)},
        {NULL},
};

const struct verb verb_console = {
        .name = "console",
        .synopsis = "VM",
        .help = "Attach to the serial console of a VM",
        .text = "On a terminal, ctrl-] leaves. Elsewhere standard input goes to the guest, and after its end the guest's "
                "answer is printed until it says nothing for a second.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        .min_arguments = 1,
        .max_arguments = 1,
        VERB_OPTIONS(rows, struct console_options),
        .completes_vms = TRUE,
        .run = run_console,
};
