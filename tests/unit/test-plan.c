/* test-plan.c - the planner: a project and a world in, a plan out; nothing on the host is asked or touched
 *
 * A plan is compared as text, a step a line: "create vm web <0,2 memory:1G>2G", where <0,2 are the steps that it waits for.
 */
#include "base/error.h"
#include "base/json.h"
#include "parser/load.h"
#include "runtime/plan.h"

#include <string.h>

struct bench {
        struct project *project;
        struct world *world;
        struct resolved *resolved;
};

static const char two_vms[] = "name: lab\n"
                              "isolation: private\n"
                              "networks: {lan: {subnet: 10.0.0.0/24}}\n"
                              "disks: {data: {size: 1G}}\n"
                              "vms:\n"
                              "  web: {disk: 1G, memory: 1G, networks: {lan: {ip: 10.0.0.10}}, depends_on: [db]}\n"
                              "  db: {disk: 1G, networks: [lan], disks: [data]}\n";

static struct project *
load(const char *text)
{
        struct load_options options = {.directory = "/srv/lab", .root = TRUE};
        struct diagnostics *diagnostics = NULL;
        GError *error = NULL;
        struct project *project = project_load_text(text, strlen(text), &options, &diagnostics, &error);

        for (guint i = 0; diagnostics && i < diagnostics->items->len; i++)
                g_test_message("%s", ((struct diagnostic *)g_ptr_array_index(diagnostics->items, i))->text);
        g_assert_no_error(error);
        diagnostics_free(diagnostics);
        return project;
}

static void
free_vm(gpointer data)
{
        struct vm_world *vm = data;

        g_free(vm->name);
        spec_free(vm->spec);
        g_free(vm);
}

static struct vm_world *
add_vm(struct world *world, const char *name, gboolean in_file)
{
        struct vm_world *vm = g_new0(struct vm_world, 1);

        vm->name = g_strdup(name);
        vm->in_file = in_file;
        g_ptr_array_add(world->vms, vm);
        g_hash_table_insert(world->vms_by_name, vm->name, vm);
        return vm;
}

static void
bench_init(struct bench *bench, const char *text)
{
        struct world *world = g_new0(struct world, 1);

        bench->project = load(text);
        bench->world = world;
        bench->resolved = NULL;
        world->paths = paths_new(bench->project->name);
        world->state = g_new0(struct state, 1);
        world->state->networks = g_ptr_array_new();
        world->vms = g_ptr_array_new_with_free_func(free_vm);
        world->vms_by_name = g_hash_table_new(g_str_hash, g_str_equal);
        world->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        world->qemu = g_new0(struct qemu_info, 1);
        world->qemu->q35 = g_strdup("pc-q35-7.2");
        world->qemu->machines = g_strsplit("pc q35 pc-q35-7.2", " ", -1);
        world->memory_total = (guint64)8 << 30;
        for (guint i = 0; i < bench->project->vm_count; i++)
                add_vm(world, bench->project->vms[i].name, TRUE);
}

static void
bench_clear(struct bench *bench)
{
        resolved_free(bench->resolved);
        world_free(bench->world);
        project_free(bench->project);
}

static void
resolve_again(struct bench *bench)
{
        g_clear_pointer(&bench->resolved, resolved_free);
        bench->resolved = resolve(bench->project, bench->world);
        g_assert_no_error(bench->resolved->error);
}

/* All that the file wants is there and runs, started from @text. */
static void
pretend_up(struct bench *bench, enum vm_status status)
{
        resolve_again(bench);
        for (guint i = 0; i < bench->project->vm_count; i++) {
                struct vm_world *vm = g_ptr_array_index(bench->world->vms, i);
                const struct launch *launch = &bench->resolved->vms[i].launch;

                spec_free(vm->spec);
                resolve_wish(&bench->resolved->vms[i]);
                vm->spec = spec_copy(bench->resolved->vms[i].spec);
                vm->spec->present = TRUE;
                vm->status = status;
                for (guint n = 0; n < launch->disk_count; n++)
                        g_hash_table_insert(bench->world->files, g_strdup(launch->disks[n].path),
                                            g_memdup2(&launch->disks[n].disk->size_bytes, sizeof(guint64)));
        }
        bench->world->dnsmasq = (struct dnsmasq_state){1, TRUE, TRUE};
        bench->world->firewall = FIREWALL_SAME;
}

/* The same world, another file. */
static void
edit(struct bench *bench, const char *text)
{
        g_clear_pointer(&bench->resolved, resolved_free);
        project_free(bench->project);
        bench->project = load(text);
        for (guint i = 0; i < bench->world->vms->len; i++) {
                struct vm_world *vm = g_ptr_array_index(bench->world->vms, i);

                vm->in_file = project_find_vm(bench->project, vm->name) != NULL;
        }
        for (guint i = 0; i < bench->project->vm_count; i++)
                if (!world_vm(bench->world, bench->project->vms[i].name))
                        add_vm(bench->world, bench->project->vms[i].name, TRUE);
}

static char *
render(const struct plan *plan, gboolean network)
{
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);

                if (!network && (step->kind == KIND_NETWORK || step->kind == KIND_FIREWALL || step->kind == KIND_SERVICE))
                        continue;
                g_string_append_printf(text, "%s%s %s", text->len ? "\n" : "", plan_action_name(step->action),
                                       plan_kind_name(step->kind));
                g_string_append_printf(text, "%s%s%s", *step->name ? " " : "", step->name, network && step->after->len ? " <" : "");
                for (guint n = 0; network && n < step->after->len; n++)
                        g_string_append_printf(text, "%s%u", n ? "," : "", g_array_index(step->after, guint, n));
                for (guint n = 0; n < step->changes->len; n++) {
                        const struct plan_change *change = g_ptr_array_index(step->changes, n);

                        g_string_append_printf(text, " %s:%s>%s", change->key, change->from ? change->from : "",
                                               change->to ? change->to : "");
                }
        }
        return g_string_free(text, FALSE);
}

static const struct plan_options up = {.goal = GOAL_UP, .networks = TRUE, .grace_ms = -1};

static void
check_plan(struct bench *bench, const struct plan_options *options, const char *expected)
{
        g_autoptr(plan_t) plan = NULL;
        g_autofree char *text = NULL;
        GError *error = NULL;

        if (!bench->resolved)
                resolve_again(bench);
        plan = plan_make(bench->project, bench->world, bench->resolved, options, &error);
        g_assert_no_error(error);
        text = render(plan, bench->world->firewall == FIREWALL_ABSENT);
        g_assert_cmpstr(text, ==, expected);
}

static void
test_fresh(void)
{
        struct bench bench;

        bench_init(&bench, two_vms);
        check_plan(&bench, &up,
                   "create network lan\n"
                   "create firewall\n"
                   "create service <0\n"
                   "create disk db/root\n"
                   "create disk data\n"
                   "create vm db <3,4,0\n"
                   "create disk web/root\n"
                   "create vm web <6,0,5");
        bench_clear(&bench);
}

static void
test_nothing_to_do(void)
{
        struct bench bench;

        bench_init(&bench, two_vms);
        pretend_up(&bench, VM_RUNNING);
        edit(&bench, two_vms);
        check_plan(&bench, &up, "");
        bench_clear(&bench);
}

/* One edit after the other, each against what runs since two_vms. */
static void
test_edits(void)
{
        static const struct {
                const char *from, *to, *plan;
        } edits[] = {
                {"memory: 1G", "memory: 2G", "pending vm web memory:1G>2G"},
                {"memory: 1G, ", "", "pending vm web memory:1G>512M"},
                {"ip: 10.0.0.10", "ip: 10.0.0.11", "update vm web networks.lan.ip:10.0.0.10>10.0.0.11"},
                {"{lan: {ip: 10.0.0.10}}", "[]", "pending vm web networks.lan:present>"},
                {", depends_on: [db]", "", ""},
                {"web: {disk: 1G", "web: {disk: 2G", "pending vm web disk.size:1G>2G"},
                {"web: {disk: 1G", "web: {disk: 1G, labels: {role: front}", ""},
                {"web: {disk: 1G", "web: {disk: 1G, cpus: 1", ""},
                {"web: {disk: 1G", "web: {disk: 1G, cpus: 2", "pending vm web cpus:1>2"},
                {"disks: [data]", "disks: []", "pending vm db disks.data:present>"},
                {"{data: {size: 1G}}", "{data: {size: 2G}}", "pending vm db disks.data.size:1G>2G"},
                {"web: {disk: 1G", "web: {disk: {size: 1G, format: raw}", "fresh-pending vm web disk.format:qcow2>raw"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(edits); i++) {
                g_auto(GStrv) parts = g_strsplit(two_vms, edits[i].from, 2);
                g_autofree char *edited = g_strjoinv(edits[i].to, parts);
                struct bench bench;

                g_assert_cmpstr(edited, !=, two_vms);
                bench_init(&bench, two_vms);
                pretend_up(&bench, VM_RUNNING);
                edit(&bench, edited);
                check_plan(&bench, &up, edits[i].plan);
                bench_clear(&bench);
        }
}

static void
test_restart(void)
{
        struct plan_options restart = up, no_recreate = up;
        g_auto(GStrv) parts = g_strsplit(two_vms, "memory: 1G", 2);
        g_autofree char *edited = g_strjoinv("memory: 2G", parts);
        struct bench bench;

        restart.restart = TRUE;
        no_recreate.restart = no_recreate.no_recreate = TRUE;
        bench_init(&bench, two_vms);
        pretend_up(&bench, VM_RUNNING);
        edit(&bench, edited);
        check_plan(&bench, &restart, "restart vm web memory:1G>2G");
        check_plan(&bench, &no_recreate, "pending vm web memory:1G>2G");
        bench_clear(&bench);
}

/* A new default in a new release is no change; the same field written into the file is. */
static void
test_new_default(void)
{
        struct bench bench;

        bench_init(&bench, two_vms);
        pretend_up(&bench, VM_RUNNING);
        for (guint i = 0; i < 2; i++) {
                struct vm_world *vm = g_ptr_array_index(bench.world->vms, i);

                json_object_set_new(vm->spec->wish, "firmware", json_string("other"));
                json_object_set_new(vm->spec->wish, "gone-in-this-release", json_string("x"));
        }
        edit(&bench, two_vms);
        check_plan(&bench, &up, "");
        bench_clear(&bench);
}

static void
test_states(void)
{
        static const struct {
                enum vm_status status;
                const char *plan;
        } states[] = {
                {VM_STOPPED, "start vm db\nstart vm web"},        {VM_CRASHED, "start vm db\nstart vm web"},
                {VM_STARTING, "continue vm db\ncontinue vm web"}, {VM_PAUSED, "continue vm db\ncontinue vm web"},
                {VM_RUNNING, ""},                                 {VM_PANICKED, ""},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
                struct bench bench;

                bench_init(&bench, two_vms);
                pretend_up(&bench, states[i].status);
                edit(&bench, two_vms);
                check_plan(&bench, &up, states[i].plan);
                bench_clear(&bench);
        }
}

/* Those that depend on others stop first and start last; naming one brings what it depends on, and nothing else. */
static void
test_names_and_order(void)
{
        static const char *const web[] = {"web", NULL}, *const db[] = {"db", NULL};
        struct plan_options stop = {.goal = GOAL_STOP, .grace_ms = -1}, some = up, start = {.goal = GOAL_START, .grace_ms = -1};
        struct bench bench;

        bench_init(&bench, two_vms);
        pretend_up(&bench, VM_RUNNING);
        edit(&bench, two_vms);
        check_plan(&bench, &stop, "stop vm web\nstop vm db");
        bench_clear(&bench);

        bench_init(&bench, two_vms);
        pretend_up(&bench, VM_STOPPED);
        edit(&bench, two_vms);
        some.vms = web;
        check_plan(&bench, &some, "start vm db\nstart vm web");
        some.no_deps = TRUE;
        check_plan(&bench, &some, "start vm web");
        some.vms = db;
        check_plan(&bench, &some, "start vm db");
        start.vms = web;
        check_plan(&bench, &start, "start vm db\nstart vm web");
        bench_clear(&bench);
}

static void
test_unknown_name(void)
{
        static const char *const names[] = {"wbe", NULL};
        struct plan_options options = up;
        g_autoptr(GError) error = NULL;
        struct bench bench;

        options.vms = names;
        bench_init(&bench, two_vms);
        resolve_again(&bench);
        g_assert_null(plan_make(bench.project, bench.world, bench.resolved, &options, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_assert_nonnull(strstr(error->message, "did you mean 'web'?"));
        bench_clear(&bench);
}

static void
test_orphans(void)
{
        static const char only_db[] = "name: lab\n"
                                      "isolation: private\n"
                                      "networks: {lan: {subnet: 10.0.0.0/24}}\n"
                                      "disks: {data: {size: 1G}}\n"
                                      "vms:\n"
                                      "  db: {disk: 1G, networks: [lan], disks: [data]}\n";
        struct plan_options remove = up;
        struct bench bench;

        remove.remove_orphans = TRUE;
        bench_init(&bench, two_vms);
        pretend_up(&bench, VM_RUNNING);
        edit(&bench, only_db);
        check_plan(&bench, &up, "orphan vm web");
        check_plan(&bench, &remove, "remove vm web");
        bench_clear(&bench);
}

static void
test_down(void)
{
        struct plan_options down = {.goal = GOAL_REMOVE, .remove_networks = TRUE, .grace_ms = -1}, fresh = down, all = down;
        struct bench bench;

        fresh.fresh = TRUE;
        all.volumes = TRUE;
        bench_init(&bench, two_vms);
        pretend_up(&bench, VM_RUNNING);
        edit(&bench, two_vms);
        check_plan(&bench, &down, "remove vm web\nremove vm db\nkeep disk data\nkeep disk db/root\nkeep disk web/root");
        check_plan(&bench, &fresh, "remove vm web\nremove vm db\nkeep disk data\nremove disk db/root\nremove disk web/root");
        check_plan(&bench, &all, "remove vm web\nremove vm db\nremove disk data\nremove disk db/root\nremove disk web/root");
        bench_clear(&bench);
}

static void
test_fresh_disks(void)
{
        static const char *const web[] = {"web", NULL};
        struct plan_options fresh = up;
        struct bench bench;

        fresh.fresh = TRUE;
        fresh.vms = web;
        bench_init(&bench, two_vms);
        pretend_up(&bench, VM_RUNNING);
        edit(&bench, two_vms);
        resolve_again(&bench);
        resolve_fresh(bench.resolved, 0, bench.world);
        g_assert_nonnull(strstr(bench.resolved->vms[0].launch.disks[0].path, "/vms/web/root.1.qcow2"));
        check_plan(&bench, &fresh, "create disk web/root\nrestart vm web");
        bench_clear(&bench);
}

static void
test_too_much_memory(void)
{
        g_auto(GStrv) parts = g_strsplit(two_vms, "memory: 1G", 2);
        g_autofree char *edited = g_strjoinv("memory: 900G", parts);
        g_autoptr(GError) error = NULL;
        struct bench bench;

        bench_init(&bench, edited);
        resolve_again(&bench);
        g_assert_null(plan_make(bench.project, bench.world, bench.resolved, &up, &error));
        g_assert_nonnull(strstr(error->message, "900G of memory is more than this host has (8.0 GiB)"));
        bench_clear(&bench);
}

/* A disk that exists is never shrunk, and the plan says so before anything is stopped. */
static void
test_shrink(void)
{
        g_auto(GStrv) parts = g_strsplit(two_vms, "web: {disk: 1G", 2);
        g_autofree char *edited = g_strjoinv("web: {disk: 512M", parts);
        g_autoptr(GError) error = NULL;
        struct plan_options restart = up;
        struct bench bench;

        restart.restart = TRUE;
        bench_init(&bench, two_vms);
        pretend_up(&bench, VM_RUNNING);
        edit(&bench, edited);
        resolve_again(&bench);
        g_assert_null(plan_make(bench.project, bench.world, bench.resolved, &restart, &error));
        g_assert_nonnull(strstr(error->message, "disk 'root' has 1G and is never shrunk to 512M"));
        bench_clear(&bench);
}

static void
test_isolation_changed(void)
{
        struct bench bench;
        g_autoptr(GError) error = NULL;

        bench_init(&bench, two_vms);
        pretend_up(&bench, VM_RUNNING);
        bench.world->state->exists = TRUE;
        bench.world->state->isolation = ISOLATION_HOST;
        g_assert_null(plan_make(bench.project, bench.world, bench.resolved, &up, &error));
        g_assert_nonnull(strstr(error->message, "runs with 'isolation: host'"));
        bench_clear(&bench);
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/plan/fresh", test_fresh);
        g_test_add_func("/plan/nothing-to-do", test_nothing_to_do);
        g_test_add_func("/plan/edits", test_edits);
        g_test_add_func("/plan/restart", test_restart);
        g_test_add_func("/plan/new-default", test_new_default);
        g_test_add_func("/plan/states", test_states);
        g_test_add_func("/plan/names-and-order", test_names_and_order);
        g_test_add_func("/plan/unknown-name", test_unknown_name);
        g_test_add_func("/plan/orphans", test_orphans);
        g_test_add_func("/plan/down", test_down);
        g_test_add_func("/plan/fresh-disks", test_fresh_disks);
        g_test_add_func("/plan/too-much-memory", test_too_much_memory);
        g_test_add_func("/plan/shrink", test_shrink);
        g_test_add_func("/plan/isolation-changed", test_isolation_changed);
        return g_test_run();
}
