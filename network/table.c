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

/* nft lists the elements of a map in an order of its own. A table of ours has one map at most. */
static char *
sort_elements(const char *listing)
{
        const char *begin = strstr(listing, "elements = { "), *end = begin ? strchr(begin, '}') : NULL;
        g_autoptr(GPtrArray) elements = g_ptr_array_new();
        g_autofree char *inside = NULL, *sorted = NULL, *before = NULL;
        g_auto(GStrv) parts = NULL;

        if (!end)
                return g_strdup(listing);
        inside = g_strndup(begin + strlen("elements = { "), (gsize)(end - begin) - strlen("elements = { "));
        parts = g_strsplit(inside, ",", -1);
        for (char **part = parts; *part; part++)
                g_ptr_array_add(elements, g_strstrip(*part));
        before = g_strndup(listing, (gsize)(begin - listing));
        sorted = table_elements(elements);
        return g_strconcat(before, sorted, end + 1, NULL);
}

gboolean
table_is_same(const char *table, const char *chains, const char *listing)
{
        g_autofree char *wished = g_strdup_printf("table %s {\n%s}", table, chains), *found = sort_elements(listing);
        char *wish = wished, *fact = found, *a, *b;

        do {
                a = next_line(&wish);
                b = next_line(&fact);
        } while (a && b && strcmp(a, b) == 0);
        return !a && !b;
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
