/* supervisor.c - one small process per project: how it is started, and what wakes it
 *
 * What it waits for: inotify on data/vms (a VM is made or removed), on each VM's directory (a log grows, the pid file
 * comes or goes), on dnsmasq's (a lease is given) and on the project's lock (a verb has ended); a pidfd and a monitor of each
 * QEMU; a pidfd of dnsmasq; rtnetlink, for links; and timers while something waits for its time. Without an event it does not
 * wake up.
 */
#include "runtime/supervisor/supervisor.h"

#include "base/child.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "runtime/supervisor/logs.h"
#include "runtime/supervisor/watch.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>

#define LOCK_FILE "supervisor"
#define PROJECT_LOCK "lock"
#define PROGRAM "drover"
#define DNSMASQ_DIRECTORY "dnsmasq"
#define LEASES_FILE "leases"

enum {
        DIRECTORY_EVENTS = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR,
        UNTOLD_MS = 1000, /* how often we look ourselves while the kernel does not tell */
};

static const char *const logs[] = {QEMU_CONSOLE_LOG, QEMU_LOG, "log"};

/* ---- seen from outside ---- */

gboolean
supervisor_is_alive(const struct paths *paths)
{
        g_autofree char *lock = g_build_filename(paths->data, LOCK_FILE, NULL);

        return file_is_locked(lock);
}

static void
add_setting(GPtrArray *argv, const char *name, const char *value)
{
        if (value && *value)
                g_ptr_array_add(argv, g_strdup_printf("%s=%s", name, value));
}

static GPtrArray *
build_argv(const struct paths *paths, const char *project)
{
        static const char *const kept[] = {"DROVER_QEMU", "DROVER_QEMU_USER", "DROVER_ACCEL"};
        GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

        g_ptr_array_add(argv, g_strdup(PROGRAM));
        g_ptr_array_add(argv, g_strdup("supervise"));
        g_ptr_array_add(argv, g_strdup(project));
        g_ptr_array_add(argv, g_strdup(paths->data)); /* for people who look at processes */
        add_setting(argv, "DROVER_RUN_DIR", paths->run_root);
        add_setting(argv, "DROVER_DATA_DIR", paths->data_root);
        add_setting(argv, "DROVER_CACHE_DIR", paths->cache);
        for (size_t i = 0; i < G_N_ELEMENTS(kept); i++)
                add_setting(argv, kept[i], g_getenv(kept[i]));
        g_ptr_array_add(argv, NULL);
        return argv;
}

gboolean
supervisor_ensure(const struct paths *paths, const char *project, struct home *home, GError **error)
{
        g_autofree char *lock = g_build_filename(paths->data, LOCK_FILE, NULL);
        g_autofree char *scope = g_strdup_printf("drover-%s-supervisor", project);
        g_autoptr(GPtrArray) argv = build_argv(paths, project);
        g_autoptr(GError) reason = NULL;
        struct child child = CHILD_INIT;
        auto_fd lock_fd = -1;
        auto_fd namespace_fd = -1;
        auto_fd links_fd = -1;
        auto_fd pidfd = -1;
        int fds[3];
        pid_t pid;

        if (!file_lock(lock, &lock_fd, &reason)) {
                if (g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_LOCKED))
                        return TRUE;
                g_propagate_error(error, g_steal_pointer(&reason));
                return error_prefix(error, "cannot start the supervisor");
        }
        namespace_fd = home_namespace(home, error);
        links_fd = namespace_fd >= 0 ? home_netlink_socket(home, error) : -1;
        if (links_fd < 0)
                return error_prefix(error, "cannot start the supervisor");
        fds[0] = lock_fd;
        fds[1] = namespace_fd;
        fds[2] = links_fd;
        child.argv = (const char *const *)argv->pdata;
        child.program = "/proc/self/exe"; /* as we are, also when a new release has taken our name meanwhile */
        child.scope = scope;
        child.fds = fds;
        child.fd_count = G_N_ELEMENTS(fds);
        return child_start(&child, &pid, &pidfd, error);
}

void
supervisor_take_settings(const char *const *settings)
{
        for (; *settings; settings++) {
                g_auto(GStrv) parts = g_strsplit(*settings, "=", 2);

                if (g_str_has_prefix(parts[0], "DROVER_") && parts[1])
                        g_setenv(parts[0], parts[1], TRUE);
        }
}

/* ---- the process ---- */

void
record(const struct supervisor *supervisor, const char *vm, const char *event, const char *by, const char *key,
       const char *value, const char *text)
{
        journal_append(supervisor->paths->data, &(struct event){"vm", vm, event, by, key, value, text});
}

gboolean
supervisor_is_disturbed(const struct supervisor *supervisor)
{
        g_autofree char *path = g_build_filename(supervisor->paths->data, PROJECT_LOCK, NULL);

        return file_is_locked(path);
}

static void look_unasked(void *data);

void
supervisor_watch_file(struct supervisor *supervisor, const char *below, guint32 mask)
{
        g_autofree char *path = g_build_filename(supervisor->paths->data, below, NULL);
        int number;

        if (g_hash_table_contains(supervisor->names, below))
                return;
        number = inotify_add_watch(supervisor->notify, path, mask);
        if (number < 0 && (errno == ENOSPC || errno == ENOMEM)) /* this user watches as many files as one may */
                loop_at(supervisor->loop, UNTOLD_MS, look_unasked, supervisor);
        if (number < 0)
                return;
        g_hash_table_insert(supervisor->watches, GINT_TO_POINTER(number), g_strdup(below));
        g_hash_table_insert(supervisor->names, g_strdup(below), GINT_TO_POINTER(number));
}

static void
trim_logs(const struct supervisor *supervisor, const char *below)
{
        g_autofree char *path = g_build_filename(supervisor->paths->data, below, NULL);
        auto_fd directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        for (size_t i = 0; directory >= 0 && i < G_N_ELEMENTS(logs); i++)
                if (!log_trim(directory, logs[i], NULL))
                        continue; /* nobody listens; the next growth tries again */
}

static void
watch_directory(struct supervisor *supervisor, const char *below)
{
        if (!g_hash_table_contains(supervisor->names, below))
                trim_logs(supervisor, below);
        supervisor_watch_file(supervisor, below, DIRECTORY_EVENTS);
}

/* The VM whose directory (or whose directory's `own`) this is. */
static void
look_at_vm(struct supervisor *supervisor, const char *vm)
{
        g_autofree char *below = g_build_filename("vms", vm, NULL);
        g_autofree char *own = g_build_filename(below, VM_OWN_DIRECTORY, NULL);
        struct guest *guest = g_hash_table_lookup(supervisor->guests, vm);

        watch_directory(supervisor, below);
        watch_directory(supervisor, own);
        if (!guest) {
                guest = guest_new(supervisor, vm);
                g_hash_table_insert(supervisor->guests, guest->name, guest);
        }
        guest_look(guest);
}

/* It has another name now, under which it comes again: the kernel tells both in this order, and its watches go on, with new
 * names of ours. */
static void
forget_vm(struct supervisor *supervisor, const char *vm)
{
        g_autofree char *below = g_build_filename("vms", vm, NULL);
        g_autofree char *own = g_build_filename(below, VM_OWN_DIRECTORY, NULL);
        struct guest *guest = g_hash_table_lookup(supervisor->guests, vm);

        g_hash_table_remove(supervisor->names, below);
        g_hash_table_remove(supervisor->names, own);
        if (!guest)
                return;
        if (supervisor->mending.guest == guest)
                supervisor->mending.guest = NULL;
        g_hash_table_remove(supervisor->guests, vm);
}

/* Look at everything anew. */
static void
scan(struct supervisor *supervisor)
{
        g_autofree char *path = g_build_filename(supervisor->paths->data, "vms", NULL);
        g_autoptr(GPtrArray) names = file_list_directory(path, NULL);

        supervisor_watch_file(supervisor, PROJECT_LOCK, IN_CLOSE_WRITE | IN_DELETE_SELF);
        supervisor_watch_file(supervisor, "vms", IN_CREATE | IN_DELETE | IN_MOVE | IN_ONLYDIR);
        watch_directory(supervisor, DNSMASQ_DIRECTORY);
        for (guint i = 0; names && i < names->len; i++)
                look_at_vm(supervisor, g_ptr_array_index(names, i));
        service_look(supervisor);
}

void
supervisor_settle(struct supervisor *supervisor)
{
        struct guest *guest;
        GHashTableIter iter;

        if (supervisor_is_disturbed(supervisor))
                return;
        watch_directory(supervisor, DNSMASQ_DIRECTORY);
        service_look(supervisor);
        g_hash_table_iter_init(&iter, supervisor->guests);
        while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&guest))
                guest_settle(guest);
        mend_next(supervisor);
}

/* What ended while nobody watched: after a supervisor was killed, or in the moment before our first look. */
static void
look_back(struct supervisor *supervisor)
{
        struct guest *guest;
        GHashTableIter iter;

        service_look_back(supervisor);
        g_hash_table_iter_init(&iter, supervisor->guests);
        while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&guest))
                guest_look_back(guest);
        supervisor_settle(supervisor);
}

/* A QEMU is started that may have ended before we look: whether it runs is seen when the verb is done. */
static void
expect(struct supervisor *supervisor, const char *vm)
{
        struct guest *guest = g_hash_table_lookup(supervisor->guests, vm);

        if (guest)
                guest->undecided = TRUE;
}

static void
look_unasked(void *data)
{
        scan(data);
        supervisor_settle(data);
}

static void
take_notice(struct supervisor *supervisor, const struct inotify_event *event, const char *below)
{
        g_auto(GStrv) parts = g_strsplit(below, "/", 3);
        const char *name = event->len ? event->name : "";

        if (strcmp(below, PROJECT_LOCK) == 0) {
                supervisor_settle(supervisor);
        } else if (strcmp(below, "vms") == 0) {
                if (event->mask & IN_MOVED_FROM)
                        forget_vm(supervisor, name);
                else if (event->mask & (IN_CREATE | IN_MOVED_TO) && *name != '.')
                        look_at_vm(supervisor, name);
        } else if (strcmp(below, DNSMASQ_DIRECTORY) == 0) {
                if (strcmp(name, LEASES_FILE) == 0)
                        service_read_leases(supervisor, FALSE);
        } else if (parts[1] && (strcmp(name, QEMU_PID_FILE) == 0 || strcmp(name, VM_OWN_DIRECTORY) == 0)) {
                look_at_vm(supervisor, parts[1]); /* also when it is written: it is made before QEMU locks it */
                if (event->mask & IN_CREATE)
                        expect(supervisor, parts[1]);
        } else if (parts[1] && strcmp(name, SPEC_FILE) == 0 && event->mask & IN_MOVED_TO &&
                   g_hash_table_contains(supervisor->guests, parts[1])) {
                guest_read(g_hash_table_lookup(supervisor->guests, parts[1]));
                guest_settle(g_hash_table_lookup(supervisor->guests, parts[1]));
        }
        if (event->mask & IN_MODIFY && g_str_has_suffix(name, "log"))
                trim_logs(supervisor, below);
}

static void
read_notices(void *data)
{
        char buffer[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)] __attribute__((aligned(8)));
        struct supervisor *supervisor = data;
        ssize_t n = read(supervisor->notify, buffer, sizeof buffer);

        for (char *at = buffer; n > 0 && at < buffer + n;) {
                const struct inotify_event *event = (const struct inotify_event *)(gconstpointer)at;
                g_autofree char *below = g_strdup(g_hash_table_lookup(supervisor->watches, GINT_TO_POINTER(event->wd)));

                at += sizeof *event + event->len;
                if (event->mask & IN_Q_OVERFLOW)
                        scan(supervisor);
                if (below && !(event->mask & IN_IGNORED))
                        take_notice(supervisor, event, below);
                if (!below || !(event->mask & IN_IGNORED))
                        continue;
                g_hash_table_remove(supervisor->names, below);
                g_hash_table_remove(supervisor->watches, GINT_TO_POINTER(event->wd));
        }
}

/* Somebody lives, or will, or it is not yet known what an end means. */
static gboolean
is_needed(const struct supervisor *supervisor)
{
        struct guest *guest;
        GHashTableIter iter;

        g_hash_table_iter_init(&iter, supervisor->guests);
        while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&guest))
                if (guest->alive || guest->waits || guest->undecided)
                        return TRUE;
        return FALSE;
}

/* Nothing lives: let go of the lock, and look once more. A drover that has just started a VM and found the lock held relies
 * on us. */
static gboolean
has_come_meanwhile(struct supervisor *supervisor)
{
        struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

        if (fcntl(CHILD_FIRST_FD, F_OFD_SETLK, &lock) < 0)
                return FALSE;
        scan(supervisor);
        if (!is_needed(supervisor))
                return FALSE;
        lock.l_type = F_WRLCK;
        return fcntl(CHILD_FIRST_FD, F_OFD_SETLK, &lock) == 0; /* else another one watches now */
}

static gboolean
set_up(struct supervisor *supervisor, GError **error)
{
        supervisor->service.pidfd = supervisor->mending.pidfd = -1;
        supervisor->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        supervisor->loop = loop_new(error);
        if (!supervisor->loop)
                return FALSE;
        if (supervisor->notify < 0 || !loop_watch(supervisor->loop, supervisor->notify, read_notices, supervisor))
                return error_errno(error, "cannot watch '%s'", supervisor->paths->data);
        supervisor->watches = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        supervisor->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        supervisor->guests = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, guest_free);
        supervisor->service.leases = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        return TRUE;
}

static void
tear_down(struct supervisor *supervisor)
{
        mend_clear(supervisor);
        service_clear(supervisor);
        g_hash_table_unref(supervisor->guests);
        g_hash_table_unref(supervisor->names);
        g_hash_table_unref(supervisor->watches);
        wires_clear(supervisor);
        loop_free(supervisor->loop);
        fd_clear(&supervisor->notify);
}

gboolean
supervisor_run(const char *project, const char *const *settings, GError **error)
{
        g_autoptr(paths_t) paths = NULL;
        struct supervisor supervisor = {.project = project, .settings = settings};

        prctl(PR_SET_NAME, PROGRAM); /* it would be "exe" */
        supervisor_take_settings(settings);
        supervisor.paths = paths = paths_new(project);
        if (!set_up(&supervisor, error))
                return FALSE;
        service_read_leases(&supervisor, TRUE);
        wires_watch(&supervisor);
        scan(&supervisor);
        look_back(&supervisor);
        do
                while (is_needed(&supervisor))
                        loop_turn(supervisor.loop);
        while (has_come_meanwhile(&supervisor));
        tear_down(&supervisor);
        return TRUE;
}
