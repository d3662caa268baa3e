/* lab.c - names, marks and addresses that follow from a project's names, and small questions about a lab */
#include "network/lab.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

enum { PREFIX_LENGTH = 4, HASH_DIGITS = 10 };

/* The parts are hashed with their NULs, so that no two lists of names run into the same bytes. */
static void
hash_names(const char *kind, const char *a, const char *b, const char *c, guint8 ret_digest[32])
{
        GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
        const char *parts[] = {kind, a, b, c};
        gsize length = 32;

        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                if (parts[i])
                        g_checksum_update(sum, (const guchar *)parts[i], (gssize)strlen(parts[i]) + 1);
        g_checksum_get_digest(sum, ret_digest, &length);
        g_checksum_free(sum);
}

static char *
interface_name(const char *readable, const guint8 digest[32])
{
        int length = (int)strnlen(readable, PREFIX_LENGTH);
        GString *name = g_string_new(NULL);

        while (length > 0 && readable[length - 1] == '-')
                length--;
        g_string_append_printf(name, "%.*s-", length, readable);
        for (int i = 0; i < HASH_DIGITS / 2; i++)
                g_string_append_printf(name, "%02x", digest[i]);
        return g_string_free(name, FALSE);
}

char *
lab_bridge_name(const char *project, const char *network)
{
        guint8 digest[32];

        hash_names("bridge", project, network, NULL, digest);
        return interface_name(network, digest);
}

char *
lab_tap_name(const char *project, const char *vm, const char *nic)
{
        guint8 digest[32];

        hash_names("tap", project, vm, nic, digest);
        return interface_name(vm, digest);
}

char *
lab_link_name(const char *project, const char *what)
{
        guint8 digest[32];

        hash_names("link", project, what, NULL, digest);
        return interface_name(project, digest);
}

static struct ether_addr
hash_mac(const char *kind, const char *project, const char *name)
{
        struct ether_addr mac;
        guint8 digest[32];

        hash_names(kind, project, name, NULL, digest);
        memcpy(mac.ether_addr_octet, digest, sizeof mac.ether_addr_octet);
        mac.ether_addr_octet[0] = (mac.ether_addr_octet[0] & 0xfc) | 0x02; /* locally administered, unicast */
        return mac;
}

struct ether_addr
lab_bridge_mac(const char *project, const char *network)
{
        return hash_mac("bridge mac", project, network);
}

struct ether_addr
lab_link_mac(const char *project, const char *what)
{
        return hash_mac("link mac", project, what);
}

char *
lab_alias(const char *project, const char *object)
{
        return g_strdup_printf("drover:%s/%s", project, object);
}

const char *
lab_format_ip(guint32 ip, char buffer[LAB_IP_LENGTH])
{
        struct in_addr address = {.s_addr = htonl(ip)};

        return inet_ntop(AF_INET, &address, buffer, LAB_IP_LENGTH);
}

const char *
lab_format_ip6(const struct in6_addr *ip6, char buffer[LAB_IP6_LENGTH])
{
        return inet_ntop(AF_INET6, ip6, buffer, LAB_IP6_LENGTH);
}

const char *
lab_format_mac(const struct ether_addr *mac, char buffer[LAB_MAC_LENGTH])
{
        const guint8 *byte = mac->ether_addr_octet;

        g_snprintf(buffer, LAB_MAC_LENGTH, "%02x:%02x:%02x:%02x:%02x:%02x", byte[0], byte[1], byte[2], byte[3], byte[4],
                   byte[5]);
        return buffer;
}

struct in6_addr
lab_ip6_of_mac(const struct cidr6 *subnet, const struct ether_addr *mac)
{
        struct in6_addr address = subnet->address;
        const guint8 *byte = mac->ether_addr_octet;
        const guint8 identifier[] = {byte[0] ^ 0x02, byte[1], byte[2], 0xff, 0xfe, byte[3], byte[4], byte[5]};

        memcpy(address.s6_addr + 8, identifier, sizeof identifier);
        return address;
}

struct in6_addr
lab_host_ip6(const struct network *network)
{
        struct in6_addr address = network->subnet6.address;

        if (network->subnet6.prefix)
                address.s6_addr[15] |= 1;
        return address;
}

gboolean
lab_reaches(const struct lab *lab, guint from, guint to)
{
        const char *const *reach = lab->networks[from].reach;

        return reach && g_strv_contains(reach, lab->networks[to].name);
}

guint32
lab_netmask(guint8 prefix)
{
        return prefix == 0 ? 0 : ~(guint32)0 << (32 - MIN(prefix, 32));
}

gboolean
lab_overlap(const struct cidr4 *a, const struct cidr4 *b)
{
        guint32 mask = lab_netmask(MIN(a->prefix, b->prefix));

        return (a->address & mask) == (b->address & mask);
}

gboolean
lab_overlap6(const struct cidr6 *a, const struct cidr6 *b)
{
        guint prefix = MIN(a->prefix, b->prefix), rest = prefix % 8;
        guint8 mask = (guint8)(0xff00 >> rest);

        return memcmp(&a->address, &b->address, prefix / 8) == 0 &&
               (!rest || ((a->address.s6_addr[prefix / 8] ^ b->address.s6_addr[prefix / 8]) & mask) == 0);
}

gboolean
lab_is_served(const struct network *network)
{
        return !network->external && network->mode != MODE_BRIDGE && network->host_ip != 0;
}

/* Letters, digits, '.', '-' and '_' mean nothing to dnsmasq, nft or a path; the dot only not at the beginning. */
static gboolean
is_plain(const char *text, size_t max_length)
{
        size_t length = text ? strlen(text) : 0;

        return length > 0 && length <= max_length && text[0] != '.' && text[0] != '-' &&
               strspn(text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-") == length;
}

/* Fit to stand in quotes on a line of its own. */
static gboolean
is_clean(const char *text)
{
        for (; text && *text; text++)
                if (g_ascii_iscntrl(*text))
                        return FALSE;
        return TRUE;
}

static gboolean
check_host(const struct lab *lab, const struct lab_host *host, GError **error)
{
        if (host->network >= lab->network_count)
                return error_set(error, DROVER_ERROR_CONFIG, "a host of project '%s' has no network", lab->project);
        if (host->name && !is_plain(host->name, 253))
                return error_set(error, DROVER_ERROR_CONFIG, "'%s' cannot be a host name", host->name);
        if (host->tap && !is_plain(host->tap, IFNAMSIZ - 1))
                return error_set(error, DROVER_ERROR_CONFIG, "'%s' cannot be the name of a tap", host->tap);
        for (const char *const *alias = host->aliases; alias && *alias; alias++)
                if (!is_plain(*alias, 253))
                        return error_set(error, DROVER_ERROR_CONFIG, "'%s' cannot be a host name", *alias);
        return TRUE;
}

gboolean
lab_check(const struct lab *lab, GError **error)
{
        if (!is_plain(lab->project, 64))
                return error_set(error, DROVER_ERROR_CONFIG, "'%s' cannot be a project's name", lab->project);
        if (lab->directory && strcspn(lab->directory, "\n\r\t\"'#\\") != strlen(lab->directory))
                return error_set(error, DROVER_ERROR_CONFIG, "the directory '%s' has a quote, '#' or a backslash in its name",
                                 lab->directory);
        for (guint i = 0; i < lab->network_count; i++) {
                const struct network *network = &lab->networks[i];

                if (!is_plain(network->name, 64))
                        return error_set(error, DROVER_ERROR_CONFIG, "'%s' cannot be a network's name", network->name);
                if (!is_plain(network->bridge, IFNAMSIZ - 1))
                        return error_set(error, DROVER_ERROR_CONFIG, "'%s' cannot be the name of a bridge", network->bridge);
                if (network->dhcp.boot && (!is_clean(network->dhcp.boot->file) || !is_clean(network->dhcp.boot->tftp_root)))
                        return error_set(error, DROVER_ERROR_CONFIG, "a path that network '%s' serves has a control character",
                                         network->name);
                if (network->domain && !is_plain(network->domain, 253))
                        return error_set(error, DROVER_ERROR_CONFIG, "'%s' cannot be a domain", network->domain);
        }
        for (guint i = 0; i < lab->host_count; i++)
                if (!check_host(lab, &lab->hosts[i], error))
                        return FALSE;
        return TRUE;
}
