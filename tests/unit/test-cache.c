/* test-cache.c - images in the cache: found, checked, listed, locked and removed */
#include "tests/unit/image-server.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void
test_plain(struct fixture *fixture, gconstpointer data)
{
        assert_fetched(fixture, "/plain");
        assert_fetched(fixture, "/plain");
        g_assert_cmpint(fixture->server->requests, ==, 1);
        assert_fetched(fixture, "/redirect"); /* another URL, the same image */
        g_assert_cmpint(fixture->server->requests, ==, 3);
}

static void
test_checksum(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *)fixture->server->body, BODY_BYTES);
        g_autofree char *sha512 = g_compute_checksum_for_data(G_CHECKSUM_SHA512, (guchar *)fixture->server->body, BODY_BYTES);
        g_autofree char *upper = g_ascii_strup(sum, -1), *wrong = g_strdup(sum), *image = NULL;
        g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/plain?2", fixture->server->port);
        const struct cache_source by_sha512 = {.url = url, .sha512 = sha512};
        g_autoptr(GError) error = NULL;

        wrong[0] = wrong[0] == '0' ? '1' : '0';
        assert_fails(fixture, "/plain", wrong, DROVER_ERROR_CORRUPT, "has another SHA-256 than wanted");
        assert_nothing_kept(fixture);
        image = fetch(fixture, "/plain", upper, FALSE, &error);
        g_assert_no_error(error);
        assert_body(fixture, image);
        g_clear_pointer(&image, g_free);
        g_assert_true(cache_fetch(fixture->cache, &by_sha512, FALSE, &fixture->watch, &image, &error));
        g_assert_cmpint(fixture->server->requests, ==, 3);
        g_clear_pointer(&image, g_free);
        image = cache_find(fixture->cache, &by_sha512); /* known by it from now on */
        assert_body(fixture, image);
}

static void
test_always(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *first = fetch(fixture, "/plain", NULL, TRUE, &error), *second = NULL, *third = NULL;
        struct stat before, after;

        g_assert_cmpint(stat(first, &before), ==, 0);
        second = fetch(fixture, "/plain", NULL, TRUE, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(first, ==, second);
        g_assert_cmpint(fixture->server->requests, ==, 2);
        fixture->server->version++;
        fixture->server->body[0]++;
        third = fetch(fixture, "/plain", NULL, TRUE, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(first, !=, third);
        assert_body(fixture, third);
        g_assert_cmpint(stat(first, &after), ==, 0); /* overlays may lie on the old one */
        g_assert_cmpuint(before.st_ino, ==, after.st_ino);
}

static void
test_list(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) images = NULL, left = NULL;
        const struct cached_image *image;
        guint64 bytes = 0;

        assert_fetched(fixture, "/plain");
        fixture->server->refusals_left = 1000;
        assert_fails(fixture, "/busy", NULL, DROVER_ERROR_FAILED, "status 503");
        images = cache_list(fixture->cache, &error);
        g_assert_cmpuint(images->len, ==, 1);
        image = images->pdata[0];
        g_assert_true(g_str_has_suffix(image->url, "/plain"));
        g_assert_cmpint(image->fetched_at, >, 0);
        g_assert_cmpuint(image->size_bytes, >, 0);
        g_assert_true(cache_remove(fixture->cache, image->digest, &error));
        left = cache_list(fixture->cache, &error);
        g_assert_cmpuint(left->len, ==, 0);
        g_assert_true(cache_remove_partial(fixture->cache, &bytes, &error));
        g_assert_no_error(error);
        assert_fetched(fixture, "/plain");
}

/* Without an ETag, the date is what is asked by. */
static void
test_dated(struct fixture *fixture, gconstpointer data)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *first = fetch(fixture, "/dated", NULL, TRUE, &error), *second = NULL, *third = NULL;

        second = fetch(fixture, "/dated", NULL, TRUE, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(first, ==, second);
        g_assert_cmpint(fixture->server->undated_ask, ==, 1);
        fixture->server->version++;
        fixture->server->body[0]++;
        third = fetch(fixture, "/dated", NULL, TRUE, &error);
        g_assert_no_error(error);
        assert_body(fixture, third);
}

static char *
fetch_listed(struct fixture *fixture, const char *path, gboolean always, GError **error)
{
        g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u%s", fixture->server->port, path);
        g_autofree char *list = g_strdup_printf("http://127.0.0.1:%u/SUMS", fixture->server->port);
        const struct cache_source source = {.url = url, .checksums = list};
        char *image = NULL;

        return cache_fetch(fixture->cache, &source, always, &fixture->watch, &image, error) ? image : NULL;
}

static char *
sums_of(struct fixture *fixture, GChecksumType type)
{
        g_autofree char *sum = g_compute_checksum_for_data(type, (guchar *)fixture->server->body, BODY_BYTES);

        return g_strdup_printf("%s  plain\n%s  other\n", sum, sum);
}

/* The list says what is wanted; what it says is here is not fetched, and a wrong sum or none at all is a failure. */
static void
test_listed(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *sums = sums_of(fixture, G_CHECKSUM_SHA512), *newer = NULL, *image = NULL;
        g_autoptr(GError) error = NULL, wrong = NULL, none = NULL, absent = NULL;

        g_assert_null(fetch_listed(fixture, "/plain", FALSE, &absent));
        g_assert_error(absent, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
        fixture->server->sums = sums;
        image = fetch_listed(fixture, "/plain", FALSE, &error);
        g_assert_no_error(error);
        assert_body(fixture, image);
        g_assert_cmpint(fixture->server->requests, ==, 3);
        g_clear_pointer(&image, g_free);
        image = fetch_listed(fixture, "/plain", FALSE, &error); /* known by its URL: nothing is asked */
        g_assert_nonnull(image);
        g_assert_cmpint(fixture->server->requests, ==, 3);
        g_clear_pointer(&image, g_free);
        image = fetch_listed(fixture, "/plain", TRUE, &error); /* the list alone is asked */
        assert_body(fixture, image);
        g_assert_cmpint(fixture->server->requests, ==, 4);
        g_clear_pointer(&image, g_free);
        image = fetch_listed(fixture, "/mirror/other", FALSE, &error); /* elsewhere, but here by that sum */
        assert_body(fixture, image);
        g_assert_cmpint(fixture->server->requests, ==, 5);

        fixture->server->body[0]++;
        newer = sums_of(fixture, G_CHECKSUM_SHA256);
        g_clear_pointer(&image, g_free);
        g_assert_null(fetch_listed(fixture, "/redirect", TRUE, &none));
        g_assert_nonnull(strstr(none->message, "image 'redirect' cannot be checked"));
        fixture->server->sums = newer;
        image = fetch_listed(fixture, "/plain", TRUE, &error);
        assert_body(fixture, image);
        fixture->server->body[0]++; /* and the list is of yesterday */
        g_assert_true(file_remove(image, &error));
        g_assert_null(fetch_listed(fixture, "/plain?again", TRUE, &wrong));
        g_assert_error(wrong, DROVER_ERROR, DROVER_ERROR_CORRUPT);
        g_assert_nonnull(strstr(wrong->message, "/SUMS' says"));
}

/* Whoever fetches has signed the lock, and who waits is told. */
struct holder {
        int fd, told;
};

static void
release(void *data, int pid)
{
        struct holder *holder = data;

        if (pid)
                holder->told = pid;
        fd_clear(&holder->fd);
}

static void
test_waiting(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/plain", fixture->server->port);
        g_autofree char *key = g_compute_checksum_for_string(G_CHECKSUM_SHA256, url, -1);
        g_autofree char *directory = g_build_filename(fixture->cache, "partial", NULL);
        g_autofree char *lock = g_strdup_printf("%s/%s.lock", directory, key), *image = NULL, *text = NULL;
        g_autofree char *own = g_strdup_printf("%d\n", (int)getpid());
        const struct cache_source source = {.url = url};
        struct holder holder = {.fd = -1};
        const struct cache_watch watch = {.waiting = release, .data = &holder, .retry_ms = 1};
        g_autoptr(GError) error = NULL;

        g_assert_true(file_make_directory(directory, 0700, &error));
        g_assert_true(file_lock(lock, &holder.fd, &error));
        g_assert_cmpint(write(holder.fd, "4711\n", 5), ==, 5);
        g_assert_true(cache_fetch(fixture->cache, &source, FALSE, &watch, &image, &error));
        g_assert_cmpint(holder.told, ==, 4711);
        g_assert_true(file_read(lock, 64, &text, NULL, &error));
        g_assert_cmpstr(text, ==, own);
}

struct racer {
        struct fixture *fixture;
        char *image;
};

static gpointer
race(gpointer data)
{
        struct racer *racer = data;

        racer->image = fetch(racer->fixture, "/plain", NULL, FALSE, NULL);
        return NULL;
}

/* Threads have locks of their own, as processes have: one fetches, the others wait. */
static void
test_many(struct fixture *fixture, gconstpointer data)
{
        struct racer racers[8];
        GThread *threads[G_N_ELEMENTS(racers)];

        for (size_t i = 0; i < G_N_ELEMENTS(racers); i++) {
                racers[i] = (struct racer){fixture, NULL};
                threads[i] = g_thread_new("racer", race, &racers[i]);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(racers); i++) {
                g_thread_join(threads[i]);
                assert_body(fixture, racers[i].image);
                g_free(racers[i].image);
        }
        g_assert_cmpint(fixture->server->requests, ==, 1);
}

/* Known by one sum, then fetched by another: the first still finds it. A password stands in no file. */
static void
test_notes(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *sha512 = g_compute_checksum_for_data(G_CHECKSUM_SHA512, (guchar *)fixture->server->body, BODY_BYTES);
        g_autofree char *url = g_strdup_printf("http://u:hidden@127.0.0.1:%u/plain", fixture->server->port);
        g_autofree char *key = g_compute_checksum_for_string(G_CHECKSUM_SHA256, url, -1);
        g_autofree char *name = g_strconcat(key, ".json", NULL), *text = NULL, *image = NULL, *found = NULL;
        g_autofree char *note = g_build_filename(fixture->cache, "urls", name, NULL);
        const struct cache_source by_sha512 = {.url = url, .sha512 = sha512}, by_url = {.url = url};
        g_autoptr(GError) error = NULL;
        guint64 bytes;

        g_assert_true(cache_fetch(fixture->cache, &by_sha512, FALSE, &fixture->watch, &image, &error));
        g_clear_pointer(&image, g_free);
        assert_fetched(fixture, "/redirect");
        found = cache_find(fixture->cache, &by_sha512);
        assert_body(fixture, found);
        g_assert_true(file_read(note, 65536, &text, NULL, &error));
        g_assert_null(strstr(text, "hidden"));
        image = cache_find(fixture->cache, &by_url);
        g_assert_cmpstr(image, ==, found);

        g_assert_true(cache_is_intact(image));
        g_assert_true(file_remove(image, &error));
        g_assert_false(cache_is_intact(image));
        g_assert_null(cache_find(fixture->cache, &by_url));
        g_clear_pointer(&found, g_free);
        found = cache_expect(fixture->cache, &by_url);
        g_assert_cmpstr(found, ==, image);
        g_clear_pointer(&found, g_free);
        g_assert_true(cache_fetch(fixture->cache, &by_url, FALSE, &fixture->watch, &found, &error));
        g_assert_true(cache_is_intact(found)); /* another file, the same image */
        g_assert_cmpint(chmod(found, 0600), ==, 0);
        g_assert_true(g_file_set_contents(found, "changed by hand", -1, NULL));
        g_assert_false(cache_is_intact(found));

        g_assert_true(file_remove(image, &error));
        g_assert_true(cache_remove_partial(fixture->cache, &bytes, &error));
        g_assert_false(file_exists(note)); /* what led to it went with it */
}

static void
test_same(struct fixture *fixture, gconstpointer data)
{
        g_autofree char *hex = g_strnfill(64, 'a'), *one = g_strconcat("/a/images/sha256-", hex, NULL);
        g_autofree char *other = g_strconcat("/b/images/sha256-", hex, NULL);

        g_assert_true(cache_is_same(one, other)); /* one image, whatever path led to the cache */
        g_assert_true(cache_is_same(NULL, NULL));
        g_assert_true(cache_is_same("/a/x.img", "/a/x.img"));
        g_assert_false(cache_is_same("/a/x.img", "/b/x.img"));
        g_assert_false(cache_is_same(one, NULL));
}

/* Another process, since the lock is a process's. Returns its pid; it holds the lock until the pipe is closed. */
static pid_t
hold_lock(struct fixture *fixture, gboolean alone, int *ret_release)
{
        int ready[2], release[2], fd = -1;
        char byte;
        pid_t pid;

        g_assert_cmpint(pipe(ready), ==, 0);
        g_assert_cmpint(pipe(release), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                close(release[1]);
                byte = (char)cache_lock(fixture->cache, alone, 0, &fd, NULL);
                _exit(write(ready[1], &byte, 1) == 1 && read(release[0], &byte, 1) == 0 ? 0 : 1);
        }
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        g_assert_true(byte);
        close(ready[0]);
        close(ready[1]);
        close(release[0]);
        *ret_release = release[1];
        return pid;
}

static void
test_lock(struct fixture *fixture, gconstpointer data)
{
        const gboolean alone[] = {FALSE, TRUE};

        for (size_t i = 0; i < G_N_ELEMENTS(alone); i++) {
                g_autoptr(GError) error = NULL, shared_error = NULL, none = NULL;
                g_autofree char *holder = NULL;
                auto_fd fd = -1, shared = -1;
                int release, status;
                pid_t pid = hold_lock(fixture, alone[i], &release);

                holder = g_strdup_printf("pid %d", (int)pid);
                g_assert_false(cache_lock(fixture->cache, TRUE, 0, &fd, &error));
                g_assert_error(error, DROVER_ERROR, DROVER_ERROR_LOCKED);
                g_assert_nonnull(strstr(error->message, holder));
                g_assert_cmpint(cache_lock(fixture->cache, FALSE, 0, &shared, &shared_error), ==, !alone[i]);
                fd_clear(&shared);
                close(release);
                g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
                g_assert_cmpint(status, ==, 0);
                g_assert_true(cache_lock(fixture->cache, TRUE, 0, &fd, &none));
        }
}

int
main(int argc, char **argv)
{
        static const struct image_test tests[] = {
                {"/cache/plain", test_plain},
                {"/cache/checksum", test_checksum},
                {"/cache/always", test_always},
                {"/cache/list", test_list},
                {"/cache/dated", test_dated},
                {"/cache/listed", test_listed},
                {"/cache/waiting", test_waiting},
                {"/cache/many", test_many},
                {"/cache/notes", test_notes},
                {"/cache/same", test_same},
                {"/cache/lock", test_lock},
        };

        return run_image_tests(argc, argv, tests, G_N_ELEMENTS(tests));
}
