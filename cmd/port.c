/* port.c - drover port: the host side of published ports */
#include "cmd/operate.h"
#include "cmd/published.h"
#include "cmd/select.h"

#include "base/error.h"
#include "parser/value/value.h"

#include <arpa/inet.h>
#include <string.h>

struct port_options {
        char *format;
};

static gboolean
parse_guest_port(const char *text, guint *ret_port, gboolean *ret_udp, GError **error)
{
        const char *slash = strchr(text, '/');
        g_autofree char *number = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
        gint64 port = 0;

        if (!value_parse_count(number, 1, 65535, &port, NULL) ||
            (slash && strcmp(slash, "/tcp") != 0 && strcmp(slash, "/udp") != 0))
                return error_set(error, DROVER_ERROR_USAGE, "'%s' is no port: write 80, 80/tcp or 53/udp", text);
        *ret_port = (guint)port;
        *ret_udp = slash && strcmp(slash, "/udp") == 0;
        return TRUE;
}

/* As compose does: where one port of the guest is reached, a line each. */
static int
print_one(const GArray *ports, const char *vm, const char *text)
{
        g_autoptr(GError) error = NULL;
        guint wanted = 0, found = 0;
        gboolean udp = FALSE;

        if (!parse_guest_port(text, &wanted, &udp, &error))
                return print_error(error);
        for (guint i = 0; i < ports->len; i++) {
                const struct published_port *port = &g_array_index(ports, struct published_port, i);
                const struct forward *forward = &port->published->forward;
                g_autofree char *outside = forward_format_outside(forward);

                if (!port->open || ntohs(forward->inside.ipv4.sin_port) != wanted || (forward->protocol == FORWARD_UDP) != udp)
                        continue;
                printf("%.*s\n", (int)strcspn(outside, "/"), outside);
                found++;
        }
        if (found)
                return EXIT_DONE;
        error_set(&error, DROVER_ERROR_NOT_FOUND, "no port of this host leads to port %u/%s of vm '%s'", wanted,
                  udp ? "udp" : "tcp", vm);
        return print_error(error);
}

static int
print_all(const struct session *session, const GPtrArray *names, gboolean json)
{
        static const char *const titles[] = {"VM", "HOST", "GUEST", "STATE", NULL};
        g_autoptr(table_t) table = table_new(titles);
        g_autoptr(json_t) list = json_array();

        for (guint i = 0; i < names->len; i++) {
                const char *vm = g_ptr_array_index(names, i);
                g_autoptr(GArray) ports = published_find(session, vm);
                json_t *item = json_object();

                json_set_text(item, "name", vm);
                json_set(item, "ports", published_to_json(ports));
                json_array_append_new(list, item);
                for (guint n = 0; n < ports->len; n++) {
                        const struct published_port *port = &g_array_index(ports, struct published_port, n);
                        g_autofree char *outside = forward_format_outside(&port->published->forward);
                        g_autofree char *inside = forward_format_inside(&port->published->forward);

                        table_add(table, vm, outside, inside, port->open ? "open" : "closed");
                }
        }
        if (json)
                print_document("vms", g_steal_pointer(&list));
        else
                table_print(table);
        return EXIT_DONE;
}

static int
run_port(struct verb_call *call)
{
        const struct port_options *options = call->options;
        struct observe_options look = {.network = TRUE};
        char *only[] = {call->arguments[0], NULL};
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;
        g_autoptr(session_t) session = operate_look(call, look, &status);
        g_autoptr(GPtrArray) names = session ? select_vms(session->project, session->world->paths, only, &error) : NULL;
        g_autoptr(GArray) ports = NULL;

        if (!session)
                return status;
        if (!names)
                return print_error(error);
        if (!*call->arguments || !call->arguments[1])
                return print_all(session, names, g_strcmp0(options->format, "json") == 0);
        ports = published_find(session, g_ptr_array_index(names, 0));
        return print_one(ports, g_ptr_array_index(names, 0), call->arguments[1]);
}

static const struct option_row rows[] = {
        {"format", 0, OPTION_TEXT, "table|json", "How to print them", G_STRUCT_OFFSET(struct port_options, format)},
        {NULL},
};

const struct verb verb_port = {
        .name = "port",
        .synopsis = "[VM [PORT]]",
        .max_arguments = 2,
        .completes_vms = TRUE,
        .help = "Print the ports of this host that lead into VMs",
        .text = "With PORT, such as 80 or 53/udp, only the addresses of this host at which that port of the VM is reached. "
                "STATE is closed where the file publishes a port and nothing serves it: 'drover up' opens it.",
        .needs = NEEDS_PROJECT | NEEDS_NO_FILE_OK,
        VERB_OPTIONS(rows, struct port_options),
        .run = run_port,
};
