/* qemu_argv.c - from a VM to QEMU's argument vector, as data: the process, its channels, the machine, what it boots
 *
 * Sources: qemu-system-x86_64(1); qapi/block-core.json and qapi/char.json of QEMU 7.2 for -blockdev and -chardev.
 *
 * Block nodes, devices and objects are JSON, with keys in a fixed order so that golden files stay as they are. What has
 * no JSON form in 7.2 (-machine, -chardev, -netdev ...) is made of words that the parser has checked or that are numbers.
 */
#include "runtime/vm/qemu_argv.h"

#include "runtime/vm/qemu_build.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_DESCRIPTOR = 3 };

void
build_add_text(struct qemu_build *build, const char *option, const char *value)
{
        g_ptr_array_add(build->argv, g_strdup(option));
        if (value)
                g_ptr_array_add(build->argv, g_strdup(value));
}

void
build_add(struct qemu_build *build, const char *option, const char *format, ...)
{
        va_list args;

        g_ptr_array_add(build->argv, g_strdup(option));
        if (!format)
                return;
        va_start(args, format);
        g_ptr_array_add(build->argv, g_strdup_vprintf(format, args));
        va_end(args);
}

void
build_add_json(struct qemu_build *build, const char *option, json_t *value)
{
        char *text = json_dumps(value, JSON_COMPACT);

        build_add_text(build, option, text);
        free(text);
        json_decref(value);
}

int
build_descriptor(struct qemu_build *build, enum descriptor_kind kind, guint index, const char *name)
{
        struct descriptor descriptor = {.kind = kind, .index = index, .name = g_strdup(name)};

        g_array_append_val(build->descriptors, descriptor);
        return FIRST_DESCRIPTOR + (int)build->descriptors->len - 1;
}

char *
build_file(struct qemu_build *build, enum descriptor_kind kind, const char *name)
{
        int fd = build_descriptor(build, kind, 0, name);

        build_add(build, "-add-fd", "fd=%d,set=%d", fd, fd);
        return g_strdup_printf("/dev/fdset/%d", fd);
}

/* A name of at most 22 bytes: with the longest of our prefixes a node name has 31. */
static char *
make_id(const char *prefix, const char *name)
{
        enum { NAME_MAX_BYTES = 22, HASH_BYTES = 8 };
        g_autofree char *sum = NULL;

        if (strlen(name) <= NAME_MAX_BYTES)
                return g_strdup_printf("%s-%s", prefix, name);
        sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
        return g_strdup_printf("%s-%.*s-%.*s", prefix, NAME_MAX_BYTES - HASH_BYTES - 1, name, HASH_BYTES, sum);
}

char *
qemu_nic_id(const char *nic)
{
        return make_id("nic", nic);
}

char *
qemu_netdev_id(const char *nic)
{
        return make_id("net", nic);
}

char *
qemu_disk_id(const char *disk)
{
        return make_id("disk", disk);
}

char *
qemu_disk_node_id(enum disk_node kind, const char *disk)
{
        static const char *const prefixes[] = {
                [DISK_NODE_FILE] = "file", [DISK_NODE_BACKING] = "base", [DISK_NODE_BACKING_FILE] = "basefile",
                [DISK_NODE_KEY] = "key"};

        return make_id(prefixes[kind], disk);
}

char *
qemu_disk_place_id(const struct disk *disk)
{
        static const char *const buses[] = {[BUS_VIRTIO] = "", [BUS_NVME] = "", [BUS_SCSI] = "scsi:", [BUS_SATA] = "drive:",
                                            [BUS_IDE] = "drive:", [BUS_USB] = "usb:"};
        g_autofree char *id = qemu_disk_id(disk->name);

        return g_strconcat(buses[disk->bus], id, NULL);
}

guint
qemu_disk_places(const struct disk *disk, const char *machine)
{
        if (disk->bus == BUS_SATA || disk->bus == BUS_IDE)
                return qemu_is_pcie(machine) ? 6 : 4;
        return disk->bus == BUS_USB ? QEMU_USB_PORTS - 1 : QEMU_MAX_PORTS;
}

gboolean
qemu_is_pcie(const char *machine)
{
        return strcmp(machine, "q35") == 0 || g_str_has_prefix(machine, "pc-q35");
}

static void
build_process(struct qemu_build *build)
{
        const struct launch *launch = build->launch;
        int data;

        /* Merely inherited: the kernel and other drovers see them. */
        build_descriptor(build, DESCRIPTOR_ALIVE, 0, NULL);
        build_descriptor(build, DESCRIPTOR_NAMESPACE, 0, NULL);
        data = build_descriptor(build, DESCRIPTOR_DATA, 0, NULL);
        build_add(build, "-nodefaults", NULL);
        build_add(build, "-no-user-config", NULL);
        build_add(build, "-name", "guest=%s/%s,debug-threads=on", launch->project, launch->vm->name);
        build_add_text(build, "-uuid", launch->uuid);
        build_add(build, "-pidfile", "/proc/self/fd/%d/" QEMU_PID_FILE, data);
        build_add(build, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
        build_add(build, "-S", NULL);
}

/* virtiofsd reads and writes the guest's memory. */
static gboolean
shares_memory(const struct vm *vm)
{
        for (guint i = 0; i < vm->mount_count; i++)
                if (vm->mounts[i].type == MOUNT_VIRTIOFS)
                        return TRUE;
        return FALSE;
}

/* `max` under TCG: what an image of today expects (x86-64-v2 and more); `qemu64` boots no faster. */
static void
build_machine(struct qemu_build *build)
{
        const struct launch *launch = build->launch;
        guint64 memory = MAX(launch->vm->memory_bytes, launch->vm->memory_max_bytes) >> 20;
        const char *backend = shares_memory(launch->vm) ? ",memory-backend=ram" : "";

        if (*backend)
                build_add(build, "-object", "memory-backend-memfd,id=ram,size=%" G_GUINT64_FORMAT "M,share=on", memory);
        if (launch->firmware_code) {
                build_nodes(build, "pflash0", "pflash0-file", launch->firmware_code, "raw", NULL,
                            &(struct node_options){.read_only = TRUE});
                build_nodes(build, "pflash1", "pflash1-file", launch->firmware_vars, "qcow2", NULL, &(struct node_options){0});
                build_add(build, "-machine", "%s,pflash0=pflash0,pflash1=pflash1%s", launch->machine, backend);
        } else {
                build_add(build, "-machine", "%s%s", launch->machine, backend);
        }
        build_add_text(build, "-accel", launch->kvm ? "kvm" : "tcg");
        build_add_text(build, "-cpu", launch->kvm ? "host" : "max");
        if (launch->vm->cpus_max > launch->vm->cpus)
                build_add(build, "-smp", "%u,maxcpus=%u", launch->vm->cpus, launch->vm->cpus_max);
        else
                build_add(build, "-smp", "%u", launch->vm->cpus);
        /* The balloon takes what is over: see live_set.c. */
        build_add(build, "-m", "%" G_GUINT64_FORMAT "M", memory);
        build_add(build, "-rtc", "base=utc");
        /* A guest whose kernel gives up says so, and stands still from then on, to be looked at. */
        build_add_text(build, "-device", "pvpanic");
        build_add_text(build, "-action", "panic=pause");
}

static void
build_monitor(struct qemu_build *build, const char *id, const char *socket)
{
        build_add(build, "-chardev", "socket,id=%s,fd=%d,server=on,wait=off", id,
                  build_descriptor(build, DESCRIPTOR_LISTEN, 0, socket));
        build_add(build, "-mon", "chardev=%s,mode=control", id);
}

static void
build_channels(struct qemu_build *build)
{
        int console = build_descriptor(build, DESCRIPTOR_LISTEN, 0, QEMU_SOCKET_CONSOLE);
        g_autofree char *log = build_file(build, DESCRIPTOR_LOG, QEMU_CONSOLE_LOG);

        build_monitor(build, "control", QEMU_SOCKET_CONTROL);
        build_monitor(build, "observe", QEMU_SOCKET_OBSERVE);
        build_monitor(build, "events", QEMU_SOCKET_EVENTS);
        build_add(build, "-chardev", "socket,id=console,fd=%d,server=on,wait=off,logfile=%s,logappend=on", console, log);
        build_add(build, "-serial", "chardev:console");
        build_add(build, "-chardev", "socket,id=agent,fd=%d,server=on,wait=off",
                  build_descriptor(build, DESCRIPTOR_LISTEN, 0, QEMU_SOCKET_AGENT));
}

static void
build_display(struct qemu_build *build)
{
        if (build->launch->vm->display == DISPLAY_VNC)
                build_add(build, "-vnc", "unix:/proc/self/fd/%d/" QEMU_SOCKET_VNC "%s",
                          build_descriptor(build, DESCRIPTOR_RUN, 0, NULL),
                          build->launch->vm->display_password_file ? ",password=on" : "");
        else
                build_add(build, "-display", "none");
}

static void
build_plain_file(struct qemu_build *build, const char *option, const char *path)
{
        build_add(build, option, "/proc/self/fd/%d", build_descriptor(build, DESCRIPTOR_PLAIN_READ, 0, path));
}

static void
build_boot(struct qemu_build *build)
{
        const struct boot *boot = &build->launch->vm->boot;

        build_add(build, "-boot", "strict=on");
        if (boot->kernel)
                build_plain_file(build, "-kernel", boot->kernel);
        if (boot->initrd)
                build_plain_file(build, "-initrd", boot->initrd);
        if (boot->cmdline)
                build_add_text(build, "-append", boot->cmdline);
        /* Source: Ignition's documentation, "Supported platforms": QEMU */
        if (build->launch->vm->ignition)
                build_add(build, "-fw_cfg", "name=opt/com.coreos/config,file=/proc/self/fd/%d",
                          build_descriptor(build, DESCRIPTOR_PLAIN_READ, 0, build->launch->vm->ignition));
}

/* Each is the content of a file, so that none is an argument. */
static void
build_credentials(struct qemu_build *build)
{
        for (guint i = 0; i < build->launch->vm->credential_count; i++)
                build_add(build, "-smbios", "file=/proc/self/fd/%d", build_descriptor(build, DESCRIPTOR_CREDENTIAL, i, NULL));
}

struct qemu_command *
qemu_command_build(const struct launch *launch)
{
        struct qemu_command *command = g_new0(struct qemu_command, 1);
        struct qemu_build build = {
                .launch = launch,
                .argv = g_ptr_array_new(),
                .descriptors = g_array_new(FALSE, FALSE, sizeof(struct descriptor)),
                .pcie = qemu_is_pcie(launch->machine),
        };

        g_ptr_array_add(build.argv, g_strdup("qemu-system-x86_64"));
        build_process(&build);
        build_machine(&build);
        build_channels(&build);
        build_display(&build);
        build_boot(&build);
        build_credentials(&build);
        build_devices(&build);
        for (const char *const *argument = launch->vm->qemu_args; *argument; argument++)
                g_ptr_array_add(build.argv, g_strdup(*argument));
        g_ptr_array_add(build.argv, NULL);
        command->descriptor_count = build.descriptors->len;
        command->descriptors = (struct descriptor *)g_array_free(build.descriptors, FALSE);
        command->argv = (char **)g_ptr_array_free(build.argv, FALSE);
        return command;
}

void
qemu_command_free(struct qemu_command *command)
{
        if (!command)
                return;
        for (guint i = 0; i < command->descriptor_count; i++)
                g_free(command->descriptors[i].name);
        g_free(command->descriptors);
        g_strfreev(command->argv);
        g_free(command);
}
