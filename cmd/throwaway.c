/* throwaway.c - the wish for a VM that `drover run` makes
 *
 * It is that of the other VM as `config` prints it, without what names it to others (ports, addresses, names in the DNS), and
 * without disks that somebody else may have open: a disk has one writer.
 */
#include "cmd/throwaway.h"

#include "base/error.h"
#include "base/text.h"
#include "parser/catalogue.h"
#include "parser/keys/keys.h"
#include "parser/value/disk-url.h"
#include "runtime/paths.h"

#include <string.h>

enum { NAME_ROOM = 31 }; /* of the 40 bytes of a name, for what stands before "-run-1234" */

void
throwaway_clear(struct throwaway *throwaway)
{
        g_free(throwaway->name);
        g_free(throwaway->text);
        g_clear_pointer(&throwaway->lacks, g_ptr_array_unref);
}

/* ---- of a VM ---- */

static void
drop(json_t *object, const char *const *keys)
{
        for (; *keys; keys++)
                json_object_del(object, *keys);
}

/* Who can have it open at the same time: readers, and those whose file says that they share it. */
static gboolean
is_for_one(const json_t *disk)
{
        const char *url = json_text(disk, "url");
        gboolean elsewhere = json_is_string(disk) || json_object_get(disk, "disk") || json_object_get(disk, "file") ||
                             json_object_get(disk, "device") || (url && !disk_url_is_web(url));

        return elsewhere && !json_is_true(json_object_get(disk, "shared")) &&
               !json_is_true(json_object_get(disk, "read_only")) && g_strcmp0(json_text(disk, "media"), "cdrom") != 0;
}

static void
drop_disks(json_t *wish, GPtrArray *lacks)
{
        json_t *disks = json_object_get(wish, "disks");

        for (size_t i = json_array_size(disks); i-- > 0;) {
                const json_t *disk = json_array_get(disks, i);
                const char *name = json_is_string(disk) ? json_string_value(disk) : json_text(disk, "disk");

                if (!is_for_one(disk))
                        continue;
                if (!name)
                        name = json_text(disk, "name") ? json_text(disk, "name") : json_text(disk, "file");
                if (!name)
                        name = json_text(disk, "device") ? json_text(disk, "device") : json_text(disk, "url");
                g_ptr_array_add(lacks, g_strdup_printf("disk '%s'", name));
                json_array_remove(disks, i);
        }
}

static json_t *
wish_of_vm(const struct vm *vm, GPtrArray *lacks, GError **error)
{
        static const char *const once[] = {"ports",   "replicas", "profiles", "hostname",    "restart", "display",
                                           "protect", "warm",     "extends",  "autostart", NULL};
        static const char *const of_nics[] = {"ip", "ip6", "mac", "aliases", NULL};
        g_autoptr(json_t) wish = keys_encode(&keys_vm, vm, FALSE);
        const char *name;
        json_t *nic;

        if (json_is_object(json_object_get(wish, "disk")) && is_for_one(json_object_get(wish, "disk"))) {
                error_set(error, DROVER_ERROR_FAILED, "the root disk of vm '%s' is used where it lies", vm->name);
                error_hint(error, "only a VM with an image, or with a disk of its own, can be made twice");
                return NULL;
        }
        drop(wish, once);
        json_object_foreach(json_object_get(wish, "networks"), name, nic)
                drop(nic, of_nics);
        drop_disks(wish, lacks);
        return g_steal_pointer(&wish);
}

/* ---- of an image ---- */

/* A path or a URL is what it looks like; names are those of the project and of the catalogue. */
static gboolean
is_image(const struct project *project, const char *what)
{
        g_auto(GStrv) files = paths_catalogues();
        struct sources *sources = sources_new();
        struct diagnostics *diagnostics = diagnostics_new(sources);
        g_autoptr(catalogue_t) catalogue = catalogue_load((const char *const *)files, diagnostics);
        gboolean known = strchr(what, '/') || *what == '.' || *what == '~' || (project && project_find_image(project, what)) ||
                         catalogue_find(catalogue, what);

        diagnostics_free(diagnostics);
        sources_unref(sources);
        return known;
}

static gboolean
fail_unknown(const struct project *project, const char *what, GError **error)
{
        g_autofree char *shown = text_make_printable(what, -1);
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        const char *meant;

        for (guint i = 0; project && i < project->declared_vm_count; i++)
                g_ptr_array_add(names, (char *)project->declared_vms[i].name);
        g_ptr_array_add(names, NULL);
        meant = text_suggest(what, (const char *const *)names->pdata);
        error_set(error, DROVER_ERROR_NOT_FOUND, "there is no vm '%s' here, and no image of that name", shown);
        return meant ? error_hint(error, "did you mean '%s'?", meant)
                     : error_hint(error, "'drover images --catalogue' lists names of images");
}

/* "https://host/debian-12.qcow2" -> "debian-12". New string */
static char *
name_of_image(const char *what)
{
        g_autofree char *base = g_path_get_basename(what);
        g_autofree char *name = NULL;
        const char *ends[] = {".xz", ".gz", ".bz2", ".zst", ".qcow2", ".img", ".raw", ".vmdk", ".vdi", ".vhdx", ".ova", ".box"};

        for (size_t i = 0; i < G_N_ELEMENTS(ends); i++)
                if (g_str_has_suffix(base, ends[i]))
                        base[strlen(base) - strlen(ends[i])] = '\0';
        name = text_make_name(base);
        return *name ? g_steal_pointer(&name) : g_strdup("image");
}

/* ---- both ---- */

static char *
choose_name(const char *from)
{
        g_autofree char *room = g_strndup(from, NAME_ROOM);
        g_autofree char *begin = text_make_name(room);

        return g_strdup_printf("%s-run-%04x", begin, g_random_int_range(0, 0x10000));
}

static gboolean
check_name(const struct project *project, const char *name, GError **error)
{
        g_autofree char *shown = text_make_printable(name, -1);

        if (!text_is_name(name)) {
                error_set(error, DROVER_ERROR_USAGE, "'%s' is no name for a VM", shown);
                return error_hint(error, "a name has lower case letters, digits and dashes, at most 40");
        }
        if (!project || !project_find_declared(project, name))
                return TRUE;
        error_set(error, DROVER_ERROR_USAGE, "the file has a vm '%s'", name);
        return error_hint(error, "--name gives the throw-away VM a name of its own");
}

gboolean
throwaway_make(const struct project *project, const char *what, const char *name, struct throwaway *ret_throwaway,
               GError **error)
{
        const struct vm *vm = project ? project_find_declared(project, what) : NULL;
        g_autoptr(GPtrArray) lacks = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *from = vm ? g_strdup(vm->name) : name_of_image(what);
        g_autofree char *chosen = name ? g_strdup(name) : choose_name(from);
        g_autoptr(json_t) wish = NULL, top = NULL;

        if (!check_name(project, chosen, error))
                return FALSE;
        if (!vm && !is_image(project, what))
                return fail_unknown(project, what, error);
        /* With `ssh`, cloud-init is told of the project's key. */
        wish = vm ? wish_of_vm(vm, lacks, error) : json_pack("{s:s, s:{}}", "image", what, "ssh");
        if (!wish)
                return FALSE;
        top = json_pack("{s:{s:O}}", "vms", chosen, wish);
        *ret_throwaway = (struct throwaway){.name = g_steal_pointer(&chosen),
                                            .text = json_format(top, JSON_INDENT(2)),
                                            .lacks = g_steal_pointer(&lacks)};
        return TRUE;
}
