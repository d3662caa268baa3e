/* forward.c - published ports as data, their listeners outside, and what is asked of the process that serves them (serve.c) */
#include "network/ports/server.h"

#include "base/error.h"
#include "base/fd.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

enum { BACKLOG = 512 };

socklen_t
forward_address_length(const union forward_address *address)
{
        return address->any.sa_family == AF_INET6 ? sizeof address->ipv6 : sizeof address->ipv4;
}

static char *
address_format(const union forward_address *address)
{
        char text[INET6_ADDRSTRLEN] = "";

        if (address->any.sa_family == AF_INET6) {
                inet_ntop(AF_INET6, &address->ipv6.sin6_addr, text, sizeof text);
                return g_strdup_printf("[%s]:%u", text, ntohs(address->ipv6.sin6_port));
        }
        inet_ntop(AF_INET, &address->ipv4.sin_addr, text, sizeof text);
        return g_strdup_printf("%s:%u", text, ntohs(address->ipv4.sin_port));
}

char *
forward_format_outside(const struct forward *forward)
{
        g_autofree char *address = address_format(&forward->outside);

        return g_strdup_printf("%s/%s", address, forward->protocol == FORWARD_UDP ? "udp" : "tcp");
}

char *
forward_format_inside(const struct forward *forward)
{
        return address_format(&forward->inside);
}

char *
forward_format(const struct forward *forward)
{
        g_autofree char *outside = forward_format_outside(forward), *inside = forward_format_inside(forward);

        return g_strdup_printf("%s -> %s", outside, inside);
}

int
forward_open_socket(const union forward_address *address, enum forward_protocol protocol)
{
        return socket(address->any.sa_family,
                      (protocol == FORWARD_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void
forward_set_option(int fd, int level, int option, int value)
{
        if (setsockopt(fd, level, option, &value, sizeof value) < 0)
                return; /* only makes it better: reuse at once, no delay, the address of an answer */
}

int
forward_listen(const struct forward *forward, GError **error)
{
        auto_fd fd = forward_open_socket(&forward->outside, forward->protocol);
        gboolean is_ipv6 = forward->outside.any.sa_family == AF_INET6, is_udp = forward->protocol == FORWARD_UDP;

        if (fd >= 0) {
                if (!is_udp)
                        forward_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
                if (is_ipv6)
                        forward_set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
                if (is_udp)
                        forward_set_option(fd, is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, is_ipv6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
        }
        if (fd < 0 || bind(fd, &forward->outside.any, forward_address_length(&forward->outside)) < 0 ||
            (!is_udp && listen(fd, BACKLOG) < 0)) {
                int number = errno;
                g_autofree char *address = address_format(&forward->outside);

                error_set(error,
                          number == EADDRINUSE      ? DROVER_ERROR_BUSY
                          : number == EADDRNOTAVAIL ? DROVER_ERROR_NOT_FOUND
                                                    : error_code_of_errno(number),
                          "cannot listen on %s/%s: %s", address, is_udp ? "udp" : "tcp", g_strerror(number));
                return -1;
        }
        return fd_steal(&fd);
}

/* ---- orders, from outside ---- */

static gboolean
send_order(int control, const struct order *order, int fd)
{
        struct iovec part = {(void *)order, sizeof *order};
        char buffer[CMSG_SPACE(sizeof fd)] __attribute__((aligned(8))) = {0};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

        if (fd >= 0) {
                struct cmsghdr *header;

                message.msg_control = buffer;
                message.msg_controllen = sizeof buffer;
                header = CMSG_FIRSTHDR(&message);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(sizeof fd);
                memcpy(CMSG_DATA(header), &fd, sizeof fd);
        }
        return fd_retry(sendmsg(control, &message, MSG_NOSIGNAL)) == sizeof *order;
}

static gboolean
ask(int control, const struct order *order, int fd, struct answer *answer, GError **error)
{
        const size_t head = offsetof(struct answer, forwards);
        ssize_t n = send_order(control, order, fd) ? fd_retry(recv(control, answer, sizeof *answer, 0)) : -1;

        if (n < 0)
                return error_errno(error, "the forwarder of published ports does not answer");
        if ((size_t)n < head || answer->count > LIST_AT_ONCE || (size_t)n != head + answer->count * sizeof(struct forward))
                return error_set(error, DROVER_ERROR_FAILED, "the forwarder of published ports has ended");
        return TRUE;
}

static gboolean
change(int control, enum order_kind kind, const struct forward *forward, int fd, GError **error)
{
        const struct order order = {.kind = kind, .forward = *forward};
        g_autofree struct answer *answer = g_new0(struct answer, 1);
        g_autofree char *text = NULL;

        if (!ask(control, &order, fd, answer, error))
                return FALSE;
        if (!answer->number)
                return TRUE;
        text = forward_format(forward);
        return error_from_errno(error, answer->number, "the forwarder of published ports cannot take %s", text);
}

gboolean
forward_set(int control, const struct forward *forward, int listener, GError **error)
{
        return change(control, ORDER_SET, forward, listener, error);
}

gboolean
forward_remove(int control, const struct forward *forward, GError **error)
{
        return change(control, ORDER_REMOVE, forward, -1, error);
}

GArray *
forward_list(int control, GError **error)
{
        g_autoptr(GArray) forwards = g_array_new(FALSE, FALSE, sizeof(struct forward));
        g_autofree struct answer *answer = g_new0(struct answer, 1);

        do {
                const struct order order = {.kind = ORDER_LIST, .from = forwards->len};

                if (!ask(control, &order, -1, answer, error))
                        return NULL;
                g_array_append_vals(forwards, answer->forwards, answer->count);
        } while (answer->count == LIST_AT_ONCE);
        return g_steal_pointer(&forwards);
}

gboolean
forward_address_equal(const union forward_address *a, const union forward_address *b)
{
        if (a->any.sa_family != b->any.sa_family)
                return FALSE;
        if (a->any.sa_family == AF_INET6)
                return a->ipv6.sin6_port == b->ipv6.sin6_port && a->ipv6.sin6_scope_id == b->ipv6.sin6_scope_id &&
                       IN6_ARE_ADDR_EQUAL(&a->ipv6.sin6_addr, &b->ipv6.sin6_addr);
        return a->ipv4.sin_port == b->ipv4.sin_port && a->ipv4.sin_addr.s_addr == b->ipv4.sin_addr.s_addr;
}

gboolean
forward_equal(const struct forward *a, const struct forward *b)
{
        return forward_same_outside(a, b) && forward_address_equal(&a->inside, &b->inside);
}

gboolean
forward_same_outside(const struct forward *a, const struct forward *b)
{
        return a->protocol == b->protocol && forward_address_equal(&a->outside, &b->outside);
}

const struct forward *
forward_find(const GArray *forwards, const struct forward *forward)
{
        for (guint i = 0; forwards && i < forwards->len; i++)
                if (forward_same_outside(&g_array_index(forwards, struct forward, i), forward))
                        return &g_array_index(forwards, struct forward, i);
        return NULL;
}
