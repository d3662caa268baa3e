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
        KEY_DURATION,   /* guint, milliseconds; or seconds where the unit column says so */
        KEY_ENUM,       /* int, an index into the row's words */
        KEY_MAC,
        KEY_IPV4,
        KEY_CIDR4,
        KEY_RANGE4,
        KEY_PATH,       /* made absolute, relative to the file it stands in; `~/` is the home directory */
        KEY_TEXT_LIST,
        KEY_NAME_LIST,
        KEY_TEXT_MAP,
        KEY_OBJECT,     /* a map with a table of its own */
        KEY_OBJECT_MAP, /* names -> objects */
        KEY_OBJECT_LIST,
        KEY_SPECIAL,    /* decoded and encoded by functions of its own; still a row, with help and schema */
        KEY_FUTURE,     /* described in drover.yaml(5) but not built: checked for its shape and refused at plan */
};

struct key_table;

struct key {
        const char *name;
        enum key_type type;
        size_t offset;                /* into the struct of the table */
        const char *fallback;         /* the default as it would be written, or NULL: none, or computed (say how in help) */
        gint64 min, max;              /* KEY_COUNT, KEY_MEMORY, KEY_SIZE, KEY_DURATION, length of KEY_TEXT */
        const char *const *words;     /* KEY_ENUM: NULL-terminated, in the order of the enum */
        const struct key_table *table; /* KEY_OBJECT, KEY_OBJECT_MAP, KEY_OBJECT_LIST */
        enum change change;
        const char *help;             /* one line, no full stop */
        const char *example;          /* a value that decodes */
        const struct key_codec *codec; /* KEY_SPECIAL and short forms: see decode.h */
};

struct key_table {
        const char *title;          /* "vm", "network": used in messages */
        const struct key *keys;     /* ends with a row without a name */
        const char *const *aliases; /* pairs: what people bring along, what it is called here; NULL-terminated */
        size_t struct_size;
};

/** The tables, from the top: keys_project leads to all others */
extern const struct key_table keys_project, keys_network, keys_dhcp, keys_reservation, keys_disk, keys_vm, keys_nic, keys_boot;

/** keys_find() - The row of a path such as "vms.networks.ip" or "networks.mtu", from the top; NULL where there is none */
const struct key *keys_find(const char *path);

/** keys_find_in() - The row of one key in one table, or NULL */
const struct key *keys_find_in(const struct key_table *table, const char *name);

/**
 * keys_encode() - An object as JSON, in the terms of the project file
 * @object:   the struct that @table describes
 * @defaults: also what the file left out
 *
 * Values are in their canonical spelling ("1G", "10.0.0.0/24"), named maps are objects in the order of the file. Returns a
 * new reference. This is what `config` prints, what is kept as the applied spec, and what the planner compares.
 */
json_t *keys_encode(const struct key_table *table, const void *object, gboolean defaults);

/** keys_schema() - JSON Schema (2020-12) of the whole file. Returns a new reference */
json_t *keys_schema(void);

/** keys_man() - The key reference of drover.yaml(5), in mdoc. Returns a new string */
char *keys_man(void);
