/* test-lazy.c - libraries that are loaded when they are first called, and that a start of drover pays for none of them */
#include "base/lazy.h"

#include <dlfcn.h>
#include <glib.h>
#include <yaml.h>

#define yaml_get_version_string LAZY("libyaml-0.so.2", yaml_get_version_string)

static void
test_called(void)
{
        for (int i = 0; i < 2; i++)
                g_assert_cmpstr(yaml_get_version_string(), !=, "");
        g_assert_true(lazy_symbol("libyaml-0.so.2", "yaml_parser_parse") == lazy_symbol("libyaml-0.so.2", "yaml_parser_parse"));
}

static void
test_missing_library(void)
{
        if (g_test_subprocess()) {
                lazy_symbol("libnothing.so.7", "nothing");
                return;
        }
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("error: libnothing.so.7: * install it, or build drover again on this host\n");
}

static void
test_missing_function(void)
{
        if (g_test_subprocess()) {
                lazy_symbol("libyaml-0.so.2", "yaml_nothing");
                return;
        }
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("error: *yaml_nothing*");
}

/* This program is linked with what drover is. */
static void
test_start_is_cheap(void)
{
        g_assert_null(dlopen("libcurl.so.4", RTLD_LAZY | RTLD_NOLOAD));
        g_assert_null(dlopen("libarchive.so.13", RTLD_LAZY | RTLD_NOLOAD));
        g_assert_null(dlopen("libcrypto.so.3", RTLD_LAZY | RTLD_NOLOAD));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/lazy/called", test_called);
        g_test_add_func("/lazy/missing/library", test_missing_library);
        g_test_add_func("/lazy/missing/function", test_missing_function);
        g_test_add_func("/lazy/start", test_start_is_cheap);
        return g_test_run();
}
