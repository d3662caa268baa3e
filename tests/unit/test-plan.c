/* test-plan.c - the planner: a project and a world in, a plan out; nothing on the host is asked or touched
 *
 * A plan is compared as text, a step a line: "create vm web <0,2 memory:1G>2G", where <0,2 are the steps that it waits for.
 */
#include "tests/unit/plan-bench.h"

#include "base/error.h"
#include "network/guard.h"

static const char two_vms[] = "name: lab\n"
                              "isolation: private\n"
                              "networks: {lan: {subnet: 10.0.0.0/24}}\n"
                              "disks: {data: {size: 1G}}\n"
                              "vms:\n"
                              "  web: {disk: 1G, memory: 1G, networks: {lan: {ip: 10.0.0.10}}, depends_on: [db]}\n"
                              "  db: {disk: 1G, networks: [lan], disks: [data]}\n";

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
                g_string_append_printf(text, "%s%s%s", *step->name ? " " : "", step->name,
                                       network && step->after->len ? " <" : "");
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

        plan = make_plan(bench, options, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(bench->faults->items->len, ==, 0);
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
                {"memory: 1G, ", "", "update vm web memory:1G>512M"},
                {"ip: 10.0.0.10", "ip: 10.0.0.11", "update vm web networks.lan.ip:10.0.0.10>10.0.0.11"},
                {"{lan: {ip: 10.0.0.10}}", "[]", "update vm web networks.lan:present>"},
                {", depends_on: [db]", "", ""},
                {"web: {disk: 1G", "web: {disk: 2G", "update vm web disk.size:1G>2G"},
                {"web: {disk: 1G", "web: {disk: 1G, labels: {role: front}", ""},
                {"web: {disk: 1G", "web: {disk: 1G, cpus: 1", ""},
                {"web: {disk: 1G", "web: {disk: 1G, cpus: 2", "pending vm web cpus:1>2"},
                {"web: {disk: 1G", "web: {disk: 1G, cpus: {count: 1}", ""},
                {"memory: 1G", "memory: {size: 1G}", ""},
                {"memory: 1G", "memory: {size: 2G}", "pending vm web memory:1G>2G"},
                {"disks: [data]", "disks: []", "update vm db disks.data:present>"},
                {"{data: {size: 1G}}", "{data: {size: 2G}}", "update vm db disks.data.size:1G>2G"},
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

/* A VM that was told to end when drover was killed: that is gone through with, whatever it says of itself. */
static void
test_ending(void)
{
        struct plan_options start = {.goal = GOAL_START}, stop = {.goal = GOAL_STOP}, leave = {.goal = GOAL_LEAVE};
        struct bench bench;

        bench_init(&bench, two_vms);
        pretend_up(&bench, VM_RUNNING);
        ((struct vm_world *)world_vm(bench.world, "web"))->ending = TRUE;
        edit(&bench, two_vms);
        check_plan(&bench, &up, "restart vm web");
        check_plan(&bench, &start, "restart vm web");
        check_plan(&bench, &stop, "stop vm web\nstop vm db");
        check_plan(&bench, &leave, "");
        bench_clear(&bench);
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

/* The bridge has a new mtu at once, which network.c sees to; the guest was told the old one when its NIC was made. */
static void
test_mtu(void)
{
        g_autofree char *edited = NULL;
        g_auto(GStrv) parts = g_strsplit(two_vms, "10.0.0.0/24", 2);
        struct plan_options restart = up;
        struct bench bench;

        restart.restart = TRUE;
        edited = g_strjoinv("10.0.0.0/24, mtu: 9000", parts);
        bench_init(&bench, two_vms);
        pretend_up(&bench, VM_RUNNING);
        for (guint i = 0; i < 2; i++) {
                struct vm_world *vm = g_ptr_array_index(bench.world->vms, i);

                vm->mtus = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
                g_hash_table_insert(vm->mtus, g_strdup("nic-lan"), GUINT_TO_POINTER(i ? 9000 : 1500));
        }
        edit(&bench, two_vms);
        check_plan(&bench, &up, "pending vm db networks.lan.mtu:9000>1500");
        edit(&bench, edited);
        check_plan(&bench, &up, "pending vm web networks.lan.mtu:1500>9000");
        check_plan(&bench, &restart, "restart vm web networks.lan.mtu:1500>9000");
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

static const char watched[] = "name: lab\n"
                              "isolation: private\n"
                              "networks: {lan: {subnet: 10.0.0.0/24}}\n"
                              "vms:\n"
                              "  web: {networks: {lan: {ip: 10.0.0.10, mac: '02:00:00:00:00:0a', spoof_check: true}}}\n"
                              "  db: {hostname: data, "
                              "networks: {lan: {ip: 10.0.0.11, mac: '02:00:00:00:00:0b', aliases: [base]}}}\n";

/* What firewall and dnsmasq are told of the guests, as one text. */
static char *
told(struct bench *bench)
{
        g_autofree char *guard = NULL, *reservations = NULL, *names = NULL;

        resolve_again(bench);
        guard = guard_chains(&bench->resolved->lab);
        reservations = dnsmasq_reservations(&bench->resolved->lab);
        names = dnsmasq_names(&bench->resolved->lab);
        return g_strconcat(guard, reservations, names, NULL);
}

static void
edit_from(struct bench *bench, const char *from, const char *to)
{
        g_auto(GStrv) parts = g_strsplit(watched, from, 2);
        g_autofree char *edited = g_strjoinv(to, parts);

        g_assert_cmpstr(edited, !=, watched);
        edit(bench, edited);
}

/* What runs is served and guarded as it was started: without its VM in the file, and while another MAC waits. */
static void
test_what_runs(void)
{
        g_auto(GStrv) lines = g_strsplit(watched, "\n", -1);
        g_autofree char *before = NULL, *orphan = NULL, *pending = NULL, *stopped = NULL, *without = NULL;
        struct bench bench;

        bench_init(&bench, watched);
        pretend_up(&bench, VM_RUNNING);
        before = told(&bench);
        g_assert_nonnull(strstr(before, "ether saddr != 02:00:00:00:00:0a drop"));
        edit_from(&bench, lines[5], "");
        orphan = told(&bench);
        g_assert_cmpstr(orphan, ==, before);
        edit_from(&bench, lines[4], "");
        g_free(orphan);
        orphan = told(&bench); /* in another order */
        g_assert_nonnull(strstr(orphan, "\tchain from-"));
        g_assert_nonnull(strstr(orphan, "\n02:00:00:00:00:0a,10.0.0.10,web\n"));
        edit_from(&bench, "00:0a", "00:0c");
        pending = told(&bench);
        g_assert_cmpstr(pending, ==, before);
        ((struct vm_world *)g_ptr_array_index(bench.world->vms, 0))->status = VM_STOPPED;
        stopped = told(&bench);
        g_assert_nonnull(strstr(stopped, "ether saddr != 02:00:00:00:00:0c drop"));
        edit_from(&bench, lines[5], "  new: {networks: {lan: {ip: 10.0.0.11, spoof_check: true}}}");
        without = told(&bench); /* db runs on, but the address is another's */
        g_assert_null(strstr(without, "10.0.0.11,data"));
        bench_clear(&bench);
}

/* A VM that left the file keeps its published ports while it runs, unless the file gives them to another. */
static void
test_ports_of_orphan(void)
{
        static const char both[] = "name: lab\nisolation: private\nnetworks: {lan: {subnet: 10.0.0.0/24}}\nvms:\n"
                                   "  web: {networks: {lan: {ip: 10.0.0.10}}, ports: ['8080:80']}\n"
                                   "  db: {networks: {lan: {ip: 10.0.0.11}}, ports: ['5432:5432']}\n";
        static const char one[] = "name: lab\nisolation: private\nnetworks: {lan: {subnet: 10.0.0.0/24}}\nvms:\n"
                                  "  db: {networks: {lan: {ip: 10.0.0.11}}, ports: ['5432:5432']}\n";
        static const char taken[] = "name: lab\nisolation: private\nnetworks: {lan: {subnet: 10.0.0.0/24}}\nvms:\n"
                                    "  db: {networks: {lan: {ip: 10.0.0.11}}, ports: ['5432:5432', '8080:80']}\n";
        struct plan_options remove = up;
        struct bench bench;

        remove.remove_orphans = TRUE;
        bench_init(&bench, both);
        pretend_up(&bench, VM_RUNNING);
        edit(&bench, one);
        check_plan(&bench, &up, "orphan vm web");
        check_plan(&bench, &remove, "update ports 0.0.0.0:8080/tcp:10.0.0.10:80>\nremove vm web");
        edit(&bench, taken);
        check_plan(&bench, &up, "update ports 0.0.0.0:8080/tcp:10.0.0.10:80>10.0.0.11:80\norphan vm web");
        bench_clear(&bench);
}

/* Addresses that are still leased: to a guest that has not heard of its new one, and to a MAC that is no more. */
static void
test_leases(void)
{
        struct lease leases[] = {{.ip = 0x0a00000a, .mac = {{2, 0, 0, 0, 0, 0x0a}}},
                                 {.ip = 0x0a00000b, .mac = {{2, 0, 0, 0, 0, 9}}}};
        g_autofree char *text = NULL, *ended = NULL;
        struct bench bench;

        bench_init(&bench, watched);
        pretend_up(&bench, VM_RUNNING);
        bench.world->leases = g_array_new(FALSE, TRUE, sizeof(struct lease));
        g_array_append_vals(bench.world->leases, leases, G_N_ELEMENTS(leases));
        edit_from(&bench, "ip: 10.0.0.10", "ip: 10.0.0.20");
        text = told(&bench);
        g_assert_nonnull(strstr(text, "\t\tip saddr != 10.0.0.20 ip saddr != 10.0.0.10 drop\n"));
        g_assert_nonnull(strstr(text, "arp saddr ip != 0.0.0.0 arp saddr ip != 10.0.0.20 arp saddr ip != 10.0.0.10 drop\n"));
        g_assert_nonnull(strstr(text, "\n02:00:00:00:00:0b,02:00:00:00:00:09,10.0.0.11,data\n"));
        g_array_index(bench.world->leases, struct lease, 1).ended = TRUE;
        ended = told(&bench);
        g_assert_null(strstr(ended, "00:09"));
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
                {VM_STARTING, "continue vm db\ncontinue vm web"},
                {VM_PAUSED, "continue vm db state:paused>running\ncontinue vm web state:paused>running"},
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
        g_assert_null(make_plan(&bench, &options, &error));
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

/* The VM that an orphan is taken for, or NULL. */
static const char *
new_name_of(const struct plan *plan, const char *orphan)
{
        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);

                if (step->kind == KIND_VM && g_strcmp0(step->name, orphan) == 0)
                        return step->renamed_to;
        }
        return NULL;
}

static void
test_probable_renames(void)
{
        static const struct {
                const char *from, *to, *orphan, *now;
        } edits[] = {
                {"  web: {disk", "  www: {disk", "web", "www"},
                {"  web: {disk: 1G, memory: 1G", "  www: {disk: 1G, memory: 2G", "web", "www"}, /* and edited */
                {"  web: {disk: 1G, memory: 1G, networks: {lan: {ip: 10.0.0.10}}", "  other: {disk: 9G, cpus: 4", "web", NULL},
                {"  web: {disk", "  www: {memory: 1G}\n  web: {disk", "web", NULL}, /* it is no orphan */
                {"depends_on: [db]}\n  db: {disk", "depends_on: [db]}\n  db: {replicas: 2, disk", "db", "db-1"},
                {"  web: {disk: 1G, memory: 1G, networks: {lan: {ip: 10.0.0.10}}",
                 "  a: {disk: 1G, memory: 1G, networks: [lan], depends_on: [db]}\n"
                 "  b: {disk: 1G, memory: 1G, networks: [lan]", "web", NULL}, /* two alike */
        };

        for (size_t i = 0; i < G_N_ELEMENTS(edits); i++) {
                g_auto(GStrv) parts = g_strsplit(two_vms, edits[i].from, 2);
                g_autofree char *text = g_strjoinv(edits[i].to, parts);
                g_autoptr(plan_t) plan = NULL;
                GError *error = NULL;
                struct bench bench;

                bench_init(&bench, two_vms);
                pretend_up(&bench, VM_RUNNING);
                edit(&bench, text);
                plan = make_plan(&bench, &up, &error);
                g_assert_no_error(error);
                g_assert_cmpstr(new_name_of(plan, edits[i].orphan), ==, edits[i].now);
                bench_clear(&bench);
        }
}

static char *
join(GPtrArray *names)
{
        g_ptr_array_add(names, NULL);
        return g_strjoinv(" ", (char **)names->pdata);
}

/* A warning of the cost; it has to begin as is expected. */
static gboolean
is_about_cost(const char *note, const char *expected)
{
        if (!g_str_has_prefix(note, "it may take ") && !g_str_has_prefix(note, "its disks may grow "))
                return FALSE;
        g_assert_nonnull(expected);
        g_assert_true(g_str_has_prefix(note, expected));
        return TRUE;
}

static void
test_cost(void)
{
        static const struct {
                const char *from, *to, *restarts, *cut_links;
                guint64 memory, disk; /* MiB */
                const char *note;
        } edits[] = {
                {"", "", "", "", 0, 0, NULL},
                {"memory: 1G", "memory: 3G", "web", "", 2048, 0, "it may take 2.0 GiB of memory more"},
                {"{lan: {ip: 10.0.0.10}}", "[]", "", "web/lan", 0, 0, NULL},
                {"{lan: {ip: 10.0.0.10}}", "{lan: {ip: 10.0.0.10, link: down}}", "", "web/lan", 0, 0, NULL},
                {"ip: 10.0.0.10", "ip: 10.0.0.11", "", "", 0, 0, NULL},
                {"web: {disk: 1G", "web: {disk: 4G", "", "", 0, 3072, "its disks may grow by 3.0 GiB, and there are 2.0 GiB"},
                {"  db: {", "  new: {disk: 512M, memory: 256M}\n  db: {", "", "", 256, 512, NULL},
        };
        struct plan_options restart = up;

        restart.restart = TRUE;
        for (size_t i = 0; i < G_N_ELEMENTS(edits); i++) {
                g_auto(GStrv) parts = g_strsplit(two_vms, *edits[i].from ? edits[i].from : "\n\n", 2);
                g_autofree char *text = g_strjoinv(edits[i].to, parts), *restarts = NULL, *cut = NULL;
                g_autoptr(plan_t) plan = NULL;
                GError *error = NULL;
                struct bench bench;
                guint told = 0;

                bench_init(&bench, two_vms);
                pretend_up(&bench, VM_RUNNING);
                edit(&bench, text);
                bench.world->state->exists = TRUE;
                bench.world->state->isolation = ISOLATION_PRIVATE;
                bench.world->memory_available = (guint64)1 << 30;
                bench.world->disk_free = (guint64)2 << 30;
                plan = make_plan(&bench, &restart, &error);
                g_assert_no_error(error);
                restarts = join(plan->restarts);
                cut = join(plan->cut_links);
                g_assert_cmpstr(restarts, ==, edits[i].restarts);
                g_assert_cmpstr(cut, ==, edits[i].cut_links);
                g_assert_cmpuint(plan->memory_needed, ==, edits[i].memory << 20);
                g_assert_cmpuint(plan->disk_needed, ==, edits[i].disk << 20);
                for (guint n = 0; n < plan->notes->len; n++)
                        told += is_about_cost(g_ptr_array_index(plan->notes, n), edits[i].note);
                g_assert_cmpuint(told, ==, edits[i].note != NULL);
                bench_clear(&bench);
        }
}

/* What is taken when disks are made has to be there; what they may take one day is a note. */
static void
test_room(void)
{
        static const char *const disks[] = {"{size: 3G}", "{size: 3G, preallocation: metadata}",
                                            "{size: 3G, preallocation: falloc}",
                                            "{size: 3G, format: raw, preallocation: full}"};

        for (size_t i = 0; i < G_N_ELEMENTS(disks); i++) {
                g_autofree char *text = g_strdup_printf(
                        "name: lab\nisolation: private\nvms:\n  one: {networks: [], disk: %s}\n", disks[i]);
                g_autoptr(plan_t) plan = NULL;
                g_autofree char *found = NULL;
                GError *error = NULL;
                struct bench bench;

                bench_init(&bench, text);
                resolve_again(&bench);
                bench.world->disk_free = (guint64)2 << 30;
                plan = make_plan(&bench, &up, &error);
                found = format_faults(&bench);
                if (i < 2) {
                        g_assert_no_error(error);
                } else {
                        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_BUSY);
                        g_assert_nonnull(strstr(found, "disk 'root' and others like it take 3.0 GiB when they are made, and "
                                                       "there are 2.0 GiB free"));
                }
                g_clear_error(&error);
                bench_clear(&bench);
        }
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
test_isolation_changed(void)
{
        struct bench bench;
        g_autoptr(GError) error = NULL;

        bench_init(&bench, two_vms);
        pretend_up(&bench, VM_RUNNING);
        bench.world->state->exists = TRUE;
        bench.world->state->isolation = ISOLATION_HOST;
        g_assert_null(make_plan(&bench, &up, &error));
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
        g_test_add_func("/plan/ending", test_ending);
        g_test_add_func("/plan/restart", test_restart);
        g_test_add_func("/plan/mtu", test_mtu);
        g_test_add_func("/plan/new-default", test_new_default);
        g_test_add_func("/plan/what-runs", test_what_runs);
        g_test_add_func("/plan/leases", test_leases);
        g_test_add_func("/plan/ports-of-orphan", test_ports_of_orphan);
        g_test_add_func("/plan/states", test_states);
        g_test_add_func("/plan/names-and-order", test_names_and_order);
        g_test_add_func("/plan/unknown-name", test_unknown_name);
        g_test_add_func("/plan/orphans", test_orphans);
        g_test_add_func("/plan/probable-renames", test_probable_renames);
        g_test_add_func("/plan/cost", test_cost);
        g_test_add_func("/plan/room", test_room);
        g_test_add_func("/plan/down", test_down);
        g_test_add_func("/plan/fresh-disks", test_fresh_disks);
        g_test_add_func("/plan/isolation-changed", test_isolation_changed);
        return g_test_run();
}
