/* ssh_key.h - the key pair of a project, with which drover logs in to its guests */
#pragma once

#include "runtime/paths.h"

/** The files in a project's directory for ssh: data/ssh */
#define SSH_KEY_FILE "id_ed25519"
#define SSH_KNOWN_HOSTS "known_hosts"

/** ssh_key_path() - "data/ssh/NAME". New string */
char *ssh_key_path(const struct paths *paths, const char *name);

/**
 * ssh_key_ensure() - Have the pair: made by ssh-keygen the first time
 * @ret_public: on success, the public key, a line without its end; a new string
 *
 * May be called from several threads at once. Fails with DROVER_ERROR_NOT_FOUND where there is no ssh-keygen.
 */
gboolean ssh_key_ensure(const struct paths *paths, const char *project, char **ret_public, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
