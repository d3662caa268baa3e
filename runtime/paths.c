/* paths.c - where a project's files lie on this host */
#include "runtime/paths.h"

#include "base/file.h"

#include <unistd.h>

static char *
root_of(const char *variable, const char *fallback)
{
        const char *value = g_getenv(variable);

        if (value && *value)
                return g_canonicalize_filename(value, NULL);
        return g_strdup(fallback);
}

/* XDG_RUNTIME_DIR is missing in a plain su or ssh session without logind; the data directory is then the next private place. */
static char *
user_run_root(void)
{
        const char *runtime = g_getenv("XDG_RUNTIME_DIR");

        if (runtime && g_path_is_absolute(runtime))
                return g_build_filename(runtime, "drover", NULL);
        return g_build_filename(g_get_user_data_dir(), "drover", ".run", NULL);
}

struct paths *
paths_new(const char *project)
{
        struct paths *paths = g_new0(struct paths, 1);
        g_autofree char *run = NULL, *data = NULL, *cache = NULL;

        paths->root = geteuid() == 0;
        if (paths->root) {
                run = g_strdup("/run/drover");
                data = g_strdup("/var/lib/drover");
                cache = g_strdup("/var/cache/drover");
        } else {
                run = user_run_root();
                data = g_build_filename(g_get_user_data_dir(), "drover", NULL);
                cache = g_build_filename(g_get_user_cache_dir(), "drover", NULL);
        }
        paths->run_root = root_of("DROVER_RUN_DIR", run);
        paths->data_root = root_of("DROVER_DATA_DIR", data);
        paths->cache = root_of("DROVER_CACHE_DIR", cache);
        paths->run = g_build_filename(paths->run_root, project, NULL);
        paths->data = g_build_filename(paths->data_root, project, NULL);
        return paths;
}

void
paths_free(struct paths *paths)
{
        if (!paths)
                return;
        g_free(paths->run_root);
        g_free(paths->data_root);
        g_free(paths->cache);
        g_free(paths->run);
        g_free(paths->data);
        g_free(paths);
}

char *
paths_vm_run(const struct paths *paths, const char *vm)
{
        return g_build_filename(paths->run, "vms", vm, NULL);
}

char *
paths_vm_data(const struct paths *paths, const char *vm)
{
        return g_build_filename(paths->data, "vms", vm, NULL);
}

char *
paths_vm_disk(const struct paths *paths, const char *vm, const char *disk, guint generation, const char *format)
{
        return g_strdup_printf("%s/vms/%s/%s.%u.%s", paths->data, vm, disk, generation, format);
}

char *
paths_named_disk(const struct paths *paths, const char *disk, guint generation, const char *format)
{
        return g_strdup_printf("%s/disks/%s.%u.%s", paths->data, disk, generation, format);
}

char *
paths_seed(const struct paths *paths, const char *vm)
{
        return g_strdup_printf("%s/vms/%s/seed.iso", paths->data, vm);
}

char *
paths_host_state(const struct paths *paths)
{
        return g_build_filename(paths->data_root, "host.json", NULL);
}

char **
paths_catalogues(void)
{
        char **files = g_new0(char *, 3);

        files[0] = g_strdup("/etc/drover/images.yaml");
        files[1] = g_build_filename(g_get_user_config_dir(), "drover", "images.yaml", NULL);
        return files;
}

gboolean
paths_ensure_data(const struct paths *paths, GError **error)
{
        mode_t mode = paths->root ? 0711 : 0700;

        return file_make_directory(paths->data_root, mode, error) && file_make_directory(paths->data, mode, error);
}

gboolean
paths_ensure_vm_data(const struct paths *paths, const char *vm, GError **error)
{
        g_autofree char *path = paths_vm_data(paths, vm);
        mode_t mode = paths->root ? 0711 : 0700;

        return file_make_directory(path, mode, error) && file_own(path, mode, geteuid(), (gid_t)-1, error);
}

gboolean
paths_ensure(const struct paths *paths, GError **error)
{
        const char *parents[] = {paths->run_root, paths->data_root, paths->run, paths->data};
        const char *const below[][2] = {{paths->run, "vms"}, {paths->data, "vms"}, {paths->data, "disks"}};
        mode_t mode = paths->root ? 0711 : 0700;

        for (size_t i = 0; i < G_N_ELEMENTS(parents); i++)
                if (!file_make_directory(parents[i], mode, error))
                        return FALSE;
        for (size_t i = 0; i < G_N_ELEMENTS(below); i++) {
                g_autofree char *path = g_build_filename(below[i][0], below[i][1], NULL);

                if (!file_make_directory(path, mode, error))
                        return FALSE;
        }
        return TRUE;
}
