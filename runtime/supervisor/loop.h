/* loop.h - one thread that sleeps until a descriptor is ready or a time has come */
#pragma once

#include <glib.h>

struct loop;

typedef void (*loop_function)(void *data);

/** loop_new() - Nothing watched yet; NULL with an error where the kernel gives no epoll */
struct loop *loop_new(GError **error) G_GNUC_WARN_UNUSED_RESULT;
void loop_free(struct loop *loop);
typedef struct loop loop_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(loop_t, loop_free)

/**
 * loop_watch() - Call @function with @data whenever @fd can be read, or has hung up, until loop_forget()
 *
 * The descriptor stays the caller's, who forgets it before closing it. A call may come although there is nothing to read.
 * FALSE where the kernel refuses: then it is not watched.
 */
gboolean loop_watch(struct loop *loop, int fd, loop_function function, void *data) G_GNUC_WARN_UNUSED_RESULT;

/** loop_forget() - No more of this descriptor; one that is not watched, or -1, is no error */
void loop_forget(struct loop *loop, int fd);

/** loop_at() - Call @function with @data once, in @delay_ms; the same pair of both again replaces the time */
void loop_at(struct loop *loop, gint64 delay_ms, loop_function function, void *data);

/** loop_cancel() - Not any more; that it was never asked for is no error */
void loop_cancel(struct loop *loop, loop_function function, void *data);

/** loop_turn() - Sleep until something happens, and make one call. Without timers it sleeps until a descriptor is ready */
void loop_turn(struct loop *loop);
