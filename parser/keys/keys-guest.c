/* keys-guest.c - the rows of CPU, memory backing, devices, ports, health and dependencies of a VM */
#include "parser/keys/keys-rows.h"

/* Rows of a table are denser than clang-format would have them. */
/* clang-format off */

static const char *const condition_words[] = {"started", "healthy", "completed", NULL};
static const char *const protocol_words[] = {"tcp", "udp", NULL};
static const char *const publish_words[] = {"host", NULL};

/* ---- CPU and memory ---- */

static const struct key cpu_rows[] = {
        {.name = "model", .type = KEY_SPECIAL, IN(cpu, model), .codec = &codec_cpu_model, .change = CHANGE_RESTART,
         .help = "QEMU's name of the CPU model, or host; default: the best that the host can run", .example = "host"},
        {.name = "pin", .type = KEY_COUNT_LIST, IN(cpu, pin), .max = 8191, .change = CHANGE_LIVE,
         .help = "CPUs of the host that the VM may run on; default: all", .example = "[0, 1]"},
        {.name = "sockets", .type = KEY_COUNT, IN(cpu, sockets), .min = 1, .max = 1024, .change = CHANGE_RESTART,
         .help = "sockets that the guest sees; default: 1", .example = "1"},
        {.name = "cores", .type = KEY_COUNT, IN(cpu, cores), .min = 1, .max = 1024, .change = CHANGE_RESTART,
         .help = "cores of each socket; default: what sockets and threads leave of the vCPUs", .example = "2"},
        {.name = "threads", .type = KEY_COUNT, IN(cpu, threads), .min = 1, .max = 1024, .change = CHANGE_RESTART,
         .help = "threads of each core; default: 1", .example = "2"},
        {.name = NULL},
};

static const char *const cpu_aliases[] = {
        "mode", "model", "type", "model", "cpuset", "pin", "affinity", "pin", "pinning", "pin", "cpus", "pin", "socket",
        "sockets", "core", "cores", "thread", "threads", "count", "the number of vCPUs is 'cpus' of the VM", NULL,
};

const struct key_table keys_cpu = {
        .title = "cpu", .keys = cpu_rows, .aliases = cpu_aliases, .struct_size = sizeof(struct cpu),
        .node_offset = offsetof(struct cpu, node)};

static const struct key memory_backing_rows[] = {
        {.name = "hugepages", .type = KEY_SIZE, IN(memory_backing, hugepage_bytes), .min = MIB, .max = TIB,
         .change = CHANGE_RESTART, .help = "size of the huge pages that the memory is taken from; default: ordinary pages",
         .example = "2M"},
        {.name = "shared", .type = KEY_BOOL, IN(memory_backing, shared), .fallback = "false", .change = CHANGE_RESTART,
         .help = "other processes of the host may map the memory", .example = "true"},
        {.name = "merge", .type = KEY_BOOL, IN(memory_backing, merge), .fallback = "false", .change = CHANGE_RESTART,
         .help = "the host may keep equal pages of several VMs once (KSM)", .example = "true"},
        {.name = "numa", .type = KEY_COUNT_LIST, IN(memory_backing, numa), .max = 1023, .change = CHANGE_RESTART,
         .help = "NUMA nodes of the host that the memory is taken from; default: all", .example = "[0]"},
        {.name = NULL},
};

static const char *const memory_backing_aliases[] = {
        "hugepage", "hugepages", "huge_pages", "hugepages", "page_size", "hugepages", "share", "shared", "ksm", "merge",
        "numa_nodes", "numa", "nodes", "numa", "nodeset", "numa", NULL,
};

const struct key_table keys_memory_backing = {
        .title = "memory_backing", .keys = memory_backing_rows, .aliases = memory_backing_aliases,
        .struct_size = sizeof(struct memory_backing), .node_offset = offsetof(struct memory_backing, node)};

/* ---- devices ---- */

static const struct key device_rows[] = {
        {.name = "pci", .type = KEY_SPECIAL, IN(device, pci), .codec = &codec_pci, .change = CHANGE_RESTART,
         .help = "address of a PCI device of the host; default: none", .example = "\"0000:01:00.0\""},
        {.name = "usb", .type = KEY_SPECIAL, IN(device, usb), .codec = &codec_usb, .change = CHANGE_LIVE,
         .help = "vendor and product of a USB device of the host; default: none", .example = "\"046d:c52b\""},
        {.name = NULL},
};

const struct key_table keys_device = {
        .title = "device", .keys = device_rows, .struct_size = sizeof(struct device),
        .node_offset = offsetof(struct device, node)};

/* ---- ports ---- */

static const struct key port_rows[] = {
        {.name = "target", .type = KEY_SPECIAL, IN(port, target), .required = TRUE, .codec = &codec_port_range,
         .change = CHANGE_LIVE, .help = "port of the guest, or a range", .example = "80"},
        {.name = "published", .type = KEY_SPECIAL, IN(port, published), .required = TRUE, .codec = &codec_port_range,
         .change = CHANGE_LIVE, .help = "port of the host, or a range of the same length", .example = "8080"},
        {.name = "host_ip", .type = KEY_SPECIAL, IN(port, host), .codec = &codec_host, .change = CHANGE_LIVE,
         .help = "address of the host that it is open on; default: all", .example = "127.0.0.1"},
        {.name = "protocol", .type = KEY_ENUM, IN(port, protocol), .words = protocol_words, .fallback = "tcp",
         .change = CHANGE_LIVE, .help = "tcp or udp", .example = "udp"},
        {.name = "name", .type = KEY_TEXT, IN(port, name), .max = 64, .change = CHANGE_NONE,
         .help = "what it is for, for people; default: none", .example = "web"},
        {.name = "app_protocol", .type = KEY_TEXT, IN(port, app_protocol), .max = 64, .change = CHANGE_NONE,
         .help = "what is spoken on it, for people; default: none", .example = "http"},
        {.name = "mode", .type = KEY_ENUM, IN(port, mode), .words = publish_words, .fallback = "host", .change = CHANGE_NONE,
         .help = "host: as in a Compose file", .example = "host"},
        {.name = NULL},
};

static const char *const port_aliases[] = {
        "host", "published", "host_port", "published", "hostPort", "published", "source", "published", "guest", "target",
        "guest_port", "target", "container_port", "target", "containerPort", "target", "port", "target", "ip", "host_ip",
        "hostIP", "host_ip", "address", "host_ip", "proto", "protocol", NULL,
};

const struct key_table keys_port = {
        .title = "port", .keys = port_rows, .aliases = port_aliases, .short_key = "target",
        .short_form = "[ADDRESS:]PORT:PORT[/udp]", .decode_short = decode_short_port, .encode_short = encode_short_port,
        .struct_size = sizeof(struct port), .node_offset = offsetof(struct port, node)};

/* ---- health ---- */

static const struct key healthcheck_rows[] = {
        {.name = "tcp", .type = KEY_COUNT, IN(healthcheck, tcp), .min = 1, .max = 65535, .change = CHANGE_LIVE,
         .help = "healthy when this port of the guest takes connections; default: none", .example = "22"},
        {.name = "ping", .type = KEY_BOOL, IN(healthcheck, ping), .fallback = "false", .change = CHANGE_LIVE,
         .help = "healthy when the guest answers to ping", .example = "true"},
        {.name = "console", .type = KEY_SPECIAL, IN(healthcheck, console), .codec = &codec_regex, .change = CHANGE_LIVE,
         .help = "healthy when this regular expression is found in what the console shows; default: none",
         .example = "\"login:\""},
        {.name = "agent", .type = KEY_BOOL, IN(healthcheck, agent), .fallback = "false", .change = CHANGE_LIVE,
         .help = "healthy when the guest agent answers", .example = "true"},
        {.name = "test", .type = KEY_SPECIAL, IN(healthcheck, test), .codec = &codec_command, .replaced = TRUE,
         .change = CHANGE_LIVE,
         .help = "healthy when this command, which the guest agent runs, succeeds; default: none",
         .example = "[systemctl, is-active, nginx]"},
        {.name = "interval", .type = KEY_DURATION, IN(healthcheck, interval_ms), .scale_ms = 1, .min = 100, .max = 86400000,
         .fallback = "2s", .change = CHANGE_LIVE, .help = "from one look to the next", .example = "5s"},
        {.name = "timeout", .type = KEY_DURATION, IN(healthcheck, timeout_ms), .scale_ms = 1, .min = 100, .max = 86400000,
         .fallback = "2s", .change = CHANGE_LIVE, .help = "how long one look may take", .example = "5s"},
        {.name = "retries", .type = KEY_COUNT, IN(healthcheck, retries), .min = 1, .max = 100000, .fallback = "30",
         .change = CHANGE_LIVE, .help = "so many failures in a row, and the VM is unhealthy", .example = "3"},
        {.name = "start_period", .type = KEY_DURATION, IN(healthcheck, start_period_ms), .scale_ms = 1, .max = 86400000,
         .fallback = "0s", .change = CHANGE_LIVE, .help = "failures in this time from the start do not count",
         .example = "60s"},
        {.name = NULL},
};

static const char *const healthcheck_aliases[] = {
        "port", "tcp", "http", "tcp", "icmp", "ping", "regex", "console", "pattern", "console", "serial", "console",
        "guest_agent", "agent", "qemu_agent", "agent", "command", "test", "cmd", "test", "exec", "test",
        "delay", "start_period", "initial_delay", "start_period", "period", "interval", "attempts", "retries", "disable",
        "a VM has no healthcheck unless one is written: remove it", "start_interval",
        "during the start, too, a look is taken every 'interval'", NULL,
};

const struct key_table keys_healthcheck = {
        .title = "healthcheck", .keys = healthcheck_rows, .aliases = healthcheck_aliases,
        .struct_size = sizeof(struct healthcheck), .node_offset = offsetof(struct healthcheck, node)};

/* ---- dependencies ---- */

static const char *const condition_aliases[] = {
        "service_started", "started", "service_healthy", "healthy", "service_completed_successfully", "completed", "running",
        "started", "up", "started", "ready", "healthy", "stopped", "completed", "exited", "completed", NULL,
};

static const struct key dependency_rows[] = {
        {.name = "condition", .type = KEY_ENUM, IN(dependency, condition), .words = condition_words,
         .meant = condition_aliases, .fallback = "started", .change = CHANGE_NONE,
         .help = "what is waited for: started, healthy (by its healthcheck), or completed (it powered itself off)",
         .example = "completed"},
        {.name = "restart", .type = KEY_BOOL, IN(dependency, restart), .fallback = "false",
         .change = CHANGE_NONE, .help = "restart this VM after the other one was restarted", .example = "true"},
        {.name = "required", .type = KEY_BOOL, IN(dependency, required), .fallback = "true",
         .change = CHANGE_NONE, .help = "without the other VM, or when it fails, this one is not started", .example = "false"},
        {.name = NULL},
};

const struct key_table keys_dependency = {
        .title = "dependency", .keys = dependency_rows, .struct_size = sizeof(struct dependency),
        .name_offset = offsetof(struct dependency, name), .node_offset = offsetof(struct dependency, node)};
