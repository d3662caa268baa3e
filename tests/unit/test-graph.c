/* test-graph.c - the executor: order, parallelism, failures, cancelling */
#include "runtime/apply/graph.h"

#include "base/error.h"

enum { MANY = 40 };

struct step {
        gint *clock;      /* counts ends of steps */
        gint ended;       /* this one's place among them, from 1 */
        gboolean fails;
        volatile gint *cancel; /* set by this step when it runs */
        GThread *thread;
};

static gboolean
run_step(void *data, GError **error)
{
        struct step *step = data;

        step->thread = g_thread_self();
        step->ended = g_atomic_int_add(step->clock, 1) + 1;
        if (step->cancel)
                g_atomic_int_set(step->cancel, 1);
        return step->fails ? error_set(error, DROVER_ERROR_FAILED, "as told") : TRUE;
}

static void
prepare(struct graph_node *nodes, struct step *steps, gint *clock, guint count)
{
        for (guint i = 0; i < count; i++) {
                steps[i].clock = clock;
                nodes[i].function = run_step;
                nodes[i].data = &steps[i];
        }
}

static void
count_event(guint index, const struct graph_node *node, void *data)
{
        gint *events = data;

        events[index]++;
}

static void
check_order(guint parallel)
{
        static const guint first[] = {0}, both[] = {1, 2};
        struct graph_node nodes[4] = {{0},
                                      {.after = first, .after_count = 1},
                                      {.after = first, .after_count = 1, .waits = TRUE},
                                      {.after = both, .after_count = 2}};
        struct step steps[4] = {{0}};
        gint clock = 0, events[4] = {0};
        struct graph_options options = {.parallel = parallel, .progress = count_event, .progress_data = events};

        prepare(nodes, steps, &clock, 4);
        g_assert_true(graph_run(nodes, 4, &options));
        g_assert_cmpint(steps[0].ended, ==, 1);
        g_assert_cmpint(steps[3].ended, ==, 4);
        for (guint i = 0; i < 4; i++) {
                g_assert_cmpint(nodes[i].state, ==, GRAPH_DONE);
                g_assert_cmpint(events[i], ==, 2); /* begun, done */
                g_assert_cmpint(nodes[i].end_us, >=, nodes[i].start_us);
                if (parallel == 1)
                        g_assert_true(steps[i].thread == g_thread_self());
        }
}

static void
test_order(void)
{
        check_order(1);
        check_order(4);
}

static void
test_failure(void)
{
        static const guint after_failing[] = {1}, after_skipped[] = {2}, after_good[] = {0};
        struct graph_node nodes[5] = {{0}, {0}, {.after = after_failing, .after_count = 1},
                                      {.after = after_skipped, .after_count = 1}, {.after = after_good, .after_count = 1}};
        struct step steps[5] = {{0}, {.fails = TRUE}};
        struct graph_options options = {.parallel = 3};
        gint clock = 0;

        prepare(nodes, steps, &clock, 5);
        g_assert_false(graph_run(nodes, 5, &options));
        g_assert_cmpint(nodes[1].state, ==, GRAPH_FAILED);
        g_assert_error(nodes[1].error, DROVER_ERROR, DROVER_ERROR_FAILED);
        g_assert_cmpint(nodes[2].state, ==, GRAPH_SKIPPED);
        g_assert_cmpint(nodes[3].state, ==, GRAPH_SKIPPED);
        g_assert_cmpint(nodes[4].state, ==, GRAPH_DONE);
        g_clear_error(&nodes[1].error);
}

static void
test_cancel(void)
{
        static const guint first[] = {0};
        volatile gint cancel = 0;
        struct graph_node nodes[2] = {{0}, {.after = first, .after_count = 1}};
        struct step steps[2] = {{.cancel = &cancel}};
        struct graph_options options = {.parallel = 2, .cancel = &cancel};
        gint clock = 0;

        prepare(nodes, steps, &clock, 2);
        g_assert_false(graph_run(nodes, 2, &options));
        g_assert_cmpint(nodes[0].state, ==, GRAPH_DONE); /* what was begun is finished */
        g_assert_cmpint(nodes[1].state, ==, GRAPH_CANCELLED);
}

/* Each waits until all have begun: possible only when actions that wait do not take threads from each other. */
struct rendezvous {
        GMutex mutex;
        GCond changed;
        guint here;
};

static gboolean
meet(void *data, GError **error)
{
        struct rendezvous *meeting = data;
        gint64 end = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;
        gboolean all = TRUE;

        g_mutex_lock(&meeting->mutex);
        meeting->here++;
        g_cond_broadcast(&meeting->changed);
        while (meeting->here < MANY && all)
                all = g_cond_wait_until(&meeting->changed, &meeting->mutex, end);
        g_mutex_unlock(&meeting->mutex);
        return all ? TRUE : error_set(error, DROVER_ERROR_TIMEOUT, "alone");
}

static void
test_waiters_meet(void)
{
        struct graph_node nodes[MANY];
        struct graph_options options = {.parallel = 2};
        struct rendezvous meeting = {.here = 0};

        g_mutex_init(&meeting.mutex);
        g_cond_init(&meeting.changed);
        for (guint i = 0; i < MANY; i++)
                nodes[i] = (struct graph_node){.function = meet, .data = &meeting, .waits = TRUE};
        g_assert_true(graph_run(nodes, MANY, &options));
        g_mutex_clear(&meeting.mutex);
        g_cond_clear(&meeting.changed);
}

/* Comes back when three others have come as late as itself: two have given their places away, two could not. */
struct crowd {
        GMutex mutex;
        GCond changed;
        guint come, inside, most;
};

enum { PLACES = 2, CROWD = 2 * PLACES };

static gboolean
yield_and_meet(void *data, GError **error)
{
        struct crowd *crowd = data;
        gint64 end = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;
        gboolean all = TRUE;
        guint wanted;

        graph_yield();
        graph_yield(); /* it has only one place to give */
        g_mutex_lock(&crowd->mutex);
        wanted = crowd->come++ / CROWD * CROWD + CROWD;
        g_cond_broadcast(&crowd->changed);
        while (crowd->come < wanted && all)
                all = g_cond_wait_until(&crowd->changed, &crowd->mutex, end);
        g_mutex_unlock(&crowd->mutex);
        return all ? TRUE : error_set(error, DROVER_ERROR_TIMEOUT, "alone");
}

static void
test_yield(void)
{
        struct graph_node nodes[CROWD];
        struct graph_options options = {.parallel = PLACES};
        struct crowd crowd = {.come = 0};

        g_mutex_init(&crowd.mutex);
        g_cond_init(&crowd.changed);
        for (guint round = 0; round < 20; round++) {
                for (guint i = 0; i < CROWD; i++)
                        nodes[i] = (struct graph_node){.function = yield_and_meet, .data = &crowd};
                g_assert_true(graph_run(nodes, CROWD, &options));
        }
        g_mutex_clear(&crowd.mutex);
        g_cond_clear(&crowd.changed);
        graph_yield(); /* outside of an action it does nothing */
}

static gboolean
yield_and_count(void *data, GError **error)
{
        struct crowd *crowd = data;

        graph_yield();
        g_mutex_lock(&crowd->mutex);
        crowd->inside++;
        crowd->most = MAX(crowd->most, crowd->inside);
        g_mutex_unlock(&crowd->mutex);
        g_usleep(200); /* long enough for others to begin, if they may */
        g_mutex_lock(&crowd->mutex);
        crowd->inside--;
        g_mutex_unlock(&crowd->mutex);
        return TRUE;
}

static void
test_yield_has_a_bound(void)
{
        struct graph_node nodes[MANY];
        struct graph_options options = {.parallel = PLACES};
        struct crowd crowd = {.come = 0};

        g_mutex_init(&crowd.mutex);
        for (guint i = 0; i < MANY; i++)
                nodes[i] = (struct graph_node){.function = yield_and_count, .data = &crowd};
        g_assert_true(graph_run(nodes, MANY, &options));
        g_assert_cmpuint(crowd.most, <=, CROWD);
        g_mutex_clear(&crowd.mutex);
}

static void
test_empty(void)
{
        struct graph_options options = {.parallel = 4};

        g_assert_true(graph_run(NULL, 0, &options));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/graph/order", test_order);
        g_test_add_func("/graph/failure", test_failure);
        g_test_add_func("/graph/cancel", test_cancel);
        g_test_add_func("/graph/waiters-meet", test_waiters_meet);
        g_test_add_func("/graph/yield", test_yield);
        g_test_add_func("/graph/yield-has-a-bound", test_yield_has_a_bound);
        g_test_add_func("/graph/empty", test_empty);
        return g_test_run();
}
