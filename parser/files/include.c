/* include.c - what a file includes, put beside what it says itself
 *
 * The files of one entry are merged with each other, entries are put beside each other. A file that is reached on two ways is
 * read once. What is being read is a chain of struct reading, in which a file that includes itself is found again.
 */
#include "parser/files/loader.h"

#include "parser/decode/decode.h"

#include <string.h>

/* "a.yaml:2 -> b.yaml:1 -> a.yaml": the files from @source down to the one that includes it again. */
static void
append_chain(GString *out, const struct reading *reading, const struct source *source)
{
        if (reading->source != source) {
                append_chain(out, reading->above, source);
                g_string_append_printf(out, ":%u -> ", reading->place.line);
        }
        g_string_append(out, reading->source->name);
}

static gboolean
check_cycle(struct loader *loader, const struct reading *reading, const struct source *source, const struct node *path)
{
        for (const struct reading *above = reading; above; above = above->above) {
                g_autoptr(GString) chain = g_string_new(NULL);

                if (above->source != source)
                        continue;
                append_chain(chain, reading, source);
                g_string_append_printf(chain, ":%u -> %s", path->place.line, source->name);
                loader_fail(loader, "include-cycle", path->place, NULL, "files include each other in a circle: %s", chain->str);
                return FALSE;
        }
        if (reading->depth < LOAD_MAX_DEPTH)
                return TRUE;
        loader_fail(loader, "include-depth", path->place, NULL, "files include each other more than %d deep", LOAD_MAX_DEPTH);
        return FALSE;
}

/* The files of one entry, merged, each with what it includes itself. */
static struct node *
read_entry(struct loader *loader, const struct reading *reading, const struct scope *scope, const struct node *paths,
           const GPtrArray *sources)
{
        struct node *top = NULL;

        for (guint i = 0; i < sources->len; i++) {
                const struct source *source = sources->pdata[i];
                const struct reading below = {reading, source, scope, loader_path_at(paths, i)->place, reading->depth + 1};
                struct node *next = loader_read(loader, source, scope);

                next = next ? include_apply(loader, &below, next) : NULL;
                if (!next)
                        return NULL;
                top = top ? merge_files(&loader->merge, top, next) : next;
        }
        return top;
}

/* The files of one entry; NULL after a fault. */
static GPtrArray *
open_entry(struct loader *loader, const struct reading *reading, const struct node *paths, GString *key)
{
        g_autoptr(GPtrArray) sources = g_ptr_array_new();
        const struct node *path;

        for (guint i = 0; (path = loader_path_at(paths, i)); i++) {
                const struct source *source = loader_open_for(loader, "include", path);

                if (!source || !check_cycle(loader, reading, source, path))
                        return NULL;
                g_ptr_array_add(sources, (gpointer)source);
                g_string_append_printf(key, " %p", (const void *)source);
        }
        return g_steal_pointer(&sources);
}

/* What one entry stands for; read once, however many files have it. */
static struct node *
include_entry(struct loader *loader, const struct reading *reading, const struct node *entry)
{
        const struct node *paths = entry->kind == NODE_SCALAR ? entry : node_get(entry, "path");
        const struct node *env_file = node_get(entry, "env_file");
        g_autoptr(GString) key = g_string_new("include");
        g_autoptr(GPtrArray) sources = open_entry(loader, reading, paths, key);
        const struct scope *scope;
        struct node *top;
        gpointer known;

        if (!sources)
                return NULL;
        scope = env_file ? loader_scope_of(loader, reading->scope, env_file)
                         : loader_scope_beside(loader, reading->scope, sources->pdata[0]);
        if (!scope)
                return NULL;
        g_string_append_printf(key, " %p", (const void *)scope);
        if (g_hash_table_lookup_extended(loader->tops, key->str, NULL, &known))
                return known;
        top = read_entry(loader, reading, scope, paths, sources);
        g_hash_table_insert(loader->tops, g_strdup(key->str), top);
        return top;
}

/* Is the entry written as it has to be? */
static gboolean
check_entry(struct loader *loader, const struct node *entry)
{
        const struct context context = {NULL, keys_include.title, NULL};
        struct decoder decoder = {.store = loader->store, .diagnostics = loader->diagnostics, .context = &context};
        guint errors = loader->diagnostics->error_count;
        const struct node *checked = NULL;

        if (node_is_null(entry))
                loader_fail(loader, "include-empty", entry->place, "write a path, or remove the dash",
                            "include: an entry is empty");
        else if (entry->kind == NODE_LIST)
                decode_shape_fault(&decoder, NULL, entry, SHAPE_MAP);
        else
                decode_object(&decoder, &keys_include, entry, &checked);
        return errors == loader->diagnostics->error_count;
}

struct node *
include_apply(struct loader *loader, const struct reading *reading, struct node *top)
{
        struct decoder decoder = {.store = loader->store, .diagnostics = loader->diagnostics};
        const struct node *entries = node_get(top, "include");
        struct node *included = NULL;

        if (!entries)
                return top;
        top = merge_without(&loader->merge, top, "include");
        if (entries->kind != NODE_LIST && !node_is_null(entries))
                decode_shape_fault(&decoder, keys_find("include"), entries, SHAPE_LIST);
        for (guint i = 0; entries->kind == NODE_LIST && i < entries->count; i++) {
                struct node *next = NULL;

                if (check_entry(loader, entries->items[i]))
                        next = include_entry(loader, reading, entries->items[i]);
                if (!next)
                        loader->incomplete = TRUE;
                else
                        included = included ? merge_included(&loader->merge, included, next) : next;
        }
        return included ? merge_included(&loader->merge, included, top) : top;
}
