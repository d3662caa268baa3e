/* paths.h - where a project's files lie on this host
 *
 *                       root                          user
 * run    sockets        /run/drover/PROJECT           $XDG_RUNTIME_DIR/drover/PROJECT
 * data   disks, state   /var/lib/drover/PROJECT       $XDG_DATA_HOME/drover/PROJECT
 * cache  images         /var/cache/drover             $XDG_CACHE_HOME/drover
 *
 * DROVER_RUN_DIR, DROVER_DATA_DIR and DROVER_CACHE_DIR replace the part before PROJECT.
 *
 *   data/lock                 the project's lock (POSIX, so that its holder has a pid)
 *   data/state.json           what neither the file nor the kernel can tell (state.h)
 *   data/disks/NAME.N.FORMAT  named disks
 *   data/dnsmasq/             see dnsmasq.h
 *   data/ssh/                 the project's key pair, known_hosts
 *   data/vms/VM/              spec.json, alive (lock), own/qemu.pid, qemu.log, console.log, root.N.qcow2, DISK.N.FORMAT,
 *                             seed.iso
 *   run/vms/VM/               the sockets of qemu_argv.h
 *
 * A user's directories are 0700. As root those above are 0711, since QEMU's user and dnsmasq's must pass through, and each
 * directory that holds anything is closed to all but its owner.
 */
#pragma once

#include <glib.h>

struct paths {
        char *run_root, *data_root, *cache;
        char *run, *data; /* of this project */
        gboolean root;
};

struct paths *paths_new(const char *project);
void paths_free(struct paths *paths);
typedef struct paths paths_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(paths_t, paths_free)

/** All return new strings */
char *paths_vm_run(const struct paths *paths, const char *vm);
char *paths_vm_data(const struct paths *paths, const char *vm);
/** paths_vm_disk() - "data/vms/VM/DISK.GENERATION.FORMAT" */
char *paths_vm_disk(const struct paths *paths, const char *vm, const char *disk, guint generation, const char *format);
char *paths_named_disk(const struct paths *paths, const char *disk, guint generation, const char *format);
/** paths_seed() - "data/vms/VM/seed.iso" */
char *paths_seed(const struct paths *paths, const char *vm);
/** paths_host_state() - "data_root/host.json": what drover changed on the host as a whole (ip_forward) */
char *paths_host_state(const struct paths *paths);

/** paths_catalogues() - Files that add images to the catalogue: the host's, the user's; g_strfreev() it */
char **paths_catalogues(void);

/** paths_ensure_data() - Make the data directory alone, for the lock */
gboolean paths_ensure_data(const struct paths *paths, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** paths_ensure_vm_data() - Make a VM's data directory; as root it is root's, and QEMU's user may only pass through it */
gboolean paths_ensure_vm_data(const struct paths *paths, const char *vm, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** paths_ensure() - Make the project's directories with their modes */
gboolean paths_ensure(const struct paths *paths, GError **error) G_GNUC_WARN_UNUSED_RESULT;
