/* test-keys.c - the table of keys is complete: every row has what decoding, schema, manual and planner take from it */
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "parser/decode/decode.h"
#include "parser/load.h"

#include <string.h>

/* Where a key of each table stands in a file, so that its example can be read there. */
static const struct {
        const struct key_table *table;
        const char *before, *after;
        const char *only; /* this key; NULL: any */
} places[] = {
        {&keys_project, "{", "}"},
        {&keys_network, "{networks: {dmz: {}, n: {SUBNET", "}}}"},
        {&keys_dhcp, "{networks: {n: {subnet: 10.20.0.0/24, dhcp: {", "}}}}"},
        {&keys_reservation, "{networks: {n: {subnet: 10.20.0.0/24, dhcp: {reservations: [{REST", "}]}}}}"},
        {&keys_image, "{images: {i: {REST", "}}}"},
        {&keys_disk, "{disks: {d: {REST", "}}}"},
        {&keys_vm, "{networks: {lan: {subnet: 10.20.0.0/24}}, vms: {v: {", "}}}"},
        {&keys_root_disk, "{vms: {v: {disk: {REST", "}}}}"},
        {&keys_vm_disk, "{disks: {db-data: {size: 1G}}, vms: {v: {disks: [{REST", "}]}}}"},
        {&keys_limits, "{vms: {v: {disk: {size: 1G, limits: {", "}}}}}"},
        {&keys_encryption, "{vms: {v: {disk: {size: 1G, encryption: {REST", "}}}}}"},
        {&keys_vxlan, "{networks: {n: {vxlan: {REST", "}}}}"},
        {&keys_dhcp_boot, "{networks: {n: {dhcp: {boot: {REST", "}}}}}"},
        {&keys_nic, "{networks: {lan: {subnet6: \"fd00:20::/64\"}}, vms: {v: {networks: {lan: {REST", "}}}}}", "ip6"},
        {&keys_nic, "{networks: {lan: {subnet: 10.20.0.0/24}}, vms: {v: {networks: {lan: {REST", "}}}}}"},
        {&keys_vlan, "{networks: {lan: }, vms: {v: {networks: {lan: {vlan: {REST", "}}}}}}"},
        {&keys_rate, "{networks: {lan: }, vms: {v: {networks: {lan: {rate: {REST", "}}}}}}"},
        {&keys_impair, "{networks: {lan: }, vms: {v: {networks: {lan: {impair: {REST", "}}}}}}"},
        {&keys_boot, "{vms: {v: {boot: {REST", "}}}}"},
        {&keys_mount, "{vms: {v: {mounts: [{REST", "}]}}}"},
        {&keys_cloud_init, "{vms: {v: {cloud_init: {", "}}}}"},
        {&keys_file, "{vms: {v: {files: [{REST", "}]}}}"},
        {&keys_credential, "{vms: {v: {credentials: {token: {", "}}}}}"},
        {&keys_ssh, "{vms: {v: {ssh: {", "}}}}"},
        {&keys_memory, "{vms: {v: {memory: {", "}}}}"},
        {&keys_cpus, "{vms: {v: {cpus: {", "}}}}"},
        {&keys_display, "{vms: {v: {display: {REST", "}}}}"},
        {&keys_cpu, "{vms: {v: {cpus: 2, cpu: {", "}}}}"},
        {&keys_memory_backing, "{vms: {v: {memory_backing: {", "}}}}"},
        {&keys_device, "{vms: {v: {devices: [{", "}]}}}"},
        {&keys_port, "{vms: {v: {ports: [{REST", "}]}}}"},
        {&keys_healthcheck, "{vms: {v: {healthcheck: {REST", "}}}}"},
        {&keys_dependency, "{vms: {v: {depends_on: {w: {", "}}}, w: {}}}"},
        {&keys_include, "{include: [{REST", "}]}"},
        {&keys_extends, "{vms: {server: {}, v: {extends: {REST", "}}}}"},
};

/* Other keys without which this one would be a fault. */
static const char *
rest_for(const struct key_table *table, const char *name)
{
        if (table == &keys_network)
                return strcmp(name, "subnet") == 0     ? ""
                       : strcmp(name, "uplink") == 0   ? "mode: bridge, "
                       : strcmp(name, "external") == 0 ? "mode: bridge, bridge: br0, "
                                                       : "subnet: 10.20.0.0/24, ";
        if (table == &keys_vxlan)
                return strcmp(name, "id") == 0       ? "remote: [192.0.2.9], "
                       : strcmp(name, "remote") == 0 ? "id: 7, "
                                                     : "id: 7, remote: [192.0.2.9], ";
        if (table == &keys_vlan)
                return strcmp(name, "native") == 0 ? "trunk: [20], " : "";
        if (table == &keys_encryption)
                return strcmp(name, "key_file") ? "key_file: ./k, " : "";
        if (table == &keys_impair)
                return strcmp(name, "jitter") == 0 ? "delay: 1s, " : "";
        if (table == &keys_dhcp_boot)
                return strcmp(name, "file") ? "file: x, " : "";
        if (table == &keys_rate)
                return "";
        if (table == &keys_reservation)
                return strcmp(name, "mac") == 0  ? "ip: 10.20.0.7, "
                       : strcmp(name, "ip") == 0 ? "mac: \"52:54:00:00:00:09\", "
                                                 : "ip: 10.20.0.7, mac: \"52:54:00:00:00:09\", ";
        if (table == &keys_nic)
                return strcmp(name, "aliases") == 0 ? "ip: 10.20.0.7, " : "";
        if (table == &keys_image)
                return strcmp(name, "checksums") == 0                ? "url: \"https://example.org/x\", "
                       : strcmp(name, "url") && strcmp(name, "file") ? "file: ./x, "
                                                                     : "";
        if (table == &keys_mount)
                return strcmp(name, "source") == 0   ? "target: /src, "
                       : strcmp(name, "target") == 0 ? "source: ./src, "
                                                     : "source: ./src, target: /src, ";
        if (table == &keys_file)
                return strcmp(name, "path") == 0      ? "content: hello, "
                       : strcmp(name, "content") == 0 ? "path: /etc/motd, "
                       : strcmp(name, "source") == 0  ? "path: /etc/motd, "
                                                      : "path: /etc/motd, content: hello, ";
        if (table == &keys_display)
                return strcmp(name, "type") ? "type: vnc, " : "";
        if (table == &keys_port)
                return strcmp(name, "target") == 0      ? "published: 80, name: x, "
                       : strcmp(name, "published") == 0 ? "target: 80, name: x, "
                       : strcmp(name, "name") == 0      ? "published: 80, target: 80, "
                                                        : "published: 80, target: 80, name: x, ";
        if (table == &keys_healthcheck)
                return strchr("tpcan", *name) && strcmp(name, "timeout") ? "" : "tcp: 22, ";
        if (table == &keys_boot)
                return strcmp(name, "kernel") ? "kernel: ./k, " : "";
        if (table == &keys_include)
                return strcmp(name, "path") ? "path: net.yaml, " : "";
        if (table == &keys_extends)
                return strcmp(name, "vm") ? "vm: server, " : "";
        if (strcmp(name, "size") == 0 || strcmp(name, "file") == 0 || strcmp(name, "disk") == 0 ||
            strcmp(name, "device") == 0 || strcmp(name, "url") == 0)
                return "";
        if (strcmp(name, "shared") == 0)
                return "file: ./x.raw, format: raw, ";
        return strcmp(name, "media") == 0 ? "file: ./x.iso, " : "size: 1G, ";
}

static char *
file_with(const struct key_table *table, const struct key *key)
{
        for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
                g_auto(GStrv) halves = NULL;
                const char *rest = rest_for(table, key->name);

                if (places[i].table != table || (places[i].only && strcmp(places[i].only, key->name) != 0))
                        continue;
                halves = g_regex_split_simple("REST|SUBNET", places[i].before, G_REGEX_DEFAULT, 0);
                return g_strdup_printf("%s%s%s%s: %s%s\n", halves[0], halves[1] ? rest : "", halves[1] ? halves[1] : "",
                                       key->name, key->example, places[i].after);
        }
        g_assert_not_reached();
}

static char *directory; /* with the files that examples name */

static struct project *
load(const char *text, struct diagnostics **ret_diagnostics)
{
        const struct load_options options = {.directory = directory, .no_files = TRUE, .root = TRUE};
        g_autoptr(GError) error = NULL;

        return project_load_text(text, strlen(text), &options, ret_diagnostics, &error);
}

static void
for_each_key(const struct key_table *table, void (*check)(const struct key_table *, const struct key *))
{
        for (const struct key *key = table->keys; key->name; key++) {
                check(table, key);
                if (key->table)
                        for_each_key(key->table, check);
        }
}

static gboolean
is_one_line(const char *text)
{
        return text && *text && !strchr(text, '\n') && text[strlen(text) - 1] != '.';
}

static void
check_row(const struct key_table *table, const struct key *key)
{
        gboolean is_long_form = table->struct_size == 0;

        g_test_message("%s: %s", table->title, key->name);
        g_assert_true(is_one_line(key->help));
        g_assert_nonnull(key->example);
        g_assert_nonnull(key_type_name(key));
        g_assert_nonnull(key_change_name(key->change));
        g_assert_true(keys_find_in(table, key->name) == key);
        g_assert_true(!key->name || !strpbrk(key->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ- "));
        g_assert_true((key->type == KEY_SPECIAL) == (key->codec != NULL));
        g_assert_true((key->type == KEY_ENUM) == (key->words != NULL));
        g_assert_true((key->type == KEY_DURATION) == (key->scale_ms != 0));
        g_assert_true(!keys_has_objects(key) || key->table);
        g_assert_true((key->type == KEY_OBJECT_MAP || key->type == KEY_OBJECT_LIST) == (key->count_offset != 0) ||
                      key->consumed);
        g_assert_true(is_long_form || key->offset < table->struct_size);
        if (key->type == KEY_COUNT || key->type == KEY_MEMORY || key->type == KEY_SIZE || key->type == KEY_DURATION ||
            key->type == KEY_COUNT_LIST || key->type == KEY_RATE)
                g_assert_true(key->max > key->min || is_long_form);
        /* A default is written, or the help says what it is; a map of things has none, nor has what is required. */
        if (!key->fallback && !key->required && !keys_has_objects(key))
                g_assert_true(strstr(key->help, "default") || strstr(key->help, "always needed"));
}

static void
test_rows(void)
{
        for_each_key(&keys_project, check_row);
}

/* Is nothing to act on @table yet, since the row that leads to it is not built? */
static gboolean
is_below_unbuilt(const struct key_table *from, const struct key_table *table, gboolean unbuilt)
{
        if (from == table)
                return unbuilt;
        for (const struct key *key = from->keys; key->name; key++)
                if (key->table && is_below_unbuilt(key->table, table, unbuilt || key->unbuilt))
                        return TRUE;
        return FALSE;
}

static void
check_example(const struct key_table *table, const struct key *key)
{
        g_autofree char *text = file_with(table, key);
        struct diagnostics *diagnostics = NULL;
        g_autoptr(project_t) project = load(text, &diagnostics);
        guint refused;

        g_test_message("%s", text);
        for (guint i = 0; i < diagnostics->items->len; i++) {
                g_autofree char *shown = diagnostic_format(diagnostics->items->pdata[i]);

                g_test_message("%s", shown);
        }
        g_assert_nonnull(project);
        refused = project_refusals(project, diagnostics);
        if (key->unbuilt || is_below_unbuilt(&keys_project, table, FALSE))
                g_assert_cmpuint(refused, >=, 1);
        else
                g_assert_cmpuint(refused, ==, 0);
        diagnostics_free(diagnostics);
}

static void
test_examples(void)
{
        for_each_key(&keys_project, check_example);
}

/* An example is another value than the default, so that decoding and encoding it shows something. */
static void
check_encoded(const struct key_table *table, const struct key *key)
{
        g_autofree char *text = file_with(table, key), *written = NULL, *quoted = NULL;
        struct diagnostics *diagnostics = NULL;
        g_autoptr(project_t) project = load(text, &diagnostics);
        g_autoptr(json_t) json = NULL;

        g_assert_nonnull(project);
        json = keys_encode(&keys_project, project, FALSE);
        written = json_dumps(json, JSON_COMPACT);
        quoted = g_strdup_printf("\"%s\":", key->name);
        g_test_message("%s -> %s", text, written);
        if (key->consumed)
                g_assert_null(strstr(written, quoted));
        else if (table->struct_size)
                g_assert_nonnull(strstr(written, quoted));
        diagnostics_free(diagnostics);
}

static void
test_encoded(void)
{
        for_each_key(&keys_project, check_encoded);
}

static void
check_aliases(const struct key_table *table)
{
        guint count = table->aliases ? g_strv_length((char **)table->aliases) : 0;

        g_assert_cmpuint(count % 2, ==, 0);
        for (guint i = 0; i < count; i += 2) {
                const struct key *same = keys_find_in(table, table->aliases[i]);

                g_test_message("%s: %s -> %s", table->title, table->aliases[i], table->aliases[i + 1]);
                /* The three kinds of disk share theirs; that of a VM's list has all of the keys. */
                g_assert_true(strchr(table->aliases[i + 1], ' ') /* a sentence */ ||
                              keys_find_in(table->aliases == keys_vm_disk.aliases ? &keys_vm_disk : table,
                                           table->aliases[i + 1]));
                g_assert_true(!same || keys_has_objects(same)); /* only for a value of another shape: cpu: 2 */
        }
        g_assert_true(!table->short_key || keys_find_in(table, table->short_key));
        for (const struct key *key = table->keys; key->name; key++) {
                g_assert_cmpint(key - table->keys, <, KEYS_MAX);
                g_assert_true(!key->required || key == table->keys || key[-1].required); /* they come first */
                if (key->table)
                        check_aliases(key->table);
        }
}

static void
test_aliases(void)
{
        check_aliases(&keys_project);
}

static void
test_find(void)
{
        g_assert_true(keys_find("vms.networks.ip") == keys_find_in(&keys_nic, "ip"));
        g_assert_true(keys_find("networks.mtu") == keys_find_in(&keys_network, "mtu"));
        g_assert_true(keys_find("vms.memory") == keys_find_in(&keys_vm, "memory"));
        g_assert_null(keys_find("vms.memroy"));
        g_assert_null(keys_find("vms.hostname.x"));
        g_assert_null(keys_find(""));
        g_assert_cmpint(keys_find("vms.image")->change, ==, CHANGE_RECREATE);
        g_assert_cmpint(keys_find("vms.machine")->change, ==, CHANGE_RESTART);
        g_assert_cmpint(keys_find("vms.labels")->change, ==, CHANGE_NONE);
        g_assert_cmpint(keys_find("networks.dhcp.reservations")->change, ==, CHANGE_LIVE);
}

static char *manual;
static char *schema_text;

static void
check_documents(const struct key_table *table, const struct key *key)
{
        g_autofree char *item = g_strdup_printf(".It Ic %s\n", key->name), *quoted = g_strdup_printf("\"%s\":", key->name);

        g_assert_nonnull(strstr(manual, item));
        g_assert_nonnull(strstr(schema_text, quoted));
        g_assert_nonnull(strstr(schema_text, key->help));
}

static void
test_documents(void)
{
        g_autoptr(json_t) schema = keys_schema();

        manual = keys_man();
        schema_text = json_dumps(schema, JSON_INDENT(1));
        g_assert_cmpstr(json_text(schema, "$schema"), ==, "https://json-schema.org/draft/2020-12/schema");
        for_each_key(&keys_project, check_documents);
        g_assert_null(strstr(manual, "\n\n"));
        g_free(manual);
        g_free(schema_text);
}

static void
make_files(void)
{
        static const struct {
                const char *name, *text;
        } files[] = {{"base.yaml", "vms: {server: {}}\n"}, {"net.yaml", "networks: {net: {}}\n"},
                     {"net.local.yaml", "networks: {net: {mtu: 1400}}\n"}, {"net.env", "A=b\n"}};

        directory = g_dir_make_tmp("drover-keys-XXXXXX", NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                g_autofree char *path = g_build_filename(directory, files[i].name, NULL);

                g_assert_true(g_file_set_contents(path, files[i].text, -1, NULL));
        }
}

int
main(int argc, char **argv)
{
        int status;

        make_files();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/keys/rows", test_rows);
        g_test_add_func("/keys/examples", test_examples);
        g_test_add_func("/keys/encoded", test_encoded);
        g_test_add_func("/keys/aliases", test_aliases);
        g_test_add_func("/keys/find", test_find);
        g_test_add_func("/keys/documents", test_documents);
        status = g_test_run();
        g_assert_true(file_remove_tree(directory, NULL));
        g_free(directory);
        return status;
}
