/* disk.h - disk files: made once, grown, never shrunk, never overwritten */
#pragma once

#include "base/child.h"

/** struct disk_wish - How a disk file has to be made when it is not there */
struct disk_wish {
        const char *path;
        const char *format;          /* "qcow2" or "raw" */
        guint64 size_bytes;          /* virtual; with a backing file at least its virtual size (0: the same) */
        const char *backing_path;    /* an overlay on this image (qcow2 only), or NULL */
        const char *backing_format;
        guint64 backing_size_bytes;  /* its virtual size */
        const struct child_user *owner; /* who the file shall belong to, or NULL */
        const char *cache;              /* where templates are kept (disk_template.h), or NULL */
        const char *preallocation;      /* "metadata" (of qcow2), "falloc", "full" (zeros are written); NULL: none */
        guint64 cluster_bytes;          /* of qcow2; 0: the default */
        const char *compression_type;   /* of qcow2, "zlib" or "zstd"; NULL: the default */
        const char *key_file;           /* LUKS (qcow2 only): the file with the key, see disk_key.h; NULL: none */
        guint iter_ms;                  /* and how long it shall take to try one */
        void (*progress)(void *data, guint64 done_bytes, guint64 total_bytes); /* of "full"; or NULL */
        void *data;
        const int *stop;                /* when it becomes nonzero "full" ends with DROVER_ERROR_INTERRUPTED; or NULL */
};

/** struct disk_head - What the header of a disk file says */
struct disk_head {
        guint64 size_bytes; /* virtual */
        gboolean encrypted;
};

/**
 * disk_ensure() - Make the disk unless it is there
 *
 * A draft is made and linked into place (never over an existing file), so that a kill leaves a draft or a whole disk. An
 * overlay with the same backing file, format and size is byte-identical: qemu-img makes one template, of which all
 * others are copies, unless it is encrypted: no two have the same bytes then. qemu-img never opens the backing file (-u):
 * the caller has probed it.
 * Fails with DROVER_ERROR_FAILED and the kernel's or qemu-img's reason (no space left, ...).
 */
gboolean disk_ensure(const struct disk_wish *wish, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * disk_read_head() - What a disk file of ours is, from its header; no process is started
 * @format: "qcow2" (the header's fields, big-endian from byte 24) or "raw" (the file's length)
 */
gboolean disk_read_head(const char *path, const char *format, struct disk_head *ret_head, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;

/** disk_read_size() - Its virtual size alone */
gboolean disk_read_size(const char *path, const char *format, guint64 *ret_bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * disk_grow() - Make a disk that no VM has open larger
 * @key_file: what opens it; NULL: it is not encrypted
 *
 * DROVER_ERROR_FAILED when @size_bytes is less than it has.
 */
gboolean disk_grow(const char *path, const char *format, const char *key_file, guint64 size_bytes,
                   const struct child_user *user, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** disk_ensure_vars() - UEFI variables of a VM: a qcow2 copy of the firmware's template, unless it is there */
gboolean disk_ensure_vars(const char *path, const char *template_path, const struct child_user *owner, GError **error)
        G_GNUC_WARN_UNUSED_RESULT;
