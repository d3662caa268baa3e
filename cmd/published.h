/* published.h - the ports of this host that lead into a VM, as they are served now */
#pragma once

#include "cmd/print.h"

struct published_port {
        const struct published *published;
        gboolean open; /* served, and leading where the file says */
};

/** published_find() - Those of a VM of the file: struct published_port in a new array, empty for any other */
GArray *published_find(const struct session *session, const char *vm);

/** published_text() - "8080->80/tcp, 127.0.0.1:5353->53/udp" of those that are open. New string */
char *published_text(const GArray *ports);

/** published_to_json() - [{"host", "guest", "protocol", "open"}]. New reference */
json_t *published_to_json(const GArray *ports);
