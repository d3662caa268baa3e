/* show.c - plans in words: for people, and as JSON */
#include "cmd/show.h"

#include "base/text.h"

enum { SHOWN_NAMES = 20 };

static const struct action_words words[] = {
        [ACTION_NONE] = {"=", "leave", "leaving", "left", "dim"},
        [ACTION_CREATE] = {"+", "create", "creating", "created", "green"},
        [ACTION_FETCH] = {"+", "fetch", "fetching", "fetched", "green"},
        [ACTION_START] = {"+", "start", "starting", "started", "green"},
        [ACTION_UPDATE] = {"~", "update", "updating", "updated", "yellow"},
        [ACTION_REPAIR] = {"~", "repair", "repairing", "repaired", "yellow"},
        [ACTION_RESTART] = {"±", "restart", "restarting", "restarted", "yellow"},
        [ACTION_CONTINUE] = {"~", "continue", "continuing", "continued", "green"},
        [ACTION_PAUSE] = {"~", "pause", "pausing", "paused", "yellow"},
        [ACTION_STOP] = {"-", "stop", "stopping", "stopped", "red"},
        [ACTION_KILL] = {"-", "kill", "killing", "killed", "red"},
        [ACTION_REMOVE] = {"-", "remove", "removing", "removed", "red"},
        [ACTION_PENDING] = {"!", "restart required", "waiting", "waits for a restart", "yellow"},
        [ACTION_FRESH_PENDING] = {"!", "fresh required", "waiting", "waits for 'up --fresh'", "yellow"},
        [ACTION_ORPHAN] = {"?", "orphan", "keeping", "kept", "yellow"},
        [ACTION_KEEP] = {"=", "keep", "keeping", "kept", "dim"},
};

/* How each action is counted in the summary; in the order of the line. */
static const struct {
        enum plan_action action;
        const char *text;
} counted[] = {
        {ACTION_CREATE, "to create"},
        {ACTION_FETCH, "to fetch"},
        {ACTION_START, "to start"},
        {ACTION_UPDATE, "to update"},
        {ACTION_REPAIR, "to repair"},
        {ACTION_RESTART, "to restart"},
        {ACTION_CONTINUE, "to continue"},
        {ACTION_PAUSE, "to pause"},
        {ACTION_STOP, "to stop"},
        {ACTION_KILL, "to kill"},
        {ACTION_REMOVE, "to remove"},
        {ACTION_PENDING, "pending"},
        {ACTION_FRESH_PENDING, "pending until --fresh"},
        {ACTION_ORPHAN, "no longer in the file"},
        {ACTION_KEEP, "kept"},
};

const struct action_words *
show_action(enum plan_action action)
{
        return &words[action];
}

char *
show_title(const struct plan_step *step)
{
        switch (step->kind) {
        case KIND_FIREWALL:
                return g_strdup("firewall");
        case KIND_SERVICE:
                return g_strdup("dnsmasq");
        case KIND_UPLINK:
                return g_strdup("uplink");
        case KIND_PORTS:
                return g_strdup("ports");
        case KIND_SUPERVISOR:
                return g_strdup("supervisor");
        case KIND_NETWORK:
        case KIND_IMAGE:
        case KIND_DISK:
        case KIND_VM:
                break;
        }
        return g_strdup_printf("%s %s", plan_kind_name(step->kind), step->name);
}

static void
append_value(GString *text, const char *value)
{
        if (!value || !*value)
                g_string_append(text, value ? "(empty)" : "(none)");
        else if (g_utf8_strlen(value, -1) > 60)
                g_string_append_printf(text, "%.*s...", (int)(g_utf8_offset_to_pointer(value, 57) - value), value);
        else
                g_string_append(text, value);
}

static void
append_change(GString *text, const struct plan_change *change)
{
        g_string_append_printf(text, "%s: ", change->key);
        append_value(text, change->from);
        g_string_append(text, " → ");
        append_value(text, change->to);
}

char *
show_change(const struct plan_change *change)
{
        GString *text = g_string_new(NULL);

        append_change(text, change);
        if (change->how != CHANGE_NONE)
                g_string_append_printf(text, " (%s)", change->drift ? "drift" : key_change_name(change->how));
        return g_string_free(text, FALSE);
}

char *
show_changes(const GPtrArray *changes)
{
        GString *text = g_string_new(NULL);

        for (guint i = 0; changes && i < changes->len; i++) {
                g_string_append(text, i ? ", " : "");
                append_change(text, g_ptr_array_index(changes, i));
        }
        return g_string_free(text, FALSE);
}

GPtrArray *
show_find_pending(const struct session *session, const struct vm_world *vm)
{
        const struct vm *wish = project_find_vm(session->project, vm->name);
        GPtrArray *changes;

        if (!vm_is_alive(vm) || !vm->spec || !vm->spec->wish || !wish || !session->resolved)
                return NULL;
        changes = plan_vm_changes(session->world, &session->resolved->vms[wish - session->project->vms]);
        for (guint i = changes->len; i > 0; i--)
                if (((struct plan_change *)g_ptr_array_index(changes, i - 1))->how == CHANGE_NONE)
                        g_ptr_array_remove_index(changes, i - 1); /* concerns drover alone: nothing waits for it */
        return changes;
}

char *
show_pending(const GPtrArray *changes)
{
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < changes->len; i++) {
                const struct plan_change *change = g_ptr_array_index(changes, i);

                g_string_append(text, i ? ", " : "");
                append_change(text, change);
                g_string_append(text, change->how == CHANGE_RESTART ? " (restart required)" : "");
        }
        return g_string_free(text, FALSE);
}

json_t *
show_changes_json(const GPtrArray *changes)
{
        json_t *list = json_array();

        for (guint i = 0; changes && i < changes->len; i++) {
                const struct plan_change *change = g_ptr_array_index(changes, i);
                json_t *item = json_object();

                json_set_text(item, "key", change->key);
                json_set_text(item, "from", change->from);
                json_set_text(item, "to", change->to);
                json_set_text(item, "change", key_change_name(change->how));
                json_set(item, "drift", json_boolean(change->drift));
                json_array_append_new(list, item);
        }
        return list;
}

char *
show_summary(const struct plan *plan)
{
        guint counts[G_N_ELEMENTS(words)] = {0};
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < plan->steps->len; i++)
                counts[((const struct plan_step *)g_ptr_array_index(plan->steps, i))->action]++;
        for (size_t i = 0; i < G_N_ELEMENTS(counted); i++)
                if (counts[counted[i].action])
                        g_string_append_printf(text, "%s%u %s", text->len ? ", " : "", counts[counted[i].action],
                                               counted[i].text);
        if (!text->len)
                return g_string_free(text, TRUE);
        return g_string_free(text, FALSE);
}

char *
show_satisfied(const struct session *session)
{
        guint count = session->project->vm_count;

        if (count == 0)
                return g_strdup("nothing to do: the file names no VM");
        return count == 1 ? g_strdup("nothing to do: 1 VM as the file says")
                          : g_strdup_printf("nothing to do: %u VMs as the file says", count);
}

static void
print_step(const struct plan_step *step)
{
        const struct action_words *action = &words[step->action];
        g_autofree char *title = show_title(step);
        g_autofree char *text = step->detail ? g_strdup_printf("%s (%s)", title, step->detail) : g_strdup(title);
        g_autofree char *line = text_make_printable(text, -1);

        printf("%s%s %s%s %s\n", print_color(stdout, action->color), action->symbol, action->name, print_color(stdout, "reset"),
               line);
        for (guint i = 0; step->changes && i < step->changes->len; i++) {
                g_autofree char *change = show_change(g_ptr_array_index(step->changes, i));
                g_autofree char *shown = text_make_printable(change, -1);

                printf("    %s\n", shown);
        }
}

/* "1.4G": rounded, since these are costs and not values of the file. */
static char *
format_cost(guint64 bytes)
{
        if (bytes < 1024ULL << 20)
                return g_strdup_printf("%" G_GUINT64_FORMAT "M", bytes >> 20);
        return g_strdup_printf("%.1fG", (double)bytes / (1 << 30));
}

/* "cost: restarts web, db", a few of them by name. */
static void
print_names(const char *what, const GPtrArray *names)
{
        if (!names->len)
                return;
        printf("cost: %s", what);
        for (guint i = 0; i < names->len && i < SHOWN_NAMES; i++)
                printf("%s %s", i ? "," : "", (const char *)g_ptr_array_index(names, i));
        if (names->len > SHOWN_NAMES)
                printf(" and %u more", names->len - SHOWN_NAMES);
        putchar('\n');
}

static void
print_cost(const struct plan *plan, const struct session *session)
{
        const struct world *world = session->world;

        print_names("restarts", plan->restarts);
        print_names("cuts the link of", plan->cut_links);
        if (plan->memory_needed) {
                g_autofree char *needed = format_cost(plan->memory_needed);
                g_autofree char *available = format_cost(world->memory_available);

                printf("cost: %s of memory (%s available)\n", needed, available);
        }
        if (plan->disk_needed) {
                g_autofree char *needed = format_cost(plan->disk_needed);
                g_autofree char *available = format_cost(world->disk_free), *taken = format_cost(plan->disk_taken);

                printf("cost: at most %s of disk, %s%s (%s free)\n", needed, plan->disk_taken ? taken : "taken",
                       plan->disk_taken ? " of it at once" : " as it is written", available);
        }
        if (plan->memory_needed && world->qemu)
                printf("acceleration: %s%s%s\n", world->qemu->kvm ? "kvm" : "tcg",
                       !world->qemu->kvm && world->qemu->no_kvm_reason ? ": " : "",
                       !world->qemu->kvm && world->qemu->no_kvm_reason ? world->qemu->no_kvm_reason : "");
}

/* What makes pending changes count, as `up` says it. */
static void
print_next(const struct plan *plan)
{
        gboolean restart = FALSE, fresh = FALSE;

        for (guint i = 0; i < plan->steps->len; i++) {
                enum plan_action action = ((const struct plan_step *)g_ptr_array_index(plan->steps, i))->action;

                restart |= action == ACTION_PENDING;
                fresh |= action == ACTION_FRESH_PENDING;
        }
        if (restart)
                printf("  drover up --restart\n");
        if (fresh)
                printf("  drover up --fresh VM    (the old disk is lost)\n");
}

void
plan_print(const struct plan *plan, const struct session *session)
{
        g_autofree char *summary = show_summary(plan);
        g_autofree char *satisfied = show_satisfied(session);

        for (enum plan_kind kind = KIND_NETWORK; kind <= KIND_SUPERVISOR; kind++)
                for (guint i = 0; i < plan->steps->len; i++) {
                        const struct plan_step *step = g_ptr_array_index(plan->steps, i);

                        if (step->kind == kind && step->action != ACTION_NONE)
                                print_step(step);
                }
        for (guint i = 0; i < plan->notes->len; i++) {
                g_autofree char *note = text_make_printable(g_ptr_array_index(plan->notes, i), -1);

                printf("note: %s\n", note);
        }
        print_cost(plan, session);
        printf("plan: %s\n", summary ? summary : satisfied);
        print_next(plan);
}

static json_t *
step_to_json(const struct plan_step *step)
{
        json_t *item = json_object();

        json_set_text(item, "kind", plan_kind_name(step->kind));
        json_set_text(item, "name", step->name ? step->name : "");
        json_set_text(item, "action", plan_action_name(step->action));
        json_set(item, "acts", json_boolean(plan_action_acts(step->action)));
        json_set_text(item, "detail", step->detail);
        json_set_text(item, "path", step->path);
        json_set_text(item, "renamed_to", step->renamed_to);
        json_set(item, "changes", show_changes_json(step->changes));
        return item;
}

static json_t *
names_to_json(const GPtrArray *names)
{
        json_t *list = json_array();

        for (guint i = 0; i < names->len; i++)
                json_array_append_new(list, json_string(g_ptr_array_index(names, i)));
        return list;
}

static json_t *
cost_to_json(const struct plan *plan, const struct session *session)
{
        json_t *cost = json_object();

        json_set(cost, "restarts", names_to_json(plan->restarts));
        json_set(cost, "cut_links", names_to_json(plan->cut_links));
        json_set(cost, "memory_bytes", json_integer((json_int_t)plan->memory_needed));
        json_set(cost, "memory_available_bytes", json_integer((json_int_t)session->world->memory_available));
        json_set(cost, "disk_bytes", json_integer((json_int_t)plan->disk_needed));
        json_set(cost, "disk_taken_bytes", json_integer((json_int_t)plan->disk_taken));
        json_set(cost, "disk_free_bytes", json_integer((json_int_t)session->world->disk_free));
        return cost;
}

json_t *
plan_to_json(const struct plan *plan, const struct session *session)
{
        const struct qemu_info *qemu = session->world->qemu;
        json_t *document = json_object(), *steps = json_array();

        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);

                if (step->action != ACTION_NONE)
                        json_array_append_new(steps, step_to_json(step));
        }
        json_set(document, "schema", json_integer(1));
        json_set_text(document, "project", session->project->name);
        json_set(document, "changes_pending", json_boolean(plan_is_pending(plan)));
        json_set(document, "steps", steps);
        json_set(document, "notes", names_to_json(plan->notes));
        json_set(document, "cost", cost_to_json(plan, session));
        if (qemu) {
                json_set_text(document, "acceleration", qemu->kvm ? "kvm" : "tcg");
                json_set_text(document, "acceleration_reason", qemu->no_kvm_reason);
        }
        return document;
}
