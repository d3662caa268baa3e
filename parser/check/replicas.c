/* replicas.c - which VMs of the file are wished now: profiles choose among them, replicas multiply them
 *
 * The VMs as declared stay as they are: `config` prints them. What is wished is one array in the same order, in which the
 * replicas of a VM stand side by side, so that a dependency on it is a range. A replica is a copy of the struct, and of those
 * of its arrays in which something counts on from the first: a thousand replicas cost a thousand structs.
 */
#include "parser/check/replicas.h"

#include <string.h>

enum { NAME_MAX_BYTES = 40, HOSTNAME_MAX_BYTES = 63 };

#define MAC_LIMIT (G_GUINT64_CONSTANT(1) << 48)

struct expansion {
        struct check *check;
        struct project *project;
        GHashTable *copied; /* name of a declared disk -> the declared VM whose replicas have copies of it */
        GHashTable *used;   /* names of declared disks that others use as they are */
        GArray *disks;      /* struct disk: the copies */
};

/* ---- which VMs are asked for ---- */

static void
add_profiles(GHashTable *profiles, const char *const *names)
{
        for (; names && *names; names++)
                g_hash_table_add(profiles, (gpointer)*names);
}

/* Those that are asked for, and those of VMs that are named. New table of names that belong to others */
static GHashTable *
find_profiles(const struct project *project, const struct load_options *options)
{
        GHashTable *profiles = g_hash_table_new(g_str_hash, g_str_equal);

        add_profiles(profiles, options->profiles);
        for (const char *const *name = options->vm_names; name && *name; name++) {
                const struct vm *vm = project_find_declared(project, *name);

                if (vm)
                        add_profiles(profiles, vm->profiles);
        }
        return profiles;
}

static gboolean
is_dormant(const struct vm *vm, GHashTable *profiles)
{
        if (!vm->profiles[0] || g_hash_table_contains(profiles, "*"))
                return FALSE;
        for (const char *const *profile = vm->profiles; *profile; profile++)
                if (g_hash_table_contains(profiles, *profile))
                        return FALSE;
        return TRUE;
}

static void
apply_scales(const struct project *project, const struct load_options *options)
{
        for (const char *const *text = options->scale; text && *text; text++) {
                g_autofree char *name = NULL;
                guint count = 0;
                struct vm *vm =
                        replicas_parse_scale(*text, &name, &count) ? g_hash_table_lookup(project->store->declared, name) : NULL;

                if (vm && vm->has_replicas)
                        vm->wished_count = count;
        }
}

/* Sets first and count of each declared VM; returns how many there are in all. */
static guint64
count_vms(struct expansion *expansion, const struct load_options *options)
{
        struct project *project = expansion->project;
        g_autoptr(GHashTable) profiles = find_profiles(project, options);
        guint64 total = 0;

        for (guint i = 0; i < project->declared_vm_count; i++) {
                struct vm *vm = &project->declared_vms[i];

                vm->wished_count = vm->has_replicas ? vm->replicas : 1;
                vm->dormant = is_dormant(vm, profiles);
        }
        apply_scales(project, options);
        for (guint i = 0; i < project->declared_vm_count; i++) {
                struct vm *vm = &project->declared_vms[i];

                if (vm->dormant)
                        vm->wished_count = 0;
                if (total + vm->wished_count > REPLICAS_MAX_VMS) {
                        check_fault(expansion->check, "replicas-too-many", project_place(vm->node, "replicas"), NULL,
                                    "replicas of vm '%s': a project has at most %d VMs, all replicas counted", vm->name,
                                    REPLICAS_MAX_VMS);
                        vm->wished_count = 0;
                }
                vm->wished_first = (guint)total;
                total += vm->wished_count;
        }
        return total;
}

/* ---- one replica ---- */

static const char *
numbered(struct expansion *expansion, const struct vm *declared, guint number, const char *what, const char *name, size_t limit)
{
        const char *text = store_format(expansion->check->store, "%s-%u", name, number);

        if (strlen(text) > limit)
                check_fault(expansion->check, "replica-name-long", project_place(declared->node, NULL), "take a shorter name",
                            "%s of vm '%s': '%s' is longer than %zu characters", what, declared->name, text, limit);
        return text;
}

static void
count_on_mac(struct expansion *expansion, const struct vm *vm, struct nic *nic, guint offset)
{
        guint64 number = offset;

        for (int i = 0; i < ETH_ALEN; i++)
                number += (guint64)nic->mac.ether_addr_octet[i] << (8 * (ETH_ALEN - 1 - i));
        for (int i = 0; i < ETH_ALEN; i++)
                nic->mac.ether_addr_octet[i] = (guint8)(number >> (8 * (ETH_ALEN - 1 - i)));
        if (number >= MAC_LIMIT || nic->mac.ether_addr_octet[0] & 1)
                check_fault(expansion->check, "replica-mac", project_place(nic->node, "mac"), "begin with a lower one",
                            "mac of nic '%s' of vm '%s': counting on from the first leaves none for it", nic->name, vm->name);
}

static void
count_on_ip6(struct in6_addr *address, guint offset)
{
        guint64 carry = offset;

        for (int i = 15; i >= 0 && carry; i--, carry >>= 8) {
                carry += address->s6_addr[i];
                address->s6_addr[i] = (guint8)carry;
        }
}

static void
number_nics(struct expansion *expansion, struct vm *vm, guint offset)
{
        struct nic *nics = store_alloc(expansion->check->store, (vm->nic_count + 1) * sizeof *nics);

        if (vm->nic_count)
                memcpy(nics, vm->nics, vm->nic_count * sizeof *nics);
        for (guint i = 0; i < vm->nic_count; i++) {
                if (nics[i].ip) /* beyond the last address is outside of every subnet too */
                        nics[i].ip = (guint32)MIN((guint64)nics[i].ip + offset, G_MAXUINT32);
                if (nics[i].has_mac)
                        count_on_mac(expansion, vm, &nics[i], offset);
                if (!IN6_IS_ADDR_UNSPECIFIED(&nics[i].ip6))
                        count_on_ip6(&nics[i].ip6, offset);
        }
        vm->nics = nics;
}

/* 8080-8082:80 is 8080:80 for the first of three. */
static void
number_ports(struct expansion *expansion, const struct vm *declared, struct vm *vm, guint offset)
{
        struct port *ports = store_alloc(expansion->check->store, (vm->port_count + 1) * sizeof *ports);

        for (guint i = 0; i < vm->port_count; i++) {
                struct port_range *published = &ports[i].published;
                guint length, each;

                ports[i] = declared->ports[i];
                if (!published->first || !ports[i].target.first)
                        continue; /* any port of the host will do, or a fault by itself */
                length = published->last - published->first + 1;
                each = ports[i].target.last - ports[i].target.first + 1;
                if (length < declared->wished_count * each) {
                        check_fault(expansion->check, "replica-ports", declared->ports[i].node->place,
                                    "write a range of the host's ports: \"8080-8082:80\"",
                                    "ports of vm '%s': %u replicas need %u ports of the host, and here %s %u", declared->name,
                                    declared->wished_count, declared->wished_count * each, length == 1 ? "is" : "are", length);
                        *published = (struct port_range){0, 0};
                        continue;
                }
                published->first += offset * each;
                published->last = published->first + each - 1;
        }
        vm->ports = ports;
}

static void
number_disks(struct expansion *expansion, const struct vm *declared, struct vm *vm, guint number)
{
        struct disk *disks = store_alloc(expansion->check->store, (vm->disk_count + 1) * sizeof *disks);

        for (guint i = 0; i < vm->disk_count; i++) {
                const struct disk *named;

                disks[i] = declared->disks[i];
                named = disks[i].named && !disks[i].shared ? project_find_disk(expansion->project, disks[i].named) : NULL;
                if (!named)
                        continue;
                disks[i].named = store_format(expansion->check->store, "%s-%u", named->name, number);
                if (!g_hash_table_contains(expansion->copied, named->name) ||
                    g_hash_table_lookup(expansion->copied, named->name) == declared) {
                        struct disk copy = *named;

                        copy.name = disks[i].named;
                        g_array_append_val(expansion->disks, copy);
                }
        }
        vm->disks = disks;
}

/* Whose replicas have the copies of each named disk; of two VMs the first, and the second is told by the check of disks. */
static void
note_disks(struct expansion *expansion, const struct vm *declared)
{
        for (guint i = 0; i < declared->disk_count; i++) {
                const struct disk *disk = &declared->disks[i];

                if (!disk->named)
                        continue;
                if (!declared->has_replicas || disk->shared)
                        g_hash_table_add(expansion->used, (gpointer)disk->named);
                else if (!declared->dormant && !g_hash_table_contains(expansion->copied, disk->named))
                        g_hash_table_insert(expansion->copied, (gpointer)disk->named, (gpointer)declared);
        }
}

static void
make_replica(struct expansion *expansion, const struct vm *declared, guint number, struct vm *vm)
{
        const struct vm *other;

        *vm = *declared;
        vm->group = declared->name;
        vm->has_replicas = FALSE; /* it is one of them */
        vm->name = numbered(expansion, declared, number, "replicas", declared->name, NAME_MAX_BYTES);
        vm->hostname = numbered(expansion, declared, number, "hostname", declared->hostname, HOSTNAME_MAX_BYTES);
        number_nics(expansion, vm, number - 1);
        number_ports(expansion, declared, vm, number - 1);
        number_disks(expansion, declared, vm, number);
        other = g_hash_table_lookup(expansion->project->store->declared, vm->name);
        if (other)
                check_fault(expansion->check, "replica-clash", project_place(declared->node, "replicas"),
                            "rename one of the two", "replicas of vm '%s': another vm is called '%s', in line %u",
                            declared->name, vm->name, project_place(other->node, NULL).line);
}

/* ---- all of them ---- */

static void
expand_vms(struct expansion *expansion, guint64 total)
{
        struct project *project = expansion->project;

        project->vms = store_alloc(expansion->check->store, (total + 1) * sizeof *project->vms);
        for (guint i = 0; i < project->declared_vm_count; i++)
                note_disks(expansion, &project->declared_vms[i]);
        for (guint i = 0; i < project->declared_vm_count; i++) {
                const struct vm *declared = &project->declared_vms[i];

                for (guint n = 0; n < declared->wished_count; n++) {
                        struct vm *vm = &project->vms[project->vm_count++];

                        if (declared->has_replicas)
                                make_replica(expansion, declared, n + 1, vm);
                        else
                                *vm = *declared;
                }
        }
}

/* Declared disks but for those that replicas alone have, then the copies. */
static void
expand_disks(struct expansion *expansion)
{
        struct project *project = expansion->project;
        GArray *copies = expansion->disks;

        project->disks =
                store_alloc(expansion->check->store, (project->declared_disk_count + copies->len + 1) * sizeof *project->disks);
        for (guint i = 0; i < project->declared_disk_count; i++) {
                const struct disk *disk = &project->declared_disks[i];

                if (!g_hash_table_contains(expansion->copied, disk->name) || g_hash_table_contains(expansion->used, disk->name))
                        project->disks[project->disk_count++] = *disk;
        }
        for (guint i = 0; i < copies->len; i++) {
                struct disk *copy = &project->disks[project->disk_count++];
                const struct disk *other;

                *copy = g_array_index(copies, struct disk, i);
                other = project_find_disk(project, copy->name);
                if (other)
                        check_fault(expansion->check, "replica-disk-clash", project_place(other->node, NULL),
                                    "rename one of the two", "disk '%s': a replica has a disk of this name", other->name);
        }
}

static void
settle_dependencies(struct check *check, const struct vm *vm)
{
        const struct project *project = check->project;

        for (guint i = 0; i < vm->dependency_count; i++) {
                struct dependency *dependency = &vm->dependencies[i];
                const struct vm *other = dependency->index == G_MAXUINT ? NULL : &project->declared_vms[dependency->index];
                g_autofree char *hint = NULL;

                dependency->first = other ? other->wished_first : 0;
                dependency->count = other ? other->wished_count : 0;
                if (!other || !other->dormant || vm->dormant || !dependency->required)
                        continue;
                hint = g_strdup_printf("ask for it with '--profile %s', or give vm '%s' the same profiles", other->profiles[0],
                                       vm->name);
                check_fault(check, "depends-dormant", check_dependency_place(vm, dependency), hint,
                            "depends_on of vm '%s': vm '%s' is not started, since none of its profiles is asked for", vm->name,
                            other->name);
        }
}

void
replicas_expand(struct check *check, const struct load_options *options)
{
        struct project *project = check->project;
        g_autoptr(GHashTable) copied = g_hash_table_new(g_str_hash, g_str_equal),
                              used = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GArray) disks = g_array_new(FALSE, FALSE, sizeof(struct disk));
        struct expansion expansion = {check, project, copied, used, disks};
        gboolean plain = TRUE;
        guint64 total = count_vms(&expansion, options);

        for (guint i = 0; i < project->declared_vm_count && plain; i++)
                plain = !project->declared_vms[i].has_replicas && !project->declared_vms[i].dormant;
        if (plain) {
                project->vms = project->declared_vms;
                project->vm_count = project->declared_vm_count;
                project->disks = project->declared_disks;
                project->disk_count = project->declared_disk_count;
        } else {
                expand_vms(&expansion, total);
                expand_disks(&expansion);
        }
        for (guint i = 0; i < project->declared_vm_count; i++)
                settle_dependencies(check, &project->declared_vms[i]);
        project_index_wished(project);
}
