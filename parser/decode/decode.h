/* decode.h - from nodes to structs by the table of keys; private to parser/
 *
 * A fault never stops the decoding: it is noted in the diagnostics, the field keeps its default, and the next key follows.
 * So the result of a run with errors is complete in shape but not to be used.
 */
#pragma once

#include "parser/keys/keys.h"
#include "parser/store.h"

/** struct context - The object that is being decoded, for messages: "nic 'lan' of vm 'web'" */
struct context {
        const struct context *parent;
        const char *title;
        const char *name; /* or NULL */
};

struct decoder {
        struct project_store *store;
        struct diagnostics *diagnostics;
        const struct context *context; /* the innermost; NULL at the top of the file */
        guint unbuilt;                 /* how many objects that are not built yet are open: only the outermost is refused */
};

/** struct key_codec - What a KEY_SPECIAL row does instead of the common functions */
struct key_codec {
        const char *type_name; /* for people: key_type_name() */
        void (*decode)(struct decoder *decoder, const struct key *key, const struct node *node, void *object);
        json_t *(*encode)(const struct key *key, const void *object); /* NULL: there is no value */
        json_t *(*schema)(void);
};

extern const struct key_codec codec_boot_order, codec_machine, codec_paths;
extern const struct key_codec codec_image, codec_url, codec_sha256, codec_sha512, codec_device, codec_disk_url, codec_serial;
extern const struct key_codec codec_remote, codec_dhcp_options;
extern const struct key_codec codec_guest_path, codec_document, codec_content, codec_mode, codec_owner, codec_run, codec_user,
        codec_ssh_keys;
extern const struct key_codec codec_restart, codec_pci, codec_usb, codec_host, codec_endpoint, codec_port_range,
        codec_cpu_model, codec_regex, codec_command;

/** struct extends - What the key `extends` of a VM says; gone when the VM is decoded */
struct extends {
        const struct node *node;
        const char *vm, *file; /* file: absolute, or NULL */
};

/** decode_defaults() - Give the fields of a zeroed struct the defaults of their keys */
void decode_defaults(struct decoder *decoder, const struct key_table *table, void *object);

/** decode_new() - @count structs, one after another, with their defaults; they live as long as the project */
void *decode_new(struct decoder *decoder, const struct key_table *table, guint count);

/** decode_object() - Fill a struct that has its defaults with what a map says; @node NULL: nothing */
void decode_object(struct decoder *decoder, const struct key_table *table, const struct node *node, void *object);

/** decode_fault() - A diagnostic about the value of @key at @node: "memory of vm 'web': ..."; returns FALSE */
gboolean decode_fault(struct decoder *decoder, const char *id, const struct key *key, const struct node *node, const char *hint,
                      const char *format, ...) G_GNUC_PRINTF(6, 7);

/** decode_refuse() - The same for what is not built yet: refused by project_refusals() */
void decode_refuse(struct decoder *decoder, const struct key *key, const struct node *node, const char *hint,
                   const char *format, ...) G_GNUC_PRINTF(5, 6);

/** decode_subject() - "memory of vm 'web'", "isolation". Returns a new string */
char *decode_subject(const struct decoder *decoder, const char *key);

/** decode_text() - The text of a scalar; NULL after a fault, or where it is empty */
const char *decode_text(struct decoder *decoder, const struct key *key, const struct node *node);

/** decode_path() - Made absolute, relative to the file that it stands in; "~/" is the home directory */
const char *decode_path(struct decoder *decoder, const struct node *node, const char *text);

/** decode_word() - The index of @text in @words, then in @later (refused), or -1 after a fault with a suggestion */
int decode_word(struct decoder *decoder, const struct key *key, const struct node *node, const char *text,
                const char *const *words, const char *const *later);

/** decode_shape_fault() - "a list stands where a map is wanted", in a beginner's words */
void decode_shape_fault(struct decoder *decoder, const struct key *key, const struct node *node, guint wanted);

/** decode_object_fault() - The same for an object of @table, where a plain text may be meant as one of its words */
void decode_object_fault(struct decoder *decoder, const struct key_table *table, const struct node *node);

/** decode_unknown_key() - What is said about a key that a table does not have: the suggestion, or where it belongs */
void decode_unknown_key(struct decoder *decoder, const struct key_table *table, const struct node *node, guint index);

/** decode_strange_disk() - Is this text in a VM's list of disks no name but a path or a mount? Then it is explained, and TRUE
 */
gboolean decode_strange_disk(struct decoder *decoder, const struct node *node, void *object);

/** decode_both_rates() - `rate: 10M` is for both directions; returns TRUE */
gboolean decode_both_rates(struct decoder *decoder, const struct node *node, void *object);

/** decode_checked() - A text field that is kept as it is written, if @check finds nothing wrong: for codecs */
void decode_checked(struct decoder *decoder, const struct key *key, const struct node *node, void *object,
                    gboolean (*check)(const char *text, struct value_fault *fault));

/** decode_short_mount() - "SOURCE:TARGET[:ro]" as a mount; returns TRUE */
gboolean decode_short_mount(struct decoder *decoder, const struct node *node, void *object);

/** decode_short_port(), encode_short_port() - A published port as a text: "127.0.0.1:8080:80/udp" */
gboolean decode_short_port(struct decoder *decoder, const struct node *node, void *object);
json_t *encode_short_port(const void *object);

/** hint_suggest() - "did you mean 'x'?" for the nearest of @candidates, or NULL. Returns a new string */
char *hint_suggest(const char *wrong, const char *const *candidates);

/** encode_text() - A field that is text, for codecs; NULL where there is none */
json_t *encode_text(const struct key *key, const void *object);

/** encode_dollars() - Text that interpolation leaves as @text is: every dollar doubled. Returns a new string */
char *encode_dollars(const char *text);
