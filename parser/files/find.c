/* find.c - which files a project is made of, before any of them is read */
#include "parser/files/find.h"

#include "base/error.h"
#include "base/file.h"

#include <string.h>
#include <sys/stat.h>

static gboolean
exists_in(const char *directory, const char *name)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);

        return file_exists(path);
}

/* The one of two spellings that a directory has: its name, or NULL with or without an error. */
static const char *
one_of(const char *directory, const char *yaml, const char *yml, GError **error)
{
        gboolean has_yaml = exists_in(directory, yaml), has_yml = exists_in(directory, yml);

        if (has_yaml && has_yml) {
                error_set(error, DROVER_ERROR_CONFIG, "both '%s' and '%s' are in '%s'", yaml, yml, directory);
                error_hint(error, "remove one, or name the one that is meant with -f FILE");
                return NULL;
        }
        return has_yaml ? yaml : has_yml ? yml : NULL;
}

static gboolean
add_from(GPtrArray *files, const char *directory, const char *before, const char *yaml, const char *yml, GError **error)
{
        GError *local = NULL;
        const char *name = one_of(directory, yaml, yml, &local);

        if (local) {
                g_propagate_error(error, local);
                return FALSE;
        }
        if (name)
                g_ptr_array_add(files, before ? g_strconcat(before, name, NULL) : g_build_filename(directory, name, NULL));
        return TRUE;
}

/* Up from @directory. The paths are relative where @directory is the current one, as the user would name them. */
static gboolean
find_upwards(GPtrArray *files, const char *directory, GError **error)
{
        g_autofree char *current = g_get_current_dir();
        g_autoptr(GString) steps = g_string_new(NULL);
        g_autofree char *above = g_strdup(directory);
        gboolean is_current = strcmp(current, directory) == 0;

        for (;;) {
                const char *before = is_current ? steps->str : NULL;
                g_autofree char *parent = NULL;

                if (!add_from(files, above, before, "drover.yaml", "drover.yml", error))
                        return FALSE;
                if (files->len)
                        return add_from(files, above, before, "drover.override.yaml", "drover.override.yml", error);
                parent = g_path_get_dirname(above);
                if (strcmp(parent, above) == 0)
                        break;
                g_free(above);
                above = g_steal_pointer(&parent);
                g_string_append(steps, "../");
        }
        error_set(error, DROVER_ERROR_NOT_FOUND, "there is no 'drover.yaml' in '%s' or above it", directory);
        return error_hint(error, "go to the project's directory, or name a file with -f FILE");
}

static gboolean
is_same(const char *a, const char *b)
{
        struct stat st, other;

        if (strcmp(a, b) == 0)
                return TRUE;
        return strcmp(a, "-") != 0 && strcmp(b, "-") != 0 && stat(a, &st) == 0 && stat(b, &other) == 0 &&
               st.st_dev == other.st_dev && st.st_ino == other.st_ino;
}

/* A file merged over itself would have all its lists twice. */
static gboolean
check_twice(const char *const *files, GError **error)
{
        for (guint i = 1; files[i]; i++) {
                for (guint j = 0; j < i; j++) {
                        if (!is_same(files[i], files[j]))
                                continue;
                        if (strcmp(files[i], "-") == 0)
                                return error_set(error, DROVER_ERROR_USAGE, "standard input is named twice with -f");
                        error_set(error, DROVER_ERROR_USAGE, "'%s' is named twice with -f", files[i]);
                        return strcmp(files[i], files[j]) == 0 ? FALSE
                                                               : error_hint(error, "it is the same file as '%s'", files[j]);
                }
        }
        return TRUE;
}

GPtrArray *
find_files(const struct load_options *options, GError **error)
{
        g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);

        if (!options->files || !options->files[0])
                return find_upwards(files, options->directory, error) ? g_steal_pointer(&files) : NULL;
        if (g_strv_length((char **)options->files) > LOAD_MAX_FILES) {
                error_set(error, DROVER_ERROR_USAGE, "more than %d files are named with -f", LOAD_MAX_FILES);
                return NULL;
        }
        if (!check_twice(options->files, error))
                return NULL;
        for (const char *const *file = options->files; *file; file++)
                g_ptr_array_add(files, g_strdup(*file));
        return g_steal_pointer(&files);
}
