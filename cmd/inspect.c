/* inspect.c - drover inspect: everything about a VM, network or disk, observed and wished side by side */
#include "cmd/address.h"
#include "cmd/operate.h"
#include "cmd/show.h"

#include "base/error.h"
#include "runtime/supervisor/health.h"
#include "base/text.h"
#include "parser/value/value.h"
#include "runtime/vm/vm.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct inspect_options {
        char *format;
};

/** struct object - What is inspected */
struct object {
        const char *kind; /* "vm", "network", "disk" */
        const char *name;
        json_t *wished;   /* what the file says; NULL: it is not in the file */
        json_t *applied;  /* a VM: what it was last started with; or NULL */
        json_t *observed; /* what is here */
        GPtrArray *pending; /* a VM: struct plan_change *; or NULL */
};

static json_t *
disks_to_json(const struct session *session, const struct resolved_vm *resolved)
{
        json_t *list = json_array();

        for (guint i = 0; resolved && i < resolved->launch.disk_count; i++) {
                const struct launch_disk *disk = &resolved->launch.disks[i];
                json_t *item = json_object();

                json_set_text(item, "name", disk->disk->name);
                json_set_text(item, "path", disk->path);
                json_set_text(item, "format", disk->format);
                json_set_text(item, "backing_path", disk->backing_path);
                json_set(item, "exists",
                         json_boolean(disk_in_place(disk->disk) || g_hash_table_contains(session->world->files, disk->path)));
                json_array_append_new(list, item);
        }
        return list;
}

static void
inspect_living(json_t *observed, const struct session *session, const struct vm_world *vm)
{
        gint64 since = vm_started(vm);
        g_autofree char *started = since ? when_rfc3339(since) : NULL;
        g_autofree char *run = paths_vm_run(session->world->paths, vm->name);

        json_set(observed, "pid", vm->pid ? json_integer(vm->pid) : NULL);
        json_set_text(observed, "started", started);
        if (since)
                json_set(observed, "uptime_seconds", json_integer(MAX(time(NULL) - since, 0)));
        json_set_text(observed, "acceleration", vm->spec && vm->spec->kvm ? "kvm" : "tcg");
        json_set_text(observed, "run_directory", run);
}

static void
inspect_health(json_t *observed, const struct session *session, const struct vm_world *vm)
{
        g_auto(health_t) health = {0};
        json_t *object;

        if (vm->spec)
                health_look(session->world->paths, vm->name, vm->spec->wish, vm->pid, &health);
        if (health.state == HEALTH_NONE)
                return;
        object = json_object();
        json_set_text(object, "state", health_name(health.state));
        json_set(object, "failures", json_integer(health.failures));
        json_set_text(object, "reason", health.reason);
        json_set(observed, "health", object);
}

static void
inspect_vm(struct object *object, const struct session *session, const char *name)
{
        const struct vm *wish = project_find_vm(session->project, name);
        const struct vm_world *vm = world_vm(session->world, name);
        const struct resolved_vm *resolved =
                wish && session->resolved ? &session->resolved->vms[wish - session->project->vms] : NULL;
        g_autoptr(address_book_t) book = address_book_new(session);
        g_autoptr(GArray) addresses = address_book_find(book, vm);
        g_autofree char *data = paths_vm_data(session->world->paths, name);

        object->kind = "vm";
        object->wished = wish ? keys_encode(&keys_vm, wish, TRUE) : NULL;
        object->applied = vm->spec && vm->spec->wish ? json_incref(vm->spec->wish) : NULL;
        json_set_text(object->observed, "state", vm->error ? "unreadable" : vm_status_name(vm->status));
        json_set_text(object->observed, "detail", vm->error ? vm->error->message : vm->detail);
        if (vm_is_alive(vm)) {
                inspect_living(object->observed, session, vm);
                inspect_health(object->observed, session, vm);
        }
        if (vm->spec) {
                json_set_text(object->observed, "uuid", vm->spec->uuid);
                json_set_text(object->observed, "machine", vm->spec->machine);
        }
        json_set_text(object->observed, "data_directory", data);
        json_set(object->observed, "addresses", address_to_json(addresses));
        json_set(object->observed, "disks", disks_to_json(session, resolved));
        if (resolved && resolved->faults)
                json_set_text(object->observed, "problem", fault_text(resolved->faults));
        object->pending = show_find_pending(session, vm);
}

static json_t *
ports_to_json(const struct links *links, int bridge)
{
        json_t *list = json_array();

        for (guint i = 0; i < links->links->len; i++) {
                const struct link *link = &g_array_index(links->links, struct link, i);
                json_t *item;

                if (link->master != bridge)
                        continue;
                item = json_object();
                json_set_text(item, "interface", link->name);
                json_set_text(item, "alias", link->alias);
                json_set(item, "up", json_boolean(link->up));
                json_array_append_new(list, item);
        }
        return list;
}

static void
inspect_bridge(json_t *observed, const struct links *links, const struct link *link)
{
        g_autofree char *mac = value_format_mac(&link->mac);
        json_t *addresses = json_array();

        json_set(observed, "ifindex", json_integer(link->ifindex));
        json_set(observed, "up", json_boolean(link->up));
        json_set(observed, "mtu", json_integer(link->mtu));
        json_set_text(observed, "mac", mac);
        for (guint i = 0; i < links->addresses->len; i++) {
                const struct link_address *address = &g_array_index(links->addresses, struct link_address, i);
                g_autofree char *ip = value_format_ipv4(address->ip);
                g_autofree char *text = g_strdup_printf("%s/%u", ip, address->prefix);

                if (address->ifindex == link->ifindex)
                        json_array_append_new(addresses, json_string(text));
        }
        json_set(observed, "addresses", addresses);
        json_set(observed, "ports", ports_to_json(links, link->ifindex));
}

static void
inspect_network(struct object *object, const struct session *session, const struct network *network)
{
        const struct network *resolved =
                session->resolved ? &session->resolved->lab.networks[network - session->project->networks] : NULL;
        const struct links *links = session->world->links;
        const struct link *link = resolved && resolved->bridge && links ? links_find(links, resolved->bridge) : NULL;

        object->kind = "network";
        object->wished = keys_encode(&keys_network, network, TRUE);
        json_set_text(object->observed, "state", link ? "present" : "absent");
        if (resolved) {
                g_autofree char *subnet = resolved->subnet.prefix ? value_format_cidr4(&resolved->subnet) : NULL;

                json_set_text(object->observed, "bridge", resolved->bridge);
                json_set_text(object->observed, "subnet", subnet);
        }
        if (link)
                inspect_bridge(object->observed, links, link);
        if (session->world->dnsmasq.pid)
                json_set(object->observed, "dnsmasq_pid", json_integer(session->world->dnsmasq.pid));
}

/* A named disk: its file is known from the VMs that use it. */
static void
inspect_disk(struct object *object, const struct session *session, const struct disk *disk)
{
        json_t *users = json_array();
        const char *path = NULL;
        gboolean exists;
        struct stat file;

        object->kind = "disk";
        object->wished = keys_encode(&keys_disk, disk, TRUE);
        for (guint i = 0; session->resolved && i < session->resolved->vm_count; i++) {
                const struct launch *launch = &session->resolved->vms[i].launch;

                for (guint n = 0; n < launch->disk_count; n++)
                        if (g_strcmp0(launch->disks[n].disk->named, disk->name) == 0) {
                                path = launch->disks[n].path;
                                json_array_append_new(users, json_string(launch->vm->name));
                        }
        }
        exists = path && g_hash_table_contains(session->world->files, path);
        json_set_text(object->observed, "state", exists ? "present" : "absent");
        json_set_text(object->observed, "path", path);
        if (exists && stat(path, &file) == 0)
                json_set(object->observed, "allocated_bytes", json_integer((json_int_t)file.st_blocks * 512));
        json_set(object->observed, "vms", users);
}

/* "vm/web", "network/lan", "disk/data", or the name alone where only one has it. */
static gboolean
find_object(struct object *object, const struct session *session, const char *argument, GError **error)
{
        const char *slash = strchr(argument, '/'), *name = slash ? slash + 1 : argument;
        g_autofree char *kind = slash ? g_strndup(argument, (gsize)(slash - argument)) : NULL;
        const struct vm_world *vm = !kind || !strcmp(kind, "vm") ? world_vm(session->world, name) : NULL;
        const struct network *network = !kind || !strcmp(kind, "network") ? project_find_network(session->project, name) : NULL;
        const struct disk *disk = !kind || !strcmp(kind, "disk") ? project_find_disk(session->project, name) : NULL;
        g_autofree char *shown = text_make_printable(argument, -1);

        object->name = name;
        if ((vm != NULL) + (network != NULL) + (disk != NULL) > 1) {
                error_set(error, DROVER_ERROR_USAGE, "'%s' is more than one object", shown);
                return error_hint(error, "say which: %s%s%s%s%s", vm ? "vm/" : "", vm ? shown : "",
                                  network ? vm ? ", network/" : "network/" : "", network ? shown : "",
                                  disk ? ", or disk/ before it" : "");
        }
        if (vm)
                inspect_vm(object, session, name);
        else if (network)
                inspect_network(object, session, network);
        else if (disk)
                inspect_disk(object, session, disk);
        else
                return error_set(error, DROVER_ERROR_NOT_FOUND, "there is no vm, network or disk '%s' in project '%s'", shown,
                                 session->project->name);
        return TRUE;
}

/* "networks.lan.ip" and its value as text, into @table (both new strings). */
static void
flatten(GHashTable *table, GPtrArray *order, const char *path, const json_t *value)
{
        const char *key;
        json_t *item;
        size_t i;
        char *text;

        if (json_object_size(value) || json_array_size(value)) {
                json_object_foreach((json_t *)value, key, item)
                {
                        g_autofree char *below = g_strdup_printf("%s%s%s", path, *path ? "." : "", key);

                        flatten(table, order, below, item);
                }
                json_array_foreach((json_t *)value, i, item)
                {
                        g_autofree char *below = g_strdup_printf("%s[%zu]", path, i);

                        flatten(table, order, below, item);
                }
                return;
        }
        text = json_is_string(value)   ? g_strdup(json_string_value(value))
               : json_is_object(value) ? g_strdup("{}")
               : json_is_array(value)  ? g_strdup("[]")
                                       : json_dumps(value, JSON_ENCODE_ANY);
        if (!g_ptr_array_find_with_equal_func(order, path, g_str_equal, NULL))
                g_ptr_array_add(order, g_strdup(path));
        g_hash_table_insert(table, g_strdup(path), text);
}

static void
print_facts(const struct object *object)
{
        g_autoptr(GHashTable) facts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_autoptr(GPtrArray) order = g_ptr_array_new_with_free_func(g_free);

        printf("%s %s\n", object->kind, object->name);
        flatten(facts, order, "", object->observed);
        for (guint i = 0; i < order->len; i++) {
                const char *key = g_ptr_array_index(order, i);
                g_autofree char *value = text_make_printable(g_hash_table_lookup(facts, key), -1);

                printf("  %-24s %s\n", key, value);
        }
        if (object->pending && object->pending->len) {
                g_autofree char *pending = show_pending(object->pending);

                printf("  %-24s %s\n", "pending", pending);
        }
}

/* The file's wish beside what the object was last started with. */
static void
print_sides(const struct object *object)
{
        static const char *const both[] = {"KEY", "FILE", "STARTED WITH", "", NULL}, *const one[] = {"KEY", "FILE", NULL};
        gboolean vm = g_strcmp0(object->kind, "vm") == 0;
        g_autoptr(GHashTable) wished = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_autoptr(GHashTable) applied = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_autoptr(GPtrArray) order = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(table_t) table = table_new(vm ? both : one);

        if (object->wished)
                flatten(wished, order, "", object->wished);
        if (object->applied)
                flatten(applied, order, "", object->applied);
        for (guint i = 0; i < order->len; i++) {
                const char *key = g_ptr_array_index(order, i);
                const char *left = g_hash_table_lookup(wished, key), *right = g_hash_table_lookup(applied, key);
                gboolean differs = object->wished && object->applied && g_strcmp0(left, right) != 0;

                table_add(table, key, left, right, differs ? "differs" : " ");
        }
        if (order->len) {
                putchar('\n');
                table_print(table);
        }
}

static int
run_inspect(struct verb_call *call)
{
        const struct inspect_options *options = call->options;
        struct observe_options look = {.qmp = TRUE, .network = TRUE, .services = TRUE};
        struct object object = {.observed = json_object()};
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;
        g_autoptr(session_t) session = operate_look(call, look, &status);

        if (session && !find_object(&object, session, call->arguments[0], &error)) {
                status = print_error(error);
        } else if (session && g_strcmp0(options->format, "json") == 0) {
                json_t *document = json_object();

                json_set(document, "schema", json_integer(1));
                json_set_text(document, "kind", object.kind);
                json_set_text(document, "name", object.name);
                json_set(document, "observed", json_incref(object.observed));
                json_set(document, "wished", object.wished ? json_incref(object.wished) : json_null());
                if (strcmp(object.kind, "vm") == 0) {
                        json_set(document, "applied", object.applied ? json_incref(object.applied) : json_null());
                        json_set(document, "pending", show_changes_json(object.pending));
                }
                print_json(document);
        } else if (session) {
                print_facts(&object);
                print_sides(&object);
        }
        g_clear_pointer(&object.pending, g_ptr_array_unref);
        json_decref(object.observed);
        json_decref(object.wished);
        json_decref(object.applied);
        return status;
}

static const struct option_row rows[] = {
        {"format", 0, OPTION_TEXT, "text|json", "How to print it", G_STRUCT_OFFSET(struct inspect_options, format)},
        {NULL},
};

const struct verb verb_inspect = {
        .name = "inspect",
        .synopsis = "OBJECT",
        .help = "Show everything about a VM, network or disk",
        .text = "What is here, what the file wishes, and for a VM what it was last started with, side by side. Where a name "
                "is that of several objects: vm/NAME, network/NAME, disk/NAME.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        .min_arguments = 1,
        .max_arguments = 1,
        VERB_OPTIONS(rows, struct inspect_options),
        .completes_vms = TRUE,
        .run = run_inspect,
};
