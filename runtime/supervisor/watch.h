/* watch.h - shared by the parts of the supervisor's process, and by nobody else
 *
 *   supervisor.c  starts it, and its main loop: which files say that something happened
 *   guest.c       one VM: lives, ends, what its QEMU tells
 *   service.c     dnsmasq and its leases
 *   wires.c       bridges and taps
 *   checks.c      health checks
 *   mend.c        starts again what ended, in a process of its own
 */
#pragma once

#include "runtime/state.h"
#include "runtime/supervisor/health.h"
#include "runtime/supervisor/journal.h"
#include "runtime/supervisor/loop.h"
#include "runtime/supervisor/restart.h"
#include "runtime/vm/qmp_wire.h"
#include "runtime/vm/vm.h"

/** struct guest - A VM as it is watched */
struct guest {
        struct supervisor *supervisor;
        char *name, *uuid;
        gboolean alive;         /* as we last saw it */
        gint64 since_us;        /* monotonic: from when on we have seen it alive */
        int pidfd;              /* of its QEMU; -1: not known yet */
        pid_t pid;              /* the same */
        struct qmp_wire events; /* its third monitor; fd -1: not connected */
        gboolean halted;        /* QEMU said STOP */
        gboolean panicked;      /* QEMU said GUEST_PANICKED, and the guest has not been reset since */
        char *reason;           /* of the last SHUTDOWN that QEMU told; NULL: none */
        gboolean undecided;     /* it ended, and what that means is found out when nobody works on the project */
        gboolean due;           /* its time to be started again has come */
        gboolean waits;         /* a restart is under way: timer, due, or being mended */
        struct restarts restarts;
        GPtrArray *macs;        /* char *: of its NICs */
        char *address;          /* of its first NIC that the file gives one; or NULL */
        struct {
                char *text;                /* the rule as it was written; NULL: there is none */
                struct health_rule rule;
                struct health health;
                gint64 started_ms;         /* by the monotonic clock: when its QEMU was started */
                gint64 console_from, console_seen;
                int pidfd, pipe;           /* of the look that is being taken; -1: none */
        } check;
};

struct supervisor {
        struct loop *loop;
        struct paths *paths;
        const char *project;
        const char *const *settings; /* NULL-terminated NAME=VALUE: drover's own variables, for those we start */
        int notify;                  /* inotify */
        GHashTable *watches;         /* watch descriptor -> what it is of, below data */
        GHashTable *names;           /* the other way round */
        GHashTable *guests;          /* name -> struct guest */
        struct {
                int pidfd;           /* -1: none is watched */
                gboolean gone;       /* it ended, and nobody has looked yet whether it should have */
                GHashTable *leases;  /* MAC -> address as text */
        } service;
        GHashTable *wires;           /* ifindex -> struct wire: links of the project */
        struct {
                int pidfd;           /* of the process that mends something; -1: none */
                struct guest *guest; /* what it mends; NULL: the services */
        } mending;
};

/** record() - An event of a guest, into the journal; @key, @value and @text may be NULL */
void record(const struct supervisor *supervisor, const char *vm, const char *event, const char *by, const char *key,
            const char *value, const char *text);

/** supervisor_is_disturbed() - Does some drover hold the project's lock? When it ends, supervisor_settle() is called */
gboolean supervisor_is_disturbed(const struct supervisor *supervisor);

/** supervisor_watch_file() - inotify on a file or directory below data; once */
void supervisor_watch_file(struct supervisor *supervisor, const char *below, guint32 mask);

/** supervisor_settle() - Nobody works on the project, or less than before: see to what has been left for later */
void supervisor_settle(struct supervisor *supervisor);

struct guest *guest_new(struct supervisor *supervisor, const char *name);
void guest_free(gpointer guest);

/** guest_look() - Is it alive? Connects what is not connected, notices an end */
void guest_look(struct guest *guest);

/**
 * guest_look_back() - Has it ended before we came, and is it started again by its policy?
 *
 * Where that limits the tries, nobody knows how many there have been, and it stays as it is.
 */
void guest_look_back(struct guest *guest);

/** guest_read() - Its spec.json may have changed */
void guest_read(struct guest *guest);

/** guest_settle() - What its end means, once nobody works on the project: to be started again, perhaps after a while */
void guest_settle(struct guest *guest);

/** guest_mended() - A try to start it again has ended */
void guest_mended(struct guest *guest, gboolean good);

/** checks_begin() - Look after the health of a guest whose QEMU is known, by this wish; the same rule again changes nothing */
void checks_begin(struct guest *guest, const json_t *wish);
/** checks_panicked() - Whoever waits for its health need not wait for the looks to fail */
void checks_panicked(struct guest *guest);
/** checks_end() - No more of that */
void checks_end(struct guest *guest);

/** wires_watch() - Record from here on what happens to the project's links */
void wires_watch(struct supervisor *supervisor);
void wires_clear(struct supervisor *supervisor);

/** service_look() - Watch dnsmasq, if it runs */
void service_look(struct supervisor *supervisor);
/** service_look_back() - Did it die before we came? One that was stopped leaves no pid file */
void service_look_back(struct supervisor *supervisor);
/** service_read_leases() - Record what has changed; @quietly: what there was before we came is no news */
void service_read_leases(struct supervisor *supervisor, gboolean quietly);
/** service_address() - Where the guest is: what it was leased, or what the file says; NULL: nobody knows. New string */
char *service_address(const struct supervisor *supervisor, const struct guest *guest);
void service_clear(struct supervisor *supervisor);

/** mend_next() - Start the next thing again that is due, unless one is under way */
void mend_next(struct supervisor *supervisor);
void mend_clear(struct supervisor *supervisor);
