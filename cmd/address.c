/* address.c - the addresses of VMs, and how we know them */
#include "cmd/address.h"

#include "parser/value/value.h"

#include <string.h>

struct address_book {
        GHashTable *leases;      /* MAC as guint64 -> const struct lease * */
        GHashTable *neighbours;  /* the same -> const guint32 *: the address */
        GHashTable *neighbours6; /* the same -> const struct in6_addr * */
        const GArray *leases6;   /* struct lease6; NULL: none */
        const struct resolved *resolved;
        GHashTable *vms;         /* name -> struct resolved_vm */
};

static guint64
mac_number(const struct ether_addr *mac)
{
        guint64 number = 0;

        for (int i = 0; i < 6; i++)
                number = number << 8 | mac->ether_addr_octet[i];
        return number;
}

static void
add(GHashTable *table, const struct ether_addr *mac, const void *found)
{
        guint64 number = mac_number(mac);

        g_hash_table_insert(table, g_memdup2(&number, sizeof number), (void *)found);
}

struct address_book *
address_book_new(const struct session *session)
{
        struct address_book *book = g_new0(struct address_book, 1);
        const struct world *world = session->world;

        book->leases = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        book->neighbours = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        book->neighbours6 = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
        book->vms = g_hash_table_new(g_str_hash, g_str_equal);
        book->leases6 = world->leases6;
        book->resolved = session->resolved;
        for (guint i = 0; world->leases && i < world->leases->len; i++) {
                const struct lease *lease = &g_array_index(world->leases, struct lease, i);

                if (!lease->ended)
                        add(book->leases, &lease->mac, lease);
        }
        for (guint i = 0; world->links && i < world->links->neighbours->len; i++) {
                const struct link_neighbour *neighbour = &g_array_index(world->links->neighbours, struct link_neighbour, i);

                if (!neighbour->failed)
                        add(book->neighbours, &neighbour->mac, &neighbour->ip);
        }
        for (guint i = 0; world->links && i < world->links->neighbours6->len; i++) {
                const struct link_neighbour6 *neighbour = &g_array_index(world->links->neighbours6, struct link_neighbour6, i);

                if (!neighbour->failed)
                        add(book->neighbours6, &neighbour->mac, &neighbour->ip);
        }
        for (guint i = 0; session->resolved && i < session->resolved->vm_count; i++)
                g_hash_table_insert(book->vms, (void *)session->resolved->vms[i].vm->name, &session->resolved->vms[i]);
        return book;
}

void
address_book_free(struct address_book *book)
{
        if (!book)
                return;
        g_hash_table_unref(book->leases);
        g_hash_table_unref(book->neighbours);
        g_hash_table_unref(book->neighbours6);
        g_hash_table_unref(book->vms);
        g_free(book);
}

static void
address_clear(gpointer data)
{
        g_free(((struct address *)data)->network);
}

/* By the name that dnsmasq has found for the MAC, in the network's subnet; NULL: none. */
static const struct in6_addr *
find_lease6(const struct address_book *book, const char *network, const char *hostname)
{
        const struct cidr6 *subnet = NULL;

        for (guint i = 0; book->resolved && i < book->resolved->lab.network_count; i++)
                if (strcmp(book->resolved->lab.networks[i].name, network) == 0)
                        subnet = &book->resolved->lab.networks[i].subnet6;
        for (guint i = 0; subnet && subnet->prefix && book->leases6 && i < book->leases6->len; i++) {
                const struct lease6 *lease = &g_array_index(book->leases6, struct lease6, i);

                if (!lease->ended && g_strcmp0(lease->name, hostname) == 0 && value_in_cidr6(subnet, &lease->ip6))
                        return &lease->ip6;
        }
        return NULL;
}

/* Has it taken or renewed this lease since it was started? One from before the guest may not ask for again. */
static gboolean
is_of_this_start(const struct address_book *book, const char *network, const struct lease *lease, const struct vm_world *vm)
{
        gint64 started = vm_is_alive(vm) ? vm_started(vm) : 0;

        for (guint i = 0; started && book->resolved && i < book->resolved->lab.network_count; i++)
                if (strcmp(book->resolved->lab.networks[i].name, network) == 0)
                        return lease->expires - book->resolved->lab.networks[i].dhcp.lease_seconds > started;
        return FALSE;
}

/* A guest has what it leased, also where the reservation has changed since: until it renews that. */
static void
look_up(const struct address_book *book, GArray *addresses, const struct vm_world *vm, const char *hostname,
        const char *network, guint32 reserved, const struct in6_addr *reserved6, const struct ether_addr *mac)
{
        struct address address = {.network = g_strdup(network), .ip = reserved, .mac = *mac};
        guint64 number = mac_number(mac);
        const struct in6_addr *found6 = NULL;
        const struct lease *lease = g_hash_table_lookup(book->leases, &number);
        const guint32 *found = lease ? &lease->ip : NULL;

        if (reserved && (!lease || lease->ip == reserved || !is_of_this_start(book, network, lease, vm))) {
                address.source = "reservation";
                found = NULL;
        } else if (found) {
                address.source = "lease";
        } else if ((found = g_hash_table_lookup(book->neighbours, &number))) {
                address.source = "neighbour";
        }
        if (found)
                address.ip = *found;
        if (!IN6_IS_ADDR_UNSPECIFIED(reserved6)) {
                address.ip6 = *reserved6;
                address.source6 = "reservation";
        } else if ((found6 = find_lease6(book, network, hostname))) {
                address.ip6 = *found6;
                address.source6 = "lease";
        } else if ((found6 = g_hash_table_lookup(book->neighbours6, &number))) {
                address.ip6 = *found6;
                address.source6 = "neighbour";
        }
        g_array_append_val(addresses, address);
}

/* A VM that left the file: its NICs are those that it was started with. */
static void
look_up_kept(const struct address_book *book, GArray *addresses, const struct vm_world *vm)
{
        json_t *nics = json_object_get(vm->spec->wish, "networks"), *nic;
        const char *name;

        json_object_foreach(nics, name, nic)
        {
                const char *network = json_text(nic, "network"), *reserved = json_text(nic, "ip");
                const char *reserved6 = json_text(nic, "ip6");
                struct in6_addr ip6 = in6addr_any;
                struct ether_addr mac;
                guint32 ip = 0;

                if (!spec_nic_mac(vm->spec, name, &mac))
                        continue;
                if (reserved && !value_parse_ipv4(reserved, &ip, NULL))
                        ip = 0;
                if (reserved6 && !value_parse_ipv6(reserved6, &ip6, NULL))
                        ip6 = in6addr_any;
                look_up(book, addresses, vm, json_text(vm->spec->wish, "hostname"), network ? network : name, ip, &ip6, &mac);
        }
}

GArray *
address_book_find(const struct address_book *book, const struct vm_world *vm)
{
        const struct resolved_vm *resolved = g_hash_table_lookup(book->vms, vm->name);
        GArray *addresses = g_array_new(FALSE, FALSE, sizeof(struct address));

        g_array_set_clear_func(addresses, address_clear);
        for (guint i = 0; resolved && i < resolved->launch.nic_count; i++) {
                const struct launch_nic *nic = &resolved->launch.nics[i];
                struct ether_addr mac = nic->mac;

                if (vm_is_alive(vm) && vm->spec)
                        spec_nic_mac(vm->spec, nic->nic->name, &mac);
                look_up(book, addresses, vm, resolved->vm->hostname, nic->nic->network, nic->nic->ip, &nic->nic->ip6, &mac);
        }
        if (!resolved && vm->spec && vm->spec->wish)
                look_up_kept(book, addresses, vm);
        return addresses;
}

char *
address_format_ip(guint32 ip)
{
        return value_format_ipv4(ip);
}

char *
address_format_ip6(const struct in6_addr *ip6)
{
        return value_format_ipv6(ip6);
}

/* What the file says needs no word. */
static void
append_address(GString *text, const char *address, const char *source)
{
        g_string_append_printf(text, "%s%s", text->len ? ", " : "", address);
        if (strcmp(source, "reservation") != 0)
                g_string_append_printf(text, " (%s)", source);
}

char *
address_text(const GArray *addresses)
{
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < addresses->len; i++) {
                const struct address *address = &g_array_index(addresses, struct address, i);
                g_autofree char *ip = address->source ? address_format_ip(address->ip) : NULL;
                g_autofree char *ip6 = address->source6 ? address_format_ip6(&address->ip6) : NULL;

                if (ip)
                        append_address(text, ip, address->source);
                if (ip6)
                        append_address(text, ip6, address->source6);
        }
        return g_string_free(text, FALSE);
}

json_t *
address_to_json(const GArray *addresses)
{
        json_t *list = json_array();

        for (guint i = 0; i < addresses->len; i++) {
                const struct address *address = &g_array_index(addresses, struct address, i);
                g_autofree char *ip = address->source ? address_format_ip(address->ip) : NULL;
                g_autofree char *ip6 = address->source6 ? address_format_ip6(&address->ip6) : NULL;
                g_autofree char *mac = value_format_mac(&address->mac);
                json_t *item = json_object();

                json_set_text(item, "network", address->network);
                json_set_text(item, "ip", ip);
                json_set_text(item, "mac", mac);
                json_set_text(item, "source", address->source);
                json_set_text(item, "ip6", ip6);
                json_set_text(item, "source6", address->source6);
                json_array_append_new(list, item);
        }
        return list;
}
