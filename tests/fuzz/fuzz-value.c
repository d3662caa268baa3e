/* fuzz-value.c - any text as each kind of value: no crash, a fault for what is refused, and canonical text comes back the same
 *
 * Every parser sees every text, so that one corpus serves them all.
 */
#include "parser/dhcp-option.h"
#include "parser/value.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A refusal says which mistake it is and why, in one line. */
static void
check_fault(const struct value_fault *fault)
{
        g_assert_nonnull(fault->id);
        g_assert_nonnull(fault->reason);
        g_assert_null(strchr(fault->reason, '\n'));
}

/* Parse, format, parse again: the same value, and the text is its own canonical form. */
#define ROUND_TRIP(type, parse, format)                                                                                        \
        do {                                                                                                                   \
                g_auto(value_fault) fault = VALUE_FAULT_INIT;                                                                  \
                type first, second;                                                                                            \
                memset(&first, 0, sizeof first);                                                                               \
                memset(&second, 0, sizeof second);                                                                             \
                if (parse(text, &first, &fault)) {                                                                             \
                        g_autofree char *once = format(first), *twice = NULL;                                                  \
                        g_assert_true(parse(once, &second, NULL));                                                             \
                        g_assert_cmpmem(&first, sizeof first, &second, sizeof second);                                         \
                        twice = format(second);                                                                                \
                        g_assert_cmpstr(once, ==, twice);                                                                      \
                } else {                                                                                                       \
                        check_fault(&fault);                                                                                   \
                }                                                                                                              \
        } while (0)

#define FORMAT_MAC(value) value_format_mac(&(value))
#define FORMAT_CIDR4(value) value_format_cidr4(&(value))
#define FORMAT_RANGE4(value) value_format_range4(&(value))
#define FORMAT_IPV6(value) value_format_ipv6(&(value))
#define FORMAT_CIDR6(value) value_format_cidr6(&(value))
#define FORMAT_BOOL(value) g_strdup(value_format_bool(value))
#define PARSE_MEMORY(text, ret, fault) value_parse_memory(text, ret, NULL, fault)
#define PARSE_COUNT(text, ret, fault) value_parse_count(text, G_MININT64 / 2, G_MAXINT64, ret, fault)

static void
check_numbers(const char *text)
{
        ROUND_TRIP(guint64, value_parse_size, value_format_size);
        ROUND_TRIP(guint64, PARSE_MEMORY, value_format_size);
        ROUND_TRIP(guint64, value_parse_duration, value_format_duration);
        ROUND_TRIP(guint64, value_parse_rate, value_format_rate);
        ROUND_TRIP(guint, value_parse_percent, value_format_percent);
        ROUND_TRIP(gint64, PARSE_COUNT, value_format_count);
        ROUND_TRIP(gboolean, value_parse_bool, FORMAT_BOOL);
}

static void
check_addresses(const char *text)
{
        ROUND_TRIP(struct ether_addr, value_parse_mac, FORMAT_MAC);
        ROUND_TRIP(guint32, value_parse_ipv4, value_format_ipv4);
        ROUND_TRIP(struct cidr4, value_parse_cidr4, FORMAT_CIDR4);
        ROUND_TRIP(struct range4, value_parse_range4, FORMAT_RANGE4);
        ROUND_TRIP(struct in6_addr, value_parse_ipv6, FORMAT_IPV6);
        ROUND_TRIP(struct cidr6, value_parse_cidr6, FORMAT_CIDR6);
}

static void
check_names(const char *text)
{
        g_auto(value_fault) name = VALUE_FAULT_INIT, link = VALUE_FAULT_INIT, option = VALUE_FAULT_INIT;
        struct dhcp_option_kind kind;

        if (!value_check_name(text, &name))
                check_fault(&name);
        if (!value_check_interface(text, &link))
                check_fault(&link);
        if (!dhcp_option_find(text, &kind, &option))
                check_fault(&option);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *text = NULL;

        if (size > 512)
                return 0;
        text = g_strndup((const char *)data, size);
        check_numbers(text);
        check_addresses(text);
        check_names(text);
        return 0;
}
