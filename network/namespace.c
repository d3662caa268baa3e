/* namespace.c - find, enter or make a project's network namespace; runs in the forked process of home.c
 *
 * As root the namespace has a name, made as `ip netns add` makes it. A user's has none: it is found through the processes that
 * hold it, QEMU by an inherited descriptor and dnsmasq by living in it. What is found is ours when its `lo` has our mark.
 * Source: network_namespaces(7), user_namespaces(7), ioctl_ns(2).
 */
#include "network/inside.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "network/link.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define NAMES "/run/netns"

static char *
name_path(const char *project)
{
        return g_strdup_printf(NAMES "/drover-%s", project);
}

gboolean
home_has_name(const char *project)
{
        g_autofree char *path = name_path(project);

        return file_exists(path);
}

static gboolean
is_namespace(int fd)
{
        struct statfs fs;

        return fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

static struct netlink *
open_netlink(GError **error)
{
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);

        return fd < 0 ? (error_errno(error, "cannot open a netlink socket"), NULL) : netlink_new(fd, error);
}

static char *
mark_of(const char *project)
{
        return g_strconcat("drover:", project, NULL);
}

/* Does the namespace that we stand in carry the project's mark? */
static gboolean
is_marked(const char *project)
{
        g_autoptr(netlink_t) netlink = open_netlink(NULL);
        g_autofree char *mark = mark_of(project);
        g_auto(link_t) lo = {0};

        return netlink && link_look(netlink, "lo", &lo, NULL) && g_strcmp0(lo.alias, mark) == 0;
}

/* In a namespace of our own, frames between guests of one bridge are nobody's to filter. */
static void
stop_bridge_filtering(void)
{
        static const char *const names[] = {"iptables", "ip6tables", "arptables"};

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *path = g_strconcat("/proc/sys/net/bridge/bridge-nf-call-", names[i], NULL);

                if (file_exists(path) && !file_write_kernel(path, "0", NULL))
                        continue; /* without rights to it, br_netfilter is not ours to switch off */
        }
}

static gboolean
set_up_inside(const char *project, GError **error)
{
        g_autoptr(netlink_t) netlink = open_netlink(error);
        g_autofree char *mark = mark_of(project);

        if (!netlink || !link_set_alias(netlink, "lo", mark, error) || !link_set_up(netlink, "lo", error))
                return FALSE;
        stop_bridge_filtering();
        return TRUE;
}

/* ---- root: a namespace with a name ---- */

/* A mount on NAMES has to reach the other mount namespaces: it is shared, on a mount of its own. */
static gboolean
make_shared_directory(GError **error)
{
        if (!file_make_directory(NAMES, 0755, error))
                return FALSE;
        if (mount("", NAMES, "none", MS_SHARED | MS_REC, NULL) == 0)
                return TRUE;
        if (errno != EINVAL || mount(NAMES, NAMES, "none", MS_BIND | MS_REC, NULL) < 0 ||
            mount("", NAMES, "none", MS_SHARED | MS_REC, NULL) < 0)
                return error_errno(error, "cannot prepare '" NAMES "'");
        return TRUE;
}

static gboolean
give_name(const char *project, GError **error)
{
        g_autofree char *path = name_path(project);
        auto_fd fd = -1;

        if (!make_shared_directory(error))
                return FALSE;
        fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0);
        if (fd < 0)
                return error_errno(error, "cannot make '%s'", path);
        if (mount("/proc/self/ns/net", path, "none", MS_BIND, NULL) < 0)
                return error_errno(error, "cannot name the network namespace '%s'", path);
        return TRUE;
}

gboolean
home_remove_name(const char *project, GError **error)
{
        g_autofree char *path = name_path(project);

        if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
                return error_errno(error, "cannot unmount '%s'", path);
        return file_remove(path, error);
}

/* Made by give_name() and not mounted over: without rights, without content. What else bears the name is somebody's. */
static gboolean
is_stray(int fd)
{
        struct stat st;

        return !is_namespace(fd) && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0 &&
               st.st_size == 0 && st.st_uid == 0;
}

gboolean
home_has_stray_name(const char *project)
{
        g_autofree char *path = name_path(project);
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        return fd >= 0 && is_stray(fd);
}

gboolean
home_remove_stray_name(const char *project, GError **error)
{
        g_autofree char *path = name_path(project);

        return !home_has_stray_name(project) || file_remove(path, error);
}

/* Returns FALSE without an error where there is none; a plain file of that name is what a killed start left. */
static gboolean
enter_named(const char *project, GError **error)
{
        g_autofree char *path = name_path(project);
        auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        if (fd < 0 && errno != ENOENT && errno != EACCES)
                return error_errno(error, "cannot open '%s'", path);
        if (fd < 0 || !is_namespace(fd))
                return FALSE;
        if (setns(fd, CLONE_NEWNET) < 0)
                return error_errno(error, "cannot enter '%s'", path);
        if (!is_marked(project)) {
                error_set(error, DROVER_ERROR_EXISTS, "the network namespace 'drover-%s' exists and is not ours", project);
                return error_hint(error, "rename the project (-p NAME), or remove it with 'ip netns del drover-%s'", project);
        }
        return TRUE;
}

/* ---- through a process that holds it ---- */

gboolean
home_enter_descriptor(int fd, gboolean root)
{
        auto_fd user = root ? -1 : ioctl(fd, NS_GET_USERNS);

        if (!root && (user < 0 || setns(user, CLONE_NEWUSER) < 0))
                return FALSE;
        return setns(fd, CLONE_NEWNET) == 0;
}

/* Another namespace than the one that we stand in? */
static gboolean
is_elsewhere(int fd)
{
        struct stat there, here;

        return fstat(fd, &there) == 0 && stat("/proc/self/ns/net", &here) == 0 && there.st_ino != here.st_ino;
}

gboolean
home_join(int fd)
{
        return !is_elsewhere(fd) || home_enter_descriptor(fd, geteuid() == 0);
}

/* A user namespace cannot be left again: a process of its own goes in first and looks at the mark. */
static gboolean
is_this_projects(const struct home_options *options, int fd)
{
        int status = 0;
        pid_t pid = fork();

        if (pid == 0)
                _exit(home_enter_descriptor(fd, options->root) && is_marked(options->project) ? 0 : 1);
        while (pid > 0 && waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return FALSE;
        return pid > 0 && status == 0;
}

static gboolean
try_descriptor(const struct home_options *options, int fd)
{
        return is_namespace(fd) && is_elsewhere(fd) && is_this_projects(options, fd) &&
               home_enter_descriptor(fd, options->root);
}

/* The namespace that a process lives in, and those that it has open. */
static gboolean
try_member(const struct home_options *options, pid_t pid)
{
        g_autofree char *own = g_strdup_printf("/proc/%d/ns/net", (int)pid);
        g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
        auto_fd fd = open(own, O_RDONLY | O_CLOEXEC);
        gboolean found = fd >= 0 && try_descriptor(options, fd);
        DIR *directory = found ? NULL : opendir(path);
        struct dirent *entry;

        while (directory && !found && (entry = readdir(directory))) {
                char target[64] = "";
                auto_fd held = -1;

                if (readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1) < 0 ||
                    !g_str_has_prefix(target, "net:["))
                        continue;
                held = openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC);
                found = held >= 0 && try_descriptor(options, held);
        }
        if (directory)
                closedir(directory);
        return found;
}

static gboolean
enter_through_members(const struct home_options *options, GError **error)
{
        for (size_t i = 0; i < options->member_count; i++)
                if (try_member(options, options->members[i]))
                        return !options->root || !options->create || give_name(options->project, error);
        return FALSE;
}

/* ---- a new one ---- */

static gboolean
write_map(const char *path, guint id, GError **error)
{
        g_autofree char *text = g_strdup_printf("0 %u 1", id);

        return file_write_kernel(path, text, error);
}

static gboolean
make_user_namespace(GError **error)
{
        uid_t uid = geteuid();
        gid_t gid = getegid();

        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
                error_errno(error, "cannot make a user namespace");
        else if (file_write_kernel("/proc/self/setgroups", "deny", error) && write_map("/proc/self/uid_map", uid, error) &&
                 write_map("/proc/self/gid_map", gid, error))
                return TRUE;
        else /* Ubuntu's is made, and then has no rights */
                error_prefix(error, "cannot make a user namespace");
        return error_hint(error, "this host may forbid them to ordinary users: 'drover doctor' says what opens them");
}

static gboolean
make_namespace(const struct home_options *options, GError **error)
{
        if (!options->root)
                return make_user_namespace(error) && set_up_inside(options->project, error);
        if (unshare(CLONE_NEWNET) < 0)
                return error_errno(error, "cannot make a network namespace");
        /* The mark comes before the name: what has the name and no mark is not ours. */
        return set_up_inside(options->project, error) && give_name(options->project, error);
}

gboolean
home_enter(const struct home_options *options, GError **error)
{
        g_autoptr(GError) reason = NULL;

        if (options->isolation == ISOLATION_HOST)
                return TRUE;
        if (options->root && enter_named(options->project, &reason))
                return TRUE;
        if (!reason && enter_through_members(options, &reason))
                return TRUE;
        if (reason) {
                g_propagate_error(error, g_steal_pointer(&reason));
                return FALSE;
        }
        return options->create && make_namespace(options, error);
}
