/* live.c - what is changed in a QEMU that runs: the connection, and devices that go */
#include "runtime/vm/live_build.h"

#include "base/error.h"
#include "base/fd.h"

#include <string.h>

enum { CONNECT_MS = 3000, COMMAND_MS = 10000 };

struct live *
live_open(const struct vm_host *host, const struct launch *launch, GError **error)
{
        auto_fd directory = vm_open_run_directory(host->paths, launch->vm->name, error);
        g_autoptr(qmp_t) qmp = NULL;
        struct live *live;

        if (directory < 0)
                return NULL;
        qmp = qmp_connect(directory, QEMU_SOCKET_CONTROL, CONNECT_MS, error);
        if (!qmp)
                return NULL;
        live = g_new0(struct live, 1);
        live->host = host;
        live->launch = launch;
        live->build = (struct qemu_build){.launch = launch, .pcie = qemu_is_pcie(launch->machine), .hot = TRUE};
        live->qmp = g_steal_pointer(&qmp);
        return live;
}

void
live_close(struct live *live)
{
        if (!live)
                return;
        qmp_free(live->qmp);
        g_free(live);
}

gboolean
live_call(struct live *live, const char *command, json_t *arguments, json_t **ret_value, GError **error)
{
        return qmp_call(live->qmp, command, arguments, COMMAND_MS, ret_value, error);
}

void
live_drop(struct live *live, const char *command, const char *key, const char *name)
{
        (void)!live_call(live, command, json_pack("{s:s}", key, name), NULL, NULL);
}

gboolean
live_has(struct live *live, const char *id, gboolean *ret_has, GError **error)
{
        g_autoptr(json_t) list = NULL;
        const json_t *item;
        gboolean has = FALSE;
        size_t i;

        if (!live_call(live, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral"), &list, error))
                return FALSE;
        json_array_foreach (list, i, item)
                has = has || g_strcmp0(json_text(item, "name"), id) == 0;
        *ret_has = has;
        return TRUE;
}

/* A device is gone when its own event has come; that of a part of it names no id. */
static gboolean
await_deleted(struct live *live, const char *id, GError **error)
{
        gint64 deadline_us = g_get_monotonic_time() + (gint64)LIVE_UNPLUG_MS * 1000;

        for (;;) {
                gint64 left_us = deadline_us - g_get_monotonic_time();
                g_autoptr(json_t) data = NULL;

                if (!qmp_wait_event(live->qmp, "DEVICE_DELETED", (int)(MAX(left_us, 0) / 1000), &data, error))
                        return FALSE;
                if (g_strcmp0(json_text(data, "device"), id) == 0)
                        return TRUE;
        }
}

gboolean
live_unplug(struct live *live, const char *id, const char *subject, GError **error)
{
        g_autoptr(GError) reason = NULL;
        gboolean has;

        if (!live_has(live, id, &has, error))
                return FALSE;
        if (!has)
                return TRUE;
        /* The guest may have been asked before: then it still has to be waited for. Source: qdev_unplug() of qdev-monitor.c */
        if (!live_call(live, "device_del", json_pack("{s:s}", "id", id), NULL, &reason) &&
            !strstr(reason->message, "in the process of unplug")) {
                g_propagate_error(error, g_steal_pointer(&reason));
                return FALSE;
        }
        g_clear_error(&reason);
        if (await_deleted(live, id, &reason))
                return TRUE;
        if (!g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_TIMEOUT)) {
                g_propagate_error(error, g_steal_pointer(&reason));
                return FALSE;
        }
        if (!live_has(live, id, &has, error))
                return FALSE;
        if (!has)
                return TRUE;
        error_set(error, DROVER_ERROR_TIMEOUT, "the guest did not let go of %s within %d s", subject, LIVE_UNPLUG_MS / 1000);
        return error_hint(error, "it stays until the VM is started anew: 'drover up --restart %s'", live->launch->vm->name);
}
