/* reach.c - the way into a guest: ssh over the network with the project's key, else the guest agent
 *
 * ssh reaches a private namespace through `drover connect`, whose socket was opened inside. A fresh disk has new host keys: its
 * number is part of the name under which they are known.
 */
#include "cmd/reach.h"

#include "cmd/address.h"
#include "cmd/select.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "runtime/storage/ssh_key.h"
#include "runtime/vm/agent.h"
#include "runtime/vm/vm.h"

#include <signal.h>
#include <string.h>

enum { CONNECT_MS = 3000, AGENT_MS = 3000 };

void
reach_clear(struct reach *reach)
{
        g_free(reach->vm);
        g_free(reach->user);
        g_free(reach->ip);
}

/* ---- who logs in ---- */

/* The users that cloud images make, by what their files and URLs are called. */
static const char *
user_of_image(const struct vm *vm)
{
        static const char *const known[][2] = {
                {"debian", "debian"}, {"ubuntu", "ubuntu"}, {"fedora-coreos", "core"}, {"flatcar", "core"},
                {"fedora", "fedora"}, {"alpine", "alpine"}, {"arch", "arch"},          {"opensuse", "opensuse"},
                {"rocky", "rocky"},   {"alma", "almalinux"}, {"centos", "cloud-user"},
        };
        const char *image = vm->image_name ? vm->image_name : vm->image_url ? vm->image_url : vm->image;
        g_autofree char *base = image ? g_path_get_basename(image) : NULL;
        g_autofree char *name = base ? g_ascii_strdown(base, -1) : NULL;

        for (size_t i = 0; name && i < G_N_ELEMENTS(known); i++)
                if (strstr(name, known[i][0]))
                        return known[i][1];
        return NULL;
}

static char *
choose_user(const struct vm *vm, const struct vm_world *found)
{
        const json_t *wish = found->spec ? found->spec->wish : NULL;
        const char *user = vm && vm->ssh ? vm->ssh->user : vm ? NULL : json_text(json_object_get(wish, "ssh"), "user");

        if (!user && vm)
                user = user_of_image(vm);
        return g_strdup(user ? user : "root");
}

/* ---- where it is ---- */

static char *
choose_address(struct session *session, const struct vm_world *found)
{
        g_autoptr(address_book_t) book = address_book_new(session);
        g_autoptr(GArray) addresses = address_book_find(book, found);

        for (guint i = 0; i < addresses->len; i++) {
                const struct address *address = &g_array_index(addresses, struct address, i);

                if (address->source)
                        return address_format_ip(address->ip);
        }
        return NULL;
}

gboolean
reach_find(struct session *session, const char *name, const char *user, struct reach *ret_reach, GError **error)
{
        char *arguments[] = {(char *)name, NULL};
        g_autoptr(GPtrArray) names = select_vms(session->project, session->world->paths, arguments, error);
        const struct vm_world *found;
        const struct vm *vm;

        if (!names || !select_check_one(name, names, error))
                return FALSE;
        found = world_vm(session->world, g_ptr_array_index(names, 0));
        vm = project_find_vm(session->project, g_ptr_array_index(names, 0));
        if (!found || !vm_is_alive(found)) {
                error_set(error, DROVER_ERROR_FAILED, "vm '%s' is not running", (char *)g_ptr_array_index(names, 0));
                return error_hint(error, "'drover up %s' starts it", name);
        }
        *ret_reach = (struct reach){
                .session = session,
                .vm = g_strdup(found->name),
                .user = user ? g_strdup(user) : choose_user(vm, found),
                .ip = choose_address(session, found),
                .port = vm && vm->ssh ? vm->ssh->port
                        : vm || !found->spec ? 22
                                             : (guint)json_number(json_object_get(found->spec->wish, "ssh"), "port", 22),
        };
        return TRUE;
}

gboolean
reach_has_ssh(struct reach *reach)
{
        g_autoptr(GError) error = NULL;
        auto_fd fd = -1;

        reach->why = "no address is known";
        if (!reach->ip)
                return FALSE;
        reach->why = "its network cannot be looked at";
        if (!reach->session->world->home)
                return FALSE;
        fd = home_connect(reach->session->world->home, reach->ip, reach->port, CONNECT_MS, &error);
        if (fd < 0)
                reach->why = g_intern_string(error->message);
        return fd >= 0;
}

/* ---- ssh ---- */

/* For ssh_config(5): one word, in which no '%' begins anything. */
static char *
quote_word(const char *text)
{
        g_auto(GStrv) parts = g_strsplit(text, "%", -1);
        g_autofree char *doubled = g_strjoinv("%%", parts);

        return strpbrk(doubled, " \t#") ? g_strdup_printf("\"%s\"", doubled) : g_steal_pointer(&doubled);
}

/* What ssh starts to get into a private namespace; it needs the directories that we have, also when another tool runs ssh. */
static char *
proxy_command(const struct reach *reach)
{
        static const char *const variables[] = {"DROVER_RUN_DIR", "DROVER_DATA_DIR", "DROVER_CACHE_DIR", NULL};
        g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *self = g_file_read_link("/proc/self/exe", NULL), *line = NULL, *doubled = NULL;
        g_auto(GStrv) parts = NULL;

        /* A new release that has taken our name meanwhile knows the way, too. */
        if (self && g_str_has_suffix(self, " (deleted)"))
                self[strlen(self) - strlen(" (deleted)")] = '\0';
        g_ptr_array_add(argv, g_strdup("env"));
        for (const char *const *variable = variables; *variable; variable++)
                if (g_getenv(*variable))
                        g_ptr_array_add(argv, g_strdup_printf("%s=%s", *variable, g_getenv(*variable)));
        g_ptr_array_add(argv, g_strdup(self ? self : "drover"));
        g_ptr_array_add(argv, g_strdup("-p"));
        g_ptr_array_add(argv, g_strdup(reach->session->project->name));
        g_ptr_array_add(argv, g_strdup("connect"));
        g_ptr_array_add(argv, NULL);
        line = text_quote_argv((const char *const *)argv->pdata);
        parts = g_strsplit(line, "%", -1);
        doubled = g_strjoinv("%%", parts);
        return g_strconcat(doubled, " %h %p", NULL);
}

static void
add(GPtrArray *options, const char *keyword, char *value)
{
        g_ptr_array_add(options, g_strdup(keyword));
        g_ptr_array_add(options, value);
}

GPtrArray *
reach_options(const struct reach *reach)
{
        const struct world *world = reach->session->world;
        const struct vm_world *found = world_vm(world, reach->vm);
        const struct kept_disk *root = found->spec ? spec_disk(found->spec, "root") : NULL;
        g_autofree char *key = ssh_key_path(world->paths, SSH_KEY_FILE);
        g_autofree char *known_hosts = ssh_key_path(world->paths, SSH_KNOWN_HOSTS);
        GPtrArray *options = g_ptr_array_new_with_free_func(g_free);

        add(options, "HostName", g_strdup(reach->ip ? reach->ip : ""));
        add(options, "Port", g_strdup_printf("%u", reach->port));
        add(options, "User", g_strdup(reach->user));
        if (file_exists(key)) {
                add(options, "IdentityFile", quote_word(key));
                add(options, "IdentitiesOnly", g_strdup("yes"));
        }
        add(options, "UserKnownHostsFile", quote_word(known_hosts));
        add(options, "HostKeyAlias", g_strdup_printf("%s-%s-%u", reach->session->project->name, reach->vm,
                                                     root ? root->generation : 0));
        add(options, "StrictHostKeyChecking", g_strdup("accept-new"));
        add(options, "LogLevel", g_strdup("ERROR"));
        if (world->isolation == ISOLATION_PRIVATE)
                add(options, "ProxyCommand", proxy_command(reach));
        return options;
}

GPtrArray *
reach_argv(const struct reach *reach, const char *program)
{
        g_autoptr(GPtrArray) options = reach_options(reach);
        GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

        g_ptr_array_add(argv, g_strdup(program));
        g_ptr_array_add(argv, g_strdup("-F")); /* nothing of the user's own settings for hosts of that name */
        g_ptr_array_add(argv, g_strdup("/dev/null"));
        for (guint i = 0; i < options->len; i += 2) {
                g_ptr_array_add(argv, g_strdup("-o"));
                g_ptr_array_add(argv, g_strdup_printf("%s=%s", (char *)options->pdata[i], (char *)options->pdata[i + 1]));
        }
        return argv;
}

int
reach_become(GPtrArray *argv, struct session *session)
{
        g_autofree char *directory = ssh_key_path(session->world->paths, "");
        g_autoptr(GError) error = NULL;

        g_ptr_array_add(argv, NULL);
        if (!file_make_directory(directory, 0700, &error)) { /* for known_hosts */
                print_error(error);
                return REACH_FAILED;
        }
        g_clear_pointer(&session->world->home, home_free);
        signal(SIGPIPE, SIG_DFL);
        execvp(argv->pdata[0], (char **)argv->pdata);
        error_errno(&error, "cannot run '%s'", (char *)argv->pdata[0]);
        if (errno == ENOENT)
                error_hint(&error, "install it: the package is called openssh-client");
        print_error(error);
        return REACH_FAILED;
}

/* ---- the agent ---- */

struct agent *
reach_agent(const struct reach *reach, GError **error)
{
        auto_fd directory = vm_open_run_directory(reach->session->world->paths, reach->vm, error);
        struct agent *agent = directory >= 0 ? agent_connect(directory, AGENT_MS, error) : NULL;

        if (!agent)
                error_prefix(error, "cannot reach vm '%s': no ssh (%s), and no agent", reach->vm, reach->why);
        return agent;
}
