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

/* A key of a large map: most are told apart by their first bytes, without a look at the text. */
struct sorted_key {
        guint64 prefix;
        guint pair;
};

static inline void
add_pair(struct reader *reader, struct node *key, struct node *value, const struct node *merged)
{
        if (reader->pair_count == reader->pair_room) {
                reader->pair_room = MAX(64, 2 * reader->pair_room);
                reader->pairs = g_renew(struct pair, reader->pairs, reader->pair_room);
        }
        reader->pairs[reader->pair_count++] = (struct pair){key, value, merged};
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
                        add_pair(reader, maps[i]->keys[j], maps[i]->items[j], key);
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

/* Collects the pairs of the map that ends: first its own, then those of its merge keys. */
static void
collect_pairs(struct reader *reader, const struct frame *frame, guint *ret_own)
{
        guint count = reader->pending_count - frame->first;
        struct node **nodes = count ? reader->pending + frame->first : NULL; /* of an empty one there is nothing yet */
        const struct node *merge_key = NULL;
        guint merge = 0;

        reader->pair_count = 0;
        for (guint i = 0; i < count; i += 2) {
                struct node *key = nodes[i];

                if (reader->tree->has_tags) {
                        reader_check_place_of_tag(reader, key, "a key");
                        reader_check_reset(reader, nodes[i + 1]);
                }
                if (is_merge_key(key) && merge_key) {
                        report_duplicate(reader, merge_key, key);
                } else if (is_merge_key(key)) {
                        merge_key = key;
                        merge = i + 1;
                } else if (key->kind != NODE_SCALAR) {
                        diagnostics_add(reader->diagnostics, SEVERITY_ERROR, "key-not-scalar", key->place,
                                        "put it in quotes if it is meant as text", "a key must be a single word, not %s",
                                        key->kind == NODE_LIST ? "a list" : "a map");
                } else if (!check_length(reader, key)) {
                        continue;
                } else if (key != &reader->unknown) {
                        add_pair(reader, key, nodes[i + 1], NULL);
                        reader->tree->has_extends |= key->text[0] == 'e' && strcmp(key->text, "extends") == 0;
                }
        }
        *ret_own = reader->pair_count;
        if (merge_key) {
                reader_check_place_of_tag(reader, nodes[merge], "what a merge key takes");
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

static gboolean
is_same_key(const struct pair *a, const struct pair *b)
{
        return a->key->text[0] == b->key->text[0] && strcmp(a->key->text, b->key->text) == 0;
}

static void
drop_from_few(struct reader *reader)
{
        struct pair *pairs = reader->pairs;
        guint64 initials = 0; /* of those before, modulo 64 */

        for (guint i = 0; i < reader->pair_count; i++) {
                guint64 initial = G_GUINT64_CONSTANT(1) << (pairs[i].key->text[0] & 63);

                for (guint j = 0; j < i && (initials & initial); j++)
                        if (pairs[j].value && is_same_key(&pairs[j], &pairs[i])) {
                                drop_later(reader, &pairs[j], &pairs[i]);
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

static gint
compare_sorted(gconstpointer a, gconstpointer b, gpointer data)
{
        const struct sorted_key *one = a, *two = b;
        const struct pair *pairs = data;
        int order = one->prefix < two->prefix ? -1 : one->prefix > two->prefix;

        if (!order && (one->prefix & 0xff)) /* both go on behind it */
                order = strcmp(pairs[one->pair].key->text, pairs[two->pair].key->text);
        return order ? order : one->pair < two->pair ? -1 : one->pair > two->pair;
}

static void
drop_from_many(struct reader *reader)
{
        struct pair *pairs = reader->pairs;
        g_autofree struct sorted_key *keys = g_new(struct sorted_key, reader->pair_count);
        struct pair *first;

        for (guint i = 0; i < reader->pair_count; i++)
                keys[i] = (struct sorted_key){prefix_of(pairs[i].key->text), i};
        g_qsort_with_data(keys, (gint)reader->pair_count, sizeof *keys, compare_sorted, pairs);
        first = &pairs[keys[0].pair];
        for (guint i = 1; i < reader->pair_count; i++) {
                struct pair *next = &pairs[keys[i].pair];

                if (keys[i].prefix == keys[i - 1].prefix && is_same_key(first, next))
                        drop_later(reader, first, next);
                else
                        first = next;
        }
}

/* Copies what merge keys stand for, so that it tells how it got here. */
static void
copy_merged(struct reader *reader)
{
        struct via via = {&reader->tree->arena, reader->diagnostics->sources, "merged by '<<'", .room = reader->copy_room};

        for (guint i = 0; i < reader->pair_count; i++) {
                struct pair *pair = &reader->pairs[i];

                if (!pair->value || !pair->merged)
                        continue;
                via.place = pair->merged->place;
                pair->value = via_copy(&via, pair->value);
        }
        reader->copy_room = via.room;
}

void
reader_close_map(struct reader *reader, const struct frame *frame)
{
        struct node *node = frame->node;
        guint own, count;

        collect_pairs(reader, frame, &own);
        count = reader->pair_count;
        if (count == 0)
                return;
        if (count <= FEW_PAIRS)
                drop_from_few(reader);
        else
                drop_from_many(reader);
        if (count > own)
                copy_merged(reader);
        node->keys = arena_alloc(&reader->tree->arena, 2 * count * sizeof *node->keys);
        node->items = node->keys + count;
        for (guint i = 0; i < count; i++) {
                const struct pair *pair = &reader->pairs[i];

                if (!pair->value)
                        continue;
                node->keys[node->count] = pair->key;
                node->items[node->count++] = pair->value;
        }
}
