/* test-checksums.c - lists of checksums as distributions publish them */
#include "base/error.h"
#include "runtime/storage/checksums.h"

#include <string.h>

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C128 "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc" \
             "cccccccccccccccccccc"
#define MD5 "dddddddddddddddddddddddddddddddd"

static const struct {
        const char *name, *list, *text;
        const char *sha256, *sha512; /* both NULL: it fails with */
        const char *failure;
} cases[] = {
        {"two-blanks", "SHA256SUMS", B64 "  y.img\n" A64 "  x.img\n", A64, "", NULL},
        {"asterisk", "SHA256SUMS", A64 " *x.img\n" B64 " *y.img\n", A64, "", NULL},
        {"sha512", "SHA512SUMS", C128 "  x.img\n", "", C128, NULL},
        {"both", "SUMS", C128 "  x.img\n" A64 "  x.img\n", A64, C128, NULL},
        {"upper-case", "SUMS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA  x.img", A64, "", NULL},
        {"crlf", "SUMS", A64 "  x.img\r\n" B64 "  y.img\r\n", A64, "", NULL},
        {"directory", "SUMS", A64 "  ./x86_64/x.img\n", A64, "", NULL},
        {"bsd", "CHECKSUM", "# x.img: 123 bytes\nSHA256 (y.img) = " B64 "\nSHA256 (x.img) = " A64 "\n", A64, "", NULL},
        {"bsd-strange-name", "CHECKSUM", "SHA512 (x (1) = 2.img) = " C128 "\n", NULL, NULL, "has none for 'x.img'"},
        {"clearsigned", "CHECKSUM",
         "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# x.img: 123 bytes\nSHA256 (x.img) = " A64
         "\n- -----\n-----BEGIN PGP SIGNATURE-----\n\niQIzBAEBCAAdFiEE\n=abcd\n-----END PGP SIGNATURE-----\n",
         A64, "", NULL},
        {"signed-lines", "SHA256SUMS", "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" A64 "  x.img\n", A64, "", NULL},
        {"bare", "x.img.sha256", A64, A64, "", NULL},
        {"bare-512", "checksum.txt", "\n" C128 "\n\n", "", C128, NULL},
        {"own-list-other-name", "x.img.sha256", A64 "  x-15.6-Build16.1.img\n", A64, "", NULL},
        {"own-list-knows-it", "x.img.sha256", B64 "  other.img\n" A64 "  x.img\n", A64, "", NULL},
        {"own-list-two", "x.img.sha256", A64 "  y.img\n" B64 "  z.img\n", NULL, NULL, "has several for 'x.img'"},
        {"md5-too", "SUMS", MD5 "  x.img\n" A64 "  x.img\n", A64, "", NULL},
        {"only-md5", "SUMS", MD5 "  x.img\n", NULL, NULL, "has none for 'x.img'"},
        {"not-it", "SUMS", A64 "  ax.img\n" A64 "  x.img.sig\n", NULL, NULL, "has none for 'x.img'"},
        {"two-bare", "SUMS", A64 "\n" B64 "\n", NULL, NULL, "has none for 'x.img'"},
        {"twice", "SUMS", A64 "  x.img\n" A64 "  x.img\n", A64, "", NULL},
        {"contradicts", "SUMS", A64 "  x.img\n" B64 "  x.img\n", NULL, NULL, "has several for 'x.img'"},
        {"longer", "SUMS", A64 "a  x.img\n", NULL, NULL, "has none for 'x.img'"},
        {"page", "SUMS", "<html><body>Not found</body></html>\n", NULL, NULL, "has none for 'x.img'"},
        {"empty", "SUMS", "", NULL, NULL, "has none for 'x.img'"},
};

static void
test_case(gconstpointer data)
{
        size_t i = GPOINTER_TO_UINT(data);
        struct digests digests = {"", ""};
        g_autoptr(GError) error = NULL;
        gboolean found = checksums_find(cases[i].text, cases[i].list, "x.img", &digests, &error);

        if (cases[i].failure) {
                g_assert_false(found);
                g_assert_error(error, DROVER_ERROR, DROVER_ERROR_CORRUPT);
                g_assert_nonnull(strstr(error->message, cases[i].failure));
                return;
        }
        g_assert_no_error(error);
        g_assert_cmpstr(digests.sha256, ==, cases[i].sha256);
        g_assert_cmpstr(digests.sha512, ==, cases[i].sha512);
}

int
main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *path = g_strconcat("/checksums/", cases[i].name, NULL);

                g_test_add_data_func(path, GUINT_TO_POINTER(i), test_case);
        }
        return g_test_run();
}
