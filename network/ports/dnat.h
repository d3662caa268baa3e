/* dnat.h - published ports of networks in the host's own namespace: the short way for what comes from outside
 *
 * The forwarder has every port, and serves what begins on this host itself, loopback and IPv6. What comes in through an
 * interface for an IPv4 port that leads into a network which routes is led there by the kernel before it gets to the forwarder:
 * the guest sees the client's own address, and nobody carries the bytes. Rules and forwarder say the same, so that neither is
 * needed for the other to work.
 *
 * The table is `inet drover-PROJECT.ports`: no project's name has a dot.
 */
#pragma once

#include "network/lab.h"
#include "network/ports/forward.h"
#include "network/table.h"

/** dnat_chains() - Its chains, or NULL where no port (struct forward) can be led so. Pure; a new string */
char *dnat_chains(const struct lab *lab, const GArray *forwards);

/** dnat_table() - Its name. A new string */
char *dnat_table(const char *project);

/** dnat_compare() - Is it so? @listing: of struct firewall_found. FIREWALL_SAME also where none is wanted and none is there */
enum firewall_state dnat_compare(const struct lab *lab, const GArray *forwards, const char *listing);

/** dnat_ensure() - Load or remove it; @host_state: see forwarding.h */
gboolean dnat_ensure(struct home *home, const struct lab *lab, const GArray *forwards, const char *host_state, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
