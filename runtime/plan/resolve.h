/* resolve.h - decide all that the project file leaves open: subnets, bridge names, MACs, ports, machine versions, disk files
 *
 * Pure: what was kept is taken, what is new is chosen from the project and the world. The result is what plan compares,
 * network/ builds and QEMU is started with.
 */
#pragma once

#include "network/lab.h"
#include "runtime/plan/fault.h"
#include "runtime/vm/qemu_argv.h"
#include "runtime/world.h"

/** struct taken - A file that a VM is to have while another one of the project has it */
struct taken {
        const struct file_use *use;
        const char *disk;   /* the name of the disk that it is to be */
        struct place place; /* where the file says so */
};

/** struct resolved_vm - One VM of the file */
struct resolved_vm {
        const struct vm *vm;
        struct spec *spec;    /* as it will be saved before the next start; wish and set: see resolve_wish() */
        guint first_host;     /* of lab.hosts: of its NICs, which follow each other */
        struct launch launch; /* points into this and into the project */
        const char *image;    /* the file that a new root disk would lie on; NULL: none, or it has to be fetched first */
        const char *expected; /* the file that it would be fetched to, where it is not there but that is known; else NULL */
        gboolean new_root;    /* its root disk is its own, and to be made */
        gboolean fetch;       /* the root disk is to be made, on an image that is not here yet */
        GPtrArray *faults;    /* struct fault *: why it cannot be started here (image missing, machine unknown ...); or NULL */
        GArray *taken;        /* struct taken: plan_handovers() says whether it is free in time; or NULL */
};

/** struct published - One port of the host that leads into a VM of the file */
struct published {
        struct forward forward; /* inside: address 0 where none is known */
        guint vm;
        const struct port *port;
};

struct resolved {
        struct lab lab;
        GArray *published; /* struct published */
        struct resolved_vm *vms; /* one for each of project.vms, in that order */
        guint vm_count;
        GPtrArray *faults; /* struct fault *: why networks cannot be made (no free subnet, a clash with a route); or NULL */
        struct resolved_store *store;
};

/** resolve() - Never fails: what cannot be stands as a fault beside the networks or the VM, and only plans that need it fail */
struct resolved *resolve(const struct project *project, const struct world *world);

/** resolve_in_use() - Add what world.uses says, for which somebody had to know the files of all VMs first */
void resolve_in_use(struct resolved *resolved, const struct world *world);

/**
 * resolve_wish() - Put what the file wants into the VM's spec, as it is compared and saved
 *
 * And, where its root disk is new, remember what cloud-init is told for it.
 *
 * resolve() has done that for VMs that were started before. For the others only their start needs it, and a plan of ten
 * thousand of them does without.
 */
void resolve_wish(struct resolved_vm *vm);

/** resolve_ports() - Forget the ports of devices that the file has no longer: for a VM that is started, or started anew */
void resolve_ports(struct resolved_vm *vm);

/**
 * resolve_fresh() - Give a VM new disks of its own: the next generation of each, on the image that the file names now
 *
 * Named disks and disks used in place stay.
 */
void resolve_fresh(struct resolved *resolved, guint vm, const struct world *world);

void resolved_free(struct resolved *resolved);
typedef struct resolved resolved_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(resolved_t, resolved_free)
