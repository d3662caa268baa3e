/* images.c - drover images: what the cache holds, and who uses it */
#include "cmd/print.h"

#include "base/text.h"
#include "parser/catalogue.h"
#include "parser/keys/keys.h"
#include "runtime/storage/cache.h"
#include "runtime/storage/source.h"
#include "runtime/users.h"

#include <time.h>

struct images_options {
        gboolean quiet, catalogue;
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

/* ---- what is known by name ---- */

static char *
join_archs(const struct catalogue_image *entry)
{
        if (entry->archs.count)
                return g_strjoinv(", ", entry->archs.names);
        return g_strdup(entry->image.has_arch ? keys_find_in(&keys_vm, "arch")->words[entry->image.arch] : NULL);
}

static json_t *
entry_to_json(const struct catalogue_image *entry)
{
        json_t *item = json_object(), *archs = json_object();

        for (guint i = 0; i < entry->archs.count; i++)
                json_set_text(archs, entry->archs.names[i], entry->archs.values[i]);
        json_set_text(item, "name", entry->image.name);
        json_set_text(item, "url", entry->image.url);
        json_set_text(item, "file", entry->image.file);
        json_set_text(item, "checksums", entry->image.checksums);
        json_set_text(item, "sha256", entry->image.sha256);
        json_set_text(item, "sha512", entry->image.sha512);
        json_set_text(item, "from", project_place(entry->image.node, NULL).source->name);
        json_set(item, "archs", archs);
        return item;
}

static int
list_catalogue(const struct images_options *options)
{
        static const char *const titles[] = {"NAME", "MACHINES", "FROM", NULL};
        g_auto(GStrv) files = paths_catalogues();
        struct sources *sources = sources_new();
        struct diagnostics *diagnostics = diagnostics_new(sources);
        g_autoptr(catalogue_t) catalogue = catalogue_load((const char *const *)files, diagnostics);
        int status = diagnostics->error_count ? EXIT_CONFIG : EXIT_DONE;
        struct listing listing;

        print_diagnostics(diagnostics, TRUE);
        listing_begin(&listing, options->quiet, options->format, titles);
        for (guint i = 0; i < catalogue->image_count; i++) {
                const struct catalogue_image *entry = &catalogue->images[i];
                g_autofree char *archs = join_archs(entry);

                if (listing.form == LISTING_NAMES)
                        printf("%s\n", entry->image.name);
                else if (listing.form == LISTING_JSON)
                        json_array_append_new(listing.items, entry_to_json(entry));
                else
                        table_add(listing.table, entry->image.name, archs,
                                  entry->image.url ? entry->image.url : entry->image.file);
        }
        listing_end(&listing, "catalogue");
        diagnostics_free(diagnostics);
        sources_unref(sources);
        return status;
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

        if (options->catalogue)
                return list_catalogue(options);
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
        ROW("quiet", 'q', OPTION_FLAG, NULL, quiet, "Digests only; of the catalogue, names"),
        ROW("catalogue", 0, OPTION_FLAG, NULL, catalogue, "Instead, images that are known by name, and where they are"),
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
