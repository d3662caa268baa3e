/* decode-fault.c - what is said about keys and values that do not fit, and what is suggested instead */
#include "parser/decode/decode.h"

#include "base/text.h"
#include "parser/value/value.h"

#include <string.h>

char *
hint_suggest(const char *wrong, const char *const *candidates)
{
        const char *nearest = text_suggest(wrong, candidates);

        for (guint i = 0; candidates[i]; i++)
                if (g_ascii_strcasecmp(wrong, candidates[i]) == 0)
                        nearest = candidates[i];
        return nearest ? g_strdup_printf("did you mean '%s'?", nearest) : NULL;
}

/* "nic 'lan' of vm 'web'", innermost first. */
static void
append_context(GString *out, const struct context *context)
{
        for (; context; context = context->parent) {
                g_string_append_printf(out, "%s%s", out->len ? " of " : "", context->title);
                if (context->name) {
                        g_autofree char *quoted = value_quote(context->name);

                        g_string_append_printf(out, " %s", quoted);
                }
        }
}

char *
decode_subject(const struct decoder *decoder, const char *key)
{
        GString *out = g_string_new(key);

        append_context(out, decoder->context);
        return g_string_free(out, FALSE);
}

gboolean
decode_fault(struct decoder *decoder, const char *id, const struct key *key, const struct node *node, const char *hint,
             const char *format, ...)
{
        gboolean is_shown = !diagnostics_only_count(decoder->diagnostics);
        g_autofree char *subject = is_shown ? decode_subject(decoder, key ? key->name : NULL) : NULL;
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = is_shown ? g_strdup_vprintf(format, args) : NULL;
        va_end(args);
        return diagnostics_add(decoder->diagnostics, SEVERITY_ERROR, id, node->place, hint, "%s: %s", subject, text);
}

void
decode_refuse(struct decoder *decoder, const struct key *key, const struct node *node, const char *hint, const char *format,
              ...)
{
        g_autofree char *subject = NULL, *text = NULL;
        va_list args;

        if (decoder->store->refusals->len >= STORE_MAX_REFUSALS)
                return;
        subject = decode_subject(decoder, key ? key->name : NULL);
        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        store_refuse(decoder->store, node->place, hint, "%s: %s", subject, text);
}

static gboolean
is_sentence(const char *alias)
{
        return strchr(alias, ' ') != NULL;
}

/* Tables may share their aliases: only what the table has is suggested. */
static const char *
alias_of(const struct key_table *table, const char *name)
{
        for (const char *const *pair = table->aliases; pair && *pair; pair += 2)
                if (strcmp(pair[0], name) == 0 && (is_sentence(pair[1]) || keys_find_in(table, pair[1])))
                        return pair[1];
        return NULL;
}

static char *
hint_alias(const char *alias)
{
        return is_sentence(alias) ? g_strdup(alias) : g_strdup_printf("did you mean '%s'?", alias);
}

/* "stopGracePeriod", "stop-grace-period" -> "stop_grace_period" */
static char *
make_snake(const char *name)
{
        GString *out = g_string_new(NULL);

        for (; *name; name++) {
                if (g_ascii_isupper(*name) && out->len)
                        g_string_append_c(out, '_');
                g_string_append_c(out, *name == '-' ? '_' : g_ascii_tolower(*name));
        }
        return g_string_free(out, FALSE);
}

/* A key that is right, in the wrong place. */
static char *
hint_elsewhere(const struct key_table *table, const char *name)
{
        static const struct {
                const struct key_table *table;
                const char *path;
        } places[] = {
                {&keys_project, NULL},
                {&keys_vm, "vms: {NAME: {%s: ...}}"},
                {&keys_network, "networks: {NAME: {%s: ...}}"},
                {&keys_nic, "vms: {NAME: {networks: {NAME: {%s: ...}}}}"},
                {&keys_boot, "vms: {NAME: {boot: {%s: ...}}}"},
                {&keys_dhcp, "networks: {NAME: {dhcp: {%s: ...}}}"},
                {&keys_vm_disk, "vms: {NAME: {disks: [{%s: ...}]}}"},
                {&keys_impair, "vms: {NAME: {networks: {NAME: {impair: {%s: ...}}}}}"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
                g_auto(GStrv) halves = places[i].path ? g_strsplit(places[i].path, "%s", 2) : NULL;
                const char *alias = places[i].table == &keys_nic ? alias_of(&keys_nic, name) : NULL;
                const char *here = alias ? alias : name;

                if (places[i].table == table || !keys_find_in(places[i].table, here))
                        continue;
                if (!halves)
                        return g_strdup_printf("its place is at the top of the file: %s: ...", here);
                return g_strdup_printf("its place is %s%s%s", halves[0], here, halves[1]);
        }
        return NULL;
}

char *
keys_hint(const struct key_table *table, const char *name)
{
        const char *names[KEYS_MAX + 1];
        g_autofree char *snake = make_snake(name);
        const char *alias = alias_of(table, name);
        char *hint;
        guint count = 0;

        if (!alias && keys_find_in(table, snake))
                alias = snake;
        if (!alias)
                alias = alias_of(table, snake);
        if (alias)
                return hint_alias(alias);
        hint = hint_elsewhere(table, name);
        if (hint)
                return hint;
        for (const struct key *key = table->keys; key->name; key++)
                names[count++] = key->name;
        names[count] = NULL;
        hint = hint_suggest(name, names);
        if (!hint && count <= 8) {
                g_autofree char *list = g_strjoinv(", ", (char **)names);

                hint = g_strdup_printf("the keys here are: %s", list);
        }
        return hint;
}

void
decode_unknown_key(struct decoder *decoder, const struct key_table *table, const struct node *node, guint index)
{
        gboolean is_shown = !diagnostics_only_count(decoder->diagnostics);
        const char *name = node->keys[index]->text;
        g_autofree char *where = is_shown ? decode_subject(decoder, NULL) : NULL;
        g_autofree char *quoted = is_shown ? value_quote(name) : NULL;
        g_autofree char *hint = is_shown ? keys_hint(table, name) : NULL; /* costs a look at all keys */

        diagnostics_add(decoder->diagnostics, SEVERITY_ERROR, "unknown-key", node_key_place(node, index), hint,
                        "unknown key %s %s%s", quoted, where && *where ? "in " : "at the top of the file", where);
}

static const char *
shape_name(guint shape)
{
        return shape & SHAPE_SCALAR ? "a single value" : shape & SHAPE_MAP ? "a map" : "a list";
}

/* By what is wanted, and the kind of node that stands there. */
static const char *
shape_id(guint wanted, enum node_kind kind)
{
        static const char *const for_value[] = {NULL, /* ID: */ "list-for-value", /* ID: */ "map-for-value"};
        static const char *const for_list[] = {/* ID: */ "value-for-list", NULL, /* ID: */ "map-for-list"};
        static const char *const for_map[] = {/* ID: */ "value-for-map", /* ID: */ "list-for-map", NULL};

        return (wanted & SHAPE_SCALAR ? for_value : wanted & SHAPE_MAP ? for_map : for_list)[kind];
}

/* "disk:1G", alone where keys are wanted, those of @table or any: "write 'disk: 1G'"; NULL for any other text. */
static char *
hint_blank_behind_colon(const struct key_table *table, const struct node *node)
{
        const char *colon = node->kind == NODE_SCALAR && !node->quoted ? strchr(node->text, ':') : NULL;
        g_autofree char *word = colon ? g_strndup(node->text, (gsize)(colon - node->text)) : NULL;
        g_autofree char *rest = colon ? text_make_printable(colon + 1, (gssize)strcspn(colon + 1, " ")) : NULL;
        gboolean is_key = word && (table ? keys_find_in(table, word) != NULL : text_is_name(word));

        if (!is_key || g_str_has_prefix(rest, "//") || strlen(rest) > 40)
                return NULL;
        return g_strdup_printf("a blank is missing after the colon: write '%s: %s'", word, rest);
}

/* What to write, and how it looks for this very key, where there is one and its example shows something. */
static char *
hint_with_example(const struct key *key, const char *what)
{
        if (!key || strlen(key->example) <= 2)
                return g_strdup(what);
        return g_strdup_printf("%s, such as '%s: %s'", what, key->name, key->example);
}

static char *
hint_for_shape(const struct key *key, const struct node *node, guint wanted)
{
        gboolean is_item = key && strchr("[{", *key->example); /* of a list or map whose values are wanted to be texts */
        const char *alias = key && key == keys_find_in(&keys_vm, key->name) ? alias_of(&keys_vm, key->name) : NULL;
        char *blank;

        if (alias)
                return hint_alias(alias);
        if (wanted & SHAPE_SCALAR)
                return hint_with_example(key, is_item ? "write single values" : "write one value behind the colon");
        if (wanted & SHAPE_LIST && node->kind == NODE_SCALAR) {
                g_autofree char *quoted = text_make_printable(node->text, strnlen(node->text, 40));
                const char *quote = !strpbrk(quoted, ",[]{}#:&*!|>'\"") ? "" : strchr(quoted, '"') ? "'" : "\"";

                return g_strdup_printf("write a list of one: [%s%s%s]", quote, quoted, quote);
        }
        if (wanted & SHAPE_LIST)
                return hint_with_example(key, "begin each entry with '- '");
        if (node->kind == NODE_LIST)
                return hint_with_example(key, "write 'key: value' lines, without the dashes");
        blank = key ? hint_blank_behind_colon(key->type == KEY_OBJECT ? key->table : NULL, node) : NULL;
        if (blank)
                return blank;
        return hint_with_example(key, "write its keys below it, indented, each as 'key: value'");
}

void
decode_shape_fault(struct decoder *decoder, const struct key *key, const struct node *node, guint wanted)
{
        g_autofree char *hint = hint_for_shape(key, node, wanted);

        decode_fault(decoder, shape_id(wanted, node->kind), key, node, hint, "%s stands where %s is wanted",
                     shape_name(1U << node->kind), shape_name(wanted));
}

/* The word of a key that a text is, or is meant as; or NULL. */
static const char *
find_word(const struct key *key, const char *text)
{
        if (key->type == KEY_ENUM && g_strv_contains(key->words, text))
                return text;
        for (const char *const *pair = key->type == KEY_ENUM ? key->meant : NULL; pair && *pair; pair += 2)
                if (strcmp(pair[0], text) == 0)
                        return pair[1];
        return NULL;
}

void
decode_object_fault(struct decoder *decoder, const struct key_table *table, const struct node *node)
{
        g_autofree char *hint = NULL;

        for (const struct key *key = table->keys; key->name && !hint && node->kind == NODE_SCALAR; key++) {
                const char *word = find_word(key, node->text);

                hint = word ? g_strdup_printf("write {%s: %s}", key->name, word) : NULL;
        }
        if (!hint)
                hint = hint_blank_behind_colon(table, node);
        if (!hint)
                hint = hint_for_shape(NULL, node, SHAPE_MAP);
        decode_fault(decoder, shape_id(SHAPE_MAP, node->kind), NULL, node, hint, "%s stands where a map is wanted",
                     shape_name(1U << node->kind));
}

/* One that is no name as well: "20G", not "20" or "20g". */
static gboolean
is_size(const char *text)
{
        guint64 bytes;

        return g_ascii_isdigit(*text) && !text_is_name(text) && value_parse_size(text, &bytes, NULL);
}

gboolean
decode_strange_disk(struct decoder *decoder, const struct node *node, void *object)
{
        g_autofree char *quoted = NULL, *hint = NULL;

        if (!strpbrk(node->text, ":/.") && !is_size(node->text))
                return FALSE;
        quoted = value_quote(node->text);
        if (is_size(node->text)) {
                hint = g_strdup_printf("write {size: %s} for a disk of the VM's own", node->text);
                decode_fault(decoder, "disk-is-size", NULL, node, hint, "%s is a size, not the name of a disk", quoted);
                return TRUE;
        }
        if (strchr(node->text, ':')) {
                decode_fault(decoder, "disk-mounted", NULL, node,
                             "name the disk alone and mount it in the guest; for a folder of the host there is 'mounts'",
                             "%s is no disk: a disk has no path in the guest", quoted);
                return TRUE;
        }
        hint = g_strdup_printf("write {file: %s} for a file of the host", node->text);
        decode_fault(decoder, "disk-with-path", NULL, node, hint, "%s is no name of a disk", quoted);
        return TRUE;
}
