/* session.c - a verb's way through the house: lock, observe, resolve, plan */
#include "runtime/session.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "network/ports/dnat.h"
#include "runtime/identity.h"
#include "runtime/observe.h"
#include "runtime/rename.h"
#include "runtime/storage/source.h"
#include "runtime/supervisor/supervisor.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

enum { LOCK_RETRY_MS = 50, HOLDER_MAX_BYTES = 80 };

struct session *
session_open(struct project *project)
{
        struct session *session = g_new0(struct session, 1);

        session->project = project;
        session->root = geteuid() == 0;
        session->lock_fd = session->cache_fd = -1;
        return session;
}

static void
forget_observation(struct session *session)
{
        g_clear_pointer(&session->resolved, resolved_free);
        g_clear_pointer(&session->world, world_free);
}

/* A lock that was taken on a file which `down -v` has removed meanwhile locks nothing. */
static gboolean
is_still_there(int fd, const char *path)
{
        struct stat ours, there;

        return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* A verb that was refused leaves no trace of a project that has never been up. We hold the lock; see is_still_there(). */
static void
remove_empty_data(const struct session *session)
{
        g_autoptr(paths_t) paths = paths_new(session->project->name);
        g_autofree char *state = g_build_filename(paths->data, "state.json", NULL);
        g_autofree char *lock = g_build_filename(paths->data, "lock", NULL);

        if (!file_exists(state) && is_still_there(session->lock_fd, lock) && file_remove(lock, NULL))
                (void)rmdir(paths->data); /* fails where there is more, which then stays */
}

void
session_close(struct session *session)
{
        if (!session)
                return;
        session_unlock(session);
#ifdef __SANITIZE_ADDRESS__
        forget_observation(session);
        diagnostics_free(session->faults);
        project_free(session->project);
#else
        /* A verb has one session and ends with it: to give back the memory of ten thousand VMs piece by piece takes longer than
         * to plan them. What does not end with us is closed. */
        if (session->world) {
                firewall_look_free(session->world->firewall_look);
                home_free(session->world->home);
                home_free(session->world->uplink.home);
        }
#endif
        g_free(session);
}

/* Root may open /dev/kvm: QEMU's user gets there by the group that may, whether or not it is a member. */
static void
add_kvm_group(struct child_user *user)
{
        struct stat st;

        if (stat("/dev/kvm", &st) == 0 && st.st_gid != 0 && (st.st_mode & 0060) == 0060 &&
            user->group_count < (int)G_N_ELEMENTS(user->groups))
                user->groups[user->group_count++] = st.st_gid;
}

gboolean
session_qemu_user(struct child_user *ret_user, GError **error)
{
        const char *name = g_getenv("DROVER_QEMU_USER");

        if (!name || !*name)
                name = "drover";
        if (!child_user_find(name, ret_user, error)) {
                error_prefix(error, "QEMU never runs as root");
                return error_hint(error, "make the user: useradd --system --shell /usr/sbin/nologin %s; or name another in "
                                         "DROVER_QEMU_USER", name);
        }
        if (ret_user->uid == 0)
                return error_set(error, DROVER_ERROR_PERMISSION, "QEMU never runs as root: DROVER_QEMU_USER names '%s'", name);
        add_kvm_group(ret_user);
        return TRUE;
}

/* ---- the lock ---- */

/* What the holder was told to do, as far as it fits on a line. */
static char *
describe_holder(pid_t holder)
{
        g_auto(GStrv) argv = holder ? process_argv(holder) : NULL;
        g_autofree char *words = argv ? g_strjoinv(" ", argv + 1) : g_strdup("");
        g_autofree char *printable = text_make_printable(words, (gssize)strnlen(words, HOLDER_MAX_BYTES));

        if (!holder)
                return g_strdup("its pid is not to be had");
        return *printable ? g_strdup_printf("pid %d: drover %s", (int)holder, printable)
                          : g_strdup_printf("pid %d", (int)holder);
}

static gboolean
fail_locked(const char *path, int timeout_ms, GError **error)
{
        g_autofree char *holder = describe_holder(file_lock_holder(path));

        error_set(error, DROVER_ERROR_LOCKED, "another drover works on this project (%s)", holder);
        return error_hint(error, "--lock-timeout waits longer than %.1f s", timeout_ms / 1000.0);
}

/* POSIX rather than OFD, so that the kernel can tell who holds it. It is opened once, here, and never by the children. */
static int
try_lock(const struct paths *paths, const char *path, GError **error)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        mode_t mode = paths->root ? 0711 : 0700;
        g_autoptr(GError) reason = NULL;
        auto_fd fd = -1;

        if (!file_make_directory(paths->data_root, mode, error))
                return -1;
        /* Whoever removes an empty project (or all of one: `down -v`) may do so between any two of these calls. */
        if (!file_make_directory(paths->data, mode, &reason)) {
                if (g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                        return error_set(error, DROVER_ERROR_LOCKED, "locked"), -1;
                g_propagate_error(error, g_steal_pointer(&reason));
                return -1;
        }
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 && errno == ENOENT)
                return error_set(error, DROVER_ERROR_LOCKED, "locked"), -1;
        if (fd < 0)
                return error_errno(error, "cannot open lock file '%s'", path), -1;
        if (fcntl(fd, F_SETLK, &lock) < 0) {
                if (errno == EAGAIN || errno == EACCES)
                        return error_set(error, DROVER_ERROR_LOCKED, "locked"), -1;
                return error_errno(error, "cannot lock '%s'", path), -1;
        }
        if (!is_still_there(fd, path))
                return error_set(error, DROVER_ERROR_LOCKED, "locked"), -1;
        return fd_steal(&fd);
}

/* Wait for the holder to end: its pidfd is the event; where it cannot be had, look again after a moment. */
static void
wait_for_holder(const char *path, int left_ms)
{
        pid_t holder = file_lock_holder(path);
        auto_fd pidfd = holder > 0 ? process_open(holder) : -1;

        if (pidfd >= 0 && file_lock_holder(path) == holder)
                process_wait(pidfd, left_ms);
        else
                g_usleep((gulong)MIN(left_ms, LOCK_RETRY_MS) * 1000);
}

static gboolean
take_lock(struct session *session, const struct paths *paths, int timeout_ms, GError **error)
{
        g_autofree char *path = g_build_filename(paths->data, "lock", NULL);
        gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;

        for (;;) {
                g_autoptr(GError) reason = NULL;
                gint64 left;

                session->lock_fd = try_lock(paths, path, &reason);
                if (session->lock_fd >= 0)
                        return TRUE;
                if (!g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_LOCKED)) {
                        g_propagate_error(error, g_steal_pointer(&reason));
                        return FALSE;
                }
                left = (deadline - g_get_monotonic_time()) / 1000;
                if (left <= 0)
                        return fail_locked(path, timeout_ms, error);
                wait_for_holder(path, (int)left);
        }
}

/* ---- whose project is it? ---- */

/* Under sudo: root's lab and the user's own lab of the same name are different labs, and one of them is probably not meant. */
static gboolean
check_sudo(const struct session *session, GError **error)
{
        const char *uid = g_getenv("SUDO_UID");
        const struct passwd *user = uid && session->root ? getpwuid((uid_t)g_ascii_strtoull(uid, NULL, 10)) : NULL;
        g_autofree char *theirs = NULL;

        if (!user || user->pw_uid == 0)
                return TRUE;
        theirs = g_build_filename(user->pw_dir, ".local/share/drover", session->project->name, "state.json", NULL);
        if (!file_exists(theirs))
                return TRUE;
        error_set(error, DROVER_ERROR_FAILED, "user '%s' has a project '%s' already, and root's would be a different one",
                  user->pw_name, session->project->name);
        return error_hint(error, "run drover without sudo, or name root's project with -p");
}

static gboolean
check_directory(const struct session *session, const struct paths *paths, char **ret_note, GError **error)
{
        g_autoptr(state_t) state = state_load(paths, error);
        const char *mine = session->project->directory;

        if (!state)
                return FALSE;
        if (!mine || !state->exists || !state->directory || strcmp(state->directory, mine) == 0)
                return TRUE;
        if (g_file_test(state->directory, G_FILE_TEST_IS_DIR)) {
                error_set(error, DROVER_ERROR_FAILED, "project '%s' belongs to '%s'", session->project->name, state->directory);
                return error_hint(error, "use -p NAME for a second one, or run 'drover down -v' there");
        }
        if (ret_note)
                *ret_note = g_strdup_printf("project '%s' belonged to '%s', which is gone: it belongs to '%s' now",
                                            session->project->name, state->directory, mine);
        g_free(state->directory);
        state->directory = g_strdup(mine);
        return state_save(paths, state, error);
}

gboolean
session_lock(struct session *session, int timeout_ms, char **ret_note, GError **error)
{
        g_autoptr(paths_t) paths = paths_new(session->project->name);

        if (ret_note)
                *ret_note = NULL;
        return check_sudo(session, error) && take_lock(session, paths, timeout_ms, error) &&
               check_directory(session, paths, ret_note, error) && rename_finish(paths, error);
}

void
session_unlock(struct session *session)
{
        if (session->lock_fd >= 0)
                remove_empty_data(session);
        fd_clear(&session->lock_fd);
        fd_clear(&session->cache_fd);
}

/* Between the plan that finds an image and the record that a disk lies on it, nobody else knows that it is needed. */
gboolean
session_keep_images(struct session *session, int timeout_ms, GError **error)
{
        g_autoptr(paths_t) paths = paths_new(session->project->name);

        for (guint i = 0; i < session->project->vm_count; i++)
                if (image_source_of(session->project, &session->project->vms[i]).remote.url)
                        return cache_lock(paths->cache, FALSE, timeout_ms, &session->cache_fd, error);
        return TRUE;
}

/* ---- observe ---- */

static gboolean
is_anything_up(const struct world *world, const GArray *members)
{
        for (guint i = 0; i < world->vms->len; i++)
                if (vm_is_alive(g_ptr_array_index(world->vms, i)))
                        return TRUE;
        return members->len > 0;
}

/* What lives in a namespace is looked for there, whatever the file says now. */
static gboolean
open_home(struct session *session, gboolean create, GError **error)
{
        struct world *world = session->world;
        g_autoptr(GArray) members = observe_members(world);
        struct home_options options = {
                .project = session->project->name,
                .isolation = session->project->isolation,
                .root = session->root,
                .create = create,
                .members = (const pid_t *)(gconstpointer)members->data,
                .member_count = members->len,
        };

        if (world->state->exists && (!session->project->directory || is_anything_up(world, members)))
                options.isolation = world->state->isolation;
        world->isolation = options.isolation;
        world->stray_name = session->root && home_has_stray_name(options.project);
        if (!home_open(&options, &world->home, error))
                return FALSE;
        if (!world->home)
                return TRUE;
        world->netlink = home_netlink(world->home, error);
        if (!world->netlink)
                return FALSE;
        world->links = links_dump(world->netlink, error);
        return world->links != NULL;
}

/* What resolve() has to know of it: addresses that guests have already. */
static gboolean
observe_serving(const struct session *session, struct world *world, gboolean services, GError **error)
{
        g_autofree char *directory = g_build_filename(world->paths->data, "dnsmasq", NULL);

        world->leases = dnsmasq_leases(directory);
        world->leases6 = dnsmasq_leases6(directory);
        observe_forwarder(world);
        return world->isolation != ISOLATION_PRIVATE ||
               uplink_observe(session->project->name, world->paths->data, session->root, services, &world->uplink, error);
}

/* The lock alone, which whoever looks under it has made, is no data. */
static void
observe_directories(struct world *world)
{
        g_autofree char *vms = g_build_filename(world->paths->data, "vms", NULL);

        world->has_run_directory = file_exists(world->paths->run);
        world->has_data = file_exists(vms);
}

/* The host's own rules are for root's eyes. */
static gboolean
can_see_firewall(const struct session *session)
{
        return session->world->home && (session->world->isolation == ISOLATION_PRIVATE || session->root);
}

static gboolean
ask_firewall(const struct session *session, GError **error)
{
        struct world *world = session->world;

        if (!can_see_firewall(session))
                return TRUE;
        world->ports_asked = world->isolation == ISOLATION_HOST;
        world->firewall_look = firewall_look_begin(world->home, session->project->name, world->isolation, error);
        return world->firewall_look != NULL;
}

static gboolean
hear_firewall(struct world *world, GError **error)
{
        return !world->firewall_look || firewall_look_end(g_steal_pointer(&world->firewall_look), &world->nft, error);
}

static gboolean
observe_services(struct session *session, gboolean services, GError **error)
{
        struct world *world = session->world;
        const struct lab *lab = &session->resolved->lab;

        if (!services)
                return TRUE;
        observe_ports(world, session->resolved);
        dnsmasq_observe(lab, &world->dnsmasq);
        world->supervised = supervisor_is_alive(world->paths);
        if (!uplink_observe_table(lab, &world->uplink, error))
                return FALSE;
        if (can_see_firewall(session))
                world->firewall = firewall_compare(world->home, lab, &world->nft);
        return TRUE;
}

gboolean
session_observe(struct session *session, const struct observe_options *options, GError **error)
{
        struct child_user user, *as = NULL;
        struct world *world;

        forget_observation(session);
        world = session->world = g_new0(struct world, 1);
        world->paths = paths_new(session->project->name);
        world->state = state_load(world->paths, error);
        if (!world->state)
                return FALSE;
        if (!observe_vms(world, session->project, options, error))
                return FALSE;
        if (options->network && (!open_home(session, FALSE, error) || (options->services && !ask_firewall(session, error))))
                return FALSE;
        observe_directories(world);
        observe_disks(world);
        observe_cache(world, session->project);
        observe_answers(world); /* before images, which may take long: who is asked answers nobody else meanwhile */
        if (options->images) {
                if (session->root && session_qemu_user(&user, NULL))
                        as = &user;
                observe_host(world, as);
                observe_images(world, session->project, as);
        }
        if (!hear_firewall(world, error))
                return FALSE;
        if (options->network && !observe_serving(session, world, options->services, error))
                return FALSE;
        if (options->images && !identity_load(error)) /* who plans may have new VMs, whose identity is kept */
                return FALSE;
        session->resolved = resolve(session->project, world);
        if (options->images) {
                observe_uses(world, session->resolved);
                resolve_in_use(session->resolved, world);
        }
        return !options->network || observe_services(session, options->services, error);
}

static gboolean
needs_home(const struct plan *plan)
{
        for (guint i = 0; i < plan->steps->len; i++) {
                const struct plan_step *step = g_ptr_array_index(plan->steps, i);

                if (plan_action_acts(step->action) && step->action != ACTION_REMOVE && step->kind <= KIND_PORTS)
                        return TRUE;
        }
        return plan_starts(plan);
}

gboolean
session_prepare(struct session *session, const struct plan *plan, GError **error)
{
        struct child_user user;

        if ((plan_starts(plan) || plan_fetches(plan)) && session->root && !session_qemu_user(&user, error))
                return FALSE;
        if (plan_starts(plan) && !session->world->qemu) {
                error_set(error, DROVER_ERROR_NOT_FOUND, "there is no qemu-system-x86_64 on this host");
                return error_hint(error, "install it: 'drover doctor' names the package");
        }
        if (needs_home(plan) && session->world->isolation == ISOLATION_HOST && !session->root) {
                error_set(error, DROVER_ERROR_PERMISSION, "'isolation: host' changes this host's network, which needs root");
                return error_hint(error, "use 'isolation: private', or run drover as root");
        }
        return session->world->home || !needs_home(plan) || open_home(session, TRUE, error);
}

struct plan *
session_plan(struct session *session, const struct plan_options *options, GError **error)
{
        struct child_user user, *as = NULL;

        if (options->fresh && options->goal == GOAL_UP && session->root && session_qemu_user(&user, NULL))
                as = &user;
        for (guint i = 0; options->fresh && options->goal == GOAL_UP && i < session->project->vm_count; i++)
                if (!options->vms || project_is_named(session->project, options->vms, session->project->vms[i].name)) {
                        observe_image(session->world,
                                      world_image_path(session->world, session->project, &session->project->vms[i]), as);
                        resolve_fresh(session->resolved, i, session->world);
                }
        g_clear_pointer(&session->faults, diagnostics_free);
        session->faults = project_diagnostics(session->project);
        return plan_make(session->project, session->world, session->resolved, options, session->faults, error);
}
