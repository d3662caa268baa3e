/* check-network.c - networks as such: what goes together, bridges, overlapping subnets, reach, vxlan, network boot */
#include "parser/check/check.h"

#include "parser/value/value.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Not written, or written as `false`: anything else either counts or is a fault already. */
static gboolean
is_false(const struct node *node)
{
        return !node || node_is_null(node) || (node->kind == NODE_SCALAR && strcmp(node->text, "false") == 0);
}

static void
check_bridge_mode(const struct check *check, const struct network *network, struct place place)
{
        static const char *const without[] = {"subnet", "gateway", "host_ip", "domain", "subnet6", "reach", NULL};
        const struct node *dhcp = node_get(network->node, "dhcp");
        gboolean has_uplink = project_is_set(network->node, "uplink");

        if (!has_uplink && !network->bridge && !network->external)
                check_fault(
                        check, "bridge-without-name", place,
                        "write 'bridge: br0' and 'external: true' for a bridge of the host, or 'uplink: eth0' for one of ours",
                        "network '%s': mode bridge needs the name of a bridge", network->name);
        else if (!has_uplink && !network->external && is_false(node_get(network->node, "external")))
                check_fault(check, "bridge-not-external", project_place(network->node, "bridge"),
                            "write 'external: true' if the bridge is there already",
                            "network '%s': mode bridge needs a bridge of the host, which is 'external'", network->name);
        for (const char *const *key = without; *key; key++)
                if (project_is_set(network->node, *key))
                        check_fault(check, "bridge-no-effect", project_place(network->node, *key), "remove it",
                                    "%s of network '%s' has no effect: with mode bridge, addresses come from outside", *key,
                                    network->name);
        if (!is_false(dhcp))
                check_fault(check, "bridge-no-dhcp", dhcp->place, "remove it",
                            "dhcp of network '%s' has no effect: with mode bridge, addresses come from outside", network->name);
}

static void
check_external(const struct check *check, const struct network *network)
{
        struct place place = project_place(network->node, "external");

        if (!network->external)
                return;
        if (!network->bridge)
                check_fault(check, "external-without-bridge", place, "write 'bridge: br0', the name of the bridge",
                            "network '%s' is external, but names no bridge", network->name);
        else if (network->mode != MODE_BRIDGE)
                check_fault(check, "external-mode", place, "write 'mode: bridge'",
                            "network '%s' is external, so that it can only be of mode bridge", network->name);
        if (check->project->isolation != ISOLATION_PRIVATE)
                return;
        store_refuse(check->store, place, "write 'isolation: host' and run drover as root",
                     "network '%s': a bridge of the host cannot be reached from a private namespace", network->name);
}

static void
check_uplink(const struct check *check, const struct network *network, GHashTable *uplinks)
{
        const struct network *other = g_hash_table_lookup(uplinks, network->uplink);
        struct place place = project_place(network->node, "uplink");

        if (network->mode != MODE_BRIDGE)
                check_fault(check, "uplink-mode", place, "write 'mode: bridge'",
                            "uplink of network '%s': only with mode bridge do guests and uplink share a network",
                            network->name);
        else if (network->external)
                check_fault(check, "uplink-external", place, "remove it, or 'external', for a bridge of ours",
                            "uplink of network '%s': a bridge that is external keeps the ports that it has", network->name);
        else if (g_strcmp0(network->uplink, network->bridge) == 0)
                check_fault(check, "uplink-is-bridge", place, "the uplink is an interface that is there, the bridge is made",
                            "uplink of network '%s': '%s' cannot be its bridge too", network->name, network->uplink);
        if (check->project->isolation == ISOLATION_PRIVATE)
                store_refuse(check->store, place, "write 'isolation: host' and run drover as root",
                             "uplink of network '%s': an interface of the host cannot join a bridge in a private namespace",
                             network->name);
        if (other)
                check_fault(check, "uplink-twice", place, "an interface is in one bridge at a time",
                            "uplink of network '%s': network '%s' has '%s' already", network->name, other->name,
                            network->uplink);
        else
                g_hash_table_insert(uplinks, (gpointer)network->uplink, (gpointer)network);
}

/* ---- reach, vxlan, network boot ---- */

static void
check_reach(const struct check *check, const struct network *network)
{
        const struct node *list = node_get(network->node, "reach");
        g_autofree char *subject = g_strdup_printf("reach of network '%s'", network->name);
        guint count = g_strv_length((char **)network->reach);

        for (guint i = 0; i < count; i++) {
                const char *name = network->reach[i];
                const struct network *other = project_find_network(check->project, name);
                struct place place = list->count == count ? list->items[i]->place : list->place;
                gboolean twice = FALSE;

                for (guint j = 0; j < i && !twice; j++)
                        twice = strcmp(network->reach[j], name) == 0;
                if (!other)
                        check_unknown(check, "reach-unknown", place, subject, "network", name, check->store->networks);
                else if (other == network)
                        check_fault(check, "reach-itself", place, "remove it", "%s: its guests reach each other anyway",
                                    subject);
                else if (twice)
                        check_fault(check, "reach-twice", place, NULL, "%s: '%s' is in the list twice", subject, name);
                else if (other->mode == MODE_BRIDGE)
                        check_fault(check, "reach-bridge", place, NULL,
                                    "%s: '%s' is of mode bridge, so that others decide who reaches it", subject, name);
                else if (network->host_ip_none || other->host_ip_none)
                        check_fault(check, "reach-without-host-ip", place, "remove 'host_ip: none' of both",
                                    "%s: the way to '%s' goes by this host, which needs an address on both networks", subject,
                                    name);
        }
}

static void
check_vxlan(const struct check *check, const struct network *network, GHashTable *ids)
{
        const struct vxlan *vxlan = network->vxlan;
        guint64 *key = store_alloc(check->store, sizeof *key);
        const struct network *other;

        if (network->external)
                check_fault(check, "vxlan-external", project_place(network->node, "vxlan"), NULL,
                            "vxlan of network '%s': a bridge that is external keeps the ports that it has", network->name);
        *key = (guint64)vxlan->port << 32 | vxlan->id;
        other = vxlan->id ? g_hash_table_lookup(ids, key) : NULL;
        if (other)
                check_fault(check, "vxlan-twice", project_place(vxlan->node, "id"), NULL,
                            "vxlan of network '%s': network '%s' has the id %u already", network->name, other->name, vxlan->id);
        else
                g_hash_table_insert(ids, key, (gpointer)network);
}

/* A name that stays below the folder. */
static gboolean
is_below(const char *path)
{
        g_auto(GStrv) parts = g_strsplit(path, "/", -1);

        return *path && *path != '/' && !g_strv_contains((const char *const *)parts, "..");
}

static void
check_boot_folder(const struct check *check, const struct network *network)
{
        const struct dhcp_boot *boot = network->dhcp.boot;
        g_autofree char *path = g_build_filename(boot->tftp_root, boot->file, NULL);
        struct place root = project_place(boot->node, "tftp_root");
        struct stat status;

        if (check->no_files)
                return;
        if (stat(boot->tftp_root, &status) < 0 || !S_ISDIR(status.st_mode))
                check_fault(check, "tftp-no-folder", root,
                            project_path_hint(&root, boot->tftp_root),
                            "tftp_root of network '%s': there is no folder '%s'", network->name, boot->tftp_root);
        else if (stat(path, &status) < 0 && errno == ENOENT)
                check_fault(check, "tftp-no-file", project_place(boot->node, "file"), NULL,
                            "boot of network '%s': there is no '%s' in '%s'", network->name, boot->file, boot->tftp_root);
}

static void
check_network_boot(const struct check *check, const struct network *network)
{
        const struct dhcp_boot *boot = network->dhcp.boot;

        if (!boot || !boot->file)
                return;
        if (!*boot->file)
                check_fault(check, "boot-file-empty", project_place(boot->node, "file"), "write 'file: pxelinux.0', say",
                            "boot of network '%s': the name of the file is empty", network->name);
        else if (boot->tftp_root && !is_below(boot->file))
                check_fault(check, "boot-file-outside", project_place(boot->node, "file"),
                            "write its name as it is below tftp_root",
                            "boot of network '%s': '%s' leads out of the folder that is served", network->name, boot->file);
        else if (boot->tftp_root)
                check_boot_folder(check, network);
}

/* ---- what no two networks may share ---- */

static void
check_bridge_names(const struct check *check)
{
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

        for (guint i = 0; i < check->project->network_count; i++) {
                const struct network *network = &check->project->networks[i];
                const struct network *other = network->bridge ? g_hash_table_lookup(seen, network->bridge) : NULL;

                if (other)
                        check_fault(check, "bridge-twice", project_place(network->node, "bridge"), NULL,
                                    "bridge of network '%s': network '%s' has the bridge '%s' already", network->name,
                                    other->name, network->bridge);
                else if (network->bridge)
                        g_hash_table_insert(seen, (gpointer)network->bridge, (gpointer)network);
        }
}

static int
compare_subnets(gconstpointer a, gconstpointer b)
{
        const struct network *one = *(const struct network *const *)a, *two = *(const struct network *const *)b;

        if (one->subnet.address != two->subnet.address)
                return one->subnet.address < two->subnet.address ? -1 : 1;
        return one < two ? -1 : one > two;
}

/* Sorted by first address, a subnet overlaps if it begins before the farthest end so far. */
static void
check_overlaps(const struct check *check)
{
        g_autoptr(GPtrArray) sorted = g_ptr_array_new();
        const struct network *widest = NULL;

        for (guint i = 0; i < check->project->network_count; i++)
                if (check->project->networks[i].subnet.prefix)
                        g_ptr_array_add(sorted, &check->project->networks[i]);
        g_ptr_array_sort(sorted, compare_subnets);
        for (guint i = 0; i < sorted->len; i++) {
                const struct network *network = sorted->pdata[i];

                if (widest && network->subnet.address <= check_subnet_last(&widest->subnet)) {
                        const struct network *later = network > widest ? network : widest;
                        const struct network *earlier = network > widest ? widest : network;
                        g_autofree char *mine = value_format_cidr4(&later->subnet),
                                        *theirs = value_format_cidr4(&earlier->subnet);

                        check_fault(check, "subnet-overlap", project_place(later->node, "subnet"), NULL,
                                    "subnet of network '%s': %s overlaps %s of network '%s'", later->name, mine, theirs,
                                    earlier->name);
                }
                if (!widest || check_subnet_last(&network->subnet) > check_subnet_last(&widest->subnet))
                        widest = network;
        }
}

static void
check_subnets6(const struct check *check)
{
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        for (guint i = 0; i < check->project->network_count; i++) {
                const struct network *network = &check->project->networks[i], *other;
                g_autofree char *cidr = network->subnet6.prefix ? value_format_cidr6(&network->subnet6) : NULL;

                if (!cidr)
                        continue;
                other = g_hash_table_lookup(seen, cidr);
                if (other)
                        check_fault(check, "subnet6-twice", project_place(network->node, "subnet6"), NULL,
                                    "subnet6 of network '%s': network '%s' has %s already", network->name, other->name, cidr);
                else
                        g_hash_table_insert(seen, g_steal_pointer(&cidr), (gpointer)network);
        }
}

void
check_networks(const struct check *check)
{
        g_autoptr(GHashTable) uplinks = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GHashTable) ids = g_hash_table_new(g_int64_hash, g_int64_equal);

        for (guint i = 0; i < check->project->network_count; i++) {
                const struct network *network = &check->project->networks[i];

                if (network->mode == MODE_BRIDGE)
                        check_bridge_mode(check, network, check_key_place(check, "networks", i));
                check_external(check, network);
                if (network->uplink)
                        check_uplink(check, network, uplinks);
                if (network->vxlan)
                        check_vxlan(check, network, ids);
                check_reach(check, network);
                check_network_boot(check, network);
        }
        check_subnets6(check);
        check_bridge_names(check);
        check_overlaps(check);
}
