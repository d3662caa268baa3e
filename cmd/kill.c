/* kill.c - drover kill: the power cut, and the other buttons of a machine */
#include "cmd/operate.h"
#include "cmd/select.h"

#include "base/error.h"
#include "runtime/vm/vm.h"

#include <string.h>

struct kill_options {
        char *signal;
};

static const struct {
        const char *word, *command, *done;
} buttons[] = {
        {"poweroff", "system_powerdown", "power button pressed"},
        {"reset", "system_reset", "reset"},
        {"nmi", "inject-nmi", "NMI injected"},
};

/* Press a button of each living VM; every failure is printed, the first one counts. */
static int
press(struct verb_call *call, size_t button)
{
        g_autoptr(GPtrArray) names = NULL;
        int status = EXIT_DONE;
        g_autoptr(session_t) session = select_open(call, TRUE, &names, &status);

        if (!session)
                return status;
        for (guint i = 0; i < names->len; i++) {
                const char *name = g_ptr_array_index(names, i);
                g_autoptr(GError) fault = NULL;
                gboolean alive = vm_is_locked(session->world->paths, name);

                if (!alive && !*call->arguments)
                        continue;
                if (!alive)
                        error_set(&fault, DROVER_ERROR_FAILED, "vm '%s' is not running", name);
                else if (vm_command(session->world->paths, name, buttons[button].command, &fault))
                        print_info("vm %s: %s", name, buttons[button].done);
                if (fault) {
                        int failed = print_error(fault);

                        status = status == EXIT_DONE ? failed : status;
                }
        }
        return status;
}

static int
run_kill(struct verb_call *call)
{
        const struct kill_options *options = call->options;
        struct operation operation = {
                .plan = {.vms = select_names(call->arguments), .goal = GOAL_KILL, .grace_ms = 0},
                .nothing = "nothing to do: none of them runs",
        };

        for (size_t i = 0; options->signal && i < G_N_ELEMENTS(buttons); i++)
                if (strcmp(options->signal, buttons[i].word) == 0 && !call->globals->dry_run)
                        return press(call, i);
        return operate(call, &operation);
}

static const struct option_row rows[] = {
        {"signal", 's', OPTION_TEXT, "poweroff|reset|nmi|quit", "What to do; default: quit, which is the power cut",
         G_STRUCT_OFFSET(struct kill_options, signal)},
        {NULL},
};

const struct verb verb_kill = {
        .name = "kill",
        VERB_OF_VMS,
        .help = "Cut the power of VMs",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        VERB_OPTIONS(rows, struct kill_options),
        .run = run_kill,
};
