/* resolve-image.c - which image a VM's name stands for: one of the project's, else one of the catalogue */
#include "parser/check/check.h"

#include "base/text.h"
#include "parser/catalogue.h"
#include "parser/keys/keys.h"

enum { SUGGEST_MAX_NAMES = 64 }; /* a suggestion costs a look at every name: not for each of very many */

/* By its name: what it holds is looked at when it is there, and told where that is something else. */
static gboolean
is_packed(const char *file)
{
        static const char *const ends[] = {".gz", ".xz", ".bz2", ".zst", ".tar", ".tgz", ".ova", ".box"};

        for (size_t i = 0; i < G_N_ELEMENTS(ends); i++)
                if (g_str_has_suffix(file, ends[i]))
                        return TRUE;
        return FALSE;
}

/* A file is used where it lies, unless it has to be checked or unpacked. */
void
resolve_fetch(struct check *check, struct image *image)
{
        gboolean copied = image->file && (image->sha256 || image->sha512 || is_packed(image->file));
        g_autofree char *uri = copied ? g_filename_to_uri(image->file, NULL, NULL) : NULL;

        image->fetch_url = image->url ? image->url : uri ? store_text(check->store, uri, -1) : NULL;
}

static const struct catalogue *
load_catalogue(struct check *check)
{
        if (!check->store->catalogue)
                check->store->catalogue = catalogue_load(check->catalogues, check->diagnostics);
        return check->store->catalogue;
}

/* ---- a name that nobody knows ---- */

static const char *
suggest(const struct check *check, const char *name)
{
        g_autofree const char **ours = (const char **)g_hash_table_get_keys_as_array(check->store->images, NULL);
        g_autofree const char **theirs = catalogue_names(check->store->catalogue);
        const char *nearest = check->diagnostics->error_count < SUGGEST_MAX_NAMES ? text_suggest(name, ours) : NULL;

        return nearest || check->diagnostics->error_count >= SUGGEST_MAX_NAMES ? nearest : text_suggest(name, theirs);
}

static void
fail_unknown(const struct check *check, const struct vm *vm)
{
        const char *name = vm->image_name;
        g_autofree char *more = catalogue_begins(check->store->catalogue, name);
        const char *nearest = more ? NULL : suggest(check, name);
        g_autofree char *hint = more      ? g_strdup_printf("the catalogue has %s", more)
                                : nearest ? g_strdup_printf("did you mean '%s'?", nearest)
                                          : g_strdup_printf("'drover images --catalogue' lists names; for a file, write "
                                                            "a path, such as ./%s", name);

        check_fault(check, "unknown-image", project_place(vm->node, "image"), hint,
                    "image of vm '%s': there is no image '%s', neither in the file nor in the catalogue", vm->name, name);
}

/* ---- an entry of the catalogue ---- */

static const char *
fill(struct check *check, const struct catalogue_image *entry, const char *pattern, const char *arch)
{
        g_autofree char *url = pattern ? catalogue_fill(entry, pattern, arch) : NULL;

        return url ? store_text(check->store, url, -1) : NULL;
}

/* One for all VMs of an architecture; NULL: the entry has none for it. */
static const struct image *
catalogued(struct check *check, const struct catalogue_image *entry, const char *arch)
{
        const char *key = store_format(check->store, "%s %s", entry->image.name, arch);
        struct image *image = g_hash_table_lookup(check->store->catalogued, key);

        if (image)
                return image;
        image = store_alloc(check->store, sizeof *image);
        *image = entry->image;
        image->url = fill(check, entry, entry->image.url, arch);
        image->checksums = fill(check, entry, entry->image.checksums, arch);
        if (!image->url && entry->image.url)
                return NULL;
        resolve_fetch(check, image);
        g_hash_table_insert(check->store->catalogued, (gpointer)key, image);
        return image;
}

void
resolve_image(struct check *check, struct vm *vm)
{
        const char *arch = keys_find_in(&keys_vm, "arch")->words[vm->arch];
        const struct catalogue_image *entry;

        if (project_find_image(check->project, vm->image_name))
                return;
        entry = catalogue_find(load_catalogue(check), vm->image_name);
        if (!entry) {
                fail_unknown(check, vm);
                return;
        }
        vm->catalogued = catalogued(check, entry, arch);
        if (!vm->catalogued)
                check_fault(check, "catalogue-arch", project_place(vm->node, "image"), NULL,
                            "vm '%s' is %s, for which the catalogue has no image '%s'", vm->name, arch, vm->image_name);
}
