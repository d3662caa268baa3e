/* test-value-storage.c - URLs, digests, names of images, devices and serial numbers as values */
#include "parser/value/disk-url.h"
#include "parser/value/value-storage.h"

#include <string.h>

#define DIGITS64 "2f0c1b6e8d5a4c3b9e7f6a5d4c3b2a1908f7e6d5c4b3a2918070605040302010"

struct refused {
        const char *text, *id, *hint;
};

typedef gboolean (*check_function)(const char *text, struct value_fault *fault);

static void
assert_refused(check_function check, const struct refused *cases, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                g_auto(value_fault) fault = VALUE_FAULT_INIT;

                g_test_message("%s", cases[i].text);
                g_assert_false(check(cases[i].text, &fault));
                g_assert_cmpstr(fault.id, ==, cases[i].id);
                g_assert_cmpstr(fault.hint, ==, cases[i].hint);
                g_assert_nonnull(strchr(fault.reason, ' '));
                g_assert_false(check(cases[i].text, NULL));
        }
}

static void
test_url(void)
{
        static const struct refused cases[] = {
                {"debian.qcow2", "url-no-scheme", "write 'https://...', or 'file' for a file of this host"},
                {"/srv/debian.qcow2", "url-no-scheme", "write 'https://...', or 'file' for a file of this host"},
                {"example.org/x", "url-host-first", "did you mean 'https://example.org/x'?"},
                {"https://example.org/a\nb", "url-blank", "write %20 for a blank"},
                {"https://example.org/\xc3\xa4", "url-blank", "write %20 for a blank"},
                {"FILE://./x", "url-file", "write 'file:///PATH', or the path alone: './x'"},
                {"file://host/x", "url-file", "write 'file:///PATH', or the path alone: 'host/x'"},
                {"file:////x", "url-file", "write 'file:///PATH', or the path alone: '//x'"},
                {"htp://example.org/x", "url-scheme-unknown", "did you mean 'http'?"},
                {"://example.org/x", "url-scheme-unknown", "https, http and file are known"},
                {"https://", "url-host", NULL},
        };

        g_assert_true(value_check_url("https://example.org/debian-12.qcow2", NULL));
        g_assert_true(value_check_url("HTTP://user@example.org:8080/?a=b", NULL));
        g_assert_true(value_check_url("http://[::1]/x", NULL));
        g_assert_true(value_check_url("file:///srv/debian.qcow2", NULL));
        assert_refused(value_check_url, cases, G_N_ELEMENTS(cases));
}

static gboolean
check_sha256(const char *text, struct value_fault *fault)
{
        g_autofree char *digest = NULL;

        return value_parse_digest(text, 64, &digest, fault);
}

static void
test_digest(void)
{
        static const struct refused cases[] = {
                {"sha256:" DIGITS64, "digest-prefix", "write the digits alone: the key says what they are"},
                {"SHA256 (x) = " DIGITS64, "digest-bad", "write 64 hexadecimal digits"},
                {DIGITS64 " *debian.qcow2", "digest-file", "write the digits alone, without the file's name"},
                {"", "digest-length", NULL},
                {DIGITS64 "0", "digest-length", NULL},
                {DIGITS64 DIGITS64, "digest-length", "this is as long as a SHA-512: write it as 'sha512'"},
                {"0x" DIGITS64, "digest-bad", "write 64 hexadecimal digits"},
        };
        g_autofree char *upper = g_ascii_strup(DIGITS64, -1), *digest = NULL, *again = NULL;

        g_assert_true(value_parse_digest(upper, 64, &digest, NULL));
        g_assert_cmpstr(digest, ==, DIGITS64);
        g_assert_true(value_parse_digest(digest, 64, &again, NULL));
        g_assert_cmpstr(again, ==, digest);
        assert_refused(check_sha256, cases, G_N_ELEMENTS(cases));
}

static void
test_image_name(void)
{
        static const struct refused cases[] = {
                {"", "image-name", NULL},
                {"Debian_12", "image-name", "did you mean 'debian_12'?"},
                {"my image", "image-name", "did you mean 'my-image'?"},
                {"library/debian", "image-name", "did you mean 'library-debian'?"},
                {"x-debian", "image-name", NULL},
                {"debian:", "image-name", NULL},
                {".", "image-name", NULL},
                {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "image-name-long", NULL},
        };

        g_assert_true(value_check_image_name("debian", NULL));
        g_assert_true(value_check_image_name("ubuntu:24.04", NULL));
        g_assert_true(value_check_image_name("a_b-c.d", NULL));
        g_assert_true(value_check_image_name("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL));
        assert_refused(value_check_image_name, cases, G_N_ELEMENTS(cases));
}

static void
test_device(void)
{
        static const struct refused cases[] = {
                {"sdb", "device-path", "did you mean '/dev/sdb'?"},
                {"dev/sdb", "device-outside", "write 'file' instead of 'device' for a file"},
                {"/dev", "device-outside", "write 'file' instead of 'device' for a file"},
                {"/dev/../srv/x", "device-outside", "write 'file' instead of 'device' for a file"},
                {"/srv/x.raw", "device-outside", "write 'file' instead of 'device' for a file"},
                {"", "device-outside", "write 'file' instead of 'device' for a file"},
        };

        g_assert_true(value_check_device("/dev/vg/x", NULL));
        g_assert_true(value_check_device("/dev/disk/by-id/../by-path/x", NULL));
        assert_refused(value_check_device, cases, G_N_ELEMENTS(cases));
}

static void
test_disk_url(void)
{
        static const char rbd[] = "write rbd:POOL/IMAGE[@SNAPSHOT][:id=USER][:conf=/PATH]";
        static const char nbd[] = "write nbd://HOST[:PORT][/EXPORT]", web[] = "write https://HOST[:PORT]/PATH";
        static const char iscsi[] = "write iscsi://HOST[:PORT]/TARGET/LUN";
        static const char unix_socket[] = "write nbd+unix:///[EXPORT]?socket=/PATH";
        static const char secret[] = "leave it out: everybody on this host can read QEMU's arguments";
        static const struct refused cases[] = {
                {"nbd:", "disk-url-form", nbd},
                {"nbd://", "disk-url-form", nbd},
                {"nbd:localhost:10809", "disk-url-form", nbd},
                {"nbd://host:0/x", "disk-url-form", nbd},
                {"nbd://host:99999/x", "disk-url-form", nbd},
                {"nbd://host/x?tls=1", "disk-url-form", nbd},
                {"nbd://host/x#y", "disk-url-form", nbd},
                {"nbd://host/%00", "disk-url-form", nbd},
                {"nbds://host/x", "disk-url-scheme", "did you mean 'nbd'?"},
                {"nbd://ann@host/x", "disk-url-credentials", secret},
                {"nbd+unix:///x", "disk-url-form", unix_socket},
                {"nbd+unix:///x?socket=x.sock", "disk-url-form", unix_socket},
                {"nbd+unix:///x?socket=/a&tls=1", "disk-url-form", unix_socket},
                {"nbd+unix://host/x?socket=/a", "disk-url-form", unix_socket},
                {"iscsi://host/target", "disk-url-form", iscsi},
                {"iscsi://host/target/one", "disk-url-form", iscsi},
                {"iscsi://host/target/16384", "disk-url-form", iscsi},
                {"iscsi://host//0", "disk-url-form", iscsi},
                {"iscsi://ann%pw@host/target/0", "disk-url-credentials", secret},
                {"rbd:pool", "disk-url-form", rbd},
                {"rbd:", "disk-url-form", rbd},
                {"rbd:a/b/c/d", "disk-url-form", rbd},
                {"rbd:a//b", "disk-url-form", rbd},
                {"rbd:a/b@", "disk-url-form", rbd},
                {"rbd:a/b:mon_host=x", "disk-url-form", rbd},
                {"rbd:a/b:conf=ceph.conf", "disk-url-form", rbd},
                {"rbd:a/b\\:c", "disk-url-form", rbd},
                {"rbd:a/b:key=AQ", "disk-url-credentials", secret},
                {"https://host", "disk-url-form", web},
                {"https:///x", "disk-url-form", web},
                {"https://ann:pw@host/x", "disk-url-credentials", secret},
                {"https://host/a b", "url-blank", "write %20 for a blank"},
                {"/srv/x", "disk-url-scheme",
                 "nbd, nbd+unix, iscsi, rbd, https and http are known; 'file' is for a file of this host"},
        };
        g_auto(disk_url) url = {0};

        g_assert_true(disk_url_parse("rbd:a/b/c@d:id=e:conf=/f", &url, NULL));
        g_assert_cmpint(url.driver, ==, DRIVER_RBD);
        g_assert_cmpstr(url.pool, ==, "a");
        g_assert_cmpstr(url.space, ==, "b");
        g_assert_cmpstr(url.name, ==, "c");
        g_assert_cmpstr(url.snapshot, ==, "d");
        g_assert_cmpstr(url.user, ==, "e");
        g_assert_cmpstr(url.conf, ==, "/f");
        disk_url_clear(&url);
        url = (struct disk_url){0};
        g_assert_true(disk_url_parse("nbd://[fd00::1]/a%20b/c", &url, NULL));
        g_assert_cmpstr(url.host, ==, "fd00::1");
        g_assert_cmpuint(url.port, ==, 10809);
        g_assert_cmpstr(url.name, ==, "a b/c");
        g_assert_null(url.socket);
        g_assert_true(disk_url_check("nbd+unix:///?socket=/run/x", NULL));
        g_assert_true(disk_url_check("iscsi://host:3261/iqn.2001-05.com.example:storage/16383", NULL));
        g_assert_true(disk_url_is_web("https://a/b") && disk_url_is_web("http://a/b") && !disk_url_is_web("nbd://a/b"));
        assert_refused(disk_url_check, cases, G_N_ELEMENTS(cases));
}

static void
test_serial(void)
{
        static const struct refused cases[] = {
                {"", "serial-empty", "remove the key for the disk's name"},
                {"WD 1", "serial-bad", NULL},
                {"\xc3\xa4", "serial-bad", NULL},
                {"0123456789012345678901234567890123456", "serial-long", NULL},
        };

        g_assert_true(value_check_serial("WD-0001", NULL));
        g_assert_true(value_check_serial("012345678901234567890123456789012345", NULL));
        assert_refused(value_check_serial, cases, G_N_ELEMENTS(cases));
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/value-storage/url", test_url);
        g_test_add_func("/value-storage/digest", test_digest);
        g_test_add_func("/value-storage/image-name", test_image_name);
        g_test_add_func("/value-storage/device", test_device);
        g_test_add_func("/value-storage/disk-url", test_disk_url);
        g_test_add_func("/value-storage/serial", test_serial);
        return g_test_run();
}
