/* fuzz-dotenv.c - libFuzzer target: any bytes as a file of variables
 *
 * Beyond what the sanitizers see: a variable has a value or a fault with a place in the file, values are UTF-8 and keep their
 * limit, and a value that is written in double quotes with escapes is read as the same value.
 */
#include "parser/variables/dotenv.h"
#include "parser/variables/environment.h"

#include "tests/fuzz/fuzz.h"

struct reading {
        GHashTable *values; /* name -> value; one with a fault is not in it */
        GString *written;   /* the same file, in quotes */
        struct variable last;
};

static const struct variable *
look_up(gpointer data, const char *name)
{
        struct reading *reading = data;
        const char *value = g_hash_table_lookup(reading->values, name);

        reading->last = (struct variable){.name = name, .value = value};
        return value ? &reading->last : NULL;
}

static const char *
suggest(gpointer data, const char *name)
{
        return NULL;
}

static void
write_entry(GString *out, const char *name, const char *value)
{
        g_string_append_printf(out, "%s=\"", name);
        for (const char *c = value; *c; c++) {
                if (strchr("\\\"$", *c))
                        g_string_append_printf(out, "\\%c", *c);
                else if (((unsigned char)*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
                        g_string_append_printf(out, "\\0%03o", (unsigned char)*c);
                else if ((unsigned char)*c == 0xc2 && (unsigned char)c[1] < 0xa0) /* a C1 control, which no file may have */
                        g_string_append_printf(out, "\\0%03o", (unsigned char)*++c);
                else
                        g_string_append_c(out, *c);
        }
        g_string_append(out, "\"\n");
}

static void
define(gpointer data, const struct variable *variable)
{
        struct reading *reading = data;
        const struct source *source = variable->place.source;

        MUST(*variable->name && variable->place.line >= 1 && variable->place.line <= source->line_count);
        g_hash_table_remove(reading->values, variable->name);
        if (!variable->value) {
                MUST(variable->fault.id && variable->fault.text && g_utf8_validate(variable->fault.text, -1, NULL));
                MUST(variable->fault_place.source == source && variable->fault_place.line >= 1 &&
                     variable->fault_place.line <= source->line_count && variable->fault_place.column >= 1);
                return;
        }
        MUST(strlen(variable->value) <= EXPAND_MAX_BYTES && g_utf8_validate(variable->value, -1, NULL));
        g_hash_table_replace(reading->values, g_strdup(variable->name), g_strdup(variable->value));
        write_entry(reading->written, variable->name, variable->value);
}

static void
read_all(struct reading *reading, const char *text, size_t length, gboolean clean)
{
        const struct dotenv_reader reader = {look_up, suggest, define, reading};
        struct sources *sources = sources_new();
        struct diagnostics *diagnostics = diagnostics_new(sources);
        const struct source *source = sources_add_text(sources, ".env", "/", text, length, NULL);

        reading->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        reading->written = g_string_new(NULL);
        if (source)
                dotenv_read(source, &reader, diagnostics);
        check_diagnostics(diagnostics);
        MUST(!clean || (source && diagnostics->error_count == 0));
        diagnostics_free(diagnostics);
        sources_unref(sources);
}

static void
forget(struct reading *reading)
{
        g_hash_table_unref(reading->values);
        g_string_free(reading->written, TRUE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct reading reading, again;

        if (size > 4096)
                return 0;
        read_all(&reading, (const char *)data, size, FALSE);
        if (reading.written->len < SOURCE_MAX_BYTES) {
                read_all(&again, reading.written->str, reading.written->len, TRUE);
                MUST(strcmp(reading.written->str, again.written->str) == 0);
                forget(&again);
        }
        forget(&reading);
        return 0;
}
