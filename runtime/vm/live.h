/* live.h - what is changed in a QEMU that runs: NICs and disks, plugged in, taken out, moved, grown
 *
 * Each is an ensure over the control monitor: ask, act, check. What was cut short by a kill is found by asking, so doing it
 * again ends it. Ports and ids are those of the spec, which is saved before a device is added and after it is gone.
 *
 * Room is made at boot: q35 has spare pcie-root-ports. pc has its one bus, whose free slots take devices by ACPI: the same
 * commands with another address.
 */
#pragma once

#include "base/json.h"
#include "runtime/vm/vm.h"

struct live;
struct qmp;

/**
 * live_open() - Connect to a VM's control monitor
 * @launch: as the VM has to be; its machine is the one that runs. Both are borrowed
 */
struct live *live_open(const struct vm_host *host, const struct launch *launch, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void live_close(struct live *live);
typedef struct live live_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(live_t, live_close)

/**
 * live_plug_nic() - Give the guest a NIC whose tap is on no bridge yet; one that it has is left as it is
 * @number: into launch.nics
 *
 * On failure neither device nor tap is left. live_join_nic() puts the tap on its bridge.
 */
gboolean live_plug_nic(struct live *live, guint number, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean live_join_nic(struct live *live, guint number, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * live_remove_nic(), live_remove_disk() - Take it out of the guest, then what was behind it
 *
 * Fail with DROVER_ERROR_TIMEOUT where the guest does not let go of it within LIVE_UNPLUG_MS: then it stays, until the
 * guest does after all, or the VM is started anew.
 */
gboolean live_remove_nic(struct live *live, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean live_remove_disk(struct live *live, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
enum { LIVE_UNPLUG_MS = 10000 };

/** live_move_nic() - Put its tap on the bridge of the network that it is on; the guest sees the cable pulled and plugged */
gboolean live_move_nic(struct live *live, guint number, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** live_add_disk() - @number: into launch.disks; its file exists. @kept: what the spec says of it, or NULL */
gboolean live_add_disk(struct live *live, guint number, const struct kept_disk *kept, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** live_set_link(), live_set_limits() - As the file says: its cable in or out, so much a second or no limit */
gboolean live_set_link(struct live *live, guint number, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean live_set_limits(struct live *live, guint number, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** live_set_password() - Of its display: what the first line of the file is now; those who are connected stay */
gboolean live_set_password(struct live *live, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * live_change_media() - Another disc in a drive
 *
 * Fails with DROVER_ERROR_TIMEOUT where the guest, asked to eject, keeps the door shut; then the old one stays.
 */
gboolean live_change_media(struct live *live, guint number, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** live_set_memory() - By the balloon; DROVER_ERROR_TIMEOUT where the guest does not follow within LIVE_UNPLUG_MS */
gboolean live_set_memory(struct live *live, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** live_add_cpus() - Up to what the file says; never fewer */
gboolean live_add_cpus(struct live *live, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** live_wire() - What no argument of QEMU's says, before the guest runs: links that are down, limits, password, the balloon */
gboolean live_wire(struct qmp *qmp, const struct launch *launch, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** live_grow_disk() - To the size that it has to have; never smaller */
gboolean live_grow_disk(struct live *live, guint number, GError **error) G_GNUC_WARN_UNUSED_RESULT;
