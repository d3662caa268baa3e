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

/** resolve_uplink() - Addresses for the way out of a private namespace, and where its DNS is; after the networks */
void resolve_uplink(struct resolved *resolved, const struct world *world);

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
