/* ssh_key.c - the key pair of a project, with which drover logs in to its guests */
#include "runtime/storage/ssh_key.h"

#include "base/child.h"
#include "base/error.h"
#include "base/file.h"

#include <stdio.h>

enum { KEYGEN_TIMEOUT_MS = 30000, PUBLIC_MAX_BYTES = 4096 };

char *
ssh_key_path(const struct paths *paths, const char *name)
{
        return g_build_filename(paths->data, "ssh", name, NULL);
}

/* The private key comes into place last: with it, both are there. */
static gboolean
make_pair(const char *path, const char *public, const char *project, GError **error)
{
        g_autofree char *directory = g_path_get_dirname(path), *draft = file_draft_path(path);
        g_autofree char *public_draft = g_strconcat(draft, ".pub", NULL), *comment = g_strconcat("drover-", project, NULL);
        const char *argv[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", draft, NULL};
        struct child child = CHILD_INIT;

        child.argv = argv;
        if (!file_make_directory(directory, 0700, error))
                return FALSE;
        file_remove_drafts(directory, FALSE);
        if (!child_run(&child, KEYGEN_TIMEOUT_MS, NULL, error)) {
                if (g_error_matches(*error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                        error_hint(error, "install it: the package is called openssh-client");
                return error_prefix(error, "cannot make the project's key pair");
        }
        if (rename(public_draft, public) < 0 || rename(draft, path) < 0)
                return error_errno(error, "cannot put the project's key pair in place at '%s'", path);
        return file_sync_directory(path, error);
}

gboolean
ssh_key_ensure(const struct paths *paths, const char *project, char **ret_public, GError **error)
{
        static GMutex mutex;
        g_autofree char *path = ssh_key_path(paths, SSH_KEY_FILE), *public = g_strconcat(path, ".pub", NULL);
        char *text = NULL;
        gboolean ok;

        g_mutex_lock(&mutex);
        ok = (file_exists(path) && file_exists(public)) || make_pair(path, public, project, error);
        g_mutex_unlock(&mutex);
        if (!ok || !file_read(public, PUBLIC_MAX_BYTES, &text, NULL, error))
                return FALSE;
        *ret_public = g_strchomp(text);
        return TRUE;
}
