/* qemu_probe.c - which QEMU this host has, what its machine aliases mean, and whether KVM works
 *
 * Asking QEMU for its machines costs a start of it (30 ms), so the answer is kept in the cache, under the program's path, size
 * and mtime. Whoever only looks reads the cache and never writes it.
 */
#include "runtime/observe.h"

#include "base/child.h"
#include "base/error.h"
#include "base/file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

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
        g_free(info->no_kvm_reason);
        g_free(info->help);
        g_free(info);
}

/* Lines of `-machine help`: "q35   Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)". */
static void
parse_machines(struct qemu_info *info, const char *text)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        for (char **line = *lines ? lines + 1 : lines; *line; line++) {
                size_t length = strcspn(*line, " ");
                const char *alias = strstr(*line, "(alias of ");
                g_autofree char *name = g_strndup(*line, length);

                if (!length)
                        continue;
                if (alias && (strcmp(name, "q35") == 0 || strcmp(name, "pc") == 0)) {
                        const char *begin = alias + strlen("(alias of ");
                        char **target = *name == 'q' ? &info->q35 : &info->pc;

                        g_free(*target);
                        *target = g_strndup(begin, strcspn(begin, ")"));
                }
                g_ptr_array_add(names, g_steal_pointer(&name));
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

/* There are hosts whose /dev/kvm opens but cannot run an ordinary kernel: the CPU's flag is what tells. */
static void
probe_kvm(struct qemu_info *info)
{
        const char *wish = g_getenv("DROVER_ACCEL");

        if (g_strcmp0(wish, "kvm") == 0 || g_strcmp0(wish, "tcg") == 0) {
                info->kvm = *wish == 'k';
                info->no_kvm_reason = info->kvm ? NULL : g_strdup("DROVER_ACCEL=tcg");
        } else if (access("/dev/kvm", R_OK | W_OK) < 0) {
                info->no_kvm_reason = errno == ENOENT ? g_strdup("there is no /dev/kvm")
                                                      : g_strdup_printf("/dev/kvm cannot be opened: %s", g_strerror(errno));
        } else if (!has_cpu_flag("vmx") && !has_cpu_flag("svm")) {
                info->no_kvm_reason = g_strdup("this host's CPU shows neither vmx nor svm");
        } else {
                info->kvm = TRUE;
        }
}

static char *
cache_path(const char *cache_directory, const char *program, const struct stat *st)
{
        g_autofree char *key = g_strdup_printf("%s %lld %lld.%09ld", program, (long long)st->st_size,
                                               (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
        g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, key, -1);

        sum[16] = '\0';
        return g_strdup_printf("%s/qemu-%s.machines", cache_directory, sum);
}

static char *
ask_qemu(const char *program)
{
        const char *argv[] = {program, "-machine", "help", NULL};
        struct child child = CHILD_INIT;
        char *text = NULL;

        child.argv = argv;
        return child_run(&child, PROBE_TIMEOUT_MS, &text, NULL) ? text : NULL;
}

struct qemu_info *
qemu_probe(const char *cache_directory)
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
                text = ask_qemu(info->path);
                info->help = g_strdup(text);
        }
        parse_machines(info, text ? text : "");
        probe_kvm(info);
        return info;
}

void
qemu_keep(const struct qemu_info *info, const char *cache_directory)
{
        g_autofree char *cached = NULL;
        struct stat st;

        if (!info || !info->help || stat(info->path, &st) < 0)
                return;
        cached = cache_path(cache_directory, info->path, &st);
        if (!file_make_directory(cache_directory, 0700, NULL) ||
            !file_write_atomic(cached, info->help, strlen(info->help), 0600, NULL))
                return; /* the next run asks again: slower, not wrong */
}
