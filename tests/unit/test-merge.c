/* test-merge.c - what merging costs at its limits, what makes two entries of a list one; the rest is in tests/config/multi */
#include "base/error.h"
#include "base/file.h"
#include "parser/load.h"
#include "parser/files/merge.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

struct fixture {
        char *directory;
        struct diagnostics *diagnostics;
        struct project *project;
        double seconds; /* that the last load took */
};

static void
set_up(struct fixture *fixture, gconstpointer data)
{
        fixture->directory = g_dir_make_tmp("drover-merge-XXXXXX", NULL);
}

static void
forget(struct fixture *fixture)
{
        g_clear_pointer(&fixture->project, project_free);
        g_clear_pointer(&fixture->diagnostics, diagnostics_free);
}

static void
tear_down(struct fixture *fixture, gconstpointer data)
{
        struct rusage usage;

        forget(fixture);
        g_assert_true(file_remove_tree(fixture->directory, NULL));
        g_free(fixture->directory);
        g_assert_cmpint(getrusage(RUSAGE_SELF, &usage), ==, 0);
        g_test_message("%.0f MiB at most so far", usage.ru_maxrss / 1024.0);
}

static void
put(const struct fixture *fixture, const char *name, const char *text, gssize length)
{
        g_autofree char *path = g_build_filename(fixture->directory, name, NULL);

        g_assert_true(g_file_set_contents(path, text, length, NULL));
}

static void G_GNUC_PRINTF(3, 4) put_format(const struct fixture *fixture, guint number, const char *format, ...)
{
        g_autofree char *name = g_strdup_printf("f%u.yaml", number), *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        put(fixture, name, text, -1);
}

/* Loads drover.yaml of the directory; the time that it takes is bounded well above what it should be, for slow machines. */
static gboolean
load(struct fixture *fixture)
{
        static const char *const nothing[] = {NULL};
        const struct load_options options = {
                .directory = fixture->directory, .no_files = TRUE, .root = TRUE, .environ = nothing};
        g_autoptr(GError) error = NULL;
        gint64 start = g_get_monotonic_time();

        forget(fixture);
        fixture->project = project_load(&options, &fixture->diagnostics, &error);
        fixture->seconds = (double)(g_get_monotonic_time() - start) / 1e6;
        g_test_message("%.3f s, %s", fixture->seconds, error ? error->message : "loads");
        g_assert_cmpfloat(fixture->seconds, <, 5);
        g_assert_true((fixture->project == NULL) == (error != NULL));
        return fixture->project != NULL;
}

static void
refuse(struct fixture *fixture, const char *id)
{
        g_assert_false(load(fixture));
        g_assert_cmpuint(fixture->diagnostics->error_count, ==, 1);
        g_assert_cmpstr(((struct diagnostic *)fixture->diagnostics->items->pdata[0])->id, ==, id);
}

/* ---- include ---- */

static void
test_many_files(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GString) text = g_string_new("include:\n");

        for (guint i = 1; i < LOAD_MAX_FILES; i++) {
                g_string_append_printf(text, "  - f%u.yaml\n", i);
                put_format(fixture, i, "vms: {vm%u: {}}\n", i);
        }
        put(fixture, "drover.yaml", text->str, -1);
        g_assert_true(load(fixture));
        g_assert_cmpuint(fixture->project->vm_count, ==, LOAD_MAX_FILES - 1);
        g_string_append(text, "  - f1.yaml\n  - more.yaml\n  - and-more.yaml\n");
        put(fixture, "drover.yaml", text->str, -1);
        refuse(fixture, "too-many-files");
}

static void
test_depth(struct fixture *fixture, gconstpointer data)
{
        for (guint i = 0; i <= LOAD_MAX_DEPTH; i++)
                put_format(fixture, i, "include: [f%u.yaml]\n", i + 1);
        put(fixture, "drover.yaml", "include: [f1.yaml]\n", -1);
        put_format(fixture, LOAD_MAX_DEPTH, "vms: {deepest: {}}\n");
        g_assert_true(load(fixture));
        g_assert_cmpstr(fixture->project->vms->name, ==, "deepest");
        put(fixture, "drover.yaml", "include: [f0.yaml]\n", -1);
        refuse(fixture, "include-depth");
}

/* Each file includes the next one twice, by two names: without being known again, it would be read 2^30 times. */
static void
test_fan_out(struct fixture *fixture, gconstpointer data)
{
        for (guint i = 0; i < 30; i++) {
                g_autofree char *name = g_strdup_printf("f%u.yaml", i + 1);
                g_autofree char *link = g_strdup_printf("%s/l%u.yaml", fixture->directory, i + 1);

                put_format(fixture, i, "include: [f%u.yaml, l%u.yaml]\nvms: {vm%u: {}}\n", i + 1, i + 1, i);
                g_assert_cmpint(symlink(name, link), ==, 0);
        }
        put_format(fixture, 30, "vms: {last: {}}\n");
        put(fixture, "drover.yaml", "include: [f0.yaml]\n", -1);
        g_assert_true(load(fixture));
        g_assert_cmpuint(fixture->project->vm_count, ==, 31);
}

static void
test_large_files(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *text = g_strnfill(SOURCE_MAX_BYTES - 1, '#');

        for (guint i = 1; i <= 5; i++) {
                g_autofree char *name = g_strdup_printf("f%u.yaml", i);

                put(fixture, name, text, SOURCE_MAX_BYTES - 1);
        }
        put(fixture, "drover.yaml",
            "# A comment makes it more than four times the limit of a file.\n"
            "include: [f1.yaml, f2.yaml, f3.yaml, f4.yaml, f5.yaml]\n",
            -1);
        refuse(fixture, "too-many-bytes");
}

/* None of these is waited for, or read without end. */
static void
test_strange_files(struct fixture *fixture, gconstpointer data)
{
        static const char *const paths[] = {"fifo", "/dev/zero", "/dev/null", "/proc/self/mem", ".", "/"};
        g_autofree char *fifo = g_build_filename(fixture->directory, "fifo", NULL);

        g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                g_autofree char *include = g_strdup_printf("include: ['%s']\n", paths[i]);
                g_autofree char *extends = g_strdup_printf("vms: {a: {extends: {file: '%s', vm: b}}}\n", paths[i]);

                put(fixture, "drover.yaml", include, -1);
                refuse(fixture, "unreadable-file");
                put(fixture, "drover.yaml", extends, -1);
                refuse(fixture, "unreadable-file");
        }
}

/* ---- extends ---- */

/* A chain is as long as the file has it, in whichever order; nothing here recurses. */
static void
test_long_chain(struct fixture *fixture, gconstpointer data)
{
        for (guint up = 0; up < 2; up++) {
                g_autoptr(GString) text = g_string_new("vms:\n");

                for (guint i = 0; i < 10000; i++)
                        g_string_append_printf(text, "  vm%u: {extends: vm%u}\n", up ? 9999 - i : i, up ? 10000 - i : i + 1);
                g_string_append(text, "  vm10000: {memory: 1G, labels: {a: b}}\n");
                put(fixture, "drover.yaml", text->str, -1);
                g_assert_true(load(fixture));
                g_assert_cmpuint(project_find_vm(fixture->project, "vm0")->memory_bytes >> 30, ==, 1);
                g_assert_cmpuint(project_find_vm(fixture->project, "vm0")->labels.count, ==, 1);
        }
}

/* Each VM of a chain adds a label: what comes out is quadratic in what is written, and so has a limit. */
static void
test_growing_chain(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GString) text = g_string_new("vms:\n  vm0: {}\n");

        for (guint i = 1; i <= 10000; i++)
                g_string_append_printf(text, "  vm%u: {extends: vm%u, labels: {l%u: x}}\n", i, i - 1, i);
        put(fixture, "drover.yaml", text->str, -1);
        refuse(fixture, "merge-too-large");
}

static void
test_long_cycle(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GString) text = g_string_new("vms:\n");

        for (guint i = 0; i < 10000; i++)
                g_string_append_printf(text, "  vm%u: {extends: vm%u}\n", i, (i + 1) % 10000);
        put(fixture, "drover.yaml", text->str, -1);
        refuse(fixture, "extends-cycle");
}

/* Ten thousand VMs of one base in another file: linear, and the base is read once. */
static void
test_many_vms(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GString) text = g_string_new("networks: {lan: {subnet: 10.0.0.0/8}}\nvms:\n");
        const struct vm *last;

        for (guint i = 0; i < 10000; i++)
                g_string_append_printf(
                        text, "  vm%u:\n    extends: {file: base.yaml, vm: server}\n    networks: {lan: {ip: 10.1.%u.%u}}\n", i,
                        i / 250, i % 250 + 1);
        put(fixture, "drover.yaml", text->str, -1);
        put(fixture, "base.yaml",
            "vms:\n  small: {image: ./i, memory: 1G, cpus: 2, labels: {a: b, c: d}}\n"
            "  server: {extends: small, networks: {lan: {model: e1000}}, boot: {order: [disk]}}\n",
            -1);
        g_assert_true(load(fixture));
        last = project_find_vm(fixture->project, "vm9999");
        g_assert_cmpuint(last->memory_bytes >> 30, ==, 1);
        g_assert_true(last->nics[0].model == NIC_E1000 && last->nics[0].ip);
        g_assert_cmpuint(last->labels.count, ==, 2);
}

/* Files whose VMs extend those of the next file, each several. */
static void
test_extends_fan_out(struct fixture *fixture, gconstpointer data)
{
        for (guint i = 0; i < 100; i++)
                put_format(fixture, i,
                           "vms:\n  a: {extends: {file: f%u.yaml, vm: a}}\n  b: {extends: {file: f%u.yaml, vm: a}}\n", i + 1,
                           i + 1);
        put_format(fixture, 100, "vms: {a: {memory: 3G}, b: {}}\n");
        put(fixture, "drover.yaml", "vms:\n  x: {extends: {file: f0.yaml, vm: a}}\n  y: {extends: {file: f0.yaml, vm: b}}\n",
            -1);
        g_assert_true(load(fixture));
        g_assert_cmpuint(fixture->project->vms[1].memory_bytes >> 30, ==, 3);
}

/* ---- identities ---- */

static char *
identity_of(const char *text, char *(*identity)(const struct node *entry))
{
        struct sources *sources = sources_new();
        struct diagnostics *diagnostics = diagnostics_new(sources);
        g_autofree char *list = g_strdup_printf("l: [%s]\n", text);
        const struct source *source = sources_add_text(sources, "f", "/lab", list, strlen(list), NULL);
        struct tree *tree = tree_read(source, diagnostics);
        char *found;

        g_assert_nonnull(tree);
        found = identity(node_get(tree_root(tree), "l")->items[0]);
        tree_free(tree);
        diagnostics_free(diagnostics);
        sources_unref(sources);
        return found;
}

static void
test_identities(void)
{
        static const struct {
                char *(*identity)(const struct node *entry);
                const char *a, *b;
                gboolean same;
        } pairs[] = {
                {merge_identity_disk, "db", "{disk: db, read_only: true}", TRUE},
                {merge_identity_disk, "{name: db, size: 1G}", "{disk: db}", FALSE},
                {merge_identity_disk, "{size: 1G}", "{name: data, size: 2G}", TRUE},
                {merge_identity_disk, "{file: ./a/../x.iso}", "{file: /lab/x.iso}", TRUE},
                {merge_identity_disk, "{file: x.iso}", "{file: y.iso}", FALSE},
                {merge_identity_disk, "{name: t, file: x.iso}", "{name: t, file: y.iso}", TRUE},
                {merge_identity_disk, "{device: /dev/x}", "{file: /dev/x}", FALSE},
                {merge_identity_port, "'8080:80'", "'8080:80/tcp'", TRUE},
                {merge_identity_port, "'8080:80'", "'8080:80/udp'", FALSE},
                {merge_identity_port, "'8080:80'", "'127.0.0.1:8080:80'", FALSE},
                {merge_identity_port, "'[::1]:8080:80'", "{host_ip: '::1', published: 8080, target: 80}", TRUE},
                {merge_identity_port, "80", "'80/tcp'", TRUE},
                {merge_identity_port, "'8080-8082:80'", "{target: 80, published: 8080-8082}", TRUE},
                {merge_identity_mount, "'./a:/srv'", "'./b:/srv/:ro'", TRUE},
                {merge_identity_mount, "'./a:/srv'", "{source: c, target: /srv}", TRUE},
                {merge_identity_mount, "'./a:/srv'", "'./a:/srv2'", FALSE},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
                g_autofree char *a = identity_of(pairs[i].a, pairs[i].identity),
                                *b = identity_of(pairs[i].b, pairs[i].identity);

                g_test_message("%s -> %s, %s -> %s", pairs[i].a, a, pairs[i].b, b);
                g_assert_nonnull(a);
                g_assert_nonnull(b);
                g_assert_cmpint(strcmp(a, b) == 0, ==, pairs[i].same);
        }
        g_assert_null(identity_of("''", merge_identity_mount));
        g_assert_null(identity_of("[x]", merge_identity_disk));
        g_assert_null(identity_of("{published: 80}", merge_identity_port));
}

int
main(int argc, char **argv)
{
        static const struct {
                const char *path;
                void (*function)(struct fixture *, gconstpointer);
        } tests[] = {
                {"/include/many-files", test_many_files},
                {"/include/depth", test_depth},
                {"/include/fan-out", test_fan_out},
                {"/include/large-files", test_large_files},
                {"/include/strange-files", test_strange_files},
                {"/extends/long-chain", test_long_chain},
                {"/extends/growing-chain", test_growing_chain},
                {"/extends/long-cycle", test_long_cycle},
                {"/extends/many-vms", test_many_vms},
                {"/extends/fan-out", test_extends_fan_out},
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].path, struct fixture, NULL, set_up, tests[i].function, tear_down);
        g_test_add_func("/merge/identities", test_identities);
        return g_test_run();
}
