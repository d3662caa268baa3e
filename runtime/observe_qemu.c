/* observe_qemu.c - what QEMUs say of themselves: asked all at once, heard when other things have been looked at */
#include "runtime/observe.h"

#include "base/process.h"
#include "base/text.h"
#include "runtime/vm/qmp.h"
#include "runtime/vm/vm.h"

#include <string.h>
#include <unistd.h>

enum { QMP_TIMEOUT_MS = 2000 };

/** struct vm_question - What one QEMU has been asked and not said yet */
struct vm_question {
        struct vm_world *vm;
        GPtrArray *commands; /* NULL at the end */
        guint plugged_from;  /* the first of the commands about NICs that were plugged in */
        json_t **answers;
};

struct vm_questions {
        struct vm_question *asked;
        struct qmp_question *questions;
        guint count;
        struct qmp_asking *asking;
};

/* QEMU's run states: qapi/run-state.json, RunState. */
static enum vm_status
status_of(const char *word)
{
        if (g_strcmp0(word, "running") == 0)
                return VM_RUNNING;
        if (g_strcmp0(word, "prelaunch") == 0 || g_strcmp0(word, "inmigrate") == 0)
                return VM_STARTING;
        if (g_strcmp0(word, "guest-panicked") == 0)
                return VM_PANICKED;
        return word ? VM_PAUSED : VM_UNREACHABLE;
}

/* The state first; what follows is for those that plan. */
#define STATUS QMP_COMMAND("query-status")
static const char *const mount_commands[] = {STATUS, ACTUAL_COMMANDS, ACTUAL_MORE_COMMANDS, ACTUAL_MOUNT_COMMAND, NULL};
static const char *const all_commands[] = {STATUS, ACTUAL_COMMANDS, ACTUAL_MORE_COMMANDS, NULL};
static const char *const device_commands[] = {STATUS, ACTUAL_COMMANDS, NULL};
static const char *const status_command[] = {STATUS, NULL};

/* Each question costs each QEMU a turn of its main loop: about memory and vCPUs only those are asked that have room for more,
 * or are to have another amount. */
static gboolean
may_resize(const struct vm_world *vm, const struct vm *wish)
{
        const json_t *memory = vm->spec ? json_object_get(vm->spec->wish, "memory") : NULL;
        const json_t *cpus = vm->spec ? json_object_get(vm->spec->wish, "cpus") : NULL;
        g_autofree char *text = NULL;

        if (!wish || !json_is_string(memory) || !json_is_integer(cpus))
                return TRUE;
        text = text_format_size(wish->memory_bytes);
        return strcmp(text, json_string_value(memory)) != 0 || wish->cpus != json_integer_value(cpus);
}

static gboolean
has_mounts(const struct vm_world *vm)
{
        return vm->spec && json_array_size(json_object_get(vm->spec->wish, "mounts")) > 0;
}

/* Its arguments are what it was started with: `-device {"driver":"virtio-net-pci","id":"nic-lan","host_mtu":1500,...}`. */
static void
find_mtus(struct vm_world *vm)
{
        g_auto(GStrv) argv = vm->pid ? process_argv(vm->pid) : NULL;

        vm->mtus = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (guint i = 0; argv && argv[0] && argv[i] && argv[i + 1]; i++) {
                g_autoptr(json_t) device = NULL;
                gint64 mtu;

                if (strcmp(argv[i], "-device") != 0 || !strstr(argv[i + 1], "host_mtu"))
                        continue;
                device = json_loads(argv[i + 1], JSON_REJECT_DUPLICATES, NULL);
                mtu = json_number(device, "host_mtu", 0);
                if (json_text(device, "id") && mtu > 0 && mtu <= G_MAXUINT16)
                        g_hash_table_insert(vm->mtus, g_strdup(json_text(device, "id")), GUINT_TO_POINTER((guint)mtu));
        }
}

/* What is plugged in has no argument: it is asked for in the same round. */
static char *
mtu_command(const char *id)
{
        return g_strdup_printf("{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/machine/peripheral/%s\","
                               "\"property\":\"host_mtu\"}}", id);
}

static const char *const *
choose_commands(const struct vm_world *vm, const struct project *project, gboolean devices)
{
        if (has_mounts(vm))
                return mount_commands; /* whoever looks is told of one that is lost */
        if (!devices)
                return status_command;
        return may_resize(vm, project_find_vm(project, vm->name)) ? all_commands : device_commands;
}

static void
vm_question_init(struct vm_question *question, struct vm_world *vm, const struct project *project, gboolean devices)
{
        question->vm = vm;
        question->commands = g_ptr_array_new_with_free_func(g_free);
        for (const char *const *command = choose_commands(vm, project, devices); *command; command++)
                g_ptr_array_add(question->commands, g_strdup(*command));
        question->plugged_from = question->commands->len;
        for (guint i = 0; vm->spec && i < vm->spec->plugged->len; i++)
                g_ptr_array_add(question->commands, mtu_command(g_ptr_array_index(vm->spec->plugged, i)));
        question->answers = g_new0(json_t *, question->commands->len);
        g_ptr_array_add(question->commands, NULL);
}

static void
vm_question_clear(struct vm_question *question)
{
        for (guint i = 0; i + 1 < question->commands->len; i++)
                json_decref(question->answers[i]);
        g_free(question->answers);
        g_ptr_array_unref(question->commands);
}

/* One that was plugged in again under its old id is in the arguments with the mtu of the old one. */
static void
take_mtus(const struct vm_question *question)
{
        const GPtrArray *plugged = question->vm->spec ? question->vm->spec->plugged : NULL;

        for (guint i = question->plugged_from; i + 1 < question->commands->len; i++) {
                const char *id = g_ptr_array_index(plugged, i - question->plugged_from);
                gint64 mtu = json_integer_value(question->answers[i]);

                if (mtu > 0 && mtu <= G_MAXUINT16)
                        g_hash_table_replace(question->vm->mtus, g_strdup(id), GUINT_TO_POINTER((guint)mtu));
                else
                        g_hash_table_remove(question->vm->mtus, id);
        }
}

static void
take_answers(const struct vm_question *question, const GError *error)
{
        const char *word = json_text(question->answers[0], "status");
        struct vm_world *vm = question->vm;
        json_t *actual[ACTUAL_ANSWERS] = {0};

        g_free(vm->detail);
        vm->detail = NULL;
        if (error) {
                vm->detail = g_strdup(error->message);
                return;
        }
        for (guint i = 1; i < question->plugged_from; i++)
                actual[i - 1] = question->answers[i];
        vm->status = status_of(word);
        vm->detail = g_strdup(word ? word : "its monitor gives no state");
        vm->actual = actual_parse(actual);
        take_mtus(question);
}

/* Who it is has been told by its lock and its arguments, which hold our UUID; only its state is left to ask. */
void
observe_ask(struct world *world, const struct project *project, const GPtrArray *living, gboolean devices)
{
        struct vm_questions *all = g_new0(struct vm_questions, 1);

        all->asked = g_new0(struct vm_question, living->len);
        all->questions = g_new0(struct qmp_question, living->len);
        for (guint i = 0; i < living->len; i++) {
                struct vm_world *vm = g_ptr_array_index(living, i);
                struct vm_question *question = &all->asked[all->count];
                g_autoptr(GError) error = NULL;
                int directory = vm_open_run_directory(world->paths, vm->name, &error);

                if (directory < 0) {
                        g_free(vm->detail);
                        vm->detail = g_strdup(error->message);
                        continue;
                }
                vm_question_init(question, vm, project, devices);
                all->questions[all->count++] = (struct qmp_question){
                        .directory_fd = directory,
                        .socket = QEMU_SOCKET_OBSERVE,
                        .commands = (const char *const *)(gconstpointer)question->commands->pdata,
                        .answers = question->answers,
                };
        }
        all->asking = qmp_ask_begin(all->questions, all->count, QMP_TIMEOUT_MS);
        for (guint i = 0; i < living->len; i++)
                find_mtus(g_ptr_array_index(living, i));
        world->vm_questions = all;
}

void
observe_answers(struct world *world)
{
        struct vm_questions *all = g_steal_pointer(&world->vm_questions);

        if (!all)
                return;
        qmp_ask_end(all->asking);
        for (guint i = 0; i < all->count; i++) {
                take_answers(&all->asked[i], all->questions[i].error);
                vm_question_clear(&all->asked[i]);
                g_clear_error(&all->questions[i].error);
                close(all->questions[i].directory_fd);
        }
        g_free(all->asked);
        g_free(all->questions);
        g_free(all);
}
