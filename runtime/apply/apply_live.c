/* apply_live.c - the step that changes a VM which runs
 *
 * The spec gets new ports before a device is added, and takes each change over once it is made: killed in between, the next
 * `up` finds the device in QEMU and goes on. What a guest does not let go of is remembered, and waits for its next start.
 *
 * A NIC is given to the guest while rules and DHCP are being loaded (apply_plug()), and joins its network behind them.
 */
#include "runtime/apply/apply.h"

#include "base/error.h"
#include "runtime/vm/live.h"

#include <string.h>

struct update {
        struct apply *apply;
        const struct resolved_vm *vm;
        struct launch launch; /* as resolved, on the machine that runs */
        struct spec *spec;    /* as applied */
        struct live *live;    /* NULL until something is said to QEMU */
        gboolean *plugged;    /* by NIC: apply_plug() has given it to the guest */
};

static void
update_free(struct update *update)
{
        live_close(update->live);
        spec_free(update->spec);
        g_free(update->plugged);
        g_free(update);
}
typedef struct update update_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(update_t, update_free)

static gboolean
connect_live(struct update *update, GError **error)
{
        if (!update->live)
                update->live = live_open(&update->apply->host, &update->launch, error);
        return update->live != NULL;
}

static int
find_nic(const struct launch *launch, const char *name)
{
        for (guint i = 0; i < launch->nic_count; i++)
                if (strcmp(launch->nics[i].nic->name, name) == 0)
                        return (int)i;
        return -1;
}

static gboolean
is_new_nic(const struct plan_change *change)
{
        g_auto(GStrv) parts = g_strsplit(change->key, ".", 3);

        return strcmp(parts[0], "networks") == 0 && parts[1] && !parts[2] && change->to;
}

/* Of one that is_new_nic(). */
static int
find_new_nic(const struct launch *launch, const struct plan_change *change)
{
        return find_nic(launch, change->key + strlen("networks."));
}

static int
find_disk(const struct launch *launch, const char *name)
{
        for (guint i = 0; i < launch->disk_count; i++)
                if (strcmp(launch->disks[i].disk->name, name) == 0)
                        return (int)i;
        return -1;
}

/* What the guest keeps is not asked for again. */
static gboolean
finish_removal(struct update *update, const char *id, gboolean removed, GError **error)
{
        if (removed)
                spec_forget_device(update->spec, id);
        else if (g_error_matches(*error, DROVER_ERROR, DROVER_ERROR_TIMEOUT))
                spec_refuse(update->spec, id);
        return removed;
}

static gboolean
change_nic(struct update *update, const char *name, const char *what, gboolean present, GError **error)
{
        int number = find_nic(&update->launch, name);

        if (!what && !present) {
                g_autofree char *id = qemu_nic_id(name);

                return connect_live(update, error) &&
                       finish_removal(update, id, live_remove_nic(update->live, name, error), error);
        }
        if (number < 0)
                return TRUE;
        if (!what)
                return connect_live(update, error) &&
                       (update->plugged[number] || live_plug_nic(update->live, (guint)number, error)) &&
                       live_join_nic(update->live, (guint)number, error);
        if (strcmp(what, "network") == 0)
                return connect_live(update, error) && live_move_nic(update->live, (guint)number, error);
        if (strcmp(what, "link") == 0)
                return connect_live(update, error) && live_set_link(update->live, (guint)number, error);
        return TRUE; /* dnsmasq's step has done it */
}

static gboolean
change_media(struct update *update, guint number, GError **error)
{
        g_autofree char *id = qemu_disk_id(update->launch.disks[number].disk->name);

        if (live_change_media(update->live, number, error))
                return TRUE;
        if (g_error_matches(*error, DROVER_ERROR, DROVER_ERROR_TIMEOUT))
                spec_refuse(update->spec, id);
        return FALSE;
}

static gboolean
change_disk(struct update *update, const char *name, const char *what, gboolean present, GError **error)
{
        int number = find_disk(&update->launch, name);

        if (!what && !present) {
                g_autofree char *id = qemu_disk_id(name);

                return connect_live(update, error) &&
                       finish_removal(update, id, live_remove_disk(update->live, name, error), error);
        }
        if (number < 0)
                return TRUE;
        if (!what)
                return connect_live(update, error) &&
                       live_add_disk(update->live, (guint)number, spec_disk(update->vm->spec, name), error);
        if (strcmp(what, "size") == 0)
                return connect_live(update, error) && live_grow_disk(update->live, (guint)number, error);
        if (g_str_has_prefix(what, "limits"))
                return connect_live(update, error) && live_set_limits(update->live, (guint)number, error);
        if (strcmp(what, "file") == 0)
                return connect_live(update, error) && change_media(update, (guint)number, error);
        return TRUE;
}

static gboolean
change_memory(struct update *update, GError **error)
{
        if (!connect_live(update, error))
                return FALSE;
        if (live_set_memory(update->live, error))
                return TRUE;
        if (g_error_matches(*error, DROVER_ERROR, DROVER_ERROR_TIMEOUT))
                spec_refuse(update->spec, "balloon");
        return FALSE;
}

static gboolean
change_password(struct update *update, GError **error)
{
        if (!connect_live(update, error) || !live_set_password(update->live, error))
                return FALSE;
        g_free(update->spec->password_stamp);
        update->spec->password_stamp = g_strdup(world_password_stamp(update->apply->session->world, update->vm->vm));
        return TRUE;
}

static gboolean
make_change(struct update *update, const struct plan_change *change, GError **error)
{
        g_auto(GStrv) parts = g_strsplit(change->key, ".", 3);
        gboolean ok = TRUE;

        if (strcmp(parts[0], "networks") == 0 && parts[1])
                ok = change_nic(update, parts[1], parts[2], change->to != NULL, error);
        else if (strcmp(parts[0], "disks") == 0 && parts[1])
                ok = change_disk(update, parts[1], parts[2], change->to != NULL, error);
        else if (strcmp(parts[0], "memory") == 0)
                ok = change_memory(update, error);
        else if (strcmp(parts[0], "cpus") == 0)
                ok = connect_live(update, error) && live_add_cpus(update->live, error);
        else if (strcmp(change->key, "display.password_file") == 0)
                ok = change_password(update, error);
        else if (strcmp(parts[0], "disk") == 0)
                ok = change_disk(update, "root", parts[1], change->to != NULL, error);
        if (ok)
                plan_take_change(update->spec, update->vm->spec, change->key);
        return ok;
}

/* Those that take something away come first: what they free may be wanted. The first failure is told, all else is done. */
static gboolean
make_changes(struct update *update, const GPtrArray *changes, GError **error)
{
        gboolean ok = TRUE;

        for (int removals = TRUE; removals >= FALSE; removals--)
                for (guint i = 0; i < changes->len; i++) {
                        const struct plan_change *change = g_ptr_array_index(changes, i);
                        g_autoptr(GError) reason = NULL;

                        if ((change->to == NULL) != removals || make_change(update, change, &reason))
                                continue;
                        if (ok)
                                g_propagate_error(error, g_steal_pointer(&reason));
                        ok = FALSE;
                }
        return ok;
}

static void
copy_entry(gpointer key, gpointer value, gpointer data)
{
        g_hash_table_replace(data, g_strdup(key), value);
}

static void
copy_text_entry(gpointer key, gpointer value, gpointer data)
{
        g_hash_table_replace(data, g_strdup(key), g_strdup(value));
}

/* Before they are: a NIC that a killed drover has added is asked how it was made, too. */
static void
note_plugged(struct update *update, const GPtrArray *changes)
{
        for (guint i = 0; i < changes->len; i++) {
                const struct plan_change *change = g_ptr_array_index(changes, i);
                int number = is_new_nic(change) ? find_new_nic(&update->launch, change) : -1;

                if (number >= 0 && update->launch.nics[number].nic->model == NIC_VIRTIO) {
                        g_autofree char *id = qemu_nic_id(update->launch.nics[number].nic->name);

                        spec_plug(update->spec, id);
                }
        }
}

static gboolean
keep_identity(struct update *update, GError **error)
{
        g_hash_table_foreach(update->vm->spec->ports, copy_entry, update->spec->ports);
        g_hash_table_foreach(update->vm->spec->macs, copy_text_entry, update->spec->macs);
        return spec_save(update->apply->session->world->paths, update->spec, error);
}

static struct update *
update_new(struct apply *apply, const struct plan_step *step, GError **error)
{
        g_autoptr(spec_t) spec = spec_load(apply->session->world->paths, step->name, error);
        g_autoptr(update_t) update = NULL;

        if (!spec)
                return NULL;
        update = g_new0(struct update, 1);
        update->apply = apply;
        update->vm = &apply->session->resolved->vms[step->index];
        update->launch = update->vm->launch;
        update->launch.tap_owner = spec->started_as;
        if (spec->machine)
                update->launch.machine = spec->machine;
        update->spec = g_steal_pointer(&spec);
        update->plugged = g_new0(gboolean, update->launch.nic_count + 1);
        note_plugged(update, step->changes);
        return keep_identity(update, error) ? g_steal_pointer(&update) : NULL;
}

/* What goes away first may leave its place to what comes. */
gboolean
apply_plugs(const struct plan_step *step)
{
        gboolean any = FALSE;

        if (step->kind != KIND_VM || (step->action != ACTION_UPDATE && step->action != ACTION_REPAIR))
                return FALSE;
        for (guint i = 0; i < step->changes->len; i++) {
                const struct plan_change *change = g_ptr_array_index(step->changes, i);

                if (!change->to)
                        return FALSE;
                any = any || (is_new_nic(change) && !change->from);
        }
        return any;
}

/* What fails here the step itself does again, and tells. */
void
apply_plug(struct apply *apply, const struct plan_step *step)
{
        g_autoptr(update_t) update = update_new(apply, step, NULL);

        for (guint i = 0; update && i < step->changes->len; i++) {
                const struct plan_change *change = g_ptr_array_index(step->changes, i);
                int number = is_new_nic(change) && !change->from ? find_new_nic(&update->launch, change) : -1;

                if (number < 0)
                        continue;
                if (!connect_live(update, NULL))
                        return;
                update->plugged[number] = live_plug_nic(update->live, (guint)number, NULL);
        }
        apply->begun[step->index] = g_steal_pointer(&update);
}

void
apply_plug_clear(struct apply *apply)
{
        for (guint i = 0; i < apply->session->project->vm_count; i++)
                if (apply->begun[i])
                        update_free(apply->begun[i]);
        g_free(apply->begun);
}

gboolean
apply_update(struct apply *apply, const struct plan_step *step, GError **error)
{
        g_autoptr(update_t) update = g_steal_pointer(&apply->begun[step->index]);
        gboolean ok;

        if (!update && !(update = update_new(apply, step, error)))
                return FALSE;
        ok = make_changes(update, step->changes, error);
        g_clear_pointer(&update->live, live_close);
        return spec_save(apply->session->world->paths, update->spec, ok ? error : NULL) && ok &&
               apply_lab_ended(apply, step, error);
}
