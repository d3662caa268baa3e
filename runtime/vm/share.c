/* share.c - the virtiofsd of a mount, as it is started */
#include "runtime/vm/share.h"

#include "base/child.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SOCKET "share.sock"

/* Where distributions put it: no one of them is meant for a shell's PATH. */
static const char *const programs[] = {"/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd", "virtiofsd"};

char *
share_tag(const char *target)
{
        g_autofree char *sum = NULL;

        if (strlen(target) <= SHARE_TAG_MAX)
                return g_strdup(target);
        sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, target, -1);
        return g_strdup_printf("mount-%.16s", sum);
}

char *
share_find_program(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
                char *program = child_find_program(programs[i]);

                if (program)
                        return program;
        }
        return NULL;
}

/* Both ends of a socket that virtiofsd has yet to accept: it takes no other kind. Nobody else can come in between, since the
 * name is gone before anything listens for long, and its directory is closed to others. */
static gboolean
open_ends(const char *run, int directory, int *ret_listener, int *ret_client, GError **error)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        g_autofree char *path = g_build_filename(run, SOCKET, NULL);
        auto_fd listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        auto_fd client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" SOCKET, directory);
        if (!file_remove(path, error))
                return FALSE;
        if (listener < 0 || client < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
            listen(listener, 1) < 0 || connect(client, (struct sockaddr *)&address, sizeof address) < 0)
                return error_errno(error, "cannot make '%s'", path);
        if (!file_remove(path, error))
                return FALSE;
        *ret_listener = fd_steal(&listener);
        *ret_client = fd_steal(&client);
        return TRUE;
}

int
share_start(const struct mount *mount, const char *vm, const char *run, int fd, int log_fd, GError **error)
{
        const char *argv[] = {"drover", "share", vm, mount->source, mount->read_only ? "ro" : "rw", NULL};
        g_autofree char *scope = g_strdup_printf("drover-%s-share", vm);
        struct child child = CHILD_INIT;
        auto_fd listener = -1;
        auto_fd client = -1;
        auto_fd pidfd = -1;
        pid_t pid;

        if (!open_ends(run, fd, &listener, &client, error))
                return -1;
        g_strdelimit(scope, "/", '-');
        child.argv = argv;
        child.program = "/proc/self/exe"; /* as we are, also when a new release has taken our name meanwhile */
        child.scope = scope;
        child.fds = &listener;
        child.fd_count = 1;
        child.stdout_fd = child.stderr_fd = log_fd;
        if (!child_start(&child, &pid, &pidfd, error))
                return -1;
        return fd_steal(&client);
}
