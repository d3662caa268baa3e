/* netlink.c - one rtnetlink socket, safe to share between threads
 *
 * libnl builds and takes apart the messages. Sending and receiving is ours: one request and its answer at a time under the
 * lock, straight from one buffer, without libnl's caches.
 * Source: netlink(7), rtnetlink(7), linux/Documentation/userspace-api/netlink.
 */
#include "network/netlink.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/trace.h"

#include <netlink/msg.h>
#include <string.h>
#include <sys/socket.h>

enum {
        BUFFER_BYTES = 128 << 10,
        DUMP_ATTEMPTS = 50,
};

struct netlink {
        int fd;
        guint32 sequence;
        GMutex lock;
        char *buffer;
};

enum outcome {
        OUTCOME_MORE,
        OUTCOME_DONE,
        OUTCOME_INTERRUPTED,
        OUTCOME_FAILED,
};

struct netlink *
netlink_new(int fd, GError **error)
{
        struct netlink *netlink;
        int one = 1;

        /* Ours gives reasons, echoes no requests and filters dumps; a kernel that cannot is served all the same. */
        if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one) < 0 && errno != ENOPROTOOPT) {
                error_errno(error, "cannot set up a netlink socket");
                close(fd);
                return NULL;
        }
        setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
        setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one);
        netlink = g_new0(struct netlink, 1);
        netlink->fd = fd;
        netlink->buffer = g_malloc(BUFFER_BYTES);
        g_mutex_init(&netlink->lock);
        return netlink;
}

void
netlink_free(struct netlink *netlink)
{
        if (!netlink)
                return;
        close(netlink->fd);
        g_mutex_clear(&netlink->lock);
        g_free(netlink->buffer);
        g_free(netlink);
}

/* The kernel's own words about a refusal, or NULL. */
static char *
extended_text(const struct nlmsghdr *header, const struct nlmsgerr *report)
{
        size_t length = header->nlmsg_len - NLMSG_HDRLEN, skip = sizeof *report;
        const struct nlattr *text;

        if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
                return NULL;
        if (!(header->nlmsg_flags & NLM_F_CAPPED) && report->msg.nlmsg_len > NLMSG_HDRLEN)
                skip += NLMSG_ALIGN(report->msg.nlmsg_len - NLMSG_HDRLEN);
        if (skip >= length)
                return NULL;
        text = nla_find((const struct nlattr *)((const char *)report + skip), (int)(length - skip), NLMSGERR_ATTR_MSG);
        return text ? g_strndup(nla_data(text), (gsize)nla_len(text)) : NULL;
}

static enum outcome
take_report(const struct nlmsghdr *header, const char *what, GError **error)
{
        const struct nlmsgerr *report = nlmsg_data(header);
        g_autofree char *text = NULL;

        if (header->nlmsg_len < NLMSG_LENGTH(sizeof *report)) {
                error_set(error, DROVER_ERROR_CORRUPT, "cannot %s: the kernel's answer is cut off", what);
                return OUTCOME_FAILED;
        }
        if (report->error == 0)
                return OUTCOME_DONE;
        text = extended_text(header, report);
        if (text)
                error_from_errno(error, -report->error, "cannot %s: %s", what, text);
        else
                error_from_errno(error, -report->error, "cannot %s", what);
        return OUTCOME_FAILED;
}

static enum outcome
take_end_of_dump(const struct nlmsghdr *header, const char *what, GError **error)
{
        int number = 0;

        if (header->nlmsg_len >= NLMSG_LENGTH(sizeof number))
                memcpy(&number, nlmsg_data(header), sizeof number);
        if (number >= 0)
                return OUTCOME_DONE;
        error_from_errno(error, -number, "cannot %s", what);
        return OUTCOME_FAILED;
}

/* One datagram's messages; those of an earlier request that was given up are skipped. */
static enum outcome
take_messages(struct netlink *netlink, int length, netlink_receiver receiver, void *data, gboolean *interrupted,
              const char *what, GError **error)
{
        for (struct nlmsghdr *header = (struct nlmsghdr *)(void *)netlink->buffer; nlmsg_ok(header, length);
             header = nlmsg_next(header, &length)) {
                if (header->nlmsg_seq != netlink->sequence)
                        continue;
                *interrupted |= (header->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
                if (header->nlmsg_type == NLMSG_ERROR)
                        return take_report(header, what, error);
                if (header->nlmsg_type == NLMSG_DONE)
                        return take_end_of_dump(header, what, error);
                if (receiver && header->nlmsg_type >= NLMSG_MIN_TYPE)
                        receiver(header, data);
        }
        return OUTCOME_MORE;
}

static enum outcome
exchange(struct netlink *netlink, struct nlmsghdr *request, netlink_receiver receiver, void *data, const char *what,
         GError **error)
{
        struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
        enum outcome outcome = OUTCOME_MORE;
        gboolean interrupted = FALSE;

        request->nlmsg_seq = ++netlink->sequence;
        request->nlmsg_pid = 0;
        if (receiver)
                receiver(NULL, data);
        if (fd_retry(sendto(netlink->fd, request, request->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel)) < 0) {
                error_errno(error, "cannot %s", what);
                return OUTCOME_FAILED;
        }
        while (outcome == OUTCOME_MORE) {
                ssize_t n = recv(netlink->fd, netlink->buffer, BUFFER_BYTES, MSG_TRUNC);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 || n > BUFFER_BYTES) {
                        if (n > 0)
                                errno = EMSGSIZE;
                        error_errno(error, "cannot %s", what);
                        return OUTCOME_FAILED;
                }
                outcome = take_messages(netlink, (int)n, receiver, data, &interrupted, what, error);
        }
        return outcome == OUTCOME_DONE && interrupted ? OUTCOME_INTERRUPTED : outcome;
}

gboolean
netlink_request(struct netlink *netlink, struct nl_msg *message, netlink_receiver receiver, void *data, const char *what,
                GError **error)
{
        struct nlmsghdr *request = nlmsg_hdr(message);
        gboolean dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
        enum outcome outcome = OUTCOME_INTERRUPTED;
        gint64 start = g_get_monotonic_time();

        request->nlmsg_flags |= NLM_F_REQUEST | (dump ? 0 : NLM_F_ACK);
        g_mutex_lock(&netlink->lock);
        for (int attempt = 0; outcome == OUTCOME_INTERRUPTED && attempt < DUMP_ATTEMPTS; attempt++)
                outcome = exchange(netlink, request, receiver, data, what, error);
        g_mutex_unlock(&netlink->lock);
        nlmsg_free(message);
        trace_span("netlink", start, "%s%s", what, outcome == OUTCOME_DONE ? "" : ": refused");
        if (outcome == OUTCOME_INTERRUPTED)
                return error_set(error, DROVER_ERROR_BUSY, "cannot %s: it changed during each of %d looks", what,
                                 DUMP_ATTEMPTS);
        return outcome == OUTCOME_DONE;
}
