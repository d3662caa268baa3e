/* progress.h - what is being done: one live line an object on a terminal, plain lines or JSON elsewhere
 *
 * On a terminal, what is finished stands above and what runs below, in lines that change in place; each frame is one write.
 * A frame remembers how wide its lines were, so that a window made narrower meanwhile (which wraps them) is drawn over
 * cleanly. While a progress lives, Ctrl-C asks for an orderly end (progress_cancel()), and a second one ends at once.
 */
#pragma once

#include "cmd/show.h"

struct progress;

/** progress_new() - Begin: from here on, SIGINT and SIGTERM are taken by a thread. Call after session_observe() */
struct progress *progress_new(const struct plan *plan);

/** progress_step() - A session_progress; @data is the struct progress */
void progress_step(const struct plan_step *step, enum step_event event, const GError *error, gint64 elapsed_us, void *data);

/** progress_cancel() - What becomes non-zero on Ctrl-C, for apply_options.cancel */
const volatile gint *progress_cancel(const struct progress *progress);
/** progress_cancel_fd() - A descriptor that can be read from then on; -1: there is none */
int progress_cancel_fd(const struct progress *progress);

/** progress_done() - How many steps were done; progress_total() - of how many */
guint progress_done(const struct progress *progress);
guint progress_total(const struct progress *progress);

/** progress_end() - Last frame, errors of failed steps, signals as before; returns the exit status of the failures, and frees
 */
int progress_end(struct progress *progress);

/** progress_line() - "vm web started (0.4s)", as it is printed when a step has ended. New string. Pure */
char *progress_line(const struct plan_step *step, enum step_event event, gint64 elapsed_us);

/** progress_transfer() - How far a fetch is after @seconds: a bar, speed, time left. New string. Pure */
char *progress_transfer(const struct transfer *transfer, double seconds);

/** progress_cut() - @text cut to @columns columns. New string. Pure */
char *progress_cut(const char *text, guint columns);
