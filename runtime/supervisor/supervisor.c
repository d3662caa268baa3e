/* supervisor.c - one small process per project, as long as any VM of it lives
 *
 * What it waits for: inotify on data/vms (a VM is made or removed), on each VM's directory (a log grows, the pid file
 * comes or goes) and on dnsmasq's, and a pidfd of each QEMU. Without an event it does not wake up; only while a QEMU holds
 * its lock and has no pid file, which is how each of them begins and ends, it looks again after a moment.
 */
#include "runtime/supervisor/supervisor.h"

#include "base/child.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "runtime/vm/vm.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define LOCK_FILE "supervisor"

#define PROGRAM "drover"

#define DNSMASQ_DIRECTORY "dnsmasq"

enum { BLIND_MS = 200 };

static const char *const logs[] = {QEMU_CONSOLE_LOG, QEMU_LOG, "log"};

gboolean
log_trim(int directory_fd, const char *name, GError **error)
{
        g_autofree char *old = g_strconcat(name, ".1", NULL);
        g_autofree char *tail = NULL;
        struct stat st;
        auto_fd from = openat(directory_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        auto_fd to = -1;
        ssize_t n;

        if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= LOG_BOUND_BYTES)
                return TRUE;
        tail = g_malloc(LOG_KEPT_BYTES);
        n = pread(from, tail, LOG_KEPT_BYTES, st.st_size - LOG_KEPT_BYTES);
        if (n < 0)
                return error_errno(error, "cannot read '%s'", name);
        if (unlinkat(directory_fd, old, 0) < 0 && errno != ENOENT)
                return error_errno(error, "cannot replace '%s'", old);
        to = openat(directory_fd, old, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        /* A full disk must not keep the log from shrinking: what cannot be kept is lost. */
        if (to >= 0 && write(to, tail, (size_t)n) != n)
                unlinkat(directory_fd, old, 0);
        if (ftruncate(from, 0) < 0)
                return error_errno(error, "cannot truncate '%s'", name);
        return TRUE;
}

gboolean
supervisor_is_alive(const struct paths *paths)
{
        g_autofree char *lock = g_build_filename(paths->data, LOCK_FILE, NULL);

        return file_is_locked(lock);
}

gboolean
supervisor_ensure(const struct paths *paths, const char *project, struct home *home, GError **error)
{
        g_autofree char *lock = g_build_filename(paths->data, LOCK_FILE, NULL);
        g_autofree char *scope = g_strdup_printf("drover-%s-supervisor", project);
        const char *argv[] = {PROGRAM, "supervise", project, paths->data, NULL};
        g_autoptr(GError) reason = NULL;
        struct child child = CHILD_INIT;
        auto_fd lock_fd = -1;
        auto_fd namespace_fd = -1;
        auto_fd pidfd = -1;
        int fds[2];
        pid_t pid;

        if (!file_lock(lock, &lock_fd, &reason)) {
                if (g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_LOCKED))
                        return TRUE;
                g_propagate_error(error, g_steal_pointer(&reason));
                return error_prefix(error, "cannot start the supervisor");
        }
        namespace_fd = home_namespace(home, error);
        if (namespace_fd < 0)
                return error_prefix(error, "cannot start the supervisor");
        fds[0] = lock_fd;
        fds[1] = namespace_fd;
        child.argv = argv;
        child.program = "/proc/self/exe"; /* as we are, also when a new release has taken our name meanwhile */
        child.scope = scope;
        child.fds = fds;
        child.fd_count = G_N_ELEMENTS(fds);
        return child_start(&child, &pid, &pidfd, error);
}

/* ---- the process ---- */

struct supervisor {
        const char *data;
        int notify;          /* inotify */
        int vms_watch;       /* of data/vms */
        GHashTable *watches; /* watch descriptor -> directory below data */
        GHashTable *names;   /* the other way round */
        GArray *polls;       /* struct pollfd: inotify first, then a pidfd of each QEMU */
        gboolean blind;      /* a VM lives whose process is not known: it is about to write its pid file, or about to end */
};

static void
supervisor_clear(struct supervisor *supervisor)
{
        for (guint i = 0; i < supervisor->polls->len; i++)
                close(g_array_index(supervisor->polls, struct pollfd, i).fd);
        g_array_unref(supervisor->polls);
        g_hash_table_unref(supervisor->watches);
        g_hash_table_unref(supervisor->names);
}

static void
trim_logs(const struct supervisor *supervisor, const char *below)
{
        g_autofree char *path = g_build_filename(supervisor->data, below, NULL);
        auto_fd directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        for (size_t i = 0; directory >= 0 && i < G_N_ELEMENTS(logs); i++)
                if (!log_trim(directory, logs[i], NULL))
                        continue; /* nobody listens; the next growth tries again */
}

static void
watch(struct supervisor *supervisor, const char *below)
{
        g_autofree char *path = g_build_filename(supervisor->data, below, NULL);
        int number;

        trim_logs(supervisor, below);
        if (g_hash_table_contains(supervisor->names, below))
                return;
        number = inotify_add_watch(supervisor->notify, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
        if (number < 0)
                return;
        g_hash_table_insert(supervisor->watches, GINT_TO_POINTER(number), g_strdup(below));
        g_hash_table_insert(supervisor->names, g_strdup(below), GINT_TO_POINTER(number));
}

/* A pidfd of a VM's QEMU, or -1: it does not live, or has not written its pid file yet (which will be an event). */
static int
open_qemu(const struct supervisor *supervisor, const char *vm)
{
        g_autofree char *pid_file = g_build_filename(supervisor->data, "vms", vm, VM_PID_FILE, NULL);
        pid_t pid = file_lock_holder(pid_file);
        auto_fd pidfd = pid > 0 ? process_open(pid) : -1;

        return pidfd >= 0 && file_lock_holder(pid_file) == pid ? fd_steal(&pidfd) : -1;
}

/* Look at all VMs anew; returns how many live, by their locks. */
static guint
scan(struct supervisor *supervisor)
{
        g_autofree char *path = g_build_filename(supervisor->data, "vms", NULL);
        g_autoptr(GPtrArray) names = file_list_directory(path, NULL);
        guint living = 0;

        for (guint i = 1; i < supervisor->polls->len; i++)
                close(g_array_index(supervisor->polls, struct pollfd, i).fd);
        g_array_set_size(supervisor->polls, 1);
        supervisor->blind = FALSE;
        watch(supervisor, DNSMASQ_DIRECTORY);
        for (guint i = 0; names && i < names->len; i++) {
                const char *vm = g_ptr_array_index(names, i);
                g_autofree char *below = g_build_filename("vms", vm, NULL);
                g_autofree char *own = g_build_filename(below, VM_OWN_DIRECTORY, NULL);
                g_autofree char *alive = g_build_filename(path, vm, VM_ALIVE_FILE, NULL);
                struct pollfd entry = {.events = POLLIN};

                watch(supervisor, below);
                watch(supervisor, own);
                if (!file_is_locked(alive))
                        continue;
                living++;
                entry.fd = open_qemu(supervisor, vm);
                if (entry.fd >= 0)
                        g_array_append_val(supervisor->polls, entry);
                else
                        supervisor->blind = TRUE;
        }
        return living;
}

/* Returns TRUE when VMs may have come or gone. */
static gboolean
read_events(struct supervisor *supervisor)
{
        char buffer[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)] __attribute__((aligned(8)));
        ssize_t n = read(supervisor->notify, buffer, sizeof buffer);
        gboolean changed = FALSE;

        for (char *at = buffer; n > 0 && at < buffer + n;) {
                const struct inotify_event *event = (const struct inotify_event *)(gconstpointer)at;
                const char *below = g_hash_table_lookup(supervisor->watches, GINT_TO_POINTER(event->wd));

                at += sizeof *event + event->len;
                if (event->mask & IN_IGNORED) {
                        if (below)
                                g_hash_table_remove(supervisor->names, below);
                        g_hash_table_remove(supervisor->watches, GINT_TO_POINTER(event->wd));
                        changed = TRUE;
                } else if (event->wd == supervisor->vms_watch || (event->len && strcmp(event->name, QEMU_PID_FILE) == 0)) {
                        changed = TRUE; /* also when the pid file is written: it is made before QEMU locks it */
                } else if (event->mask & IN_MODIFY && below) {
                        if (event->len && g_str_has_suffix(event->name, "log"))
                                trim_logs(supervisor, below);
                }
        }
        return changed;
}

static void
watch_and_wait(struct supervisor *supervisor)
{
        while (scan(supervisor) > 0) {
                gboolean changed = FALSE;

                while (!changed) {
                        struct pollfd *polls = (struct pollfd *)(gpointer)supervisor->polls->data;
                        int ready = poll(polls, supervisor->polls->len, supervisor->blind ? BLIND_MS : -1);

                        if (ready < 0)
                                continue;
                        changed = ready == 0;
                        for (guint i = 1; i < supervisor->polls->len; i++)
                                changed = changed || polls[i].revents;
                        if (polls[0].revents)
                                changed = read_events(supervisor) || changed;
                }
        }
}

/* Nothing lives: let go of the lock, and look once more. A drover that has just started a VM and found the lock held relies
 * on us. */
static gboolean
has_come_meanwhile(struct supervisor *supervisor)
{
        struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

        if (fcntl(CHILD_FIRST_FD, F_OFD_SETLK, &lock) < 0 || scan(supervisor) == 0)
                return FALSE;
        lock.l_type = F_WRLCK;
        return fcntl(CHILD_FIRST_FD, F_OFD_SETLK, &lock) == 0; /* else another one watches now */
}

gboolean
supervisor_run(const char *data, GError **error)
{
        g_autofree char *vms = g_build_filename(data, "vms", NULL);
        struct supervisor supervisor = {.data = data};
        struct pollfd first = {.events = POLLIN};

        prctl(PR_SET_NAME, PROGRAM); /* it would be "exe" */
        supervisor.notify = first.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (supervisor.notify < 0)
                return error_errno(error, "cannot watch '%s'", data);
        supervisor.watches = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        supervisor.names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        supervisor.polls = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
        g_array_append_val(supervisor.polls, first);
        supervisor.vms_watch = inotify_add_watch(supervisor.notify, vms, IN_CREATE | IN_DELETE | IN_ONLYDIR);
        do
                watch_and_wait(&supervisor);
        while (has_come_meanwhile(&supervisor));
        supervisor_clear(&supervisor);
        return TRUE;
}
