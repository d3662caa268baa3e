/* disk_key.c - the key of an encrypted disk
 *
 * QEMU takes the bytes of the file as they are, the last newline included, and so does qemu-img: what opens the disk by hand is
 * `--object secret,id=key,file=FILE`. It has to be UTF-8 without a NUL. Source: QEMU's crypto/secret_common.c
 */
#include "runtime/storage/disk_key.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
forget_key(char *key, size_t length)
{
        explicit_bzero(key, length);
        g_free(key);
}

static gboolean
refuse_binary(const char *path, GError **error)
{
        error_set(error, DROVER_ERROR_FAILED, "'%s' is no text in UTF-8, which is all that QEMU takes", path);
        return error_hint(error, "'head -c 32 /dev/urandom | base64 > FILE' makes a key");
}

static char *
read_key(const char *path, size_t *ret_length, GError **error)
{
        char *key = NULL;
        gboolean ok = file_read(path, DISK_KEY_MAX_BYTES, &key, ret_length, error);

        if (ok && !*ret_length)
                ok = error_set(error, DROVER_ERROR_FAILED, "'%s' is empty", path);
        else if (ok && !g_utf8_validate(key, (gssize)*ret_length, NULL))
                ok = refuse_binary(path, error);
        if (!ok && key) {
                forget_key(key, *ret_length);
                key = NULL;
        }
        return key;
}

gboolean
disk_key_check(const char *path, gboolean *ret_exposed, GError **error)
{
        struct stat st;
        size_t length;
        char *key = read_key(path, &length, error);

        if (!key)
                return FALSE;
        forget_key(key, length);
        *ret_exposed = stat(path, &st) == 0 && (st.st_mode & S_IROTH);
        return TRUE;
}

int
disk_key_open(const char *path, const struct child_user *user, GError **error)
{
        int ends[2];
        size_t length;
        char *key = read_key(path, &length, error);
        gboolean ok;

        if (!key)
                return -1;
        if (pipe2(ends, O_CLOEXEC) < 0) {
                error_errno(error, "cannot hand over the key in '%s'", path);
                forget_key(key, length);
                return -1;
        }
        ok = write(ends[1], key, length) == (ssize_t)length && (!user || fchown(ends[0], user->uid, user->gid) == 0);
        if (!ok)
                error_errno(error, "cannot hand over the key in '%s'", path);
        forget_key(key, length);
        close(ends[1]);
        if (!ok)
                close(ends[0]);
        return ok ? ends[0] : -1;
}
