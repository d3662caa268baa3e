/* share.h - folders of the host in guests: how the guest calls them, and the virtiofsd that serves one
 *
 * Each virtiofs mount has a virtiofsd of its own, which ends when its QEMU does. It sees the folder and nothing else. As root
 * it keeps the guest's user ids as they are; as an ordinary user the guest's root is that user, and the guest's other users are
 * his subordinate ids where the host gives him some (subuid(5)).
 */
#pragma once

#include "parser/project.h"

enum { SHARE_TAG_MAX = 31 }; /* bytes. Source: MAX_TAG_LEN of QEMU's hw/9pfs/9p.h, less the end; virtiofs has 36 */

/** share_tag() - What the guest mounts: the folder's own path in the guest, or a hash of one that is too long. New string */
char *share_tag(const char *target);

/** share_find_program() - The virtiofsd of this host, or NULL. New string */
char *share_find_program(void);

/**
 * share_start() - Start the virtiofsd of a mount
 * @vm:       for people who look at processes
 * @run, @fd: the VM's run directory and an O_PATH descriptor of it; what is made there is gone again on return
 * @log_fd:   where it writes what goes wrong
 *
 * Returns a socket that is connected to it, which QEMU has to inherit; -1 on failure. It ends when that is closed everywhere.
 */
int share_start(const struct mount *mount, const char *vm, const char *run, int fd, int log_fd, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** struct share_ids - A user's block of subordinate ids; count 0: none */
struct share_ids {
        guint32 first, count;
};

/** share_parse_ids() - The first block of a user in the text of /etc/subuid or /etc/subgid, by his name or number */
struct share_ids share_parse_ids(const char *text, const char *name, uid_t uid);

/**
 * share_run() - What the process does that share_start() starts: it confines itself and becomes virtiofsd
 * @read_only: nobody can write through it, whatever the guest does
 *
 * Descriptor 3 is the listening socket. Returns only with an error.
 */
gboolean share_run(const char *source, gboolean read_only, GError **error) G_GNUC_WARN_UNUSED_RESULT;
