/* merge-identity.c - what makes an entry of one list and an entry of another the same disk, port or mount */
#include "parser/files/merge.h"

#include <string.h>

/* The text of a key that is there and says something, or NULL. */
static const char *
text_of(const struct node *entry, const char *key)
{
        const struct node *value = node_get(entry, key);

        return value && value->kind == NODE_SCALAR && !node_is_null(value) ? value->text : NULL;
}

/* Two spellings of one path are one; "~/" is left alone. */
static char *
absolute(const struct node *entry, const char *path)
{
        if (g_str_has_prefix(path, "~/") || !entry->place.source)
                return g_strdup(path);
        return g_canonicalize_filename(path, entry->place.source->directory);
}

char *
merge_identity_disk(const struct node *entry)
{
        static const char *const paths[] = {"file", "device", "url"};
        const char *name = entry->kind == NODE_SCALAR ? entry->text : text_of(entry, "disk");

        if (entry->kind == NODE_LIST || node_is_null(entry))
                return NULL;
        if (name)
                return g_strconcat("disk ", name, NULL);
        name = text_of(entry, "name");
        for (size_t i = 0; !name && i < G_N_ELEMENTS(paths); i++) {
                const struct node *value = node_get(entry, paths[i]);

                if (text_of(entry, paths[i]) && strcmp(paths[i], "url") == 0)
                        return g_strconcat("url ", value->text, NULL);
                if (text_of(entry, paths[i])) {
                        g_autofree char *path = absolute(value, value->text);

                        return g_strconcat(paths[i], " ", path, NULL);
                }
        }
        return g_strconcat("name ", name ? name : "data", NULL);
}

static char *
port_identity(const char *host_ip, const char *published, const char *target, const char *protocol)
{
        return g_strdup_printf("%s|%s|%s|%s", host_ip ? host_ip : "", published ? published : "", target,
                               protocol ? protocol : "tcp");
}

/* "[HOST_IP:][PUBLISHED:]TARGET[/PROTOCOL]", where an IPv6 address stands in brackets. */
static char *
short_port_identity(const char *text)
{
        g_autofree char *copy = g_strdup(text);
        char *protocol = strchr(copy, '/'), *target, *published = NULL, *host_ip = NULL;

        if (protocol)
                *protocol++ = '\0';
        target = strrchr(copy, ':');
        if (!target)
                return port_identity(NULL, NULL, copy, protocol);
        *target++ = '\0';
        published = strrchr(copy, ':');
        if (!published || *copy == '\0')
                return port_identity(NULL, copy, target, protocol);
        *published++ = '\0';
        host_ip = copy;
        if (*host_ip == '[' && host_ip[strlen(host_ip) - 1] == ']') {
                host_ip[strlen(host_ip) - 1] = '\0';
                host_ip++;
        }
        return port_identity(host_ip, published, target, protocol);
}

char *
merge_identity_port(const struct node *entry)
{
        if (entry->kind == NODE_SCALAR)
                return node_is_null(entry) ? NULL : short_port_identity(entry->text);
        if (!text_of(entry, "target"))
                return NULL;
        return port_identity(text_of(entry, "host_ip"), text_of(entry, "published"), text_of(entry, "target"),
                             text_of(entry, "protocol"));
}

/* Of "SOURCE:TARGET[:OPTIONS]" or {target: ...}: the folder in the guest. */
char *
merge_identity_mount(const struct node *entry)
{
        g_auto(GStrv) parts = NULL;

        if (entry->kind == NODE_SCALAR && !node_is_null(entry)) {
                parts = g_strsplit(entry->text, ":", 3);
                return parts[0] && parts[1] ? g_canonicalize_filename(parts[1], "/") : NULL;
        }
        return text_of(entry, "target") ? g_canonicalize_filename(text_of(entry, "target"), "/") : NULL;
}
