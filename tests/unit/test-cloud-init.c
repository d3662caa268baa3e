/* test-cloud-init.c - the texts of a seed, compared with golden files to the letter
 *
 *     test-cloud-init [--accept]        --accept writes the golden files instead of comparing
 *
 * tests/seed/NAME.yaml is a project, NAME.texts what is on the seeds of its VMs.
 */
#include "base/error.h"
#include "base/file.h"
#include "parser/load.h"
#include "runtime/storage/cloud_init.h"

#include <string.h>

#define DIRECTORY "tests/seed"

static gboolean accept_output;

static struct project *
load(const char *text, size_t length)
{
        g_autofree char *here = g_get_current_dir();
        struct load_options options = {.directory = here, .no_files = TRUE, .root = TRUE};
        struct diagnostics *diagnostics = NULL;
        g_autoptr(GError) error = NULL;
        struct project *project = project_load_text(text, length, &options, &diagnostics, &error);

        for (guint i = 0; diagnostics && i < diagnostics->items->len; i++)
                g_test_message("%s", ((struct diagnostic *)g_ptr_array_index(diagnostics->items, i))->text);
        g_assert_no_error(error);
        diagnostics_free(diagnostics);
        return project;
}

static GHashTable *
read_files(const struct vm *vm)
{
        GHashTable *files = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_bytes_unref);
        g_autoptr(GPtrArray) paths = cloud_init_paths(vm);

        for (guint i = 0; i < paths->len; i++) {
                char *text;
                size_t length;

                g_assert_true(file_read(g_ptr_array_index(paths, i), 1 << 20, &text, &length, NULL));
                g_hash_table_insert(files, g_ptr_array_index(paths, i), g_bytes_new_take(text, length));
        }
        return files;
}

static gboolean
build(const struct project *project, const struct vm *vm, struct cloud_init_texts *ret_texts, GError **error)
{
        g_autoptr(GHashTable) files = read_files(vm);
        g_autofree struct launch_nic *nics = g_new0(struct launch_nic, vm->nic_count + 1);
        struct cloud_init_wish wish = {.vm = vm, .nics = nics, .nic_count = vm->nic_count, .networks = project->networks,
                                       .instance_id = "id-0", .project_key = "ssh-ed25519 AAAA drover", .files = files};

        for (guint i = 0; i < vm->nic_count; i++)
                nics[i] = (struct launch_nic){.nic = &vm->nics[i], .mac = vm->nics[i].mac};
        return cloud_init_build(&wish, ret_texts, error);
}

static void
show(GString *out, const char *vm, const char *name, GBytes *bytes)
{
        if (!bytes)
                return;
        g_string_append_printf(out, "=== %s: %s\n", vm, name);
        g_string_append_len(out, g_bytes_get_data(bytes, NULL), (gssize)g_bytes_get_size(bytes));
}

static void
test_golden(gconstpointer data)
{
        g_autofree char *path = g_strdup_printf(DIRECTORY "/%s.yaml", (const char *)data), *yaml = NULL;
        g_autofree char *golden = g_strdup_printf(DIRECTORY "/%s.texts", (const char *)data), *expected = NULL;
        g_autoptr(GString) out = g_string_new(NULL);
        g_autoptr(project_t) project = NULL;
        size_t length;

        g_assert_true(file_read(path, 1 << 20, &yaml, &length, NULL));
        project = load(yaml, length);
        for (guint i = 0; i < project->vm_count; i++) {
                g_auto(cloud_init_texts_t) texts = {0};
                g_autoptr(GError) error = NULL;

                g_assert_true(build(project, &project->vms[i], &texts, &error));
                g_assert_no_error(error);
                show(out, project->vms[i].name, "user-data", texts.user_data);
                show(out, project->vms[i].name, "meta-data", texts.meta_data);
                show(out, project->vms[i].name, "network-config", texts.network_config);
                show(out, project->vms[i].name, "vendor-data", texts.vendor_data);
        }
        if (accept_output)
                g_assert_true(file_write_if_changed(golden, out->str, out->len, 0644, NULL, NULL));
        g_assert_true(file_read(golden, 1 << 20, &expected, NULL, NULL));
        g_assert_cmpstr(out->str, ==, expected);
}

static void
assert_refused(const char *keys, const char *message)
{
        g_autofree char *text = g_strdup_printf("name: lab\nvms: {one: {networks: [], %s}}\n", keys);
        g_autoptr(project_t) project = load(text, strlen(text));
        g_auto(cloud_init_texts_t) texts = {0};
        g_autoptr(GError) error = NULL;

        g_assert_false(build(project, &project->vms[0], &texts, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_CONFIG);
        g_assert_cmpstr(error->message, ==, message);
        g_assert_null(texts.user_data);
}

static void
test_refused(void)
{
        assert_refused("packages: [vim], cloud_init: {user_data: {packages: vim}}", "'packages' in user_data is no list");
        assert_refused("cloud_init: {meta_data: \"{a: 1,\\n b: 2}\\n\"}", "meta_data as JSON text: write it as a map");
}

int
main(int argc, char **argv)
{
        accept_output = argc > 1 && strcmp(argv[1], "--accept") == 0;
        g_test_init(&argc, &argv, NULL);
        g_test_add_data_func("/cloud-init/short-forms", "short-forms", test_golden);
        g_test_add_data_func("/cloud-init/merged", "merged", test_golden);
        g_test_add_data_func("/cloud-init/mounts", "mounts", test_golden);
        g_test_add_data_func("/cloud-init/texts", "texts", test_golden);
        g_test_add_func("/cloud-init/refused", test_refused);
        return g_test_run();
}
