/* table.c - columns that fit, and times as people read them */
#include "cmd/print.h"

#include "base/text.h"

#include <time.h>

enum { COLUMN_GAP = 3 };

struct table {
        const char *const *titles;
        guint columns;
        GPtrArray *cells; /* char *, row by row */
};

struct table *
table_new(const char *const *titles)
{
        struct table *table = g_new0(struct table, 1);

        table->titles = titles;
        table->columns = g_strv_length((char **)titles);
        table->cells = g_ptr_array_new_with_free_func(g_free);
        return table;
}

void
table_free(struct table *table)
{
        if (!table)
                return;
        g_ptr_array_unref(table->cells);
        g_free(table);
}

/* A cell is one line: the hints behind an error's first do not fit into a table. */
static char *
first_line(const char *text)
{
        return text_make_printable(text, (gssize)strcspn(text, "\n"));
}

void
table_add(struct table *table, ...)
{
        va_list args;

        va_start(args, table);
        for (guint i = 0; i < table->columns; i++) {
                const char *text = va_arg(args, const char *);

                g_ptr_array_add(table->cells, first_line(text && *text ? text : "-"));
        }
        va_end(args);
}

guint
print_width(const char *text)
{
        guint width = 0;

        for (; *text; text = g_utf8_next_char(text)) {
                gunichar c = g_utf8_get_char(text);

                width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
        }
        return width;
}

static void
print_row(const struct table *table, const char *const *cells, const guint *widths)
{
        g_autoptr(GString) line = g_string_new(NULL);

        for (guint i = 0; i < table->columns; i++)
                g_string_append_printf(line, "%s%*s", cells[i], (int)(widths[i] - print_width(cells[i]) + COLUMN_GAP), "");
        puts(g_strchomp(line->str));
}

void
table_print(struct table *table)
{
        g_autofree guint *widths = g_new0(guint, table->columns);

        for (guint i = 0; i < table->columns; i++)
                widths[i] = print_width(table->titles[i]);
        for (guint i = 0; i < table->cells->len; i++)
                widths[i % table->columns] = MAX(widths[i % table->columns], print_width(g_ptr_array_index(table->cells, i)));
        print_row(table, table->titles, widths);
        for (guint i = 0; i < table->cells->len; i += table->columns)
                print_row(table, (const char *const *)&table->cells->pdata[i], widths);
}

void
listing_begin(struct listing *listing, gboolean names_only, const char *format, const char *const *titles)
{
        listing->form = names_only ? LISTING_NAMES : g_strcmp0(format, "json") == 0 ? LISTING_JSON : LISTING_TABLE;
        listing->table = table_new(titles);
        listing->items = json_array();
}

void
listing_end(struct listing *listing, const char *name)
{
        if (listing->form == LISTING_TABLE)
                table_print(listing->table);
        if (listing->form == LISTING_JSON)
                print_document(name, json_incref(listing->items));
        json_decref(listing->items);
        table_free(listing->table);
}

char *
when_uptime(gint64 seconds)
{
        seconds = MAX(seconds, 0);
        if (seconds < 60)
                return g_strdup_printf("%ds", (int)seconds);
        if (seconds < 3600)
                return g_strdup_printf("%dm", (int)(seconds / 60));
        if (seconds < 86400)
                return g_strdup_printf("%dh %dm", (int)(seconds / 3600), (int)(seconds / 60 % 60));
        return seconds < 2 * 86400 ? g_strdup("1 day") : g_strdup_printf("%" G_GINT64_FORMAT " days", seconds / 86400);
}

char *
when_day(gint64 seconds)
{
        time_t then_seconds = seconds, now_seconds = time(NULL);
        struct tm then, now;
        char text[32];

        if (!localtime_r(&then_seconds, &then) || !localtime_r(&now_seconds, &now))
                return g_strdup("?");
        if (then.tm_year == now.tm_year && then.tm_yday == now.tm_yday)
                return g_strdup("today");
        strftime(text, sizeof text, then.tm_year == now.tm_year ? "%e %b" : "%e %b %Y", &then);
        return g_strdup(g_strstrip(text));
}

char *
when_rfc3339(gint64 seconds)
{
        time_t then_seconds = seconds;
        struct tm then;
        char text[40];

        if (!gmtime_r(&then_seconds, &then) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &then))
                return g_strdup("?");
        return g_strdup(text);
}
