/* keys-image.c - the rows of images */
#include "parser/keys/keys-rows.h"

#include "parser/catalogue.h"
#include "parser/value/value-storage.h"

/* Rows of a table are denser than clang-format would have them. */
/* clang-format off */

static const char *const format_words[] = {"qcow2", "raw", "vmdk", "vdi", "vhdx", NULL};
static const char *const format_meant[] = {
        "qcow", "qcow2", ".qcow2", "qcow2", "img", "raw", ".img", "raw", ".raw", "raw", "iso", "raw", "bin", "raw",
        ".vmdk", "vmdk", ".vdi", "vdi", ".vhdx", "vhdx", NULL,
};

#define ROWS_IMAGE                                                                                                             \
        {.name = "url", .type = KEY_SPECIAL, IN(image, url), .codec = &codec_url, .change = CHANGE_RECREATE,                   \
         .help = "where it is fetched from, once; default: none, then there is a file",                                        \
         .example = "https://example.org/debian-12.qcow2"},                                                                    \
        {.name = "file", .type = KEY_PATH, IN(image, file), .change = CHANGE_RECREATE,                                         \
         .help = "a file of the host; default: none, then there is a URL", .example = "./local.qcow2"},                        \
        {.name = "sha256", .type = KEY_SPECIAL, IN(image, sha256), .codec = &codec_sha256, .max = 64,                          \
         .change = CHANGE_RECREATE,                                                                                            \
         .help = "its SHA-256, which is checked; default: not checked",                                                        \
         .example = "2f0c1b6e8d5a4c3b9e7f6a5d4c3b2a1908f7e6d5c4b3a2918070605040302010"},                                       \
        {.name = "sha512", .type = KEY_SPECIAL, IN(image, sha512), .codec = &codec_sha512, .max = 128,                         \
         .change = CHANGE_RECREATE,                                                                                            \
         .help = "its SHA-512, which is checked; default: not checked",                                                        \
         .example = "2f0c1b6e8d5a4c3b9e7f6a5d4c3b2a1908f7e6d5c4b3a2918070605040302010"                                         \
                    "2f0c1b6e8d5a4c3b9e7f6a5d4c3b2a1908f7e6d5c4b3a2918070605040302010"},                                       \
        {.name = "checksums", .type = KEY_SPECIAL, IN(image, checksums), .codec = &codec_url, .change = CHANGE_RECREATE,       \
         .help = "where the list is that has the checksum of 'url'; default: none",                                            \
         .example = "https://example.org/SHA256SUMS"},                                                                         \
        {.name = "format", .type = KEY_ENUM, IN(image, format), .set_offset = offsetof(struct image, has_format),              \
         .words = format_words, .meant = format_meant, .change = CHANGE_NONE,                                                  \
         .help = "its format; default: found out from the content, never from the name", .example = "raw"},                    \
        {.name = "arch", .type = KEY_ENUM, IN(image, arch), .set_offset = offsetof(struct image, has_arch),                    \
         .words = keys_arch_words, .meant = keys_arch_meant, .change = CHANGE_NONE,                                            \
         .help = "what machines it is for; default: any", .example = "aarch64"}

static const struct key image_rows[] = {
        ROWS_IMAGE,
        {.name = NULL},
};

static const char *const image_aliases[] = {
        "uri", "url", "source", "url", "href", "url", "location", "url", "download", "url", "image", "url",
        "path", "file", "filename", "file", "src", "file", "local", "file", "checksum", "sha256", "digest", "sha256",
        "sha256sums", "checksums", "sha512sums", "checksums", "checksum_url", "checksums", "checksums_url", "checksums",
        "hash", "sha256", "sha", "sha256", "md5", "sha256", "sha1", "sha256", "type", "format", "disk_format", "format",
        "driver", "format", "architecture", "arch", NULL,
};

const struct key_table keys_image = {
        .title = "image", .keys = image_rows, .aliases = image_aliases, .struct_size = sizeof(struct image),
        .name_offset = offsetof(struct image, name), .node_offset = offsetof(struct image, node),
        .check_name = value_check_image_name,
        .name_pattern = "^(?!x-)[a-z0-9]([a-z0-9._:-]{0,38}[a-z0-9])?$"};

static const struct key catalogue_image_rows[] = {
        ROWS_IMAGE,
        {.name = "archs", .type = KEY_TEXT_MAP, IN(catalogue_image, archs), .change = CHANGE_NONE,
         .help = "what {arch} stands for in the URLs, for each architecture that there is an image for; default: one for all",
         .example = "{x86_64: amd64, aarch64: arm64}"},
        {.name = NULL},
};

static const struct key_table keys_catalogue_image = {
        .title = "image", .keys = catalogue_image_rows, .aliases = image_aliases, .struct_size = sizeof(struct catalogue_image),
        .name_offset = offsetof(struct catalogue_image, image.name),
        .node_offset = offsetof(struct catalogue_image, image.node), .check_name = value_check_image_name};

static const struct key catalogue_rows[] = {
        {.name = "images", .type = KEY_OBJECT_MAP, IN(catalogue, images), COUNT_IN(catalogue, image_count), .max = 4096,
         .table = &keys_catalogue_image, .change = CHANGE_NONE, .help = "images by name", .example = "{}"},
        {.name = NULL},
};

const struct key_table keys_catalogue = {
        .title = "catalogue", .keys = catalogue_rows, .struct_size = sizeof(struct catalogue)};
