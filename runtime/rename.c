/* rename.c - another name for a VM that keeps its identity, its disks and, where it runs, its process */
#include "runtime/rename.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "runtime/vm/vm.h"

#include <stdio.h>

static char *
note_path(const struct paths *paths)
{
        return g_build_filename(paths->data, RENAME_FILE, NULL);
}

/* The same members in the same order, one of them under another name. New reference */
static json_t *
rename_member(json_t *object, const char *from, const char *to)
{
        json_t *renamed = json_object(), *value;
        const char *name;

        json_object_foreach(object, name, value) json_object_set(renamed, g_strcmp0(name, from) == 0 ? to : name, value);
        return renamed;
}

static void
rename_in(json_t *holder, const char *key, const char *from, const char *to)
{
        json_t *object = json_object_get(holder, key);

        if (json_object_get(object, from) && !json_object_get(object, to))
                json_object_set_new(holder, key, rename_member(object, from, to));
}

/* What starts it again on its own finds it in the project as it was last applied. */
static gboolean
rename_in_project(const struct paths *paths, const char *from, const char *to, GError **error)
{
        g_autofree char *path = g_build_filename(paths->data, PROJECT_FILE, NULL);
        g_autoptr(json_t) root = file_exists(path) ? json_read_file(path, error) : NULL;
        const char *name;
        json_t *vm;

        if (!root)
                return !file_exists(path);
        rename_in(root, "vms", from, to);
        json_object_foreach(json_object_get(root, "vms"), name, vm) rename_in(vm, "depends_on", from, to);
        return json_write_file(path, root, 0600, error);
}

/* TRUE also where it has been moved already. */
static gboolean
move_directory(const char *from, const char *to, GError **error)
{
        if (!g_file_test(from, G_FILE_TEST_IS_DIR))
                return TRUE;
        return rename(from, to) == 0 || error_errno(error, "cannot rename '%s' to '%s'", from, to);
}

static gboolean
keep_old_name(const struct paths *paths, const char *from, GError **error)
{
        g_autoptr(spec_t) spec = NULL;

        if (!vm_is_locked(paths, from))
                return TRUE;
        spec = spec_load(paths, from, error);
        if (!spec)
                return FALSE;
        if (!spec->started_as)
                spec->started_as = g_strdup(from);
        return spec_save(paths, spec, error);
}

static gboolean
carry_out(const struct paths *paths, const char *from, const char *to, GError **error)
{
        g_autofree char *note = note_path(paths);
        g_autofree char *run_from = paths_vm_run(paths, from), *run_to = paths_vm_run(paths, to);
        g_autofree char *data_from = paths_vm_data(paths, from), *data_to = paths_vm_data(paths, to);

        return keep_old_name(paths, from, error) && move_directory(run_from, run_to, error) &&
               move_directory(data_from, data_to, error) && file_sync_directory(data_to, error) &&
               rename_in_project(paths, from, to, error) && file_remove(note, error) && file_sync_directory(note, error);
}

gboolean
rename_finish(const struct paths *paths, GError **error)
{
        g_autofree char *path = note_path(paths);
        g_autoptr(json_t) note = NULL;

        if (!file_exists(path))
                return TRUE;
        note = json_read_file(path, error);
        if (!note || !state_check_schema(note, path, error))
                return FALSE;
        if (!json_text(note, "from") || !text_is_name(json_text(note, "from")) || !json_text(note, "to") ||
            !text_is_name(json_text(note, "to")))
                return error_set(error, DROVER_ERROR_CORRUPT, "'%s' cannot be understood", path);
        return carry_out(paths, json_text(note, "from"), json_text(note, "to"), error) ||
               error_prefix(error, "cannot finish the rename of vm '%s' to '%s'", json_text(note, "from"),
                            json_text(note, "to"));
}

static gboolean
check_free(const struct paths *paths, const char *to, GError **error)
{
        g_autofree char *data = paths_vm_data(paths, to), *run = paths_vm_run(paths, to);

        if (!file_exists(data) && !file_exists(run))
                return TRUE;
        error_set(error, DROVER_ERROR_EXISTS, "vm '%s' is here already", to);
        return error_hint(error, "'drover rm -s -v %s' removes it with its disks", to);
}

gboolean
rename_vm(const struct paths *paths, const char *from, const char *to, GError **error)
{
        g_autofree char *path = note_path(paths);
        g_autoptr(spec_t) spec = spec_load(paths, from, error);
        g_autoptr(json_t) note = NULL;

        if (!spec)
                return error_prefix(error, "cannot tell what vm '%s' is", from);
        if (!check_free(paths, to, error))
                return FALSE;
        note = json_pack("{s:i, s:s, s:s}", "schema", STATE_SCHEMA, "from", from, "to", to);
        return json_write_file(path, note, 0600, error) && carry_out(paths, from, to, error);
}
