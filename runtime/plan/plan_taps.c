/* plan_taps.c - the taps of VMs that run, as the kernel has them, against what they have to be */
#include "runtime/plan/plan_build.h"

#include <string.h>

static gboolean
is_unfit(const struct planner *planner, guint vm, guint nic, const struct link *tap)
{
        const struct vm *wish = &planner->project->vms[vm];
        const char *owner = spec_tap_owner(plan_found_vm(planner, vm)->spec, wish->name);
        guint mtu = planner->resolved->vms[vm].launch.nics[nic].tap_mtu;
        g_autofree char *object = g_strdup_printf("%s/%s", wish->name, wish->nics[nic].name);
        g_autofree char *alias = lab_alias(planner->project->name, object);
        gboolean renamed = strcmp(owner, wish->name) != 0; /* then either name is right */

        return (mtu && tap->mtu != mtu) || (!renamed && g_strcmp0(tap->alias, alias) != 0);
}

guint
plan_loose_taps(const struct planner *planner, guint network, int ifindex, guint *ret_unfit)
{
        guint loose = 0;

        for (guint i = 0; i < planner->project->vm_count; i++) {
                const struct vm *vm = &planner->project->vms[i];
                const struct vm_world *found = world_vm(planner->world, vm->name);

                if (!vm_is_alive(found))
                        continue;
                for (guint n = 0; n < vm->nic_count; n++) {
                        g_autofree char *name = NULL;
                        const struct link *tap;

                        if (!vm_nic_is_on(found, &vm->nics[n], planner->project->networks[network].name))
                                continue;
                        name = lab_tap_name(planner->project->name, spec_tap_owner(found->spec, vm->name), vm->nics[n].name);
                        tap = links_find(planner->world->links, name);
                        if (tap && (tap->master != ifindex || !tap->up || !ifindex))
                                loose++;
                        else if (tap && is_unfit(planner, i, n, tap))
                                (*ret_unfit)++;
                }
        }
        return loose;
}
