/* table.c - an nftables table of ours: written as text, replaced in one transaction, compared as text */
#include "network/table.h"

#include "base/error.h"

#include <string.h>

char *
table_name(const char *project)
{
        return g_strconcat("inet drover-", project, NULL);
}

char *
table_commands(const char *table, const char *chains)
{
        return g_strdup_printf("add table %s\n"
                               "delete table %s\n"
                               "table %s {\n"
                               "%s"
                               "}\n",
                               table, table, table, chains);
}

/* The next line that is not empty, without the blanks around it; NULL at the end. */
static char *
next_line(char **at)
{
        while (*at) {
                char *line = g_strstrip(strsep(at, "\n"));

                if (*line)
                        return line;
        }
        return NULL;
}

static int
compare_texts(gconstpointer a, gconstpointer b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *
table_elements(GPtrArray *elements)
{
        GString *text = g_string_new("elements = { ");

        g_ptr_array_sort(elements, compare_texts);
        for (guint i = 0; i < elements->len; i++)
                g_string_append_printf(text, "%s%s", i ? ",\n\t\t\t     " : "", (const char *)elements->pdata[i]);
        g_string_append(text, " }");
        return g_string_free(text, FALSE);
}

/* A table's text, taken apart around the elements of its map. */
struct parts {
        char *before, *inside, *after;
        GPtrArray *elements; /* sorted; they point into @inside */
};

static void
parts_clear(struct parts *parts)
{
        g_clear_pointer(&parts->before, g_free);
        g_clear_pointer(&parts->inside, g_free);
        g_clear_pointer(&parts->after, g_free);
        g_clear_pointer(&parts->elements, g_ptr_array_unref);
}
typedef struct parts parts_t;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(parts_t, parts_clear)

/* A table of ours has one map at most; nft lists its elements in an order of its own. FALSE: there are none. */
static gboolean
take_apart(const char *text, struct parts *ret_parts)
{
        static const char words[] = "elements = { ";
        const char *begin = strstr(text, words), *end = begin ? strchr(begin, '}') : NULL;
        char *rest, *part;

        if (!end)
                return FALSE;
        ret_parts->before = g_strndup(text, (gsize)(begin - text));
        ret_parts->inside = rest = g_strndup(begin + strlen(words), (gsize)(end - begin) - strlen(words));
        ret_parts->after = g_strdup(end + 1);
        ret_parts->elements = g_ptr_array_new();
        while ((part = strsep(&rest, ",")))
                g_ptr_array_add(ret_parts->elements, g_strstrip(part));
        g_ptr_array_sort(ret_parts->elements, compare_texts);
        return TRUE;
}

/* Blanks and empty lines do not count. */
static gboolean
has_same_lines(const char *one, const char *other)
{
        g_autofree char *first = g_strdup(one), *second = g_strdup(other);
        char *first_at = first, *second_at = second, *a, *b;

        do {
                a = next_line(&first_at);
                b = next_line(&second_at);
        } while (a && b && strcmp(a, b) == 0);
        return !a && !b;
}

static gboolean
has_same_frame(const struct parts *one, const struct parts *other)
{
        return has_same_lines(one->before, other->before) && has_same_lines(one->after, other->after);
}

/* Those of @wish that @fact has not; NULL where it has any that @wish has not. Both are sorted. */
static GPtrArray *
find_added(const GPtrArray *wish, const GPtrArray *fact)
{
        g_autoptr(GPtrArray) added = g_ptr_array_new();
        guint at = 0;

        for (guint i = 0; i < wish->len; i++)
                if (at < fact->len && strcmp(wish->pdata[i], fact->pdata[at]) == 0)
                        at++;
                else
                        g_ptr_array_add(added, wish->pdata[i]);
        return at == fact->len ? g_steal_pointer(&added) : NULL;
}

gboolean
table_is_same(const char *table, const char *chains, const char *listing)
{
        g_autofree char *wished = g_strdup_printf("table %s {\n%s}", table, chains);
        g_auto(parts_t) wish = {0}, fact = {0};
        g_autoptr(GPtrArray) added = NULL;

        if (!take_apart(wished, &wish) || !take_apart(listing, &fact))
                return has_same_lines(wished, listing);
        added = find_added(wish.elements, fact.elements);
        return added && !added->len && has_same_frame(&wish, &fact);
}

/* The kernel waits for all processors before it lets go of a table, and nft for the kernel: some 10 to 20 ms, where another
 * element takes one. */
static char *
addition(const char *table, const char *chains, const char *listing)
{
        g_autofree char *wished = g_strdup_printf("table %s {\n%s}", table, chains), *elements = NULL;
        g_auto(parts_t) wish = {0}, fact = {0};
        g_autoptr(GPtrArray) added = NULL;
        const char *name;

        if (!take_apart(wished, &wish) || !take_apart(listing, &fact) || !has_same_frame(&wish, &fact))
                return NULL;
        added = find_added(wish.elements, fact.elements);
        name = g_strrstr(wish.before, "map ");
        if (!added || !name)
                return NULL;
        elements = table_elements(added);
        name += strlen("map ");
        return g_strdup_printf("add element %s %.*s %s\n", table, (int)strcspn(name, " "), name, strchr(elements, '{'));
}

char *
table_update_commands(const char *table, const char *chains, const char *listing)
{
        char *commands;

        if (listing && table_is_same(table, chains, listing))
                return NULL;
        commands = listing ? addition(table, chains, listing) : NULL;
        return commands ? commands : table_commands(table, chains);
}

char *
table_list_command(const char *table)
{
        return g_strdup_printf("list table %s", table);
}

gboolean
table_list(struct home *home, const char *table, char **ret_listing, GError **error)
{
        g_autofree char *command = table_list_command(table);
        struct nft_question question = {command};

        if (!home_nft_ask(home, &question, 1, error))
                return error_prefix(error, "cannot look at the firewall");
        *ret_listing = question.answer;
        return TRUE;
}

gboolean
table_observe(struct home *home, const char *table, const char *chains, enum firewall_state *ret_state, GError **error)
{
        g_autofree char *listing = NULL;

        if (!table_list(home, table, &listing, error))
                return FALSE;
        *ret_state = !listing                                  ? FIREWALL_ABSENT
                     : table_is_same(table, chains, listing) ? FIREWALL_SAME
                                                               : FIREWALL_DIFFERENT;
        return TRUE;
}

gboolean
table_ensure(struct home *home, const char *table, const char *chains, GError **error)
{
        g_autofree char *commands = table_commands(table, chains);
        enum firewall_state state;

        return table_observe(home, table, chains, &state, error) &&
               (state == FIREWALL_SAME || home_nft(home, commands, NULL, error));
}

gboolean
table_remove(struct home *home, const char *table, GError **error)
{
        g_autofree char *command = g_strdup_printf("delete table %s", table);
        g_autoptr(GError) reason = NULL;

        if (home_nft(home, command, NULL, &reason) || g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                return TRUE;
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
}
