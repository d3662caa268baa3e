/* down.c - drover down: stop and remove what up made; disks stay unless asked for */
#include "cmd/operate.h"
#include "cmd/select.h"

struct down_options {
        gboolean volumes, fresh, remove_orphans, yes;
        gint64 grace_ms;
};

static char *
question(const struct plan *plan, const struct session *session)
{
        g_autoptr(GString) names = g_string_new(NULL);
        guint count = 0;

        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);

                if (step->kind != KIND_DISK || step->action != ACTION_REMOVE)
                        continue;
                if (++count <= 10)
                        g_string_append_printf(names, "%s%s", names->len ? ", " : "", step->name);
        }
        if (!count)
                return NULL;
        if (count > 10)
                g_string_append_printf(names, " and %u more", count - 10);
        return g_strdup_printf("remove %u disk%s with all that is on %s (%s)?", count, count == 1 ? "" : "s",
                               count == 1 ? "it" : "them", names->str);
}

/* Which disks stayed. */
static int
finish(const struct operation *operation, const struct plan *plan, struct session *session, struct verb_call *call)
{
        g_autoptr(GString) names = g_string_new(NULL);
        guint count = 0;
        gboolean named = FALSE;

        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);

                if (step->kind != KIND_DISK || step->action != ACTION_KEEP)
                        continue;
                named = named || !strchr(step->name, '/');
                if (++count <= 10)
                        g_string_append_printf(names, "%s%s", names->len ? ", " : "", step->name);
        }
        if (count > 10)
                g_string_append_printf(names, " and %u more", count - 10);
        if (count)
                print_info("kept disk%s: %s ('drover down %s' removes %s)", count == 1 ? "" : "s", names->str,
                           named ? "-v" : "--fresh", count == 1 ? "it" : "them");
        return EXIT_DONE;
}

static int
run_down(struct verb_call *call)
{
        struct down_options *options = call->options;
        gboolean all = !*call->arguments;
        struct operation operation = {
                .plan =
                        {
                                .vms = select_names(call->arguments),
                                .goal = GOAL_REMOVE,
                                .remove_networks = all,
                                .fresh = options->fresh || options->volumes,
                                .volumes = options->volumes && all,
                                .remove_orphans = options->remove_orphans,
                                .grace_ms = operate_grace(options->grace_ms),
                        },
                .yes = options->yes,
                .nothing = "nothing to do: nothing of this project is up",
                .question = question,
                .finish = finish,
        };

        return operate(call, &operation);
}

#define ROW(...) OPTION_ROW(struct down_options, __VA_ARGS__)

static const struct option_row rows[] = {
        ROW("volumes", 'v', OPTION_FLAG, NULL, volumes, "Also remove all disks, and forget chosen subnets"),
        ROW("fresh", 0, OPTION_FLAG, NULL, fresh, "Also remove the VMs' own disks"),
        ROW("remove-orphans", 0, OPTION_FLAG, NULL, remove_orphans, "Also remove VMs that are no longer in the file"),
        ROW("timeout", 't', OPTION_DURATION, "T", grace_ms, "Grace period instead of each VM's own"),
        ROW("yes", 'y', OPTION_FLAG, NULL, yes, "Do not ask"),
        {NULL},
};

const struct verb verb_down = {
        .name = "down",
        VERB_OF_VMS,
        .help = "Stop and remove VMs and networks; disks stay",
        .text = "Without names everything that up made goes, but for disks: it says which stay. -v removes those too, and "
                "asks first on a terminal. With names, those VMs alone go, with --fresh or -v also their own disks.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        VERB_OPTIONS(rows, struct down_options),
        .run = run_down,
};
