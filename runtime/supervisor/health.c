/* health.c - is a guest ready? The rule, the count of looks, and the file that tells others */
#include "runtime/supervisor/health.h"

#include "base/file.h"
#include "parser/value/value.h"

#include <string.h>
#include <unistd.h>

static const char *const names[] = {
        [HEALTH_NONE] = NULL, [HEALTH_STARTING] = "starting", [HEALTH_HEALTHY] = "healthy", [HEALTH_UNHEALTHY] = "unhealthy"};

const char *
health_name(enum health_state state)
{
        return names[state];
}

/* Kept text is text of a project file: each dollar stands there twice. */
static char *
plain_text(const char *text)
{
        g_auto(GStrv) parts = g_strsplit(text, "$$", -1);

        return g_strjoinv("$", parts);
}

static char **
read_command(const json_t *list)
{
        GPtrArray *words = g_ptr_array_new();
        const json_t *word;
        size_t i;

        json_array_foreach (list, i, word)
                if (json_is_string(word))
                        g_ptr_array_add(words, plain_text(json_string_value(word)));
        g_ptr_array_add(words, NULL);
        return (char **)g_ptr_array_free(words, FALSE);
}

static gint64
read_duration(const json_t *object, const char *key, gint64 fallback)
{
        const char *text = json_text(object, key);
        guint64 ms;

        return text && value_parse_duration(text, &ms, NULL) && ms < G_MAXINT ? (gint64)ms : fallback;
}

gboolean
health_rule_read(const json_t *wish, struct health_rule *ret_rule)
{
        const json_t *object = json_object_get(wish, "healthcheck");
        const char *console = json_text(object, "console");
        struct health_rule rule = {
                .tcp = (guint)CLAMP(json_number(object, "tcp", 0), 0, 65535),
                .ping = json_flag(object, "ping"),
                .agent = json_flag(object, "agent"),
                .interval_ms = read_duration(object, "interval", 2000),
                .timeout_ms = read_duration(object, "timeout", 2000),
                .start_period_ms = read_duration(object, "start_period", 0),
                .retries = (guint)CLAMP(json_number(object, "retries", 30), 1, 100000),
        };

        if (json_array_size(json_object_get(object, "test")))
                rule.test = read_command(json_object_get(object, "test"));
        rule.console = console ? plain_text(console) : NULL;
        if (!rule.tcp && !rule.ping && !rule.agent && !rule.console && !rule.test)
                return FALSE;
        *ret_rule = rule;
        return TRUE;
}

void
health_rule_clear(struct health_rule *rule)
{
        g_free(rule->console);
        g_strfreev(rule->test);
        *rule = (struct health_rule){0};
}

void
health_clear(struct health *health)
{
        g_free(health->reason);
        *health = (struct health){0};
}

gboolean
health_note(struct health *health, const struct health_rule *rule, const char *reason, gint64 ran_ms)
{
        enum health_state before = health->state;
        char *kept = g_strdup(reason);

        g_free(health->reason);
        health->reason = kept;
        if (!reason) {
                health->failures = 0;
                health->state = HEALTH_HEALTHY;
        } else if (health->state != HEALTH_STARTING || ran_ms >= rule->start_period_ms) {
                health->failures++;
                if (health->failures >= rule->retries)
                        health->state = HEALTH_UNHEALTHY;
        }
        return health->state != before;
}

static char *
path_of(const struct paths *paths, const char *vm)
{
        g_autofree char *directory = paths_vm_data(paths, vm);

        return g_build_filename(directory, HEALTH_FILE, NULL);
}

void
health_save(const struct paths *paths, const char *vm, const struct health *health, pid_t pid)
{
        g_autofree char *path = path_of(paths, vm);
        g_autoptr(json_t) object = json_object();
        char *text;

        json_set_text(object, "state", names[health->state]);
        json_set(object, "failures", json_integer(health->failures));
        json_set_text(object, "reason", health->reason);
        json_set(object, "pid", json_integer(pid));
        text = json_dumps(object, JSON_COMPACT);
        if (!file_write_if_changed(path, text, strlen(text), 0600, NULL, NULL))
                unlink(path); /* what is no longer true must not stay */
        free(text);
}

gboolean
health_load(const struct paths *paths, const char *vm, pid_t pid, struct health *ret_health)
{
        g_autofree char *path = path_of(paths, vm);
        g_autoptr(json_t) object = json_read_file(path, NULL);
        const char *state = json_text(object, "state");

        if (!state || pid <= 0 || json_number(object, "pid", 0) != pid)
                return FALSE;
        for (size_t i = HEALTH_STARTING; i < G_N_ELEMENTS(names); i++)
                if (strcmp(names[i], state) == 0) {
                        ret_health->state = (enum health_state)i;
                        ret_health->failures = (guint)CLAMP(json_number(object, "failures", 0), 0, G_MAXINT);
                        ret_health->reason = g_strdup(json_text(object, "reason"));
                        return TRUE;
                }
        return FALSE;
}

void
health_look(const struct paths *paths, const char *vm, const json_t *wish, pid_t pid, struct health *ret_health)
{
        struct health_rule rule;

        *ret_health = (struct health){0};
        if (!health_rule_read(wish, &rule))
                return;
        health_rule_clear(&rule);
        if (!health_load(paths, vm, pid, ret_health))
                ret_health->state = HEALTH_STARTING;
}
