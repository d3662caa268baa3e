/* dnsmasq.c - DHCP and DNS: one dnsmasq for all networks of a project, found, started, reloaded, stopped */
#include "network/dnsmasq.h"

#include "base/child.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/ether.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOADED "loaded"

enum { STOP_TIMEOUT_MS = 3000, FILE_MAX = 64 << 20, START_TRIES = 5 };

/* Everything that dnsmasq is to read, as text. */
struct texts {
        char *config, *config_name; /* "HASH.conf" */
        char *reservations, *names;
        char *hosts_hash; /* of reservations and names */
};

static void
texts_clear(struct texts *texts)
{
        g_free(texts->config);
        g_free(texts->config_name);
        g_free(texts->reservations);
        g_free(texts->names);
        g_free(texts->hosts_hash);
}
typedef struct texts texts_t;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(texts_t, texts_clear)

static void
texts_build(struct texts *texts, const struct lab *lab)
{
        g_autofree char *hash = NULL, *hosts = NULL;

        texts->config = dnsmasq_config(lab);
        hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, texts->config, -1);
        texts->config_name = g_strdup_printf("%.16s.conf", hash);
        texts->reservations = dnsmasq_reservations(lab);
        texts->names = dnsmasq_names(lab);
        hosts = g_strconcat(texts->reservations, "\n", texts->names, NULL);
        texts->hosts_hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, hosts, -1);
}

gboolean
dnsmasq_is_needed(const struct lab *lab)
{
        for (guint i = 0; i < lab->network_count; i++)
                if (lab_is_served(&lab->networks[i]))
                        return TRUE;
        return FALSE;
}

static char *
argument_prefix(const char *directory)
{
        return g_strdup_printf("--conf-file=%s/", directory);
}

/* Only where there is none of that name, and not where it could not be looked up: the next run would not know its dnsmasq. */
static gboolean
find_user(struct child_user *ret_user, GError **error)
{
        g_autoptr(GError) reason = NULL;

        if (child_user_find("dnsmasq", ret_user, &reason))
                return TRUE;
        if (g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                return child_user_find("nobody", ret_user, error);
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
}

/* Anybody may give a process our argument; only root's, our own and dnsmasq's user can be the one that we started. */
static gboolean
is_trusted(pid_t pid)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
        g_autofree char *text = NULL;
        struct child_user user;
        const char *line;
        uid_t uid;

        if (!file_read(path, 65536, &text, NULL, NULL) || !(line = strstr(text, "\nUid:\t")))
                return FALSE;
        uid = (uid_t)g_ascii_strtoull(line + strlen("\nUid:\t"), NULL, 10);
        return uid == geteuid() || (geteuid() == 0 && find_user(&user, NULL) && uid == user.uid);
}

/* The configuration that process @pid runs with, or NULL when it is not our dnsmasq. */
static char *
config_of(pid_t pid, const char *directory)
{
        g_autofree char *prefix = argument_prefix(directory);
        g_auto(GStrv) argv = process_argv(pid);

        for (char **argument = argv; argument && *argument; argument++)
                if (g_str_has_prefix(*argument, prefix) && is_trusted(pid))
                        return g_strdup(*argument + strlen(prefix));
        return NULL;
}

static pid_t
scan_processes(const char *directory)
{
        g_autoptr(GPtrArray) names = file_list_directory("/proc", NULL);

        for (guint i = 0; names && i < names->len; i++) {
                pid_t pid = (pid_t)g_ascii_strtoll(g_ptr_array_index(names, i), NULL, 10);
                g_autofree char *config = pid > 1 ? config_of(pid, directory) : NULL;

                if (config)
                        return pid;
        }
        return 0;
}

/* The pid file is where the search begins. Where it tells nothing although one was started, all processes are looked at. */
pid_t
dnsmasq_find(const char *directory)
{
        g_autofree char *path = g_build_filename(directory, "pid", NULL);
        g_autofree char *loaded = g_build_filename(directory, LOADED, NULL);
        g_autofree char *text = NULL, *config = NULL;
        pid_t pid = 0;

        if (file_read(path, 64, &text, NULL, NULL))
                pid = (pid_t)g_ascii_strtoll(text, NULL, 10);
        config = pid > 1 ? config_of(pid, directory) : NULL;
        if (config)
                return pid;
        return file_exists(loaded) ? scan_processes(directory) : 0;
}

static gboolean
file_holds(const char *directory, const char *name, const char *text)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autofree char *found = NULL;

        return file_read(path, FILE_MAX, &found, NULL, NULL) && strcmp(found, text) == 0;
}

static void
observe(const struct lab *lab, const struct texts *texts, struct dnsmasq_state *ret_state)
{
        struct dnsmasq_state state = {.pid = dnsmasq_find(lab->directory)};
        g_autofree char *config = state.pid ? config_of(state.pid, lab->directory) : NULL;

        state.config_same = g_strcmp0(config, texts->config_name) == 0;
        state.hosts_same = state.pid && file_holds(lab->directory, LOADED, texts->hosts_hash) &&
                           file_holds(lab->directory, "reservations", texts->reservations) &&
                           file_holds(lab->directory, "names/names", texts->names);
        *ret_state = state;
}

void
dnsmasq_observe(const struct lab *lab, struct dnsmasq_state *ret_state)
{
        g_auto(texts_t) texts = {0};

        texts_build(&texts, lab);
        observe(lab, &texts, ret_state);
}

/* dnsmasq starts all the same when its user cannot reach the files, and then answers nothing. */
static gboolean
check_reachable(const char *directory, const struct child_user *user, const char *otherwise, GError **error)
{
        g_autofree char *path = g_path_get_dirname(directory);

        while (strcmp(path, "/") != 0 && strcmp(path, ".") != 0) {
                struct stat st;
                mode_t needed = S_IXOTH;
                char *above;

                if (stat(path, &st) < 0)
                        return error_errno(error, "cannot look at '%s'", path);
                if (st.st_uid == user->uid)
                        needed = S_IXUSR;
                else if (st.st_gid == user->gid)
                        needed = S_IXGRP;
                if (!(st.st_mode & needed)) {
                        error_set(error, DROVER_ERROR_PERMISSION, "dnsmasq's user '%s' cannot pass '%s'", user->name, path);
                        return error_hint(error, "'chmod o+x %s', or choose another %s", path, otherwise);
                }
                above = g_path_get_dirname(path);
                g_free(path);
                path = above;
        }
        return TRUE;
}

/* As root dnsmasq drops to a user of its own, who must be able to read here: what is made in the directory gets its group. */
static gboolean
make_directories(const char *directory, const struct child_user *user, GError **error)
{
        g_autofree char *names = g_build_filename(directory, "names", NULL);
        mode_t mode = user ? 02750 : 0700;

        for (int i = 0; i < 2; i++) {
                const char *path = i ? names : directory;

                if (!file_make_directory(path, 0700, error))
                        return FALSE;
                if (user && !file_own(path, mode, 0, user->gid, error))
                        return FALSE;
        }
        file_remove_drafts(directory, FALSE);
        file_remove_drafts(names, FALSE);
        return !user || check_reachable(directory, user, "DROVER_DATA_DIR", error);
}

/* dnsmasq's own words would name the folder, and not whom it is closed to. */
static gboolean
check_served_files(const struct lab *lab, const struct child_user *user, GError **error)
{
        for (guint i = 0; user && i < lab->network_count; i++) {
                const struct network *network = &lab->networks[i];
                const struct dhcp_boot *boot = lab_is_served(network) ? network->dhcp.boot : NULL;
                g_autofree char *inside = boot && boot->tftp_root ? g_build_filename(boot->tftp_root, boot->file, NULL) : NULL;

                if (inside && !check_reachable(inside, user, "tftp_root", error))
                        return error_prefix(error, "cannot serve files to network '%s'", network->name);
        }
        return TRUE;
}

static gboolean
write_text(const char *directory, const char *name, const char *text, GError **error)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);

        return file_write_if_changed(path, text, strlen(text), geteuid() == 0 ? 0640 : 0600, NULL, error);
}

/* While it looks at the interfaces of the namespace, one of them may go, whosoever it is: then dnsmasq ends. */
static gboolean
start(struct home *home, const struct lab *lab, const struct texts *texts, const struct child_user *user, GError **error)
{
        g_autofree char *config = g_strdup_printf("--conf-file=%s/%s", lab->directory, texts->config_name);
        const struct group *group = user ? getgrgid(user->gid) : NULL;
        g_autofree char *as_user = g_strdup_printf("--user=%s", user ? user->name : "");
        g_autofree char *as_group = g_strdup_printf("--group=%s", group ? group->gr_name : "");
        const char *argv[] = {"dnsmasq", config, as_user, as_group, NULL};
        g_autoptr(GError) reason = NULL;

        if (user && !group)
                return error_set(error, DROVER_ERROR_FAILED, "cannot look up the group of user '%s'", user->name);
        for (int tries = START_TRIES; tries > 0; tries--) {
                g_clear_error(&reason);
                if (home_start(home, argv, &reason))
                        return TRUE;
                if (!strstr(reason->message, "failed to find list of interfaces"))
                        break;
        }
        if (g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                error_hint(&reason, "install it: the package is 'dnsmasq-base' on Debian and Ubuntu, 'dnsmasq' elsewhere");
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
}

/* Open the process and look again, so that the pidfd is of the right one; -1: it is gone. */
static int
open_checked(pid_t pid, const char *directory)
{
        auto_fd pidfd = process_open(pid);
        g_autofree char *config = pidfd >= 0 ? config_of(pid, directory) : NULL;

        return config ? fd_steal(&pidfd) : -1;
}

static void
remove_configs(const char *directory, const char *but)
{
        g_autoptr(GPtrArray) names = file_list_directory(directory, NULL);

        for (guint i = 0; names && i < names->len; i++) {
                const char *name = g_ptr_array_index(names, i);
                g_autofree char *path = g_build_filename(directory, name, NULL);

                if (g_str_has_suffix(name, ".conf") && g_strcmp0(name, but) != 0 && unlink(path) < 0)
                        trace_line("dnsmasq", "old configuration %s stays", path);
        }
}

/* Told to end, it may live on for a moment. From then on it has loaded nothing, which takes no room to say, and who comes after
 * a drover that was killed here does not rely on it. Where even that cannot be said, it is ended all the same. */
static gboolean
end_process(const char *directory, GError **error)
{
        g_autofree char *loaded = g_build_filename(directory, LOADED, NULL);
        pid_t pid = dnsmasq_find(directory);
        auto_fd pidfd = pid ? open_checked(pid, directory) : -1;

        if (pidfd < 0 && pid && dnsmasq_find(directory) == pid)
                return error_set(error, DROVER_ERROR_FAILED, "cannot open process %d", (int)pid);
        if (pidfd < 0)
                return TRUE;
        if (truncate(loaded, 0) < 0 && errno != ENOENT)
                trace_line("dnsmasq", "that it is to end cannot be noted: %s", g_strerror(errno));
        if (!process_signal(pidfd, SIGTERM, error))
                return FALSE;
        if (process_wait(pidfd, STOP_TIMEOUT_MS))
                return TRUE;
        return process_signal(pidfd, SIGKILL, error) &&
               (process_wait(pidfd, STOP_TIMEOUT_MS) ||
                error_set(error, DROVER_ERROR_TIMEOUT, "dnsmasq (pid %d) does not end", (int)pid));
}

static gboolean
reload(pid_t pid, const char *directory, GError **error)
{
        auto_fd pidfd = open_checked(pid, directory);

        if (pidfd < 0)
                return error_set(error, DROVER_ERROR_NOT_FOUND, "dnsmasq ended meanwhile");
        return process_signal(pidfd, SIGHUP, error);
}

gboolean
dnsmasq_ensure(struct home *home, const struct lab *lab, GError **error)
{
        g_auto(texts_t) texts = {0};
        struct child_user user, *as = NULL;
        struct dnsmasq_state state;

        if (!lab_check(lab, error))
                return FALSE;
        if (geteuid() == 0) {
                if (!find_user(&user, error))
                        return FALSE;
                as = &user;
        }
        texts_build(&texts, lab);
        observe(lab, &texts, &state);
        if (state.pid && state.config_same && state.hosts_same)
                return TRUE;
        if (!make_directories(lab->directory, as, error) || !check_served_files(lab, as, error) ||
            !write_text(lab->directory, "reservations", texts.reservations, error) ||
            !write_text(lab->directory, "names/names", texts.names, error))
                return FALSE;
        if (state.pid && state.config_same && !file_holds(lab->directory, LOADED, "")) {
                if (!reload(state.pid, lab->directory, error))
                        return FALSE;
        } else {
                if (!end_process(lab->directory, error) ||
                    !write_text(lab->directory, texts.config_name, texts.config, error) ||
                    !start(home, lab, &texts, as, error))
                        return FALSE;
                remove_configs(lab->directory, texts.config_name);
        }
        return write_text(lab->directory, LOADED, texts.hosts_hash, error);
}

gboolean
dnsmasq_stop(const char *directory, GError **error)
{
        g_autofree char *pid = g_build_filename(directory, "pid", NULL);
        g_autofree char *loaded = g_build_filename(directory, LOADED, NULL);

        if (!end_process(directory, error))
                return FALSE;
        remove_configs(directory, NULL);
        return file_remove(pid, error) && file_remove(loaded, error);
}

static void
lease_clear(gpointer data)
{
        struct lease *lease = data;

        g_free(lease->name);
}

static void
lease6_clear(gpointer data)
{
        struct lease6 *lease = data;

        g_free(lease->name);
}

static gboolean
has_ended(gint64 expires)
{
        return expires && expires <= g_get_real_time() / G_USEC_PER_SEC;
}

/* "1767225600 52:54:00:00:00:10 10.20.0.10 web 01:52:..."; lines for IPv6 begin otherwise and are passed over. */
static gboolean
parse_lease(const char *line, void *data)
{
        g_auto(GStrv) fields = g_strsplit(line, " ", 5);
        struct lease *lease = data;
        struct in_addr ip;

        if (g_strv_length(fields) < 4 || !ether_aton_r(fields[1], &lease->mac) || inet_pton(AF_INET, fields[2], &ip) != 1)
                return FALSE;
        lease->expires = g_ascii_strtoll(fields[0], NULL, 10);
        lease->ended = has_ended(lease->expires);
        lease->ip = ntohl(ip.s_addr);
        lease->name = strcmp(fields[3], "*") == 0 ? NULL : g_strdup(fields[3]);
        return TRUE;
}

/* "1767225600 7 fd00:20::10 web 00:03:00:01:..." */
static gboolean
parse_lease6(const char *line, void *data)
{
        g_auto(GStrv) fields = g_strsplit(line, " ", 5);
        struct lease6 *lease = data;

        if (g_strv_length(fields) < 4 || inet_pton(AF_INET6, fields[2], &lease->ip6) != 1)
                return FALSE;
        lease->ended = has_ended(g_ascii_strtoll(fields[0], NULL, 10));
        lease->name = strcmp(fields[3], "*") == 0 ? NULL : g_strdup(fields[3]);
        return TRUE;
}

/* The lines of the leases file that @parse takes, as elements of @size bytes. */
static GArray *
read_leases(const char *directory, guint size, GDestroyNotify clear, gboolean (*parse)(const char *line, void *ret_lease))
{
        g_autofree char *path = g_build_filename(directory, "leases", NULL);
        GArray *leases = g_array_new(FALSE, TRUE, size);
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        g_array_set_clear_func(leases, clear);
        if (!file_read(path, FILE_MAX, &text, NULL, NULL))
                return leases;
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_array_set_size(leases, leases->len + 1);
                if (!parse(*line, leases->data + (gsize)(leases->len - 1) * size))
                        g_array_set_size(leases, leases->len - 1);
        }
        return leases;
}

GArray *
dnsmasq_leases(const char *directory)
{
        return read_leases(directory, sizeof(struct lease), lease_clear, parse_lease);
}

GArray *
dnsmasq_leases6(const char *directory)
{
        return read_leases(directory, sizeof(struct lease6), lease6_clear, parse_lease6);
}
