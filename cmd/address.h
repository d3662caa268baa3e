/* address.h - the addresses of VMs, and how we know them */
#pragma once

#include "cmd/print.h"

struct address {
        char *network;
        guint32 ip; /* host byte order; 0: none known */
        struct ether_addr mac;
        const char *source; /* "reservation", "lease", "neighbour"; NULL: none known */
        struct in6_addr ip6;
        const char *source6; /* likewise */
};

/** struct address_book - Leases and neighbours of one look, by MAC */
struct address_book;
struct address_book *address_book_new(const struct session *session);
void address_book_free(struct address_book *book);
typedef struct address_book address_book_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(address_book_t, address_book_free)

/**
 * address_book_find() - One entry a NIC, in their order: struct address in a GArray with a clear function
 *
 * What the file reserves comes first, then what dnsmasq has leased, then what the kernel saw on the bridge; where a guest
 * that runs has taken another IPv4 address since its start than the file reserves now, it has that one.
 */
GArray *address_book_find(const struct address_book *book, const struct vm_world *vm);

/** address_text() - "10.0.0.2, fd00:20::2, 10.0.1.2 (lease)", without those that are not known. New string */
char *address_text(const GArray *addresses);

/** address_to_json() - [{"network", "ip", "mac", "source", "ip6", "source6"}], the last two where known. New reference */
json_t *address_to_json(const GArray *addresses);

/** address_format_ip(), address_format_ip6() - New string */
char *address_format_ip(guint32 ip);
char *address_format_ip6(const struct in6_addr *ip6);
