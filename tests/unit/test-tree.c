/* test-tree.c - parser/tree and parser/syntax: what is read, what is refused with which words, and what hostility costs */
#include "parser/tree/tree.h"

#include <string.h>

struct case_ {
        struct sources *sources;
        struct diagnostics *diagnostics;
        struct tree *tree;
};

/* Are there errors that leave no tree: all, but for keys that are there twice? */
static gboolean
is_broken(const struct diagnostics *diagnostics)
{
        for (guint i = 0; i < diagnostics->items->len; i++) {
                const struct diagnostic *diagnostic = diagnostics->items->pdata[i];

                if (diagnostic->severity == SEVERITY_ERROR && strcmp(diagnostic->id, "duplicate-key") != 0)
                        return TRUE;
        }
        return FALSE;
}

static struct case_
read_bytes(const char *text, size_t length)
{
        struct case_ c = {.sources = sources_new()};
        GError *error = NULL;
        const struct source *source = sources_add_text(c.sources, "f", "/", text, length, &error);

        g_assert_no_error(error);
        c.diagnostics = diagnostics_new(c.sources);
        c.tree = tree_read(source, c.diagnostics);
        diagnostics_sort(c.diagnostics);
        g_assert_true((c.tree == NULL) == is_broken(c.diagnostics));
        return c;
}

static struct case_
read_text(const char *text)
{
        return read_bytes(text, strlen(text));
}

static void
case_clear(struct case_ *c)
{
        tree_free(c->tree);
        diagnostics_free(c->diagnostics);
        sources_unref(c->sources);
}

static void
append_node(GString *out, const struct node *node)
{
        const char *before = node->kind == NODE_LIST ? "[" : "{";

        if (node->kind == NODE_SCALAR) {
                g_string_append_printf(out, node->quoted ? "'%s'" : "%s", node->text);
                return;
        }
        for (guint i = 0; i < node->count; i++, before = ",") {
                g_string_append(out, before);
                if (node->keys)
                        g_string_append_printf(out, "%s:", node->keys[i]->text);
                append_node(out, node->items[i]);
        }
        g_string_append_printf(out, "%s%c", node->count ? "" : before, node->kind == NODE_LIST ? ']' : '}');
}

/* Reads a text that is right and compares the tree, written as "{key:value,list:[a,'quoted']}". */
static void
check(const char *text, const char *expected)
{
        struct case_ c = read_text(text);
        g_autoptr(GString) out = g_string_new(NULL);

        g_assert_cmpuint(c.diagnostics->items->len, ==, 0);
        append_node(out, tree_root(c.tree));
        g_assert_cmpstr(out->str, ==, expected);
        case_clear(&c);
}

/* Reads a text that is wrong and compares all diagnostics: "line:column id: text | hint", one a line. */
static void
refuse(const char *text, const char *expected)
{
        struct case_ c = read_text(text);
        g_autoptr(GString) out = g_string_new(NULL);

        for (guint i = 0; i < c.diagnostics->items->len; i++) {
                const struct diagnostic *d = c.diagnostics->items->pdata[i];

                g_string_append_printf(out, "%s%u:%u %s: %s", i ? "\n" : "", d->place.line, d->place.column, d->id, d->text);
                if (d->hint)
                        g_string_append_printf(out, " | %s", d->hint);
        }
        g_assert_cmpstr(out->str, ==, expected);
        case_clear(&c);
}

static void
test_shapes(void)
{
        check("", "{}");
        check("# nothing\n", "{}");
        check("---\n...\n", "{}");
        check("null", "{}");
        check("%YAML 1.2\n---\na: 1\n", "{a:1}");
        check("a: 1\n...\n# the end\n...\n", "{a:1}");
        check("--- {a: 1}", "{a:1}");
        check("a: b\nc:\n  - d\n  - [e, {f: g}]\nh: {}\ni: []\n", "{a:b,c:[d,[e,{f:g}]],h:{},i:[]}");
        check("a: 1\r\nb:\r\n  c: x y\r\n", "{a:1,b:{c:x y}}");
        check("\xef\xbb\xbf" "a: 1\n", "{a:1}");
        check("a: 'x'\nb: \"y\"\nc: |\n  z\nd: x\ne: ''\nf:\n", "{a:'x',b:'y',c:'z\n',d:x,e:'',f:}");
        check("mac: 52:54:00:00:00:01\nt: 2222:22\no: 010\nn: no\n", "{mac:52:54:00:00:00:01,t:2222:22,o:010,n:no}");
        check("a: !!str\nb: !!int 3\nc: ! x\nd: !!map {}\ne: !!seq []\nf: !!null ''\n", "{a:'',b:3,c:'x',d:{},e:[],f:}");
        check("a: {\n\tb: 1\n}\n", "{a:{b:1}}");
}

static void
test_places(void)
{
        struct case_ c = read_text("vms:\n  web:\n    memory: \xc3\xa4\xc3\xa4\n    list:\n      - a\n    nothing:\n");
        const struct node *web = node_get(node_get(tree_root(c.tree), "vms"), "web");
        const struct node *memory = node_get(web, "memory");

        g_assert_cmpuint(web->place.line, ==, 3);
        g_assert_cmpuint(web->place.column, ==, 5);
        g_assert_cmpuint(memory->place.line, ==, 3);
        g_assert_cmpuint(memory->place.column, ==, 13);
        g_assert_cmpuint(memory->place.width, ==, 2);
        g_assert_cmpuint(node_key(web, "memory")->place.column, ==, 5);
        g_assert_cmpuint(node_key(web, "memory")->place.width, ==, 6);
        g_assert_true(node_is_null(node_get(web, "nothing")));
        g_assert_false(node_is_null(memory));
        g_assert_false(node_is_null(web));
        g_assert_false(node_is_null(NULL));
        g_assert_null(node_get(web, "cpus"));
        g_assert_null(node_get(memory, "cpus"));
        g_assert_null(node_get(NULL, "cpus"));
        g_assert_null(node_get(node_get(web, "list"), "a"));
        case_clear(&c);
}

static void
test_nulls(void)
{
        struct case_ c = read_text("a: ~\nb: null\nc: '~'\nd: !!str null\ne: Null\n");
        const struct node *root = tree_root(c.tree);

        g_assert_true(node_is_null(node_get(root, "a")));
        g_assert_true(node_is_null(node_get(root, "b")));
        g_assert_false(node_is_null(node_get(root, "c")));
        g_assert_false(node_is_null(node_get(root, "d")));
        g_assert_false(node_is_null(node_get(root, "e")));
        case_clear(&c);
}

static void
test_anchors_and_merge(void)
{
        struct case_ c = read_text("x: &x {a: 1}\ny: *x\nz:\n  <<: *x\n");
        const struct node *root = tree_root(c.tree);

        g_assert_true(node_get(root, "x") == node_get(root, "y"));
        g_assert_cmpuint(node_key(node_get(root, "z"), "a")->place.line, ==, 1);
        case_clear(&c);

        check("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {<<: [*x, *y], c: 5}\n",
              "{x:{a:1,b:2},y:{b:3,c:4},z:{c:5,a:1,b:2}}");
        check("x: &x {a: 1}\ny: {a: 2, <<: *x}\nz: {<<: {b: 1}, '<<': 2}\n", "{x:{a:1},y:{a:2},z:{<<:2,b:1}}");
        check("x: &x {a: 1}\ny: &y {<<: *x, b: 2}\nz: {<<: *y}\n", "{x:{a:1},y:{b:2,a:1},z:{b:2,a:1}}");
        check("a: &a 1\nb: &a 2\nc: *a\n", "{a:1,b:2,c:2}");
        check("a: &a [ &a x, *a ]\n", "{a:[x,x]}");
        check("k: &k key\nm: {*k : 1}\n", "{k:key,m:{key:1}}");
        refuse("a: &foo 1\nb: *fo\n",
               "2:4 unknown-alias: alias '*fo' stands for nothing: no '&fo' before it | did you mean '*foo'?");
        refuse("a: *x\nb: *y\n", "1:4 unknown-alias: alias '*x' stands for nothing: no '&x' before it\n"
                                 "2:4 unknown-alias: alias '*y' stands for nothing: no '&y' before it");
        refuse("a: &a [1, {b: *a}]\n", "1:15 alias-loop: alias '*a' stands inside of '&a' itself, which begins in line 1");
        refuse("a: &a {<<: *a}\n", "1:12 alias-loop: alias '*a' stands inside of '&a' itself, which begins in line 1");
        refuse("a: &a 1\nb:\n  <<: *a\n",
               "3:3 merge-not-map: a merge key '<<' takes maps only | write '<<: *anchor' or '<<: [*one, *two]'");
        refuse("<<: {a: 1}\n<<: {b: 1}\n",
               "2:1 duplicate-key: key '<<' is here twice: first in line 1 | write '<<: [*one, *two]'");
        refuse("b:\n  <<: *nope\n", "2:7 unknown-alias: alias '*nope' stands for nothing: no '&nope' before it");
}

static void
test_keys_and_tags(void)
{
        g_autoptr(GString) many = g_string_new(NULL);

        refuse("a: 1\nb: 2\na: 3\na: 4\n", "3:1 duplicate-key: key 'a' is here twice: first in line 1\n"
                                           "4:1 duplicate-key: key 'a' is here twice: first in line 1");
        for (guint i = 0; i < 100; i++)
                g_string_append_printf(many, "k%u: 1\n", i);
        g_string_append(many, "k7: 2\nk98: 3\nk7: 4\n");
        refuse(many->str, "101:1 duplicate-key: key 'k7' is here twice: first in line 8\n"
                          "102:1 duplicate-key: key 'k98' is here twice: first in line 99\n"
                          "103:1 duplicate-key: key 'k7' is here twice: first in line 8");
        g_string_truncate(many, 0);
        for (guint i = 0; i < 100; i++)
                g_string_append_printf(many, "k%u: 1\n", MIN(i, 98)); /* counted up to the last one */
        refuse(many->str, "100:1 duplicate-key: key 'k98' is here twice: first in line 99");
        refuse("? [a]\n: 2\n", "1:3 key-not-scalar: a key must be a single word, not a list | "
                               "put it in quotes if it is meant as text");
        refuse("a: !rest 3\n", "1:4 unknown-tag: unknown tag '!rest' | did you mean '!reset'?");
        refuse("a: !ref b\n", "1:4 unknown-tag: unknown tag '!ref' | put the value in quotes if it begins with '!'");
        refuse("a: !!binary x\n", "1:4 unknown-tag: unknown tag '!!binary'");
        refuse("a: !!map [x]\n", "1:4 tag-mismatch: tag '!!map' is for a map, but this is a list");
        refuse("a: \"x\\0y\"\n", "1:4 nul-in-text: a text must not contain a NUL character");
        /* Those behind the sorted ones: alike with one of them, with each other, in their first eight bytes, with none. */
        g_string_truncate(many, many->len - strlen("k98: 1\n"));
        g_string_append(many, "prefixed-b: 1\nk0: 1\nprefixed-a: 1\nprefixed-b: 1\nj: 1\nk98: 1\nprefixed: 1\nk0: 1\nj: 1\n");
        refuse(many->str, "101:1 duplicate-key: key 'k0' is here twice: first in line 1\n"
                          "103:1 duplicate-key: key 'prefixed-b' is here twice: first in line 100\n"
                          "105:1 duplicate-key: key 'k98' is here twice: first in line 99\n"
                          "107:1 duplicate-key: key 'k0' is here twice: first in line 1\n"
                          "108:1 duplicate-key: key 'j' is here twice: first in line 104");
}

static void
test_merge_tags(void)
{
        struct case_ c = read_text("a: !reset null\nb: !reset\nc: !reset []\nd: !override [x]\ne: !override {f: 1}\ng: x\n");
        const struct node *root = tree_root(c.tree);

        g_assert_true(tree_has_tags(c.tree));
        g_assert_true(node_get(root, "a")->reset && node_get(root, "b")->reset && node_get(root, "c")->reset);
        g_assert_true(node_get(root, "d")->override && node_get(root, "e")->override && !node_get(root, "e")->reset);
        g_assert_false(node_get(root, "g")->override || node_get(root, "g")->reset);
        case_clear(&c);
        c = read_text("a: '!reset'\n");
        g_assert_false(tree_has_tags(c.tree));
        case_clear(&c);
        refuse("a: !reset [1]\nb: !reset x\n",
               "1:4 reset-with-value: '!reset' drops a value, but here is a new one | "
               "write '!reset null' to drop the value, '!override' to replace it\n"
               "2:4 reset-with-value: '!reset' drops a value, but here is a new one | "
               "write '!reset null' to drop the value, '!override' to replace it");
#define WHERE " | write it before the value of a key: 'ports: !override [...]'"
        refuse("!override\na: 1\n", "1:1 misplaced-tag: '!override' has no meaning before a whole file" WHERE);
        refuse("!reset a: 1\n", "1:1 misplaced-tag: '!reset' has no meaning before a key" WHERE);
        refuse("a: [!reset null]\n", "1:5 misplaced-tag: '!reset' has no meaning before an entry of a list" WHERE);
        refuse("a: {<<: !override {b: 1}}\n",
               "1:9 misplaced-tag: '!override' has no meaning before what a merge key takes" WHERE);
#undef WHERE
}

/* A merged value has its own place and says where it was merged, in all steps, the last one first. */
static void
test_merge_origins(void)
{
        struct case_ c = read_text("x: &x {a: {b: [1]}}\ny: &y\n  <<: *x\n  own: 2\nz:\n  <<: *y\n");
        const struct node *root = tree_root(c.tree), *z = node_get(root, "z");
        const struct node *deep = node_get(node_get(z, "a"), "b")->items[0];
        const struct origin *via = deep->place.via;
        g_autofree char *last = NULL, *first = NULL;

        g_assert_cmpuint(deep->place.line, ==, 1);
        g_assert_nonnull(via);
        last = origin_format(via);
        g_assert_cmpstr(last, ==, "merged by '<<' at f:6");
        first = origin_format(via->next);
        g_assert_cmpstr(first, ==, "merged by '<<' at f:3");
        g_assert_null(via->next->next);
        g_assert_true(node_get(z, "own")->place.via && !node_get(z, "own")->place.via->next);
        g_assert_true(node_key_place(z, 1).via == node_get(z, "a")->place.via);
        g_assert_null(node_get(node_get(root, "y"), "own")->place.via);
        g_assert_null(node_get(node_get(root, "x"), "a")->place.via);
        case_clear(&c);
}

static void
test_merge_into_large_map(void)
{
        g_autoptr(GString) text = g_string_new("x: &x {k1: no, new: yes}\ny:\n");
        struct case_ c;
        const struct node *y;

        for (guint i = 0; i < 50; i++)
                g_string_append_printf(text, "  k%u: %u\n", i, i);
        g_string_append(text, "  <<: *x\n");
        c = read_text(text->str);
        y = node_get(tree_root(c.tree), "y");
        g_assert_cmpuint(y->count, ==, 51);
        g_assert_cmpstr(node_get(y, "k1")->text, ==, "1");
        for (guint i = 0; i < 50; i++)
                g_assert_cmpuint((guint)g_ascii_strtoull(y->items[i]->text, NULL, 10), ==, i); /* order of the file */
        g_assert_cmpstr(y->keys[50]->text, ==, "new");
        case_clear(&c);
}

static void
test_documents(void)
{
        const char *many = "many-documents: a project file is one YAML document, but here another one begins | "
                           "put what follows into a file of its own";
        g_autofree char *second = g_strdup_printf("2:1 %s", many), *third = g_strdup_printf("3:1 %s", many);

        refuse("a: 1\n---\nb: 2\n", second);
        refuse("a: 1\n...\n%TAG ! x\n", third);
        refuse("# x\n%TAG ! x\n---\na: 1\n",
               "2:1 yaml-directive: a project file has no YAML directives, but this line begins with '%'");
        refuse("- a\n", "1:1 root-not-map: a project file is a map with keys such as 'vms:', but this is a list");
        refuse("vms\n", "1:1 root-not-map: a project file is a map with keys such as 'vms:', but this is a single value | "
                        "is a colon missing?");
}

/* Slips of people who write YAML seldom: each gets a sentence of its own, at the line that is wrong. */
static void
test_slips(void)
{
        static const struct {
                const char *text, *expected;
        } slips[] = {
                {"vms:\n\tweb:\n", "2:1 yaml-tab: a tab in the indentation | use blanks"},
                {"vms:\n  web:\n  \tmemory: 1G\n", "3:3 yaml-tab: a tab in the indentation | use blanks"},
                {"vms:\n  web:\n    memory 1G\n    cpus: 2\n",
                 "3:5 yaml-missing-colon: a key without a colon | write 'key: value'"},
                {"vms:\n  web:\n    image: x\n    memory 1G\n    cpus: 2\n",
                 "4:5 yaml-missing-colon: a key without a colon | write 'key: value'"},
                {"vms:\n web\n  image: x\n", "2:2 yaml-missing-colon: a key without a colon | write 'key: value'"},
                {"a: 1\nmem", "2:1 yaml-missing-colon: a key without a colon | is the file cut off?"},
                {"vms:\n  web:\n    memory:1G\n    cpus: 2\n",
                 "3:11 yaml-missing-blank: a blank is missing after the colon | write 'memory: 1G'"},
                {"vms:\n  web:\n    image: x\n    memory:1G\n    cpus: 2\n",
                 "4:11 yaml-missing-blank: a blank is missing after the colon | write 'memory: 1G'"},
                {"web:\n  image: \"x\n  cpus: 2\n", "2:10 yaml-unclosed-quote: a quote that is not closed"},
                {"a: 'x\nb: y\n", "1:4 yaml-unclosed-quote: a quote that is not closed"},
                {"a: \"x\nb: \"y\"\n",
                 "2:5 yaml-after-quote: text behind a closing quote | or is an earlier quote not closed?"},
                {"a: \"b\" c\nd: 1\n",
                 "1:8 yaml-after-quote: text behind a closing quote | or is an earlier quote not closed?"},
                {"a: [b, c\nd: 2\ne: 3\n", "1:4 yaml-bracket-cut-off: a '[' that is not closed"},
                {"a: [b, c\n", "1:4 yaml-bracket-cut-off: a '[' that is not closed | is the file cut off?"},
                {"a: {b: 1, c: 2\nd: {e: 1}\n", "1:4 yaml-bracket-cut-off: a '{' that is not closed"},
                {"a: [\"x\" \"y\"]\n", "1:9 yaml-missing-comma: a comma or ']' is missing before this"},
                {"a: [1]]\n", "1:7 yaml-unexpected: an unexpected ']'"},
                {"a: {b: ]}\n", "1:8 yaml-unexpected-here: an unexpected ']'"},
                {"a: [\n", "2:1 yaml-cut-off: a value is missing at the end | is the file cut off?"},
                {"\n[", "2:2 yaml-cut-off: a value is missing at the end | is the file cut off?"},
                {"a: 1\n}\n", "2:1 yaml-unexpected: an unexpected '}'"},
                {"web:\n  image: x\n    cpus: 2\n",
                 "3:5 yaml-indentation: this line is indented below line 2, which has a value already"},
                {"vms:\n  web:\n    image: x\n   cpus: 1\n",
                 "4:4 yaml-less-indented: the indentation fits nothing above: the map that begins in line 2 stands in "
                 "column 3"},
                {"a:\n  b: x\n  - y\n",
                 "3:3 yaml-item-in-map: a list item among the keys of the map that begins in line 2 | write 'key: value'"},
                {"a:\n  - b\n  c: x\n",
                 "3:3 yaml-key-in-list: the list that begins in line 2 goes on with something that is no item | "
                 "begin the item with '- '"},
                {"a: - b\n", "1:4 yaml-item-in-line: a list item cannot stand here | "
                             "begin the list in a line of its own, or write '[a, b]'"},
                {"a: b: c\n", "1:5 yaml-two-colons: a second colon in one line | put the value in quotes"},
                {"a: @b\n", "1:4 yaml-reserved: a value cannot begin with '@' | put it in quotes"},
                {"a: *.txt\n", "1:4 yaml-anchor-name: '*' without a name behind it | put it in quotes if it is meant as text"},
                {"a: \"C:\\dir\"\n", "1:7 yaml-escape: an unknown escape in double quotes | "
                                     "write '\\\\' for a backslash, or use single quotes"},
                {"a: |x\n  b\n",
                 "1:5 yaml-block: only '|', '>', '+', '-' and a number may stand before the lines of a text block"},
                {"a: !x!y z\n", "1:4 yaml-tag: a tag that cannot be read | put the value in quotes if it begins with '!'"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(slips); i++)
                refuse(slips[i].text, slips[i].expected);
}

static char *
repeat(const char *unit, size_t bytes)
{
        size_t length = strlen(unit);
        char *text = g_malloc(bytes + 1);

        for (size_t i = 0; i < bytes; i++)
                text[i] = unit[i % length];
        text[bytes] = '\0';
        return text;
}

enum { HANG_MS = 60000 };

/* 16 MiB that are made to hurt end with @id, not with a hang: the limit is far from what they take even on a busy machine. */
static void
check_hostile(const char *text, size_t length, const char *id)
{
        struct case_ c = {.sources = sources_new()};
        const struct source *source = sources_add_text(c.sources, "f", "/", text, length, NULL);
        gint64 start;

        c.diagnostics = diagnostics_new(c.sources);
        start = g_get_monotonic_time();
        c.tree = tree_read(source, c.diagnostics);
        g_assert_cmpint((g_get_monotonic_time() - start) / 1000, <, HANG_MS);
        g_assert_true((c.tree == NULL) == is_broken(c.diagnostics));
        g_assert_cmpstr(((struct diagnostic *)c.diagnostics->items->pdata[0])->id, ==, id);
        case_clear(&c);
}

static void
test_hostile_nesting(void)
{
        static const char *const units[] = {"[", "{", "[\n", "? ", "- ", "{? ", "{a: ", "[a: "};

        for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
                g_autofree char *text = repeat(units[i], SOURCE_MAX_BYTES);

                check_hostile(text, SOURCE_MAX_BYTES, "too-deep");
        }
}

static void
test_hostile_directives(void)
{
        g_autoptr(GString) text = g_string_new("a: 1\n...\n\xc2\x85");
        gsize prefix = text->len;

        for (guint i = 0; text->len < SOURCE_MAX_BYTES - 32; i++)
                g_string_append_printf(text, "%%TAG !a%u! x\n", i);
        check_hostile(text->str + prefix, text->len - prefix, "yaml-directive");
        check_hostile(text->str, text->len, "many-documents");
}

static void
test_hostile_aliases(void)
{
        g_autoptr(GString) bomb = g_string_new("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        g_autoptr(GString) merge = g_string_new("x: &x {");
        g_autoptr(GString) tower = g_string_new("t0: &t0 [[[[[[[[[[x]]]]]]]]]]\n");

        for (guint i = 1; i < 30; i++)
                g_string_append_printf(bomb, "a%u: &a%u [*a%u,*a%u,*a%u,*a%u,*a%u,*a%u]\n", i, i, i - 1, i - 1, i - 1, i - 1,
                                       i - 1, i - 1);
        check_hostile(bomb->str, bomb->len, "too-many-nodes");
        for (guint i = 0; i < 5000; i++)
                g_string_append_printf(merge, "k%u: 1,", i);
        g_string_append(merge, "}\n");
        for (guint i = 0; i < 10000; i++)
                g_string_append_printf(merge, "y%u: {<<: *x}\n", i);
        check_hostile(merge->str, merge->len, "too-many-nodes");
        for (guint i = 1; i < 20; i++)
                g_string_append_printf(tower, "t%u: &t%u [[[[[[[[[[*t%u]]]]]]]]]]\n", i, i, i - 1);
        check_hostile(tower->str, tower->len, "too-deep");
}

static void
test_deepest(void)
{
        g_autofree char *open = repeat("[", TREE_MAX_DEPTH - 1), *close = repeat("]", TREE_MAX_DEPTH - 1);
        g_autofree char *fits = g_strdup_printf("a: %s%s\n", open, close);
        g_autofree char *over = g_strdup_printf("a: [%s%s]\n", open, close);
        struct case_ c = read_text(fits);

        g_assert_nonnull(c.tree);
        case_clear(&c);
        refuse(over, "1:67 too-deep: lists and maps are nested more than 64 levels deep");
}

/* Keys that one hash function takes for the same: nothing here may compare all of them with all. */
static void
test_hostile_keys(void)
{
        g_autoptr(GString) text = g_string_new(NULL);

        for (guint i = 0; i < 1 << 17; i++) {
                for (guint bit = 0; bit < 17; bit++)
                        g_string_append(text, i >> bit & 1 ? "Ez" : "FY");
                g_string_append(text, ":\n");
        }
        g_string_append(text, "FYFYFYFYFYFYFYFYFYFYFYFYFYFYFYFYFY:\n");
        check_hostile(text->str, text->len, "duplicate-key");
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tree/shapes", test_shapes);
        g_test_add_func("/tree/places", test_places);
        g_test_add_func("/tree/nulls", test_nulls);
        g_test_add_func("/tree/anchors", test_anchors_and_merge);
        g_test_add_func("/tree/keys-and-tags", test_keys_and_tags);
        g_test_add_func("/tree/merge-tags", test_merge_tags);
        g_test_add_func("/tree/merge-origins", test_merge_origins);
        g_test_add_func("/tree/merge-large", test_merge_into_large_map);
        g_test_add_func("/tree/documents", test_documents);
        g_test_add_func("/tree/slips", test_slips);
        g_test_add_func("/tree/deepest", test_deepest);
        g_test_add_func("/tree/hostile/nesting", test_hostile_nesting);
        g_test_add_func("/tree/hostile/directives", test_hostile_directives);
        g_test_add_func("/tree/hostile/aliases", test_hostile_aliases);
        g_test_add_func("/tree/hostile/keys", test_hostile_keys);
        return g_test_run();
}
