/* loop.c - one thread that sleeps until a descriptor is ready or a time has come
 *
 * One event is taken from the kernel at a time: a function may forget any descriptor, and close it, and open another of the
 * same number, without anybody being called for what is gone. Ready descriptors take turns (epoll(7)).
 */
#include "runtime/supervisor/loop.h"

#include "base/error.h"

#include <sys/epoll.h>
#include <unistd.h>

struct call {
        loop_function function;
        void *data;
        gint64 due_us; /* of a timer */
};

struct loop {
        int epoll;
        GHashTable *watches; /* descriptor -> struct call */
        GArray *timers;      /* struct call, in no order: there are few */
};

struct loop *
loop_new(GError **error)
{
        int epoll = epoll_create1(EPOLL_CLOEXEC);
        struct loop *loop;

        if (epoll < 0)
                return error_errno(error, "cannot wait for events"), NULL;
        loop = g_new0(struct loop, 1);
        loop->epoll = epoll;
        loop->watches = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        loop->timers = g_array_new(FALSE, FALSE, sizeof(struct call));
        return loop;
}

void
loop_free(struct loop *loop)
{
        if (!loop)
                return;
        close(loop->epoll);
        g_hash_table_unref(loop->watches);
        g_array_unref(loop->timers);
        g_free(loop);
}

gboolean
loop_watch(struct loop *loop, int fd, loop_function function, void *data)
{
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        struct call *call;

        if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
                return FALSE;
        call = g_new0(struct call, 1);
        *call = (struct call){function, data, 0};
        g_hash_table_insert(loop->watches, GINT_TO_POINTER(fd), call);
        return TRUE;
}

void
loop_forget(struct loop *loop, int fd)
{
        if (fd >= 0 && g_hash_table_remove(loop->watches, GINT_TO_POINTER(fd)))
                (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL); /* it is open, and was added */
}

void
loop_cancel(struct loop *loop, loop_function function, void *data)
{
        for (guint i = 0; i < loop->timers->len; i++) {
                const struct call *timer = &g_array_index(loop->timers, struct call, i);

                if (timer->function == function && timer->data == data) {
                        g_array_remove_index_fast(loop->timers, i);
                        return;
                }
        }
}

void
loop_at(struct loop *loop, gint64 delay_ms, loop_function function, void *data)
{
        struct call timer = {function, data, g_get_monotonic_time() + delay_ms * 1000};

        loop_cancel(loop, function, data);
        g_array_append_val(loop->timers, timer);
}

/* The next one that is due, or G_MAXUINT. */
static guint
find_next(const struct loop *loop)
{
        guint next = G_MAXUINT;

        for (guint i = 0; i < loop->timers->len; i++)
                if (next == G_MAXUINT || g_array_index(loop->timers, struct call, i).due_us <
                                                 g_array_index(loop->timers, struct call, next).due_us)
                        next = i;
        return next;
}

void
loop_turn(struct loop *loop)
{
        guint next = find_next(loop);
        struct epoll_event event;
        int timeout_ms = -1;

        if (next != G_MAXUINT) {
                struct call timer = g_array_index(loop->timers, struct call, next);
                gint64 left_us = timer.due_us - g_get_monotonic_time();

                if (left_us <= 0) {
                        g_array_remove_index_fast(loop->timers, next);
                        timer.function(timer.data);
                        return;
                }
                timeout_ms = (int)MIN((left_us + 999) / 1000, G_MAXINT);
        }
        if (epoll_wait(loop->epoll, &event, 1, timeout_ms) == 1) {
                const struct call *found = g_hash_table_lookup(loop->watches, GINT_TO_POINTER(event.data.fd));
                struct call call = found ? *found : (struct call){0};

                if (call.function)
                        call.function(call.data);
        }
}
