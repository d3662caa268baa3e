/* test-file.c - files are replaced whole; trees are removed whole, whatever was put into them */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *
make_top(void)
{
        GError *error = NULL;
        char *top = g_dir_make_tmp("drover-file-XXXXXX", &error);

        g_assert_no_error(error);
        return top;
}

/* Also what says that it is empty, as the kernel's own files do, and what is as large as it may be. */
static void
test_read(void)
{
        static const size_t sizes[] = {0, 1, 4094, 4095, 4096, 8191, 8192, 100000};
        g_autofree char *top = make_top(), *path = g_build_filename(top, "f", NULL), *text = NULL, *again = NULL;
        g_autoptr(GError) error = NULL;
        size_t length;

        for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *written = g_strnfill(sizes[i], 'x'), *read = NULL, *more = NULL;

                g_assert_true(file_write_atomic(path, written, sizes[i], 0600, NULL));
                g_assert_true(file_read(path, sizes[i], &read, &length, NULL));
                g_assert_cmpuint(length, ==, sizes[i]);
                g_assert_cmpstr(read, ==, written);
                g_assert_true(sizes[i] == 0 || !file_read(path, sizes[i] - 1, &more, NULL, NULL));
        }
        g_assert_true(file_read("/proc/self/smaps", 1 << 20, &text, &length, NULL));
        g_assert_cmpuint(length, >, 8192);
        g_assert_cmpuint(length, ==, strlen(text));
        g_assert_true(g_str_has_suffix(text, "\n"));
        g_assert_false(file_read("/proc/self/smaps", 5000, &again, NULL, &error));
        g_assert_cmpstr(error->message, ==, "'/proc/self/smaps' is larger than 5000 bytes");
        g_assert_true(file_remove_tree(top, NULL));
}

/* Each a directory in the one before, with a file beside it. */
static void
make_depth(const char *top, guint depth)
{
        auto_fd fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        for (guint i = 0; i < depth; i++) {
                int below;

                g_assert_cmpint(mkdirat(fd, "d", 0700), ==, 0);
                below = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                close(openat(below, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0400));
                g_assert_cmpint(below, >=, 0);
                close(fd);
                fd = below;
        }
}

static void
test_deep(void)
{
        g_autofree char *top = make_top();
        struct rlimit old, few;
        GError *error = NULL;
        gboolean ok;

        make_depth(top, 300);
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &old), ==, 0);
        few = (struct rlimit){32, old.rlim_max};
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &few), ==, 0);
        ok = file_remove_tree(top, &error);
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &old), ==, 0);
        g_assert_no_error(error);
        g_assert_true(ok);
        g_assert_false(file_exists(top));
        g_assert_true(file_remove_tree(top, &error)); /* absent is success */
}

/* Also names that the removal itself would use, and directories of directories. */
static void
test_wide(void)
{
        g_autofree char *top = make_top();

        for (int i = 0; i < 30; i++) {
                g_autofree char *full = g_strdup_printf("%s/.%d.removed/%d/x/y", top, i, i % 3);
                g_autofree char *plain = g_strdup_printf("%s/.%d.removed", top, 30 + i);

                g_assert_cmpint(g_mkdir_with_parents(full, 0700), ==, 0);
                g_assert_true(g_file_set_contents(plain, "", 0, NULL));
        }
        g_assert_true(file_remove_tree(top, NULL));
        g_assert_false(file_exists(top));
}

static void
test_links_are_not_followed(void)
{
        g_autofree char *top = make_top(), *kept = make_top();
        g_autofree char *file = g_build_filename(kept, "file", NULL);
        g_autofree char *link = g_build_filename(top, "a", "link", NULL), *folder = g_path_get_dirname(link);

        g_assert_true(g_file_set_contents(file, "", 0, NULL));
        g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
        g_assert_cmpint(symlink(kept, link), ==, 0);
        g_assert_true(file_remove_tree(top, NULL));
        g_assert_true(file_exists(file));
        g_assert_cmpint(symlink(kept, top), ==, 0);
        g_assert_true(file_remove_tree(top, NULL)); /* the link itself goes */
        g_assert_true(file_exists(file));
        g_assert_true(file_remove_tree(kept, NULL));
}

static void
test_refused(void)
{
        g_autoptr(GError) error = NULL;

        g_assert_false(file_remove_tree("/proc/self/task", &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_PERMISSION);
        g_assert_true(g_str_has_prefix(error->message, "cannot remove '/proc/self/task'"));
}

static void
test_written_whole(void)
{
        g_autofree char *top = make_top(), *path = g_build_filename(top, "file", NULL);
        g_autoptr(GPtrArray) names = NULL;
        struct stat before, after;
        gboolean changed = TRUE;

        g_assert_false(file_has(path, "", 0)); /* absent is not empty */
        g_assert_true(file_write_whole(path, "abc", 3, 0640, NULL));
        g_assert_true(file_has(path, "abc", 3));
        g_assert_false(file_has(path, "abcd", 4));
        g_assert_false(file_has(path, "ab", 2));
        g_assert_false(file_has(path, "abd", 3));
        g_assert_cmpint(stat(path, &before), ==, 0);
        g_assert_cmpint(before.st_mode & 07777, ==, 0640);
        g_assert_true(file_write_if_changed(path, "abc", 3, 0640, &changed, NULL) && !changed);
        g_assert_true(file_write_if_changed(path, "other", 5, 0600, &changed, NULL) && changed);
        g_assert_cmpint(stat(path, &after), ==, 0);
        g_assert_true(after.st_ino != before.st_ino && file_has(path, "other", 5));
        g_assert_false(file_write_whole("/proc/no-such-directory/file", "", 0, 0600, NULL));
        names = file_list_directory(top, NULL);
        g_assert_cmpuint(names->len, ==, 1);
        g_assert_true(file_remove(path, NULL));
        g_assert_cmpint(rmdir(top), ==, 0); /* no draft is left either */
}

/* Where others may write, a draft stays while the process lives whose number is in its name. */
static void
test_drafts(void)
{
        g_autofree char *top = make_top(), *path = g_build_filename(top, "a.b", NULL), *ours = file_draft_path(path);
        g_autofree char *dead = g_build_filename(top, ".a.b.2147483647.0.draft", NULL);
        g_autofree char *other = g_build_filename(top, ".draft", NULL);

        g_assert_true(file_write_whole(ours, "", 0, 0600, NULL) && file_write_whole(dead, "", 0, 0600, NULL) &&
                      file_write_whole(other, "", 0, 0600, NULL));
        file_remove_drafts(top, TRUE);
        g_assert_true(file_exists(ours) && file_exists(other) && !file_exists(dead));
        file_remove_drafts(top, FALSE);
        g_assert_cmpint(rmdir(top), ==, 0);
}

/* Without descriptors nobody can look: whoever may live is not taken for dead. */
static void
test_lock_is_seen(void)
{
        g_autofree char *top = make_top(), *path = g_build_filename(top, "lock", NULL);
        struct rlimit before, none;
        auto_fd lock = -1;

        g_assert_false(file_is_locked(path));
        g_assert_true(file_lock(path, &lock, NULL));
        g_assert_true(file_is_locked(path));
        g_assert_cmpint(file_lock_holder(path), ==, 0);
        fd_clear(&lock);
        g_assert_false(file_is_locked(path));
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
        none = (struct rlimit){0, before.rlim_max};
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
        g_assert_true(file_is_locked(path));
        g_assert_cmpint(file_lock_holder(path), ==, 0);
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
        g_assert_true(file_remove_tree(top, NULL));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/file/read", test_read);
        g_test_add_func("/file/written-whole", test_written_whole);
        g_test_add_func("/file/drafts", test_drafts);
        g_test_add_func("/file/lock-is-seen", test_lock_is_seen);
        g_test_add_func("/file/deep", test_deep);
        g_test_add_func("/file/wide", test_wide);
        g_test_add_func("/file/links-are-not-followed", test_links_are_not_followed);
        g_test_add_func("/file/refused", test_refused);
        return g_test_run();
}
