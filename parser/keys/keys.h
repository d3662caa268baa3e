/* keys.h - the table that describes the language: one row a key
 *
 * From the same rows come decoding, the errors with "did you mean", the defaults in `drover config`, the JSON Schema, the
 * key reference in drover.yaml(5), `drover explain`, and the planner's field-by-field comparison. Adding a key is adding a
 * row and the code that uses it; tests/unit/test-keys.c walks the table and fails where a row lacks anything.
 */
#pragma once

#include "base/json.h"
#include "parser/project.h"

/** enum change - How a changed value reaches what runs */
enum change {
        CHANGE_NONE,     /* concerns drover only: nothing has to be done (depends_on, labels, stop_grace_period) */
        CHANGE_LIVE,     /* applied to what runs */
        CHANGE_RESTART,  /* at the next start of the VM */
        CHANGE_RECREATE, /* needs a new disk: only `up --fresh` does it */
};

enum key_type {
        KEY_TEXT,
        KEY_NAME,       /* text_is_name() */
        KEY_INTERFACE,  /* 1 to 15 bytes, no slash, no blank */
        KEY_BOOL,
        KEY_COUNT,      /* a whole number within min and max; guint */
        KEY_MEMORY,     /* guint64 bytes; a bare number is MiB, with a note */
        KEY_SIZE,       /* guint64 bytes; a bare number is refused */
        KEY_DURATION,   /* guint, in units of scale_ms */
        KEY_ENUM,       /* int, an index into the row's words */
        KEY_MAC,
        KEY_IPV4,
        KEY_CIDR4,
        KEY_RANGE4,
        KEY_IPV6,       /* struct in6_addr; all zero: not written */
        KEY_CIDR6,
        KEY_RATE,       /* guint64 bits per second within min and max; 0: not written */
        KEY_PERCENT,    /* guint, in millionths */
        KEY_DOMAIN,     /* DNS labels with dots between, at most max of them */
        KEY_PATH,       /* made absolute, relative to the file it stands in; `~/` is the home directory */
        KEY_TEXT_LIST,
        KEY_NAME_LIST,
        KEY_COUNT_LIST, /* struct count_list; each within min and max */
        KEY_TEXT_MAP,
        KEY_OBJECT,     /* a map with a table of its own */
        KEY_OBJECT_MAP, /* names -> objects */
        KEY_OBJECT_LIST,
        KEY_SPECIAL,    /* decoded and encoded by functions of its own; still a row, with help and schema */
};

/** The kinds of node that a key takes, as bits of (1 << enum node_kind) */
enum {
        SHAPE_SCALAR = 1,
        SHAPE_LIST = 2,
        SHAPE_MAP = 4,
};

struct decoder;
struct key_table;
struct key_codec;
struct value_fault;

struct key {
        const char *name;
        enum key_type type;
        size_t offset;                 /* into the struct of the table */
        size_t count_offset;           /* KEY_OBJECT_MAP, KEY_OBJECT_LIST: the guint that counts them */
        size_t set_offset;             /* a gboolean that says whether the key is written; 0: none */
        const char *word;              /* a word that may stand in place of the value ("none", "auto"), or NULL */
        size_t word_offset;            /* the gboolean that says so */
        gboolean indirect;             /* KEY_OBJECT: the field is a pointer, NULL where the key is not written */
        gboolean named;                /* KEY_OBJECT_MAP: a list of names is short for a map */
        gboolean replaced;             /* by what is merged over it, although it is a list or a map */
        char *(*identity)(const struct node *entry); /* a list: same ones are merged (merge.h); NULL: appended */
        gboolean required;             /* an object without it is an error; these rows come first */
        gboolean consumed;             /* by loader.h, before decoding: neither decoded nor encoded */
        gboolean hidden;               /* a plan tells that it changed, but not what it says */
        gboolean unbuilt;              /* understood, but nothing acts on it yet: refused at plan unless it is the fallback */
        const char *fallback;          /* the default as it would be written, or NULL: none, or computed (help says how) */
        gint64 min, max;               /* KEY_COUNT and its list, KEY_MEMORY, KEY_SIZE, KEY_RATE; bytes of KEY_TEXT, labels of
                                          KEY_DOMAIN; objects */
        guint scale_ms;                /* KEY_DURATION: what the field counts, 1 or 1000 */
        const char *const *words;      /* KEY_ENUM: NULL-terminated, in the order of the enum */
        const char *const *meant;      /* KEY_ENUM: pairs: what people bring along, the word for it here; NULL ends; or NULL */
        const char *const *later;      /* KEY_ENUM: words that are not built yet; their values follow those of words */
        const struct key_table *table; /* of the objects; for any other type: of the long form (`memory: {size: 1G}`), whose
                                          rows lie in the struct of the row itself */
        enum change change;
        const char *help;              /* one line, no full stop */
        const char *example;           /* a value that decodes, in YAML's flow style */
        const struct key_codec *codec; /* KEY_SPECIAL: see decode.h */
};

struct key_table {
        const char *title;          /* "vm", "network": used in messages */
        const struct key *keys;     /* ends with a row without a name; at most KEYS_MAX */
        const char *const *aliases; /* pairs: what people bring along, what it is called here (or a sentence on what to do
                                       instead: one with blanks); NULL-terminated; or NULL */
        const char *short_key;      /* a plain text stands for this key: `disk: 20G` is `disk: {size: 20G}`; or NULL */
        const char *short_form;     /* where the text says more than that key, for people: "SOURCE:TARGET"; or NULL */
        /* Reads such a text, or leaves it to the type of the short key and returns FALSE; NULL: the latter. */
        gboolean (*decode_short)(struct decoder *decoder, const struct node *node, void *object);
        json_t *(*encode_short)(const void *object); /* such a text for an object; it returns NULL where none would do */
        gboolean (*check_name)(const char *, struct value_fault *); /* of the names in its map; NULL: value_check_name() */
        const char *name_pattern;                                   /* the same for the schema */
        size_t struct_size;         /* 0: a long form, which has no struct of its own */
        size_t name_offset;         /* const char *: the name that it has in its map; 0: none */
        size_t node_offset;         /* const struct node *: what it was written as */
        size_t flag_offset;         /* gboolean: `false` instead of the map, as in `dhcp: false`; 0: none */
};

enum { KEYS_MAX = 64 };

/** The tables, from the top: keys_project leads to all others */
extern const struct key_table keys_project, keys_network, keys_dhcp, keys_reservation, keys_image, keys_disk,
        keys_limits, keys_encryption, keys_vm, keys_root_disk, keys_vm_disk, keys_nic, keys_boot, keys_memory, keys_cpus,
        keys_display;
extern const struct key_table keys_vxlan, keys_dhcp_boot, keys_vlan, keys_rate, keys_impair;
extern const struct key_table keys_mount, keys_cloud_init, keys_file, keys_credential, keys_ssh;
extern const struct key_table keys_cpu, keys_memory_backing, keys_device, keys_port, keys_healthcheck, keys_dependency;
extern const struct key_table keys_include, keys_extends;

/** keys_catalogue - The top of a file of the catalogue (catalogue.h) */
extern const struct key_table keys_catalogue;

/** keys_find() - The row of a path such as "vms.networks.ip" or "networks.mtu", from the top; NULL where there is none */
const struct key *keys_find(const char *path);

/** keys_find_in() - The row of one key in one table, or NULL */
const struct key *keys_find_in(const struct key_table *table, const char *name);

/** keys_hint() - What was meant by a key that @table does not have: "did you mean 'memory'?", or NULL. Returns a new string */
char *keys_hint(const struct key_table *table, const char *name);

/** keys_has_objects() - Does this row start a table of objects (rather than a value or a value's long form)? */
gboolean keys_has_objects(const struct key *key);

/** key_change_name() - "none", "live", "restart", "recreate" */
const char *key_change_name(enum change change);

/** key_type_name() - What a value of this row is, for people: "size", "yes or no", "list of names" */
const char *key_type_name(const struct key *key);

/**
 * key_type_text() - The same with words, limits and short forms: "size of memory, 16M to 16T; or a map"
 * @parent: the row whose long form @key is a part of, or NULL
 *
 * Returns a new string.
 */
char *key_type_text(const struct key *key, const struct key *parent);

/** key_change_text() - What a change does, for people: "counts at the next start of the VM" */
const char *key_change_text(enum change change);

/**
 * keys_encode() - An object as JSON, in the terms of the project file
 * @object:   the struct that @table describes
 * @defaults: also what the file left out
 *
 * Without @defaults an object's keys are those that the file says. Keys that are not built yet appear only where it says them.
 * Values are in their canonical spelling ("1G", "10.0.0.0/24"), named maps are objects in the order of the file. Returns a
 * new reference. This is what `config` prints, what is kept as the applied spec, and what the planner compares.
 */
json_t *keys_encode(const struct key_table *table, const void *object, gboolean defaults);

/** keys_schema() - JSON Schema (2020-12) of the whole file. Returns a new reference */
json_t *keys_schema(void);

/** keys_man() - The key reference of drover.yaml(5), in mdoc. Returns a new string */
char *keys_man(void);
