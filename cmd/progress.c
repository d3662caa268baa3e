/* progress.c - what is being done, on a terminal, in lines, as JSON */
#include "cmd/progress.h"

#include "base/fd.h"
#include "base/text.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { FRAME_MS = 100, TRANSFER_BAR = 20 };

/** struct row - A step that runs */
struct row {
        const struct plan_step *step;
        gint64 start_us;
};

struct progress {
        GMutex mutex;
        GArray *rows;      /* struct row: what runs */
        GString *finished; /* lines that the next frame prints above the running ones */
        GArray *drawn;     /* guint: width of each line of the last frame that is still to be drawn over */
        GPtrArray *errors; /* GError * */
        guint done, total;
        int status; /* of the failures; EXIT_DONE while there are none */
        volatile gint cancel;
        int cancel_fd; /* eventfd */
        gboolean end;
        gboolean watched; /* the thread below is there */
        pthread_t thread;
        sigset_t mask; /* as it was before */
};

char *
progress_line(const struct plan_step *step, enum step_event event, gint64 elapsed_us)
{
        const struct action_words *action = show_action(step->action);
        g_autofree char *title = show_title(step);

        switch (event) {
        case STEP_STARTED:
                return g_strdup_printf("%s %s", title, action->doing);
        case STEP_DONE:
                if (elapsed_us < 50000)
                        return g_strdup_printf("%s %s", title, action->done);
                return g_strdup_printf("%s %s (%.1fs)", title, action->done, (double)elapsed_us / G_USEC_PER_SEC);
        case STEP_FAILED:
                return g_strdup_printf("%s not %s", title, action->done);
        case STEP_SKIPPED:
                break;
        }
        return g_strdup_printf("%s skipped", title);
}

char *
progress_transfer(const struct transfer *transfer, double seconds)
{
        guint64 done = __atomic_load_n(&transfer->done_bytes, __ATOMIC_RELAXED);
        guint64 total = __atomic_load_n(&transfer->total_bytes, __ATOMIC_RELAXED);
        int holder = __atomic_load_n(&transfer->waits_for, __ATOMIC_RELAXED);
        double speed = seconds > 0 ? (double)done / seconds : 0, mib = 1 << 20;
        char bar[TRANSFER_BAR + 1];
        guint filled;

        if (holder)
                return g_strdup_printf("  waits for the drover that fetches it (pid %d)", holder);
        if (!done)
                return g_strdup("");
        if (total < done)
                return g_strdup_printf("  %.1f MiB  %.1f MiB/s", (double)done / mib, speed / mib);
        filled = (guint)(done * TRANSFER_BAR / total);
        memset(bar, '.', TRANSFER_BAR);
        memset(bar, '#', filled);
        bar[TRANSFER_BAR] = '\0';
        return g_strdup_printf("  [%s] %.1f of %.1f MiB  %.1f MiB/s  %.0fs left", bar, (double)done / mib, (double)total / mib,
                               speed / mib, speed > 0 ? (double)(total - done) / speed : 0);
}

char *
progress_cut(const char *text, guint columns)
{
        GString *cut = g_string_new(NULL);
        guint width = 0;

        for (; *text; text = g_utf8_next_char(text)) {
                gunichar c = g_utf8_get_char(text);

                width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
                if (width > columns)
                        break;
                g_string_append_unichar(cut, c);
        }
        return g_string_free(cut, FALSE);
}

static void
get_window(guint *ret_columns, guint *ret_rows)
{
        struct winsize window;

        *ret_columns = 80;
        *ret_rows = 24;
        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) < 0)
                return;
        if (window.ws_col >= 10)
                *ret_columns = window.ws_col;
        if (window.ws_row >= 4)
                *ret_rows = window.ws_row;
}

static void
append_row(struct progress *progress, GString *frame, const char *text, guint columns)
{
        g_autofree char *cut = progress_cut(text, columns - 1);
        guint width = print_width(cut);

        g_string_append_printf(frame, "%s%s%s\033[K\n", print_color(stderr, "dim"), cut, print_color(stderr, "reset"));
        g_array_append_val(progress->drawn, width);
}

/* Draw over the last frame: finished lines, which stay, and below them what runs. */
static void
draw(struct progress *progress)
{
        g_autoptr(GString) frame = g_string_new(NULL);
        gint64 now = g_get_monotonic_time();
        guint columns, rows, above = 0, shown;

        get_window(&columns, &rows);
        for (guint i = 0; i < progress->drawn->len; i++)
                above += MAX(1, (g_array_index(progress->drawn, guint, i) + columns - 1) / columns);
        if (above)
                g_string_append_printf(frame, "\r\033[%uA", above);
        g_array_set_size(progress->drawn, 0);
        g_string_append(frame, progress->finished->str);
        g_string_truncate(progress->finished, 0);
        shown = MIN(progress->rows->len, rows - 3);
        for (guint i = 0; i < shown; i++) {
                const struct row *row = &g_array_index(progress->rows, struct row, i);
                g_autofree char *line = progress_line(row->step, STEP_STARTED, 0);
                double seconds = (double)(now - row->start_us) / G_USEC_PER_SEC;
                g_autofree char *far = row->step->transfer ? progress_transfer(row->step->transfer, seconds) : g_strdup("");
                g_autofree char *text = g_strdup_printf("%s %.1fs%s", line, seconds, far);

                append_row(progress, frame, text, columns);
        }
        if (shown < progress->rows->len) {
                g_autofree char *text = g_strdup_printf("and %u more", progress->rows->len - shown);

                append_row(progress, frame, text, columns);
        }
        g_string_append(frame, "\033[J");
        fwrite(frame->str, 1, frame->len, stderr);
        fflush(stderr);
}

static void G_GNUC_NORETURN
end_at_once(void)
{
        static const char text[] =
                "interrupted twice: ended at once; the next 'drover up' or 'drover down' goes on from here\n";

        (void)!write(STDERR_FILENO, text, sizeof text - 1);
        _exit(EXIT_INTERRUPTED);
}

/* Takes the signals, and draws a frame now and then on a terminal. */
static void *
watch(void *data)
{
        static const char interrupted[] = "interrupted: finishing the steps in hand; again to end at once";
        struct progress *progress = data;
        struct timespec frame = {.tv_nsec = FRAME_MS * 1000000L};
        gboolean live = print_mode() == PROGRESS_TTY;
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGUSR1);
        for (;;) {
                int number = live ? sigtimedwait(&signals, NULL, &frame) : sigwaitinfo(&signals, NULL);

                g_mutex_lock(&progress->mutex);
                if (progress->end) {
                        g_mutex_unlock(&progress->mutex);
                        return NULL;
                }
                if (number == SIGINT || number == SIGTERM) {
                        if (g_atomic_int_get(&progress->cancel))
                                end_at_once();
                        g_atomic_int_set(&progress->cancel, 1);
                        (void)eventfd_write(progress->cancel_fd, 1); /* -1: who waits hears of it when it looks next */
                        if (live)
                                g_string_append_printf(progress->finished, "%s\033[K\n", interrupted);
                        else
                                print_info("%s", interrupted);
                }
                if (live)
                        draw(progress);
                g_mutex_unlock(&progress->mutex);
        }
}

struct progress *
progress_new(const struct plan *plan)
{
        struct progress *progress = g_new0(struct progress, 1);
        sigset_t signals;

        g_mutex_init(&progress->mutex);
        progress->rows = g_array_new(FALSE, FALSE, sizeof(struct row));
        progress->drawn = g_array_new(FALSE, FALSE, sizeof(guint));
        progress->finished = g_string_new(NULL);
        progress->errors = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
        progress->status = EXIT_DONE;
        progress->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        for (guint i = 0; i < plan->steps->len; i++)
                progress->total += plan_action_acts(((const struct plan_step *)g_ptr_array_index(plan->steps, i))->action);
        /* Blocked before any thread is made, so that all of them inherit it and only the watcher takes them. */
        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGUSR1);
        pthread_sigmask(SIG_BLOCK, &signals, &progress->mask);
        progress->watched = pthread_create(&progress->thread, NULL, watch, progress) == 0;
        if (!progress->watched)
                pthread_sigmask(SIG_SETMASK, &progress->mask, NULL);
        return progress;
}

const volatile gint *
progress_cancel(const struct progress *progress)
{
        return &progress->cancel;
}

int
progress_cancel_fd(const struct progress *progress)
{
        return progress->cancel_fd;
}

guint
progress_done(const struct progress *progress)
{
        return progress->done;
}

guint
progress_total(const struct progress *progress)
{
        return progress->total;
}

static void
step_event_to_json(const struct plan_step *step, enum step_event event, const GError *error, gint64 elapsed_us)
{
        static const char *const names[] = {"started", "done", "failed", "skipped"};
        json_t *item = json_object();

        json_set_text(item, "event", names[event]);
        json_set_text(item, "kind", plan_kind_name(step->kind));
        json_set_text(item, "name", step->name ? step->name : "");
        json_set_text(item, "action", plan_action_name(step->action));
        if (event == STEP_DONE || event == STEP_FAILED)
                json_set(item, "elapsed_ms", json_integer(elapsed_us / 1000));
        if (error)
                json_set_text(item, "error", error->message);
        print_event(item);
}

static void
keep_rows(struct progress *progress, const struct plan_step *step, enum step_event event)
{
        if (event == STEP_STARTED) {
                struct row row = {step, g_get_monotonic_time()};

                g_array_append_val(progress->rows, row);
                return;
        }
        for (guint i = 0; i < progress->rows->len; i++)
                if (g_array_index(progress->rows, struct row, i).step == step) {
                        g_array_remove_index(progress->rows, i);
                        return;
                }
}

/* If all failures have the same status it is that of the whole, else it is a plain failure. */
static void
keep_failure(struct progress *progress, const GError *error)
{
        int status = exit_status_of(error);

        if (status == EXIT_CONFIG || status == EXIT_USAGE)
                status = EXIT_FAILED;
        progress->status = progress->status == EXIT_DONE || progress->status == status ? status : EXIT_FAILED;
        if (error)
                g_ptr_array_add(progress->errors, g_error_copy(error));
}

static void
print_step_line(struct progress *progress, const struct plan_step *step, enum step_event event, gint64 elapsed_us)
{
        static const char *const colors[] = {"dim", "green", "red", "yellow"};
        g_autofree char *text = progress_line(step, event, elapsed_us);
        g_autofree char *line = text_make_printable(text, -1);

        if (print_mode() == PROGRESS_TTY)
                g_string_append_printf(progress->finished, "%s%s%s\033[K\n", print_color(stderr, colors[event]), line,
                                       print_color(stderr, "reset"));
        else
                fprintf(stderr, "%s\n", line);
}

void
progress_step(const struct plan_step *step, enum step_event event, const GError *error, gint64 elapsed_us, void *data)
{
        struct progress *progress = data;

        g_mutex_lock(&progress->mutex);
        keep_rows(progress, step, event);
        progress->done += event == STEP_DONE;
        if (event == STEP_FAILED)
                keep_failure(progress, error);
        switch (print_mode()) {
        case PROGRESS_JSON:
                step_event_to_json(step, event, error, elapsed_us);
                break;
        case PROGRESS_TTY:
        case PROGRESS_PLAIN:
                if (event != STEP_STARTED || (print_is_verbose() && print_mode() == PROGRESS_PLAIN))
                        print_step_line(progress, step, event, elapsed_us);
                break;
        case PROGRESS_QUIET:
                break;
        }
        g_mutex_unlock(&progress->mutex);
}

int
progress_end(struct progress *progress)
{
        int status;

        g_mutex_lock(&progress->mutex);
        progress->end = TRUE;
        g_array_set_size(progress->rows, 0);
        if (print_mode() == PROGRESS_TTY)
                draw(progress);
        g_mutex_unlock(&progress->mutex);
        if (progress->watched) {
                pthread_kill(progress->thread, SIGUSR1);
                pthread_join(progress->thread, NULL);
                pthread_sigmask(SIG_SETMASK, &progress->mask, NULL);
        }
        for (guint i = 0; print_mode() != PROGRESS_JSON && i < progress->errors->len; i++)
                print_error(g_ptr_array_index(progress->errors, i));
        status = progress->status;
        g_array_unref(progress->rows);
        g_array_unref(progress->drawn);
        g_ptr_array_unref(progress->errors);
        g_string_free(progress->finished, TRUE);
        fd_clear(&progress->cancel_fd);
        g_mutex_clear(&progress->mutex);
        g_free(progress);
        return status;
}
