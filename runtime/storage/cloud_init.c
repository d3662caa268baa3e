/* cloud_init.c - the files of a NoCloud seed, from what the project file says of a VM */
#include "runtime/storage/cloud_init.h"

#include "base/error.h"
#include "base/json.h"
#include "parser/value/typed.h"
#include "parser/value/value-provision.h"
#include "runtime/vm/share.h"

#include <string.h>

/* Of those that cloud-init looks for at the beginning of a part. Source: cloudinit/handlers/__init__.py, INCLUSION_TYPES_MAP */
#define CLOUD_CONFIG "#cloud-config"
#define BOUNDARY "==drover-part=="
/* The user's part comes first and its scalars stay; lists of ours are put behind theirs. */
#define MERGE_TYPE "list(append)+dict(no_replace,recurse_list)+str()"

static void
add_path(GPtrArray *paths, const char *path)
{
        if (path)
                g_ptr_array_add(paths, (gpointer)path);
}

GPtrArray *
cloud_init_paths(const struct vm *vm)
{
        GPtrArray *paths = g_ptr_array_new();

        if (vm->cloud_init) {
                add_path(paths, vm->cloud_init->user_data.path);
                add_path(paths, vm->cloud_init->network_config.path);
                add_path(paths, vm->cloud_init->meta_data.path);
                add_path(paths, vm->cloud_init->vendor_data.path);
        }
        for (guint i = 0; i < vm->file_count; i++)
                add_path(paths, vm->files[i].source);
        for (guint i = 0; vm->ssh && i < vm->ssh->key_count; i++)
                add_path(paths, vm->ssh->keys[i].path);
        return paths;
}

/* ---- texts ---- */

static GBytes *
find_file(const struct cloud_init_wish *wish, const char *path)
{
        return wish->files ? g_hash_table_lookup(wish->files, path) : NULL;
}

/* The text of a document that is none of ours to merge: written in the project file or in a file of its own. NULL: it is a map,
 * or not there. */
static GBytes *
document_text(const struct cloud_init_wish *wish, const struct document *document)
{
        if (document && document->text)
                return g_bytes_new(document->text, strlen(document->text));
        if (document && document->path && find_file(wish, document->path))
                return g_bytes_ref(find_file(wish, document->path));
        return NULL;
}

/* PyYAML takes no control characters, and some others for the end of a line: JSON's own escapes stand in their place. */
static void
append_for_yaml(GString *out, const char *json)
{
        for (const char *at = json; *at; at = g_utf8_next_char(at)) {
                gunichar character = g_utf8_get_char(at);

                if ((character >= 0x7f && character <= 0xa0) || character == 0x2028 || character == 0x2029 ||
                    character == 0xfeff || character == 0xfffe || character == 0xffff)
                        g_string_append_printf(out, "\\u%04x", character);
                else
                        g_string_append_len(out, at, g_utf8_next_char(at) - at);
        }
}

/* @value is stolen. */
static GBytes *
yaml_bytes(const char *head, json_t *value)
{
        GString *out = g_string_new(head);
        char *json = json_dumps(value, JSON_INDENT(2));

        append_for_yaml(out, json);
        g_string_append_c(out, '\n');
        free(json);
        json_decref(value);
        return g_string_free_to_bytes(out);
}

/* ---- what the short forms say ---- */

static json_t *
list_of(json_t *object, const char *key)
{
        json_t *list = json_object_get(object, key);

        if (!list) {
                list = json_array();
                json_object_set_new(object, key, list);
        }
        return list;
}

static void
add_packages(json_t *config, const struct vm *vm)
{
        for (const char *const *package = vm->packages; package && *package; package++)
                json_array_append_new(list_of(config, "packages"), json_string(*package));
}

static void
set_content(json_t *file, const char *data, size_t length)
{
        g_autofree char *base64 = NULL;

        if (!memchr(data, '\0', length) && g_utf8_validate(data, (gssize)length, NULL)) {
                json_object_set_new(file, "content", json_stringn(data, length));
                return;
        }
        base64 = g_base64_encode((const guchar *)data, length);
        json_set_text(file, "encoding", "b64");
        json_set_text(file, "content", base64);
}

static gboolean
add_files(json_t *config, const struct cloud_init_wish *wish, GError **error)
{
        for (guint i = 0; i < wish->vm->file_count; i++) {
                const struct guest_file *file = &wish->vm->files[i];
                GBytes *source = file->source ? find_file(wish, file->source) : NULL;
                g_autofree char *mode = value_format_mode(file->mode);
                json_t *item = json_object();

                json_array_append_new(list_of(config, "write_files"), item);
                if (file->source && !source)
                        return error_set(error, DROVER_ERROR_NOT_FOUND, "there is no file '%s'", file->source);
                json_set_text(item, "path", file->path);
                if (source)
                        set_content(item, g_bytes_get_data(source, NULL), g_bytes_get_size(source));
                else
                        set_content(item, file->content ? file->content : "", file->content ? strlen(file->content) : 0);
                json_set_text(item, "permissions", mode);
                json_set_text(item, "owner", file->owner);
                /* Files come before users: those of others wait until there are some. */
                if (file->owner && strcmp(file->owner, "root:root") != 0 && strcmp(file->owner, "root") != 0)
                        json_set(item, "defer", json_true());
        }
        return TRUE;
}

/* At every boot, and before anything of the user's: $0 to $3 are tag, folder, type and options. What fails is said, and the
 * boot goes on. */
#define MOUNT_SCRIPT "mkdir -p \"$1\"; e=$(mount -t \"$2\" -o \"$3\" \"$0\" \"$1\" 2>&1) || " \
                     "echo \"drover: cannot mount '$1': $e\" >/dev/console"

static void
add_mounts(json_t *config, const struct vm *vm)
{
        for (guint i = 0; i < vm->mount_count; i++) {
                const struct mount *mount = &vm->mounts[i];
                gboolean virtiofs = mount->type == MOUNT_VIRTIOFS;
                g_autofree char *tag = share_tag(mount->target);
                g_autofree char *options = g_strconcat(mount->read_only ? "ro" : "rw",
                                                       virtiofs ? "" : ",trans=virtio,version=9p2000.L,msize=262144", NULL);

                json_array_append_new(list_of(config, "bootcmd"),
                                      json_pack("[s, s, s, s, s, s, s]", "sh", "-c", MOUNT_SCRIPT, tag, mount->target,
                                                virtiofs ? "virtiofs" : "9p", options));
        }
}

static void
add_commands(json_t *config, const struct vm *vm)
{
        for (guint i = 0; i < vm->command_count; i++) {
                const struct command *command = &vm->commands[i];
                json_t *words = command->line ? json_string(command->line) : json_array();

                for (const char *const *word = command->argv; word && *word; word++)
                        json_array_append_new(words, json_string(*word));
                json_array_append_new(list_of(config, "runcmd"), words);
        }
}

/* All public keys that may log in, the project's first. */
static gboolean
collect_keys(const struct cloud_init_wish *wish, json_t *keys, GError **error)
{
        const struct ssh *ssh = wish->vm->ssh;

        if (wish->project_key)
                json_array_append_new(keys, json_string(wish->project_key));
        for (guint i = 0; ssh && i < ssh->key_count; i++) {
                const struct ssh_key *key = &ssh->keys[i];
                GBytes *bytes = key->path ? find_file(wish, key->path) : NULL;
                g_autofree char *text =
                        bytes ? g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)) : g_strdup(key->text);
                g_auto(GStrv) lines = NULL;

                if (!text)
                        return error_set(error, DROVER_ERROR_NOT_FOUND, "there is no file '%s'", key->path);
                if (strstr(text, "PRIVATE KEY"))
                        return error_set(error, DROVER_ERROR_CONFIG, "'%s' is a private key, which nobody else may see",
                                         key->path);
                if (!g_utf8_validate(text, -1, NULL))
                        return error_set(error, DROVER_ERROR_CONFIG, "'%s' is no public key", key->path);
                lines = g_strsplit(text, "\n", -1);
                for (char **line = lines; *line; line++)
                        if (*g_strstrip(*line) && **line != '#')
                                json_array_append_new(keys, json_string(*line));
        }
        return TRUE;
}

/* The user who logs in: the image's own gets the keys anyway; another one is made, or is one that user_data makes. */
static void
add_user(json_t *config, const char *name, json_t *keys)
{
        json_t *users = json_object_get(config, "users"), *user;
        size_t i;

        json_array_foreach (users, i, user)
                if (g_strcmp0(json_text(user, "name"), name) == 0) {
                        json_array_extend(list_of(user, "ssh_authorized_keys"), keys);
                        return;
                }
        if (!users)
                json_array_append_new(list_of(config, "users"), json_string("default"));
        user = json_pack("{s:s, s:s}", "name", name, "sudo", "ALL=(ALL) NOPASSWD:ALL");
        json_object_set(user, "ssh_authorized_keys", keys);
        json_array_append_new(list_of(config, "users"), user);
}

static gboolean
add_ssh(json_t *config, const struct cloud_init_wish *wish, GError **error)
{
        const char *user = wish->vm->ssh ? wish->vm->ssh->user : NULL;
        g_autoptr(json_t) keys = json_array();

        if (!collect_keys(wish, keys, error))
                return FALSE;
        if (json_array_size(keys))
                json_array_extend(list_of(config, "ssh_authorized_keys"), keys);
        if (g_strcmp0(user, "root") == 0 && !json_object_get(config, "disable_root"))
                json_object_set_new(config, "disable_root", json_false());
        else if (user && strcmp(user, "root") != 0)
                add_user(config, user, keys);
        return TRUE;
}

/* Keys that we add to lists: another type there is the user's mistake, which cloud-init would only tell the guest. */
static gboolean
check_lists(const json_t *config, GError **error)
{
        static const char *const lists[] = {"packages", "write_files", "bootcmd", "runcmd", "ssh_authorized_keys", "users"};

        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
                const json_t *value = json_object_get(config, lists[i]);

                if (value && !json_is_array(value))
                        return error_set(error, DROVER_ERROR_CONFIG, "'%s' in user_data is no list", lists[i]);
        }
        return TRUE;
}

/* Add to @config what the other keys say; what it says itself stays. */
static gboolean
add_short_forms(json_t *config, const struct cloud_init_wish *wish, GError **error)
{
        if (!check_lists(config, error))
                return FALSE;
        if (!json_object_get(config, "hostname"))
                json_set_text(config, "hostname", wish->vm->hostname);
        add_packages(config, wish->vm);
        add_mounts(config, wish->vm);
        add_commands(config, wish->vm);
        return add_files(config, wish, error) && add_ssh(config, wish, error);
}

/* ---- user-data ---- */

/* A message with two parts: the user's, whatever it is, and ours. Source: RFC 2046, 5.1 */
static void
append_part(GString *out, const char *type, const char *more, const void *data, size_t length)
{
        g_autofree char *base64 = g_base64_encode(data, length);

        g_string_append_printf(out, "--" BOUNDARY "\nContent-Type: %s; charset=\"utf-8\"\nMIME-Version: 1.0\n%s"
                                    "Content-Transfer-Encoding: base64\n\n", type, more);
        for (const char *line = base64; *line; line += strnlen(line, 76))
                g_string_append_printf(out, "%.76s\n", line);
}

static GBytes *
join_parts(GBytes *theirs, GBytes *ours)
{
        static const char *const message_heads[] = {"Content-Type: multipart", "MIME-Version:"};
        GString *out = g_string_new("Content-Type: multipart/mixed; boundary=\"" BOUNDARY "\"\nMIME-Version: 1.0\n\n");
        const char *text = g_bytes_get_data(theirs, NULL);
        size_t length = g_bytes_get_size(theirs);
        gboolean is_message = FALSE;

        for (size_t i = 0; i < G_N_ELEMENTS(message_heads); i++)
                is_message |= length > strlen(message_heads[i]) &&
                              g_ascii_strncasecmp(text, message_heads[i], strlen(message_heads[i])) == 0;
        if (is_message) { /* has its own head: a part as it stands */
                g_string_append(out, "--" BOUNDARY "\n");
                g_string_append_len(out, text, (gssize)length);
                g_string_append_c(out, '\n');
        } else {
                append_part(out, "text/plain", "", text, length); /* cloud-init tells its kind by the first line */
        }
        append_part(out, "text/cloud-config", "Merge-Type: " MERGE_TYPE "\n", g_bytes_get_data(ours, NULL),
                    g_bytes_get_size(ours));
        g_string_append(out, "--" BOUNDARY "--\n");
        return g_string_free_to_bytes(out);
}

static GBytes *
build_user_data(const struct cloud_init_wish *wish, GError **error)
{
        const struct document *document = wish->vm->cloud_init ? &wish->vm->cloud_init->user_data : NULL;
        g_autoptr(GBytes) theirs = document_text(wish, document), ours = NULL;
        g_autoptr(json_t) config = document && document->map ? typed_node(document->map, NULL) : json_object();

        if (!add_short_forms(config, wish, error))
                return NULL;
        ours = yaml_bytes(CLOUD_CONFIG "\n", g_steal_pointer(&config));
        return theirs ? join_parts(theirs, ours) : g_steal_pointer(&ours);
}

/* ---- the other files ---- */

/* Block style, so that a text of the user's can go on behind it; what comes later in YAML wins. */
static GBytes *
build_meta_data(const struct cloud_init_wish *wish, GError **error)
{
        const struct document *document = wish->vm->cloud_init ? &wish->vm->cloud_init->meta_data : NULL;
        g_autoptr(GBytes) theirs = document_text(wish, document);
        json_t *data = json_object(), *more = NULL;
        GString *out;

        if (!theirs) {
                json_set_text(data, "instance-id", wish->instance_id);
                json_set_text(data, "local-hostname", wish->vm->hostname);
                more = document && document->map ? typed_node(document->map, NULL) : NULL;
                if (more)
                        json_object_update(data, more);
                json_decref(more);
                return yaml_bytes("", data);
        }
        json_decref(data);
        if (g_bytes_get_size(theirs) && *(const char *)g_bytes_get_data(theirs, NULL) == '{')
                return error_set(error, DROVER_ERROR_CONFIG, "meta_data as JSON text: write it as a map"), NULL;
        out = g_string_new(NULL);
        g_string_append_printf(out, "instance-id: \"%s\"\nlocal-hostname: \"%s\"\n", wish->instance_id, wish->vm->hostname);
        g_string_append_len(out, g_bytes_get_data(theirs, NULL), (gssize)g_bytes_get_size(theirs));
        return g_string_free_to_bytes(out);
}

/* An address that our DHCP does not hand out. */
static gboolean
is_static(const struct nic *nic, const struct network *network)
{
        return nic->ip && network->subnet.prefix && !network->dhcp.enabled;
}

static json_t *
build_nic(const struct launch_nic *nic, const struct network *network, gboolean first)
{
        g_autofree char *mac = value_format_mac(&nic->mac);
        g_autofree char *ip = value_format_ipv4(nic->nic->ip), *gateway = value_format_ipv4(network->gateway);
        json_t *out = json_pack("{s:{s:s}}", "match", "macaddress", mac);

        if (is_static(nic->nic, network)) {
                g_autofree char *address = g_strdup_printf("%s/%u", ip, network->subnet.prefix);

                json_object_set_new(out, "addresses", json_pack("[s]", address));
                if (network->gateway && network->gateway != nic->nic->ip && first)
                        json_object_set_new(out, "routes", json_pack("[{s:s, s:s}]", "to", "0.0.0.0/0", "via", gateway));
        } else {
                json_object_set_new(out, "dhcp4", json_true());
                if (!IN6_IS_ADDR_UNSPECIFIED(&nic->nic->ip6) && network->dhcp.enabled)
                        json_object_set_new(out, "dhcp6", json_true());
        }
        if (!first)
                json_object_set_new(out, "optional", json_true()); /* a boot does not wait for it */
        return out;
}

static GBytes *
build_network_config(const struct cloud_init_wish *wish)
{
        const struct document *document = wish->vm->cloud_init ? &wish->vm->cloud_init->network_config : NULL;
        GBytes *theirs = document_text(wish, document);
        json_t *all;

        if (theirs)
                return theirs;
        if (document && document->map)
                return yaml_bytes("", typed_node(document->map, NULL));
        if (!wish->nic_count)
                return NULL;
        all = json_object();
        for (guint i = 0; i < wish->nic_count; i++) {
                const struct launch_nic *nic = &wish->nics[i];

                json_object_set_new(all, nic->nic->name, build_nic(nic, &wish->networks[nic->nic->network_index], i == 0));
        }
        return yaml_bytes("", json_pack("{s:i, s:o}", "version", 2, "ethernets", all));
}

static GBytes *
build_vendor_data(const struct cloud_init_wish *wish)
{
        const struct document *document = wish->vm->cloud_init ? &wish->vm->cloud_init->vendor_data : NULL;

        if (document && document->map)
                return yaml_bytes(CLOUD_CONFIG "\n", typed_node(document->map, NULL));
        return document_text(wish, document);
}

gboolean
cloud_init_build(const struct cloud_init_wish *wish, struct cloud_init_texts *ret_texts, GError **error)
{
        g_auto(cloud_init_texts_t) texts = {0};

        texts.user_data = build_user_data(wish, error);
        if (!texts.user_data)
                return FALSE;
        texts.meta_data = build_meta_data(wish, error);
        if (!texts.meta_data)
                return FALSE;
        texts.network_config = build_network_config(wish);
        texts.vendor_data = build_vendor_data(wish);
        *ret_texts = texts;
        texts = (struct cloud_init_texts){0};
        return TRUE;
}

void
cloud_init_texts_clear(struct cloud_init_texts *texts)
{
        g_clear_pointer(&texts->user_data, g_bytes_unref);
        g_clear_pointer(&texts->meta_data, g_bytes_unref);
        g_clear_pointer(&texts->network_config, g_bytes_unref);
        g_clear_pointer(&texts->vendor_data, g_bytes_unref);
}
