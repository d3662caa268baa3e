/* project.h - the model: what a project file means, after all defaults; immutable once loaded
 *
 * This is all that network/ and runtime/ see of the parser, together with the table of keys (keys.h). Strings and arrays
 * belong to the project. Objects keep the node that they were written as, so that every value can say where it stands
 * (project_place()) and whether it was written at all (project_is_set()).
 */
#pragma once

#include "parser/text/diagnostics.h"

#include <net/ethernet.h>
#include <netinet/in.h>

struct node;

enum isolation {
        ISOLATION_HOST,
        ISOLATION_PRIVATE,
};

enum network_mode {
        MODE_NAT,
        MODE_ISOLATED,
        MODE_BRIDGE,
        MODE_ROUTED,
};

enum nic_model {
        NIC_VIRTIO,
        NIC_E1000,
        NIC_E1000E,
        NIC_RTL8139,
};

enum link_state {
        LINK_UP,
        LINK_DOWN,
};

enum disk_format {
        FORMAT_QCOW2,
        FORMAT_RAW,
};

/** enum image_format - What an image may be; the first two are those of enum disk_format */
enum image_format {
        IMAGE_QCOW2,
        IMAGE_RAW,
        IMAGE_VMDK,
        IMAGE_VDI,
        IMAGE_VHDX,
};

enum disk_bus {
        BUS_VIRTIO,
        BUS_SCSI,
        BUS_SATA,
        BUS_IDE,
        BUS_NVME,
        BUS_USB,
};

enum disk_cache {
        CACHE_WRITEBACK,
        CACHE_NONE,
        CACHE_WRITETHROUGH,
        CACHE_DIRECTSYNC,
        CACHE_UNSAFE,
};

enum discard {
        DISCARD_UNMAP,
        DISCARD_IGNORE,
};

enum media {
        MEDIA_DISK,
        MEDIA_CDROM,
};

enum accel {
        ACCEL_AUTO,
        ACCEL_KVM,
        ACCEL_TCG,
};

enum firmware {
        FIRMWARE_BIOS,
        FIRMWARE_UEFI,
        FIRMWARE_UEFI_SECURE, /* decoded, refused at plan until built */
};

enum display_type {
        DISPLAY_NONE,
        DISPLAY_VNC,
        DISPLAY_SPICE, /* decoded, refused at plan until built */
};

enum rtc {
        RTC_UTC,
        RTC_LOCAL,
};

enum arch {
        ARCH_X86_64,
        ARCH_AARCH64,
        ARCH_RISCV64,
        ARCH_PPC64LE,
        ARCH_S390X,
};

/** enum condition - What a VM waits for at another one */
enum condition {
        CONDITION_STARTED,
        CONDITION_HEALTHY,
        CONDITION_COMPLETED,
};

enum restart_policy {
        RESTART_NO,
        RESTART_ON_FAILURE,
        RESTART_ALWAYS,
        RESTART_UNLESS_STOPPED,
};

enum protocol {
        PROTOCOL_TCP,
        PROTOCOL_UDP,
};

enum boot_device {
        BOOT_DISK,
        BOOT_CDROM,
        BOOT_NETWORK,
        BOOT_DEVICES, /* how many there are */
};

/** struct cidr4 - An IPv4 subnet; address in host byte order, host bits zero; prefix 0 to 30 */
struct cidr4 {
        guint32 address;
        guint8 prefix;
};

/** struct range4 - First to last, both included, host byte order */
struct range4 {
        guint32 first, last;
};

/** struct cidr6 - An IPv6 subnet, host bits zero; prefix 0: none */
struct cidr6 {
        struct in6_addr address;
        guint8 prefix;
};

struct count_list {
        guint *items;
        guint count;
};

/** struct text_map - Names and values, in the order of the file */
struct text_map {
        char **names;
        char **values;
        guint count;
};

struct reservation {
        const struct node *node;
        struct ether_addr mac;
        guint32 ip;       /* host byte order */
        const char *name; /* or NULL */
};

/** struct dhcp_option - A further option that DHCP hands out */
struct dhcp_option {
        guint number;
        const char *name;          /* dnsmasq's; NULL: it has none */
        const char *const *values; /* NULL-terminated */
};

struct dhcp_boot {
        const struct node *node;
        const char *file;      /* as the guest asks for it */
        const char *tftp_root; /* absolute path; NULL: no TFTP server of ours */
};

struct dhcp {
        const struct node *node;
        gboolean enabled;
        struct range4 range; /* all zero where the subnet is auto (the runtime fills it in) or has no address left */
        guint lease_seconds;
        struct reservation *reservations;
        guint reservation_count;
        struct dhcp_option *options;
        guint option_count;
        struct dhcp_boot *boot; /* or NULL */
};

struct vxlan {
        const struct node *node;
        guint id, port;
        const char *const *remote; /* NULL-terminated addresses, IPv4 or IPv6, in their canonical spelling */
};

struct network {
        const struct node *node; /* NULL: the implicit network `default` */
        const char *name;
        enum network_mode mode;
        gboolean subnet_auto;     /* then subnet is all zero here, and so are host_ip, gateway and dhcp.range */
        struct cidr4 subnet;
        guint32 gateway;          /* what DHCP hands out; 0: none */
        guint32 host_ip;          /* the bridge's own address; 0: none */
        gboolean gateway_none, host_ip_none; /* the file says `none` */
        const char *bridge;       /* interface name: the file's, or derived by the runtime where NULL */
        gboolean external;
        guint mtu;
        const char *domain;
        struct dhcp dhcp;
        struct cidr6 subnet6;      /* the host has its first address */
        const char *const *reach;  /* NULL-terminated names of networks; never NULL */
        const char *uplink;        /* interface of the host that joins our bridge, or NULL */
        struct vxlan *vxlan;       /* or NULL */
};

/** struct image - One of those under `images` */
struct image {
        const struct node *node;
        const char *name;
        const char *url;             /* or NULL: then there is a file */
        const char *file;            /* absolute path, or NULL */
        const char *fetch_url;       /* what comes into the cache: the URL, or a file that is checked or unpacked; or NULL */
        const char *sha256, *sha512; /* digits in lower case, at most one of them; or NULL */
        const char *checksums;       /* URL of a list with its checksum, or NULL */
        gboolean has_format;         /* otherwise it is to be found out from the content */
        enum image_format format;
        gboolean has_arch;
        enum arch arch;
};

/** struct disk_limits - Per second; 0: no limit */
struct disk_limits {
        const struct node *node;
        guint iops;
        guint64 read_bytes, write_bytes;
};

enum preallocation {
        PREALLOCATION_METADATA, /* of qcow2 */
        PREALLOCATION_FALLOC,
        PREALLOCATION_FULL, /* written with zeros */
};

/** enum compression_type - Of clusters of a qcow2 file that somebody writes packed */
enum compression_type {
        COMPRESSION_ZLIB,
        COMPRESSION_ZSTD,
};

/** struct encryption - LUKS, of what is in a qcow2 file */
struct encryption {
        const struct node *node;
        const char *key_file; /* absolute path of the file that holds the key, byte for byte */
        guint iter_ms;        /* when the disk is made: how long it takes to try a key */
};

/** struct disk - A disk of a VM, or a named one of the project */
struct disk {
        const struct node *node;
        const char *name;        /* "root" for the root disk; identity, serial; unique in the VM */
        const char *named;       /* the project's disk that this refers to, or NULL */
        const char *file;        /* absolute path used in place, or NULL */
        const char *device;      /* absolute path of a block device used in place, or NULL */
        const char *url;         /* a source that QEMU reaches itself, used in place (value/disk-url.h), or NULL */
        guint64 size_bytes;      /* 0: the image's own size, or that of the file */
        enum disk_format format;
        enum media media;
        gboolean preallocated;   /* otherwise it takes room as it is written */
        enum preallocation preallocation;
        guint64 cluster_bytes;   /* of qcow2, when it is made; 0: QEMU's default */
        gboolean has_compression;      /* otherwise it is QEMU's default, zlib */
        enum compression_type compression;
        struct encryption *encryption; /* or NULL */
        gboolean read_only;
        gboolean is_root;
        gboolean shared;         /* other VMs may write to it at the same time; so it is raw */
        enum disk_bus bus;       /* of a cdrom: sata, unless the file says another */
        enum disk_cache cache;
        enum discard discard;
        struct disk_limits *limits; /* or NULL */
        const char *serial;      /* as the file has it, or NULL: the disk's name */
        gboolean format_unknown; /* `file:` without `format:`: to be found out from its content (format is raw meanwhile) */
};

/** struct vlan - Either an access port or a trunk */
struct vlan {
        const struct node *node;
        guint access;            /* 0: a trunk */
        struct count_list trunk; /* tagged */
        guint native;            /* of a trunk: the untagged one; 0: none */
};

/** struct rate - Bits per second toward the guest and from it; 0: no limit */
struct rate {
        const struct node *node;
        guint64 in_bits, out_bits;
};

struct impair {
        const struct node *node;
        guint delay_ms, jitter_ms;
        guint loss_ppm;
};

#define NETWORK_UNKNOWN G_MAXUINT

struct nic {
        const struct node *node;
        const char *name;        /* of the NIC: its key in the file */
        const char *network;     /* the network's name; always resolved */
        guint network_index;     /* of that network in project.networks; NETWORK_UNKNOWN after a fault */
        guint32 ip;              /* host byte order; 0: from the pool */
        gboolean has_mac;        /* the file gives it; else the runtime derives one */
        struct ether_addr mac;
        enum nic_model model;
        const char *const *aliases; /* NULL-terminated further DNS names; never NULL */
        struct in6_addr ip6;     /* all zero: the guest chooses */
        enum link_state link;
        guint mtu;               /* 0: the network's */
        struct vlan *vlan;       /* or NULL */
        struct rate *rate;       /* or NULL */
        struct impair *impair;   /* or NULL */
        gboolean spoof_check;
};

/** struct host_address - An address of this host */
struct host_address {
        int family; /* AF_INET, AF_INET6; 0: not written */
        union {
                guint32 v4; /* host byte order */
                struct in6_addr v6;
        };
};

/** struct endpoint - An address of this host and a port; port 0: not written */
struct endpoint {
        struct host_address address;
        guint port;
};

/** struct port_range - First to last, both included, 1 to 65535; all zero: not written */
struct port_range {
        guint first, last;
};

/** struct port - A port of the host, or a range, that leads into the VM */
struct port {
        const struct node *node;
        struct host_address host; /* family 0: all addresses of the host */
        struct port_range published, target;
        enum protocol protocol;
        const char *name, *app_protocol; /* for people; or NULL */
        int mode;
};

struct pci_address {
        gboolean set;
        guint domain, bus, device, function;
};

struct usb_id {
        gboolean set;
        guint vendor, product;
};

/** struct device - A device of the host that the VM gets: either of the two */
struct device {
        const struct node *node;
        struct pci_address pci;
        struct usb_id usb;
};

struct cpu {
        const struct node *node;
        const char *model;             /* QEMU's name, or NULL */
        struct count_list pin;         /* CPUs of the host */
        guint sockets, cores, threads; /* 0: not written */
};

struct memory_backing {
        const struct node *node;
        guint64 hugepage_bytes; /* 0: ordinary pages */
        gboolean shared, merge;
        struct count_list numa; /* nodes of the host */
};

/** struct healthcheck - How to find out that the guest is ready: one of the first five */
struct healthcheck {
        const struct node *node;
        guint tcp; /* port of the guest; 0: none */
        gboolean ping, agent;
        const char *console;     /* a regular expression; or NULL */
        const char *const *test; /* NULL-terminated command; or NULL */
        guint interval_ms, timeout_ms, start_period_ms;
        guint retries;
};

struct restart {
        enum restart_policy policy;
        guint tries; /* of on-failure; 0: without limit */
};

/** struct dependency - Another VM that is started before */
struct dependency {
        const struct node *node;
        const char *name;
        guint index;        /* of that VM in project.declared_vms; G_MAXUINT: there is none, an error where it is required */
        guint first, count; /* those of project.vms that it means: all replicas; count 0: none is wished */
        enum condition condition;
        gboolean restart;  /* this VM restarts with it */
        gboolean required; /* without it this VM is not started */
};

struct boot {
        const struct node *node;
        enum boot_device order[BOOT_DEVICES];
        guint order_count;
        const char *kernel, *initrd; /* absolute paths, or NULL */
        const char *cmdline;         /* or NULL */
};

enum mount_type {
        MOUNT_VIRTIOFS,
        MOUNT_9P,
};

/** struct mount - A folder of the host in the guest */
struct mount {
        const struct node *node;
        const char *source; /* absolute path on the host */
        const char *target; /* absolute path in the guest */
        gboolean read_only;
        enum mount_type type;
};

/** struct document - A part of cloud-init's data: one of the three, or none where it is not written */
struct document {
        const struct node *map; /* see typed.h for the types of its values */
        const char *text;
        const char *path; /* absolute: of a file that holds the text */
};

struct cloud_init {
        const struct node *node;
        struct document user_data, network_config, meta_data, vendor_data;
};

/** struct guest_file - A file that cloud-init writes */
struct guest_file {
        const struct node *node;
        const char *path;    /* absolute, in the guest */
        const char *content; /* or NULL: then there is a source */
        const char *source;  /* absolute path on the host, or NULL */
        guint mode;
        const char *owner; /* "root", "root:adm" */
};

/** struct credential - What systemd in the guest hands to its services: one of the two, or none where it is not written */
struct credential {
        const struct node *node;
        const char *name;
        const char *content;
        const char *path; /* absolute: of a file of the host that holds it */
};

enum {
        CREDENTIAL_MAX_BYTES = 2900,      /* with its name and as base64 it fits a page, of which systemd 252 reads no more */
        CREDENTIALS_MAX_BYTES = 16 << 10, /* of all of a VM: a table of 31 KiB boots, one of 43 does not (SeaBIOS 1.16) */
};

/** struct command - A command that cloud-init runs: a line for the shell, or words that no shell sees */
struct command {
        const char *line;        /* or NULL */
        const char *const *argv; /* NULL-terminated, or NULL */
};

/** struct ssh_key - A public key: the path of its file, or the key itself */
struct ssh_key {
        const char *path, *text;
        struct place place;
};

struct ssh {
        const struct node *node;
        const char *user; /* or NULL: the image's */
        struct ssh_key *keys;
        guint key_count;
        guint port;
};

struct vm {
        const struct node *node;
        const char *name;
        const char *const *profiles; /* NULL-terminated; none: always wished; never NULL */
        gboolean has_replicas;       /* as declared: its VMs are replicas, also where it is one only */
        guint replicas;              /* of the file; --scale may have changed what is wished */
        const char *group;           /* a replica: the name of the VM as declared; else NULL */
        gboolean dormant;            /* as declared: none of its profiles is asked for */
        guint wished_first, wished_count; /* as declared: its VMs in project.vms */
        const char *image;        /* absolute path of the local image, or NULL */
        const char *image_url;    /* an image that has to be fetched, or NULL */
        const char *image_name;   /* one of project.images or of the catalogue, or NULL; at most one of the three is set */
        const struct image *catalogued; /* image_name: the one of the catalogue, where the project has none of that name */
        struct disk *root;        /* NULL: diskless */
        struct disk *disks;       /* without the root disk */
        guint disk_count;
        guint cpus, cpus_max;     /* cpus_max 0: not written */
        guint64 memory_bytes, memory_max_bytes;
        const char *machine;      /* as written: "q35", "pc", "pc-q35-7.2" */
        enum accel accel;
        enum firmware firmware;
        struct boot boot;
        const char *hostname;
        struct nic *nics;
        guint nic_count;
        enum display_type display;
        struct endpoint display_listen;    /* family 0: a UNIX socket in the run directory */
        const char *display_password_file; /* absolute path, or NULL */
        struct dependency *dependencies;
        guint dependency_count;
        guint stop_grace_ms;
        struct text_map labels;
        struct mount *mounts;
        guint mount_count;
        struct cloud_init *cloud_init; /* or NULL */
        const char *ignition;          /* absolute path, or NULL */
        struct credential *credentials;
        guint credential_count;
        const char *const *packages;   /* NULL-terminated, or NULL */
        struct guest_file *files;
        guint file_count;
        struct command *commands; /* `run` */
        guint command_count;
        gboolean interpolate;
        struct ssh *ssh; /* or NULL */
        const char *const *qemu_args; /* NULL-terminated; never NULL */
        struct cpu *cpu;              /* or NULL */
        struct memory_backing *memory_backing; /* or NULL */
        gboolean tpm;
        enum rtc rtc;
        enum arch arch;
        struct port *ports;
        guint port_count;
        struct device *devices;
        guint device_count;
        struct healthcheck *healthcheck; /* or NULL */
        struct restart restart;
        gboolean autostart, protect, warm;
};

struct project {
        const struct node *node;
        const char *name;
        const char *directory; /* absolute: where the first file lies (for standard input: the current directory) */
        enum isolation isolation;
        struct network *networks; /* in the order of the file; the implicit `default` last */
        guint network_count;
        struct image *images;
        guint image_count;
        struct disk *declared_disks; /* named disks, as the file has them */
        guint declared_disk_count;
        struct vm *declared_vms;     /* as the file has them, dormant ones too */
        guint declared_vm_count;
        struct disk *disks;          /* named disks that are wished: with a copy for each replica */
        guint disk_count;
        struct vm *vms;              /* VMs that are wished: of the profiles that were asked for, replicas counted out */
        guint vm_count;
        struct project_store *store;     /* owns all of the above */
};

void project_free(struct project *project);

/** project_diagnostics() - An empty list for what is found on the host about places in the project's files */
struct diagnostics *project_diagnostics(const struct project *project);
typedef struct project project_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(project_t, project_free)

/** project_find_vm() - By name, or NULL. Constant time, as are the three below */
const struct vm *project_find_vm(const struct project *project, const char *name);
const struct network *project_find_network(const struct project *project, const char *name);
const struct disk *project_find_disk(const struct project *project, const char *name);

/** disk_in_place() - The path of the file or device that is used where it lies, or its URL; NULL: drover makes the disk */
const char *disk_in_place(const struct disk *disk);

/** disk_serial_room() - How many characters of a serial number a guest is shown on a bus */
guint disk_serial_room(enum disk_bus bus);
const struct image *project_find_image(const struct project *project, const char *name);

/** vm_named_image() - The image that a VM names, of the project or of the catalogue; NULL where it names none */
const struct image *vm_named_image(const struct project *project, const struct vm *vm);

/** vm_wants_seed() - Has it a key that cloud-init is told of: then a seed is attached at every start */
gboolean vm_wants_seed(const struct vm *vm);

/** vm_has_image() - Is its root disk an overlay on an image: a path, a URL or a name? */
gboolean vm_has_image(const struct vm *vm);

/**
 * project_find_declared() - The VM as declared that a name stands for: its own, or that of a replica of it
 *
 * Also of a dormant one, and of a replica beyond those that are wished: what has such a name is no orphan. NULL: none.
 */
const struct vm *project_find_declared(const struct project *project, const char *name);

/** project_is_named() - Do names (NULL-terminated; or NULL) mean this VM: by its own name, or as one of the replicas of one? */
gboolean project_is_named(const struct project *project, const char *const *names, const char *vm);

/** project_profiles() - The names of all profiles, each once, sorted, NULL-terminated; free the array, not the names */
const char **project_profiles(const struct project *project);

/** vm_dependency() - The @number-th VM that has to be started before, as index into project.vms; G_MAXUINT: no more */
guint vm_dependency(const struct vm *vm, guint number);

/**
 * project_place() - Where the value of a key was written
 * @node: of the object (vm->node ...)
 * @key:  e.g. "memory"; NULL: the object itself
 *
 * Where the key is not written, the object's own place; where the object is not, line 0.
 */
struct place project_place(const struct node *node, const char *key);

/**
 * project_path_hint() - What to say where the path that is written at @place leads to nothing
 *
 * NULL where it is written as an absolute one. @path: what it leads to.
 */
const char *project_path_hint(const struct place *place, const char *path);

/** project_is_set() - Did the file say this key, or is its value a default? */
gboolean project_is_set(const struct node *node, const char *key);
