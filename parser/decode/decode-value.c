/* decode-value.c - single values: texts, sizes, addresses, words */
#include "parser/decode/decode-value.h"

#include <string.h>

#define FIELD(object, key, type) (*(type *)((char *)(object) + (key)->offset))

enum { SHORT_MS = 600000 };

char *
encode_dollars(const char *text)
{
        GString *out = g_string_new(NULL);

        for (; *text; text++) {
                if (*text == '$')
                        g_string_append_c(out, '$');
                g_string_append_c(out, *text);
        }
        return g_string_free(out, FALSE);
}

const char *
decode_text(struct decoder *decoder, const struct key *key, const struct node *node)
{
        if (node->kind != NODE_SCALAR) {
                decode_shape_fault(decoder, key, node, SHAPE_SCALAR);
                return NULL;
        }
        if (node_is_null(node)) {
                decode_fault(decoder, "empty-value", key, node, "write a value, or remove the key for the default",
                             "the value is missing");
                return NULL;
        }
        if (node->faulty)
                return NULL;
        if (node->variable && !*node->text && key->type != KEY_TEXT && key->type != KEY_TEXT_LIST &&
            key->type != KEY_TEXT_MAP) {
                decode_fault(decoder, "empty-variable", key, node, "set them, or write a default: ${NAME:-value}",
                             "its variables leave the value empty");
                return NULL;
        }
        return node->text;
}

const char *
decode_path(struct decoder *decoder, const struct node *node, const char *text)
{
        g_autofree char *path = NULL;

        if (g_str_has_prefix(text, "~/"))
                path = g_build_filename(g_get_home_dir(), text + 2, NULL);
        else
                path = g_canonicalize_filename(text, node->place.source ? node->place.source->directory : "/");
        return store_text(decoder->store, path, -1);
}

int
decode_word(struct decoder *decoder, const struct key *key, const struct node *node, const char *text, const char *const *words,
            const char *const *later)
{
        guint count = g_strv_length((char **)words);
        g_autoptr(GPtrArray) all = NULL;
        g_autofree char *list = NULL, *quoted = NULL, *hint = NULL;

        for (guint i = 0; i < count; i++)
                if (strcmp(text, words[i]) == 0)
                        return (int)i;
        for (guint i = 0; later && later[i]; i++) {
                if (strcmp(text, later[i]) == 0) {
                        decode_refuse(decoder, key, node, NULL, "'%s' is not supported yet", text);
                        return (int)(count + i);
                }
        }
        all = g_ptr_array_new();
        for (guint i = 0; i < count; i++)
                g_ptr_array_add(all, (gpointer)words[i]);
        for (guint i = 0; later && later[i]; i++)
                g_ptr_array_add(all, (gpointer)later[i]);
        g_ptr_array_add(all, NULL);
        list = g_strjoinv(", ", (char **)all->pdata);
        quoted = value_quote(text);
        hint = hint_suggest(text, (const char *const *)all->pdata);
        decode_fault(decoder, "bad-word", key, node, hint, "%s is none of: %s", quoted, list);
        return -1;
}

static void
decode_enum(struct decoder *decoder, const struct key *key, const struct node *node, const char *text, void *object)
{
        int word;

        for (const char *const *pair = key->meant; pair && *pair; pair += 2) {
                if (g_ascii_strcasecmp(pair[0], text) == 0) {
                        g_autofree char *hint = g_strdup_printf("did you mean '%s'?", pair[1]);

                        decode_fault(decoder, "foreign-word", key, node, hint, "'%s' is not what it is called here", text);
                        return;
                }
        }
        word = decode_word(decoder, key, node, text, key->words, key->later);
        if (word >= 0)
                FIELD(object, key, int) = word;
}

/* Size or memory within its limits. */
static gboolean
check_bytes(struct decoder *decoder, const struct key *key, const struct node *node, guint64 bytes)
{
        gboolean low = bytes < (guint64)key->min;
        g_autofree char *limit = NULL, *quoted = NULL;

        if (!low && bytes <= (guint64)key->max)
                return TRUE;
        limit = value_format_size(low ? key->min : key->max);
        quoted = value_quote(node->text);
        if (low)
                return decode_fault(decoder, "size-too-small", key, node, NULL, "%s is too small, it has to be %s or more",
                                    quoted, limit);
        return decode_fault(decoder, "size-too-large", key, node, NULL, "%s is too large, it has to be %s or less", quoted,
                            limit);
}

static gboolean
decode_memory(struct decoder *decoder, const struct key *key, const struct node *node, const char *text, guint64 *ret_bytes,
              value_fault *fault)
{
        gboolean bare = FALSE;
        guint64 bytes = 0;

        if (!value_parse_memory(text, &bytes, &bare, fault))
                return FALSE;
        if (!check_bytes(decoder, key, node, bytes))
                return TRUE;
        if (bare) {
                g_autofree char *subject = decode_subject(decoder, key->name);
                g_autofree char *size = value_format_size(bytes);
                g_autofree char *hint = g_strdup_printf("write %s to make it plain", size);

                diagnostics_add(decoder->diagnostics, SEVERITY_NOTE, "bare-memory", node->place, hint,
                                "%s: '%s' is taken as MiB", subject, text);
        }
        if (bytes % (1 << 20)) {
                g_autofree char *size = value_format_size(bytes / (1 << 20) * (1 << 20));
                g_autofree char *hint = g_strdup_printf("write %s", size);

                decode_fault(decoder, "memory-step", key, node, hint, "'%s' is not a whole number of MiB", text);
        }
        *ret_bytes = bytes;
        return TRUE;
}

static gboolean
decode_size(struct decoder *decoder, const struct key *key, const struct node *node, const char *text, guint64 *ret_bytes,
            value_fault *fault)
{
        guint64 bytes = 0;

        if (!value_parse_size(text, &bytes, fault)) {
                if (strcmp(fault->id, "size-bad") == 0) {
                        g_free(fault->hint);
                        fault->hint = g_strdup_printf("write '%s', say", key->example);
                }
                return FALSE;
        }
        if (check_bytes(decoder, key, node, bytes))
                *ret_bytes = bytes;
        return TRUE;
}

static gboolean
decode_rate(struct decoder *decoder, const struct key *key, const struct node *node, const char *text, guint64 *ret_bits,
            value_fault *fault)
{
        g_autofree char *limit = NULL;
        guint64 bits = 0;
        gboolean low;

        if (!value_parse_rate(text, &bits, fault))
                return FALSE;
        low = bits < (guint64)key->min;
        limit = value_format_rate((guint64)(low ? key->min : key->max));
        if (low)
                decode_fault(decoder, "rate-too-slow", key, node, NULL, "'%s' is too slow, it has to be %s or more", text,
                             limit);
        else if (bits > (guint64)key->max)
                decode_fault(decoder, "rate-too-fast", key, node, NULL, "'%s' is too fast, it has to be %s or less", text,
                             limit);
        else
                *ret_bits = bits;
        return TRUE;
}

static gboolean
decode_duration(struct decoder *decoder, const struct key *key, const struct node *node, const char *text, guint *ret_duration,
                value_fault *fault)
{
        guint64 ms = 0;

        if (!value_parse_duration(text, &ms, fault)) {
                /* A bare number is seconds to most people, but not where minutes are the most. */
                if (strcmp(fault->id, "duration-no-unit") == 0 && key->max <= SHORT_MS && strlen(text) < 10) {
                        g_free(fault->hint);
                        fault->hint = g_strdup_printf("did you mean '%sms'?", text);
                }
                return FALSE;
        }
        if (ms < (guint64)key->min) {
                g_autofree char *limit = value_format_duration((guint64)key->min);

                decode_fault(decoder, "duration-too-short", key, node, NULL, "'%s' is too short, it has to be %s or more", text,
                             limit);
        } else if (ms > (guint64)key->max) {
                g_autofree char *limit = value_format_duration((guint64)key->max);

                decode_fault(decoder, "duration-too-long", key, node, NULL, "'%s' is too long, it has to be %s or less", text,
                             limit);
        } else if (ms % key->scale_ms) {
                decode_fault(decoder, "duration-step", key, node, NULL, "'%s' is not a whole number of seconds", text);
        } else {
                *ret_duration = (guint)(ms / key->scale_ms);
        }
        return TRUE;
}

gboolean
decode_count(const struct key *key, const char *text, guint *ret_count, struct value_fault *fault)
{
        gint64 count = 0;

        if (!value_parse_count(text, key->min, key->max, &count, fault))
                return FALSE;
        *ret_count = (guint)count;
        return TRUE;
}

/* DNS labels: letters, digits and inner hyphens, at most 63 bytes each. */
static gboolean
is_domain(const char *text, gint64 max_labels)
{
        g_auto(GStrv) labels = g_strsplit(text, ".", -1);

        if (!*text || strlen(text) > 253 || g_strv_length(labels) > (guint)max_labels)
                return FALSE;
        for (char **label = labels; *label; label++) {
                size_t length = strlen(*label);

                if (length == 0 || length > 63 || **label == '-' || (*label)[length - 1] == '-')
                        return FALSE;
                for (const char *c = *label; *c; c++)
                        if (!g_ascii_isalnum(*c) && *c != '-')
                                return FALSE;
        }
        return TRUE;
}

static void
decode_domain(struct decoder *decoder, const struct key *key, const struct node *node, const char *text, void *object)
{
        g_autofree char *quoted = NULL;

        if (is_domain(text, key->max)) {
                FIELD(object, key, const char *) = text;
                return;
        }
        quoted = value_quote(text);
        if (key->max == 1)
                decode_fault(decoder, "bad-hostname", key, node,
                             "letters, digits and inner hyphens, at most 63; the domain is the network's", "%s is no host name",
                             quoted);
        else
                decode_fault(decoder, "bad-domain", key, node, "letters, digits and inner hyphens, with dots between: lab.test",
                             "%s is no domain name", quoted);
}

/* Text that goes into an argument vector or a file of ours: one line, not too long. */
gboolean
decode_check_text(struct decoder *decoder, const struct key *key, const struct node *node, const char *text, gboolean one_line)
{
        if (key->max && strlen(text) > (size_t)key->max)
                return decode_fault(decoder, "text-too-long", key, node, NULL, "the text is too long, %d bytes at most",
                                    (int)key->max);
        for (const char *c = text; one_line && *c; c++)
                if (g_ascii_iscntrl(*c))
                        return decode_fault(decoder, "text-lines", key, node, "write it in one line",
                                            "the text has a line break or a control character");
        return TRUE;
}

static void
decode_name(struct decoder *decoder, const struct key *key, const struct node *node, const char *text, void *object)
{
        g_auto(value_fault) fault = VALUE_FAULT_INIT;

        if (!value_check_name(text, &fault))
                decode_fault(decoder, fault.id, key, node, fault.hint, "%s", fault.reason);
        else
                FIELD(object, key, const char *) = text;
}

/* Those whose fault is value.c's own. Returns FALSE with the fault set. */
static gboolean
parse_plain(struct decoder *decoder, const struct key *key, const struct node *node, const char *text, void *object,
            value_fault *fault)
{
        void *field = (char *)object + key->offset;

        switch (key->type) {
        case KEY_BOOL:
                return value_parse_bool(text, field, fault);
        case KEY_COUNT:
                return decode_count(key, text, field, fault);
        case KEY_MEMORY:
                return decode_memory(decoder, key, node, text, field, fault);
        case KEY_SIZE:
                return decode_size(decoder, key, node, text, field, fault);
        case KEY_DURATION:
                return decode_duration(decoder, key, node, text, field, fault);
        case KEY_MAC:
                return value_parse_mac(text, field, fault);
        case KEY_IPV4:
                return value_parse_ipv4(text, field, fault);
        case KEY_CIDR4:
                return value_parse_cidr4(text, field, fault);
        case KEY_RANGE4:
                return value_parse_range4(text, field, fault);
        case KEY_IPV6:
                return value_parse_ipv6(text, field, fault);
        case KEY_CIDR6:
                return value_parse_cidr6(text, field, fault);
        case KEY_RATE:
                return decode_rate(decoder, key, node, text, field, fault);
        case KEY_PERCENT:
                return value_parse_percent(text, field, fault);
        case KEY_INTERFACE:
                if (!value_check_interface(text, fault))
                        return FALSE;
                *(const char **)field = text;
                return TRUE;
        default:
                g_assert_not_reached();
        }
}

void
decode_value(struct decoder *decoder, const struct key *key, const struct node *node, void *object)
{
        g_auto(value_fault) fault = VALUE_FAULT_INIT;
        const char *text;

        if (decode_list(decoder, key, node, object))
                return;
        text = decode_text(decoder, key, node);
        if (!text)
                return;
        if (key->word) {
                gboolean *is_word = (gboolean *)((char *)object + key->word_offset);

                *is_word = strcmp(text, key->word) == 0;
                if (*is_word)
                        return;
        }
        switch (key->type) {
        case KEY_ENUM:
                decode_enum(decoder, key, node, text, object);
                break;
        case KEY_DOMAIN:
                decode_domain(decoder, key, node, text, object);
                break;
        case KEY_NAME:
                decode_name(decoder, key, node, text, object);
                break;
        case KEY_TEXT:
                if (decode_check_text(decoder, key, node, text, TRUE))
                        FIELD(object, key, const char *) = text;
                break;
        case KEY_PATH:
                if (!*text)
                        decode_fault(decoder, "empty-path", key, node, "write a path, or remove the key", "the path is empty");
                else
                        FIELD(object, key, const char *) = decode_path(decoder, node, text);
                break;
        default:
                if (!parse_plain(decoder, key, node, text, object, &fault))
                        decode_fault(decoder, fault.id, key, node, fault.hint, "%s", fault.reason);
        }
}
