/* actual.h - what a QEMU has, as it says itself: devices, disks, memory, vCPUs
 *
 * Taken by the round of questions that observe.c asks of all VMs at once, so the commands need no answer of each other.
 */
#pragma once

#include "base/json.h"
#include "runtime/vm/qmp.h"

/** The commands (struct qmp_question), in the order in which actual_parse() takes their answers */
#define ACTUAL_COMMANDS \
        "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/machine/peripheral\"}}", QMP_COMMAND("query-block")
/** Further ones that need not be asked */
#define ACTUAL_MORE_COMMANDS \
        QMP_COMMAND("query-memory-size-summary"), QMP_COMMAND("query-balloon"), QMP_COMMAND("query-cpus-fast")
/** One more, of a VM that has mounts */
#define ACTUAL_MOUNT_COMMAND QMP_COMMAND("query-chardev")
enum { ACTUAL_ANSWERS = 6 };

/** struct actual_block - What is behind a disk or in a drive */
struct actual_block {
        guint64 size_bytes; /* virtual; 0: nothing is in the drive */
        gboolean is_ours;   /* the node that drover has put there */
        guint64 iops, read_bytes, write_bytes; /* limits per second; 0: none */
};

struct actual {
        GHashTable *devices; /* id -> driver: what has an id */
        GHashTable *blocks;  /* id of a device -> struct actual_block */
        guint64 memory_bytes;  /* what it was started with; 0: not known */
        guint64 balloon_bytes; /* what the guest has of it; 0: not known */
        guint cpus;            /* 0: not known */
        GHashTable *lost;      /* ids of chardevs whose other end is gone, or has never come */
};

/** actual_parse() - From answers, each of which may be NULL; NULL where that of devices or of disks is missing. A new object */
struct actual *actual_parse(json_t *const answers[ACTUAL_ANSWERS]);
void actual_free(struct actual *actual);
typedef struct actual actual_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(actual_t, actual_free)

/** actual_has() - Has it a device of this id? */
gboolean actual_has(const struct actual *actual, const char *id);
const struct actual_block *actual_block(const struct actual *actual, const char *id);
