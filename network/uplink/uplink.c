/* uplink.c - the way out of a private namespace: which kind, with which addresses, is it there */
#include "network/uplink/kinds.h"

#include "base/child.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "network/foreign.h"
#include "network/forwarding.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

enum {
        RESOLV_CONF_MAX = 65536,
        /* A guest's window of 4 MB, as nobody slows it down between it and the program: of the 500 packets that are the default
         * so many are lost that a twentieth of the throughput is left. */
        QUEUE_PACKETS = 4000,
};

enum uplink_kind
uplink_kind(const struct lab *lab, gboolean root)
{
        for (guint i = 0; lab->isolation == ISOLATION_PRIVATE && i < lab->network_count; i++)
                if (!lab->networks[i].external && lab->networks[i].mode == MODE_NAT)
                        return root ? UPLINK_VETH : UPLINK_USER;
        return UPLINK_NONE;
}

gboolean
uplink_wants_ipv6(const struct lab *lab)
{
        for (guint i = 0; i < lab->network_count; i++)
                if (!lab->networks[i].external && lab->networks[i].mode == MODE_NAT && lab->networks[i].subnet6.prefix)
                        return TRUE;
        return FALSE;
}

/* ---- addresses ---- */

/* Link-local ones, which no network of a project wants for its guests, then those that are set aside for benchmarks. */
static const struct cidr4 blocks[] = {{0xa9fe0000, 16}, {0xc6120000, 15}};

/* The first and the last /24 of 169.254/16 are reserved (RFC 3927), and clouds serve their metadata from two others. */
static gboolean
is_usable(guint32 address)
{
        guint32 third = address >> 8 & 0xff;

        return address >> 16 != 0xa9fe || (third != 0 && third != 255 && third != 169 && third != 170);
}

static gboolean
is_free(const struct lab *lab, const struct links *links, const struct cidr4 *subnet)
{
        const struct link *own = links ? veth_find_outside(links, lab->project) : NULL;

        for (guint i = 0; i < lab->network_count; i++)
                if (lab->networks[i].subnet.prefix && lab_overlap(&lab->networks[i].subnet, subnet))
                        return FALSE;
        for (guint i = 0; links && i < links->routes->len; i++) {
                const struct link_route *route = &g_array_index(links->routes, struct link_route, i);

                if (route->to.prefix && (!own || route->ifindex != own->ifindex) && lab_overlap(&route->to, subnet))
                        return FALSE;
        }
        return TRUE;
}

/* That of a link of ours that stands. */
static gboolean
find_present(const struct lab *lab, const struct links *links, struct cidr4 *ret_subnet)
{
        const struct link *own = links ? veth_find_outside(links, lab->project) : NULL;

        for (guint i = 0; own && i < links->addresses->len; i++) {
                const struct link_address *address = &g_array_index(links->addresses, struct link_address, i);
                struct cidr4 subnet = {address->ip - VETH_OUTSIDE, address->prefix};

                if (address->ifindex == own->ifindex && subnet.prefix == 30 && !(subnet.address & 3) &&
                    (lab_overlap(&subnet, &blocks[0]) || lab_overlap(&subnet, &blocks[1])) && is_free(lab, links, &subnet)) {
                        *ret_subnet = subnet;
                        return TRUE;
                }
        }
        return FALSE;
}

gboolean
uplink_choose_subnet(const struct lab *lab, enum uplink_kind kind, const struct uplink_state *state, struct cidr4 *ret_subnet)
{
        const struct links *links = kind == UPLINK_VETH ? state->links : NULL;
        guint8 prefix = kind == UPLINK_VETH ? 30 : 24;

        if (find_present(lab, links, ret_subnet))
                return TRUE;
        for (size_t n = 0; n < G_N_ELEMENTS(blocks); n++) {
                guint32 count = 1U << (prefix - blocks[n].prefix);
                guint32 begin = kind == UPLINK_VETH ? g_str_hash(lab->project) % count : 2;

                for (guint32 i = 0; i < count; i++) {
                        struct cidr4 subnet = {blocks[n].address + ((begin + i) % count << (32 - prefix)), prefix};

                        if (is_usable(subnet.address) && is_free(lab, links, &subnet)) {
                                *ret_subnet = subnet;
                                return TRUE;
                        }
                }
        }
        return FALSE;
}

static gboolean
is_free6(const struct lab *lab, const struct links *links, const struct cidr6 *subnet)
{
        const struct link *own = links ? veth_find_outside(links, lab->project) : NULL;

        for (guint i = 0; i < lab->network_count; i++)
                if (lab->networks[i].subnet6.prefix && lab_overlap6(&lab->networks[i].subnet6, subnet))
                        return FALSE;
        for (guint i = 0; links && i < links->routes6->len; i++) {
                const struct link_route6 *route = &g_array_index(links->routes6, struct link_route6, i);

                if (route->to.prefix && (!own || route->ifindex != own->ifindex) && lab_overlap6(&route->to, subnet))
                        return FALSE;
        }
        return TRUE;
}

/* A prefix of our own (RFC 4193): 40 bits that nobody else is likely to have, and 16 to look further. */
gboolean
uplink_choose_subnet6(const struct lab *lab, const struct uplink_state *state, struct cidr6 *ret_subnet)
{
        struct ether_addr mac = lab_link_mac(lab->project, "uplink ipv6");
        struct cidr6 subnet = {.address = {.s6_addr = {0xfd}}, .prefix = 64};

        memcpy(subnet.address.s6_addr + 1, mac.ether_addr_octet + 1, 5);
        for (guint i = 0; i <= G_MAXUINT8; i++) {
                subnet.address.s6_addr[7] = (guint8)i;
                if (is_free6(lab, state->links, &subnet)) {
                        *ret_subnet = subnet;
                        return TRUE;
                }
        }
        return FALSE;
}

struct in6_addr
uplink_address6(const struct lab *lab, guint8 number)
{
        struct in6_addr address = lab->uplink6.address;

        if (lab->uplink6.prefix)
                address.s6_addr[15] = number;
        return address;
}

char *
uplink_resolver(enum uplink_kind kind, const struct cidr4 *subnet)
{
        char ip[LAB_IP_LENGTH];

        if (kind == UPLINK_VETH)
                return g_strdup_printf("%s#%d", lab_format_ip(subnet->address + VETH_OUTSIDE, ip), NAMES_PORT);
        return g_strdup(lab_format_ip(subnet->address + USER_RESOLVER, ip));
}

static struct in6_addr
user_gateway6(void)
{
        struct in6_addr gateway;

        inet_pton(AF_INET6, USER_GATEWAY6, &gateway);
        return gateway;
}

/* ---- what is there ---- */

/* "nameserver 192.0.2.53" */
static char **
parse_resolvers(const char *text, gboolean with_loopback)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        GPtrArray *found = g_ptr_array_new();

        for (char **line = lines; *line; line++) {
                g_auto(GStrv) words = g_strsplit_set(g_strstrip(*line), " \t", 2);
                struct in_addr address;

                if (words[0] && words[1] && strcmp(words[0], "nameserver") == 0 &&
                    inet_pton(AF_INET, g_strstrip(words[1]), &address) == 1 &&
                    (with_loopback || ntohl(address.s_addr) >> 24 != 127))
                        g_ptr_array_add(found, g_strdup(words[1]));
        }
        g_ptr_array_add(found, NULL);
        return (char **)g_ptr_array_free(found, FALSE);
}

/* Where all asks a resolver on this host's loopback, systemd-resolved writes down whom that one asks. */
static char **
read_resolvers(void)
{
        static const char *const paths[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};
        char **servers = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(paths) && (!servers || !*servers); i++) {
                g_autofree char *text = NULL;

                g_strfreev(servers);
                servers = parse_resolvers(file_read(paths[i], RESOLV_CONF_MAX, &text, NULL, NULL) ? text : "", FALSE);
        }
        return servers;
}

static char *
read_first_resolver(void)
{
        g_autofree char *text = NULL;
        g_auto(GStrv) servers =
                parse_resolvers(file_read("/etc/resolv.conf", RESOLV_CONF_MAX, &text, NULL, NULL) ? text : "", TRUE);

        return g_strdup(servers[0]);
}

static gboolean
open_outside(const char *project, struct uplink_state *state, GError **error)
{
        struct home_options options = {.project = project, .isolation = ISOLATION_HOST, .root = TRUE};

        return home_open(&options, &state->home, error);
}

static gboolean
look_outside(struct uplink_state *state, GError **error)
{
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return error_errno(error, "cannot open a netlink socket");
        state->netlink = netlink_new(fd, error);
        state->links = state->netlink ? links_dump(state->netlink, error) : NULL;
        return state->links != NULL;
}

gboolean
uplink_observe(const char *project, const char *data, gboolean root, gboolean home, struct uplink_state *ret_state,
               GError **error)
{
        g_autofree char *program = root ? NULL : uplink_program();

        if (!look_outside(ret_state, error) || (root && home && !open_outside(project, ret_state, error)))
                return FALSE;
        ret_state->resolvers = read_resolvers();
        if (root) {
                ret_state->way6 = way6_find(ret_state->links);
                names_observe(project, data, &ret_state->names);
                ret_state->was_started = veth_find_outside(ret_state->links, project) || ret_state->names.pid ||
                                         ret_state->names.was_killed;
                ret_state->loopback = *ret_state->resolvers ? NULL : read_first_resolver();
                return TRUE;
        }
        ret_state->installed = program != NULL;
        ret_state->was_started = program_was_started(data);
        ret_state->pid = program_find(project, data);
        ret_state->resolver = read_first_resolver();
        ret_state->local6 = way6_find_local(ret_state->links);
        ret_state->way6 = ret_state->local6 && way6_find(ret_state->links) != WAY6_NONE ? WAY6_IS : WAY6_NONE;
        ret_state->outdated = ret_state->pid && program_is_outdated(data, ret_state->resolver);
        return TRUE;
}

void
uplink_state_clear(struct uplink_state *state)
{
        g_clear_pointer(&state->links, links_free);
        g_clear_pointer(&state->netlink, netlink_free);
        g_clear_pointer(&state->home, home_free);
        g_clear_pointer(&state->resolvers, g_strfreev);
        g_clear_pointer(&state->resolver, g_free);
        g_clear_pointer(&state->local6, g_free);
        g_clear_pointer(&state->loopback, g_free);
        forwarder_state_clear(&state->names);
}

static struct foreign_link
foreign_link_of(const struct lab *lab, const struct uplink_state *state, const char *name)
{
        return (struct foreign_link){.name = name, .routes = TRUE, .asks = state->loopback ? NAMES_PORT : 0,
                                     .ipv6 = lab->uplink6.prefix != 0};
}

gboolean
uplink_observe_table(const struct lab *lab, struct uplink_state *state, GError **error)
{
        g_autofree char *table = table_name(lab->project), *chains = veth_chains(lab), *name = veth_outside_name(lab->project);
        const struct foreign_link link = foreign_link_of(lab, state, name);
        gboolean wanted = uplink_kind(lab, TRUE) == UPLINK_VETH, differs;

        if (!state->home)
                return TRUE;
        if (!table_observe(state->home, table, chains, &state->table, error) ||
            !foreign_observe(state->home, lab->project, &link, wanted ? 1 : 0, &differs, error))
                return FALSE;
        state->was_started |= state->table != FIREWALL_ABSENT || (differs && !wanted);
        if (differs && state->table == FIREWALL_SAME)
                state->table = FIREWALL_DIFFERENT;
        state->forwarding = forwarding_is_on(state->home);
        state->forwarding6 = forwarding6_is_on(state->home);
        return TRUE;
}

static gboolean
user_stands(const struct lab *lab, const struct uplink_state *state, const struct links *inside, int ifindex)
{
        struct in6_addr own = uplink_address6(lab, UPLINK6_INSIDE), gateway = user_gateway6();

        return state->pid && !state->outdated &&
               links_has_address(inside, ifindex, lab->uplink.address + USER_ADDRESS, lab->uplink.prefix) &&
               (!lab->uplink6.prefix || (links_has_address6(inside, ifindex, &own, lab->uplink6.prefix) &&
                                         links_has_default_route6(inside, ifindex, &gateway)));
}

gboolean
uplink_stands(const struct lab *lab, enum uplink_kind kind, const struct uplink_state *state, const struct links *inside)
{
        const struct link *link = inside ? links_find(inside, UPLINK_LINK) : NULL;

        if (kind == UPLINK_VETH)
                return link && state->table == FIREWALL_SAME && state->forwarding &&
                       (!lab->uplink6.prefix || state->forwarding6) && veth_stands(lab, state->links, inside) &&
                       names_stand(lab, state);
        return link && user_stands(lab, state, inside, link->ifindex);
}

/* ---- made and removed ---- */

/* Without IPv6 there is no such file. */
static gboolean
switch_off(struct home *home, const char *name, const char *what, GError **error)
{
        g_autofree char *path = g_strdup_printf("net/ipv6/conf/%s/%s", name, what);
        g_autoptr(GError) reason = NULL;

        if (home_write_sysctl(home, path, "0", &reason) || g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                return TRUE;
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
}

/* The rules come before the link that they are about. */
static gboolean
ensure_veth(const struct lab *lab, const struct uplink_state *state, const struct uplink_place *place, GError **error)
{
        g_autofree char *table = table_name(lab->project), *chains = veth_chains(lab), *name = veth_outside_name(lab->project);
        const struct foreign_link link = foreign_link_of(lab, state, name);
        auto_fd lock = -1;

        return lab_check(lab, error) && forwarding_lock(place->host_state, &lock, error) &&
               table_ensure(state->home, table, chains, error) &&
               foreign_ensure(state->home, lab->project, &link, 1, error) &&
               forwarding_ensure(state->home, place->host_state, error) &&
               (!lab->uplink6.prefix || forwarding6_ensure(state->home, place->host_state, error)) &&
               veth_ensure(lab, state->netlink, place, error) && switch_off(state->home, name, "accept_ra", error) &&
               names_ensure(lab, state, place, error);
}

/* pasta gives itself its address for IPv6, slirp4netns hopes for what it advertises. */
static gboolean
set_up_user6(const struct lab *lab, const struct uplink_place *place, GError **error)
{
        struct in6_addr own = uplink_address6(lab, UPLINK6_INSIDE), gateway = user_gateway6();
        g_auto(link_t) link = {0};

        return link_look(place->netlink, UPLINK_LINK, &link, error) &&
               link_set_address6(place->netlink, UPLINK_LINK, link.ifindex, &own, lab->uplink6.prefix, error) &&
               link_set_default_route6(place->netlink, UPLINK_LINK, link.ifindex, &gateway, error);
}

/* The link that comes takes no address from advertisements, and does not ask for a second whether somebody has its own. */
static gboolean
ensure_user(const struct lab *lab, const struct uplink_state *state, const struct uplink_place *place, GError **error)
{
        gboolean six = lab->uplink6.prefix != 0;

        return (!six || (switch_off(place->inside, "default", "accept_ra", error) &&
                         switch_off(place->inside, "default", "accept_dad", error))) &&
               program_start(place->inside, lab, state, place->data, error) &&
               link_set_queue(place->netlink, UPLINK_LINK, QUEUE_PACKETS, error) && (!six || set_up_user6(lab, place, error));
}

gboolean
uplink_ensure(const struct lab *lab, enum uplink_kind kind, const struct uplink_state *state, const struct uplink_place *place,
              GError **error)
{
        if (kind == UPLINK_VETH)
                return ensure_veth(lab, state, place, error);
        return ensure_user(lab, state, place, error);
}

gboolean
uplink_remove(const char *project, const struct uplink_state *state, const struct uplink_place *place, GError **error)
{
        g_autofree char *table = table_name(project);
        auto_fd lock = -1;

        if (!state->home)
                return program_stop(project, place->data, error);
        return names_stop(project, place->data, error) && forwarding_lock(place->host_state, &lock, error) &&
               veth_remove(project, state->netlink, error) &&
               forwarding_restore(state->home, place->host_state, table, error) &&
               foreign_ensure(state->home, project, NULL, 0, error) && table_remove(state->home, table, error);
}
