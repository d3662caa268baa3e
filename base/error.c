/* error.c - the one error contract */
#include "base/error.h"

#include <errno.h>

G_DEFINE_QUARK(drover-error-quark, drover_error)

enum drover_error
error_code_of_errno(int number)
{
        switch (number) {
        case EACCES:
        case EPERM:
                return DROVER_ERROR_PERMISSION;
        case ENOENT:
        case ESRCH:
        case ENODEV:
                return DROVER_ERROR_NOT_FOUND;
        case EEXIST:
                return DROVER_ERROR_EXISTS;
        case EBUSY:
        case ETXTBSY:
                return DROVER_ERROR_BUSY;
        case ETIMEDOUT:
                return DROVER_ERROR_TIMEOUT;
        default:
                return DROVER_ERROR_FAILED;
        }
}

gboolean
error_set(GError **error, enum drover_error code, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        if (error)
                *error = g_error_new_valist(DROVER_ERROR, code, format, args);
        va_end(args);
        return FALSE;
}

static gboolean G_GNUC_PRINTF(3, 0)
fail_with_number(GError **error, int number, const char *format, va_list args)
{
        g_autofree char *text = g_strdup_vprintf(format, args);

        return error_set(error, error_code_of_errno(number), "%s: %s", text, g_strerror(number));
}

gboolean
error_errno(GError **error, const char *format, ...)
{
        int number = errno;
        va_list args;

        va_start(args, format);
        fail_with_number(error, number, format, args);
        va_end(args);
        errno = number;
        return FALSE;
}

gboolean
error_from_errno(GError **error, int number, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        fail_with_number(error, number, format, args);
        va_end(args);
        return FALSE;
}

gboolean
error_prefix(GError **error, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list args;

        if (!error || !*error)
                return FALSE;
        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        g_prefix_error(error, "%s: ", text);
        return FALSE;
}

gboolean
error_hint(GError **error, const char *format, ...)
{
        g_autofree char *hint = NULL;
        char *text;
        va_list args;

        if (!error || !*error)
                return FALSE;
        va_start(args, format);
        hint = g_strdup_vprintf(format, args);
        va_end(args);
        text = g_strconcat((*error)->message, "\n  ", hint, NULL);
        g_free((*error)->message);
        (*error)->message = text;
        return FALSE;
}
