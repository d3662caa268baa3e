/* share_inside.c - from drover to a virtiofsd that sees one folder
 *
 * The folder is mounted over itself in a mount namespace of our own, without devices and set-user-ID bits, and read-only where
 * that is wished: what virtiofsd itself cannot be told in all of its versions. An ordinary user does so in a user namespace in
 * which he is root. virtiofsd then locks itself in: by namespaces of its own as root, by chroot() in a user namespace, where a
 * new /proc may be refused. Source: mount_setattr(2), user_namespaces(7), newuidmap(1), virtiofsd(1).
 */
#include "runtime/vm/share.h"

#include "base/child.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <pwd.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { MAP_MS = 10000, IDS_MAX = 1 << 20 };

struct share_ids
share_parse_ids(const char *text, const char *name, uid_t uid)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        g_autofree char *number = g_strdup_printf("%u", (guint)uid);

        for (char **line = lines; *line; line++) {
                g_auto(GStrv) parts = g_strsplit(*line, ":", -1);
                guint64 first, count;

                if (g_strv_length(parts) == 3 && (strcmp(parts[0], name) == 0 || strcmp(parts[0], number) == 0) &&
                    g_ascii_string_to_unsigned(parts[1], 10, 1, G_MAXUINT32, &first, NULL) &&
                    g_ascii_string_to_unsigned(parts[2], 10, 1, G_MAXUINT32, &count, NULL) && first + count <= G_MAXUINT32)
                        return (struct share_ids){(guint32)first, (guint32)count};
        }
        return (struct share_ids){0};
}

static struct share_ids
read_ids(const char *path)
{
        const struct passwd *user = getpwuid(geteuid());
        g_autofree char *text = NULL;

        if (!file_read(path, IDS_MAX, &text, NULL, NULL))
                return (struct share_ids){0};
        return share_parse_ids(text, user ? user->pw_name : "", geteuid());
}

/* newuidmap and newgidmap have the right to map ids that are not ours. */
static gboolean
map_by_program(const char *program, pid_t pid, guint32 own, const struct share_ids *ids, GError **error)
{
        g_autofree char *target = g_strdup_printf("%d", (int)pid), *me = g_strdup_printf("%u", own),
                        *first = g_strdup_printf("%u", ids->first), *count = g_strdup_printf("%u", ids->count);
        const char *argv[] = {program, target, "0", me, "1", "1", first, count, NULL};
        struct child child = CHILD_INIT;

        child.argv = argv;
        return child_run(&child, MAP_MS, NULL, error);
}

/* From outside, for the parent, which is in a user namespace once @ready is closed; the exit status tells. */
static void G_GNUC_NORETURN
map_parent(int ready, const struct share_ids *uids, const struct share_ids *gids)
{
        pid_t parent = getppid();
        char byte;

        if (read(ready, &byte, 1) < 0 || !map_by_program("newuidmap", parent, geteuid(), uids, NULL) ||
            !map_by_program("newgidmap", parent, getegid(), gids, NULL))
                _exit(1);
        _exit(0);
}

static gboolean
unshare_user(GError **error)
{
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) == 0)
                return TRUE;
        error_errno(error, "cannot make a user namespace");
        return error_hint(error, "this host may forbid them to ordinary users: 'drover doctor' says what opens them");
}

static gboolean
enter_with_ids(const struct share_ids *uids, const struct share_ids *gids, GError **error)
{
        int ends[2], status = 0;
        pid_t helper;
        gboolean ok;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return error_errno(error, "cannot make a pipe");
        helper = fork();
        if (helper == 0) {
                close(ends[1]);
                map_parent(ends[0], uids, gids);
        }
        ok = helper > 0 && unshare_user(error);
        close(ends[0]);
        close(ends[1]);
        while (helper > 0 && waitpid(helper, &status, 0) < 0 && errno == EINTR)
                ;
        if (!ok)
                return helper > 0 ? FALSE : error_errno(error, "cannot fork");
        return status == 0 || error_set(error, DROVER_ERROR_FAILED, "newuidmap and newgidmap did not map subordinate ids");
}

/* The guest's root is who we are, and there is nobody else. */
static gboolean
enter_alone(GError **error)
{
        g_autofree char *uid = g_strdup_printf("0 %u 1", (guint)geteuid()), *gid = g_strdup_printf("0 %u 1", (guint)getegid());

        return unshare_user(error) && file_write_kernel("/proc/self/setgroups", "deny", error) &&
               file_write_kernel("/proc/self/uid_map", uid, error) && file_write_kernel("/proc/self/gid_map", gid, error);
}

static gboolean
enter_user_namespace(GError **error)
{
        struct share_ids uids = read_ids("/etc/subuid"), gids = read_ids("/etc/subgid");
        g_autofree char *newuidmap = child_find_program("newuidmap"), *newgidmap = child_find_program("newgidmap");

        return uids.count && gids.count && newuidmap && newgidmap ? enter_with_ids(&uids, &gids, error) : enter_alone(error);
}

static gboolean
confine_folder(const char *source, gboolean read_only, GError **error)
{
        struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                                    (read_only ? (guint64)MOUNT_ATTR_RDONLY : 0)};

        if (mount("", "/", "none", MS_REC | MS_SLAVE, NULL) < 0 || mount(source, source, "none", MS_BIND | MS_REC, NULL) < 0)
                return error_errno(error, "cannot mount '%s'", source);
        if (syscall(SYS_mount_setattr, AT_FDCWD, source, AT_RECURSIVE, &attributes, sizeof attributes) < 0)
                return error_errno(error, "cannot confine '%s'", source);
        return TRUE;
}

/* It asks for a million descriptors, which only root may have. */
static void
raise_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                return; /* it has what it has */
}

gboolean
share_run(const char *source, gboolean read_only, GError **error)
{
        g_autofree char *program = share_find_program(), *folder = g_strdup_printf("source=%s", source);
        gboolean root = geteuid() == 0;
        const char *argv[] = {
                "virtiofsd", "--fd=3", "--rlimit-nofile=0", "-o", folder, "-o", root ? "sandbox=namespace" : "sandbox=chroot",
                "-o", "modcaps=-mknod:-setfcap", "-f", NULL,
        };

        if (!program)
                return error_set(error, DROVER_ERROR_NOT_FOUND, "there is no virtiofsd");
        if (root ? unshare(CLONE_NEWNS) < 0 : !enter_user_namespace(error))
                return root ? error_errno(error, "cannot make a mount namespace") : FALSE;
        if (!confine_folder(source, read_only, error))
                return FALSE;
        raise_limit();
        umask(0);
        if (fcntl(CHILD_FIRST_FD, F_SETFD, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_errno(error, "cannot start '%s'", program);
        execv(program, (char **)argv);
        return error_errno(error, "cannot start '%s'", program);
}
