/* test-load.c - the front door: which file is taken, names, places, look-ups, limits; the rest is in tests/config */
#include "base/error.h"
#include "base/file.h"
#include "parser/keys/keys.h"
#include "parser/load.h"
#include "parser/tree/tree.h"

#include <glib/gstdio.h>
#include <string.h>

struct fixture {
        char *directory, *deeper, *before;
        struct diagnostics *diagnostics;
        GError *error;
        struct project *project;
};

static void
set_up(struct fixture *fixture, gconstpointer data)
{
        fixture->directory = g_dir_make_tmp("drover-load-XXXXXX", NULL);
        fixture->deeper = g_build_filename(fixture->directory, "My Lab", "src", NULL);
        fixture->before = g_get_current_dir();
        g_assert_cmpint(g_mkdir_with_parents(fixture->deeper, 0700), ==, 0);
}

static void
forget(struct fixture *fixture)
{
        g_clear_pointer(&fixture->project, project_free);
        g_clear_pointer(&fixture->diagnostics, diagnostics_free);
        g_clear_error(&fixture->error);
}

static void
tear_down(struct fixture *fixture, gconstpointer data)
{
        forget(fixture);
        g_assert_cmpint(g_chdir(fixture->before), ==, 0);
        g_assert_true(file_remove_tree(fixture->directory, NULL));
        g_free(fixture->directory);
        g_free(fixture->deeper);
        g_free(fixture->before);
}

static void
put(const struct fixture *fixture, const char *name, const char *text)
{
        g_autofree char *path = g_build_filename(fixture->directory, name, NULL);

        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static gboolean
load(struct fixture *fixture, struct load_options options)
{
        forget(fixture);
        if (!options.directory)
                options.directory = fixture->deeper;
        fixture->project = project_load(&options, &fixture->diagnostics, &fixture->error);
        g_assert_nonnull(fixture->diagnostics);
        g_assert_true((fixture->project == NULL) == (fixture->error != NULL));
        return fixture->project != NULL;
}

static gboolean
load_text(struct fixture *fixture, const char *text, struct load_options options)
{
        forget(fixture);
        options.directory = options.directory ? options.directory : "/lab";
        fixture->project = project_load_text(text, strlen(text), &options, &fixture->diagnostics, &fixture->error);
        return fixture->project != NULL;
}

static const char *
id_at(const struct fixture *fixture, guint index)
{
        return ((const struct diagnostic *)fixture->diagnostics->items->pdata[index])->id;
}

static void
test_find_file(struct fixture *fixture, gconstpointer data)
{
        put(fixture, "My Lab/drover.yaml", "vms: {a: {disk: 1G}}\n");
        g_assert_true(load(fixture, (struct load_options){.no_files = FALSE}));
        g_assert_cmpstr(fixture->project->name, ==, "mylab");
        g_assert_true(g_str_has_suffix(fixture->project->directory, "/My Lab"));
        g_assert_cmpint(fixture->project->isolation, ==, ISOLATION_PRIVATE);
        g_assert_true(load(fixture, (struct load_options){.root = TRUE, .name = "other"}));
        g_assert_cmpstr(fixture->project->name, ==, "other");
        g_assert_cmpint(fixture->project->isolation, ==, ISOLATION_HOST);
}

/* In the current directory a file is named as the user would. */
static void
test_file_name(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *current = NULL;

        put(fixture, "My Lab/drover.yml", "vms: {a: {}, b: 1}\n");
        g_assert_cmpint(g_chdir(fixture->deeper), ==, 0);
        current = g_get_current_dir();
        g_assert_false(load(fixture, (struct load_options){.directory = current}));
        g_assert_error(fixture->error, DROVER_ERROR, DROVER_ERROR_CONFIG);
        g_assert_cmpstr(fixture->error->message, ==, "there is an error in '../drover.yml'");
}

static void
test_no_file(struct fixture *fixture, gconstpointer data)
{
        const char *const missing[] = {"/nonexistent/drover.yaml", NULL};

        g_assert_false(load(fixture, (struct load_options){.root = FALSE}));
        g_assert_error(fixture->error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_assert_nonnull(strstr(fixture->error->message, fixture->deeper));
        g_assert_false(load(fixture, (struct load_options){.files = missing}));
        g_assert_error(fixture->error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
}

static void
test_override(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *file = g_build_filename(fixture->directory, "drover.yaml", NULL);
        const char *const alone[] = {file, NULL};

        put(fixture, "drover.yaml", "vms: {a: {memory: 1G, cpus: 2}}\n");
        put(fixture, "drover.override.yaml", "vms: {a: {memory: 2G}}\n");
        g_assert_true(load(fixture, (struct load_options){.root = TRUE}));
        g_assert_cmpuint(fixture->project->vms->memory_bytes >> 30, ==, 2);
        g_assert_cmpuint(fixture->project->vms->cpus, ==, 2);
        g_assert_cmpuint(fixture->project->vms->node->place.line, ==, 1);
        g_assert_true(g_str_has_suffix(fixture->project->vms->node->place.source->name, "drover.yaml"));
        g_assert_true(load(fixture, (struct load_options){.files = alone}));
        g_assert_cmpuint(fixture->project->vms->memory_bytes >> 30, ==, 1);
        put(fixture, "drover.override.yml", "vms: {}\n");
        g_assert_false(load(fixture, (struct load_options){.root = TRUE}));
        g_assert_error(fixture->error, DROVER_ERROR, DROVER_ERROR_CONFIG);
        put(fixture, "drover.yml", "vms: {}\n");
        g_assert_false(load(fixture, (struct load_options){.root = TRUE}));
        g_assert_error(fixture->error, DROVER_ERROR, DROVER_ERROR_CONFIG);
}

/* -f names a file once, by whatever path. */
static void
test_twice(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *file = g_build_filename(fixture->directory, "drover.yaml", NULL);
        g_autofree char *link = g_build_filename(fixture->directory, "link.yaml", NULL);
        const char *const same[] = {file, file, NULL}, *const linked[] = {file, link, NULL},
                          *const input[] = {"-", file, "-", NULL};
        const char *many[LOAD_MAX_FILES + 2] = {NULL};

        put(fixture, "drover.yaml", "vms: {}\n");
        g_assert_cmpint(symlink(file, link), ==, 0);
        g_assert_false(load(fixture, (struct load_options){.files = same}));
        g_assert_error(fixture->error, DROVER_ERROR, DROVER_ERROR_USAGE);
        g_assert_false(load(fixture, (struct load_options){.files = linked}));
        g_assert_error(fixture->error, DROVER_ERROR, DROVER_ERROR_USAGE);
        g_assert_nonnull(strstr(fixture->error->message, "it is the same file as"));
        g_assert_false(load(fixture, (struct load_options){.files = input}));
        g_assert_error(fixture->error, DROVER_ERROR, DROVER_ERROR_USAGE);
        for (guint i = 0; i <= LOAD_MAX_FILES; i++)
                many[i] = file;
        g_assert_false(load(fixture, (struct load_options){.files = many}));
        g_assert_error(fixture->error, DROVER_ERROR, DROVER_ERROR_USAGE);
}

static void
test_names(struct fixture *fixture, gconstpointer data)
{
        g_assert_false(load_text(fixture, "vms: {}\n", (struct load_options){.directory = "/+++"}));
        g_assert_cmpstr(id_at(fixture, 0), ==, "no-name");
        g_assert_true(load_text(fixture, "name: x\n", (struct load_options){.directory = "/+++"}));
        g_assert_false(load_text(fixture, "vms: {}\n", (struct load_options){.name = "../etc"}));
        g_assert_error(fixture->error, DROVER_ERROR, DROVER_ERROR_USAGE);
}

static void
test_paths(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *home = g_build_filename(g_get_home_dir(), "k", NULL);
        const char *text = "vms: {a: {image: ./i.qcow2, boot: {kernel: ~/k, initrd: ../up/./x}}}\n";

        g_assert_true(load_text(fixture, text, (struct load_options){.no_files = TRUE}));
        g_assert_cmpstr(fixture->project->vms[0].image, ==, "/lab/i.qcow2");
        g_assert_cmpstr(fixture->project->vms[0].boot.kernel, ==, home);
        g_assert_cmpstr(fixture->project->vms[0].boot.initrd, ==, "/up/x");
        g_assert_false(load_text(fixture, text, (struct load_options){.no_files = FALSE}));
        g_assert_cmpstr(id_at(fixture, 0), ==, "missing-file");
}

static void
test_model(struct fixture *fixture, gconstpointer data)
{
        const char *text = "networks: {lan: {subnet: 10.0.0.0/24}}\n"
                           "disks: {d: {size: 1G, format: raw}}\n"
                           "vms:\n"
                           "  web: {image: ./i, depends_on: [db], networks: {lan: {ip: 10.0.0.9}}, memory: 1G}\n"
                           "  db: {disks: [d, {file: ./x.iso, media: cdrom}, {file: ./y}]}\n";
        const struct vm *web, *db;
        struct place place;

        g_assert_true(load_text(fixture, text, (struct load_options){.no_files = TRUE}));
        web = project_find_vm(fixture->project, "web");
        db = project_find_vm(fixture->project, "db");
        g_assert_null(project_find_vm(fixture->project, "nobody"));
        g_assert_true(web == &fixture->project->vms[0] && db == &fixture->project->vms[1]);
        g_assert_true(web->root && web->root->is_root && web->root->format == FORMAT_QCOW2 && !web->root->size_bytes);
        g_assert_null(db->root);
        g_assert_cmpuint(web->dependencies[0].index, ==, 1);
        g_assert_cmpstr(web->nics[0].network, ==, "lan");
        g_assert_cmphex(web->nics[0].ip, ==, 0x0a000009);
        g_assert_cmpstr(db->nics[0].network, ==, "default");
        g_assert_cmpuint(db->nics[0].network_index, ==, 1);
        g_assert_null(project_find_network(fixture->project, "default")->node);
        g_assert_true(project_find_disk(fixture->project, "d")->format == FORMAT_RAW);
        g_assert_cmpstr(db->disks[0].named, ==, "d");
        g_assert_cmpuint(db->disks[0].size_bytes, ==, 1 << 30);
        g_assert_true(db->disks[0].format == FORMAT_RAW);
        g_assert_true(db->disks[1].read_only && !db->disks[1].format_unknown);
        g_assert_true(db->disks[2].format_unknown);
        g_assert_cmpstr(db->disks[1].name, ==, "x");
        place = project_place(web->node, "memory");
        g_assert_cmpuint(place.line, ==, 4);
        g_assert_true(project_is_set(web->node, "memory") && !project_is_set(web->node, "cpus"));
        g_assert_cmpuint(project_place(db->node, "memory").line, ==, 5);
        g_assert_cmpuint(project_place(NULL, "memory").line, ==, 0);
}

/* Many VMs, each depending on the one before: nothing here may be worse than linear, nor recurse. */
static void
test_many(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GString) text = g_string_new("networks: {lan: {subnet: 10.0.0.0/8}}\nvms:\n");
        gint64 start;
        double seconds;

        for (guint i = 0; i < 10000; i++)
                g_string_append_printf(text, "  vm%u: {image: ./i, networks: {lan: {ip: 10.1.%u.%u}}, depends_on: [vm%u]}\n", i,
                                       i / 250, i % 250 + 1, i + 1);
        g_string_append(text, "  vm10000: {}\n");
        start = g_get_monotonic_time();
        g_assert_true(load_text(fixture, text->str, (struct load_options){.no_files = TRUE}));
        seconds = (double)(g_get_monotonic_time() - start) / 1e6;
        g_test_message("%.3f s", seconds);
        g_assert_cmpuint(fixture->project->vm_count, ==, 10001);
        g_assert_cmpfloat(seconds, <, 5); /* quadratic cost takes minutes; the true figure is make bench's */
}

static void
test_too_many(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GString) text = g_string_new("vms:\n");

        for (guint i = 0; i <= 100000; i++)
                g_string_append_printf(text, "  v%u:\n", i);
        g_assert_false(load_text(fixture, text->str, (struct load_options){.no_files = TRUE}));
        g_assert_cmpuint(fixture->diagnostics->error_count, ==, 1);
        g_assert_cmpstr(id_at(fixture, 0), ==, "too-many");
}

int
main(int argc, char **argv)
{
        static const struct {
                const char *path;
                void (*function)(struct fixture *, gconstpointer);
        } tests[] = {
                {"/load/find-file", test_find_file}, {"/load/file-name", test_file_name}, {"/load/no-file", test_no_file},
                {"/load/override", test_override},   {"/load/twice", test_twice},         {"/load/names", test_names},
                {"/load/paths", test_paths},         {"/load/model", test_model},         {"/load/many", test_many},
                {"/load/too-many", test_too_many},
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].path, struct fixture, NULL, set_up, tests[i].function, tear_down);
        return g_test_run();
}
