/* identity.c - UUIDs and MACs, derived from names once and then kept */
#include "runtime/identity.h"

#include "base/error.h"
#include "base/file.h"

#include <string.h>

/* The host's machine-id; empty where there is none, which only makes identities less unique across hosts. */
static const char *
machine_id(GError **error)
{
        static GMutex mutex;
        static char *id;
        g_autoptr(GError) reason = NULL;

        g_mutex_lock(&mutex);
        if (!id && file_read("/etc/machine-id", 4096, &id, NULL, &reason))
                g_strstrip(id);
        else if (!id && g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                id = g_strdup("");
        g_mutex_unlock(&mutex);
        if (!id)
                g_propagate_error(error, g_steal_pointer(&reason));
        return id;
}

gboolean
identity_load(GError **error)
{
        return machine_id(error) != NULL;
}

/* The parts are hashed with their NULs, so that no two lists of parts look alike. */
static void
digest(guint8 out[32], const char *const *parts, size_t count)
{
        g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
        gsize length = 32;

        for (size_t i = 0; i < count; i++)
                g_checksum_update(sum, (const guchar *)parts[i], (gssize)strlen(parts[i]) + 1);
        g_checksum_get_digest(sum, out, &length);
}

void
identity_uuid(const char *project, const char *vm, char ret_uuid[37])
{
        const char *host = machine_id(NULL) ?: "";
        const char *parts[] = {"drover uuid", host, project, vm};
        guint8 d[32];

        digest(d, parts, G_N_ELEMENTS(parts));
        d[6] = (d[6] & 0x0f) | 0x80;
        d[8] = (d[8] & 0x3f) | 0x80;
        g_snprintf(ret_uuid, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", d[0], d[1], d[2], d[3],
                   d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13], d[14], d[15]);
}

struct ether_addr
identity_mac(const char *project, const char *vm, const char *nic, gboolean lan)
{
        const char *host = lan ? machine_id(NULL) : NULL;
        const char *parts[] = {"drover mac", host ?: "", project, vm, nic};
        struct ether_addr mac;
        guint8 d[32];

        digest(d, parts, G_N_ELEMENTS(parts));
        memcpy(mac.ether_addr_octet, d, sizeof mac.ether_addr_octet);
        mac.ether_addr_octet[0] = (mac.ether_addr_octet[0] & 0xfc) | 0x02;
        return mac;
}
