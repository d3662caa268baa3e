/* file_use.c - who else has a disk file open
 *
 * QEMU locks single bytes of every image that it opens: for each permission that it uses one from byte 100 on, for each that it
 * does not share one from byte 200 on. It is refused a file where somebody has locked the counterpart of what it wants. All
 * locks are OFD locks for reading, which a process that asks can see, but which name no holder: that is found by its
 * descriptors. Sources: QEMU's block/file-posix.c (RAW_LOCK_PERM_BASE, RAW_LOCK_SHARED_BASE), fcntl(2), proc(5).
 */
#include "runtime/storage/file_use.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
        BYTE_WRITES = 101,          /* somebody writes to it */
        BYTE_NO_WRITERS = 201,      /* somebody has it who can stand no writer beside him */
        NAME_BYTES = 64,            /* of a name that is shown */
};

void
file_use_free(struct file_use *use)
{
        if (!use)
                return;
        g_free(use->path);
        g_free(use->program);
        g_free(use->project);
        g_free(use->vm);
        g_free(use);
}

static gboolean
is_locked(int fd, off_t byte)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

        return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static gboolean
is_refused(int fd, enum file_access access)
{
        return (access != FILE_SHARES && is_locked(fd, BYTE_WRITES)) ||
               (access != FILE_READS && is_locked(fd, BYTE_NO_WRITERS));
}

struct file_use *
file_use_probe(const char *path, enum file_access access)
{
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct file_use *use;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || !is_refused(fd, access))
                return NULL;
        use = g_new0(struct file_use, 1);
        use->path = g_strdup(path);
        use->device = st.st_dev;
        use->inode = st.st_ino;
        return use;
}

/* "lock:  1: OFDLCK  ADVISORY  READ -1 fe:00:1234 101 101": of this very descriptor. */
static gboolean
has_lock(int fdinfo, const char *number)
{
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d/%s", fdinfo, number);
        g_autofree char *text = NULL;

        return file_read(path, 65536, &text, NULL, NULL) && strstr(text, "OFDLCK");
}

static gboolean
holds(int fds, int fdinfo, const char *number, const struct file_use *use)
{
        struct stat st;

        return fstatat(fds, number, &st, 0) == 0 && st.st_dev == use->device && st.st_ino == use->inode &&
               has_lock(fdinfo, number);
}

/* The value behind an option of an argument vector, or NULL. */
static const char *
find_option(char **argv, const char *option)
{
        for (guint i = 0; argv && argv[0] && argv[i] && argv[i + 1]; i++)
                if (strcmp(argv[i], option) == 0)
                        return argv[i + 1];
        return NULL;
}

static char *
cut_name(const char *text)
{
        size_t length = strcspn(text, ",");

        return g_strndup(text, MIN(length, (size_t)NAME_BYTES));
}

/* Ours are named "guest=PROJECT/VM"; any other QEMU may have a name of its own. */
static void
take_holder(struct file_use *use, pid_t pid)
{
        g_auto(GStrv) argv = process_argv(pid);
        const char *name = find_option(argv, "-name");
        g_autofree char *guest = NULL;
        char *slash;

        use->pid = pid;
        use->program = argv && argv[0] ? g_path_get_basename(argv[0]) : g_strdup("?");
        if (!name || !g_str_has_prefix(name, "guest="))
                return;
        guest = cut_name(name + strlen("guest="));
        slash = strchr(guest, '/');
        if (slash && find_option(argv, "-uuid")) {
                use->project = g_strndup(guest, (gsize)(slash - guest));
                use->vm = g_strdup(slash + 1);
        }
}

/* All that one process has. */
static void
look_at_process(const char *pid, const GPtrArray *uses)
{
        g_autofree char *fd_path = g_strdup_printf("/proc/%s/fd", pid), *info_path = g_strdup_printf("/proc/%s/fdinfo", pid);
        auto_fd fdinfo = open(info_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *fds = fdinfo >= 0 ? opendir(fd_path) : NULL;
        struct dirent *entry;

        while (fds && (entry = readdir(fds)))
                for (guint i = 0; i < uses->len; i++) {
                        struct file_use *use = g_ptr_array_index(uses, i);

                        if (!use->pid && entry->d_name[0] != '.' && holds(dirfd(fds), fdinfo, entry->d_name, use))
                                take_holder(use, (pid_t)g_ascii_strtoll(pid, NULL, 10));
                }
        if (fds)
                closedir(fds);
}

void
file_use_find(const GPtrArray *uses)
{
        DIR *proc = uses->len ? opendir("/proc") : NULL;
        struct dirent *entry;

        while (proc && (entry = readdir(proc)))
                if (g_ascii_isdigit(entry->d_name[0]))
                        look_at_process(entry->d_name, uses);
        if (proc)
                closedir(proc);
}

char *
file_use_describe(const struct file_use *use, const char *project)
{
        if (use->vm && strcmp(use->project, project) == 0)
                return g_strdup_printf("vm '%s' (pid %d)", use->vm, (int)use->pid);
        if (use->vm)
                return g_strdup_printf("vm '%s' of project '%s' (pid %d)", use->vm, use->project, (int)use->pid);
        return use->pid ? g_strdup_printf("'%s' (pid %d)", use->program, (int)use->pid)
                        : g_strdup("a process that is not to be seen");
}

char *
file_use_hint(const struct file_use *use, const char *project)
{
        if (use->vm && strcmp(use->project, project) == 0)
                return g_strdup_printf("'drover stop %s' lets go of it", use->vm);
        if (use->vm)
                return g_strdup_printf("'drover -p %s stop %s' lets go of it", use->project, use->vm);
        return g_strdup(use->pid ? "end it first, or wait until it has ended"
                                 : "it belongs to another user: root's 'drover plan' would name it");
}

gboolean
file_use_check(const char *path, enum file_access access, const char *project, GError **error)
{
        g_autoptr(file_use_t) use = file_use_probe(path, access);
        g_autoptr(GPtrArray) uses = NULL;
        g_autofree char *who = NULL, *hint = NULL;

        if (!use)
                return TRUE;
        uses = g_ptr_array_new();
        g_ptr_array_add(uses, use);
        file_use_find(uses);
        who = file_use_describe(use, project);
        hint = file_use_hint(use, project);
        error_set(error, DROVER_ERROR_BUSY, "'%s' is in use by %s", path, who);
        return error_hint(error, "%s", hint);
}
