/* qemu_probe.c - which QEMU this host has, which machines it knows and what they can have, and whether KVM works
 *
 * Asking QEMU for its machines costs a start of it (40 ms), so the answer is kept in the cache, under the program's path, size
 * and mtime. Whoever only looks reads the cache and never writes it.
 */
#include "runtime/observe.h"

#include "base/child.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>

#define FIRMWARE_HINT "switch on virtualisation in the firmware, or nested virtualisation where this is a VM"

enum { PROBE_TIMEOUT_MS = 10000 };

void
qemu_info_free(struct qemu_info *info)
{
        if (!info)
                return;
        g_free(info->path);
        g_free(info->q35);
        g_free(info->pc);
        g_strfreev(info->machines);
        g_clear_pointer(&info->max_cpus, g_hash_table_unref);
        g_free(info->no_kvm_reason);
        g_free(info->kvm_fault);
        g_free(info->kvm_hint);
        g_free(info->answer);
        g_free(info);
}

guint
qemu_max_cpus(const struct qemu_info *qemu, const char *machine)
{
        return qemu->max_cpus ? GPOINTER_TO_UINT(g_hash_table_lookup(qemu->max_cpus, machine)) : 0;
}

static void
take_machine(struct qemu_info *info, const json_t *machine, GPtrArray *names)
{
        const char *name = json_text(machine, "name"), *alias = json_text(machine, "alias");
        guint most = (guint)CLAMP(json_number(machine, "cpu-max", 0), 0, G_MAXINT);
        char **target = g_strcmp0(alias, "q35") == 0 ? &info->q35 : g_strcmp0(alias, "pc") == 0 ? &info->pc : NULL;

        if (!name)
                return;
        if (target) {
                g_free(*target);
                *target = g_strdup(name);
        }
        g_hash_table_replace(info->max_cpus, g_strdup(name), GUINT_TO_POINTER(most));
        g_ptr_array_add(names, g_strdup(name));
        if (alias)
                g_ptr_array_add(names, g_strdup(alias));
}

/* What QEMU says, a line each: its greeting, and the answer to query-machines. Source: qapi/machine.json, MachineInfo */
static void
take_answer(struct qemu_info *info, const char *text)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        info->max_cpus = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (char **line = lines; *line; line++) {
                g_autoptr(json_t) said = json_loads(*line, JSON_REJECT_DUPLICATES, NULL);
                const json_t *version = json_object_get(json_object_get(json_object_get(said, "QMP"), "version"), "qemu");
                const json_t *machine;
                size_t i;

                if (version)
                        info->major = (guint)CLAMP(json_number(version, "major", 0), 0, G_MAXINT);
                json_array_foreach (json_object_get(said, "return"), i, machine)
                        take_machine(info, machine, names);
        }
        g_ptr_array_add(names, NULL);
        info->machines = (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

static gboolean
has_cpu_flag(const char *flag)
{
        g_autofree char *text = NULL;
        g_auto(GStrv) words = NULL;
        char *line;

        if (!file_read("/proc/cpuinfo", 4 << 20, &text, NULL, NULL))
                return FALSE;
        line = strstr(text, "\nflags");
        if (!line)
                return FALSE;
        line++;
        line[strcspn(line, "\n")] = '\0';
        words = g_strsplit_set(line, " \t:", -1);
        return g_strv_contains((const char *const *)words, flag);
}

static gboolean
may_open(const struct stat *st, const struct child_user *user)
{
        if (st->st_uid == user->uid)
                return (st->st_mode & 0600) == 0600;
        for (int i = 0; i < user->group_count; i++)
                if (st->st_gid == user->groups[i])
                        return (st->st_mode & 0060) == 0060;
        return (st->st_mode & 0006) == 0006;
}

/* Whoever may not open it joins the group that may; where there is none, it gets one. */
static char *
joining_hint(const struct stat *st)
{
        const struct group *group = st->st_gid != 0 && (st->st_mode & 0060) == 0060 ? getgrgid(st->st_gid) : NULL;

        return group ? g_strdup_printf("usermod -aG %s $USER, then log in again", group->gr_name)
                     : g_strdup("chgrp kvm /dev/kvm; chmod 660 /dev/kvm; usermod -aG kvm $USER, then log in again");
}

/* There are hosts whose /dev/kvm opens but cannot run an ordinary kernel: the CPU's flag is what tells. */
static void
find_kvm_fault(struct qemu_info *info, const struct child_user *user)
{
        struct stat st;

        if (stat("/dev/kvm", &st) < 0) {
                info->kvm_fault = g_strdup("there is no /dev/kvm");
                info->kvm_hint = g_strdup(FIRMWARE_HINT);
        } else if (access("/dev/kvm", R_OK | W_OK) < 0) {
                info->kvm_fault = g_strdup_printf("/dev/kvm cannot be opened: %s", g_strerror(errno));
                info->kvm_hint = joining_hint(&st);
        } else if (!has_cpu_flag("vmx") && !has_cpu_flag("svm")) {
                info->kvm_fault = g_strdup("this host's CPU shows neither vmx nor svm");
                info->kvm_hint = g_strdup(FIRMWARE_HINT);
        } else if (user && !may_open(&st, user)) {
                info->kvm_fault = g_strdup_printf("user '%s' may not open /dev/kvm", user->name);
                info->kvm_hint = g_strdup("chgrp kvm /dev/kvm; chmod 660 /dev/kvm");
        }
}

/* DROVER_ACCEL decides what `auto` is; kvm also means that whoever sets it knows better than the CPU's flags. */
static void
probe_kvm(struct qemu_info *info, const struct child_user *user)
{
        const char *wish = g_getenv("DROVER_ACCEL");

        info->kvm = g_strcmp0(wish, "kvm") == 0;
        if (info->kvm)
                return;
        find_kvm_fault(info, user);
        info->kvm = g_strcmp0(wish, "tcg") != 0 && !info->kvm_fault;
        if (!info->kvm)
                info->no_kvm_reason = g_strdup(g_strcmp0(wish, "tcg") == 0 ? "DROVER_ACCEL=tcg" : info->kvm_fault);
}

static char *
cache_path(const char *cache_directory, const char *program, const struct stat *st)
{
        g_autofree char *key = g_strdup_printf("%s %lld %lld.%09ld", program, (long long)st->st_size,
                                               (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
        g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, key, -1);

        sum[16] = '\0';
        return g_strdup_printf("%s/qemu-%s.qmp", cache_directory, sum);
}

/* Its monitor on standard input and output, for as long as it takes to answer. */
static char *
ask_qemu(const char *program, const struct child_user *user)
{
        static const char questions[] = "{\"execute\": \"qmp_capabilities\"}\n{\"execute\": \"query-machines\"}\n"
                                        "{\"execute\": \"quit\"}\n";
        const char *argv[] = {program, "-nodefaults", "-no-user-config", "-machine", "none", "-display", "none",
                              "-qmp", "stdio", NULL};
        struct child child = CHILD_INIT;
        auto_fd input = -1;
        auto_fd output = -1;
        char *text = NULL;
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return NULL;
        input = ends[0];
        output = ends[1];
        if (fd_retry(write(output, questions, strlen(questions))) != (ssize_t)strlen(questions)) /* a pipe holds more */
                return NULL;
        fd_clear(&output);
        child.argv = argv;
        child.stdin_fd = input;
        child.user = user;
        return child_run(&child, PROBE_TIMEOUT_MS, &text, NULL) ? text : NULL;
}

struct qemu_info *
qemu_probe(const char *cache_directory, const struct child_user *user)
{
        const char *wish = g_getenv("DROVER_QEMU");
        g_autofree char *program = child_find_program(wish && *wish ? wish : "qemu-system-x86_64");
        g_autofree char *cached = NULL, *text = NULL;
        struct qemu_info *info;
        struct stat st;

        if (!program || stat(program, &st) < 0)
                return NULL;
        info = g_new0(struct qemu_info, 1);
        info->path = g_steal_pointer(&program);
        cached = cache_path(cache_directory, info->path, &st);
        if (!file_read(cached, 1 << 20, &text, NULL, NULL)) {
                text = ask_qemu(info->path, user);
                info->answer = g_strdup(text);
        }
        take_answer(info, text ? text : "");
        probe_kvm(info, user);
        return info;
}

void
qemu_keep(const struct qemu_info *info, const char *cache_directory)
{
        g_autofree char *cached = NULL;
        struct stat st;

        if (!info || !info->answer || !info->machines[0] || stat(info->path, &st) < 0)
                return;
        cached = cache_path(cache_directory, info->path, &st);
        if (!file_make_directory(cache_directory, 0700, NULL) ||
            !file_write_atomic(cached, info->answer, strlen(info->answer), 0600, NULL))
                return; /* the next run asks again: slower, not wrong */
}
