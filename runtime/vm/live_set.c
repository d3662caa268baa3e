/* live_set.c - what is set rather than plugged: the cable of a NIC, limits of a disk, the disc in a drive, memory, vCPUs
 *
 * Memory is the balloon's. A VM that is to grow is started with all of its `max`, and its balloon holds what is over; so memory
 * goes up and down without a device of its own, in any guest with virtio drivers. virtio-mem would give the guest what it
 * lacks only when asked, but `maxmem` costs every such guest 64 MB of bounce buffers at boot, and needs a driver that fewer
 * have. The price: a guest without a balloon driver has its `max` from the start.
 *
 * vCPUs are only added: taking one out and then plugging in memory crashed QEMU 7.2 under TCG, and few guests take part.
 */
#include "runtime/vm/live_build.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#include <string.h>

enum { COMMAND_MS = 10000, PASSWORD_FILE_MAX = 4096 };

/* It is on its way to QEMU and nowhere else: no argument, no record, no trace (qmp.c) shows it. */
static gboolean
set_password(struct qmp *qmp, const struct vm *vm, GError **error)
{
        g_autofree char *text = NULL;
        gboolean ok;

        if (!file_read(vm->display_password_file, PASSWORD_FILE_MAX, &text, NULL, error))
                return error_prefix(error, "cannot read the password of its display");
        text[strcspn(text, "\r\n")] = '\0';
        if (!*text || !g_utf8_validate(text, -1, NULL))
                return error_set(error, DROVER_ERROR_FAILED, "there is no password in the first line of '%s'",
                                 vm->display_password_file);
        ok = qmp_call(qmp, "set_password", json_pack("{s:s, s:s}", "protocol", "vnc", "password", text), COMMAND_MS, NULL,
                      error);
        explicit_bzero(text, strlen(text));
        return ok || error_prefix(error, "cannot set the password of its display");
}

static gboolean
set_link(struct qmp *qmp, const struct nic *nic, GError **error)
{
        g_autofree char *id = qemu_nic_id(nic->name);

        return qmp_call(qmp, "set_link", json_pack("{s:s, s:b}", "name", id, "up", nic->link == LINK_UP), COMMAND_MS, NULL,
                        error) ||
               error_prefix(error, "cannot set the link of NIC '%s'", nic->name);
}

static gboolean
set_limits(struct qmp *qmp, const struct disk *disk, GError **error)
{
        const struct disk_limits none = {0}, *limits = disk->limits ? disk->limits : &none;
        g_autofree char *path = qemu_disk_owner_path(disk);
        json_t *arguments = json_pack("{s:s, s:i, s:I, s:I, s:i, s:i, s:i}", "id", path, "bps", 0, "bps_rd",
                                      (json_int_t)limits->read_bytes, "bps_wr", (json_int_t)limits->write_bytes, "iops",
                                      (int)limits->iops, "iops_rd", 0, "iops_wr", 0);

        return qmp_call(qmp, "block_set_io_throttle", arguments, COMMAND_MS, NULL, error) ||
               error_prefix(error, "cannot limit disk '%s'", disk->name);
}

static gboolean
set_balloon(struct qmp *qmp, const struct vm *vm, GError **error)
{
        return qmp_call(qmp, "balloon", json_pack("{s:I}", "value", (json_int_t)vm->memory_bytes), COMMAND_MS, NULL, error) ||
               error_prefix(error, "cannot set its memory");
}

gboolean
live_wire(struct qmp *qmp, const struct launch *launch, GError **error)
{
        for (guint i = 0; i < launch->nic_count; i++)
                if (launch->nics[i].nic->link != LINK_UP && !set_link(qmp, launch->nics[i].nic, error))
                        return FALSE;
        for (guint i = 0; i < launch->disk_count; i++)
                if (launch->disks[i].disk->limits && !set_limits(qmp, launch->disks[i].disk, error))
                        return FALSE;
        if (launch->vm->display == DISPLAY_VNC && launch->vm->display_password_file && !set_password(qmp, launch->vm, error))
                return FALSE;
        return launch->vm->memory_max_bytes <= launch->vm->memory_bytes || set_balloon(qmp, launch->vm, error);
}

gboolean
live_set_link(struct live *live, guint number, GError **error)
{
        return set_link(live->qmp, live->launch->nics[number].nic, error);
}

gboolean
live_set_limits(struct live *live, guint number, GError **error)
{
        return set_limits(live->qmp, live->launch->disks[number].disk, error);
}

gboolean
live_set_password(struct live *live, GError **error)
{
        return set_password(live->qmp, live->launch->vm, error);
}

static gboolean
get_balloon(struct live *live, guint64 *ret_bytes, GError **error)
{
        g_autoptr(json_t) value = NULL;

        if (!live_call(live, "query-balloon", NULL, &value, error))
                return FALSE;
        *ret_bytes = (guint64)json_number(value, "actual", 0);
        return TRUE;
}

gboolean
live_set_memory(struct live *live, GError **error)
{
        gint64 deadline_us = g_get_monotonic_time() + (gint64)LIVE_UNPLUG_MS * 1000;
        guint64 wanted = live->launch->vm->memory_bytes, has = 0;
        g_autofree char *has_text = NULL, *wanted_text = NULL;

        if (!set_balloon(live->qmp, live->launch->vm, error))
                return FALSE;
        for (;;) {
                gint64 left_ms = (deadline_us - g_get_monotonic_time()) / 1000;

                if (!get_balloon(live, &has, error))
                        return error_prefix(error, "cannot look at its memory");
                if (has == wanted)
                        return TRUE;
                if (left_ms <= 0)
                        break;
                /* These events come once a second at most; what was missed is seen by asking. */
                (void)!qmp_wait_event(live->qmp, "BALLOON_CHANGE", (int)MIN(left_ms, 1000), NULL, NULL);
        }
        has_text = text_format_size(has);
        wanted_text = text_format_size(wanted);
        error_set(error, DROVER_ERROR_TIMEOUT, "the guest has %s of memory, not %s, after %d s", has_text, wanted_text,
                  LIVE_UNPLUG_MS / 1000);
        return error_hint(error, "its balloon driver may be missing; 'drover up --restart %s' gives it what the file says",
                          live->launch->vm->name);
}

gboolean
live_add_cpus(struct live *live, GError **error)
{
        g_autoptr(json_t) list = NULL;
        guint has = 0;

        if (!live_call(live, "query-hotpluggable-cpus", NULL, &list, error))
                return error_prefix(error, "cannot look at its vCPUs");
        for (size_t i = 0; i < json_array_size(list); i++)
                has += json_text(json_array_get(list, i), "qom-path") != NULL;
        /* The last one is the first that is free: QEMU lists them from the highest down. */
        for (size_t i = json_array_size(list); i-- > 0 && has < live->launch->vm->cpus;) {
                const json_t *slot = json_array_get(list, i);
                g_autofree char *id = g_strdup_printf("cpu-%zu", json_array_size(list) - 1 - i);
                json_t *device;

                if (json_text(slot, "qom-path") || !json_text(slot, "type"))
                        continue;
                device = json_pack("{s:s, s:s}", "driver", json_text(slot, "type"), "id", id);
                json_object_update_missing(device, json_object_get(slot, "props"));
                if (!live_call(live, "device_add", device, NULL, error))
                        return error_prefix(error, "cannot add a vCPU");
                has++;
        }
        return has >= live->launch->vm->cpus || error_set(error, DROVER_ERROR_FAILED, "it has no room for %u vCPUs",
                                                          live->launch->vm->cpus);
}
