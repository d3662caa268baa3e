/* udp.c - published UDP ports: each client has a socket of its own inside, until it was silent for a while */
#include "network/ports/server.h"

#include "base/error.h"
#include "base/fd.h"

#include <string.h>
#include <sys/socket.h>

enum { DATAGRAMS_A_ROUND = 64 };

static gint64
now_s(void)
{
        return g_get_monotonic_time() / G_USEC_PER_SEC;
}

guint
udp_flow_hash(gconstpointer data)
{
        const struct flow *flow = data;
        const guint8 *bytes = (const guint8 *)&flow->client;
        guint hash = g_direct_hash(flow->listener);

        for (size_t i = 0; i < sizeof flow->client; i++)
                hash = hash * 31 + bytes[i];
        return hash;
}

gboolean
udp_flow_equal(gconstpointer a, gconstpointer b)
{
        const struct flow *x = a, *y = b;

        return x->listener == y->listener && forward_address_equal(&x->client, &y->client);
}

static void
flow_kill(struct server *server, struct flow *flow)
{
        if (flow->dead)
                return;
        flow->dead = TRUE;
        g_hash_table_remove(server->flows, flow);
        g_ptr_array_add(server->dead_flows, flow);
}

/* A datagram of the guest's goes back to the client, from the address that the client wrote to. */
static void
answer(const struct flow *flow, const char *data, size_t length)
{
        gboolean is_ipv6 = flow->client.any.sa_family == AF_INET6;
        union forward_address client = flow->client;
        struct iovec part = {(void *)data, length};
        char buffer[CMSG_SPACE(sizeof(struct in6_pktinfo))] __attribute__((aligned(8))) = {0};
        struct msghdr message = {.msg_name = &client, .msg_namelen = forward_address_length(&client), .msg_iov = &part,
                                 .msg_iovlen = 1, .msg_control = buffer, .msg_controllen = sizeof buffer};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        if (is_ipv6) {
                struct in6_pktinfo info = {.ipi6_addr = flow->local};

                header->cmsg_level = IPPROTO_IPV6;
                header->cmsg_type = IPV6_PKTINFO;
                header->cmsg_len = CMSG_LEN(sizeof info);
                memcpy(CMSG_DATA(header), &info, sizeof info);
        } else {
                struct in_pktinfo info = {0};

                memcpy(&info.ipi_spec_dst, &flow->local, sizeof info.ipi_spec_dst);
                header->cmsg_level = IPPROTO_IP;
                header->cmsg_type = IP_PKTINFO;
                header->cmsg_len = CMSG_LEN(sizeof info);
                memcpy(CMSG_DATA(header), &info, sizeof info);
        }
        message.msg_controllen = header->cmsg_len;
        if (sendmsg(flow->listener->watched.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                return; /* a datagram may be lost */
}

static void
on_flow(struct server *server, struct watched *watched, guint32 events)
{
        struct flow *flow = (struct flow *)(void *)watched;

        for (guint i = 0; i < DATAGRAMS_A_ROUND && !flow->dead; i++) {
                ssize_t n = recv(watched->fd, server->datagram, sizeof server->datagram, 0);

                if (n < 0 && errno == ECONNREFUSED)
                        continue; /* nobody listens in the guest: told by ICMP, and cleared by having been read */
                if (n < 0)
                        return;
                flow->last_s = now_s();
                answer(flow, server->datagram, (size_t)n);
        }
}

static void
make_room_for_flow(struct server *server)
{
        struct flow *oldest = NULL;
        GHashTableIter iter;
        gpointer key;

        if (g_hash_table_size(server->flows) < FORWARD_MAX_FLOWS)
                return;
        g_hash_table_iter_init(&iter, server->flows);
        while (g_hash_table_iter_next(&iter, &key, NULL))
                if (!oldest || ((struct flow *)key)->last_s < oldest->last_s)
                        oldest = key;
        flow_kill(server, oldest);
}

static struct flow *
find_flow(struct server *server, struct listener *listener, const union forward_address *client, const struct in6_addr *local)
{
        struct flow wanted = {.listener = listener, .client = *client};
        struct flow *flow = g_hash_table_lookup(server->flows, &wanted);

        if (flow)
                return flow;
        make_room_for_flow(server);
        flow = g_new0(struct flow, 1);
        flow->watched.function = on_flow;
        flow->listener = listener;
        flow->client = *client;
        flow->local = *local;
        flow->watched.fd = forward_open_socket(&listener->forward.inside, FORWARD_UDP);
        if (flow->watched.fd < 0 ||
            connect(flow->watched.fd, &listener->forward.inside.any, forward_address_length(&listener->forward.inside)) < 0 ||
            !server_watch(server, &flow->watched, EPOLLIN)) {
                fd_clear(&flow->watched.fd);
                g_free(flow);
                return NULL;
        }
        listener->flows++;
        g_hash_table_add(server->flows, flow);
        if (g_hash_table_size(server->flows) == 1)
                server_set_timer(server);
        return flow;
}

static void
take_local(struct msghdr *message, struct in6_addr *local)
{
        memset(local, 0, sizeof *local);
        for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
                if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
                        struct in_pktinfo info;

                        memcpy(&info, CMSG_DATA(header), sizeof info);
                        memcpy(local, &info.ipi_spec_dst, sizeof info.ipi_spec_dst);
                } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
                        struct in6_pktinfo info;

                        memcpy(&info, CMSG_DATA(header), sizeof info);
                        *local = info.ipi6_addr;
                }
        }
}

void
udp_on_datagram(struct server *server, struct watched *watched, guint32 events)
{
        struct listener *listener = (struct listener *)(void *)watched;

        for (guint i = 0; i < DATAGRAMS_A_ROUND && !listener->removed; i++) {
                union forward_address client;
                char buffer[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))]
                        __attribute__((aligned(8)));
                struct iovec part = {server->datagram, sizeof server->datagram};
                struct msghdr message = {.msg_name = &client, .msg_namelen = sizeof client, .msg_iov = &part, .msg_iovlen = 1,
                                         .msg_control = buffer, .msg_controllen = sizeof buffer};
                struct in6_addr local;
                struct flow *flow;
                ssize_t n;

                memset(&client, 0, sizeof client);
                n = recvmsg(watched->fd, &message, 0);
                if (n < 0)
                        return;
                if (client.any.sa_family == AF_INET6)
                        client.ipv6.sin6_flowinfo = 0;
                take_local(&message, &local);
                flow = find_flow(server, listener, &client, &local);
                if (!flow)
                        continue;
                flow->last_s = now_s();
                if (send(flow->watched.fd, server->datagram, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                        continue; /* a datagram may be lost */
        }
}

void
udp_forget_flows(struct server *server, const struct listener *listener)
{
        g_autoptr(GPtrArray) flows = g_ptr_array_new();
        GHashTableIter iter;
        gpointer key;

        g_hash_table_iter_init(&iter, server->flows);
        while (g_hash_table_iter_next(&iter, &key, NULL))
                if (((struct flow *)key)->listener == listener)
                        g_ptr_array_add(flows, key);
        for (guint i = 0; i < flows->len; i++)
                flow_kill(server, flows->pdata[i]);
}

void
udp_forget_silent(struct server *server)
{
        g_autoptr(GPtrArray) silent = g_ptr_array_new();
        gint64 now = now_s();
        GHashTableIter iter;
        gpointer key;

        g_hash_table_iter_init(&iter, server->flows);
        while (g_hash_table_iter_next(&iter, &key, NULL))
                if (now - ((struct flow *)key)->last_s >= FORWARD_FLOW_SECONDS)
                        g_ptr_array_add(silent, key);
        for (guint i = 0; i < silent->len; i++)
                flow_kill(server, silent->pdata[i]);
}
