/* catalogue.c - images that are known by name in every project */
#include "parser/catalogue.h"

#include "base/error.h"
#include "parser/check/check.h"
#include "parser/decode/decode.h"

#include <string.h>

extern const char catalogue_text[]; /* parser/catalogue.yaml */

static int
compare_names(gconstpointer a, gconstpointer b)
{
        return strcmp(((const struct catalogue_image *)a)->image.name, ((const struct catalogue_image *)b)->image.name);
}

/* Puts the entries of one list over those that there are. */
static void
add_all(GHashTable *found, const struct catalogue *listed, const struct check *check)
{
        for (guint i = 0; i < listed->image_count; i++) {
                const struct image *image = &listed->images[i].image;

                if (image->name && check_image_sources(check, image, project_place(image->node, NULL)))
                        g_hash_table_replace(found, (gpointer)image->name, &listed->images[i]);
        }
}

static void
read_one(struct catalogue *catalogue, const struct source *source, struct diagnostics *diagnostics, GHashTable *found)
{
        struct tree *tree = tree_read(source, diagnostics);
        struct project_store *store = catalogue->project->store;
        struct decoder decoder = {.store = store, .diagnostics = diagnostics};
        const struct check check = {.project = catalogue->project, .store = store, .diagnostics = diagnostics};
        struct catalogue listed = {0};

        if (!tree)
                return;
        g_ptr_array_add(store->trees, tree);
        decode_object(&decoder, &keys_catalogue, tree_root(tree), &listed);
        add_all(found, &listed, &check);
}

static void
read_file(struct catalogue *catalogue, const char *path, struct diagnostics *diagnostics, GHashTable *found)
{
        g_autoptr(GError) error = NULL;
        const struct source *source = sources_read(diagnostics->sources, path, &error);

        if (source)
                read_one(catalogue, source, diagnostics, found);
        else if (!g_error_matches(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                diagnostics_add(diagnostics, SEVERITY_ERROR, "catalogue-unreadable", (struct place){NULL}, NULL, "%s",
                                error->message);
}

struct catalogue *
catalogue_load(const char *const *files, struct diagnostics *diagnostics)
{
        struct catalogue *catalogue = g_new0(struct catalogue, 1);
        g_autoptr(GHashTable) found = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GError) error = NULL;
        const struct source *built_in;
        GHashTableIter iterator;
        gpointer image;

        catalogue->project = project_new(diagnostics->sources);
        built_in = sources_add_text(diagnostics->sources, "built in", "/", catalogue_text, strlen(catalogue_text), &error);
        g_assert(built_in);
        read_one(catalogue, built_in, diagnostics, found);
        for (; files && *files; files++)
                read_file(catalogue, *files, diagnostics, found);
        catalogue->images = store_alloc(catalogue->project->store, g_hash_table_size(found) * sizeof *catalogue->images);
        g_hash_table_iter_init(&iterator, found);
        while (g_hash_table_iter_next(&iterator, NULL, &image))
                catalogue->images[catalogue->image_count++] = *(const struct catalogue_image *)image;
        qsort(catalogue->images, catalogue->image_count, sizeof *catalogue->images, compare_names);
        return catalogue;
}

void
catalogue_free(struct catalogue *catalogue)
{
        if (!catalogue)
                return;
        project_free(catalogue->project);
        g_free(catalogue);
}

const struct catalogue_image *
catalogue_find(const struct catalogue *catalogue, const char *name)
{
        const struct catalogue_image key = {.image.name = name};

        return bsearch(&key, catalogue->images, catalogue->image_count, sizeof key, compare_names);
}

const char **
catalogue_names(const struct catalogue *catalogue)
{
        const char **names = g_new0(const char *, catalogue->image_count + 1);

        for (guint i = 0; i < catalogue->image_count; i++)
                names[i] = catalogue->images[i].image.name;
        return names;
}

char *
catalogue_begins(const struct catalogue *catalogue, const char *prefix)
{
        g_autoptr(GString) list = g_string_new(NULL);

        for (guint i = 0; i < catalogue->image_count; i++) {
                const char *name = catalogue->images[i].image.name;

                if (g_str_has_prefix(name, prefix))
                        g_string_append_printf(list, "%s%s", list->len ? ", " : "", name);
        }
        return list->len ? g_string_free(g_steal_pointer(&list), FALSE) : NULL;
}

char *
catalogue_fill(const struct catalogue_image *entry, const char *pattern, const char *arch)
{
        g_auto(GStrv) parts = NULL;

        if (!entry->archs.count)
                return g_strdup(pattern);
        for (guint i = 0; i < entry->archs.count; i++) {
                if (strcmp(entry->archs.names[i], arch) != 0)
                        continue;
                parts = g_strsplit(pattern, "{arch}", -1);
                return g_strjoinv(entry->archs.values[i], parts);
        }
        return NULL;
}
