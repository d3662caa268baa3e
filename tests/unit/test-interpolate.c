/* test-interpolate.c - parser/expand and parser/interpolate: the forms, which values have variables, what aliases cost */
#include "parser/variables/interpolate.h"

#include <string.h>

static const char *const block[] = {"SET=set", "EMPTY=", "DOLLAR=$SET ${SET} $$", "A=a", "_9z=under", NULL};

struct case_ {
        struct sources *sources;
        struct diagnostics *diagnostics;
        struct tree *tree;
};

static struct case_
read_text(const char *text, GPtrArray *log)
{
        struct case_ c = {.sources = sources_new()};
        const struct source *source = sources_add_text(c.sources, "f", "/", text, strlen(text), NULL);
        g_autoptr(environment_t) environment = environment_new(block);

        c.diagnostics = diagnostics_new(c.sources);
        c.tree = tree_read(source, c.diagnostics);
        g_assert_nonnull(c.tree);
        interpolate_tree(c.tree, environment, log, c.diagnostics);
        return c;
}

static void
case_clear(struct case_ *c)
{
        tree_free(c->tree);
        diagnostics_free(c->diagnostics);
        sources_unref(c->sources);
}

/* The node at a path of keys and indices: "vms.a.run.0". */
static const struct node *
at(const struct case_ *c, const char *path)
{
        g_auto(GStrv) steps = g_strsplit(path, ".", -1);
        const struct node *node = tree_root(c->tree);

        for (char **step = steps; *step && node; step++)
                node = node->kind == NODE_LIST ? node->items[atoi(*step)] : node_get(node, *step);
        g_assert_nonnull(node);
        return node;
}

/* ---- one text ---- */

struct told {
        struct environment *environment;
        GString *faults;
};

static const struct variable *
look_up(gpointer data, const char *name)
{
        return environment_get(((struct told *)data)->environment, name);
}

static const char *
suggest(gpointer data, const char *name)
{
        return NULL;
}

static void
tell(gpointer data, const struct expand_fault *fault)
{
        struct told *told = data;

        g_string_append_printf(told->faults, "%s@%zu+%zu ", fault->id, fault->offset, fault->length);
}

/* What comes out, or the faults. */
static char *
expand(const char *text)
{
        struct told told = {environment_new(block), g_string_new(NULL)};
        const struct expander expander = {look_up, suggest, tell, NULL, &told, FALSE};
        char *result = expand_text(&expander, text);

        g_assert_true((result == NULL) == (told.faults->len > 0));
        if (!result)
                result = g_strdup(g_strchomp(told.faults->str));
        environment_unref(told.environment);
        g_string_free(told.faults, TRUE);
        return result;
}

static void
test_forms(void)
{
        static const struct {
                const char *text, *result;
        } cases[] = {
                {"$SET", "set"},
                {"${SET}", "set"},
                {"$SET$SET", "setset"},
                {"a${SET}b", "asetb"},
                {"$SET-1", "set-1"},
                {"$_9z.", "under."},
                {"$EMPTY", ""},
                {"$DOLLAR", "$SET ${SET} $$"},
                {"${DOLLAR}", "$SET ${SET} $$"},
                {"${SET:-d}", "set"},
                {"${SET-d}", "set"},
                {"${EMPTY:-d}", "d"},
                {"${EMPTY-d}", ""},
                {"${NO:-d}", "d"},
                {"${NO-d}", "d"},
                {"${NO:-}", ""},
                {"${NO-}", ""},
                {"${SET:?m}", "set"},
                {"${SET?m}", "set"},
                {"${EMPTY?m}", ""},
                {"${SET:+o}", "o"},
                {"${SET+o}", "o"},
                {"${EMPTY:+o}", ""},
                {"${EMPTY+o}", "o"},
                {"${NO:+o}", ""},
                {"${NO+o}", ""},
                {"${NO:-${SET}}", "set"},
                {"${NO:-$A$A}", "aa"},
                {"${NO:-${NEITHER:-x${A}y}}z", "xayz"},
                {"${SET:+${A}}", "a"},
                {"${SET:-${NO}}", "set"},
                {"${SET:-${NO:?m}}", "set"},
                {"${NO:+${NEITHER}}", ""},
                {"${NO:-a:-b?c+d}", "a:-b?c+d"},
                {"${NO:-{a}}", "{a}"},
                {"${NO:-$$}", "$"},
                {"${NO:- a b }", " a b "},
                {"${NO:-a\nb}", "a\nb"},
                {"${NO:-\xc3\xa4}", "\xc3\xa4"},
                {"$$", "$"},
                {"$$$$", "$$"},
                {"$$SET", "$SET"},
                {"$${SET}", "${SET}"},
                {"$$$SET", "$set"},
                {"$", "$"},
                {"a$", "a$"},
                {"$5", "$5"},
                {"5$ $% $( $-", "5$ $% $( $-"},
                {"$\xc3\xa4", "$\xc3\xa4"},
                {"", ""},
                {"}", "}"},
                {"{SET}", "{SET}"},
                {"$NO", "unset-variable@0+3"},
                {"a${NO}$NEITHER", "unset-variable@1+5 unset-variable@6+8"},
                {"${NO:-$NEITHER}", "unset-variable@6+8"},
                {"${SET:+$NO}", "unset-variable@7+3"},
                {"${NO:?m}", "required-variable@0+8"},
                {"${NO?}", "required-variable@0+6"},
                {"${EMPTY:?m}", "required-variable@0+11"},
                {"${", "interpolation-unclosed@0+2"},
                {"x${SET", "interpolation-unclosed@1+5"},
                {"${NO:-${SET}", "interpolation-unclosed@0+4"},
                {"${}", "interpolation-name@0+3"},
                {"${1A}", "interpolation-name@0+5"},
                {"${ SET}", "interpolation-name@0+7"},
                {"${SET }", "interpolation-operator@0+7"},
                {"${SET:x}", "interpolation-operator@0+8"},
                {"${SET:}", "interpolation-operator@0+7"},
                {"${SET:=x}", "interpolation-operator@0+9"},
                {"${SET.x}", "interpolation-operator@0+8"},
                {"${SET:-${}}", "interpolation-name@7+3"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *result = expand(cases[i].text);

                g_test_message("%s", cases[i].text);
                g_assert_cmpstr(result, ==, cases[i].result);
        }
}

static char *
random_text(const char *characters)
{
        GString *text = g_string_new(NULL);
        size_t count = strlen(characters);

        for (gint32 i = g_test_rand_int_range(0, 40); i > 0; i--)
                g_string_append_c(text, characters[(guint32)g_test_rand_int() % count]);
        return g_string_free(text, FALSE);
}

/* Without a dollar nothing changes; doubled dollars are the text itself; and any text ends, with a result or a fault. */
static void
test_properties(void)
{
        for (guint i = 0; i < 2000; i++) {
                g_autofree char *plain = random_text("{}:-?+ASET_1 \n"), *any = random_text("$$$${}:-?+ASET_1 ");
                g_auto(GStrv) parts = g_strsplit(any, "$", -1);
                g_autofree char *doubled = g_strjoinv("$$", parts);
                g_autofree char *same = expand(plain), *halved = expand(doubled), *result = expand(any);

                g_assert_cmpstr(same, ==, plain);
                g_assert_cmpstr(halved, ==, any);
                g_assert_nonnull(result);
        }
}

static void
test_limits(void)
{
        g_autofree char *open = g_strnfill(1 << 20, '$'), *result = NULL;
        g_autoptr(GString) deep = g_string_new(NULL), braces = g_string_new(NULL);

        for (guint i = 0; i < 1000; i++)
                g_string_append(deep, "${NO:-");
        for (guint i = 0; i < 1000; i++)
                g_string_append_c(deep, '}');
        result = expand(deep->str);
        g_assert_cmpstr(result, ==, "interpolation-deep@192+2");
        g_free(result);
        for (guint i = 0; i < 500000; i++)
                g_string_append(braces, "${");
        result = expand(braces->str);
        g_assert_cmpstr(result, ==, "interpolation-unclosed@0+2");
        g_free(result);
        result = expand(open);
        g_assert_cmpuint(strlen(result), ==, 1 << 19);
        g_free(result);
        memset(open, 'x', 1 << 20);
        memcpy(open, "$$", 2);
        result = expand(open);
        g_assert_cmpuint(strlen(result), ==, (1 << 20) - 1);
        g_free(result);
        memcpy(open, "$DOLLAR.", 8);
        result = expand(open);
        g_assert_cmpstr(result, ==, "interpolation-large@0+0");
}

/* ---- a tree ---- */

static void
check_text(const struct case_ *c, const char *path, const char *expected)
{
        g_assert_cmpstr(at(c, path)->text, ==, expected);
}

/* A file without any dollar may have one all the same. */
static void
test_escape(void)
{
        struct case_ c = read_text("name: \"\\x24SET\"\n", NULL);

        check_text(&c, "name", "set");
        case_clear(&c);
}

/* What stands where nothing is replaced, and again where it is, is both. */
static void
test_where(void)
{
        struct case_ c = read_text("x-note: &note {memory: $SET, x-in: $SET, run: &run [echo $SET]}\n"
                                   "x-$SET: $SET\n"
                                   "vms:\n"
                                   "  a: {<<: *note, labels: {x-label: $SET, $SET: key}}\n"
                                   "  b: *note\n"
                                   "  c: {interpolate: '${SET:+true}', run: *run, qemu_args: *run, x-own: $SET}\n"
                                   "  d: {run: *run, files: [{path: $SET, content: $SET}],\n"
                                   "      cloud_init: {user_data: ./$SET, vendor_data: '#$SET', meta_data: {a: $SET}}}\n",
                                   NULL);

        g_assert_cmpuint(c.diagnostics->error_count, ==, 0);
        check_text(&c, "x-note.memory", "$SET");
        check_text(&c, "x-note.run.0", "echo $SET");
        check_text(&c, "x-$SET", "$SET");
        check_text(&c, "vms.a.memory", "set");
        check_text(&c, "vms.a.x-in", "$SET");
        check_text(&c, "vms.a.run.0", "echo $SET");
        check_text(&c, "vms.a.labels.x-label", "set");
        check_text(&c, "vms.a.labels.$SET", "key");
        check_text(&c, "vms.b.memory", "set");
        check_text(&c, "vms.b.x-in", "$SET");
        check_text(&c, "vms.c.run.0", "echo set");
        check_text(&c, "vms.c.qemu_args.0", "echo set");
        check_text(&c, "vms.c.x-own", "$SET");
        check_text(&c, "vms.d.run.0", "echo $SET");
        check_text(&c, "vms.d.files.0.path", "set");
        check_text(&c, "vms.d.files.0.content", "$SET");
        check_text(&c, "vms.d.cloud_init.user_data", "./set");
        check_text(&c, "vms.d.cloud_init.vendor_data", "#$SET");
        check_text(&c, "vms.d.cloud_init.meta_data.a", "$SET");
        case_clear(&c);
}

/* What had a variable is a text, even an empty one or `~`, and knows where it is from; an anchor that is shared stays. */
static void
test_nodes(void)
{
        struct case_ c = read_text("vms: {a: {labels: &labels {x: $EMPTY, y: '${NO-~}', z: &z $SET$A, w: $NO, v: 5$}},\n"
                                   "      b: {labels: *labels, hostname: *z}}\n",
                                   NULL);
        const struct node *z = at(&c, "vms.a.labels.z");

        g_assert_false(node_is_null(at(&c, "vms.a.labels.x")));
        g_assert_false(node_is_null(at(&c, "vms.a.labels.y")));
        g_assert_cmpstr(z->text, ==, "seta");
        g_assert_cmpstr(z->place.via->text, ==, "from variable 'SET' of the environment");
        g_assert_cmpstr(z->place.via->next->text, ==, "from variable 'A' of the environment");
        g_assert_null(z->place.via->next->next);
        g_assert_true(at(&c, "vms.a.labels.w")->faulty);
        g_assert_cmpuint(c.diagnostics->error_count, ==, 1);
        check_text(&c, "vms.a.labels.v", "5$");
        check_text(&c, "vms.b.labels.z", "seta");
        check_text(&c, "vms.b.hostname", "seta");
        case_clear(&c);
}

/* Each level stands for ten of the one below: four million nodes, and a thousand bytes. */
static void
test_laughs(void)
{
        g_autoptr(GString) text = g_string_new("x-0: &a0 [$SET]\n");
        gint64 before = g_get_monotonic_time();
        struct case_ c;

        for (guint i = 1; i <= 6; i++)
                g_string_append_printf(text, "x-%u: &a%u [*a%u, *a%u, *a%u, *a%u, *a%u, *a%u, *a%u, *a%u]\n", i, i, i - 1,
                                       i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
        g_string_append(text, "vms: {a: {labels: {x: *a6}}}\n");
        c = read_text(text->str, NULL);
        check_text(&c, "vms.a.labels.x.0.1.2.3.4.5.0", "set");
        g_assert_true(at(&c, "vms.a.labels.x.0.1") == at(&c, "vms.a.labels.x.7.6"));
        g_assert_cmpint(g_get_monotonic_time() - before, <, 500000);
        case_clear(&c);
}

/* `config --variables`: each once, unset or not, also in what is not taken. */
static void
test_log(void)
{
        g_autoptr(GPtrArray) log = variable_log_new();
        struct case_ c = read_text("vms: {a: {memory: $NO, disk: '${NO:-1G}', cpus: '${SET:-${INNER?m}}',\n"
                                   "          labels: {a: '${B:-1}', b: '${B:-2}', c: '${C:+x$A}', d: $$D}}}\n",
                                   log);
        static const struct file_variable expected[] = {
                {(char *)"NO", TRUE, (char *)"1G", NULL},  {(char *)"SET", FALSE, (char *)"${INNER?m}", NULL},
                {(char *)"INNER", TRUE, NULL, NULL},       {(char *)"B", FALSE, (char *)"1", NULL},
                {(char *)"C", FALSE, NULL, (char *)"x$A"}, {(char *)"A", TRUE, NULL, NULL},
        };

        g_assert_cmpuint(c.diagnostics->error_count, ==, 0);
        g_assert_cmpuint(log->len, ==, G_N_ELEMENTS(expected));
        for (guint i = 0; i < log->len; i++) {
                const struct file_variable *variable = log->pdata[i];

                g_assert_cmpstr(variable->name, ==, expected[i].name);
                g_assert_cmpint(variable->required, ==, expected[i].required);
                g_assert_cmpstr(variable->fallback, ==, expected[i].fallback);
                g_assert_cmpstr(variable->alternate, ==, expected[i].alternate);
        }
        g_assert_true(at(&c, "vms.a.memory")->faulty); /* there is nothing to be read, and nothing to be told */
        case_clear(&c);
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/expand/forms", test_forms);
        g_test_add_func("/expand/properties", test_properties);
        g_test_add_func("/expand/limits", test_limits);
        g_test_add_func("/interpolate/escape", test_escape);
        g_test_add_func("/interpolate/where", test_where);
        g_test_add_func("/interpolate/nodes", test_nodes);
        g_test_add_func("/interpolate/laughs", test_laughs);
        g_test_add_func("/interpolate/log", test_log);
        return g_test_run();
}
