/* disk-url.c - where a disk is that QEMU reaches over the network, or through a socket
 *
 * Sources: qemu-block-drivers(7), "NBD access", "iSCSI LUNs", "Ceph" for the URIs; the NBD protocol's "NBD URI" for +unix.
 * QEMU itself gets the parts (qapi/block-core.json), not the text, so that nothing in it can mean more than is checked here.
 */
#include "parser/value/disk-url.h"

#include "base/text.h"
#include "parser/value/value-storage.h"

#include <string.h>

enum {
        SOCKET_MAX_BYTES = 107,
        NBD_PORT = 10809,
        ISCSI_PORT = 3260,
        LUN_MAX = 16383,
};

static const char nbd_form[] = "write nbd://HOST[:PORT][/EXPORT]";
static const char unix_form[] = "write nbd+unix:///[EXPORT]?socket=/PATH";
static const char iscsi_form[] = "write iscsi://HOST[:PORT]/TARGET/LUN";
static const char rbd_form[] = "write rbd:POOL/IMAGE[@SNAPSHOT][:id=USER][:conf=/PATH]";
static const char web_form[] = "write https://HOST[:PORT]/PATH";

void
disk_url_clear(struct disk_url *url)
{
        g_free(url->host);
        g_free(url->socket);
        g_free(url->name);
        g_free(url->pool);
        g_free(url->space);
        g_free(url->snapshot);
        g_free(url->user);
        g_free(url->conf);
}

static gboolean
fail_form(struct value_fault *fault, const char *text, const char *form)
{
        return value_fail(fault, "disk-url-form", text, g_strdup(form), "does not say where the disk is");
}

static gboolean
fail_scheme(struct value_fault *fault, const char *text, const char *scheme)
{
        static const char *const schemes[] = {"nbd", "nbd+unix", "iscsi", "rbd", "https", "http", NULL};
        const char *meant = scheme ? text_suggest(scheme, schemes) : NULL;

        return value_fail(fault, "disk-url-scheme", text,
                          meant ? g_strdup_printf("did you mean '%s'?", meant)
                                : g_strdup("nbd, nbd+unix, iscsi, rbd, https and http are known; 'file' is for a file of this "
                                           "host"),
                          scheme ? "has a scheme that is not known here" : "is no URL: it has no scheme");
}

static gboolean
fail_credentials(struct value_fault *fault, const char *text)
{
        return value_fail(fault, "disk-url-credentials", text,
                          g_strdup("leave it out: everybody on this host can read QEMU's arguments"),
                          "has a name or a password of somebody");
}

static gboolean
take_host(GUri *uri, guint port, struct disk_url *url)
{
        const char *host = g_uri_get_host(uri);

        if (!host || !*host || g_uri_get_port(uri) == 0)
                return FALSE;
        url->host = g_strdup(host);
        url->port = g_uri_get_port(uri) > 0 ? (guint)g_uri_get_port(uri) : port;
        return TRUE;
}

static const char *
without_slash(const char *path)
{
        return *path == '/' ? path + 1 : path;
}

static gboolean
parse_nbd(GUri *uri, struct disk_url *url)
{
        url->driver = DRIVER_NBD;
        url->name = g_strdup(without_slash(g_uri_get_path(uri)));
        return !g_uri_get_query(uri) && take_host(uri, NBD_PORT, url);
}

static gboolean
parse_nbd_socket(GUri *uri, struct disk_url *url)
{
        const char *query = g_uri_get_query(uri), *host = g_uri_get_host(uri);

        url->driver = DRIVER_NBD;
        url->name = g_strdup(without_slash(g_uri_get_path(uri)));
        if (!query || (host && *host) || g_uri_get_port(uri) >= 0 || !g_str_has_prefix(query, "socket=/") || strchr(query, '&'))
                return FALSE;
        url->socket = g_strdup(query + strlen("socket="));
        return strlen(url->socket) <= SOCKET_MAX_BYTES;
}

static gboolean
parse_iscsi(GUri *uri, struct disk_url *url)
{
        g_auto(GStrv) parts = g_strsplit(without_slash(g_uri_get_path(uri)), "/", -1);
        guint64 lun;

        url->driver = DRIVER_ISCSI;
        if (g_strv_length(parts) != 2 || !*parts[0] || g_uri_get_query(uri) ||
            !g_ascii_string_to_unsigned(parts[1], 10, 0, LUN_MAX, &lun, NULL))
                return FALSE;
        url->name = g_strdup(parts[0]);
        url->lun = (guint)lun;
        return take_host(uri, ISCSI_PORT, url);
}

static gboolean
parse_web(GUri *uri, const char *text, struct disk_url *url)
{
        url->driver = strcmp(g_uri_get_scheme(uri), "https") == 0 ? DRIVER_HTTPS : DRIVER_HTTP;
        url->name = g_strdup(text);
        if (!g_uri_get_host(uri) || !*g_uri_get_host(uri) || g_uri_get_port(uri) == 0)
                return FALSE;
        return *without_slash(g_uri_get_path(uri)) != '\0';
}

/* "POOL/IMAGE", "POOL/NAMESPACE/IMAGE", each with "@SNAPSHOT". */
static gboolean
parse_rbd_name(const char *text, struct disk_url *url)
{
        g_auto(GStrv) halves = g_strsplit(text, "@", -1);
        g_auto(GStrv) parts = g_strsplit(halves[0] ? halves[0] : "", "/", -1);
        guint count = g_strv_length(parts);

        if (g_strv_length(halves) > 2 || (halves[0] && halves[1] && !*halves[1]) || count < 2 || count > 3)
                return FALSE;
        for (guint i = 0; i < count; i++)
                if (!*parts[i])
                        return FALSE;
        url->pool = g_strdup(parts[0]);
        url->space = count == 3 ? g_strdup(parts[1]) : NULL;
        url->name = g_strdup(parts[count - 1]);
        url->snapshot = g_strdup(halves[1]);
        return TRUE;
}

/* A key among its options would stand in QEMU's arguments: Ceph finds it in the keyring of the user. */
static gboolean
parse_rbd(const char *text, struct disk_url *url, struct value_fault *fault)
{
        g_auto(GStrv) parts = g_strsplit(text + strlen("rbd:"), ":", -1);

        url->driver = DRIVER_RBD;
        if (strchr(text, '\\') || !parts[0] || !parse_rbd_name(parts[0], url))
                return fail_form(fault, text, rbd_form);
        for (guint i = 1; parts[i]; i++)
                if (g_str_has_prefix(parts[i], "id=") && parts[i][3] && !url->user)
                        url->user = g_strdup(parts[i] + 3);
                else if (g_str_has_prefix(parts[i], "conf=/") && !url->conf)
                        url->conf = g_strdup(parts[i] + 5);
                else if (g_str_has_prefix(parts[i], "key"))
                        return fail_credentials(fault, text);
                else
                        return fail_form(fault, text, rbd_form);
        return TRUE;
}

static gboolean
parse_uri(const char *text, struct disk_url *url, struct value_fault *fault)
{
        g_autofree char *scheme = g_uri_parse_scheme(text);
        const char *authority = strstr(text, "://");
        const char *at = authority ? memchr(authority + 3, '@', strcspn(authority + 3, "/?#")) : NULL;
        const struct {
                const char *scheme, *form;
        } forms[] = {{"nbd", nbd_form},
                     {"nbd+unix", unix_form},
                     {"iscsi", iscsi_form},
                     {"https", web_form},
                     {"http", web_form}};
        g_autoptr(GUri) uri = NULL;
        const char *form = NULL;
        gboolean ok;

        for (size_t i = 0; i < G_N_ELEMENTS(forms); i++)
                if (g_strcmp0(scheme, forms[i].scheme) == 0)
                        form = forms[i].form;
        if (!form)
                return fail_scheme(fault, text, scheme);
        if (at)
                return fail_credentials(fault, text);
        uri = g_uri_parse(text, G_URI_FLAGS_NONE, NULL);
        if (!uri || !authority || g_uri_get_fragment(uri))
                return fail_form(fault, text, form);
        ok = form == web_form     ? parse_web(uri, text, url)
             : form == iscsi_form ? parse_iscsi(uri, url)
             : form == unix_form  ? parse_nbd_socket(uri, url)
                                  : parse_nbd(uri, url);
        return ok || fail_form(fault, text, form);
}

gboolean
disk_url_parse(const char *text, struct disk_url *ret_url, struct value_fault *fault)
{
        g_auto(disk_url) url = {0};

        if (!value_check_url_text(text, fault) || !(g_str_has_prefix(text, "rbd:") ? parse_rbd(text, &url, fault)
                                                                                          : parse_uri(text, &url, fault)))
                return FALSE;
        *ret_url = url;
        url = (struct disk_url){0};
        return TRUE;
}

gboolean
disk_url_check(const char *text, struct value_fault *fault)
{
        g_auto(disk_url) url = {0};

        return disk_url_parse(text, &url, fault);
}

gboolean
disk_url_is_web(const char *text)
{
        return g_str_has_prefix(text, "http://") || g_str_has_prefix(text, "https://");
}
