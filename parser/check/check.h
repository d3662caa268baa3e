/* check.h - what can be known to be wrong from the project alone, and the defaults that need the whole of it; private to
 * parser/
 *
 * The order is: resolve_project(), project_index() inside it, then check_project(). Everything is linear in the size of the
 * project: hash tables, never loops over VMs within loops over VMs. A value that did not decode has its default; checks look
 * with project_is_set() before they complain about one that seems to be missing.
 */
#pragma once

#include "parser/store.h"

struct key_table;

struct check {
        struct project *project;
        struct project_store *store;
        struct diagnostics *diagnostics;
        gboolean no_files; /* do not look at the file system */
        const char *const *catalogues; /* see load.h */
};

/** resolve_project() - Fill in names, implicit objects and references; unknown references are diagnostics */
void resolve_project(struct check *check);

/** check_project() - All checks, in the order of their parts below */
void check_project(struct check *check);

void check_networks(const struct check *check);  /* mode, bridge, uplink, overlaps, reach, vxlan, network boot */
void check_addresses(const struct check *check); /* fills in host_ip, gateway, dhcp.range; then subnets, IPs, MACs, ranges */
void check_nics(const struct check *check);      /* ip6, mtu, vlan, impair */
void check_vms(const struct check *check);       /* disks, boot, memory, files */
void check_guests(const struct check *check);    /* vCPUs, huge pages, display, devices, health */
void check_ports(const struct check *check);     /* lengths of ranges; who has which port of the host */
void check_order(const struct check *check);     /* cycles of depends_on */

/** resolve_fetch() - Whether an image is fetched, and from where; resolve_image(): which one the name in a VM stands for */
void resolve_fetch(struct check *check, struct image *image);
void resolve_image(struct check *check, struct vm *vm);

/** check_image_sources() - Where an image is, and how it is checked: one of each; returns FALSE after a fault
 *  @place: of its name */
gboolean check_image_sources(const struct check *check, const struct image *image, struct place place);

/** check_fault() - An error at a place; returns FALSE */
gboolean check_fault(const struct check *check, const char *id, struct place place, const char *hint, const char *format, ...)
        G_GNUC_PRINTF(5, 6);

/** check_unknown() - A reference to something that is not there, with the nearest of @names (a table whose keys are names) */
void check_unknown(const struct check *check, const char *id, struct place place, const char *subject, const char *kind,
                   const char *name, GHashTable *names);

/** check_key_place() - Where the key of the @index-th object of a map was written, or the object's own place */
struct place check_key_place(const struct check *check, const char *map, guint index);

/**
 * check_is_merged() - Do two keys come from different files or VMs, so that one was not there when the other was written?
 * @node, @over: the objects that have them, or one for both
 */
gboolean check_is_merged(const struct node *node, const char *key, const struct node *over, const char *other);

/** check_has_unknown() - Has it a key that is none, which was told: what seems to be missing may be meant by it */
gboolean check_has_unknown(const struct node *node, const struct key_table *table);

/** check_dependency_place() - Where the name of another VM was written: the item of the list, or the key of the map */
struct place check_dependency_place(const struct vm *vm, const struct dependency *dependency);

/** check_subnet_last() - The last address of a subnet, which is the broadcast address */
guint32 check_subnet_last(const struct cidr4 *subnet);
