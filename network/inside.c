/* inside.c - the process inside the namespace: answers one request after the other
 *
 * dnsmasq takes 20 ms until it stands and a transaction of nftables a few, which the taps of VMs must not wait for: for those
 * there is HOME_BRANCH, a fork that serves a connection of its own and ends with it.
 */
#include "network/inside.h"

#include "base/child.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "network/link.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct answer {
        char *text; /* or NULL */
        int fd;     /* or -1 */
};

static gboolean
answer_netlink(struct answer *answer, GError **error)
{
        answer->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
        return answer->fd >= 0 ? TRUE : error_errno(error, "cannot open a netlink socket");
}

static gboolean
answer_socket(struct answer *answer, GError **error)
{
        answer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        return answer->fd >= 0 ? TRUE : error_errno(error, "cannot open a socket");
}

static gboolean
answer_namespace(struct answer *answer, GError **error)
{
        answer->fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        return answer->fd >= 0 ? TRUE : error_errno(error, "cannot open the network namespace");
}

/* IFF_TUN_EXCL, without which somebody's persistent tap would be taken over, says EBUSY for any link of that name: which? */
static gboolean
refuse_tap(const char *name, GError **error)
{
        struct answer answer = {.fd = -1};
        g_autoptr(netlink_t) netlink = answer_netlink(&answer, error) ? netlink_new(answer.fd, error) : NULL;
        g_auto(link_t) link = {0};

        if (!netlink || !link_look(netlink, name, &link, error))
                return FALSE;
        if (link.is_held_tap)
                return error_set(error, DROVER_ERROR_BUSY, "cannot make tap '%s': a process still holds it", name);
        error_set(error, DROVER_ERROR_EXISTS, "link '%s' exists and is not drover's", name);
        return error_hint(error, "remove or rename it");
}

static gboolean
answer_tap(const char *name, struct answer *answer, GError **error)
{
        struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL};
        auto_fd fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

        if (fd < 0) {
                error_errno(error, "cannot open '/dev/net/tun'");
                return error_hint(error, "'drover doctor' says how to open it to you");
        }
        if (g_strlcpy(request.ifr_name, name, sizeof request.ifr_name) >= sizeof request.ifr_name)
                return error_set(error, DROVER_ERROR_FAILED, "interface name '%s' is too long", name);
        if (ioctl(fd, TUNSETIFF, &request) < 0)
                return errno == EBUSY ? refuse_tap(name, error) : error_errno(error, "cannot make tap '%s'", name);
        answer->fd = fd_steal(&fd);
        return TRUE;
}

/* Names of sysctls come from drover itself; all the same none leaves /proc/sys. */
static char *
sysctl_path(const char *name, GError **error)
{
        if (*name == '/' || strstr(name, ".."))
                return error_set(error, DROVER_ERROR_FAILED, "'%s' is no name of a sysctl", name), NULL;
        return g_build_filename("/proc/sys", name, NULL);
}

static gboolean
answer_read_sysctl(const char *name, struct answer *answer, GError **error)
{
        g_autofree char *path = sysctl_path(name, error);

        if (!path || !file_read(path, 65536, &answer->text, NULL, error))
                return FALSE;
        g_strchomp(answer->text);
        return TRUE;
}

static gboolean
answer_write_sysctl(const char *name, const char *value, GError **error)
{
        g_autofree char *path = sysctl_path(name, error);

        return path && file_write_kernel(path, value, error);
}

/* libnftables calls exit() when its socket cannot be opened: here that only ends this process, and drover sees it. */
static struct nft_ctx *
open_nft(GError **error)
{
        struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);

        if (!nft)
                return error_set(error, DROVER_ERROR_FAILED, "cannot use nftables"), NULL;
        nft_ctx_buffer_output(nft);
        nft_ctx_buffer_error(nft);
        return nft;
}

static gboolean
fail_nft(struct nft_ctx *nft, GError **error)
{
        const char *text = nft_ctx_get_error_buffer(nft);
        gboolean absent = strstr(text, "No such file or directory") != NULL;

        return error_set(error, absent ? DROVER_ERROR_NOT_FOUND : DROVER_ERROR_FAILED, "nftables: %.*s",
                         (int)MIN(strcspn(text, "\n"), 400), text);
}

static gboolean
answer_nft(const char *commands, struct answer *answer, GError **error)
{
        struct nft_ctx *nft = open_nft(error);
        gboolean ok = nft && (nft_run_cmd_from_buffer(nft, commands) == 0 || fail_nft(nft, error));

        if (ok)
                answer->text = g_strdup(nft_ctx_get_output_buffer(nft));
        if (nft)
                nft_ctx_free(nft);
        return ok;
}

static gboolean
list_one(struct nft_ctx *nft, gboolean json, const char *command, GString *text, GError **error)
{
        g_autoptr(GError) reason = NULL;

        nft_ctx_output_set_flags(nft, json ? NFT_CTX_OUTPUT_JSON : 0);
        if (nft_run_cmd_from_buffer(nft, command) == 0)
                g_string_append(text, nft_ctx_get_output_buffer(nft));
        else
                fail_nft(nft, &reason);
        g_string_append(text, HOME_NFT_END);
        if (!reason || json || g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                return TRUE;
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
}

static gboolean
answer_nft_ask(const char *const *pairs, struct answer *answer, GError **error)
{
        struct nft_ctx *nft = open_nft(error);
        GString *text = g_string_new(NULL);
        gboolean ok = nft != NULL;

        for (; ok && pairs[0] && pairs[1]; pairs += 2)
                ok = list_one(nft, strcmp(pairs[0], HOME_NFT_JSON) == 0, pairs[1], text, error);
        answer->text = g_string_free(text, FALSE);
        if (nft)
                nft_ctx_free(nft);
        return ok;
}

static gboolean
answer_start(const char *const *argv, const char *project, GError **error)
{
        g_autofree char *scope = g_strdup_printf("drover-%s-%s", project, argv[0]);
        struct child child = CHILD_INIT;

        child.argv = argv;
        child.scope = scope;
        return child_run(&child, HOME_START_TIMEOUT_MS, NULL, error);
}

/* @socket: the connection that the request came on, of which the branch keeps no copy, so that its end is seen */
static gboolean
answer_branch(int socket, const struct home_options *options, struct answer *answer, GError **error)
{
        int ends[2];
        pid_t pid;

        while (waitpid(-1, NULL, WNOHANG) > 0) /* branches that have ended */
                ;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                return error_errno(error, "cannot make a socket pair");
        pid = fork();
        if (pid == 0) {
                close(socket);
                close(ends[0]);
                home_serve(ends[1], options);
                _exit(0);
        }
        close(ends[1]);
        answer->fd = ends[0];
        return pid > 0 ? TRUE : error_errno(error, "cannot fork");
}

static gboolean
answer_request(int socket, enum home_operation operation, const char *const *texts, guint count,
               const struct home_options *options, struct answer *answer, GError **error)
{
        static const guint needed[] = {[HOME_TAP] = 1, [HOME_READ_SYSCTL] = 1, [HOME_WRITE_SYSCTL] = 2,
                                       [HOME_NFT] = 1, [HOME_START] = 1,       [HOME_REMOVE] = 0,
                                       [HOME_SOCKET] = 0,  [HOME_BRANCH] = 0,   [HOME_NFT_ASK] = 0};

        if (operation >= G_N_ELEMENTS(needed) || count < needed[operation])
                return error_set(error, DROVER_ERROR_FAILED, "a request that is none");
        switch (operation) {
        case HOME_NETLINK:
                return answer_netlink(answer, error);
        case HOME_NAMESPACE:
                return answer_namespace(answer, error);
        case HOME_TAP:
                return answer_tap(texts[0], answer, error);
        case HOME_READ_SYSCTL:
                return answer_read_sysctl(texts[0], answer, error);
        case HOME_WRITE_SYSCTL:
                return answer_write_sysctl(texts[0], texts[1], error);
        case HOME_NFT:
                return answer_nft(texts[0], answer, error);
        case HOME_NFT_ASK:
                return answer_nft_ask(texts, answer, error);
        case HOME_START:
                return answer_start(texts, options->project, error);
        case HOME_REMOVE:
                return home_remove_name(options->project, error);
        case HOME_SOCKET:
                return answer_socket(answer, error);
        case HOME_BRANCH:
                return answer_branch(socket, options, answer, error);
        }
        return FALSE;
}

static GPtrArray *
unpack(const char *payload, size_t length)
{
        GPtrArray *texts = g_ptr_array_new();

        for (size_t at = 0; at < length; at += strlen(payload + at) + 1)
                g_ptr_array_add(texts, (gpointer)(payload + at));
        g_ptr_array_add(texts, NULL);
        return texts;
}

static gboolean
serve_one(int socket, const struct home_options *options)
{
        struct home_reply reply = {.result = HOME_DONE};
        struct answer answer = {.fd = -1};
        struct home_request request;
        g_autoptr(GError) error = NULL;
        g_autofree char *payload = NULL;
        g_autoptr(GPtrArray) texts = NULL;
        const char *text;
        gboolean ok;

        if (!home_receive(socket, &request, sizeof request, NULL) || request.length > HOME_MAX_PAYLOAD)
                return FALSE;
        payload = g_malloc(request.length + 1);
        payload[request.length] = '\0';
        if (!home_receive(socket, payload, request.length, NULL))
                return FALSE;
        texts = unpack(payload, request.length);
        ok = answer_request(socket, (enum home_operation)request.operation, (const char *const *)texts->pdata, texts->len - 1,
                            options, &answer, &error);
        if (!ok) {
                reply.result = HOME_FAILED;
                reply.code = (guint32)error->code;
        }
        text = ok ? answer.text : error->message;
        reply.length = text ? (guint32)strlen(text) : 0;
        ok = home_send(socket, &reply, sizeof reply, answer.fd, text, reply.length);
        fd_clear(&answer.fd);
        g_free(answer.text);
        return ok;
}

void
home_serve(int socket, const struct home_options *options)
{
        while (serve_one(socket, options))
                ;
        while (fd_retry(waitpid(-1, NULL, 0)) > 0) /* who waits for us waits for the branches: each ends with its connection */
                ;
}
