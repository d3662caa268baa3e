/* verbs.c - the table of verbs, and what people call them elsewhere */
#include "cmd/verbs.h"

#include "base/text.h"

#include <string.h>

const struct verb *const verbs[] = {
        &verb_up,      &verb_down,    &verb_plan,       &verb_ps,      &verb_config, &verb_start,   &verb_stop,
        &verb_restart, &verb_kill,    &verb_pause,      &verb_unpause, &verb_logs,   &verb_console, &verb_ssh,
        &verb_exec,    &verb_run,     &verb_cp,      &verb_ssh_config, &verb_ip,      &verb_port,   &verb_inspect, &verb_wait,
        &verb_events,  &verb_rename,  &verb_rm,      &verb_ls,         &verb_doctor,  &verb_init,   &verb_explain, &verb_schema,
        &verb_help,    &verb_version, &verb_completion, &verb_pull,    &verb_images, &verb_prune,   NULL,
};

/* What the verbs of others are called here; never aliases, since they mean something else there. */
static const char *const elsewhere[][2] = {
        {"apply", "'drover up' makes the host match the file"},
        {"create", "'drover up --no-start' makes VMs without starting them"},
        {"define", "'drover up' makes the host match the file"},
        {"destroy", "'drover kill' cuts the power, 'drover down -v' removes everything"},
        {"undefine", "'drover rm' removes stopped VMs"},
        {"halt", "'drover stop' shuts VMs down"},
        {"shutdown", "'drover stop' shuts VMs down"},
        {"reboot", "'drover restart' restarts VMs"},
        {"reset", "'drover kill -s reset' presses the reset button"},
        {"reload", "'drover up --restart' restarts what changed"},
        {"domrename", "'drover rename' gives a VM another name"},
        {"list", "'drover ps' lists VMs, 'drover ls' projects"},
        {"status", "'drover ps' lists VMs"},
        {"state", "'drover ps' lists VMs"},
        {"show", "'drover inspect' shows everything about an object"},
        {"dumpxml", "'drover inspect' shows everything about an object"},
        {"validate", "'drover config -q' checks the file"},
        {"attach", "'drover console' attaches to a serial console"},
        {"domifaddr", "'drover ip' prints addresses"},
        {"suspend", "'drover pause' halts the CPUs, as virsh's suspend does; to save a lab to disk is not built yet"},
        {"resume", "'drover unpause' lets paused VMs go on; to bring a lab back from disk is not built yet"},
        {"completions", "did you mean 'completion'?"},
};

static const char *const later[] = {
        "snapshot",   "clone",    "commit",
        "export", "import",  "convert", "stats",    "top",    "graph",     "screenshot", "send-key",
        "view",   "capture", "link",  "enable",     "disable", NULL,
};

/* Typed by drover itself. */
static const struct verb *const hidden[] = {&verb_supervise, &verb_mend, &verb_forward, &verb_share, &verb_connect, NULL};

const struct verb *
verb_find(const char *name)
{
        for (const struct verb *const *verb = verbs; *verb; verb++)
                if (strcmp((*verb)->name, name) == 0)
                        return *verb;
        for (const struct verb *const *verb = hidden; *verb; verb++)
                if (strcmp((*verb)->name, name) == 0)
                        return *verb;
        return NULL;
}

char *
verb_suggest(const char *word)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        const char *meant;

        for (size_t i = 0; i < G_N_ELEMENTS(elsewhere); i++)
                if (strcmp(elsewhere[i][0], word) == 0)
                        return g_strdup(elsewhere[i][1]);
        if (g_strv_contains(later, word))
                return g_strdup("it is planned, but not built yet in drover " DROVER_VERSION);
        for (const struct verb *const *verb = verbs; *verb; verb++)
                g_ptr_array_add(names, (char *)(*verb)->name);
        g_ptr_array_add(names, NULL);
        meant = text_suggest(word, (const char *const *)names->pdata);
        return meant ? g_strdup_printf("did you mean '%s'?", meant) : NULL;
}
