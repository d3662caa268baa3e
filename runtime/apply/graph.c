/* graph.c - run actions as a graph on a few threads
 *
 * One mutex guards all states. Workers take the lowest ready node, so that with one thread the order is the array's. An
 * action that mostly waits gets a thread of its own as soon as it is ready: a hundred guests that shut down are awaited
 * together, while starts stay within `parallel`. An action that begins to wait halfway (graph_yield()) gives its place to a new
 * worker, and its thread ends with it.
 */
#include "runtime/apply/graph.h"

#include "base/error.h"

enum { MAX_WAITERS = 256 }; /* beyond that, actions that wait share the workers with the others */

struct run {
        struct graph_node *nodes;
        guint count, unfinished;
        const struct graph_options *options;
        GMutex mutex;
        GCond changed;
        GPtrArray *threads; /* GThread of workers, and of actions that wait */
        guint waiting;      /* how many of the latter run now */
        guint yielded;      /* how many workers have given their place away and still run their action */
};

static GPrivate place; /* struct run *: this thread is a worker of it */

struct waiter {
        struct run *run;
        guint index;
};

static void
set_state(struct run *run, guint index, enum graph_state state)
{
        struct graph_node *node = &run->nodes[index];

        node->state = state;
        if (state == GRAPH_RUNNING)
                node->start_us = g_get_monotonic_time();
        else
                node->end_us = g_get_monotonic_time();
        if (state != GRAPH_RUNNING)
                run->unfinished--;
        if (run->options->progress)
                run->options->progress(index, node, run->options->progress_data);
        g_cond_broadcast(&run->changed);
}

static gboolean
is_cancelled(const struct run *run)
{
        return run->options->cancel && g_atomic_int_get(run->options->cancel);
}

/* What a waiting node is now: still waiting (FALSE), ready (TRUE), or settled here as skipped or cancelled. */
static gboolean
settle(struct run *run, guint index)
{
        struct graph_node *node = &run->nodes[index];
        gboolean ready = TRUE;

        for (guint i = 0; i < node->after_count; i++) {
                enum graph_state state = run->nodes[node->after[i]].state;

                if (state == GRAPH_FAILED || state == GRAPH_SKIPPED || state == GRAPH_CANCELLED) {
                        set_state(run, index, state == GRAPH_CANCELLED ? GRAPH_CANCELLED : GRAPH_SKIPPED);
                        return FALSE;
                }
                ready = ready && state == GRAPH_DONE;
        }
        for (guint i = 0; i < node->behind_count; i++)
                ready = ready && run->nodes[node->behind[i]].state >= GRAPH_DONE;
        if (ready && is_cancelled(run)) {
                set_state(run, index, GRAPH_CANCELLED);
                return FALSE;
        }
        return ready;
}

/* Called with the mutex held; drops it while the action runs. */
static void
run_node(struct run *run, guint index)
{
        struct graph_node *node = &run->nodes[index];
        g_autoptr(GError) error = NULL;
        gboolean ok;

        g_mutex_unlock(&run->mutex);
        ok = node->function(node->data, &error);
        g_mutex_lock(&run->mutex);
        if (!ok && !error)
                error_set(&error, DROVER_ERROR_FAILED, "failed without a reason");
        node->error = g_steal_pointer(&error);
        set_state(run, index, ok ? GRAPH_DONE : GRAPH_FAILED);
}

static gpointer
waiter_main(gpointer data)
{
        struct waiter *waiter = data;

        g_mutex_lock(&waiter->run->mutex);
        run_node(waiter->run, waiter->index);
        waiter->run->waiting--;
        g_mutex_unlock(&waiter->run->mutex);
        g_free(waiter);
        return NULL;
}

static void
start_waiter(struct run *run, guint index)
{
        struct waiter *waiter = g_new(struct waiter, 1);

        *waiter = (struct waiter){run, index};
        run->waiting++;
        g_ptr_array_add(run->threads, g_thread_new("waiter", waiter_main, waiter));
}

/* Find something to do from @from on: nodes before it are all taken. Returns FALSE when nothing is ready now. */
static gboolean
take_one(struct run *run, guint *from, gboolean threads)
{
        while (*from < run->count && run->nodes[*from].state != GRAPH_WAITING)
                (*from)++;
        for (guint i = *from; i < run->count; i++) {
                if (run->nodes[i].state != GRAPH_WAITING || !settle(run, i))
                        continue;
                set_state(run, i, GRAPH_RUNNING);
                if (threads && run->nodes[i].waits && run->waiting < MAX_WAITERS)
                        start_waiter(run, i);
                else
                        run_node(run, i);
                return TRUE;
        }
        return FALSE;
}

/* Until all is finished, or this thread has given its place away. */
static void
work(struct run *run, gboolean threads)
{
        guint from = 0;

        g_mutex_lock(&run->mutex);
        while (run->unfinished > 0 && (!threads || g_private_get(&place)))
                if (!take_one(run, &from, threads) && run->unfinished > 0)
                        g_cond_wait(&run->changed, &run->mutex);
        if (threads && !g_private_get(&place))
                run->yielded--;
        g_mutex_unlock(&run->mutex);
}

static gpointer
worker_main(gpointer data)
{
        g_private_set(&place, data);
        work(data, TRUE);
        return NULL;
}

void
graph_yield(void)
{
        struct run *run = g_private_get(&place);

        if (!run)
                return;
        g_mutex_lock(&run->mutex);
        if (run->yielded < run->options->parallel) {
                run->yielded++;
                g_private_set(&place, NULL);
                g_ptr_array_add(run->threads, g_thread_new("worker", worker_main, run));
        }
        g_mutex_unlock(&run->mutex);
}

/* Threads are added by others, but only before they end. */
static void
join_all(struct run *run)
{
        for (guint i = 0;; i++) {
                GThread *thread;

                g_mutex_lock(&run->mutex);
                thread = i < run->threads->len ? g_ptr_array_index(run->threads, i) : NULL;
                g_mutex_unlock(&run->mutex);
                if (!thread)
                        return;
                g_thread_join(thread);
        }
}

gboolean
graph_run(struct graph_node *nodes, guint count, const struct graph_options *options)
{
        struct run run = {.nodes = nodes, .count = count, .unfinished = count, .options = options};
        gboolean ok = TRUE;

        g_mutex_init(&run.mutex);
        g_cond_init(&run.changed);
        run.threads = g_ptr_array_new();
        if (options->parallel <= 1) {
                work(&run, FALSE);
        } else {
                g_mutex_lock(&run.mutex);
                for (guint i = 0; i < MIN(options->parallel, count); i++)
                        g_ptr_array_add(run.threads, g_thread_new("worker", worker_main, &run));
                g_mutex_unlock(&run.mutex);
                join_all(&run);
        }
        g_ptr_array_free(run.threads, TRUE);
        g_mutex_clear(&run.mutex);
        g_cond_clear(&run.changed);
        for (guint i = 0; i < count; i++)
                ok = ok && nodes[i].state == GRAPH_DONE;
        return ok;
}
