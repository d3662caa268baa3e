/* keys.c - the top of the file, and the questions about the table of keys that need no project */
#include "parser/keys/keys-rows.h"

#include <string.h>

/* Rows of a table are denser than clang-format would have them. */
/* clang-format off */

static const char *const isolation_words[] = {"host", "private", NULL};

static const struct key include_rows[] = {
        {.name = "path", .type = KEY_SPECIAL, .codec = &codec_paths, .required = TRUE, .change = CHANGE_NONE,
         .help = "the file, or a list of files that are merged with each other", .example = "[net.yaml, net.local.yaml]"},
        {.name = "env_file", .type = KEY_SPECIAL, .codec = &codec_paths, .change = CHANGE_NONE,
         .help = "variables for it, one file or several; default: the .env beside it", .example = "net.env"},
        {.name = NULL},
};

static const char *const include_aliases[] = {"file", "path", "files", "path", "paths", "path", "env", "env_file",
                                              "env_files", "env_file", NULL};

const struct key_table keys_include = {
        .title = "include", .keys = include_rows, .aliases = include_aliases, .short_key = "path"};

static const struct key project_rows[] = {
        {.name = "name", .type = KEY_NAME, IN(project, name), .change = CHANGE_NONE,
         .help = "name of the project; default: the directory's name, made fit", .example = "shop"},
        {.name = "isolation", .type = KEY_ENUM, IN(project, isolation), .words = isolation_words, .change = CHANGE_RESTART,
         .help = "network namespace for the bridges: the host's, or one of the project's own; default: host for root, "
                 "else private",
         .example = "private"},
        {.name = "networks", .type = KEY_OBJECT_MAP, IN(project, networks), COUNT_IN(project, network_count), .max = 4096,
         .table = &keys_network, .change = CHANGE_LIVE,
         .help = "networks by name, each a bridge; a bare 'lan:' has all defaults",
         .example = "{lan: {subnet: 10.20.0.0/24}, dmz: {}}"},
        {.name = "images", .type = KEY_OBJECT_MAP, IN(project, images), COUNT_IN(project, image_count), .max = 4096,
         .table = &keys_image, .change = CHANGE_RECREATE,
         .help = "images by name, for the 'image' of VMs: where each is, and its checksum",
         .example = "{debian: {file: ./local.qcow2}}"},
        {.name = "disks", .type = KEY_OBJECT_MAP, IN(project, declared_disks), COUNT_IN(project, declared_disk_count),
         .max = 100000,
         .table = &keys_disk, .change = CHANGE_LIVE, .help = "disks by name that outlive the VMs which use them",
         .example = "{db-data: {size: 20G}}"},
        {.name = "vms", .type = KEY_OBJECT_MAP, IN(project, declared_vms), COUNT_IN(project, declared_vm_count),
         .max = 100000, .table = &keys_vm,
         .change = CHANGE_LIVE, .help = "virtual machines by name", .example = "{web: {disk: 2G, memory: 1G}}"},
        {.name = "include", .type = KEY_OBJECT_LIST, .max = 1000, .consumed = TRUE, .table = &keys_include,
         .change = CHANGE_NONE,
         .help = "other project files whose networks, disks and VMs are added; a name in both is an error",
         .example = "[base.yaml, {path: net.yaml, env_file: net.env}]"},
        {.name = NULL},
};

static const char *const project_aliases[] = {
        "services", "vms", "instances", "vms", "machines", "vms", "domains", "vms", "vm", "vms", "guests", "vms",
        "nodes", "vms", "volumes", "disks", "network", "networks", "bridges", "networks", "nets", "networks", "disk", "disks",
        "project", "name", "version", "a project file has no version: remove the line", "secrets",
        "write files in the guest with 'files' of a VM", "configs", "write files in the guest with 'files' of a VM",
        "variables", "variables come from the environment, --env-file and the file '.env' beside this one", "env_file",
        "variables come from the environment, --env-file and the file '.env' beside this one", "defaults",
        "what VMs share stands below a key 'x-...' with an anchor, or in a VM that the others extend", NULL,
};

const struct key_table keys_project = {
        .title = "project", .keys = project_rows, .aliases = project_aliases, .struct_size = sizeof(struct project),
        .node_offset = offsetof(struct project, node)};

/* clang-format on */

const struct key *
keys_find_in(const struct key_table *table, const char *name)
{
        for (const struct key *key = table->keys; key->name; key++)
                if (key->name[0] == name[0] && strcmp(key->name, name) == 0)
                        return key;
        return NULL;
}

const struct key *
keys_find(const char *path)
{
        g_auto(GStrv) parts = g_strsplit(path, ".", 8);
        const struct key_table *table = &keys_project;
        const struct key *key = NULL;

        for (char **part = parts; *part; part++) {
                key = table ? keys_find_in(table, *part) : NULL;
                if (!key)
                        return NULL;
                table = key->table;
        }
        return key;
}

gboolean
keys_has_objects(const struct key *key)
{
        return key->type == KEY_OBJECT || key->type == KEY_OBJECT_MAP || key->type == KEY_OBJECT_LIST;
}

const char *
key_change_name(enum change change)
{
        static const char *const names[] = {"none", "live", "restart", "recreate"};

        return names[change];
}

const char *
key_type_name(const struct key *key)
{
        static const char *const names[] = {
                [KEY_TEXT] = "text",
                [KEY_NAME] = "name",
                [KEY_INTERFACE] = "interface name",
                [KEY_BOOL] = "true or false",
                [KEY_COUNT] = "whole number",
                [KEY_MEMORY] = "size of memory",
                [KEY_SIZE] = "size",
                [KEY_DURATION] = "duration",
                [KEY_ENUM] = "one of",
                [KEY_MAC] = "MAC address",
                [KEY_IPV4] = "IPv4 address",
                [KEY_CIDR4] = "IPv4 subnet",
                [KEY_RANGE4] = "range of IPv4 addresses",
                [KEY_IPV6] = "IPv6 address",
                [KEY_CIDR6] = "IPv6 subnet",
                [KEY_RATE] = "rate",
                [KEY_PERCENT] = "percentage",
                [KEY_DOMAIN] = "domain name",
                [KEY_PATH] = "path",
                [KEY_TEXT_LIST] = "list of texts",
                [KEY_NAME_LIST] = "list of names",
                [KEY_COUNT_LIST] = "list of whole numbers",
                [KEY_TEXT_MAP] = "map of texts",
                [KEY_OBJECT] = "map",
                [KEY_OBJECT_MAP] = "map of maps",
                [KEY_OBJECT_LIST] = "list of maps",
        };

        if (key->type == KEY_SPECIAL)
                return key->codec->type_name;
        if (key->type == KEY_DOMAIN && key->max == 1)
                return "host name";
        return names[key->type];
}
