/* plan-bench.h - for tests of the planner: a project and a world that nobody looked at a host for */
#pragma once

#include "base/json.h"
#include "parser/load.h"
#include "runtime/plan/plan.h"
#include "runtime/storage/source.h"

#include <string.h>

struct bench {
        struct project *project;
        struct world *world;
        struct resolved *resolved;
        struct diagnostics *faults; /* of the plan that was made last */
};

static inline struct project *
load(const char *text)
{
        struct load_options options = {.directory = "/srv/lab", .root = TRUE, .no_files = TRUE};
        struct diagnostics *diagnostics = NULL;
        GError *error = NULL;
        struct project *project = project_load_text(text, strlen(text), &options, &diagnostics, &error);

        for (guint i = 0; diagnostics && i < diagnostics->items->len; i++)
                g_test_message("%s", ((struct diagnostic *)g_ptr_array_index(diagnostics->items, i))->text);
        g_assert_no_error(error);
        diagnostics_free(diagnostics);
        return project;
}

static inline void
free_vm(gpointer data)
{
        struct vm_world *vm = data;

        g_free(vm->name);
        spec_free(vm->spec);
        g_clear_pointer(&vm->mtus, g_hash_table_unref);
        actual_free(vm->actual);
        g_free(vm);
}

static inline void
free_network(gpointer data)
{
        struct kept_network *network = data;

        g_free(network->name);
        g_free(network->bridge);
        g_strfreev(network->uplinks);
        json_decref(network->wish);
        g_free(network);
}

static inline struct vm_world *
add_vm(struct world *world, const char *name, gboolean in_file)
{
        struct vm_world *vm = g_new0(struct vm_world, 1);

        vm->name = g_strdup(name);
        vm->in_file = in_file;
        g_ptr_array_add(world->vms, vm);
        g_hash_table_insert(world->vms_by_name, vm->name, vm);
        return vm;
}

static inline void
bench_init(struct bench *bench, const char *text)
{
        struct world *world = g_new0(struct world, 1);

        bench->project = load(text);
        bench->world = world;
        bench->resolved = NULL;
        bench->faults = NULL;
        world->paths = paths_new(bench->project->name);
        world->paths->root = FALSE; /* as a user without a program for the uplink: that is tested elsewhere */
        world->state = g_new0(struct state, 1);
        world->state->networks = g_ptr_array_new_with_free_func(free_network);
        world->vms = g_ptr_array_new_with_free_func(free_vm);
        world->vms_by_name = g_hash_table_new(g_str_hash, g_str_equal);
        world->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        world->qemu = g_new0(struct qemu_info, 1);
        world->qemu->q35 = g_strdup("pc-q35-7.2");
        world->qemu->pc = g_strdup("pc-i440fx-7.2");
        world->qemu->machines = g_strsplit("pc pc-i440fx-7.2 q35 pc-q35-7.2", " ", -1);
        world->memory_total = (guint64)8 << 30;
        world->virtiofsd = g_strdup("/usr/libexec/virtiofsd");
        for (guint i = 0; i < bench->project->vm_count; i++)
                add_vm(world, bench->project->vms[i].name, TRUE);
}

static inline void
bench_clear(struct bench *bench)
{
        diagnostics_free(bench->faults);
        resolved_free(bench->resolved);
        world_free(bench->world);
        project_free(bench->project);
}

/* As if all images had been fetched: what is fetched from another place, or with another sum, is another file. */
static inline void
pretend_fetched(struct bench *bench)
{
        g_clear_pointer(&bench->world->fetched, g_hash_table_unref);
        bench->world->fetched = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        for (guint i = 0; i < bench->project->vm_count; i++) {
                const struct image_source source = image_source_of(bench->project, &bench->project->vms[i]);
                char *key = image_source_key(&source);
                g_autofree char *sum = key ? g_compute_checksum_for_string(G_CHECKSUM_SHA256, key, -1) : NULL;

                if (key)
                        g_hash_table_insert(bench->world->fetched, key, g_strdup_printf("/cache/images/sha256-%s", sum));
        }
}

static inline void
resolve_again(struct bench *bench)
{
        pretend_fetched(bench);
        g_clear_pointer(&bench->resolved, resolved_free);
        bench->resolved = resolve(bench->project, bench->world);
}

/* A plan, with what stands in its way in bench->faults. */
static inline struct plan *
make_plan(struct bench *bench, const struct plan_options *options, GError **error)
{
        if (!bench->resolved)
                resolve_again(bench);
        g_clear_pointer(&bench->faults, diagnostics_free);
        bench->faults = project_diagnostics(bench->project);
        return plan_make(bench->project, bench->world, bench->resolved, options, bench->faults, error);
}

/* All of it as it would be printed. New string. */
static inline char *
format_faults(const struct bench *bench)
{
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < bench->faults->items->len; i++) {
                g_autofree char *shown = diagnostic_format(g_ptr_array_index(bench->faults->items, i));

                g_string_append(text, shown);
        }
        return g_string_free(text, FALSE);
}

static inline void
pretend_published(struct bench *bench)
{
        const GArray *published = bench->resolved->published;
        struct forwarder_state *state = &bench->world->forwarder;

        forwarder_state_clear(state);
        state->pid = published->len ? 1 : 0;
        state->forwards = g_array_new(FALSE, FALSE, sizeof(struct forward));
        for (guint i = 0; i < published->len; i++)
                g_array_append_val(state->forwards, g_array_index(published, struct published, i).forward);
}

static inline void
pretend_disk(struct world *world, const struct launch_disk *disk)
{
        struct disk_head head = {disk->disk->size_bytes, disk->disk->encryption != NULL};

        g_hash_table_insert(world->files, g_strdup(disk->path), g_memdup2(&head, sizeof head));
}

/* All that the file wants is there and runs, started from @text. */
static inline void
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
                        pretend_disk(bench->world, &launch->disks[n]);
        }
        bench->world->dnsmasq = (struct dnsmasq_state){1, TRUE, TRUE};
        bench->world->firewall = FIREWALL_SAME;
        pretend_published(bench);
}

/* The same world, another file. */
static inline void
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
