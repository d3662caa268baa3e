/* vectors.c - prints what drover would start, for the bare launcher: argument vectors, descriptors, overlays
 *
 *   vectors FILE      of the project file FILE, in the directories that DROVER_*_DIR name; nothing is changed
 *
 * The output is pairs of NUL-terminated texts, a key and its value:
 *
 *   template   BACKING:FORMAT:BYTES    the one overlay of which every `disk` is a copy; before the first machine
 *   machine    NAME                    begins a machine; all that follow belong to it
 *   run, data  its two directories
 *   disk       the path of an overlay
 *   alive, namespace, data-directory, run-directory, listen NAME, tap NAME, read PATH, write PATH, log NAME, plain PATH
 *              what descriptor 3, 4, 5 ... has to be, in their order (runtime/vm/qemu_argv.h)
 *   argument   one argument
 */
#include "base/error.h"
#include "runtime/plan/fault.h"
#include "runtime/session.h"

#include <stdio.h>
#include <string.h>

static void
put(const char *key, const char *value)
{
        fwrite(key, 1, strlen(key) + 1, stdout);
        fwrite(value ? value : "", 1, (value ? strlen(value) : 0) + 1, stdout);
}

/* All overlays have to be of one kind, as those of drover's own template are. */
static gboolean
put_template(const struct resolved *resolved, GError **error)
{
        g_autofree char *template = NULL;

        for (guint i = 0; i < resolved->vm_count; i++) {
                const struct resolved_vm *vm = &resolved->vms[i];

                for (guint d = 0; d < vm->launch.disk_count; d++) {
                        const struct launch_disk *disk = &vm->launch.disks[d];
                        const struct kept_disk *kept = spec_disk(vm->spec, disk->disk->name);
                        guint64 size = MAX(disk->disk->size_bytes, kept ? kept->backing.virtual_size_bytes : 0);
                        g_autofree char *wanted = NULL;

                        if (!disk->backing_path)
                                return error_set(error, DROVER_ERROR_UNSUPPORTED, "vm '%s' has a disk that is no overlay",
                                                 vm->vm->name);
                        wanted = g_strdup_printf("%s:%s:%" G_GUINT64_FORMAT, disk->backing_path, disk->backing_format, size);
                        if (template && strcmp(template, wanted) != 0)
                                return error_set(error, DROVER_ERROR_UNSUPPORTED, "the overlays differ");
                        g_free(template);
                        template = g_steal_pointer(&wanted);
                }
        }
        put("template", template);
        return TRUE;
}

static void
put_descriptor(const struct launch *launch, const struct descriptor *descriptor)
{
        static const char *const keys[] = {
                [DESCRIPTOR_ALIVE] = "alive",       [DESCRIPTOR_NAMESPACE] = "namespace",
                [DESCRIPTOR_DATA] = "data-directory", [DESCRIPTOR_RUN] = "run-directory",
                [DESCRIPTOR_LISTEN] = "listen",     [DESCRIPTOR_TAP] = "tap",
                [DESCRIPTOR_READ] = "read",         [DESCRIPTOR_WRITE] = "write",
                [DESCRIPTOR_LOG] = "log",           [DESCRIPTOR_PLAIN_READ] = "plain",
        };
        g_autofree char *tap = NULL;

        if (descriptor->kind == DESCRIPTOR_TAP)
                tap = lab_tap_name(launch->project, launch->vm->name, launch->nics[descriptor->index].nic->name);
        put(keys[descriptor->kind], tap ? tap : descriptor->name);
}

static gboolean
put_machine(const struct session *session, const struct resolved_vm *vm, GError **error)
{
        g_autofree char *run = paths_vm_run(session->world->paths, vm->vm->name);
        g_autofree char *data = paths_vm_data(session->world->paths, vm->vm->name);
        g_autoptr(qemu_command_t) command = NULL;

        if (vm->faults)
                return error_set(error, DROVER_ERROR_FAILED, "vm '%s': %s", vm->vm->name, fault_text(vm->faults));
        command = qemu_command_build(&vm->launch);
        put("machine", vm->vm->name);
        put("run", run);
        put("data", data);
        for (guint i = 0; i < vm->launch.disk_count; i++)
                put("disk", vm->launch.disks[i].path);
        for (guint i = 0; i < command->descriptor_count; i++)
                put_descriptor(&vm->launch, &command->descriptors[i]);
        put("argument", session->world->qemu->path);
        for (char **argument = command->argv + 1; *argument; argument++)
                put("argument", *argument);
        return TRUE;
}

static struct session *
open_session(const char *file, GError **error)
{
        const char *const files[] = {file, NULL};
        g_autofree char *directory = g_get_current_dir();
        struct load_options load = {.files = files, .directory = directory, .root = TRUE};
        struct observe_options look = {.images = TRUE, .network = TRUE};
        struct diagnostics *diagnostics = NULL;
        struct project *project = project_load(&load, &diagnostics, error);
        g_autoptr(session_t) session = NULL;

        diagnostics_free(diagnostics);
        if (!project)
                return NULL;
        session = session_open(project);
        if (!session_observe(session, &look, error))
                return NULL;
        if (session->resolved->faults)
                return error_set(error, DROVER_ERROR_CONFIG, "%s", fault_text(session->resolved->faults)), NULL;
        if (!session->world->qemu)
                return error_set(error, DROVER_ERROR_NOT_FOUND, "there is no QEMU"), NULL;
        return g_steal_pointer(&session);
}

int
main(int argc, char **argv)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(session_t) session = argc == 2 ? open_session(argv[1], &error) : NULL;
        gboolean ok = session && put_template(session->resolved, &error);

        if (argc != 2)
                return fprintf(stderr, "usage: vectors FILE\n"), 4;
        for (guint i = 0; ok && i < session->resolved->vm_count; i++)
                ok = put_machine(session, &session->resolved->vms[i], &error);
        if (ok && fflush(stdout) == 0)
                return 0;
        fprintf(stderr, "error: %s\n", error ? error->message : "cannot write");
        return 1;
}
