/* world.h - what was found on this host: kernel, QEMU, dnsmasq, files. Only observe.c writes it */
#pragma once

#include "network/dnsmasq.h"
#include "network/firewall.h"
#include "network/ports/forwarder.h"
#include "network/uplink/uplink.h"
#include "network/home.h"
#include "network/link.h"
#include "runtime/storage/disk.h"
#include "runtime/storage/file_use.h"
#include "runtime/vm/actual.h"
#include "runtime/vm/qemu_argv.h"
#include "runtime/state.h"

enum vm_status {
        VM_ABSENT,      /* nothing of it is here, or only kept disks */
        VM_STOPPED,     /* it was shut down, by us or by its guest */
        VM_CRASHED,     /* its QEMU was killed or died: the pid file is left */
        VM_STARTING,    /* QEMU waits for `cont`: a start that was cut short */
        VM_RUNNING,
        VM_PAUSED,
        VM_PANICKED,    /* the guest's kernel gave up */
        VM_UNREACHABLE, /* QEMU lives and does not answer: `detail` says why */
};

struct vm_world {
        char *name;
        struct spec *spec;      /* NULL: never been up; the error below: unreadable */
        enum vm_status status;
        pid_t pid;              /* 0: not alive, or unknown */
        char *detail;           /* QEMU's own word for its state, or why it is unreachable; or NULL */
        GError *error;          /* its spec.json cannot be read; spoils nobody else's line */
        gboolean ending;        /* alive, but it was told to end: vm_is_ending() */
        gboolean in_file;       /* the project file has it */
        gboolean throwaway;     /* it has not, since `drover run` made it */
        gboolean awaited;       /* that drover lives */
        struct actual *actual;  /* what its QEMU has; NULL: nobody asked, or it gave no answer */
        GHashTable *mtus;       /* device id -> GUINT: host_mtu of its NICs as it runs; NULL: nobody asked */
        guint64 root_written;   /* mtime of an existing root disk, seconds since the epoch; 0: none */
};

/** struct qemu_info - The QEMU of this host */
struct qemu_info {
        char *path;
        char *q35, *pc;          /* versioned names behind the aliases */
        char **machines;         /* all names, aliases too, NULL-terminated */
        GHashTable *max_cpus;    /* name of a machine -> GUINT: how many vCPUs it may have */
        guint major;             /* of QEMU's version; 0: not known */
        gboolean kvm;            /* `auto` means KVM here */
        char *no_kvm_reason;     /* why not, or NULL */
        char *kvm_fault;         /* why KVM cannot be used at all, whatever was asked for; or NULL */
        char *kvm_hint;          /* what to do about that, or NULL */
        char *answer;            /* what QEMU just said of itself, not yet in the cache; or NULL */
};

/** struct probed_image - An image that was looked at */
struct probed_image {
        struct image_info info;
        GError *error; /* why it cannot be used, or NULL */
};

/** struct probed_key - The file with the key of an encrypted disk */
struct probed_key {
        GError *error;    /* why it cannot be used, or NULL */
        gboolean exposed; /* everybody on this host may read it */
};

/** struct taken_port - A port of the file that somebody else has */
struct taken_port {
        struct forward forward;
        char *holder; /* who, or NULL */
};

struct world {
        struct paths *paths;
        struct state *state;
        enum isolation isolation;         /* of what was looked at: the file's, or that of what still runs */
        struct home *home;                /* NULL: there is no namespace yet */
        gboolean stray_name;              /* home_has_stray_name() */
        gboolean has_run_directory;       /* also that of a start which was killed before it had recorded anything */
        gboolean has_data;                /* likewise */
        struct netlink *netlink;          /* NULL likewise */
        struct links *links;              /* NULL likewise */
        GPtrArray *vms;                   /* struct vm_world, those of the file in its order, then others by name */
        GHashTable *vms_by_name;
        struct vm_questions *vm_questions; /* observe_answers() has not been called yet; NULL: it has, or nothing was asked */
        struct dnsmasq_state dnsmasq;
        struct firewall_look *firewall_look; /* what has been asked for it, and not been heard yet; or NULL */
        struct firewall_found nft;        /* empty where nobody looked */
        enum firewall_state firewall;
        struct forwarder_state forwarder;
        gboolean ports_asked;             /* isolation: host, as root: the table of published ports was looked for */
        struct uplink_state uplink;       /* isolation: private; its links are the host's */
        GArray *taken_ports;              /* struct taken_port; NULL: nobody looked, or nothing is published */
        guint first_open_port;            /* below it, ports are root's and we are not; 0: as root, or nobody looked */
        gboolean ipv6;                    /* this host has IPv6 */
        gboolean supervised;              /* the supervisor lives */
        GArray *leases;                   /* struct lease */
        GArray *leases6;                  /* struct lease6; both NULL: nobody looked */
        struct qemu_info *qemu;           /* NULL where no QEMU is installed */
        const char *uefi_code, *uefi_vars; /* firmware files, or NULL where none is installed */
        char *virtiofsd;                  /* the program, or NULL where none is installed */
        guint64 memory_total, memory_available; /* bytes, of the host */
        guint64 disk_free;                /* bytes, where the data directory lies */
        GHashTable *files;                /* path -> struct disk_head: the disk files of this project that exist */
        GHashTable *fetched;              /* image_source_key() -> path in the cache, of the images that are there */
        GHashTable *expected;             /* the same of those that are known by checksum and not there: where they would be */
        GHashTable *images;               /* path -> struct probed_image; NULL: nobody asked */
        GHashTable *plain_files;          /* path -> GINT: errno, or 0: kernels, initrds, cdroms; NULL: nobody asked */
        GHashTable *keys;                 /* path -> struct probed_key: of encrypted disks; NULL: nobody asked */
        GHashTable *stamps;               /* path -> file_stamp(): passwords of displays; NULL: nobody asked */
        GHashTable *uses;                 /* path -> struct file_use: what somebody has open; NULL: nobody asked */
};

/** qemu_max_cpus() - How many vCPUs a machine may have; 0: not known */
guint qemu_max_cpus(const struct qemu_info *qemu, const char *machine);

const struct vm_world *world_vm(const struct world *world, const char *name);

/** world_image() - What is known of an image or a disk that is used in place; NULL: nothing */
const struct probed_image *world_image(const struct world *world, const char *path);

/** world_key() - What is known of the file with a key; NULL: nothing */
const struct probed_key *world_key(const struct world *world, const char *path);

/** world_image_path() - The file that a VM's root disk would be made on: NULL where it has no image, or one to be fetched */
const char *world_image_path(const struct world *world, const struct project *project, const struct vm *vm);

/** world_image_expected() - The file that it would be fetched to, where it is known and not there; else NULL */
const char *world_image_expected(const struct world *world, const struct project *project, const struct vm *vm);

/** world_password_stamp() - file_stamp() of the password of a VM's display; NULL: it has none, or nobody looked */
const char *world_password_stamp(const struct world *world, const struct vm *vm);

void world_free(struct world *world);

/** vm_is_alive() - Has it a QEMU? */
gboolean vm_is_alive(const struct vm_world *vm);

/** vm_started() - When its QEMU was started, in seconds since the epoch: the kernel is asked. 0: it has none, or unknown */
gint64 vm_started(const struct vm_world *vm);

/** vm_nic_is_on() - Was this NIC put on that network when the VM was last started? The file's wish may wait for a restart */
gboolean vm_nic_is_on(const struct vm_world *vm, const struct nic *nic, const char *network);

/** vm_status_name() - "running", "stopped" ... */
const char *vm_status_name(enum vm_status status);
