/* disk_template.c - what qemu-img makes of some arguments, of which every disk made with them is a copy
 *
 * qemu-img takes 15 ms for a new qcow2, and the same backing file, format and size give the same bytes (200 kB, nearly all
 * zero). So it is asked once, into memory, and what it made is kept in the cache for later processes: behind a checksum and
 * with all that it came from, so that nothing has to be synced, and whatever else is found there means to ask anew.
 */
#include "runtime/storage/disk_template.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT_PREFIX "template-"

enum {
        QEMU_IMG_TIMEOUT_MS = 60000,
        TEMPLATE_MAX_BYTES = 64 << 20,
        SUM_LENGTH = 64,
};

gboolean
disk_run_qemu_img(const char *const *argv, int fd, int key, const struct child_user *user, GError **error)
{
        const int fds[] = {fd, key};
        struct child child = CHILD_INIT;

        child.argv = argv;
        child.fds = fds;
        child.fd_count = key >= 0 ? 2 : 1;
        child.user = user;
        return child_run(&child, QEMU_IMG_TIMEOUT_MS, NULL, error);
}

/* ---- kept in the cache ---- */

/* All that its bytes depend on: the arguments, and which qemu-img. NULL where that one is not to be found. */
static char *
describe(const char *const *argv)
{
        g_autofree char *program = child_find_program(argv[0]), *arguments = g_strjoinv("\n", (char **)argv);
        struct stat st;

        if (!program || stat(program, &st) < 0)
                return NULL;
        return g_strdup_printf("%s\n%s %ju %jd.%09ld\n", arguments, program, (uintmax_t)st.st_ino, (intmax_t)st.st_mtim.tv_sec,
                               st.st_mtim.tv_nsec);
}

static char *
kept_path(const char *cache, const char *description)
{
        g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, description, -1);

        sum[16] = '\0';
        return g_strdup_printf("%s/" KEPT_PREFIX "%s", cache, sum);
}

/* SUM DESCRIPTION NUL BYTES, where the sum is that of all behind it. */
static GBytes *
recall(const char *cache, const char *description)
{
        g_autofree char *path = kept_path(cache, description), *text = NULL, *sum = NULL;
        size_t head = SUM_LENGTH + strlen(description) + 1, length;

        if (!file_read(path, TEMPLATE_MAX_BYTES, &text, &length, NULL) || length <= head ||
            memcmp(text + SUM_LENGTH, description, head - SUM_LENGTH) != 0)
                return NULL;
        sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text + SUM_LENGTH, length - SUM_LENGTH);
        return memcmp(sum, text, SUM_LENGTH) == 0 ? g_bytes_new(text + head, length - head) : NULL;
}

static void
remember(const char *cache, const char *description, GBytes *bytes)
{
        g_autofree char *path = kept_path(cache, description), *sum = NULL;
        g_autoptr(GByteArray) kept = g_byte_array_new();
        size_t length;
        const guchar *data = g_bytes_get_data(bytes, &length);

        if (length + SUM_LENGTH + strlen(description) + 1 > TEMPLATE_MAX_BYTES)
                return;
        g_byte_array_append(kept, (const guchar *)description, (guint)strlen(description) + 1);
        g_byte_array_append(kept, data, (guint)length);
        sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, kept->data, kept->len);
        g_byte_array_prepend(kept, (const guchar *)sum, SUM_LENGTH);
        if (!file_make_directory(cache, 0700, NULL) || !file_write_if_changed(path, kept->data, kept->len, 0600, NULL, NULL))
                g_debug("the template of a disk is made anew next time"); /* slower, not wrong */
}

gboolean
disk_template_forget(const char *cache, GError **error)
{
        g_autoptr(GPtrArray) names = file_list_directory(cache, error);

        for (guint i = 0; names && i < names->len; i++) {
                g_autofree char *path = g_build_filename(cache, names->pdata[i], NULL);

                if (g_str_has_prefix(names->pdata[i], KEPT_PREFIX) && !file_remove(path, error))
                        return FALSE;
        }
        return names != NULL;
}

/* ---- in this process ---- */

/* Asked for by the first that needs it, while others with the same arguments wait. */
struct template {
        GMutex mutex;
        GBytes *bytes; /* NULL: not made yet, or it failed */
};

static GMutex templates_mutex;
static GHashTable *templates; /* char * (the arguments) -> struct template *; lives as long as the process */

static struct template *
find(const char *const *argv)
{
        g_autofree char *key = g_strjoinv("\n", (char **)argv);
        struct template *template;

        g_mutex_lock(&templates_mutex);
        if (!templates)
                templates = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        template = g_hash_table_lookup(templates, key);
        if (!template) {
                template = g_new0(struct template, 1);
                g_mutex_init(&template->mutex);
                g_hash_table_insert(templates, g_steal_pointer(&key), template);
        }
        g_mutex_unlock(&templates_mutex);
        return template;
}

static GBytes *
make(const char *const *argv, GError **error)
{
        auto_fd fd = memfd_create("drover-disk", MFD_CLOEXEC);
        g_autofree char *data = NULL;
        struct stat st;

        if (fd < 0)
                return error_errno(error, "cannot make a disk"), NULL;
        if (!disk_run_qemu_img(argv, fd, -1, NULL, error))
                return NULL;
        if (fstat(fd, &st) < 0)
                return error_errno(error, "cannot make a disk"), NULL;
        if (st.st_size > TEMPLATE_MAX_BYTES)
                return error_set(error, DROVER_ERROR_FAILED, "qemu-img makes a disk that is not empty"), NULL;
        data = g_malloc((gsize)st.st_size + 1);
        if (fd_retry(pread(fd, data, (size_t)st.st_size, 0)) != st.st_size)
                return error_errno(error, "cannot make a disk"), NULL;
        return g_bytes_new_take(g_steal_pointer(&data), (gsize)st.st_size);
}

static GBytes *
recall_or_make(const char *cache, const char *const *argv, GError **error)
{
        g_autofree char *description = cache ? describe(argv) : NULL;
        GBytes *bytes = description ? recall(cache, description) : NULL;

        if (bytes)
                return bytes;
        bytes = make(argv, error);
        if (bytes && description)
                remember(cache, description, bytes);
        return bytes;
}

GBytes *
disk_template_get(const char *cache, const char *const *argv, GError **error)
{
        struct template *template = find(argv);
        GBytes *bytes;

        g_mutex_lock(&template->mutex);
        if (!template->bytes)
                template->bytes = recall_or_make(cache, argv, error);
        bytes = template->bytes ? g_bytes_ref(template->bytes) : NULL;
        g_mutex_unlock(&template->mutex);
        return bytes;
}
