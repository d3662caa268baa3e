/* decode-list.c - lists of texts, of names and of numbers, and maps of texts */
#include "parser/decode/decode-value.h"

#define FIELD(object, key, type) (*(type *)((char *)(object) + (key)->offset))

enum { MAX_TEXTS = 65536, MAX_COUNTS = 4096 };

/* A list that is not too long; what is empty is none, and no fault. */
static gboolean
is_list(struct decoder *decoder, const struct key *key, const struct node *node, guint max)
{
        if (node->place.line && node_is_null(node))
                return FALSE;
        if (node->kind != NODE_LIST) {
                decode_shape_fault(decoder, key, node, SHAPE_LIST);
                return FALSE;
        }
        if (node->count > max)
                return decode_fault(decoder, "too-many-items", key, node, NULL, "%u entries are too many, %u at most",
                                    node->count, max);
        return TRUE;
}

static void
decode_texts(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        const char **texts;
        guint count = 0;

        if (!is_list(decoder, key, node, MAX_TEXTS))
                return;
        texts = store_alloc(decoder->store, (node->count + 1) * sizeof *texts);
        for (guint i = 0; i < node->count; i++) {
                const struct node *item = node->items[i];
                const char *text = decode_text(decoder, key, item);
                g_auto(value_fault) fault = VALUE_FAULT_INIT;

                if (text && key->type == KEY_NAME_LIST && !value_check_name(text, &fault))
                        decode_fault(decoder, fault.id, key, item, fault.hint, "%s", fault.reason);
                else if (text && decode_check_text(decoder, key, item, text, FALSE))
                        texts[count++] = text;
        }
        FIELD(object, key, const char *const *) = texts;
}

static void
decode_counts(struct decoder *decoder, const struct key *key, const struct node *node, struct count_list *list)
{
        if (!is_list(decoder, key, node, MAX_COUNTS))
                return;
        list->items = store_alloc(decoder->store, (node->count + 1) * sizeof *list->items);
        for (guint i = 0; i < node->count; i++) {
                const char *text = decode_text(decoder, key, node->items[i]);
                g_auto(value_fault) fault = VALUE_FAULT_INIT;

                if (text && decode_count(key, text, &list->items[list->count], &fault))
                        list->count++;
                else if (text)
                        decode_fault(decoder, fault.id, key, node->items[i], fault.hint, "%s", fault.reason);
        }
}

static void
decode_text_map(struct decoder *decoder, const struct key *key, const struct node *node, struct text_map *map)
{
        if (node_is_null(node))
                return;
        if (node->kind != NODE_MAP) {
                decode_shape_fault(decoder, key, node, SHAPE_MAP);
                return;
        }
        map->names = store_alloc(decoder->store, (node->count + 1) * sizeof *map->names);
        map->values = store_alloc(decoder->store, (node->count + 1) * sizeof *map->values);
        for (guint i = 0; i < node->count; i++) {
                const struct node *item = node->items[i];
                const char *text = node_is_null(item) ? "" : decode_text(decoder, key, item);

                if (!text)
                        continue;
                map->names[map->count] = (char *)node->keys[i]->text;
                map->values[map->count++] = (char *)text;
        }
}

gboolean
decode_list(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        switch (key->type) {
        case KEY_TEXT_LIST:
        case KEY_NAME_LIST:
                decode_texts(decoder, key, node, object);
                return TRUE;
        case KEY_COUNT_LIST:
                decode_counts(decoder, key, node, &FIELD(object, key, struct count_list));
                return TRUE;
        case KEY_TEXT_MAP:
                decode_text_map(decoder, key, node, &FIELD(object, key, struct text_map));
                return TRUE;
        default:
                return FALSE;
        }
}
