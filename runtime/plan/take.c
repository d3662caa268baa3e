/* take.c - an applied wish takes over single changes of a wanted one
 *
 * A change that is made while a VM runs becomes part of what it was started with; all others keep on waiting. A wish has two
 * sides, with and without defaults, whose lists have their items in the same order: they are changed together.
 */
#include "runtime/plan/plan_build.h"

struct pair {
        json_t *wish, *set;
};

static void take(struct pair to, struct pair from, char **parts);

static void
replace(json_t *to, const json_t *from, const char *key)
{
        const json_t *value = json_object_get(from, key);

        if (value)
                json_object_set_new(to, key, json_deep_copy(value));
        else
                json_object_del(to, key);
}

static struct pair
get_pair(struct pair pair, const char *key)
{
        return (struct pair){json_object_get(pair.wish, key), json_object_get(pair.set, key)};
}

/* The side that the file did not write may lack the container as a whole. */
static struct pair
make_pair(struct pair pair, const char *key, gboolean list)
{
        if (pair.wish && !json_object_get(pair.wish, key))
                json_object_set_new(pair.wish, key, list ? json_array() : json_object());
        if (pair.set && !json_object_get(pair.set, key))
                json_object_set_new(pair.set, key, list ? json_array() : json_object());
        return get_pair(pair, key);
}

static size_t
find_item(const json_t *list, const char *name)
{
        const json_t *item;
        size_t i;

        json_array_foreach (list, i, item)
                if (g_strcmp0(plan_item_name(item), name) == 0)
                        return i;
        return G_MAXSIZE;
}

static struct pair
item_at(struct pair list, size_t i)
{
        return (struct pair){json_array_get(list.wish, i), json_array_get(list.set, i)};
}

static json_t *
copy_of(const json_t *value)
{
        return value ? json_deep_copy(value) : json_null();
}

static void
take_item(struct pair to, struct pair from, char **parts)
{
        size_t here = find_item(to.wish, parts[0]), there = find_item(from.wish, parts[0]);
        struct pair wanted = item_at(from, there);

        if (there == G_MAXSIZE && here != G_MAXSIZE) {
                json_array_remove(to.wish, here);
                json_array_remove(to.set, here);
        } else if (there != G_MAXSIZE && here == G_MAXSIZE) {
                json_array_append_new(to.wish, copy_of(wanted.wish));
                json_array_append_new(to.set, copy_of(wanted.set));
        } else if (there != G_MAXSIZE) {
                struct pair item = item_at(to, here);

                if (parts[1] && json_is_object(item.wish) && json_is_object(wanted.wish))
                        take(item, wanted, parts + 1);
        }
}

static void
take(struct pair to, struct pair from, char **parts)
{
        struct pair below = get_pair(to, parts[0]), wanted = get_pair(from, parts[0]);
        const json_t *shape = below.wish ? below.wish : wanted.wish;
        gboolean container = json_is_object(shape) || json_is_array(shape);

        if (!parts[1] || !container || (below.wish && wanted.wish && json_typeof(below.wish) != json_typeof(wanted.wish))) {
                replace(to.wish, from.wish, parts[0]);
                replace(to.set, from.set, parts[0]);
                return;
        }
        below = make_pair(to, parts[0], json_is_array(shape));
        if (json_is_array(shape))
                take_item(below, wanted, parts + 1);
        else
                take(below, wanted, parts + 1);
}

void
plan_take_change(struct spec *spec, const struct spec *wanted, const char *key)
{
        g_auto(GStrv) parts = g_strsplit(key, ".", -1);

        if (*parts)
                take((struct pair){spec->wish, spec->set}, (struct pair){wanted->wish, wanted->set}, parts);
}
