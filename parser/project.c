/* project.c - the project's memory and its look-ups */
#include "parser/store.h"

#include "parser/catalogue.h"
#include "parser/load.h"

#include <string.h>

struct project *
project_new(struct sources *sources)
{
        struct project *project = g_new0(struct project, 1);
        struct project_store *store = g_new0(struct project_store, 1);

        store->sources = sources_ref(sources);
        store->trees = g_ptr_array_new_with_free_func((GDestroyNotify)tree_free);
        store->refusals = g_array_new(FALSE, FALSE, sizeof(struct refusal));
        store->defaults = g_hash_table_new(NULL, NULL);
        store->declared = g_hash_table_new(g_str_hash, g_str_equal);
        store->vms = g_hash_table_new(g_str_hash, g_str_equal);
        store->networks = g_hash_table_new(g_str_hash, g_str_equal);
        store->disks = g_hash_table_new(g_str_hash, g_str_equal);
        store->images = g_hash_table_new(g_str_hash, g_str_equal);
        store->catalogued = g_hash_table_new(g_str_hash, g_str_equal);
        project->store = store;
        return project;
}

void
project_free(struct project *project)
{
        struct project_store *store;

        if (!project)
                return;
        store = project->store;
        arena_clear(&store->arena);
        g_array_unref(store->refusals);
        g_hash_table_unref(store->defaults);
        g_hash_table_unref(store->declared);
        g_hash_table_unref(store->vms);
        g_hash_table_unref(store->networks);
        g_hash_table_unref(store->disks);
        g_hash_table_unref(store->images);
        g_hash_table_unref(store->catalogued);
        catalogue_free(store->catalogue);
        g_ptr_array_unref(store->trees);
        sources_unref(store->sources);
        g_free(store);
        g_free(project);
}

struct diagnostics *
project_diagnostics(const struct project *project)
{
        return diagnostics_new(project->store->sources);
}

void *
store_alloc(struct project_store *store, size_t bytes)
{
        return arena_alloc(&store->arena, bytes);
}

const char *
store_text(struct project_store *store, const char *text, gssize length)
{
        return arena_text(&store->arena, text, length < 0 ? strlen(text) : (size_t)length);
}

const char *
store_format(struct project_store *store, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        return store_text(store, text, -1);
}

void
store_refuse(struct project_store *store, struct place place, const char *hint, const char *format, ...)
{
        g_autofree char *text = NULL;
        struct refusal refusal = {.place = place};
        va_list args;

        if (store->refusals->len >= STORE_MAX_REFUSALS)
                return;
        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        refusal.text = store_text(store, text, -1);
        refusal.hint = hint ? store_text(store, hint, -1) : NULL;
        g_array_append_val(store->refusals, refusal);
}

guint
project_refusals(const struct project *project, struct diagnostics *diagnostics)
{
        const GArray *refusals = project->store->refusals;

        for (guint i = 0; i < refusals->len; i++) {
                const struct refusal *refusal = &g_array_index(refusals, struct refusal, i);

                diagnostics_add(diagnostics, SEVERITY_ERROR, "not-supported", refusal->place, refusal->hint, "%s",
                                refusal->text);
        }
        return refusals->len;
}

/* Fills @table with an array, of whose objects those with one name, which is an error by itself, leave the first. */
#define INDEX(table, objects, count)                                                                                           \
        for (guint i = (count); i-- > 0;)                                                                                      \
                if ((objects)[i].name)                                                                                         \
                        g_hash_table_replace(table, (gpointer)(objects)[i].name, &(objects)[i]);

void
project_index(struct project *project)
{
        struct project_store *store = project->store;

        INDEX(store->declared, project->declared_vms, project->declared_vm_count);
        INDEX(store->networks, project->networks, project->network_count);
        INDEX(store->disks, project->declared_disks, project->declared_disk_count);
        INDEX(store->images, project->images, project->image_count);
}

void
project_index_wished(struct project *project)
{
        struct project_store *store = project->store;

        if (project->vms == project->declared_vms) { /* and so are the disks */
                g_hash_table_unref(store->vms);
                store->vms = g_hash_table_ref(store->declared);
                return;
        }
        g_hash_table_remove_all(store->disks);
        INDEX(store->vms, project->vms, project->vm_count);
        INDEX(store->disks, project->disks, project->disk_count);
}

/* "db-12" -> "db"; NULL where no number from 1 on is behind the name. */
static char *
group_of(const char *name)
{
        const char *dash = strrchr(name, '-');

        if (!dash || dash[1] < '1' || dash[1] > '9' || strspn(dash + 1, "0123456789") != strlen(dash + 1))
                return NULL;
        return g_strndup(name, (gsize)(dash - name));
}

const struct vm *
project_find_declared(const struct project *project, const char *name)
{
        const struct vm *vm = g_hash_table_lookup(project->store->declared, name);
        g_autofree char *group = vm ? NULL : group_of(name);

        if (vm || !group)
                return vm;
        vm = g_hash_table_lookup(project->store->declared, group);
        return vm && vm->has_replicas ? vm : NULL;
}

gboolean
project_is_named(const struct project *project, const char *const *names, const char *vm)
{
        const struct vm *declared = names ? project_find_declared(project, vm) : NULL;

        return names &&
               (g_strv_contains(names, vm) || (declared && declared->has_replicas && g_strv_contains(names, declared->name)));
}

static int
compare_texts(gconstpointer a, gconstpointer b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **
project_profiles(const struct project *project)
{
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        for (guint i = 0; i < project->declared_vm_count; i++)
                for (const char *const *name = project->declared_vms[i].profiles; *name; name++)
                        if (g_hash_table_add(seen, (gpointer)*name))
                                g_ptr_array_add(names, (gpointer)*name);
        g_ptr_array_sort(names, compare_texts);
        g_ptr_array_add(names, NULL);
        return (const char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

guint
vm_dependency(const struct vm *vm, guint number)
{
        for (guint i = 0; i < vm->dependency_count; i++) {
                if (number < vm->dependencies[i].count)
                        return vm->dependencies[i].first + number;
                number -= vm->dependencies[i].count;
        }
        return G_MAXUINT;
}

const struct vm *
project_find_vm(const struct project *project, const char *name)
{
        return g_hash_table_lookup(project->store->vms, name);
}

const struct network *
project_find_network(const struct project *project, const char *name)
{
        return g_hash_table_lookup(project->store->networks, name);
}

const struct disk *
project_find_disk(const struct project *project, const char *name)
{
        return g_hash_table_lookup(project->store->disks, name);
}

const struct image *
project_find_image(const struct project *project, const char *name)
{
        return g_hash_table_lookup(project->store->images, name);
}

gboolean
vm_wants_seed(const struct vm *vm)
{
        return vm->cloud_init || (vm->packages && *vm->packages) || vm->file_count || vm->command_count || vm->ssh ||
               (vm->mount_count && vm_has_image(vm));
}

const struct image *
vm_named_image(const struct project *project, const struct vm *vm)
{
        return vm->catalogued || !vm->image_name ? vm->catalogued : project_find_image(project, vm->image_name);
}

gboolean
vm_has_image(const struct vm *vm)
{
        return vm->image || vm->image_url || vm->image_name;
}

const char *
disk_in_place(const struct disk *disk)
{
        return disk->file ? disk->file : disk->device ? disk->device : disk->url;
}

guint
disk_serial_room(enum disk_bus bus)
{
        return bus == BUS_SCSI || bus == BUS_USB ? 36 : 20;
}

struct place
project_place(const struct node *node, const char *key)
{
        const struct node *value = key ? node_get(node, key) : NULL;

        if (value)
                return value->place;
        return node ? node->place : (struct place){NULL, 0, 0, 0};
}

const char *
project_path_hint(const struct place *place, const char *path)
{
        const struct source *source = place->source;
        const char *written = source && place->line ? source->text + source_offset(place) : path;
        gboolean is_absolute;

        written += *written == '"' || *written == '\'';
        if (*written == '$')
                is_absolute = source && !g_str_has_prefix(path, source->directory);
        else
                is_absolute = *written == '/' || *written == '~';
        return is_absolute ? NULL : "a path is relative to the file that it stands in";
}

gboolean
project_is_set(const struct node *node, const char *key)
{
        return node_get(node, key) != NULL;
}
