/* rm.c - drover rm: remove VMs that are stopped */
#include "cmd/operate.h"
#include "cmd/select.h"

#include "base/error.h"

struct rm_options {
        gboolean force, stop, volumes;
        GPtrArray *names; /* NULL-terminated; what is removed */
};

static gboolean
is_removable(const struct vm_world *vm)
{
        return vm_is_alive(vm) || vm->status == VM_CRASHED || (vm->spec && vm->spec->present);
}

/* Without -s only what is stopped: running VMs are left alone, unless one was named, which is an error. */
static int
choose(struct operation *operation, const struct session *session)
{
        struct rm_options *options = operation->data;
        const char *const *asked = operation->plan.vms;
        g_autoptr(GError) error = NULL;

        for (guint i = 0; asked && asked[i]; i++)
                if (!world_vm(session->world, asked[i]) && !project_find_declared(session->project, asked[i]))
                        return EXIT_DONE; /* the plan says so, with a suggestion */
        for (guint i = 0; i < session->world->vms->len; i++) {
                const struct vm_world *vm = g_ptr_array_index(session->world->vms, i);

                if (asked && !project_is_named(session->project, asked, vm->name))
                        continue;
                if (vm_is_alive(vm) && !options->stop && asked) {
                        error_set(&error, DROVER_ERROR_FAILED, "vm '%s' is running", vm->name);
                        error_hint(&error, "'drover rm -s %s' stops it first", vm->name);
                        return print_error(error);
                }
                if (is_removable(vm) && (options->stop || !vm_is_alive(vm)))
                        g_ptr_array_add(options->names, vm->name);
        }
        g_ptr_array_add(options->names, NULL);
        operation->plan.vms = (const char *const *)options->names->pdata;
        return EXIT_DONE;
}

static char *
question(const struct plan *plan, const struct session *session)
{
        g_autoptr(GString) names = g_string_new(NULL);

        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);
                g_autofree char *title = show_title(step);

                if (step->action == ACTION_REMOVE && names->len < 200)
                        g_string_append_printf(names, "%s%s", names->len ? ", " : "", title);
        }
        return g_strdup_printf("remove %s?", names->str);
}

static int
run_rm(struct verb_call *call)
{
        struct rm_options *options = call->options;
        struct operation operation = {
                .plan =
                        {
                                .vms = select_names(call->arguments),
                                .goal = GOAL_REMOVE,
                                .fresh = options->volumes,
                                .grace_ms = -1,
                        },
                .yes = options->force,
                .nothing = "nothing to do: no stopped VMs",
                .data = options,
                .question = question,
                .choose = choose,
        };
        int status;

        options->names = g_ptr_array_new();
        status = operate(call, &operation);
        g_ptr_array_unref(options->names);
        return status;
}

#define ROW(name, letter, field, help) OPTION_ROW(struct rm_options, name, letter, OPTION_FLAG, NULL, field, help)

static const struct option_row rows[] = {
        ROW("force", 'f', force, "Do not ask"),
        ROW("stop", 's', stop, "Stop those that run first"),
        ROW("volumes", 'v', volumes, "Also remove the VMs' own disks"),
        {NULL},
};

const struct verb verb_rm = {
        .name = "rm",
        VERB_OF_VMS,
        .help = "Remove stopped VMs",
        .text = "They are no longer listed by ps -a. Their disks stay unless -v is given.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        VERB_OPTIONS(rows, struct rm_options),
        .run = run_rm,
};
