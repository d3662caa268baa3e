/* decode-special.c - the few keys that no common type covers: boot.order, machine */
#include "parser/decode/decode.h"

#include "base/text.h"
#include "parser/value/value.h"

#include <string.h>

static const char *const boot_words[] = {"disk", "cdrom", "network", NULL};

#define FIELD(object, key, type) (*(type *)((char *)(object) + (key)->offset))

/* ---- boot.order ---- */

static void
decode_boot_order(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        struct boot *boot = object;
        gboolean seen[BOOT_DEVICES] = {FALSE};

        if (node_is_null(node))
                return;
        if (node->kind != NODE_LIST) {
                decode_shape_fault(decoder, key, node, SHAPE_LIST);
                return;
        }
        for (guint i = 0; i < node->count; i++) {
                const char *text = decode_text(decoder, key, node->items[i]);
                int word = text ? decode_word(decoder, key, node->items[i], text, boot_words, NULL) : -1;

                if (word < 0)
                        continue;
                if (seen[word])
                        decode_fault(decoder, "boot-twice", key, node->items[i], NULL, "'%s' is in the list twice", text);
                else
                        boot->order[boot->order_count++] = (enum boot_device)word;
                seen[word] = TRUE;
        }
}

static json_t *
encode_boot_order(const struct key *key, const void *object)
{
        const struct boot *boot = object;
        json_t *list;

        if (!boot->order_count)
                return NULL;
        list = json_array();
        for (guint i = 0; i < boot->order_count; i++)
                json_array_append_new(list, json_string(boot_words[boot->order[i]]));
        return list;
}

static json_t *
schema_boot_order(void)
{
        return json_pack("{s:[s,s], s:b, s:i, s:{s:[s,s,s]}}", "type", "array", "null", "uniqueItems", 1, "maxItems",
                         BOOT_DEVICES, "items", "enum", boot_words[0], boot_words[1], boot_words[2]);
}

const struct key_codec codec_boot_order = {"list of disk, cdrom, network", decode_boot_order, encode_boot_order,
                                           schema_boot_order};

/* ---- paths of files that are read before the project is decoded: only checked here ---- */

static void
decode_paths(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        guint count = node->kind == NODE_LIST ? node->count : 1;

        if (node->kind == NODE_MAP || (node->kind == NODE_LIST && node->count == 0)) {
                decode_shape_fault(decoder, key, node, SHAPE_SCALAR);
                return;
        }
        for (guint i = 0; i < count; i++) {
                const struct node *path = node->kind == NODE_LIST ? node->items[i] : node;
                const char *text = decode_text(decoder, key, path);

                if (text && !*text)
                        decode_fault(decoder, "include-path-empty", key, path, "write a path, or remove the key",
                                     "the path is empty");
        }
}

static json_t *
encode_nothing(const struct key *key, const void *object)
{
        return NULL;
}

static json_t *
schema_paths(void)
{
        return json_pack("{s:[{s:s, s:i}, {s:s, s:{s:s, s:i}, s:i}]}", "anyOf", "type", "string", "minLength", 1, "type",
                         "array", "items", "type", "string", "minLength", 1, "minItems", 1);
}

const struct key_codec codec_paths = {"path, or list of paths", decode_paths, encode_nothing, schema_paths};

/* ---- machine ---- */

/* "pc-q35-7.2", "pc-i440fx-7.2", also with a distribution's suffix: what follows is up to QEMU. */
static gboolean
is_versioned(const char *text)
{
        static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
        const char *version = NULL;

        if (g_str_has_prefix(text, "pc-q35-"))
                version = text + strlen("pc-q35-");
        else if (g_str_has_prefix(text, "pc-i440fx-"))
                version = text + strlen("pc-i440fx-");
        return version && strlen(text) <= 64 && strspn(version, safe) == strlen(version) &&
               (g_ascii_isdigit(*version) || strchr(version, '-'));
}

static void
decode_machine(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        static const char *const words[] = {"q35", "pc", NULL};
        const char *text = decode_text(decoder, key, node);
        g_autofree char *hint = NULL, *quoted = NULL;

        if (!text)
                return;
        if (strcmp(text, "q35") == 0 || strcmp(text, "pc") == 0 || is_versioned(text)) {
                FIELD(object, key, const char *) = text;
                return;
        }
        if (strcmp(text, "microvm") == 0) {
                FIELD(object, key, const char *) = text;
                decode_refuse(decoder, key, node, NULL, "'microvm' is not supported yet");
                return;
        }
        quoted = value_quote(text);
        hint = hint_suggest(text, words);
        decode_fault(decoder, "unknown-machine", key, node, hint,
                     "%s is neither q35, nor pc, nor a versioned name such as pc-q35-7.2", quoted);
}

static json_t *
schema_machine(void)
{
        return json_pack("{s:s, s:s}", "type", "string", "pattern", "^(q35|pc|microvm|pc-q35-.+|pc-i440fx-.+)$");
}

const struct key_codec codec_machine = {"machine type", decode_machine, encode_text, schema_machine};
