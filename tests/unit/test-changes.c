/* test-changes.c - a change of every key of the table is planned as tests/plan/changes.txt says, which people have read
 *
 *     test-changes [--accept]        --accept writes the plans anew, never the classes
 *
 * The file has a block for each key that is built: the key and its class, `- ` lines of a project file that runs, `+ ` lines of
 * the edited one, and the plan, a step a line. The class of the block has to be that of the table's row, and the plan has to
 * hold a step of that class. What runs is made up: VMs with the specs of the first file, its bridges, and dnsmasq and the
 * firewall with the texts that it gives.
 */
#include "tests/unit/plan-bench.h"

#include "base/error.h"
#include "base/file.h"
#include "network/dnsmasq.h"

#define CHANGES "tests/plan/changes.txt"

static gboolean accept_output;

struct block {
        char *key, *class;
        GString *before, *after, *plan;
};

static void
block_free(gpointer data)
{
        struct block *block = data;

        g_free(block->key);
        g_free(block->class);
        g_string_free(block->before, TRUE);
        g_string_free(block->after, TRUE);
        g_string_free(block->plan, TRUE);
        g_free(block);
}

static struct block *
block_new(const char *line)
{
        g_auto(GStrv) words = g_strsplit(line, " ", 2);
        struct block *block = g_new0(struct block, 1);

        g_assert_cmpuint(g_strv_length(words), ==, 2);
        block->key = g_strdup(words[0]);
        block->class = g_strdup(words[1]);
        block->before = g_string_new(NULL);
        block->after = g_string_new(NULL);
        block->plan = g_string_new(NULL);
        return block;
}

/* What stands before the first block goes to @ret_head. */
static GPtrArray *
read_blocks(char **ret_head)
{
        GPtrArray *blocks = g_ptr_array_new_with_free_func(block_free);
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        GString *head = g_string_new(NULL);
        struct block *block = NULL;

        g_assert_true(file_read(CHANGES, 1 << 20, &text, NULL, NULL));
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                if (**line == '#')
                        g_string_append_printf(head, "%s\n", *line);
                else if (!**line)
                        block = NULL;
                else if (!block)
                        g_ptr_array_add(blocks, block = block_new(*line));
                else
                        g_string_append_printf(g_str_has_prefix(*line, "- ")   ? block->before
                                               : g_str_has_prefix(*line, "+ ") ? block->after
                                                                               : block->plan,
                                               "%s\n", *line + 2);
        }
        *ret_head = g_string_free(head, FALSE);
        return blocks;
}

/* ---- a host on which the first file runs ---- */

static void
add_link(struct links *links, const struct project *project, const struct network *network)
{
        struct link link = {.ifindex = (int)links->links->len + 1, .mtu = network->mtu, .up = TRUE, .group = LAB_LINK_GROUP,
                            .is_bridge = TRUE, .mac = lab_bridge_mac(project->name, network->name)};
        struct link_address address = {.ifindex = link.ifindex, .ip = network->host_ip, .prefix = network->subnet.prefix};
        struct link_address6 address6 = {link.ifindex, lab_host_ip6(network), network->subnet6.prefix};

        g_strlcpy(link.name, network->bridge, sizeof link.name);
        if (network->external)
                link.group = 0;
        else
                link.alias = lab_alias(project->name, network->name);
        g_array_append_val(links->links, link);
        if (network->host_ip)
                g_array_append_val(links->addresses, address);
        if (network->subnet6.prefix)
                g_array_append_val(links->addresses6, address6);
}

/* An interface of the host's: an uplink, or a free one. */
static void
add_interface(struct links *links, const char *name, const char *bridge)
{
        struct link link = {.ifindex = (int)links->links->len + 1, .mtu = 1500, .up = TRUE};

        for (guint i = 0; bridge && i < links->links->len; i++)
                if (strcmp(g_array_index(links->links, struct link, i).name, bridge) == 0)
                        link.master = g_array_index(links->links, struct link, i).ifindex;
        g_strlcpy(link.name, name, sizeof link.name);
        g_array_append_val(links->links, link);
}

static struct links *
make_links(const struct bench *bench)
{
        struct links *links = g_new0(struct links, 1);

        links->links = g_array_new(FALSE, TRUE, sizeof(struct link));
        g_array_set_clear_func(links->links, (GDestroyNotify)link_clear);
        links->addresses = g_array_new(FALSE, TRUE, sizeof(struct link_address));
        links->addresses6 = g_array_new(FALSE, TRUE, sizeof(struct link_address6));
        links->neighbours6 = g_array_new(FALSE, TRUE, sizeof(struct link_neighbour6));
        links->neighbours = g_array_new(FALSE, TRUE, sizeof(struct link_neighbour));
        links->routes = g_array_new(FALSE, TRUE, sizeof(struct link_route));
        links->routes6 = g_array_new(FALSE, TRUE, sizeof(struct link_route6));
        links->by_name = g_hash_table_new(g_str_hash, g_str_equal);
        links->by_index = g_hash_table_new(NULL, NULL);
        for (guint i = 0; i < bench->resolved->lab.network_count; i++)
                add_link(links, bench->project, &bench->resolved->lab.networks[i]);
        for (guint i = 0; i < bench->resolved->lab.network_count; i++)
                if (bench->resolved->lab.networks[i].uplink)
                        add_interface(links, bench->resolved->lab.networks[i].uplink, bench->resolved->lab.networks[i].bridge);
        add_interface(links, "eth1", NULL);
        for (guint i = 0; i < links->links->len; i++) {
                struct link *link = &g_array_index(links->links, struct link, i);

                g_hash_table_insert(links->by_name, link->name, link);
                g_hash_table_insert(links->by_index, GINT_TO_POINTER(link->ifindex), link);
        }
        return links;
}

static void
tell_mtus(struct bench *bench)
{
        for (guint i = 0; i < bench->resolved->vm_count; i++) {
                const struct launch *launch = &bench->resolved->vms[i].launch;
                struct vm_world *vm = g_ptr_array_index(bench->world->vms, i);

                vm->mtus = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
                for (guint n = 0; n < launch->nic_count; n++)
                        g_hash_table_insert(vm->mtus, qemu_nic_id(launch->nics[n].nic->name),
                                            GUINT_TO_POINTER(launch->nics[n].mtu));
        }
}

/* The texts that dnsmasq and the firewall run with. */
struct texts {
        char *config, *reservations, *names, *rules;
};

static struct texts
make_texts(const struct lab *lab)
{
        return (struct texts){dnsmasq_config(lab), dnsmasq_reservations(lab), dnsmasq_names(lab), firewall_rules(lab)};
}

static void
texts_clear(struct texts *texts)
{
        g_free(texts->config);
        g_free(texts->reservations);
        g_free(texts->names);
        g_free(texts->rules);
}

/* As session.c would find dnsmasq and the firewall, with the edited file in hand. */
static void
find_services(struct bench *bench, const struct texts *running)
{
        struct texts wanted = make_texts(&bench->resolved->lab);

        bench->world->dnsmasq.config_same = strcmp(running->config, wanted.config) == 0;
        bench->world->dnsmasq.hosts_same = strcmp(running->reservations, wanted.reservations) == 0 &&
                                           strcmp(running->names, wanted.names) == 0;
        if (bench->world->firewall == FIREWALL_SAME && strcmp(running->rules, wanted.rules) != 0)
                bench->world->firewall = FIREWALL_DIFFERENT;
        texts_clear(&wanted);
}

static char *
make_file(const GString *text)
{
        return g_strconcat(strstr(text->str, "isolation:") ? "" : "isolation: private\n", "name: lab\n", text->str, NULL);
}

/* ---- the plan in a form that shows the class of each change ---- */

static void
render_step(GString *text, const struct plan_step *step)
{
        g_string_append_printf(text, "  %s %s%s%s", plan_action_name(step->action), plan_kind_name(step->kind),
                               *step->name ? " " : "", step->name);
        for (guint i = 0; i < step->changes->len; i++) {
                const struct plan_change *change = g_ptr_array_index(step->changes, i);

                g_string_append_printf(text, "%s %s: %s > %s (%s)", i ? "," : "", change->key,
                                       change->from ? change->from : "none", change->to ? change->to : "none",
                                       key_change_name(change->how));
        }
        g_string_append_c(text, '\n');
}

static char *
plan_change(const struct block *block)
{
        static const struct plan_options up = {.goal = GOAL_UP, .networks = TRUE, .grace_ms = -1};
        g_autofree char *before = make_file(block->before), *after = make_file(block->after);
        GString *text = g_string_new(NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(plan_t) plan = NULL;
        struct texts running;
        struct bench bench;

        bench_init(&bench, before);
        pretend_up(&bench, VM_RUNNING);
        bench.world->state->exists = TRUE;
        bench.world->state->isolation = bench.project->isolation;
        bench.world->isolation = bench.project->isolation;
        for (guint i = 0; i < bench.resolved->lab.network_count; i++)
                state_keep_network(bench.world->state, &bench.resolved->lab.networks[i]);
        bench.world->links = make_links(&bench);
        tell_mtus(&bench);
        running = make_texts(&bench.resolved->lab);
        if (!firewall_is_needed(&bench.resolved->lab))
                bench.world->firewall = FIREWALL_ABSENT;
        if (!dnsmasq_is_needed(&bench.resolved->lab))
                bench.world->dnsmasq.pid = 0;
        edit(&bench, after);
        resolve_again(&bench);
        find_services(&bench, &running);
        plan = make_plan(&bench, &up, &error);
        for (guint i = 0; plan && i < plan->steps->len; i++)
                render_step(text, g_ptr_array_index(plan->steps, i));
        for (guint i = 0; i < bench.faults->items->len; i++)
                g_string_append_printf(text, "  fault: %s\n",
                                       ((struct diagnostic *)g_ptr_array_index(bench.faults->items, i))->text);
        if (!plan)
                g_string_append_printf(text, "  error: %.*s\n", (int)strcspn(error->message, "\n"), error->message);
        texts_clear(&running);
        bench_clear(&bench);
        return g_string_free(text, FALSE);
}

/* ---- the walk ---- */

static const struct block *
find_block(const GPtrArray *blocks, const char *key)
{
        for (guint i = 0; i < blocks->len; i++)
                if (strcmp(((struct block *)g_ptr_array_index(blocks, i))->key, key) == 0)
                        return g_ptr_array_index(blocks, i);
        return NULL;
}

static guint
walk(const struct key_table *table, const char *path, const GPtrArray *blocks)
{
        guint count = 0;

        for (const struct key *key = table->keys; key->name; key++) {
                g_autofree char *here = *path ? g_strconcat(path, ".", key->name, NULL) : g_strdup(key->name);
                const struct block *block = find_block(blocks, here);

                if (key->unbuilt || key->consumed ||
                    strcmp(here, "name") == 0) /* another name is another project */
                        continue;
                if (!block || strcmp(block->class, key_change_name(key->change)) != 0) {
                        g_test_message("%s: the table says '%s', " CHANGES " says '%s'", here, key_change_name(key->change),
                                       block ? block->class : "nothing");
                        g_test_fail();
                }
                count++;
                if (key->table)
                        count += walk(key->table, here, blocks);
        }
        return count;
}

static void
test_classes(void)
{
        g_autofree char *head = NULL;
        g_autoptr(GPtrArray) blocks = read_blocks(&head);

        g_assert_cmpuint(walk(&keys_project, "", blocks), ==, blocks->len); /* each key has one, and each one a key */
}

/* Is there a step in the plan by which a change of this class reaches what runs? */
static gboolean
shows_class(const char *class, const char *plan)
{
        if (strcmp(class, "none") == 0)
                return !*plan;
        if (strcmp(class, "restart") == 0)
                return strstr(plan, "  pending vm ") || strstr(plan, "  error: ");
        if (strcmp(class, "recreate") == 0)
                return strstr(plan, "  fresh-pending vm ") || strstr(plan, "  fault: ");
        return *plan && !strstr(plan, "pending") && !strstr(plan, "  error: ");
}

static void
test_plans(void)
{
        g_autofree char *head = NULL, *old = NULL;
        g_autoptr(GPtrArray) blocks = read_blocks(&head);
        g_autoptr(GString) all = g_string_new(head);

        for (guint i = 0; i < blocks->len; i++) {
                const struct block *block = g_ptr_array_index(blocks, i);
                g_auto(GStrv) before = g_strsplit(block->before->str, "\n", -1),
                              after = g_strsplit(block->after->str, "\n", -1);
                g_autofree char *plan = plan_change(block);

                g_string_append_printf(all, "\n%s %s\n", block->key, block->class);
                for (char **line = before; *line && **line; line++)
                        g_string_append_printf(all, "- %s\n", *line);
                for (char **line = after; *line && **line; line++)
                        g_string_append_printf(all, "+ %s\n", *line);
                g_string_append(all, plan);
                if (!shows_class(block->class, plan)) {
                        g_test_message("%s is %s, and is planned as\n%s", block->key, block->class, plan);
                        g_test_fail();
                }
        }
        if (accept_output)
                g_assert_true(file_write_atomic(CHANGES, all->str, all->len, 0644, NULL));
        g_assert_true(file_read(CHANGES, 1 << 20, &old, NULL, NULL));
        g_assert_cmpstr(all->str, ==, old);
}

int
main(int argc, char **argv)
{
        accept_output = argc > 1 && strcmp(argv[1], "--accept") == 0;
        g_setenv("DROVER_DATA_DIR", "/var/lib/drover", TRUE); /* whoever runs the tests */
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/changes/classes", test_classes);
        g_test_add_func("/changes/plans", test_plans);
        return g_test_run();
}
