/* completion.c - drover completion: what a shell needs to complete verbs, options, their words, and live VM names
 *
 * The script is made from the tables, so that it never lags behind them. Names of VMs are asked of drover itself
 * (`drover ps --vms`, which does not look at the host), with the -f and -p of the line.
 */
#include "cmd/print.h"

#include <string.h>

static void
append_options(GString *out, const struct option_row *rows)
{
        for (; rows && rows->name; rows++) {
                if (rows->type == OPTION_FUTURE)
                        continue;
                g_string_append_printf(out, " --%s", rows->name);
                if (rows->letter)
                        g_string_append_printf(out, " -%c", rows->letter);
        }
}

static gboolean
is_global_letter(char letter)
{
        for (const struct option_row *row = global_options; letter && row->name; row++)
                if (row->letter == letter && row->argument)
                        return TRUE;
        return FALSE;
}

/* What completes the value of each option that takes one. */
static void
append_values(GString *out, const char *verb, const struct option_row *rows)
{
        for (; rows && rows->name; rows++) {
                g_autofree char *values = NULL;

                /* A flag hides an option of drover itself that has its letter and takes a value: `logs -f`. */
                if (!rows->argument && is_global_letter(rows->letter))
                        g_string_append_printf(out, "        %s/-%c) ;;\n", verb, rows->letter);
                if (rows->type == OPTION_FUTURE || !rows->argument)
                        continue;
                if (strchr(rows->argument, '|'))
                        values = g_strdelimit(g_strdup(rows->argument), "|", ' ');
                g_string_append_printf(out, "        %s/--%s", verb, rows->name);
                if (rows->letter)
                        g_string_append_printf(out, " | %s/-%c", verb, rows->letter);
                if (values)
                        g_string_append_printf(out, ") mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\"); return ;;\n",
                                               values);
                else if (strcmp(rows->argument, "FILE") == 0)
                        g_string_append(out, ") mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n");
                else if (strcmp(rows->argument, "VM") == 0)
                        g_string_append(out,
                                        ") mapfile -t COMPREPLY < <(compgen -W \"$(_drover_vms)\" -- \"$word\"); return ;;\n");
                else
                        g_string_append(out, ") return ;;\n");
        }
}

static const char script_head[] =
        "# bash completion for drover, made by 'drover completion bash'\n"
        "\n"
        "_drover_vms()\n"
        "{\n"
        "    \"${COMP_WORDS[0]}\" \"${project[@]}\" ps --vms 2>/dev/null\n"
        "}\n"
        "\n"
        "_drover()\n"
        "{\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD - 1]} verb='' project=() i\n"
        "    COMPREPLY=()\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        case ${COMP_WORDS[i]} in\n"
        "        -f | --file | -p | --project-name)\n"
        "            [ -n \"$verb\" ] || { project+=(\"${COMP_WORDS[i]}\" \"${COMP_WORDS[i + 1]}\"); i=$((i + 1)); } ;;\n";

static const char script_tail[] = "    *) names=0 ;;\n"
                                  "    esac\n"
                                  "    if [[ $word == -* ]]; then\n"
                                  "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
                                  "    elif [ -z \"$verb\" ]; then\n"
                                  "        mapfile -t COMPREPLY < <(compgen -W \"$verbs\" -- \"$word\")\n"
                                  "    elif [ \"$verb\" = help ]; then\n"
                                  "        mapfile -t COMPREPLY < <(compgen -W \"$verbs\" -- \"$word\")\n"
                                  "    elif [ \"$verb\" = explain ]; then\n"
                                  "        mapfile -t COMPREPLY < <(compgen -W \"$keys\" -- \"$word\")\n"
                                  "    elif [ \"$verb\" = init ]; then\n"
                                  "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
                                  "    elif [ \"$verb\" = completion ]; then\n"
                                  "        mapfile -t COMPREPLY < <(compgen -W bash -- \"$word\")\n"
                                  "    elif [ \"$names\" = 1 ]; then\n"
                                  "        mapfile -t COMPREPLY < <(compgen -W \"$(_drover_vms)\" -- \"$word\")\n"
                                  "    fi\n"
                                  "}\n"
                                  "complete -F _drover drover\n";

/* Global options that take a value: the word behind them is no verb. */
static void
append_skips(GString *out)
{
        g_string_append(out, "        ");
        for (const struct option_row *row = global_options; row->name; row++)
                if (row->argument && row->type != OPTION_FUTURE && strcmp(row->name, "file") != 0 &&
                    strcmp(row->name, "project-name") != 0)
                        g_string_append_printf(out, "--%s | ", row->name);
        g_string_truncate(out, out->len - 3);
        g_string_append(out, ") [ -n \"$verb\" ] || i=$((i + 1)) ;;\n"
                             "        -*) ;;\n"
                             "        *) [ -n \"$verb\" ] || verb=${COMP_WORDS[i]} ;;\n"
                             "        esac\n"
                             "    done\n");
}

static void
append_keys(GString *out, const struct key_table *table, const char *path)
{
        for (const struct key *key = table->keys; key->name; key++) {
                g_autofree char *below = g_strdup_printf("%s%s%s", path, *path ? "." : "", key->name);

                g_string_append_printf(out, "%s ", below);
                if (key->table)
                        append_keys(out, key->table, below);
        }
}

static char *
make_script(void)
{
        GString *out = g_string_new(script_head);

        append_skips(out);
        g_string_append(out, "    case $verb/$last in\n");
        for (const struct verb *const *verb = verbs; *verb; verb++)
                append_values(out, (*verb)->name, (*verb)->options);
        append_values(out, "*", global_options);
        g_string_append(out, "    esac\n    local options='");
        append_options(out, global_options);
        g_string_append(out, "' verbs='");
        for (const struct verb *const *verb = verbs; *verb; verb++)
                g_string_append_printf(out, "%s ", (*verb)->name);
        g_string_append(out, "' keys='");
        append_keys(out, &keys_project, "");
        g_string_append(out, "' names=0\n    case $verb in\n    '') ;;\n");
        for (const struct verb *const *verb = verbs; *verb; verb++) {
                g_string_append_printf(out, "    %s) names=%d; options+='", (*verb)->name, (*verb)->completes_vms);
                append_options(out, (*verb)->options);
                g_string_append(out, "' ;;\n");
        }
        g_string_append(out, script_tail);
        return g_string_free(out, FALSE);
}

static int
run_completion(struct verb_call *call)
{
        g_autofree char *script = NULL;

        if (strcmp(call->arguments[0], "bash") != 0)
                return print_usage_error("no completion for this shell: bash is the one that is known");
        script = make_script();
        fputs(script, stdout);
        return EXIT_DONE;
}

const struct verb verb_completion = {
        .name = "completion",
        .synopsis = "bash",
        .help = "Print the completion script for a shell",
        .text = "In ~/.bashrc: source <(drover completion bash)",
        .min_arguments = 1,
        .max_arguments = 1,
        .run = run_completion,
};
