/* value-storage.c - the texts of images and disks as values: URLs, digests, names of images, devices, serial numbers */
#include "parser/value/value-storage.h"

#include "base/text.h"

#include <string.h>

enum { URL_MAX_BYTES = 4096, IMAGE_NAME_MAX_BYTES = 40, SERIAL_MAX_BYTES = 36 };

/* ---- URLs ---- */

/* What has no scheme: a host with a path, or a path of this host. */
static gboolean
fail_no_scheme(struct value_fault *fault, const char *text)
{
        const char *slash = strchr(text, '/'), *dot = strchr(text, '.');

        if (dot && dot != text && slash && dot < slash && strlen(text) < 200)
                return value_fail(fault, "url-host-first", text, g_strdup_printf("did you mean 'https://%s'?", text),
                                  "is no URL: it has no scheme");
        return value_fail(fault, "url-no-scheme", text, g_strdup("write 'https://...', or 'file' for a file of this host"),
                          "is no URL: it has no scheme");
}

gboolean
value_check_url_text(const char *text, struct value_fault *fault)
{
        if (strlen(text) > URL_MAX_BYTES)
                return value_fail(fault, "url-long", text, NULL, "is too long, %d bytes at most", URL_MAX_BYTES);
        for (const char *c = text; *c; c++)
                if (!g_ascii_isgraph(*c))
                        return value_fail(fault, "url-blank", text, g_strdup("write %20 for a blank"),
                                          "is no URL: it has a blank, a control character, or one that is not ASCII");
        return TRUE;
}

gboolean
value_check_url(const char *text, struct value_fault *fault)
{
        static const char *const schemes[] = {"https", "http", NULL};
        const char *rest = strstr(text, "://");
        g_autofree char *scheme = NULL, *quoted = NULL;
        const char *meant;

        if (!rest)
                return fail_no_scheme(fault, text);
        if (!value_check_url_text(text, fault))
                return FALSE;
        scheme = g_ascii_strdown(text, rest - text);
        if (strcmp(scheme, "file") == 0) {
                if (rest[3] == '/' && rest[4] && rest[4] != '/')
                        return TRUE;
                return value_fail(fault, "url-file", text,
                                  g_strdup_printf("write 'file:///PATH', or the path alone: '%.200s'", rest + 3),
                                  "is no URL of a file of this host: its path does not begin at the root");
        }
        if (!g_strv_contains(schemes, scheme)) {
                meant = text_suggest(scheme, schemes);
                quoted = value_quote(scheme);
                return value_fail(fault, "url-scheme-unknown", text,
                                  meant ? g_strdup_printf("did you mean '%s'?", meant)
                                        : g_strdup("https, http and file are known"),
                                  "has the unknown scheme %s", quoted);
        }
        if (!rest[3] || rest[3] == '/')
                return value_fail(fault, "url-host", text, NULL, "is no URL: it has no host");
        return TRUE;
}

/* ---- digests ---- */

static char *
hint_for_digits(size_t count)
{
        static const struct {
                size_t digits;
                const char *text;
        } known[] = {{32, "this is as long as an MD5, which proves nothing: take a SHA-256"},
                     {40, "this is as long as a SHA-1, which proves nothing: take a SHA-256"},
                     {64, "this is as long as a SHA-256: write it as 'sha256'"},
                     {128, "this is as long as a SHA-512: write it as 'sha512'"}};

        for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
                if (known[i].digits == count)
                        return g_strdup(known[i].text);
        return NULL;
}

gboolean
value_parse_digest(const char *text, guint digits, char **ret_text, struct value_fault *fault)
{
        size_t length = strlen(text), count = strspn(text, "0123456789abcdefABCDEF");

        if (g_ascii_strncasecmp(text, "sha", 3) == 0 && strchr(text, ':'))
                return value_fail(fault, "digest-prefix", text, g_strdup("write the digits alone: the key says what they are"),
                                  "is no digest: it has a prefix");
        if (count < length && count >= 32 && strchr(" \t*", text[count]))
                return value_fail(fault, "digest-file", text, g_strdup("write the digits alone, without the file's name"),
                                  "is no digest: something stands behind it");
        if (count < length)
                return value_fail(fault, "digest-bad", text, g_strdup_printf("write %u hexadecimal digits", digits),
                                  "is no digest: its digits are 0-9 and a-f");
        if (length != digits)
                return value_fail(fault, "digest-length", text, hint_for_digits(length),
                                  "is no digest: it has %zu digits, not %u", length, digits);
        *ret_text = g_ascii_strdown(text, -1);
        return TRUE;
}

/* ---- names of images ---- */

static gboolean
is_image_name(const char *text)
{
        size_t length = strlen(text);

        if (!length || g_str_has_prefix(text, "x-") || !g_ascii_isalnum(text[0]) || !g_ascii_isalnum(text[length - 1]))
                return FALSE;
        for (const char *c = text; *c; c++)
                if (!g_ascii_islower(*c) && !g_ascii_isdigit(*c) && !strchr("-._:", *c))
                        return FALSE;
        return TRUE;
}

gboolean
value_check_image_name(const char *text, struct value_fault *fault)
{
        g_autofree char *lower = g_ascii_strdown(text, -1);

        g_strdelimit(lower, " /", '-');
        if (strlen(text) > IMAGE_NAME_MAX_BYTES)
                return value_fail(fault, "image-name-long", text, NULL,
                                  "is no name of an image: it is longer than %d characters", IMAGE_NAME_MAX_BYTES);
        if (is_image_name(text))
                return TRUE;
        return value_fail(fault, "image-name", text, is_image_name(lower) ? g_strdup_printf("did you mean '%s'?", lower) : NULL,
                          "is no name of an image: only a-z, 0-9 and, in between, '-', '.', '_' and ':' are allowed");
}

/* ---- devices, serial numbers ---- */

gboolean
value_check_device(const char *text, struct value_fault *fault)
{
        g_autofree char *path = g_canonicalize_filename(text, "/");

        if (*text != '/' && !strchr(text, '/') && *text != '.' && *text)
                return value_fail(fault, "device-path", text, g_strdup_printf("did you mean '/dev/%.100s'?", text),
                                  "is no path of a device");
        if (*text != '/' || !g_str_has_prefix(path, "/dev/"))
                return value_fail(fault, "device-outside", text, g_strdup("write 'file' instead of 'device' for a file"),
                                  "is no device: those of the host are below /dev");
        return TRUE;
}

gboolean
value_check_serial(const char *text, struct value_fault *fault)
{
        for (const char *c = text; *c; c++)
                if (!g_ascii_isgraph(*c))
                        return value_fail(fault, "serial-bad", text, NULL,
                                          "is no serial number: it has a blank, a control character, or one that is not ASCII");
        if (strlen(text) > SERIAL_MAX_BYTES)
                return value_fail(fault, "serial-long", text, NULL, "is too long for a serial number, %d characters at most",
                                  SERIAL_MAX_BYTES);
        return *text ? TRUE
                     : value_fail(fault, "serial-empty", text, g_strdup("remove the key for the disk's name"),
                                  "is no serial number");
}
