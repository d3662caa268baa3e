/* test-faults.c - what a host cannot give: told with its place in the file, all of it in one run, and nothing else stopped
 *
 *     test-faults [--accept]        --accept writes tests/plan/faults.err instead of comparing
 *
 * tests/plan/faults.yaml has a VM for each; the host that has none of it is made up here.
 */
#include "tests/unit/plan-bench.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <stdio.h>

static gboolean accept_output;

static const char small[] = "name: lab\n"
                            "isolation: private\n"
                            "vms:\n"
                            "  web: {disk: 1G, memory: 1G}\n"
                            "  db: {disk: 1G}\n";

static const struct plan_options up = {.goal = GOAL_UP, .networks = TRUE, .grace_ms = -1};

static void
free_image(gpointer data)
{
        struct probed_image *image = data;

        g_clear_error(&image->error);
        g_free(image);
}

static void
free_use(gpointer data)
{
        file_use_free(data);
}

/* A file as observe_files.c finds it: of a format, or refused. */
static void
add_image(struct world *world, const char *path, const char *format, enum drover_error code, const char *refusal)
{
        struct probed_image *image = g_new0(struct probed_image, 1);

        g_strlcpy(image->info.format, format, sizeof image->info.format);
        image->info.virtual_size_bytes = (guint64)2 << 30;
        if (refusal)
                error_set(&image->error, code, "%s", refusal);
        g_hash_table_insert(world->images, g_strdup(path), image);
}

static void
add_use(struct world *world, const char *path, pid_t pid, const char *project, const char *vm)
{
        struct file_use *use = g_new0(struct file_use, 1);

        use->path = g_strdup(path);
        use->pid = pid;
        use->program = g_strdup("qemu-nbd");
        use->project = g_strdup(project);
        use->vm = g_strdup(vm);
        g_hash_table_insert(world->uses, use->path, use);
}

static void
add_file(struct world *world, char *path, guint64 size)
{
        struct disk_head head = {.size_bytes = size};

        g_hash_table_insert(world->files, path, g_memdup2(&head, sizeof head));
}

static void
make_up_host(struct world *world)
{
        struct qemu_info *qemu = world->qemu;

        qemu->major = 7;
        g_clear_pointer(&world->virtiofsd, g_free);
        qemu->kvm_fault = g_strdup("there is no /dev/kvm");
        qemu->max_cpus = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_insert(qemu->max_cpus, g_strdup("pc-q35-7.2"), GUINT_TO_POINTER(288));
        g_hash_table_insert(qemu->max_cpus, g_strdup("pc-i440fx-7.2"), GUINT_TO_POINTER(255));
        world->images = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_image);
        world->plain_files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        world->uses = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_use);
}

static void
make_up_files(struct world *world)
{
        add_image(world, "/srv/lab/gone.qcow2", "", DROVER_ERROR_NOT_FOUND, "cannot open image '/srv/lab/gone.qcow2'");
        add_image(world, "/srv/lab/backed.qcow2", "", DROVER_ERROR_FAILED,
                  "image '/srv/lab/backed.qcow2' stands on another file: 'x'\n  make one file of it: qemu-img convert");
        add_image(world, "/srv/lab/base.qcow2", "qcow2", 0, NULL);
        add_image(world, "/srv/lab/written.qcow2", "qcow2", 0, NULL);
        add_image(world, "/srv/lab/gone.raw", "", DROVER_ERROR_NOT_FOUND, "cannot open image '/srv/lab/gone.raw'");
        add_image(world, "/srv/lab/base.vmdk", "vmdk", 0, NULL);
        add_image(world, "/srv/lab/busy.raw", "raw", 0, NULL);
        add_image(world, "/srv/lab/hidden.raw", "raw", 0, NULL);
        g_hash_table_insert(world->plain_files, g_strdup("/srv/lab/vmlinux"), GINT_TO_POINTER(ENOENT));
        g_hash_table_insert(world->plain_files, g_strdup("/srv/lab/secret/initrd"), GINT_TO_POINTER(EACCES));
        g_hash_table_insert(world->plain_files, g_strdup("/srv/lab/gone.iso"), GINT_TO_POINTER(ENOENT));
        g_hash_table_insert(world->plain_files, g_strdup("/srv/lab/gone"), GINT_TO_POINTER(ENOENT));
        add_use(world, "/srv/lab/busy.raw", 4711, "other", "db");
        add_use(world, "/srv/lab/hidden.raw", 0, NULL, NULL);
        add_use(world, "/srv/lab/written.qcow2", 4712, NULL, NULL);
        add_file(world, paths_named_disk(world->paths, "data", 0, "qcow2"), (guint64)2 << 30);
        add_file(world, paths_named_disk(world->paths, "old", 0, "raw"), (guint64)1 << 30);
}

static void
test_all(void)
{
        g_autofree char *text = NULL, *found = NULL, *expected = NULL;
        GError *error = NULL;
        struct bench bench;

        g_assert_true(file_read("tests/plan/faults.yaml", 1 << 20, &text, NULL, NULL));
        bench_init(&bench, text);
        make_up_host(bench.world);
        make_up_files(bench.world);
        resolve_again(&bench);
        resolve_in_use(bench.resolved, bench.world);
        g_assert_null(make_plan(&bench, &up, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_CONFIG);
        found = format_faults(&bench);
        if (accept_output)
                g_assert_true(file_write_atomic("tests/plan/faults.err", found, strlen(found), 0644, NULL));
        g_assert_true(file_read("tests/plan/faults.err", 1 << 20, &expected, NULL, NULL));
        g_assert_cmpstr(found, ==, expected);
        g_clear_error(&error);
        bench_clear(&bench);
}

static char *
replace(const char *text, const char *from, const char *to)
{
        g_auto(GStrv) parts = g_strsplit(text, from, 2);

        g_assert_cmpuint(g_strv_length(parts), ==, 2);
        return g_strjoinv(to, parts);
}

/* What is wrong with one VM is no matter to a plan that is about others. */
static void
test_others_go_on(void)
{
        static const char *const db[] = {"db", NULL}, *const web[] = {"web", NULL};
        static const enum goal away[] = {GOAL_STOP, GOAL_KILL, GOAL_REMOVE, GOAL_PAUSE};
        g_autofree char *edited = replace(small, "memory: 1G", "memory: 900G");
        struct plan_options some = up;
        struct bench bench;

        bench_init(&bench, small);
        pretend_up(&bench, VM_RUNNING);
        edit(&bench, edited);
        for (size_t i = 0; i < G_N_ELEMENTS(away); i++) {
                struct plan_options options = {.goal = away[i], .vms = web, .grace_ms = -1};
                g_autoptr(plan_t) plan = make_plan(&bench, &options, NULL);

                g_assert_nonnull(plan);
                g_assert_cmpuint(bench.faults->items->len, ==, 0);
        }
        bench_clear(&bench);
        bench_init(&bench, edited);
        some.vms = db;
        for (int i = 0; i < 2; i++, some.vms = web) {
                g_autoptr(plan_t) plan = make_plan(&bench, &some, NULL);

                g_assert_cmpuint(bench.faults->error_count, ==, (guint)i);
                g_assert_true((plan != NULL) == (i == 0));
        }
        bench_clear(&bench);
}

/* A VM that runs is warned of; to restart it is refused before it is stopped. */
static void
test_running(void)
{
        static const char warning[] =
                "drover.yaml:4:27: warning: vm 'web': 900G of memory is more than this host has (8.0 GiB); it runs on, but its "
                "next start would fail\n"
                "    4 |   web: {disk: 1G, memory: 900G}\n"
                "      |                           ^~~~\n";
        static const char *const web[] = {"web", NULL};
        g_autofree char *edited = replace(small, "memory: 1G", "memory: 900G"), *text = NULL;
        struct plan_options restart = {.goal = GOAL_RESTART, .vms = web, .grace_ms = -1};
        g_autoptr(plan_t) plan = NULL;
        struct bench bench;

        bench_init(&bench, small);
        pretend_up(&bench, VM_RUNNING);
        edit(&bench, edited);
        plan = make_plan(&bench, &up, NULL);
        g_assert_nonnull(plan);
        text = format_faults(&bench);
        g_assert_cmpstr(text, ==, warning);
        g_assert_null(make_plan(&bench, &restart, NULL));
        g_assert_cmpuint(bench.faults->error_count, ==, 1);
        bench_clear(&bench);
}

/* A disk that exists is never shrunk; new disks of the VM's own may be smaller. */
static void
test_shrink(void)
{
        static const char refusal[] =
                "drover.yaml:4:15: error: vm 'web': disk 'root' has 1G and is never shrunk to 512M\n"
                "    4 |   web: {disk: 512M, memory: 1G}\n"
                "      |               ^~~~ write 1G or more; 'drover up --fresh web' makes a new disk (its data is lost)\n";
        static const char *const web[] = {"web", NULL};
        g_autofree char *edited = replace(small, "disk: 1G, memory", "disk: 512M, memory"), *text = NULL;
        struct plan_options restart = up, fresh = up;
        g_autoptr(plan_t) plan = NULL;
        struct bench bench;

        restart.restart = TRUE;
        fresh.fresh = TRUE;
        fresh.vms = web;
        bench_init(&bench, small);
        pretend_up(&bench, VM_RUNNING);
        edit(&bench, edited);
        g_assert_null(make_plan(&bench, &restart, NULL));
        text = format_faults(&bench);
        g_assert_cmpstr(text, ==, refusal);
        resolve_fresh(bench.resolved, 0, bench.world);
        plan = make_plan(&bench, &fresh, NULL);
        g_assert_nonnull(plan);
        bench_clear(&bench);
}

/* Only what somebody else has is in use, and then the file is not to blame. */
static void
test_in_use(void)
{
        static const char text[] = "name: lab\n"
                                   "isolation: private\n"
                                   "vms:\n"
                                   "  a: {disk: {file: ./a.raw}}\n"
                                   "  b: {disk: {file: ./b.raw}}\n";
        static const char expected[] =
                "drover.yaml:5:20: error: vm 'b': '/srv/lab/b.raw' is in use by vm 'old' (pid 9)\n"
                "    5 |   b: {disk: {file: ./b.raw}}\n"
                "      |                    ^~~~~~~ 'drover stop old' lets go of it\n";
        g_autofree char *found = NULL;
        GError *error = NULL;
        struct bench bench;

        bench_init(&bench, text);
        make_up_host(bench.world);
        ((struct vm_world *)g_ptr_array_index(bench.world->vms, 0))->pid = 8;
        add_use(bench.world, "/srv/lab/a.raw", 8, "lab", "a");
        add_use(bench.world, "/srv/lab/b.raw", 9, "lab", "old");
        resolve_again(&bench);
        resolve_in_use(bench.resolved, bench.world);
        g_assert_null(make_plan(&bench, &up, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_BUSY);
        found = format_faults(&bench);
        g_assert_cmpstr(found, ==, expected);
        g_clear_error(&error);
        bench_clear(&bench);
}

static void
add_taken(struct bench *bench, guint number, const char *holder)
{
        struct taken_port port = {g_array_index(bench->resolved->published, struct published, number).forward,
                                  g_strdup(holder)};

        g_array_append_val(bench->world->taken_ports, port);
}

/* Ports that others have, that are root's, or that lead nowhere; a range is told once, and what is served already is ours. */
static void
test_ports(void)
{
        static const char text[] = "name: lab\n"
                                   "isolation: private\n"
                                   "networks: {lan: {subnet: 10.0.0.0/24}}\n"
                                   "vms:\n"
                                   "  a: {networks: {lan: {ip: 10.0.0.9}}, ports: ['8080-8082:80-82', '53:53/udp']}\n"
                                   "  b: {networks: [], ports: ['8090:80']}\n"
                                   "  c: {networks: [lan], ports: ['9000:80', '22:22']}\n";
        static const char expected[] =
                "drover.yaml:5:48: error: ports of vm 'a': port 8081/tcp of the host is taken by pid 9 (nginx)\n"
                "    5 |   a: {networks: {lan: {ip: 10.0.0.9}}, ports: ['8080-8082:80-82', '53:53/udp']}\n"
                "      |                                                ^~~~~~~~~~~~~~~~~ end it, or take another port of the "
                "host\n"
                "drover.yaml:5:67: error: ports of vm 'a': port 53/udp of the host is root's: yours begin at 1024\n"
                "    5 |   a: {networks: {lan: {ip: 10.0.0.9}}, ports: ['8080-8082:80-82', '53:53/udp']}\n"
                "      |                                                                   ^~~~~~~~~~~ take a higher one; or "
                "let root allow it: 'sysctl net.ipv4.ip_unprivileged_port_start'\n"
                "drover.yaml:6:29: error: ports of vm 'b': no address of it is known that port 8090/tcp of the host could lead "
                "to\n"
                "    6 |   b: {networks: [], ports: ['8090:80']}\n"
                "      |                             ^~~~~~~~~ reserve one: 'networks: {NETWORK: {ip: ADDRESS}}', of the VM's "
                "first network\n"
                "drover.yaml:7:32: error: ports of vm 'c': port 9000/tcp of the host is taken by a process that is not to be "
                "seen\n"
                "    7 |   c: {networks: [lan], ports: ['9000:80', '22:22']}\n"
                "      |                                ^~~~~~~~~ end it, or take another port of the host\n";
        g_autofree char *found = NULL;
        GError *error = NULL;
        struct bench bench;

        bench_init(&bench, text);
        resolve_again(&bench);
        bench.world->taken_ports = g_array_new(FALSE, FALSE, sizeof(struct taken_port));
        bench.world->first_open_port = 1024;
        add_taken(&bench, 1, "pid 9 (nginx)");
        add_taken(&bench, 2, "pid 9 (nginx)");
        add_taken(&bench, 5, NULL);
        bench.world->forwarder.forwards = g_array_new(FALSE, FALSE, sizeof(struct forward));
        g_array_append_val(bench.world->forwarder.forwards,
                           g_array_index(bench.resolved->published, struct published, 6).forward);
        g_assert_null(make_plan(&bench, &up, &error));
        found = format_faults(&bench);
        g_assert_cmpstr(found, ==, expected);
        for (guint i = 0; i < 3; i++)
                g_free(g_array_index(bench.world->taken_ports, struct taken_port, i).holder);
        g_clear_error(&error);
        bench_clear(&bench);
}

int
main(int argc, char **argv)
{
        accept_output = argc > 1 && strcmp(argv[1], "--accept") == 0;
        g_setenv("DROVER_DATA_DIR", "/var/lib/drover", TRUE); /* whoever runs the tests */
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/faults/all", test_all);
        g_test_add_func("/faults/others-go-on", test_others_go_on);
        g_test_add_func("/faults/running", test_running);
        g_test_add_func("/faults/shrink", test_shrink);
        g_test_add_func("/faults/in-use", test_in_use);
        g_test_add_func("/faults/ports", test_ports);
        return g_test_run();
}
