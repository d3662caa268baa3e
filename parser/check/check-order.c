/* check-order.c - does depends_on go round in a circle?
 *
 * A walk in depth with a stack of its own, since a chain may be as long as there are VMs. A VM that is reached while it is
 * still on the stack closes a circle: the stack from there on is the circle.
 */
#include "parser/check/check.h"

enum state { UNSEEN, ON_STACK, DONE };

enum { SHOWN_VMS = 12 };

struct step {
        guint vm;
        guint next; /* which of its dependencies is looked at next */
};

static char *
circle_text(const struct project *project, const GArray *stack, guint first)
{
        GString *text = g_string_new(NULL);
        guint length = stack->len - first;

        for (guint i = 0; i < length; i++) {
                const struct step *step = &g_array_index(stack, struct step, first + i);

                if (length > SHOWN_VMS && i == SHOWN_VMS - 2) {
                        g_string_append_printf(text, "... %u more ... -> ", length - SHOWN_VMS + 1);
                        i = length - 2;
                        continue;
                }
                g_string_append_printf(text, "%s -> ", project->declared_vms[step->vm].name);
        }
        g_string_append(text, project->declared_vms[g_array_index(stack, struct step, first).vm].name);
        return g_string_free(text, FALSE);
}

static void
report_circle(const struct check *check, const GArray *stack, guint closing)
{
        const struct step *last = &g_array_index(stack, struct step, stack->len - 1);
        const struct vm *vm = &check->project->declared_vms[last->vm];
        g_autofree char *text = NULL;
        guint first = stack->len - 1;

        while (g_array_index(stack, struct step, first).vm != closing)
                first--;
        text = circle_text(check->project, stack, first);
        check_fault(check, "depends-cycle", check_dependency_place(vm, &vm->dependencies[last->next]),
                    "remove one of these dependencies", "depends_on of vm '%s' goes in a circle: %s", vm->name, text);
}

static void
walk(const struct check *check, guint start, guint8 *states)
{
        g_autoptr(GArray) stack = g_array_new(FALSE, FALSE, sizeof(struct step));
        struct step first = {start, 0};

        g_array_append_val(stack, first);
        states[start] = ON_STACK;
        while (stack->len) {
                struct step *step = &g_array_index(stack, struct step, stack->len - 1);
                const struct vm *vm = &check->project->declared_vms[step->vm];
                struct step deeper = {0, 0};

                if (step->next == vm->dependency_count) {
                        states[step->vm] = DONE;
                        g_array_set_size(stack, stack->len - 1);
                        continue;
                }
                deeper.vm = vm->dependencies[step->next].index; /* G_MAXUINT: unknown, and said so */
                if (deeper.vm != G_MAXUINT && states[deeper.vm] == ON_STACK)
                        report_circle(check, stack, deeper.vm);
                step->next++;
                if (deeper.vm != G_MAXUINT && states[deeper.vm] == UNSEEN) {
                        states[deeper.vm] = ON_STACK;
                        g_array_append_val(stack, deeper);
                }
        }
}

void
check_order(const struct check *check)
{
        g_autofree guint8 *states = g_new0(guint8, check->project->declared_vm_count + 1);

        for (guint i = 0; i < check->project->declared_vm_count; i++)
                if (states[i] == UNSEEN && check->project->declared_vms[i].dependency_count)
                        walk(check, i, states);
}
