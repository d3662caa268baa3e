/* value-provision.h - the texts of mounts and of files in the guest as values; as in value.h, each mistake has an identifier */
#pragma once

#include "parser/value/value.h"

/**
 * value_parse_guest_path() - An absolute path in the guest, without ".."
 * @ret_path: without double slashes, "." and a slash at the end; a new string
 */
gboolean value_parse_guest_path(const char *text, char **ret_path, struct value_fault *fault);

/**
 * value_parse_mode() - Permissions: three or four octal digits behind a zero: "0644"
 *
 * Without the zero nobody knows whether 644 is meant as octal and 420 as decimal: refused, with both in the hint.
 */
gboolean value_parse_mode(const char *text, guint *ret_mode, struct value_fault *fault);
char *value_format_mode(guint mode);

/** value_check_user() - A user of the guest: a name that useradd takes, or a number */
gboolean value_check_user(const char *text, struct value_fault *fault);

/** value_check_credential_name() - A name of a credential that systemd takes: "passwd.hashed-password.root" */
gboolean value_check_credential_name(const char *text, struct value_fault *fault);

/** value_check_owner() - "root", "root:adm", "1000:1000" */
gboolean value_check_owner(const char *text, struct value_fault *fault);

/**
 * value_parse_mount() - "SOURCE:TARGET", with ":ro" or ":rw" behind it or not
 * @ret_source, @ret_target: the texts of both, which have to be looked at on their own; new strings
 */
gboolean value_parse_mount(const char *text, char **ret_source, char **ret_target, gboolean *ret_read_only,
                           struct value_fault *fault);
