/* source.c - which image a VM's root disk lies on: a file of the host, or one that is fetched into the cache */
#include "runtime/storage/source.h"

#include "base/text.h"
#include "runtime/storage/download.h"

#include <string.h>

enum { TITLE_DIGITS = 12 }; /* of a checksum: enough to tell two apart */

struct image_source
image_source_of(const struct project *project, const struct vm *vm)
{
        const struct image *image = vm_named_image(project, vm);

        if (image)
                return (struct image_source){image->fetch_url ? NULL : image->file,
                                             {image->fetch_url, image->sha256, image->sha512, image->checksums}, image->name};
        return (struct image_source){.path = vm->image, .remote.url = vm->image_url};
}

char *
image_source_key(const struct image_source *source)
{
        const struct cache_source *remote = &source->remote;

        if (!remote->url)
                return NULL;
        return g_strdup_printf("%s %s %s %s", remote->url, remote->sha256 ? remote->sha256 : "",
                               remote->sha512 ? remote->sha512 : "", remote->checksums ? remote->checksums : "");
}

char *
image_source_title(const struct image_source *source)
{
        g_autofree char *shown = NULL, *path = NULL, *base = NULL;

        if (source->name)
                return g_strdup(source->name);
        if (source->path)
                return g_path_get_basename(source->path);
        shown = download_show_url(source->remote.url);
        path = g_strndup(shown, strcspn(shown, "?#"));
        base = g_path_get_basename(path);
        return text_make_printable(base, -1);
}

char *
image_title(const char *path)
{
        g_autofree char *base = g_path_get_basename(path);

        if (g_str_has_prefix(base, "sha256-") && strlen(base) == strlen("sha256-") + 64)
                return g_strndup(base, strlen("sha256-") + TITLE_DIGITS);
        return g_strdup(path);
}
