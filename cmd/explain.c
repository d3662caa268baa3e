/* explain.c - drover explain: one key of the project file, as the table of keys describes it */
#include "cmd/print.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

enum { MAX_FOUND = 4, NAME_COLUMNS = 20 };

struct explain_options {
        char *format;
};

/** struct found - Where a path of keys leads */
struct found {
        GString *path;                 /* without the names between: "vms.memory" */
        const struct key *key;         /* NULL: the top of the file */
        const struct key *parent;      /* whose long form the key is a part of; or NULL */
        const struct key_table *table; /* the keys below, or NULL */
        gboolean unbuilt;              /* the key, or what it is a part of */
};

static gboolean
is_long_form(const struct key *key)
{
        return key && key->table && !keys_has_objects(key);
}

static struct found
step_into(const struct found *from, const struct key *key)
{
        struct found found = {
                .path = g_string_new(from->path->str),
                .key = key,
                .parent = is_long_form(from->key) ? from->key : NULL,
                .table = key->table,
                .unbuilt = from->unbuilt || key->unbuilt,
        };

        g_string_append_printf(found.path, "%s%s", found.path->len ? "." : "", key->name);
        return found;
}

/* ---- finding it ---- */

/* A word that is no key may be a name of the user's, or the number of an item: vms.web.memory, vms.web.disks.0.size. */
static gboolean
may_be_name(const struct found *found, const char *word, gboolean is_last)
{
        g_autofree char *hint = NULL;

        if (!found->key || !*word)
                return FALSE;
        if (found->key->type == KEY_TEXT_MAP)
                return TRUE;
        if (found->key->type != KEY_OBJECT_MAP && found->key->type != KEY_OBJECT_LIST)
                return FALSE;
        hint = is_last ? keys_hint(found->table, word) : NULL;
        return !hint || g_str_has_prefix(hint, "the keys here");
}

/* The paths of all keys of that name, in the order of the tables; at most MAX_FOUND. */
static void
find_name(const struct key_table *table, const char *path, const char *name, GPtrArray *paths)
{
        for (const struct key *key = table->keys; key->name; key++) {
                g_autofree char *below = g_strdup_printf("%s%s%s", path, *path ? "." : "", key->name);

                if (strcmp(key->name, name) == 0 && paths->len < MAX_FOUND)
                        g_ptr_array_add(paths, g_strdup(below));
                if (key->table)
                        find_name(key->table, below, name, paths);
        }
}

static void
collect_names(const struct key_table *table, gboolean below, GPtrArray *names)
{
        for (const struct key *key = table->keys; key->name; key++) {
                g_ptr_array_add(names, (char *)key->name);
                if (key->table && below)
                        collect_names(key->table, below, names);
        }
}

/* The name nearest to @word of the keys at the top, or of all; or NULL. */
static const char *
find_near(const char *word, gboolean below)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        collect_names(&keys_project, below, names);
        g_ptr_array_add(names, NULL);
        return text_suggest(word, (const char *const *)names->pdata);
}

static char *
join_paths(GPtrArray *paths)
{
        g_autofree char *list = NULL;

        g_ptr_array_add(paths, NULL);
        list = g_strjoinv("' or '", (char **)paths->pdata);
        return g_strdup_printf("did you mean '%s'?", list);
}

/* What was meant by a word that is no key at the top: one of that name elsewhere, what other tools call so, one of nearly that
 * name. */
static char *
hint_for_word(const char *word)
{
        g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *top = keys_hint(&keys_project, word), *vm = keys_hint(&keys_vm, word);
        const char *near = find_near(word, FALSE);

        if (near)
                g_ptr_array_add(paths, g_strdup(near));
        find_name(&keys_project, "", word, paths);
        if (paths->len)
                return join_paths(paths);
        if (top && g_str_has_prefix(top, "did you"))
                return g_steal_pointer(&top);
        near = find_near(word, TRUE);
        if (near)
                find_name(&keys_project, "", near, paths);
        if (near)
                return join_paths(paths);
        return vm && g_str_has_prefix(vm, "did you") ? g_steal_pointer(&vm) : g_steal_pointer(&top);
}

static gboolean
fail_unknown(const struct found *found, const char *word, GError **error)
{
        g_autofree char *shown = text_make_printable(word, -1), *hint = NULL;

        if (!found->key) {
                hint = hint_for_word(word);
                error_set(error, DROVER_ERROR_NOT_FOUND, "there is no key '%s' at the top of the file", shown);
                return error_hint(error, "%s", hint ? hint : "'drover explain' lists the keys");
        }
        error_set(error, DROVER_ERROR_NOT_FOUND, "there is no key '%s' in '%s'", shown, found->path->str);
        if (!found->table)
                return error_hint(error, "'%s' has no keys below it", found->path->str);
        hint = keys_hint(found->table, word);
        return error_hint(error, "%s", hint ? hint : "'drover explain' without a key lists those at the top");
}

static gboolean
find_path(const char *text, struct found *found, GError **error)
{
        g_auto(GStrv) words = g_strsplit_set(text, ".[]", -1);
        gboolean may_name = FALSE; /* one name behind each map or list */

        for (char **word = words; *word; word++) {
                const struct key *key = found->table ? keys_find_in(found->table, *word) : NULL;

                if (!**word && word != words) /* "disks[0]." */
                        continue;
                if (key) {
                        struct found next = step_into(found, key);

                        g_string_free(found->path, TRUE);
                        *found = next;
                        may_name = TRUE;
                } else if (may_name && may_be_name(found, *word, !word[1])) {
                        may_name = FALSE;
                } else {
                        return fail_unknown(found, *word, error);
                }
        }
        return TRUE;
}

/* The path of a key that is named alone and is in one place only, such as "memory"; else the word as it is. New string. */
static char *
find_bare(const char *word)
{
        g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

        if (!keys_find_in(&keys_project, word) && !find_near(word, FALSE))
                find_name(&keys_project, "", word, paths);
        return g_strdup(paths->len == 1 ? paths->pdata[0] : word);
}

/* ---- telling of it ---- */

static void
print_keys(const struct found *found)
{
        for (const struct key *key = found->table->keys; key->name; key++) {
                gboolean later = !found->unbuilt && key->unbuilt;

                printf("  %-*s %s%s\n", NAME_COLUMNS, key->name, key->help, later ? " (not supported yet)" : "");
        }
}

static void
print_key(const struct found *found)
{
        const struct key *key = found->key;
        g_autofree char *type = key_type_text(key, found->parent);

        printf("%s: %s\n\n", found->path->str, key->help);
        printf("  %-*s %s\n", NAME_COLUMNS, "takes", type);
        if (key->required)
                printf("  %-*s %s\n", NAME_COLUMNS, "required", "yes");
        if (key->fallback)
                printf("  %-*s %s\n", NAME_COLUMNS, "default", key->fallback);
        printf("  %-*s %s\n", NAME_COLUMNS, "a change", key_change_text(key->change));
        printf("  %-*s %s: %s\n", NAME_COLUMNS, "example", key->name, key->example);
        printf("  %-*s %s\n", NAME_COLUMNS, "supported", found->unbuilt ? "not yet: plan and up refuse it" : "yes");
}

static json_t *
describe(const struct found *found)
{
        const struct key *key = found->key;
        g_autofree char *type = key_type_text(key, found->parent);
        json_t *item = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "path", found->path->str, "help", key->help, "type",
                                 type, "change", key_change_name(key->change), "example", key->example, "required",
                                 key->required, "supported", !found->unbuilt);

        if (key->fallback)
                json_object_set_new(item, "default", json_string(key->fallback));
        return item;
}

/* The key itself, where it is not the top, and those right below it. */
static json_t *
describe_all(const struct found *found)
{
        json_t *list = json_array();

        if (found->key)
                json_array_append_new(list, describe(found));
        for (const struct key *key = found->table ? found->table->keys : NULL; key && key->name; key++) {
                struct found below = step_into(found, key);

                json_array_append_new(list, describe(&below));
                g_string_free(below.path, TRUE);
        }
        return list;
}

static void
print_text(const struct found *found)
{
        if (found->key)
                print_key(found);
        if (found->key && found->table)
                puts("\nThe keys below it:\n");
        if (found->table)
                print_keys(found);
}

static int
run_explain(struct verb_call *call)
{
        const struct explain_options *options = call->options;
        struct found found = {.path = g_string_new(NULL), .table = &keys_project};
        g_autofree char *path = call->arguments[0] ? find_bare(call->arguments[0]) : NULL;
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;

        if (path && !find_path(path, &found, &error))
                status = print_error(error);
        else if (g_strcmp0(options->format, "json") == 0)
                print_document("keys", describe_all(&found));
        else
                print_text(&found);
        g_string_free(found.path, TRUE);
        return status;
}

static const struct option_row rows[] = {
        OPTION_ROW(struct explain_options, "format", 0, OPTION_TEXT, "text|json", format, "How to print it"),
        {NULL},
};

const struct verb verb_explain = {
        .name = "explain",
        .synopsis = "[KEY]",
        .help = "Print what a key of the project file means",
        .text = "KEY is a path of keys with dots between, such as vms.networks.ip; names of the file may stand in it: "
                "vms.web.memory. A key that is in one place only may stand alone: memory. Without it, the keys at the top of "
                "the file are listed.",
        .max_arguments = 1,
        .options = rows,
        .options_size = sizeof(struct explain_options),
        .run = run_explain,
};
