/* expand.c - one text with variables in it: $V, ${V}, ${V:-default} and their like */
#include "parser/variables/expand.h"

#include "parser/value/value.h"

#include <string.h>

struct run {
        const struct expander *expander;
        const char *text; /* the whole of it: offsets are counted from here */
        GString *out;
        gboolean failed;
        gboolean ended; /* nothing more is to be looked at */
        gboolean in_message, unset_in_message; /* of ${V:?message}: what is unset there is no second fault */
};

/* ${V:-word} between its braces. */
struct substitution {
        const char *dollar, *end; /* behind the closing brace or the name */
        const char *name;
        gboolean colon; /* an empty value is as good as none */
        char operator;
        const char *word, *word_end;
};

static void expand_span(struct run *run, const char *from, const char *end, guint depth, gboolean live);

size_t
expand_name_length(const char *text)
{
        size_t length = 0;

        if (*text != '_' && !g_ascii_isalpha(*text))
                return 0;
        while (text[length] == '_' || g_ascii_isalnum(text[length]))
                length++;
        return length;
}

static void fault(struct run *run, const char *id, const char *from, const char *end, const char *hint, const char *format, ...)
        G_GNUC_PRINTF(6, 7);

static void
fault(struct run *run, const char *id, const char *from, const char *end, const char *hint, const char *format, ...)
{
        const struct expander *expander = run->expander;
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = expander->brief ? NULL : g_strdup_vprintf(format, args);
        va_end(args);
        run->failed = TRUE;
        expander->fault(expander->data, &(struct expand_fault){id, (size_t)(from - run->text), (size_t)(end - from),
                                                               text ? text : "", hint});
}

static void
append(struct run *run, const char *text, size_t length)
{
        if (run->ended)
                return;
        if (length <= EXPAND_MAX_BYTES - run->out->len) {
                g_string_append_len(run->out, text, (gssize)length);
                return;
        }
        fault(run, "interpolation-large", run->text, run->text, NULL, "the text has more than %d bytes with its variables",
              EXPAND_MAX_BYTES);
        run->ended = TRUE;
}

static void
fault_unset(struct run *run, const struct substitution *s)
{
        gboolean brief = run->expander->brief;
        const char *near = brief ? NULL : run->expander->suggest(run->expander->data, s->name);
        g_autofree char *quoted = brief ? NULL : value_quote(s->name);
        g_autofree char *hint = NULL;

        if (near)
                hint = g_strdup_printf("did you mean '%s'?", near);
        else if (!brief)
                hint = g_strdup_printf("set it, or write ${%.40s:-} for the empty text that compose would take", s->name);
        fault(run, "unset-variable", s->dollar, s->end, hint, "variable %s is not set", quoted);
}

/* The message may have variables, too. Where they have no value, it is told as it is written. */
static void
fault_required(struct run *run, const struct substitution *s, gboolean is_set, guint depth)
{
        g_autofree char *quoted = value_quote(s->name);
        GString *out = run->out;
        g_autoptr(GString) message = g_string_new(NULL);

        run->out = message;
        run->in_message = TRUE;
        run->unset_in_message = FALSE;
        expand_span(run, s->word, s->word_end, depth + 1, TRUE);
        run->in_message = FALSE;
        run->out = out;
        if (run->unset_in_message)
                g_string_append_len(g_string_truncate(message, 0), s->word, s->word_end - s->word);
        fault(run, "required-variable", s->dollar, s->end, NULL, "variable %s is %s%s%s", quoted, is_set ? "empty" : "not set",
              message->len ? ": " : "", message->str);
}

/* Is a variable, or what stands in for it, there to be put in? Tells why not. */
static gboolean
check_usable(struct run *run, const struct substitution *s, const struct variable *variable, gboolean usable, guint depth)
{
        if (usable || s->operator== '-' || s->operator== '+')
                return TRUE;
        run->failed = TRUE;
        if (run->expander->lenient)
                return TRUE;
        if (run->in_message)
                run->unset_in_message = TRUE;
        else if (s->operator== '?')
                fault_required(run, s, variable != NULL, depth);
        else
                fault_unset(run, s);
        return FALSE;
}

/* Puts in what a variable stands for. What is not live is looked at for its form alone. */
static void
substitute(struct run *run, const struct substitution *s, guint depth, gboolean live)
{
        const struct variable *variable = live ? run->expander->look_up(run->expander->data, s->name) : NULL;
        gboolean usable = variable && !(s->colon && variable->value && !*variable->value);
        gboolean taken = usable && s->operator!= '+';
        gboolean word_live = live && (s->operator== '+' ? usable : s->operator== '-' && !usable);

        if (run->expander->use)
                run->expander->use(run->expander->data,
                                   &(struct expand_use){s->name, (size_t)(s->dollar - run->text), (size_t)(s->end - s->dollar),
                                                        s->operator, s->word, s->word ? (size_t)(s->word_end - s->word) : 0,
                                                        taken ? variable : NULL});
        if (live && !check_usable(run, s, variable, usable, depth))
                return;
        if (usable && !variable->value)
                run->failed = TRUE; /* the look-up has told why */
        else if (taken)
                append(run, variable->value, strlen(variable->value));
        if (s->word)
                expand_span(run, s->word, s->word_end, depth + 1, word_live);
}

/* The brace that closes the one before @from; those that begin with a dollar are counted. */
static const char *
find_closing(const char *from, const char *end)
{
        guint open = 1;

        for (const char *c = from; c < end; c++) {
                if (*c == '}' && --open == 0)
                        return c;
                if (*c == '$' && c + 1 < end && c[1] == '{') {
                        open++;
                        c++;
                }
        }
        return NULL;
}

static gboolean
fault_operator(struct run *run, const struct substitution *s, const char *from, const char *closing)
{
        g_autofree char *rest = g_strndup(from, (size_t)(closing - from));
        g_autofree char *quoted = value_quote(rest);
        g_autofree char *name = value_quote(s->name);
        const char *word = rest + strspn(rest, ":=");
        g_autofree char *hint = NULL;

        if (word > rest)
                hint = g_strdup_printf("write ${%.40s:-%s} for a default", s->name, strlen(word) <= 40 ? word : "...");
        fault(run, "interpolation-operator", s->dollar, s->end,
              hint ? hint : "the operators are :- and - for a default, :? and ? for a message, :+ and + for an alternate",
              "%s behind variable %s is no operator", quoted, name);
        return FALSE;
}

/* Reads what stands between the braces; FALSE after a fault. */
static gboolean
read_braced(struct run *run, const char *closing, struct substitution *s, char **ret_name)
{
        const char *from = s->dollar + 2, *c;
        size_t length = MIN(expand_name_length(from), (size_t)(closing - from));

        s->end = closing + 1;
        if (length == 0) {
                g_autofree char *whole = g_strndup(s->dollar, (size_t)(s->end - s->dollar));
                g_autofree char *quoted = value_quote(whole);

                fault(run, "interpolation-name", s->dollar, s->end,
                      "a name has letters, digits and underscores, no digit first; write $$ for a dollar",
                      "%s names no variable", quoted);
                return FALSE;
        }
        s->name = *ret_name = g_strndup(from, length);
        c = from + length;
        if (c == closing)
                return TRUE;
        s->colon = *c == ':';
        s->operator= c[s->colon];
        if (!strchr("-?+", s->operator)) /* also where nothing follows: then it is the brace */
                return fault_operator(run, s, c, closing);
        s->word = c + s->colon + 1;
        s->word_end = closing;
        return TRUE;
}

/* Returns where to go on. */
static const char *
expand_braced(struct run *run, const char *dollar, const char *end, guint depth, gboolean live)
{
        const char *closing = find_closing(dollar + 2, end);
        struct substitution s = {.dollar = dollar, .end = closing ? closing + 1 : end};
        g_autofree char *name = NULL;

        if (!closing) {
                size_t shown = 2 + MIN(expand_name_length(dollar + 2), (size_t)(end - dollar - 2));

                fault(run, "interpolation-unclosed", dollar, dollar + shown, "write $${ where no variable is meant",
                      "the brace is not closed: '}' is missing");
                run->ended = TRUE; /* what belongs into it is not to be known */
        } else if (depth >= EXPAND_MAX_DEPTH) {
                fault(run, "interpolation-deep", dollar, dollar + 2, NULL, "variables are nested more than %d levels deep",
                      EXPAND_MAX_DEPTH);
                run->ended = TRUE;
        } else if (read_braced(run, closing, &s, &name)) {
                substitute(run, &s, depth, live);
        }
        return s.end;
}

static const char *
expand_named(struct run *run, const char *dollar, const char *end, guint depth, gboolean live)
{
        size_t length = MIN(expand_name_length(dollar + 1), (size_t)(end - dollar - 1));
        g_autofree char *name = g_strndup(dollar + 1, length);
        struct substitution s = {.dollar = dollar, .end = dollar + 1 + length, .name = name};

        substitute(run, &s, depth, live);
        return s.end;
}

static void
expand_span(struct run *run, const char *from, const char *end, guint depth, gboolean live)
{
        while (from < end && !run->ended) {
                const char *dollar = memchr(from, '$', (size_t)(end - from));
                const char *next = dollar ? dollar + 1 : end;

                if (live)
                        append(run, from, (size_t)((dollar ? dollar : end) - from));
                if (!dollar)
                        return;
                if (next < end && *next == '{')
                        from = expand_braced(run, dollar, end, depth, live);
                else if (next < end && expand_name_length(next) > 0)
                        from = expand_named(run, dollar, end, depth, live);
                else {
                        from = next < end && *next == '$' ? next + 1 : next;
                        if (live)
                                append(run, "$", 1);
                }
        }
}

char *
expand_text(const struct expander *expander, const char *text)
{
        struct run run = {.expander = expander, .text = text, .out = g_string_new(NULL)};

        expand_span(&run, text, text + strlen(text), 0, TRUE);
        return g_string_free(run.out, run.failed);
}
