/* check-port.c - published ports: do the ranges fit, and does anybody else have the port of the host?
 *
 * Claims are sorted by protocol, address and first port, so that within one address a claim collides with another one if it
 * begins before the farthest end so far. A claim of all addresses collides with those of every address of its family: they are
 * looked up by bisection. So ten thousand VMs with a range each cost no more than sorting them.
 */
#include "parser/check/check.h"

#include "parser/value/value.h"

#include <string.h>

struct claim {
        const struct vm *vm;
        const struct port *port;
        guint number;   /* in the order of the file */
        int family;     /* of a port without address there are two claims, one a family */
        gboolean any;   /* all addresses of the family */
        guint farthest; /* of all claims up to here on the same address: the one that ends last */
};

static int
compare_addresses(const struct claim *one, const struct claim *two)
{
        if (one->port->protocol != two->port->protocol)
                return one->port->protocol < two->port->protocol ? -1 : 1;
        if (one->family != two->family)
                return one->family < two->family ? -1 : 1;
        if (one->any || two->any)
                return two->any - one->any; /* all addresses first */
        if (one->family == AF_INET)
                return (one->port->host.v4 > two->port->host.v4) - (one->port->host.v4 < two->port->host.v4);
        return memcmp(&one->port->host.v6, &two->port->host.v6, sizeof one->port->host.v6);
}

static int
compare_claims(gconstpointer a, gconstpointer b)
{
        const struct claim *one = a, *two = b;
        int order = compare_addresses(one, two);

        if (order)
                return order;
        if (one->port->published.first != two->port->published.first)
                return one->port->published.first < two->port->published.first ? -1 : 1;
        return one->number < two->number ? -1 : one->number > two->number;
}

static void
add_claim(GArray *claims, const struct vm *vm, const struct port *port, int family, gboolean any)
{
        const struct claim claim = {.vm = vm, .port = port, .number = claims->len, .family = family, .any = any};

        g_array_append_val(claims, claim);
}

static void
add_claims(GArray *claims, const struct vm *vm, const struct port *port)
{
        const struct host_address *host = &port->host;

        if (!host->family || host->family == AF_INET)
                add_claim(claims, vm, port, AF_INET, !host->family || host->v4 == 0);
        if (!host->family || host->family == AF_INET6)
                add_claim(claims, vm, port, AF_INET6, !host->family || IN6_IS_ADDR_UNSPECIFIED(&host->v6));
}

static struct place
port_place(const struct port *port)
{
        return project_place(port->node, "published");
}

/* Whoever stands later in the file is told. */
static void
report_clash(const struct check *check, const struct claim *one, const struct claim *two)
{
        const struct claim *first = one->number < two->number ? one : two, *second = first == one ? two : one;
        struct place place = port_place(first->port);
        g_autofree char *mine = value_format_port_range(&second->port->published), *theirs = value_format_port(first->port);
        g_autofree char *where = place.source && place.source != port_place(second->port).source
                                         ? g_strdup_printf("%s:%u", place.source->name, place.line)
                                         : g_strdup_printf("line %u", place.line);

        check_fault(check, "port-taken", port_place(second->port), "take another port of the host, or another address of it",
                    "ports of vm '%s': port %s of the host is taken by '%s' of vm '%s' in %s", second->vm->name, mine, theirs,
                    first->vm->name, where);
}

static const struct claim *
claim_at(const GArray *claims, guint index)
{
        return &g_array_index(claims, struct claim, index);
}

/* The one of the claims from @start to before @end, which share an address, that collides with @range; or NULL. */
static const struct claim *
find_clash(const GArray *claims, guint start, guint end, const struct port_range *range)
{
        guint low = start, high = end;

        while (low < high) {
                guint middle = low + (high - low) / 2;

                if (claim_at(claims, middle)->port->published.first <= range->last)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == start)
                return NULL;
        if (claim_at(claims, low - 1)->port->published.last >= range->first)
                return claim_at(claims, low - 1);
        low = claim_at(claims, low - 1)->farthest;
        return claim_at(claims, low)->port->published.last >= range->first ? claim_at(claims, low) : NULL;
}

/* Claims sorted; those of all addresses of a family come before its others. */
static void
check_clashes(const struct check *check, GArray *claims)
{
        guint any_start = 0, any_end = 0;

        for (guint i = 0; i < claims->len; i++) {
                struct claim *claim = &g_array_index(claims, struct claim, i);
                const struct claim *before = i ? claim_at(claims, i - 1) : NULL;
                const struct claim *clash = NULL;

                if (!before || before->family != claim->family || before->port->protocol != claim->port->protocol)
                        any_start = any_end = i;
                if (claim->any)
                        any_end = i + 1;
                else
                        clash = find_clash(claims, any_start, any_end, &claim->port->published);
                claim->farthest = i;
                if (before && compare_addresses(before, claim) == 0) {
                        const struct claim *farthest = claim_at(claims, before->farthest);

                        if (before->port->published.last >= claim->port->published.first)
                                clash = before; /* the nearest says most */
                        else if (farthest->port->published.last >= claim->port->published.first)
                                clash = farthest;
                        if (farthest->port->published.last > claim->port->published.last)
                                claim->farthest = before->farthest;
                }
                if (clash)
                        report_clash(check, clash, claim);
        }
}

static void
check_lengths(const struct check *check, const struct vm *vm, const struct port *port)
{
        guint published = port->published.last - port->published.first + 1, target = port->target.last - port->target.first + 1;

        if (target == 1 && project_is_set(vm->node, "replicas"))
                return; /* one port of the host for each of them */
        if (published != target)
                check_fault(check, "port-lengths", port_place(port), "write ranges of the same length: 8000-8010:80-90",
                            "ports of vm '%s': %u ports of the host cannot lead to %u of the guest", vm->name, published,
                            target);
}

void
check_ports(const struct check *check)
{
        g_autoptr(GArray) claims = g_array_new(FALSE, TRUE, sizeof(struct claim));

        for (guint i = 0; i < check->project->vm_count; i++) {
                const struct vm *vm = &check->project->vms[i];

                for (guint j = 0; j < vm->port_count; j++) {
                        const struct port *port = &vm->ports[j];

                        if (!port->published.first || !port->target.first)
                                continue; /* a fault by itself */
                        check_lengths(check, vm, port);
                        add_claims(claims, vm, port);
                }
        }
        g_array_sort(claims, compare_claims);
        check_clashes(check, claims);
}
