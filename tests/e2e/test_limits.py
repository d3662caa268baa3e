"""test_limits.py - what this host cannot give, KVM, many VMs, a console that never ends"""

import json
import os
import pwd
import socket
import time

import host


def test_what_the_host_does_not_have(world):
    """Too much memory, a missing kernel: the place in the file, the cause, and nothing is made."""
    lab = world.lab("vms:\n  one: {memory: 900G}\n", fake=True)
    for verb in ("plan", "up"):
        refused = lab.drover(verb, status=3)
        assert "drover.yaml:" in refused.err and "900G of memory is more than this host has (" in refused.err, refused
    lab.write("vms:\n  one: {boot: {kernel: ./vmlinux}}\n")
    refused = lab.drover("up", status=3)
    assert "drover.yaml:" in refused.err and "there is no file" in refused.err and "vmlinux'" in refused.err, refused
    assert lab.leftovers() == [] and host.disk_files(lab.data) == []


def test_without_the_user_for_qemu(world):
    """As root, without the system user for QEMU: nothing is started as root, and the error says how to make the user."""
    lab = world.lab("vms:\n  one: {<<: *fake}\n", fake=True, environment={"DROVER_QEMU_USER": "no-such-user"})
    refused = lab.drover("up", status=None)
    assert refused.status and "QEMU never runs as root" in refused.err and "useradd" in refused.err, refused
    lab.environment["DROVER_QEMU_USER"] = "root"
    assert "QEMU never runs as root" in lab.drover("up", status=5).err
    assert lab.states() == {}


def test_files_that_qemu_may_not_read(world):
    """Kernel and initrd that only root can read are handed over: the guest boots."""
    lab = world.lab("vms:\n  one: {memory: 128M, boot: {kernel: ./k, initrd: ./i, cmdline: 'console=ttyS0 quiet'}}\n")
    for name, source in (("k", "vmlinuz"), ("i", "initrd.gz")):
        with open(os.path.join(world.programs.guest, source), "rb") as file:
            content = file.read()
        with open(os.open(os.path.join(lab.directory, name), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(content)
    lab.drover("up")
    lab.console("one").ready()


def test_few_descriptors(world):
    """However few descriptors there may be, what could not be opened is told, by drover, its helper and its children."""
    lab = world.lab("networks:\n  lan: {subnet: 10.40.0.0/24, mode: nat}\n"
                    "vms:\n  one: {<<: *fake, networks: [lan], disk: 8M}\n", fake=True)
    handed = False
    for limit in (*range(4, 28, 2), 600, 604):
        up = lab.drover("--parallel", "1", "up", status=None, wrap=["prlimit", f"--nofile={limit}:{limit}"])
        assert 0 < up.status < 126 and "error: " in up.err and "without a word" not in up.err, f"{limit}: {up}"
        handed |= "cannot take a descriptor" in up.err
    assert handed
    lab.drover("up")
    lab.assert_satisfied()


def test_kvm(world):
    """With KVM asked for, QEMU runs with it (as far as a paused VM tells)."""
    if not os.path.exists("/dev/kvm"):
        lab = world.lab("vms:\n  one: {accel: kvm}\n")
        assert "vm 'one': KVM cannot be used here: there is no /dev/kvm" in lab.drover("up", status=3).err
        return
    lab = world.lab("vms:\n  one: {memory: 64M, qemu_args: [-cpu, qemu64]}\n", prefix=world.devices().prefix,
                    environment={"DROVER_ACCEL": "kvm"})
    lab.drover("up", "--paused")
    vm = lab.vms()["one"]
    assert vm["state"] == "starting" and vm["acceleration"] == "kvm", vm
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.settimeout(10)
        monitor.connect(os.path.join(lab.run_directory, "vms/one/observe.sock"))
        stream = monitor.makefile("rw", encoding="utf-8")
        assert "QMP" in json.loads(stream.readline())
        for name in ("qmp_capabilities", "query-kvm"):
            stream.write(json.dumps({"execute": name}) + "\n")
            stream.flush()
            answer = json.loads(stream.readline())
        assert answer["return"] == {"enabled": True, "present": True}
    lab.drover("down", "-t", "0")


def groups_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(line.split()[1:] for line in file if line.startswith("Groups:"))


def test_group_of_kvm(world):
    """QEMU's user need not be a member of the group that may use /dev/kvm: its QEMU is, and nothing else of it."""
    gid = 54321
    assert gid not in os.getgrouplist("drover", pwd.getpwnam("drover").pw_gid)
    lab = world.lab("vms:\n  one: {<<: *fake}\n", fake=True, prefix=world.devices(kvm_group=gid).prefix)
    lab.drover("up")
    assert str(gid) in groups_of(lab.pids()["one"])
    lab.drover("down", "-t", "0")
    lab.prefix = []  # as the host has it
    lab.drover("up")
    assert str(gid) not in groups_of(lab.pids()["one"])


def test_fifty_vms(world):
    """Fifty VMs with disks on two networks: up, no-op, ps, plan and down are right, and the looks are quick."""
    text = "networks:\n  a: {subnet: 10.95.0.0/24}\n  b: {subnet: 10.96.0.0/24, mode: isolated}\nvms:\n"
    for number in range(50):
        text += (f"  v{number}: {{<<: *fake, networks: {{a: {{ip: 10.95.0.{number + 10}}}, b: {{}}}}, disk: 16M"
                 + (f", depends_on: [v{number - 1}]" if number % 10 else "") + "}\n")
    lab = world.lab(text, fake=True)
    lab.drover("up")
    vms = lab.vms()
    assert list(vms) == [f"v{number}" for number in range(50)] and {vm["state"] for vm in vms.values()} == {"running"}
    assert len({vm["pid"] for vm in vms.values()}) == 50 and len({vm["uuid"] for vm in vms.values()}) == 50
    macs = [address["mac"] for vm in vms.values() for address in vm["addresses"]]
    assert len(macs) == 100 == len(set(macs))
    assert sum("master" in link for link in lab.links().values()) == 100
    began = time.monotonic()
    assert "nothing to do: 50 VMs as the file says" in lab.drover("up").err
    lab.assert_satisfied()
    assert len(lab.drover("ps").out.splitlines()) == 51
    assert time.monotonic() - began < 5
    lab.drover("down", "-t", "0")
    assert lab.leftovers() == [] and len(host.disk_files(lab.data)) == 50


def test_endless_console(world):
    """A guest that writes to its console for ever: the log stays within its bound, its end is kept, and readers go on."""
    lab = world.lab("vms:\n  one: {<<: *fake}\n", fake=True)
    lab.drover("up")
    path = lab.vm_data("one", "console.log")
    with open(path, "ab", buffering=0) as log:  # as QEMU writes it: O_APPEND
        for number in range(30):
            log.write(b"a line of a console that never ends\n" * 30000)
            host.wait_until(lambda: os.stat(path).st_size <= 9 << 20, f"the log is cut after {number + 1} MB")
        log.write(b"the end\n")
    assert 0 < os.stat(path + ".1").st_size <= 1 << 20
    assert lab.states() == {"one": "running"} and lab.drover("logs", "-n", "1").out == "one | the end\n"
