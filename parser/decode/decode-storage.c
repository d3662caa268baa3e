/* decode-storage.c - the keys of images and disks that no common type covers: image, url, digests, device, serial */
#include "parser/decode/decode.h"

#include "parser/value/disk-url.h"
#include "parser/value/value-storage.h"

#include <string.h>

#define FIELD(object, key, type) (*(type *)((char *)(object) + (key)->offset))

void
decode_checked(struct decoder *decoder, const struct key *key, const struct node *node, void *object,
               gboolean (*check)(const char *, struct value_fault *))
{
        const char *text = decode_text(decoder, key, node);
        g_auto(value_fault) fault = VALUE_FAULT_INIT;

        if (text && check(text, &fault))
                FIELD(object, key, const char *) = text;
        else if (text)
                decode_fault(decoder, fault.id, key, node, fault.hint, "%s", fault.reason);
}

/* ---- image of a VM ---- */

static gboolean
is_path(const char *text)
{
        return strchr(text, '/') || *text == '.' || *text == '~';
}

static void
decode_image(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        struct vm *vm = object;
        const char *text = decode_text(decoder, key, node);
        g_auto(value_fault) fault = VALUE_FAULT_INIT;

        if (!text)
                return;
        if (!*text) {
                decode_fault(decoder, "image-empty", key, node, "write a path, or remove the key for a blank disk",
                             "the text is empty");
        } else if (strstr(text, "://")) {
                if (!value_check_url(text, &fault)) {
                        decode_fault(decoder, fault.id, key, node, fault.hint, "%s", fault.reason);
                        return;
                }
                vm->image_url = text;
        } else if (is_path(text)) {
                vm->image = decode_path(decoder, node, text);
        } else if (!value_check_image_name(text, &fault)) {
                decode_fault(decoder, fault.id, key, node, fault.hint, "%s", fault.reason);
        } else {
                vm->image_name = text; /* looked up, and refused, once all names are known */
        }
}

static json_t *
encode_image(const struct key *key, const void *object)
{
        const struct vm *vm = object;
        const char *text = vm->image_url ? vm->image_url : vm->image_name ? vm->image_name : vm->image;
        g_autofree char *dollars = text ? encode_dollars(text) : NULL;

        return dollars ? json_string(dollars) : NULL;
}

static json_t *
schema_text(void)
{
        return json_pack("{s:s, s:i}", "type", "string", "minLength", 1);
}

const struct key_codec codec_image = {"path, URL, or name of an image", decode_image, encode_image, schema_text};

/* ---- URL ---- */

static void
decode_url(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        decode_checked(decoder, key, node, object, value_check_url);
}

static json_t *
schema_url(void)
{
        return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[Hh][Tt][Tt][Pp][Ss]?://[^/ ]");
}

const struct key_codec codec_url = {"URL", decode_url, encode_text, schema_url};

/* ---- digests ---- */

static void
decode_digest(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        const char *text = decode_text(decoder, key, node);
        g_auto(value_fault) fault = VALUE_FAULT_INIT;
        g_autofree char *digest = NULL;

        if (!text)
                return;
        if (value_parse_digest(text, (guint)key->max, &digest, &fault))
                FIELD(object, key, const char *) = store_text(decoder->store, digest, -1);
        else
                decode_fault(decoder, fault.id, key, node, fault.hint, "%s", fault.reason);
}

static json_t *
schema_sha256(void)
{
        return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[0-9A-Fa-f]{64}$");
}

static json_t *
schema_sha512(void)
{
        return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[0-9A-Fa-f]{128}$");
}

const struct key_codec codec_sha256 = {"64 hexadecimal digits", decode_digest, encode_text, schema_sha256};
const struct key_codec codec_sha512 = {"128 hexadecimal digits", decode_digest, encode_text, schema_sha512};

/* ---- device, serial ---- */

static void
decode_device(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        decode_checked(decoder, key, node, object, value_check_device);
        if (FIELD(object, key, const char *))
                FIELD(object, key, const char *) = decode_path(decoder, node, FIELD(object, key, const char *));
}

static json_t *
schema_device(void)
{
        return json_pack("{s:s, s:s}", "type", "string", "pattern", "^/dev/.");
}

const struct key_codec codec_device = {"path below /dev", decode_device, encode_text, schema_device};

static void
decode_disk_url(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        decode_checked(decoder, key, node, object, disk_url_check);
}

static json_t *
schema_disk_url(void)
{
        return json_pack("{s:s, s:s}", "type", "string", "pattern", "^(nbd|nbd\\+unix|iscsi|https?)://.|^rbd:.+/.");
}

const struct key_codec codec_disk_url = {"URL of QEMU's", decode_disk_url, encode_text, schema_disk_url};

static void
decode_serial(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        decode_checked(decoder, key, node, object, value_check_serial);
}

/* Digits alone are as good a text as any, unlike what begins with zeros, which YAML may read as another number. */
static json_t *
schema_serial(void)
{
        return json_pack("{s:[{s:s, s:s}, {s:s, s:i}]}", "anyOf", "type", "string", "pattern", "^[!-~]{1,36}$", "type",
                         "integer", "minimum", 0);
}

const struct key_codec codec_serial = {"text of at most 36 characters", decode_serial, encode_text, schema_serial};
