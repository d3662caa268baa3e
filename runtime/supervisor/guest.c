/* guest.c - one VM as the supervisor sees it: lives, ends, what its QEMU tells, and whether it is started again
 *
 * That it lives is told by its lock, that it ends by a pidfd, why by QEMU's events on a monitor that nobody else uses, and by
 * its pid file, which a QEMU that was killed leaves behind. What a verb does to a VM is no event of ours: a verb
 * holds the project's lock, so the end of a VM is judged when that is free, by spec.json as it is then.
 */
#include "runtime/supervisor/watch.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "parser/value/value.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { BLIND_MS = 200 };

struct guest *
guest_new(struct supervisor *supervisor, const char *name)
{
        struct guest *guest = g_new0(struct guest, 1);

        guest->supervisor = supervisor;
        guest->name = g_strdup(name);
        guest->pidfd = -1;
        guest->check.pidfd = guest->check.pipe = -1;
        guest->events.fd = -1;
        guest->macs = g_ptr_array_new_with_free_func(g_free);
        return guest;
}

static void
disconnect(struct guest *guest)
{
        loop_forget(guest->supervisor->loop, guest->events.fd);
        qmp_wire_clear(&guest->events);
}

static void
restart_due(void *data)
{
        struct guest *guest = data;

        guest->due = TRUE;
        mend_next(guest->supervisor);
}

static void
look_again(void *data)
{
        guest_look(data);
}

static void
settle_later(void *data)
{
        guest_settle(data);
}

void
guest_free(gpointer data)
{
        struct guest *guest = data;

        disconnect(guest);
        checks_end(guest);
        loop_forget(guest->supervisor->loop, guest->pidfd);
        loop_cancel(guest->supervisor->loop, restart_due, guest);
        loop_cancel(guest->supervisor->loop, look_again, guest);
        loop_cancel(guest->supervisor->loop, settle_later, guest);
        fd_clear(&guest->pidfd);
        g_ptr_array_unref(guest->macs);
        g_free(guest->reason);
        g_free(guest->address);
        g_free(guest->uuid);
        g_free(guest->name);
        g_free(guest);
}

/* ---- what QEMU tells ---- */

static void
take_shutdown(struct guest *guest, const json_t *data)
{
        g_free(guest->reason);
        guest->reason = g_strdup(json_text(data, "reason") ? json_text(data, "reason") : "unknown");
}

static void
take_reset(struct guest *guest, const json_t *data)
{
        guest->panicked = FALSE;
        record(guest->supervisor, guest->name, "reset", json_flag(data, "guest") ? "guest" : "qemu", "reason",
               json_text(data, "reason"), NULL);
}

/* It stands still from here on (-action panic=pause): to be looked at, or, by its policy, to be started again. */
static void
take_panic(struct guest *guest, const json_t *data)
{
        if (guest->panicked)
                return;
        guest->panicked = TRUE;
        guest->undecided = TRUE;
        record(guest->supervisor, guest->name, "panicked", "guest", "action", json_text(data, "action"), NULL);
        checks_panicked(guest);
        loop_at(guest->supervisor->loop, 0, settle_later, guest); /* not while its events are being read */
}

static void
take_io_error(struct guest *guest, const json_t *data)
{
        const char *node = json_text(data, "node-name");

        record(guest->supervisor, guest->name, "io-error", "qemu", "disk", node && *node ? node : json_text(data, "device"),
               json_text(data, "reason"));
}

static void
take_stop(struct guest *guest, const json_t *data)
{
        guest->halted = TRUE;
        record(guest->supervisor, guest->name, "halted", "qemu", NULL, NULL, NULL);
}

/* The first one of a start is the start. */
static void
take_resume(struct guest *guest, const json_t *data)
{
        if (guest->halted)
                record(guest->supervisor, guest->name, "resumed", "qemu", NULL, NULL, NULL);
        guest->halted = FALSE;
}

static void
take_watchdog(struct guest *guest, const json_t *data)
{
        record(guest->supervisor, guest->name, "watchdog", "qemu", "action", json_text(data, "action"), NULL);
}

/* What is worth a line and nothing else. */
static void
take_other(struct guest *guest, const char *name, const json_t *data)
{
        static const char *const kinds[][2] = {
                {"DEVICE_DELETED", "device-removed"}, {"DEVICE_UNPLUG_GUEST_ERROR", "unplug-refused"},
                {"DEVICE_TRAY_MOVED", "tray-moved"},  {"POWERDOWN", "power-button"},
                {"SUSPEND", "suspended"},             {"WAKEUP", "woken"},
        };
        const char *device = json_text(data, "device") ? json_text(data, "device") : json_text(data, "id");

        if (g_strcmp0(name, "DEVICE_DELETED") == 0 && !device)
                return; /* a part of one that is told itself */
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                if (g_strcmp0(name, kinds[i][0]) == 0)
                        record(guest->supervisor, guest->name, kinds[i][1], "qemu", device ? "device" : NULL, device, NULL);
}

static void
take_event(struct guest *guest, const json_t *message)
{
        static const struct {
                const char *name;
                void (*take)(struct guest *, const json_t *);
        } kinds[] = {
                {"SHUTDOWN", take_shutdown},         {"RESET", take_reset}, {"GUEST_PANICKED", take_panic},
                {"BLOCK_IO_ERROR", take_io_error},   {"STOP", take_stop},   {"RESUME", take_resume},
                {"WATCHDOG", take_watchdog},
        };
        const char *event = json_text(message, "event");

        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                if (g_strcmp0(event, kinds[i].name) == 0)
                        kinds[i].take(guest, json_object_get(message, "data"));
        take_other(guest, event, json_object_get(message, "data"));
}

/* All that is there. FALSE: no more will come. */
static gboolean
drain(struct guest *guest)
{
        gboolean more = qmp_wire_fill(&guest->events, NULL);

        for (;;) {
                g_autoptr(json_t) message = NULL;

                if (!qmp_wire_next(&guest->events, &message, NULL))
                        return FALSE;
                if (!message)
                        return more;
                take_event(guest, message);
        }
}

static void
hear(void *data)
{
        struct guest *guest = data;

        if (!drain(guest))
                disconnect(guest);
}

/* Its QEMU may not have come to listen yet, but the socket is there: what is written waits for it. */
static void
connect_events(struct guest *guest)
{
        g_autofree char *command = qmp_command_line("qmp_capabilities", NULL, 0);
        auto_fd directory = vm_open_run_directory(guest->supervisor->paths, guest->name, NULL);
        auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address;

        if (directory < 0 || fd < 0 || !qmp_wire_path(directory, QEMU_SOCKET_EVENTS, &address, NULL) ||
            connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
            send(fd, command, strlen(command), MSG_NOSIGNAL) != (ssize_t)strlen(command) ||
            !loop_watch(guest->supervisor->loop, fd, hear, guest))
                return; /* a QEMU of an older drover has no such monitor: its pidfd tells the end */
        qmp_wire_init(&guest->events, fd_steal(&fd));
}

/* ---- it lives, it ends ---- */

static const char *
written_address(const json_t *wish)
{
        const json_t *nic;
        const char *name, *ip;

        json_object_foreach (json_object_get(wish, "networks"), name, nic) {
                ip = json_text(nic, "ip");
                if (ip && g_ascii_isdigit(*ip))
                        return ip;
        }
        return NULL;
}

void
guest_read(struct guest *guest)
{
        g_autoptr(spec_t) spec = spec_load(guest->supervisor->paths, guest->name, NULL);
        GHashTableIter iter;
        gpointer mac;

        if (!spec)
                return;
        if (guest->pidfd >= 0)
                checks_begin(guest, spec->wish);
        g_free(guest->address);
        guest->address = g_strdup(written_address(spec->wish));
        g_free(guest->uuid);
        guest->uuid = g_strdup(spec->uuid);
        g_ptr_array_set_size(guest->macs, 0);
        g_hash_table_iter_init(&iter, spec->macs);
        while (g_hash_table_iter_next(&iter, NULL, &mac))
                g_ptr_array_add(guest->macs, g_strdup(mac));
}

static void
end(struct guest *guest)
{
        if (guest->events.fd >= 0)
                (void)drain(guest); /* its last words */
        disconnect(guest);
        checks_end(guest);
        loop_forget(guest->supervisor->loop, guest->pidfd);
        fd_clear(&guest->pidfd);
        loop_cancel(guest->supervisor->loop, look_again, guest);
        guest->alive = FALSE;
        guest->halted = FALSE;
        guest->undecided = TRUE;
}

static void
ended(void *data)
{
        struct guest *guest = data;

        if (!process_wait(guest->pidfd, 0))
                return;
        end(guest);
        guest_look(guest); /* a verb may have started it again already */
        guest_settle(guest);
}

static void
open_process(struct guest *guest)
{
        pid_t pid = guest->uuid ? vm_find_pid(guest->supervisor->paths, guest->name, guest->uuid) : 0;
        auto_fd pidfd = pid > 0 ? process_open(pid) : -1;

        if (pidfd < 0 || vm_find_pid(guest->supervisor->paths, guest->name, guest->uuid) != pid ||
            !loop_watch(guest->supervisor->loop, pidfd, ended, guest))
                return;
        guest->pidfd = fd_steal(&pidfd);
        guest->pid = pid;
        guest_read(guest);
}

void
guest_look(struct guest *guest)
{
        gboolean alive = vm_is_locked(guest->supervisor->paths, guest->name);

        if (guest->alive && !alive && guest->pidfd < 0) {
                end(guest);
                guest_settle(guest);
                return;
        }
        if (!alive)
                return;
        if (!guest->alive) {
                guest->alive = TRUE;
                guest->panicked = FALSE;
                guest->since_us = g_get_monotonic_time();
                g_clear_pointer(&guest->reason, g_free);
                guest_read(guest);
        }
        if (guest->events.fd < 0)
                connect_events(guest);
        if (guest->pidfd < 0)
                open_process(guest);
        /* About to write its pid file, or about to end: neither is an event. */
        if (guest->pidfd < 0)
                loop_at(guest->supervisor->loop, BLIND_MS, look_again, guest);
}

/* ---- what its end means ---- */

static void
plan_restart(struct guest *guest, const struct spec *spec, gboolean failed)
{
        gint64 ran_ms = (g_get_monotonic_time() - guest->since_us) / 1000, delay_ms = 0;
        const char *text = json_text(spec->wish, "restart");
        struct restart policy = {.policy = RESTART_NO};

        if (!text || !value_parse_restart(text, &policy, NULL) ||
            !restart_after(&guest->restarts, &policy, failed, ran_ms, &delay_ms))
                return;
        guest->waits = TRUE;
        loop_at(guest->supervisor->loop, delay_ms, restart_due, guest);
}

/* Journal the end of what nobody ended; returns whether it is a failure. */
static gboolean
tell_end(const struct guest *guest)
{
        gboolean crashed = vm_crashed(guest->supervisor->paths, guest->name);
        gboolean by_guest = guest->reason && g_str_has_prefix(guest->reason, "guest");

        record(guest->supervisor, guest->name, crashed ? "crashed" : "stopped", by_guest ? "guest" : "qemu", "reason",
               guest->reason, crashed ? "its QEMU was killed or died" : NULL);
        return crashed;
}

static struct spec *
load_wanted(const struct guest *guest)
{
        struct spec *spec = spec_load(guest->supervisor->paths, guest->name, NULL);

        if (spec && spec->present && !spec->stopped)
                return spec;
        spec_free(spec);
        return NULL;
}

void
guest_look_back(struct guest *guest)
{
        g_autoptr(spec_t) spec = guest->alive ? NULL : load_wanted(guest);
        const char *text = spec ? json_text(spec->wish, "restart") : NULL;
        struct restart policy = {.policy = RESTART_NO};
        struct restarts none = {0};
        gint64 delay_ms;

        if (text && value_parse_restart(text, &policy, NULL) && !policy.tries)
                guest->undecided |= restart_after(&none, &policy, vm_crashed(guest->supervisor->paths, guest->name), 0,
                                                  &delay_ms);
}

void
guest_settle(struct guest *guest)
{
        gboolean alive = vm_is_locked(guest->supervisor->paths, guest->name);
        gboolean stands = alive && guest->panicked;
        g_autoptr(spec_t) spec = NULL;

        if ((!guest->undecided && !guest->waits) || guest->supervisor->mending.guest == guest)
                return;
        spec = load_wanted(guest);
        if (spec && supervisor_is_disturbed(guest->supervisor))
                return;
        if (!spec || (alive && !stands)) { /* a verb has stopped it, or has started it again */
                loop_cancel(guest->supervisor->loop, restart_due, guest);
                guest->waits = guest->due = FALSE;
        } else if (!guest->waits) {
                plan_restart(guest, spec, stands ? TRUE : tell_end(guest));
        }
        guest->undecided = FALSE;
}

void
guest_mended(struct guest *guest, gboolean good)
{
        g_autoptr(spec_t) spec = NULL;

        guest->waits = FALSE;
        guest_look(guest);
        if (guest->alive || guest->undecided)
                return; /* and if it has ended meanwhile, that is seen to like any other end */
        guest->since_us = g_get_monotonic_time();
        guest->undecided = good; /* it has ended before we saw it */
        spec = good ? NULL : load_wanted(guest);
        if (spec)
                plan_restart(guest, spec, TRUE);
}
