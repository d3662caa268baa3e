/* live_build.h - shared by live*.c, and by nobody else: a connection to the control monitor, and what is said over it */
#pragma once

#include "runtime/vm/live.h"
#include "runtime/vm/qemu_build.h"
#include "runtime/vm/qmp.h"

struct live {
        const struct vm_host *host;
        const struct launch *launch;
        struct qemu_build build; /* for devices as QEMU takes them */
        struct qmp *qmp;
};

/** live_call() - One command; @arguments is stolen, @ret_value may be NULL */
gboolean live_call(struct live *live, const char *command, json_t *arguments, json_t **ret_value, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** live_drop() - One that takes away what may not be there: nothing comes of it where it is not */
void live_drop(struct live *live, const char *command, const char *key, const char *name);

/** live_has() - Has QEMU a device of this id? */
gboolean live_has(struct live *live, const char *id, gboolean *ret_has, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** live_unplug() - Ask the guest to let go of a device and wait until it has; see live_remove_nic() for the failure */
gboolean live_unplug(struct live *live, const char *id, const char *subject, GError **error) G_GNUC_WARN_UNUSED_RESULT;
