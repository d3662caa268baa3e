/* vm_launch.c - one VM's QEMU is started
 *
 * The order makes a kill at any point harmless: the lock is taken before anything is written, so two starts never meet; the
 * spec is put in place before QEMU exists, so what runs is always what the spec says (and settled while QEMU starts, see
 * state_settle()); taps, sockets and the lock are descriptors
 * that QEMU inherits, so whatever was prepared goes with us unless QEMU has it. A QEMU that was started but not
 * continued is found again as VM_STARTING, and the next `up` continues it.
 */
#include "runtime/vm/vm.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "base/trace.h"
#include "network/lab.h"
#include "network/link.h"
#include "runtime/storage/cache.h"
#include "runtime/storage/disk.h"
#include "runtime/storage/disk_key.h"
#include "runtime/storage/file_use.h"
#include "runtime/vm/credential.h"
#include "runtime/vm/live.h"
#include "runtime/vm/qemu_words.h"
#include "runtime/vm/qmp.h"
#include "runtime/vm/share.h"
#include "runtime/supervisor/logs.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
        GREETING_TIMEOUT_MS = 60000,
        COMMAND_TIMEOUT_MS = 10000,
        OOM_SCORE = 200, /* before the user's own programs, after what nobody misses */
};

typedef struct start start_t;

/* What is open while a VM is started; all of it is closed again when QEMU has it. */
struct start {
        const struct vm_host *host;
        const struct launch *launch;
        char *run, *data;
        int run_fd, data_fd, own_fd;
        int fds[CHILD_MAX_FDS];
        guint fd_count;
};

static void
start_clear(struct start *start)
{
        for (guint i = 0; i < start->fd_count; i++)
                close(start->fds[i]);
        fd_clear(&start->run_fd);
        fd_clear(&start->data_fd);
        fd_clear(&start->own_fd);
        g_free(start->run);
        g_free(start->data);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(start_t, start_clear)

static gboolean
make_directory(const char *path, const struct child_user *user, int *ret_fd, GError **error)
{
        if (!file_make_directory(path, 0700, error) || (user && !file_own(path, 0700, user->uid, user->gid, error)))
                return FALSE;
        *ret_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return *ret_fd >= 0 ? TRUE : error_errno(error, "cannot open directory '%s'", path);
}

/* A listener that we bind ourselves: QEMU needs no right to the path, and connecting to it needs no polling. */
static int
open_listener(const struct start *start, const char *name, GError **error)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_autofree char *path = g_build_filename(start->run, name, NULL);

        g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", start->run_fd, name);
        if (!file_remove(path, error))
                return -1;
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4) < 0)
                return error_errno(error, "cannot listen on '%s'", path), -1;
        return fd_steal(&fd);
}

char *
launch_tap_name(const struct launch *launch, const char *nic)
{
        return lab_tap_name(launch->project, launch->tap_owner ? launch->tap_owner : launch->vm->name, nic);
}

static gboolean
attach_tap(const struct vm_host *host, const struct launch *launch, const struct launch_nic *nic, int bridge, guint mtu,
           GError **error)
{
        g_autofree char *name = launch_tap_name(launch, nic->nic->name);
        g_autofree char *object = g_strdup_printf("%s/%s", launch->vm->name, nic->nic->name);
        g_autofree char *alias = lab_alias(launch->project, object);

        return link_attach(host->netlink, name, bridge, alias, mtu, error) ||
               error_prefix(error, "cannot attach tap '%s' to network '%s'", name, nic->nic->network);
}

int
vm_open_tap(const struct vm_host *host, const struct launch *launch, const struct launch_nic *nic, gboolean join,
            GError **error)
{
        g_autofree char *name = launch_tap_name(launch, nic->nic->name);
        auto_fd fd = home_tap(host->home, name, error);

        if (fd < 0)
                return error_prefix(error, "cannot make tap '%s' for NIC '%s'", name, nic->nic->name), -1;
        if (!attach_tap(host, launch, nic, join ? host->bridges[nic->nic->network_index] : 0, nic->mtu, error))
                return -1;
        return fd_steal(&fd);
}

gboolean
vm_join_tap(const struct vm_host *host, const struct launch *launch, const struct launch_nic *nic, GError **error)
{
        return attach_tap(host, launch, nic, host->bridges[nic->nic->network_index], nic->tap_mtu, error);
}

static gboolean
user_can_read(const struct stat *st, const struct child_user *user)
{
        if (!user || user->uid == 0 || (st->st_mode & S_IROTH))
                return TRUE;
        if (st->st_uid == user->uid)
                return (st->st_mode & S_IRUSR) != 0;
        for (int i = 0; i < user->group_count; i++)
                if (st->st_gid == user->groups[i])
                        return (st->st_mode & S_IRGRP) != 0;
        return FALSE;
}

/* QEMU opens kernel and initrd by name, through /proc/self/fd: what its user may not read becomes a copy in memory. */
static int
open_plain(const char *path, const struct child_user *user, GError **error)
{
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
        auto_fd copy = -1;
        struct stat st;
        off_t left;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(error, "cannot open '%s'", path), -1;
        if (user_can_read(&st, user))
                return fd_steal(&fd);
        copy = memfd_create("drover", MFD_CLOEXEC);
        if (copy < 0)
                return error_errno(error, "cannot copy '%s'", path), -1;
        for (left = st.st_size; left > 0;) {
                ssize_t n = fd_retry(sendfile(copy, fd, NULL, (size_t)left));

                if (n <= 0)
                        return error_errno(error, "cannot copy '%s'", path), -1;
                left -= n;
        }
        return fd_steal(&copy);
}

/* The log goes on over starts: what a console has shown since this one is told by where it begins. */
static gboolean
note_beginning(const struct start *start, int log_fd, GError **error)
{
        g_autofree char *path = g_build_filename(start->data, QEMU_CONSOLE_FROM, NULL), *text = NULL;
        struct stat st;

        if (fstat(log_fd, &st) < 0)
                return error_errno(error, "cannot look at the log of the console");
        text = g_strdup_printf("%" G_GINT64_FORMAT "\n", (gint64)st.st_size);
        return file_write_if_changed(path, text, strlen(text), 0600, NULL, error);
}

static int
open_log(const struct start *start, const char *name, GError **error)
{
        auto_fd fd = -1;

        if (!log_trim(start->data_fd, name, error))
                return -1;
        fd = openat(start->data_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return error_errno(error, "cannot open '%s/%s'", start->data, name), -1;
        if (strcmp(name, QEMU_CONSOLE_LOG) == 0 && !note_beginning(start, fd, error))
                return -1;
        return fd_steal(&fd);
}

/* A virtiofsd of this start. */
static int
open_share(const struct start *start, const struct mount *mount, GError **error)
{
        g_autofree char *vm = g_strdup_printf("%s/%s", start->launch->project, start->launch->vm->name);
        auto_fd log_fd = openat(start->data_fd, SHARE_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        auto_fd fd = -1;

        if (log_fd < 0)
                return error_errno(error, "cannot open '%s/" SHARE_LOG "'", start->data), -1;
        fd = share_start(mount, vm, start->run, start->run_fd, log_fd, error);
        if (fd < 0)
                error_prefix(error, "cannot share '%s'", mount->source);
        return fd_steal(&fd);
}

static int
open_descriptor(struct start *start, const struct descriptor *descriptor, int alive, GError **error)
{
        int fd = -1;

        switch (descriptor->kind) {
        case DESCRIPTOR_ALIVE:
                fd = fcntl(alive, F_DUPFD_CLOEXEC, 3);
                break;
        case DESCRIPTOR_NAMESPACE:
                return home_namespace(start->host->home, error);
        case DESCRIPTOR_DATA:
                fd = fcntl(start->own_fd, F_DUPFD_CLOEXEC, 3);
                break;
        case DESCRIPTOR_RUN:
                fd = fcntl(start->run_fd, F_DUPFD_CLOEXEC, 3);
                break;
        case DESCRIPTOR_LISTEN:
                return open_listener(start, descriptor->name, error);
        case DESCRIPTOR_TAP:
                return vm_open_tap(start->host, start->launch, &start->launch->nics[descriptor->index], TRUE, error);
        case DESCRIPTOR_READ:
                fd = open(descriptor->name, O_RDONLY | O_CLOEXEC);
                break;
        case DESCRIPTOR_WRITE:
                fd = open(descriptor->name, O_RDWR | O_CLOEXEC);
                break;
        case DESCRIPTOR_LOG:
                return open_log(start, descriptor->name, error);
        case DESCRIPTOR_PLAIN_READ:
                return open_plain(descriptor->name, start->host->user, error);
        case DESCRIPTOR_KEY:
                return disk_key_open(descriptor->name, start->host->user, error);
        case DESCRIPTOR_FOLDER:
                fd = open(descriptor->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                break;
        case DESCRIPTOR_CREDENTIAL:
                return credential_open(start->launch->vm, descriptor->index, error);
        case DESCRIPTOR_SHARE:
                return open_share(start, &start->launch->vm->mounts[descriptor->index], error);
        }
        if (fd < 0)
                error_errno(error, "cannot open '%s'", descriptor->name ? descriptor->name : "a descriptor");
        return fd;
}

static gboolean
open_descriptors(struct start *start, const struct qemu_command *command, int alive, GError **error)
{
        if (command->descriptor_count > CHILD_MAX_FDS)
                return error_set(error, DROVER_ERROR_FAILED, "too many disks and NICs");
        for (guint i = 0; i < command->descriptor_count; i++) {
                int fd = open_descriptor(start, &command->descriptors[i], alive, error);

                if (fd < 0)
                        return FALSE;
                start->fds[start->fd_count++] = fd;
        }
        return TRUE;
}

/* QEMU would only say that it gets no lock. */
static gboolean
check_uses(const struct launch *launch, GError **error)
{
        for (guint i = 0; i < launch->disk_count; i++) {
                const struct launch_disk *disk = &launch->disks[i];

                if ((!disk->disk->url && !file_use_check(disk->path, launch_disk_access(disk), launch->project, error)) ||
                    (disk->backing_path && !file_use_check(disk->backing_path, FILE_READS, launch->project, error)))
                        return FALSE;
        }
        return TRUE;
}

gboolean
vm_prepare_disk(const struct vm_host *host, const struct launch *launch, const struct launch_disk *disk,
                const struct kept_disk *kept, GError **error)
{
        struct image_info now;
        guint64 size;

        if (disk->backing_path && kept && kept->backing_path &&
            (!image_stat(disk->backing_path, &now) ||
             (!image_is_same(&now, &kept->backing) && !cache_is_intact(disk->backing_path)))) {
                error_set(error, DROVER_ERROR_FAILED, "image '%s' has changed since disk '%s' was made on it",
                          disk->backing_path, disk->disk->name);
                return error_hint(error, "put the old image back, or run 'drover up --fresh %s' (the disk's data is lost)",
                                  launch->vm->name);
        }
        if (disk_in_place(disk->disk) || !disk->disk->size_bytes || !file_exists(disk->path))
                return TRUE;
        if (!disk_read_size(disk->path, disk->format, &size, error))
                return FALSE;
        return disk->disk->size_bytes <= size ||
               disk_grow(disk->path, disk->format, disk->key_file, disk->disk->size_bytes, host->user, error) ||
               error_prefix(error, "cannot grow disk '%s'", disk->disk->name);
}

static gboolean
prepare_disks(const struct start *start, const struct spec *spec, GError **error)
{
        const struct launch *launch = start->launch;

        for (guint i = 0; i < launch->disk_count; i++)
                if (!vm_prepare_disk(start->host, launch, &launch->disks[i], spec_disk(spec, launch->disks[i].disk->name),
                                     error))
                        return FALSE;
        return TRUE;
}

/* What QEMU said before it died: its last lines, without its own name before each. */
static char *
read_last_words(int log_fd)
{
        char text[4096];
        off_t size = lseek(log_fd, 0, SEEK_END);
        ssize_t n = pread(log_fd, text, sizeof text, MAX(0, size - (off_t)sizeof text));
        g_autofree char *tail = text_tail(text, MAX(0, n), 4);
        g_auto(GStrv) parts = g_strsplit(tail, "qemu-system-x86_64: ", -1);

        return g_strjoinv("", parts);
}

/* The monitor went away or never spoke: find out why, and leave no process behind. */
static gboolean
explain_death(const struct launch *launch, int log_fd, int pidfd, const char *stage, GError **error)
{
        g_autoptr(GError) reason = g_steal_pointer(error);
        g_autofree char *words = NULL;
        int status = 0;

        if (!child_reap(pidfd, g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_TIMEOUT) ? 0 : 2000, &status, NULL)) {
                if (!process_signal(pidfd, SIGKILL, error) || !child_reap(pidfd, -1, &status, error))
                        return FALSE;
                g_propagate_error(error, g_steal_pointer(&reason));
                return error_prefix(error, "%s", stage);
        }
        words = read_last_words(log_fd);
        if (strstr(words, "lock") && !check_uses(launch, error))
                return FALSE;
        if (*words) {
                error_set(error, DROVER_ERROR_FAILED, "QEMU: %s", words);
                error_hint(error, "it ended while drover was %s", stage);
                return qemu_words_meaning(words) ? error_hint(error, "%s", qemu_words_meaning(words)) : FALSE;
        }
        if (WIFSIGNALED(status))
                return error_set(error, DROVER_ERROR_FAILED, "%s: QEMU was ended by signal %d (%s)", stage, WTERMSIG(status),
                                 strsignal(WTERMSIG(status)));
        return error_set(error, DROVER_ERROR_FAILED, "%s: QEMU ended with status %d, without a word", stage,
                         WEXITSTATUS(status));
}

static gboolean
talk(const struct start *start, gboolean paused, const char **ret_stage, GError **error)
{
        g_autoptr(qmp_t) qmp = NULL;

        *ret_stage = "making its record last";
        if (!state_settle(start->host->paths, start->launch->vm->name, error))
                return FALSE;
        *ret_stage = "waiting for its monitor";
        qmp = qmp_greet(start->run_fd, QEMU_SOCKET_CONTROL, GREETING_TIMEOUT_MS, error);
        if (!qmp)
                return FALSE;
        if (start->host->greeted)
                start->host->greeted();
        if (!qmp_ready(qmp, GREETING_TIMEOUT_MS, error))
                return FALSE;
        *ret_stage = "setting it up";
        if (!live_wire(qmp, start->launch, error))
                return FALSE;
        *ret_stage = "letting it run";
        if (!paused && start->host->before_running && !start->host->before_running(start->host->before_running_data, error))
                return FALSE;
        return paused || qmp_call(qmp, "cont", NULL, COMMAND_TIMEOUT_MS, NULL, error);
}

static gboolean
run_qemu(struct start *start, const struct qemu_command *command, gboolean paused, GError **error)
{
        const struct launch *launch = start->launch;
        g_autofree char *scope = g_strdup_printf("drover-%s-%s", launch->project, launch->vm->name);
        struct child child = CHILD_INIT;
        auto_fd log_fd = -1;
        auto_fd pidfd = -1;
        const char *stage;
        pid_t pid;

        log_fd = openat(start->data_fd, QEMU_LOG, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (log_fd < 0)
                return error_errno(error, "cannot open '%s/" QEMU_LOG "'", start->data);
        command->argv[0] = (g_free(command->argv[0]), g_strdup(start->host->qemu));
        child.argv = (const char *const *)command->argv;
        child.fds = start->fds;
        child.fd_count = start->fd_count;
        child.user = start->host->user;
        child.scope = scope;
        child.stderr_fd = child.stdout_fd = log_fd;
        child.oom_score_adj = OOM_SCORE;
        if (!child_start(&child, &pid, &pidfd, error))
                return FALSE;
        /* Our copies go now: when QEMU dies its monitors hang up, and what it holds is held by nobody else. */
        while (start->fd_count > 0)
                close(start->fds[--start->fd_count]);
        if (!talk(start, paused, &stage, error))
                return explain_death(start->launch, log_fd, pidfd, stage, error);
        return TRUE;
}

gboolean
vm_start(const struct vm_host *host, const struct launch *launch, const struct spec *spec, gboolean paused, GError **error)
{
        g_auto(start_t) start = {.host = host, .launch = launch, .run_fd = -1, .data_fd = -1, .own_fd = -1};
        g_autoptr(qemu_command_t) command = NULL;
        g_autofree char *alive = NULL, *own = NULL;
        gint64 begin = g_get_monotonic_time();
        auto_fd lock = -1;

        start.run = paths_vm_run(host->paths, launch->vm->name);
        start.data = paths_vm_data(host->paths, launch->vm->name);
        alive = g_build_filename(start.data, VM_ALIVE_FILE, NULL);
        own = g_build_filename(start.data, VM_OWN_DIRECTORY, NULL);
        if (!paths_ensure_vm_data(host->paths, launch->vm->name, error) ||
            !make_directory(start.run, host->user, &start.run_fd, error) ||
            !make_directory(start.data, NULL, &start.data_fd, error) ||
            !make_directory(own, host->user, &start.own_fd, error))
                return FALSE;
        if (!file_lock(alive, &lock, error)) {
                if (g_error_matches(*error, DROVER_ERROR, DROVER_ERROR_LOCKED)) {
                        g_clear_error(error);
                        return error_set(error, DROVER_ERROR_BUSY, "it runs already");
                }
                return FALSE;
        }
        if (ftruncate(lock, 0) < 0) /* the one before may have been told to end */
                return error_errno(error, "cannot write to '%s'", alive);
        if (!check_uses(launch, error) || !prepare_disks(&start, spec, error) || !spec_put(host->paths, spec, error))
                return FALSE;
        command = qemu_command_build(launch);
        if (!open_descriptors(&start, command, lock, error))
                return FALSE;
        fd_clear(&lock);
        if (!run_qemu(&start, command, paused, error))
                return FALSE;
        trace_span("action", begin, "vm %s is up", launch->vm->name);
        return TRUE;
}
