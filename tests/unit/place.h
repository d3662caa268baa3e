/* place.h - a directory of a test's own, and programs that are run in it */
#pragma once

#include "base/child.h"
#include "base/file.h"

#include <glib/gstdio.h>

struct place {
        char *path;
};

/* Others than root may pass through. */
static inline void
place_make(struct place *place, gconstpointer data)
{
        place->path = g_dir_make_tmp("drover-unit-XXXXXX", NULL);
        g_assert_nonnull(place->path);
        g_assert_cmpint(g_chmod(place->path, 0755), ==, 0);
}

static inline void
place_remove(struct place *place, gconstpointer data)
{
        g_assert_true(file_remove_tree(place->path, NULL));
        g_free(place->path);
}

static inline char *
inside(const struct place *place, const char *name)
{
        return g_build_filename(place->path, name, NULL);
}

/* A status other than 0 fails the test; @ret_output may be NULL. */
static inline void
run(const char *const *argv, char **ret_output)
{
        struct child child = CHILD_INIT;
        g_autoptr(GError) error = NULL;

        child.argv = argv;
        g_assert_true(child_run(&child, 30000, ret_output, &error));
        g_assert_no_error(error);
}
