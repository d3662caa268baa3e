/* dhcp-log.c - how far a guest came with DHCP, as dnsmasq's log tells it
 *
 * Source: dnsmasq's log_packet() in rfc2131.c, and ctime(3) for what stands before it.
 */
#include "network/dhcp-log.h"

#include <netinet/ether.h>
#include <string.h>

enum { STAMP_LENGTH = 15, DAY_SECONDS = 86400 };

/* dnsmasq's zone: it knows no TZ. */
static GTimeZone *
open_zone(void)
{
        GTimeZone *zone = g_time_zone_new_identifier("/etc/localtime");

        return zone ? zone : g_time_zone_new_utc();
}

/* "Nov 23 09:47:32", of at least STAMP_LENGTH bytes; 0: it is none. */
static gint64
parse_stamp(const char *line, GTimeZone *zone, gint64 now)
{
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        g_autoptr(GDateTime) today = g_date_time_new_from_unix_utc(now);
        g_autofree char *month = g_strndup(line, 3);
        const char *found = strlen(month) == 3 ? strstr(months, month) : NULL;
        int day = (int)g_ascii_strtoull(line + 4, NULL, 10), hour = (int)g_ascii_strtoull(line + 7, NULL, 10);
        int minute = (int)g_ascii_strtoull(line + 10, NULL, 10), second = (int)g_ascii_strtoull(line + 13, NULL, 10);

        if (!found || (found - months) % 3 || !today)
                return 0;
        for (int year = g_date_time_get_year(today) + 1; year >= g_date_time_get_year(today) - 1; year--) {
                g_autoptr(GDateTime) time =
                        g_date_time_new(zone, year, (int)(found - months) / 3 + 1, day, hour, minute, second);

                if (time && g_date_time_to_unix(time) <= now + DAY_SECONDS)
                        return g_date_time_to_unix(time);
        }
        return 0;
}

static void
take(struct dhcp_exchange *exchange, enum dhcp_stage stage, const char *ip, const char *words)
{
        exchange->stage = stage;
        g_free(exchange->ip);
        exchange->ip = g_strdup(ip);
        g_free(exchange->words);
        exchange->words = words && *words ? g_strdup(words) : NULL;
}

/* "DHCPOFFER(br-lan) 10.0.0.2 52:54:00:00:00:01 text"; the address is left out where there is none. */
static void
take_packet(struct dhcp_exchange *exchange, const char *packet, const char *mac)
{
        const char *at = strcasestr(packet, mac), *rest = strstr(packet, ") ");
        g_autofree char *ip = NULL, *words = NULL;

        if (!at || !rest || at < rest)
                return;
        ip = g_strstrip(g_strndup(rest + 2, (gsize)(at - rest - 2)));
        words = g_strstrip(g_strdup(at + strlen(mac)));
        if (g_str_has_prefix(packet, "DHCPDISCOVER(")) {
                exchange->asked++;
                take(exchange, DHCP_DISCOVER, NULL, words);
        } else if (g_str_has_prefix(packet, "DHCPOFFER(")) {
                take(exchange, DHCP_OFFER, ip, NULL);
        } else if (g_str_has_prefix(packet, "DHCPNAK(")) {
                take(exchange, DHCP_REFUSED, ip, words);
        } else if (g_str_has_prefix(packet, "DHCPACK(")) {
                take(exchange, DHCP_ACK, ip, NULL);
        }
}

void
dhcp_log_read(const char *text, const struct ether_addr *mac, gint64 since, gint64 now, struct dhcp_exchange *ret_exchange)
{
        const guint8 *octet = mac->ether_addr_octet;
        g_autofree char *wanted =
                g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", octet[0], octet[1], octet[2], octet[3], octet[4], octet[5]);
        g_autoptr(GTimeZone) zone = open_zone();
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        *ret_exchange = (struct dhcp_exchange){0};
        for (char **line = lines; *line; line++) {
                const char *packet = strstr(*line, " DHCP");

                if (packet && strlen(*line) > STAMP_LENGTH && strcasestr(packet, wanted) &&
                    parse_stamp(*line, zone, now) >= since)
                        take_packet(ret_exchange, packet + 1, wanted);
        }
}

void
dhcp_exchange_clear(struct dhcp_exchange *exchange)
{
        g_free(exchange->ip);
        g_free(exchange->words);
        *exchange = (struct dhcp_exchange){0};
}
