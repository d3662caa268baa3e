/* diagnosis.h - why a VM is not up: how far its start came, the likely cause, and what to do next
 *
 * diagnose.c collects the evidence from this host; diagnosis.c judges it, and is pure.
 */
#pragma once

#include "network/dhcp-log.h"
#include "runtime/session.h"
#include "runtime/supervisor/health.h"

/** enum start_stage - What a start goes through, in this order; each stands for those before it as well */
enum start_stage {
        STAGE_NONE,     /* no QEMU lives */
        STAGE_QEMU,     /* it does */
        STAGE_FIRMWARE, /* its vCPUs are in code of the firmware or of a boot loader */
        STAGE_KERNEL,   /* they are, or were, in an operating system's */
        STAGE_DISCOVER, /* it asks for an address */
        STAGE_OFFER,
        STAGE_ACK,
        STAGE_ANSWERS,  /* at its address */
        STAGE_HEALTHY,
        STAGE_COUNT,
};

/** struct evidence - What was seen of one VM since its QEMU was started; texts may be NULL */
struct evidence {
        char *vm;
        enum vm_status status;
        char *detail;          /* QEMU's own word for its state */
        char *qemu_words;      /* the end of its standard error */
        char *console;         /* what the console has shown since the start, made printable; a tail where it is long */
        enum { CODE_UNKNOWN, CODE_FIRMWARE, CODE_KERNEL } code; /* that its vCPU runs, by its registers */
        guint resets;          /* that the guest made itself */
        gboolean panicked;     /* by pvpanic */
        gboolean expects_dhcp; /* one of its NICs is on a network with our DHCP */
        struct dhcp_exchange dhcp;
        char *ip;              /* that was leased or reserved */
        enum { ADDRESS_UNKNOWN, ADDRESS_SILENT, ADDRESS_ANSWERS } address; /* as the kernel's neighbour table has it */
        gboolean checked;      /* it has a healthcheck */
        guint port;            /* of a healthcheck by tcp; 0: another one */
        enum health_state health;
        char *health_reason;
        char *memory;          /* as the file writes it */
        gboolean own_kernel;   /* boot.kernel is given */
};

/** diagnose() - Collect it, over a session that has just looked at QEMUs and network (session_observe()) */
void diagnose(const struct session *session, const struct vm_world *vm, struct evidence *ret_evidence);
void evidence_clear(struct evidence *evidence);
typedef struct evidence evidence_t;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(evidence_t, evidence_clear)

/** diagnosis_stage() - The last stage that was reached */
enum start_stage diagnosis_stage(const struct evidence *evidence);

/** diagnosis_cause() - What probably keeps it from going on. New string, or NULL where nothing points anywhere */
char *diagnosis_cause(const struct evidence *evidence);

/** diagnosis_hint() - Add all of it to an error: stages, QEMU's words, the end of the console, cause, the next command */
void diagnosis_hint(const struct evidence *evidence, GError **error);
