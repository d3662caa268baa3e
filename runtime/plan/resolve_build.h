/* resolve_build.h - shared by the parts of resolve*.c, and by nobody else */
#pragma once

#include "runtime/plan/resolve.h"

struct resolved_store {
        const struct project *project;
        GStringChunk *strings;
        struct network *networks;
        GArray *hosts;    /* struct lab_host */
        GPtrArray *lists; /* of names, NULL-terminated; struct disk of seeds */
};

/** resolve_keep() - A copy that lives as long as @resolved */
const char *resolve_keep(struct resolved *resolved, const char *text);

/** resolve_networks() - The networks alone (resolve_network.c): subnets, addresses and bridges that the file leaves open */
void resolve_networks(struct resolved *resolved, const struct world *world);

/** resolve_left_networks() - Fill @networks with those that VMs hang on and the file no longer has (resolve_left.c). How many:
 * not more than world.state has */
guint resolve_left_networks(struct resolved *resolved, const struct world *world, struct network *networks);

/** resolve_uplink() - Addresses for the way out of a private namespace, and where its DNS is; after the networks */
void resolve_uplink(struct resolved *resolved, const struct world *world);

/** resolve_running() - NICs of VMs that run, which the file no longer has (resolve_running.c); after all that it has */
void resolve_running(struct resolved *resolved, const struct world *world);

/** resolve_leases() - What guests have from before, next to what they are to have: the last of all (resolve_running.c) */
void resolve_leases(struct resolved *resolved, const struct world *world);

/** resolve_leased() - The address that dnsmasq has leased to host @number, where it may keep it, or 0 (resolve_published.c) */
guint32 resolve_leased(const struct resolved *resolved, const struct world *world, guint number);

/** resolve_address() - The address of host @number, a NIC of @vm: reserved, leased, or chosen now; 0: none that we know */
guint32 resolve_address(struct resolved *resolved, const struct world *world, const char *vm, guint number);

/** resolve_published() - Where published ports lead (resolve_published.c); reserves addresses for VMs that have some */
void resolve_published(struct resolved *resolved, const struct world *world);

/** resolve_disks() - The VM's disks (resolve_disk.c); @fresh: its own are made anew */
void resolve_disks(struct resolved *resolved, struct resolved_vm *vm, const struct world *world, gboolean fresh);

/** resolve_uses() - Which of its files are in use by somebody else (resolve_disk.c) */
void resolve_uses(struct resolved_vm *vm, const struct world *world);

/** resolve_port() - The port of a device, kept or new */
guint resolve_port(struct resolved_vm *vm, const char *id, const struct node *node);

/** resolve_missing() - A file that the VM needs is not there (@number: errno): in the words of the parser's check */
void resolve_missing(struct resolved_vm *vm, const char *subject, const char *path, struct place place, int number);
