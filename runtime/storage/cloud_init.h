/* cloud_init.h - the files of a NoCloud seed, from what the project file says of a VM; pure: nothing is read or written
 *
 * Sources: cloud-init's documentation: "NoCloud", "User-data formats", "Networking config Version 2", "Merging user-data
 * sections". JSON is YAML, so that what is made here is JSON; texts that the user wrote go in as they are.
 */
#pragma once

#include "runtime/vm/qemu_argv.h"

enum { CLOUD_INIT_MAX_FILE = 16 << 20 }; /* bytes of one file that goes into a seed */

/** struct cloud_init_wish - What a seed is made from */
struct cloud_init_wish {
        const struct vm *vm;
        const struct launch_nic *nics;
        guint nic_count;
        const struct network *networks; /* by nic->network_index, as resolved */
        const char *instance_id;        /* cloud-init sets a guest up once for each */
        const char *project_key;        /* the project's public key, or NULL */
        GHashTable *files;              /* path -> GBytes: those of cloud_init_paths() */
};

/** struct cloud_init_texts - The files of the seed; texts may hold any byte */
struct cloud_init_texts {
        GBytes *user_data, *meta_data;
        GBytes *network_config, *vendor_data; /* or NULL */
};

/** cloud_init_paths() - The files of the host that go into the VM's seed: const char *, which belong to the project */
GPtrArray *cloud_init_paths(const struct vm *vm);

/**
 * cloud_init_build() - Make the texts; cloud_init_texts_clear() them
 *
 * A map under user_data is merged with the short forms: its scalars win, lists come together. A text (a script, a jinja
 * template, YAML of several documents) becomes a MIME part of its own beside ours. Fails with DROVER_ERROR_CONFIG for what is
 * no such text.
 */
gboolean cloud_init_build(const struct cloud_init_wish *wish, struct cloud_init_texts *ret_texts, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
void cloud_init_texts_clear(struct cloud_init_texts *texts);
typedef struct cloud_init_texts cloud_init_texts_t;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(cloud_init_texts_t, cloud_init_texts_clear)
