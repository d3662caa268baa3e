/* tags.c - tags of nodes: those of YAML's own types, and the two of merging */
#include "parser/tree/reader.h"

#include "base/text.h"

#include <string.h>

/* "!reset" and "!override", the tags of merging. */
static gboolean
apply_merge_tag(struct reader *reader, struct node *node, const char *tag)
{
        node->reset = strcmp(tag, "!reset") == 0;
        node->override = strcmp(tag, "!override") == 0;
        reader->tree->has_tags |= node->reset || node->override;
        return node->reset || node->override;
}

void
reader_check_place_of_tag(struct reader *reader, const struct node *node, const char *what)
{
        const char *tag = node->reset ? "!reset" : "!override";

        if (!node->reset && !node->override)
                return;
        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "misplaced-tag", node->place,
                        "write it before the value of a key: 'ports: !override [...]'", "'%s' has no meaning before %s", tag,
                        what);
}

void
reader_check_reset(struct reader *reader, const struct node *node)
{
        gboolean empty;

        if (!node->reset)
                return;
        empty = node->kind == NODE_SCALAR ? node_is_null(node) || !*node->text : node->count == 0;
        if (!empty)
                diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "reset-with-value", node->place,
                                "write '!reset null' to drop the value, '!override' to replace it",
                                "'!reset' drops a value, but here is a new one");
}

/* Takes the YAML tags that say what we would do anyway; "!!str" and "!" make a text of a scalar. */
void
reader_apply_tag(struct reader *reader, struct node *node, const yaml_char_t *event_tag)
{
        static const struct {
                const char *tag;
                enum node_kind kind;
        } known[] = {{YAML_STR_TAG, NODE_SCALAR},   {YAML_INT_TAG, NODE_SCALAR}, {YAML_BOOL_TAG, NODE_SCALAR},
                     {YAML_NULL_TAG, NODE_SCALAR},  {YAML_FLOAT_TAG, NODE_SCALAR}, {YAML_SEQ_TAG, NODE_LIST},
                     {YAML_MAP_TAG, NODE_MAP}};
        static const char *const kinds[] = {"a single value", "a list", "a map"};
        static const char *const merge_tags[] = {"!reset", "!override", NULL};
        const char *tag = (const char *)event_tag, *meant;
        static const char core_prefix[] = "tag:yaml.org,2002:";
        gboolean core = g_str_has_prefix(tag, core_prefix);
        g_autofree char *hint = NULL;

        if (strcmp(tag, "!") == 0) {
                node->quoted |= node->kind == NODE_SCALAR;
                return;
        }
        if (apply_merge_tag(reader, node, tag))
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
                if (strcmp(tag, known[i].tag) != 0)
                        continue;
                if (known[i].kind != node->kind)
                        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "tag-mismatch", node->place, NULL,
                                        "tag '!!%s' is for %s, but this is %s", strrchr(tag, ':') + 1, kinds[known[i].kind],
                                        kinds[node->kind]);
                if (strcmp(tag, YAML_STR_TAG) == 0)
                        node->quoted = TRUE;
                else if (strcmp(tag, YAML_NULL_TAG) == 0)
                        node->quoted = FALSE;
                return;
        }
        meant = core ? NULL : text_suggest(tag, merge_tags);
        if (meant)
                hint = g_strdup_printf("did you mean '%s'?", meant);
        else if (!core)
                hint = g_strdup("put the value in quotes if it begins with '!'");
        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "unknown-tag", node->place, hint, "unknown tag '%s%s'",
                        core ? "!!" : "", core ? tag + strlen(core_prefix) : tag);
}
