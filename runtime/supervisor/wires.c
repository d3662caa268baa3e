/* wires.c - the project's links as the kernel tells of them: a bridge or a tap set down, taken off, removed
 *
 * That a link comes into being is no event of its own: a verb has made it, and says so. What happens to it from then on is
 * recorded, whoever did it. A link is ours by its alias, "drover:PROJECT/NETWORK" or "drover:PROJECT/VM/NIC".
 * Source: rtnetlink(7), RTNLGRP_LINK.
 */
#include "runtime/supervisor/watch.h"

#include "base/child.h"
#include "network/link-message.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

enum {
        LINKS_FD = CHILD_FIRST_FD + 2,
        ANSWER_BYTES = 32768,
        SETTLE_MS = 50, /* a QEMU that ends takes its tap down, and off the bridge, and away */
};

struct shape {
        gboolean up, attached;
        guint mtu;
};

struct wire {
        struct supervisor *supervisor;
        char *object;           /* "NETWORK" or "VM/NIC" */
        struct shape now, told; /* as it is, and as it was when it was last looked at closely */
        gboolean settled;       /* it was all that it is to be: a verb makes a link in several steps */
};

static gboolean
is_tap(const struct wire *wire)
{
        return strchr(wire->object, '/') != NULL;
}

static void
tell(const struct wire *wire, const char *event, const char *key, const char *value)
{
        g_auto(GStrv) parts = g_strsplit(wire->object, "/", 2);
        struct event what = {.kind = parts[1] ? "vm" : "network",
                             .name = parts[0],
                             .event = event,
                             .by = "kernel",
                             .key = key        ? key
                                    : parts[1] ? "nic"
                                               : NULL,
                             .value = value ? value : parts[1]};

        journal_append(wire->supervisor->paths->data, &what);
}

static void
tell_changes(void *data)
{
        struct wire *wire = data;
        const struct shape *now = &wire->now, *told = &wire->told;
        g_autofree char *mtu = g_strdup_printf("%u", now->mtu);

        if (wire->settled && told->attached != now->attached && is_tap(wire))
                tell(wire, now->attached ? "link-attached" : "link-detached", NULL, NULL);
        if (wire->settled && told->up != now->up)
                tell(wire, now->up ? "link-up" : "link-down", NULL, NULL);
        if (wire->settled && told->mtu != now->mtu)
                tell(wire, "link-mtu", "mtu", mtu);
        wire->told = wire->now;
        wire->settled |= now->up && (now->attached || !is_tap(wire));
}

static void
wire_free(gpointer data)
{
        struct wire *wire = data;

        loop_cancel(wire->supervisor->loop, tell_changes, wire);
        g_free(wire->object);
        g_free(wire);
}

static void
take_link(struct supervisor *supervisor, const struct link *link)
{
        g_autofree char *mark = g_strdup_printf("drover:%s/", supervisor->project);
        struct wire *wire = g_hash_table_lookup(supervisor->wires, GINT_TO_POINTER(link->ifindex));
        const struct shape now = {link->up, link->master != 0, link->mtu};

        if (!wire && (!link->alias || !g_str_has_prefix(link->alias, mark)))
                return;
        if (!wire) {
                wire = g_new0(struct wire, 1);
                wire->supervisor = supervisor;
                wire->object = g_strdup(link->alias + strlen(mark));
                g_hash_table_insert(supervisor->wires, GINT_TO_POINTER(link->ifindex), wire);
        }
        wire->now = now;
        if (is_tap(wire) && wire->settled)
                loop_at(supervisor->loop, SETTLE_MS, tell_changes, wire);
        else
                tell_changes(wire);
}

static void
take_removal(struct supervisor *supervisor, int ifindex)
{
        const struct wire *wire = g_hash_table_lookup(supervisor->wires, GINT_TO_POINTER(ifindex));

        if (wire && !is_tap(wire)) /* a tap goes with its QEMU, which is told */
                tell(wire, "link-removed", NULL, NULL);
        g_hash_table_remove(supervisor->wires, GINT_TO_POINTER(ifindex));
}

static void
take_message(struct supervisor *supervisor, const struct nlmsghdr *message)
{
        const struct ifinfomsg *header = NLMSG_DATA(message);
        struct link link;

        if ((message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK) ||
            message->nlmsg_len < NLMSG_LENGTH(sizeof *header) || header->ifi_family != AF_UNSPEC)
                return; /* a bridge tells of its ports in messages of its own family */
        if (message->nlmsg_type == RTM_DELLINK) {
                take_removal(supervisor, header->ifi_index);
        } else if (link_message_parse(message, &link)) {
                take_link(supervisor, &link);
                link_clear(&link);
        }
}

static void
ask_for_all(void)
{
        struct {
                struct nlmsghdr header;
                struct ifinfomsg link;
        } request = {
                .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                           .nlmsg_type = RTM_GETLINK,
                           .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        };

        if (send(LINKS_FD, &request, sizeof request, MSG_NOSIGNAL) < 0)
                return; /* links that were there before are not known then, and told nothing of */
}

static void
hear(void *data)
{
        struct supervisor *supervisor = data;
        char buffer[ANSWER_BYTES] __attribute__((aligned(__alignof__(struct nlmsghdr))));
        struct sockaddr_nl from = {0};
        socklen_t length = sizeof from;
        ssize_t n = recvfrom(LINKS_FD, buffer, sizeof buffer, MSG_DONTWAIT, (struct sockaddr *)&from, &length);

        if (n < 0 && errno == ENOBUFS)
                ask_for_all(); /* some were lost */
        if (n < 0 || from.nl_pid != 0)
                return; /* only the kernel is believed */
        for (const struct nlmsghdr *message = (const struct nlmsghdr *)(gconstpointer)buffer; NLMSG_OK(message, n);
             message = NLMSG_NEXT(message, n))
                take_message(supervisor, message);
}

void
wires_watch(struct supervisor *supervisor)
{
        const int group = RTNLGRP_LINK;

        supervisor->wires = g_hash_table_new_full(NULL, NULL, NULL, wire_free);
        if (fcntl(LINKS_FD, F_GETFD) >= 0 &&
            setsockopt(LINKS_FD, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0 &&
            loop_watch(supervisor->loop, LINKS_FD, hear, supervisor))
                ask_for_all();
}

void
wires_clear(struct supervisor *supervisor)
{
        loop_forget(supervisor->loop, LINKS_FD);
        g_clear_pointer(&supervisor->wires, g_hash_table_unref);
}
