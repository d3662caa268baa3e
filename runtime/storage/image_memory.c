/* image_memory.c - what qemu-img said of an image, kept in the cache
 *
 * Asking qemu-img takes 15 ms in the way of every `up` that makes an overlay. Its answer is kept under the image's path, with
 * all that tells whether the file is still what it was. It is believed only where every part of it is as expected, and
 * image_probe() still looks at the first bytes itself; any doubt means to ask anew. So nothing has to be synced either.
 */
#include "runtime/storage/image.h"

#include "base/file.h"
#include "base/json.h"

#include <string.h>
#include <time.h>

enum {
        SCHEMA = 1,
        SETTLED_SECONDS = 2, /* longer than the clock of any file system stands still: FAT's does so for 2 s */
};

static char *
memory_path(const char *cache, const char *image)
{
        g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, image, -1);

        sum[16] = '\0';
        return g_strdup_printf("%s/image-%s.json", cache, sum);
}

static json_t *
encode(const char *image, const struct image_info *info)
{
        json_t *root = json_object();

        json_set(root, "schema", json_integer(SCHEMA));
        json_set_text(root, "path", image);
        json_set(root, "device", json_integer((json_int_t)info->device));
        json_set(root, "inode", json_integer((json_int_t)info->inode));
        json_set(root, "size_bytes", json_integer((json_int_t)info->size_bytes));
        json_set(root, "mtime_ns", json_integer(info->mtime_ns));
        json_set(root, "ctime_ns", json_integer(info->ctime_ns));
        json_set_text(root, "format", info->format);
        json_set(root, "virtual_size_bytes", json_integer((json_int_t)info->virtual_size_bytes));
        return root;
}

/* What is found has to be just what would be written for the file as it is now: then nothing in it is unexpected. */
gboolean
image_recall(const char *cache, const char *image, struct image_info *ret_info)
{
        g_autofree char *path = memory_path(cache, image);
        g_autoptr(json_t) found = json_read_file(path, NULL);
        const char *format = json_text(found, "format");
        gint64 size = json_number(found, "virtual_size_bytes", 0);
        g_autoptr(json_t) expected = NULL;
        struct image_info info;

        if (!format || !image_format_is_known(format) || size <= 0 || !image_stat(image, &info))
                return FALSE;
        g_strlcpy(info.format, format, sizeof info.format);
        info.virtual_size_bytes = (guint64)size;
        expected = encode(image, &info);
        if (!json_equal(found, expected))
                return FALSE;
        *ret_info = info;
        return TRUE;
}

/* Two changes within one tick of the clock leave the same times: what was changed just now is not kept. */
static gboolean
is_settled(const char *image, const struct image_info *info)
{
        struct image_info now;
        struct stat st;

        return stat(image, &st) == 0 && S_ISREG(st.st_mode) && image_stat(image, &now) && image_is_unchanged(&now, info) &&
               info->ctime_ns / 1000000000 + SETTLED_SECONDS < time(NULL);
}

void
image_remember(const char *cache, const char *image, const struct image_info *info)
{
        g_autofree char *path = memory_path(cache, image);
        g_autoptr(json_t) root = NULL;
        char *text;

        if (!is_settled(image, info))
                return;
        root = encode(image, info);
        text = json_dumps(root, JSON_INDENT(1));
        if (!text || !file_make_directory(cache, 0700, NULL) ||
            !file_write_if_changed(path, text, strlen(text), 0600, NULL, NULL))
                g_debug("'%s' is looked at anew next time", image); /* slower, not wrong */
        free(text);
}

gboolean
image_forget_stale(const char *cache, GError **error)
{
        g_autoptr(GPtrArray) names = file_list_directory(cache, error);

        for (guint i = 0; names && i < names->len; i++) {
                const char *name = names->pdata[i];
                g_autofree char *note = g_build_filename(cache, name, NULL);
                g_autoptr(json_t) found = NULL;
                const char *image;
                struct image_info info;

                if (!g_str_has_prefix(name, "image-") || !g_str_has_suffix(name, ".json"))
                        continue;
                found = json_read_file(note, NULL);
                image = json_text(found, "path");
                if (!(image && image_recall(cache, image, &info)) && !file_remove(note, error))
                        return FALSE;
        }
        return names != NULL;
}
