/* notice.c - sleep until something may have happened to some VMs */
#include "runtime/supervisor/notice.h"

#include "base/fd.h"
#include "base/process.h"
#include "runtime/vm/vm.h"

#include <limits.h>
#include <poll.h>
#include <sys/inotify.h>

/* For a host that has no more inotify to give, and for a QEMU that has not written its pid file. */
enum { BLIND_MS = 200, FIRST_VM = 2 };

struct notice {
        const struct paths *paths;
        int notify;      /* -1: there is none */
        GHashTable *vms; /* name -> GINT: pidfd of its QEMU, -1: not known */
};

struct notice *
notice_new(const struct paths *paths)
{
        struct notice *notice = g_new0(struct notice, 1);

        notice->paths = paths;
        notice->vms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        notice->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (notice->notify >= 0 && inotify_add_watch(notice->notify, paths->data, IN_MODIFY | IN_CREATE | IN_CLOSE_WRITE) < 0)
                fd_clear(&notice->notify);
        return notice;
}

void
notice_free(struct notice *notice)
{
        GHashTableIter iter;
        gpointer pidfd;

        if (!notice)
                return;
        g_hash_table_iter_init(&iter, notice->vms);
        while (g_hash_table_iter_next(&iter, NULL, &pidfd))
                if (GPOINTER_TO_INT(pidfd) >= 0)
                        close(GPOINTER_TO_INT(pidfd));
        g_hash_table_unref(notice->vms);
        fd_clear(&notice->notify);
        g_free(notice);
}

/* Not its logs: health.json and spec.json are renamed into place. */
static void
watch_files(struct notice *notice, const char *vm)
{
        g_autofree char *directory = paths_vm_data(notice->paths, vm);
        g_autofree char *own = g_build_filename(directory, VM_OWN_DIRECTORY, NULL);

        if (notice->notify < 0)
                return;
        if (inotify_add_watch(notice->notify, directory, IN_MOVED_TO | IN_ONLYDIR) < 0 ||
            inotify_add_watch(notice->notify, own, IN_CREATE | IN_MODIFY | IN_DELETE | IN_ONLYDIR) < 0)
                return; /* it has not been made yet: when it is, the journal grows */
}

void
notice_add(struct notice *notice, const char *vm, const char *uuid)
{
        gpointer known = NULL;
        gboolean watched = g_hash_table_lookup_extended(notice->vms, vm, NULL, &known);
        int pidfd = watched ? GPOINTER_TO_INT(known) : -1;
        pid_t pid;

        watch_files(notice, vm); /* again does no harm, and it may have been made meanwhile */
        if (pidfd >= 0)
                return;
        pid = uuid ? vm_find_pid(notice->paths, vm, uuid) : 0;
        pidfd = pid > 0 ? process_open(pid) : -1;
        g_hash_table_insert(notice->vms, g_strdup(vm), GINT_TO_POINTER(pidfd));
}

static void
add(GArray *polls, int fd)
{
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

        g_array_append_val(polls, poll_fd);
}

/* Once is enough: who still cares adds the VM again. */
static void
forget_ended(struct notice *notice, const GArray *polls)
{
        GHashTableIter iter;
        gpointer pidfd;
        guint i = FIRST_VM;

        g_hash_table_iter_init(&iter, notice->vms);
        while (g_hash_table_iter_next(&iter, NULL, &pidfd))
                if (g_array_index(polls, struct pollfd, i++).revents) {
                        close(GPOINTER_TO_INT(pidfd));
                        g_hash_table_iter_replace(&iter, GINT_TO_POINTER(-1));
                }
}

void
notice_wait(struct notice *notice, int timeout_ms, int stop_fd)
{
        g_autoptr(GArray) polls = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
        gboolean blind = notice->notify < 0;
        char events[4096];
        GHashTableIter iter;
        gpointer vm, pidfd;

        add(polls, notice->notify);
        add(polls, stop_fd);
        g_hash_table_iter_init(&iter, notice->vms);
        while (g_hash_table_iter_next(&iter, &vm, &pidfd)) {
                add(polls, GPOINTER_TO_INT(pidfd));
                blind |= GPOINTER_TO_INT(pidfd) < 0 && vm_is_locked(notice->paths, vm);
        }
        if (blind)
                timeout_ms = timeout_ms < 0 ? BLIND_MS : MIN(timeout_ms, BLIND_MS);
        if (poll((struct pollfd *)(gpointer)polls->data, polls->len, timeout_ms) <= 0)
                return;
        forget_ended(notice, polls);
        while (notice->notify >= 0 && read(notice->notify, events, sizeof events) > 0)
                continue;
}
