/* prune.c - drover prune: remove from the cache what nobody uses */
#include "cmd/print.h"

#include "base/error.h"
#include "runtime/storage/cache.h"
#include "runtime/storage/source.h"
#include "runtime/users.h"

#include <unistd.h>

struct prune_options {
        gboolean yes;
};

/* On a terminal it asks, as all that removes data does. */
static gboolean
is_confirmed(const struct prune_options *options, guint count, guint64 bytes)
{
        char answer[16] = "";

        if (options->yes || !count || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
                return TRUE;
        fprintf(stderr, "remove %u %s (%.1f MiB)? [y/N] ", count, count == 1 ? "image" : "images",
                (double)bytes / (1 << 20));
        return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static GPtrArray *
pick_unused(const GPtrArray *images, GHashTable *users, guint64 *ret_bytes)
{
        GPtrArray *unused = g_ptr_array_new();

        *ret_bytes = 0;
        for (guint i = 0; i < images->len; i++) {
                struct cached_image *image = images->pdata[i];

                if (g_hash_table_contains(users, image->path))
                        continue;
                g_ptr_array_add(unused, image);
                *ret_bytes += image->size_bytes;
        }
        return unused;
}

static int
run_prune(struct verb_call *call)
{
        const struct prune_options *options = call->options;
        g_autoptr(paths_t) paths = paths_new("x");
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) images = cache_list(paths->cache, &error), unused = NULL;
        g_autoptr(GHashTable) users = images ? image_users(paths, &error) : NULL;
        guint64 bytes = 0, partial = 0;

        if (!users)
                return print_error(error);
        unused = pick_unused(images, users, &bytes);
        if (!is_confirmed(options, unused->len, bytes)) {
                print_info("nothing was removed");
                return EXIT_FAILED;
        }
        for (guint i = 0; i < unused->len && !call->globals->dry_run; i++) {
                const struct cached_image *image = unused->pdata[i];

                if (!cache_remove(paths->cache, image->digest, &error))
                        return print_error(error);
        }
        for (guint i = 0; i < unused->len; i++) {
                const struct cached_image *image = unused->pdata[i];
                g_autofree char *title = image_title(image->path);

                print_info("image %s removed%s%s", title, image->url ? ": " : "", image->url ? image->url : "");
        }
        if (!call->globals->dry_run && !cache_remove_partial(paths->cache, &partial, &error))
                return print_error(error);
        print_info("%u %s of %u removed, %.1f MiB", unused->len, unused->len == 1 ? "image" : "images", images->len,
                   (double)(bytes + partial) / (1 << 20));
        return EXIT_DONE;
}

#define ROW(...) OPTION_ROW(struct prune_options, __VA_ARGS__)

static const struct option_row rows[] = {
        ROW("yes", 'y', OPTION_FLAG, NULL, yes, "Do not ask"),
        {NULL},
};

const struct verb verb_prune = {
        .name = "prune",
        .synopsis = "",
        .help = "Remove images that no VM uses",
        .text = "Of the cache alone: images that no VM of any project lies on, and what was left of downloads that "
                "ended early. "
                "Disks are never touched. With --dry-run it only says what would go.",
        VERB_OPTIONS(rows, struct prune_options),
        .run = run_prune,
};
