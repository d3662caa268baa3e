/* environment.c - the variables that a project file may name, in layers of which the upper wins */
#include "parser/variables/environment.h"

#include "base/error.h"
#include "base/text.h"
#include "parser/variables/dotenv.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
        MAX_BYTES = 16 << 20,  /* of all values of a layer: references can double what was there */
        MAX_CANDIDATES = 1000, /* that are looked at for a suggestion */
        MAX_COMPARED = DIAGNOSTIC_MAX_SHOWN * MAX_CANDIDATES, /* in all: no more suggestions are shown */
};

struct environment {
        gint references;
        struct environment *above; /* or NULL */
        GHashTable *variables;     /* name -> struct variable, which owns the name */
        GStringChunk *texts;
        size_t bytes;
        guint compared; /* candidates for suggestions so far; counted in the top layer */
};

static struct environment *
make(struct environment *above)
{
        struct environment *environment = g_new0(struct environment, 1);

        environment->references = 1;
        environment->above = above ? environment_ref(above) : NULL;
        environment->variables = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
        environment->texts = g_string_chunk_new(4096);
        return environment;
}

/* Of drover's own environment, whose values may be any bytes. */
static void
add_written(struct environment *environment, const char *name, size_t length, const char *value)
{
        struct variable *variable = g_new0(struct variable, 1);

        variable->name = g_string_chunk_insert_len(environment->texts, name, (gssize)length);
        if (g_utf8_validate(value, -1, NULL))
                variable->value = g_string_chunk_insert(environment->texts, value);
        else
                variable->fault = (struct expand_fault){/* ID: */ "variable-not-text", 0, 0,
                                                        "the value of the variable in the environment is not UTF-8 text", NULL};
        if (!g_hash_table_contains(environment->variables, variable->name))
                g_hash_table_insert(environment->variables, (gpointer)variable->name, variable);
        else
                g_free(variable); /* getenv(3) takes the first as well */
}

struct environment *
environment_new(const char *const *block)
{
        struct environment *environment = make(NULL);

        if (!block)
                block = (const char *const *)environ;
        for (; block && *block; block++) {
                const char *equals = strchr(*block, '=');

                if (equals)
                        add_written(environment, *block, (size_t)(equals - *block), equals + 1);
        }
        return environment;
}

struct environment *
environment_new_below(struct environment *above)
{
        return make(above);
}

struct environment *
environment_ref(struct environment *environment)
{
        g_atomic_int_inc(&environment->references);
        return environment;
}

void
environment_unref(struct environment *environment)
{
        if (!environment || !g_atomic_int_dec_and_test(&environment->references))
                return;
        environment_unref(environment->above);
        g_hash_table_unref(environment->variables);
        g_string_chunk_free(environment->texts);
        g_free(environment);
}

const struct variable *
environment_get(const struct environment *environment, const char *name)
{
        const struct variable *found = NULL;

        for (; environment; environment = environment->above) {
                const struct variable *variable = g_hash_table_lookup(environment->variables, name);

                found = variable ? variable : found;
        }
        return found;
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A file may define others, but no '$' leads to them. */
static gboolean
can_be_used(const char *name)
{
        return !g_ascii_isdigit(*name) && !name[strspn(name, "_" G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS)];
}

const char *
environment_suggest(struct environment *environment, const char *name)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        struct environment *top = environment;

        while (top && top->above)
                top = top->above;
        if (!top || top->compared >= MAX_COMPARED)
                return NULL;
        for (; environment != top; environment = environment->above) {
                GHashTableIter iter;
                gpointer other;

                g_hash_table_iter_init(&iter, environment->variables);
                while (names->len < MAX_CANDIDATES && g_hash_table_iter_next(&iter, &other, NULL))
                        if (can_be_used(other))
                                g_ptr_array_add(names, other);
        }
        top->compared += names->len;
        g_ptr_array_sort(names, compare_names);
        g_ptr_array_add(names, NULL);
        return text_suggest(name, (const char *const *)names->pdata);
}

void
variable_tell_fault(const struct variable *variable, struct place used, struct diagnostics *diagnostics)
{
        diagnostics_add(diagnostics, SEVERITY_ERROR, variable->fault.id,
                        variable->fault_place.source ? variable->fault_place : used, variable->fault.hint, "%s",
                        variable->fault.text);
}

/* ---- files ---- */

struct file_reading {
        struct environment *environment;
        struct diagnostics *diagnostics;
};

/* The layers above come first, as everywhere; then what stands earlier in the file, or in files before it. */
static const struct variable *
look_up(gpointer data, const char *name)
{
        return environment_get(((struct file_reading *)data)->environment, name);
}

static const char *
suggest(gpointer data, const char *name)
{
        return environment_suggest(((struct file_reading *)data)->environment, name);
}

static const char *
keep(struct environment *environment, const char *text)
{
        return text ? g_string_chunk_insert(environment->texts, text) : NULL;
}

static void
define(gpointer data, const struct variable *variable)
{
        struct file_reading *reading = data;
        struct environment *environment = reading->environment;
        struct variable *copy;

        if (environment->bytes > MAX_BYTES)
                return;
        environment->bytes += variable->value ? strlen(variable->value) : 0;
        if (environment->bytes > MAX_BYTES) {
                diagnostics_add(reading->diagnostics, SEVERITY_ERROR, "env-large", variable->place, NULL,
                                "the values up to this one have more than %d MiB together", MAX_BYTES >> 20);
                return;
        }
        copy = g_memdup2(variable, sizeof *variable);
        copy->name = keep(environment, variable->name);
        copy->value = keep(environment, variable->value);
        copy->fault.text = keep(environment, variable->fault.text);
        copy->fault.hint = keep(environment, variable->fault.hint);
        g_hash_table_replace(environment->variables, (gpointer)copy->name, copy);
}

gboolean
environment_read_file(struct environment *environment, struct sources *sources, const char *path,
                      struct diagnostics *diagnostics, GError **error)
{
        struct file_reading reading = {environment, diagnostics};
        const struct dotenv_reader reader = {look_up, suggest, define, &reading};
        const struct source *source = sources_read(sources, path, error);

        if (!source)
                return FALSE;
        if (source->length > DOTENV_MAX_BYTES)
                return error_set(error, DROVER_ERROR_CONFIG, "'%s' is larger than %d bytes", path, DOTENV_MAX_BYTES);
        dotenv_read(source, &reader, diagnostics);
        return TRUE;
}

/* `.env` beside a file, named as the file is where that leads there. */
static char *
default_path(const struct source *source)
{
        g_autofree char *directory = g_path_get_dirname(source->name);
        struct stat named, real;

        if (stat(directory, &named) < 0 || stat(source->directory, &real) < 0 || named.st_dev != real.st_dev ||
            named.st_ino != real.st_ino)
                return g_build_filename(source->directory, ".env", NULL);
        return strcmp(directory, ".") == 0 ? g_strdup(".env") : g_build_filename(directory, ".env", NULL);
}

gboolean
environment_read_default(struct environment *environment, struct sources *sources, const struct source *source,
                         struct diagnostics *diagnostics, GError **error)
{
        g_autofree char *path = default_path(source);

        if (!g_file_test(path, G_FILE_TEST_EXISTS) || g_file_test(path, G_FILE_TEST_IS_DIR))
                return TRUE;
        return environment_read_file(environment, sources, path, diagnostics, error);
}
