/* print.c - errors, notes, diagnostics, colour and JSON documents */
#include "cmd/print.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

static struct {
        enum progress_mode mode;
        gboolean color_out, color_err, verbose;
} setup = {.mode = PROGRESS_PLAIN};

void
print_setup(const struct globals *globals)
{
        setup.mode = globals->progress;
        setup.color_out = globals->color_out;
        setup.color_err = globals->color_err;
        setup.verbose = globals->verbose;
}

enum progress_mode
print_mode(void)
{
        return setup.mode;
}

gboolean
print_is_verbose(void)
{
        return setup.verbose;
}

const char *
print_color(FILE *stream, const char *name)
{
        static const char *const colors[][2] = {
                {"reset", "\033[0m"}, {"bold", "\033[1m"},     {"dim", "\033[2m"},
                {"red", "\033[31m"},  {"green", "\033[32m"},   {"yellow", "\033[33m"},
                {"blue", "\033[34m"}, {"magenta", "\033[35m"}, {"cyan", "\033[36m"},
        };

        if (!(stream == stdout ? setup.color_out : setup.color_err))
                return "";
        for (size_t i = 0; i < G_N_ELEMENTS(colors); i++)
                if (strcmp(colors[i][0], name) == 0)
                        return colors[i][1];
        return "";
}

int
exit_status_of(const GError *error)
{
        if (!error || error->domain != DROVER_ERROR)
                return EXIT_FAILED;
        switch ((enum drover_error)error->code) {
        case DROVER_ERROR_CONFIG:
                return EXIT_CONFIG;
        case DROVER_ERROR_USAGE:
                return EXIT_USAGE;
        case DROVER_ERROR_PERMISSION:
                return EXIT_PERMISSION;
        case DROVER_ERROR_NOT_FOUND:
                return EXIT_NOT_FOUND;
        case DROVER_ERROR_TIMEOUT:
                return EXIT_TIMEOUT;
        case DROVER_ERROR_LOCKED:
                return EXIT_LOCKED;
        case DROVER_ERROR_INTERRUPTED:
                return EXIT_INTERRUPTED;
        case DROVER_ERROR_FAILED:
        case DROVER_ERROR_EXISTS:
        case DROVER_ERROR_BUSY:
        case DROVER_ERROR_UNSUPPORTED:
        case DROVER_ERROR_CORRUPT:
                break;
        }
        return EXIT_FAILED;
}

void
print_event(json_t *event)
{
        g_autofree char *line = json_format(event, JSON_COMPACT);

        fprintf(stderr, "%s\n", line);
        json_decref(event);
}

static void
print_error_event(const GError *error, char **lines)
{
        json_t *event = json_object(), *hints = json_array();

        json_set_text(event, "error", lines[0]);
        for (guint i = 1; lines[0] && lines[i]; i++) {
                g_autofree char *hint = g_utf8_make_valid(lines[i] + strspn(lines[i], " "), -1);

                json_array_append_new(hints, json_string(hint));
        }
        json_set(event, "hints", hints);
        json_set(event, "status", json_integer(exit_status_of(error)));
        print_event(event);
}

int
print_error(const GError *error)
{
        g_auto(GStrv) lines = g_strsplit(error ? error->message : "unknown failure", "\n", -1);

        fflush(stdout);
        if (setup.mode == PROGRESS_JSON) {
                print_error_event(error, lines);
                return exit_status_of(error);
        }
        for (guint i = 0; lines[i]; i++) {
                g_autofree char *line = text_make_printable(lines[i], -1);

                if (i == 0)
                        fprintf(stderr, "%serror:%s %s\n", print_color(stderr, "red"), print_color(stderr, "reset"), line);
                else
                        fprintf(stderr, "%s%s\n", g_str_has_prefix(line, "  ") ? "" : "  ", line);
        }
        return exit_status_of(error);
}

int
print_usage_error(const char *format, ...)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        error_set(&error, DROVER_ERROR_USAGE, "%s", text);
        error_hint(&error, "'drover help' lists options and verbs");
        return print_error(error);
}

static void G_GNUC_PRINTF(2, 0) print_line(const char *prefix, const char *format, va_list args)
{
        g_autofree char *text = g_strdup_vprintf(format, args);
        g_autofree char *line = text_make_printable(text, -1);

        if (setup.mode == PROGRESS_QUIET)
                return;
        fflush(stdout);
        if (setup.mode == PROGRESS_JSON) {
                json_t *event = json_object();

                json_set_text(event, "note", text);
                print_event(event);
                return;
        }
        fprintf(stderr, "%s%s\n", prefix, line);
}

void
print_note(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        print_line("note: ", format, args);
        va_end(args);
}

void
print_info(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        print_line("", format, args);
        va_end(args);
}

void
print_json(json_t *document)
{
        g_autofree char *text = json_format(document, JSON_INDENT(2) | JSON_REAL_PRECISION(15));

        puts(text); /* print_finish() tells where that fails */
        json_decref(document);
}

void
print_document(const char *name, json_t *list)
{
        json_t *document = json_object();

        json_set(document, "schema", json_integer(1));
        json_set(document, name, list);
        print_json(document);
}

int
print_finish(int status)
{
        g_autoptr(GError) error = NULL;

        if (fflush(stdout) != 0)
                error_errno(&error, "cannot write to standard output");
        else if (ferror(stdout))
                error_set(&error, DROVER_ERROR_FAILED, "cannot write to standard output: it is closed or full");
        else
                return status;
        print_error(error);
        return status == EXIT_DONE || status == EXIT_PENDING ? EXIT_FAILED : status;
}
