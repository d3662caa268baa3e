/* dhcp-log.h - how far a guest came with DHCP, as dnsmasq's log tells it: pure */
#pragma once

#include <glib.h>
#include <net/ethernet.h>

enum dhcp_stage {
        DHCP_SILENT, /* it has not asked */
        DHCP_DISCOVER,
        DHCP_OFFER,
        DHCP_REFUSED, /* NAK */
        DHCP_ACK,
};

/** struct dhcp_exchange - The last that was heard of one MAC */
struct dhcp_exchange {
        enum dhcp_stage stage;
        guint asked; /* how often it has sent DISCOVER */
        char *ip;    /* that was offered, acknowledged or refused; or NULL */
        char *words; /* what dnsmasq added to a question without an answer: "no address available"; or NULL */
};

/**
 * dhcp_log_read() - What of @text is about @mac, and not older than @since (seconds since the epoch)
 * @text: lines of dnsmasq's with log-dhcp: "Nov 23 09:47:32 dnsmasq-dhcp[7]: 1935867313 DHCPACK(br) 10.0.0.2 52:54:... web"
 * @now:  the lines have no year: it is the one that puts them before this time
 *
 * The times are those of this host's zone, whatever TZ says: dnsmasq was started with an empty environment.
 */
void dhcp_log_read(const char *text, const struct ether_addr *mac, gint64 since, gint64 now,
                   struct dhcp_exchange *ret_exchange);
void dhcp_exchange_clear(struct dhcp_exchange *exchange);
