/* fuzz-interpolate.c - libFuzzer target: any bytes as a file with variables, and as one text with some
 *
 * The first line is the value of the variable A. Beyond what the sanitizers see: a text has a result exactly when there is no
 * fault, faults point to a dollar, doubled dollars are the text itself, and after a tree was gone through each scalar has its
 * place, and what is marked as faulty was told.
 */
#include "parser/variables/interpolate.h"

#include "tests/fuzz/fuzz.h"

enum { WALKED_NODES = 20000 }; /* an alias bomb within the caps would still take long */

struct telling {
        struct environment *environment;
        const char *text;
        guint faults;
};

static const struct variable *
look_up(gpointer data, const char *name)
{
        const struct telling *telling = data;
        const struct variable *variable = environment_get(telling->environment, name);

        return variable && variable->value ? variable : NULL;
}

static const char *
suggest(gpointer data, const char *name)
{
        return environment_suggest(((struct telling *)data)->environment, name);
}

static void
tell(gpointer data, const struct expand_fault *fault)
{
        struct telling *telling = data;

        telling->faults++;
        MUST(fault->offset + fault->length <= strlen(telling->text));
        MUST(fault->length == 0 || telling->text[fault->offset] == '$');
        MUST(*fault->text);
}

static void
check_expansion(struct environment *environment, const char *text)
{
        struct telling telling = {environment, text, 0};
        const struct expander expander = {look_up, suggest, tell, NULL, &telling, FALSE};
        g_autofree char *result = expand_text(&expander, text), *halved = NULL, *doubled = NULL;
        g_auto(GStrv) parts = g_strsplit(text, "$", -1);

        MUST((result == NULL) == (telling.faults > 0));
        MUST(!result || (strlen(result) <= EXPAND_MAX_BYTES && (strchr(text, '$') || strcmp(result, text) == 0)));
        MUST(!result || !g_utf8_validate(text, -1, NULL) || g_utf8_validate(result, -1, NULL));
        telling.text = doubled = g_strjoinv("$$", parts);
        halved = expand_text(&expander, doubled);
        MUST(halved && strcmp(halved, text) == 0);
}

static void
check_node(const struct node *node, const struct diagnostics *diagnostics, guint *budget)
{
        MUST(node->place.line >= 1 && node->place.line <= node->place.source->line_count && node->place.column >= 1);
        MUST(!node->faulty || diagnostics->error_count > 0);
        if (*budget == 0)
                return;
        (*budget)--;
        if (node->kind == NODE_SCALAR) {
                MUST(node->text && (!node->variable || !node_is_null(node)));
                MUST(!node->place.via || *node->place.via->text);
                return;
        }
        for (guint i = 0; i < node->count; i++)
                check_node(node->items[i], diagnostics, budget);
}

static void
check_tree(struct environment *environment, const char *text, size_t length)
{
        struct sources *sources = sources_new();
        struct diagnostics *diagnostics = diagnostics_new(sources);
        const struct source *source = sources_add_text(sources, "fuzz.yaml", "/", text, length, NULL);
        struct tree *tree = source ? tree_read(source, diagnostics) : NULL;
        g_autoptr(GPtrArray) log = length % 2 ? variable_log_new() : NULL;
        guint budget = WALKED_NODES;

        if (tree && !log) {
                interpolate_tree(tree, environment, NULL, diagnostics);
                check_node(tree_root(tree), diagnostics, &budget);
        } else if (tree) {
                interpolate_tree(tree, environment, log, diagnostics);
        }
        check_diagnostics(diagnostics);
        tree_free(tree);
        diagnostics_free(diagnostics);
        sources_unref(sources);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *all = g_strndup((const char *)data, size);
        char *line_end = strchr(all, '\n'), *text = line_end ? line_end + 1 : all + strlen(all);
        g_autofree char *entry = g_strdup_printf("A=%.*s", (int)(line_end ? line_end - all : (gssize)strlen(all)), all);
        const char *const block[] = {entry, "EMPTY=", "NAME=value", NULL};
        g_autoptr(environment_t) environment = environment_new(block);

        if (size > 16384)
                return 0;
        check_expansion(environment, text);
        check_tree(environment, text, strlen(text));
        return 0;
}
