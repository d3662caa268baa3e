"""live.py - one edit of the file while VMs run: from `up` to done, beside virsh for the same change of a domain

The guests end in their firmware, so nothing of a guest is in it: what is measured ends when QEMU has the device, the size, or
dnsmasq the reservation. Each round is another edit of one VM, for an `up` that looks at all and for one that is told which; of
libvirt's domains, which have room for one more device each, every round takes the next one.
"""

import os

from host import Failed, note, run, wait_for_quiet

COUNTS = (1, 50)
ROUNDS = 7  # a VM has eight spare ports
NETWORK = """<network><name>bench</name><bridge name='benchnet'/><ip address='10.98.0.1' netmask='255.255.255.0'><dhcp>
<range start='10.98.0.100' end='10.98.0.200'/><host mac='{mac}' ip='10.98.0.9'/></dhcp></ip></network>
"""
MAC = "52:54:00:98:00:01"


def vm_line(number, nics, size, last):
    """As it is after so many edits: more NICs, a larger disk, another address."""
    more = "".join(f", n{i}: {{network: lan}}" for i in range(nics))
    return (f"  vm-{number}: {{image: ../base.qcow2, disk: {size}G, memory: 96M, "
            f"networks: {{lan: {{ip: 10.99.0.{last}}}{more}}}}}")


def lab_text(count, edits):
    """`edits` has the changed VMs, by number, as vm_line() takes them."""
    lines = ["name: live", "isolation: host", "networks:", "  lan: {subnet: 10.99.0.0/24}", "vms:"]
    lines += [vm_line(i, *edits.get(i, (0, 1, 10 + i))) for i in range(1, count + 1)]
    return "\n".join(lines) + "\n"


def drover_rounds(lab, count, rounds, edits, edited, names):
    """Samples of each kind of edit; all of them are in what stands at the end, and no VM was restarted."""
    seen = {"nic": [], "grow": [], "reservation": []}
    for i in range(rounds):
        for kind, now in (("nic", (i + 1, i + 1, 10 * edited + 90 + i)), ("grow", (i + 1, i + 2, 10 * edited + 90 + i)),
                          ("reservation", (i + 1, i + 2, 10 * edited + 91 + i))):
            edits[edited] = now
            with open(os.path.join(lab.directory, "drover.yaml"), "w", encoding="utf-8") as file:
                file.write(lab_text(count, edits))
            seen[kind].append(lab.verb("up", *names)[0])
    run([lab.programs["drover"], "plan", "--exit-code"], cwd=lab.directory, env=lab.environment("drover"))
    return seen


def virsh_rounds(bench, rounds):
    """The same by virsh, with fifty domains."""
    seen = {"nic": [], "grow": []}
    bench.start_libvirt()
    bench.create_domains(4, [])
    for i in range(1, rounds + 1):
        seen["nic"].append(bench.xargs("virsh", "attach-interface", f"vm-{i}", "bridge", "bare0", "--model", "virtio",
                                       "--live")[0])
        seen["grow"].append(bench.xargs("virsh", "blockresize", f"vm-{i}", "vda", f"{i + 1}G")[0])
    seen["reservation"] = virsh_reservations(bench, rounds)
    bench.destroy_domains([])
    return seen


def virsh_reservations(bench, rounds):
    path, times = os.path.join(bench.scratch, "network.xml"), []
    with open(path, "w", encoding="utf-8") as file:
        file.write(NETWORK.format(mac=MAC))
    try:
        run(["virsh", "net-create", path])
    except Failed as reason:
        note(f"no network of libvirt's, hence no net-update: {str(reason).strip().splitlines()[-1]}")
        return None
    try:
        for i in range(1, rounds + 1):
            host = f"<host mac='{MAC}' ip='10.98.0.{9 + i}'/>"
            times.append(bench.xargs("virsh", "net-update", "bench", "modify", "ip-dhcp-host", host, "--live")[0])
    finally:
        run(["virsh", "net-destroy", "bench"])
    return times


def measure(bench, count, rounds):
    rounds, edits = min(rounds, ROUNDS), {1: (0, 1, 100), 2: (0, 1, 110)}
    lab = bench.lab(f"live-{count}", lab_text(count, edits))
    lab.verb("up")
    try:
        wait_for_quiet()
        ours = {"up": drover_rounds(lab, count, rounds, edits, 1, ())}
        if count > 1:
            ours["up vm-2"] = drover_rounds(lab, count, rounds, edits, 2, ("vm-2",))
    finally:
        lab.verb("down", "-t", "0")
    lab.anew()
    theirs = virsh_rounds(bench, rounds) if bench.options.virsh and count == COUNTS[-1] else {}
    for kind, name, command in (("nic", "NIC hot-add", "virsh attach-interface"), ("grow", "disk grow", "virsh blockresize"),
                                ("reservation", "reservation change", "virsh net-update")):
        goal = ("ahead", lambda mine, other, ratio: ratio < 1) if theirs.get(kind) else ("", None)
        against = (command, theirs[kind]) if theirs.get(kind) else ("", None)
        for verb, seen in ours.items():
            bench.table.add(f"{verb}, {name}, {count} running", seen[kind], *against, *goal)
