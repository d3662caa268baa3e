/* mend.c - what ended is started again, in a process of its own: `drover mend PROJECT [VM]`
 *
 * To start a VM takes all of drover: resolve, plan, apply, a namespace to enter, threads. None of that belongs into a process
 * that is to be small and to live for months. So it is done by drover itself, under the project's lock like any verb, from
 * data/project.json: the project as the last verb saw it, without variables, includes or relative paths. The user's
 * file is not read: it may be half edited, or gone.
 */
#include "runtime/supervisor/watch.h"

#include "base/child.h"
#include "base/fd.h"
#include "base/process.h"

#include <string.h>
#include <sys/wait.h>

static void
mended(void *data)
{
        struct supervisor *supervisor = data;
        struct guest *guest = supervisor->mending.guest;
        int status = -1;

        if (!process_wait(supervisor->mending.pidfd, 0))
                return;
        if (!child_reap(supervisor->mending.pidfd, 0, &status, NULL))
                status = -1;
        loop_forget(supervisor->loop, supervisor->mending.pidfd);
        fd_clear(&supervisor->mending.pidfd);
        supervisor->mending.guest = NULL;
        if (guest)
                guest_mended(guest, WIFEXITED(status) && WEXITSTATUS(status) == 0);
        supervisor_settle(supervisor);
}

/* Returns FALSE where no process could be started. */
static gboolean
start(struct supervisor *supervisor, struct guest *guest)
{
        g_autoptr(GPtrArray) argv = g_ptr_array_new();
        struct child child = CHILD_INIT;
        auto_fd pidfd = -1;
        pid_t pid;

        g_ptr_array_add(argv, (gpointer)"drover");
        g_ptr_array_add(argv, (gpointer)"mend");
        g_ptr_array_add(argv, (gpointer)supervisor->project);
        g_ptr_array_add(argv, (gpointer)(guest ? guest->name : ""));
        for (const char *const *setting = supervisor->settings; *setting; setting++)
                g_ptr_array_add(argv, (gpointer)*setting);
        g_ptr_array_add(argv, NULL);
        child.argv = (const char *const *)argv->pdata;
        child.program = "/proc/self/exe";
        if (!child_start(&child, &pid, &pidfd, NULL) || !loop_watch(supervisor->loop, pidfd, mended, supervisor))
                return FALSE;
        supervisor->mending.pidfd = fd_steal(&pidfd);
        supervisor->mending.guest = guest;
        return TRUE;
}

/* Where none lives nobody misses dnsmasq: a down that was killed had ended it, and the next one goes on from there. */
static gboolean
has_living_guest(const struct supervisor *supervisor)
{
        struct guest *guest;
        GHashTableIter iter;

        g_hash_table_iter_init(&iter, supervisor->guests);
        while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&guest))
                if (guest->alive)
                        return TRUE;
        return FALSE;
}

void
mend_next(struct supervisor *supervisor)
{
        struct guest *guest;
        GHashTableIter iter;

        if (supervisor->mending.pidfd >= 0 || supervisor_is_disturbed(supervisor))
                return;
        if (supervisor->service.gone && has_living_guest(supervisor)) {
                supervisor->service.gone = FALSE;
                service_look(supervisor);
                if (supervisor->service.pidfd < 0) {
                        journal_append(supervisor->paths->data, &(struct event){.kind = "service", .event = "died",
                                                                                .by = "dnsmasq"});
                        if (start(supervisor, NULL))
                                return;
                }
        }
        g_hash_table_iter_init(&iter, supervisor->guests);
        while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&guest))
                if (guest->due) {
                        guest->due = FALSE;
                        if (start(supervisor, guest))
                                return;
                        guest_mended(guest, FALSE);
                }
}

void
mend_clear(struct supervisor *supervisor)
{
        loop_forget(supervisor->loop, supervisor->mending.pidfd);
        fd_clear(&supervisor->mending.pidfd);
}
