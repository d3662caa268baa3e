/* check-guest.c - what a VM is given and how it is looked after: vCPUs, huge pages, display, devices, health, dependencies */
#include "parser/check/check.h"

#include "parser/keys/keys.h"
#include "parser/value/value.h"

#include <string.h>

static const guint64 small_hugepage_bytes = G_GUINT64_CONSTANT(2) << 20, large_hugepage_bytes = G_GUINT64_CONSTANT(1) << 30;

struct guests {
        const struct check *check;
        GHashTable *listeners; /* "127.0.0.1:5901" -> struct vm * */
        GHashTable *devices;   /* "0000:01:00.0" -> struct vm * */
};

/* The place of a part of a value's long form: `cpus: {max: 8}`. */
static struct place
part_place(const struct vm *vm, const char *key, const char *part)
{
        const struct node *node = node_get(node_get(vm->node, key), part);

        return node ? node->place : project_place(vm->node, key);
}

/* ---- vCPUs and memory ---- */

static void
check_limits(const struct check *check, const struct vm *vm)
{
        g_autofree char *memory = NULL, *max = NULL;

        if (vm->cpus_max && vm->cpus_max < vm->cpus)
                check_fault(check, "cpus-max-small", part_place(vm, "cpus", "max"), NULL,
                            "max of cpus of vm '%s': %u is less than the %u at start", vm->name, vm->cpus_max, vm->cpus);
        if (!vm->memory_max_bytes || vm->memory_max_bytes >= vm->memory_bytes)
                return;
        memory = value_format_size(vm->memory_bytes);
        max = value_format_size(vm->memory_max_bytes);
        check_fault(check, "memory-max-small", part_place(vm, "memory", "max"), NULL,
                    "max of memory of vm '%s': %s is less than the %s at start", vm->name, max, memory);
}

/* What is not written is 1, but for the cores, which are then what is left. */
static void
check_topology(const struct check *check, const struct vm *vm)
{
        const struct cpu *cpu = vm->cpu;
        guint64 total = vm->cpus_max ? vm->cpus_max : vm->cpus;
        guint64 sockets = MAX(cpu->sockets, 1), threads = MAX(cpu->threads, 1), product = sockets * threads;
        g_autofree char *hint = NULL;

        if (!cpu->sockets && !cpu->cores && !cpu->threads)
                return;
        if (cpu->cores)
                product *= cpu->cores;
        if (cpu->cores ? product == total : total % product == 0)
                return;
        if (cpu->cores) {
                hint = g_strdup_printf("write 'cpus: %" G_GUINT64_FORMAT "', or other numbers here", product);
                check_fault(check, "topology", project_place(vm->node, "cpu"), hint,
                            "cpu of vm '%s': %" G_GUINT64_FORMAT " sockets, times %u cores, times %" G_GUINT64_FORMAT
                            " threads, is %" G_GUINT64_FORMAT ", but the VM has %" G_GUINT64_FORMAT " vCPUs",
                            vm->name, sockets, cpu->cores, threads, product, total);
        } else {
                check_fault(check, "topology-rest", project_place(vm->node, "cpu"), NULL,
                            "cpu of vm '%s': %" G_GUINT64_FORMAT " vCPUs are not a multiple of sockets (%" G_GUINT64_FORMAT
                            ") times threads (%" G_GUINT64_FORMAT ")",
                            vm->name, total, sockets, threads);
        }
}

/* The index of the first number that stands in the list before; or -1. */
static int
find_twice(const struct count_list *list)
{
        g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

        for (guint i = 0; i < list->count; i++)
                if (!g_hash_table_add(seen, GUINT_TO_POINTER(list->items[i])))
                        return (int)i;
        return -1;
}

static struct place
item_place(const struct node *object, const char *key, int index)
{
        const struct node *list = node_get(object, key);

        return list && list->kind == NODE_LIST && (guint)index < list->count ? list->items[index]->place
                                                                             : project_place(object, key);
}

static void
check_cpu(const struct check *check, const struct vm *vm)
{
        int twice;

        if (!vm->cpu)
                return;
        check_topology(check, vm);
        twice = find_twice(&vm->cpu->pin);
        if (twice >= 0)
                check_fault(check, "pin-twice", item_place(vm->cpu->node, "pin", twice), "remove one of the two",
                            "pin of cpu of vm '%s': %u is in the list twice", vm->name, vm->cpu->pin.items[twice]);
}

static void
check_hugepages(const struct check *check, const struct vm *vm, const struct memory_backing *backing)
{
        guint64 page = backing->hugepage_bytes;
        struct place place = project_place(backing->node, "hugepages");
        g_autofree char *size = value_format_size(page), *memory = value_format_size(vm->memory_bytes);

        if (!page)
                return;
        if (page != small_hugepage_bytes && page != large_hugepage_bytes)
                check_fault(check, "hugepages-size", place, "write 2M or 1G",
                            "hugepages of memory_backing of vm '%s': this machine has no pages of %s", vm->name, size);
        else if (vm->memory_bytes % page)
                check_fault(check, "hugepages-memory", place, NULL,
                            "hugepages of memory_backing of vm '%s': its memory, %s, is not a multiple of %s", vm->name, memory,
                            size);
}

static void
check_memory_backing(const struct check *check, const struct vm *vm)
{
        const struct memory_backing *backing = vm->memory_backing;
        int twice;

        if (!backing)
                return;
        check_hugepages(check, vm, backing);
        twice = find_twice(&backing->numa);
        if (twice >= 0)
                check_fault(check, "numa-twice", item_place(backing->node, "numa", twice), "remove one of the two",
                            "numa of memory_backing of vm '%s': %u is in the list twice", vm->name, backing->numa.items[twice]);
}

/* ---- display and devices ---- */

static gboolean
is_loopback(const struct host_address *address)
{
        return address->family == AF_INET ? address->v4 >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(&address->v6);
}

/* Who listens on this address already, after @vm is noted there. */
static const struct vm *
note_listener(const struct guests *guests, const struct vm *vm)
{
        g_autofree char *text = value_format_endpoint(&vm->display_listen);
        const struct vm *other = g_hash_table_lookup(guests->listeners, text);

        if (!other)
                g_hash_table_insert(guests->listeners, g_steal_pointer(&text), (gpointer)vm);
        return other;
}

static void
check_display(const struct guests *guests, const struct vm *vm)
{
        static const char *const parts[] = {"listen", "password_file", NULL};
        const struct node *node;
        struct place place;
        const struct vm *other;

        if (!vm->display_listen.address.family && !vm->display_listen.port && !vm->display_password_file)
                return;
        node = node_get(vm->node, "display");
        place = part_place(vm, "display", "listen");
        for (const char *const *part = parts; *part && vm->display == DISPLAY_NONE; part++)
                if (project_is_set(node, *part))
                        check_fault(guests->check, "display-none", part_place(vm, "display", *part), "write 'type: vnc' too",
                                    "%s of display of vm '%s' has no effect without a display", *part, vm->name);
        if (!vm->display_listen.address.family || vm->display == DISPLAY_NONE)
                return;
        if (!project_is_set(node, "password_file") && !is_loopback(&vm->display_listen.address))
                diagnostics_add(guests->check->diagnostics, SEVERITY_WARNING, "display-open", place,
                                "write a 'password_file', or listen on 127.0.0.1",
                                "listen of display of vm '%s': whoever reaches this address has keyboard and screen", vm->name);
        other = vm->display_listen.port ? note_listener(guests, vm) : NULL;
        if (other)
                check_fault(guests->check, "listen-twice", place, NULL,
                            "listen of display of vm '%s': vm '%s' has it in line %u", vm->name, other->name,
                            part_place(other, "display", "listen").line);
}

static void
check_device(const struct guests *guests, const struct vm *vm, const struct device *device)
{
        gboolean pci = project_is_set(device->node, "pci"), usb = project_is_set(device->node, "usb");
        g_autofree char *text = device->pci.set   ? value_format_pci(&device->pci)
                                : device->usb.set ? value_format_usb(&device->usb)
                                                  : NULL;
        const struct vm *other;

        if (!device->node)
                return; /* a fault by itself */
        if (pci && usb)
                check_fault(guests->check, "device-two-kinds", project_place(device->node, "usb"), "write two items",
                            "device of vm '%s': it is either 'pci' or 'usb'", vm->name);
        if (!pci && !usb)
                check_fault(guests->check, "device-none", device->node->place, "write {usb: \"046d:c52b\"}, say",
                            "device of vm '%s' says neither 'pci' nor 'usb'", vm->name);
        other = text ? g_hash_table_lookup(guests->devices, text) : NULL;
        if (other == vm)
                check_fault(guests->check, "device-twice", device->node->place, "remove one of the two",
                            "devices of vm '%s': '%s' is in the list twice", vm->name, text);
        else if (other)
                check_fault(guests->check, "device-taken", device->node->place, "a device belongs to one VM alone",
                            "devices of vm '%s': vm '%s' has the device '%s' already", vm->name, other->name, text);
        else if (text)
                g_hash_table_insert(guests->devices, g_steal_pointer(&text), (gpointer)vm);
}

/* ---- health and dependencies ---- */

static void
check_health(const struct check *check, const struct vm *vm)
{
        static const char *const kinds[] = {"tcp", "ping", "console", "agent", "test"};
        const struct healthcheck *health = vm->healthcheck;
        const char *first = NULL;

        if (!health)
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                gboolean is_off =
                        (strcmp(kinds[i], "ping") == 0 && !health->ping) || (strcmp(kinds[i], "agent") == 0 && !health->agent);

                if (!project_is_set(health->node, kinds[i]) || is_off)
                        continue;
                if (first)
                        check_fault(check, "health-two-kinds", project_place(health->node, kinds[i]),
                                    check_is_merged(health->node, first, health->node, kinds[i])
                                            ? "'healthcheck: !override {...}' takes the place of what it would be merged with"
                                            : "remove one of the two",
                                    "healthcheck of vm '%s': it has '%s' already, and '%s' is another kind", vm->name, first,
                                    kinds[i]);
                else
                        first = kinds[i];
        }
        if (!first && health->node && !check_has_unknown(health->node, &keys_healthcheck))
                check_fault(check, "health-no-kind", project_place(vm->node, "healthcheck"), "write 'tcp: 22', say",
                            "healthcheck of vm '%s' needs one of tcp, ping, console, agent and test", vm->name);
}

static void
check_conditions(const struct check *check, const struct vm *vm)
{
        for (guint i = 0; i < vm->dependency_count; i++) {
                const struct dependency *dependency = &vm->dependencies[i];
                const struct vm *other =
                        dependency->index != G_MAXUINT ? &check->project->declared_vms[dependency->index] : NULL;
                struct place place = project_place(dependency->node, "condition");

                if (!other)
                        continue;
                if (dependency->condition == CONDITION_HEALTHY && !project_is_set(other->node, "healthcheck"))
                        check_fault(check, "healthy-without-healthcheck", place,
                                    "give it one, such as 'healthcheck: {tcp: 22}'",
                                    "condition of dependency '%s' of vm '%s': vm '%s' has no healthcheck", other->name,
                                    vm->name, other->name);
                if (dependency->condition == CONDITION_COMPLETED &&
                    (other->restart.policy == RESTART_ALWAYS || other->restart.policy == RESTART_UNLESS_STOPPED))
                        check_fault(check, "completed-but-restarted", place, "write 'restart: no' there, or 'on-failure'",
                                    "condition of dependency '%s' of vm '%s': vm '%s' is started again whenever it ends",
                                    other->name, vm->name, other->name);
        }
}

void
check_guests(const struct check *check)
{
        g_autoptr(GHashTable) listeners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GHashTable) devices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        const struct guests guests = {check, listeners, devices};

        for (guint i = 0; i < check->project->vm_count; i++) {
                const struct vm *vm = &check->project->vms[i];

                check_limits(check, vm);
                check_cpu(check, vm);
                check_memory_backing(check, vm);
                check_display(&guests, vm);
                for (guint j = 0; j < vm->device_count; j++)
                        check_device(&guests, vm, &vm->devices[j]);
                check_health(check, vm);
                check_conditions(check, vm);
        }
}
