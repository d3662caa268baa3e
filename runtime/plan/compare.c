/* compare.c - field by field: what differs between what a VM was last started with and what the file wants
 *
 * Both sides are keys_encode() of the VM, once with and once without defaults. A field that neither side wrote itself is
 * never a change, whatever the defaults are: a new default in a new release touches nobody. Keys of class recreate
 * are not compared here: what a disk was made from stands with the disk.
 */
#include "runtime/plan/plan_build.h"

#include "base/text.h"
#include "runtime/storage/cache.h"
#include "runtime/storage/source.h"

#include <string.h>

/* One side of a comparison: the value with defaults, and the same place of what the file said itself. */
struct side {
        const json_t *wish, *set;
};

static void
change_free(gpointer data)
{
        struct plan_change *change = data;

        g_free(change->key);
        g_free(change->from);
        g_free(change->to);
        g_free(change);
}

GPtrArray *
plan_changes_new(void)
{
        return g_ptr_array_new_with_free_func(change_free);
}

static char *
value_text(const json_t *value)
{
        char *dumped;
        char *text;

        if (!value || json_is_null(value))
                return NULL;
        if (json_is_string(value))
                return g_strdup(json_string_value(value));
        if (json_is_object(value))
                return g_strdup("present"); /* a whole NIC or disk, named by its key */
        dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        text = g_strdup(dumped);
        free(dumped);
        return text;
}

void
plan_changes_add(GPtrArray *changes, const char *key, const char *from, const char *to, enum change how)
{
        struct plan_change *change = g_new0(struct plan_change, 1);

        change->key = g_strdup(key);
        change->from = g_strdup(from);
        change->to = g_strdup(to);
        change->how = how;
        g_ptr_array_add(changes, change);
}

static void
add_values(GPtrArray *changes, const char *key, const json_t *from, const json_t *to, enum change how)
{
        g_autofree char *from_text = value_text(from), *to_text = value_text(to);

        plan_changes_add(changes, key, from_text, to_text, how);
}

/* Something that is told by its name alone: bodies are long, and may hold secrets. */
static void
add_hidden(GPtrArray *changes, const char *key, const json_t *from, const json_t *to, enum change how)
{
        gboolean before = from && !json_is_null(from) && !(json_is_array(from) && !json_array_size(from));
        gboolean after = to && !json_is_null(to) && !(json_is_array(to) && !json_array_size(to));

        if ((before || after) && !json_equal(from, to))
                plan_changes_add(changes, key, before ? "present" : NULL, !after ? NULL : before ? "changed" : "present", how);
}

const char *
plan_item_name(const json_t *item)
{
        const char *name = json_text(item, "name");

        if (!name)
                name = json_text(item, "disk");
        if (!name)
                name = json_text(item, "file");
        if (!name)
                name = json_text(item, "target"); /* of a mount */
        return name ? name : json_string_value(item);
}

/* What the file said of an item may leave its name open: it stands at the same place of its list. */
static struct side
get_item(struct side from, const char *name)
{
        const json_t *item;
        size_t i;

        if (json_is_object(from.wish))
                return (struct side){json_object_get(from.wish, name), json_object_get(from.set, name)};
        json_array_foreach (from.wish, i, item)
                if (g_strcmp0(plan_item_name(item), name) == 0)
                        return (struct side){item, json_array_get(from.set, i)};
        return (struct side){NULL, NULL};
}

static GPtrArray *
item_names(const json_t *container)
{
        GPtrArray *names = g_ptr_array_new();
        const json_t *item;
        const char *name;
        size_t i;

        json_object_foreach ((json_t *)container, name, item)
                g_ptr_array_add(names, (gpointer)name);
        json_array_foreach (container, i, item)
                if (plan_item_name(item))
                        g_ptr_array_add(names, (gpointer)plan_item_name(item));
        return names;
}

static void compare_objects(const struct key_table *table, const char *path, struct side from, struct side to,
                            enum change otherwise, GPtrArray *changes);
static void compare_field(const struct key *row, const char *path, struct side from, struct side to, GPtrArray *changes);

static char *
join_path(const char *path, const char *key)
{
        return *path ? g_strconcat(path, ".", key, NULL) : g_strdup(key);
}

/* Named things: those that came, those that went, and those that changed inside. */
static void
compare_items(const struct key *row, const char *path, struct side from, struct side to, GPtrArray *changes)
{
        g_autoptr(GPtrArray) before = item_names(from.wish), after = item_names(to.wish);

        for (guint i = 0; i < before->len; i++) {
                const char *name = g_ptr_array_index(before, i);
                g_autofree char *below = join_path(path, name);
                struct side old = get_item(from, name), new = get_item(to, name);

                if (!new.wish)
                        add_values(changes, below, old.wish, NULL, row->change);
                else
                        compare_objects(row->table, below, old, new, row->change, changes);
        }
        for (guint i = 0; i < after->len; i++) {
                const char *name = g_ptr_array_index(after, i);
                g_autofree char *below = join_path(path, name);

                if (!get_item(from, name).wish)
                        add_values(changes, below, NULL, get_item(to, name).wish, row->change);
        }
}

/* `cpus: 2` and `cpus: {count: 2}` say the same: a value in its short form, or a key of its long one. */
static const json_t *
get_long(const json_t *value, const struct key_table *table, const char *name)
{
        if (json_is_object(value))
                return json_object_get(value, name);
        return strcmp(table->short_key, name) == 0 ? value : NULL;
}

static void
compare_long(const struct key *row, const char *path, struct side from, struct side to, GPtrArray *changes)
{
        for (const struct key *part = row->table->keys; part->name; part++) {
                struct side old = {get_long(from.wish, row->table, part->name), get_long(from.set, row->table, part->name)};
                struct side new = {get_long(to.wish, row->table, part->name), get_long(to.set, row->table, part->name)};
                gboolean whole = strcmp(part->name, row->table->short_key) == 0;
                g_autofree char *below = whole ? g_strdup(path) : join_path(path, part->name);

                compare_field(part, below, old, new, changes);
        }
}

static void
compare_field(const struct key *row, const char *path, struct side from, struct side to, GPtrArray *changes)
{
        if (row->change == CHANGE_RECREATE || json_equal(from.wish, to.wish) ||
            row->table == &keys_port) /* plan_ports.c compares with what is served */
                return;
        if (row->table && row->type == KEY_OBJECT && json_is_object(from.wish) && json_is_object(to.wish))
                compare_objects(row->table, path, from, to, row->change, changes);
        else if (row->table && (row->type == KEY_OBJECT_MAP || row->type == KEY_OBJECT_LIST))
                compare_items(row, path, from, to, changes);
        else if (row->table && !keys_has_objects(row))
                compare_long(row, path, from, to, changes);
        else if (row->hidden)
                add_hidden(changes, path, from.wish, to.wish, row->change);
        else if (from.set || to.set)
                add_values(changes, path, from.wish, to.wish, row->change);
}

static void
compare_objects(const struct key_table *table, const char *path, struct side from, struct side to, enum change otherwise,
                GPtrArray *changes)
{
        if (!json_is_object(from.wish) || !json_is_object(to.wish)) { /* a short form that says it all */
                if (!json_equal(from.wish, to.wish))
                        add_values(changes, path, from.wish, to.wish, otherwise);
                return;
        }
        for (const struct key *row = table->keys; row->name; row++) {
                struct side old = {json_object_get(from.wish, row->name), json_object_get(from.set, row->name)};
                struct side new = {json_object_get(to.wish, row->name), json_object_get(to.set, row->name)};
                g_autofree char *below = join_path(path, row->name);

                compare_field(row, below, old, new, changes);
        }
}

/* What the disks were made from, against what the file would make them from now. */
static void
compare_disk_origins(const struct spec *applied, const struct resolved_vm *wanted, GPtrArray *changes)
{
        const struct kept_disk *root = spec_disk(applied, "root");
        const char *image = wanted->image ? wanted->image : wanted->expected;
        g_autofree char *from = NULL, *to = NULL;

        if (!image && vm_has_image(wanted->vm))
                image = json_text(wanted->spec->wish, "image"); /* one that was never fetched is another one */
        if (!root || cache_is_same(root->backing_path, image) || !json_object_get(wanted->spec->wish, "disk"))
                return;
        from = root->backing_path ? image_title(root->backing_path) : NULL;
        to = image ? image_title(image) : NULL;
        plan_changes_add(changes, "image", from, to, CHANGE_RECREATE);
}

/* What cloud-init was told when the root disk was made, against what the file says now: it sets a disk up only once. */
static void
compare_seeded(const struct spec *applied, const struct resolved_vm *wanted, GPtrArray *changes)
{
        static const char *const keys[] = {"packages", "files", "run", "ignition"};
        const json_t *from = applied->seeded, *to = wanted->spec->wish;

        if (!from)
                return;
        for (const struct key *row = keys_cloud_init.keys; row->name; row++) {
                g_autofree char *path = g_strconcat("cloud_init.", row->name, NULL);

                add_hidden(changes, path, json_object_get(json_object_get(from, "cloud_init"), row->name),
                           json_object_get(json_object_get(to, "cloud_init"), row->name), CHANGE_RECREATE);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
                add_hidden(changes, keys[i], json_object_get(from, keys[i]), json_object_get(to, keys[i]), CHANGE_RECREATE);
        add_hidden(changes, "ssh.keys", json_object_get(json_object_get(from, "ssh"), "keys"),
                   json_object_get(json_object_get(to, "ssh"), "keys"), CHANGE_RECREATE);
}

struct plan_change *
plan_changes_find(const GPtrArray *changes, const char *key)
{
        for (guint i = 0; i < changes->len; i++)
                if (strcmp(((struct plan_change *)g_ptr_array_index(changes, i))->key, key) == 0)
                        return g_ptr_array_index(changes, i);
        return NULL;
}

/* What a disk has now: QEMU knows best; a disk that it has not plugged in is made larger when it is. 0: nothing to compare */
static guint64
size_now(const struct world *world, const struct vm_world *found, const struct launch_disk *disk)
{
        const struct disk_head *head = g_hash_table_lookup(world->files, disk->path);
        g_autofree char *id = qemu_disk_id(disk->disk->name);
        const struct actual_block *block = found->actual ? actual_block(found->actual, id) : NULL;

        return block ? block->size_bytes : found->actual || !head ? 0 : head->size_bytes;
}

/* A VM's own sizes are among its fields, a named disk's are not; and either may be less than was once applied. */
static void
add_size_change(const struct world *world, const struct vm_world *found, const struct launch_disk *disk, GPtrArray *changes)
{
        guint64 size = size_now(world, found, disk);
        g_autofree char *key = disk->disk->is_root ? g_strdup("disk.size") : g_strdup_printf("disks.%s.size", disk->disk->name);
        struct plan_change *change = plan_changes_find(changes, key);
        g_autofree char *from = NULL, *to = NULL;

        if (change && size > disk->disk->size_bytes)
                change->how = CHANGE_RESTART; /* it is never shrunk, and its next start will be refused: see check_size() */
        if (!size || disk->disk->size_bytes <= size || change || (!disk->disk->named && !found->actual))
                return;
        from = text_format_size(size);
        to = text_format_size(disk->disk->size_bytes);
        plan_changes_add(changes, key, from, to, CHANGE_LIVE);
        ((struct plan_change *)g_ptr_array_index(changes, changes->len - 1))->drift = !disk->disk->named;
}

/* What a disk of the VM's own was made as. */
static void
add_making_changes(const struct disk_head *head, const struct launch_disk *disk, GPtrArray *changes)
{
        const char *format = disk->disk->format == FORMAT_RAW ? "raw" : "qcow2";
        g_autofree char *whole = disk->disk->is_root ? g_strdup("disk") : g_strconcat("disks.", disk->disk->name, NULL);
        g_autofree char *format_key = g_strconcat(whole, ".format", NULL);
        g_autofree char *encryption_key = g_strconcat(whole, ".encryption", NULL);
        gboolean wish = disk->disk->encryption != NULL;

        if (strcmp(format, disk->format) != 0)
                plan_changes_add(changes, format_key, disk->format, format, CHANGE_RECREATE);
        if (head->encrypted != wish)
                plan_changes_add(changes, encryption_key, head->encrypted ? "luks" : NULL, wish ? "luks" : NULL,
                                 CHANGE_RECREATE);
}

/* What the disks have against what the file says. */
static void
add_disk_changes(const struct world *world, const struct vm_world *found, const struct launch *launch, GPtrArray *changes)
{
        for (guint i = 0; i < launch->disk_count; i++) {
                const struct launch_disk *disk = &launch->disks[i];
                const struct disk_head *head = g_hash_table_lookup(world->files, disk->path);

                if (disk_in_place(disk->disk) || !head)
                        continue;
                if (!disk->disk->named)
                        add_making_changes(head, disk, changes);
                add_size_change(world, found, disk, changes);
        }
}

/* A NIC tells its guest its mtu, or the network's, when it is made: links have a new one at once, the guest after a restart.
 * What was told counts, not what was once written. */
static void
add_mtu_changes(const struct vm_world *found, const struct launch *launch, GPtrArray *changes)
{
        for (guint i = 0; found->mtus && i < launch->nic_count; i++) {
                const struct launch_nic *nic = &launch->nics[i];
                g_autofree char *id = qemu_nic_id(nic->nic->name);
                guint told = GPOINTER_TO_UINT(g_hash_table_lookup(found->mtus, id));
                g_autofree char *key = NULL, *from = NULL, *to = NULL;

                if (!told || !nic->mtu || nic->nic->model != NIC_VIRTIO)
                        continue;
                key = g_strdup_printf("networks.%s.mtu", nic->nic->name);
                g_ptr_array_remove(changes, plan_changes_find(changes, key));
                if (told == nic->mtu)
                        continue;
                from = g_strdup_printf("%u", told);
                to = g_strdup_printf("%u", nic->mtu);
                plan_changes_add(changes, key, from, to, CHANGE_RESTART);
        }
}

/* The same file with another password in it. */
static void
add_password_change(const struct world *world, const struct vm_world *found, const struct vm *vm, GPtrArray *changes)
{
        const char *stamp = world_password_stamp(world, vm);

        if (stamp && found->spec->password_stamp && strcmp(stamp, found->spec->password_stamp) != 0 &&
            !plan_changes_find(changes, "display.password_file"))
                plan_changes_add(changes, "display.password_file", "as it was", "written anew", CHANGE_LIVE);
}

GPtrArray *
plan_vm_changes(const struct world *world, const struct resolved_vm *vm)
{
        const struct vm_world *found = world_vm(world, vm->vm->name);
        struct side from = {found->spec->wish, found->spec->set}, to = {vm->spec->wish, vm->spec->set};
        GPtrArray *changes = plan_changes_new();

        if (from.wish) {
                compare_objects(&keys_vm, "", from, to, CHANGE_RESTART, changes);
                compare_disk_origins(found->spec, vm, changes);
                compare_seeded(found->spec, vm, changes);
        }
        add_disk_changes(world, found, &vm->launch, changes);
        add_mtu_changes(found, &vm->launch, changes);
        add_password_change(world, found, vm->vm, changes);
        if (vm_is_alive(found) && from.wish) {
                plan_drift(found, &vm->launch, changes);
                plan_changes_settle(found, &vm->launch, changes);
        }
        return changes;
}
