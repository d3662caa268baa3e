/* dnsmasq.h - DHCP and DNS: one dnsmasq for all networks of a project
 *
 * Files in lab->directory:
 *   HASH.conf            its configuration; the name holds a hash of the content, so that the argument vector of the
 *                        running process tells which configuration it has read
 *   reservations         --dhcp-hostsfile: MAC, address, name; reread on SIGHUP
 *   names/names          --hostsdir: names resolve before any lease
 *   loaded               hash of reservations and names at the last SIGHUP: a drover that was killed between writing and
 *                        SIGHUP leaves it different, and the next one sends it; empty once dnsmasq was told to end
 *   leases, log, pid
 *
 * dnsmasq closes every inherited descriptor: it is known by its arguments (our configuration path), and its pid file is
 * only where the search begins.
 */
#pragma once

#include "network/home.h"
#include "network/lab.h"

struct lease {
        guint32 ip;
        struct ether_addr mac;
        char *name;       /* or NULL */
        gint64 expires;   /* seconds since the epoch; 0: never */
        gboolean ended;   /* it has, when it was read */
};

/** struct lease6 - The same by DHCPv6, where a MAC is not told: but whose name it has, which dnsmasq has found by the MAC */
struct lease6 {
        struct in6_addr ip6;
        char *name;       /* or NULL */
        gboolean ended;
};

/** struct dnsmasq_state - What is there */
struct dnsmasq_state {
        pid_t pid;              /* 0: none runs */
        gboolean config_same;   /* it runs with the configuration that @lab needs */
        gboolean hosts_same;    /* and has read the reservations and names that @lab needs */
};

/** dnsmasq_is_needed() - Does any network of @lab have DHCP or DNS of ours? */
gboolean dnsmasq_is_needed(const struct lab *lab);

/** The three texts, pure; the caller frees them */
char *dnsmasq_config(const struct lab *lab);
char *dnsmasq_reservations(const struct lab *lab);
char *dnsmasq_names(const struct lab *lab);

/** dnsmasq_find() - The pid of this project's dnsmasq, or 0; needs only the directory */
pid_t dnsmasq_find(const char *directory);

/** dnsmasq_observe() - Look, change nothing */
void dnsmasq_observe(const struct lab *lab, struct dnsmasq_state *ret_state);

/**
 * dnsmasq_ensure() - Make it run as @lab wants: start, restart (changed configuration) or SIGHUP (changed hosts), or nothing
 *
 * All bridges stand already. The error text ends with dnsmasq's own words.
 */
gboolean dnsmasq_ensure(struct home *home, const struct lab *lab, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** dnsmasq_stop() - SIGTERM, and SIGKILL after 3 s; that none runs is success. Files stay but for pid and old configurations */
gboolean dnsmasq_stop(const char *directory, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** dnsmasq_leases() - The leases file: struct lease in a GArray with a clear function; empty where there is none */
GArray *dnsmasq_leases(const char *directory);
GArray *dnsmasq_leases6(const char *directory); /* struct lease6 */
