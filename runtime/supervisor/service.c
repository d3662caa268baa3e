/* service.c - dnsmasq as the supervisor sees it: started again when it dies, its leases recorded */
#include "runtime/supervisor/watch.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "network/dnsmasq.h"

#include <arpa/inet.h>
#include <netinet/ether.h>
#include <string.h>

static char *
directory_of(const struct supervisor *supervisor)
{
        return g_build_filename(supervisor->paths->data, "dnsmasq", NULL);
}

static void
ended(void *data)
{
        struct supervisor *supervisor = data;

        if (!process_wait(supervisor->service.pidfd, 0))
                return;
        loop_forget(supervisor->loop, supervisor->service.pidfd);
        fd_clear(&supervisor->service.pidfd);
        supervisor->service.gone = TRUE;
        supervisor_settle(supervisor);
}

void
service_look(struct supervisor *supervisor)
{
        g_autofree char *directory = directory_of(supervisor);
        auto_fd pidfd = -1;
        pid_t pid;

        if (supervisor->service.pidfd >= 0)
                return;
        pid = dnsmasq_find(directory);
        pidfd = pid > 0 ? process_open(pid) : -1;
        if (pidfd < 0 || dnsmasq_find(directory) != pid || !loop_watch(supervisor->loop, pidfd, ended, supervisor))
                return;
        supervisor->service.pidfd = fd_steal(&pidfd);
        supervisor->service.gone = FALSE;
}

void
service_look_back(struct supervisor *supervisor)
{
        g_autofree char *directory = directory_of(supervisor);
        g_autofree char *pid_file = g_build_filename(directory, "pid", NULL);

        supervisor->service.gone = supervisor->service.pidfd < 0 && file_exists(pid_file);
}

static const char *
vm_of(const struct supervisor *supervisor, const char *mac)
{
        struct guest *guest;
        GHashTableIter iter;

        g_hash_table_iter_init(&iter, supervisor->guests);
        while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&guest))
                for (guint i = 0; i < guest->macs->len; i++)
                        if (g_ascii_strcasecmp(g_ptr_array_index(guest->macs, i), mac) == 0)
                                return guest->name;
        return NULL;
}

static void
take_lease(struct supervisor *supervisor, const struct lease *lease, gboolean quietly)
{
        const guint8 *octet = lease->mac.ether_addr_octet;
        g_autofree char *mac = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", octet[0], octet[1], octet[2], octet[3],
                                               octet[4], octet[5]);
        struct in_addr ip = {.s_addr = htonl(lease->ip)};
        char address[INET_ADDRSTRLEN] = "";

        inet_ntop(AF_INET, &ip, address, sizeof address);
        if (g_strcmp0(g_hash_table_lookup(supervisor->service.leases, mac), address) == 0)
                return;
        g_hash_table_insert(supervisor->service.leases, g_strdup(mac), g_strdup(address));
        if (!quietly)
                record(supervisor, vm_of(supervisor, mac), "lease", "dnsmasq", "address", address, mac);
}

void
service_read_leases(struct supervisor *supervisor, gboolean quietly)
{
        g_autofree char *directory = directory_of(supervisor);
        g_autoptr(GArray) leases = dnsmasq_leases(directory);

        for (guint i = 0; i < leases->len; i++)
                take_lease(supervisor, &g_array_index(leases, struct lease, i), quietly);
}

char *
service_address(const struct supervisor *supervisor, const struct guest *guest)
{
        for (guint i = 0; i < guest->macs->len; i++) {
                g_autofree char *mac = g_ascii_strdown(g_ptr_array_index(guest->macs, i), -1);
                const char *address = g_hash_table_lookup(supervisor->service.leases, mac);

                if (address)
                        return g_strdup(address);
        }
        return g_strdup(guest->address);
}

void
service_clear(struct supervisor *supervisor)
{
        loop_forget(supervisor->loop, supervisor->service.pidfd);
        fd_clear(&supervisor->service.pidfd);
        g_hash_table_unref(supervisor->service.leases);
}
