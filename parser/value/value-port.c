/* value-port.c - more of value.h: addresses of this host, ports, and compose's short form of a published port */
#include "parser/value/value.h"

#include <arpa/inet.h>
#include <string.h>

enum { MAX_PORT = 65535 };

static const char *const protocol_names[] = {"tcp", "udp"};

/* ---- addresses of this host ---- */

static gboolean
fail_host(struct value_fault *fault, const char *text)
{
        guint32 v4;

        if (!*text)
                return value_fail(fault, "host-empty", text, g_strdup("write '127.0.0.1'"), "is no address: it is empty");
        if (g_ascii_strcasecmp(text, "localhost") == 0)
                return value_fail(fault, "host-name", text, g_strdup("write '127.0.0.1'"),
                                  "is a name where an address is meant");
        if (strchr(text, ':'))
                return value_fail(fault, "host-v6", text, g_strdup("an IPv6 address is like 'fd00::5', or '::1'"),
                                  "is no IPv6 address");
        return value_parse_ipv4(text, &v4, fault);
}

gboolean
value_parse_host(const char *text, struct host_address *ret_address, struct value_fault *fault)
{
        size_t length = strlen(text);
        gboolean brackets = *text == '[' && length > 2 && text[length - 1] == ']';
        g_autofree char *inner = brackets ? g_strndup(text + 1, length - 2) : NULL;
        struct host_address address = {.family = AF_INET};

        if (value_parse_ipv4(text, &address.v4, NULL)) {
                *ret_address = address;
                return TRUE;
        }
        address.family = AF_INET6;
        if (length > INET6_ADDRSTRLEN || inet_pton(AF_INET6, inner ? inner : text, &address.v6) != 1)
                return fail_host(fault, text);
        if (IN6_IS_ADDR_MULTICAST(&address.v6))
                return value_fail(fault, "host-multicast", text, NULL, "is a multicast address, which no host has");
        *ret_address = address;
        return TRUE;
}

char *
value_format_host(const struct host_address *address)
{
        char text[INET6_ADDRSTRLEN] = "";

        if (address->family == AF_INET)
                return value_format_ipv4(address->v4);
        inet_ntop(AF_INET6, &address->v6, text, sizeof text);
        return g_strdup(text);
}

/* The same before a colon. */
static char *
format_before_colon(const struct host_address *address)
{
        g_autofree char *plain = value_format_host(address);

        return address->family == AF_INET6 ? g_strdup_printf("[%s]", plain) : g_steal_pointer(&plain);
}

/* ---- ports ---- */

static gboolean
parse_port(const char *text, guint *ret_port, struct value_fault *fault)
{
        size_t digits = strspn(text, "0123456789");
        gint64 port = 0;

        if (digits == 0 || text[digits])
                return value_fail(fault, "port-number", text, NULL, "is no port: a port is a number from 1 to 65535");
        if (strcmp(text, "0") == 0)
                return value_fail(fault, "port-zero", text, g_strdup("write the port that is meant, such as 8080"),
                                  "is no port: drover takes no random one");
        if (*text == '0')
                return value_fail(fault, "port-zeros", text, NULL, "is no port: it has a leading zero");
        if (!value_parse_count(text, 1, MAX_PORT, &port, NULL))
                return value_fail(fault, "port-large", text, NULL, "is no port: the highest is 65535");
        *ret_port = (guint)port;
        return TRUE;
}

gboolean
value_parse_port_range(const char *text, struct port_range *ret_range, struct value_fault *fault)
{
        const char *dash = strchr(text, '-');
        g_autofree char *first = dash ? g_strndup(text, (gsize)(dash - text)) : NULL;
        struct port_range range;

        if (!dash) {
                if (!parse_port(text, &range.first, fault))
                        return FALSE;
                range.last = range.first;
        } else {
                if (!parse_port(first, &range.first, fault) || !parse_port(dash + 1, &range.last, fault))
                        return FALSE;
                if (range.first > range.last)
                        return value_fail(fault, "port-backwards", text,
                                          g_strdup_printf("did you mean '%u-%u'?", range.last, range.first),
                                          "ends before it begins");
        }
        *ret_range = range;
        return TRUE;
}

char *
value_format_port_range(const struct port_range *range)
{
        if (range->first == range->last)
                return g_strdup_printf("%u", range->first);
        return g_strdup_printf("%u-%u", range->first, range->last);
}

/* ---- an address with a port ---- */

gboolean
value_parse_endpoint(const char *text, struct endpoint *ret_endpoint, struct value_fault *fault)
{
        const char *bracket = *text == '[' ? strchr(text, ']') : NULL;
        const char *colon = bracket ? strchr(bracket, ':') : strchr(text, ':');
        g_autofree char *host = NULL;
        struct endpoint endpoint = {.port = 0};

        if (colon && !bracket && strchr(colon + 1, ':'))
                colon = NULL; /* IPv6 without brackets, so without a port */
        host = colon ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
        if (!colon && g_ascii_isdigit(*text) && !strpbrk(text, ".:"))
                return value_fail(fault, "listen-port", text, g_strdup_printf("write '127.0.0.1:%.20s'", text),
                                  "is a port without an address");
        if (!value_parse_host(host, &endpoint.address, fault) || (colon && !parse_port(colon + 1, &endpoint.port, fault)))
                return FALSE;
        *ret_endpoint = endpoint;
        return TRUE;
}

char *
value_format_endpoint(const struct endpoint *endpoint)
{
        g_autofree char *host = NULL;

        if (!endpoint->port)
                return value_format_host(&endpoint->address);
        host = format_before_colon(&endpoint->address);
        return g_strdup_printf("%s:%u", host, endpoint->port);
}

/* ---- published ports ---- */

static gboolean
parse_protocol(const char *word, enum protocol *ret_protocol, struct value_fault *fault)
{
        for (size_t i = 0; i < G_N_ELEMENTS(protocol_names); i++) {
                if (strcmp(word, protocol_names[i]) == 0) {
                        *ret_protocol = (enum protocol)i;
                        return TRUE;
                }
        }
        return value_fail(fault, "port-protocol", word, g_strdup("write '/tcp' or '/udp' at the end, or nothing for tcp"),
                          "is no protocol");
}

/* Takes "127.0.0.1:" or "[::1]:" off the front of @text: what is left is "8080:80". */
static gboolean
take_host(const char **text, struct host_address *host, struct value_fault *fault)
{
        const char *end = **text == '[' ? strchr(*text, ']') : NULL;
        const char *colon = strchr(end ? end : *text, ':');
        g_autofree char *address = NULL;

        if (**text == '[' && (!end || end[1] != ':'))
                return value_fail(fault, "port-brackets", *text, g_strdup("write '[::1]:8080:80'"),
                                  "has an address in brackets without a port behind it");
        if (!end && (!colon || !strchr(colon + 1, ':')))
                return TRUE; /* no host, or no port of it at all */
        if (!end && strchr(strchr(colon + 1, ':') + 1, ':'))
                return value_fail(fault, "port-parts", *text, g_strdup("an IPv6 address stands in brackets: '[::1]:8080:80'"),
                                  "has too many colons");
        address = g_strndup(*text, (gsize)(colon - *text));
        if (!value_parse_host(address, host, fault))
                return FALSE;
        *text = colon + 1;
        return TRUE;
}

/* Compose would choose a port of the host. */
static gboolean
fail_alone(struct value_fault *fault, const char *text, const struct port_range *target)
{
        guint above = target->last < 1024 ? 8000 : 0;
        struct port_range published = {target->first + above, target->last + above};
        g_autofree char *left = value_format_port_range(&published), *right = value_format_port_range(target);

        return value_fail(fault, "port-alone", text, g_strdup_printf("write '%s:%s'", left, right),
                          "names no port of the host: drover takes no random one");
}

gboolean
value_parse_port(const char *text, struct port *ret_port, struct value_fault *fault)
{
        const char *slash = strrchr(text, '/');
        g_autofree char *before = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
        g_autofree char *published = NULL;
        struct port port = {.protocol = PROTOCOL_TCP};
        const char *rest = before, *colon;

        if (slash && !parse_protocol(slash + 1, &port.protocol, fault))
                return FALSE;
        if (!take_host(&rest, &port.host, fault))
                return FALSE;
        colon = strchr(rest, ':');
        if (!colon || colon == rest)
                return value_parse_port_range(colon ? colon + 1 : rest, &port.target, fault) &&
                       fail_alone(fault, text, &port.target);
        published = g_strndup(rest, (gsize)(colon - rest));
        if (!value_parse_port_range(published, &port.published, fault) ||
            !value_parse_port_range(colon + 1, &port.target, fault))
                return FALSE;
        ret_port->host = port.host;
        ret_port->published = port.published;
        ret_port->target = port.target;
        ret_port->protocol = port.protocol;
        return TRUE;
}

char *
value_format_port(const struct port *port)
{
        g_autofree char *host = port->host.family ? format_before_colon(&port->host) : NULL;
        g_autofree char *published = value_format_port_range(&port->published);
        g_autofree char *target = value_format_port_range(&port->target);

        return g_strdup_printf("%s%s%s:%s%s", host ? host : "", host ? ":" : "", published, target,
                               port->protocol == PROTOCOL_UDP ? "/udp" : "");
}
