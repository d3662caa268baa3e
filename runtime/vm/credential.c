/* credential.c - what systemd in a guest hands to its services, as the guest's firmware shows it
 *
 * Source: systemd.exec(5): "io.systemd.credential.binary:NAME=BASE64" among the OEM strings (SMBIOS 3.4, 7.12: type 11). Each
 * credential is a structure of its own, since systemd 252 reads no more than a page of one.
 */
#include "runtime/vm/credential.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OEM_STRINGS = 11, FIRST_HANDLE = 0x0e80 /* QEMU numbers its own from 0 in steps of 0x100 */ };

/* The structure's head, its only string, and an empty one, which ends it. */
static GByteArray *
format(const struct credential *credential, guint index, const char *data, size_t length)
{
        const guint8 head[] = {OEM_STRINGS, 5, (FIRST_HANDLE + index) & 0xff, (FIRST_HANDLE + index) >> 8, 1};
        g_autofree char *encoded = g_base64_encode((const guchar *)data, length);
        g_autofree char *text = g_strdup_printf("io.systemd.credential.binary:%s=%s", credential->name, encoded);
        GByteArray *structure = g_byte_array_new();

        g_byte_array_append(structure, head, sizeof head);
        g_byte_array_append(structure, (const guint8 *)text, (guint)strlen(text) + 1);
        g_byte_array_append(structure, (const guint8 *)"", 1);
        return structure;
}

static gboolean
fail_large(const struct credential *credential, GError **error)
{
        return error_set(error, DROVER_ERROR_FAILED, "credential '%s': '%s' has more than %d bytes", credential->name,
                         credential->path, CREDENTIAL_MAX_BYTES);
}

/* All of them share one table. */
static gboolean
check_sizes(const struct vm *vm, GError **error)
{
        guint64 bytes = 0;

        for (guint i = 0; i < vm->credential_count; i++) {
                const struct credential *credential = &vm->credentials[i];
                struct stat st = {0};

                if (credential->path && stat(credential->path, &st) < 0)
                        return error_errno(error, "credential '%s': cannot look at '%s'", credential->name, credential->path);
                if (st.st_size > CREDENTIAL_MAX_BYTES)
                        return fail_large(credential, error);
                bytes += credential->path ? (guint64)st.st_size : strlen(credential->content);
        }
        return bytes <= CREDENTIALS_MAX_BYTES ||
               error_set(error, DROVER_ERROR_FAILED, "the credentials have more than %d KiB together",
                         CREDENTIALS_MAX_BYTES >> 10);
}

static GByteArray *
read_credential(const struct vm *vm, guint index, GError **error)
{
        const struct credential *credential = &vm->credentials[index];
        g_autofree char *data = NULL;
        size_t length;

        if (!check_sizes(vm, error))
                return NULL;
        if (!credential->path)
                return format(credential, index, credential->content, strlen(credential->content));
        if (!file_read(credential->path, CREDENTIAL_MAX_BYTES, &data, &length, error)) {
                error_prefix(error, "credential '%s'", credential->name);
                return NULL;
        }
        return format(credential, index, data, length);
}

int
credential_open(const struct vm *vm, guint index, GError **error)
{
        g_autoptr(GByteArray) structure = read_credential(vm, index, error);
        auto_fd fd = -1;

        if (!structure)
                return -1;
        fd = memfd_create("drover", MFD_CLOEXEC);
        if (fd < 0 || fd_retry(write(fd, structure->data, structure->len)) != (ssize_t)structure->len)
                return error_errno(error, "cannot hand over credential '%s'", vm->credentials[index].name), -1;
        return fd_steal(&fd);
}
