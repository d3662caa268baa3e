/* config.c - drover config: the project file as understood */
#include "cmd/operate.h"
#include "cmd/select.h"
#include "cmd/yaml.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "parser/text/origin.h"
#include "parser/variables/interpolate.h"

#include <string.h>

struct config_options {
        gboolean quiet, origin, vms, networks, images, profiles, hash, variables;
        char *format, *qemu;
};

/* One a line, or as a list of that name. */
static int
print_names(const char *title, const GPtrArray *names, gboolean json)
{
        json_t *list = json_array();

        for (guint i = 0; i < names->len; i++) {
                g_autofree char *valid = g_utf8_make_valid(names->pdata[i], -1);

                json_array_append_new(list, json_string(valid));
                if (!json)
                        printf("%s\n", (const char *)names->pdata[i]);
        }
        if (json)
                print_document(title, list);
        else
                json_decref(list);
        return EXIT_DONE;
}

static int
print_vms(struct verb_call *call, gboolean json)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        for (guint i = 0; i < call->project->vm_count; i++)
                g_ptr_array_add(names, (char *)call->project->vms[i].name);
        return print_names("vms", names, json);
}

static int
print_networks(struct verb_call *call, gboolean json)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        for (guint i = 0; i < call->project->network_count; i++)
                g_ptr_array_add(names, (char *)call->project->networks[i].name);
        return print_names("networks", names, json);
}

/* Each once, in the order of the file. */
static int
print_images(struct verb_call *call, gboolean json)
{
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        for (guint i = 0; i < call->project->vm_count; i++) {
                const struct vm *vm = &call->project->vms[i];
                const char *image = vm->image_url ? vm->image_url : vm->image_name ? vm->image_name : vm->image;

                if (image && g_hash_table_add(seen, (char *)image))
                        g_ptr_array_add(names, (char *)image);
        }
        return print_names("images", names, json);
}

static int
print_profiles(struct verb_call *call, gboolean json)
{
        g_autofree const char **profiles = project_profiles(call->project);
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        for (const char **name = profiles; *name; name++)
                g_ptr_array_add(names, (char *)*name);
        return print_names("profiles", names, json);
}

static char *
hash_of(const struct vm *vm)
{
        g_autoptr(json_t) wish = keys_encode(&keys_vm, vm, TRUE);
        g_autofree char *text = json_dumps(wish, JSON_COMPACT | JSON_SORT_KEYS);

        return g_compute_checksum_for_string(G_CHECKSUM_SHA256, text ? text : "", -1);
}

/* A VM's hash changes with anything that the file says of it, and with nothing else. */
static int
print_hashes(struct verb_call *call, gboolean json)
{
        const struct project *project = call->project;
        const char *const *names = (const char *const *)call->arguments;
        json_t *list = json_array();

        for (guint i = 0; i < project->vm_count; i++) {
                const struct vm *vm = &project->vms[i];
                g_autofree char *hash = NULL;

                if (*names && !project_is_named(project, names, vm->name))
                        continue;
                hash = hash_of(vm);
                json_array_append_new(list, json_pack("{s:s, s:s}", "name", vm->name, "hash", hash));
                if (!json)
                        printf("%s %s\n", vm->name, hash);
        }
        if (json)
                print_document("hashes", list);
        else
                json_decref(list);
        return EXIT_DONE;
}

static gint
compare_variables(gconstpointer a, gconstpointer b)
{
        return strcmp((*(const struct file_variable *const *)a)->name, (*(const struct file_variable *const *)b)->name);
}

static json_t *
variable_to_json(const struct file_variable *variable)
{
        json_t *item = json_object();

        json_set_text(item, "name", variable->name);
        json_set(item, "required", json_boolean(variable->required));
        json_set_text(item, "default", variable->fallback);
        json_set_text(item, "alternate", variable->alternate);
        return item;
}

/* By name. The values are not shown: some are secrets. */
static int
print_variables(struct verb_call *call, gboolean json)
{
        static const char *const titles[] = {"NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE", NULL};
        g_autoptr(table_t) table = table_new(titles);
        GPtrArray *variables = call->variables;
        json_t *list = json_array();

        g_ptr_array_sort(variables, compare_variables);
        for (guint i = 0; i < variables->len; i++) {
                const struct file_variable *variable = variables->pdata[i];

                json_array_append_new(list, variable_to_json(variable));
                table_add(table, variable->name, variable->required ? "true" : "false", variable->fallback,
                          variable->alternate);
        }
        if (json) {
                print_document("variables", list);
                return EXIT_DONE;
        }
        json_decref(list);
        table_print(table);
        return EXIT_DONE;
}

static gboolean
wants_variables(const struct verb_call *call)
{
        return ((const struct config_options *)call->options)->variables;
}

static gboolean
names_one(const struct verb_call *call)
{
        return ((const struct config_options *)call->options)->qemu != NULL;
}

static gboolean
only_checks(const struct verb_call *call)
{
        return ((const struct config_options *)call->options)->quiet;
}

static gboolean
check_name(const struct project *project, const char *name, GError **error)
{
        const struct vm *declared = project_find_declared(project, name);
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autofree char *shown = text_make_printable(name, -1);
        const char *meant;

        if (project_find_vm(project, name) || (declared && strcmp(declared->name, name) == 0))
                return TRUE;
        for (guint i = 0; i < project->vm_count; i++)
                g_ptr_array_add(names, (char *)project->vms[i].name);
        g_ptr_array_add(names, NULL);
        meant = text_suggest(name, (const char *const *)names->pdata);
        error_set(error, DROVER_ERROR_NOT_FOUND, "there is no vm '%s' in project '%s'", shown, project->name);
        return meant ? error_hint(error, "did you mean '%s'?", meant) : FALSE;
}

/* One VM that is wished: neither dormant, nor many. */
static gboolean
check_wished(const struct project *project, const char *name, GError **error)
{
        const struct vm *declared = project_find_declared(project, name);

        if (!check_name(project, name, error))
                return FALSE;
        if (project_find_vm(project, name))
                return TRUE;
        if (declared->dormant) {
                error_set(error, DROVER_ERROR_USAGE, "none of the profiles of vm '%s' is asked for", name);
                return error_hint(error, "'drover --profile %s config ...' asks for one", declared->profiles[0]);
        }
        error_set(error, DROVER_ERROR_USAGE, "'%s' is %u VMs", name, declared->wished_count);
        return declared->wished_count ? error_hint(error, "name one of them: '%s-1', say", name) : FALSE;
}

static int
print_faults(const struct session *session, const struct resolved_vm *vm)
{
        struct diagnostics *faults = project_diagnostics(session->project);

        faults_tell(session->resolved->faults, SEVERITY_ERROR, NULL, faults);
        faults_tell(vm->faults, SEVERITY_ERROR, NULL, faults);
        diagnostics_sort(faults);
        print_diagnostics(faults, TRUE);
        diagnostics_free(faults);
        return EXIT_CONFIG;
}

/* What is not built yet would be missing from the arguments. */
static gboolean
is_refused(const struct project *project)
{
        struct diagnostics *refusals = project_diagnostics(project);
        gboolean refused = project_refusals(project, refusals) > 0;

        diagnostics_sort(refusals);
        print_diagnostics(refusals, TRUE);
        diagnostics_free(refusals);
        return refused;
}

/* The exact argument vector, as `up` would start it now; descriptors from 3 on are those that drover hands over. */
static int
print_qemu(struct verb_call *call, gboolean json)
{
        const char *name = ((const struct config_options *)call->options)->qemu;
        struct observe_options look = {.images = TRUE, .network = TRUE};
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;
        g_autoptr(session_t) session = NULL;
        g_autoptr(qemu_command_t) command = NULL;
        g_autoptr(GPtrArray) line = g_ptr_array_new_with_free_func(g_free);
        const struct resolved_vm *resolved;

        if (!check_wished(call->project, name, &error))
                return print_error(error);
        if (is_refused(call->project))
                return EXIT_CONFIG;
        session = operate_open(call, &look, FALSE, &status);
        if (!session)
                return status;
        if (world_vm(session->world, name)->error)
                return print_error(world_vm(session->world, name)->error);
        resolved = &session->resolved->vms[project_find_vm(session->project, name) - session->project->vms];
        if (faults_blame(session->resolved->faults) || faults_blame(resolved->faults))
                return print_faults(session, resolved);
        command = qemu_command_build(&resolved->launch);
        if (session->world->qemu) {
                g_free(command->argv[0]);
                command->argv[0] = g_strdup(session->world->qemu->path);
        }
        if (!json)
                g_ptr_array_add(line, text_quote_argv((const char *const *)command->argv));
        for (char **argument = command->argv; json && *argument; argument++)
                g_ptr_array_add(line, g_strdup(*argument));
        return print_names("arguments", line, json);
}

/* "base.yaml:12, extended from vm 'server' at drover.yaml:3"; @name: what -p says, or NULL */
static char *
describe_origin(const struct value_origin *origin, const char *name)
{
        const struct origin *via = origin->place.via;
        g_autoptr(GString) text = g_string_new(NULL);

        if (name && strcmp(origin->path, "name") == 0)
                return g_strdup("-p");
        if (!origin->place.source || !origin->place.line)
                return g_strdup("default");
        g_string_append_printf(text, "%s:%u", origin->place.source->name, origin->place.line);
        for (guint i = 0; via && i <= ORIGINS_SHOWN; i++, via = via->next) {
                g_autofree char *step = i < ORIGINS_SHOWN ? origin_format(via) : NULL;

                g_string_append_printf(text, ", %s", step ? step : "...");
        }
        return text_make_printable(text->str, -1);
}

static json_t *
via_to_json(const struct origin *via)
{
        json_t *list = json_array();

        for (guint i = 0; via && i < ORIGINS_SHOWN; i++, via = via->next) {
                json_t *step = json_pack("{s:s}", "text", via->text);

                if (via->place.source && via->place.line)
                        json_object_update_new(step, json_pack("{s:s, s:I}", "file", via->place.source->name, "line",
                                                               (json_int_t)via->place.line));
                json_array_append_new(list, step);
        }
        return list;
}

/* A default has no file and no line, and neither has what -p says. */
static json_t *
origin_to_json(const struct value_origin *origin, const char *name)
{
        static const struct place nowhere = {NULL};
        gboolean is_named = name && strcmp(origin->path, "name") == 0;
        const struct place *place = is_named ? &nowhere : &origin->place;
        json_t *object = json_pack("{s:s, s:O, s:b}", "path", origin->path, "value", origin->value, "default",
                                   !is_named && !(place->source && place->line));

        if (place->source && place->line)
                json_object_update_new(object, json_pack("{s:s, s:I, s:I, s:o}", "file", place->source->name, "line",
                                                         (json_int_t)place->line, "column", (json_int_t)place->column, "via",
                                                         via_to_json(place->via)));
        return object;
}

/* Each value with where it is written and how it got there. */
static int
print_origins(struct verb_call *call, gboolean json)
{
        const struct project *project = call->project;
        const char *name = call->globals->project_name;
        g_autoptr(json_t) file = keys_encode(&keys_project, project, TRUE);
        g_autoptr(GPtrArray) origins = project_origins(project, file), notes = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *text = NULL;
        json_t *list = json_array();

        for (guint i = 0; i < origins->len; i++) {
                if (json)
                        json_array_append_new(list, origin_to_json(origins->pdata[i], name));
                else
                        g_ptr_array_add(notes, describe_origin(origins->pdata[i], name));
        }
        if (json) {
                print_document("origins", list);
                return EXIT_DONE;
        }
        json_decref(list);
        text = yaml_format_with_notes(file, notes);
        fputs(text, stdout);
        return EXIT_DONE;
}

static int
print_whole(struct verb_call *call, gboolean json)
{
        g_autoptr(json_t) file = keys_encode(&keys_project, call->project, TRUE);
        g_autofree char *text = NULL;

        if (json) {
                print_json(g_steal_pointer(&file));
                return EXIT_DONE;
        }
        text = yaml_format(file);
        fputs(text, stdout);
        return EXIT_DONE;
}

/* What is wrong was told when the file was read. */
static int
print_nothing(struct verb_call *call, gboolean json)
{
        return EXIT_DONE;
}

/* What may be printed: one of them, or the whole where none is asked for. */
struct view {
        gboolean asked;
        const char *option;
        gboolean is_file; /* a project file: --format yaml says something of it */
        int (*print)(struct verb_call *call, gboolean json);
};

/* The one that is asked for; NULL after a usage error. */
static const struct view *
find_view(const struct view *views, const struct config_options *options)
{
        const struct view *view = views;

        while (!view->asked)
                view++;
        for (const struct view *other = view + 1; view->option && other->option; other++)
                if (other->asked) {
                        print_usage_error("%s and %s exclude each other: each says what is printed", view->option,
                                          other->option);
                        return NULL;
                }
        if (!view->is_file && g_strcmp0(options->format, "yaml") == 0) {
                print_usage_error("%s and --format yaml exclude each other: what is printed is no project file", view->option);
                return NULL;
        }
        return view;
}

static int
run_config(struct verb_call *call)
{
        const struct config_options *options = call->options;
        const struct view views[] = {
                {options->quiet, "--quiet", TRUE, print_nothing},
                {options->vms, "--vms", FALSE, print_vms},
                {options->networks, "--networks", FALSE, print_networks},
                {options->images, "--images", FALSE, print_images},
                {options->profiles, "--profiles", FALSE, print_profiles},
                {options->hash, "--hash", FALSE, print_hashes},
                {options->qemu != NULL, "--qemu", FALSE, print_qemu},
                {options->variables, "--variables", FALSE, print_variables},
                {options->origin, "--origin", TRUE, print_origins},
                {TRUE, NULL, TRUE, print_whole},
        };
        const struct view *view = find_view(views, options);
        g_autoptr(GError) error = NULL;

        if (!view)
                return EXIT_USAGE;
        if (*call->arguments && !options->hash)
                return print_usage_error("'config' takes names only with --hash");
        for (char **name = call->arguments; *name; name++)
                if (!check_name(call->project, *name, &error))
                        return print_error(error);
        return view->print(call, g_strcmp0(options->format, "json") == 0);
}

#define ROW(...) OPTION_ROW(struct config_options, __VA_ARGS__)

static const struct option_row rows[] = {
        ROW("quiet", 'q', OPTION_FLAG, NULL, quiet, "Only check the file"),
        ROW("format", 0, OPTION_TEXT, "yaml|json", format, "How to print it"),
        ROW("vms", 0, OPTION_FLAG, NULL, vms, "Names of the VMs"),
        ROW("networks", 0, OPTION_FLAG, NULL, networks, "Names of the networks"),
        ROW("images", 0, OPTION_FLAG, NULL, images, "Images of the VMs: paths, URLs, names"),
        ROW("hash", 0, OPTION_FLAG, NULL, hash, "A hash of what the file says of each VM, or of those named"),
        ROW("qemu", 0, OPTION_TEXT, "VM", qemu, "The exact QEMU command line of a VM, quoted for a shell"),
        ROW("variables", 0, OPTION_FLAG, NULL, variables, "Variables that the file names, with their defaults"),
        ROW("origin", 0, OPTION_FLAG, NULL, origin, "Each value with the file and line where it is written"),
        ROW("profiles", 0, OPTION_FLAG, NULL, profiles, "Names of the profiles"),
        {NULL},
};

const struct verb verb_config = {
        .name = "config",
        VERB_OF_VMS,
        .help = "Print the project file as understood",
        .text = "With all defaults, in canonical spelling; what is printed is a project file again. Errors in the file are "
                "all printed, with their place; with --format json also as data.",
        .needs = NEEDS_PROJECT | NEEDS_FILES,
        VERB_OPTIONS(rows, struct config_options),
        .names_one = names_one,
        .wants_variables = wants_variables,
        .only_checks = only_checks,
        .run = run_config,
};
