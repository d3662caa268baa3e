/* checksums.c - the checksum of one file in the list of them that a distribution publishes */
#include "runtime/storage/checksums.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

enum { SHA256_DIGITS = 64, SHA512_DIGITS = 128 };

struct search {
        const char *file;
        struct digests named, alone; /* of the file; of lines that name none or, in a list of its own, another one */
        guint others;                /* how many such lines there are */
        gboolean own, named_twice, alone_twice; /* with different sums */
};

static size_t
count_digits(const char *text)
{
        size_t count = 0;

        while (g_ascii_isxdigit(text[count]))
                count++;
        return count;
}

/* Where a sum of that many digits belongs; NULL: it is MD5, SHA-1 or no sum at all. */
static char *
place_of(struct digests *digests, size_t digits)
{
        return digits == SHA256_DIGITS ? digests->sha256 : digits == SHA512_DIGITS ? digests->sha512 : NULL;
}

static gboolean
put(struct digests *digests, const char *text, size_t digits)
{
        char *place = place_of(digests, digits), sum[DIGEST_TEXT_MAX];

        for (size_t i = 0; i < digits; i++)
                sum[i] = g_ascii_tolower(text[i]);
        sum[digits] = '\0';
        if (*place && strcmp(place, sum) != 0)
                return FALSE;
        memcpy(place, sum, digits + 1);
        return TRUE;
}

/* @name: NULL where the line names no file */
static void
take(struct search *search, const char *text, size_t digits, const char *name)
{
        g_autofree char *base = name ? g_path_get_basename(name) : NULL;

        if (!place_of(&search->named, digits))
                return;
        if (g_strcmp0(base, search->file) == 0) {
                search->named_twice |= !put(&search->named, text, digits);
        } else if (!name || search->own) {
                search->others++;
                search->alone_twice |= !put(&search->alone, text, digits);
        }
}

/* "SHA256 (debian-12.qcow2) = 2f0c..." */
static gboolean
take_bsd(struct search *search, char *line)
{
        char *open = strstr(line, " ("), *close = g_strrstr(line, ") = ");
        const char *sum = close ? close + strlen(") = ") : NULL;
        size_t digits = sum ? count_digits(sum) : 0;

        if (!g_str_has_prefix(line, "SHA") || !open || !close || close < open || sum[digits])
                return FALSE;
        *close = '\0';
        take(search, sum, digits, open + strlen(" ("));
        return TRUE;
}

/* "2f0c...  debian-12.qcow2", "2f0c... *debian-12.qcow2", "2f0c..." */
static void
take_plain(struct search *search, const char *line)
{
        size_t digits = count_digits(line);
        const char *name = line + digits;

        if (!*name)
                take(search, line, digits, NULL);
        else if (name[0] == ' ' && (name[1] == ' ' || name[1] == '*') && name[2])
                take(search, line, digits, name + 2);
}

static gboolean
fail(const char *list, const char *file, const char *what, GError **error)
{
        g_autofree char *shown = text_make_printable(list, -1), *name = text_make_printable(file, -1);

        return error_set(error, DROVER_ERROR_CORRUPT, "the list of checksums '%s' has %s for '%s'", shown, what, name);
}

gboolean
checksums_find(const char *text, const char *list, const char *file, struct digests *ret_digests, GError **error)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        struct search search = {.file = file,
                                .own = g_str_has_prefix(list, file) && list[strlen(file)] == '.'};
        gboolean named;

        for (char **line = lines; *line; line++) {
                char *content = g_strchomp(*line);

                if (g_str_has_prefix(content, "- ")) /* how a signed text quotes a line that begins with a dash */
                        continue;
                if (!take_bsd(&search, content))
                        take_plain(&search, content);
        }
        named = *search.named.sha256 || *search.named.sha512;
        if (search.named_twice || (!named && search.alone_twice && search.own))
                return fail(list, file, "several", error);
        if (!named && (!search.others || (search.others > 1 && !search.own)))
                return fail(list, file, "none", error);
        *ret_digests = named ? search.named : search.alone;
        return TRUE;
}
