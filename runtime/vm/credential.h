/* credential.h - what systemd in a guest hands to its services, as the guest's firmware shows it */
#pragma once

#include "parser/project.h"

/**
 * credential_open() - A file of memory with one of a VM's credentials, in the form in which systemd looks for it
 *
 * Its file is read as it is now. QEMU's user may read the result through /proc/self/fd; nothing of it stands in a file system.
 * Fails where the file cannot be read or is too large, or all of them together are. Returns -1 then.
 */
int credential_open(const struct vm *vm, guint index, GError **error);
