/* test-diagnosis.c - what is made of the evidence of a start that failed, and of dnsmasq's log */
#include "runtime/diagnosis.h"

#include "base/error.h"
#include "runtime/vm/qemu_words.h"

#include <string.h>

#define STAMP "Nov 23 09:47:32 dnsmasq-dhcp[7]: 1935867313 "

static const struct ether_addr mac = {{0x52, 0x54, 0, 0, 0, 1}};
static gint64 now; /* of the stamp, in this host's zone */

static void
find_now(void)
{
        g_autoptr(GTimeZone) zone = g_time_zone_new_identifier("/etc/localtime");
        g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
        g_autoptr(GDateTime) time = g_date_time_new(zone ? zone : utc, 2026, 11, 23, 9, 47, 32);

        now = g_date_time_to_unix(time);
}

static void
expect_exchange(const char *text, gint64 since, enum dhcp_stage stage, guint asked, const char *ip, const char *words)
{
        struct dhcp_exchange exchange;

        dhcp_log_read(text, &mac, since, now, &exchange);
        g_assert_cmpint(exchange.stage, ==, stage);
        g_assert_cmpuint(exchange.asked, ==, asked);
        g_assert_cmpstr(exchange.ip, ==, ip);
        g_assert_cmpstr(exchange.words, ==, words);
        dhcp_exchange_clear(&exchange);
}

static void
test_dhcp_log(void)
{
        expect_exchange("", now, DHCP_SILENT, 0, NULL, NULL);
        expect_exchange(STAMP "DHCPDISCOVER(br) 52:54:00:00:00:01\n" STAMP "tags: known, lan, br\n" STAMP
                              "DHCPOFFER(br) 10.0.0.2 52:54:00:00:00:01\n" STAMP
                              "DHCPREQUEST(br) 10.0.0.2 52:54:00:00:00:01\n" STAMP
                              "DHCPACK(br) 10.0.0.2 52:54:00:00:00:01 web\n",
                        now, DHCP_ACK, 1, "10.0.0.2", NULL);
        expect_exchange(STAMP "DHCPDISCOVER(br) 52:54:00:00:00:01 no address available\n" STAMP
                              "DHCPDISCOVER(br) 10.0.0.9 52:54:00:00:00:01 no address available\n",
                        now, DHCP_DISCOVER, 2, NULL, "no address available");
        expect_exchange(STAMP "DHCPNAK(br) 10.0.0.9 52:54:00:00:00:01 wrong network\n", now, DHCP_REFUSED, 0, "10.0.0.9",
                        "wrong network");
        /* Of another guest, of an earlier run, of last year, torn. */
        expect_exchange(STAMP "DHCPDISCOVER(br) 52:54:00:00:00:02\n", now, DHCP_SILENT, 0, NULL, NULL);
        expect_exchange(STAMP "DHCPDISCOVER(br) 52:54:00:00:00:01\n", now + 1, DHCP_SILENT, 0, NULL, NULL);
        expect_exchange("Dec 24 09:47:32 dnsmasq-dhcp[7]: 1 DHCPDISCOVER(br) 52:54:00:00:00:01\n", now, DHCP_SILENT, 0, NULL,
                        NULL);
        expect_exchange("Nov DHCPACK(br) 52:54:00:00:00:01", now, DHCP_SILENT, 0, NULL, NULL);
        expect_exchange(STAMP "DHCPACK(br) 10.0.0.2 52:54:00", now, DHCP_SILENT, 0, NULL, NULL);
}

/* One line: the stage, and what is likely. */
static void
expect(const struct evidence *evidence, enum start_stage stage, const char *cause)
{
        g_autofree char *found = diagnosis_cause(evidence);

        g_assert_cmpint(diagnosis_stage(evidence), ==, stage);
        if (!cause || !found)
                g_assert_cmpstr(found, ==, cause);
        else if (!strstr(found, cause))
                g_error("'%s' is not in: %s", cause, found);
}

#define RUNS .vm = (char *)"web", .status = VM_RUNNING, .memory = (char *)"64M"

static void
test_ends(void)
{
        expect(&(struct evidence){.status = VM_CRASHED, .qemu_words = (char *)"qemu: cannot set up guest memory 'ram': Cannot"},
               STAGE_NONE, "cannot give it so much memory");
        expect(&(struct evidence){.status = VM_CRASHED}, STAGE_NONE, "its QEMU was killed or died");
        expect(&(struct evidence){.status = VM_STOPPED}, STAGE_NONE, "powered itself off");
        expect(&(struct evidence){.status = VM_PAUSED, .detail = (char *)"io-error"}, STAGE_QEMU,
               "does not let it run (io-error)");
        expect(&(struct evidence){.status = VM_STARTING, .detail = (char *)"prelaunch"}, STAGE_QEMU, "(prelaunch)");
        expect(&(struct evidence){.status = VM_UNREACHABLE, .detail = (char *)"it hangs"}, STAGE_QEMU, "it hangs");
}

static void
test_boot(void)
{
        expect(&(struct evidence){RUNS, .code = CODE_FIRMWARE}, STAGE_FIRMWARE, "nothing that boots");
        expect(&(struct evidence){RUNS, .code = CODE_FIRMWARE, .own_kernel = TRUE}, STAGE_FIRMWARE, "'boot.kernel'");
        expect(&(struct evidence){RUNS, .code = CODE_FIRMWARE, .resets = 20}, STAGE_FIRMWARE, "itself 20 times: 64M of memory");
        expect(&(struct evidence){RUNS, .code = CODE_FIRMWARE, .dhcp = {.stage = DHCP_ACK}}, STAGE_FIRMWARE,
               "nothing that boots");
        expect(&(struct evidence){.status = VM_PANICKED, .panicked = TRUE}, STAGE_KERNEL, "kernel gave up (panic)");
        expect(
                &(struct evidence){
                        RUNS, .code = CODE_KERNEL,
                        .console = (char *)"a\nKernel panic - not syncing: VFS: Unable to mount root fs on unknown\n---"},
                STAGE_KERNEL, "no root file system");
        expect(&(struct evidence){RUNS, .console = (char *)"[    0.000000] Linux version 6.1"}, STAGE_KERNEL, NULL);
}

static void
test_network(void)
{
        expect(&(struct evidence){RUNS, .code = CODE_KERNEL, .expects_dhcp = TRUE}, STAGE_KERNEL, "never asked");
        expect(&(struct evidence){RUNS, .expects_dhcp = TRUE, .dhcp = {DHCP_DISCOVER, 3, NULL, (char *)"no address available"}},
               STAGE_DISCOVER, "asked 3 times: no address available");
        expect(&(struct evidence){RUNS, .expects_dhcp = TRUE, .dhcp = {DHCP_OFFER, 3, (char *)"10.0.0.2", NULL}}, STAGE_OFFER,
               "did not take '10.0.0.2'");
        expect(&(struct evidence){RUNS, .expects_dhcp = TRUE, .dhcp = {DHCP_REFUSED, 0, (char *)"10.0.0.9", NULL}},
               STAGE_DISCOVER, "refused it '10.0.0.9'");
        expect(&(struct evidence){RUNS, .ip = (char *)"10.0.0.2", .address = ADDRESS_SILENT, .dhcp = {.stage = DHCP_ACK}},
               STAGE_ACK, "nothing answers at '10.0.0.2'");
        expect(&(struct evidence){RUNS, .address = ADDRESS_ANSWERS, .checked = TRUE, .port = 22, .health = HEALTH_UNHEALTHY},
               STAGE_ANSWERS, "listens on port 22");
        expect(&(struct evidence){RUNS, .address = ADDRESS_ANSWERS, .checked = TRUE, .health = HEALTH_HEALTHY}, STAGE_HEALTHY,
               NULL);
}

static void
test_words(void)
{
        g_autoptr(GError) error = NULL;
        const struct evidence evidence = {RUNS,
                                          .code = CODE_KERNEL,
                                          .expects_dhcp = TRUE,
                                          .ip = (char *)"10.0.0.2",
                                          .checked = TRUE,
                                          .port = 22,
                                          .health = HEALTH_UNHEALTHY,
                                          .health_reason = (char *)"it has no address yet",
                                          .console = (char *)"one\n\ntwo\n"};

        error_set(&error, DROVER_ERROR_FAILED, "vm 'web' is unhealthy");
        diagnosis_hint(&evidence, &error);
        g_assert_cmpstr(error->message, ==,
                        "vm 'web' is unhealthy\n"
                        "  reached: QEMU up, firmware, kernel; not: DHCP discover\n"
                        "  console: one\n"
                        "  console: two\n"
                        "  healthcheck: it has no address yet\n"
                        "  likely: the guest never asked for an address: it has no driver for its NIC, or runs no DHCP client\n"
                        "  'drover console web' looks at it");
        g_assert_nonnull(strstr(qemu_words_meaning("-blockdev x: Unknown driver 'https'"), "'qemu-block-extra'"));
        g_assert_nonnull(strstr(qemu_words_meaning("Unknown driver 'iscsi'"), "'qemu-block-extra'"));
        g_assert_nonnull(strstr(qemu_words_meaning("Unknown driver 'rbd'"), "'qemu-block-extra'"));
        g_assert_nonnull(strstr(qemu_words_meaning("Invalid password, cannot unlock any keyslot"), "'key_file'"));
        g_assert_null(qemu_words_meaning("something new"));
        g_assert_null(qemu_words_meaning(NULL));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        find_now();
        g_test_add_func("/diagnosis/dhcp-log", test_dhcp_log);
        g_test_add_func("/diagnosis/ends", test_ends);
        g_test_add_func("/diagnosis/boot", test_boot);
        g_test_add_func("/diagnosis/network", test_network);
        g_test_add_func("/diagnosis/words", test_words);
        return g_test_run();
}
