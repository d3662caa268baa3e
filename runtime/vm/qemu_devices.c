/* qemu_devices.c - the devices of a VM, each at an address that it keeps
 *
 * q35: what sits on pcie.0 for good has a slot from 1 on; each disk and each NIC has a root port of its own, so that it can be
 * unplugged, and eight ports more stay empty for what is plugged in later. Port I is function I % 8 of slot 16 + I / 8.
 * pc: one bus; slot 1 is the chipset's (PIIX), so what sits there for good comes from 2 on and "port" I is slot 8 + I.
 *
 * A device keeps its port for as long as the VM exists, so the removal of one renames no other in the guest.
 */
#include "runtime/vm/qemu_build.h"

#include <string.h>

enum {
        SLOT_VGA = 1,
        SLOT_RNG,
        SLOT_BALLOON,
        SLOT_SERIAL,
        SLOT_USB,
        SLOT_PORTS_PCIE = 16,
        SLOT_PORTS_PC = 8,
        FUNCTIONS = 8,
        SERIAL_BYTES = 20, /* of virtio-blk. Source: VIRTIO_BLK_ID_BYTES of linux/virtio_blk.h */
        FIRST_BOOT_INDEX = 1, /* 0 is that of -kernel */
};

static const enum boot_device default_order[] = {BOOT_DISK, BOOT_CDROM, BOOT_NETWORK};

static json_t *
device_new(const char *driver, const char *id)
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

static void
device_place_port(const struct qemu_build *build, json_t *device, guint port)
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
                json_t *device = device_new("pcie-root-port", id);

                device_place(device, "pcie.0", SLOT_PORTS_PCIE + i / FUNCTIONS, i % FUNCTIONS);
                json_set(device, "multifunction", json_true());
                json_set(device, "chassis", json_integer(i + 1));
                build_add_json(build, "-device", device);
        }
}

static void
build_display_devices(struct qemu_build *build)
{
        json_t *vga = device_new("VGA", "vga"), *usb = device_new("qemu-xhci", "usb"),
               *tablet = device_new("usb-tablet", "tablet");

        device_place_fixed(build, vga, SLOT_VGA);
        build_add_json(build, "-device", vga);
        device_place_fixed(build, usb, SLOT_USB);
        build_add_json(build, "-device", usb);
        json_set_text(tablet, "bus", "usb.0"); /* a pointer that goes where the viewer's does */
        build_add_json(build, "-device", tablet);
}

static void
build_fixed(struct qemu_build *build)
{
        json_t *rng = device_new("virtio-rng-pci", "rng"), *balloon = device_new("virtio-balloon-pci", "balloon"),
               *serial = device_new("virtio-serial-pci", "serial"), *agent = device_new("virtserialport", "agent");

        if (build->launch->vm->display == DISPLAY_VNC)
                build_display_devices(build);
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

static void
device_boot(const struct qemu_build *build, json_t *device, enum boot_device kind, guint number)
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

                        if (boot_device_of(disk) == order[i] && (disk->file || launch->disks[n].backing_path) &&
                            strcmp(disk->name, QEMU_SEED) != 0)
                                return FALSE;
                }
        }
        return FALSE;
}

static char *
disk_serial(const char *name)
{
        g_autofree char *sum = NULL;

        if (strlen(name) <= SERIAL_BYTES)
                return g_strdup(name);
        sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
        return g_strdup_printf("%.11s-%.8s", name, sum);
}

static void
build_disk_nodes(struct qemu_build *build, const struct launch_disk *disk, const char *id)
{
        const char *name = disk->disk->name;
        gboolean read_only = disk->disk->read_only || disk->disk->media == MEDIA_CDROM;
        g_autofree char *file = qemu_disk_node_id(DISK_NODE_FILE, name);
        g_autofree char *base = NULL, *base_file = NULL;

        if (disk->backing_path) {
                base = qemu_disk_node_id(DISK_NODE_BACKING, name);
                base_file = qemu_disk_node_id(DISK_NODE_BACKING_FILE, name);
                build_nodes(build, base, base_file, DESCRIPTOR_READ, disk->backing_path, disk->backing_format, NULL);
        }
        build_nodes(build, id, file, read_only ? DESCRIPTOR_READ : DESCRIPTOR_WRITE, disk->path, disk->format, base);
}

/* q35 has six SATA ports, each a bus; pc has two IDE buses with two units each. */
static void
place_cdrom(const struct qemu_build *build, json_t *device, guint number)
{
        g_autofree char *bus = g_strdup_printf("ide.%u", build->pcie ? number : number / 2);

        json_set_text(device, "bus", bus);
        if (!build->pcie)
                json_set(device, "unit", json_integer(number % 2));
}

json_t *
build_disk_device(const struct qemu_build *build, const struct launch_disk *disk, guint number)
{
        gboolean cdrom = disk->disk->media == MEDIA_CDROM;
        g_autofree char *id = qemu_disk_id(disk->disk->name);
        g_autofree char *serial = disk_serial(disk->disk->name);
        json_t *device = device_new(cdrom ? "ide-cd" : "virtio-blk-pci", id);

        if (cdrom)
                place_cdrom(build, device, number);
        else
                device_place_port(build, device, disk->port);
        json_set_text(device, "drive", id);
        json_set_text(device, "serial", serial);
        if (!cdrom)
                json_set_text(device, "write-cache", "on");
        device_boot(build, device, cdrom ? BOOT_CDROM : BOOT_DISK, number);
        return device;
}

static void
build_disk(struct qemu_build *build, const struct launch_disk *disk, guint number)
{
        g_autofree char *id = qemu_disk_id(disk->disk->name);

        build_disk_nodes(build, disk, id);
        build_add_json(build, "-device", build_disk_device(build, disk, number));
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
        json_t *device = device_new(drivers[nic->nic->model], id);

        device_place_port(build, device, nic->port);
        json_set_text(device, "netdev", netdev);
        json_set_text(device, "mac", mac);
        if (nic->mtu && nic->nic->model == NIC_VIRTIO)
                json_set(device, "host_mtu", json_integer(nic->mtu));
        if (!build->hot && boots_from_network(build->launch))
                device_boot(build, device, BOOT_NETWORK, number);
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
}
