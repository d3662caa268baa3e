/* diagnosis.c - why a VM is not up: the evidence judged, and put into words */
#include "runtime/diagnosis.h"

#include "base/error.h"
#include "base/text.h"
#include "runtime/vm/qemu_words.h"

#include <string.h>

enum { CONSOLE_LINES = 5, RESETS_MANY = 3 };

static const char *const stages[STAGE_COUNT] = {
        [STAGE_NONE] = "nothing",           [STAGE_QEMU] = "QEMU up",
        [STAGE_FIRMWARE] = "firmware",      [STAGE_KERNEL] = "kernel",
        [STAGE_DISCOVER] = "DHCP discover", [STAGE_OFFER] = "DHCP offer",
        [STAGE_ACK] = "DHCP ack",           [STAGE_ANSWERS] = "address answers",
        [STAGE_HEALTHY] = "healthy",
};

void
evidence_clear(struct evidence *evidence)
{
        g_free(evidence->vm);
        g_free(evidence->detail);
        g_free(evidence->qemu_words);
        g_free(evidence->console);
        dhcp_exchange_clear(&evidence->dhcp);
        g_free(evidence->ip);
        g_free(evidence->health_reason);
        g_free(evidence->memory);
        *evidence = (struct evidence){0};
}

/* ---- how far? ---- */

/* The line of the console that holds one of these texts, the last of them; NULL: none. New string */
static char *
find_line(const char *console, const char *const *texts)
{
        g_auto(GStrv) lines = g_strsplit(console ? console : "", "\n", -1);

        for (guint i = g_strv_length(lines); i-- > 0;)
                for (const char *const *text = texts; *text; text++)
                        if (strstr(lines[i], *text))
                                return g_strdup(strstr(lines[i], *text));
        return NULL;
}

static gboolean
has_kernel(const struct evidence *evidence)
{
        static const char *const marks[] = {"Linux version", "Kernel panic", "[    0.", "systemd[1]", "login:", NULL};
        g_autofree char *line = find_line(evidence->console, marks);

        return line || evidence->code == CODE_KERNEL || evidence->panicked;
}

/* Firmware that boots over the network asks for an address as well, and even answers a ping. */
static gboolean
is_in_firmware(const struct evidence *evidence)
{
        return evidence->status == VM_RUNNING && evidence->code == CODE_FIRMWARE && !has_kernel(evidence);
}

enum start_stage
diagnosis_stage(const struct evidence *evidence)
{
        static const enum start_stage of_dhcp[] = {
                [DHCP_SILENT] = STAGE_NONE,      [DHCP_DISCOVER] = STAGE_DISCOVER, [DHCP_OFFER] = STAGE_OFFER,
                [DHCP_REFUSED] = STAGE_DISCOVER, [DHCP_ACK] = STAGE_ACK,
        };

        if (evidence->health == HEALTH_HEALTHY)
                return STAGE_HEALTHY;
        if (is_in_firmware(evidence))
                return STAGE_FIRMWARE;
        if (evidence->address == ADDRESS_ANSWERS)
                return STAGE_ANSWERS;
        if (of_dhcp[evidence->dhcp.stage])
                return of_dhcp[evidence->dhcp.stage];
        if (has_kernel(evidence))
                return STAGE_KERNEL;
        if (evidence->status == VM_RUNNING || evidence->resets)
                return STAGE_FIRMWARE;
        return evidence->status >= VM_STARTING ? STAGE_QEMU : STAGE_NONE;
}

static gboolean
is_expected(const struct evidence *evidence, enum start_stage stage)
{
        switch (stage) {
        case STAGE_DISCOVER:
        case STAGE_OFFER:
        case STAGE_ACK:
                return evidence->expects_dhcp || evidence->dhcp.stage != DHCP_SILENT;
        case STAGE_ANSWERS:
                return evidence->ip != NULL || evidence->expects_dhcp;
        case STAGE_HEALTHY:
                return evidence->checked;
        default:
                return TRUE;
        }
}

static char *
stage_text(const struct evidence *evidence, enum start_stage stage)
{
        if (stage == STAGE_ANSWERS && evidence->ip)
                return g_strdup_printf("%s answers", evidence->ip);
        if (stage == STAGE_HEALTHY && evidence->port)
                return g_strdup_printf("port %u open", evidence->port);
        return g_strdup(stages[stage]);
}

/* "reached: QEMU up, firmware, kernel; not: DHCP discover" */
static char *
describe_stages(const struct evidence *evidence)
{
        enum start_stage reached = diagnosis_stage(evidence);
        GString *text = g_string_new("reached: ");

        if (reached == STAGE_NONE)
                g_string_append(text, stages[STAGE_NONE]);
        for (int stage = STAGE_QEMU; stage < STAGE_COUNT; stage++) {
                g_autofree char *name = stage_text(evidence, (enum start_stage)stage);

                if (!is_expected(evidence, (enum start_stage)stage))
                        continue;
                if (stage <= (int)reached) {
                        g_string_append_printf(text, "%s%s", stage > STAGE_QEMU ? ", " : "", name);
                        continue;
                }
                g_string_append_printf(text, "; not: %s", name);
                break;
        }
        return g_string_free(text, FALSE);
}

/* ---- why? ---- */

static char *
cause_of_panic(const struct evidence *evidence)
{
        static const char *const marks[] = {"Kernel panic - not syncing: ", "Unable to mount root fs", NULL};
        g_autofree char *line = find_line(evidence->console, marks);

        if (!line)
                return evidence->panicked ? g_strdup("the guest's kernel gave up (panic)") : NULL;
        if (strstr(line, "Unable to mount root fs") || strstr(line, "No working init"))
                return g_strdup_printf("the guest's kernel found no root file system: 'boot.cmdline' (root=), 'boot.initrd', "
                                       "its disks: %s",
                                       line);
        return g_strdup_printf("the guest's kernel gave up: %s", line);
}

static char *
cause_of_end(const struct evidence *evidence)
{
        if (evidence->status == VM_CRASHED)
                return g_strdup("its QEMU was killed or died");
        if (evidence->status < VM_STARTING)
                return g_strdup("its guest has powered itself off");
        if (evidence->status == VM_UNREACHABLE)
                return g_strdup_printf("its QEMU does not answer%s%s", evidence->detail ? ": " : "",
                                       evidence->detail ? evidence->detail : "");
        if (evidence->status != VM_RUNNING && !evidence->panicked)
                return g_strdup_printf("its QEMU does not let it run (%s)", evidence->detail ? evidence->detail : "paused");
        return NULL;
}

static char *
cause_of_dhcp(const struct evidence *evidence)
{
        const struct dhcp_exchange *dhcp = &evidence->dhcp;

        switch (dhcp->stage) {
        case DHCP_SILENT:
                return g_strdup("the guest never asked for an address: it has no driver for its NIC, or runs no DHCP client");
        case DHCP_DISCOVER:
                return g_strdup_printf("dnsmasq offered nothing, asked %u times%s%s", dhcp->asked, dhcp->words ? ": " : "",
                                       dhcp->words ? dhcp->words : "");
        case DHCP_REFUSED:
                return g_strdup_printf("dnsmasq refused it '%s'%s%s", dhcp->ip, dhcp->words ? ": " : "",
                                       dhcp->words ? dhcp->words : "");
        case DHCP_OFFER:
                return g_strdup_printf("the guest did not take '%s', which it was offered", dhcp->ip);
        case DHCP_ACK:
                break;
        }
        return NULL;
}

static char *
cause_of_boot(const struct evidence *evidence)
{
        if (evidence->resets >= RESETS_MANY)
                return g_strdup_printf("the guest has reset itself %u times: %s of memory may be too little for it, or %s",
                                       evidence->resets, evidence->memory ? evidence->memory : "its amount",
                                       evidence->own_kernel ? "'boot.kernel' does not start" : "its disk does not boot");
        if (!is_in_firmware(evidence))
                return NULL;
        return g_strdup(evidence->own_kernel ? "'boot.kernel' has not begun to run: it may be no kernel for this machine"
                                             : "the firmware found nothing that boots, or still looks: its disk may be empty, "
                                               "or no image of a system");
}

char *
diagnosis_cause(const struct evidence *evidence)
{
        char *cause = g_strdup(evidence->status < VM_STARTING ? qemu_words_meaning(evidence->qemu_words) : NULL);

        if (!cause)
                cause = cause_of_panic(evidence);
        if (!cause)
                cause = cause_of_end(evidence);
        if (!cause)
                cause = cause_of_boot(evidence);
        if (!cause && evidence->expects_dhcp && evidence->address != ADDRESS_ANSWERS)
                cause = cause_of_dhcp(evidence);
        if (!cause && evidence->address == ADDRESS_SILENT)
                cause = g_strdup_printf("nothing answers at '%s': the guest has another address, or a firewall", evidence->ip);
        if (!cause && evidence->port && evidence->health != HEALTH_HEALTHY)
                cause = g_strdup_printf("nothing in the guest listens on port %u, or its firewall is in the way",
                                        evidence->port);
        return cause;
}

/* ---- all of it ---- */

static void
hint_lines(const char *text, guint lines, const char *before, GError **error)
{
        g_autofree char *tail = text ? text_tail(text, -1, lines) : NULL;
        g_auto(GStrv) parts = g_strsplit(tail ? tail : "", "\n", -1);

        for (char **part = parts; *part; part++)
                if (**part)
                        error_hint(error, "%s%s", before, *part);
}

void
diagnosis_hint(const struct evidence *evidence, GError **error)
{
        g_autofree char *stages_text = describe_stages(evidence), *cause = diagnosis_cause(evidence);
        gboolean silent = !evidence->console || !*evidence->console;

        error_hint(error, "%s", stages_text);
        hint_lines(evidence->qemu_words, CONSOLE_LINES, "QEMU: ", error);
        if (silent)
                error_hint(error, "console: it has shown nothing");
        else
                hint_lines(evidence->console, CONSOLE_LINES, "console: ", error);
        if (evidence->checked && evidence->health_reason)
                error_hint(error, "healthcheck: %s", evidence->health_reason);
        if (cause)
                error_hint(error, "likely: %s", cause);
        if (evidence->status < VM_STARTING || evidence->status == VM_PANICKED)
                error_hint(error, "'drover logs %s' shows its console%s", evidence->vm,
                           evidence->qemu_words && *evidence->qemu_words ? ", and with --qemu what QEMU said" : "");
        else if (evidence->status == VM_RUNNING)
                error_hint(error, "'drover console %s' looks at it", evidence->vm);
        else
                error_hint(error, "'drover inspect %s' tells more", evidence->vm);
}
