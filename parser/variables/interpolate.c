/* interpolate.c - the variables in the values of one file
 *
 * Nodes are changed in place. Below a node that an alias or a merge key shares they are copied when they change, since it may
 * also stand where nothing is replaced; what came out is kept for each (node, kind of place), so that a file whose aliases
 * stand for millions of nodes costs as much as one without.
 */
#include "parser/variables/interpolate.h"

#include "parser/keys/keys.h"
#include "parser/tree/node.h"
#include "parser/value/value.h"

#include <string.h>

enum { MAX_ORIGINS = 4 }; /* variables of one value that are named below a caret */

/* What kind of place a node stands at. */
struct position {
        const struct key_table *table; /* whose keys a map has; NULL: names of the user, or of nobody */
        gboolean named;                /* a map of such objects, by name */
        enum body body;
};

struct shared {
        const struct node *node;
        struct position position;
        struct node *result;
};

struct walk {
        struct tree *tree;
        struct environment *environment;
        GPtrArray *log;
        GHashTable *logged; /* name -> struct file_variable */
        struct diagnostics *diagnostics;
        GHashTable *shared;  /* a set of struct shared */
        GHashTable *origins; /* struct variable -> its struct origin, alone */
        gboolean copying;    /* below a shared node */
        size_t bytes;
        const struct node *scalar; /* the present one */
        const struct variable *taken[MAX_ORIGINS];
        guint taken_count;
};

static struct node *visit(struct walk *walk, struct node *node, struct position position);

/* ---- which values ---- */

enum body
body_of_key(const char *name)
{
        if (strcmp(name, "run") == 0)
                return BODY_ALL;
        if (strcmp(name, "cloud_init") == 0)
                return BODY_CLOUD_INIT;
        return strcmp(name, "files") == 0 ? BODY_FILES : BODY_NOT;
}

enum body
body_below(enum body body, const char *key, const char *text)
{
        switch (body) {
        case BODY_CLOUD_INIT:
                return text && *text != '#' && !strchr(text, '\n') ? BODY_NOT : BODY_ALL;
        case BODY_FILES:
                return !key ? BODY_FILES : strcmp(key, "content") == 0 ? BODY_ALL : BODY_NOT;
        default:
                return body;
        }
}

static struct position
position_of_key(const struct key_table *table, const char *name, enum body below)
{
        const struct key *key = keys_find_in(table, name);
        enum body body = table == &keys_vm ? body_of_key(name) : below;

        return (struct position){key ? key->table : NULL, key && key->type == KEY_OBJECT_MAP, body};
}

/* Where the value of a pair stands. */
static struct position
position_of_pair(const struct position *map, const char *name, const struct node *value)
{
        enum body body = body_below(map->body, name, value->kind == NODE_SCALAR ? value->text : NULL);

        if (map->named)
                return (struct position){map->table, FALSE, BODY_NOT};
        if (map->table)
                return position_of_key(map->table, name, body);
        return (struct position){NULL, FALSE, body};
}

static gboolean
is_ignored(const struct position *map, const char *name)
{
        return map->table && !map->named && g_str_has_prefix(name, "x-") && !keys_find_in(map->table, name);
}

/* ---- where in the file ---- */

/*
 * The place of some bytes of a scalar that begin with a dollar. Quotes, escapes, indentation and folding keep the order of the
 * dollars, so that the one with the same number is looked for; where that is another (escapes), the place is the scalar's.
 */
static struct place
place_in(const struct node *node, size_t offset, size_t length)
{
        const struct source *source = node->place.source;
        const char *written;

        if (!source || node->place.line == 0 || length == 0)
                return node->place;
        written = strchr(source->text + source_offset(&node->place), '$');
        for (const char *dollar = node->text; written && (dollar = strchr(dollar, '$')) < node->text + offset; dollar++)
                written = strchr(written + 1, '$');
        if (!written || strncmp(written, node->text + offset, length) != 0)
                return node->place;
        return source_place(source, (size_t)(written - source->text), length);
}

/* ---- one scalar ---- */

static const struct variable *
look_up(gpointer data, const char *name)
{
        struct walk *walk = data;
        const struct variable *variable = environment_get(walk->environment, name);

        if (variable && !variable->value)
                variable_tell_fault(variable, walk->scalar->place, walk->diagnostics);
        return variable;
}

static const char *
suggest(gpointer data, const char *name)
{
        struct walk *walk = data;

        return environment_suggest(walk->environment, name);
}

static void
report(gpointer data, const struct expand_fault *fault)
{
        struct walk *walk = data;
        struct place place = walk->scalar->place;

        if (!diagnostics_only_count(walk->diagnostics))
                place = place_in(walk->scalar, fault->offset, fault->length);
        diagnostics_add(walk->diagnostics, SEVERITY_ERROR, fault->id, place, fault->hint, "%s", fault->text);
}

static void
log_use(struct walk *walk, const struct expand_use *use)
{
        struct file_variable *variable = g_hash_table_lookup(walk->logged, use->name);

        if (!variable) {
                variable = g_new0(struct file_variable, 1);
                variable->name = g_strdup(use->name);
                g_ptr_array_add(walk->log, variable);
                g_hash_table_insert(walk->logged, variable->name, variable);
        }
        if (use->operator== '-' && !variable->fallback)
                variable->fallback = g_strndup(use->word, use->word_length);
        else if (use->operator== '+' && !variable->alternate)
                variable->alternate = g_strndup(use->word, use->word_length);
        else if (use->operator== 0 || use->operator== '?')
                variable->required = TRUE;
}

static void
note_use(gpointer data, const struct expand_use *use)
{
        struct walk *walk = data;

        if (walk->log)
                log_use(walk, use);
        for (guint i = 0; use->taken && i < walk->taken_count; i++)
                if (walk->taken[i] == use->taken)
                        return;
        if (use->taken && walk->taken_count < MAX_ORIGINS)
                walk->taken[walk->taken_count++] = use->taken;
}

static const struct origin *
make_origin(struct walk *walk, const struct variable *variable, const struct origin *next)
{
        g_autofree char *name = value_quote(variable->name);
        g_autofree char *text =
                g_strdup_printf("from variable %s%s", name, variable->place.source ? "" : " of the environment");

        return sources_add_origin(walk->diagnostics->sources, text, variable->place, next);
}

/* The variables that the present scalar was made of. Most have one, and many share it. */
static const struct origin *
find_origin(struct walk *walk, const struct origin *next)
{
        const struct origin *origin;

        if (walk->taken_count == 1 && !next) {
                origin = g_hash_table_lookup(walk->origins, walk->taken[0]);
                if (!origin) {
                        origin = make_origin(walk, walk->taken[0], NULL);
                        g_hash_table_insert(walk->origins, (gpointer)walk->taken[0], (gpointer)origin);
                }
                return origin;
        }
        for (guint i = walk->taken_count; i > 0; i--)
                next = make_origin(walk, walk->taken[i - 1], next);
        return next;
}

/* All results of a file together; FALSE when it is too much. */
static gboolean
count_bytes(struct walk *walk, size_t bytes)
{
        if (walk->bytes > INTERPOLATE_MAX_BYTES)
                return FALSE;
        walk->bytes += bytes;
        if (walk->bytes <= INTERPOLATE_MAX_BYTES)
                return TRUE;
        return diagnostics_add(walk->diagnostics, SEVERITY_ERROR, "interpolation-total", walk->scalar->place, NULL,
                               "the values of the file have more than %d MiB with their variables",
                               INTERPOLATE_MAX_BYTES >> 20);
}

static struct node *
copy_node(struct walk *walk, const struct node *node)
{
        struct node *copy = arena_alloc(&walk->tree->arena, sizeof *copy);

        *copy = *node;
        if (node->items) {
                copy->items = arena_alloc(&walk->tree->arena, node->count * sizeof *copy->items);
                memcpy(copy->items, node->items, node->count * sizeof *copy->items);
        }
        return copy;
}

static struct node *
replace_text(struct walk *walk, struct node *node, const char *result)
{
        if (walk->copying)
                node = copy_node(walk, node);
        node->text = arena_text(&walk->tree->arena, result ? result : "", result ? strlen(result) : 0);
        node->quoted = node->variable = TRUE;
        node->faulty = !result;
        node->place.via = find_origin(walk, node->place.via);
        return node;
}

static struct node *
visit_scalar(struct walk *walk, struct node *node)
{
        gboolean brief = diagnostics_only_count(walk->diagnostics);
        const struct expander expander = {look_up, suggest, report, note_use, walk, walk->log != NULL, brief};
        g_autofree char *result = NULL;

        if (!strchr(node->text, '$') || walk->bytes > INTERPOLATE_MAX_BYTES)
                return node;
        walk->scalar = node;
        walk->taken_count = 0;
        result = expand_text(&expander, node->text);
        if (result && !count_bytes(walk, strlen(result)))
                g_clear_pointer(&result, g_free);
        return replace_text(walk, node, result);
}

/* ---- bodies ---- */

/* Every shell has these of its own. */
static gboolean
is_of_shell(const char *name)
{
        static const char *const names[] = {"_",   "HOME",  "HOSTNAME", "IFS",  "LANG",   "LOGNAME", "OLDPWD", "PATH",
                                            "PWD", "SHELL", "SHLVL",    "TERM", "TMPDIR", "USER",    NULL};

        return g_strv_contains(names, name);
}

/* Says once of a body that a variable in it would be replaced elsewhere. */
static void
note_body(struct walk *walk, const struct node *node)
{
        const char *dollar = node->text;

        while ((dollar = strchr(dollar, '$'))) {
                const char *from = dollar + (dollar[1] == '{' ? 2 : 1);
                size_t length = expand_name_length(from);
                g_autofree char *name = g_strndup(from, length);
                g_autofree char *quoted = value_quote(name);

                if (length > 0 && environment_get(walk->environment, name) && !is_of_shell(name)) {
                        diagnostics_add(walk->diagnostics, SEVERITY_NOTE, "uninterpolated",
                                        place_in(node, (size_t)(dollar - node->text), (size_t)(from + length - dollar)),
                                        "write 'interpolate: true' in the VM to have it replaced",
                                        "variable %s is set, but it is left to the guest here", quoted);
                        return;
                }
                dollar += dollar[1] == '$' ? 2 : 1;
        }
}

static void
forget(gpointer data, const struct expand_fault *fault)
{
}

/* Does a VM say `interpolate: true`? */
static gboolean
wants_bodies(struct walk *walk, const struct node *vm)
{
        const struct expander expander = {look_up, suggest, forget, NULL, walk, walk->log != NULL};
        const struct node *wish = node_get(vm, "interpolate");
        g_autofree char *text = NULL;

        if (wish && wish->kind == NODE_SCALAR) {
                walk->scalar = wish;
                text = expand_text(&expander, wish->text);
        }
        return text && strcmp(text, "true") == 0;
}

/* ---- the tree ---- */

static struct node *
visit_collection(struct walk *walk, struct node *node, const struct position *position)
{
        gboolean is_vm = node->kind == NODE_MAP && position->table == &keys_vm && !position->named;
        gboolean bodies = is_vm && wants_bodies(walk, node), own = !walk->copying;

        for (guint i = 0; i < node->count; i++) {
                const char *name = node->kind == NODE_MAP ? node->keys[i]->text : NULL;
                struct position below = name ? position_of_pair(position, name, node->items[i]) : *position;
                struct node *item;

                if (name && is_ignored(position, name))
                        continue;
                if (bodies)
                        below.body = BODY_NOT;
                item = visit(walk, node->items[i], below);
                if (item == node->items[i])
                        continue;
                if (!own)
                        node = copy_node(walk, node);
                own = TRUE;
                node->items[i] = item;
        }
        return node;
}

static guint
hash_shared(gconstpointer data)
{
        const struct shared *shared = data;

        return g_direct_hash(shared->node) * 31 + g_direct_hash(shared->position.table) * 7 + 2 * (guint)shared->position.body +
               (guint)shared->position.named;
}

static gboolean
equal_shared(gconstpointer a, gconstpointer b)
{
        const struct shared *x = a, *y = b;

        return x->node == y->node && x->position.table == y->position.table && x->position.body == y->position.body &&
               x->position.named == y->position.named;
}

static struct node *
visit_plain(struct walk *walk, struct node *node, const struct position *position)
{
        if (node->kind != NODE_SCALAR)
                return visit_collection(walk, node, position);
        if (position->body == BODY_NOT)
                return visit_scalar(walk, node);
        note_body(walk, node);
        return node;
}

static struct node *
visit(struct walk *walk, struct node *node, struct position position)
{
        struct shared key = {node, position, NULL}, *shared;
        gboolean copying = walk->copying;

        if (!node->shared)
                return visit_plain(walk, node, &position);
        shared = g_hash_table_lookup(walk->shared, &key);
        if (shared)
                return shared->result;
        walk->copying = TRUE;
        key.result = visit_plain(walk, node, &position);
        walk->copying = copying;
        g_hash_table_add(walk->shared, g_memdup2(&key, sizeof key));
        return key.result;
}

static void
file_variable_free(gpointer data)
{
        struct file_variable *variable = data;

        g_free(variable->name);
        g_free(variable->fallback);
        g_free(variable->alternate);
        g_free(variable);
}

GPtrArray *
variable_log_new(void)
{
        return g_ptr_array_new_with_free_func(file_variable_free);
}

void
interpolate_tree(struct tree *tree, struct environment *environment, GPtrArray *log, struct diagnostics *diagnostics)
{
        g_autoptr(GHashTable) logged = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GHashTable) shared = g_hash_table_new_full(hash_shared, equal_shared, g_free, NULL);
        g_autoptr(GHashTable) origins = g_hash_table_new(NULL, NULL);
        struct walk walk = {.tree = tree,
                            .environment = environment,
                            .log = log,
                            .logged = logged,
                            .diagnostics = diagnostics,
                            .shared = shared,
                            .origins = origins};

        if (!tree->dollars)
                return;
        for (guint i = 0; log && i < log->len; i++) {
                struct file_variable *variable = log->pdata[i];

                g_hash_table_insert(logged, variable->name, variable);
        }
        tree->root = visit(&walk, tree->root, (struct position){&keys_project, FALSE, BODY_NOT});
}
