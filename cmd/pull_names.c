/* pull_names.c - drover pull NAME: images of the catalogue, without a VM that has them */
#include "cmd/pull.h"

#include "cmd/progress.h"

#include "base/error.h"
#include "base/text.h"
#include "parser/catalogue.h"
#include "parser/keys/keys.h"
#include "runtime/apply/graph.h"
#include "runtime/storage/image.h"
#include "runtime/storage/source.h"

/** struct wanted - An image that was named; it is fetched by a step of a plan that has nothing else */
struct wanted {
        struct cache_source source;
        char *url, *checksums; /* owned, where they were filled in */
        const char *cache;
        const struct child_user *user;
        gboolean always;
        struct plan_step step;
        struct transfer transfer;
        const int *stop;
};

/* ---- which ones ---- */

static gboolean
fail_unknown(const struct catalogue *catalogue, const char *name, GError **error)
{
        g_autofree const char **names = catalogue_names(catalogue);
        g_autofree char *more = catalogue_begins(catalogue, name), *shown = text_make_printable(name, -1);
        const char *nearest = text_suggest(name, names);

        error_set(error, DROVER_ERROR_NOT_FOUND, "there is no vm '%s' here, and no image of that name in the catalogue", shown);
        if (more)
                return error_hint(error, "the catalogue has %s", more);
        return nearest ? error_hint(error, "did you mean '%s'?", nearest)
                       : error_hint(error, "'drover images --catalogue' lists names");
}

/* Of the machines that QEMU makes here by default. */
static gboolean
take_entry(const struct catalogue *catalogue, const char *name, struct wanted *wanted, GError **error)
{
        const struct catalogue_image *entry = catalogue_find(catalogue, name);
        const char *arch = keys_find_in(&keys_vm, "arch")->fallback;

        if (!entry)
                return fail_unknown(catalogue, name, error);
        if (!entry->image.url)
                return error_set(error, DROVER_ERROR_USAGE, "image '%s' is a file of this host", name);
        wanted->url = catalogue_fill(entry, entry->image.url, arch);
        wanted->checksums = entry->image.checksums ? catalogue_fill(entry, entry->image.checksums, arch) : NULL;
        if (!wanted->url)
                return error_set(error, DROVER_ERROR_NOT_FOUND, "the catalogue has no image '%s' for %s", name, arch);
        wanted->source = (struct cache_source){wanted->url, entry->image.sha256, entry->image.sha512, wanted->checksums};
        return TRUE;
}

static gboolean
take(const struct project *project, const struct catalogue *catalogue, const char *name, struct wanted *wanted, GError **error)
{
        const struct image *image = project ? project_find_image(project, name) : NULL;

        wanted->step = (struct plan_step){
                .kind = KIND_IMAGE, .action = ACTION_FETCH, .name = (char *)name, .transfer = &wanted->transfer};
        if (!image)
                return take_entry(catalogue, name, wanted, error);
        if (!image->fetch_url)
                return error_set(error, DROVER_ERROR_USAGE, "image '%s' is a file of this host", name);
        wanted->source = (struct cache_source){image->fetch_url, image->sha256, image->sha512, image->checksums};
        return TRUE;
}

/* ---- the fetch ---- */

static gboolean
fetch(void *data, GError **error)
{
        struct wanted *wanted = data;
        const struct cache_watch watch = {
                .progress = transfer_note, .waiting = transfer_wait, .data = &wanted->transfer, .stop = wanted->stop};
        g_autofree char *path = NULL;
        struct image_info info;

        if (!cache_fetch(wanted->cache, &wanted->source, wanted->always, &watch, &path, error) ||
            !image_probe(path, wanted->user, NULL, &info, error))
                return error_prefix(error, "cannot fetch image '%s'", wanted->step.name);
        image_remember(wanted->cache, path, &info);
        return TRUE;
}

struct watcher {
        struct wanted *wanted;
        struct progress *progress;
};

static void
tell(guint index, const struct graph_node *node, void *data)
{
        struct watcher *watcher = data;
        enum step_event event = node->state == GRAPH_RUNNING  ? STEP_STARTED
                                : node->state == GRAPH_DONE   ? STEP_DONE
                                : node->state == GRAPH_FAILED ? STEP_FAILED
                                                              : STEP_SKIPPED;

        progress_step(&watcher->wanted[index].step, event, node->error, node->end_us - node->start_us, watcher->progress);
}

static int
fetch_all(struct wanted *wanted, guint count, guint parallel)
{
        g_autofree struct graph_node *nodes = g_new0(struct graph_node, count);
        g_autoptr(GPtrArray) steps = g_ptr_array_new();
        struct plan plan = {.steps = steps};
        struct watcher watcher = {wanted, NULL};
        struct graph_options options = {.parallel = parallel, .progress = tell, .progress_data = &watcher};
        gboolean cancelled;
        int status;

        for (guint i = 0; i < count; i++)
                g_ptr_array_add(steps, &wanted[i].step);
        watcher.progress = progress_new(&plan);
        options.cancel = progress_cancel(watcher.progress);
        for (guint i = 0; i < count; i++) {
                wanted[i].stop = (const int *)options.cancel;
                nodes[i] = (struct graph_node){.function = fetch, .data = &wanted[i]};
        }
        graph_run(nodes, count, &options);
        cancelled = g_atomic_int_get(options.cancel) != 0;
        status = progress_end(watcher.progress);
        for (guint i = 0; i < count; i++)
                g_clear_error(&nodes[i].error);
        return cancelled ? EXIT_INTERRUPTED : status;
}

int
pull_names(struct verb_call *call, gboolean always)
{
        guint count = g_strv_length(call->arguments);
        g_auto(GStrv) files = paths_catalogues();
        struct sources *sources = sources_new();
        struct diagnostics *diagnostics = diagnostics_new(sources);
        g_autoptr(catalogue_t) catalogue = catalogue_load((const char *const *)files, diagnostics);
        g_autofree struct wanted *wanted = g_new0(struct wanted, count);
        g_autoptr(paths_t) paths = paths_new("x");
        g_autoptr(GError) error = NULL;
        struct child_user user;
        int status = EXIT_DONE;

        print_diagnostics(diagnostics, TRUE);
        if (diagnostics->error_count)
                status = EXIT_CONFIG;
        else if (paths->root && !session_qemu_user(&user, &error))
                status = print_error(error);
        for (guint i = 0; i < count && status == EXIT_DONE; i++) {
                wanted[i].cache = paths->cache;
                wanted[i].user = paths->root ? &user : NULL;
                wanted[i].always = always;
                if (!take(call->project, catalogue, call->arguments[i], &wanted[i], &error))
                        status = print_error(error);
        }
        if (status == EXIT_DONE)
                status = fetch_all(wanted, count, (guint)call->globals->parallel);
        for (guint i = 0; i < count; i++) {
                g_free(wanted[i].url);
                g_free(wanted[i].checksums);
        }
        diagnostics_free(diagnostics);
        sources_unref(sources);
        return status;
}
