/* check.c - what the checks have in common, and their order */
#include "parser/check/check.h"

#include "base/text.h"
#include "parser/keys/keys.h"

enum { SUGGEST_MAX_ERRORS = 20 }; /* a suggestion costs a look at every name: not for the thousandth mistake */

gboolean
check_fault(const struct check *check, const char *id, struct place place, const char *hint, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        return diagnostics_add(check->diagnostics, SEVERITY_ERROR, id, place, hint, "%s", text);
}

void
check_unknown(const struct check *check, const char *id, struct place place, const char *subject, const char *kind,
              const char *name, GHashTable *names)
{
        g_autofree const char **candidates = NULL;
        g_autofree char *hint = NULL;
        const char *nearest = NULL;

        if (check->diagnostics->error_count < SUGGEST_MAX_ERRORS) {
                candidates = (const char **)g_hash_table_get_keys_as_array(names, NULL);
                nearest = text_suggest(name, candidates);
        }
        if (nearest)
                hint = g_strdup_printf("did you mean '%s'?", nearest);
        else if (g_hash_table_size(names) == 0)
                hint = g_strdup_printf("the file has no %ss", kind);
        check_fault(check, id, place, hint, "%s: there is no %s '%s'", subject, kind, name);
}

struct place
check_key_place(const struct check *check, const char *map, guint index)
{
        const struct node *node = node_get(check->project->node, map);

        if (node && node->kind == NODE_MAP && index < node->count)
                return node_key_place(node, index);
        return project_place(check->project->node, NULL);
}

struct place
check_dependency_place(const struct vm *vm, const struct dependency *dependency)
{
        const struct node *node = node_get(vm->node, "depends_on");

        for (guint i = 0; node && node->kind == NODE_MAP && i < node->count; i++)
                if (node->items[i] == dependency->node)
                        return node_key_place(node, i);
        return dependency->node->place;
}

guint32
check_subnet_last(const struct cidr4 *subnet)
{
        return subnet->address | (guint32)((G_GUINT64_CONSTANT(1) << (32 - subnet->prefix)) - 1);
}

void
check_project(struct check *check)
{
        check_networks(check);
        check_addresses(check);
        check_nics(check);
        check_vms(check);
        check_guests(check);
        check_ports(check);
        check_order(check);
}

static gboolean
is_extended(const struct place *place)
{
        for (const struct origin *via = place->via; via; via = via->next)
                if (g_str_has_prefix(via->text, "extended from"))
                        return TRUE;
        return FALSE;
}

gboolean
check_is_merged(const struct node *node, const char *key, const struct node *over, const char *other)
{
        struct place one = project_place(node, key), two = project_place(over, other);

        return one.source != two.source || is_extended(&one) != is_extended(&two);
}

gboolean
check_has_unknown(const struct node *node, const struct key_table *table)
{
        for (guint i = 0; node->kind == NODE_MAP && i < node->count; i++)
                if (!keys_find_in(table, node->keys[i]->text) && !g_str_has_prefix(node->keys[i]->text, "x-"))
                        return TRUE;
        return FALSE;
}
