/* decode-provision.c - the keys that set up a guest, where no common type covers them: mounts, cloud_init, files, run, ssh */
#include "parser/decode/decode.h"

#include "parser/value/typed.h"
#include "parser/value/value-provision.h"

#include <string.h>

#define FIELD(object, key, type) (*(type *)((char *)(object) + (key)->offset))

/* ---- paths in the guest ---- */

static void
decode_guest_path(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        const char *text = decode_text(decoder, key, node);
        g_auto(value_fault) fault = VALUE_FAULT_INIT;
        g_autofree char *path = NULL;

        if (!text)
                return;
        if (value_parse_guest_path(text, &path, &fault))
                FIELD(object, key, const char *) = store_text(decoder->store, path, -1);
        else
                decode_fault(decoder, fault.id, key, node, fault.hint, "%s", fault.reason);
}

static json_t *
schema_guest_path(void)
{
        return json_pack("{s:s, s:s}", "type", "string", "pattern", "^/");
}

const struct key_codec codec_guest_path = {"absolute path in the guest", decode_guest_path, encode_text, schema_guest_path};

/* ---- mounts ---- */

gboolean
decode_short_mount(struct decoder *decoder, const struct node *node, void *object)
{
        const struct key *target_key = keys_find_in(&keys_mount, "target");
        struct mount *mount = object;
        const char *text = decode_text(decoder, target_key, node);
        g_autofree char *source = NULL, *target = NULL, *path = NULL;
        g_auto(value_fault) fault = VALUE_FAULT_INIT;

        if (!text)
                return TRUE;
        if (!value_parse_mount(text, &source, &target, &mount->read_only, &fault)) {
                decode_fault(decoder, fault.id, NULL, node, fault.hint, "%s", fault.reason);
                return TRUE;
        }
        mount->source = decode_path(decoder, node, source);
        if (value_parse_guest_path(target, &path, &fault))
                mount->target = store_text(decoder->store, path, -1);
        else
                decode_fault(decoder, fault.id, target_key, node, fault.hint, "%s", fault.reason);
        return TRUE;
}

/* ---- cloud_init ---- */

static gboolean
is_inline(const char *text)
{
        return *text == '#' || strchr(text, '\n');
}

static void
decode_document(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        struct document *document = &FIELD(object, key, struct document);
        const char *text;

        if (node->kind == NODE_MAP) {
                document->map = node;
                return;
        }
        if (node->kind == NODE_LIST) {
                decode_shape_fault(decoder, key, node, SHAPE_MAP);
                return;
        }
        if (!node->faulty && (node_is_null(node) || !*node->text)) {
                decode_fault(
                        decoder, "document-empty", key, node,
                        "a '#' behind a blank begins a comment: write '|' behind the colon, and the text below it, indented",
                        "the text is missing");
                return;
        }
        text = decode_text(decoder, key, node);
        if (text && is_inline(text))
                document->text = text;
        else if (text)
                document->path = decode_path(decoder, node, text);
}

static json_t *
encode_document_text(const char *text)
{
        g_autofree char *dollars = encode_dollars(text);

        return json_string(dollars);
}

static json_t *
encode_document(const struct key *key, const void *object)
{
        const struct document *document = (const struct document *)((const char *)object + key->offset);

        if (document->map)
                return typed_node(document->map, encode_document_text);
        if (document->text || document->path)
                return encode_document_text(document->text ? document->text : document->path);
        return NULL;
}

static json_t *
schema_document(void)
{
        return json_pack("{s:[s,s], s:i}", "type", "object", "string", "minLength", 1);
}

const struct key_codec codec_document = {"map, text of several lines or beginning with #, or else a path", decode_document,
                                         encode_document, schema_document};

/* ---- files ---- */

static void
decode_content(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        const char *text = decode_text(decoder, key, node);

        if (text)
                FIELD(object, key, const char *) = text;
}

/* A number is as good as its digits, but nobody means a file with "true" in it by a plain true: a text it is all the same. */
static json_t *
schema_content(void)
{
        return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean");
}

const struct key_codec codec_content = {"text, also of several lines", decode_content, encode_text, schema_content};

static void
decode_mode(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        const char *text = decode_text(decoder, key, node);
        g_auto(value_fault) fault = VALUE_FAULT_INIT;

        if (text && !value_parse_mode(text, &FIELD(object, key, guint), &fault))
                decode_fault(decoder, fault.id, key, node, fault.hint, "%s", fault.reason);
}

static json_t *
encode_mode(const struct key *key, const void *object)
{
        g_autofree char *text = value_format_mode(*(const guint *)((const char *)object + key->offset));

        return json_string(text);
}

/* An editor that reads YAML 1.1 has made a number of 0644 already. */
static json_t *
schema_mode(void)
{
        return json_pack("{s:[{s:s, s:s}, {s:s, s:i, s:i}]}", "anyOf", "type", "string", "pattern", "^0[0-7]{3,4}$", "type",
                         "integer", "minimum", 0, "maximum", 7777);
}

const struct key_codec codec_mode = {"octal permissions", decode_mode, encode_mode, schema_mode};

static void
decode_owner(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        decode_checked(decoder, key, node, object, value_check_owner);
}

static json_t *
schema_owner(void)
{
        return json_pack("{s:[s,s], s:s, s:i}", "type", "string", "integer", "pattern", "^[A-Za-z0-9_][^: /]*(:[^: /]+)?$",
                         "minimum", 0);
}

const struct key_codec codec_owner = {"user, or user:group", decode_owner, encode_text, schema_owner};

/* ---- run ---- */

static const char *const *
decode_argv(struct decoder *decoder, const struct key *key, const struct node *node)
{
        const char **argv = store_alloc(decoder->store, (node->count + 1) * sizeof *argv);

        if (!node->count)
                decode_fault(decoder, "command-empty", key, node, NULL, "the command is empty");
        for (guint i = 0; i < node->count; i++) {
                argv[i] = decode_text(decoder, key, node->items[i]);
                if (!argv[i])
                        return NULL;
        }
        return argv;
}

static void
decode_run(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        struct vm *vm = object;

        if (node_is_null(node))
                return;
        if (node->kind != NODE_LIST) {
                decode_shape_fault(decoder, key, node, SHAPE_LIST);
                return;
        }
        vm->commands = store_alloc(decoder->store, (node->count + 1) * sizeof *vm->commands);
        for (guint i = 0; i < node->count; i++) {
                const struct node *item = node->items[i];
                struct command *command = &vm->commands[vm->command_count];

                if (item->kind == NODE_LIST)
                        command->argv = decode_argv(decoder, key, item);
                else
                        command->line = decode_text(decoder, key, item);
                vm->command_count += command->line || command->argv;
        }
}

static json_t *
encode_run(const struct key *key, const void *object)
{
        const struct vm *vm = object;
        json_t *all = json_array();

        for (guint i = 0; i < vm->command_count; i++) {
                const struct command *command = &vm->commands[i];
                json_t *words = command->line ? encode_document_text(command->line) : json_array();

                for (const char *const *word = command->argv; word && *word; word++)
                        json_array_append_new(words, encode_document_text(*word));
                json_array_append_new(all, words);
        }
        return all;
}

static json_t *
schema_run(void)
{
        return json_pack("{s:[s,s], s:{s:[{s:[s,s,s]}, {s:s, s:i, s:{s:[s,s,s]}}]}}", "type", "array", "null", "items", "anyOf",
                         "type", "string", "number", "boolean", "type", "array", "minItems", 1, "items", "type", "string",
                         "number", "boolean");
}

const struct key_codec codec_run = {"list of lines for the shell, or of lists of words", decode_run, encode_run, schema_run};

/* ---- ssh ---- */

static void
decode_user(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        decode_checked(decoder, key, node, object, value_check_user);
}

static json_t *
schema_user(void)
{
        return json_pack("{s:[s,s], s:s, s:i}", "type", "string", "integer", "pattern",
                         "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$", "minimum", 0);
}

const struct key_codec codec_user = {"user of the guest", decode_user, encode_text, schema_user};

/* "ssh-ed25519 AAAA... ann@host" */
static gboolean
is_public_key(const char *text)
{
        return (g_str_has_prefix(text, "ssh-") || g_str_has_prefix(text, "ecdsa-") || g_str_has_prefix(text, "sk-")) &&
               strchr(text, ' ');
}

static void
decode_ssh_keys(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        struct ssh *ssh = object;

        if (node_is_null(node))
                return;
        if (node->kind != NODE_LIST) {
                decode_shape_fault(decoder, key, node, SHAPE_LIST);
                return;
        }
        ssh->keys = store_alloc(decoder->store, (node->count + 1) * sizeof *ssh->keys);
        for (guint i = 0; i < node->count; i++) {
                const char *text = decode_text(decoder, key, node->items[i]);
                struct ssh_key *one = &ssh->keys[ssh->key_count];

                if (!text)
                        continue;
                one->place = node->items[i]->place;
                if (strstr(text, "PRIVATE KEY"))
                        decode_fault(decoder, "private-key-text", key, node->items[i],
                                     "take what ssh-keygen wrote into the .pub file",
                                     "this is a private key, which nobody else may see");
                else if (strchr(text, '\n'))
                        decode_fault(decoder, "ssh-key-lines", key, node->items[i], "write one entry for each key",
                                     "the key has several lines");
                else if (is_public_key(text))
                        one->text = text;
                else if (*text)
                        one->path = decode_path(decoder, node->items[i], text);
                ssh->key_count += one->text || one->path;
        }
}

static json_t *
encode_ssh_keys(const struct key *key, const void *object)
{
        const struct ssh *ssh = object;
        json_t *list = json_array();

        for (guint i = 0; i < ssh->key_count; i++)
                json_array_append_new(list, encode_document_text(ssh->keys[i].text ? ssh->keys[i].text : ssh->keys[i].path));
        return list;
}

static json_t *
schema_ssh_keys(void)
{
        return json_pack("{s:[s,s], s:{s:s, s:i}}", "type", "array", "null", "items", "type", "string", "minLength", 1);
}

const struct key_codec codec_ssh_keys = {"list of paths of public keys, or of the keys themselves", decode_ssh_keys,
                                         encode_ssh_keys, schema_ssh_keys};
