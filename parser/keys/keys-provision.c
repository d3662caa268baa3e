/* keys-provision.c - the rows of what sets up a guest: mounts, cloud-init, files, ssh */
#include "parser/keys/keys-rows.h"

#include "parser/value/value-provision.h"

/* Rows of a table are denser than clang-format would have them. */
/* clang-format off */

/* ---- mounts ---- */

static const char *const mount_type_words[] = {"virtiofs", "9p", NULL};
static const char *const mount_type_meant[] = {"virtio-fs", "virtiofs", "virtio_fs", "virtiofs", "bind", "virtiofs",
                                               "9pfs", "9p", "virtio-9p", "9p", "plan9", "9p", NULL};

static const struct key mount_rows[] = {
        {.name = "source", .type = KEY_PATH, IN(mount, source), .required = TRUE, .change = CHANGE_RESTART,
         .help = "the folder of the host", .example = "./src"},
        {.name = "target", .type = KEY_SPECIAL, IN(mount, target), .codec = &codec_guest_path, .required = TRUE,
         .change = CHANGE_RESTART, .help = "where the guest sees it", .example = "/src"},
        {.name = "read_only", .type = KEY_BOOL, IN(mount, read_only), .fallback = "false", .change = CHANGE_RESTART,
         .help = "the guest cannot write to it", .example = "true"},
        {.name = "type", .type = KEY_ENUM, IN(mount, type), .words = mount_type_words, .meant = mount_type_meant,
         .fallback = "virtiofs", .change = CHANGE_RESTART,
         .help = "virtiofs is fast and needs virtiofsd on the host; 9p needs nothing", .example = "9p"},
        {.name = NULL},
};

static const char *const mount_aliases[] = {
        "src", "source", "host", "source", "host_path", "source", "from", "source", "dst", "target", "dest", "target",
        "destination", "target", "path", "target", "guest", "target", "guest_path", "target", "to", "target", "mount_point",
        "target", "readonly", "read_only", "ro", "read_only", "driver", "type", NULL,
};

const struct key_table keys_mount = {
        .title = "mount", .keys = mount_rows, .aliases = mount_aliases, .short_key = "source",
        .short_form = "SOURCE:TARGET, with :ro behind it for one that the guest cannot write to",
        .decode_short = decode_short_mount, .struct_size = sizeof(struct mount), .node_offset = offsetof(struct mount, node)};

/* ---- cloud-init ---- */

#define DOCUMENT(key, text, value)                                                                                             \
        {.name = #key, .type = KEY_SPECIAL, IN(cloud_init, key), .codec = &codec_document, .change = CHANGE_RECREATE,          \
         .help = text, .example = value}

static const struct key cloud_init_rows[] = {
        DOCUMENT(user_data, "what the guest is to do at its first boot; default: what packages, files, run and ssh say",
                 "{package_update: true}"),
        DOCUMENT(network_config, "how the guest sets up its NICs; default: DHCP on all of them",
                 "{version: 2, ethernets: {all: {match: {name: \"en*\"}, dhcp4: true}}}"),
        DOCUMENT(meta_data, "what is added to the instance's data; default: instance-id and local-hostname alone",
                 "{local-hostname: db}"),
        DOCUMENT(vendor_data, "what is done unless user_data says otherwise; default: none", "./vendor-data.yaml"),
        {.name = NULL},
};

static const char *const cloud_init_aliases[] = {
        "userdata", "user_data", "cloud_config", "user_data", "config", "user_data", "user", "user_data", "networkconfig",
        "network_config", "network", "network_config", "network_data", "network_config", "metadata", "meta_data", "meta",
        "meta_data", "vendordata", "vendor_data", "vendor", "vendor_data", NULL,
};

const struct key_table keys_cloud_init = {
        .title = "cloud_init", .keys = cloud_init_rows, .aliases = cloud_init_aliases, .struct_size = sizeof(struct cloud_init),
        .node_offset = offsetof(struct cloud_init, node)};

/* ---- files ---- */

static const struct key file_rows[] = {
        {.name = "path", .type = KEY_SPECIAL, IN(guest_file, path), .codec = &codec_guest_path, .required = TRUE,
         .change = CHANGE_RECREATE, .help = "where it is written in the guest", .example = "/etc/motd"},
        {.name = "content", .type = KEY_SPECIAL, IN(guest_file, content), .codec = &codec_content, .change = CHANGE_RECREATE,
         .help = "what is in it; default: none, then there is a source", .example = "hello"},
        {.name = "source", .type = KEY_PATH, IN(guest_file, source), .change = CHANGE_RECREATE,
         .help = "a file of the host with what is in it; default: none, then there is content", .example = "./motd"},
        {.name = "mode", .type = KEY_SPECIAL, IN(guest_file, mode), .codec = &codec_mode, .fallback = "0644",
         .change = CHANGE_RECREATE, .help = "its permissions", .example = "0600"},
        {.name = "owner", .type = KEY_SPECIAL, IN(guest_file, owner), .codec = &codec_owner, .fallback = "root:root",
         .change = CHANGE_RECREATE, .help = "whose it is", .example = "root:adm"},
        {.name = NULL},
};

static const char *const file_aliases[] = {
        "permissions", "mode", "perm", "mode", "perms", "mode", "chmod", "mode", "contents", "content", "text", "content",
        "data", "content", "inline", "content", "src", "source", "file", "source", "from", "source", "dest", "path",
        "dst", "path", "destination", "path", "target", "path", "filename", "path", "name", "path", "user", "owner",
        "chown", "owner", NULL,
};

const struct key_table keys_file = {
        .title = "file", .keys = file_rows, .aliases = file_aliases, .struct_size = sizeof(struct guest_file),
        .node_offset = offsetof(struct guest_file, node)};

/* ---- credentials ---- */

static const struct key credential_rows[] = {
        {.name = "content", .type = KEY_SPECIAL, IN(credential, content), .codec = &codec_content, .hidden = TRUE,
         .change = CHANGE_RESTART, .help = "what is in it; default: none, then there is a file", .example = "hello"},
        {.name = "file", .type = KEY_PATH, IN(credential, path), .change = CHANGE_RESTART,
         .help = "a file of the host with what is in it, read at each start; default: none, then there is content",
         .example = "./token"},
        {.name = NULL},
};

static const char *const credential_aliases[] = {
        "contents", "content", "text", "content", "value", "content", "data", "content", "inline", "content", "source", "file",
        "path", "file", "src", "file", "from", "file", NULL,
};

const struct key_table keys_credential = {
        .title = "credential", .keys = credential_rows, .aliases = credential_aliases, .short_key = "content",
        .check_name = value_check_credential_name, .name_pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]*$",
        .struct_size = sizeof(struct credential), .name_offset = offsetof(struct credential, name),
        .node_offset = offsetof(struct credential, node)};

/* ---- ssh ---- */

static const struct key ssh_rows[] = {
        {.name = "user", .type = KEY_SPECIAL, IN(ssh, user), .codec = &codec_user, .change = CHANGE_NONE,
         .help = "who logs in; default: the user that the image makes", .example = "debian"},
        {.name = "keys", .type = KEY_SPECIAL, IN(ssh, keys), .codec = &codec_ssh_keys, .change = CHANGE_RECREATE,
         .help = "public keys that may log in, which cloud-init puts into the guest; default: none",
         .example = "[~/.ssh/id_ed25519.pub]"},
        {.name = "port", .type = KEY_COUNT, IN(ssh, port), .min = 1, .max = 65535, .fallback = "22", .change = CHANGE_NONE,
         .help = "where the guest's ssh server listens", .example = "2222"},
        {.name = NULL},
};

static const char *const ssh_aliases[] = {
        "username", "user", "login", "user", "name", "user", "key", "keys", "authorized_keys", "keys", "public_keys", "keys",
        "public_key", "keys", "ssh_authorized_keys", "keys", "identity", "keys", NULL,
};

const struct key_table keys_ssh = {
        .title = "ssh", .keys = ssh_rows, .aliases = ssh_aliases, .struct_size = sizeof(struct ssh),
        .node_offset = offsetof(struct ssh, node)};
