/* ps.c - drover ps: the VMs and how they are; looks only, never locks, never waits */
#include "cmd/address.h"
#include "cmd/operate.h"
#include "cmd/published.h"
#include "cmd/select.h"

#include "base/error.h"
#include "base/text.h"
#include "runtime/supervisor/health.h"
#include "runtime/supervisor/supervisor.h"

#include <string.h>
#include <time.h>

struct ps_options {
        gboolean all, quiet, vms;
        char *format, *status;
};

/* "unreadable" is no status of a VM but of what we keep about it. */
static const char *
state_name(const struct vm_world *vm)
{
        return vm->error ? "unreadable" : vm_status_name(vm->status);
}

static enum health_state
health_of(const struct session *session, const struct vm_world *vm, char **ret_reason)
{
        g_auto(health_t) health = {0};

        if (vm->status == VM_RUNNING && vm->spec)
                health_look(session->world->paths, vm->name, vm->spec->wish, vm->pid, &health);
        if (ret_reason)
                *ret_reason = g_steal_pointer(&health.reason);
        return health.state;
}

static char *
state_text(const struct session *session, const struct vm_world *vm)
{
        const char *health = health_name(health_of(session, vm, NULL));

        return health ? g_strdup_printf("%s (%s)", state_name(vm), health) : g_strdup(state_name(vm));
}

/* Without -a: what runs, and what should but does not. */
static gboolean
is_shown(const struct session *session, const struct vm_world *vm, const struct ps_options *options, char *const *names)
{
        if (*names && !project_is_named(session->project, select_names(names), vm->name))
                return FALSE;
        if (options->status)
                return strcmp(options->status, state_name(vm)) == 0;
        if (vm->error || vm_is_alive(vm) || vm->status == VM_CRASHED)
                return TRUE;
        return (options->all || *names) && vm->spec && vm->spec->present;
}

static const char *
isolation_name(const struct session *session)
{
        const struct state *state = session->world->state;
        enum isolation isolation = state && state->exists ? state->isolation : session->project->isolation;

        return isolation == ISOLATION_HOST ? "host" : "private";
}

/* Not so what waits for its profile, or for more replicas. */
static gboolean
is_orphan(const struct session *session, const struct vm_world *vm)
{
        return !vm->in_file && vm_is_alive(vm) && !project_find_declared(session->project, vm->name);
}

static void
add_row(struct table *table, const struct session *session, const struct address_book *book, const struct vm_world *vm)
{
        g_autoptr(GArray) addresses = address_book_find(book, vm);
        g_autoptr(GPtrArray) pending = show_find_pending(session, vm);
        g_autofree char *address = vm_is_alive(vm) ? address_text(addresses) : NULL;
        g_autofree char *state = state_text(session, vm);
        g_autoptr(GArray) ports = published_find(session, vm->name);
        g_autofree char *published = published_text(ports);
        gint64 started = vm_started(vm);
        g_autofree char *uptime = started ? when_uptime(time(NULL) - started) : NULL;
        g_autofree char *changes = pending && pending->len ? show_pending(pending) : NULL;
        const char *note = vm->error                         ? vm->error->message
                           : vm->status == VM_UNREACHABLE    ? vm->detail
                           : is_orphan(session, vm)          ? "no longer in the file"
                                                             : changes;

        table_add(table, vm->name, state, address, isolation_name(session), uptime, published, note);
}

static json_t *
labels_to_json(const struct text_map *labels)
{
        json_t *object = json_object();

        for (guint i = 0; i < labels->count; i++)
                json_set_text(object, labels->names[i], labels->values[i]);
        return object;
}

static void
add_spec_json(json_t *item, const struct session *session, const struct vm_world *vm)
{
        const struct vm *wish = project_find_vm(session->project, vm->name);

        if (vm->spec) {
                json_set_text(item, "uuid", vm->spec->uuid);
                if (vm_is_alive(vm))
                        json_set_text(item, "acceleration", vm->spec->kvm ? "kvm" : "tcg");
        }
        if (wish) {
                json_set(item, "memory_bytes", json_integer((json_int_t)wish->memory_bytes));
                json_set(item, "cpus", json_integer(wish->cpus));
                json_set(item, "labels", labels_to_json(&wish->labels));
        }
}

static json_t *
vm_to_json(const struct session *session, const struct address_book *book, const struct vm_world *vm)
{
        g_autoptr(GArray) addresses = address_book_find(book, vm);
        g_autoptr(GPtrArray) pending = show_find_pending(session, vm);
        g_autoptr(GArray) ports = published_find(session, vm->name);
        gint64 since = vm_started(vm);
        g_autofree char *started = since ? when_rfc3339(since) : NULL, *reason = NULL;
        const char *health = health_name(health_of(session, vm, &reason));
        json_t *item = json_object();

        json_set_text(item, "name", vm->name);
        json_set_text(item, "project", session->project->name);
        json_set_text(item, "state", state_name(vm));
        json_set_text(item, "detail", vm->error ? vm->error->message : vm->detail);
        json_set(item, "health", health ? json_string(health) : json_null());
        json_set_text(item, "health_reason", reason);
        json_set(item, "pid", vm->pid ? json_integer(vm->pid) : json_null());
        json_set_text(item, "isolation", isolation_name(session));
        json_set(item, "in_file", json_boolean(vm->in_file));
        json_set(item, "addresses", address_to_json(addresses));
        json_set(item, "ports", published_to_json(ports));
        json_set_text(item, "started", started);
        json_set(item, "uptime_seconds", since ? json_integer(MAX(time(NULL) - since, 0)) : json_null());
        json_set(item, "pending", show_changes_json(pending));
        add_spec_json(item, session, vm);
        return item;
}

/* What VMs can be called, without a look at the host: the fast way for completion. Dormant ones and replicas too. */
static int
print_names(const struct project *project)
{
        for (guint i = 0; i < project->declared_vm_count; i++)
                printf("%s\n", project->declared_vms[i].name);
        for (guint i = 0; i < project->vm_count; i++)
                if (project->vms[i].group)
                        printf("%s\n", project->vms[i].name);
        return EXIT_DONE;
}

/* Health, restarts and the journal are its work. */
static void
note_supervisor(const struct session *session)
{
        gboolean alive = FALSE;

        for (guint i = 0; i < session->world->vms->len; i++)
                alive |= vm_is_alive(g_ptr_array_index(session->world->vms, i));
        if (alive && !supervisor_is_alive(session->world->paths))
                print_note("the supervisor is gone: nobody looks after health and restarts until 'drover up' brings it back");
}

static void
list_vms(const struct session *session, const struct ps_options *options, const GPtrArray *shown)
{
        static const char *const titles[] = {"NAME", "STATE", "ADDRESS", "ISOLATION", "UPTIME", "PORTS", "PENDING", NULL};
        g_autoptr(address_book_t) book = address_book_new(session);
        struct listing listing;

        listing_begin(&listing, options->quiet, options->format, titles);
        for (guint i = 0; i < shown->len; i++) {
                const struct vm_world *vm = g_ptr_array_index(shown, i);

                if (listing.form == LISTING_NAMES)
                        printf("%s\n", vm->name);
                else if (listing.form == LISTING_JSON)
                        json_array_append_new(listing.items, vm_to_json(session, book, vm));
                else
                        add_row(listing.table, session, book, vm);
        }
        listing_end(&listing, "vms");
}

static int
run_ps(struct verb_call *call)
{
        const struct ps_options *options = call->options;
        struct observe_options look = {.qmp = !options->quiet || options->status, .network = !options->quiet};
        g_autoptr(GPtrArray) names = NULL, shown = g_ptr_array_new();
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;
        g_autoptr(session_t) session = NULL;

        if (options->vms)
                return print_names(call->project);
        session = operate_look(call, look, &status);
        if (!session)
                return status;
        if (*call->arguments && !(names = select_vms(session->project, session->world->paths, call->arguments, &error)))
                return print_error(error);
        if (session->resolved->faults)
                print_note("%s", fault_text(session->resolved->faults));
        for (guint i = 0; i < session->world->vms->len; i++) {
                struct vm_world *vm = g_ptr_array_index(session->world->vms, i);

                if (is_shown(session, vm, options, call->arguments))
                        g_ptr_array_add(shown, vm);
        }
        list_vms(session, options, shown);
        if (!options->quiet)
                note_supervisor(session);
        return EXIT_DONE;
}

#define ROW(...) OPTION_ROW(struct ps_options, __VA_ARGS__)

static const struct option_row rows[] = {
        ROW("all", 'a', OPTION_FLAG, NULL, all, "Also VMs that are stopped"),
        ROW("quiet", 'q', OPTION_FLAG, NULL, quiet, "Names only"),
        ROW("format", 0, OPTION_TEXT, "table|json", format, "How to print them"),
        ROW("status", 0, OPTION_TEXT, "running|paused|stopped|crashed|starting|panicked|unreachable|unreadable|absent", status,
            "Only VMs in this state"),
        ROW("vms", 0, OPTION_FLAG, NULL, vms, "The names in the file, without a look at the host"),
        {NULL},
};

const struct verb verb_ps = {
        .name = "ps",
        VERB_OF_VMS,
        .help = "List VMs: state, address, uptime, pending changes",
        .text = "Without -a: those that run, and those that crashed. An address is the file's, or says where it comes from: "
                "lease (dnsmasq gave it) or neighbour (the kernel saw it). PENDING is what an edit of the file has changed and "
                "a restart will bring.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        VERB_OPTIONS(rows, struct ps_options),
        .run = run_ps,
};
