/* test-state.c - what is remembered: round trips, ports, schemas, logs within bounds, identities */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "runtime/identity.h"
#include "runtime/state.h"
#include "runtime/supervisor/logs.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

struct scratch {
        char *directory;
        struct paths *paths;
};

static void
set_up(struct scratch *place, gconstpointer data)
{
        g_autofree char *run = NULL, *kept = NULL, *vm = NULL;
        GError *error = NULL;

        place->directory = g_dir_make_tmp("drover-state-XXXXXX", &error);
        g_assert_no_error(error);
        run = g_build_filename(place->directory, "run", NULL);
        kept = g_build_filename(place->directory, "data", NULL);
        g_setenv("DROVER_RUN_DIR", run, TRUE);
        g_setenv("DROVER_DATA_DIR", kept, TRUE);
        place->paths = paths_new("lab");
        g_assert_true(paths_ensure(place->paths, &error));
        vm = paths_vm_data(place->paths, "web");
        g_assert_true(file_make_directory(vm, 0700, &error));
}

static void
tear_down(struct scratch *place, gconstpointer data)
{
        g_assert_true(file_remove_tree(place->directory, NULL));
        paths_free(place->paths);
        g_free(place->directory);
}

static void
test_state(struct scratch *place, gconstpointer data)
{
        struct network network = {.name = "lan", .bridge = "br-lan", .subnet = {10 << 24 | 1 << 8, 24}};
        GError *error = NULL;
        g_autoptr(state_t) empty = state_load(place->paths, &error), again = NULL;

        g_assert_no_error(error);
        g_assert_false(empty->exists);
        empty->directory = g_strdup("/srv/lab");
        empty->isolation = ISOLATION_PRIVATE;
        state_keep_network(empty, &network);
        network.bridge = "br-lan2";
        state_keep_network(empty, &network);
        g_assert_true(state_save(place->paths, empty, &error));
        again = state_load(place->paths, &error);
        g_assert_no_error(error);
        g_assert_true(again->exists);
        g_assert_cmpstr(again->directory, ==, "/srv/lab");
        g_assert_cmpint(again->isolation, ==, ISOLATION_PRIVATE);
        g_assert_cmpuint(again->networks->len, ==, 1);
        g_assert_cmpstr(state_network(again, "lan")->bridge, ==, "br-lan2");
        g_assert_cmpuint(state_network(again, "lan")->subnet.address, ==, 10 << 24 | 1 << 8);
        state_forget_network(again, "lan");
        g_assert_null(state_network(again, "lan"));
}

static void
write_state(const struct scratch *place, const char *text)
{
        g_autofree char *path = g_build_filename(place->paths->data, "state.json", NULL);

        g_assert_true(file_write_atomic(path, text, strlen(text), 0600, NULL));
}

static void
test_schema(struct scratch *place, gconstpointer data)
{
        static const struct {
                const char *text;
                enum drover_error code;
        } bad[] = {
                {"{\"schema\": 2, \"directory\": \"/srv\"}", DROVER_ERROR_UNSUPPORTED},
                {"{\"directory\": \"/srv\"}", DROVER_ERROR_CORRUPT},
                {"{\"schema\": 1, ", DROVER_ERROR_CORRUPT},
                {"", DROVER_ERROR_CORRUPT},
                {"{\"schema\": 1, \"networks\": {\"lan\": {\"bridge\": \"../../etc\"}}}", DROVER_ERROR_CORRUPT},
                {"{\"schema\": 1, \"networks\": {\"lan\": {\"bridge\": \"b\", \"subnet\": \"10.0.0.1/99\"}}}",
                 DROVER_ERROR_CORRUPT},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GError) error = NULL;

                write_state(place, bad[i].text);
                g_assert_null(state_load(place->paths, &error));
                g_assert_error(error, DROVER_ERROR, (gint)bad[i].code);
        }
}

static void
test_spec(struct scratch *place, gconstpointer data)
{
        GError *error = NULL;
        g_autoptr(spec_t) spec = spec_new("lab", "web"), again = NULL, copy = NULL;
        struct kept_disk *root = spec_keep_disk(spec, "root", "qcow2");

        g_assert_null(spec_load(place->paths, "web", &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        g_clear_error(&error);
        spec->present = spec->kvm = TRUE;
        spec->machine = g_strdup("pc-q35-7.2");
        spec->wish = json_pack("{s:s}", "memory", "1G");
        root->generation = 3;
        root->backing_path = g_strdup("/images/base.qcow2");
        root->backing = (struct image_info){"qcow2", 1 << 20, 1, 2, 3, 4};
        g_assert_cmpint(spec_port(spec, "nic-lan"), ==, 0);
        g_hash_table_insert(spec->macs, g_strdup("lan"), g_strdup("02:00:00:00:00:01"));
        spec_plug(spec, "nic-lan");
        spec_plug(spec, "nic-lan");
        spec_plug(spec, "nic-\"}"); /* no id of ours: it would become QMP */
        spec_refuse(spec, "disk-data");
        g_assert_true(spec_save(place->paths, spec, &error));
        again = spec_load(place->paths, "web", &error);
        g_assert_no_error(error);
        copy = spec_copy(again);
        g_assert_true(copy->present && copy->kvm && !copy->stopped && !copy->paused);
        g_assert_cmpstr(copy->uuid, ==, spec->uuid);
        g_assert_cmpstr(copy->machine, ==, "pc-q35-7.2");
        g_assert_true(json_equal(copy->wish, spec->wish));
        g_assert_null(copy->set);
        g_assert_cmpuint(spec_disk(copy, "root")->generation, ==, 3);
        g_assert_true(image_is_same(&spec_disk(copy, "root")->backing, &root->backing));
        g_assert_cmpint(spec_port(copy, "nic-lan"), ==, 0);
        g_assert_cmpstr(g_hash_table_lookup(copy->macs, "lan"), ==, "02:00:00:00:00:01");
        g_assert_cmpuint(copy->plugged->len, ==, 1);
        g_assert_cmpuint(copy->refused->len, ==, 1);
        spec_forget_device(copy, "nic-lan");
        g_assert_cmpuint(copy->plugged->len, ==, 0);
        g_assert_cmpuint(copy->refused->len, ==, 1);
}

/* A device keeps its port whatever comes and goes; a new one takes the lowest that is free. */
static void
test_ports(struct scratch *place, gconstpointer data)
{
        g_autoptr(spec_t) spec = spec_new("lab", "web");
        g_autoptr(GPtrArray) kept = g_ptr_array_new();

        g_assert_cmpint(spec_port(spec, "disk-root"), ==, 0);
        g_assert_cmpint(spec_port(spec, "nic-a"), ==, 1);
        g_assert_cmpint(spec_port(spec, "nic-b"), ==, 2);
        g_ptr_array_add(kept, (gpointer)"disk-root");
        g_ptr_array_add(kept, (gpointer)"nic-b");
        spec_keep_ports(spec, kept);
        g_assert_cmpint(spec_port(spec, "nic-b"), ==, 2);
        g_assert_cmpint(spec_port(spec, "nic-c"), ==, 1);
        for (int i = 3; i < QEMU_MAX_PORTS; i++) {
                g_autofree char *id = g_strdup_printf("disk-%d", i);

                g_assert_cmpint(spec_port(spec, id), ==, i);
        }
        g_assert_cmpint(spec_port(spec, "disk-last"), ==, -1);
        g_assert_cmpint(spec_port(spec, "scsi:disk-a"), ==, 0);
        g_assert_cmpint(spec_port(spec, "scsi:disk-b"), ==, 1);
        g_assert_cmpint(spec_port(spec, "usb:disk-a"), ==, 0);
        g_assert_true(spec_is_port("disk-a") && !spec_is_port("usb:disk-a"));
        g_assert_cmpint(spec_port(spec, "nic-b"), ==, 2);
}

static void
test_log_trim(struct scratch *place, gconstpointer data)
{
        auto_fd directory = open(place->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        g_autofree char *log = g_build_filename(place->directory, "a.log", NULL);
        g_autofree char *old = g_build_filename(place->directory, "a.log.1", NULL);
        auto_fd fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        g_autofree char *text = NULL;
        GError *error = NULL;
        struct stat st;
        size_t length;

        g_assert_cmpint(write(fd, "small", 5), ==, 5);
        g_assert_true(log_trim(directory, "a.log", &error));
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        g_assert_cmpint(st.st_size, ==, 5);
        g_assert_cmpint(ftruncate(fd, LOG_BOUND_BYTES), ==, 0);
        g_assert_cmpint(write(fd, "end", 3), ==, 3);
        g_assert_true(log_trim(directory, "a.log", &error));
        g_assert_no_error(error);
        g_assert_cmpint(write(fd, "new", 3), ==, 3); /* whoever has it open goes on at its new end */
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        g_assert_cmpint(st.st_size, ==, 3);
        g_assert_true(file_read(old, LOG_KEPT_BYTES, &text, &length, &error));
        g_assert_cmpuint(length, ==, LOG_KEPT_BYTES);
        g_assert_cmpmem(text + length - 3, 3, "end", 3);
        g_assert_true(log_trim(directory, "absent.log", &error));
}

/* A guest's log is in a directory of QEMU's user, who might put anything there. */
static void
test_log_trim_hostile(struct scratch *place, gconstpointer data)
{
        auto_fd directory = open(place->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        g_autofree char *victim = g_build_filename(place->directory, "victim", NULL);
        g_autofree char *link_path = g_build_filename(place->directory, "b.log", NULL);
        auto_fd fd = open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        struct stat st;

        g_assert_cmpint(ftruncate(fd, LOG_BOUND_BYTES + 1), ==, 0);
        g_assert_cmpint(symlink("victim", link_path), ==, 0);
        g_assert_true(log_trim(directory, "b.log", NULL));
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        g_assert_cmpint(st.st_size, ==, LOG_BOUND_BYTES + 1);
}

static void
test_identity(struct scratch *place, gconstpointer data)
{
        struct ether_addr a = identity_mac("lab", "web", "lan", FALSE), b = identity_mac("lab", "web", "lan", FALSE);
        struct ether_addr c = identity_mac("lab", "we", "blan", FALSE);
        char one[37], two[37];

        g_assert_cmpmem(&a, sizeof a, &b, sizeof b);
        g_assert_cmpint(memcmp(&a, &c, sizeof a), !=, 0);
        g_assert_cmpint(a.ether_addr_octet[0] & 3, ==, 2); /* locally administered, unicast */
        identity_uuid("lab", "web", one);
        identity_uuid("lab", "web", two);
        g_assert_cmpstr(one, ==, two);
        g_assert_true(g_uuid_string_is_valid(one));
        identity_uuid("labw", "eb", two);
        g_assert_cmpstr(one, !=, two);
}

#define ADD(name, function) g_test_add(name, struct scratch, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        ADD("/state/round-trip", test_state);
        ADD("/state/schema", test_schema);
        ADD("/spec/round-trip", test_spec);
        ADD("/spec/ports", test_ports);
        ADD("/log/trim", test_log_trim);
        ADD("/log/trim-hostile", test_log_trim_hostile);
        ADD("/identity", test_identity);
        return g_test_run();
}
