/* listening.c - which ports of this namespace are taken, and by whom. Source: proc(5), /proc/net/tcp; sock_diag(7) */
#include "network/ports/listening.h"

#include "base/file.h"
#include "network/netlink.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 64 << 20, STATE_LISTEN = 0x0a };

/* Words of 32 bits, each printed as a number of the host in eight digits, then the port: "0100007F:1F90". */
static gboolean
parse_address(const char *text, int family, union forward_address *address)
{
        size_t count = family == AF_INET ? 1 : 4;
        const char *colon = strchr(text, ':');
        guint32 words[4] = {0};
        guint16 port;

        if (!colon || (size_t)(colon - text) != 8 * count)
                return FALSE;
        for (size_t i = 0; i < count; i++) {
                g_autofree char *word = g_strndup(text + 8 * i, 8);

                words[i] = (guint32)g_ascii_strtoull(word, NULL, 16);
        }
        port = htons((guint16)g_ascii_strtoull(colon + 1, NULL, 16));
        if (family == AF_INET) {
                address->ipv4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
                memcpy(&address->ipv4.sin_addr, words, sizeof address->ipv4.sin_addr);
        } else {
                address->ipv6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
                memcpy(&address->ipv6.sin6_addr, words, sizeof words);
        }
        return TRUE;
}

/* The words of a line, without the blanks between them. */
static GPtrArray *
split_words(const char *line)
{
        GPtrArray *words = g_ptr_array_new_with_free_func(g_free);

        for (line += strspn(line, " "); *line && *line != '\n'; line += strspn(line, " ")) {
                size_t length = strcspn(line, " \n");

                g_ptr_array_add(words, g_strndup(line, length));
                line += length;
        }
        return words;
}

/* "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 12345 1 ..." */
void
listening_parse(const char *text, enum forward_protocol protocol, int family, GArray *sockets)
{
        enum { LOCAL = 1, STATE = 3, INODE = 9 };

        for (const char *line = strchr(text, '\n'); line; line = strchr(line, '\n')) {
                g_autoptr(GPtrArray) words = split_words(++line);
                struct listening found;

                if (words->len <= INODE)
                        continue;
                memset(&found, 0, sizeof found);
                found.inode = g_ascii_strtoull(words->pdata[INODE], NULL, 10);
                found.protocol = protocol;
                if ((protocol == FORWARD_UDP || g_ascii_strtoull(words->pdata[STATE], NULL, 16) == STATE_LISTEN) &&
                    parse_address(words->pdata[LOCAL], family, &found.address))
                        g_array_append_val(sockets, found);
        }
}

/* ---- IPv6 sockets that take IPv4 as well, unless IPV6_V6ONLY says otherwise ---- */

static void
receive_socket(const struct nlmsghdr *message, void *data)
{
        struct nlattr *attributes[INET_DIAG_MAX + 1];
        const struct inet_diag_msg *header;
        GHashTable *dual = data;

        if (!message)
                return;
        header = nlmsg_data(message);
        if (message->nlmsg_len < NLMSG_LENGTH(sizeof *header) ||
            nlmsg_parse((struct nlmsghdr *)message, sizeof *header, attributes, INET_DIAG_MAX, NULL) < 0)
                return;
        if (attributes[INET_DIAG_SKV6ONLY] && nla_len(attributes[INET_DIAG_SKV6ONLY]) >= 1 &&
            !nla_get_u8(attributes[INET_DIAG_SKV6ONLY]))
                g_hash_table_add(dual, GUINT_TO_POINTER(header->idiag_inode));
}

/* A kernel that does not tell leaves it to bind(2) to find out. */
static void
add_dual(struct netlink *netlink, int protocol, guint32 states, GHashTable *dual)
{
        struct inet_diag_req_v2 request = {
                .sdiag_family = AF_INET6, .sdiag_protocol = (guint8)protocol, .idiag_states = states};
        struct nl_msg *message = nlmsg_alloc_simple(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
        g_autoptr(GError) ignored = NULL;

        if (!message)
                g_error("out of memory");
        nlmsg_append(message, &request, sizeof request, NLMSG_ALIGNTO);
        if (!netlink_request(netlink, message, receive_socket, dual, "list sockets", &ignored))
                return;
}

static void
mark_dual(GArray *sockets)
{
        g_autoptr(GHashTable) dual = g_hash_table_new(NULL, NULL);
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        g_autoptr(netlink_t) netlink = fd >= 0 ? netlink_new(fd, NULL) : NULL;

        if (!netlink)
                return;
        add_dual(netlink, IPPROTO_TCP, 1U << STATE_LISTEN, dual);
        add_dual(netlink, IPPROTO_UDP, ~0U, dual);
        for (guint i = 0; i < sockets->len; i++) {
                struct listening *socket = &g_array_index(sockets, struct listening, i);

                socket->dual = socket->address.any.sa_family == AF_INET6 &&
                               g_hash_table_contains(dual, GUINT_TO_POINTER((guint32)socket->inode));
        }
}

GArray *
listening_dump(void)
{
        static const struct {
                const char *path;
                enum forward_protocol protocol;
                int family;
        } files[] = {
                {"/proc/net/tcp", FORWARD_TCP, AF_INET},
                {"/proc/net/tcp6", FORWARD_TCP, AF_INET6},
                {"/proc/net/udp", FORWARD_UDP, AF_INET},
                {"/proc/net/udp6", FORWARD_UDP, AF_INET6},
        };
        GArray *sockets = g_array_new(FALSE, FALSE, sizeof(struct listening));

        for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                g_autofree char *text = NULL;

                if (file_read(files[i].path, FILE_MAX, &text, NULL, NULL))
                        listening_parse(text, files[i].protocol, files[i].family, sockets);
        }
        mark_dual(sockets);
        return sockets;
}

static gboolean
is_any(const union forward_address *address)
{
        return address->any.sa_family == AF_INET ? address->ipv4.sin_addr.s_addr == 0
                                                 : IN6_IS_ADDR_UNSPECIFIED(&address->ipv6.sin6_addr);
}

static gboolean
is_same_address(const union forward_address *a, const union forward_address *b)
{
        return a->any.sa_family == AF_INET
                       ? a->ipv4.sin_addr.s_addr == b->ipv4.sin_addr.s_addr
                       : memcmp(&a->ipv6.sin6_addr, &b->ipv6.sin6_addr, sizeof a->ipv6.sin6_addr) == 0;
}

/* Has it the port of IPv4, too? All addresses of it, or the one that is written as an IPv6 address. */
static gboolean
has_ipv4(const struct listening *found, const union forward_address *wanted)
{
        const struct in6_addr *own = &found->address.ipv6.sin6_addr;

        return found->dual && wanted->any.sa_family == AF_INET &&
               (IN6_IS_ADDR_UNSPECIFIED(own) ||
                (IN6_IS_ADDR_V4MAPPED(own) &&
                 (is_any(wanted) || memcmp(own->s6_addr + 12, &wanted->ipv4.sin_addr, sizeof wanted->ipv4.sin_addr) == 0)));
}

const struct listening *
listening_find(const GArray *sockets, const struct forward *forward)
{
        const union forward_address *wanted = &forward->outside;

        for (guint i = 0; i < sockets->len; i++) {
                const struct listening *found = &g_array_index(sockets, struct listening, i);

                if (found->protocol != forward->protocol ||
                    found->address.ipv4.sin_port != wanted->ipv4.sin_port) /* at the same place in both families */
                        continue;
                if (has_ipv4(found, wanted) ||
                    (found->address.any.sa_family == wanted->any.sa_family &&
                     (is_any(&found->address) || is_any(wanted) || is_same_address(&found->address, wanted))))
                        return found;
        }
        return NULL;
}

static gboolean
has_socket(const char *pid, const char *target)
{
        g_autofree char *directory = g_build_filename("/proc", pid, "fd", NULL);
        g_autoptr(GPtrArray) names = file_list_directory(directory, NULL);

        for (guint i = 0; names && i < names->len; i++) {
                g_autofree char *path = g_build_filename(directory, g_ptr_array_index(names, i), NULL);
                char found[64] = "";

                if (readlink(path, found, sizeof found - 1) > 0 && strcmp(found, target) == 0)
                        return TRUE;
        }
        return FALSE;
}

char *
listening_holder(const struct listening *socket)
{
        g_autofree char *target = g_strdup_printf("socket:[%" G_GUINT64_FORMAT "]", socket->inode);
        g_autoptr(GPtrArray) pids = file_list_directory("/proc", NULL);

        for (guint i = 0; pids && i < pids->len; i++) {
                const char *pid = g_ptr_array_index(pids, i);
                g_autofree char *path = NULL, *name = NULL;

                if (!g_ascii_isdigit(*pid) || !has_socket(pid, target))
                        continue;
                path = g_build_filename("/proc", pid, "comm", NULL);
                if (!file_read(path, 64, &name, NULL, NULL))
                        continue;
                return g_strdup_printf("pid %s (%s)", pid, g_strstrip(name));
        }
        return NULL;
}
