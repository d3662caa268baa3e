/* notice.h - sleep until something may have happened to some VMs
 *
 * What a verb or the supervisor does to a VM stands in the journal, its health in a file, its end is a pidfd, and the end of
 * the supervisor closes its lock. So who waits for a state looks, sleeps here, and looks again; nothing is asked meanwhile.
 */
#pragma once

#include "runtime/paths.h"

struct notice;

/** notice_new() - Watch a project's journal and supervisor; before the first look, so that nothing is missed */
struct notice *notice_new(const struct paths *paths);
void notice_free(struct notice *notice);
typedef struct notice notice_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(notice_t, notice_free)

/**
 * notice_add() - Watch a VM as well; again before each look: its QEMU may be another one
 * @uuid: as its QEMU's arguments hold it, or NULL: not known
 */
void notice_add(struct notice *notice, const char *vm, const char *uuid);

/**
 * notice_wait() - Sleep, at most so long (-1: for ever)
 * @stop_fd: ends it too once it can be read; or -1
 *
 * It may return although nothing has happened.
 */
void notice_wait(struct notice *notice, int timeout_ms, int stop_fd);
