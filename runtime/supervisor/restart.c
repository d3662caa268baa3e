/* restart.c - whether and when a VM that ended is started again: pure */
#include "runtime/supervisor/restart.h"

gboolean
restart_after(struct restarts *restarts, const struct restart *policy, gboolean failed, gint64 ran_ms, gint64 *ret_delay_ms)
{
        if (ran_ms >= BACKOFF_RESET_MS)
                restarts->count = 0;
        if (policy->policy == RESTART_NO || (policy->policy == RESTART_ON_FAILURE && !failed))
                return FALSE;
        if (policy->policy == RESTART_ON_FAILURE && policy->tries && restarts->count >= policy->tries)
                return FALSE;
        *ret_delay_ms = restarts->count < 10 ? MIN(BACKOFF_FIRST_MS << restarts->count, BACKOFF_MOST_MS) : BACKOFF_MOST_MS;
        restarts->count++;
        return TRUE;
}
