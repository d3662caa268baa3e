/* reader.h - a tree while it is read; private to parser/tree/
 *
 * Children are collected on one stack, the pending nodes, and copied to an array of the right size when their list or map
 * ends. Every node has an expanded size and height, those of an anchored one are kept and added for each alias, and both are
 * capped before anything is made: so neither nesting nor aliases nor merge keys can cost more than the caps, and whoever walks
 * the tree may recurse.
 */
#pragma once

#include "parser/tree/node.h"
#include "parser/tree/syntax.h"

/** struct anchor - An anchored node, with what it weighs when it is expanded */
struct anchor {
        struct node *node;
        guint size, height;
        gboolean open; /* its end has not come yet: an alias to it would contain itself */
};

/** struct frame - A list or map whose end has not come yet */
struct frame {
        struct node *node;
        struct anchor *anchor; /* or NULL */
        guint first;           /* of its children among the pending nodes */
        guint height;          /* of the highest child */
        guint size_before;     /* nodes of the tree before it */
};

struct reader {
        const struct source *source;
        struct diagnostics *diagnostics;
        struct tree *tree;
        struct node unknown; /* stands for what an alias failed to name */
        GTree *anchors;      /* name -> struct anchor */
        struct node **pending;
        guint pending_count, pending_room;
        struct frame frames[TREE_MAX_DEPTH];
        guint depth;
        guint duplicates; /* keys that were told to be there twice */
        guint size;       /* nodes so far, aliases expanded */
        guint copy_room;  /* for copies of merged nodes */
        const char *texts[512]; /* short ones that were kept, by a hash: most keys and many values are repeated */
};

/** reader_fail_room() - Say that there are too many nodes, or that they are too deep; returns FALSE */
gboolean reader_fail_room(struct reader *reader, gboolean too_deep, const yaml_event_t *event);

/** reader_take_room() - Is there room for @size more nodes, and @height more levels below those that are open? */
static inline gboolean
reader_take_room(struct reader *reader, guint size, guint height, const yaml_event_t *event)
{
        gboolean too_deep = reader->depth + height > TREE_MAX_DEPTH;

        if (G_UNLIKELY(too_deep || size > TREE_MAX_NODES - reader->size))
                return reader_fail_room(reader, too_deep, event);
        reader->size += size;
        return TRUE;
}

/** reader_push() - Put a node on top of those that are pending */
static inline void
reader_push(struct reader *reader, struct node *node)
{
        if (G_UNLIKELY(reader->pending_count == reader->pending_room)) {
                reader->pending_room = MAX(256, 2 * reader->pending_room);
                reader->pending = g_renew(struct node *, reader->pending, reader->pending_room);
        }
        reader->pending[reader->pending_count++] = node;
}

/** reader_attach() - Put a finished or just begun node among the children of the list or map that is open, or at the top */
void reader_attach(struct reader *reader, struct node *node, guint height);

/** reader_set_anchor() - Give a node a name: `&name` */
struct anchor *reader_set_anchor(struct reader *reader, const yaml_char_t *name, struct node *node, gboolean open);

/** reader_alias() - `*name`: the anchored node itself. FALSE: nothing more is to be read */
gboolean reader_alias(struct reader *reader, const yaml_event_t *event);

/** reader_close_map() - The pairs of a map whose children are all pending: merge keys, keys that are there twice */
void reader_close_map(struct reader *reader, const struct frame *frame);

/** reader_apply_tag() - Take a tag; one that we do not know, or that is for another kind of node, is a diagnostic */
void reader_apply_tag(struct reader *reader, struct node *node, const yaml_char_t *tag);

/** reader_check_place_of_tag() - A tag of merging says something only of the value of a key; @what: "a key", say */
void reader_check_place_of_tag(struct reader *reader, const struct node *node, const char *what);

/** reader_check_reset() - What is reset has no value: one that is written would be lost without a word */
void reader_check_reset(struct reader *reader, const struct node *node);

/** reader_check_start() - A project file has no YAML directives: libyaml would take hours for some */
gboolean reader_check_start(struct reader *reader);

/** reader_check_rest() - Nothing may follow the first document, which ended at @end */
gboolean reader_check_rest(struct reader *reader, const yaml_mark_t *end);
