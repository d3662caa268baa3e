/* checks.c - health checks: when a look is taken, how long it may last, what follows */
#include "runtime/supervisor/watch.h"

#include "base/child.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/text.h"
#include "runtime/supervisor/probe.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
        NAMESPACE_FD = CHILD_FIRST_FD + 1,
        REASON_BYTES = 300,
        OVERLAP_BYTES = 4096, /* of the console: what was found to be half written is looked at again */
        GRACE_MS = 500,       /* beyond its limit, for what does not keep it by itself */
};

static void look(void *data);

/* The next look; what a console has shown once, it has shown. */
static void
plan_look(struct guest *guest)
{
        if (!(guest->check.rule.console && guest->check.health.state == HEALTH_HEALTHY))
                loop_at(guest->supervisor->loop, guest->check.rule.interval_ms, look, guest);
}

static void
tell(struct guest *guest, gboolean changed)
{
        const struct health *health = &guest->check.health;

        health_save(guest->supervisor->paths, guest->name, health, guest->pid);
        if (changed)
                record(guest->supervisor, guest->name, health_name(health->state), "supervisor", NULL, NULL, health->reason);
}

static void
take_too_long(void *data)
{
        struct guest *guest = data;

        if (!process_signal(guest->check.pidfd, SIGKILL, NULL))
                return; /* it has ended: that is the event anyway */
}

static void
forget_look(struct guest *guest)
{
        loop_cancel(guest->supervisor->loop, take_too_long, guest);
        loop_forget(guest->supervisor->loop, guest->check.pidfd);
        fd_clear(&guest->check.pidfd);
        fd_clear(&guest->check.pipe);
}

static void
looked(void *data)
{
        struct guest *guest = data;
        gint64 ran_ms = g_get_monotonic_time() / 1000 - guest->check.started_ms;
        char reason[REASON_BYTES + 1] = "";
        g_autofree char *printable = NULL;
        int status = -1;
        ssize_t n;

        if (!process_wait(guest->check.pidfd, 0))
                return;
        if (!child_reap(guest->check.pidfd, 0, &status, NULL))
                status = -1;
        n = read(guest->check.pipe, reason, REASON_BYTES);
        forget_look(guest);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                tell(guest, health_note(&guest->check.health, &guest->check.rule, NULL, ran_ms));
        else {
                printable = text_make_printable(n > 0 ? reason : "it took too long", -1);
                tell(guest, health_note(&guest->check.health, &guest->check.rule, printable, ran_ms));
        }
        plan_look(guest);
}

/* In the process that was made for it. */
static void G_GNUC_NORETURN
take_look(const struct probe *probe, int pipe)
{
        g_autofree char *reason = NULL;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        reason = probe_run(probe);
        if (reason && write(pipe, reason, MIN(strlen(reason), REASON_BYTES)) < 0)
                _exit(2);
        _exit(reason ? 1 : 0);
}

/* The part of the console's log that no look has seen yet. */
static gint64
console_part(struct guest *guest)
{
        gint64 from = MAX(guest->check.console_from, guest->check.console_seen - OVERLAP_BYTES);
        g_autofree char *directory = paths_vm_data(guest->supervisor->paths, guest->name);
        g_autofree char *path = g_build_filename(directory, QEMU_CONSOLE_LOG, NULL);
        struct stat st;

        if (stat(path, &st) == 0) {
                if (st.st_size < guest->check.console_seen)
                        from = guest->check.console_from = 0;
                guest->check.console_seen = st.st_size;
        }
        return from;
}

static void
look(void *data)
{
        struct guest *guest = data;
        struct supervisor *supervisor = guest->supervisor;
        g_autofree char *address = service_address(supervisor, guest);
        struct probe probe = {&guest->check.rule, supervisor->paths, guest->name, address, NAMESPACE_FD, 0};
        auto_fd pidfd = -1;
        auto_fd from = -1, to = -1;
        int ends[2];
        pid_t pid;

        plan_look(guest); /* should there be no process for it now */
        if (guest->check.rule.console)
                probe.console_from = console_part(guest);
        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
                return;
        from = ends[0];
        to = ends[1];
        pid = fork();
        if (pid == 0)
                take_look(&probe, to);
        pidfd = pid > 0 ? process_open(pid) : -1;
        if (pidfd < 0 || !loop_watch(supervisor->loop, pidfd, looked, guest))
                return;
        guest->check.pidfd = fd_steal(&pidfd);
        guest->check.pipe = fd_steal(&from);
        loop_cancel(supervisor->loop, look, guest);
        loop_at(supervisor->loop, guest->check.rule.timeout_ms + GRACE_MS, take_too_long, guest);
}

static char *
rule_text(const json_t *wish)
{
        const json_t *rule = json_object_get(wish, "healthcheck");
        char *text = rule ? json_dumps(rule, JSON_COMPACT | JSON_SORT_KEYS) : NULL, *copy = g_strdup(text);

        free(text);
        return copy;
}

void
checks_begin(struct guest *guest, const json_t *wish)
{
        struct health *health = &guest->check.health;
        g_autofree char *text = rule_text(wish);

        if (guest->check.text && g_strcmp0(text, guest->check.text) == 0)
                return;
        checks_end(guest);
        if (!health_rule_read(wish, &guest->check.rule))
                return;
        guest->check.text = g_steal_pointer(&text);
        guest->check.started_ms = g_get_monotonic_time() / 1000 - process_age_ms(guest->pid);
        guest->check.console_from = probe_console_from(guest->supervisor->paths, guest->name);
        if (!health_load(guest->supervisor->paths, guest->name, guest->pid, health))
                health->state = HEALTH_STARTING;
        tell(guest, FALSE);
        plan_look(guest);
}

void
checks_panicked(struct guest *guest)
{
        struct health *health = &guest->check.health;
        gboolean changed = health->state != HEALTH_UNHEALTHY;

        if (!guest->check.text)
                return;
        health->state = HEALTH_UNHEALTHY;
        g_free(health->reason);
        health->reason = g_strdup("its guest has panicked");
        tell(guest, changed);
}

void
checks_end(struct guest *guest)
{
        int status;

        if (guest->check.pidfd >= 0) {
                take_too_long(guest);
                if (!child_reap(guest->check.pidfd, -1, &status, NULL))
                        return;
        }
        forget_look(guest);
        loop_cancel(guest->supervisor->loop, look, guest);
        health_rule_clear(&guest->check.rule);
        health_clear(&guest->check.health);
        g_clear_pointer(&guest->check.text, g_free);
        guest->check.console_seen = 0;
}
