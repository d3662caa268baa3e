/* ls.c - drover ls: all projects on this host, from what lives */
#include "cmd/print.h"

#include "base/file.h"
#include "base/text.h"
#include "runtime/vm/vm.h"

struct ls_options {
        gboolean all, quiet;
        char *format;
};

struct listed {
        char *name, *directory, *reason; /* reason: why nothing can be said, or NULL */
        guint alive, total;
};

static void
listed_clear(struct listed *listed)
{
        g_free(listed->name);
        g_free(listed->directory);
        g_free(listed->reason);
}

/* One broken project spoils nobody else's line. */
static struct listed
look_at(const char *name)
{
        g_autoptr(paths_t) paths = paths_new(name);
        g_autofree char *vms = g_build_filename(paths->data, "vms", NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(state_t) state = state_load(paths, &error);
        g_autoptr(GPtrArray) names = file_list_directory(vms, error ? NULL : &error);
        struct listed listed = {.name = g_strdup(name)};

        for (guint i = 0; names && i < names->len; i++) {
                const char *vm = g_ptr_array_index(names, i);

                g_autoptr(spec_t) spec = text_is_name(vm) ? spec_load(paths, vm, NULL) : NULL;
                gboolean alive = text_is_name(vm) && vm_is_locked(paths, vm);

                listed.total += alive || (spec && spec->present); /* after `down` only disks and names are left */
                listed.alive += alive;
        }
        listed.directory = state ? g_strdup(state->directory) : NULL;
        listed.reason = error ? g_strdup(error->message) : NULL;
        return listed;
}

static json_t *
listed_to_json(const struct listed *listed)
{
        json_t *item = json_object();

        json_set_text(item, "name", listed->name);
        json_set_text(item, "state", listed->reason ? "unreadable" : listed->alive ? "running" : "stopped");
        json_set(item, "running", json_integer(listed->alive));
        json_set(item, "vms", json_integer(listed->total));
        json_set_text(item, "directory", listed->directory);
        json_set_text(item, "error", listed->reason);
        return item;
}

static void
list_one(struct listing *listing, const struct listed *listed)
{
        g_autofree char *state = listed->reason  ? g_strdup("unreadable")
                                 : listed->alive ? g_strdup_printf("running(%u)", listed->alive)
                                                 : g_strdup("stopped");
        g_autofree char *total = g_strdup_printf("%u", listed->total);

        if (listing->form == LISTING_NAMES)
                printf("%s\n", listed->name);
        else if (listing->form == LISTING_JSON)
                json_array_append_new(listing->items, listed_to_json(listed));
        else
                table_add(listing->table, listed->name, state, total, listed->reason ? listed->reason : listed->directory);
}

static int
run_ls(struct verb_call *call)
{
        static const char *const titles[] = {"NAME", "STATE", "VMS", "DIRECTORY", NULL};
        const struct ls_options *options = call->options;
        g_autoptr(paths_t) paths = paths_new("x");
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) names = file_list_directory(paths->data_root, &error);
        struct listing listing;

        if (!names)
                return print_error(error);
        listing_begin(&listing, options->quiet, options->format, titles);
        for (guint i = 0; i < names->len; i++) {
                const char *name = g_ptr_array_index(names, i);
                g_autofree char *path = g_build_filename(paths->data_root, name, NULL);
                struct listed listed;

                if (!text_is_name(name) || !g_file_test(path, G_FILE_TEST_IS_DIR))
                        continue;
                listed = look_at(name);
                if (listed.alive || listed.reason || options->all)
                        list_one(&listing, &listed);
                listed_clear(&listed);
        }
        listing_end(&listing, "projects");
        return EXIT_DONE;
}

#define ROW(...) OPTION_ROW(struct ls_options, __VA_ARGS__)

static const struct option_row rows[] = {
        ROW("all", 'a', OPTION_FLAG, NULL, all, "Also projects of which nothing runs"),
        ROW("quiet", 'q', OPTION_FLAG, NULL, quiet, "Names only"),
        ROW("format", 0, OPTION_TEXT, "table|json", format, "How to print them"),
        {NULL},
};

const struct verb verb_ls = {
        .name = "ls",
        .synopsis = "",
        .help = "List the projects on this host",
        .text = "root's projects and a user's are different ones: each sees its own.",
        VERB_OPTIONS(rows, struct ls_options),
        .run = run_ls,
};
