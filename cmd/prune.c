/* prune.c - drover prune: remove from the cache what nobody uses */
#include "cmd/print.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "runtime/storage/cache.h"
#include "runtime/storage/disk_template.h"
#include "runtime/storage/file_use.h"
#include "runtime/storage/image.h"
#include "runtime/storage/source.h"
#include "runtime/users.h"

#include <unistd.h>

struct prune_options {
        gboolean yes, force, all;
};

static GPtrArray *
pick_unused(const GPtrArray *images, GHashTable *users)
{
        GPtrArray *unused = g_ptr_array_new();

        for (guint i = 0; i < images->len; i++) {
                struct cached_image *image = images->pdata[i];
                g_autoptr(file_use_t) use = file_use_probe(image->path, TRUE); /* also by a QEMU that is none of ours */

                if (!use && !g_hash_table_contains(users, image->digest))
                        g_ptr_array_add(unused, image);
        }
        return unused;
}

static guint64
count_bytes(const GPtrArray *images)
{
        guint64 bytes = 0;

        for (guint i = 0; i < images->len; i++)
                bytes += ((const struct cached_image *)images->pdata[i])->size_bytes;
        return bytes;
}

/* On a terminal it asks, as all that removes data does; nobody is kept waiting meanwhile. */
static gboolean
is_confirmed(const struct prune_options *options, const GPtrArray *unused)
{
        char answer[16] = "";

        if (options->yes || options->force || !unused->len || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
                return TRUE;
        fprintf(stderr, "remove %u %s (%.1f MiB)? [y/N] ", unused->len, unused->len == 1 ? "image" : "images",
                (double)count_bytes(unused) / (1 << 20));
        return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static void
tell_image(const struct cached_image *image, const char *what)
{
        g_autofree char *title = image_title(image->path);

        print_info("image %s %s%s%s", title, what, image->url ? ": " : "", image->url ? image->url : "");
}

static void
tell_sum(guint count, guint of, guint64 bytes, const char *what)
{
        print_info("%u %s of %u %s, %.1f MiB", count, count == 1 ? "image" : "images", of, what, (double)bytes / (1 << 20));
}

/* Since it was asked, an image may have come into use. */
static gboolean
remove_images(const char *cache, const GPtrArray *images, const GPtrArray *agreed, GHashTable *users, GError **error)
{
        g_autoptr(GPtrArray) unused = pick_unused(agreed, users);
        guint64 partial = 0;

        for (guint i = 0; i < unused->len; i++) {
                const struct cached_image *image = unused->pdata[i];

                if (!cache_remove(cache, image->digest, error))
                        return FALSE;
                tell_image(image, "removed");
        }
        if (!cache_remove_partial(cache, &partial, error) || !image_forget_stale(cache, error) ||
            !disk_template_forget(cache, error))
                return FALSE;
        tell_sum(unused->len, images->len, count_bytes(unused) + partial, "removed");
        return TRUE;
}

static gboolean
prune(struct verb_call *call, const struct paths *paths, const GPtrArray *images, const GPtrArray *agreed, GError **error)
{
        g_autoptr(GHashTable) users = NULL;
        auto_fd lock = -1;

        if (!file_exists(paths->cache)) {
                tell_sum(0, 0, 0, "removed");
                return TRUE;
        }
        if (!cache_lock(paths->cache, TRUE, (int)call->globals->lock_timeout_ms, &lock, error))
                return FALSE;
        users = image_users(paths, error);
        return users && remove_images(paths->cache, images, agreed, users, error);
}

static int
run_prune(struct verb_call *call)
{
        const struct prune_options *options = call->options;
        g_autoptr(paths_t) paths = paths_new("x");
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) images = cache_list(paths->cache, &error), unused = NULL;
        g_autoptr(GHashTable) users = images ? image_users(paths, &error) : NULL;

        if (!users)
                return print_error(error);
        unused = pick_unused(images, users);
        if (call->globals->dry_run) {
                for (guint i = 0; i < unused->len; i++)
                        tell_image(unused->pdata[i], "would be removed");
                tell_sum(unused->len, images->len, count_bytes(unused), "would be removed");
                return EXIT_DONE;
        }
        if (!is_confirmed(options, unused)) {
                print_info("nothing was removed");
                return EXIT_FAILED;
        }
        return prune(call, paths, images, unused, &error) ? EXIT_DONE : print_error(error);
}

#define ROW(...) OPTION_ROW(struct prune_options, __VA_ARGS__)

static const struct option_row rows[] = {
        ROW("yes", 'y', OPTION_FLAG, NULL, yes, "Do not ask"),
        ROW("force", 'f', OPTION_FLAG, NULL, force, "The same, as in docker"),
        ROW("all", 'a', OPTION_FLAG, NULL, all, "Accepted, as in docker: all that are unused go in any case"),
        {NULL},
};

const struct verb verb_prune = {
        .name = "prune",
        .synopsis = "",
        .help = "Remove images that no VM uses",
        .text = "Of the cache alone: images that no VM of any project lies on, and what was left of downloads that "
                "ended early, or noted of images that are gone. "
                "Disks are never touched. With --dry-run it only says what would go.",
        VERB_OPTIONS(rows, struct prune_options),
        .run = run_prune,
};
