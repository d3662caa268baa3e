/* state.c - state.json: what a project must remember as a whole */
#include "runtime/state.h"

#include "base/error.h"
#include "base/file.h"
#include "parser/keys/keys.h"
#include "parser/value/value.h"

#include <string.h>

static void
kept_network_free(gpointer data)
{
        struct kept_network *kept = data;

        g_free(kept->name);
        g_free(kept->bridge);
        g_strfreev(kept->uplinks);
        json_decref(kept->wish);
        g_free(kept);
}

static struct state *
state_new(void)
{
        struct state *state = g_new0(struct state, 1);

        state->networks = g_ptr_array_new_with_free_func(kept_network_free);
        return state;
}

void
state_free(struct state *state)
{
        if (!state)
                return;
        g_free(state->directory);
        g_ptr_array_unref(state->networks);
        g_free(state);
}

gboolean
state_check_schema(const json_t *object, const char *path, GError **error)
{
        gint64 schema = json_number(object, "schema", 0);

        if (schema < 1)
                return error_set(error, DROVER_ERROR_CORRUPT, "'%s' has no schema number", path);
        if (schema > STATE_SCHEMA) {
                error_set(error, DROVER_ERROR_UNSUPPORTED,
                          "'%s' was written by a newer drover (schema %" G_GINT64_FORMAT "; this one knows %d)", path, schema,
                          STATE_SCHEMA);
                return error_hint(error, "update drover on this host, or use the one that wrote it");
        }
        return TRUE;
}

static gboolean
read_network(struct state *state, const char *name, const json_t *object, const char *path, GError **error)
{
        const char *subnet = json_text(object, "subnet"), *bridge = json_text(object, "bridge");
        struct kept_network *kept;
        struct cidr4 cidr = {0};

        if (!bridge || !value_check_interface(bridge, NULL) || (subnet && !value_parse_cidr4(subnet, &cidr, NULL)))
                return error_set(error, DROVER_ERROR_CORRUPT, "'%s': network '%s' cannot be understood", path, name);
        kept = g_new0(struct kept_network, 1);
        kept->name = g_strdup(name);
        kept->bridge = g_strdup(bridge);
        kept->uplinks = json_text(object, "uplinks") ? g_strsplit(json_text(object, "uplinks"), " ", -1) : NULL;
        kept->subnet = cidr;
        kept->external = json_flag(object, "external");
        kept->wish = json_incref(json_object_get(object, "wish"));
        g_ptr_array_add(state->networks, kept);
        return TRUE;
}

struct state *
state_load(const struct paths *paths, GError **error)
{
        g_autofree char *path = g_build_filename(paths->data, "state.json", NULL);
        g_autoptr(state_t) state = state_new();
        g_autoptr(GError) reason = NULL;
        g_autoptr(json_t) root = json_read_file(path, &reason);
        const char *name;
        json_t *object;

        if (!root) {
                if (g_error_matches(reason, DROVER_ERROR, DROVER_ERROR_NOT_FOUND))
                        return g_steal_pointer(&state);
                g_propagate_error(error, g_steal_pointer(&reason));
                return NULL;
        }
        if (!state_check_schema(root, path, error))
                return NULL;
        state->exists = TRUE;
        state->directory = g_strdup(json_text(root, "directory"));
        state->isolation = g_strcmp0(json_text(root, "isolation"), "private") == 0 ? ISOLATION_PRIVATE : ISOLATION_HOST;
        json_object_foreach (json_object_get(root, "networks"), name, object)
                if (!read_network(state, name, object, path, error))
                        return NULL;
        return g_steal_pointer(&state);
}

static json_t *
encode(const struct state *state)
{
        json_t *root = json_object(), *networks = json_object();

        json_set(root, "schema", json_integer(STATE_SCHEMA));
        json_set_text(root, "directory", state->directory);
        json_set_text(root, "isolation", state->isolation == ISOLATION_PRIVATE ? "private" : "host");
        for (guint i = 0; i < state->networks->len; i++) {
                const struct kept_network *kept = g_ptr_array_index(state->networks, i);
                g_autofree char *subnet = value_format_cidr4(&kept->subnet);
                json_t *object = json_object();

                json_set_text(object, "bridge", kept->bridge);
                if (kept->uplinks) {
                        g_autofree char *uplinks = g_strjoinv(" ", kept->uplinks);

                        json_set_text(object, "uplinks", uplinks);
                }
                json_set_text(object, "subnet", kept->subnet.prefix ? subnet : NULL);
                json_set(object, "external", kept->external ? json_true() : NULL);
                json_set(object, "wish", json_incref(kept->wish));
                json_set(networks, kept->name, object);
        }
        json_set(root, "networks", networks);
        return root;
}

gboolean
state_save(const struct paths *paths, const struct state *state, GError **error)
{
        g_autofree char *path = g_build_filename(paths->data, "state.json", NULL);
        g_autoptr(json_t) root = encode(state);

        return json_write_file(path, root, 0600, error);
}

gboolean
state_put(const struct paths *paths, const struct state *state, GError **error)
{
        g_autofree char *path = g_build_filename(paths->data, "state.json", NULL);
        g_autoptr(json_t) root = encode(state);

        return json_put_file(path, root, 0600, error);
}

/* Images of the catalogue become some of the project's: what reads this finds no user's files. */
static void
put_catalogued(json_t *root, const struct project *project)
{
        for (guint i = 0; i < project->declared_vm_count; i++) {
                const struct vm *vm = &project->declared_vms[i];
                json_t *images = json_object_get(root, "images");

                if (!vm->catalogued)
                        continue;
                if (!images)
                        json_object_set_new(root, "images", images = json_object());
                if (!json_object_get(images, vm->image_name))
                        json_object_set_new(images, vm->image_name, keys_encode(&keys_image, vm->catalogued, FALSE));
        }
}

gboolean
state_put_project(const struct paths *paths, const struct project *project, GError **error)
{
        g_autofree char *path = g_build_filename(paths->data, PROJECT_FILE, NULL);
        g_autoptr(json_t) root = keys_encode(&keys_project, project, FALSE);

        put_catalogued(root, project);
        return json_put_file(path, root, 0600, error);
}

const struct kept_network *
state_network(const struct state *state, const char *name)
{
        for (guint i = 0; i < state->networks->len; i++) {
                const struct kept_network *kept = g_ptr_array_index(state->networks, i);

                if (strcmp(kept->name, name) == 0)
                        return kept;
        }
        return NULL;
}

/* Those that joined once may still be there when drover was killed. */
static char **
keep_uplinks(const struct kept_network *before, const char *uplink)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        for (char **name = before ? before->uplinks : NULL; name && *name; name++)
                if (g_strcmp0(*name, uplink) != 0)
                        g_ptr_array_add(names, g_strdup(*name));
        if (uplink)
                g_ptr_array_add(names, g_strdup(uplink));
        if (!names->len)
                return NULL;
        g_ptr_array_add(names, NULL);
        return (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

void
state_keep_network(struct state *state, const struct network *network)
{
        struct kept_network *kept = g_new0(struct kept_network, 1);

        kept->name = g_strdup(network->name);
        kept->bridge = g_strdup(network->bridge);
        kept->uplinks = keep_uplinks(state_network(state, network->name), network->uplink);
        kept->subnet = network->subnet;
        kept->external = network->external;
        kept->wish = keys_encode(&keys_network, network, TRUE);
        state_forget_network(state, network->name);
        g_ptr_array_add(state->networks, kept);
}

void
state_forget_network(struct state *state, const char *name)
{
        const struct kept_network *kept = state_network(state, name);

        if (kept)
                g_ptr_array_remove(state->networks, (gpointer)kept);
}
