/* vm.h - one VM's QEMU: started, stopped, paused, found again
 *
 * vm_launch.c starts, vm.c does the rest. A VM is alive while the OFD lock on data/vms/VM/alive is held, which its QEMU
 * inherited. Its pid is the holder of QEMU's own lock on its pid file, and it is the right one when its arguments hold our
 * UUID. Signals go through a pidfd, after a second look.
 */
#pragma once

#include "network/home.h"
#include "runtime/vm/qemu_argv.h"
#include "runtime/state.h"

/** Files in a VM's data directory, next to those of qemu_argv.h */
#define VM_ALIVE_FILE "alive" /* the lock; it has a length once its QEMU was told to end: see vm_is_ending() */
#define VM_THROWAWAY_FILE "throwaway" /* of a VM that `drover run` made: locked for as long as that waits for its command */
#define QEMU_LOG "qemu.log"   /* its standard error */
#define SHARE_LOG "share.log" /* that of the virtiofsd of its mounts, of one start */

/**
 * The one directory there that belongs to QEMU's user, for the pid file alone. As root all else is root's: whoever breaks
 * out of a guest can put no link, FIFO or spec.json of his own where root opens files for QEMU.
 */
#define VM_OWN_DIRECTORY "own"
#define VM_PID_FILE VM_OWN_DIRECTORY "/" QEMU_PID_FILE

/** struct vm_host - What starting a VM needs of this host */
struct vm_host {
        const struct paths *paths;
        struct home *home;
        struct netlink *netlink;
        const char *project;
        const int *bridges;                /* ifindex of each network's bridge, by its index in the project */
        const struct child_user *user;     /* who QEMU runs as; NULL: we ourselves */
        const char *qemu;                  /* path of the program */
        /* Called when QEMU has greeted: what is left of the start is nearly all waiting for it. May be NULL. */
        void (*greeted)(void);
        /* Called when QEMU stands, before the guest runs its first instruction: what has to be in place by then is waited for
         * here, while QEMU was being started. May be NULL; FALSE with an error ends the start. */
        gboolean (*before_running)(void *data, GError **error);
        void *before_running_data;
};

/**
 * vm_start() - Start QEMU paused, wire it, let it run
 * @spec:   saved first: from here on it is what this VM was started with
 * @paused: leave it before its first instruction
 *
 * Fails with what QEMU itself said and the stage that was reached; no process is left then. DROVER_ERROR_BUSY where it lives.
 */
gboolean vm_start(const struct vm_host *host, const struct launch *launch, const struct spec *spec, gboolean paused,
                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** launch_tap_name() - The name of the tap of a NIC. New string */
char *launch_tap_name(const struct launch *launch, const char *nic);

/**
 * vm_open_tap() - The tap of a NIC, with @join on its bridge; the descriptor is for QEMU. -1 on failure, see home_tap()
 */
int vm_open_tap(const struct vm_host *host, const struct launch *launch, const struct launch_nic *nic, gboolean join,
                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vm_join_tap() - Put the tap that a NIC has on the bridge of its network */
gboolean vm_join_tap(const struct vm_host *host, const struct launch *launch, const struct launch_nic *nic, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/**
 * vm_prepare_disk() - Before QEMU opens a disk: it grows while nobody has it open; the image below it must be what it was
 * @kept: what the spec says of it, or NULL
 */
gboolean vm_prepare_disk(const struct vm_host *host, const struct launch *launch, const struct launch_disk *disk,
                         const struct kept_disk *kept, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * vm_stop() - ACPI power-off, then, after the grace period, SIGTERM (QEMU's `quit`), then SIGKILL
 * @grace_ms:   0: no ACPI, at once
 * @ret_forced: on success, whether the guest had to be cut off; may be NULL
 *
 * That it is not alive is success.
 */
gboolean vm_stop(const struct paths *paths, const char *vm, int grace_ms, gboolean *ret_forced, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** vm_command() - One command without arguments on the control monitor: "stop", "cont", "system_reset", "inject-nmi" */
gboolean vm_command(const struct paths *paths, const char *vm, const char *command, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vm_is_locked() - Is it alive (the lock)? */
gboolean vm_is_locked(const struct paths *paths, const char *vm);

/**
 * vm_is_ending() - Was a QEMU that is alive told to end?
 *
 * It is noted before it is told: when drover is killed then, QEMU may still say for a moment that all is well. Of use to who
 * holds the project's lock; a look without it also sees a stop that is under way.
 */
gboolean vm_is_ending(const struct paths *paths, const char *vm);

/** vm_find_pid() - The pid of its QEMU, checked by its UUID; 0: not alive, or not to be found */
pid_t vm_find_pid(const struct paths *paths, const char *vm, const char *uuid);

/** vm_crashed() - Not alive, but its pid file is left */
gboolean vm_crashed(const struct paths *paths, const char *vm);

/** vm_open_run_directory() - O_PATH descriptor of the VM's run directory, for qmp_connect(); -1 on failure */
int vm_open_run_directory(const struct paths *paths, const char *vm, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** vm_connect_socket() - Connect to one of the sockets of qemu_argv.h; -1 on failure */
int vm_connect_socket(const struct paths *paths, const char *vm, const char *socket, GError **error) G_GNUC_WARN_UNUSED_RESULT;
