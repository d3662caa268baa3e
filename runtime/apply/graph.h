/* graph.h - run actions as a graph on a few threads
 *
 * It knows names, dependencies and functions, and nothing of VMs. What can be done at once is done at once; an action that
 * fails makes those that wait for it skipped, and nothing else; all failures are kept. With one thread everything runs on
 * the caller's, in order.
 */
#pragma once

#include <glib.h>

typedef gboolean (*graph_function)(void *data, GError **error);

enum graph_state {
        GRAPH_WAITING,
        GRAPH_RUNNING,
        GRAPH_DONE,
        GRAPH_FAILED,
        GRAPH_SKIPPED,   /* something that it waits for failed */
        GRAPH_CANCELLED, /* Ctrl-C before it began */
};

struct graph_node {
        graph_function function;
        void *data;
        const guint *after;   /* indexes of nodes; all lower than this node's own */
        guint after_count;
        const guint *behind;  /* the same, but it is enough that they have ended, however they did */
        guint behind_count;
        gboolean waits;       /* it mostly waits (for a guest to shut down): takes no thread away from others */
        enum graph_state state; /* out */
        GError *error;        /* out: the caller frees */
        gint64 start_us, end_us; /* out: g_get_monotonic_time() */
};

/** Called once a change of state, from any thread but never two at once */
typedef void (*graph_progress)(guint index, const struct graph_node *node, void *data);

struct graph_options {
        guint parallel;           /* threads for actions that do not wait; at least 1 */
        const volatile gint *cancel; /* becomes non-zero: begin nothing more; may be NULL */
        graph_progress progress;  /* may be NULL */
        void *progress_data;
};

/**
 * graph_yield() - Called by an action: from here on it mostly waits, another one may begin in its place
 *
 * No more than `parallel` actions have given their place away at one time; beyond that, with one thread, or outside of an
 * action it does nothing.
 */
void graph_yield(void);

/** graph_run() - Returns TRUE when every node is done */
gboolean graph_run(struct graph_node *nodes, guint count, const struct graph_options *options);
