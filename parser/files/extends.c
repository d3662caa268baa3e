/* extends.c - each VM put over the one that it extends
 *
 * A VM is resolved once, after the one below it, and takes its own place in the map of VMs: so a base that many VMs extend
 * costs nothing more, and a chain is as long as it is deep. Of another file only VMs are taken; what it includes is not read.
 */
#include "parser/files/loader.h"

#include "base/text.h"
#include "parser/decode/decode.h"

enum {
        MAX_CANDIDATES = 1000,   /* VMs that are looked at for a suggestion */
        SUGGEST_MAX_ERRORS = 20, /* up to which a suggestion is worth that */
        MAX_SHOWN = 16,          /* VMs of a circle */
};

enum state {
        UNTOUCHED, /* or resolved: then it has no `extends` any more */
        IN_WORK,
        FAILED,
};

/* The VMs of the project, or of a file from which some of them are taken. */
struct group {
        struct node *vms; /* a map, or NULL: there are none */
        guchar *states;   /* of each */
        struct key_index *index; /* NULL until a base is looked for */
        const struct source *source; /* NULL: the project */
};

struct extender {
        struct loader *loader;
        GHashTable *groups; /* by file and variables -> struct group */
        GArray *links;      /* struct link: from a VM of the project down to the one that is looked at */
};

/* A VM that waits for the one below it. */
struct link {
        struct group *group;
        guint vm;
        const char *base;   /* name of the one below */
        struct place place; /* of its extends */
};

static struct group *
group_new(struct node *top, const struct source *source)
{
        struct group *group = g_new0(struct group, 1);
        struct node *vms = top ? node_get(top, "vms") : NULL;

        group->source = source;
        if (vms && vms->kind == NODE_MAP) {
                group->vms = vms;
                group->states = g_new0(guchar, vms->count + 1);
        }
        return group;
}

static void
group_free(gpointer data)
{
        struct group *group = data;

        g_free(group->states);
        key_index_free(group->index);
        g_free(group);
}

static gint64
group_find(struct group *group, const char *name)
{
        if (!group->vms)
                return -1;
        if (!group->index)
                group->index = key_index_new(group->vms);
        return key_index_find(group->index, name);
}

/* The group of the file that `file:` names; NULL after a fault. */
static struct group *
group_of_file(struct extender *extender, const struct node *file, const char *vm)
{
        struct loader *loader = extender->loader;
        g_autofree char *subject = g_strdup_printf("extends of vm '%s'", vm);
        const struct source *source = loader_open_for(loader, subject, file);
        const struct scope *scope = source ? loader_scope_for(loader, file->place, source) : NULL;
        g_autofree char *key = g_strdup_printf("%p %p", (const void *)source, (const void *)scope);
        struct group *group = scope ? g_hash_table_lookup(extender->groups, key) : NULL;
        struct node *top;

        if (!scope || group)
                return group;
        top = loader_read(loader, source, scope);
        if (!top)
                return NULL;
        group = group_new(top, source);
        g_hash_table_insert(extender->groups, g_steal_pointer(&key), group);
        return group;
}

static char *
hint_for_vm(const struct extender *extender, const struct group *group, const char *name)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        const char *nearest;

        if (!group->vms || !group->vms->count)
                return g_strdup(group->source ? "the file has no VMs of its own, and what it includes is not read here" : NULL);
        if (extender->loader->diagnostics->error_count > SUGGEST_MAX_ERRORS)
                return NULL;
        for (guint i = 0; i < group->vms->count && i < MAX_CANDIDATES; i++)
                g_ptr_array_add(names, (gpointer)group->vms->keys[i]->text);
        g_ptr_array_add(names, NULL);
        nearest = text_suggest(name, (const char *const *)names->pdata);
        return nearest ? g_strdup_printf("did you mean '%s'?", nearest) : NULL;
}

static const char *
name_of(const struct link *link)
{
        return link->group->vms->keys[link->vm]->text;
}

/* "'a' (base.yaml:2) -> 'b' (base.yaml:5) -> 'a'": the links from @first on, with where they say it. */
static void
report_cycle(const struct extender *extender, guint first)
{
        const struct link *links = (const struct link *)(void *)extender->links->data;
        const struct link *last = &links[extender->links->len - 1];
        g_autoptr(GString) chain = g_string_new(NULL);

        for (guint i = first; i < extender->links->len; i++) {
                if (i - first == MAX_SHOWN)
                        g_string_append(chain, "... -> ");
                if (i - first < MAX_SHOWN)
                        g_string_append_printf(chain, "'%s' (%s:%u) -> ", name_of(&links[i]), links[i].place.source->name,
                                               links[i].place.line);
        }
        g_string_append_printf(chain, "'%s'", name_of(&links[first]));
        diagnostics_add(extender->loader->diagnostics, SEVERITY_ERROR, "extends-cycle", last->place, NULL,
                        "VMs extend each other in a circle: %s", chain->str);
}

/* What `extends` says, if it is written as it has to be. */
static gboolean
read_extends(struct loader *loader, const char *name, const struct node *written, struct extends *ret_extends)
{
        struct decoder decoder = {.store = loader->store, .diagnostics = loader->diagnostics};
        const struct context of_vm = {NULL, "vm", name}, of_extends = {&of_vm, "extends", NULL};
        guint errors = loader->diagnostics->error_count;

        decoder.context = written->kind == NODE_LIST ? &of_vm : &of_extends;
        if (node_is_null(written))
                diagnostics_add(loader->diagnostics, SEVERITY_ERROR, "extends-empty", written->place,
                                "write the name of a VM, or remove the key", "extends of vm '%s': the value is missing", name);
        else if (written->kind == NODE_LIST)
                decode_shape_fault(&decoder, keys_find("vms.extends"), written, SHAPE_MAP);
        else
                decode_object(&decoder, &keys_extends, written, ret_extends);
        return errors == loader->diagnostics->error_count && ret_extends->vm; /* none where its variable has no value */
}

/* Finds the VM below that of @link; FALSE after a fault. */
static gboolean
find_base(struct extender *extender, struct link *link, const struct node *written, struct group **ret_group, guint *ret_vm)
{
        const struct node *value = written->kind == NODE_MAP ? node_get(written, "vm") : written;
        const struct node *file = node_get(written, "file");
        struct extends extends = {NULL};
        struct group *group = link->group;
        g_autofree char *hint = NULL;
        gint64 vm;

        if (!read_extends(extender->loader, name_of(link), written, &extends))
                return FALSE;
        link->base = extends.vm;
        if (file)
                group = group_of_file(extender, file, name_of(link));
        if (!group)
                return FALSE;
        vm = group_find(group, extends.vm);
        if (vm >= 0) {
                *ret_group = group;
                *ret_vm = (guint)vm;
                return TRUE;
        }
        hint = hint_for_vm(extender, group, extends.vm);
        return diagnostics_add(extender->loader->diagnostics, SEVERITY_ERROR, "unknown-base", value->place, hint,
                               "extends of vm '%s': there is no vm '%s'%s%s%s", name_of(link), extends.vm,
                               group->source ? " in '" : "", group->source ? group->source->name : "",
                               group->source ? "'" : "");
}

static guint
position_of(const struct extender *extender, const struct group *group, guint vm)
{
        const struct link *links = (const struct link *)(void *)extender->links->data;
        guint i = 0;

        while (links[i].group != group || links[i].vm != vm)
                i++;
        return i;
}

/* Follows a VM down to one that extends no other, or not any more. Returns that, or NULL after a fault. */
static struct node *
descend(struct extender *extender, struct group *group, guint vm)
{
        for (;;) {
                struct node **node = &group->vms->items[vm];
                const struct node *written = node_get(*node, "extends");
                struct link *link;

                if (group->states[vm] == IN_WORK) {
                        report_cycle(extender, position_of(extender, group, vm));
                        return NULL;
                }
                if (group->states[vm] == FAILED)
                        return NULL;
                if (!written || written->reset)
                        return *node = merge_without(&extender->loader->merge, *node, "extends");
                group->states[vm] = IN_WORK;
                g_array_set_size(extender->links, extender->links->len + 1);
                link = &g_array_index(extender->links, struct link, extender->links->len - 1);
                *link = (struct link){group, vm, NULL, written->place};
                if (!find_base(extender, link, written, &group, &vm))
                        return NULL;
        }
}

static void
resolve(struct extender *extender, struct group *group, guint vm)
{
        struct merge *merge = &extender->loader->merge;
        struct node *base = descend(extender, group, vm);

        for (guint i = extender->links->len; i-- > 0;) {
                const struct link *link = &g_array_index(extender->links, struct link, i);
                struct node **node = &link->group->vms->items[link->vm];

                link->group->states[link->vm] = base ? UNTOUCHED : FAILED;
                if (base)
                        base = merge_vm(merge, name_of(link), base, *node, link->base, link->place);
                *node = base ? base : merge_without(merge, *node, "extends");
        }
        g_array_set_size(extender->links, 0);
}

void
extends_apply(struct loader *loader, struct node *top)
{
        g_autoptr(GHashTable) groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, group_free);
        g_autoptr(GArray) links = g_array_new(FALSE, FALSE, sizeof(struct link));
        struct extender extender = {loader, groups, links};
        struct group *project = group_new(top, NULL);

        g_hash_table_insert(groups, g_strdup(""), project);
        for (guint i = 0; project->vms && i < project->vms->count && !loader->merge.full; i++)
                if (node_get(project->vms->items[i], "extends"))
                        resolve(&extender, project, i);
}
