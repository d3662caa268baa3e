/* test-argv.c - argument vectors: compared with golden files to the letter, and given to a real QEMU, which has to take them
 *
 *     test-argv [--accept] [-p PATH ...]        --accept writes the golden files instead of comparing
 *
 * tests/argv/vectors/NAME.yaml is a project, NAME.args what its VMs are started with: an option with its value a line,
 * quoted as for a shell, then the descriptors. What a running drover would choose (UUIDs, MACs, paths) is chosen here.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "parser/load.h"
#include "runtime/storage/disk.h"
#include "runtime/storage/disk_key.h"
#include "runtime/vm/credential.h"
#include "runtime/vm/qemu_argv.h"
#include "runtime/vm/qmp.h"
#include "runtime/vm/share.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define VECTORS "tests/argv/vectors"
#define UUID "5a2c0f5e-0000-4000-8000-000000000001"

static gboolean accept_output;

/* ---- what drover would decide ---- */

struct decided {
        struct launch launch;
        struct launch_disk *disks;
        struct launch_nic *nics;
        guint places[BUS_USB + 1];
        GPtrArray *strings;
};
typedef struct decided decided_t;

static const char *
keep(struct decided *decided, char *text)
{
        g_ptr_array_add(decided->strings, text);
        return text;
}

static void
decided_clear(struct decided *decided)
{
        g_free(decided->disks);
        g_free(decided->nics);
        g_ptr_array_unref(decided->strings);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(decided_t, decided_clear)

static const char *
machine_of(const struct vm *vm)
{
        if (strcmp(vm->machine, "q35") == 0)
                return "pc-q35-7.2";
        return strcmp(vm->machine, "pc") == 0 ? "pc-i440fx-7.2" : vm->machine;
}

static void
decide_disk(struct decided *decided, const struct vm *vm, const struct disk *disk, const char *data, struct launch_disk *out)
{
        *out = (struct launch_disk){.disk = disk, .format = disk->format == FORMAT_RAW ? "raw" : "qcow2"};
        out->port = disk->bus == BUS_VIRTIO || disk->bus == BUS_NVME
                            ? decided->launch.port_count++
                            : decided->places[disk->bus == BUS_IDE ? BUS_SATA : disk->bus]++;
        if (disk_in_place(disk))
                out->path = disk_in_place(disk);
        else if (disk->named)
                out->path = keep(decided, g_strdup_printf("%s/disks/%s.%s", data, disk->named, out->format));
        else
                out->path = keep(decided, g_strdup_printf("%s/%s/%s.0.%s", data, vm->name, disk->name, out->format));
        out->key_file = disk->encryption ? disk->encryption->key_file : NULL;
        if (disk->is_root && vm->image) {
                out->backing_path = vm->image;
                out->backing_format = g_str_has_suffix(vm->image, ".raw") ? "raw" : "qcow2";
        }
}

static void
decide_nic(struct decided *decided, const struct project *project, const struct nic *nic, guint8 number, struct launch_nic *out)
{
        const struct network *network = &project->networks[nic->network_index];

        *out = (struct launch_nic){.nic = nic, .port = decided->launch.port_count++, .mac = nic->mac};
        if (!nic->has_mac)
                out->mac = (struct ether_addr){{2, 0, 0, 0, 0, number}};
        out->mtu = nic->mtu ? nic->mtu : network->mtu != 1500 ? network->mtu : 0;
}

static struct decided
decide(const struct project *project, const struct vm *vm, const char *data)
{
        struct decided decided = {.strings = g_ptr_array_new_with_free_func(g_free)};
        struct launch *launch = &decided.launch;

        launch->project = project->name;
        launch->vm = vm;
        launch->uuid = UUID;
        launch->machine = machine_of(vm);
        launch->kvm = vm->accel == ACCEL_KVM;
        decided.disks = g_new0(struct launch_disk, vm->disk_count + 2);
        decided.nics = g_new0(struct launch_nic, vm->nic_count);
        if (vm->root)
                decide_disk(&decided, vm, vm->root, data, &decided.disks[launch->disk_count++]);
        for (guint i = 0; i < vm->disk_count; i++)
                decide_disk(&decided, vm, &vm->disks[i], data, &decided.disks[launch->disk_count++]);
        for (; launch->nic_count < vm->nic_count; launch->nic_count++)
                decide_nic(&decided, project, &vm->nics[launch->nic_count], (guint8)(launch->nic_count + 1),
                           &decided.nics[launch->nic_count]);
        if (vm_wants_seed(vm)) {
                static const struct disk seed = {
                        .name = QEMU_SEED, .file = "/data/seed.iso", .media = MEDIA_CDROM, .bus = BUS_SCSI, .read_only = TRUE};
                const char *path = keep(&decided, g_strdup_printf("%s/seed.iso", data));

                decided.disks[launch->disk_count++] = (struct launch_disk){
                        .disk = &seed, .port = QEMU_SEED_PLACE, .path = path, .format = "raw"};
        }
        launch->disks = decided.disks;
        launch->nics = decided.nics;
        if (vm->firmware == FIRMWARE_UEFI) {
                launch->firmware_code = "/usr/share/OVMF/OVMF_CODE_4M.fd";
                launch->firmware_vars = keep(&decided, g_strdup_printf("%s/%s/vars.qcow2", data, vm->name));
        }
        return decided;
}

static struct project *
load(const char *name, const char *directory)
{
        g_autofree char *path = g_strdup_printf(VECTORS "/%s.yaml", name), *text = NULL;
        struct load_options options = {.directory = directory, .no_files = TRUE, .root = TRUE};
        struct diagnostics *diagnostics = NULL;
        g_autoptr(GError) error = NULL;
        struct project *project;
        size_t length;

        g_assert_true(file_read(path, 1 << 20, &text, &length, &error));
        project = project_load_text(text, length, &options, &diagnostics, &error);
        for (guint i = 0; diagnostics && i < diagnostics->items->len; i++) {
                g_autofree char *line = diagnostic_format(diagnostics->items->pdata[i]);

                g_test_message("%s", line);
        }
        g_assert_no_error(error);
        g_assert_nonnull(project);
        diagnostics_free(diagnostics);
        return project;
}

/* ---- golden files ---- */

static void
print_argv(GString *text, char *const *argv)
{
        for (char *const *argument = argv; *argument; argument++) {
                g_autofree char *quoted = text_quote_shell(*argument);

                /* An option with its value on one line; what begins with a dash is an option. */
                g_string_append_printf(text, "%s%s", argument == argv ? "" : **argument == '-' ? "\n" : " ", quoted);
        }
        g_string_append_c(text, '\n');
}

static void
print_descriptors(GString *text, const struct qemu_command *command)
{
        static const char *const kinds[] = {
                [DESCRIPTOR_ALIVE] = "alive",   [DESCRIPTOR_NAMESPACE] = "namespace", [DESCRIPTOR_DATA] = "data directory",
                [DESCRIPTOR_RUN] = "run directory", [DESCRIPTOR_LISTEN] = "listen",   [DESCRIPTOR_TAP] = "tap",
                [DESCRIPTOR_READ] = "read",     [DESCRIPTOR_WRITE] = "write",         [DESCRIPTOR_LOG] = "log",
                [DESCRIPTOR_PLAIN_READ] = "plain read", [DESCRIPTOR_KEY] = "key",
                [DESCRIPTOR_FOLDER] = "folder", [DESCRIPTOR_SHARE] = "share",
                [DESCRIPTOR_CREDENTIAL] = "credential"};

        for (guint i = 0; i < command->descriptor_count; i++) {
                const struct descriptor *descriptor = &command->descriptors[i];

                g_string_append_printf(text, "%u: %s", CHILD_FIRST_FD + i, kinds[descriptor->kind]);
                if (descriptor->kind == DESCRIPTOR_TAP)
                        g_string_append_printf(text, " of NIC %u", descriptor->index);
                if (descriptor->kind == DESCRIPTOR_SHARE)
                        g_string_append_printf(text, " of mount %u", descriptor->index);
                if (descriptor->kind == DESCRIPTOR_CREDENTIAL)
                        g_string_append_printf(text, " %u", descriptor->index);
                if (descriptor->name)
                        g_string_append_printf(text, " %s", descriptor->name);
                g_string_append_c(text, '\n');
        }
}

static void
test_golden(gconstpointer data)
{
        const char *name = data;
        g_autofree char *path = g_strdup_printf(VECTORS "/%s.args", name), *expected = NULL;
        g_autoptr(project_t) project = load(name, "/lab");
        g_autoptr(GString) text = g_string_new(NULL);

        for (guint i = 0; i < project->vm_count; i++) {
                g_auto(decided_t) decided = decide(project, &project->vms[i], "/data");
                g_autoptr(qemu_command_t) command = qemu_command_build(&decided.launch);

                print_argv(text, command->argv);
                print_descriptors(text, command);
        }
        if (accept_output)
                g_assert_true(file_write_if_changed(path, text->str, text->len, 0644, NULL, NULL));
        g_assert_true(file_read(path, 1 << 20, &expected, NULL, NULL));
        g_assert_cmpstr(text->str, ==, expected);
}

/* ---- a real QEMU ---- */

struct site {
        char *path, *lab, *data;
        int directory_fd;
};
typedef struct site site_t;

static void
site_clear(struct site *site)
{
        g_assert_true(file_remove_tree(site->path, NULL));
        close(site->directory_fd);
        g_free(site->path);
        g_free(site->lab);
        g_free(site->data);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(site_t, site_clear)

static struct site
site_make(void)
{
        struct site site = {.path = g_dir_make_tmp("drover-argv-XXXXXX", NULL)};

        site.lab = g_build_filename(site.path, "lab", NULL);
        site.data = g_build_filename(site.path, "data", NULL);
        g_assert_true(file_make_directory(site.lab, 0700, NULL));
        site.directory_fd = open(site.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        g_assert_cmpint(site.directory_fd, >=, 0);
        return site;
}

/* A file that QEMU takes for what it shall be: a disk of 8 MiB of that format. */
static void
make_file(const char *path, const char *format, const char *key_file)
{
        g_autofree char *directory = g_path_get_dirname(path);
        struct disk_wish wish = {.path = path, .format = format, .size_bytes = 8 << 20, .key_file = key_file, .iter_ms = 10};
        g_autoptr(GError) error = NULL;

        g_assert_true(file_make_directory(directory, 0700, &error));
        g_assert_true(!key_file || file_write_atomic(key_file, "secret\n", 7, 0600, NULL));
        g_assert_true(disk_ensure(&wish, &error));
        g_assert_no_error(error);
}

/* Source: linux/Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header" */
static void
make_kernel(const char *path)
{
        static char kernel[65536];

        kernel[0x1f1] = 1;
        memcpy(kernel + 0x202, "HdrS", 4);
        memcpy(kernel + 0x206, "\x0f\x02", 2);             /* version 2.15 */
        memcpy(kernel + 0x22c, "\xff\xff\xff\x7f", 4); /* initrd_addr_max */
        g_assert_true(file_write_atomic(path, kernel, sizeof kernel, 0600, NULL));
}

static void
make_files(const struct launch *launch)
{
        const struct boot *boot = &launch->vm->boot;

        for (guint i = 0; i < launch->disk_count; i++) {
                make_file(launch->disks[i].path, launch->disks[i].format, launch->disks[i].key_file);
                if (launch->disks[i].backing_path)
                        make_file(launch->disks[i].backing_path, launch->disks[i].backing_format, NULL);
        }
        if (launch->firmware_vars) {
                g_autofree char *directory = g_path_get_dirname(launch->firmware_vars);

                g_assert_true(file_make_directory(directory, 0700, NULL));
                g_assert_true(disk_ensure_vars(launch->firmware_vars, "/usr/share/OVMF/OVMF_VARS_4M.fd", NULL, NULL));
        }
        for (guint i = 0; i < launch->vm->mount_count; i++)
                g_assert_true(file_make_directory(launch->vm->mounts[i].source, 0700, NULL));
        if (boot->kernel)
                make_kernel(boot->kernel);
        if (boot->initrd)
                make_kernel(boot->initrd);
        if (launch->vm->ignition)
                make_kernel(launch->vm->ignition);
        for (guint i = 0; i < launch->vm->credential_count; i++)
                if (launch->vm->credentials[i].path)
                        g_assert_true(file_write_atomic(launch->vm->credentials[i].path, "hello", 5, 0600, NULL));
}

static int
open_tap(void)
{
        struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
        int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(ioctl(fd, TUNSETIFF, &request), ==, 0);
        return fd;
}

static int
open_listener(const struct site *site, const char *name)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", site->directory_fd, name);
        g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
        g_assert_cmpint(listen(fd, 4), ==, 0);
        return fd;
}

static int
open_descriptor(const struct site *site, const struct launch *launch, const struct descriptor *descriptor)
{
        switch (descriptor->kind) {
        case DESCRIPTOR_ALIVE:
                return open("/dev/null", O_RDWR | O_CLOEXEC);
        case DESCRIPTOR_NAMESPACE:
                return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        case DESCRIPTOR_DATA:
        case DESCRIPTOR_RUN:
                return fcntl(site->directory_fd, F_DUPFD_CLOEXEC, 3);
        case DESCRIPTOR_LISTEN:
                return open_listener(site, descriptor->name);
        case DESCRIPTOR_TAP:
                return open_tap();
        case DESCRIPTOR_SHARE:
                return share_start(&launch->vm->mounts[descriptor->index], "test/one", site->path, site->directory_fd,
                                   STDERR_FILENO, NULL);
        case DESCRIPTOR_KEY:
                return disk_key_open(descriptor->name, NULL, NULL);
        case DESCRIPTOR_CREDENTIAL:
                return credential_open(launch->vm, descriptor->index, NULL);
        case DESCRIPTOR_WRITE:
                return open(descriptor->name, O_RDWR | O_CLOEXEC);
        case DESCRIPTOR_LOG:
                return openat(site->directory_fd, descriptor->name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        default:
                return open(descriptor->name, O_RDONLY | O_CLOEXEC);
        }
}

static int
start_qemu(const struct site *site, const struct launch *launch, const struct qemu_command *command)
{
        g_autofree int *fds = g_new0(int, command->descriptor_count);
        struct child child = CHILD_INIT;
        g_autoptr(GError) error = NULL;
        int pidfd = -1;
        pid_t pid;

        for (guint i = 0; i < command->descriptor_count; i++) {
                fds[i] = open_descriptor(site, launch, &command->descriptors[i]);
                g_assert_cmpint(fds[i], >=, 0);
        }
        child.argv = (const char *const *)command->argv;
        child.fds = fds;
        child.fd_count = command->descriptor_count;
        child.stderr_fd = STDERR_FILENO;
        g_assert_true(child_start(&child, &pid, &pidfd, &error));
        for (guint i = 0; i < command->descriptor_count; i++)
                close(fds[i]);
        return pidfd;
}

/* Every block node of ours has a name within QEMU's limit, and every disk is seen by a device. */
static void
check_blocks(struct qmp *qmp, const struct launch *launch)
{
        g_autoptr(json_t) blocks = NULL;
        const json_t *block;
        guint found = 0;
        size_t i;

        g_assert_true(qmp_call(qmp, "query-block", NULL, 5000, &blocks, NULL));
        json_array_foreach (blocks, i, block) {
                const char *node = json_text(json_object_get(block, "inserted"), "node-name");

                for (guint n = 0; n < launch->disk_count; n++) {
                        g_autofree char *id = qemu_disk_id(launch->disks[n].disk->name);

                        found += g_strcmp0(node, id) == 0;
                }
        }
        g_assert_cmpuint(found, ==, launch->disk_count);
}

static void
start_and_stop(const struct site *site, const struct launch *launch)
{
        g_autoptr(qemu_command_t) command = qemu_command_build(launch);
        g_autofree char *pid_file = g_build_filename(site->path, QEMU_PID_FILE, NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(qmp_t) qmp = NULL;
        auto_fd pidfd = -1;
        int status = -1;

        make_files(launch);
        pidfd = start_qemu(site, launch, command);
        qmp = qmp_connect(site->directory_fd, QEMU_SOCKET_CONTROL, 20000, &error);
        g_assert_no_error(error);
        g_assert_cmpint(file_lock_holder(pid_file), >, 0);
        check_blocks(qmp, launch);
        g_assert_true(qmp_call(qmp, "cont", NULL, 5000, NULL, &error));
        g_assert_true(qmp_call(qmp, "quit", NULL, 5000, NULL, &error));
        g_assert_true(child_reap(pidfd, 10000, &status, &error));
        g_assert_no_error(error);
        g_assert_cmpint(status, ==, 0);
        g_assert_false(file_exists(pid_file));
}

static gboolean
find_virtiofsd(void)
{
        g_autofree char *program = share_find_program();

        return program != NULL;
}

/* Has it a disk that needs a server? tests/e2e/test_sources.py has those. */
static gboolean
reaches_out(const struct vm *vm)
{
        for (guint i = 0; i < vm->disk_count; i++)
                if (vm->disks[i].url)
                        return TRUE;
        return FALSE;
}

static void
test_start(gconstpointer data)
{
        g_auto(site_t) site = site_make();
        g_autoptr(project_t) project = load(data, site.lab);

        for (guint i = 0; i < project->vm_count; i++) {
                g_auto(decided_t) decided = decide(project, &project->vms[i], site.data);

                if (reaches_out(&project->vms[i]))
                        continue;
                if (decided.launch.firmware_code && !file_exists(decided.launch.firmware_code))
                        return g_test_skip("the package ovmf is not installed");
                if (project->vms[i].mount_count && !find_virtiofsd())
                        return g_test_skip("virtiofsd is not installed");
                decided.launch.kvm = FALSE;
                start_and_stop(&site, &decided.launch);
        }
}

/* Taps are made in a network namespace of the test's own; that needs root, as does /dev/net/tun where it is closed. */
static const char *
why_not_start(void)
{
        g_autofree char *qemu = child_find_program("qemu-system-x86_64");

        if (!qemu)
                return "qemu-system-x86_64 is not installed";
        if (access("/dev/net/tun", R_OK | W_OK) < 0)
                return "/dev/net/tun cannot be opened";
        if (unshare(CLONE_NEWNET) < 0)
                return "a network namespace needs root";
        return NULL;
}

static void
test_skip(gconstpointer data)
{
        g_test_skip(data);
}

/* ---- names ---- */

static void
test_ids(void)
{
        static const char forty[] = "a234567890123456789012345678901234567890";
        g_autofree char *short_id = qemu_disk_id("root"), *edge = qemu_nic_id("a234567890123456789012"),
                        *long_id = qemu_disk_node_id(DISK_NODE_BACKING_FILE, forty), *other = NULL;
        char changed[sizeof forty];

        g_assert_cmpstr(short_id, ==, "disk-root");
        g_assert_cmpstr(edge, ==, "nic-a234567890123456789012");
        g_assert_cmpuint(strlen(long_id), ==, 31);
        strcpy(changed, forty);
        changed[sizeof forty - 2] = 'x';
        other = qemu_disk_node_id(DISK_NODE_BACKING_FILE, changed);
        g_assert_cmpstr(long_id, !=, other);
}

static void
add_tests(const char *why_not)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) files = file_list_directory(VECTORS, &error);
        guint count = 0;

        g_assert_no_error(error);
        for (guint i = 0; i < files->len; i++) {
                const char *file = files->pdata[i];
                g_autofree char *golden = NULL, *start = NULL;
                char *name;

                if (!g_str_has_suffix(file, ".yaml"))
                        continue;
                count++;
                name = g_strndup(file, strlen(file) - strlen(".yaml"));
                golden = g_strdup_printf("/argv/golden/%s", name);
                start = g_strdup_printf("/argv/start/%s", name);
                g_test_add_data_func_full(golden, name, test_golden, g_free);
                if (why_not)
                        g_test_add_data_func(start, why_not, test_skip);
                else
                        g_test_add_data_func_full(start, g_strdup(name), test_start, g_free);
        }
        g_assert_cmpuint(count, >, 0); /* run it from the top of the checkout */
}

int
main(int argc, char **argv)
{
        /* What share_start() starts is the program that called it. */
        if (argc == 5 && strcmp(argv[1], "share") == 0)
                return share_run(argv[3], strcmp(argv[4], "rw") != 0, NULL) ? 0 : 1;
        g_test_init(&argc, &argv, NULL);
        accept_output = argc > 1 && strcmp(argv[1], "--accept") == 0;
        g_test_add_func("/argv/ids", test_ids);
        add_tests(why_not_start());
        return g_test_run();
}
