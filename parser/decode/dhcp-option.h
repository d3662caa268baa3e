/* dhcp-option.h - the DHCP options that can be named in a file, and what their values are; private to parser/ */
#pragma once

#include "parser/value/value.h"

enum dhcp_value {
        DHCP_TEXT,
        DHCP_ADDRESSES, /* each value an IPv4 address */
        DHCP_NUMBER,    /* one value, below 2^32 */
        DHCP_RESERVED,  /* drover or dnsmasq sets it; there is another key for it, or no use */
};

struct dhcp_option_kind {
        guint number;
        const char *name; /* as dnsmasq calls it; NULL: it has none */
        enum dhcp_value value;
        const char *hint; /* DHCP_RESERVED: what to write instead, or NULL */
};

/** dhcp_option_find() - By name, or by number from 1 to 254; FALSE with a fault where it is neither */
gboolean dhcp_option_find(const char *text, struct dhcp_option_kind *ret_kind, struct value_fault *fault);

/** dhcp_option_check() - Can this be a value of it? Without line breaks, at most 255 bytes, an address where one is meant */
gboolean dhcp_option_check(const struct dhcp_option_kind *kind, const char *value, struct value_fault *fault);
