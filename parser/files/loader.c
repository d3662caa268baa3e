/* loader.c - the files of one project while they are read and put together: opening them */
#include "parser/files/loader.h"

#include "base/error.h"
#include "parser/variables/interpolate.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static void
scope_free(gpointer data)
{
        struct scope *scope = data;

        environment_unref(scope->environment);
        g_free(scope);
}

gboolean
loader_init(struct loader *loader, const struct load_options *options, struct project_store *store,
            struct diagnostics *diagnostics, GError **error)
{
        g_autoptr(environment_t) process = environment_new(options->environ);

        *loader = (struct loader){.options = options, .store = store, .diagnostics = diagnostics};
        loader->sources = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        loader->scopes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, scope_free);
        loader->scope_of = g_hash_table_new(NULL, NULL);
        loader->tops = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        merge_init(&loader->merge, store, diagnostics);
        loader->top.environment = environment_new_below(process);
        for (const char *const *path = options->env_files; path && *path; path++)
                if (!environment_read_file(loader->top.environment, diagnostics->sources, *path, diagnostics, error))
                        return FALSE;
        return TRUE;
}

void
loader_clear(struct loader *loader)
{
        g_hash_table_unref(loader->sources);
        g_hash_table_unref(loader->tops);
        g_hash_table_unref(loader->scope_of);
        g_hash_table_unref(loader->scopes);
        environment_unref(loader->top.environment);
}

void *
loader_fail(struct loader *loader, const char *id, struct place place, const char *hint, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        diagnostics_add(loader->diagnostics, SEVERITY_ERROR, id, place, hint, "%s", text);
        loader->incomplete = TRUE;
        return NULL;
}

/* Is there room for one more file? If not, that is said once. */
static gboolean
check_limits(struct loader *loader, struct place place)
{
        gboolean many = loader->file_count >= LOAD_MAX_FILES, large = loader->bytes > LOAD_MAX_BYTES;

        if (many && !loader->full)
                loader_fail(loader, "too-many-files", place, NULL,
                            "the project has more than %d files, those that are read again with other variables included",
                            LOAD_MAX_FILES);
        else if (large && !loader->full)
                loader_fail(loader, "too-many-bytes", place, NULL, "the files up to here have more than %d MiB in all",
                            LOAD_MAX_BYTES >> 20);
        loader->full |= many || large;
        return !loader->full;
}

static void
count(struct loader *loader, const struct source *source)
{
        loader->file_count++;
        loader->bytes += source->length;
}

struct node *
loader_read(struct loader *loader, const struct source *source, const struct scope *scope)
{
        struct tree *tree;

        if (g_hash_table_contains(loader->scope_of, source)) {
                if (!check_limits(loader, (struct place){source}))
                        return NULL;
                count(loader, source);
        }
        g_hash_table_insert(loader->scope_of, (gpointer)source, (gpointer)scope);
        tree = tree_read(source, loader->diagnostics);
        if (!tree) {
                loader->incomplete = TRUE;
                return NULL;
        }
        g_ptr_array_add(loader->store->trees, tree);
        loader->has_tags |= tree_has_tags(tree);
        loader->has_extends |= tree_has_extends(tree);
        interpolate_tree(tree, scope->environment, loader->options->variables, loader->diagnostics);
        return tree_root(tree);
}

/* What a file is known by, whatever path leads to it; NULL: it is none that can be known again. */
static char *
key_of_file(const char *path)
{
        struct stat st;

        if (strcmp(path, "-") == 0 || stat(path, &st) < 0)
                return NULL;
        return g_strdup_printf("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
}

/* Takes @key. */
static const struct source *
read_source(struct loader *loader, char *key, const char *path, const char *name, GError **error)
{
        const struct source *source = sources_read_as(loader->diagnostics->sources, path, name, error);
        g_autofree char *owned = key;

        if (!source)
                return NULL;
        count(loader, source);
        if (key)
                g_hash_table_insert(loader->sources, g_steal_pointer(&owned), (gpointer)source);
        return source;
}

const struct source *
loader_open(struct loader *loader, const char *path, GError **error)
{
        const struct source *source =
                read_source(loader, key_of_file(path), path, strcmp(path, "-") == 0 ? "<stdin>" : path, error);

        if (source && loader->bytes > LOAD_MAX_BYTES) {
                error_set(error, DROVER_ERROR_CONFIG, "the project's files have more than %d MiB in all", LOAD_MAX_BYTES >> 20);
                return NULL;
        }
        return source;
}

/* Where a path that stands in a file leads, and how the user would write it. */
static char *
resolve_path(const struct source *source, const char *text, char **ret_name)
{
        g_autofree char *directory = g_path_get_dirname(source->name);

        if (g_str_has_prefix(text, "~/")) {
                *ret_name = g_build_filename(g_get_home_dir(), text + 2, NULL);
                return g_strdup(*ret_name);
        }
        while (g_str_has_prefix(text, "./"))
                text += 2;
        if (g_path_is_absolute(text) || strcmp(directory, ".") == 0)
                *ret_name = g_strdup(text);
        else
                *ret_name = g_build_filename(directory, text, NULL);
        return g_canonicalize_filename(text, source->directory);
}

/* The first line of an error; its second, if any, is the hint. Returns NULL. */
static void *
fail_unreadable(struct loader *loader, const char *id, struct place place, const char *subject, const GError *error)
{
        g_auto(GStrv) lines = g_strsplit(error->message, "\n", 3);

        return loader_fail(loader, id, place, lines[1] ? g_strchug(lines[1]) : NULL, "%s%s%s", subject ? subject : "",
                           subject ? ": " : "", lines[0]);
}

/* ---- variables ---- */

const struct node *
loader_path_at(const struct node *value, guint index)
{
        if (value->kind == NODE_SCALAR)
                return index == 0 ? value : NULL;
        return value->kind == NODE_LIST && index < value->count ? value->items[index] : NULL;
}

/* A scope below another, or the one of this key that there is already (then *ret_known). */
static struct scope *
scope_below(struct loader *loader, const struct scope *above, const char *what, gboolean *ret_known)
{
        g_autofree char *key = g_strdup_printf("%p %s", (const void *)above, what);
        struct scope *scope = g_hash_table_lookup(loader->scopes, key);

        *ret_known = scope != NULL;
        if (scope)
                return scope;
        scope = g_new0(struct scope, 1);
        scope->above = above;
        scope->environment = environment_new_below(above->environment);
        g_hash_table_insert(loader->scopes, g_steal_pointer(&key), scope);
        return scope;
}

const struct scope *
loader_scope_beside(struct loader *loader, const struct scope *above, const struct source *source)
{
        g_autofree char *path = g_build_filename(source->directory, ".env", NULL);
        g_autoptr(GError) error = NULL;
        struct scope *scope;
        gboolean known;

        for (const struct scope *other = above; other; other = other->above)
                if (g_strcmp0(other->directory, source->directory) == 0)
                        return above;
        if (!g_file_test(path, G_FILE_TEST_EXISTS))
                return above;
        scope = scope_below(loader, above, source->directory, &known);
        scope->directory = source->directory;
        if (known ||
            environment_read_default(scope->environment, loader->diagnostics->sources, source, loader->diagnostics, &error))
                return scope;
        return fail_unreadable(loader, /* ID: */ "unreadable-env", (struct place){source}, NULL, error);
}

const struct scope *
loader_scope_for(struct loader *loader, struct place place, const struct source *source)
{
        const struct scope *above = g_hash_table_lookup(loader->scope_of, place.source);

        return loader_scope_beside(loader, above ? above : &loader->top, source);
}

/* One of `env_file` of an include; FALSE after a fault. */
static gboolean
read_env_file(struct loader *loader, const struct scope *scope, const struct node *path)
{
        g_autofree char *name = NULL, *absolute = resolve_path(path->place.source, path->text, &name);
        g_autoptr(GError) error = NULL;

        if (environment_read_file(scope->environment, loader->diagnostics->sources, absolute, loader->diagnostics, &error))
                return TRUE;
        if (loader->options->variables && path->variable)
                return TRUE; /* what is in it does not matter */
        if (g_error_matches(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                loader_fail(loader, "unknown-env-file", path->place, project_path_hint(&path->place, absolute),
                            "env_file of include: there is no file '%s'", absolute);
        else
                fail_unreadable(loader, /* ID: */ "unreadable-env-file", path->place, "env_file of include", error);
        return FALSE;
}

const struct scope *
loader_scope_of(struct loader *loader, const struct scope *above, const struct node *value)
{
        g_autoptr(GString) key = g_string_new(NULL);
        const struct node *path;
        struct scope *scope;
        gboolean known;

        for (guint i = 0; (path = loader_path_at(value, i)); i++) {
                g_autofree char *absolute = g_canonicalize_filename(path->text, path->place.source->directory);

                if (path->faulty && !loader->options->variables)
                        return NULL;
                g_string_append_printf(key, "%s\n", absolute);
        }
        scope = scope_below(loader, above, key->str, &known);
        for (guint i = 0; !known && (path = loader_path_at(value, i)); i++)
                if (!read_env_file(loader, scope, path))
                        return NULL;
        return scope;
}

/* ---- files that others name ---- */

/* Where variables are only listed, the one that names a file need not be set. Returns NULL. */
static void *
pass_over(struct loader *loader, const char *subject, const struct node *text, const char *path)
{
        loader->incomplete = TRUE;
        diagnostics_add(loader->diagnostics, SEVERITY_WARNING, "variables-unread", text->place,
                        "set the variable that names it, and they are listed too",
                        "%s: variables in '%s' are not listed, since it is no file that can be read", subject, path);
        return NULL;
}

const struct source *
loader_open_for(struct loader *loader, const char *subject, const struct node *text)
{
        const struct source *from = text->place.source, *source;
        g_autofree char *name = NULL, *path = resolve_path(from, text->text, &name), *key = key_of_file(path);
        gboolean is_url = strstr(text->text, "://") != NULL;
        g_autoptr(GError) error = NULL;

        if (text->faulty) { /* its variable has no value */
                loader->incomplete = TRUE;
                return NULL;
        }
        source = key ? g_hash_table_lookup(loader->sources, key) : NULL;
        if (source || !check_limits(loader, text->place))
                return source;
        if (loader->options->variables && text->variable && !g_file_test(path, G_FILE_TEST_IS_REGULAR))
                return pass_over(loader, subject, text, path);
        if (!key && access(path, F_OK) < 0 && errno == ENOENT)
                return loader_fail(loader, "unknown-file", text->place,
                                   is_url ? "only files of this host are read: fetch it first"
                                          : project_path_hint(&text->place, path),
                                   "%s: there is no file '%s'", subject, is_url ? text->text : path);
        source = read_source(loader, g_steal_pointer(&key), path, name, &error);
        return source ? source : fail_unreadable(loader, /* ID: */ "unreadable-file", text->place, subject, error);
}
