/* home.h - where a project's network lives, and the one process of ours that stands in it
 *
 * isolation: host     the caller's own network namespace
 * private, as root    a named one, /run/netns/drover-PROJECT, so that `ip netns exec` works
 * private, as a user  a user namespace with a network namespace; it lives while any process holds it
 *
 * Entering a user namespace is one-way, a thread that enters drags nobody along, and libnftables calls exit() when its socket
 * fails. So home_open() forks a single-threaded process that enters first and then serves requests over a socket pair:
 * it hands out descriptors that were opened inside, and does itself what needs to be inside. It ends with the connection,
 * also when drover is killed. All three cases go this way, so that there is one. Call home_open() before any thread exists.
 *
 * A namespace is marked before it has a name: the ifalias of its `lo` is "drover:PROJECT".
 */
#pragma once

#include "network/netlink.h"
#include "parser/project.h"

struct home;

struct home_options {
        const char *project;
        enum isolation isolation;
        gboolean root;          /* are we root, outside? */
        gboolean create;        /* make the namespace where there is none; FALSE for verbs that only look */
        const pid_t *members;   /* processes that may live in the namespace or hold a descriptor of it (dnsmasq, QEMU) */
        size_t member_count;
};

/**
 * home_open() - Enter (or make) the project's namespace
 * @ret_home: on success, the connection, or NULL where there is no namespace and @create is FALSE
 *
 * Fails with DROVER_ERROR_PERMISSION where user namespaces or /dev/net/tun are closed to us; the hint says what opens them.
 */
gboolean home_open(const struct home_options *options, struct home **ret_home, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void home_free(struct home *home);
typedef struct home home_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(home_t, home_free)

/* All that follow may be called from any thread. Requests are served one after the other, but for home_nft(), home_nft_ask()
 * and home_start(), which may take long and are served beside all others. */

/** home_netlink() - A NETLINK_ROUTE socket that was opened inside; netlink_free() it */
struct netlink *home_netlink(struct home *home, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** home_netlink_socket() - The same as a bare descriptor, for a process that is to be started; the caller closes it; -1 on
 * failure */
int home_netlink_socket(struct home *home, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** home_namespace() - A descriptor of the network namespace, for QEMU to inherit; the caller closes it; -1 on failure */
int home_namespace(struct home *home, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** home_pid() - The process that stands inside: its /proc/PID/ns/ leads a program of ours in, as long as @home lives */
pid_t home_pid(const struct home *home);

/**
 * home_tap() - Make a tap device inside: IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, never persistent
 *
 * It lives as long as somebody holds the descriptor: QEMU inherits it, so the device goes when the VM goes, even when drover
 * was killed in between, and there is nothing to clean up. Returns the descriptor (O_CLOEXEC), -1 on failure:
 * DROVER_ERROR_BUSY where a VM still holds it, DROVER_ERROR_EXISTS where a link of that name is no tap.
 * Source: linux/Documentation/networking/tuntap.rst
 */
int home_tap(struct home *home, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * home_connect() - A TCP connection that is made from inside, to a guest say
 *
 * The socket is opened inside, and connected and used from outside. Returns the descriptor, -1 on failure: with connect(2)'s
 * own reason, or DROVER_ERROR_TIMEOUT. @ip is an IPv4 address.
 */
int home_connect(struct home *home, const char *ip, guint port, int timeout_ms, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** home_read_sysctl() - e.g. "net/ipv4/ip_forward"; stripped of its newline; the caller frees it */
char *home_read_sysctl(struct home *home, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean home_write_sysctl(struct home *home, const char *name, const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * home_nft() - Run nftables commands in one transaction
 * @ret_output: on success, what they print; may be NULL
 *
 * Fails with nft's own text. A table or chain that does not exist is DROVER_ERROR_NOT_FOUND.
 */
gboolean home_nft(struct home *home, const char *commands, char **ret_output, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** struct nft_question - Something to list, and what was there */
struct nft_question {
        char *command; /* one `list ...` */
        gboolean json; /* in: as libnftables-json(5) has it */
        char *answer;  /* out: NULL where it does not exist; with @json also where nft cannot tell */
};

/** home_nft_ask() - Ask them all in one go; on failure no answer is set, and the caller frees those that are */
gboolean home_nft_ask(struct home *home, struct nft_question *questions, guint count, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/**
 * home_nft_begin() - The same in two parts: they are asked, and the answers taken when other things have been done
 *
 * Returns the connection on which home_nft_end() takes the answers, and which it closes; -1 on failure. Where they are not
 * wanted any more it is closed before home_free().
 */
int home_nft_begin(struct home *home, const struct nft_question *questions, guint count, GError **error);
gboolean home_nft_end(int connection, struct nft_question *questions, guint count, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * home_start() - Start a program inside that outlives us (dnsmasq)
 *
 * The program puts itself into the background; this waits for the end of its first process, at most 10 s. A status other
 * than 0 is a failure with the end of its standard error.
 */
gboolean home_start(struct home *home, const char *const *argv, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * home_join() - This process goes into the network of which @fd is a descriptor (home_namespace()), for good
 *
 * A user enters the user namespace that owns it as well. FALSE with errno.
 */
gboolean home_join(int fd);

/** home_remove() - As root and private: unmount and remove the namespace's name; elsewhere there is nothing to remove */
gboolean home_remove(struct home *home, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** home_has_stray_name() - Did a start of root's, killed before its namespace had the name, leave an empty file? */
gboolean home_has_stray_name(const char *project);

/** home_remove_stray_name() - Remove that file; anything else of the name is left alone */
gboolean home_remove_stray_name(const char *project, GError **error) G_GNUC_WARN_UNUSED_RESULT;
