/* test-share.c - folders in guests: their tags, and whose subordinate ids a user has */
#include "runtime/vm/share.h"

#include <string.h>

static void
test_tag(void)
{
        g_autofree char *plain = share_tag("/srv/data"), *edge = share_tag("/123456789012345678901234567890"),
                        *hashed = share_tag("/1234567890123456789012345678901"),
                        *other = share_tag("/1234567890123456789012345678902");

        g_assert_cmpstr(plain, ==, "/srv/data");
        g_assert_cmpuint(strlen(edge), ==, SHARE_TAG_MAX);
        g_assert_true(g_str_has_prefix(hashed, "mount-"));
        g_assert_cmpuint(strlen(hashed), <=, SHARE_TAG_MAX);
        g_assert_cmpstr(hashed, !=, other);
}

static void
check_ids(const char *text, guint32 first, guint32 count)
{
        struct share_ids ids = share_parse_ids(text, "ann", 1000);

        g_test_message("%s", text);
        g_assert_cmpuint(ids.first, ==, first);
        g_assert_cmpuint(ids.count, ==, count);
}

static void
test_ids(void)
{
        check_ids("ann:100000:65536\n", 100000, 65536);
        check_ids("bob:100000:65536\nann:165536:65536\nann:900000:1\n", 165536, 65536);
        check_ids("1000:5:7", 5, 7);
        check_ids("", 0, 0);
        check_ids("annie:100000:65536\n10000:1:1\n", 0, 0);
        check_ids("ann:100000\nann:x:65536\nann:100000:0\nann:4294967295:2\nann:1:2:3\n", 0, 0);
        check_ids("ann:0:10\nann:20:30\n", 20, 30); /* nobody is given root's own */
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/share/tag", test_tag);
        g_test_add_func("/share/ids", test_ids);
        return g_test_run();
}
