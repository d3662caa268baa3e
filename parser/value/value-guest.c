/* value-guest.c - more of value.h: restart policies, devices of the host, CPU models, regular expressions */
#include "parser/value/value.h"

#include "base/text.h"

#include <string.h>

enum { MAX_TRIES = 1000, CPU_MODEL_MAX_BYTES = 64, REGEX_MAX_BYTES = 1024 };

/* ---- restart ---- */

static const char *const policy_names[] = {"no", "on-failure", "always", "unless-stopped", NULL};

static gboolean
fail_restart(struct value_fault *fault, const char *text)
{
        static const char *const meant[][2] = {
                {"false", "no"},
                {"never", "no"},
                {"none", "no"},
                {"off", "no"},
                {"true", "always"},
                {"yes", "always"},
                {"on", "always"},
                {"on_failure", "on-failure"},
                {"onfailure", "on-failure"},
                {"failure", "on-failure"},
                {"unless_stopped", "unless-stopped"},
        };

        const char *near = text_suggest(text, policy_names);

        for (size_t i = 0; i < G_N_ELEMENTS(meant); i++)
                if (g_ascii_strcasecmp(text, meant[i][0]) == 0)
                        return value_fail(fault, "restart-word", text, g_strdup_printf("write '%s'", meant[i][1]),
                                          "is no restart policy");
        return value_fail(fault, "restart-bad", text, near ? g_strdup_printf("did you mean '%s'?", near) : NULL,
                          "is none of: no, on-failure, on-failure:5, always, unless-stopped");
}

gboolean
value_parse_restart(const char *text, struct restart *ret_restart, struct value_fault *fault)
{
        const char *colon = strchr(text, ':');
        size_t length = colon ? (size_t)(colon - text) : strlen(text);
        struct restart restart = {RESTART_NO, 0};
        gint64 tries = 0;
        size_t i = 0;

        while (policy_names[i] &&
               (strlen(policy_names[i]) != length || strncmp(text, policy_names[i], length) != 0))
                i++;
        if (!policy_names[i])
                return fail_restart(fault, text);
        restart.policy = (enum restart_policy)i;
        if (colon && restart.policy != RESTART_ON_FAILURE)
                return value_fail(fault, "restart-tries-for", text, g_strdup("write 'on-failure:5'"),
                                  "has a number, which only on-failure takes");
        if (colon && !value_parse_count(colon + 1, 1, MAX_TRIES, &tries, NULL))
                return value_fail(fault, "restart-tries", text, g_strdup("write 'on-failure:5', or 'on-failure' for no limit"),
                                  "has no number of tries from 1 to %d", MAX_TRIES);
        restart.tries = (guint)tries;
        *ret_restart = restart;
        return TRUE;
}

char *
value_format_restart(const struct restart *restart)
{
        if (restart->tries)
                return g_strdup_printf("%s:%u", policy_names[restart->policy], restart->tries);
        return g_strdup(policy_names[restart->policy]);
}

/* ---- devices ---- */

/* @digits hex digits, then @end: TRUE, and @text behind it. */
static gboolean
take_hex(const char **text, guint digits, char end, guint max, guint *ret_number)
{
        guint number = 0;

        for (guint i = 0; i < digits; i++) {
                int digit = g_ascii_xdigit_value((*text)[i]);

                if (digit < 0)
                        return FALSE;
                number = number << 4 | (guint)digit;
        }
        if ((*text)[digits] != end || number > max)
                return FALSE;
        *text += digits + (end ? 1 : 0);
        *ret_number = number;
        return TRUE;
}

gboolean
value_parse_pci(const char *text, struct pci_address *ret_address, struct value_fault *fault)
{
        struct pci_address address = {.set = TRUE};
        const char *rest = text;

        if (take_hex(&rest, 4, ':', 0xffff, &address.domain) && take_hex(&rest, 2, ':', 0xff, &address.bus) &&
            take_hex(&rest, 2, '.', 0x1f, &address.device) && take_hex(&rest, 1, '\0', 7, &address.function)) {
                *ret_address = address;
                return TRUE;
        }
        rest = text;
        if (take_hex(&rest, 2, ':', 0xff, &address.bus) && take_hex(&rest, 2, '.', 0x1f, &address.device) &&
            take_hex(&rest, 1, '\0', 7, &address.function))
                return value_fail(fault, "pci-domain", text, g_strdup_printf("did you mean '0000:%s'?", text),
                                  "has no domain in front");
        return value_fail(fault, "pci-bad", text, g_strdup("an address is like '0000:01:00.0': 'lspci -D' lists them"),
                          "is no PCI address");
}

char *
value_format_pci(const struct pci_address *address)
{
        return g_strdup_printf("%04x:%02x:%02x.%x", address->domain, address->bus, address->device, address->function);
}

gboolean
value_parse_usb(const char *text, struct usb_id *ret_id, struct value_fault *fault)
{
        struct usb_id id = {.set = TRUE};
        const char *rest = text;

        if (!take_hex(&rest, 4, ':', 0xffff, &id.vendor) || !take_hex(&rest, 4, '\0', 0xffff, &id.product))
                return value_fail(fault, "usb-bad", text,
                                  g_strdup("vendor and product are like '046d:c52b': 'lsusb' lists them"), "is no USB device");
        *ret_id = id;
        return TRUE;
}

char *
value_format_usb(const struct usb_id *id)
{
        return g_strdup_printf("%04x:%04x", id->vendor, id->product);
}

/* ---- texts with a form ---- */

gboolean
value_check_cpu_model(const char *text, struct value_fault *fault)
{
        static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

        if (!*text || strlen(text) > CPU_MODEL_MAX_BYTES || strspn(text, safe) != strlen(text))
                return value_fail(fault, "cpu-model", text, g_strdup("a model is like 'host', 'max' or 'Skylake-Server-v4'"),
                                  "is no CPU model");
        return TRUE;
}

/* What GLib says of a pattern without its own preamble: "missing closing parenthesis, at character 3". */
static gboolean
fail_regex(struct value_fault *fault, const char *text, const char *message)
{
        const char *at = g_strrstr(message, "at char ");
        const char *reason = at ? strstr(at, ": ") : NULL;
        int digits = at ? (int)strspn(at + strlen("at char "), "0123456789") : 0;
        char *hint = reason ? g_strdup_printf("%s, at character %.*s", reason + 2, digits, at + strlen("at char ")) : NULL;

        return value_fail(fault, "regex-bad", text, hint, "is no regular expression");
}

gboolean
value_check_regex(const char *text, struct value_fault *fault)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GRegex) regex = NULL;

        if (!*text)
                return value_fail(fault, "regex-empty", text, g_strdup("write what the console shows, such as 'login:'"),
                                  "is empty, and so found in any text");
        if (strlen(text) > REGEX_MAX_BYTES)
                return value_fail(fault, "regex-long", text, NULL, "is too long, %d bytes at most", REGEX_MAX_BYTES);
        regex = g_regex_new(text, G_REGEX_RAW, 0, &error); /* as it is used: a console's bytes may be no UTF-8, nor may these */
        return regex ? TRUE : fail_regex(fault, text, error->message);
}
