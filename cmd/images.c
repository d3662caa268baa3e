/* images.c - drover images: what the cache holds, and who uses it */
#include "cmd/print.h"

#include "base/text.h"
#include "runtime/storage/cache.h"
#include "runtime/storage/source.h"
#include "runtime/users.h"

#include <time.h>

struct images_options {
        gboolean quiet;
        char *format;
};

static json_t *
image_to_json(const struct cached_image *image, const GPtrArray *users)
{
        g_autoptr(GDateTime) fetched = g_date_time_new_from_unix_utc(image->fetched_at);
        g_autofree char *time = image->fetched_at && fetched ? g_date_time_format_iso8601(fetched) : NULL;
        json_t *item = json_object(), *list = json_array();

        json_set_text(item, "digest", image->digest);
        json_set_text(item, "url", image->url);
        json_set_text(item, "path", image->path);
        json_set(item, "size_bytes", json_integer((json_int_t)image->size_bytes));
        json_set_text(item, "fetched", time);
        for (guint i = 0; users && i < users->len; i++)
                json_array_append_new(list, json_string(users->pdata[i]));
        json_set(item, "users", list);
        return item;
}

/* "3d", "5h": as much as tells old from new. */
static char *
format_age(gint64 since)
{
        gint64 seconds = MAX(0, (gint64)time(NULL) - since);

        if (!since)
                return NULL;
        if (seconds >= 86400)
                return g_strdup_printf("%" G_GINT64_FORMAT "d", seconds / 86400);
        if (seconds >= 3600)
                return g_strdup_printf("%" G_GINT64_FORMAT "h", seconds / 3600);
        return g_strdup_printf("%" G_GINT64_FORMAT "m", seconds / 60);
}

static char *
join_users(const GPtrArray *users)
{
        GString *text = g_string_new(NULL);

        for (guint i = 0; users && i < users->len && i < 3; i++)
                g_string_append_printf(text, "%s%s", i ? ", " : "", (const char *)users->pdata[i]);
        if (users && users->len > 3)
                g_string_append_printf(text, " and %u more", users->len - 3);
        return g_string_free(text, FALSE);
}

static void
list_one(struct listing *listing, const struct cached_image *image, const GPtrArray *users)
{
        g_autofree char *title = image_title(image->path), *age = format_age(image->fetched_at), *who = join_users(users);
        g_autofree char *size = g_strdup_printf("%.1fM", (double)image->size_bytes / (1 << 20));

        if (listing->form == LISTING_NAMES)
                printf("%s\n", image->digest);
        else if (listing->form == LISTING_JSON)
                json_array_append_new(listing->items, image_to_json(image, users));
        else
                table_add(listing->table, title, size, age, who, image->url);
}

static int
run_images(struct verb_call *call)
{
        static const char *const titles[] = {"IMAGE", "SIZE", "AGE", "USERS", "FROM", NULL};
        const struct images_options *options = call->options;
        g_autoptr(paths_t) paths = paths_new("x");
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) images = cache_list(paths->cache, &error);
        g_autoptr(GHashTable) users = images ? image_users(paths, &error) : NULL;
        struct listing listing;

        if (!images)
                return print_error(error);
        if (!users)
                print_note("%s", error->message);
        listing_begin(&listing, options->quiet, options->format, titles);
        for (guint i = 0; i < images->len; i++) {
                const struct cached_image *image = images->pdata[i];

                list_one(&listing, image, users ? g_hash_table_lookup(users, image->digest) : NULL);
        }
        listing_end(&listing, "images");
        return EXIT_DONE;
}

#define ROW(...) OPTION_ROW(struct images_options, __VA_ARGS__)

static const struct option_row rows[] = {
        ROW("quiet", 'q', OPTION_FLAG, NULL, quiet, "Digests only"),
        ROW("format", 0, OPTION_TEXT, "table|json", format, "How to print them"),
        {NULL},
};

const struct verb verb_images = {
        .name = "images",
        .synopsis = "",
        .help = "List the images in the cache",
        .text = "With their size on the disk, how long ago they were fetched, and the VMs of all projects that lie on them.",
        VERB_OPTIONS(rows, struct images_options),
        .run = run_images,
};
