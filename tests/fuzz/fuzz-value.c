/* fuzz-value.c - any text as each kind of value: no crash, a fault for what is refused, and canonical text comes back the same
 *
 * Every parser sees every text, so that one corpus serves them all.
 */
#include "parser/decode/dhcp-option.h"
#include "parser/value/disk-url.h"
#include "parser/value/value-provision.h"
#include "parser/value/value-storage.h"
#include "parser/value/value.h"

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

/* The same for structs that have gaps between their fields: their texts are compared. */
#define TEXT_TRIP(type, parse, format)                                                                                         \
        do {                                                                                                                   \
                g_auto(value_fault) fault = VALUE_FAULT_INIT;                                                                  \
                type first = {0}, second = {0};                                                                                \
                if (parse(text, &first, &fault)) {                                                                             \
                        g_autofree char *once = format(&first), *twice = NULL;                                                 \
                        g_assert_true(parse(once, &second, NULL));                                                             \
                        twice = format(&second);                                                                               \
                        g_assert_cmpstr(once, ==, twice);                                                                      \
                } else {                                                                                                       \
                        check_fault(&fault);                                                                                   \
                }                                                                                                              \
        } while (0)

/* What is only looked at: yes, or a fault. */
#define CHECK(check)                                                                                                           \
        do {                                                                                                                   \
                g_auto(value_fault) fault = VALUE_FAULT_INIT;                                                                  \
                if (!check(text, &fault))                                                                                      \
                        check_fault(&fault);                                                                                   \
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
check_ports(const char *text)
{
        TEXT_TRIP(struct host_address, value_parse_host, value_format_host);
        TEXT_TRIP(struct endpoint, value_parse_endpoint, value_format_endpoint);
        TEXT_TRIP(struct port_range, value_parse_port_range, value_format_port_range);
        TEXT_TRIP(struct port, value_parse_port, value_format_port);
        TEXT_TRIP(struct restart, value_parse_restart, value_format_restart);
        TEXT_TRIP(struct pci_address, value_parse_pci, value_format_pci);
        TEXT_TRIP(struct usb_id, value_parse_usb, value_format_usb);
        ROUND_TRIP(guint, value_parse_mode, value_format_mode);
}

static gboolean
check_option(const char *text, struct value_fault *fault)
{
        struct dhcp_option_kind kind;

        return dhcp_option_find(text, &kind, fault);
}

/* A digest is its own canonical text. */
static void
check_digest(const char *text)
{
        g_autofree char *once = NULL, *twice = NULL;
        g_auto(value_fault) fault = VALUE_FAULT_INIT;

        if (!value_parse_digest(text, 64, &once, &fault)) {
                check_fault(&fault);
                return;
        }
        g_assert_true(value_parse_digest(once, 64, &twice, NULL));
        g_assert_cmpstr(once, ==, twice);
}

static void
check_paths(const char *text)
{
        g_autofree char *path = NULL, *again = NULL, *source = NULL, *target = NULL;
        g_auto(value_fault) fault = VALUE_FAULT_INIT, second = VALUE_FAULT_INIT;
        gboolean read_only = FALSE;

        if (!value_parse_guest_path(text, &path, &fault))
                check_fault(&fault);
        else
                g_assert_true(value_parse_guest_path(path, &again, NULL) && strcmp(path, again) == 0);
        if (!value_parse_mount(text, &source, &target, &read_only, &second))
                check_fault(&second);
}

static void
check_names(const char *text)
{
        CHECK(value_check_name);
        CHECK(value_check_interface);
        CHECK(value_check_image_name);
        CHECK(value_check_url);
        CHECK(disk_url_check);
        CHECK(value_check_device);
        CHECK(value_check_serial);
        CHECK(value_check_user);
        CHECK(value_check_owner);
        CHECK(value_check_cpu_model);
        CHECK(value_check_regex);
        CHECK(check_option);
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
        check_ports(text);
        check_digest(text);
        check_paths(text);
        check_names(text);
        return 0;
}
