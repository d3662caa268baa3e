/* test-replicas.c - parser/replicas: profiles choose, replicas multiply, --scale counts anew */
#include "base/error.h"
#include "base/json.h"
#include "parser/keys/keys.h"
#include "parser/load.h"
#include "parser/value/value.h"

#include <string.h>
#include <time.h>

#define LAB                                                                                                                    \
        "networks: {lan: {subnet: 10.20.0.0/16, subnet6: \"fd00:20::/64\"}}\n"                                                 \
        "disks: {data: 1G, common: {size: 1G, format: raw}}\n"                                                                 \
        "vms:\n"                                                                                                               \
        "  db:\n"                                                                                                              \
        "    replicas: 3\n"                                                                                                    \
        "    networks: {lan: {ip: 10.20.0.254, ip6: \"fd00:20::ffff\", mac: \"52:54:00:00:00:ff\"}, lan2: {network: lan}}\n" \
        "    disks: [data, {disk: common, shared: true}, {name: own, size: 1G}]\n"                                             \
        "    ports: [\"8080-8089:80\", \"9000-9005:90-91/udp\"]\n" \
        "  web: {networks: [], depends_on: [db]}\n"                                                                            \
        "  debug: {networks: [], profiles: [debug, extra], depends_on: [web, db]}\n"                                           \
        "  late: {networks: [], profiles: [late], replicas: 2, depends_on: [debug]}\n"

typedef struct fixture {
        struct project *project;
        struct diagnostics *diagnostics;
        GError *error;
} fixture_t;

static void
fixture_clear(fixture_t *fixture)
{
        g_clear_pointer(&fixture->project, project_free);
        g_clear_pointer(&fixture->diagnostics, diagnostics_free);
        g_clear_error(&fixture->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(fixture_t, fixture_clear)

static gboolean
load(fixture_t *fixture, const char *text, struct load_options options)
{
        fixture_clear(fixture);
        options.directory = "/lab";
        options.no_files = TRUE;
        fixture->project = project_load_text(text, strlen(text), &options, &fixture->diagnostics, &fixture->error);
        return fixture->project != NULL;
}

/* The names of what is wished, with blanks between. */
static void
check_names(const fixture_t *fixture, const char *expected)
{
        g_autoptr(GString) names = g_string_new(NULL);

        for (guint i = 0; i < fixture->project->vm_count; i++) {
                const struct vm *vm = &fixture->project->vms[i];

                g_string_append_printf(names, "%s%s", i ? " " : "", vm->name);
                g_assert_true(project_find_vm(fixture->project, vm->name) == vm);
        }
        g_assert_cmpstr(names->str, ==, expected);
}

static void
test_replicas(void)
{
        g_auto(fixture_t) fixture = {NULL, NULL, NULL};
        const struct vm *vm;
        g_autofree char *ip = NULL, *ip6 = NULL, *mac = NULL;

        g_assert_true(load(&fixture, LAB, (struct load_options){0}));
        check_names(&fixture, "db-1 db-2 db-3 web");
        vm = project_find_vm(fixture.project, "db-3");
        ip = value_format_ipv4(vm->nics[0].ip);
        ip6 = value_format_ipv6(&vm->nics[0].ip6);
        mac = value_format_mac(&vm->nics[0].mac);
        g_assert_cmpstr(ip, ==, "10.20.1.0");
        g_assert_cmpstr(ip6, ==, "fd00:20::1:1");
        g_assert_cmpstr(mac, ==, "52:54:00:00:01:01");
        g_assert_cmpuint(vm->nics[1].ip, ==, 0);
        g_assert_false(vm->nics[1].has_mac);
        g_assert_cmpstr(vm->hostname, ==, "db-3");
        g_assert_cmpstr(vm->group, ==, "db");
        g_assert_cmpstr(vm->disks[0].named, ==, "data-3");
        g_assert_cmpstr(vm->disks[1].named, ==, "common");
        g_assert_cmpstr(vm->disks[2].name, ==, "own");
        g_assert_cmpuint(vm->ports[0].published.first, ==, 8082);
        g_assert_cmpuint(vm->ports[0].published.last, ==, 8082);
        g_assert_cmpuint(vm->ports[1].published.first, ==, 9004);
        g_assert_cmpuint(vm->ports[1].published.last, ==, 9005);
        g_assert_nonnull(project_find_disk(fixture.project, "data-1"));
        g_assert_cmpuint(project_find_disk(fixture.project, "data-3")->size_bytes, ==, 1 << 30);
        g_assert_nonnull(project_find_disk(fixture.project, "common"));
        g_assert_null(project_find_disk(fixture.project, "data"));
        g_assert_cmpuint(fixture.project->disk_count, ==, 4);
        /* As declared, nothing has changed. */
        g_assert_cmpstr(fixture.project->declared_vms[0].disks[0].named, ==, "data");
        g_assert_cmpuint(fixture.project->declared_vm_count, ==, 4);
        g_assert_cmpuint(fixture.project->declared_disk_count, ==, 2);
}

static void
test_scale(void)
{
        const char *const five[] = {"db=5", NULL}, *const twice[] = {"db=5", "db=1", NULL}, *const none[] = {"db=0", NULL};
        g_auto(fixture_t) fixture = {NULL, NULL, NULL};

        g_assert_true(load(&fixture, LAB, (struct load_options){.scale = twice}));
        check_names(&fixture, "db-1 web");
        g_assert_true(load(&fixture, LAB, (struct load_options){.scale = none}));
        check_names(&fixture, "web");
        g_assert_cmpuint(vm_dependency(project_find_vm(fixture.project, "web"), 0), ==, G_MAXUINT);
        g_assert_false(load(&fixture, LAB, (struct load_options){.scale = five})); /* two ports each, and six are published */
        g_assert_cmpint(fixture.error->code, ==, DROVER_ERROR_CONFIG);
}

static void
check_scale_refused(const char *scale, int code, const char *message)
{
        const char *const scales[] = {scale, NULL};
        g_auto(fixture_t) fixture = {NULL, NULL, NULL};

        g_assert_false(load(&fixture, LAB, (struct load_options){.scale = scales}));
        g_assert_error(fixture.error, DROVER_ERROR, code);
        g_assert_true(g_str_has_prefix(fixture.error->message, message));
}

static void
test_scale_refused(void)
{
        check_scale_refused("web=2", DROVER_ERROR_USAGE, "--scale: vm 'web' has no 'replicas' in the file");
        check_scale_refused("late=3", DROVER_ERROR_USAGE, "--scale: vm 'late' has profiles, and none of them is asked for");
        check_scale_refused("dbb=2", DROVER_ERROR_NOT_FOUND, "--scale: there is no vm 'dbb' in project 'lab'");
        check_scale_refused("db-1=2", DROVER_ERROR_NOT_FOUND, "--scale: there is no vm 'db-1' in project 'lab'");
        check_scale_refused("db", DROVER_ERROR_USAGE, "--scale takes VM=N");
        check_scale_refused("=2", DROVER_ERROR_USAGE, "--scale takes VM=N");
        check_scale_refused("db=-1", DROVER_ERROR_USAGE, "--scale takes VM=N");
        check_scale_refused("db=99999999999", DROVER_ERROR_USAGE, "--scale takes VM=N");
        check_scale_refused("db=two", DROVER_ERROR_USAGE, "--scale takes VM=N");
}

static void
test_profiles(void)
{
        const char *const debug[] = {"debug", NULL}, *const all[] = {"*", NULL}, *const wrong[] = {"debgu", NULL};
        const char *const named[] = {"debug", NULL}, *const replica[] = {"late-2", NULL},
                          *const both[] = {"DROVER_PROFILES=late, extra", NULL},
                          *const foreign[] = {"DROVER_PROFILES=debgu", NULL};
        g_auto(fixture_t) fixture = {NULL, NULL, NULL};
        g_autofree const char **profiles = NULL;

        g_assert_true(load(&fixture, LAB, (struct load_options){.profiles = debug}));
        check_names(&fixture, "db-1 db-2 db-3 web debug");
        g_assert_true(load(&fixture, LAB, (struct load_options){.vm_names = named}));
        check_names(&fixture, "db-1 db-2 db-3 web debug");
        g_assert_true(load(&fixture, LAB, (struct load_options){.profiles = all}));
        check_names(&fixture, "db-1 db-2 db-3 web debug late-1 late-2");
        profiles = project_profiles(fixture.project);
        g_assert_cmpuint(g_strv_length((char **)profiles), ==, 3);
        g_assert_cmpstr(profiles[0], ==, "debug");
        g_assert_cmpstr(profiles[2], ==, "late");
        g_assert_true(load(&fixture, LAB, (struct load_options){.environ = both}));
        check_names(&fixture, "db-1 db-2 db-3 web debug late-1 late-2");
        g_assert_true(load(&fixture, LAB, (struct load_options){.environ = foreign})); /* that of another project */
        check_names(&fixture, "db-1 db-2 db-3 web");
        g_assert_false(load(&fixture, LAB, (struct load_options){.profiles = wrong}));
        g_assert_error(fixture.error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_assert_nonnull(strstr(fixture.error->message, "did you mean 'debug'?"));
        /* The VM late is asked for, and what it depends on is not. */
        g_assert_false(load(&fixture, LAB, (struct load_options){.vm_names = replica}));
        g_assert_cmpint(fixture.error->code, ==, DROVER_ERROR_CONFIG);
}

static void
test_dependencies(void)
{
        g_auto(fixture_t) fixture = {NULL, NULL, NULL};
        const struct vm *web;

        g_assert_true(load(&fixture, LAB, (struct load_options){0}));
        web = project_find_vm(fixture.project, "web");
        for (guint i = 0; i < 3; i++)
                g_assert_cmpuint(vm_dependency(web, i), ==, i);
        g_assert_cmpuint(vm_dependency(web, 3), ==, G_MAXUINT);
        g_assert_true(load(&fixture, "vms: {a: {networks: [], depends_on: {b: {required: false}}}, b: {profiles: [x]}}",
                           (struct load_options){0}));
        check_names(&fixture, "a");
        g_assert_cmpuint(vm_dependency(fixture.project->vms, 0), ==, G_MAXUINT);
}

static void
test_declared(void)
{
        const char *const group[] = {"db", NULL}, *const one[] = {"db-2", NULL};
        g_auto(fixture_t) fixture = {NULL, NULL, NULL};
        const struct project *project;

        g_assert_true(load(&fixture, LAB, (struct load_options){0}));
        project = fixture.project;
        g_assert_true(project_find_declared(project, "db-17") == &project->declared_vms[0]);
        g_assert_true(project_find_declared(project, "db") == &project->declared_vms[0]);
        g_assert_true(project_find_declared(project, "debug") == &project->declared_vms[2]);
        g_assert_null(project_find_declared(project, "db-0"));
        g_assert_null(project_find_declared(project, "db-01"));
        g_assert_null(project_find_declared(project, "db-"));
        g_assert_null(project_find_declared(project, "web-1"));
        g_assert_true(project_is_named(project, group, "db-2"));
        g_assert_true(project_is_named(project, group, "db-9"));
        g_assert_false(project_is_named(project, group, "web"));
        g_assert_true(project_is_named(project, one, "db-2"));
        g_assert_false(project_is_named(project, one, "db-1"));
        g_assert_false(project_is_named(project, NULL, "db-1"));
}

/* What config prints is the file as declared. */
static void
test_encoded(void)
{
        g_auto(fixture_t) fixture = {NULL, NULL, NULL};
        g_autoptr(json_t) json = NULL;
        const json_t *vms;

        g_assert_true(load(&fixture, LAB, (struct load_options){0}));
        json = keys_encode(&keys_project, fixture.project, TRUE);
        vms = json_object_get(json, "vms");
        g_assert_cmpuint(json_object_size(vms), ==, 4);
        g_assert_cmpint(json_number(json_object_get(vms, "db"), "replicas", 0), ==, 3);
        g_assert_null(json_object_get(json_object_get(vms, "web"), "replicas"));
        g_assert_nonnull(json_object_get(vms, "debug"));
        g_assert_cmpuint(json_object_size(json_object_get(json, "disks")), ==, 2);
}

/* Ten thousand, with all that counts on: well below a second of the processor. */
static void
test_many(void)
{
        static const char text[] = "networks: {lan: {subnet: 10.0.0.0/8}}\n"
                                   "disks: {data: 1G}\n"
                                   "vms:\n"
                                   "  db: {replicas: 10000, networks: {lan: {ip: 10.0.0.10, mac: \"52:54:00:00:00:00\"}},"
                                   " disks: [data]}\n"
                                   "  web: {replicas: 100, depends_on: [db]}\n";
        g_auto(fixture_t) fixture = {NULL, NULL, NULL};
        clock_t start = clock();

        g_assert_true(load(&fixture, text, (struct load_options){0}));
        g_test_message("%.0f ms", (double)(clock() - start) * 1000 / CLOCKS_PER_SEC);
        g_assert_cmpuint(fixture.project->vm_count, ==, 10100);
        g_assert_cmpuint(fixture.project->disk_count, ==, 10000);
        g_assert_cmpint(clock() - start, <, CLOCKS_PER_SEC);
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/replicas/replicas", test_replicas);
        g_test_add_func("/replicas/scale", test_scale);
        g_test_add_func("/replicas/scale/refused", test_scale_refused);
        g_test_add_func("/replicas/profiles", test_profiles);
        g_test_add_func("/replicas/dependencies", test_dependencies);
        g_test_add_func("/replicas/declared", test_declared);
        g_test_add_func("/replicas/encoded", test_encoded);
        g_test_add_func("/replicas/many", test_many);
        return g_test_run();
}
