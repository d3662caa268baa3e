/* storage.c - what disks and seeds cost, without drover around them
 *
 *     storage overlays BASE FORMAT BYTES COUNT DIRECTORY    makes COUNT overlays in an empty directory
 *     storage seeds COUNT DIRECTORY                         makes as many NoCloud seeds
 *
 * Four at a time, as drover does it, each synced. The cost of starting this program is in what is measured.
 */
#include "base/error.h"
#include "runtime/storage/disk.h"
#include "runtime/storage/seed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARALLEL = 4 };

static gboolean
make_overlay(char **words, const char *path, GError **error)
{
        const struct disk_wish wish = {.path = path,
                                       .format = "qcow2",
                                       .backing_path = words[0],
                                       .backing_format = words[1],
                                       .backing_size_bytes = g_ascii_strtoull(words[2], NULL, 10)};

        return disk_ensure(&wish, error);
}

static gboolean
make_seed(char **words, const char *path, GError **error)
{
        static const char user_data[] = "#cloud-config\npackages: [nginx]\n", meta_data[] = "instance-id: i-1\n";
        const struct seed_file files[] = {{"user-data", user_data, sizeof user_data - 1},
                                          {"meta-data", meta_data, sizeof meta_data - 1}};

        return seed_ensure(path, files, G_N_ELEMENTS(files), NULL, error);
}

struct job {
        gboolean (*make)(char **words, const char *path, GError **error);
        char **words;
        const char *directory;
        gint failures;
};

static void
work(gpointer number, gpointer data)
{
        struct job *job = data;
        g_autofree char *path = g_strdup_printf("%s/%d", job->directory, GPOINTER_TO_INT(number));
        g_autoptr(GError) error = NULL;

        if (job->make(job->words, path, &error))
                return;
        g_atomic_int_inc(&job->failures);
        fprintf(stderr, "error: %s\n", error->message);
}

int
main(int argc, char **argv)
{
        gboolean seeds = argc == 4 && strcmp(argv[1], "seeds") == 0;
        struct job job = {seeds ? make_seed : make_overlay, argv + 2, argv[argc - 1], 0};
        GThreadPool *pool;
        int count;

        if (!seeds && (argc != 7 || strcmp(argv[1], "overlays") != 0))
                return fprintf(stderr, "usage: storage overlays BASE FORMAT BYTES COUNT DIRECTORY\n"
                                       "       storage seeds COUNT DIRECTORY\n"), 2;
        count = atoi(argv[argc - 2]);
        pool = g_thread_pool_new(work, &job, PARALLEL, TRUE, NULL);
        for (int i = 1; i <= count; i++)
                g_thread_pool_push(pool, GINT_TO_POINTER(i), NULL);
        g_thread_pool_free(pool, FALSE, TRUE);
        return job.failures ? 1 : 0;
}
