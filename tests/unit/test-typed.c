/* test-typed.c - what YAML 1.1 makes of plain scalars, and that it stays so when it is printed and read again */
#include "cmd/yaml.h"
#include "parser/value/typed.h"

#include <string.h>

static void
assert_typed(const char *text, const char *json)
{
        g_autoptr(json_t) value = typed_scalar(text);
        char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

        g_test_message("%s", text);
        g_assert_cmpstr(shown, ==, json);
        g_free(shown);
}

static void
test_words(void)
{
        assert_typed("", "null");
        assert_typed("~", "null");
        assert_typed("Null", "null");
        assert_typed("yes", "true");
        assert_typed("On", "true");
        assert_typed("NO", "false");
        assert_typed("off", "false");
        assert_typed("False", "false");
        assert_typed("nO", "\"nO\"");
        assert_typed("y", "\"y\"");
        assert_typed("nothing", "\"nothing\"");
}

static void
test_numbers(void)
{
        assert_typed("0", "0");
        assert_typed("-17", "-17");
        assert_typed("+1_000", "1000");
        assert_typed("0644", "420");
        assert_typed("0x1F", "31");
        assert_typed("0b101", "5");
        assert_typed("9223372036854775807", "9223372036854775807");
        assert_typed("1.5", "1.5");
        assert_typed("1.10", "1.1");
        assert_typed("-.5", "-0.5");
        assert_typed("1.", "1.0");
        assert_typed("1.5e+3", "1500.0");
}

/* None of these is meant as a number, or would come back as the same one. */
static void
test_texts(void)
{
        static const char *const texts[] = {
                "22:22", "52:54:00:00:00:01",   "2024-01-02", "0999", "1e3", "1.2.3.4", "0o17", "-", "+",
                ".",     "9223372036854775808", "1.0e+30",    ".inf", "0x",  "0b2",     "10G",  "=", "1,5",
                "--1"};

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                g_autoptr(json_t) value = typed_scalar(texts[i]);

                g_test_message("%s", texts[i]);
                g_assert_cmpstr(json_string_value(value), ==, texts[i]);
        }
}

static json_t *
read_yaml(const char *text)
{
        struct sources *sources = sources_new();
        struct diagnostics *diagnostics = diagnostics_new(sources);
        const struct source *source = sources_add_text(sources, "x.yaml", "/", text, strlen(text), NULL);
        struct tree *tree = tree_read(source, diagnostics);
        json_t *value = typed_node(tree_root(tree), NULL);

        tree_free(tree);
        diagnostics_free(diagnostics);
        sources_unref(sources);
        return value;
}

static void
test_round_trip(void)
{
        g_autoptr(json_t) value = read_yaml("plain: [no, yes, ~, 0644, 1.1, 22:22, 2024-01-02, 1e3, text]\n"
                                            "quoted: ['no', \"yes\", '~', '0644', \"1.1\", '1_0', !!str 5, '']\n"
                                            "map: {x-a: {}, b: [], \"1\": 1}\n"
                                            "block: |\n  no\n");
        g_autofree char *printed = yaml_format(value);
        g_autoptr(json_t) again = read_yaml(printed);

        g_test_message("%s", printed);
        g_assert_true(json_equal(value, again));
        g_assert_true(json_is_false(json_array_get(json_object_get(value, "plain"), 0)));
        g_assert_cmpstr(json_string_value(json_array_get(json_object_get(value, "quoted"), 0)), ==, "no");
        g_assert_cmpstr(json_string_value(json_object_get(value, "block")), ==, "no\n");
        g_assert_nonnull(strstr(printed, "- \"no\"\n"));
        g_assert_nonnull(strstr(printed, "- 1.1\n"));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/typed/words", test_words);
        g_test_add_func("/typed/numbers", test_numbers);
        g_test_add_func("/typed/texts", test_texts);
        g_test_add_func("/typed/round-trip", test_round_trip);
        return g_test_run();
}
