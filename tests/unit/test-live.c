/* test-live.c - what QEMU says that it has, what of it is drift, and how an applied wish takes over what was changed */
#include "tests/unit/plan-bench.h"

static const char lab[] = "name: lab\n"
                          "isolation: private\n"
                          "networks: {lan: {subnet: 10.0.0.0/24}, dmz: {subnet: 10.0.1.0/24}}\n"
                          "disks: {data: 1G}\n"
                          "vms:\n"
                          "  web: {disk: 1G, networks: {lan: {ip: 10.0.0.10}}, disks: [{name: a, size: 1G}, data]}\n";

static const char devices[] =
        "[{\"name\": \"type\", \"type\": \"string\"}, {\"name\": \"port0\", \"type\": \"child<pcie-root-port>\"},"
        " {\"name\": \"nic-lan\", \"type\": \"child<virtio-net-pci>\"}, {\"name\": \"disk-root\", \"type\": \"child<x>\"},"
        " {\"name\": \"disk-a\", \"type\": \"child<virtio-blk-pci>\"}, {\"name\": \"disk-data\", \"type\": \"child\"},"
        " {\"name\": 7}, \"x\"]";
static const char blocks[] =
        "[{\"device\": \"\", \"qdev\": \"/machine/peripheral/disk-a/virtio-backend\","
        "  \"inserted\": {\"image\": {\"virtual-size\": 1073741824}}},"
        " {\"qdev\": \"disk-cd\"}, {\"qdev\": \"/machine/unattached/device[1]\"}, {\"device\": \"x\"}, 7]";

static struct actual *
parse(const char *first, const char *second)
{
        g_autoptr(json_t) one = first ? json_loads(first, 0, NULL) : NULL;
        g_autoptr(json_t) two = json_loads(second, 0, NULL);
        json_t *answers[ACTUAL_ANSWERS] = {one, two}; /* and no others: none of them is needed */

        return actual_parse(answers);
}

static void
test_actual(void)
{
        g_autoptr(actual_t) actual = parse(devices, blocks);

        g_assert_null(parse(NULL, blocks));
        g_assert_true(actual_has(actual, "nic-lan"));
        g_assert_true(actual_has(actual, "port0"));
        g_assert_false(actual_has(actual, "type"));
        g_assert_false(actual_has(actual, "disk-data")); /* its type is none */
        g_assert_cmpuint(actual_block(actual, "disk-a")->size_bytes, ==, 1 << 30);
        g_assert_cmpuint(actual_block(actual, "disk-cd")->size_bytes, ==, 0);
        g_assert_null(actual_block(actual, "device[1]"));
}

/* "networks.lan:>present drift" ... */
static char *
changes_of(struct bench *bench)
{
        g_autoptr(GPtrArray) changes = NULL;
        GString *text = g_string_new(NULL);

        resolve_again(bench);
        changes = plan_vm_changes(bench->world, &bench->resolved->vms[0]);
        for (guint i = 0; i < changes->len; i++) {
                const struct plan_change *change = g_ptr_array_index(changes, i);

                g_string_append_printf(text, "%s%s:%s>%s %s%s", i ? ", " : "", change->key, change->from ? change->from : "",
                                       change->to ? change->to : "", key_change_name(change->how),
                                       change->drift ? " drift" : "");
        }
        return g_string_free(text, FALSE);
}

static struct vm_world *
run(struct bench *bench, const char *text)
{
        struct vm_world *vm;

        bench_init(bench, text);
        pretend_up(bench, VM_RUNNING);
        vm = g_ptr_array_index(bench->world->vms, 0);
        vm->actual = parse("[]", "[]");
        for (guint i = 0; i < 12; i++)
                g_hash_table_insert(vm->actual->devices, g_strdup_printf("port%u", i), g_strdup("pcie-root-port"));
        for (const char *const *id = (const char *const[]){"nic-lan", "disk-root", "disk-a", "disk-data", NULL}; *id; id++)
                g_hash_table_insert(vm->actual->devices, g_strdup(*id), g_strdup("x"));
        return vm;
}

static void
check_changes(struct bench *bench, const char *expected)
{
        g_autofree char *text = changes_of(bench);

        g_assert_cmpstr(text, ==, expected);
}

static void
test_drift(void)
{
        struct actual_block small = {512 << 20};
        struct bench bench;
        struct vm_world *vm = run(&bench, lab);

        check_changes(&bench, "");
        g_hash_table_remove(vm->actual->devices, "nic-lan");
        g_hash_table_remove(vm->actual->devices, "disk-data");
        check_changes(&bench, "networks.lan:>present live drift, disks.data:>present live drift");
        g_hash_table_insert(vm->actual->blocks, g_strdup("disk-a"), g_memdup2(&small, sizeof small));
        g_hash_table_insert(vm->spec->ports, g_strdup("nic-old"), GUINT_TO_POINTER(9));
        g_hash_table_insert(vm->actual->devices, g_strdup("nic-old"), g_strdup("x"));
        g_hash_table_insert(vm->actual->devices, g_strdup("nic-of-somebody"), g_strdup("x"));
        check_changes(&bench, "disks.a.size:512M>1G live drift, networks.lan:>present live drift, "
                              "disks.data:>present live drift, networks.old:present> live drift");
        actual_free(g_steal_pointer(&vm->actual));
        check_changes(&bench, ""); /* nobody asked */
        bench_clear(&bench);
}

/* vCPUs, memory, limits and a disc that were changed with a monitor. */
static void
test_drift_of_amounts(void)
{
        static const char text[] = "name: lab\nisolation: private\nvms:\n  web: {cpus: {count: 2, max: 4}, networks: [],"
                                   " memory: {size: 512M, max: 1G}, disks: [{name: cd, file: /x.iso, media: cdrom}]}\n";
        struct actual_block no_disc = {0}, other = {.size_bytes = 2048}, ours = {.size_bytes = 2048, .is_ours = TRUE};
        struct bench bench;
        struct vm_world *vm = run(&bench, text);

        g_hash_table_insert(vm->actual->blocks, g_strdup("disk-cd"), g_memdup2(&ours, sizeof ours));
        vm->actual->cpus = 2;
        vm->actual->memory_bytes = G_GUINT64_CONSTANT(1) << 30;
        vm->actual->balloon_bytes = 512 << 20;
        check_changes(&bench, "");
        vm->actual->cpus = 1;
        vm->actual->balloon_bytes = 256 << 20;
        g_hash_table_insert(vm->actual->blocks, g_strdup("disk-cd"), g_memdup2(&other, sizeof other));
        check_changes(&bench, "memory:256M>512M live drift, cpus:1>2 live drift, disks.cd.file:another disc>/x.iso live drift");
        vm->actual->cpus = 3;
        vm->actual->balloon_bytes = 0;
        g_hash_table_insert(vm->actual->blocks, g_strdup("disk-cd"), g_memdup2(&no_disc, sizeof no_disc));
        check_changes(&bench, "cpus:3>2 restart drift, disks.cd.file:no disc>/x.iso live drift");
        spec_refuse(vm->spec, "disk-cd");
        check_changes(&bench, "cpus:3>2 restart drift, disks.cd.file:no disc>/x.iso restart drift");
        bench_clear(&bench);
}

/* What has no port, what a guest keeps, and a drive wait. */
static void
test_classes(void)
{
        g_autofree char *text = NULL;
        g_auto(GStrv) parts = g_strsplit(lab, "{name: a, size: 1G}, data", 2);
        struct bench bench;
        struct vm_world *vm = run(&bench, lab);

        text = g_strjoinv("{name: b, size: 1G}, {name: cd, file: /x.iso, media: cdrom}", parts);
        spec_refuse(vm->spec, "disk-data");
        edit(&bench, text);
        check_changes(&bench, "disks.a:present> live, disks.data:present> restart, disks.b:>present live, "
                              "disks.cd:>present restart");
        g_hash_table_remove(vm->actual->devices, "port4");
        check_changes(&bench, "disks.a:present> live, disks.data:present> restart, disks.b:>present restart, "
                              "disks.cd:>present restart");
        spec_forget_device(vm->spec, "disk-data");
        check_changes(&bench, "disks.a:present> live, disks.data:present> live, disks.b:>present live, "
                              "disks.cd:>present restart"); /* at the port that is free now */
        bench_clear(&bench);
}

/* Each change alone, and in any order all of them, lead to the wanted wish; what was not taken still differs. */
static void
test_take(void)
{
        static const char other[] =
                "name: lab\nisolation: private\n"
                "networks: {lan: {subnet: 10.0.0.0/24}, dmz: {subnet: 10.0.1.0/24}}\n"
                "disks: {data: 1G}\n"
                "vms:\n"
                "  web: {disk: 2G, memory: 1G, networks: {dmz: {}}, disks: [{name: b, size: 1G}, {name: a, size: 3G}]}\n";
        static const char all[] = "disk.size:1G>2G live, memory:512M>1G restart, networks.lan:present> live, "
                                  "networks.dmz:>present live, disks.a.size:1G>3G live, disks.data:present> live, "
                                  "disks.b:>present live";
        static const char *const keys[] = {"disks.b", "networks.lan", "disks.data", "disks.a.size", "networks.dmz",
                                           "disk.size"};
        struct bench bench;
        struct vm_world *vm = run(&bench, lab);

        edit(&bench, other);
        check_changes(&bench, all);
        plan_take_change(vm->spec, bench.resolved->vms[0].spec, keys[0]);
        plan_take_change(vm->spec, bench.resolved->vms[0].spec, keys[1]);
        spec_forget_device(vm->spec, "nic-lan"); /* as the step does that takes it out */
        check_changes(&bench, "disk.size:1G>2G live, memory:512M>1G restart, networks.dmz:>present live, "
                              "disks.a.size:1G>3G live, disks.data:present> live");
        for (size_t i = 2; i < G_N_ELEMENTS(keys); i++)
                plan_take_change(vm->spec, bench.resolved->vms[0].spec, keys[i]);
        spec_forget_device(vm->spec, "disk-data");
        check_changes(&bench, "memory:512M>1G restart");
        g_assert_cmpuint(json_array_size(json_object_get(vm->spec->set, "disks")), ==, 2);
        bench_clear(&bench);
}

int
main(int argc, char **argv)
{
        g_setenv("DROVER_DATA_DIR", "/var/lib/drover", TRUE);
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/live/actual", test_actual);
        g_test_add_func("/live/drift", test_drift);
        g_test_add_func("/live/drift-of-amounts", test_drift_of_amounts);
        g_test_add_func("/live/classes", test_classes);
        g_test_add_func("/live/take", test_take);
        return g_test_run();
}
