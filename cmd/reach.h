/* reach.h - the way into a guest: ssh over the network with the project's key, else the guest agent */
#pragma once

#include "cmd/print.h"

/** The exit status of what fails in drover itself, where any other is the guest's; as ssh does it */
enum { REACH_FAILED = 255 };

/** struct reach - One VM, and what is known of the way to it */
struct reach {
        struct session *session; /* not ours */
        char *vm;
        char *user;              /* who logs in over the network */
        char *ip;                /* NULL: none is known */
        guint port;
        const char *why;         /* where no ssh server is: "no address is known", or what connecting to it said */
};
typedef struct reach reach_t;
void reach_clear(struct reach *reach);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(reach_t, reach_clear)

/**
 * reach_find() - Look up a VM that runs
 * @name: as typed; all replicas together are refused
 * @user: who is to log in; NULL: as the file says, else the user that the image is known to make, else root
 */
gboolean reach_find(struct session *session, const char *name, const char *user, struct reach *ret_reach, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** reach_has_ssh() - Does anybody listen on the ssh port? Waits for at most 3 s; where not, @reach->why says why not */
gboolean reach_has_ssh(struct reach *reach);

/** reach_options() - Keywords of ssh_config(5) and their values, quoted as needed there: "HostName", "10.0.0.2", ... */
GPtrArray *reach_options(const struct reach *reach);

/** reach_argv() - PROGRAM ("ssh", "scp") with all of these as -o; the caller appends to it. Strings are freed with it */
GPtrArray *reach_argv(const struct reach *reach, const char *program);

/** reach_become() - Execute a vector in our place, after closing @session; returns only where that fails, having said so */
int reach_become(GPtrArray *argv, struct session *session);

/** reach_agent() - Connect to the guest agent; the error says why the network is no way either */
struct agent *reach_agent(const struct reach *reach, GError **error);
