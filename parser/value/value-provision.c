/* value-provision.c - the texts of mounts and of files in the guest as values: paths there, permissions, owners, short mounts
 */
#include "parser/value/value-provision.h"

#include <string.h>

enum { GUEST_PATH_MAX_BYTES = 4095, USER_MAX_BYTES = 32, CREDENTIAL_NAME_MAX_BYTES = 128 };

gboolean
value_parse_guest_path(const char *text, char **ret_path, struct value_fault *fault)
{
        g_auto(GStrv) parts = NULL;

        if (*text == '~')
                return value_fail(fault, "guest-path-home", text, g_strdup("write '/root/...' or '/home/USER/...'"),
                                  "is no path in the guest: whose home it means is not known here");
        if (*text != '/')
                return value_fail(fault, "guest-path-relative", text, g_strdup("a path in the guest begins with '/'"),
                                  "is no absolute path in the guest");
        if (strlen(text) > GUEST_PATH_MAX_BYTES)
                return value_fail(fault, "guest-path-long", text, NULL, "is too long, %d bytes at most", GUEST_PATH_MAX_BYTES);
        for (const char *c = text; *c; c++)
                if (g_ascii_iscntrl(*c))
                        return value_fail(fault, "guest-path-bad", text, NULL,
                                          "is no path in the guest: it has a line break or a control character");
        parts = g_strsplit(text, "/", -1);
        if (g_strv_contains((const char *const *)parts, ".."))
                return value_fail(fault, "guest-path-up", text, g_strdup("write the path that is meant, without '..'"),
                                  "is no path in the guest: it leads upwards");
        *ret_path = g_canonicalize_filename(text + strspn(text, "/"), "/");
        return TRUE;
}

/* ---- permissions ---- */

/* A number without a zero in front: octal digits, or the same permissions in decimal, as in JSON. */
static char *
hint_for_mode(const char *text)
{
        gboolean octal = strspn(text, "01234567") == strlen(text) && strlen(text) <= 4;
        guint64 number = 0;

        if (!g_ascii_string_to_unsigned(text, 10, 1, 07777, &number, NULL))
                return NULL;
        if (octal && number > 0777)
                return g_strdup_printf("did you mean '0%s'?", text);
        return octal ? g_strdup_printf("write 0%s, or 0%03o if it was meant as decimal", text, (guint)number)
                     : g_strdup_printf("did you mean '0%03o'? permissions are octal", (guint)number);
}

gboolean
value_parse_mode(const char *text, guint *ret_mode, struct value_fault *fault)
{
        size_t length = strlen(text);
        guint64 mode = 0;

        if (*text != '0' && g_ascii_isdigit(*text))
                return value_fail(fault, "mode-decimal", text, hint_for_mode(text),
                                  "does not begin with a zero, as octal numbers do");
        if (length < 4 || length > 5 || !g_ascii_string_to_unsigned(text, 8, 0, 07777, &mode, NULL))
                return value_fail(fault, "mode-bad", text,
                                  g_str_has_prefix(text, "0o") ? g_strdup_printf("did you mean '0%.20s'?", text + 2)
                                                               : g_strdup("write '0644', say"),
                                  "is no mode: it has three or four octal digits behind a zero");
        *ret_mode = (guint)mode;
        return TRUE;
}

char *
value_format_mode(guint mode)
{
        return g_strdup_printf("0%03o", mode);
}

/* ---- users ---- */

static gboolean
is_user(const char *text, size_t length)
{
        gboolean number = g_ascii_isdigit(*text);

        if (length == 0 || length > USER_MAX_BYTES || !(g_ascii_isalnum(*text) || *text == '_'))
                return FALSE;
        for (size_t i = 0; i < length; i++)
                if (number ? !g_ascii_isdigit(text[i]) : !g_ascii_isalnum(text[i]) && !strchr("-_.", text[i]))
                        return FALSE;
        return TRUE;
}

/* Source: systemd, src/shared/creds-util.c, credential_name_valid(), which takes a little more. */
gboolean
value_check_credential_name(const char *text, struct value_fault *fault)
{
        size_t length = strlen(text);

        for (size_t i = 0; i < length; i++)
                if (!g_ascii_isalnum(text[i]) && !strchr("._-", text[i]))
                        length = 0;
        if (length && length <= CREDENTIAL_NAME_MAX_BYTES && *text != '.')
                return TRUE;
        return value_fail(fault, "credential-name", text, NULL,
                          "is no name of a credential: letters, digits, '-', '_' and, not at its beginning, '.', at most %d",
                          CREDENTIAL_NAME_MAX_BYTES);
}

gboolean
value_check_user(const char *text, struct value_fault *fault)
{
        if (is_user(text, strlen(text)))
                return TRUE;
        return value_fail(fault, "user-bad", text, NULL, "is no user: letters, digits, '-', '_' and '.', at most %d",
                          USER_MAX_BYTES);
}

gboolean
value_check_owner(const char *text, struct value_fault *fault)
{
        const char *colon = strchr(text, ':');
        g_autofree char *with_colon = g_strdup(text);

        if (is_user(text, colon ? (size_t)(colon - text) : strlen(text)) && (!colon || is_user(colon + 1, strlen(colon + 1))))
                return TRUE;
        g_strdelimit(with_colon, " /,", ':');
        return value_fail(fault, "owner-bad", text,
                          strcmp(with_colon, text) != 0 && value_check_owner(with_colon, NULL)
                                  ? g_strdup_printf("did you mean '%s'?", with_colon)
                                  : g_strdup("write 'root:root', say"),
                          "is no owner: it is a user, or a user and a group with a colon between");
}

/* ---- mounts ---- */

static gboolean
is_host_path(const char *text)
{
        return strchr(text, '/') || *text == '.' || *text == '~';
}

static gboolean
fail_mount_option(struct value_fault *fault, const char *text, const char *option)
{
        g_auto(GStrv) options = g_strsplit(option, ",", -1);
        gboolean read_only = g_strv_contains((const char *const *)options, "ro");
        g_autofree char *quoted = value_quote(option);

        return value_fail(fault, "mount-option", text, g_strdup(read_only ? "write 'ro' alone" : "'ro' and 'rw' are known"),
                          "has the unknown option %s", quoted);
}

gboolean
value_parse_mount(const char *text, char **ret_source, char **ret_target, gboolean *ret_read_only, struct value_fault *fault)
{
        g_auto(GStrv) parts = g_strsplit(text, ":", -1);
        guint count = g_strv_length(parts);

        if (g_ascii_isalpha(text[0]) && text[1] == ':' && (text[2] == '\\' || text[2] == '/'))
                return value_fail(fault, "mount-windows", text, g_strdup("write a path of this host, such as ./src"),
                                  "begins with a drive of Windows");
        if (count < 2)
                return value_fail(fault, "mount-target", text, g_strdup("write 'SOURCE:TARGET', such as ./src:/src"),
                                  *text == '/' || !is_host_path(text) ? "is no mount: one of its two paths is missing"
                                                                      : "is no mount: its path in the guest is missing");
        if (!is_host_path(parts[0]))
                return value_fail(fault, "mount-volume", text,
                                  *parts[0] ? g_strdup_printf("write './%.100s' for a folder; what outlives the VM goes under "
                                                              "'disks'",
                                                              parts[0])
                                            : g_strdup("write the folder of this host before the colon"),
                                  "is no mount: a folder of this host has a '/', or begins with '.' or '~'");
        if (count > 3)
                return value_fail(fault, "mount-colons", text, g_strdup("write the long form: {source: ..., target: ...}"),
                                  "has too many colons");
        if (count == 3 && strcmp(parts[2], "ro") != 0 && strcmp(parts[2], "rw") != 0)
                return fail_mount_option(fault, text, parts[2]);
        *ret_source = g_strdup(parts[0]);
        *ret_target = g_strdup(parts[1]);
        *ret_read_only = count == 3 && strcmp(parts[2], "ro") == 0;
        return TRUE;
}
