/* events.h - the journal, printed */
#pragma once

#include "runtime/paths.h"

/** struct events_wish - What of it is printed, and how */
struct events_wish {
        char *const *names; /* NULL-terminated, of VMs; empty: everything */
        gint64 since_us;    /* since the epoch; 0: all there is */
        gint64 tail;        /* at most so many of what there is; -1: all */
        gboolean json, follow;
};

/** events_print() - To standard output; with @follow until interrupted, or until nobody reads any more */
gboolean events_print(const struct paths *paths, const struct events_wish *wish, GError **error);
