/* qemu_devices.c - the devices of a VM, each at an address that it keeps
 *
 * q35: what sits on pcie.0 for good has a slot from 1 on; each disk and each NIC has a root port of its own, so that it can be
 * unplugged, and eight ports more stay empty for what is plugged in later. Port I is function I % 8 of slot 16 + I / 8.
 * pc: one bus; slot 1 is the chipset's (PIIX), so what sits there for good comes from 2 on and "port" I is slot 8 + I.
 *
 * A device keeps its port for as long as the VM exists, so the removal of one renames no other in the guest.
 */
#include "runtime/vm/qemu_build.h"

#include "runtime/vm/share.h"

#include <string.h>

enum {
        SLOT_VGA = 1,
        SLOT_RNG,
        SLOT_BALLOON,
        SLOT_SERIAL,
        SLOT_USB,
        SLOT_SCSI,
        SLOT_PORTS_PCIE = 16,
        SLOT_MOUNTS = 20, /* q35 alone: eight of them a slot */
        SLOT_PORTS_PC = 8,
        FUNCTIONS = 8,
        FIRST_BOOT_INDEX = 1, /* 0 is that of -kernel */
};

static const enum boot_device default_order[] = {BOOT_DISK, BOOT_CDROM, BOOT_NETWORK};

json_t *
build_device(const char *driver, const char *id)
{
        return json_pack("{s:s, s:s}", "driver", driver, "id", id);
}

static void
device_place(json_t *device, const char *bus, guint slot, guint function)
{
        g_autofree char *address = g_strdup_printf("0x%x.%u", slot, function);

        json_set_text(device, "bus", bus);
        json_set_text(device, "addr", address);
}

static void
device_place_fixed(const struct qemu_build *build, json_t *device, guint slot)
{
        if (build->pcie)
                device_place(device, "pcie.0", slot, 0);
        else
                device_place(device, "pci.0", slot + 1, 0);
}

void
build_place_port(const struct qemu_build *build, json_t *device, guint port)
{
        g_autofree char *bus = g_strdup_printf("port%u", port);

        if (build->pcie)
                device_place(device, bus, 0, 0);
        else
                device_place(device, "pci.0", SLOT_PORTS_PC + port, 0);
}

static void
build_ports(struct qemu_build *build)
{
        guint count = MIN(build->launch->port_count + QEMU_SPARE_PORTS, (guint)QEMU_MAX_PORTS);

        for (guint i = 0; build->pcie && i < count; i++) {
                g_autofree char *id = g_strdup_printf("port%u", i);
                json_t *device = build_device("pcie-root-port", id);

                device_place(device, "pcie.0", SLOT_PORTS_PCIE + i / FUNCTIONS, i % FUNCTIONS);
                json_set(device, "multifunction", json_true());
                json_set(device, "chassis", json_integer(i + 1));
                build_add_json(build, "-device", device);
        }
}

static gboolean
has_bus(const struct launch *launch, enum disk_bus bus)
{
        for (guint i = 0; i < launch->disk_count; i++)
                if (launch->disks[i].disk->bus == bus)
                        return TRUE;
        return FALSE;
}

static void
build_usb(struct qemu_build *build)
{
        json_t *usb = build_device("qemu-xhci", "usb");

        device_place_fixed(build, usb, SLOT_USB);
        if (has_bus(build->launch, BUS_USB)) {
                json_set(usb, "p2", json_integer(QEMU_USB_PORTS));
                json_set(usb, "p3", json_integer(QEMU_USB_PORTS));
        }
        build_add_json(build, "-device", usb);
}

/* What one controller has for all of its disks, and the display with its pointer. */
static void
build_controllers(struct qemu_build *build)
{
        gboolean display = build->launch->vm->display == DISPLAY_VNC;
        json_t *vga = build_device("VGA", "vga"), *tablet = build_device("usb-tablet", "tablet"),
               *scsi = build_device("virtio-scsi-pci", "scsi");

        device_place_fixed(build, vga, SLOT_VGA);
        json_set_text(tablet, "bus", "usb.0"); /* a pointer that goes where the viewer's does */
        device_place_fixed(build, scsi, SLOT_SCSI);
        if (display)
                build_add_json(build, "-device", json_incref(vga));
        if (display || has_bus(build->launch, BUS_USB))
                build_usb(build);
        if (display)
                build_add_json(build, "-device", json_incref(tablet));
        if (has_bus(build->launch, BUS_SCSI))
                build_add_json(build, "-device", json_incref(scsi));
        json_decref(vga);
        json_decref(tablet);
        json_decref(scsi);
}

static void
build_fixed(struct qemu_build *build)
{
        json_t *rng = build_device("virtio-rng-pci", "rng"), *balloon = build_device("virtio-balloon-pci", "balloon"),
               *serial = build_device("virtio-serial-pci", "serial"), *agent = build_device("virtserialport", "agent");

        build_controllers(build);
        build_add_json(build, "-object", json_pack("{s:s, s:s}", "qom-type", "rng-builtin", "id", "random"));
        device_place_fixed(build, rng, SLOT_RNG);
        json_set_text(rng, "rng", "random");
        build_add_json(build, "-device", rng);
        device_place_fixed(build, balloon, SLOT_BALLOON);
        build_add_json(build, "-device", balloon);
        device_place_fixed(build, serial, SLOT_SERIAL);
        build_add_json(build, "-device", serial);
        json_set_text(agent, "bus", "serial.0");
        json_set_text(agent, "chardev", "agent");
        json_set_text(agent, "name", "org.qemu.guest_agent.0");
        build_add_json(build, "-device", agent);
        build_add_json(build, "-device", json_pack("{s:s, s:s, s:s}", "driver", "vmgenid", "id", "vmgenid", "guid", "auto"));
}

static enum boot_device
boot_device_of(const struct disk *disk)
{
        return disk->media == MEDIA_CDROM ? BOOT_CDROM : BOOT_DISK;
}

static const enum boot_device *
boot_order(const struct vm *vm, guint *ret_count)
{
        *ret_count = vm->boot.order_count ? vm->boot.order_count : G_N_ELEMENTS(default_order);
        return vm->boot.order_count ? vm->boot.order : default_order;
}

/* The boot index of the @number-th device of a kind, or -1 for what the VM is not to boot from. */
static int
boot_index(const struct qemu_build *build, enum boot_device kind, guint number)
{
        const struct launch *launch = build->launch;
        guint counts[BOOT_DEVICES] = {0}, order_count;
        const enum boot_device *order = boot_order(launch->vm, &order_count);
        int index = FIRST_BOOT_INDEX;

        counts[BOOT_NETWORK] = launch->nic_count;
        for (guint i = 0; i < launch->disk_count; i++)
                counts[boot_device_of(launch->disks[i].disk)]++;
        for (guint i = 0; i < order_count; i++) {
                if (order[i] == kind)
                        return index + (int)number;
                index += (int)counts[order[i]];
        }
        return -1;
}

void
build_boot_index(const struct qemu_build *build, json_t *device, enum boot_device kind, guint number)
{
        int index = build->hot ? -1 : boot_index(build, kind, number);

        if (index >= 0)
                json_set(device, "bootindex", json_integer(index));
}

/*
 * A NIC's boot ROM costs time at every start, so it stays out where nothing would use it: with a kernel of the host, or
 * when a disk with something on it, or a CD-ROM, comes before the network.
 */
static gboolean
boots_from_network(const struct launch *launch)
{
        guint order_count;
        const enum boot_device *order = boot_order(launch->vm, &order_count);

        for (guint i = 0; i < order_count && !launch->vm->boot.kernel; i++) {
                if (order[i] == BOOT_NETWORK)
                        return TRUE;
                for (guint n = 0; n < launch->disk_count; n++) {
                        const struct disk *disk = launch->disks[n].disk;

                        if (boot_device_of(disk) == order[i] && (disk_in_place(disk) || launch->disks[n].backing_path) &&
                            strcmp(disk->name, QEMU_SEED) != 0)
                                return FALSE;
                }
        }
        return FALSE;
}

/* By its place in the list: what a guest knows a mount by is its tag. */
static void
build_mount(struct qemu_build *build, guint number)
{
        const struct mount *mount = &build->launch->vm->mounts[number];
        gboolean virtiofs = mount->type == MOUNT_VIRTIOFS;
        g_autofree char *id = g_strdup_printf("mount%u", number), *tag = share_tag(mount->target);
        json_t *device = build_device(virtiofs ? "vhost-user-fs-pci" : "virtio-9p-pci", id);

        if (virtiofs)
                build_add(build, "-chardev", "socket,id=%s,fd=%d", id, build_descriptor(build, DESCRIPTOR_SHARE, number, NULL));
        else
                build_add(build, "-fsdev", "local,id=%s,path=/proc/self/fd/%d,security_model=none,multidevs=remap%s", id,
                          build_descriptor(build, DESCRIPTOR_FOLDER, 0, mount->source), mount->read_only ? ",readonly=on" : "");
        device_place(device, "pcie.0", SLOT_MOUNTS + number / FUNCTIONS, number % FUNCTIONS);
        json_set(device, "multifunction", json_true());
        json_set_text(device, virtiofs ? "chardev" : "fsdev", id);
        json_set_text(device, virtiofs ? "tag" : "mount_tag", tag);
        build_add_json(build, "-device", device);
}

json_t *
build_nic_device(const struct qemu_build *build, guint number)
{
        static const char *const drivers[] = {
                [NIC_VIRTIO] = "virtio-net-pci", [NIC_E1000] = "e1000", [NIC_E1000E] = "e1000e", [NIC_RTL8139] = "rtl8139"};
        const struct launch_nic *nic = &build->launch->nics[number];
        const guint8 *octets = nic->mac.ether_addr_octet;
        g_autofree char *id = qemu_nic_id(nic->nic->name), *netdev = qemu_netdev_id(nic->nic->name);
        g_autofree char *mac = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", octets[0], octets[1], octets[2], octets[3],
                                               octets[4], octets[5]);
        json_t *device = build_device(drivers[nic->nic->model], id);

        build_place_port(build, device, nic->port);
        json_set_text(device, "netdev", netdev);
        json_set_text(device, "mac", mac);
        if (nic->mtu && nic->nic->model == NIC_VIRTIO)
                json_set(device, "host_mtu", json_integer(nic->mtu));
        if (!build->hot && boots_from_network(build->launch))
                build_boot_index(build, device, BOOT_NETWORK, number);
        else
                json_set_text(device, "romfile", "");
        return device;
}

static void
build_nic(struct qemu_build *build, guint number)
{
        g_autofree char *netdev = qemu_netdev_id(build->launch->nics[number].nic->name);

        build_add(build, "-netdev", "tap,id=%s,fd=%d", netdev, build_descriptor(build, DESCRIPTOR_TAP, number, NULL));
        build_add_json(build, "-device", build_nic_device(build, number));
}

void
build_devices(struct qemu_build *build)
{
        const struct launch *launch = build->launch;
        guint numbers[BOOT_DEVICES] = {0};

        build_ports(build);
        build_fixed(build);
        for (guint i = 0; i < launch->disk_count; i++)
                build_disk(build, &launch->disks[i], numbers[boot_device_of(launch->disks[i].disk)]++);
        for (guint i = 0; i < launch->nic_count; i++)
                build_nic(build, i);
        for (guint i = 0; i < launch->vm->mount_count; i++)
                build_mount(build, i);
}
