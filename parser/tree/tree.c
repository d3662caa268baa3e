/* tree.c - YAML as a tree whose every node knows where it was written
 *
 * One pass over libyaml's events. Children are collected on one stack and copied to an array of the right size when their
 * list or map ends; nodes, arrays and texts lie in blocks that are freed as a whole. Every node has an expanded size and
 * height, those of an anchored one are kept and added for each alias, and both are capped before anything is made: so
 * neither nesting nor aliases nor merge keys can cost more than the caps, and whoever walks the tree may recurse.
 *
 * Keys and anchors are compared in sorted order rather than by hash: a file that was made to collide costs nothing extra.
 */
#include "parser/tree/tree.h"

#include "base/text.h"
#include "parser/tree/node.h"
#include "parser/tree/syntax.h"

#include <string.h>

enum {
        FEW_PAIRS = 16,        /* up to here every key is compared with every other */
        MAX_CANDIDATES = 1000, /* anchors that are looked at for a suggestion */
        MAX_MERGED = 500000,   /* nodes that are copied for merge keys, to tell how they got there */
};

/* An anchored node, with what it weighs when it is expanded. */
struct anchor {
        struct node *node;
        guint size, height;
        gboolean open; /* its end has not come yet: an alias to it would contain itself */
};

/* A list or map whose end has not come yet. */
struct frame {
        struct node *node;
        struct anchor *anchor; /* or NULL */
        guint first;           /* of its children among the pending nodes */
        guint height;          /* of the highest child */
        guint size_before;     /* nodes of the tree before it */
};

struct pair {
        struct node *key, *value;
        const struct node *merged; /* the merge key that it comes from, or NULL */
};

struct reader {
        const struct source *source;
        struct diagnostics *diagnostics;
        struct tree *tree;
        struct node *unknown; /* stands for what an alias failed to name */
        GTree *anchors;       /* name -> struct anchor */
        GPtrArray *pending;
        GArray *pairs;        /* of the map that ends: scratch */
        struct frame frames[TREE_MAX_DEPTH];
        guint depth;
        guint size; /* nodes so far, aliases expanded */
        guint room; /* for copies of merged nodes */
};

static struct node *
make_node(struct reader *reader, enum node_kind kind, const yaml_event_t *event)
{
        struct node *node = tree_alloc(reader->tree, sizeof *node);

        node->kind = kind;
        node->place = syntax_place(reader->source, &event->start_mark);
        return node;
}

/* Is there room for @size more nodes, and @height more levels below those that are open? */
static gboolean
check_caps(struct reader *reader, guint size, guint height, const yaml_event_t *event)
{
        struct place place = syntax_place(reader->source, &event->start_mark);

        if (reader->depth + height > TREE_MAX_DEPTH)
                return diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "too-deep", place, NULL,
                                       "lists and maps are nested more than %d levels deep", TREE_MAX_DEPTH);
        if (size > TREE_MAX_NODES - reader->size)
                return diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "too-many-nodes", place, NULL,
                                       "the file has more than %d values, those that aliases repeat included", TREE_MAX_NODES);
        reader->size += size;
        return TRUE;
}

/* Puts a finished or just begun node among the children of the list or map that is open, or at the top. */
static void
attach(struct reader *reader, struct node *node, guint height)
{
        struct frame *frame;

        if (reader->depth == 0) {
                reader->tree->root = node;
                return;
        }
        frame = &reader->frames[reader->depth - 1];
        frame->height = MAX(frame->height, height);
        g_ptr_array_add(reader->pending, node);
}

static struct anchor *
set_anchor(struct reader *reader, const yaml_char_t *name, struct node *node, gboolean open)
{
        struct anchor *anchor;

        if (!name)
                return NULL;
        anchor = tree_alloc(reader->tree, sizeof *anchor); /* not the anchors': a frame may still need one that was replaced */
        *anchor = (struct anchor){.node = node, .size = 1, .open = open};
        g_tree_replace(reader->anchors, g_strdup((const char *)name), anchor);
        return anchor;
}

/* "!reset" and "!override", the tags of merging. */
static gboolean
apply_merge_tag(struct reader *reader, struct node *node, const char *tag)
{
        node->reset = strcmp(tag, "!reset") == 0;
        node->override = strcmp(tag, "!override") == 0;
        reader->tree->has_tags |= node->reset || node->override;
        return node->reset || node->override;
}

/* A tag of merging says something only of the value of a key. */
static void
check_merge_tag(struct reader *reader, const struct node *node, const char *what)
{
        const char *tag = node->reset ? "!reset" : "!override";

        if (!node->reset && !node->override)
                return;
        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "misplaced-tag", node->place,
                        "write it before the value of a key: 'ports: !override [...]'", "'%s' has no meaning before %s", tag,
                        what);
}

/* What is reset has no value: one that is written would be lost without a word. */
static void
check_reset(struct reader *reader, const struct node *node)
{
        gboolean empty = node->kind == NODE_SCALAR ? node_is_null(node) || !*node->text : node->count == 0;

        if (node->reset && !empty)
                diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "reset-with-value", node->place,
                                "write '!reset null' to drop the value, '!override' to replace it",
                                "'!reset' drops a value, but here is a new one");
}

/* Takes the YAML tags that say what we would do anyway; "!!str" and "!" make a text of a scalar. */
static void
apply_tag(struct reader *reader, struct node *node, const yaml_char_t *event_tag)
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
        gboolean core = g_str_has_prefix(tag, "tag:yaml.org,2002:");
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
                        core ? "!!" : "", core ? strrchr(tag, ':') + 1 : tag);
}

static gboolean
read_scalar(struct reader *reader, const yaml_event_t *event)
{
        size_t length = event->data.scalar.length;
        struct node *node;
        char *text;

        if (!check_caps(reader, 1, 0, event))
                return FALSE;
        node = make_node(reader, NODE_SCALAR, event);
        text = tree_alloc(reader->tree, length + 1);
        memcpy(text, event->data.scalar.value, length);
        node->text = text;
        reader->tree->dollars |= memchr(text, '$', length) != NULL;
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        if (event->end_mark.line == event->start_mark.line)
                node->place.width = (guint)(event->end_mark.column - event->start_mark.column);
        if (strlen(text) != length)
                diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "nul-in-text", node->place, NULL,
                                "a text must not contain a NUL character");
        if (event->data.scalar.tag)
                apply_tag(reader, node, event->data.scalar.tag);
        set_anchor(reader, event->data.scalar.anchor, node, FALSE);
        attach(reader, node, 0);
        return TRUE;
}

static gboolean
open_collection(struct reader *reader, enum node_kind kind, const yaml_event_t *event, const yaml_char_t *anchor,
                const yaml_char_t *tag)
{
        guint size_before = reader->size;
        struct node *node;

        if (!check_caps(reader, 1, 1, event))
                return FALSE;
        node = make_node(reader, kind, event);
        if (tag)
                apply_tag(reader, node, tag);
        attach(reader, node, 1);
        reader->frames[reader->depth++] = (struct frame){
                .node = node,
                .anchor = set_anchor(reader, anchor, node, TRUE),
                .first = reader->pending->len,
                .size_before = size_before,
        };
        return TRUE;
}

struct candidates {
        const char *names[MAX_CANDIDATES + 1];
        guint count;
};

static gboolean
add_candidate(gpointer name, gpointer anchor, gpointer data)
{
        struct candidates *candidates = data;

        candidates->names[candidates->count++] = name;
        return candidates->count == MAX_CANDIDATES;
}

static void
report_unknown_alias(struct reader *reader, const char *name, struct place place)
{
        struct candidates candidates = {.count = 0};
        g_autofree char *hint = NULL;
        const char *nearest = NULL;

        if (reader->diagnostics->error_count < DIAGNOSTIC_MAX_SHOWN) {
                g_tree_foreach(reader->anchors, add_candidate, &candidates);
                nearest = text_suggest(name, candidates.names);
        }
        if (nearest)
                hint = g_strdup_printf("did you mean '*%s'?", nearest);
        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "unknown-alias", place, hint,
                        "alias '*%s' stands for nothing: no '&%s' before it", name, name);
}

static gboolean
read_alias(struct reader *reader, const yaml_event_t *event)
{
        const char *name = (const char *)event->data.alias.anchor;
        const struct anchor *anchor = g_tree_lookup(reader->anchors, name);
        struct place place = syntax_place(reader->source, &event->start_mark);
        struct node *node = reader->unknown;

        place.width = (guint)(event->end_mark.column - event->start_mark.column);
        if (!check_caps(reader, anchor ? anchor->size : 1, anchor ? anchor->height : 0, event))
                return FALSE;
        if (!anchor)
                report_unknown_alias(reader, name, place);
        else if (anchor->open)
                diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "alias-loop", place, NULL,
                                "alias '*%s' stands inside of '&%s' itself, which begins in line %u", name, name,
                                anchor->node->place.line);
        else
                node = anchor->node;
        node->shared = TRUE;
        attach(reader, node, anchor ? anchor->height : 0);
        return TRUE;
}

/* Adds the pairs that a merge key stands for. The maps of a list come in its order, the first one wins. */
static void
add_merged(struct reader *reader, const struct node *key, const struct node *value)
{
        struct node *const *maps = value->kind == NODE_LIST ? value->items : (struct node *const[]){(struct node *)value};
        guint count = value->kind == NODE_LIST ? value->count : 1;

        for (guint i = 0; i < count; i++) {
                if (maps[i] == reader->unknown)
                        continue;
                if (maps[i]->kind != NODE_MAP) {
                        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "merge-not-map", key->place,
                                        "write '<<: *anchor' or '<<: [*one, *two]'", "a merge key '<<' takes maps only");
                        continue;
                }
                for (guint j = 0; j < maps[i]->count; j++) {
                        struct pair pair = {maps[i]->keys[j], maps[i]->items[j], key};

                        pair.value->shared = TRUE;
                        g_array_append_val(reader->pairs, pair);
                }
        }
}

static gboolean
is_merge_key(const struct node *key)
{
        return key->kind == NODE_SCALAR && !key->quoted && strcmp(key->text, "<<") == 0;
}

static void
report_duplicate(struct reader *reader, const struct node *first, const struct node *again)
{
        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "duplicate-key", again->place,
                        is_merge_key(again) ? "write '<<: [*one, *two]'" : NULL, "key '%s' is here twice: first in line %u",
                        again->text, first->place.line);
}

/* Collects the pairs of the map that ends: first its own, then those of its merge keys. */
static void
collect_pairs(struct reader *reader, const struct frame *frame)
{
        struct node **nodes = (struct node **)reader->pending->pdata + frame->first;
        guint count = reader->pending->len - frame->first;
        const struct node *merge_key = NULL;
        guint merge = 0;

        g_array_set_size(reader->pairs, 0);
        for (guint i = 0; i < count; i += 2) {
                struct pair pair = {nodes[i], nodes[i + 1], NULL};

                check_merge_tag(reader, pair.key, "a key");
                check_reset(reader, pair.value);

                if (is_merge_key(pair.key) && merge_key) {
                        report_duplicate(reader, merge_key, pair.key);
                } else if (is_merge_key(pair.key)) {
                        merge_key = pair.key;
                        merge = i + 1;
                } else if (pair.key->kind != NODE_SCALAR) {
                        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "key-not-scalar", pair.key->place,
                                        "put it in quotes if it is meant as text", "a key must be a single word, not %s",
                                        pair.key->kind == NODE_LIST ? "a list" : "a map");
                } else if (pair.key != reader->unknown) {
                        g_array_append_val(reader->pairs, pair);
                }
        }
        if (merge_key) {
                check_merge_tag(reader, nodes[merge], "what a merge key takes");
                add_merged(reader, merge_key, nodes[merge]);
        }
}

/* Drops the later of two pairs with one key, which is a fault unless it was merged. */
static void
drop_later(struct reader *reader, const struct pair *first, struct pair *later)
{
        if (!later->merged)
                report_duplicate(reader, first->key, later->key);
        later->value = NULL;
}

static gint
compare_pairs(gconstpointer a, gconstpointer b, gpointer data)
{
        const struct pair *pairs = data;
        guint i = *(const guint *)a, j = *(const guint *)b;
        int order = strcmp(pairs[i].key->text, pairs[j].key->text);

        return order ? order : i < j ? -1 : i > j ? 1 : 0;
}

static void
drop_duplicates(struct reader *reader)
{
        struct pair *pairs = (struct pair *)(void *)reader->pairs->data;
        guint count = reader->pairs->len;
        g_autofree guint *sorted = NULL;
        guint first = 0;

        if (count <= FEW_PAIRS) {
                for (guint i = 1; i < count; i++)
                        for (guint j = 0; j < i; j++)
                                if (pairs[j].value && strcmp(pairs[i].key->text, pairs[j].key->text) == 0) {
                                        drop_later(reader, &pairs[j], &pairs[i]);
                                        break;
                                }
                return;
        }
        sorted = g_new(guint, count);
        for (guint i = 0; i < count; i++)
                sorted[i] = i;
        g_qsort_with_data(sorted, (gint)count, sizeof *sorted, compare_pairs, pairs);
        for (guint i = 1; i < count; i++) {
                if (strcmp(pairs[sorted[first]].key->text, pairs[sorted[i]].key->text) == 0)
                        drop_later(reader, &pairs[sorted[first]], &pairs[sorted[i]]);
                else
                        first = i;
        }
}

static void *
alloc_merged(void *tree, size_t bytes)
{
        return tree_alloc(tree, bytes);
}

static void
close_map(struct reader *reader, const struct frame *frame)
{
        struct via via = {alloc_merged, reader->tree, reader->diagnostics->sources, "merged by '<<'", .room = reader->room};
        struct node *node = frame->node;
        guint count;

        collect_pairs(reader, frame);
        drop_duplicates(reader);
        count = reader->pairs->len;
        if (count == 0)
                return;
        node->keys = tree_alloc(reader->tree, 2 * count * sizeof *node->keys);
        node->items = node->keys + count;
        for (guint i = 0; i < count; i++) {
                const struct pair *pair = &g_array_index(reader->pairs, struct pair, i);

                if (!pair->value)
                        continue;
                if (pair->merged)
                        via.place = pair->merged->place;
                node->keys[node->count] = pair->key;
                node->items[node->count++] = pair->merged ? via_copy(&via, pair->value) : pair->value;
        }
        reader->room = via.room;
}

static void
close_collection(struct reader *reader)
{
        struct frame *frame = &reader->frames[--reader->depth];
        struct node *node = frame->node;

        if (node->kind == NODE_MAP) {
                close_map(reader, frame);
        } else if (reader->pending->len > frame->first) {
                node->count = reader->pending->len - frame->first;
                node->items = tree_alloc(reader->tree, node->count * sizeof *node->items);
                memcpy(node->items, reader->pending->pdata + frame->first, node->count * sizeof *node->items);
                for (guint i = 0; i < node->count; i++)
                        check_merge_tag(reader, node->items[i], "an entry of a list");
        }
        g_ptr_array_set_size(reader->pending, (gint)frame->first);
        if (frame->anchor) {
                frame->anchor->open = FALSE;
                frame->anchor->size = reader->size - frame->size_before;
                frame->anchor->height = frame->height + 1;
        }
        if (reader->depth > 0)
                frame[-1].height = MAX(frame[-1].height, frame->height + 1);
}

static gboolean
starts_with(const struct source *source, size_t line, const char *prefix)
{
        return line < source->line_count && g_str_has_prefix(source->text + source->lines[line], prefix);
}

/* The first line from @line on that holds more than blanks, a comment or the end mark of a document. */
static size_t
skip_lines(const struct source *source, size_t line)
{
        for (; line < source->line_count; line++) {
                const char *text = source->text + source->lines[line];
                gunichar c = g_utf8_get_char(text + strspn(text, " \t"));
                gboolean blank = !c || c == '#' || c == '\r' || c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029;

                if (!blank && !starts_with(source, line, "..."))
                        break;
        }
        return line;
}

/* libyaml compares each %TAG with all before it, which takes hours in a file made for it; nobody needs them here. */
static gboolean
check_directives(struct reader *reader)
{
        const struct source *source = reader->source;
        size_t line = skip_lines(source, 0);

        while (starts_with(source, line, "%YAML"))
                line = skip_lines(source, line + 1);
        if (!starts_with(source, line, "%"))
                return TRUE;
        return diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "yaml-directive", (struct place){source, line + 1, 1, 0},
                               NULL, "a project file has no YAML directives, but this line begins with '%%'");
}

/* Looks at what follows the first document, before libyaml reads directives there. */
static gboolean
check_rest(struct reader *reader, const yaml_mark_t *end)
{
        const struct source *source = reader->source;
        size_t line = skip_lines(source, end->column > 0 ? end->line + 1 : end->line);

        if (!starts_with(source, line, "---") && !starts_with(source, line, "%"))
                return TRUE;
        return diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "many-documents", (struct place){source, line + 1, 1, 3},
                               "put what follows into a file of its own",
                               "a project file is one YAML document, but here another one begins");
}

/* FALSE when nothing more is to be read. */
static gboolean
read_event(struct reader *reader, const yaml_event_t *event)
{
        switch (event->type) {
        case YAML_SCALAR_EVENT:
                return read_scalar(reader, event);
        case YAML_ALIAS_EVENT:
                return read_alias(reader, event);
        case YAML_SEQUENCE_START_EVENT:
                return open_collection(reader, NODE_LIST, event, event->data.sequence_start.anchor,
                                       event->data.sequence_start.tag);
        case YAML_MAPPING_START_EVENT:
                return open_collection(reader, NODE_MAP, event, event->data.mapping_start.anchor,
                                       event->data.mapping_start.tag);
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT:
                close_collection(reader);
                return TRUE;
        case YAML_DOCUMENT_END_EVENT:
                return check_rest(reader, &event->end_mark);
        case YAML_STREAM_END_EVENT:
                return FALSE;
        default:
                return TRUE;
        }
}

static void
read_events(struct reader *reader)
{
        yaml_parser_t parser;
        gboolean more = TRUE;

        if (!yaml_parser_initialize(&parser))
                g_error("out of memory");
        yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parser, (const unsigned char *)reader->source->text, reader->source->length);
        while (more) {
                yaml_event_t event;

                if (!yaml_parser_parse(&parser, &event)) {
                        syntax_report(&parser, reader->source, reader->diagnostics);
                        break;
                }
                more = read_event(reader, &event);
                yaml_event_delete(&event);
        }
        yaml_parser_delete(&parser);
}

/* The top is a map; of an empty file an empty one. */
static void
check_root(struct reader *reader)
{
        struct node *root = reader->tree->root;

        if (!root) {
                root = tree_alloc(reader->tree, sizeof *root);
                root->place = (struct place){reader->source, 1, 1, 0};
                root->text = "";
        }
        if (node_is_null(root)) {
                root->kind = NODE_MAP;
                root->text = NULL;
        }
        check_merge_tag(reader, root, "a whole file");
        if (root->kind != NODE_MAP)
                diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "root-not-map", root->place,
                                root->kind == NODE_SCALAR ? "is a colon missing?" : NULL,
                                "a project file is a map with keys such as 'vms:', but this is %s",
                                root->kind == NODE_LIST ? "a list" : "a single value");
        reader->tree->root = root;
}

static gint
compare_names(gconstpointer a, gconstpointer b, gpointer data)
{
        return strcmp(a, b);
}

struct tree *
tree_read(const struct source *source, struct diagnostics *diagnostics)
{
        struct node unknown = {.kind = NODE_SCALAR, .text = ""};
        struct reader *reader = g_new0(struct reader, 1);
        guint errors_before = diagnostics->error_count;
        struct tree *tree = g_new0(struct tree, 1);

        reader->source = source;
        reader->diagnostics = diagnostics;
        reader->tree = tree;
        reader->unknown = &unknown;
        reader->room = MAX_MERGED;
        reader->anchors = g_tree_new_full(compare_names, NULL, g_free, NULL);
        reader->pending = g_ptr_array_sized_new(256);
        reader->pairs = g_array_new(FALSE, FALSE, sizeof(struct pair));
        if (check_directives(reader))
                read_events(reader);
        if (diagnostics->error_count == errors_before)
                check_root(reader);
        g_tree_unref(reader->anchors);
        g_ptr_array_unref(reader->pending);
        g_array_unref(reader->pairs);
        g_free(reader);
        if (diagnostics->error_count > errors_before)
                g_clear_pointer(&tree, tree_free);
        return tree;
}
