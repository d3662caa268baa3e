/* diagnose.c - why a VM is not up: what its monitor, its logs, the journal, dnsmasq and the kernel have seen of it */
#include "runtime/diagnosis.h"

#include "base/fd.h"
#include "base/process.h"
#include "base/text.h"
#include "parser/value/value.h"
#include "runtime/supervisor/journal.h"
#include "runtime/supervisor/probe.h"
#include "runtime/vm/qmp.h"
#include "runtime/vm/vm.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
        TAIL_BYTES = 65536,
        DHCP_LOG_BYTES = 4 << 20,
        WORDS_LINES = 4,
        CONSOLE_LINES = 200,
        ASK_MS = 1000,
        START_SECONDS = 3 /* a start is recorded when it is over */
};

/* The end of a log, of what stands behind @from; NULL: there is none. New bytes with a NUL behind them */
static char *
read_end(const char *directory, const char *name, gint64 from, gsize most, gssize *ret_length)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        g_autofree char *text = NULL;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return NULL;
        if (from > st.st_size)
                from = 0; /* it has begun anew */
        from = MAX(from, st.st_size - (gint64)most);
        text = g_malloc0((gsize)(st.st_size - from) + 1);
        *ret_length = pread(fd, text, (gsize)(st.st_size - from), from);
        return *ret_length >= 0 ? g_steal_pointer(&text) : NULL;
}

static char *
read_tail(const char *directory, const char *name, gint64 from, guint lines)
{
        gssize length = 0;
        g_autofree char *text = read_end(directory, name, from, TAIL_BYTES, &length);

        return text ? text_tail(text, length, lines) : NULL;
}

/* ---- what its vCPUs do ---- */

static guint64
read_register(const char *text, const char *name)
{
        const char *at = strstr(text, name);

        return at ? g_ascii_strtoull(at + strlen(name), NULL, 16) : 0;
}

/* A kernel has paging on and lives in the upper half of its addresses, or lets something run in user mode; the firmware of a PC
 * does neither. Source: QEMU's `info registers`. */
static gboolean
is_kernel(const char *text)
{
        guint64 wide = read_register(text, "RIP="), narrow = read_register(text, "EIP=");

        if (!(read_register(text, "CR0=") & 0x80000000U))
                return FALSE;
        return strstr(text, "CPL=3") || wide >= 0xffff800000000000U || narrow >= 0xc0000000U;
}

static void
ask_registers(struct evidence *evidence, const struct paths *paths, const char *vm)
{
        auto_fd directory = vm_open_run_directory(paths, vm, NULL);
        g_autoptr(qmp_t) qmp = directory >= 0 ? qmp_connect(directory, QEMU_SOCKET_OBSERVE, ASK_MS, NULL) : NULL;
        g_autoptr(json_t) answer = NULL;

        if (qmp &&
            qmp_call(qmp, "human-monitor-command", json_pack("{s:s}", "command-line", "info registers"), ASK_MS, &answer,
                     NULL) &&
            json_is_string(answer))
                evidence->code = is_kernel(json_string_value(answer)) ? CODE_KERNEL : CODE_FIRMWARE;
}

/* ---- what happened since it was started ---- */

struct history {
        struct evidence *evidence;
        gint64 started; /* seconds since the epoch: not after the last start of it */
};

static void
take_event(const json_t *event, void *data)
{
        struct history *history = data;
        struct evidence *evidence = history->evidence;
        const char *what = json_text(event, "event");

        if (g_strcmp0(json_text(event, "kind"), "vm") != 0 || g_strcmp0(json_text(event, "name"), evidence->vm) != 0)
                return;
        if (g_strcmp0(what, "reset") == 0 && g_strcmp0(json_text(event, "by"), "guest") == 0) {
                evidence->resets++;
        } else if (g_strcmp0(what, "panicked") == 0) {
                evidence->panicked = TRUE;
        } else if (g_strcmp0(what, "create") == 0 || g_strcmp0(what, "start") == 0 || g_strcmp0(what, "restart") == 0) {
                evidence->panicked = FALSE;
                evidence->resets = 0;
                history->started = journal_time(event) / G_USEC_PER_SEC - START_SECONDS;
        }
}

/* ---- its network ---- */

static gboolean
has_dhcp(const struct session *session, const char *name)
{
        const struct lab *lab = &session->resolved->lab;

        for (guint i = 0; i < lab->network_count; i++)
                if (strcmp(lab->networks[i].name, name) == 0)
                        return lab_is_served(&lab->networks[i]) && lab->networks[i].dhcp.enabled;
        return FALSE;
}

/* Of several NICs the one that came farthest counts. */
static void
look_for_dhcp(struct evidence *evidence, const struct session *session, const struct spec *spec, const char *log, gint64 since)
{
        const json_t *nic;
        const char *name;

        json_object_foreach(json_object_get(spec->wish, "networks"), name, nic)
        {
                const char *network = json_text(nic, "network"), *text = g_hash_table_lookup(spec->macs, name);
                struct dhcp_exchange exchange;
                struct ether_addr mac;

                if (!text || !value_parse_mac(text, &mac, NULL))
                        continue;
                evidence->expects_dhcp |= has_dhcp(session, network ? network : name);
                dhcp_log_read(log ? log : "", &mac, since, g_get_real_time() / G_USEC_PER_SEC, &exchange);
                if (exchange.stage > evidence->dhcp.stage) {
                        dhcp_exchange_clear(&evidence->dhcp);
                        evidence->dhcp = exchange;
                } else {
                        dhcp_exchange_clear(&exchange);
                }
                if (!evidence->ip && json_text(nic, "ip"))
                        evidence->ip = g_strdup(json_text(nic, "ip"));
        }
        if (evidence->dhcp.stage == DHCP_ACK) {
                g_free(evidence->ip);
                evidence->ip = g_strdup(evidence->dhcp.ip);
        }
}

/* The health checks have asked for it, or any other that spoke with it. */
static void
look_for_answers(struct evidence *evidence, const struct links *links)
{
        guint32 ip;

        if (!evidence->ip || !links || !value_parse_ipv4(evidence->ip, &ip, NULL))
                return;
        for (guint i = 0; i < links->neighbours->len; i++) {
                const struct link_neighbour *neighbour = &g_array_index(links->neighbours, struct link_neighbour, i);

                if (neighbour->ip == ip)
                        evidence->address = neighbour->failed ? ADDRESS_SILENT : ADDRESS_ANSWERS;
        }
}

static void
look_at_network(struct evidence *evidence, const struct session *session, const struct spec *spec, gint64 since)
{
        g_autofree char *directory = g_build_filename(session->world->paths->data, "dnsmasq", NULL);
        gssize length = 0;
        g_autofree char *log = read_end(directory, "log", 0, DHCP_LOG_BYTES, &length);

        look_for_dhcp(evidence, session, spec, log, since);
        look_for_answers(evidence, session->world->links);
}

/* ---- all of it ---- */

static void
take_wish(struct evidence *evidence, const json_t *wish)
{
        const json_t *memory = json_object_get(wish, "memory");
        struct health_rule rule;

        evidence->memory = g_strdup(json_is_string(memory) ? json_string_value(memory) : json_text(memory, "size"));
        evidence->own_kernel = json_text(json_object_get(wish, "boot"), "kernel") != NULL;
        if (!health_rule_read(wish, &rule))
                return;
        evidence->checked = TRUE;
        evidence->port = rule.tcp;
        health_rule_clear(&rule);
}

void
diagnose(const struct session *session, const struct vm_world *vm, struct evidence *ret_evidence)
{
        const struct paths *paths = session->world->paths;
        g_autofree char *directory = paths_vm_data(paths, vm->name);
        struct evidence evidence = {.vm = g_strdup(vm->name), .status = vm->status, .detail = g_strdup(vm->detail)};
        g_auto(health_t) health = {0};
        struct history history = {0};

        evidence.qemu_words = read_tail(directory, QEMU_LOG, 0, WORDS_LINES);
        evidence.console = read_tail(directory, QEMU_CONSOLE_LOG, probe_console_from(paths, vm->name), CONSOLE_LINES);
        history.evidence = &evidence;
        journal_each(paths->data, take_event, &history);
        evidence.panicked |= vm->status == VM_PANICKED;
        if (vm->status == VM_RUNNING)
                ask_registers(&evidence, paths, vm->name);
        if (vm->spec && vm->spec->wish) {
                gint64 started = vm_started(vm);

                take_wish(&evidence, vm->spec->wish);
                look_at_network(&evidence, session, vm->spec, started ? started : history.started);
                health_look(paths, vm->name, vm->spec->wish, vm->pid, &health);
        }
        evidence.health = health.state;
        evidence.health_reason = g_steal_pointer(&health.reason);
        *ret_evidence = evidence;
}
