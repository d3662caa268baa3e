/* help.c - drover help: what the tables say */
#include "cmd/print.h"

#include "base/error.h"
#include "base/text.h"

enum { TEXT_COLUMNS = 78, OPTION_COLUMNS = 28 };

/* A paragraph, broken between words. */
static void
print_paragraph(const char *text)
{
        g_auto(GStrv) words = g_strsplit(text, " ", -1);
        guint column = 0;

        for (char **word = words; *word; word++) {
                guint width = print_width(*word);

                if (column && column + 1 + width > TEXT_COLUMNS) {
                        putchar('\n');
                        column = 0;
                }
                column += (guint)printf("%s%s", column ? " " : "", *word);
        }
        putchar('\n');
}

static void
print_options(const char *title, const struct option_row *rows)
{
        if (!rows)
                return;
        printf("\n%s:\n", title);
        for (; rows->name; rows++) {
                g_autofree char *letter = rows->letter ? g_strdup_printf("-%c, ", rows->letter) : g_strdup("    ");
                g_autofree char *option = g_strdup_printf("%s--%s%s%s", letter, rows->name, rows->argument ? " " : "",
                                                          rows->argument ? rows->argument : "");

                if (rows->type == OPTION_FUTURE)
                        continue;
                if (print_width(option) >= OPTION_COLUMNS)
                        printf("  %s\n  %*s%s\n", option, OPTION_COLUMNS, "", rows->help);
                else
                        printf("  %-*s%s\n", OPTION_COLUMNS, option, rows->help);
        }
}

static int
print_verb(const struct verb *verb)
{
        printf("Usage: drover [OPTION...] %s%s%s%s\n\n", verb->name, verb->options ? " [OPTION...]" : "",
               *verb->synopsis ? " " : "", verb->synopsis);
        printf("%s.\n", verb->help);
        if (verb->text) {
                putchar('\n');
                print_paragraph(verb->text);
        }
        print_options("Options", verb->options);
        printf("\nDrover's own options: 'drover help'. Everything: 'man drover'.\n");
        return EXIT_DONE;
}

static int
print_all(void)
{
        puts("Usage: drover [OPTION...] VERB [ARGUMENT...]\n\n"
             "Compose for virtual machines: makes this host match drover.yaml.\n\nVerbs:");
        for (const struct verb *const *verb = verbs; *verb; verb++)
                printf("  %-12s %s\n", (*verb)->name, (*verb)->help);
        print_options("Options", global_options);
        puts("\n'drover help VERB' has the options of a verb, drover(1) and drover.yaml(5) all the rest.");
        return EXIT_DONE;
}

static int
run_help(struct verb_call *call)
{
        const char *name = call->arguments[0];
        const struct verb *verb = name ? verb_find(name) : NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *meant = NULL, *shown = NULL;

        if (!name)
                return print_all();
        if (verb)
                return print_verb(verb);
        shown = text_make_printable(name, -1);
        meant = verb_suggest(name);
        error_set(&error, DROVER_ERROR_USAGE, "unknown verb '%s'", shown);
        error_hint(&error, "%s", meant ? meant : "'drover help' lists the verbs");
        return print_error(error);
}

const struct verb verb_help = {
        .name = "help",
        .synopsis = "[VERB]",
        .help = "Print help",
        .max_arguments = 1,
        .run = run_help,
};
