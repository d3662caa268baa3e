/* cp.c - drover cp: files into a guest and out of it: by scp, else one file through the guest agent */
#include "cmd/operate.h"
#include "cmd/reach.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "runtime/vm/agent.h"

#include <string.h>
#include <sys/stat.h>

enum { COPY_MAX = 16 << 20, COPY_MS = 120000 };

/** struct copy - What goes where: one side is in the guest */
struct copy {
        char *vm;
        const char *inside, *outside;
        gboolean out; /* from the guest */
};

/* "VM:PATH": a name before the first colon. NULL: a path of this host. */
static const char *
path_inside(const char *argument, char **ret_vm)
{
        const char *colon = strchr(argument, ':');
        g_autofree char *name = colon ? g_strndup(argument, (gsize)(colon - argument)) : NULL;

        if (!name || !text_is_name(name))
                return NULL;
        *ret_vm = g_steal_pointer(&name);
        return colon[1] ? colon + 1 : ".";
}

static gboolean
parse_copy(char *const *arguments, struct copy *copy, GError **error)
{
        g_autofree char *from_vm = NULL, *to_vm = NULL;
        const char *from = path_inside(arguments[0], &from_vm), *to = path_inside(arguments[1], &to_vm);

        if (!from == !to) {
                error_set(error, DROVER_ERROR_USAGE, from ? "both sides are in a guest" : "neither side is in a guest");
                return error_hint(error, "'drover cp ./file web:/tmp/' or 'drover cp web:/etc/motd .'");
        }
        copy->out = from != NULL;
        copy->vm = from ? g_steal_pointer(&from_vm) : g_steal_pointer(&to_vm);
        copy->inside = from ? from : to;
        copy->outside = arguments[from ? 1 : 0];
        return TRUE;
}

static int
copy_over_network(const struct reach *reach, const struct copy *copy)
{
        g_autoptr(GPtrArray) argv = reach_argv(reach, "scp");
        char *there = g_strdup_printf("%s:%s", reach->vm, copy->inside);
        /* What has a colon and no slash before it would be another host's. */
        char *here = g_strconcat(*copy->outside == '/' ? "" : "./", copy->outside, NULL);

        print_note("over the network, as %s at %s", reach->user, reach->ip);
        g_ptr_array_add(argv, g_strdup("-r"));
        g_ptr_array_add(argv, g_strdup("--"));
        if (copy->out) {
                g_ptr_array_add(argv, there);
                g_ptr_array_add(argv, here);
        } else {
                g_ptr_array_add(argv, here);
                g_ptr_array_add(argv, there);
        }
        return reach_become(argv, reach->session);
}

static gboolean
copy_out(struct agent *agent, const struct copy *copy, GError **error)
{
        const char *argv[] = {"cat", copy->inside, NULL};
        g_autofree char *name = g_path_get_basename(copy->inside), *path = g_strdup(copy->outside);
        struct agent_result result = {0};
        gboolean ok;

        if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
                g_free(path);
                path = g_build_filename(copy->outside, name, NULL);
        }
        if (!agent_run(agent, argv, NULL, COPY_MS, &result, error))
                return FALSE;
        if (result.status != 0)
                ok = error_set(error, DROVER_ERROR_FAILED, "%.*s", (int)MIN(result.errors->len, 400),
                               (const char *)result.errors->data);
        else if (result.truncated)
                ok = error_set(error, DROVER_ERROR_FAILED, "'%s' is larger than the guest agent hands out", copy->inside);
        else
                ok = file_write_whole(path, result.output->data, result.output->len, 0644, error);
        agent_result_clear(&result);
        return ok;
}

static gboolean
copy_in(struct agent *agent, const struct copy *copy, GError **error)
{
        g_autofree char *name = g_path_get_basename(copy->outside), *text = NULL;
        const char *argv[] = {"/bin/sh", "-c", "[ -d \"$1\" ] && set -- \"$1/$2\"; cat >\"$1\"", "sh", copy->inside,
                              name,      NULL};
        g_autoptr(GByteArray) input = NULL;
        struct agent_result result = {0};
        size_t length;
        gboolean ok;

        if (g_file_test(copy->outside, G_FILE_TEST_IS_DIR))
                return error_set(error, DROVER_ERROR_FAILED, "'%s' is a folder: the guest agent takes single files",
                                 copy->outside);
        if (!file_read(copy->outside, COPY_MAX, &text, &length, error))
                return FALSE;
        input = g_byte_array_new_take((guint8 *)g_steal_pointer(&text), length);
        if (!agent_run(agent, argv, input, COPY_MS, &result, error))
                return FALSE;
        ok = result.status == 0 || error_set(error, DROVER_ERROR_FAILED, "%.*s", (int)MIN(result.errors->len, 400),
                                             (const char *)result.errors->data);
        agent_result_clear(&result);
        return ok;
}

static int
run_cp(struct verb_call *call)
{
        g_autoptr(GError) error = NULL;
        struct copy copy = {0};
        int status = EXIT_DONE;
        gboolean parsed = parse_copy(call->arguments, &copy, &error);
        g_autofree char *vm = copy.vm;
        g_auto(reach_t) reach = {0};
        g_autoptr(session_t) session =
                parsed ? operate_look(call, (struct observe_options){.network = TRUE}, &status) : NULL;
        g_autoptr(agent_t) agent = NULL;

        if (!parsed)
                return print_error(error);
        if (!session)
                return status;
        if (!reach_find(session, vm, NULL, &reach, &error))
                return print_error(error);
        if (reach_has_ssh(&reach))
                return copy_over_network(&reach, &copy);
        agent = reach_agent(&reach, &error);
        if (!agent)
                return print_error(error);
        print_note("through the guest agent, as root: no ssh (%s)", reach.why);
        if (!(copy.out ? copy_out(agent, &copy, &error) : copy_in(agent, &copy, &error))) {
                error_prefix(&error, "cannot copy '%s'", copy.out ? copy.inside : copy.outside);
                return print_error(error);
        }
        return EXIT_DONE;
}

const struct verb verb_cp = {
        .name = "cp",
        .synopsis = "FROM TO",
        .help = "Copy files into a guest or out of it",
        .text = "One of the two is VM:PATH. By scp with the project's key, folders too, where an ssh server answers; else one "
                "file "
                "of at most 16 MiB through the guest agent, as root.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        .min_arguments = 2,
        .max_arguments = 2,
        .run = run_cp,
};
