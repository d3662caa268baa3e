/* live_nic.c - NICs of a VM that runs
 *
 * QEMU gets the tap as a descriptor, as at its start. A netdev without its device is what a killed drover leaves, or somebody
 * who took the device out by hand, and a descriptor without its netdev likewise: QEMU keeps it by name when the monitor closes.
 * Both go, and the tap with them, before a new one comes. The tap is on no bridge until live_join_nic(): nothing of the guest
 * gets anywhere before it is guarded and served.
 */
#include "runtime/vm/live_build.h"

#include "base/error.h"
#include "base/fd.h"

enum { COMMAND_MS = 10000, CABLE_MS = 250 };

static gboolean
add_netdev(struct live *live, const struct launch_nic *nic, const char *netdev, GError **error)
{
        auto_fd tap = vm_open_tap(live->host, live->launch, nic, FALSE, error);

        if (tap < 0)
                return FALSE;
        if (!qmp_call_fd(live->qmp, "getfd", json_pack("{s:s}", "fdname", netdev), tap, COMMAND_MS, NULL, error))
                return FALSE;
        if (live_call(live, "netdev_add", json_pack("{s:s, s:s, s:s}", "type", "tap", "id", netdev, "fd", netdev), NULL, error))
                return TRUE;
        live_drop(live, "closefd", "fdname", netdev);
        return FALSE;
}

/* Nearly always nothing of it is there, which trying finds out as well as asking: each question costs QEMU a turn. */
static gboolean
ensure_netdev(struct live *live, const struct launch_nic *nic, const char *id, const char *netdev, gboolean *ret_has,
              GError **error)
{
        *ret_has = FALSE;
        if (add_netdev(live, nic, netdev, NULL))
                return TRUE;
        if (!live_has(live, id, ret_has, error))
                return FALSE;
        if (*ret_has)
                return TRUE;
        live_drop(live, "netdev_del", "id", netdev);
        live_drop(live, "closefd", "fdname", netdev);
        return add_netdev(live, nic, netdev, error);
}

gboolean
live_plug_nic(struct live *live, guint number, GError **error)
{
        const struct launch_nic *nic = &live->launch->nics[number];
        g_autofree char *id = qemu_nic_id(nic->nic->name), *netdev = qemu_netdev_id(nic->nic->name);
        gboolean has;

        if (!ensure_netdev(live, nic, id, netdev, &has, error))
                return error_prefix(error, "cannot add NIC '%s'", nic->nic->name);
        if (has)
                return TRUE;
        if (live_call(live, "device_add", build_nic_device(&live->build, number), NULL, error))
                return nic->nic->link == LINK_UP || live_set_link(live, number, error);
        live_drop(live, "netdev_del", "id", netdev);
        return error_prefix(error, "cannot add NIC '%s'", nic->nic->name);
}

gboolean
live_join_nic(struct live *live, guint number, GError **error)
{
        const struct launch_nic *nic = &live->launch->nics[number];

        return vm_join_tap(live->host, live->launch, nic, error) ||
               error_prefix(error, "cannot add NIC '%s'", nic->nic->name);
}

gboolean
live_remove_nic(struct live *live, const char *name, GError **error)
{
        g_autofree char *id = qemu_nic_id(name), *netdev = qemu_netdev_id(name);
        g_autofree char *subject = g_strdup_printf("NIC '%s'", name);

        if (!live_unplug(live, id, subject, error))
                return FALSE;
        live_drop(live, "netdev_del", "id", netdev);
        return TRUE;
}

/* As where a cable is pulled and plugged in elsewhere: a DHCP client asks again. The guest has to run to see it, for which
 * there is no event: it gets a moment. */
gboolean
live_move_nic(struct live *live, guint number, GError **error)
{
        const struct launch_nic *nic = &live->launch->nics[number];
        g_autofree char *id = qemu_nic_id(nic->nic->name);

        if (!live_call(live, "set_link", json_pack("{s:s, s:b}", "name", id, "up", 0), NULL, error) ||
            !vm_join_tap(live->host, live->launch, nic, error))
                return error_prefix(error, "cannot move NIC '%s' to network '%s'", nic->nic->name, nic->nic->network);
        g_usleep(CABLE_MS * 1000);
        return live_set_link(live, number, error);
}
