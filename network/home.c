/* home.c - the project's network namespace, seen from outside: fork the process that stands in it, and ask it */
#include "network/inside.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/scope.h"
#include "base/trace.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct home {
        int socket;
        pid_t pid;
        GMutex mutex;
        GMutex namespace_mutex;
        int namespace_fd; /* -1: not asked for yet */
        gboolean named; /* root and private: it has a name */
};

gboolean
home_send(int socket, const void *header, size_t header_length, int fd, const void *payload, size_t length)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {.space = {0}};
        struct iovec first = {(void *)header, header_length};
        struct msghdr message = {.msg_iov = &first, .msg_iovlen = 1};
        const char *at = payload;

        if (fd >= 0) {
                message.msg_control = &control;
                message.msg_controllen = sizeof control.space;
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
        }
        if (fd_retry(sendmsg(socket, &message, MSG_NOSIGNAL)) != (ssize_t)header_length)
                return FALSE;
        while (length > 0) {
                ssize_t n = send(socket, at, length, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return FALSE;
                at += n;
                length -= (size_t)n;
        }
        return TRUE;
}

static void
take_descriptor(struct msghdr *message, int *ret_fd)
{
        struct cmsghdr *part = CMSG_FIRSTHDR(message);
        int fd;

        if (!part || part->cmsg_type != SCM_RIGHTS)
                return;
        memcpy(&fd, CMSG_DATA(part), sizeof fd);
        if (ret_fd)
                *ret_fd = fd;
        else
                close(fd);
}

gboolean
home_receive(int socket, void *data, size_t length, int *ret_fd)
{
        char *at = data;

        while (length > 0) {
                char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
                struct iovec piece = {at, length};
                struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control,
                                         .msg_controllen = sizeof control};
                ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return FALSE;
                take_descriptor(&message, ret_fd);
                at += n;
                length -= (size_t)n;
        }
        return TRUE;
}

/* Read one reply. Returns its result, with the failure's text and code turned into @error. */
static enum home_result
receive_reply(int socket, char **ret_text, int *ret_fd, GError **error)
{
        struct home_reply reply;
        g_autofree char *text = NULL;
        auto_fd fd = -1;

        if (!home_receive(socket, &reply, sizeof reply, &fd) || reply.length > HOME_MAX_PAYLOAD)
                goto gone;
        text = g_malloc(reply.length + 1);
        text[reply.length] = '\0';
        if (!home_receive(socket, text, reply.length, NULL))
                goto gone;
        if (reply.result == HOME_FAILED) {
                error_set(error, (enum drover_error)reply.code, "%s", text);
                return HOME_FAILED;
        }
        if (ret_fd && fd < 0) { /* it was sent, and there was no room for it here */
                error_from_errno(error, EMFILE, "cannot take a descriptor from the network namespace");
                return HOME_FAILED;
        }
        if (ret_text)
                *ret_text = g_steal_pointer(&text);
        if (ret_fd)
                *ret_fd = fd_steal(&fd);
        return (enum home_result)reply.result;
gone:
        shutdown(socket, SHUT_RDWR); /* half a reply: the next one would be taken for its rest */
        error_set(error, DROVER_ERROR_FAILED, "drover's process inside the network namespace ended");
        return HOME_FAILED;
}

/* On a connection that nobody else uses until receive_reply(). */
static gboolean
send_request(int socket, enum home_operation operation, const GString *payload, GError **error)
{
        struct home_request request = {operation, (guint32)payload->len};

        if (payload->len > HOME_MAX_PAYLOAD)
                return error_set(error, DROVER_ERROR_FAILED, "a request of %zu bytes is too large", payload->len);
        if (home_send(socket, &request, sizeof request, -1, payload->str, payload->len))
                return TRUE;
        error_errno(error, "cannot reach drover's process inside the network namespace");
        shutdown(socket, SHUT_RDWR); /* perhaps half a request was sent: its rest, and any reply, would never come */
        return FALSE;
}

static gboolean
exchange(int socket, enum home_operation operation, const GString *payload, char **ret_text, int *ret_fd, GError **error)
{
        gint64 start = g_get_monotonic_time();
        gboolean ok = send_request(socket, operation, payload, error) &&
                      receive_reply(socket, ret_text, ret_fd, error) == HOME_DONE;

        trace_span("home", start, "operation %d %s", operation, ok ? "done" : "failed");
        return ok;
}

/* One payload of several texts, each with its NUL. */
static GString *
pack(const char *const *texts)
{
        GString *payload = g_string_new(NULL);

        for (; *texts; texts++)
                g_string_append_len(payload, *texts, (gssize)strlen(*texts) + 1);
        return payload;
}

static gboolean
ask(struct home *home, enum home_operation operation, const char *const *texts, char **ret_text, int *ret_fd, GError **error)
{
        g_autoptr(GString) payload = pack(texts);
        gboolean ok;

        g_mutex_lock(&home->mutex);
        ok = exchange(home->socket, operation, payload, ret_text, ret_fd, error);
        g_mutex_unlock(&home->mutex);
        return ok;
}

static const char *const no_texts[] = {NULL};

/* What takes long is done by a process of its own, so that nobody's tap waits for it. */
static gboolean
ask_apart(struct home *home, enum home_operation operation, const char *const *texts, char **ret_text, GError **error)
{
        g_autoptr(GString) payload = pack(texts);
        auto_fd socket = -1;

        return ask(home, HOME_BRANCH, no_texts, NULL, &socket, error) &&
               exchange(socket, operation, payload, ret_text, NULL, error);
}

/* The trace stays: its number is remembered, and would otherwise soon be that of something else. */
static void
close_all_but(int a, int b)
{
        unsigned low = (unsigned)MIN(a, b), high = (unsigned)MAX(a, b);

        if (low > 3)
                syscall(SYS_close_range, 3, low - 1, 0);
        if (high > low + 1)
                syscall(SYS_close_range, MAX(3, low + 1), high - 1, 0);
        syscall(SYS_close_range, MAX(3, high + 1), ~0U, 0);
}

/* The forked process: nothing of drover but this socket, no signal of the terminal. */
static void G_GNUC_NORETURN
stand_inside(int socket, const struct home_options *options)
{
        struct sigaction action = {.sa_handler = SIG_DFL};
        struct home_reply reply = {.result = HOME_DONE};
        g_autoptr(GError) error = NULL;
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        sigset_t empty;

        setsid();
        for (int number = 1; number < NSIG; number++)
                sigaction(number, &action, NULL);
        sigemptyset(&empty);
        sigprocmask(SIG_SETMASK, &empty, NULL);
        for (int i = 0; null_fd >= 0 && i < 3; i++)
                dup2(null_fd, i);
        close_all_but(socket, trace_descriptor() > 2 ? trace_descriptor() : socket);
        if (!home_enter(options, &error))
                reply.result = error ? HOME_FAILED : HOME_NO_NAMESPACE;
        if (error) {
                reply.code = (guint32)error->code;
                reply.length = (guint32)strlen(error->message);
        }
        if (!options->root)
                prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* entering a user namespace closed our /proc to the user's own programs */
        if (home_send(socket, &reply, sizeof reply, -1, error ? error->message : "", reply.length) && reply.result == HOME_DONE)
                home_serve(socket, options);
        _exit(0);
}

gboolean
home_open(const struct home_options *options, struct home **ret_home, GError **error)
{
        gboolean private = options->isolation == ISOLATION_PRIVATE;
        g_autoptr(home_t) home = NULL;
        enum home_result result;
        int ends[2];

        *ret_home = NULL;
        scope_manager(); /* in a user namespace it would be root that asks */
        if (private && !options->create && !options->member_count && !(options->root && home_has_name(options->project)))
                return TRUE;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                return error_errno(error, "cannot make a socket pair");
        home = g_new0(struct home, 1);
        g_mutex_init(&home->mutex);
        g_mutex_init(&home->namespace_mutex);
        home->namespace_fd = -1;
        home->socket = ends[0];
        home->named = private && options->root;
        home->pid = fork();
        if (home->pid == 0)
                stand_inside(ends[1], options);
        close(ends[1]);
        if (home->pid < 0)
                return error_errno(error, "cannot fork");
        result = receive_reply(home->socket, NULL, NULL, error);
        if (result == HOME_FAILED)
                return FALSE;
        if (result == HOME_DONE)
                *ret_home = g_steal_pointer(&home);
        return TRUE;
}

void
home_free(struct home *home)
{
        if (!home)
                return;
        close(home->socket);
        fd_clear(&home->namespace_fd);
        while (home->pid > 0 && waitpid(home->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        g_mutex_clear(&home->mutex);
        g_mutex_clear(&home->namespace_mutex);
        g_free(home);
}

int
home_netlink_socket(struct home *home, GError **error)
{
        int fd = -1;

        return ask(home, HOME_NETLINK, no_texts, NULL, &fd, error) ? fd : -1;
}

struct netlink *
home_netlink(struct home *home, GError **error)
{
        int fd = home_netlink_socket(home, error);

        return fd >= 0 ? netlink_new(fd, error) : NULL;
}

int
home_namespace(struct home *home, GError **error)
{
        int fd = -1;

        g_mutex_lock(&home->namespace_mutex);
        if (home->namespace_fd >= 0 || ask(home, HOME_NAMESPACE, no_texts, NULL, &home->namespace_fd, error)) {
                fd = fcntl(home->namespace_fd, F_DUPFD_CLOEXEC, 3);
                if (fd < 0)
                        error_errno(error, "cannot duplicate a descriptor of the network namespace");
        }
        g_mutex_unlock(&home->namespace_mutex);
        return fd;
}

pid_t
home_pid(const struct home *home)
{
        return home->pid;
}

int
home_tap(struct home *home, const char *name, GError **error)
{
        const char *const texts[] = {name, NULL};
        int fd = -1;

        return ask(home, HOME_TAP, texts, NULL, &fd, error) ? fd : -1;
}

/* Wait for the end of a connect() that was begun. */
static gboolean
await_connection(int fd, int timeout_ms, int *ret_number)
{
        struct pollfd entry = {fd, POLLOUT, 0};
        socklen_t size = sizeof *ret_number;

        *ret_number = ETIMEDOUT;
        return fd_retry(poll(&entry, 1, timeout_ms)) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, ret_number, &size) == 0 &&
               *ret_number == 0;
}

int
home_connect(struct home *home, const char *ip, guint port, int timeout_ms, GError **error)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((guint16)port)};
        auto_fd fd = -1;
        int number = 0;

        if (inet_pton(AF_INET, ip, &address.sin_addr) != 1)
                return error_set(error, DROVER_ERROR_USAGE, "'%s' is no IPv4 address", ip), -1;
        if (!ask(home, HOME_SOCKET, no_texts, NULL, &fd, error))
                return -1;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                return error_errno(error, "cannot use a socket"), -1;
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
                number = errno;
        else if (!await_connection(fd, timeout_ms, &number) && number == 0)
                number = errno;
        if (number)
                return error_from_errno(error, number, "cannot connect to %s port %u", ip, port), -1;
        return fcntl(fd, F_SETFL, 0) == 0 ? fd_steal(&fd) : (error_errno(error, "cannot use a socket"), -1);
}

char *
home_read_sysctl(struct home *home, const char *name, GError **error)
{
        const char *const texts[] = {name, NULL};
        char *value = NULL;

        return ask(home, HOME_READ_SYSCTL, texts, &value, NULL, error) ? value : NULL;
}

gboolean
home_write_sysctl(struct home *home, const char *name, const char *value, GError **error)
{
        const char *const texts[] = {name, value, NULL};

        return ask(home, HOME_WRITE_SYSCTL, texts, NULL, NULL, error);
}

gboolean
home_nft(struct home *home, const char *commands, char **ret_output, GError **error)
{
        const char *const texts[] = {commands, NULL};

        return ask_apart(home, HOME_NFT, texts, ret_output, error);
}

int
home_nft_begin(struct home *home, const struct nft_question *questions, guint count, GError **error)
{
        g_autoptr(GPtrArray) texts = g_ptr_array_new();
        g_autoptr(GString) payload = NULL;
        auto_fd socket = -1;

        for (guint i = 0; i < count; i++) {
                g_ptr_array_add(texts, (gpointer)(questions[i].json ? HOME_NFT_JSON : HOME_NFT_TEXT));
                g_ptr_array_add(texts, questions[i].command);
        }
        g_ptr_array_add(texts, NULL);
        payload = pack((const char *const *)texts->pdata);
        if (!ask(home, HOME_BRANCH, no_texts, NULL, &socket, error) || !send_request(socket, HOME_NFT_ASK, payload, error))
                return -1;
        return fd_steal(&socket);
}

gboolean
home_nft_end(int connection, struct nft_question *questions, guint count, GError **error)
{
        gint64 start = g_get_monotonic_time();
        g_autofree char *output = NULL;
        g_auto(GStrv) answers = NULL;
        enum home_result result = receive_reply(connection, &output, NULL, error);

        close(connection);
        trace_span("home", start, "answers of nftables %s", result == HOME_DONE ? "taken" : "failed");
        if (result != HOME_DONE)
                return FALSE;
        answers = g_strsplit(output, HOME_NFT_END, -1);
        if (g_strv_length(answers) != count + 1)
                return error_set(error, DROVER_ERROR_FAILED, "nftables answered what it was not asked");
        for (guint i = 0; i < count; i++)
                questions[i].answer = *answers[i] ? g_strdup(answers[i]) : NULL;
        return TRUE;
}

gboolean
home_nft_ask(struct home *home, struct nft_question *questions, guint count, GError **error)
{
        int connection = home_nft_begin(home, questions, count, error);

        return connection >= 0 && home_nft_end(connection, questions, count, error);
}

gboolean
home_start(struct home *home, const char *const *argv, GError **error)
{
        return ask_apart(home, HOME_START, argv, NULL, error);
}

gboolean
home_remove(struct home *home, GError **error)
{
        return !home->named || ask(home, HOME_REMOVE, no_texts, NULL, NULL, error);
}
