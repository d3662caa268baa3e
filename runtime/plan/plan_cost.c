/* plan_cost.c - what a plan costs: who restarts, who loses a link, memory and disk against what this host has free */
#include "runtime/plan/plan_build.h"

#include "base/text.h"
#include "parser/value/value.h"

#include <string.h>

static guint64
size_of(const char *text)
{
        guint64 bytes;

        return text && value_parse_size(text, &bytes, NULL) ? bytes : 0;
}

/* "networks.lan" that goes, "networks.lan.network" that moves, "networks.lan.link" that is pulled. */
static void
add_cut_link(struct plan *plan, const struct plan_step *step, const struct plan_change *change)
{
        g_auto(GStrv) parts = g_strsplit(change->key, ".", 3);
        gboolean gone = parts[1] && !parts[2] && !change->to;
        gboolean moved = parts[1] && parts[2] && strcmp(parts[2], "network") == 0;
        gboolean pulled = parts[1] && parts[2] && strcmp(parts[2], "link") == 0 && g_strcmp0(change->to, "down") == 0;

        if (strcmp(parts[0], "networks") == 0 && (gone || moved || pulled))
                g_ptr_array_add(plan->cut_links, g_strdup_printf("%s/%s", step->name, parts[1]));
}

static gboolean
is_disk_size(const char *key)
{
        return strcmp(key, "disk.size") == 0 || (g_str_has_prefix(key, "disks.") && g_str_has_suffix(key, ".size"));
}

/* Disks are sparse: what they may grow to is a bound, not a price. */
static void
add_changes(struct plan *plan, const struct plan_step *step)
{
        for (guint i = 0; i < step->changes->len; i++) {
                const struct plan_change *change = g_ptr_array_index(step->changes, i);
                guint64 from = size_of(change->from), to = size_of(change->to);

                if (step->action == ACTION_UPDATE || step->action == ACTION_REPAIR)
                        add_cut_link(plan, step, change);
                if (is_disk_size(change->key) && to > from)
                        plan->disk_needed += to - from;
                else if (strcmp(change->key, "memory") == 0 && step->action != ACTION_START && to > from)
                        plan->memory_needed += to - from; /* that of VMs which are not up is counted whole */
        }
}

static void
add_step(struct planner *planner, const struct plan_step *step)
{
        if (step->kind == KIND_VM && step->action == ACTION_RESTART)
                g_ptr_array_add(planner->plan->restarts, g_strdup(step->name));
        if (step->kind == KIND_VM)
                add_changes(planner->plan, step);
        else if (step->kind == KIND_DISK && step->action == ACTION_CREATE)
                planner->plan->disk_needed += planner->resolved->vms[step->index].launch.disks[step->disk].disk->size_bytes;
}

static char *
format_rounded(guint64 bytes)
{
        return g_strdup_printf("%.1f GiB", (double)bytes / (1 << 30));
}

/* Of a host that says 0 nothing is known. */
static gboolean
is_short(guint64 needed, guint64 there)
{
        return there && needed > there;
}

/* What is taken at once is there or it is not, unlike what guests may write one day. */
static void
check_taken(struct planner *planner)
{
        g_autofree char *needed = NULL, *there = format_rounded(planner->world->disk_free);
        const struct launch_disk *first = NULL;
        g_autoptr(GPtrArray) faults = NULL;

        for (guint i = 0; i < planner->plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(planner->plan->steps, i);
                const struct launch_disk *disk;

                if (step->kind != KIND_DISK || step->action != ACTION_CREATE)
                        continue;
                disk = &planner->resolved->vms[step->index].launch.disks[step->disk];
                if (!disk->disk->preallocated || disk->disk->preallocation == PREALLOCATION_METADATA)
                        continue;
                first = first ? first : disk;
                planner->plan->disk_taken += disk->disk->size_bytes;
        }
        if (!is_short(planner->plan->disk_taken, planner->world->disk_free))
                return;
        needed = format_rounded(planner->plan->disk_taken);
        faults_add_passing(&faults, "no-room", project_place(first->disk->node, "preallocation"),
                           "make room, or leave 'preallocation' out",
                           "disk '%s' and others like it take %s when they are made, and there are %s free", first->disk->name,
                           needed, there);
        plan_refuse(planner, faults);
}

void
plan_cost(struct planner *planner)
{
        struct plan *plan = planner->plan;
        const struct world *world = planner->world;
        g_autofree char *memory = format_rounded(world->memory_available), *disk = format_rounded(world->disk_free);
        g_autofree char *more_memory = NULL, *more_disk = NULL;

        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);

                if (plan_action_acts(step->action))
                        add_step(planner, step);
        }
        check_taken(planner);
        more_memory = format_rounded(plan->memory_needed);
        more_disk = format_rounded(plan->disk_needed);
        if (is_short(plan->memory_needed, world->memory_available))
                g_ptr_array_add(plan->notes,
                                g_strdup_printf("it may take %s of memory more, and this host has %s available: VMs "
                                                "may be slow, or be ended by the kernel",
                                                more_memory, memory));
        if (is_short(plan->disk_needed, world->disk_free))
                g_ptr_array_add(plan->notes,
                                g_strdup_printf("its disks may grow by %s, and there are %s free: guests stop when "
                                                "there is no more",
                                                more_disk, disk));
}
