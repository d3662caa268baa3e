/* qemu_argv.h - from a VM to QEMU's argument vector, as data
 *
 * Pure: nothing is opened. QEMU gets every file as a descriptor, so that it needs no rights of its own: the vector comes with a
 * list that says what each descriptor from 3 on has to be. vm.c opens them; `config --qemu` and the golden tests print them.
 */
#pragma once

#include "parser/project.h"
#include "runtime/storage/file_use.h"

/** struct launch_disk - A disk as it will be given to QEMU */
struct launch_disk {
        const struct disk *disk;
        guint port;                 /* its place on its bus: root port (q35) or slot (pc), SCSI id, number of the drive */
        const char *path;           /* the file */
        const char *format;         /* "qcow2" or "raw" */
        const char *backing_path;   /* NULL: none */
        const char *backing_format;
        const char *key_file;       /* what opens it: LUKS; NULL: it is not encrypted */
};

/** launch_disk_access() - How QEMU will use its file */
enum file_access launch_disk_access(const struct launch_disk *disk);

struct launch_nic {
        const struct nic *nic;
        guint port;
        struct ether_addr mac;
        guint mtu;                  /* 0: not told to the guest */
        guint tap_mtu;              /* of its tap while it runs: not less than the guest was told */
};

/** struct launch - A VM with all that the project file leaves open decided */
struct launch {
        const char *project;
        const struct vm *vm;
        const char *tap_owner;     /* whose name its taps have, where that is another one than the VM's; or NULL */
        const char *uuid;
        const char *machine;       /* versioned, e.g. "pc-q35-7.2" */
        gboolean kvm;
        const struct launch_disk *disks; /* root disk first */
        guint disk_count;
        const struct launch_nic *nics;
        guint nic_count;
        guint port_count;          /* ports ever used by this VM: spare ones come behind them */
        const char *firmware_code; /* UEFI: path of the read-only part; NULL for BIOS */
        const char *firmware_vars; /* UEFI: path of this VM's variables, qcow2 */
};

enum descriptor_kind {
        DESCRIPTOR_ALIVE,      /* the liveness lock */
        DESCRIPTOR_NAMESPACE,  /* the network namespace */
        DESCRIPTOR_DATA,       /* what QEMU's user owns of the VM's data directory, O_PATH: for the pid file */
        DESCRIPTOR_RUN,        /* the VM's run directory, O_PATH: for sockets that QEMU makes itself */
        DESCRIPTOR_LISTEN,     /* a listening UNIX socket; name: its name in the run directory */
        DESCRIPTOR_TAP,        /* a tap; index: which NIC */
        DESCRIPTOR_READ,       /* name: a path, read-only */
        DESCRIPTOR_WRITE,      /* name: a path, read-write */
        DESCRIPTOR_LOG,        /* name: its name in the data directory, append */
        DESCRIPTOR_PLAIN_READ, /* name: a path that QEMU opens itself through /proc/self/fd (kernel, initrd) */
        DESCRIPTOR_KEY,        /* name: a path; a pipe with the key in it, see disk_key.h */
        DESCRIPTOR_FOLDER,     /* name: a folder that QEMU opens itself so */
        DESCRIPTOR_CREDENTIAL, /* a credential as the guest's firmware shows it; index: which */
        DESCRIPTOR_SHARE,      /* a socket that a virtiofsd serves; index: which mount */
};

struct descriptor {
        enum descriptor_kind kind;
        guint index;
        char *name; /* or NULL */
};

struct qemu_command {
        char **argv;               /* NULL-terminated */
        struct descriptor *descriptors;
        guint descriptor_count;    /* descriptors[i] is number 3 + i in QEMU */
};

/** The names of QEMU's sockets in the VM's run directory, and of its files in the data directory */
#define QEMU_SOCKET_CONTROL "control.sock"
#define QEMU_SOCKET_OBSERVE "observe.sock"
#define QEMU_SOCKET_EVENTS "events.sock"
#define QEMU_SOCKET_CONSOLE "console.sock"
#define QEMU_SOCKET_AGENT "agent.sock"
#define QEMU_SOCKET_VNC "vnc.sock"
#define QEMU_CONSOLE_LOG "console.log"
#define QEMU_CONSOLE_FROM "console.from" /* where in that log this run begins */
#define QEMU_PID_FILE "qemu.pid"

/** The name of the CD-ROM that cloud-init reads, which no disk of the file can have */
#define QEMU_SEED "_seed"

/** How many spare hot-plug ports a VM is started with, and how many there are at most (q35; pc has 24 slots instead) */
enum { QEMU_SPARE_PORTS = 8, QEMU_MAX_PORTS = 32 };

/** How many ports a USB controller with disks has; the first is left to the pointer of a display */
enum { QEMU_USB_PORTS = 15 };

/** The SCSI id of the seed, the last one that there is */
enum { QEMU_SEED_PLACE = 255 };

/** qemu_is_pcie() - Has a machine PCI Express (q35), rather than one PCI bus (pc)? */
gboolean qemu_is_pcie(const char *machine);

/** qemu_command_build() - The whole of it. Never fails; returns a new object, qemu_command_free() it */
struct qemu_command *qemu_command_build(const struct launch *launch);
void qemu_command_free(struct qemu_command *command);
typedef struct qemu_command qemu_command_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemu_command_t, qemu_command_free)

/** The ids of devices (at most 31 bytes: long names get a hash). Return new strings */
char *qemu_nic_id(const char *nic);
char *qemu_disk_id(const char *disk); /* also the name of the disk's format node, the top of its chain */

/**
 * qemu_disk_place_id() - What a disk's place is kept under: its id, for one that sits on a port, and else the same behind the
 * name of a numbering of its own and a colon. Returns a new string
 */
char *qemu_disk_place_id(const struct disk *disk);

/** qemu_disk_owner_path() - The QOM path of the part of a disk's device that has its drive. Returns a new string */
char *qemu_disk_owner_path(const struct disk *disk);

/** qemu_disk_places() - How many places there are of that kind */
guint qemu_disk_places(const struct disk *disk, const char *machine);

/** The ids of what lies below them. Return new strings */
enum disk_node {
        DISK_NODE_FILE,         /* the disk's file */
        DISK_NODE_BACKING,      /* the image below an overlay */
        DISK_NODE_BACKING_FILE, /* that image's file */
        DISK_NODE_KEY,          /* no node: the object with the key */
};
char *qemu_disk_node_id(enum disk_node kind, const char *disk);
char *qemu_netdev_id(const char *nic);
