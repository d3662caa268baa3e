/* tree.c - YAML as a tree whose every node knows where it was written: one pass over libyaml's events */
#include "parser/tree/tree.h"

#include "parser/tree/reader.h"

#include <string.h>

enum {
        MAX_MERGED = 500000, /* nodes that are copied for merge keys, to tell how they got there */
        MAX_REPEATED = 24,   /* bytes of a text that may be kept once for several nodes */
};

/* ---- nodes ---- */

gboolean
reader_fail_room(struct reader *reader, gboolean too_deep, const yaml_event_t *event)
{
        struct place place = syntax_place(reader->source, &event->start_mark);

        if (too_deep)
                return diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "too-deep", place, NULL,
                                       "lists and maps are nested more than %d levels deep", TREE_MAX_DEPTH);
        return diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "too-many-nodes", place, NULL,
                               "the file has more than %d values, those that aliases repeat included", TREE_MAX_NODES);
}

void
reader_attach(struct reader *reader, struct node *node, guint height)
{
        struct frame *frame;

        if (reader->depth == 0) {
                reader->tree->root = node;
                return;
        }
        frame = &reader->frames[reader->depth - 1];
        frame->height = MAX(frame->height, height);
        reader_push(reader, node);
}

static inline struct node *
make_node(struct reader *reader, enum node_kind kind, const yaml_event_t *event)
{
        struct node *node = arena_alloc(&reader->tree->arena, sizeof *node);

        node->kind = kind;
        syntax_set_place(&node->place, reader->source, &event->start_mark); /* in place: every node has one */
        return node;
}

/* A copy of a text; a short one may be that of another node. */
static const char *
keep_text(struct reader *reader, const char *text, size_t length)
{
        const char **known;
        size_t hash;

        if (length == 0 || length > MAX_REPEATED)
                return arena_text(&reader->tree->arena, text, length);
        hash = length * 41 + (guchar)text[0] * 5 + (guchar)text[length - 1];
        known = &reader->texts[hash % G_N_ELEMENTS(reader->texts)];
        if (!*known || strcmp(*known, text) != 0)
                *known = arena_text(&reader->tree->arena, text, length);
        return *known;
}

static gboolean
read_scalar(struct reader *reader, const yaml_event_t *event)
{
        const char *text = (const char *)event->data.scalar.value;
        size_t length = event->data.scalar.length;
        struct node *node;

        if (!reader_take_room(reader, 1, 0, event))
                return FALSE;
        node = make_node(reader, NODE_SCALAR, event);
        node->text = keep_text(reader, text, length);
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        if (event->end_mark.line == event->start_mark.line)
                node->place.width = syntax_width(&event->start_mark, &event->end_mark);
        if (node->quoted && memchr(text, '\0', length)) /* only an escape makes one */
                diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "nul-in-text", node->place, NULL,
                                "a text must not contain a NUL character");
        if (event->data.scalar.tag)
                reader_apply_tag(reader, node, event->data.scalar.tag);
        if (event->data.scalar.anchor)
                reader_set_anchor(reader, event->data.scalar.anchor, node, FALSE);
        reader_attach(reader, node, 0);
        return TRUE;
}

static gboolean
open_collection(struct reader *reader, enum node_kind kind, const yaml_event_t *event, const yaml_char_t *anchor,
                const yaml_char_t *tag)
{
        guint size_before = reader->size;
        struct node *node;

        if (!reader_take_room(reader, 1, 1, event))
                return FALSE;
        node = make_node(reader, kind, event);
        if (tag)
                reader_apply_tag(reader, node, tag);
        reader_attach(reader, node, 1);
        reader->frames[reader->depth++] = (struct frame){
                .node = node,
                .anchor = anchor ? reader_set_anchor(reader, anchor, node, TRUE) : NULL,
                .first = reader->pending_count,
                .size_before = size_before,
        };
        return TRUE;
}

static void
close_list(struct reader *reader, const struct frame *frame)
{
        struct node *node = frame->node;

        node->count = reader->pending_count - frame->first;
        if (node->count == 0)
                return;
        node->items = arena_alloc(&reader->tree->arena, node->count * sizeof *node->items);
        memcpy(node->items, reader->pending + frame->first, node->count * sizeof *node->items);
        for (guint i = 0; i < node->count; i++)
                reader_check_place_of_tag(reader, node->items[i], "an entry of a list");
}

static void
close_collection(struct reader *reader)
{
        struct frame *frame = &reader->frames[--reader->depth];

        if (frame->node->kind == NODE_MAP)
                reader_close_map(reader, frame);
        else
                close_list(reader, frame);
        reader->pending_count = frame->first;
        if (frame->anchor) {
                frame->anchor->open = FALSE;
                frame->anchor->size = reader->size - frame->size_before;
                frame->anchor->height = frame->height + 1;
        }
        if (reader->depth > 0)
                frame[-1].height = MAX(frame[-1].height, frame->height + 1);
}

/* ---- events ---- */

/* FALSE when nothing more is to be read. */
static gboolean
read_event(struct reader *reader, const yaml_event_t *event)
{
        switch (event->type) {
        case YAML_SCALAR_EVENT:
                return read_scalar(reader, event);
        case YAML_ALIAS_EVENT:
                return reader_alias(reader, event);
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
                return reader_check_rest(reader, &event->end_mark);
        case YAML_STREAM_END_EVENT:
                return FALSE;
        default:
                return TRUE;
        }
}

/*
 * libyaml copies its input, character by character, to a buffer of what it has found to be proper UTF-8, and reads on until
 * there are as many characters as it wants to look at. A source is checked text with a NUL behind it, as such a buffer is: put
 * in its place, with nothing to be read on, it saves an eighth of all the time that it takes to load a project.
 */
static void
lend_text(yaml_parser_t *parser, const struct source *source)
{
        unsigned char *text = (unsigned char *)source->text; /* which is only read */

        parser->buffer.start = parser->buffer.pointer = text;
        parser->buffer.last = parser->buffer.end = text + source->length;
        parser->unread = source->length + 1;
        parser->eof = 1;
}

static void
read_events(struct reader *reader)
{
        yaml_parser_t parser;
        unsigned char *buffer;
        gboolean more = TRUE;

        if (!yaml_parser_initialize(&parser))
                g_error("out of memory");
        buffer = parser.buffer.start;
        yaml_parser_set_input_string(&parser, buffer, 0);
        lend_text(&parser, reader->source);
        while (more) {
                yaml_event_t event;

                if (!yaml_parser_parse(&parser, &event)) {
                        syntax_report(&parser, reader->source, reader->diagnostics);
                        break;
                }
                more = read_event(reader, &event);
                yaml_event_delete(&event);
        }
        parser.buffer.start = buffer; /* which it frees */
        yaml_parser_delete(&parser);
}

/* The top is a map; of an empty file an empty one. */
static void
check_root(struct reader *reader)
{
        struct node *root = reader->tree->root;

        if (!root) {
                root = arena_alloc(&reader->tree->arena, sizeof *root);
                *root = (struct node){.kind = NODE_SCALAR, .place = {reader->source, 1, 1, 0}, .text = ""};
        }
        if (node_is_null(root)) {
                root->kind = NODE_MAP;
                root->keys = NULL;
        }
        reader_check_place_of_tag(reader, root, "a whole file");
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

/* Keys that are there twice leave a tree all the same. */
static gboolean
is_broken(const struct reader *reader, guint errors_before)
{
        return reader->diagnostics->error_count > errors_before + reader->duplicates;
}

struct tree *
tree_read(const struct source *source, struct diagnostics *diagnostics)
{
        struct reader *reader = g_new0(struct reader, 1);
        guint errors_before = diagnostics->error_count;
        struct tree *tree = g_new0(struct tree, 1);

        reader->source = source;
        reader->diagnostics = diagnostics;
        reader->tree = tree;
        arena_expect(&tree->arena, 4 * source->length); /* it will be more */
        reader->unknown = (struct node){.kind = NODE_SCALAR, .text = ""};
        reader->copy_room = MAX_MERGED;
        reader->anchors = g_tree_new_full(compare_names, NULL, g_free, NULL);
        tree->dollars = strpbrk(source->text, "$\\") != NULL; /* also those that an escape may stand for */
        if (reader_check_start(reader))
                read_events(reader);
        if (!is_broken(reader, errors_before))
                check_root(reader);
        if (is_broken(reader, errors_before))
                g_clear_pointer(&tree, tree_free);
        g_tree_unref(reader->anchors);
        g_free(reader->pending);
        g_free(reader);
        return tree;
}
