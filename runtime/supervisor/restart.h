/* restart.h - whether and when a VM that ended is started again: pure */
#pragma once

#include "parser/project.h"

enum {
        BACKOFF_FIRST_MS = 100,
        BACKOFF_MOST_MS = 60000,
        BACKOFF_RESET_MS = 10000, /* what has run so long was a good start: counting begins anew */
};

/** struct restarts - How often in a row one VM has been started again */
struct restarts {
        guint count;
};

/**
 * restart_after() - A VM has ended, and nobody asked for it: is it started again?
 * @failed:       its QEMU was killed or died, its guest panicked, or the start itself failed; else its guest powered off
 * @ran_ms:       for how long it ran
 * @ret_delay_ms: when TRUE, how long to wait before
 *
 * The delay doubles from BACKOFF_FIRST_MS up to BACKOFF_MOST_MS. FALSE: it stays as it is.
 */
gboolean restart_after(struct restarts *restarts, const struct restart *policy, gboolean failed, gint64 ran_ms,
                       gint64 *ret_delay_ms);
