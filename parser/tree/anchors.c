/* anchors.c - `&name` and `*name`: an alias shares the anchored node
 *
 * Anchors are found in sorted order rather than by hash: a file that was made to collide costs nothing extra.
 */
#include "parser/tree/reader.h"

#include "base/text.h"

enum { MAX_CANDIDATES = 1000 }; /* anchors that are looked at for a suggestion */

struct anchor *
reader_set_anchor(struct reader *reader, const yaml_char_t *name, struct node *node, gboolean open)
{
        /* Not the anchors' own memory: a frame may still need one that was replaced. */
        struct anchor *anchor = arena_alloc(&reader->tree->arena, sizeof *anchor);

        *anchor = (struct anchor){.node = node, .size = 1, .open = open};
        g_tree_replace(reader->anchors, g_strdup((const char *)name), anchor);
        return anchor;
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

        if (!diagnostics_only_count(reader->diagnostics)) {
                g_tree_foreach(reader->anchors, add_candidate, &candidates);
                nearest = text_suggest(name, candidates.names);
        }
        if (nearest)
                hint = g_strdup_printf("did you mean '*%s'?", nearest);
        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "unknown-alias", place, hint,
                        "alias '*%s' stands for nothing: no '&%s' before it", name, name);
}

gboolean
reader_alias(struct reader *reader, const yaml_event_t *event)
{
        const char *name = (const char *)event->data.alias.anchor;
        const struct anchor *anchor = g_tree_lookup(reader->anchors, name);
        struct place place = syntax_place(reader->source, &event->start_mark);
        struct node *node = &reader->unknown;

        place.width = syntax_width(&event->start_mark, &event->end_mark);
        if (!reader_take_room(reader, anchor ? anchor->size : 1, anchor ? anchor->height : 0, event))
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
        reader_attach(reader, node, anchor ? anchor->height : 0);
        return TRUE;
}
