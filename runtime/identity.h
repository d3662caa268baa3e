/* identity.h - UUIDs and MACs, derived from names once and then kept */
#pragma once

#include <glib.h>
#include <net/ethernet.h>

/**
 * identity_load() - Read what tells this host from others; before anything is given an identity that is kept
 *
 * The other two take a host whose machine-id cannot be read for one that has none. Fails only where there is one.
 */
gboolean identity_load(GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** identity_uuid() - The UUID of a VM: from this host, project and name (RFC 9562, version 8) */
void identity_uuid(const char *project, const char *vm, char ret_uuid[37]);

/**
 * identity_mac() - The MAC of a NIC: 46 bits of a hash, locally administered, unicast
 * @lan: the network reaches a real LAN: mix in the host's machine-id, so that the same lab on two hosts has no MAC twice
 */
struct ether_addr identity_mac(const char *project, const char *vm, const char *nic, gboolean lan);
