/* test-value-provision.c - paths in the guest, permissions, owners and short mounts as values */
#include "parser/value/value-provision.h"

#include <string.h>

struct sample {
        const char *text, *result; /* canonical; NULL: refused */
        const char *id, *hint;     /* of the refusal */
};

typedef gboolean (*parse_function)(const char *text, char **ret_result, struct value_fault *fault);

static void
check_samples(parse_function parse, const struct sample *samples, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                g_autofree char *result = NULL, *again = NULL;
                g_auto(value_fault) fault = VALUE_FAULT_INIT;
                gboolean ok = parse(samples[i].text, &result, &fault);

                g_test_message("%s", samples[i].text);
                g_assert_cmpstr(result, ==, samples[i].result);
                g_assert_cmpstr(fault.id, ==, samples[i].id);
                g_assert_cmpstr(fault.hint, ==, samples[i].hint);
                g_assert_true(ok == (samples[i].result != NULL));
                g_assert_true(!ok || parse(result, &again, NULL));
                g_assert_cmpstr(again, ==, result);
        }
}

static void
test_guest_path(void)
{
        static const struct sample samples[] = {
                {"/etc/motd", "/etc/motd", NULL, NULL},
                {"//etc/./x//", "/etc/x", NULL, NULL},
                {"/", "/", NULL, NULL},
                {"/a/..b/c", "/a/..b/c", NULL, NULL},
                {"/a/../b", NULL, "guest-path-up", "write the path that is meant, without '..'"},
                {"", NULL, "guest-path-relative", "a path in the guest begins with '/'"},
                {"etc/motd", NULL, "guest-path-relative", "a path in the guest begins with '/'"},
                {"~/x", NULL, "guest-path-home", "write '/root/...' or '/home/USER/...'"},
                {"/a\nb", NULL, "guest-path-bad", NULL},
        };

        check_samples(value_parse_guest_path, samples, G_N_ELEMENTS(samples));
}

static gboolean
parse_mode(const char *text, char **ret_result, struct value_fault *fault)
{
        guint mode = 0;

        if (!value_parse_mode(text, &mode, fault))
                return FALSE;
        *ret_result = value_format_mode(mode);
        return TRUE;
}

static void
test_mode(void)
{
        static const struct sample samples[] = {
                {"0644", "0644", NULL, NULL},
                {"0000", "0000", NULL, NULL},
                {"04755", "04755", NULL, NULL},
                {"00644", "0644", NULL, NULL},
                {"644", NULL, "mode-decimal", "did you mean '0644'?"},
                {"755", NULL, "mode-decimal", "did you mean '0755'?"},
                {"420", NULL, "mode-decimal", "write 0420, or 0644 if it was meant as decimal"},
                {"493", NULL, "mode-decimal", "did you mean '0755'? permissions are octal"},
                {"99999", NULL, "mode-decimal", NULL},
                {"0o755", NULL, "mode-bad", "did you mean '0755'?"},
                {"0888", NULL, "mode-bad", "write '0644', say"},
                {"0", NULL, "mode-bad", "write '0644', say"},
                {"007777", NULL, "mode-bad", "write '0644', say"},
                {"-0644", NULL, "mode-bad", "write '0644', say"},
                {"rw-r--r--", NULL, "mode-bad", "write '0644', say"},
        };

        check_samples(parse_mode, samples, G_N_ELEMENTS(samples));
}

static gboolean
parse_owner(const char *text, char **ret_result, struct value_fault *fault)
{
        if (!value_check_owner(text, fault))
                return FALSE;
        *ret_result = g_strdup(text);
        return TRUE;
}

static void
test_owner(void)
{
        static const struct sample samples[] = {
                {"root", "root", NULL, NULL},
                {"www-data:adm", "www-data:adm", NULL, NULL},
                {"1000:1000", "1000:1000", NULL, NULL},
                {"root root", NULL, "owner-bad", "did you mean 'root:root'?"},
                {"root:", NULL, "owner-bad", "write 'root:root', say"},
                {":root", NULL, "owner-bad", "write 'root:root', say"},
                {"a:b:c", NULL, "owner-bad", "write 'root:root', say"},
                {"1000x", NULL, "owner-bad", "write 'root:root', say"},
                {"", NULL, "owner-bad", "write 'root:root', say"},
        };

        check_samples(parse_owner, samples, G_N_ELEMENTS(samples));
        g_assert_true(value_check_user("debian", NULL));
        g_assert_false(value_check_user("debian:debian", NULL));
        g_assert_false(value_check_user("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL));
}

static gboolean
parse_mount(const char *text, char **ret_result, struct value_fault *fault)
{
        g_autofree char *source = NULL, *target = NULL;
        gboolean read_only = FALSE;

        if (!value_parse_mount(text, &source, &target, &read_only, fault))
                return FALSE;
        *ret_result = g_strdup_printf("%s:%s:%s", source, target, read_only ? "ro" : "rw");
        return TRUE;
}

static void
test_mount(void)
{
        static const char shape[] = "write 'SOURCE:TARGET', such as ./src:/src";
        static const char drive[] = "write a path of this host, such as ./src";
        static const struct sample samples[] = {
                {"./src:/src", "./src:/src:rw", NULL, NULL},
                {"~/src:/src:ro", "~/src:/src:ro", NULL, NULL},
                {"/a/b:/c:rw", "/a/b:/c:rw", NULL, NULL},
                {"..:/src", "..:/src:rw", NULL, NULL},
                {"/data", NULL, "mount-target", shape},
                {"data", NULL, "mount-target", shape},
                {"", NULL, "mount-target", shape},
                {"data:/data", NULL, "mount-volume", "write './data' for a folder; what outlives the VM goes under 'disks'"},
                {":/data", NULL, "mount-volume", "write the folder of this host before the colon"},
                {"C:\\src:/src", NULL, "mount-windows", drive},
                {"c:/src:/src:ro", NULL, "mount-windows", drive},
                {"./a:/b:ro,z", NULL, "mount-option", "write 'ro' alone"},
                {"./a:/b:cached", NULL, "mount-option", "'ro' and 'rw' are known"},
                {"./a:/b:c:ro", NULL, "mount-colons", "write the long form: {source: ..., target: ...}"},
        };

        check_samples(parse_mount, samples, G_N_ELEMENTS(samples));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/value-provision/guest-path", test_guest_path);
        g_test_add_func("/value-provision/mode", test_mode);
        g_test_add_func("/value-provision/owner", test_owner);
        g_test_add_func("/value-provision/mount", test_mount);
        return g_test_run();
}
