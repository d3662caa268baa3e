/* scope.h - where systemd runs, a process gets a scope of its own: it outlives the login, or the unit, that drover ran in
 *
 * Without one, a logout may end VMs (KillUserProcesses=yes), and so does the end of a unit that called drover.
 * systemd is asked over its own socket, in D-Bus's wire format: one call, which needs neither a bus nor a library.
 * Source: dbus-specification, "Message Protocol"; org.freedesktop.systemd1(5); systemd.scope(5).
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/** SCOPE_BOOTED - This is there where systemd runs. Source: sd_booted(3) */
#define SCOPE_BOOTED "/run/systemd/system"

/**
 * scope_manager() - The socket of the systemd that a process of ours should be given to, or NULL: it stays where it is
 *
 * As root that is the system's. An ordinary user's ends with the last login unless the user lingers (loginctl enable-linger):
 * only then is it asked, since a process that stays in its session has the better chances otherwise. The answer is that of
 * the first call: a process that enters a user namespace later is still who it was.
 */
const char *scope_manager(void);

/**
 * scope_enter() - Have systemd make a scope with one process in it, and wait until it is there
 * @manager: path of the socket
 * @name:    of the unit; "-PID.scope" is put behind it
 * @pid:     ours; what it starts later is in the scope too
 *
 * Fails with DROVER_ERROR_TIMEOUT after two seconds without a word, else with systemd's own reason. The process is where it was
 * then.
 */
gboolean scope_enter(const char *manager, const char *name, pid_t pid, GError **error) G_GNUC_WARN_UNUSED_RESULT;
