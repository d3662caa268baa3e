/* way6.c - this host's own way out for IPv6: is there one, and through which link */
#include "network/uplink/kinds.h"

#include "base/file.h"

#define IF_INET6 "/proc/net/if_inet6"

enum {
        IF_INET6_MAX = 1 << 20,
        IF_INET6_LINK = 0x20, /* the scope of a link-local address, IPV6_ADDR_LINKLOCAL */
};

/* Whoever routes ignores router advertisements, unless he is told not to. */
static gboolean
keeps_advertised(const struct links *links, int ifindex)
{
        const struct link *link = links_find_index(links, ifindex);
        g_autofree char *path = g_strdup_printf("/proc/sys/net/ipv6/conf/%s/accept_ra", link ? link->name : "all");
        g_autofree char *routes = NULL, *accepts = NULL;

        return (file_read("/proc/sys/net/ipv6/conf/all/forwarding", 16, &routes, NULL, NULL) && *routes == '1') ||
               !file_read(path, 16, &accepts, NULL, NULL) || *accepts != '1';
}

enum way6
way6_find(const struct links *links)
{
        enum way6 way = WAY6_NONE;

        for (guint i = 0; i < links->routes6->len; i++) {
                const struct link_route6 *route = &g_array_index(links->routes6, struct link_route6, i);

                if (!route->to.prefix && route->advertised && !keeps_advertised(links, route->ifindex))
                        return WAY6_LOSES;
                if (!route->to.prefix)
                        way = WAY6_IS;
        }
        return way;
}

/* The one that the way out leads through, or else any. A line: "fe80...(32 digits) IFINDEX PREFIX SCOPE FLAGS NAME", in hex. */
char *
way6_find_local(const struct links *links)
{
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = g_strsplit(file_read(IF_INET6, IF_INET6_MAX, &text, NULL, NULL) ? text : "", "\n", -1);
        const struct link *found = NULL;

        for (char **line = lines; *line; line++) {
                g_auto(GStrv) words = g_strsplit(*line, " ", 5);
                const struct link *link;

                if (g_strv_length(words) < 5 || g_ascii_strtoull(words[3], NULL, 16) != IF_INET6_LINK)
                        continue;
                link = links_find_index(links, (int)g_ascii_strtoull(words[1], NULL, 16));
                for (guint i = 0; link && i < links->routes6->len; i++) {
                        const struct link_route6 *route = &g_array_index(links->routes6, struct link_route6, i);

                        if (!route->to.prefix && route->ifindex == link->ifindex)
                                return g_strdup(link->name);
                }
                found = found ? found : link;
        }
        return found ? g_strdup(found->name) : NULL;
}
