/* reference.c - the key reference of drover.yaml(5), in mdoc, made from the table of keys */
#include "parser/decode/decode.h"

#include "parser/value/value.h"

#include <string.h>

/* Text that roff takes as text: no escapes, no requests at the start of a line. */
static void
append_text(GString *out, const char *text)
{
        if (*text == '.' || *text == '\'')
                g_string_append(out, "\\&");
        for (; *text; text++) {
                if (*text == '\\')
                        g_string_append(out, "\\e");
                else if (*text == '-')
                        g_string_append(out, "\\-");
                else
                        g_string_append_c(out, *text);
        }
}

/* An argument of a macro: in quotes, so that blanks and macro names in it are text. */
static void
append_argument(GString *out, const char *text)
{
        g_string_append(out, " \"");
        if (*text == '.' || *text == '\'')
                g_string_append(out, "\\&");
        for (; *text; text++) {
                if (*text == '"')
                        g_string_append(out, "\"\"");
                else if (*text == '\\')
                        g_string_append(out, "\\e");
                else
                        g_string_append_c(out, *text);
        }
        g_string_append(out, "\"");
}

static char *
format_limit(const struct key *key, gint64 limit)
{
        if (key->type == KEY_MEMORY || key->type == KEY_SIZE)
                return value_format_size((guint64)limit);
        if (key->type == KEY_DURATION)
                return value_format_duration((guint64)limit);
        if (key->type == KEY_RATE)
                return value_format_rate((guint64)limit);
        return value_format_count(limit);
}

static void
append_limits(GString *out, const struct key *key)
{
        g_autofree char *min = NULL, *max = NULL;

        switch (key->type) {
        case KEY_COUNT:
        case KEY_MEMORY:
        case KEY_SIZE:
        case KEY_DURATION:
        case KEY_COUNT_LIST:
        case KEY_RATE:
                min = format_limit(key, key->min);
                max = format_limit(key, key->max);
                if (key->max && key->min)
                        g_string_append_printf(out, ", %s to %s", min, max);
                else if (key->max)
                        g_string_append_printf(out, ", at most %s", max);
                break;
        case KEY_OBJECT_MAP:
        case KEY_OBJECT_LIST:
                g_string_append_printf(out, ", at most %d", (int)key->max);
                break;
        case KEY_TEXT:
                g_string_append_printf(out, ", at most %d bytes", (int)key->max);
                break;
        default:
                break;
        }
}

/* A long form is a map in place of a plain value: `memory: {size: 1G, max: 4G}`. */
static gboolean
has_long_form(const struct key *key)
{
        return key->table && !keys_has_objects(key);
}

/* "size of memory, 16M to 16T; or a map" */
static void
append_type(GString *out, const struct key *key)
{
        g_string_append(out, key_type_name(key));
        for (guint i = 0; key->type == KEY_ENUM && key->words[i]; i++)
                g_string_append_printf(out, "%s %s", i ? "," : "", key->words[i]);
        for (guint i = 0; key->type == KEY_ENUM && key->later && key->later[i]; i++)
                g_string_append_printf(out, "%s %s", i ? "," : "; not supported yet:", key->later[i]);
        append_limits(out, key);
        if (key->word)
                g_string_append_printf(out, ", or %s", key->word);
        if (key->table && key->table->short_form)
                g_string_append_printf(out, "; or a plain text: %s", key->table->short_form);
        else if (key->table && keys_has_objects(key) && key->table->short_key)
                g_string_append_printf(out, "; a plain text is short for its %s", key->table->short_key);
        if (key->table && key->table->flag_offset)
                g_string_append(out, ", or false");
        if (key->named)
                g_string_append(out, ", or a list of names");
        if (has_long_form(key))
                g_string_append(out, "; or a map");
}

char *
key_type_text(const struct key *key, const struct key *parent)
{
        GString *out = g_string_new(NULL);
        gboolean is_plain = parent && strcmp(key->name, parent->table->short_key) == 0; /* the value itself */
        struct key typed = is_plain ? *parent : *key;

        if (is_plain)
                typed.table = NULL;
        append_type(out, &typed);
        return g_string_free(out, FALSE);
}

const char *
key_change_text(enum change change)
{
        static const char *const texts[] = {"concerns drover alone", "reaches what runs at once",
                                            "counts at the next start of the VM", "needs a new disk: up --fresh"};

        return texts[change];
}

/* @parent: the row whose long form this is a part of, or NULL; @unbuilt: nothing acts on what is around it */
static void
append_facts(GString *out, const struct key *key, const struct key *parent, gboolean unbuilt)
{
        g_autofree char *type = key_type_text(key, parent);

        g_string_append_printf(out, ".br\n%s.\n", type);
        if (key->required)
                g_string_append(out, "Required.\n");
        if (key->fallback) {
                g_string_append(out, "Default:\n.Ql");
                append_argument(out, key->fallback);
                g_string_append(out, " .\n");
        }
        if (unbuilt || key->unbuilt) {
                g_string_append(out, "Not supported yet.\n");
        } else {
                g_string_append(out, "A change ");
                append_text(out, key_change_text(key->change));
                g_string_append(out, ".\n");
        }
        g_string_append(out, "Example:\n.Ql");
        append_argument(out, key->example);
        g_string_append(out, " .\n");
}

static void
append_table(GString *out, const struct key_table *table, const struct key *parent, gboolean unbuilt)
{
        g_string_append(out, ".Bl -tag -width Ds\n");
        for (const struct key *key = table->keys; key->name; key++) {
                g_string_append_printf(out, ".It Ic %s\n", key->name);
                append_text(out, key->help);
                g_string_append(out, ".\n");
                append_facts(out, key, parent, unbuilt);
                if (has_long_form(key))
                        g_string_append(out, "The keys of the map:\n");
                if (key->table)
                        append_table(out, key->table, has_long_form(key) ? key : NULL, unbuilt || key->unbuilt);
        }
        g_string_append(out, ".El\n");
}

char *
keys_man(void)
{
        GString *out = g_string_new(NULL);

        append_table(out, &keys_project, NULL, FALSE);
        return g_string_free(out, FALSE);
}
