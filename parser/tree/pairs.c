/* pairs.c - the pairs of a map: merge keys ("<<") are resolved, and no key is there twice
 *
 * The pairs that a merge key stands for are appended, unless the map has the key itself. Keys are compared in sorted order
 * rather than by hash: a file that was made to collide costs nothing extra.
 */
#include "parser/tree/reader.h"

#include <string.h>

enum {
        FEW_PAIRS = 16, /* up to here every key is compared with every other */
        KEY_MAX_CHARACTERS = 255,
};

/* A key of a large map: most are told apart by their length or first bytes, without a look at the text. */
struct sorted_key {
        guint64 prefix;
        guint length;
        guint pair;
};

/* Two of the pending nodes, which are keys and values in turn. */
struct pair {
        struct node *key, *value;
};

G_STATIC_ASSERT(sizeof(struct pair) == 2 * sizeof(struct node *));

/* Those of the map that ends: it is the last that was begun, so that they lie on top. */
static struct pair *
pairs_of(const struct reader *reader, const struct frame *frame)
{
        return reader->pending_count ? (struct pair *)(reader->pending + frame->first) : NULL;
}

/* Adds the pairs that a merge key stands for. The maps of a list come in its order, the first one wins. */
static void
add_merged(struct reader *reader, const struct node *key, const struct node *value)
{
        struct node *const *maps = value->kind == NODE_LIST ? value->items : (struct node *const[]){(struct node *)value};
        guint count = value->kind == NODE_LIST ? value->count : 1;

        for (guint i = 0; i < count; i++) {
                if (maps[i] == &reader->unknown)
                        continue;
                if (maps[i]->kind != NODE_MAP) {
                        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "merge-not-map", key->place,
                                        "write '<<: *anchor' or '<<: [*one, *two]'", "a merge key '<<' takes maps only");
                        continue;
                }
                for (guint j = 0; j < maps[i]->count; j++) {
                        maps[i]->items[j]->shared = TRUE;
                        reader_push(reader, maps[i]->keys[j]);
                        reader_push(reader, maps[i]->items[j]);
                }
        }
}

static gboolean
is_merge_key(const struct node *key)
{
        return key->kind == NODE_SCALAR && key->text[0] == '<' && !key->quoted && strcmp(key->text, "<<") == 0;
}

/* Readers of YAML want to see the colon of a key soon, libyaml within 1024 characters, and whoever writes it, too. */
static gboolean
check_length(struct reader *reader, const struct node *key)
{
        if (key->place.width && key->place.width < PLACE_MAX_WIDTH) /* it is shorter */
                return TRUE;
        if (g_utf8_strlen(key->text, -1) <= KEY_MAX_CHARACTERS)
                return TRUE;
        return diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "long-key", key->place,
                               "is a quote missing, or a colon before it?", "a key is longer than %d characters",
                               KEY_MAX_CHARACTERS);
}

/* The first one counts, so that what else is wrong with the file is found in the same run. */
static void
report_duplicate(struct reader *reader, const struct node *first, const struct node *again)
{
        reader->duplicates++;
        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "duplicate-key", again->place,
                        is_merge_key(again) ? "write '<<: [*one, *two]'" : NULL, "key '%s' is here twice: first in line %u",
                        again->text, first->place.line);
}

/* Leaves the map's own pairs of those that are pending; returns the one with its merge key, or an empty one. */
static struct pair
take_own(struct reader *reader, const struct frame *frame)
{
        guint count = (reader->pending_count - frame->first) / 2, own = 0;
        struct pair *pairs = pairs_of(reader, frame), merge = {NULL};

        for (guint i = 0; i < count; i++) {
                struct pair pair = pairs[i];

                if (reader->tree->has_tags) {
                        reader_check_place_of_tag(reader, pair.key, "a key");
                        reader_check_reset(reader, pair.value);
                }
                if (is_merge_key(pair.key) && merge.key) {
                        report_duplicate(reader, merge.key, pair.key);
                } else if (is_merge_key(pair.key)) {
                        merge = pair;
                } else if (pair.key->kind != NODE_SCALAR) {
                        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "key-not-scalar", pair.key->place,
                                        "put it in quotes if it is meant as text", "a key must be a single word, not %s",
                                        pair.key->kind == NODE_LIST ? "a list" : "a map");
                } else if (check_length(reader, pair.key) && pair.key != &reader->unknown) {
                        pairs[own++] = pair;
                        reader->tree->has_extends |= pair.key->text[0] == 'e' && strcmp(pair.key->text, "extends") == 0;
                }
        }
        reader->pending_count = frame->first + 2 * own;
        return merge;
}

/* Drops the later of two pairs with one key, which is a fault if it is the map's own. */
static void
drop_later(struct reader *reader, const struct pair *first, struct pair *later, gboolean is_own)
{
        if (is_own)
                report_duplicate(reader, first->key, later->key);
        later->value = NULL;
}

static gboolean
is_same_key(const struct pair *a, const struct pair *b)
{
        return a->key->text[0] == b->key->text[0] && strcmp(a->key->text, b->key->text) == 0;
}

static void
drop_from_few(struct reader *reader, struct pair *pairs, guint count, guint own)
{
        guint64 initials = 0; /* of those before, modulo 64 */

        for (guint i = 0; i < count; i++) {
                guint64 initial = G_GUINT64_CONSTANT(1) << (pairs[i].key->text[0] & 63);

                for (guint j = 0; j < i && (initials & initial); j++)
                        if (pairs[j].value && is_same_key(&pairs[j], &pairs[i])) {
                                drop_later(reader, &pairs[j], &pairs[i], i < own);
                                break;
                        }
                initials |= initial;
        }
}

/* The first eight bytes as a number of the same order; zeros behind a shorter text. */
static guint64
prefix_of(const char *text)
{
        guint64 prefix = 0;

        for (guint i = 0; i < sizeof prefix; i++) {
                prefix = prefix << 8 | (guchar)*text;
                text += *text != '\0';
        }
        return prefix;
}

static struct sorted_key
sorted_key(const struct pair *pairs, guint pair)
{
        const char *text = pairs[pair].key->text;

        return (struct sorted_key){prefix_of(text), (guint)strlen(text), pair};
}

/* By length, then by text: so are keys in files that somebody counted: k9, k10. */
static gint
compare_texts(const struct sorted_key *a, const struct sorted_key *b, const struct pair *pairs)
{
        if (a->length != b->length)
                return a->length < b->length ? -1 : 1;
        if (a->prefix != b->prefix)
                return a->prefix < b->prefix ? -1 : 1;
        return a->length > sizeof a->prefix ? strcmp(pairs[a->pair].key->text, pairs[b->pair].key->text) : 0;
}

static gint
compare_sorted(gconstpointer a, gconstpointer b, gpointer pairs)
{
        const struct sorted_key *one = a, *two = b;
        gint order = compare_texts(one, two, pairs);

        return order ? order : one->pair < two->pair ? -1 : one->pair > two->pair;
}

/* How many pairs at the beginning are in that order already, no two of them alike. */
static guint
count_sorted(const struct pair *pairs, guint count)
{
        size_t before = 0;
        guint i;

        for (i = 0; i < count; i++) {
                size_t length = strlen(pairs[i].key->text);

                if (length < before ||
                    (i > 0 && length == before && memcmp(pairs[i - 1].key->text, pairs[i].key->text, length) >= 0))
                        break;
                before = length;
        }
        return i;
}

/* Only what follows the sorted ones is sorted, then it is compared with them: for a million that is a tenth of the load. */
static void
drop_from_many(struct reader *reader, struct pair *pairs, guint count, guint own)
{
        guint sorted = count_sorted(pairs, count), rest = count - sorted, at = 0;
        g_autofree struct sorted_key *keys = g_new(struct sorted_key, rest);
        struct sorted_key first = {.length = G_MAXUINT};

        for (guint i = 0; i < rest; i++)
                keys[i] = sorted_key(pairs, sorted + i);
        if (rest)
                g_qsort_with_data(keys, (gint)rest, sizeof *keys, compare_sorted, pairs);
        for (guint i = 0; i < rest; i++) {
                for (; at < sorted; at++) {
                        struct sorted_key before = sorted_key(pairs, at);
                        gint order = compare_texts(&before, &keys[i], pairs);

                        if (order == 0)
                                first = before;
                        if (order >= 0)
                                break;
                }
                if (compare_texts(&first, &keys[i], pairs) == 0)
                        drop_later(reader, &pairs[first.pair], &pairs[keys[i].pair], keys[i].pair < own);
                else
                        first = keys[i];
        }
}

/* Copies what the merge key stands for, so that it tells how it got here. */
static void
copy_merged(struct reader *reader, struct pair *pairs, guint count, const struct node *merge_key)
{
        struct via via = {&reader->tree->arena, reader->diagnostics->sources, "merged by '<<'", merge_key->place,
                          reader->copy_room};

        for (guint i = 0; i < count; i++)
                if (pairs[i].value)
                        pairs[i].value = via_copy(&via, pairs[i].value);
        reader->copy_room = via.room;
}

/* The pairs that were not dropped, as those of the map. */
static void
keep_pairs(struct reader *reader, struct node *map, const struct pair *pairs, guint count)
{
        map->keys = arena_alloc(&reader->tree->arena, 2 * count * sizeof *map->keys);
        map->items = map->keys + count;
        for (guint i = 0; i < count; i++) {
                if (!pairs[i].value)
                        continue;
                map->keys[map->count] = pairs[i].key;
                map->items[map->count++] = pairs[i].value;
        }
}

void
reader_close_map(struct reader *reader, const struct frame *frame)
{
        const struct pair merge = take_own(reader, frame);
        guint own = (reader->pending_count - frame->first) / 2, count;
        struct pair *pairs;

        if (merge.key) {
                reader_check_place_of_tag(reader, merge.value, "what a merge key takes");
                add_merged(reader, merge.key, merge.value);
        }
        count = (reader->pending_count - frame->first) / 2;
        if (count == 0)
                return;
        pairs = pairs_of(reader, frame);
        if (count <= FEW_PAIRS)
                drop_from_few(reader, pairs, count, own);
        else
                drop_from_many(reader, pairs, count, own);
        if (count > own)
                copy_merged(reader, pairs + own, count - own, merge.key);
        keep_pairs(reader, frame->node, pairs, count);
}
