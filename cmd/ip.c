/* ip.c - drover ip: the addresses of VMs, and how we know them */
#include "cmd/address.h"
#include "cmd/operate.h"
#include "cmd/select.h"

#include "base/error.h"
#include "network/resolved.h"
#include "parser/value/value.h"

struct ip_options {
        char *format;
        gboolean resolved;
};

static void
add_rows(struct table *table, const struct vm_world *vm, const GArray *addresses)
{
        for (guint i = 0; i < addresses->len; i++) {
                const struct address *address = &g_array_index(addresses, struct address, i);
                g_autofree char *ip = address->source ? address_format_ip(address->ip) : NULL;
                g_autofree char *ip6 = address->source6 ? address_format_ip6(&address->ip6) : NULL;
                g_autofree char *mac = value_format_mac(&address->mac);

                table_add(table, vm->name, address->network, ip, mac, address->source);
                if (ip6)
                        table_add(table, vm->name, address->network, ip6, mac, address->source6);
        }
}

static void
print_hosts_line(const char *ip, const struct vm *vm, const struct nic *nic, const struct network *network)
{
        if (network->domain)
                printf("%s %s.%s %s", ip, vm->hostname, network->domain, vm->hostname);
        else
                printf("%s %s", ip, vm->hostname);
        for (const char *const *alias = nic->aliases; *alias; alias++)
                printf(" %s", *alias);
        printf("\n");
}

/* As /etc/hosts has it; of a VM that left the file only the addresses are known. */
static void
print_hosts(const struct session *session, const struct vm_world *found, const GArray *addresses)
{
        const struct vm *vm = project_find_vm(session->project, found->name);

        for (guint i = 0; vm && i < addresses->len && i < vm->nic_count; i++) {
                const struct address *address = &g_array_index(addresses, struct address, i);
                const struct network *network = &session->project->networks[vm->nics[i].network_index];
                g_autofree char *ip = address->source ? address_format_ip(address->ip) : NULL;
                g_autofree char *ip6 = address->source6 ? address_format_ip6(&address->ip6) : NULL;

                if (ip)
                        print_hosts_line(ip, vm, &vm->nics[i], network);
                if (ip6)
                        print_hosts_line(ip6, vm, &vm->nics[i], network);
        }
}

static void
print_plain(const GArray *addresses)
{
        for (guint i = 0; i < addresses->len; i++) {
                const struct address *address = &g_array_index(addresses, struct address, i);
                g_autofree char *ip = address->source ? address_format_ip(address->ip) : NULL;
                g_autofree char *ip6 = address->source6 ? address_format_ip6(&address->ip6) : NULL;

                if (ip)
                        printf("%s\n", ip);
                if (ip6)
                        printf("%s\n", ip6);
        }
}

/* The networks whose names this host can ask for; returns how many systemd-resolved was told of, or -1. */
static int
tell_resolved(const struct session *session, GError **error)
{
        const struct lab *lab = &session->resolved->lab;
        const struct links *links = session->world->links;
        int count = 0;

        for (guint i = 0; links && i < lab->network_count; i++) {
                const struct link *link = lab_is_served(&lab->networks[i]) ? links_find(links, lab->networks[i].bridge) : NULL;

                if (!link)
                        continue;
                if (!resolved_tell(&lab->networks[i], link->ifindex, error))
                        return -1;
                count++;
        }
        return count;
}

/* Names are of use here where their addresses are. */
static int
resolve_here(const struct session *session)
{
        g_autoptr(GError) error = NULL;
        int count;

        if (session->world->isolation == ISOLATION_PRIVATE) {
                error_set(&error, DROVER_ERROR_FAILED, "project '%s' has a network of its own, which this host does not reach",
                          session->project->name);
                error_hint(&error, "'ports' of a VM are this host's own; 'isolation: host' has the networks here");
                return print_error(error);
        }
        count = tell_resolved(session, &error);
        if (count < 0)
                return print_error(error);
        if (count == 0) {
                error_set(&error, DROVER_ERROR_NOT_FOUND, "no network of project '%s' with names is up",
                          session->project->name);
                error_hint(&error, "run 'drover up'");
                return print_error(error);
        }
        print_info("names of project '%s' resolve on this host until 'drover down'", session->project->name);
        return EXIT_DONE;
}

static int
run_ip(struct verb_call *call)
{
        static const char *const titles[] = {"VM", "NETWORK", "ADDRESS", "MAC", "SOURCE", NULL};
        const struct ip_options *options = call->options;
        struct observe_options look = {.network = TRUE};
        gboolean json = g_strcmp0(options->format, "json") == 0, plain = g_strcmp0(options->format, "plain") == 0;
        gboolean lines = options->resolved && !resolved_is_here();
        gboolean hosts = lines || g_strcmp0(options->format, "hosts") == 0;
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;
        g_autoptr(session_t) session = operate_look(call, look, &status);
        g_autoptr(address_book_t) book = session ? address_book_new(session) : NULL;
        g_autoptr(GPtrArray) names =
                session ? select_vms(session->project, session->world->paths, call->arguments, &error) : NULL;
        g_autoptr(table_t) table = table_new(titles);
        g_autoptr(json_t) list = json_array();

        if (!session)
                return status;
        if (!names)
                return print_error(error);
        if (options->resolved && !lines)
                return resolve_here(session);
        if (lines)
                print_note("systemd-resolved does not run on this host: these lines are for /etc/hosts");
        for (guint i = 0; i < names->len; i++) {
                const struct vm_world *vm = world_vm(session->world, g_ptr_array_index(names, i));
                g_autoptr(GArray) addresses = vm ? address_book_find(book, vm) : NULL;
                json_t *item = NULL;

                if (!vm)
                        continue;
                add_rows(table, vm, addresses);
                item = json_object();
                json_set_text(item, "name", vm->name);
                json_set(item, "addresses", address_to_json(addresses));
                json_array_append_new(list, item);
                if (plain)
                        print_plain(addresses);
                if (hosts)
                        print_hosts(session, vm, addresses);
        }
        if (json)
                print_document("vms", g_steal_pointer(&list));
        else if (!plain && !hosts)
                table_print(table);
        return EXIT_DONE;
}

static const struct option_row rows[] = {
        {"format", 0, OPTION_TEXT, "table|plain|hosts|json",
         "How to print them; plain: addresses only; hosts: lines for /etc/hosts",
         G_STRUCT_OFFSET(struct ip_options, format)},
        {"resolved", 0, OPTION_FLAG, NULL, "Have names of guests resolve on this host, by systemd-resolved",
         G_STRUCT_OFFSET(struct ip_options, resolved)},
        {NULL},
};

const struct verb verb_ip = {
        .name = "ip",
        VERB_OF_VMS,
        .help = "Print addresses of VMs, and how they are known",
        .text = "SOURCE is reservation (the file says it), lease (dnsmasq gave it) or neighbour (the kernel saw it). "
                "Addresses of a private project are inside its own network: the host does not reach them.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        VERB_OPTIONS(rows, struct ip_options),
        .run = run_ip,
};
