/* test-seed.c - a seed is written once, and anew only where its content changes */
#include "base/error.h"
#include "base/file.h"
#include "runtime/storage/seed.h"

#include <string.h>

#define TEXT(name, text) {name, text, sizeof text - 1}

static void
assert_ensured(const char *path, const struct seed_file *files, size_t count, gboolean should_change)
{
        g_autoptr(GError) error = NULL;
        gboolean changed = !should_change;

        g_assert_true(seed_ensure(path, files, count, &changed, &error));
        g_assert_no_error(error);
        g_assert_cmpint(changed, ==, should_change);
}

static void
test_ensure(void)
{
        static const struct seed_file two[] = {TEXT("user-data", "#cloud-config\n{}\n"), TEXT("meta-data", "{}")};
        static const struct seed_file other[] = {TEXT("user-data", "#cloud-config\n[]\n"), TEXT("meta-data", "{}")};
        static const struct seed_file three[] = {TEXT("user-data", "#cloud-config\n{}\n"), TEXT("meta-data", "{}"),
                                                 TEXT("network-config", "version: 2\n")};
        g_autoptr(GError) error = NULL;
        g_autofree char *directory = g_dir_make_tmp("drover-seed-XXXXXX", &error);
        g_autofree char *path = g_build_filename(directory, "seed.iso", NULL), *iso = NULL;
        size_t length = 0;

        assert_ensured(path, two, 2, TRUE);
        assert_ensured(path, two, 2, FALSE);
        assert_ensured(path, other, 2, TRUE);
        assert_ensured(path, three, 3, TRUE);
        assert_ensured(path, three, 3, FALSE);
        assert_ensured(path, two, 2, TRUE); /* one file fewer */
        g_assert_true(file_read(path, 1 << 20, &iso, &length, &error));
        /* Source: ECMA-119, 8.4: the primary volume descriptor lies in sector 16, its identifier at byte 40. */
        g_assert_cmpuint(length, >, 17 * 2048);
        g_assert_cmpint(memcmp(iso + 16 * 2048 + 1, "CD001", 5), ==, 0);
        g_assert_cmpint(memcmp(iso + 16 * 2048 + 40, "CIDATA ", 7), ==, 0);
        g_assert_true(g_file_set_contents(path, "what a full disk left", -1, NULL));
        assert_ensured(path, two, 2, TRUE);
        g_assert_true(file_remove_tree(directory, &error));
}

static void
test_failure(void)
{
        static const struct seed_file files[] = {TEXT("user-data", ""), TEXT("meta-data", "")};
        g_autoptr(GError) error = NULL;

        g_assert_false(seed_ensure("/nonexistent/seed.iso", files, 2, NULL, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/seed/ensure", test_ensure);
        g_test_add_func("/seed/failure", test_failure);
        return g_test_run();
}
