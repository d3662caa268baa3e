/* attach.c - up --attach: consoles, signals and the ends of VMs in one wait */
#include "cmd/attach.h"
#include "cmd/operate.h"
#include "cmd/print.h"
#include "cmd/select.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

enum { SIGNALLED = -1 }; /* in the place of a pidfd */

/** struct watch - What ends the printing */
struct watch {
        int epoll;        /* of the signals and of the QEMUs */
        gboolean endless; /* QEMUs that end may be started again: only a signal ends it */
        guint alive;      /* else: how many still run */
};

static gboolean
watch_fd(const struct watch *watch, int fd, int what, GError **error)
{
        struct epoll_event event = {.events = EPOLLIN, .data.fd = what};

        if (fd >= 0 && epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
                return TRUE;
        return error_errno(error, "cannot wait for the VMs");
}

/* One that its policy starts again has not ended: then only a signal ends the printing. */
static gboolean
are_restarted(const struct project *project, const GPtrArray *names)
{
        for (guint i = 0; i < names->len; i++) {
                const struct vm *vm = project_find_vm(project, g_ptr_array_index(names, i));

                if (vm && vm->restart.policy != RESTART_NO)
                        return TRUE;
        }
        return FALSE;
}

/* @pidfds: closed by the caller, after the watch. */
static gboolean
watch_vms(struct watch *watch, const struct session *session, const GPtrArray *names, GArray *pidfds, GError **error)
{
        watch->endless = are_restarted(session->project, names);
        if (watch->endless)
                return TRUE;
        for (guint i = 0; i < names->len; i++) {
                const struct vm_world *vm = world_vm(session->world, g_ptr_array_index(names, i));
                int fd = vm && vm->pid > 0 ? process_open(vm->pid) : -1;

                if (fd < 0)
                        continue;
                g_array_append_val(pidfds, fd);
                if (!watch_fd(watch, fd, fd, error))
                        return FALSE;
                watch->alive++;
        }
        return TRUE;
}

/* Print until a signal comes, the last VM has ended and said all, or nobody reads. */
static gboolean
print_until(struct watch *watch, struct log_reader *reader, gboolean *ret_signalled, GError **error)
{
        auto_fd at_once = open("/dev/null", O_RDONLY | O_CLOEXEC); /* can always be read: for what is there already */

        for (;;) {
                gboolean ended = !watch->endless && !watch->alive;
                struct epoll_event event;

                if (!log_reader_follow(reader, ended ? at_once : watch->epoll, error))
                        return FALSE;
                if (ended) {
                        print_info("all VMs have ended");
                        return TRUE;
                }
                if (epoll_wait(watch->epoll, &event, 1, 0) != 1)
                        return TRUE;
                if (event.data.fd == SIGNALLED) {
                        *ret_signalled = TRUE;
                        return TRUE;
                }
                epoll_ctl(watch->epoll, EPOLL_CTL_DEL, event.data.fd, NULL);
                watch->alive--;
        }
}

static gboolean
print_consoles(struct session *session, const GPtrArray *names, struct log_reader *reader, int signals,
               gboolean *ret_signalled, GError **error)
{
        g_autoptr(GArray) pidfds = g_array_new(FALSE, FALSE, sizeof(int));
        auto_fd epoll = epoll_create1(EPOLL_CLOEXEC);
        struct watch watch = {.epoll = epoll};
        struct observe_options look = {0};
        gboolean good = session_observe(session, &look, error) && watch_fd(&watch, signals, SIGNALLED, error) &&
                        watch_vms(&watch, session, names, pidfds, error) && print_until(&watch, reader, ret_signalled, error);

        for (guint i = 0; i < pidfds->len; i++)
                fd_clear(&g_array_index(pidfds, int, i));
        return good;
}

static int
stop(struct verb_call *call, struct session *session, int grace_ms)
{
        struct operation operation = {
                .plan = {.vms = select_names(call->arguments), .goal = GOAL_STOP, .grace_ms = grace_ms},
                .nothing = "all VMs have ended",
        };
        int status;

        print_info("stopping the VMs; ctrl-c again leaves the rest of them running");
        status = operate_again(call, &operation, session);
        return status == EXIT_DONE ? EXIT_INTERRUPTED : status;
}

int
attach(struct verb_call *call, struct session *session, const GPtrArray *names, struct log_reader *reader, int grace_ms)
{
        g_autoptr(GError) error = NULL;
        sigset_t ending, before;
        auto_fd signals = -1;
        gboolean signalled = FALSE, good;

        session_unlock(session);
        sigemptyset(&ending);
        sigaddset(&ending, SIGINT);
        sigaddset(&ending, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &ending, &before);
        signals = signalfd(-1, &ending, SFD_CLOEXEC);
        print_info("ctrl-c stops the VMs");
        good = print_consoles(session, names, reader, signals, &signalled, &error);
        if (signalled) {
                struct signalfd_siginfo taken;

                (void)!read(signals, &taken, sizeof taken);
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (!good)
                return print_error(error);
        return signalled ? stop(call, session, grace_ms) : EXIT_DONE;
}
