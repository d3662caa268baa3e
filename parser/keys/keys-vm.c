/* keys-vm.c - the rows of VMs, of what they boot from, and of the long forms of their values */
#include "parser/keys/keys-rows.h"

#include "parser/files/merge.h"

/* Rows of a table are denser than clang-format would have them. */
/* clang-format off */

static const char *const accel_words[] = {"auto", "kvm", "tcg", NULL};
static const char *const firmware_words[] = {"bios", "uefi", NULL};
static const char *const firmware_later[] = {"uefi-secure", NULL};
static const char *const display_words[] = {"none", "vnc", NULL};
static const char *const display_later[] = {"spice", NULL};
static const char *const rtc_words[] = {"utc", "local", NULL};
const char *const keys_arch_words[] = {"x86_64", "aarch64", "riscv64", "ppc64le", "s390x", NULL};

/* What people write, and the word here. */
static const char *const accel_aliases[] = {
        "qemu", "tcg", "software", "tcg", "none", "tcg", "false", "tcg", "hvm", "kvm", "true", "kvm", NULL};
static const char *const firmware_aliases[] = {"efi", "uefi", "ovmf", "uefi", "legacy", "bios", "seabios", "bios", "secure",
        "uefi-secure", "secureboot", "uefi-secure", NULL};
static const char *const display_aliases[] = {
        "false", "none", "no", "none", "off", "none", "headless", "none", "true", "vnc", "gtk", "vnc", "sdl", "vnc", NULL};
static const char *const rtc_aliases[] = {"localtime", "local", "gmt", "utc", "host", "local", NULL};
const char *const keys_arch_meant[] = {"amd64", "x86_64", "x86-64", "x86_64", "x64", "x86_64", "arm64", "aarch64", NULL};

static const struct key boot_rows[] = {
        {.name = "order", .type = KEY_SPECIAL, IN(boot, order), .codec = &codec_boot_order, .replaced = TRUE,
         .change = CHANGE_RESTART,
         .help = "what is tried, first to last: disk, cdrom, network; default: disk, then cdrom, then network",
         .example = "[disk, network]"},
        {.name = "kernel", .type = KEY_PATH, IN(boot, kernel), .change = CHANGE_RESTART,
         .help = "a kernel of the host that is started without a boot loader; default: none", .example = "./vmlinuz"},
        {.name = "initrd", .type = KEY_PATH, IN(boot, initrd), .change = CHANGE_RESTART,
         .help = "initial RAM disk for the kernel; default: none", .example = "./initrd"},
        {.name = "cmdline", .type = KEY_TEXT, IN(boot, cmdline), .max = 2047, .change = CHANGE_RESTART,
         .help = "command line for the kernel; default: none", .example = "console=ttyS0"},
        {.name = NULL},
};

static const char *const boot_aliases[] = {
        "append", "cmdline", "command_line", "cmdline", "args", "cmdline", "kernel_args", "cmdline", "initramfs", "initrd",
        "ramdisk", "initrd", "devices", "order", "device", "order", "dev", "order", NULL,
};

const struct key_table keys_boot = {
        .title = "boot", .keys = boot_rows, .aliases = boot_aliases, .struct_size = sizeof(struct boot),
        .node_offset = offsetof(struct boot, node)};

/* ---- long forms of values: the short key has the type of the row that leads here ---- */

static const struct key memory_rows[] = {
        {.name = "size", .type = KEY_MEMORY, .change = CHANGE_LIVE,
         .help = "memory at start; default: as for memory", .example = "1G"},
        {.name = "max", .type = KEY_MEMORY, IN(vm, memory_max_bytes), .min = 16 * MIB, .max = 16 * TIB,
         .change = CHANGE_RESTART, .help = "up to which it can be grown while the VM runs; default: size", .example = "4G"},
        {.name = NULL},
};
const struct key_table keys_memory = {.title = "memory", .keys = memory_rows, .short_key = "size"};

static const struct key cpus_rows[] = {
        {.name = "count", .type = KEY_COUNT, .min = 1, .max = 1024, .change = CHANGE_LIVE,
         .help = "vCPUs at start; default: as for cpus", .example = "2"},
        {.name = "max", .type = KEY_COUNT, IN(vm, cpus_max), .min = 1, .max = 1024, .change = CHANGE_RESTART,
         .help = "up to which they can be plugged in while the VM runs; default: count", .example = "8"},
        {.name = NULL},
};
const struct key_table keys_cpus = {.title = "cpus", .keys = cpus_rows, .short_key = "count"};

static const struct key display_rows[] = {
        {.name = "type", .type = KEY_ENUM, .words = display_words, .later = display_later, .change = CHANGE_RESTART,
         .help = "none or vnc; default: as for display", .example = "vnc"},
        {.name = "listen", .type = KEY_SPECIAL, IN(vm, display_listen), .codec = &codec_endpoint, .unbuilt = TRUE,
         .change = CHANGE_RESTART, .help = "address, and port, that it listens on; default: a UNIX socket in the run directory",
         .example = "127.0.0.1"},
        {.name = "password_file", .type = KEY_PATH, IN(vm, display_password_file), .change = CHANGE_LIVE,
         .help = "file whose first line is the password, of which VNC takes 8 characters; default: none",
         .example = "./vnc.pw"},
        {.name = NULL},
};
const struct key_table keys_display = {.title = "display", .keys = display_rows, .short_key = "type"};

static const struct key extends_rows[] = {
        {.name = "vm", .type = KEY_NAME, IN(extends, vm), .required = TRUE, .change = CHANGE_NONE,
         .help = "the VM that is extended", .example = "server"},
        {.name = "file", .type = KEY_PATH, IN(extends, file), .change = CHANGE_NONE,
         .help = "the file that it is in; default: the project", .example = "base.yaml"},
        {.name = NULL},
};

static const char *const extends_aliases[] = {"service", "vm", "name", "vm", "path", "file", NULL};

const struct key_table keys_extends = {
        .title = "extends", .keys = extends_rows, .aliases = extends_aliases, .short_key = "vm",
        .node_offset = offsetof(struct extends, node)};

/* ---- VMs ---- */

static const struct key vm_rows[] = {
        {.name = "image", .type = KEY_SPECIAL, IN(vm, image), .codec = &codec_image, .change = CHANGE_RECREATE,
         .help = "the image below the root disk: a path, which has a / or begins with . or ~, a URL, or a name of 'images'; "
                 "default: none, a blank disk",
         .example = "./debian.qcow2"},
        {.name = "disk", .type = KEY_OBJECT, IN(vm, root), .indirect = TRUE, .table = &keys_root_disk, .change = CHANGE_RESTART,
         .help = "the root disk; default: an overlay on the image; without image and disk the VM has none", .example = "20G"},
        {.name = "cpus", .type = KEY_COUNT, IN(vm, cpus), .min = 1, .max = 1024, .fallback = "1", .table = &keys_cpus,
         .change = CHANGE_LIVE, .help = "number of vCPUs, added to while the VM runs up to max", .example = "2"},
        {.name = "memory", .type = KEY_MEMORY, IN(vm, memory_bytes), .min = 16 * MIB, .max = 16 * TIB, .fallback = "512M",
         .table = &keys_memory, .change = CHANGE_LIVE,
         .help = "memory, changed while the VM runs up to what it was started with; a bare number is MiB", .example = "1G"},
        {.name = "machine", .type = KEY_SPECIAL, IN(vm, machine), .codec = &codec_machine, .fallback = "q35",
         .change = CHANGE_RESTART, .help = "machine type: q35, pc, or a versioned name of QEMU's; what was chosen is kept",
         .example = "pc-q35-7.2"},
        {.name = "accel", .type = KEY_ENUM, IN(vm, accel), .words = accel_words, .meant = accel_aliases,
         .fallback = "auto", .change = CHANGE_RESTART,
         .help = "auto: KVM where it works, else TCG", .example = "tcg"},
        {.name = "firmware", .type = KEY_ENUM, IN(vm, firmware), .words = firmware_words, .later = firmware_later,
         .meant = firmware_aliases, .fallback = "bios",
         .change = CHANGE_RESTART, .help = "what starts the boot loader", .example = "uefi"},
        {.name = "boot", .type = KEY_OBJECT, IN(vm, boot), .table = &keys_boot, .change = CHANGE_RESTART,
         .help = "what the VM boots from", .example = "{kernel: ./vmlinuz, initrd: ./initrd, cmdline: \"console=ttyS0\"}"},
        {.name = "hostname", .type = KEY_DOMAIN, IN(vm, hostname), .max = 1, .change = CHANGE_LIVE,
         .help = "host name in DHCP and DNS; default: the VM's name", .example = "db"},
        {.name = "networks", .type = KEY_OBJECT_MAP, IN(vm, nics), COUNT_IN(vm, nic_count), .named = TRUE, .max = 24,
         .table = &keys_nic, .change = CHANGE_LIVE,
         .help = "NICs by name, or a list of networks; default: one on the network 'default', which is made when "
                 "needed; []: none",
         .example = "{lan: {ip: 10.20.0.10}}"},
        {.name = "disks", .type = KEY_OBJECT_LIST, IN(vm, disks), COUNT_IN(vm, disk_count), .max = 24, .table = &keys_vm_disk,
         .identity = merge_identity_disk,
         .change = CHANGE_LIVE, .help = "further disks: named ones of the project, the VM's own, files; default: none",
         .example = "[{name: scratch, size: 5G}]"},
        {.name = "display", .type = KEY_ENUM, IN(vm, display), .words = display_words, .later = display_later,
         .meant = display_aliases, .fallback = "none",
         .table = &keys_display, .change = CHANGE_RESTART,
         .help = "screen of the VM; VNC listens on a UNIX socket in the run directory",
         .example = "vnc"},
        {.name = "depends_on", .type = KEY_OBJECT_MAP, IN(vm, dependencies), COUNT_IN(vm, dependency_count), .named = TRUE,
         .max = 4096, .table = &keys_dependency, .change = CHANGE_NONE,
         .help = "VMs that are started before and stopped after this one; default: none", .example = "{}"},
        {.name = "stop_grace_period", .type = KEY_DURATION, IN(vm, stop_grace_ms), .scale_ms = 1, .max = 86400000,
         .fallback = "30s",
         .change = CHANGE_NONE,
         .help = "how long a guest may take to power itself off before it is killed", .example = "1m30s"},
        {.name = "labels", .type = KEY_TEXT_MAP, IN(vm, labels), .change = CHANGE_NONE,
         .help = "names and values of your own; default: none",
         .example = "{role: db}"},
        {.name = "qemu_args", .type = KEY_TEXT_LIST, IN(vm, qemu_args), .max = 65536, .change = CHANGE_RESTART,
         .help = "last resort: arguments that are appended to QEMU's; default: none", .example = "[\"-device\", \"edu\"]"},
        {.name = "extends", .type = KEY_OBJECT, .consumed = TRUE, .table = &keys_extends, .change = CHANGE_NONE,
         .help = "another VM, here or in another file, whose keys this one has unless it says otherwise",
         .example = "{file: base.yaml, vm: server}"},
        {.name = "profiles", .type = KEY_NAME_LIST, IN(vm, profiles), .change = CHANGE_NONE,
         .help = "it is started only when one of them, or the VM itself, is asked for; default: none, always",
         .example = "[data]"},
        {.name = "replicas", .type = KEY_COUNT, IN(vm, replicas), .set_offset = offsetof(struct vm, has_replicas),
         .max = 100000, .change = CHANGE_LIVE,
         .help = "how many of it there are, named db-1, db-2 and so on; default: one, without a number", .example = "3"},
        {.name = "cpu", .type = KEY_OBJECT, IN(vm, cpu), .indirect = TRUE, .table = &keys_cpu, .unbuilt = TRUE,
         .change = CHANGE_RESTART, .help = "CPU model, topology and pinning; default: what the host has",
         .example = "{model: host}"},
        {.name = "memory_backing", .type = KEY_OBJECT, IN(vm, memory_backing), .indirect = TRUE, .table = &keys_memory_backing,
         .unbuilt = TRUE, .change = CHANGE_RESTART, .help = "huge pages, sharing, NUMA; default: ordinary memory",
         .example = "{hugepages: 2M}"},
        {.name = "tpm", .type = KEY_BOOL, IN(vm, tpm), .fallback = "false", .unbuilt = TRUE, .change = CHANGE_RESTART,
         .help = "a TPM 2.0", .example = "true"},
        {.name = "rtc", .type = KEY_ENUM, IN(vm, rtc), .words = rtc_words, .meant = rtc_aliases, .fallback = "utc",
         .unbuilt = TRUE, .change = CHANGE_RESTART, .help = "what the hardware clock shows at start", .example = "local"},
        {.name = "arch", .type = KEY_ENUM, IN(vm, arch), .words = keys_arch_words, .meant = keys_arch_meant,
         .fallback = "x86_64", .unbuilt = TRUE, .change = CHANGE_RESTART, .help = "architecture of the machine",
         .example = "aarch64"},
        {.name = "ports", .type = KEY_OBJECT_LIST, IN(vm, ports), COUNT_IN(vm, port_count), .max = 4096, .table = &keys_port,
         .identity = merge_identity_port, .change = CHANGE_LIVE,
         .help = "ports of the host that lead into the VM; default: none",
         .example = "[\"8080:80\"]"},
        {.name = "mounts", .type = KEY_OBJECT_LIST, IN(vm, mounts), COUNT_IN(vm, mount_count), .max = 64, .table = &keys_mount,
         .identity = merge_identity_mount, .change = CHANGE_RESTART,
         .help = "folders of the host in the guest; default: none",
         .example = "[\"./src:/src:ro\"]"},
        {.name = "cloud_init", .type = KEY_OBJECT, IN(vm, cloud_init), .indirect = TRUE, .table = &keys_cloud_init,
         .change = CHANGE_RECREATE,
         .help = "what cloud-init finds at the first boot; default: what packages, files, run and ssh say",
         .example = "{user_data: ./user-data.yaml}"},
        {.name = "ignition", .type = KEY_PATH, IN(vm, ignition), .change = CHANGE_RECREATE,
         .help = "Ignition configuration, for images that have it in place of cloud-init; default: none",
         .example = "./config.ign"},
        {.name = "credentials", .type = KEY_OBJECT_MAP, IN(vm, credentials), COUNT_IN(vm, credential_count), .max = 32,
         .table = &keys_credential, .change = CHANGE_RESTART,
         .help = "what systemd in the guest hands to its services, by name: a text, or a file of the host; default: none",
         .example = "{token: {file: ./token}}"},
        {.name = "packages", .type = KEY_TEXT_LIST, IN(vm, packages), .max = 255, .change = CHANGE_RECREATE,
         .help = "packages for cloud-init to install; default: none", .example = "[nginx]"},
        {.name = "files", .type = KEY_OBJECT_LIST, IN(vm, files), COUNT_IN(vm, file_count), .max = 4096, .table = &keys_file,
         .change = CHANGE_RECREATE, .help = "files for cloud-init to write; default: none",
         .example = "[{path: /etc/motd, content: hello}]"},
        {.name = "run", .type = KEY_SPECIAL, IN(vm, commands), .codec = &codec_run, .change = CHANGE_RECREATE,
         .help = "commands for cloud-init to run at the end of the first boot; default: none",
         .example = "[\"systemctl enable --now nginx\"]"},
        {.name = "interpolate", .type = KEY_BOOL, IN(vm, interpolate), .fallback = "false", .change = CHANGE_NONE,
         .help = "also interpolate what is written under cloud_init, files and run", .example = "true"},
        {.name = "ssh", .type = KEY_OBJECT, IN(vm, ssh), .indirect = TRUE, .table = &keys_ssh, .change = CHANGE_NONE,
         .help = "user, keys and port for 'drover ssh'; default: the image's user, no keys, port 22",
         .example = "{user: debian}"},
        {.name = "devices", .type = KEY_OBJECT_LIST, IN(vm, devices), COUNT_IN(vm, device_count), .max = 24,
         .table = &keys_device, .unbuilt = TRUE, .change = CHANGE_RESTART,
         .help = "PCI and USB devices of the host that the VM gets; default: none", .example = "[{usb: \"046d:c52b\"}]"},
        {.name = "healthcheck", .type = KEY_OBJECT, IN(vm, healthcheck), .indirect = TRUE, .table = &keys_healthcheck,
         .change = CHANGE_LIVE,
         .help = "how to find out that the guest is ready: one of tcp, ping, console, agent and test; default: none",
         .example = "{tcp: 22, interval: 2s}"},
        {.name = "restart", .type = KEY_SPECIAL, IN(vm, restart), .codec = &codec_restart, .fallback = "no",
         .change = CHANGE_LIVE, .help = "what happens when the VM ends by itself: no, on-failure[:N], always, unless-stopped",
         .example = "always"},
        {.name = "autostart", .type = KEY_BOOL, IN(vm, autostart), .fallback = "false", .unbuilt = TRUE,
         .change = CHANGE_NONE, .help = "start with the host, once 'drover enable' was run", .example = "true"},
        {.name = "protect", .type = KEY_BOOL, IN(vm, protect), .fallback = "false", .unbuilt = TRUE, .change = CHANGE_NONE,
         .help = "down, rm and --fresh refuse", .example = "true"},
        {.name = "warm", .type = KEY_BOOL, IN(vm, warm), .fallback = "false", .unbuilt = TRUE, .change = CHANGE_NONE,
         .help = "resume from the first healthy state instead of booting", .example = "true"},
        {.name = NULL},
};

static const char *const vm_aliases[] = {
        "mem_limit", "memory", "mem", "memory", "ram", "memory", "memory_mb", "memory", "memory_size", "memory",
        "currentMemory", "memory", "maxmem", "memory", "numcpus", "cpus", "vcpus", "cpus", "vcpu", "cpus", "cpu", "cpus",
        "cores", "cpus", "cpu_count", "cpus", "smp", "cpus", "count", "replicas", "scale", "replicas", "box", "image",
        "base_image", "image", "backing_file", "image", "cloud_image", "image", "root_disk", "disk", "disk_size", "disk",
        "size", "disk", "storage", "disk", "hdd", "disk", "drives", "disks", "disk_size_gb", "disk",
        "nics", "networks", "network", "networks", "network_interface", "networks", "interfaces", "networks",
        "nic", "networks", "network_interfaces", "networks", "host_name", "hostname", "name", "hostname",
        "machine_type", "machine", "type", "machine", "append", "boot", "boot_order", "boot", "bios", "firmware",
        "uefi", "firmware", "loader", "firmware", "graphics", "display", "vnc", "display", "video", "display",
        "depends", "depends_on", "needs", "depends_on", "requires", "depends_on", "stop_timeout", "stop_grace_period",
        "grace_period", "stop_grace_period", "tags", "labels", "annotations", "labels", "metadata", "labels",
        "extra_args", "qemu_args", "qemuargs", "qemu_args", "qemu_options", "qemu_args", "args", "qemu_args",
        "accelerator", "accel", "cloudinit", "cloud_init",
        "forwarded_port", "ports", "forwarded_ports", "ports", "shared_folders", "mounts", "synced_folders", "mounts",
        "synced_folder", "mounts", "provision", "run", "command", "run", "restart_policy", "restart", "cdrom", "disks",
        "iso", "disks", "hostdev", "devices", "shares", "mounts", "folders", "mounts", "write_files", "files",
        "runcmd", "run", "commands", "run", "package", "packages", "ssh_authorized_keys", "ssh", "ssh_keys", "ssh",
        "ssh_user", "ssh", "architecture", "arch",
        "links", "depends_on", "healthchecks", "healthcheck",
        "health", "healthcheck", "clock", "rtc", "tpm2", "tpm", "hugepages", "memory_backing", "publish", "ports", "privileged",
        "a VM is a machine of its own: there is nothing to give up", "environment",
        "a guest has no environment of its own: write a file with 'files'", "env_file",
        "a guest has no environment of its own: for variables of this file there is --env-file", "container_name",
        "the name is the key above; the guest calls itself 'hostname'", "build",
        "drover builds no images: name one with 'image'", "expose",
        "guests of one network reach each other's ports anyway; 'ports' is for the host", "entrypoint",
        "a VM boots its disk: for commands at the first start there is 'run'", "deploy",
        "write 'replicas', 'cpus' and 'memory' in the VM itself", "secrets",
        "write a file with 'files', or mount a folder with 'mounts'", "configs",
        "write a file with 'files', or mount a folder with 'mounts'", "pull_policy",
        "an image is fetched once and kept: nothing has to be said", "platform", "arch", "user", "ssh",
        "description", "labels", "static_ip", "write 'networks: {NAME: {ip: ...}}'", "ip_address",
        "write 'networks: {NAME: {ip: ...}}'", "ipv4_address", "write 'networks: {NAME: {ip: ...}}'", "dns",
        "name servers are the network's: networks: {NAME: {dhcp: {options: {dns-server: ...}}}}",
        "volumes", "a disk goes under 'disks', a folder of the host under 'mounts'",
        "user_data", "write 'cloud_init: {user_data: ...}'", "userdata", "write 'cloud_init: {user_data: ...}'",
        "network_config", "write 'cloud_init: {network_config: ...}'", "meta_data", "write 'cloud_init: {meta_data: ...}'",
        "vendor_data", "write 'cloud_init: {vendor_data: ...}'", NULL,
};

const struct key_table keys_vm = {
        .title = "vm", .keys = vm_rows, .aliases = vm_aliases, .struct_size = sizeof(struct vm),
        .name_offset = offsetof(struct vm, name), .node_offset = offsetof(struct vm, node)};
