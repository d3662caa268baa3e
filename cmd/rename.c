/* rename.c - drover rename: another name for a VM, which keeps its disks and its identity */
#include "cmd/operate.h"

#include "base/error.h"
#include "base/text.h"
#include "runtime/rename.h"
#include "runtime/supervisor/journal.h"

#include <string.h>

/* The name is its line in the file, its host name and a path. */
static gboolean
check_names(const struct session *session, const char *from, const char *to, GError **error)
{
        const struct vm_world *vm = world_vm(session->world, from);
        const struct vm *group = project_find_declared(session->project, to);

        if (!text_is_name(to)) {
                error_set(error, DROVER_ERROR_USAGE, "'%s' is no name for a VM", to);
                return error_hint(error, "a name has lower case letters, digits and dashes, at most 40");
        }
        if (strcmp(from, to) == 0)
                return error_set(error, DROVER_ERROR_USAGE, "vm '%s' has this name already", from);
        if (group && group->has_replicas && strcmp(group->name, to) == 0) {
                error_set(error, DROVER_ERROR_USAGE, "vm '%s' has 'replicas' in the file: they are '%s-1' and so on", to, to);
                return error_hint(error, "'drover rename %s %s-1'", from, to);
        }
        if (vm && vm->spec)
                return TRUE;
        if (vm && vm->error) {
                g_propagate_error(error, g_error_copy(vm->error));
                return error_prefix(error, "cannot tell what vm '%s' is", from);
        }
        error_set(error, DROVER_ERROR_NOT_FOUND, "nothing of a vm '%s' is here", from);
        return error_hint(error, vm && vm->in_file ? "it has not been made: a new name in the file is all that it takes"
                                                   : "'drover ps -a' lists what is here");
}

/* What the user has still to do, and what comes with the next start. */
static void
tell(const struct session *session, const char *from, const char *to, gboolean alive)
{
        const struct vm *old = project_find_declared(session->project, from);

        print_info("vm %s is vm %s now", from, to);
        if (alive)
                print_note(
                        "it runs on; until it is stopped its process and its taps keep the name '%s', and the guest its host "
                        "name",
                        from);
        if (old && strcmp(old->name, from) == 0 && !old->has_replicas)
                print_note(
                        "the project file still says '%s': write '%s' there, also in 'depends_on', before the next 'drover up'",
                        from, to);
        else if (!project_find_declared(session->project, to) && session->project->declared_vm_count)
                print_note("the project file does not have '%s' yet: until then it is an orphan", to);
}

static int
run_rename(struct verb_call *call)
{
        static const struct observe_options look = {0};
        const char *from = call->arguments[0], *to = call->arguments[1];
        int status = EXIT_DONE;
        g_autoptr(session_t) session = operate_open(call, &look, TRUE, &status);
        g_autoptr(GError) error = NULL;
        gboolean alive;

        if (!session)
                return status;
        if (!check_names(session, from, to, &error))
                return print_error(error);
        alive = vm_is_alive(world_vm(session->world, from));
        if (call->globals->dry_run) {
                print_info("would rename vm %s to %s", from, to);
                return EXIT_DONE;
        }
        if (!rename_vm(session->world->paths, from, to, &error))
                return print_error(error);
        journal_append(
                session->world->paths->data,
                &(struct event){.kind = "vm", .name = to, .event = "rename", .by = "rename", .key = "from", .value = from});
        tell(session, from, to, alive);
        return EXIT_DONE;
}

const struct verb verb_rename = {
        .name = "rename",
        .synopsis = "OLD NEW",
        .help = "Give a VM another name",
        .text = "It keeps its disks, UUID, MAC addresses and logs, and runs on if it runs. Before or after the file was "
                "edited.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        .min_arguments = 2,
        .max_arguments = 2,
        .run = run_rename,
};
