"""test_faults.py - what only the host can tell: all of it at once, with its place, and nobody else is stopped by it"""

import fcntl
import os
import shutil
import struct

import host

GOOD = "  good: {<<: *fake}\n"
BAD = """\
  memory: {memory: 900G}
  machine: {<<: *fake, machine: pc-q35-7.9}
  cpus: {<<: *fake, cpus: 289}
"""
DISK = "vms:\n  one: {memory: 64M, disks: [{file: %s}]}\n"


def complaints(result):
    """The first lines of diagnostics, without the place."""
    return [line.split(": ", 2)[2] for line in result.err.splitlines() if ": error: " in line]


def make_disk(world):
    path = world.path("shared.raw")
    with open(path, "wb") as file:
        file.truncate(1 << 20)
    return path


def test_all_at_once(world):
    """Three VMs with a fault each: every verb that would start them names all three, in the order of the file."""
    lab = world.lab("vms:\n" + BAD + GOOD, fake=True)
    wanted = ["vm 'memory': 900G of memory is more than this host has (",
              "vm 'machine': this host's QEMU has no machine 'pc-q35-7.9'",
              "vm 'cpus': 289 vCPUs are more than machine 'pc-q35-7.2' can have without KVM (255)"]
    for verb in ("plan", "up"):
        refused = lab.drover(verb, status=3)
        assert len(complaints(refused)) == 3, refused
        assert all(line.startswith(start) for line, start in zip(complaints(refused), wanted)), refused
        assert " ^~~~~~~~~~ did you mean 'pc-q35-7.2'?\n" in refused.err, refused
    refused = lab.drover("config", "--qemu", "cpus", status=3)
    assert complaints(refused) == wanted[2:], refused
    assert lab.leftovers() == [] and host.disk_files(lab.data) == []


def test_others_go_on(world):
    """A VM at fault is no matter to verbs about others, nor to those that only look or take down."""
    lab = world.lab("vms:\n" + GOOD + "  bad: {<<: *fake, boot: {kernel: ./k}}\n", fake=True)
    refused = lab.drover("up", status=3)
    assert complaints(refused) == [f"kernel of vm 'bad': there is no file '{lab.directory}/k'"], refused
    lab.drover("plan", "good")
    lab.drover("up", "good")
    assert lab.states() == {"good": "running"}
    for verb in (("ps",), ("ls",), ("logs", "-n", "1"), ("ip", "good"), ("inspect", "good"), ("config", "--hash", "good"),
                 ("config", "--qemu", "good"), ("restart", "good", "-t", "0"), ("stop", "-t", "0"), ("start", "good")):
        assert "bad" not in lab.drover(*verb).err
    for verb in ("up", "bad"), ("config", "--qemu", "bad"):
        refused = lab.drover(*verb, status=3)
        assert complaints(refused) == [f"kernel of vm 'bad': there is no file '{lab.directory}/k'"], refused
    with open(os.path.join(lab.directory, "k"), "wb"):
        pass
    lab.drover("up")
    os.unlink(os.path.join(lab.directory, "k"))
    runs_on = lab.drover("plan", "bad")
    assert f"warning: kernel of vm 'bad': there is no file '{lab.directory}/k'; it runs on, but its next start would fail" \
        in runs_on.err, runs_on
    before = lab.pids()
    lab.drover("restart", "bad", "-t", "0", status=3)
    assert lab.pids() == before
    lab.drover("down", "-t", "0")


def test_kvm_that_cannot_be(world):
    """`accel: kvm` where KVM is not usable is said before anything is made; where it is asked for by hand, it is tried."""
    devices = world.devices()
    lab = world.lab("vms:\n  one: {<<: *fake, accel: kvm}\n", fake=True, prefix=devices.prefix,
                    environment={"DROVER_ACCEL": "auto"})
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = file.read().split()
    if "vmx" in flags or "svm" in flags:
        lab.drover("plan")
        return
    for verb in ("plan", "up"):
        refused = lab.drover(verb, status=3)
        assert complaints(refused) == ["vm 'one': KVM cannot be used here: this host's CPU shows neither vmx nor svm"], refused
        assert "^~~ 'accel: auto' takes KVM where it works, and TCG here" in refused.err, refused
    lab.drover("plan", environment={"DROVER_ACCEL": "kvm"})


def test_disk_of_another_vm(world):
    """A file that a running VM of another project has: the plan names file, VM and project; its own file is no fault."""
    path = make_disk(world)
    first, second = (world.lab(DISK % path, name=name) for name in "ab")
    first.drover("up", "--paused")
    assert first.drover("plan").err == first.drover("plan", "--restart").err == ""
    first.drover("up", "--paused", "--force-recreate", "-t", "0")
    pid = first.pids()["one"]
    for verb in ("plan", "up"):
        refused = second.drover(verb, status=1)
        told = [f"vm 'one': '{path}' is in use by vm 'one' of project '{first.name}' (pid {pid})"]
        assert complaints(refused) == told, refused
        assert f"~~~ 'drover -p {first.name} stop one' lets go of it\n" in refused.err, refused
    second.drover("config", "--qemu", "one")  # what it would be started with is no matter of who has it
    assert second.leftovers() == []
    second.write((DISK % path).replace("}]", ", read_only: true}]"))
    assert "is in use by" in second.drover("plan", status=1).err
    first.drover("stop", "-t", "0")
    second.drover("up", "--paused")
    first.replace("}]", ", read_only: true}]")
    first.drover("up", "--paused")  # two that only read it do no harm to each other
    for lab in (first, second):
        lab.drover("down", "-t", "0")


def test_disk_that_is_locked_meanwhile(world):
    """A lock that comes between plan and start is told in the same words, and not in QEMU's."""
    path = make_disk(world)
    lab = world.lab("vms:\n  slow: {<<: *fake, qemu_args: [-fake, slow=1500]}\n"
                    f"  one: {{memory: 64M, depends_on: [slow], disks: [{{file: {path}}}]}}\n", fake=True)
    up = lab.begin("up")
    host.wait_until(lambda: lab.states().get("slow") not in (None, "absent"), "the first VM is being started")
    with open(path, "r+b") as file:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 101, 1, 0))
        err = up.communicate(timeout=60)[1]
    assert up.returncode == 1, err
    assert f"cannot start vm 'one': '{path}' is in use by 'python3' (pid {os.getpid()})" in err, err
    lab.drover("down", "-t", "0")


HANDOVER = """
disks: {{data: 16M, other: 16M}}
vms:
  first: {{memory: 64M, networks: [], disks: [{}]}}
  second: {{memory: 64M, networks: [], disks: [{}]}}
"""


def test_disk_changes_hands(world):
    """A disk that goes to another VM: at a restart of both, the one that has it stops before the other starts with it."""
    data, other = "{disk: data, bus: sata}", "{disk: other, bus: sata}"
    lab = world.lab(HANDOVER.format(other, data))
    lab.drover("up", "--paused")
    pids = lab.pids()
    lab.write(HANDOVER.format(f"{other}, {data}", ""))
    lab.drover("up", "--paused")  # what waits for a restart asks for nothing now
    assert lab.pids() == pids and "drover.yaml" not in lab.drover("plan").err
    refused = lab.drover("up", "--restart", "--paused", "-t", "0", "first", status=1)
    assert complaints(refused)[0].endswith(f"/disks/data.0.qcow2' is in use by vm 'second' (pid {pids['second']})"), refused
    assert "'drover up --restart second first' takes it from the one and gives it to the other\n" in refused.err, refused
    assert lab.pids() == pids
    lab.drover("up", "--restart", "--paused", "-t", "0")
    assert set(lab.pids().values()).isdisjoint(pids.values()) and lab.states() == {"first": "starting", "second": "starting"}
    lab.write(HANDOVER.format(data, other))
    lab.drover("up", "--restart", "--paused", "-t", "0")
    lab.write(HANDOVER.format(other, data))
    refused = lab.drover("up", "--restart", "--paused", "-t", "0", status=1)  # each would have to wait for the other
    assert len(complaints(refused)) == 1 and "'drover stop " in refused.err, refused
    lab.drover("stop", "-t", "0")
    lab.drover("up", "--paused")


def test_dnsmasq_loses_a_race(world):
    """dnsmasq ends where an interface goes while it looks at them all: it is started again; not so for other reasons."""
    real, copy = shutil.which("dnsmasq", path="/usr/local/sbin:/usr/sbin:/usr/bin"), world.path("dnsmasq-real")
    count, stand_in = world.path("count"), world.path("dnsmasq")
    shutil.copy(real, copy)
    reasons = {"failed to find list of interfaces: No such device": 3, "cannot read it": 1}
    lab = world.lab("networks:\n  lan: {subnet: 10.85.0.0/24}\nvms:\n  one: {<<: *fake, networks: [lan]}\n",
                    namespace=world.namespace(), fake=True)
    for reason, tries in reasons.items():
        with open(stand_in, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\necho >>{count}\n"
                       f"[ $(wc -l <{count}) -lt 3 ] && {{ echo 'dnsmasq: {reason}' >&2; exit 2; }}\n"
                       f'exec {copy} "$@"\n')
        os.chmod(stand_in, 0o755)
        up = lab.drover("up", status=None,
                        wrap=["unshare", "-m", "sh", "-c", f'mount --bind {stand_in} {real} && exec "$@"', "sh"])
        with open(count, encoding="ascii") as file:
            assert len(file.readlines()) == tries, up
        assert (up.status == 0) == (tries == 3) and (up.status == 0 or f"dnsmasq: {reason}" in up.err), up
        lab.drover("down", "-t", "0")
        os.unlink(count)
