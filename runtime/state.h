/* state.h - what must be remembered, since neither the file, nor the kernel, nor QEMU can tell
 *
 * state.json holds what concerns the project, vms/VM/spec.json what concerns one VM, so that many VMs can be started at once
 * without waiting for each other. Each carries "schema": a newer one is refused, an older one migrated. Both are
 * written as a whole or not at all.
 */
#pragma once

#include "base/json.h"
#include "parser/project.h"
#include "runtime/storage/image.h"
#include "runtime/paths.h"
#include "runtime/vm/qemu_argv.h"

enum { STATE_SCHEMA = 1 };

#define SPEC_FILE "spec.json"       /* in a VM's data directory */
#define PROJECT_FILE "project.json" /* in the project's: see state_put_project() */

/** struct kept_network - What was chosen for a network once */
struct kept_network {
        char *name;
        char *bridge;         /* interface name */
        char **uplinks;       /* interfaces of the host that have joined it, now or before; or NULL */
        struct cidr4 subnet;  /* prefix 0: it has none */
        gboolean external;
        json_t *wish;         /* keys_encode() of it as it was last applied, with what was chosen; NULL: by an older drover */
};

/** struct state - state.json */
struct state {
        gboolean exists;          /* FALSE: this project has never been up */
        char *directory;          /* that it belongs to */
        enum isolation isolation; /* that its networks were made with */
        GPtrArray *networks;      /* struct kept_network */
};

/** struct kept_disk - A disk file of a VM */
struct kept_disk {
        char *name;
        guint generation;           /* in the file's name */
        char *format;
        char *backing_path;         /* the image below it, or NULL */
        struct image_info backing;  /* as that image was when the overlay was made */
};

/** struct spec - spec.json: a VM as last applied, and the identity that it keeps */
struct spec {
        char *name;
        gboolean present;    /* up made it, and neither down nor rm took it away */
        gboolean stopped;    /* the user stopped it: up of others leaves it so */
        gboolean paused;     /* the user paused it */
        char uuid[37];
        char *machine;       /* versioned */
        gboolean kvm;        /* what it was last started with */
        json_t *wish;        /* keys_encode() of the VM with defaults, as it was last started; NULL: never */
        json_t *set;         /* the same without defaults: what the file said itself */
        json_t *seeded;      /* what cloud-init was told when the root disk was made; NULL: the VM has no own one */
        GHashTable *ports;   /* device id -> GUINT_TO_POINTER(port) */
        GHashTable *macs;    /* NIC name -> MAC as text */
        GPtrArray *disks;    /* struct kept_disk */
        char *password_stamp; /* file_stamp() of the password that its display was given; NULL: it has none */
        char *started_as;    /* the name that its taps have: it was renamed since its QEMU was started; NULL: its own */
        GPtrArray *refused;  /* char *: ids of devices that its guest was asked to let go of, and did not */
        GPtrArray *plugged;  /* char *: ids of NICs that it was not started with: QEMU's arguments do not tell of them */
};

/** state_load() - Read state.json; an empty one with exists = FALSE where there is none. Fails when newer or corrupt */
struct state *state_load(const struct paths *paths, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean state_save(const struct paths *paths, const struct state *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** state_put() - The same, to be followed by state_settle() */
gboolean state_put(const struct paths *paths, const struct state *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * state_put_project() - Keep the project as it is applied: a project file of its own, without variables, with absolute paths
 *
 * What starts a VM again on its own (the supervisor) starts it from this: the user's file may be half edited then, or gone.
 */
gboolean state_put_project(const struct paths *paths, const struct project *project, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void state_free(struct state *state);
typedef struct state state_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(state_t, state_free)

const struct kept_network *state_network(const struct state *state, const char *name);
/** state_keep_network() - Remember what was chosen; replaces what was kept under that name */
void state_keep_network(struct state *state, const struct network *network);
void state_forget_network(struct state *state, const char *name);

/** state_check_schema() - Refuse what a newer drover wrote (DROVER_ERROR_UNSUPPORTED) and what has no number */
gboolean state_check_schema(const json_t *object, const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** spec_new() - The identity of a VM that has none yet: UUID derived, nothing kept */
struct spec *spec_new(const char *project, const char *vm);
struct spec *spec_copy(const struct spec *spec);
/** spec_load() - Read vms/VM/spec.json. NULL with DROVER_ERROR_NOT_FOUND where there is none */
struct spec *spec_load(const struct paths *paths, const char *vm, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean spec_save(const struct paths *paths, const struct spec *spec, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** spec_put() - The same, to be followed by state_settle() */
gboolean spec_put(const struct paths *paths, const struct spec *spec, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * state_settle() - Make what was put of the project and of @vm outlast a power cut
 *
 * Until then either may be as it was before it was put. That does no harm as long as the guest has not run: there is nothing on
 * its new disks, and the next `up` decides anew. So it comes before a guest's first instruction, and may come late: while
 * QEMU starts it costs no time. A kill needs none of it.
 */
gboolean state_settle(const struct paths *paths, const char *vm, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void spec_free(struct spec *spec);
typedef struct spec spec_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(spec_t, spec_free)

/** spec_tap_owner() - The name of the VM that its taps are named after; @spec may be NULL */
const char *spec_tap_owner(const struct spec *spec, const char *vm);

/** spec_nic_mac() - The MAC that a NIC was last started with; FALSE where none is known */
gboolean spec_nic_mac(const struct spec *spec, const char *nic, struct ether_addr *ret_mac);

/** spec_disk() - What is kept of a disk, or NULL */
struct kept_disk *spec_disk(const struct spec *spec, const char *name);
/** spec_keep_disk() - Keep a new disk, generation 0. Returns it; it belongs to @spec */
struct kept_disk *spec_keep_disk(struct spec *spec, const char *name, const char *format);
/**
 * spec_port() - The port of a device, the lowest free one for a new device; -1 when all QEMU_MAX_PORTS are taken
 *
 * Ids with the same word before a colon have a numbering of their own: see qemu_disk_place_id().
 */
int spec_port(struct spec *spec, const char *id);

/** spec_is_port() - Is what is kept under an id a port, rather than a place of another numbering? */
gboolean spec_is_port(const char *id);
/** spec_refuse() - Remember that the guest did not let go of a device */
void spec_refuse(struct spec *spec, const char *id);
/** spec_plug() - Remember that a NIC is not in QEMU's arguments, or another is */
void spec_plug(struct spec *spec, const char *id);
/** spec_forget_device() - It is gone: its port is free, and nothing is refused */
void spec_forget_device(struct spec *spec, const char *id);
/** spec_keep_ports() - Forget the ports of all devices but these */
void spec_keep_ports(struct spec *spec, GPtrArray *ids);
