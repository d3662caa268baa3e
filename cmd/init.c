/* init.c - drover init: a project file to begin with, which plans as it is */
#include "cmd/print.h"
#include "cmd/yaml.h"

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

struct init_options {
        gboolean minimal;
        char *output;
};

/* Lines that begin with '#' in the first column are only for those who read; --minimal leaves them out. */
static const char text_head[] =
        "# The project file of drover: 'drover plan' shows what it means for this host, 'drover up' does it.\n"
        "# 'drover explain vms' lists the keys of a VM, drover.yaml(5) has them all.\n";

static const char text_networks[] = "\n"
                                    "# Each network is a bridge with DHCP and DNS: VMs find each other by name.\n"
                                    "networks:\n"
                                    "  lan:\n"
                                    "#   subnet: 10.20.0.0/24        # default: a free one\n"
                                    "#   mode: isolated              # no way out; default: nat\n"
                                    "\n"
                                    "vms:\n"
                                    "  web:\n";

static const char text_no_image[] = "#   image: ./debian-12.qcow2    # a disk image to start from; it is never changed itself\n"
                                    "    disk: 10G\n";

static const char text_vm[] = "    cpus: 1\n"
                              "    memory: 512M\n"
                              "    networks: [lan]\n"
                              "#   boot: {kernel: ./vmlinuz, initrd: ./initrd, cmdline: \"console=ttyS0\"}\n"
                              "#   disks:                      # further disks; the ones of this VM go with it\n"
                              "#     - {name: data, size: 20G}\n"
                              "#     - {file: ./install.iso, media: cdrom}\n"
                              "#   labels: {role: web}\n"
                              "\n"
                              "# db:\n"
                              "#   image: ./debian-12.qcow2\n"
                              "#   networks: [lan]\n"
                              "#   depends_on: [web]           # started after web, stopped before it\n";

static char *
without_comments(const char *text)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        GString *out = g_string_new(NULL);

        for (char **line = lines; *line; line++)
                if (**line && **line != '#')
                        g_string_append_printf(out, "%s\n", *line);
        return g_string_free(out, FALSE);
}

/* A file of the present directory is named as such, so that it is not taken for a name of an image. */
static char *
image_line(const char *image)
{
        g_autofree char *path =
                strpbrk(image, "/~") || *image == '.' || !file_exists(image) ? g_strdup(image) : g_strconcat("./", image, NULL);
        g_auto(GStrv) parts = g_strsplit(path, "$", -1);
        g_autofree char *escaped = g_strjoinv("$$", parts);
        g_autofree char *scalar = yaml_scalar(escaped);

        return g_strdup_printf("    image: %s\n", scalar);
}

static char *
make_text(const char *name, const char *image, gboolean minimal)
{
        g_autofree char *disk = image ? image_line(image) : g_strdup(text_no_image);
        g_autofree char *whole = g_strdup_printf("%sname: %s\n%s%s%s", text_head, name, text_networks, disk, text_vm);

        return minimal ? without_comments(whole) : g_steal_pointer(&whole);
}

/* The project's name: -p, else the directory's, made fit. */
static char *
choose_name(const char *directory, const char *wish, GError **error)
{
        g_autofree char *base = g_path_get_basename(directory);
        g_autofree char *name = text_make_name(base);

        if (wish && !text_is_name(wish)) {
                g_autofree char *shown = text_make_printable(wish, -1);

                error_set(error, DROVER_ERROR_USAGE, "'%s' is no name for a project", shown);
                error_hint(error, "small letters, digits and inner hyphens, at most 40");
                return NULL;
        }
        if (wish)
                return g_strdup(wish);
        return text_is_name(name) ? g_steal_pointer(&name) : g_strdup("lab");
}

/* Would it plan? An image that is not there, or is named, is told now rather than by the next command. */
static int
check_text(const char *text, const char *directory)
{
        const struct load_options options = {.directory = directory};
        struct diagnostics *diagnostics = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(project_t) project = project_load_text(text, strlen(text), &options, &diagnostics, &error);
        int status = EXIT_DONE;

        if (!project || project_refusals(project, diagnostics) > 0) {
                print_diagnostics(diagnostics, TRUE);
                status = EXIT_CONFIG;
        }
        diagnostics_free(diagnostics);
        return status;
}

static gboolean
fail_exists(const char *path, GError **error)
{
        error_set(error, DROVER_ERROR_EXISTS, "there is a '%s' already", path);
        return error_hint(error, "'drover plan' shows what it means; --output FILE writes elsewhere");
}

static gboolean
write_new(const char *path, const char *text, GError **error)
{
        FILE *file = fopen(path, "wxe");
        gboolean ok;

        if (!file && errno == EEXIST)
                return fail_exists(path, error);
        if (!file)
                return error_errno(error, "cannot write '%s'", path);
        ok = fputs(text, file) >= 0;
        return (fclose(file) == 0 && ok) || error_errno(error, "cannot write '%s'", path);
}

static int
write_file(const char *path, const char *text, gboolean dry_run)
{
        g_autoptr(GError) error = NULL;
        gboolean is_usual = strcmp(path, "drover.yaml") == 0;

        if (is_usual && file_exists("drover.yml"))
                fail_exists("drover.yml", &error);
        else if (file_exists(path))
                fail_exists(path, &error);
        else if (!dry_run)
                write_new(path, text, &error);
        if (error)
                return print_error(error);
        print_info(dry_run ? "would write '%s'" : "wrote '%s'", path);
        if (is_usual && !dry_run)
                print_info("'drover plan' shows what it means for this host, 'drover up' does it");
        return EXIT_DONE;
}

static int
run_init(struct verb_call *call)
{
        const struct init_options *options = call->options;
        const char *path = options->output ? options->output : "drover.yaml";
        g_autofree char *current = g_get_current_dir(), *absolute = g_canonicalize_filename(path, NULL);
        g_autofree char *directory = strcmp(path, "-") == 0 ? g_strdup(current) : g_path_get_dirname(absolute);
        g_autofree char *name = NULL, *text = NULL;
        g_autoptr(GError) error = NULL;
        int status;

        if (call->globals->files)
                return print_usage_error("'init' reads no project file: --output names the one that it writes");
        name = choose_name(directory, call->globals->project_name, &error);
        if (!name)
                return print_error(error);
        text = make_text(name, call->arguments[0], options->minimal);
        status = check_text(text, directory);
        if (status != EXIT_DONE)
                return status;
        if (strcmp(path, "-") != 0)
                return write_file(path, text, call->globals->dry_run);
        fputs(text, stdout);
        return EXIT_DONE;
}

static const struct option_row rows[] = {
        OPTION_ROW(struct init_options, "minimal", 'm', OPTION_FLAG, NULL, minimal, "Without comments"),
        OPTION_ROW(struct init_options, "output", 0, OPTION_TEXT, "FILE", output,
                   "Write this file instead of drover.yaml; -: print it"),
        {NULL},
};

const struct verb verb_init = {
        .name = "init",
        .synopsis = "[IMAGE]",
        .help = "Write a project file to begin with",
        .text = "It has one VM on one network, and plans as it is; IMAGE is what the VM's disk starts from. The project is "
                "named "
                "after the directory. A file that is there is never overwritten.",
        .max_arguments = 1,
        .options = rows,
        .options_size = sizeof(struct init_options),
        .run = run_init,
};
